//! The program while it runs, asked over HTTP. It runs until it is told to end, so that no test depends on how much a
//! machine does in a time.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of the program. Dropped, it is killed.
pub(crate) struct Serving {
    child: Child,
    /// Where the page and the metrics are.
    pub(crate) pages: String,
    /// Where it takes commands.
    pub(crate) control: String,
    /// What it has said on stderr.
    said: Arc<Mutex<String>>,
    /// Hears it, so that it can go on.
    listener: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a series that is in it.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let line = self
            .body
            .lines()
            .find_map(|line| line.strip_prefix(series).filter(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{series} is not in\n{}", self.body));
        line[1..].parse().expect("a number")
    }
}

impl Serving {
    /// The default market, with these flags as well.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut run =
            Self::spawn(&[&["--rate", "4000", "--control", "127.0.0.1:0"], flags].concat());
        run.control = run.heard_after("control plane at http://");
        run
    }

    /// Anything that runs, with its page.
    pub(crate) fn spawn(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_meltica"))
            .args(["run", "--listen", "127.0.0.1:0", "--json"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let said = Arc::new(Mutex::new(String::new()));
        let hearing = Arc::clone(&said);
        let listener = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = hearing.lock().expect("nobody panics");
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut run = Self {
            child,
            pages: String::new(),
            control: String::new(),
            said,
            listener: Some(listener),
        };
        run.pages = run.heard_after("page at http://");
        run
    }

    /// The address that it says after this.
    fn heard_after(&mut self, what: &str) -> String {
        self.wait(what, |run| {
            let said = run.said();
            let (_, rest) = said.split_once(what)?;
            rest.split_once('/').map(|(address, _)| address.to_owned())
        })
    }

    /// What comes of asking again and again, as long as it runs.
    pub(crate) fn wait<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            let runs = self.child.try_wait().expect("it was started").is_none();
            assert!(runs && Instant::now() < end, "in vain for {what}: {}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as Ctrl-C does. Its summary.
    pub(crate) fn end(&mut self) -> Value {
        self.end_by("-INT")
    }

    /// Ends it by a signal. Its summary.
    pub(crate) fn end_by(&mut self, signal: &str) -> Value {
        let (code, summary) = self.ended(signal);
        assert_eq!(code, Some(0), "{}", self.said());
        summary
    }

    /// Ends it as Ctrl-C does, not all being well. Its exit code and its summary.
    pub(crate) fn end_badly(&mut self) -> (Option<i32>, Value) {
        self.ended("-INT")
    }

    fn ended(&mut self, signal: &str) -> (Option<i32>, Value) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("there is a kill");
        assert!(sent.success());
        let mut stdout = Vec::new();
        let mut pipe = self.child.stdout.take().expect("it ends once");
        pipe.read_to_end(&mut stdout).expect("it is read");
        let status = self.child.wait().expect("it ends");
        self.listener.take().expect("it ends once").join().expect("it hears");
        (status.code(), serde_json::from_slice(&stdout).expect("one JSON object"))
    }

    /// Ends it as nobody should.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
    }

    /// What it has said on stderr so far; once it has ended, all of it.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("nobody panics").clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(&self.pages, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends this, and answers what comes back until the other side closes. Status 0 is that nothing came.
pub(crate) fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("not zero");
    // A refusal may come before all was said, and as a reset.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
