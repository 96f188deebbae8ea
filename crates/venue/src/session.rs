use std::time::Duration;

use meltica_event::{Book, Instrument, InstrumentId};

use crate::{AssemblyStats, Decode, DecodeError, Decoded, Ingest};

/// What a connection to a venue needs beside decoding: where to connect, what to send, how fast, and
/// when a book must be asked for again.
///
/// It has no socket and reads no clock. Whoever has them (the gateway, a test) calls
///
/// 1. [`add`](Self::add) for each instrument, before anything else;
/// 2. [`opened`](Self::opened) when a connection to [`url`](Self::url) stands;
/// 3. [`decode`](Decode::decode) for each text frame;
/// 4. [`next_wish`](Self::next_wish) until it answers `None`, after 2, after each frame (whether it
///    was understood or not), and after [`fetched`](Self::fetched) and [`resync`](Self::resync);
/// 5. [`closed`](Self::closed) when the connection is gone; then 2 again.
///
/// A book is handed on only while it is verified. When an update is missing, the adapter says nothing
/// more of that book and wishes for what brings it back, while the other instruments go on.
pub trait Session: Decode + Send {
    /// Adds an instrument, to be subscribed to when the next connection opens; again does nothing.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] if the venue has no such thing.
    fn add(&mut self, instrument: Instrument, id: InstrumentId) -> Result<(), Unsupported>;

    /// The production endpoint, with scheme, host, path and query:
    /// `wss://ws.kraken.com/v2`. May depend on the instruments.
    fn url(&self) -> String;

    /// What the path of a [`Wish::Fetch`] is appended to, as `https://api.binance.com`; `None` if this
    /// venue wishes none.
    fn rest_url(&self) -> Option<&str> {
        None
    }

    /// How patient and how fast a connection to this venue is.
    fn rhythm(&self) -> Rhythm;

    /// A new connection stands: numbers that count its frames begin again, every book waits for its
    /// snapshot, and the subscriptions are wished for.
    fn opened(&mut self);

    /// The connection is gone: no book can be trusted, and nothing is wished for any more.
    fn closed(&mut self);

    /// Has this instrument's book begin again, as when it has been silent for longer than
    /// [`Rhythm::book_silence`]. An instrument that was not added is ignored.
    fn resync(&mut self, instrument: InstrumentId);

    /// The next thing that the connection is to do, oldest first.
    fn next_wish(&mut self) -> Option<Wish>;

    /// Takes the body that answers a [`Wish::Fetch`]. If it cannot be used, the wish comes again. A
    /// fetch that failed altogether is repeated by whoever fetches.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as for a frame. A venue that wishes no fetch ignores every body.
    fn fetched(
        &mut self,
        instrument: InstrumentId,
        body: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let _ = (instrument, body, ingest, emit);
        Ok(())
    }

    /// The instrument's book; `None` while it cannot be trusted.
    fn book(&self, instrument: InstrumentId) -> Option<&Book>;

    /// How each book stands, in the order in which they were added.
    fn books(&self, visit: &mut dyn FnMut(BookStatus));
}

/// Something that the connection is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Send this text as one frame.
    Send(String),
    /// Get this path (with its query) below [`Session::rest_url`] by HTTP, and hand the body to
    /// [`Session::fetched`].
    Fetch {
        /// Whose snapshot it is.
        instrument: InstrumentId,
        /// Path and query, as `/api/v3/depth?symbol=BTCUSDT&limit=1000`.
        path: String,
    },
    /// Close the connection and open another, since this one is of no more use.
    Reconnect {
        /// Why, for the log.
        reason: String,
    },
}

/// How patient and how fast a connection to a venue is. From the venue's documents where they say
/// it; each adapter's docs say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// A text to send when nothing was sent or received for so long; `None` if pings of the
    /// transport suffice.
    pub keep_alive: Option<(&'static str, Duration)>,
    /// A connection on which nothing at all came for so long is dead.
    pub transport_silence: Duration,
    /// A book that did not change for so long is asked for again. Longer than the silence of the
    /// transport: heartbeats come once a second while a thin book may rest for minutes.
    pub book_silence: Duration,
    /// The least time between two frames sent.
    pub send_gap: Duration,
    /// At most so many frames are sent in so much time, on one connection.
    pub sends: (u32, Duration),
    /// The least time between two attempts to connect.
    pub connect_gap: Duration,
    /// The least time between two fetches.
    pub fetch_gap: Duration,
}

impl Default for Rhythm {
    /// Five frames a second, one connection or fetch a second, dead after 30 s; what no venue that
    /// is known here minds.
    fn default() -> Self {
        Self {
            keep_alive: None,
            transport_silence: Duration::from_secs(30),
            book_silence: Duration::from_secs(120),
            send_gap: Duration::from_millis(200),
            sends: (5, Duration::from_secs(1)),
            connect_gap: Duration::from_secs(1),
            fetch_gap: Duration::from_secs(1),
        }
    }
}

/// How an instrument's book stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookStatus {
    /// Whose book it is.
    pub instrument: InstrumentId,
    /// Whether it can be trusted now.
    pub verified: bool,
    /// What it has been through, over all connections.
    pub stats: AssemblyStats,
    /// [`Ingest::mono_ns`] of the last snapshot or delta that came for it, taken or not; zero if none
    /// came on this connection.
    pub updated_mono_ns: u64,
}

/// An instrument that a venue's adapter cannot subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{venue} has no {instrument}: {reason}")]
pub struct Unsupported {
    /// The venue, as `binance`.
    pub venue: &'static str,
    /// What was asked for.
    pub instrument: Instrument,
    /// Why it cannot be had, and what can.
    pub reason: &'static str,
}
