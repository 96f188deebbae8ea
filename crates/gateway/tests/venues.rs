//! Venues, recordings and replays as a user has them: over real sockets, from local venues.

mod serving;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use serving::Serving;

const VENUES: [&str; 4] = ["binance", "coinbase", "kraken", "okx"];
const SYMBOLS: &str = "BTC-USD,ETH-USD";

fn meltica(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meltica"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> Output {
    meltica(args).output().expect("it can be started")
}

fn summary(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn error(args: &[&str]) -> String {
    let output = output(args);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Local venues in a process of their own, and how each is reached.
struct Served {
    child: Child,
    reach: BTreeMap<String, Vec<String>>,
}

impl Served {
    fn start(more: &[&str]) -> Self {
        let mut args = vec!["serve", "--symbol", SYMBOLS, "--for", "10m"];
        VENUES.iter().for_each(|venue| args.extend(["--venue", venue]));
        args.extend(more);
        let mut child = meltica(&args).spawn().expect("it can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut reach = BTreeMap::new();
        while reach.len() < VENUES.len() {
            let line = lines.next().expect("a line for each venue").expect("text");
            let (venue, args) = line.split_once(": ").expect("a venue and how it is reached");
            let args = args.split(' ').map(str::to_owned).collect();
            reach.insert(venue.to_owned(), args);
        }
        Self { child, reach }
    }

    /// Records a venue, for so long.
    fn record(&self, venue: &str, symbols: &str, out: &Path, duration: &str) -> Command {
        let out = out.to_str().expect("a plain path");
        let mut command = meltica(&["record", "--venue", venue, "--symbol", symbols, "--json"]);
        command.args(["--out", out, "--for", duration]).args(&self.reach[venue]);
        command
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn replay(file: &Path, venue: &str, more: &[&str]) -> Output {
    let file = file.to_str().expect("a plain path");
    let mut args = vec!["replay", file, "--venue", venue, "--symbol", SYMBOLS, "--json"];
    args.extend(more);
    output(&args)
}

#[test]
fn what_was_recorded_replays_to_the_same_content_whatever_went_wrong_and_at_any_pace() {
    let served = Served::start(&["--rate", "6000", "--faults", "3"]);
    let folder = tempfile::tempdir().unwrap();
    let started: Vec<_> = VENUES
        .iter()
        .map(|venue| {
            let path = folder.path().join(venue);
            let child = served.record(venue, SYMBOLS, &path, "3s").spawn().unwrap();
            (*venue, path, child)
        })
        .collect();
    let mut connections = 0;
    for (venue, path, child) in started {
        let output = child.wait_with_output().unwrap();
        let recorded = summary(&output);
        let one = &recorded["venues"][0];
        connections += one["connections"].as_u64().unwrap();
        assert!(recorded["events"].as_u64().unwrap() > 20, "{venue}: {recorded}");
        assert_eq!(
            (&recorded["critical"]["lost"], &recorded["leases_outstanding"]),
            (&0.into(), &0.into())
        );
        for pace in ["fast", "20"] {
            let replayed = summary(&replay(&path, venue, &["--pace", pace]));
            assert_eq!(replayed["content_hash"], recorded["content_hash"], "{venue} at {pace}");
            assert_eq!(replayed["events"], recorded["events"], "{venue}");
            assert_eq!(replayed["book"]["gaps"], recorded["book"]["gaps"], "{venue}");
        }
    }
    assert!(connections > 4, "some ended, and others followed, as fast as each venue allows");
}

#[test]
fn a_killed_recorder_leaves_what_it_had_and_another_goes_on_in_the_same_file() {
    let served = Served::start(&["--rate", "4000"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.gz");
    let mut child = served.record("kraken", SYMBOLS, &path, "10m").spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while fs::metadata(&path).map_or(0, |file| file.len()) < 1_000 {
        assert!(Instant::now() < end, "a block is written every second");
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // As if it had been killed in the middle of writing.
    let mut whole = fs::read(&path).unwrap();
    let frames = |output: &Output| summary(output)["frames"].as_u64().unwrap();
    let before = frames(&replay(&path, "kraken", &[]));
    assert!(before > 10, "{before}");
    whole.extend_from_within(..100);
    fs::write(&path, &whole).unwrap();
    let cut = replay(&path, "kraken", &[]);
    assert!(frames(&cut) >= before);
    let stderr = String::from_utf8_lossy(&cut.stderr);
    assert!(stderr.contains("ends in the middle of a block"), "{stderr}");
    let more = served.record("kraken", SYMBOLS, &path, "500ms").output().unwrap();
    let stderr = String::from_utf8_lossy(&more.stderr);
    assert!(stderr.contains("its last 100 bytes are gone"), "{stderr}");
    let both = replay(&path, "kraken", &[]);
    assert_eq!(frames(&both), before + frames(&more));
    assert!(String::from_utf8_lossy(&both.stderr).is_empty(), "it is whole again");
    assert_eq!(summary(&both)["book"]["gaps"], 0, "a new connection is no gap");
}

#[test]
fn a_thousand_faults_lose_no_critical_message_and_every_book_is_the_venues_at_the_end() {
    let (mut faults, mut connections, mut malformed, mut resyncs) = (0, 0, 0, 0);
    // A busy machine has fewer in the same time, so time is not what ends it.
    for seed in 5..15 {
        let args = ["run", "--for", "4s", "--faults", &seed.to_string(), "--rate", "12000"];
        let summary = summary(&output(&[&args[..], &["--listen", "none", "--json"]].concat()));
        let books = (&summary["books_equal"], &summary["books_compared"]);
        assert_eq!(books, (&16.into(), &16.into()), "{summary}");
        let critical = &summary["critical"];
        assert!(critical["published"].as_u64().unwrap() > 20, "{critical}");
        assert_eq!((&critical["lost"], &critical["repeated"]), (&0.into(), &0.into()));
        assert_eq!(critical["delivered"], critical["expected"]);
        assert_eq!(
            (&summary["leases_outstanding"], &summary["threads_leaked"]),
            (&0.into(), &0.into())
        );
        faults += summary["faults"].as_u64().unwrap();
        for venue in summary["venues"].as_array().unwrap() {
            let of = |field: &str| venue[field].as_u64().unwrap();
            assert_eq!(of("books_verified"), 4, "{venue}");
            connections += of("connections");
            malformed += of("frames_malformed");
            resyncs += of("resyncs");
        }
        if faults >= 1_000 {
            break;
        }
    }
    assert!(faults >= 1_000, "{faults} faults");
    assert!(connections > 40 && malformed > 40 && resyncs > 40, "they were felt");
}

#[test]
fn a_run_at_one_venue_has_its_books_and_its_metrics() {
    let served = Served::start(&["--rate", "2000"]);
    let reach: Vec<&str> = served.reach["okx"].iter().map(String::as_str).collect();
    let mut run = Serving::spawn(&[&["--venue", "okx", "--symbol", SYMBOLS], &reach[..]].concat());
    run.wait("both books", |run| {
        let text = run.get("/metrics");
        let verified = |instrument| {
            text.value(&format!("book_verified{{venue=\"okx\",instrument=\"{instrument}\"}}"))
        };
        (verified("BTC-USD") + verified("ETH-USD") == 2.0).then_some(())
    });
    let summary = run.end();
    let venue = &summary["venues"][0];
    assert_eq!((&venue["name"], &venue["connections"]), (&"okx".into(), &1.into()));
    assert_eq!((&venue["books_verified"], &venue["books"]), (&2.into(), &2.into()));
    assert_eq!(summary["consumer_panics"], 0, "real consumers behave");
    assert!(summary["books_compared"].is_null());
    assert!(run.said().contains("okx: connected to 127.0.0.1:"), "{}", run.said());
}

#[test]
fn what_a_venue_refuses_or_cannot_be_reached_for_is_an_error_in_the_end() {
    let served = Served::start(&[]);
    let run = |symbols: &str, reach: &[String]| {
        let mut run = meltica(&["run", "--venue", "kraken", "--symbol", symbols, "--for", "500ms"]);
        run.args(["--listen", "none"]).args(reach).output().unwrap()
    };
    let output = run("BTC-USD,DOGE-USD", &served.reach["kraken"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("kraken: what was asked for is refused: "), "{stderr}");
    assert!(stderr.contains("error: ") && stderr.contains("kraken refused: "), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("1 of 2 books verified"), "{stdout}");
    let nobody = ["--url".to_owned(), "ws://127.0.0.1:9/v2".to_owned()];
    let output = run("BTC-USD", &nobody);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("error: kraken: 127.0.0.1:9 cannot be reached: "), "{stderr}");
}

#[test]
fn arguments_that_make_no_sense_say_what_would() {
    let btc = ["--symbol", "BTC-USD"];
    for (args, part) in [
        (&["run", "--venue", "kraken"][..], "--symbol <BASE-QUOTE>"),
        (&["run", "--symbol", "BTC-USD"], "--venue <VENUE>"),
        (&["run", "--venue", "nyse", "--symbol", "BTC-USD"], "invalid value 'nyse'"),
        (&["run", "--venue", "okx", "--symbol", "BTC-USD", "--faults", "1"], "cannot be used with"),
        (
            &[
                "run", "--venue", "okx", "--venue", "kraken", "--symbol", "BTC-USD", "--url",
                "ws://x",
            ],
            "--url and --rest-url name one venue's endpoint",
        ),
        (&["run", "--url", "ws://x", "--listen", "none"], "name one venue's endpoint"),
        (
            &["run", "--venue", "okx", "--symbol", "BTC-USD", "--url", "x", "--listen", "none"],
            "begins with none of wss://",
        ),
        (
            &[
                "run", "--venue", "okx", "--symbol", "BTC-USD", "--ca", "/no.pem", "--listen",
                "none",
            ],
            "--ca /no.pem: No such file",
        ),
        (
            &["run", "--venue", "binance", "--symbol", "BTC-USD-PERP", "--listen", "none"],
            "binance has no BTC-USD-PERP",
        ),
        (&["serve", "--venue", "kraken", "--symbol", "BTC-USD-PERP"], "kraken has no BTC-USD-PERP"),
        (&["record", "--venue", "kraken", "--symbol", "BTC-USD"], "--out <FILE>"),
        (
            &["record", "--venue", "kraken", "--symbol", "BTC-USD", "--out", "/"],
            "this is no regular file; record into one",
        ),
        (&["replay", "x", "--venue", "kraken"], "--symbol <BASE-QUOTE>"),
    ] {
        let message = error(args);
        assert!(message.contains(part), "{args:?}: {message}");
    }
    for pace in ["0", "-1", "NaN", "slow", "1e9"] {
        let pace = format!("--pace={pace}");
        let message = error(&[&["replay", "x", "--venue", "kraken", &pace], &btc[..]].concat());
        assert!(message.contains("write fast, 1 for the pace of the recording"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_paced_replay_takes_its_time_and_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.txt");
    let small =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../venue-binance/recordings/btcusdt.txt");
    let line = fs::read_to_string(small).unwrap().lines().next().unwrap().to_owned();
    let (_, frame) = line.split_once(' ').unwrap();
    // Eight seconds lie between its two frames.
    let text: String =
        ["00", "08"].map(|second| format!("17000000{second}000000000 {frame}\n")).concat();
    fs::write(&path, &text).unwrap();
    let file = path.to_str().unwrap();
    let args = |pace| {
        ["replay", file, "--venue", "binance", "--symbol", "BTC-USDT", "--json", "--pace", pace]
    };
    let took = |pace| summary(&output(&args(pace)))["elapsed_s"].as_f64().unwrap();
    assert!((2.0..8.0).contains(&took("4")) && took("fast") < 2.0);
    fs::write(&path, text.replace("1700000008", "1800000000")).unwrap();
    let child = meltica(&args("1")).spawn().unwrap();
    // Until it has certainly begun, also on a busy machine.
    thread::sleep(Duration::from_secs(2));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(summary(&output)["frames"], 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted; this is what was"));
}

#[test]
fn recordings_of_others_replay_as_they_are() {
    let captures = std::env::var_os("MELTICA_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    for (file, venue, symbols, frames) in [
        ("kraken/kraken_book.jsonl", "kraken", "BTC-USD", 8),
        ("coinbase/coinbase_advanced_first100.jsonl", "coinbase", "BTC-USD,ETH-USD", 100),
        ("coinbase/coinbase_l2.jsonl", "coinbase", "BTC-USD", 12),
        ("okx/okx_v5.jsonl", "okx", "BTC-USDT-PERP", 142),
    ] {
        let path = captures.join(file);
        if !path.exists() {
            println!("skipped: there is no {}; set MELTICA_CAPTURES", path.display());
            continue;
        }
        let path = path.to_str().unwrap();
        let output = output(&["replay", path, "--venue", venue, "--symbol", symbols, "--json"]);
        let summary = summary(&output);
        assert_eq!(
            (&summary["frames"], &summary["frames_malformed"]),
            (&frames.into(), &0.into()),
            "{file}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(summary["book"]["gaps"], 0, "{file}");
        assert!(summary["events"].as_u64().unwrap() > 2, "{file}: {summary}");
    }
}
