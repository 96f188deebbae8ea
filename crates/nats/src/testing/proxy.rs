use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often who waits looks again.
const LOOK: Duration = Duration::from_millis(2);

/// A proxy on this machine in front of a server, that does to connections what networks do: it cuts them, with what was
/// on its way, lets none through, and stalls them, so that they stand and nothing comes. What a network loses, TCP sends
/// again, which looks from above like a short stall.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// Both ends of each connection, by its number.
    open: Mutex<Vec<(u64, [TcpStream; 2])>>,
    connections: AtomicU64,
    bytes: AtomicU64,
    blocked: AtomicBool,
    stalled: AtomicBool,
    delay_ns: AtomicU64,
    /// Nanoseconds that a byte takes.
    byte_ns: AtomicU64,
    stopped: AtomicBool,
}

impl Proxy {
    /// One in front of this server.
    ///
    /// # Errors
    ///
    /// What the system says when there is no port or no thread.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            open: Mutex::default(),
            connections: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            delay_ns: AtomicU64::new(0),
            byte_ns: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        let acceptor = thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            for connection in listener.incoming() {
                if ours.stopped.load(Relaxed) {
                    return;
                }
                // Who cannot be connected is closed.
                let _ = connection.and_then(|client| ours.connect(client));
            }
        })?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it is, as clients write it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends every connection; new ones are let through.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Ends every connection, and lets none through until [`allow`](Self::allow).
    pub fn block(&self) {
        self.shared.blocked.store(true, Relaxed);
        self.shared.cut();
    }

    /// Lets new connections through.
    pub fn allow(&self) {
        self.shared.blocked.store(false, Relaxed);
    }

    /// Nothing goes through any more, and connections stand.
    pub fn stall(&self) {
        self.shared.stalled.store(true, Relaxed);
    }

    /// What was stalled goes on.
    pub fn go(&self) {
        self.shared.stalled.store(false, Relaxed);
    }

    /// Whatever comes from now on goes on so much later, each way.
    pub fn delay(&self, by: Duration) {
        self.shared.delay_ns.store(by.as_nanos() as u64, Relaxed);
    }

    /// So many bytes a second go through, each way; 0 for all.
    pub fn throttle(&self, bytes_per_second: u64) {
        let byte_ns = 1_000_000_000_u64.checked_div(bytes_per_second).unwrap_or(0);
        self.shared.byte_ns.store(byte_ns, Relaxed);
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// How many bytes went through, both ways together.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
        self.shared.cut();
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.shared.cut();
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<(u64, [TcpStream; 2])>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for (_, ends) in self.open().drain(..) {
            close(&ends);
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        if self.blocked.load(Relaxed) {
            return Ok(());
        }
        let server = TcpStream::connect_timeout(&self.server, Duration::from_secs(1))?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
        }
        let number = self.connections.fetch_add(1, Relaxed);
        self.open().push((number, [client.try_clone()?, server.try_clone()?]));
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let ours = Arc::clone(self);
            thread::Builder::new().name("proxy-pipe".to_owned()).spawn(move || {
                ours.pump(from, to);
                ours.open().retain(|(other, ends)| {
                    if *other == number {
                        close(ends);
                    }
                    *other != number
                });
            })?;
        }
        Ok(())
    }

    /// Until one of the two ends is closed.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16_384];
        loop {
            // Slowly, what comes is little at a time.
            let most = if self.byte_ns.load(Relaxed) == 0 { bytes.len() } else { 512 };
            let Ok(read @ 1..) = from.read(&mut bytes[..most]) else { return };
            let pause = self.delay_ns.load(Relaxed) + self.byte_ns.load(Relaxed) * read as u64;
            if pause > 0 {
                thread::sleep(Duration::from_nanos(pause));
            }
            while self.stalled.load(Relaxed) && !self.stopped.load(Relaxed) {
                thread::sleep(LOOK);
            }
            if to.write_all(&bytes[..read]).is_err() {
                return;
            }
            self.bytes.fetch_add(read as u64, Relaxed);
        }
    }
}

fn close(ends: &[TcpStream; 2]) {
    for end in ends {
        // One that is closed already is closed.
        let _ = end.shutdown(Shutdown::Both);
    }
}
