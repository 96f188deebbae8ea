//! Under the configuration of docs/nats/server.conf: over TLS, with nkeys, and each role with what it needs.

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{LONG, Receiver, Sender, ids};
use futures_util::StreamExt;
use meltica_event::TraceId;
use meltica_nats::{
    Commands, Connect, ConnectError, Credentials, InboundConfig, Names, Outbound, OutboundConfig,
    OutboundError, RemoteCommand, RemoteError, Sent,
    async_nats::{Client, ConnectOptions, Event},
    testing::{Server, ServerOptions},
};
use tokio::runtime::{Builder, Runtime};

/// The server, and the folder with what its clients need.
fn server(folder: &Path) -> Server {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/nats/server.conf");
    let mut config = fs::read_to_string(page).expect("the page");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    fs::write(folder.join("server.pem"), made.cert.pem()).expect("it can be made");
    fs::write(folder.join("server.key"), made.signing_key.serialize_pem()).expect("it can be made");
    config = config.replace("/etc/nats", folder.to_str().expect("it can be made"));
    config = config.replace("host: 0.0.0.0", "host: 127.0.0.1");
    for role in ["PUBLISHER", "SUBSCRIBER", "OPERATOR", "OBSERVER", "STRANGER"] {
        let key = nkeys::KeyPair::new_user();
        fs::write(folder.join(role), key.seed().expect("it can be made")).expect("it can be made");
        config = config.replace(&format!("\"U{role}\""), &format!("\"{}\"", key.public_key()));
    }
    Server::start(ServerOptions::default().whole(&config)).expect("it can be made")
}

fn connect(server: &Server, folder: &Path, role: &str) -> Connect {
    common::connect(&server.url())
        .ca(folder.join("server.pem"))
        .credentials(Credentials::Nkey(folder.join(role)))
}

fn outbound(connect: Connect, folder: &Path, origin: &str) -> OutboundConfig {
    OutboundConfig::new(
        connect,
        origin.parse().expect("a name"),
        folder.join(format!("{origin}.outbox")),
    )
}

#[test]
fn each_role_can_do_what_it_must_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = server(folder);
    let sender = Sender::with(outbound(connect(&server, folder, "PUBLISHER"), folder, "desk-1"));
    let inbound = InboundConfig::new(connect(&server, folder, "SUBSCRIBER"), "risk-1");
    let receiver = Receiver::with(inbound, None, true, || ());
    common::meet(&sender, &receiver);
    sender.report("1");
    receiver.got.wait("a report", |rows| ids(rows) == ["1"]);
    receiver.wait_until("its acknowledgement", |stats| stats.acknowledged == 1);
    assert_eq!(receiver.inbound.stats().critical_link.errors, 0, "nothing was refused");
    drop(receiver);
    // It has started again, and looks at what it had.
    let inbound = InboundConfig::new(connect(&server, folder, "SUBSCRIBER"), "risk-1");
    let receiver = Receiver::with(inbound, None, true, || ());
    sender.report("2");
    receiver.got.wait("the next", |rows| ids(rows) == ["2"]);
    let stats = receiver.inbound.stats();
    assert_eq!((stats.critical_link.errors, stats.market_link.errors), (0, 0));
    let sent = sender.outbound.stats();
    assert_eq!((sent.critical_link.errors, sent.market_link.errors), (0, 0), "{sent:?}");

    // A sender under another's name gets nothing through, loses nothing, and hears of it.
    let other = Sender::with(outbound(connect(&server, folder, "PUBLISHER"), folder, "desk-2"));
    other.report("3");
    std::thread::sleep(Duration::from_millis(500));
    let stats = other.outbound.stats();
    assert!(stats.waiting == 1 && stats.critical_link.errors > 0, "{stats:?}");
}

/// A client of this role, with what the server complains of.
struct Probe {
    client: Client,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Probe {
    async fn new(server: &Server, folder: &Path, role: &str, inbox: &str) -> Self {
        let seed = fs::read_to_string(folder.join(role)).expect("it works");
        let complaints = Arc::new(Mutex::new(vec![]));
        let told = Arc::clone(&complaints);
        let options = ConnectOptions::with_nkey(seed)
            .add_root_certificates(folder.join("server.pem"))
            .custom_inbox_prefix(inbox)
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    told.lock().expect("it works").push(error.to_string().to_lowercase());
                }
                std::future::ready(())
            });
        Self { client: options.connect(server.url()).await.expect("it works"), complaints }
    }

    /// Waits until the server has refused to let this be published or subscribed.
    async fn is_refused(&self, way: &str, subject: &str) {
        match way {
            "publish" => {
                self.client.publish(subject.to_owned(), "".into()).await.expect("it works");
            }
            _ => drop(self.client.subscribe(subject.to_owned()).await.expect("it works")),
        }
        let end = Instant::now() + LONG;
        let said =
            |text: &String| text.contains("violation") && text.contains(&subject.to_lowercase());
        while !self.complaints.lock().expect("it works").iter().any(said) {
            assert!(Instant::now() < end, "{way} {subject} is let pass: {:?}", self.complaints);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn ask(&self, limit: Duration) -> Result<String, RemoteError> {
        let origin = "desk-1".parse().expect("it works");
        let answers = meltica_nats::command(&self.client, origin, &RemoteCommand::Flip, limit);
        answers.await.map(|(first, last)| format!("{} {}", first.outcome, last.outcome))
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("it works")
}

/// Does as it is told.
struct Obedient;

impl Commands for Obedient {
    fn send(&self, _: RemoteCommand) -> Result<Sent, String> {
        Ok(Sent { command: 1, trace: TraceId(1), wait: Box::new(|_| Some(Ok(7))) })
    }
}

#[test]
fn an_operators_command_is_carried_out_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = server(folder);
    let config = outbound(connect(&server, folder, "PUBLISHER"), folder, "desk-1");
    let sender = Outbound::start(config, Names::default(), Some(Arc::new(Obedient))).unwrap();
    runtime().block_on(async {
        let operator = Probe::new(&server, folder, "OPERATOR", "_INBOX.operator").await;
        let end = Instant::now() + LONG;
        let answers = loop {
            // The sender's subscription is made in the background.
            match operator.ask(LONG).await {
                Err(RemoteError::Nobody(_)) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                answers => break answers,
            }
        };
        assert_eq!(answers.unwrap(), "accepted applied");
        for (role, inbox) in [("SUBSCRIBER", "_INBOX.risk-1"), ("PUBLISHER", "_INBOX.desk-1")] {
            let probe = Probe::new(&server, folder, role, inbox).await;
            let limit = Duration::from_millis(300);
            assert_eq!(probe.ask(limit).await, Err(RemoteError::Late(limit)), "{role}");
            probe.is_refused("publish", "meltica.control.desk-1").await;
        }
        let observer = Probe::new(&server, folder, "OBSERVER", "_INBOX.observer").await;
        observer.is_refused("publish", "meltica.control.desk-1").await;
    });
    assert_eq!(sender.stats().critical_link.errors, 0);
}

#[test]
fn nobody_reads_answers_for_or_takes_away_what_is_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = server(folder);
    let sender = Sender::with(outbound(connect(&server, folder, "PUBLISHER"), folder, "desk-1"));
    let inbound = InboundConfig::new(connect(&server, folder, "SUBSCRIBER"), "risk-1");
    let receiver = Receiver::with(inbound, None, true, || ());
    common::meet(&sender, &receiver);
    let own = ["_INBOX.desk-1", "_INBOX.risk-1", "_INBOX.operator", "_INBOX.observer"];
    runtime().block_on(async {
        for (role, own_inbox) in ["PUBLISHER", "SUBSCRIBER", "OPERATOR", "OBSERVER"].iter().zip(own)
        {
            let probe = Probe::new(&server, folder, role, own_inbox).await;
            let others = own.iter().filter(|inbox| **inbox != own_inbox);
            for subject in others.map(|inbox| format!("{inbox}.>")) {
                probe.is_refused("subscribe", &subject).await;
            }
            for subject in ["_INBOX.>", "meltica.critical.>", "$JS.ACK.>", ">"] {
                probe.is_refused("subscribe", subject).await;
            }
            for subject in [
                "_INBOX.operator.forged",
                "_INBOX.risk-1.forged",
                "meltica.critical.desk-2.executions",
                "$JS.API.CONSUMER.DELETE.MELTICA_CRITICAL.risk-1",
                "$JS.API.CONSUMER.DELETE.MELTICA_CRITICAL.risk-2",
                "$JS.API.CONSUMER.MSG.NEXT.MELTICA_CRITICAL.risk-2",
                "$JS.API.CONSUMER.CREATE.MELTICA_CRITICAL.risk-2",
                "$JS.API.STREAM.PURGE.MELTICA_CRITICAL",
                "$JS.API.STREAM.DELETE.MELTICA_CRITICAL",
                "$JS.ACK.MELTICA_CRITICAL.risk-2.1.1.1.1.0",
            ] {
                probe.is_refused("publish", subject).await;
            }
        }
        // Who only looks sees market data.
        let observer = Probe::new(&server, folder, "OBSERVER", "_INBOX.observer").await;
        let mut market = observer.client.subscribe("meltica.md.>").await.unwrap();
        observer.client.flush().await.unwrap();
        let seen = async {
            for sequence in 1.. {
                sender.quote(1_000 + sequence);
                let next = tokio::time::timeout(Duration::from_millis(50), market.next());
                if let Ok(Some(message)) = next.await {
                    return message.subject.to_string();
                }
            }
            String::new()
        };
        let subject = tokio::time::timeout(LONG, seen).await.unwrap();
        assert_eq!(subject, "meltica.md.local.BTC-USDT.top_of_book");
    });
    // And what is theirs went on meanwhile.
    sender.report("1");
    receiver.got.wait("a report", |rows| ids(rows) == ["1"]);
}

#[test]
fn without_tls_there_is_no_service() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let address = server.url();
    let address = address.rsplit('/').next().unwrap();
    let mut plain = TcpStream::connect(address).unwrap();
    plain.set_read_timeout(Some(LONG)).unwrap();
    plain.write_all(b"CONNECT {\"verbose\":false}\r\nSUB meltica.md.> 1\r\nPING\r\n").unwrap();
    let mut said = vec![];
    // It may end the connection with what was sent unread.
    let _ = plain.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("\"tls_required\":true") && !said.contains("PONG"), "{said}");
}

#[test]
fn who_is_not_let_in_hears_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = server(folder);
    let problem = |connect: Connect| {
        let names = meltica_nats::Names::default();
        let config = outbound(connect, folder, "desk-1");
        match meltica_nats::Outbound::start(config, names, None) {
            Err(OutboundError::Connect(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let stranger = problem(connect(&server, folder, "STRANGER"));
    assert!(stranger.to_string().contains("authorization violation"), "{stranger}");
    let nobody = problem(Connect::new(server.url()).ca(folder.join("server.pem")));
    assert!(nobody.to_string().contains("authorization violation"), "{nobody}");
    let key = Credentials::Nkey(folder.join("PUBLISHER"));
    let trusting = problem(Connect::new(server.url()).credentials(key));
    assert!(matches!(trusting, ConnectError::Refused { .. }), "{trusting}");
    let creds = Credentials::File(folder.join("PUBLISHER"));
    let creds = problem(Connect::new(server.url()).credentials(creds));
    assert!(matches!(creds, ConnectError::Credentials { .. }), "{creds}");
}
