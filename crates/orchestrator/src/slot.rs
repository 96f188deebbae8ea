//! What is known of one key: its open window, and where each source stands.

use std::time::Instant;

use crate::{Merge, Sequence};

pub(crate) struct Slot<M: Merge + ?Sized> {
    /// The open window; else the key is idle.
    pub(crate) open: Option<Open>,
    /// The open window's partials; empty while there is none.
    pub(crate) held: Vec<Held<M>>,
    /// Every source that was ever in a window of this key.
    tracks: Vec<Track<M::Source>>,
    /// The latest period of which a window was opened.
    pub(crate) period: Option<u64>,
    /// The latest period that is over: by time, complete, or because a later one began. A window that
    /// was full or flushed ends no period: what else belongs to that comes in a further window.
    pub(crate) over: Option<u64>,
}

/// An open window.
pub(crate) struct Open {
    pub(crate) id: u64,
    /// Never, if its time is beyond what a clock can say.
    pub(crate) deadline: Option<Instant>,
    /// How many partials it has taken.
    pub(crate) taken: usize,
}

/// A partial in its window.
pub(crate) struct Held<M: Merge + ?Sized> {
    source: M::Source,
    /// How often the source had started again.
    base: u32,
    number: Option<u64>,
    /// The how-manieth of its window.
    pub(crate) arrival: usize,
    pub(crate) partial: M::Partial,
}

impl<M: Merge + ?Sized> Held<M> {
    /// The order in which a merge sees the partials of a window.
    pub(crate) fn place(&self) -> (M::Source, u32, Option<u64>, usize) {
        (self.source, self.base, self.number, self.arrival)
    }
}

/// Where a source stands.
struct Track<S> {
    source: S,
    /// How often it has started again.
    base: u32,
    /// The greatest number that it gave to a closed window, since it started again.
    closed: Option<u64>,
    /// The window in which it was last.
    window: u64,
    /// The greatest number that it gave to that window, since it started again.
    newest: Option<u64>,
    /// Where in that window the partial is that stands for it, if the newest alone does.
    at: Option<usize>,
}

/// What a window makes of a partial.
pub(crate) enum Taken<P> {
    /// It holds it, and it is the first of its source if this is true.
    Added(bool),
    /// It holds it in the place of this one, which is of the same source.
    Replaced(P),
    Late(P),
    Repeated(P),
    /// It holds a newer one of the same source.
    Superseded(P),
}

impl<M: Merge + ?Sized> Slot<M> {
    /// Room for a few at first, and what comes of it: reserved for all, thousands of windows lie so far
    /// apart that merging takes two and a half times as long.
    pub(crate) fn new(partials: usize) -> Self {
        Self {
            open: None,
            held: Vec::with_capacity(partials.min(4)),
            tracks: vec![],
            period: None,
            over: None,
        }
    }

    /// Forgets everything, for another key.
    pub(crate) fn clear(&mut self) {
        self.open = None;
        self.held.clear();
        self.tracks.clear();
        self.period = None;
        self.over = None;
    }

    /// A source numbers what follows anew.
    pub(crate) fn start_again(&mut self, source: M::Source) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.source == source) {
            track.base = track.base.wrapping_add(1);
            track.closed = None;
            track.newest = None;
        }
    }

    /// Takes a partial of `source` into the window numbered `window`, which is the open one, or will
    /// be opened if this one is added.
    pub(crate) fn take(
        &mut self,
        window: u64,
        source: M::Source,
        sequence: Sequence,
        keeps_each: bool,
        partial: M::Partial,
    ) -> Taken<M::Partial> {
        let index = match self.tracks.iter().position(|track| track.source == source) {
            Some(index) => index,
            None => {
                self.tracks.push(Track::new(source, window));
                self.tracks.len() - 1
            }
        };
        let track = &mut self.tracks[index];
        track.enter(window);
        let number = match sequence {
            Sequence::Unsequenced => None,
            Sequence::Rebase(number) => Some(number),
            Sequence::Numbered(number) if track.closed.is_some_and(|closed| number <= closed) => {
                return Taken::Late(partial);
            }
            Sequence::Numbered(number) => Some(number),
        };
        if number.is_some() && number <= track.newest {
            if !keeps_each {
                let repeated = number == track.newest;
                return if repeated {
                    Taken::Repeated(partial)
                } else {
                    Taken::Superseded(partial)
                };
            }
            let (base, place) = (track.base, (source, number));
            let same = |held: &Held<M>| held.base == base && (held.source, held.number) == place;
            if self.held.iter().any(same) {
                return Taken::Repeated(partial);
            }
        }
        track.newest = track.newest.max(number);
        let arrival = self.open.as_ref().map_or(0, |open| open.taken);
        let held = Held { source, base: track.base, number, arrival, partial };
        match track.at {
            Some(at) if !keeps_each => {
                Taken::Replaced(std::mem::replace(&mut self.held[at], held).partial)
            }
            at => {
                track.at = Some(self.held.len());
                self.held.push(held);
                Taken::Added(at.is_none())
            }
        }
    }

    /// How many of these sources have given the window numbered `window` nothing.
    pub(crate) fn missing(&self, window: u64, expected: &[M::Source]) -> usize {
        let is_in = |track: &Track<_>| track.window == window && track.at.is_some();
        let gave = |source| self.tracks.iter().any(|track| track.source == source && is_in(track));
        expected.iter().filter(|source| !gave(**source)).count()
    }
}

impl<S> Track<S> {
    fn new(source: S, window: u64) -> Self {
        Self { source, base: 0, closed: None, window, newest: None, at: None }
    }

    /// What it last gave belongs to a closed window, if that was another one.
    fn enter(&mut self, window: u64) {
        if self.window != window {
            self.window = window;
            self.closed = self.closed.max(self.newest.take());
            self.at = None;
        }
    }
}
