use std::{num::NonZeroU32, time::Instant};

use crate::{
    LaneReport, clock,
    sync::{Condvar, Mutex, lock, wait, wait_for},
};

/// Where the consumers of a joined dispatch report, and the publisher waits. There is one publisher,
/// and so one dispatch at a time; reports for an earlier one, whose wait was cut short, are refused.
pub(crate) struct Joined<F> {
    state: Mutex<State<F>>,
    told: Condvar,
}

struct State<F> {
    /// The dispatch that is waited for, if one is.
    current: Option<NonZeroU32>,
    /// The number of the last one. After two billion of them it begins again: nobody reports that late.
    last: u32,
    reports: Vec<LaneReport<F>>,
}

impl<F> Joined<F> {
    pub(crate) fn new() -> Self {
        let state = State { current: None, last: 0, reports: vec![] };
        Self { state: Mutex::new(state), told: Condvar::new() }
    }

    /// Begins a dispatch.
    pub(crate) fn begin(&self) -> NonZeroU32 {
        let mut state = lock(&self.state);
        // The highest bit is that of receipts.
        let number = NonZeroU32::new((state.last + 1) & (u32::MAX >> 1)).unwrap_or(NonZeroU32::MIN);
        state.last = number.get();
        state.current = Some(number);
        // Left by a dispatch that unwound, if there are any.
        state.reports.clear();
        number
    }

    /// Hands a consumer's report to the dispatch that waits for it, or back if none does.
    pub(crate) fn report(
        &self,
        dispatch: NonZeroU32,
        report: LaneReport<F>,
    ) -> Result<(), LaneReport<F>> {
        let mut state = lock(&self.state);
        if state.current != Some(dispatch) {
            return Err(report);
        }
        state.reports.push(report);
        drop(state);
        self.told.notify_all();
        Ok(())
    }

    /// Whether this is so of the reports that are in.
    pub(crate) fn is(&self, so: impl Fn(&[LaneReport<F>]) -> bool) -> bool {
        so(&lock(&self.state).reports)
    }

    /// Waits until `are_done` says so of the reports that are in, `stop` does, or `limit` is over.
    pub(crate) fn wait(
        &self,
        are_done: impl Fn(&[LaneReport<F>]) -> bool,
        limit: Option<Instant>,
        stop: impl Fn() -> bool,
    ) {
        let mut state = lock(&self.state);
        while !are_done(&state.reports) && !stop() {
            state = match limit {
                None => wait(&self.told, state),
                Some(limit) => {
                    let left = limit.saturating_duration_since(clock::now());
                    if left.is_zero() {
                        return;
                    }
                    wait_for(&self.told, state, left)
                }
            };
        }
    }

    /// Has `wait` look again.
    pub(crate) fn wake(&self) {
        // Under the lock, lest the publisher has looked already and does not sleep yet.
        drop(lock(&self.state));
        self.told.notify_all();
    }

    /// Ends the dispatch: later reports are refused.
    pub(crate) fn end(&self) -> Vec<LaneReport<F>> {
        let mut state = lock(&self.state);
        state.current = None;
        std::mem::take(&mut state.reports)
    }
}
