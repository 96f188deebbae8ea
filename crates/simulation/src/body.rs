//! What a message says, as plain data: what a consumer saw, and what the model expects it to see.

use std::collections::BTreeMap;

use meltica::{
    Key, Message, Pools,
    dispatcher::Class,
    event::{
        Control, ControlOutcome, Event, EventKind, ExecReport, Header, Level, Merged, Price,
        Quantity, Side, Text, Timestamp, TraceId, VenueId,
    },
    recycler::Lease,
};

use crate::plan::{Content, Item};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Event(Event),
    Book(BookBody),
    Merged(Merged),
    Execution(ExecReport),
    Control(Control),
}

/// A book, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BookBody {
    pub(crate) header: Header,
    pub(crate) levels: Levels,
    /// The venues of a merged one, and how many are missing.
    pub(crate) sources: (Vec<VenueId>, usize),
}

/// Quantities by side and price. In a delta, zero removes.
pub(crate) type Levels = BTreeMap<(bool, i64), u64>;

impl BookBody {
    pub(crate) fn is_whole(&self) -> bool {
        self.header.kind != EventKind::BookDelta
    }

    /// What this one and a newer one say together.
    pub(crate) fn fold(&mut self, newer: &Self) {
        if newer.is_whole() {
            *self = newer.clone();
            return;
        }
        let whole = self.is_whole();
        for (place, quantity) in &newer.levels {
            if whole && *quantity == 0 {
                self.levels.remove(place);
            } else {
                self.levels.insert(*place, *quantity);
            }
        }
        self.header = Header { kind: self.header.kind, ..newer.header };
    }
}

impl Body {
    pub(crate) fn header(&self) -> &Header {
        match self {
            Self::Event(event) => &event.header,
            Self::Book(book) => &book.header,
            Self::Merged(merged) => &merged.header,
            Self::Execution(report) => &report.header,
            Self::Control(control) => &control.header,
        }
    }

    pub(crate) fn stamp(&mut self, version: u64) {
        let header = match self {
            Self::Event(event) => &mut event.header,
            Self::Book(book) => &mut book.header,
            Self::Merged(merged) => &mut merged.header,
            Self::Execution(report) => &mut report.header,
            Self::Control(control) => &mut control.header,
        };
        header.routing_version = version;
    }

    pub(crate) fn key(&self) -> Key {
        let Header { venue, instrument, kind, .. } = *self.header();
        Key { venue, instrument, topic: kind.topic() }
    }

    pub(crate) fn class(&self) -> Class {
        match self.header().kind {
            EventKind::ExecReport | EventKind::ControlAck | EventKind::ControlResult => {
                Class::Critical
            }
            EventKind::Trade => Class::Sequential,
            _ => Class::Conflatable,
        }
    }

    /// What a message says.
    pub(crate) fn seen(message: &Message) -> Self {
        match message {
            Message::Event(event) => Self::Event(**event),
            Message::Merged(merged) => Self::Merged(**merged),
            Message::Execution(report) => Self::Execution(**report),
            Message::Control(control) => Self::Control(without_words(**control)),
            Message::Book(book) => {
                let side = |buys, levels: &[Level]| -> Vec<_> {
                    let row = |level: &Level| ((buys, level.price.units()), level.quantity.units());
                    levels.iter().map(row).collect()
                };
                let levels = side(true, &book.bids).into_iter().chain(side(false, &book.asks));
                Self::Book(BookBody {
                    header: book.header,
                    levels: levels.collect(),
                    sources: (book.sources.iter().collect(), book.sources.missing()),
                })
            }
        }
    }

    /// What an item says, as the message of this trace.
    pub(crate) fn of(item: &Item, trace: TraceId) -> Self {
        let header = header(item, trace);
        match &item.content {
            Content::Event(payload) => Self::Event(Event::new(header, *payload)),
            Content::Book { levels, .. } => {
                let row = |&(side, price, quantity): &_| ((side == Side::Buy, price), quantity);
                let levels = levels.iter().map(row).collect();
                Self::Book(BookBody { header, levels, sources: (vec![], 0) })
            }
            Content::Execution { order, report } => Self::Execution(ExecReport {
                header,
                client_order_id: Text::truncated(&format!("order-{order}")),
                report_id: Text::truncated(&format!("report-{report}")),
                ..ExecReport::blank()
            }),
            Content::Control { command, .. } => {
                Self::Control(Control { header, command: *command, ..Control::blank() })
            }
        }
    }

    /// The same as a message; of events there is a lease already.
    pub(crate) fn message(&self, pools: &Pools, event: Option<Lease<Event>>) -> Message {
        match self {
            Self::Event(says) => {
                let mut event = event.unwrap_or_else(|| pools.events.lease_or_heap());
                *event = *says;
                event.into()
            }
            Self::Book(says) => {
                let mut book = pools.books.lease_or_heap();
                book.header = says.header;
                for ((buys, price), quantity) in &says.levels {
                    let side = if *buys { Side::Buy } else { Side::Sell };
                    let price = Price::from_units(*price);
                    let quantity = Quantity::from_units(*quantity);
                    book.side_mut(side).set(Level { price, quantity });
                }
                book.into()
            }
            Self::Execution(says) => {
                let mut report = pools.executions.lease_or_heap();
                *report = *says;
                report.into()
            }
            Self::Control(says) => {
                let mut control = pools.controls.lease_or_heap();
                *control = *says;
                control.into()
            }
            Self::Merged(_) => unreachable!("no venue sends merged views"),
        }
    }
}

/// A refusal says why; in which words is not what is asked here.
fn without_words(mut control: Control) -> Control {
    if control.outcome == ControlOutcome::Rejected {
        let says_why = !control.detail.is_empty();
        control.detail = if says_why { Text::EMPTY } else { Text::truncated("not a word") };
    }
    control
}

fn header(item: &Item, trace: TraceId) -> Header {
    let kind = match &item.content {
        Content::Event(payload) => payload.kind(),
        Content::Book { whole: true, .. } => EventKind::BookSnapshot,
        Content::Book { whole: false, .. } => EventKind::BookDelta,
        Content::Execution { .. } => EventKind::ExecReport,
        Content::Control { result: false, .. } => EventKind::ControlAck,
        Content::Control { result: true, .. } => EventKind::ControlResult,
    };
    Header {
        trace,
        sequence: item.sequence,
        exchange_time: Timestamp::from_nanos(item.exchange_ms * 1_000_000),
        instrument: item.instrument,
        venue: item.venue,
        numbering: item.numbering,
        ..Header::new(kind)
    }
}
