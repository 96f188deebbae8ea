//! What a merge rule makes of what comes in, in the plainest way (LM-05).

use std::collections::{BTreeMap, HashMap, VecDeque};

use meltica::event::{
    EventKind, Header, InstrumentId, Merged, Numbering, Payload, Quote, Sources, Topic, VenueId,
    Vwap,
};

use crate::{
    body::{Body, BookBody, Levels},
    plan::{DEPTH, Rule},
};

pub(crate) struct Windows {
    pub(crate) rule: Rule,
    open: Vec<Open>,
    /// Where each source stands: how often it has begun, and the greatest number it gave to a closed
    /// window since.
    sources: HashMap<(InstrumentId, Source), (u32, Option<u64>)>,
    books: HashMap<(InstrumentId, VenueId), BookBody>,
    last: u64,
    pub(crate) out: VecDeque<Body>,
    pub(crate) counts: Counts,
}

type Source = (VenueId, Topic);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) complete: u64,
    pub(crate) marked: u64,
    pub(crate) suppressed: u64,
    pub(crate) unmade: u64,
    pub(crate) late: u64,
    pub(crate) repeated: u64,
    pub(crate) superseded: u64,
    pub(crate) without_duplicate: u64,
    pub(crate) without_base: u64,
}

struct Open {
    id: u64,
    instrument: InstrumentId,
    until: u64,
    taken: usize,
    partials: Vec<Partial>,
    newest: HashMap<Source, u64>,
}

struct Partial {
    source: Source,
    begun: u32,
    number: Option<u64>,
    arrival: usize,
    body: Body,
}

impl Windows {
    pub(crate) fn new(rule: Rule) -> Self {
        Self {
            rule,
            open: vec![],
            sources: HashMap::new(),
            books: HashMap::new(),
            last: 0,
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Another rule of this name comes in its place. What was open is closed and taken.
    pub(crate) fn change(&mut self, rule: Rule) {
        if rule.depth != self.rule.depth {
            *self = Self::new(rule);
            return;
        }
        let wanted = |instrument: &InstrumentId, venue: &VenueId| {
            rule.venues.contains(venue) && rule.instrument.is_none_or(|only| only == *instrument)
        };
        self.books.retain(|(instrument, venue), _| wanted(instrument, venue));
        self.sources.clear();
        self.rule = rule;
    }

    pub(crate) fn wants(&self, body: &Body) -> bool {
        let kind = match body {
            Body::Event(event) => match event.payload {
                Payload::Trade(_) | Payload::TopOfBook(_) => !self.rule.depth,
                Payload::Ticker(_) => false,
            },
            Body::Book(_) => self.rule.depth,
            _ => false,
        };
        let Header { venue, instrument, .. } = *body.header();
        let wanted = self.rule.instrument.is_none_or(|only| only == instrument);
        kind && wanted && self.rule.venues.contains(&venue)
    }

    /// Closes the windows whose time is up. `unmade` says that there is nothing to make a view of.
    pub(crate) fn poll(&mut self, now: u64, unmade: bool) {
        while self.open.first().is_some_and(|open| open.until <= now) {
            self.close(0, unmade);
        }
    }

    pub(crate) fn flush(&mut self, unmade: bool) {
        while !self.open.is_empty() {
            self.close(0, unmade);
        }
    }

    /// What could not be had.
    pub(crate) fn miss(&mut self, body: &Body) {
        self.counts.without_duplicate += 1;
        if body.header().numbering == Numbering::Rebase {
            self.begin(body.header().instrument, self.source(body));
        }
    }

    fn source(&self, body: &Body) -> Source {
        let topic = if self.rule.depth { Topic::Book } else { body.key().topic };
        (body.header().venue, topic)
    }

    /// A source's numbers start again.
    fn begin(&mut self, instrument: InstrumentId, source: Source) {
        if let Some(stands) = self.sources.get_mut(&(instrument, source)) {
            *stands = (stands.0 + 1, None);
        }
        for open in self.open.iter_mut().filter(|open| open.instrument == instrument) {
            open.newest.remove(&source);
        }
    }

    /// Takes a partial.
    pub(crate) fn offer(&mut self, body: Body, now: u64, unmade: bool) {
        let header = *body.header();
        if let Body::Book(book) = &body {
            if !self.fold(book) {
                self.counts.without_base += 1;
                return;
            }
        }
        let (instrument, source) = (header.instrument, self.source(&body));
        let number = match header.numbering {
            Numbering::Unsequenced => None,
            Numbering::Rebase => {
                self.begin(instrument, source);
                Some(header.sequence)
            }
            Numbering::Dense | Numbering::Monotone => Some(header.sequence),
        };
        let (begun, closed) = *self.sources.entry((instrument, source)).or_default();
        let again = header.numbering == Numbering::Rebase;
        if !again && number.is_some_and(|number| closed.is_some_and(|closed| number <= closed)) {
            self.counts.late += 1;
            return;
        }
        let each = source.1 == Topic::Trades;
        let at = self.open.iter().position(|open| open.instrument == instrument);
        if let Some(open) = at.map(|at| &self.open[at]) {
            let newest = open.newest.get(&source);
            if let (Some(number), Some(newest)) = (number, newest) {
                let same = |partial: &Partial| {
                    (partial.source, partial.begun, partial.number) == (source, begun, Some(number))
                };
                if each && open.partials.iter().any(same) || !each && number == *newest {
                    self.counts.repeated += 1;
                    return;
                }
                if !each && number < *newest {
                    self.counts.superseded += 1;
                    return;
                }
            }
        }
        let at = at.unwrap_or_else(|| {
            self.last += 1;
            self.open.push(Open {
                id: self.last,
                instrument,
                until: now + self.rule.window_ms,
                taken: 0,
                partials: vec![],
                newest: HashMap::new(),
            });
            self.open.len() - 1
        });
        let open = &mut self.open[at];
        if let Some(number) = number {
            let newest = open.newest.entry(source).or_default();
            *newest = number.max(*newest);
        }
        let partial = Partial { source, begun, number, arrival: open.taken, body };
        let first = open.partials.iter().all(|partial| partial.source != source);
        match open.partials.iter_mut().find(|partial| partial.source == source) {
            Some(held) if !each => {
                self.counts.superseded += 1;
                *held = partial;
            }
            _ => open.partials.push(partial),
        }
        open.taken += 1;
        let is_full = open.taken >= self.rule.partials;
        if (first && !each && self.missing(at) == 0) || is_full {
            self.close(at, unmade);
        }
    }

    /// How many venues have not said what is waited for.
    fn missing(&self, at: usize) -> usize {
        let is_in = |venue: &&VenueId| {
            let awaited = |partial: &&Partial| partial.source.1 != Topic::Trades;
            let partials = self.open[at].partials.iter();
            partials.filter(awaited).any(|partial| partial.source.0 == **venue)
        };
        self.rule.venues.iter().filter(|venue| !is_in(venue)).count()
    }

    fn close(&mut self, at: usize, unmade: bool) {
        let missing = self.missing(at);
        let mut open = self.open.remove(at);
        for (source, newest) in &open.newest {
            let stands = self.sources.entry((open.instrument, *source)).or_default();
            stands.1 = stands.1.max(Some(*newest));
        }
        if missing > 0 && !self.rule.marks {
            self.counts.suppressed += 1;
            return;
        }
        if unmade && !self.rule.depth {
            self.counts.unmade += 1;
            return;
        }
        open.partials.sort_by_key(|p| (p.source, p.begun, p.number, p.arrival));
        let merged = if self.rule.depth {
            Body::Book(self.depth(&open, missing))
        } else {
            Body::Merged(self.view(&open, missing))
        };
        self.out.push_back(merged);
        if missing == 0 {
            self.counts.complete += 1;
        } else {
            self.counts.marked += 1;
        }
    }

    fn header(&self, kind: EventKind, open: &Open) -> Header {
        let last = open.partials.iter().max_by_key(|partial| partial.arrival);
        let times = open.partials.iter().map(|partial| partial.body.header().exchange_time);
        Header {
            trace: last.expect("it was opened by one").body.header().trace,
            sequence: open.id,
            exchange_time: times.max().expect("it was opened by one"),
            instrument: open.instrument,
            venue: self.rule.published_as,
            ..Header::new(kind)
        }
    }

    fn view(&self, open: &Open, missing: usize) -> Merged {
        let (mut bids, mut asks, mut trades) = (vec![], vec![], vec![]);
        let mut sources = Sources::default();
        for partial in &open.partials {
            let venue = partial.source.0;
            sources.insert(venue);
            let Body::Event(event) = &partial.body else { continue };
            match event.payload {
                Payload::TopOfBook(top) => {
                    let quote = |level: meltica::event::Level| {
                        let (price, quantity) = (level.price, level.quantity);
                        (!quantity.is_zero()).then_some(Quote { venue, price, quantity })
                    };
                    bids.extend(quote(top.bid));
                    asks.extend(quote(top.ask));
                }
                Payload::Trade(trade) => trades.push((event.header, trade)),
                Payload::Ticker(_) => {}
            }
        }
        let worth = |quote: &Quote, sign: i64| {
            let price = quote.price.units() * sign;
            (price, quote.quantity, std::cmp::Reverse(quote.venue))
        };
        let mut vwap = Vwap::default();
        trades.iter().for_each(|(_, trade)| vwap.add(trade.price, trade.quantity));
        let last = trades
            .iter()
            .max_by_key(|(header, _)| (header.exchange_time, header.venue, header.sequence));
        Merged {
            header: self.header(EventKind::Merged, open),
            window: open.id,
            sources: sources.with_missing(missing),
            bid: bids.into_iter().max_by_key(|quote| worth(quote, 1)),
            ask: asks.into_iter().max_by_key(|quote| worth(quote, -1)),
            last: last.map(|(_, trade)| trade.price),
            vwap: vwap.average(),
            volume: vwap.volume(),
        }
    }

    fn depth(&self, open: &Open, missing: usize) -> BookBody {
        let venues: Vec<_> = open.partials.iter().map(|partial| partial.source.0).collect();
        let mut sums: BTreeMap<(bool, i64), u64> = BTreeMap::new();
        for venue in &venues {
            for (place, quantity) in &self.books[&(open.instrument, *venue)].levels {
                *sums.entry(*place).or_default() += quantity;
            }
        }
        let bids = sums.iter().rev().filter(|((buys, _), _)| *buys).take(DEPTH);
        let asks = sums.iter().filter(|((buys, _), _)| !*buys).take(DEPTH);
        let levels: Levels = bids.chain(asks).map(|(place, sum)| (*place, *sum)).collect();
        let header = self.header(EventKind::MergedBook, open);
        BookBody { header, levels, sources: (venues, missing) }
    }

    /// Takes a message into its venue's book; false if it says nothing new.
    fn fold(&mut self, message: &BookBody) -> bool {
        let header = message.header;
        match self.books.get_mut(&(header.instrument, header.venue)) {
            None if !message.is_whole() => return false,
            None => {
                self.books.insert((header.instrument, header.venue), message.clone());
            }
            Some(book) => {
                let numbered = matches!(header.numbering, Numbering::Dense | Numbering::Monotone);
                if numbered && header.sequence <= book.header.sequence {
                    return false;
                }
                book.fold(message);
            }
        }
        true
    }
}

/// Whether a rule can be set beside these others.
pub(crate) fn is_valid<'a>(rule: &Rule, mut others: impl Iterator<Item = &'a Rule>) -> bool {
    let collides = |other: &Rule| {
        let shared = rule.instrument.is_none()
            || other.instrument.is_none()
            || rule.instrument == other.instrument;
        other.depth == rule.depth && other.published_as == rule.published_as && shared
    };
    rule.partials >= rule.venues.len() && !others.any(collides)
}
