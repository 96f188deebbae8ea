use std::collections::VecDeque;

use meltica_event::{InstrumentId, Timestamp};

use super::{Consumer, INSTRUMENTS, Subject, session};
use crate::{BookStatus, DecodeError, Ingest, LocalVenue, Session, VenuePools, Wish};

/// An adapter and the venue's own side of it, joined by a line on which frames wait to be delivered.
pub struct Wire {
    /// The adapter.
    pub session: Box<dyn Session>,
    /// Its pools.
    pub pools: VenuePools,
    /// The venue.
    pub local: Box<dyn LocalVenue>,
    /// Frames that the venue has sent and the adapter has not seen.
    pub line: VecDeque<String>,
    /// Who takes what the adapter hands on.
    pub consumer: Consumer,
    /// How often an execution report was put on the line.
    pub executions: u64,
    /// Whether the bodies that answer fetches arrive cut.
    pub cut_bodies: bool,
    nanos: i64,
}

impl Wire {
    /// Both sides, before the first connection.
    pub fn new<S: Subject>(seed: u64) -> Self {
        let (session, pools) = session::<S>();
        let mut wire = Self {
            session,
            pools,
            local: S::local(seed),
            line: VecDeque::new(),
            consumer: Consumer::default(),
            executions: 0,
            cut_bodies: false,
            nanos: 1_767_225_600_000_000_000,
        };
        wire.note();
        wire
    }

    /// Opens a connection, and does what the adapter wishes.
    pub fn open(&mut self) {
        let url = self.session.url();
        let target = url.splitn(4, '/').nth(3).map_or("/".to_owned(), |path| format!("/{path}"));
        self.session.opened();
        self.doubt();
        self.local.opened(&target, &mut |frame| self.line.push_back(frame.to_owned()));
        self.wishes();
    }

    /// Ends the connection; what was on the line is lost.
    pub fn close(&mut self) {
        self.line.clear();
        self.local.closed();
        self.session.closed();
        self.doubt();
    }

    fn now(&mut self) -> Timestamp {
        self.nanos += 1_000_000;
        Timestamp::from_nanos(self.nanos)
    }

    /// One move of the market, and now and then a heartbeat.
    pub fn step(&mut self) {
        let now = self.now();
        let Self { line, executions, .. } = self;
        let mut out = |frame: &str| {
            *executions += u64::from(frame.contains("executionReport") || is_okx_order(frame));
            line.push_back(frame.to_owned());
        };
        self.local.step(now, &mut out);
        if self.nanos % 16_000_000 == 0 {
            self.local.heartbeat(now, &mut out);
        }
        self.note();
    }

    fn note(&mut self) {
        for (_, id) in INSTRUMENTS {
            let book = self.local.book(id).expect("it is traded");
            self.consumer.knows(id, book);
        }
    }

    /// Hands this frame to the adapter, as it is, and does what the adapter then wishes.
    ///
    /// # Errors
    ///
    /// As the adapter's.
    pub fn hand(&mut self, frame: &[u8]) -> Result<(), DecodeError> {
        let now = self.now();
        let ingest = Ingest { time: now, mono_ns: self.nanos as u64 };
        let Self { session, consumer, .. } = self;
        let decoded = session.decode(frame, ingest, &mut |decoded| consumer.take(&decoded));
        self.doubt();
        self.wishes();
        decoded
    }

    /// Delivers everything on the line.
    ///
    /// # Panics
    ///
    /// If a frame is not understood.
    pub fn deliver(&mut self) {
        while let Some(frame) = self.line.pop_front() {
            self.hand(frame.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{frame}"));
        }
    }

    /// Tells the consumer which books the adapter does not trust.
    fn doubt(&mut self) {
        for (_, id) in INSTRUMENTS {
            if self.session.book(id).is_none() {
                self.consumer.doubts(id);
            }
        }
    }

    /// Does what the adapter wishes.
    pub fn wishes(&mut self) {
        while let Some(wish) = self.session.next_wish() {
            let now = self.now();
            match wish {
                Wish::Send(text) => {
                    let line = &mut self.line;
                    self.local.heard(&text, now, &mut |frame| line.push_back(frame.to_owned()));
                }
                Wish::Fetch { instrument, path } => {
                    let mut body = self.local.get(&path).expect("there is a snapshot");
                    if self.cut_bodies {
                        self.cut_bodies = false;
                        body.truncate(body.len() / 2);
                    }
                    let ingest = Ingest { time: now, mono_ns: self.nanos as u64 };
                    let Self { session, consumer, .. } = self;
                    let mut emit = |decoded| consumer.take(&decoded);
                    let _ = session.fetched(instrument, body.as_bytes(), ingest, &mut emit);
                    self.doubt();
                }
                Wish::Reconnect { .. } => {
                    self.close();
                    return self.open();
                }
            }
        }
    }

    /// How this instrument's book stands.
    ///
    /// # Panics
    ///
    /// If the adapter does not know it.
    pub fn status(&self, of: InstrumentId) -> BookStatus {
        let mut found = None;
        self.session.books(&mut |status| {
            if status.instrument == of {
                found = Some(status);
            }
        });
        found.expect("every instrument that was added has a status")
    }

    /// Asks again for books that are not verified, as a book's silence does after a while.
    pub fn silence(&mut self) {
        for (_, id) in INSTRUMENTS {
            if !self.status(id).verified {
                self.session.resync(id);
                self.wishes();
            }
        }
    }

    /// Asserts that every book is trusted and is the venue's.
    ///
    /// # Panics
    ///
    /// If one is not.
    pub fn equal(&self, when: &str) {
        for (_, id) in INSTRUMENTS {
            let theirs = self.local.book(id).expect("it is traded");
            let stats = self.status(id).stats;
            let mine = self.session.book(id);
            let mine = mine.unwrap_or_else(|| panic!("{when}: {id:?} is not verified: {stats:?}"));
            assert_eq!((&mine.bids, &mine.asks), (&theirs.bids, &theirs.asks), "{when}: {id:?}");
            let consumer = self.consumer.of(id).expect("whoever listens has a book");
            assert_eq!((&consumer.bids, &consumer.asks), (&theirs.bids, &theirs.asks), "{when}");
        }
    }
}

/// Whether this is a frame of OKX's orders channel; no other venue says `ordId`.
fn is_okx_order(frame: &str) -> bool {
    frame.contains("\"ordId\"")
}
