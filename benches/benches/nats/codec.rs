//! The frame beside JSON, without a network.

use std::{fmt::Write, hint::black_box, time::Instant};

use meltica_benches::{Figures, interleaved};
use meltica_event::{Event, Header, Payload, Price, Quantity, Trade};
use meltica_nats::{Decoder, Encoder, Envelope, Names, View};

use crate::{ours, plain};

const TURNS: u64 = 100_000;

pub(crate) fn table(rounds: usize) -> String {
    let names = Names::default();
    let venue = names.venue("kraken").expect("a name");
    let instrument = names.instrument("I1-USDT".parse().expect("one")).expect("there is room");
    let trade = Trade {
        price: Price::from_units(61_837_630_000_000),
        quantity: Quantity::from_units(2_000_000),
        id: 7,
        aggressor: None,
    };
    let header = Header { venue, instrument, sequence: 7, ..Header::default() };
    let event = Event::new(header, Payload::Trade(trade));
    let json = plain::trade(1);
    let origin = "bench".parse().expect("a name");
    let envelope = Envelope { origin, incarnation: 1, chain: 0, number: 1 };
    let (mut encoder, mut decoder) =
        (Encoder::new(names), Decoder::new(Names::default(), ours::pools()));
    let mut frame = vec![];
    encoder.encode(View::Event(&event), &envelope, &mut frame).expect("it has names");
    let text = serde_json::to_vec(&json).expect("it is JSON");
    let mut out = Vec::with_capacity(1_024);
    let mut run = |index: usize| {
        let start = Instant::now();
        for _ in 0..TURNS {
            match index {
                0 => {
                    out.clear();
                    let view = View::Event(black_box(&event));
                    encoder.encode(view, &envelope, &mut out).expect("it has names");
                    black_box(&out);
                }
                1 => {
                    out.clear();
                    serde_json::to_writer(&mut out, black_box(&json)).expect("it is JSON");
                    black_box(&out);
                }
                2 => drop(black_box(decoder.decode(black_box(&frame)).expect("a frame"))),
                _ => {
                    let trade: plain::JsonTrade =
                        serde_json::from_slice(black_box(&text)).expect("a trade");
                    drop(black_box(trade));
                }
            }
        }
        start.elapsed().as_nanos() as f64 / TURNS as f64
    };
    let figures = interleaved(4, rounds, &mut run);
    let names = [
        ("frame written", frame.len()),
        ("JSON written", text.len()),
        ("frame read into a leased event", frame.len()),
        ("JSON read into a struct", text.len()),
    ];
    let mut table =
        "### The frame beside JSON: one trade\n\n| | bytes | ns |\n| --- | ---: | ---: |\n"
            .to_owned();
    for ((name, bytes), Figures { nanos, .. }) in names.iter().zip(figures) {
        writeln!(table, "| {name} | {bytes} | {:.0} [{:.0} to {:.0}] |", nanos.0, nanos.1, nanos.2)
            .expect("a String takes all");
    }
    table
}
