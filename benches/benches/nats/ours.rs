//! An `Outbound` and an `Inbound`.

use std::{path::Path, sync::Arc, time::Instant};

use meltica_event::{
    Book, Control, Event, ExecReport, Header, InstrumentId, Merged, Payload, Text, Trade, VenueId,
};
use meltica_nats::{
    Connect, Inbound, InboundConfig, Names, NatsPools, Outbound, OutboundConfig, Receipt, Received,
    Settled, View,
};
use meltica_recycler::Recycler;

use crate::{Seen, Way};

/// How many instruments are traded.
pub(crate) const INSTRUMENTS: u64 = 16;

pub(crate) struct Ours {
    outbound: Outbound,
    venue: VenueId,
    instruments: Vec<InstrumentId>,
    market: Arc<Seen>,
    critical: Arc<Seen>,
    _inbound: Inbound,
}

impl Ours {
    pub(crate) fn start(url: &str, folder: &Path, clock: Instant) -> Self {
        let names = Names::default();
        let venue = names.venue("kraken").expect("a name");
        let instruments = (0..INSTRUMENTS)
            .map(|index| names.instrument(format!("I{index}-USDT").parse().expect("one")))
            .collect::<Result<_, _>>()
            .expect("there is room");
        let (market, critical) = (Seen::new(), Seen::new());
        let settled = Settled::new();
        let told = settled.clone();
        let (seen, reports) = (Arc::clone(&market), Arc::clone(&critical));
        let sink = move |received: Received, receipt: Option<Receipt>| {
            match &received {
                Received::Event(event) => seen.note(event.header.sequence, clock),
                _ => reports.note(received.header().sequence, clock),
            }
            if let Some(receipt) = receipt {
                told.settle(receipt);
            }
            Ok(())
        };
        let connect = Connect::new(url);
        let config = InboundConfig::new(connect.clone(), "bench");
        let inbound = Inbound::start(config, Names::default(), pools(), settled, None, sink);
        let config =
            OutboundConfig::new(connect, "bench".parse().expect("a name"), folder.join("outbox"));
        let outbound = Outbound::start(config, names, None).expect("it starts");
        let ours = Self {
            outbound,
            venue,
            instruments,
            market,
            critical,
            _inbound: inbound.expect("it starts"),
        };
        crate::sync::settle();
        ours
    }

    pub(crate) fn market(&self) -> impl Way + '_ {
        OurMarket(self)
    }

    pub(crate) fn critical(&self) -> impl Way + '_ {
        OurCritical(self)
    }

    fn header(&self, number: u64) -> Header {
        Header {
            venue: self.venue,
            instrument: self.instruments[(number % INSTRUMENTS) as usize],
            sequence: number,
            ..Header::default()
        }
    }
}

pub(crate) fn pools() -> NatsPools {
    let recycler = Recycler::new();
    NatsPools::new(
        recycler.pool("event", 8_192, Event::blank, |event| *event = Event::blank()),
        recycler.pool("book", 8, || Book::with_capacity(8), Book::clear),
        recycler.pool("execreport", 1_024, ExecReport::blank, |r| *r = ExecReport::blank()),
        recycler.pool("control", 8, Control::blank, |control| *control = Control::blank()),
        recycler.pool("merged", 8, Merged::blank, |merged| *merged = Merged::blank()),
    )
}

struct OurMarket<'a>(&'a Ours);

impl Way for OurMarket<'_> {
    fn send(&self, number: u64) {
        let trade = Trade {
            price: meltica_event::Price::from_units(61_837_630_000_000),
            quantity: meltica_event::Quantity::from_units(2_000_000),
            id: number,
            aggressor: None,
        };
        let event = Event::new(self.0.header(number), Payload::Trade(trade));
        self.0.outbound.publish(View::Event(&event), false).expect("it has names");
    }

    fn seen(&self) -> &Seen {
        &self.0.market
    }
}

struct OurCritical<'a>(&'a Ours);

impl Way for OurCritical<'_> {
    fn send(&self, number: u64) {
        let mut report = ExecReport::blank();
        report.header =
            Header { kind: meltica_event::EventKind::ExecReport, ..self.0.header(number) };
        report.client_order_id = Text::truncated("order-1234567");
        self.0.outbound.publish(View::Execution(&report), false).expect("the outbox takes it");
    }

    fn seen(&self) -> &Seen {
        &self.0.critical
    }
}
