//! What each stream's numbers ask for, in the plainest way (LM-03).

use std::collections::BTreeMap;

use meltica::{
    Key,
    event::{Numbering, TraceId},
};

use crate::{body::Body, plan::GAP_WAIT_MS};

#[derive(Default)]
pub(crate) struct Order {
    gap_capacity: usize,
    streams: Vec<Stream>,
    /// Messages before which a gap was given up, and how wide that was, until they are routed.
    after_gap: Vec<(TraceId, u64)>,
    pub(crate) late: u64,
    pub(crate) gaps: u64,
    pub(crate) missing: u64,
}

struct Stream {
    key: Key,
    last: u64,
    waiting: BTreeMap<u64, Body>,
    waits_since: Option<u64>,
}

pub(crate) enum Accepted {
    Passed,
    Held,
    Late,
}

impl Order {
    pub(crate) fn new(gap_capacity: usize) -> Self {
        Self { gap_capacity, ..Self::default() }
    }

    /// Takes a message; whatever may pass now goes to the end of `out`.
    pub(crate) fn accept(&mut self, body: Body, now: u64, out: &mut Vec<Body>) -> Accepted {
        let (key, header) = (body.key(), *body.header());
        let number = header.sequence;
        if header.numbering == Numbering::Unsequenced {
            out.push(body);
            return Accepted::Passed;
        }
        let Some(index) = self.streams.iter().position(|stream| stream.key == key) else {
            let waiting = BTreeMap::new();
            self.streams.push(Stream { key, last: number, waiting, waits_since: None });
            out.push(body);
            return Accepted::Passed;
        };
        let last = self.streams[index].last;
        match header.numbering {
            Numbering::Rebase => self.give_up(index, |_| true, out),
            _ if number <= last => {
                self.late += 1;
                return Accepted::Late;
            }
            Numbering::Monotone => {
                self.give_up(index, |waiting| waiting < number, out);
                if self.streams[index].waiting.remove(&number).is_some() {
                    self.late += 1;
                }
            }
            _ if number > last + 1 => {
                let stream = &mut self.streams[index];
                if stream.waiting.insert(number, body).is_some() {
                    self.late += 1;
                }
                stream.waits_since.get_or_insert(now);
                if stream.waiting.len() >= self.gap_capacity {
                    self.give_up_first(index, now, out);
                }
                let passed = self.streams[index].last >= number;
                return if passed { Accepted::Passed } else { Accepted::Held };
            }
            _ => {}
        }
        self.streams[index].last = number;
        out.push(body);
        self.follow(index, now, out);
        Accepted::Passed
    }

    /// How many before this message never came; asked once.
    pub(crate) fn missing_before(&mut self, trace: TraceId) -> u64 {
        let at = self.after_gap.iter().position(|(gap, _)| *gap == trace);
        at.map_or(0, |at| self.after_gap.swap_remove(at).1)
    }

    /// Gives up the gaps whose time is up.
    pub(crate) fn due(&mut self, now: u64, out: &mut Vec<Body>) {
        for index in 0..self.streams.len() {
            let since = self.streams[index].waits_since;
            if since.is_some_and(|since| since + GAP_WAIT_MS <= now) {
                self.give_up_first(index, now, out);
            }
        }
    }

    /// Gives up every gap.
    pub(crate) fn all(&mut self, out: &mut Vec<Body>) {
        for index in 0..self.streams.len() {
            self.give_up(index, |_| true, out);
        }
    }

    fn give_up(&mut self, index: usize, which: impl Fn(u64) -> bool, out: &mut Vec<Body>) {
        while let Some((number, _)) = self.streams[index].waiting.first_key_value() {
            if !which(*number) {
                break;
            }
            self.pass_first(index, out);
        }
        let stream = &mut self.streams[index];
        if stream.waiting.is_empty() {
            stream.waits_since = None;
        }
    }

    fn give_up_first(&mut self, index: usize, now: u64, out: &mut Vec<Body>) {
        self.pass_first(index, out);
        self.follow(index, now, out);
        let stream = &mut self.streams[index];
        stream.waits_since = (!stream.waiting.is_empty()).then_some(now);
    }

    fn pass_first(&mut self, index: usize, out: &mut Vec<Body>) {
        let stream = &mut self.streams[index];
        let Some((number, body)) = stream.waiting.pop_first() else { return };
        if number > stream.last + 1 {
            self.gaps += 1;
            self.missing += number - stream.last - 1;
            self.after_gap.push((body.header().trace, number - stream.last - 1));
        }
        stream.last = number;
        out.push(body);
    }

    /// Lets pass what follows without a gap.
    fn follow(&mut self, index: usize, now: u64, out: &mut Vec<Body>) {
        let stream = &mut self.streams[index];
        let mut followed = false;
        while let Some(body) = stream.waiting.remove(&(stream.last + 1)) {
            stream.last += 1;
            out.push(body);
            followed = true;
        }
        if stream.waiting.is_empty() {
            stream.waits_since = None;
        } else if followed {
            stream.waits_since = Some(now);
        }
    }
}
