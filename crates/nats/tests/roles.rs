//! Under the configuration of docs/nats/server.conf: over TLS, with nkeys, and each role with what it needs.

mod common;

use std::{fs, path::Path, time::Duration};

use common::{Receiver, Sender, ids};
use meltica_nats::{
    Connect, ConnectError, Credentials, InboundConfig, OutboundConfig, OutboundError,
    RemoteCommand, RemoteError,
    testing::{Server, ServerOptions},
};

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

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |role: &str| {
        let seed = fs::read_to_string(folder.join(role)).unwrap();
        let options = meltica_nats::async_nats::ConnectOptions::with_nkey(seed)
            .add_root_certificates(folder.join("server.pem"));
        runtime.block_on(async {
            let client = options.connect(server.url()).await.unwrap();
            let flip = RemoteCommand::Flip;
            let limit = Duration::from_secs(1);
            meltica_nats::command(&client, "desk-1".parse().unwrap(), &flip, limit).await
        })
    };
    // This sender takes no commands; what counts is who may ask.
    assert_eq!(ask("OPERATOR"), Err(RemoteError::Nobody("desk-1".parse().unwrap())));
    assert_eq!(ask("SUBSCRIBER"), Err(RemoteError::Late(Duration::from_secs(1))));
    assert_eq!(ask("OBSERVER"), Err(RemoteError::Late(Duration::from_secs(1))));
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
