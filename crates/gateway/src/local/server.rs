use std::{
    convert::Infallible,
    io::{self},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use meltica::event::{Book, InstrumentId};
use meltica_venue::LocalVenue;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request as Upgrade, Response as Upgraded},
    },
};

use super::script::{Act, Script};
use crate::{clock, venues::Venue};

/// How often a market moves, a few moves at a time.
const TICK: Duration = Duration::from_millis(1);
/// At most so many moves at a time: a machine that was asleep is not made to catch up all at once.
const BURST: u64 = 256;
/// How often a venue says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Local venues, each on a free port of this machine, for WebSockets and HTTP alike; one thread and
/// runtime serves them until they are dropped.
///
/// A venue serves one client at a time: another takes the place of the one before.
pub(crate) struct LocalVenues {
    stalls: Vec<Arc<Stall>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

struct Stall {
    venue: Venue,
    address: SocketAddr,
    side: Mutex<Side>,
    /// Moves a second.
    rate: f64,
    moving: AtomicBool,
}

struct Side {
    local: Box<dyn LocalVenue>,
    script: Script,
}

impl LocalVenues {
    /// Serves these, each with its script, at so many moves a second each, on ports from this one on;
    /// on any free ones, if it is zero.
    pub(crate) fn start(
        venues: Vec<(Venue, Box<dyn LocalVenue>, Script)>,
        rate: f64,
        port: u16,
    ) -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = watch::channel(false);
        let (mut stalls, mut listeners) = (vec![], vec![]);
        for (index, (venue, local, script)) in venues.into_iter().enumerate() {
            let port = if port == 0 { 0 } else { port.saturating_add(index as u16) };
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let side = Mutex::new(Side { local, script });
            let moving = AtomicBool::new(true);
            let stall = Arc::new(Stall { venue, address, side, rate, moving });
            listeners.push((listener, Arc::clone(&stall)));
            stalls.push(stall);
        }
        let thread = thread::Builder::new().name("local-venues".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for (listener, stall) in listeners {
                    let stopped = stopped.clone();
                    all.spawn(async move {
                        if let Err(error) = serve(listener, stall, stopped).await {
                            tracing::error!(%error, "a local venue is not served");
                        }
                    });
                }
                all.join_all().await;
            });
        })?;
        Ok(Self { stalls, stop, thread: Some(thread) })
    }

    /// Where a venue is.
    pub(crate) fn address(&self, venue: Venue) -> Option<SocketAddr> {
        Some(self.stall(venue)?.address)
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm(&self) {
        self.stalls.iter().for_each(|stall| stall.side().script.calm());
    }

    /// No market moves from now on.
    pub(crate) fn rest(&self) {
        self.stalls.iter().for_each(|stall| stall.moving.store(false, Relaxed));
    }

    /// How often something went wrong.
    pub(crate) fn faults(&self) -> u64 {
        self.stalls.iter().map(|stall| stall.side().script.happened()).sum()
    }

    /// A venue's book as it is now.
    pub(crate) fn book(&self, venue: Venue, instrument: InstrumentId) -> Option<Book> {
        self.stall(venue)?.side().local.book(instrument).cloned()
    }

    fn stall(&self, venue: Venue) -> Option<&Arc<Stall>> {
        self.stalls.iter().find(|stall| stall.venue == venue)
    }
}

impl Drop for LocalVenues {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        // If it panicked, it has ended.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Stall {
    /// Nothing panics while it is held, but for a bug of a local venue's.
    fn side(&self) -> MutexGuard<'_, Side> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the venue say something, and the script happen to it.
    fn say(
        &self,
        say: impl FnOnce(&mut dyn LocalVenue, &mut dyn FnMut(&str)),
        acts: &mut Vec<Act>,
    ) {
        let mut side = self.side();
        let Side { local, script } = &mut *side;
        say(&mut **local, &mut |frame| script.pass(frame, acts));
    }
}

async fn serve(
    listener: std::net::TcpListener,
    stall: Arc<Stall>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut asking = JoinSet::new();
    let mut client = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            () = told(&mut stopped) => break,
            Some(_) = asking.join_next(), if !asking.is_empty() => continue,
            accepted = listener.accept() => accepted?,
        };
        let _ = stream.set_nodelay(true);
        let wants_upgrade = timeout(PATIENCE, wants_upgrade(&stream)).await;
        match wants_upgrade {
            Ok(Ok(true)) => {
                client.shutdown().await;
                client.spawn(converse(stream, Arc::clone(&stall), stopped.clone()));
            }
            Ok(Ok(false)) => {
                asking.spawn(answer(stream, Arc::clone(&stall)));
            }
            // Whoever says nothing wants nothing.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    client.join_all().await;
    Ok(())
}

/// Waits until it is told to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // Who could tell is gone: that is as good as told.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Looks at the head of a request, and leaves it for whoever answers it.
async fn wants_upgrade(stream: &TcpStream) -> io::Result<bool> {
    let mut head = [0; 4_096];
    loop {
        let length = stream.peek(&mut head).await?;
        let text = head[..length].to_ascii_lowercase();
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if length == 0 || length == head.len() || has(b"\r\n\r\n") {
            return Ok(has(b"\r\nupgrade: websocket"));
        }
        // What is there already is readable for ever: there is nothing to wait for but time.
        tokio::time::sleep(TICK).await;
    }
}

async fn answer(stream: TcpStream, stall: Arc<Stall>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let mut side = stall.side();
        let (status, text) = match side.local.get(target) {
            None => (StatusCode::NOT_FOUND, String::new()),
            Some(_) if side.script.spoils_answer() => {
                (StatusCode::SERVICE_UNAVAILABLE, String::new())
            }
            Some(mut text) => {
                if side.script.spoils_answer() {
                    text.truncate(text.len() / 2);
                }
                (StatusCode::OK, text)
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        async move { Ok::<_, Infallible>(response) }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).keep_alive(false);
    // What the other side makes of it is its affair.
    let _ = timeout(PATIENCE, connection.serve_connection(TokioIo::new(stream), answer)).await;
}

async fn converse(stream: TcpStream, stall: Arc<Stall>, mut stopped: watch::Receiver<bool>) {
    let mut target = String::new();
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let note = |request: &Upgrade, response: Upgraded| -> Result<Upgraded, ErrorResponse> {
        target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(response)
    };
    let Ok(Ok(mut socket)) = timeout(PATIENCE, accept_hdr_async(stream, note)).await else {
        return;
    };
    let _closed = Closed(&stall);
    let mut acts = vec![];
    stall.say(|local, out| local.opened(&target, out), &mut acts);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut beat = interval(HEARTBEAT);
    let (mut last, mut owed, mut silent) = (Instant::now(), 0.0, false);
    loop {
        for act in acts.drain(..) {
            let sent = match act {
                _ if silent => Ok(()),
                Act::Send(text) => socket.feed(Message::text(text)).await,
                Act::Silence => {
                    silent = true;
                    Ok(())
                }
                Act::Drop => return,
                Act::Close => {
                    let _ = timeout(PATIENCE, socket.close(None)).await;
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
        tokio::select! {
            () = told(&mut stopped) => {
                let _ = timeout(PATIENCE, socket.close(None)).await;
                return;
            }
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    stall.say(|local, out| local.heard(&text, clock::wall(), out), &mut acts);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            _ = beat.tick() => {
                stall.say(|local, out| local.heartbeat(clock::wall(), out), &mut acts);
            }
            _ = tick.tick() => {
                let now = Instant::now();
                owed = (owed + (now - last).as_secs_f64() * stall.rate).min(BURST as f64);
                last = now;
                if !stall.moving.load(Relaxed) {
                    stall.side().script.release(&mut acts);
                    continue;
                }
                while owed >= 1.0 {
                    owed -= 1.0;
                    stall.say(|local, out| local.step(clock::wall(), out), &mut acts);
                }
            }
        }
    }
}

/// Tells the venue, however a conversation ends.
struct Closed<'a>(&'a Stall);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let mut side = self.0.side();
        side.local.closed();
        side.script.closed();
    }
}
