//! Two gateways over a real server.

mod serving;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use meltica_nats::{
    RemoteCommand, RemoteError,
    testing::{Server, ServerOptions},
};
use serde_json::Value;
use serving::Serving;

/// What it says when it does not start.
fn error(args: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_meltica"))
        .args(["run", "--listen", "none", "--json"])
        .args(args)
        .output();
    let output = run.expect("it can be started");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

#[test]
fn what_one_publishes_another_has_and_a_command_from_elsewhere_flips_it() {
    let server = Server::start(ServerOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (outbox, positions) = (folder.path().join("outbox"), folder.path().join("positions"));
    let url = server.url();
    let subscribe = ["--subscribe", &url, "--durable", "risk-1", "--positions", text(&positions)];
    let mut subscriber = Serving::spawn(&subscribe);
    let publish = ["--publish", &url, "--origin", "desk-1", "--outbox", text(&outbox)];
    let mut publisher = Serving::spawn(&publish);
    let count = |run: &Serving, series: &str| run.get("/metrics").value(series);
    publisher.wait("market data", |run| {
        (count(run, "nats_frames_total{way=\"out\"}") > 1_000.0).then_some(())
    });

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (version, refused) = runtime.block_on(async {
        let client = meltica_nats::async_nats::connect(&url).await.unwrap();
        let limit = Duration::from_secs(20);
        let origin = "desk-1".parse().unwrap();
        let end = Instant::now() + limit;
        let flipped = loop {
            match meltica_nats::command(&client, origin, &RemoteCommand::Flip, limit).await {
                Err(RemoteError::Nobody(_)) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                answers => break answers.unwrap().1,
            }
        };
        let pause = RemoteCommand::Pause { consumer: "nobody".to_owned() };
        let refused = meltica_nats::command(&client, origin, &pause, limit).await.unwrap().1;
        (flipped.version, refused)
    });
    assert!(version.is_some_and(|version| version > 1), "{version:?}");
    assert_eq!(refused.detail, "no consumer `nobody` is subscribed");

    let sent = publisher.end();
    let critical = sent["nats"]["critical"].as_f64().expect("a number");
    subscriber.wait("all that is critical", |run| {
        (count(run, "nats_critical_acknowledged_total{way=\"in\"}") >= critical).then_some(())
    });
    let came = subscriber.end();
    let count = |summary: &Value, name: &str| summary["nats"][name].as_u64().unwrap();
    assert_eq!((&sent["nats"]["way"], &came["nats"]["way"]), (&"sent".into(), &"received".into()));
    assert!(count(&sent, "market_data") > 1_000, "{sent}");
    assert_eq!((count(&sent, "waiting"), count(&came, "missing")), (0, 0));
    // Two commands with two answers each are among them.
    assert_eq!(count(&sent, "critical"), count(&sent, "acknowledged"));
    assert_eq!(count(&came, "critical"), count(&sent, "critical"), "each once");
    assert_eq!(count(&came, "acknowledged"), count(&came, "critical"));
    // How much depends on how much of the machine each has.
    assert!(count(&came, "market_data") > 100, "{came}");
    let critical = &came["critical"];
    assert_eq!((&critical["lost"], &critical["repeated"]), (&0.into(), &0.into()));
    assert_eq!(critical["delivered"], critical["expected"]);
    assert_eq!((&came["leases_outstanding"], &came["threads_leaked"]), (&0.into(), &0.into()));
    assert_eq!((&sent["leases_outstanding"], &sent["threads_leaked"]), (&0.into(), &0.into()));
}

#[test]
fn what_cannot_be_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox");
    let with = |url: &str| error(&["--publish", url, "--outbox", text(&outbox)]);
    let secret = with("nats://desk:hunter2@127.0.0.1:4222");
    assert!(secret.contains("has a secret in it") && !secret.contains("hunter2"), "{secret}");
    assert!(with("http://127.0.0.1:4222").contains("write nats://HOST:4222"));
    let both = error(&["--publish", "nats://127.0.0.1:1", "--subscribe", "nats://127.0.0.1:1"]);
    assert!(both.contains("cannot be used with"), "{both}");
    let name = error(&["--publish", "nats://127.0.0.1:1", "--origin", "Desk 1"]);
    assert!(name.contains("1 to 16 lower-case letters, digits and dashes"), "{name}");
    std::fs::write(
        &outbox,
        "something else that is long enough not to be taken for an outbox of ours",
    )
    .unwrap();
    let alien = with("nats://127.0.0.1:1");
    assert!(alien.contains("is no outbox of meltica's"), "{alien}");
    let key = error(&["--subscribe", "nats://127.0.0.1:1", "--nkey", "/no/such/file"]);
    assert!(key.contains("/no/such/file"), "{key}");
}

#[test]
fn every_flag_of_the_example_for_three_hosts_exists() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/nats/compose.yaml");
    let page = std::fs::read_to_string(page).unwrap();
    let help =
        Command::new(env!("CARGO_BIN_EXE_meltica")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let flags: Vec<_> = page.lines().filter_map(|line| line.trim().strip_prefix("- --")).collect();
    assert!(flags.len() > 8, "{flags:?}");
    for flag in flags {
        let name = flag.split('=').next().unwrap();
        assert!(help.contains(&format!("--{name} ")), "--{name}");
    }
}
