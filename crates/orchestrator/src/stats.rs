use meltica_stats::Counter;

/// What an orchestrator has done so far, and where it stands.
///
/// Each partial ends in one place: `offered` is the sum of `late`, `repeated`, `superseded`, `refused`,
/// `used`, `unused` and `held`. So does each window: `opened` is the sum of `complete`, `marked`,
/// `suppressed`, `unmade`, `forgotten` and `open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Partials that were pushed.
    pub offered: u64,
    /// Refused: their source gave a closed window one as new, or their period is over.
    pub late: u64,
    /// Refused: their window has them already.
    pub repeated: u64,
    /// Partials in whose place a newer one of their source stands, whichever of the two came first.
    pub superseded: u64,
    /// Refused because as many windows were open as there may be.
    pub refused: u64,
    /// Partials of windows that were merged.
    pub used: u64,
    /// Partials of windows that were suppressed, unmade or forgotten.
    pub unused: u64,
    /// Partials in windows that are open.
    pub held: u64,
    /// Windows that were opened.
    pub opened: u64,
    /// Merged, with every expected source.
    pub complete: u64,
    /// Merged with sources missing, and marked so.
    pub marked: u64,
    /// Not merged because sources were missing.
    pub suppressed: u64,
    /// Not merged because the merge had no answer, or panicked.
    pub unmade: u64,
    /// Forgotten by a restart.
    pub forgotten: u64,
    /// Windows that are open.
    pub open: u64,
    /// Of the windows that closed, those whose time was up.
    pub timed_out: u64,
    /// Of the windows that closed, those that had taken as many partials as a window may.
    pub filled: u64,
}

/// Written by the orchestrator's owner alone.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) offered: Counter,
    pub(crate) late: Counter,
    pub(crate) repeated: Counter,
    pub(crate) superseded: Counter,
    pub(crate) refused: Counter,
    pub(crate) used: Counter,
    pub(crate) unused: Counter,
    pub(crate) opened: Counter,
    pub(crate) complete: Counter,
    pub(crate) marked: Counter,
    pub(crate) suppressed: Counter,
    pub(crate) unmade: Counter,
    pub(crate) forgotten: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) filled: Counter,
}

impl Counts {
    pub(crate) fn read(&self) -> Stats {
        // What ends is read before what begins, so that a reader beside the writer never sees more
        // end than began.
        let [late, repeated, superseded, refused] =
            [&self.late, &self.repeated, &self.superseded, &self.refused].map(Counter::get);
        let (used, unused) = (self.used.get(), self.unused.get());
        let [complete, marked, suppressed, unmade, forgotten] =
            [&self.complete, &self.marked, &self.suppressed, &self.unmade, &self.forgotten]
                .map(Counter::get);
        let (timed_out, filled) = (self.timed_out.get(), self.filled.get());
        let (opened, offered) = (self.opened.get(), self.offered.get());
        let ended = late + repeated + superseded + refused + used + unused;
        let closed = complete + marked + suppressed + unmade + forgotten;
        Stats {
            offered,
            late,
            repeated,
            superseded,
            refused,
            used,
            unused,
            held: offered.saturating_sub(ended),
            opened,
            complete,
            marked,
            suppressed,
            unmade,
            forgotten,
            open: opened.saturating_sub(closed),
            timed_out,
            filled,
        }
    }
}
