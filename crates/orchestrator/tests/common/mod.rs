#![allow(dead_code, reason = "each test uses what it needs")]

use std::time::{Duration, Instant};

use meltica_orchestrator::{Closed, Merge, Sequence, Window};

/// A partial view: a quote of a source below 10, a trade of one above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) key: u8,
    pub(crate) source: u8,
    pub(crate) number: Option<u64>,
    pub(crate) rebase: bool,
    pub(crate) period: Option<u64>,
    pub(crate) value: u64,
}

pub(crate) fn part(key: u8, source: u8, number: u64) -> Part {
    let value = u64::from(source) * 1_000 + number;
    Part { key, source, number: Some(number), rebase: false, period: None, value }
}

/// What a window becomes: all that the merge was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) window: u64,
    pub(crate) key: u8,
    pub(crate) closed: Closed,
    pub(crate) missing: usize,
    pub(crate) values: Vec<u64>,
}

/// Quotes of these sources are expected.
pub(crate) struct Views(pub(crate) Vec<u8>);

impl Merge for Views {
    type Partial = Part;
    type Key = u8;
    type Source = u8;
    type Merged = View;

    fn key(&self, part: &Part) -> u8 {
        part.key
    }

    fn source(&self, part: &Part) -> u8 {
        part.source
    }

    fn sequence(&self, part: &Part) -> Sequence {
        match part.number {
            None => Sequence::Unsequenced,
            Some(number) if part.rebase => Sequence::Rebase(number),
            Some(number) => Sequence::Numbered(number),
        }
    }

    fn expected(&self, _: u8) -> &[u8] {
        &self.0
    }

    fn keeps_each(&self, part: &Part) -> bool {
        part.source >= 10
    }

    fn period(&self, part: &Part) -> Option<u64> {
        part.period
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<View> {
        assert!(!window.is_empty());
        assert_eq!(window.len(), window.partials().count());
        let values: Vec<_> = window.partials().map(|part| part.value).collect();
        (values != [666]).then_some(View {
            window: window.id(),
            key: window.key(),
            closed: window.closed(),
            missing: window.missing(),
            values,
        })
    }
}

/// Milliseconds after some moment.
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn ms(&self, ms: u64) -> Instant {
        self.0 + Duration::from_millis(ms)
    }
}
