use std::time::Duration;

use meltica_venue::Rhythm;

/// How long to wait for what, where the venue's [`Rhythm`] does not say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a connection to stand, from the name to the end of the upgrade; and for a body.
    pub(crate) handshake: Duration,
    /// Before the second attempt to connect.
    pub(crate) backoff: Duration,
    /// Before any attempt, at most.
    pub(crate) most_backoff: Duration,
    /// A connection that has brought frames for so long has proved itself.
    pub(crate) proof: Duration,
    /// For a book's snapshot, before it is asked for again; twice as long each time.
    pub(crate) snapshot: Duration,
    /// For the other side to take what is sent, and to answer a close.
    pub(crate) send: Duration,
    /// How often the books are looked at.
    pub(crate) look: Duration,
    /// The longest frame that is taken.
    pub(crate) max_frame: usize,
    /// In place of the venue's own.
    pub(crate) rhythm: Option<Rhythm>,
}

impl Patience {
    /// With a venue somewhere on the internet.
    pub(crate) const fn remote() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            backoff: Duration::from_millis(500),
            most_backoff: Duration::from_secs(30),
            proof: Duration::from_secs(30),
            snapshot: Duration::from_secs(10),
            send: Duration::from_secs(5),
            look: Duration::from_millis(100),
            // The largest that is known is Coinbase's snapshot, of some megabytes.
            max_frame: 15 << 20,
            rhythm: None,
        }
    }

    /// With a local venue of one's own, whose limits nobody minds.
    pub(crate) const fn local() -> Self {
        let rhythm = Rhythm {
            keep_alive: None,
            transport_silence: Duration::from_secs(3),
            book_silence: Duration::from_secs(2),
            send_gap: Duration::ZERO,
            sends: (1_000, Duration::from_secs(1)),
            connect_gap: Duration::from_millis(1),
            fetch_gap: Duration::from_millis(1),
        };
        Self {
            handshake: Duration::from_secs(2),
            backoff: Duration::from_millis(2),
            most_backoff: Duration::from_millis(50),
            proof: Duration::from_millis(100),
            snapshot: Duration::from_millis(250),
            send: Duration::from_secs(2),
            look: Duration::from_millis(10),
            rhythm: Some(rhythm),
            ..Self::remote()
        }
    }
}
