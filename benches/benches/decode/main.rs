//! What does it cost to turn a venue's frame into events, and to keep its book verified?
//!
//! - **adapter**: the frame becomes leased events, and its book is kept and verified;
//! - **owned structs**: `serde_json` reads the frame into structs that own their texts, and nothing is
//!   made of them. It is told beforehand which struct a frame is, which no client knows;
//! - **naive book**: the same, and then decimals are parsed and levels put into a `BTreeMap` a side, which
//!   nothing verifies. (Kraken's numbers are bare; they are read as floats here, so that its checksums
//!   could not be met.)
//!
//! Contenders take turns within a round, and each figure is compared with the adapter's of the same round.
//! Frames are those of the recordings where they are at hand (`../shared/captures`, or what
//! `MELTICA_CAPTURES` names), else, and for Kraken always, those of the venue's local side. Whoever
//! allocates does so from mimalloc; allocations are counted in a pass of their own.
//!
//! `cargo bench -p meltica-benches --bench decode` prints the tables; with `-- --write` they go into
//! `docs/performance.md`. `-- --quick` takes three rounds in place of fifteen, `-- --only=Kraken` one venue.

mod frames;
mod peers;

use std::{fmt::Write, hint::black_box, time::Instant};

use meltica_benches::{
    Figures,
    counting::{self, Counting},
    interleaved, page, spread,
};
use meltica_venue::{Decoded, Ingest, Session, Wish};
use mimalloc::MiMalloc;

use self::{
    frames::{Frames, Market},
    peers::Peer,
};

#[global_allocator]
static ALLOCATOR: Counting<MiMalloc> = Counting(MiMalloc);

/// Frames handed over in one turn, at least: the whole recording, as often as it takes.
const FRAMES: usize = 40_000;

/// Hands all frames to the adapter, so often; answers nanoseconds a frame and events.
fn adapter(session: &mut dyn Session, frames: &Frames, turns: usize) -> (f64, u64) {
    let (mut events, mut number) = (0, 0);
    let start = Instant::now();
    for _ in 0..turns {
        session.opened();
        while let Some(Wish::Send(_) | Wish::Fetch { .. }) = session.next_wish() {}
        for frame in &frames.frames {
            number += 1;
            let ingest = Ingest { mono_ns: number, ..Ingest::default() };
            let mut emit = |decoded: Decoded| {
                events += 1;
                drop(black_box(decoded));
            };
            session.decode(frame.as_bytes(), ingest, &mut emit).expect("it is understood");
        }
    }
    let frames = (turns * frames.frames.len()) as f64;
    (start.elapsed().as_nanos() as f64 / frames, events / turns as u64)
}

/// Hands all frames to a peer, so often; answers nanoseconds a frame.
fn peer(market: Market, frames: &Frames, turns: usize, book: bool) -> f64 {
    let mut peer = Peer::new(market, book);
    let start = Instant::now();
    for _ in 0..turns {
        for frame in &frames.frames {
            peer.frame(frame);
        }
    }
    start.elapsed().as_nanos() as f64 / (turns * frames.frames.len()) as f64
}

fn table(market: Market, rounds: usize) -> String {
    let frames = Frames::of(market);
    let turns = FRAMES.div_ceil(frames.frames.len());
    let mut session = market.session();
    let mut events = 0;
    let mut run = |index: usize| match index {
        0 => {
            let (nanos, made) = adapter(&mut *session, &frames, turns);
            events = made;
            nanos
        }
        1 => peer(market, &frames, turns, false),
        _ => peer(market, &frames, turns, true),
    };
    let figures = interleaved(3, rounds, &mut run);
    let allocations: Vec<_> = (0..3)
        .map(|index| {
            let (_, count) = counting::allocations(|| run(index));
            count as f64 / (turns * frames.frames.len()) as f64
        })
        .collect();
    let bytes: usize = frames.frames.iter().map(String::len).sum();
    let count = frames.frames.len();
    let mut text = format!(
        "### {}\n\n{}: {count} frames of {} bytes on average, which become {events} events.\n\n",
        market.name(),
        frames.origin,
        bytes / count,
    );
    text.push_str(
        "| | ns per frame | frames per second | × the adapter | allocations per frame |\n",
    );
    text.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    let names = ["adapter, with its book verified", "owned structs", "naive book"];
    for ((name, Figures { nanos, ratio }), allocations) in
        names.iter().zip(figures).zip(allocations)
    {
        let per_second = 1e9 / nanos.0;
        writeln!(
            text,
            "| {name} | {:.0} [{:.0} to {:.0}] | {per_second:.0} | {:.2} [{:.2} to {:.2}] | {allocations:.2} |",
            nanos.0, nanos.1, nanos.2, ratio.0, ratio.1, ratio.2
        )
        .expect("a String takes all");
    }
    text
}

/// Events a second from the whole recording of Binance, one pass a round, through decoding and assembly.
fn whole(rounds: usize) -> Option<String> {
    let frames = Frames::recorded(Market::Binance)?;
    let mut session = Market::Binance.session();
    adapter(&mut *session, &frames, 1);
    let mut made = 0;
    let figures = (0..rounds).map(|_| {
        let (nanos, events) = adapter(&mut *session, &frames, 1);
        made = events;
        events as f64 / (nanos * frames.frames.len() as f64) * 1e9
    });
    let (middle, least, greatest) = spread(figures.collect());
    Some(format!(
        "The whole recording of Binance, decoded and assembled: {made} events, {middle:.0} [{least:.0} to \
         {greatest:.0}] events per second.\n"
    ))
}

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let rounds = if has("--quick") { 3 } else { 15 };
    let mut text = format!("Median [least to greatest] of {rounds} interleaved rounds.\n");
    let mut tell = |part: String| {
        println!("{part}");
        text.push('\n');
        text.push_str(&part);
    };
    let only =
        std::env::args().find_map(|argument| Some(argument.strip_prefix("--only=")?.to_owned()));
    let wanted = |market: &Market| only.as_ref().is_none_or(|only| only == market.name());
    for market in Market::ALL.into_iter().filter(wanted) {
        tell(table(market, rounds));
    }
    if let Some(part) = Some(Market::Binance).filter(wanted).and_then(|_| whole(rounds)) {
        tell(part);
    }
    if has("--write") {
        match page::write("decode", &text) {
            Ok(()) => println!("written to docs/performance.md"),
            Err(error) => {
                eprintln!("docs/performance.md: {error}");
                std::process::exit(1);
            }
        }
    }
}
