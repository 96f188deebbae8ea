//! The program while it runs, asked over HTTP.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

/// A run of the default market. Dropped, it ends.
pub(crate) struct Serving {
    pub(crate) child: Child,
    /// Where the page and the metrics are.
    pub(crate) pages: String,
    /// Where it takes commands.
    pub(crate) control: String,
    /// Reads what it says, so that it can go on.
    listener: Option<JoinHandle<String>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Serving {
    pub(crate) fn start(duration: &str) -> Self {
        Self::with(duration, &[])
    }

    /// With more flags.
    pub(crate) fn with(duration: &str, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_meltica"))
            .args(["run", "--for", duration, "--rate", "4000", "--listen", "127.0.0.1:0"])
            .args(["--control", "127.0.0.1:0", "--json"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        let mut said = |what: &str| {
            while !line.contains(what) {
                line.clear();
                assert!(stderr.read_line(&mut line).expect("text") > 0, "it does not say: {what}");
            }
            let (_, rest) = line.split_once(what).expect("it is in there");
            rest.split('/').next().expect("an address").to_owned()
        };
        let pages = said("page at http://");
        let control = said("control plane at http://");
        let listener = thread::spawn(move || {
            let mut said = vec![];
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Self { child, pages, control, listener: Some(listener) }
    }

    /// Ends it, and answers whether all was well.
    pub(crate) fn end(&mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }

    /// What it has said on stderr since it serves, once it is over.
    pub(crate) fn said(&mut self) -> String {
        let listener = self.listener.take().expect("it is asked once");
        listener.join().expect("it reads")
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it was started").is_some()
    }

    /// What is answered; `None` if it does not listen any more.
    pub(crate) fn try_ask(&self, request: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.pages).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
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
