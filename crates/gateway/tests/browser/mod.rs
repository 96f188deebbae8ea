//! Chromium without a window, told what to do by its own protocol: as much of that as the page's test asks for.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime::Runtime};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// How long anything may take.
const LONG: Duration = Duration::from_secs(30);

/// A browser with one tab. Dropped, it ends.
pub(crate) struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    session: String,
    commands: u64,
    /// What the page logged as an error.
    pub(crate) errors: Vec<String>,
}

/// The browser on this machine: the one that `CHROMIUM` names, or one of the usual names on the path.
pub(crate) fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    let places = env::split_paths(&path).collect::<Vec<_>>();
    names.iter().find_map(|name| places.iter().map(|place| place.join(name)).find(|p| p.is_file()))
}

impl Browser {
    pub(crate) fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the browser can be started");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(said.read_line(&mut line).expect("text") > 0, "the browser does not say where");
            if let Some(address) = line.trim().strip_prefix("DevTools listening on ") {
                break address.to_owned();
            }
        };
        // It goes on talking; whoever does not listen would stop it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let host =
            address.trim_start_matches("ws://").split('/').next().expect("a host").to_owned();
        let socket = runtime.block_on(async {
            let stream = TcpStream::connect(host).await.expect("it listens");
            tokio_tungstenite::client_async(&address, stream).await.expect("it upgrades").0
        });
        let mut browser = Self {
            child,
            _profile: profile,
            runtime,
            socket,
            session: String::new(),
            commands: 0,
            errors: vec![],
        };
        let target = browser.tell("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.tell("Target.attachToTarget", target);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.tell(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command, and waits for its result.
    fn tell(&mut self, method: &str, parameters: Value) -> Value {
        self.commands += 1;
        let number = self.commands;
        let mut command = json!({"id": number, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.clone().into();
        }
        let (socket, errors) = (&mut self.socket, &mut self.errors);
        let answer = async {
            socket.send(Message::text(command.to_string())).await.expect("it listens");
            loop {
                let message = socket.next().await.expect("it answers").expect("it answers");
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).expect("JSON");
                match message["method"].as_str() {
                    Some("Runtime.exceptionThrown" | "Log.entryAdded") => {
                        errors.push(message["params"].to_string());
                    }
                    _ if message["id"] == number => {
                        assert!(message["error"].is_null(), "{method}: {message}");
                        return message["result"].clone();
                    }
                    _ => {}
                }
            }
        };
        let answer = async { tokio::time::timeout(LONG, answer).await };
        self.runtime.block_on(answer).unwrap_or_else(|_| panic!("{method} takes too long"))
    }

    /// How large the window is, in points, and which colours its user prefers.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let mobile = width < 600;
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}),
        );
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.tell("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.tell("Page.navigate", json!({"url": url}));
    }

    /// What an expression is, in the page.
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.tell("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&mut self, what: &str, expression: &str) {
        let end = Instant::now() + LONG;
        while self.ask(expression) != true {
            if Instant::now() > end {
                let page = self.ask("document.body.innerText");
                panic!("{what} within {LONG:?}; the page says\n{}", page.as_str().unwrap_or(""));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes a picture of the whole page.
    pub(crate) fn picture(&mut self, file: &Path) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.tell("Page.captureScreenshot", parameters);
        let text = picture["data"].as_str().expect("a picture");
        let bytes = data_encoding::BASE64.decode(text.as_bytes()).expect("base64");
        std::fs::write(file, bytes).expect("it can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
