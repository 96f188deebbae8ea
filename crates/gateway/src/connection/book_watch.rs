use std::time::Duration;

use meltica::event::InstrumentId;
use meltica_venue::Session;

/// Notices books that are to be asked for again: those that have been silent for too long, and those
/// whose snapshot does not come.
///
/// That frames come says nothing of a book: a venue may send heartbeats while its subscription is
/// lost, and deltas while their snapshot is.
pub(super) struct BookWatch {
    silence: u64,
    snapshot: u64,
    books: Vec<Watched>,
}

#[derive(Clone, Copy)]
struct Watched {
    /// When it was last asked for, could be trusted, or changed.
    since: u64,
    verified: bool,
    /// How often it was asked for since it could be trusted.
    asked: u32,
}

impl BookWatch {
    /// A book may be silent for so long, and so long without its snapshot.
    pub(super) fn new(silence: Duration, snapshot: Duration) -> Self {
        let nanos = |of: Duration| u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
        Self { silence: nanos(silence), snapshot: nanos(snapshot), books: vec![] }
    }

    /// A connection was opened, and every book with it.
    pub(super) fn opened(&mut self, now: u64) {
        for book in &mut self.books {
            *book = Watched { since: now, verified: false, ..*book };
        }
    }

    /// The books that are to be asked for again now, which counts as done.
    pub(super) fn late(&mut self, now: u64, session: &dyn Session) -> Vec<InstrumentId> {
        let (mut index, mut late) = (0, vec![]);
        session.books(&mut |status| {
            if index == self.books.len() {
                self.books.push(Watched { since: now, verified: false, asked: 0 });
            }
            let book = &mut self.books[index];
            index += 1;
            if book.verified != status.verified {
                *book = Watched { since: now, verified: status.verified, ..*book };
            }
            let limit = if status.verified {
                book.asked = 0;
                book.since = book.since.max(status.updated_mono_ns);
                self.silence
            } else {
                // A refused one is asked for less and less often.
                self.snapshot.saturating_mul(1 << book.asked.min(MAX_DOUBLINGS))
            };
            if now.saturating_sub(book.since) >= limit {
                late.push(status.instrument);
                book.since = now;
                book.asked += u32::from(!status.verified);
            }
        });
        late
    }
}

/// Ten seconds become ten minutes.
const MAX_DOUBLINGS: u32 = 6;
