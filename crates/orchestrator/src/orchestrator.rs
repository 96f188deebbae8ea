use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    BuildError, Builder, Closed, Incomplete, Merge, Sequence, Stats, Window,
    slot::{Open, Slot, Taken},
    stats::Counts,
    table::Table,
};

/// Holds partials in windows, and makes one message of each window that closes.
///
/// Driven by its owner: [`push`](Self::push) partials, [`poll`](Self::poll) when
/// [`next_deadline`](Self::next_deadline) is over, and [`pop`](Self::pop) what was merged after
/// either.
pub struct Orchestrator<M: Merge> {
    merge: M,
    table: Table<M::Key, Slot<M>>,
    window: Duration,
    partials: usize,
    incomplete: Incomplete,
    /// The number of the last window that was opened.
    last: u64,
    /// The latest time that was told.
    now: Option<Instant>,
    merged: VecDeque<M::Merged>,
    counts: Arc<Counts>,
}

/// What became of a partial that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Its window waits for more.
    Waiting,
    /// It closed its window: what that became, if anything, can be popped.
    Closed,
}

impl<M: Merge> Orchestrator<M> {
    /// Settings, all with defaults.
    pub fn builder(merge: M) -> Builder<M> {
        Builder::new(merge)
    }

    pub(crate) fn new(settings: Builder<M>) -> Self {
        let Builder { merge, window, partials, windows, incomplete } = settings;
        Self {
            merge,
            table: Table::new(windows),
            window,
            partials,
            incomplete,
            last: 0,
            now: None,
            merged: VecDeque::new(),
            counts: Arc::default(),
        }
    }

    /// The merge.
    pub fn merge(&self) -> &M {
        &self.merge
    }

    /// The merge, to be changed between two calls. What is open keeps its partials; what is expected
    /// is asked anew with each.
    pub fn merge_mut(&mut self) -> &mut M {
        &mut self.merge
    }

    /// Changes everything at once, the merge included, and answers the merge that was: open windows
    /// close first, as by [`flush`](Self::flush), and what is known about sources is forgotten. Windows
    /// go on being numbered, and counts being counted.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for a setting that cannot be; nothing has changed then.
    pub fn change(&mut self, settings: Builder<M>) -> Result<M, BuildError> {
        settings.check()?;
        self.flush();
        let Builder { merge, window, partials, windows, incomplete } = settings;
        self.table = Table::new(windows);
        (self.window, self.partials, self.incomplete) = (window, partials, incomplete);
        Ok(std::mem::replace(&mut self.merge, merge))
    }

    /// A source starts its numbers again, as with a [`Sequence::Rebase`] that could not be had: nothing
    /// it gives from now on is late by its number.
    pub fn rebase(&mut self, key: M::Key, source: M::Source) {
        if let Some(index) = self.table.find(&key) {
            self.table.get_mut(index).start_again(source);
        }
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.counts.read()
    }

    /// A handle by which others, on any thread, read what has been done so far.
    pub fn stats_handle(&self) -> impl Fn() -> Stats + Send + Sync + 'static {
        let counts = Arc::clone(&self.counts);
        move || counts.read()
    }

    /// Takes a partial into its key's window, opening one if none is. Windows whose time is up by
    /// `now` close first. `now` should not go back; if it does, the latest one counts.
    ///
    /// # Errors
    ///
    /// [`PushError`] hands the partial back; it is counted.
    pub fn push(
        &mut self,
        partial: M::Partial,
        now: Instant,
    ) -> Result<Pushed, PushError<M::Partial>> {
        self.poll(now);
        // All that is asked of the user's code is asked before anything changes: it may panic.
        let merge = &self.merge;
        let (key, period) = (merge.key(&partial), merge.period(&partial));
        let (source, sequence) = (merge.source(&partial), merge.sequence(&partial));
        let keeps_each = merge.keeps_each(&partial);
        merge.expected(key);
        self.counts.offered.add(1);
        let Some(index) = self.slot_of(key) else {
            self.counts.refused.add(1);
            return Err(PushError::Full(partial));
        };
        if let Sequence::Rebase(_) = sequence {
            // Whatever becomes of this one: what follows is numbered anew.
            self.table.get_mut(index).start_again(source);
        }
        if self.is_over(index, period) {
            self.counts.late.add(1);
            return Err(PushError::Late(partial));
        }
        let slot = self.table.get_mut(index);
        let window = slot.open.as_ref().map_or(self.last + 1, |open| open.id);
        let (first, _replaced) = match slot.take(window, source, sequence, keeps_each, partial) {
            Taken::Added(first) => (first, None),
            Taken::Replaced(partial) => {
                self.counts.superseded.add(1);
                (false, Some(partial))
            }
            Taken::Late(partial) => {
                self.counts.late.add(1);
                return Err(PushError::Late(partial));
            }
            Taken::Repeated(partial) => {
                self.counts.repeated.add(1);
                return Err(PushError::Repeated(partial));
            }
            Taken::Superseded(partial) => {
                self.counts.superseded.add(1);
                return Err(PushError::Superseded(partial));
            }
        };
        let taken = match &mut slot.open {
            Some(open) => {
                open.taken += 1;
                open.taken
            }
            None => {
                let deadline = self.now.unwrap_or(now).checked_add(self.window);
                slot.open = Some(Open { id: window, deadline, taken: 1 });
                slot.period = slot.period.max(period);
                self.last = window;
                self.table.set_open(index);
                self.counts.opened.add(1);
                1
            }
        };
        let expected = self.merge.expected(key);
        let completes = first && expected.contains(&source);
        let closed = if completes && self.table.get(index).missing(window, expected) == 0 {
            Closed::Complete
        } else if taken >= self.partials {
            Closed::Count
        } else {
            return Ok(Pushed::Waiting);
        };
        self.close(index, closed);
        Ok(Pushed::Closed)
    }

    /// The slot of this key, which gets one if it has none; `None` if all are taken by open windows.
    fn slot_of(&mut self, key: M::Key) -> Option<u32> {
        let partials = self.partials;
        match self.table.find(&key) {
            Some(index) => Some(index),
            None => self.table.add(key, || Slot::new(partials), Slot::clear),
        }
    }

    /// Whether this period is over. A window of an earlier one closes now.
    fn is_over(&mut self, index: u32, period: Option<u64>) -> bool {
        let slot = self.table.get(index);
        let latest = slot.period;
        if slot.open.is_some() && period > latest {
            self.close(index, Closed::Period);
        }
        period.is_some() && (period < latest || period <= self.table.get(index).over)
    }

    /// Closes the windows whose time is up.
    pub fn poll(&mut self, now: Instant) {
        let now = self.now.map_or(now, |latest| latest.max(now));
        self.now = Some(now);
        while let Some(index) = self.table.first_open() {
            let open = self.table.get(index).open.as_ref();
            if open.and_then(|open| open.deadline).is_none_or(|deadline| deadline > now) {
                break;
            }
            self.close(index, Closed::Time);
        }
    }

    /// When [`poll`](Self::poll) next has to be called; `None` if no window waits for time.
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = self.table.first_open()?;
        self.table.get(first).open.as_ref()?.deadline
    }

    /// The next message that was made of a closed window, in the order in which they closed.
    pub fn pop(&mut self) -> Option<M::Merged> {
        self.merged.pop_front()
    }

    /// Closes every window, as if its time was up.
    pub fn flush(&mut self) {
        while let Some(index) = self.table.first_open() {
            self.close(index, Closed::Flush);
        }
    }

    /// Forgets everything, as a restart does: open windows are dropped and counted, and what is known
    /// about sources is gone. What was merged can still be popped.
    pub fn forget(&mut self) {
        while let Some(index) = self.table.first_open() {
            let slot = self.table.get_mut(index);
            slot.open = None;
            self.counts.forgotten.add(1);
            self.counts.unused.add(slot.held.len() as u64);
            self.table.set_idle(index);
        }
        self.table.clear();
    }

    /// Closes an open window, and makes a message of it unless it is to be suppressed.
    fn close(&mut self, index: u32, closed: Closed) {
        let key = self.table.key(index);
        // Asked before anything changes: it may panic.
        let expected = self.merge.expected(key);
        self.table.set_idle(index);
        let slot = self.table.get_mut(index);
        let Some(open) = slot.open.take() else { return };
        let mut held = std::mem::take(&mut slot.held);
        let missing = slot.missing(open.id, expected);
        match closed {
            Closed::Time => self.counts.timed_out.add(1),
            Closed::Count => self.counts.filled.add(1),
            Closed::Complete | Closed::Period | Closed::Flush => {}
        }
        if !matches!(closed, Closed::Count | Closed::Flush) {
            slot.over = slot.period;
        }
        if missing > 0 && self.incomplete == Incomplete::Suppress {
            self.counts.suppressed.add(1);
            self.counts.unused.add(held.len() as u64);
        } else {
            // Places differ, so nothing is left to the sort: it need not be stable.
            held.sort_unstable_by_key(|held| held.place());
            let made = Made { counts: &self.counts, partials: held.len() as u64, how: None };
            let window = Window { id: open.id, key, closed, missing, partials: &held };
            if let Some(merged) = self.merge.merge(window) {
                made.of(missing);
                self.merged.push_back(merged);
            }
        }
        held.clear();
        self.table.get_mut(index).held = held;
    }
}

/// Counts a window's end: as unmade, unless the merge says otherwise before this is dropped.
struct Made<'a> {
    counts: &'a Counts,
    partials: u64,
    how: Option<usize>,
}

impl Made<'_> {
    fn of(mut self, missing: usize) {
        self.how = Some(missing);
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let (window, partials) = match self.how {
            Some(0) => (&self.counts.complete, &self.counts.used),
            Some(_) => (&self.counts.marked, &self.counts.used),
            None => (&self.counts.unmade, &self.counts.unused),
        };
        window.add(1);
        partials.add(self.partials);
    }
}

impl<M: Merge> fmt::Debug for Orchestrator<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orchestrator").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Why a partial was not taken; it comes back with the answer.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError<P> {
    /// Its source gave a window that has closed one as new or newer, or its period is over.
    #[error("the partial is late: its source gave a closed window one as new")]
    Late(P),
    /// Its window has it already.
    #[error("the partial is repeated: its window has it already")]
    Repeated(P),
    /// Its window has a newer one of its source.
    #[error("the partial is superseded: its window has a newer one of its source")]
    Superseded(P),
    /// As many windows are open as there may be.
    #[error("as many windows are open as there may be")]
    Full(P),
}

impl<P> PushError<P> {
    /// The partial.
    pub fn into_partial(self) -> P {
        match self {
            Self::Late(partial)
            | Self::Repeated(partial)
            | Self::Superseded(partial)
            | Self::Full(partial) => partial,
        }
    }
}

impl<P> fmt::Debug for PushError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Late(_) => "Late(..)",
            Self::Repeated(_) => "Repeated(..)",
            Self::Superseded(_) => "Superseded(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}
