//! Connections over real sockets of this machine: to local venues, and to servers that misbehave.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32},
    },
};

use meltica::event::{Catalog, Timestamp, VenueId};
use meltica_venue::LocalVenue;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use tokio_tungstenite::accept_async;

use super::*;
use crate::{
    local::{Fault, LocalVenues, Script},
    player,
    venues::{Venue, numbered},
};

/// No test takes longer, or it has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// Has the session take everything, and notes what happened.
#[derive(Default)]
struct Notes {
    instruments: Vec<(Instrument, InstrumentId)>,
    opened: usize,
    closed: Vec<String>,
    resynced: Vec<String>,
    fetched: usize,
    events: usize,
    halt_after: Option<usize>,
}

impl Tap for Notes {
    fn happened(
        &mut self,
        session: &mut dyn Session,
        ingest: Ingest,
        what: Happened<'_>,
    ) -> Result<Result<(), DecodeError>, Halt> {
        match what {
            Happened::Opened(_) => self.opened += 1,
            Happened::Closed(why) => self.closed.push(why.to_owned()),
            Happened::Resync(instrument) => self.resynced.push(instrument.to_string()),
            Happened::Fetched(..) => self.fetched += 1,
            Happened::Frame(_) => {}
        }
        if self.halt_after.is_some_and(|most| self.events > most) {
            return Err(Halt::Failed("the disk is full".to_owned()));
        }
        let emit = &mut |_| self.events += 1;
        Ok(player::take(session, &self.instruments, ingest, what, emit))
    }
}

fn instruments(symbols: &[&str]) -> Vec<(Instrument, InstrumentId)> {
    let symbols: Vec<_> = symbols.iter().map(|symbol| symbol.parse().unwrap()).collect();
    numbered(&mut Catalog::new(), &symbols).unwrap()
}

/// A connection to `url`, and below `rest` for snapshots.
fn connection(venue: Venue, symbols: &[&str], url: &str, patience: Patience) -> Connection {
    let trust = Trust::new(None).unwrap();
    let instruments = instruments(symbols);
    let pipeline = meltica::Pipeline::builder().workers(0).build().unwrap();
    let session = venue.session(VenueId(1), pipeline.pools(), &instruments).unwrap();
    let host = url.split('/').nth(2).unwrap();
    let rest =
        session.rest_url().map(|_| Endpoint::new(&format!("http://{host}"), &trust).unwrap());
    Connection {
        venue: venue.name(),
        endpoint: Endpoint::new(url, &trust).unwrap(),
        rest,
        patience,
        counts: Arc::new(Counts::new(instruments.iter().map(|(instrument, _)| *instrument))),
        instruments,
        session,
        clock: Clock::start(),
        told: true,
    }
}

/// Connects until it is so, and then stops.
fn until(connection: Connection, tap: &mut Notes, so: impl Fn(&Counts) -> bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let counts = Arc::clone(&connection.counts);
        tap.instruments.clone_from(&connection.instruments);
        let (stopper, stop) = watch::channel(false);
        let wait = async {
            let end = Instant::now() + LIMIT;
            while !so(&counts) {
                assert!(Instant::now() < end, "it never was so: {counts:?}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            // It may have ended by itself.
            let _ = stopper.send(true);
        };
        timeout(2 * LIMIT, async { tokio::join!(connection.run(tap, stop), wait).0 })
            .await
            .expect("it stops when it is told to")
    })
}

fn all_verified(counts: &Counts) -> bool {
    counts.verified() == counts.books.len()
}

/// A local venue, its script, and a connection to it.
fn joined(
    venue: Venue,
    traded: &[&str],
    wanted: &[&str],
    script: Script,
    wrap: impl FnOnce(Box<dyn LocalVenue>) -> Box<dyn LocalVenue>,
    patience: Patience,
) -> (LocalVenues, Connection) {
    let local = wrap(venue.local(&instruments(traded), 7));
    let local = LocalVenues::start(vec![(venue, local, script)], 2_000.0, 0).unwrap();
    let address = local.address(venue).unwrap();
    let url = venue.url_at(address, &instruments(wanted)).unwrap();
    (local, connection(venue, wanted, &url, patience))
}

const TWO: [&str; 2] = ["BTC-USD", "ETH-USD"];

#[test]
fn after_the_end_of_a_connection_another_subscribes_anew_and_the_books_are_verified_again() {
    for venue in Venue::ALL {
        let script = Script::planned([(60, Fault::Closed), (150, Fault::Dropped)]);
        let (_local, connection) =
            joined(*venue, &TWO, &TWO, script, |local| local, Patience::local());
        let counts = Arc::clone(&connection.counts);
        let mut notes = Notes::default();
        let outcome = until(connection, &mut notes, |counts| {
            counts.opened.load(Relaxed) == 3
                && counts.connected.load(Relaxed)
                && all_verified(counts)
        });
        assert_eq!(counts.ended(Ended::Venue) + counts.ended(Ended::Broken), 2, "{counts:?}");
        assert_eq!((counts.ended(Ended::Stopped), notes.opened), (1, 3), "{venue:?}");
        assert_eq!(notes.closed.len(), 3, "each end is handed on: {:?}", notes.closed);
        assert!(outcome.books.iter().all(|(_, book)| book.is_some()), "{venue:?}");
        assert!(outcome.session.book(InstrumentId(1)).is_none(), "no book outlives it");
        assert!(notes.events > 100 && outcome.failed.is_none() && outcome.never.is_none());
    }
}

#[test]
fn a_connection_on_which_nothing_comes_any_more_is_given_up_for_another() {
    let script = Script::planned([(40, Fault::Silent)]);
    let rhythm = Rhythm {
        transport_silence: Duration::from_millis(150),
        ..Patience::local().rhythm.unwrap()
    };
    let patience = Patience { rhythm: Some(rhythm), ..Patience::local() };
    let (_local, connection) = joined(Venue::Kraken, &TWO, &TWO, script, |local| local, patience);
    let counts = Arc::clone(&connection.counts);
    let mut notes = Notes::default();
    until(connection, &mut notes, |counts| {
        counts.ended(Ended::Silent) == 1 && counts.connected.load(Relaxed) && all_verified(counts)
    });
    assert_eq!((notes.opened, notes.closed[0].as_str()), (2, "nothing came for 150ms"));
    assert_eq!(counts.ended(Ended::Venue), 0);
}

/// Keeps back what the venue says of a book, until it is subscribed to again.
struct Muted {
    local: Box<dyn LocalVenue>,
    /// Of these frames, those that have both.
    parts: [&'static str; 2],
    passed: u32,
    subscribed: u32,
}

impl LocalVenue for Muted {
    fn opened(&mut self, target: &str, out: &mut dyn FnMut(&str)) {
        self.local.opened(target, out);
    }
    fn closed(&mut self) {
        self.local.closed();
    }
    fn heard(&mut self, text: &str, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let subscribes = text.contains("\"subscribe\"") && text.contains(self.parts[1]);
        self.subscribed += u32::from(subscribes && text.contains("book"));
        self.local.heard(text, now, out);
    }
    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let Self { parts, passed, subscribed, .. } = self;
        self.local.step(now, &mut |frame| {
            if *subscribed == 1 && parts.iter().all(|part| frame.contains(part)) {
                *passed += 1;
                if *passed > 20 {
                    return;
                }
            }
            out(frame);
        });
    }
    fn heartbeat(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        self.local.heartbeat(now, out);
    }
    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.local.book(instrument)
    }
}

#[test]
fn a_book_that_falls_silent_is_asked_for_again_alone_while_the_others_flow() {
    let rhythm =
        Rhythm { book_silence: Duration::from_millis(200), ..Patience::local().rhythm.unwrap() };
    let patience = Patience { rhythm: Some(rhythm), ..Patience::local() };
    let parts = ["\"channel\":\"book\"", "ETH/USD"];
    let mute = |local| Box::new(Muted { local, parts, passed: 0, subscribed: 0 }) as _;
    let script = Script::none();
    let (_local, connection) = joined(Venue::Kraken, &TWO, &TWO, script, mute, patience);
    let counts = Arc::clone(&connection.counts);
    let mut notes = Notes::default();
    until(connection, &mut notes, |counts| {
        let updates = |index: usize| counts.books[index].updates.load(Relaxed);
        counts.books[1].resyncs.load(Relaxed) == 1 && all_verified(counts) && updates(1) > 40
    });
    assert_eq!(notes.resynced, ["ETH-USD"]);
    assert_eq!((notes.opened, counts.books[0].resyncs.load(Relaxed)), (1, 0));
}

#[test]
fn a_refused_subscription_is_told_and_leaves_the_others_alone() {
    let wanted = ["BTC-USD", "DOGE-USD"];
    let script = Script::none();
    let patience = Patience::local();
    let (_local, connection) =
        joined(Venue::Kraken, &TWO, &wanted, script, |local| local, patience);
    let counts = Arc::clone(&connection.counts);
    let mut notes = Notes::default();
    let outcome = until(connection, &mut notes, |counts| {
        counts.books[0].updates.load(Relaxed) > 10 && counts.errors(3) > 0
    });
    assert!(outcome.refusals[0].contains("DOGE/USD"), "{:?}", outcome.refusals);
    assert!(!counts.books[1].verified.load(Relaxed));
    assert!(outcome.books[0].1.is_some() && outcome.books[1].1.is_none());
}

/// Has no snapshot at first, and then half a one.
struct Hesitant {
    local: Box<dyn LocalVenue>,
    asked: u32,
}

impl LocalVenue for Hesitant {
    fn opened(&mut self, target: &str, out: &mut dyn FnMut(&str)) {
        self.local.opened(target, out);
    }
    fn closed(&mut self) {
        self.local.closed();
    }
    fn heard(&mut self, text: &str, now: Timestamp, out: &mut dyn FnMut(&str)) {
        self.local.heard(text, now, out);
    }
    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        self.local.step(now, out);
    }
    fn heartbeat(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        self.local.heartbeat(now, out);
    }
    fn get(&mut self, target: &str) -> Option<String> {
        self.asked += 1;
        match self.asked {
            1 | 2 => None,
            3 => self.local.get(target).map(|mut body| body.split_off(body.len() / 2)),
            _ => self.local.get(target),
        }
    }
    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.local.book(instrument)
    }
}

#[test]
fn a_snapshot_that_does_not_come_or_is_no_snapshot_is_fetched_again() {
    let hesitate = |local| Box::new(Hesitant { local, asked: 0 }) as _;
    let btc = ["BTC-USDT"];
    let patience = Patience { snapshot: LIMIT, ..Patience::local() };
    let (_local, connection) =
        joined(Venue::Binance, &btc, &btc, Script::none(), hesitate, patience);
    let counts = Arc::clone(&connection.counts);
    let mut notes = Notes::default();
    until(connection, &mut notes, all_verified);
    assert_eq!(counts.fetches_failed.load(Relaxed), 2);
    assert_eq!((counts.errors(0), notes.fetched), (1, 2), "half a snapshot is no JSON");
    assert_eq!((counts.fetches.load(Relaxed), notes.opened), (4, 1));
}

/// A server of one's own: each connection is handed to `serve`, with its number.
fn serve<F, R>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream, u32) -> R + Send + Sync + 'static,
    R: Future<Output = ()>,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::Builder::new().name("server".to_owned());
    // It ends with the process of the test.
    let served = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, number).await;
            }
        });
    });
    served.unwrap();
    address
}

#[test]
fn a_frame_that_is_too_large_ends_the_connection_and_is_not_kept() {
    let address = serve(|stream, _| async {
        let mut socket = accept_async(stream).await.unwrap();
        let _ = socket.send(Message::text("x".repeat(200_000))).await;
        let _ = timeout(LIMIT, socket.next()).await;
    });
    let patience = Patience { max_frame: 100_000, ..Patience::local() };
    let connection = connection(Venue::Kraken, &TWO, &format!("ws://{address}/"), patience);
    let counts = Arc::clone(&connection.counts);
    let mut notes = Notes::default();
    until(connection, &mut notes, |counts| counts.ended(Ended::TooLarge) == 2);
    assert_eq!(counts.frames.load(Relaxed), 0);
    // Which of two ends is told first is not ours to say.
    let is_told = |why: &String| why.contains("too long") || why.contains("too large");
    assert!(notes.closed.iter().any(is_told), "{:?}", notes.closed);
}

#[test]
fn a_server_that_accepts_and_never_answers_is_given_up_after_a_while() {
    let address = serve(|stream, _| async move {
        // Kept, and never spoken to.
        std::mem::drop(tokio::spawn(async move {
            tokio::time::sleep(LIMIT).await;
            drop(stream);
        }));
    });
    let patience = Patience { handshake: Duration::from_millis(50), ..Patience::local() };
    for (scheme, said) in
        [("ws", "there was no answer within 50ms"), ("wss", "did not answer within 50ms")]
    {
        let url = format!("{scheme}://{address}/");
        let connection = connection(Venue::Kraken, &TWO, &url, patience);
        let mut notes = Notes::default();
        let outcome = until(connection, &mut notes, |counts| counts.refused.load(Relaxed) == 3);
        let why = outcome.never.expect("there never was a connection");
        assert!(why.contains(said), "{why}");
        assert_eq!(notes.opened, 0);
    }
}

#[test]
fn what_refuses_or_is_no_websocket_is_named_as_such() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let web = serve(|mut stream, _| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _ = stream.read(&mut [0; 4_096]).await;
        let answer = b"HTTP/1.1 451 Unavailable For Legal Reasons\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(answer).await;
    });
    for (address, said) in [(nobody, "cannot be reached: "), (web, "451 Unavailable")] {
        let url = format!("ws://{address}/");
        let connection = connection(Venue::Kraken, &TWO, &url, Patience::local());
        let mut notes = Notes::default();
        let outcome = until(connection, &mut notes, |counts| counts.refused.load(Relaxed) > 0);
        let why = outcome.never.expect("there never was a connection");
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn pings_are_answered_and_what_is_sent_keeps_to_the_venues_pace() {
    static PONGED: AtomicBool = AtomicBool::new(false);
    static HEARD: Mutex<Vec<(Instant, String)>> = Mutex::new(vec![]);
    let address = serve(|stream, _| async {
        let mut socket = accept_async(stream).await.unwrap();
        socket.send(Message::Ping("are you there?".into())).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Pong(text) => PONGED.store(&text[..] == b"are you there?", Relaxed),
                Message::Text(text) => {
                    HEARD.lock().unwrap().push((Instant::now(), text.to_string()));
                }
                _ => {}
            }
        }
    });
    let rhythm = Rhythm {
        keep_alive: Some(("ping", Duration::from_millis(120))),
        send_gap: Duration::from_millis(40),
        ..Patience::local().rhythm.unwrap()
    };
    let patience = Patience { rhythm: Some(rhythm), ..Patience::local() };
    let connection = connection(Venue::Kraken, &TWO, &format!("ws://{address}/"), patience);
    let heard = |text: &str| HEARD.lock().unwrap().iter().filter(|(_, of)| of == text).count();
    until(connection, &mut Notes::default(), |_| PONGED.load(Relaxed) && heard("ping") >= 2);
    let heard = HEARD.lock().unwrap();
    assert!(heard[0].1.contains("subscribe"), "{:?}", heard[0]);
    // As the other side sees it, which may be late now and then.
    let span = heard.last().unwrap().0 - heard[0].0;
    assert!(span >= Duration::from_millis(35) * (heard.len() as u32 - 1), "{heard:?}");
}

/// A throw-away authority, and servers that have its certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(self.0.pem().as_bytes()).unwrap();
        file
    }

    /// A WebSocket by TLS under this name.
    fn serve(&self, name: &str, expired: bool) -> SocketAddr {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        serve(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut socket) = accept_async(stream).await else { return };
                while let Some(Ok(_)) = socket.next().await {}
            }
        })
    }
}

#[test]
fn a_certificate_is_taken_or_refused_for_a_reason_that_is_told() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let (pem, others) = (ours.pem(), other.pem());
    let connect = |address: SocketAddr, trust: Trust| {
        let url = format!("wss://localhost:{}/v2", address.port());
        let endpoint = Endpoint::new(&url, &trust).unwrap();
        let mut connection = connection(Venue::Kraken, &TWO, &url, Patience::local());
        connection.endpoint = endpoint;
        let mut notes = Notes::default();
        let outcome = until(connection, &mut notes, |counts| {
            counts.opened.load(Relaxed) + counts.refused.load(Relaxed) > 0
        });
        (notes.opened, outcome.never.unwrap_or_default())
    };
    let trusted = || Trust::new(Some(pem.path())).unwrap();
    let (opened, why) = connect(ours.serve("localhost", false), trusted());
    assert_eq!((opened, why.as_str()), (1, ""), "accepted");
    for (address, trust, said) in [
        (ours.serve("elsewhere.test", false), trusted(), "it is another host's"),
        (ours.serve("localhost", true), trusted(), "it has expired"),
        (
            ours.serve("localhost", false),
            Trust::new(Some(others.path())).unwrap(),
            "nobody who is trusted here has issued it; name the authority's certificate by --ca",
        ),
        (ours.serve("localhost", false), Trust::new(None).unwrap(), "nobody who is trusted here"),
    ] {
        let (opened, why) = connect(address, trust);
        assert_eq!(opened, 0, "{said}");
        assert!(why.starts_with("the certificate of localhost is refused: "), "{why}");
        assert!(why.contains(said), "{why}");
    }
    let plain = serve(|mut stream, _| async move {
        use tokio::io::AsyncWriteExt;
        let _ = stream.write_all(b"hello, this is no TLS\r\n").await;
    });
    let (opened, why) = connect(plain, trusted());
    assert!(opened == 0 && why.contains("does not speak TLS as it should"), "{why}");
}

#[test]
fn authorities_and_urls_that_cannot_be_used_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let refused = || Trust::new(Some(&path)).err().unwrap().to_string();
    assert!(refused().contains("No such file"), "{}", refused());
    fs::write(&path, "nothing").unwrap();
    assert!(
        refused().ends_with("there is no certificate in it; it should hold certificates as PEM")
    );
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(refused().ends_with("it should hold certificates as PEM"), "{}", refused());
    let trust = Trust::new(None).unwrap();
    for (url, part) in [
        ("ftp://example.com", "it begins with none of wss://"),
        ("example.com", "it begins with none of wss://"),
        ("wss://", "it is no URL"),
        ("not a url", "it is no URL"),
    ] {
        let error = Endpoint::new(url, &trust).err().unwrap().to_string();
        assert!(error.contains(part), "{url}: {error}");
    }
    let endpoint = Endpoint::new("wss://[::1]:9/x", &trust).unwrap();
    assert_eq!(endpoint.authority(), "[::1]:9");
}

#[test]
fn what_the_tap_cannot_take_ends_all_and_is_told() {
    let (_local, connection) =
        joined(Venue::Okx, &TWO, &TWO, Script::none(), |local| local, Patience::local());
    let counts = Arc::clone(&connection.counts);
    let mut notes = Notes { halt_after: Some(50), ..Notes::default() };
    let outcome = until(connection, &mut notes, |counts| counts.ended(Ended::Stopped) == 1);
    assert_eq!(outcome.failed.as_deref(), Some("the disk is full"));
    assert_eq!(counts.opened.load(Relaxed), 1);
}

#[test]
fn the_pause_grows_until_a_connection_has_proved_itself() {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    // Every connection ends at once, but for the seventh, which is a good one for a while.
    let address = serve(|stream, number| async move {
        SERVED.store(number + 1, Relaxed);
        let Ok(mut socket) = accept_async(stream).await else { return };
        if number == 6 {
            for _ in 0..30 {
                let beat = Message::text("{\"channel\":\"heartbeat\"}");
                let _ = socket.send(beat).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let _ = socket.close(None).await;
    });
    let patience = Patience {
        backoff: Duration::from_millis(4),
        most_backoff: Duration::from_secs(5),
        ..Patience::local()
    };
    let connection = connection(Venue::Kraken, &TWO, &format!("ws://{address}/"), patience);
    let most = AtomicU32::new(0);
    until(connection, &mut Notes::default(), |counts| {
        let pause = counts.backoff_ns.load(Relaxed) / 1_000;
        most.fetch_max(pause as u32, Relaxed);
        counts.opened.load(Relaxed) == 7 && counts.backoff_ns.load(Relaxed) <= 4_000_000
    });
    assert!(most.load(Relaxed) >= 64_000, "it grew: {most:?} µs");
}

#[test]
fn a_fetch_says_what_is_wrong_with_its_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let answers = [
        (
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            "429",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(), "HTTP failed"),
        (String::new(), "HTTP failed"),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n{}", "x".repeat(9_000_000)),
            "larger than 8 MiB",
        ),
    ];
    for (answer, said) in answers {
        let address = serve(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let trust = Trust::new(None).unwrap();
        let endpoint = Endpoint::new(&format!("http://{address}"), &trust).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(fetch::get(endpoint, "/depth?a=1".to_owned(), LIMIT));
        let error = error.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let alone = matches!(error, FetchError::Status { .. }).then_some(Duration::from_secs(7));
        assert_eq!(error.leave_alone(), alone);
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is_also_by_the_next_connections() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    static ASKED: Mutex<Vec<Instant>> = Mutex::new(vec![]);
    let flighty = serve(|stream, _| async {
        let Ok(mut socket) = accept_async(stream).await else { return };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = socket.close(None).await;
    });
    let strict = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4_096]).await;
        ASKED.lock().unwrap().push(Instant::now());
        let answer = "HTTP/1.1 418 I'm a teapot\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    let url = format!("ws://{flighty}/");
    let mut connection = connection(Venue::Binance, &["BTC-USDT"], &url, Patience::local());
    let trust = Trust::new(None).unwrap();
    connection.rest = Some(Endpoint::new(&format!("http://{strict}"), &trust).unwrap());
    let counts = Arc::clone(&connection.counts);
    until(connection, &mut Notes::default(), |_| ASKED.lock().unwrap().len() == 2);
    let asked = ASKED.lock().unwrap();
    assert!(asked[1] - asked[0] >= Duration::from_millis(990), "{asked:?}");
    assert!(counts.opened.load(Relaxed) > 3, "though each connection wanted it: {counts:?}");
    let unsaid = FetchError::Status { status: hyper::StatusCode::TOO_MANY_REQUESTS, after: None };
    assert_eq!(unsaid.leave_alone(), Some(Duration::from_secs(60)));
}
