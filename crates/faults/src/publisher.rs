//! A publisher's process: a pipeline whose one consumer sends everything, fed with orders and a market.
//!
//! An order event goes into its ledger once the outbox has it, and the next one follows: what the ledger does not have
//! when the process ends is sent again by the next, as a venue would after a reconnect.

use std::{
    io::{self, BufRead},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use meltica::{
    Consumer, Delivery, Message, Pipeline, Pools, Running, Select,
    event::{
        EventKind, Header, Instrument, InstrumentId, Numbering, OrderStatus, Payload, Timestamp,
        VenueId,
    },
};
use meltica_nats::{Connect, Names, OriginName, Outbound, OutboundConfig};

use crate::{bridge, ledger::Ledger, market};

/// How many instruments it trades, and so how many streams of each kind there are.
pub(crate) const INSTRUMENTS: usize = 8;
/// How often the routing version flips.
const FLIP: Duration = Duration::from_millis(250);

#[derive(Args, Clone, Debug)]
pub(crate) struct PublisherArgs {
    /// The server.
    #[arg(long)]
    pub(crate) url: String,
    /// The sender's name, also that of its venue.
    #[arg(long)]
    pub(crate) origin: OriginName,
    /// Where its outbox and its ledger are.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Order events per second.
    #[arg(long, default_value_t = 500)]
    pub(crate) orders: u32,
    /// Market data per second.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) market: u32,
}

/// Sends until a line comes on standard input, or that is closed; then until the server has all critical messages.
pub(crate) fn run(args: &PublisherArgs) -> Result<(), String> {
    let names = Names::default();
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let venue = names.venue(&args.origin.to_string()).map_err(|e| text(&e))?;
    let instruments: Vec<_> = (0..INSTRUMENTS)
        .map(|index| {
            let instrument: Instrument =
                format!("I{index:04}-USDT").parse().map_err(|e| text(&e))?;
            names.instrument(instrument).map_err(|e| text(&e))
        })
        .collect::<Result<_, _>>()?;
    let path = args.folder.join("orders");
    let (ledger, known) = Ledger::open(&path).map_err(|e| text(&e))?;
    let last = known.last().map_or(Ok(0), |line| line.parse::<u64>()).map_err(|e| text(&e))?;
    let connect = Connect::new(&args.url).ping(Duration::from_secs(1));
    let mut config = OutboundConfig::new(connect, args.origin, args.folder.join("outbox"));
    config.ack_timeout = Duration::from_secs(2);
    config.book_refresh = Duration::from_secs(2);
    let outbound = Outbound::start(config, names, None).map_err(|e| text(&e))?;
    let outbound = Arc::new(outbound);

    let taken = Arc::new(AtomicU64::new(last));
    let sender = {
        let (outbound, taken) = (Arc::clone(&outbound), Arc::clone(&taken));
        let ledger = Mutex::new(ledger);
        Consumer::new("out", move |delivery: &Delivery| {
            let missed = delivery.skipped.dropped > 0;
            outbound.publish(bridge::view(delivery), missed).map_err(|e| e.to_string())?;
            if let Message::Execution(report) = &**delivery {
                let number: u64 = report.report_id.as_str().parse().unwrap_or_default();
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                ledger.write(format_args!("{number}")).map_err(|e| e.to_string())?;
                taken.store(number, Relaxed);
            }
            Ok::<(), String>(())
        })
    };
    let running = Pipeline::builder()
        .keep_current_state(true)
        .consumer(sender, [Select::all()])
        .build()
        .map_err(|e| text(&e))?
        .spawn(1_024)
        .map_err(|e| text(&e))?;

    let stop = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&stop);
    let listening = thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = io::stdin().lock().lines().next();
        ended.store(true, Relaxed);
    });
    let listening = listening.map_err(|e| text(&e))?;
    generate(args, &running, venue, &instruments, last, &stop)?;
    let _ = listening.join();
    let end = running.shutdown(Duration::from_secs(10)).ok_or("the pipeline ended early")?;
    if !end.undelivered.is_empty() {
        return Err(format!("{} messages were not delivered", end.undelivered.len()));
    }
    drop(end);
    let outbound = Arc::into_inner(outbound).ok_or("the outbound is still held")?;
    let stats = outbound.shutdown(Duration::from_secs(60));
    if stats.waiting > 0 {
        return Err(format!("{} critical messages still wait in the outbox", stats.waiting));
    }
    eprintln!("{}: {stats:?}", args.origin);
    Ok(())
}

fn generate(
    args: &PublisherArgs,
    running: &Running,
    venue: VenueId,
    instruments: &[InstrumentId],
    last: u64,
    stop: &AtomicBool,
) -> Result<(), String> {
    let (feed, pools, control) = (running.feed(), running.pools().clone(), running.control());
    let start = Instant::now();
    let mut flipped = start;
    let (mut order, mut moves) = (last, 0_u64);
    // A venue starts again from a snapshot whenever it is connected to.
    let mut sequences = vec![0_u64; instruments.len()];
    while !stop.load(Relaxed) {
        let elapsed = start.elapsed().as_secs_f64();
        let due = last + (elapsed * f64::from(args.orders)) as u64;
        while order < due {
            order += 1;
            let index = (order % instruments.len() as u64) as usize;
            let message = report(&pools, venue, instruments[index], order);
            feed.push(message).map_err(|_| "the pipeline has stopped")?;
        }
        while moves < (elapsed * f64::from(args.market)) as u64 {
            let index = (moves / 2) as usize % instruments.len();
            let header = Header { venue, instrument: instruments[index], ..Header::default() };
            let message = if moves % 2 == 0 {
                sequences[index] += 1;
                book(&pools, header, sequences[index])
            } else {
                quote(&pools, header, sequences[index])
            };
            moves += 1;
            if let Some(message) = message {
                feed.push(message).map_err(|_| "the pipeline has stopped")?;
            }
        }
        if flipped.elapsed() >= FLIP {
            flipped = Instant::now();
            control.flip().map_err(|error| error.to_string())?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn report(pools: &Pools, venue: VenueId, instrument: InstrumentId, number: u64) -> Message {
    let mut report = pools.executions.lease_or_heap();
    report.header = Header {
        venue,
        instrument,
        exchange_time: Timestamp::from_nanos(number as i64),
        ..Header::new(EventKind::ExecReport)
    };
    report.client_order_id = meltica::event::Text::truncated("order");
    report.report_id = meltica::event::Text::truncated(&number.to_string());
    report.status = OrderStatus::PartiallyFilled;
    report.into()
}

fn book(pools: &Pools, header: Header, sequence: u64) -> Option<Message> {
    let mut book = pools.books.lease_or_heap();
    let is_first = sequence == 1;
    book.header = Header {
        sequence,
        kind: if is_first { EventKind::BookSnapshot } else { EventKind::BookDelta },
        numbering: if is_first { Numbering::Rebase } else { Numbering::Monotone },
        ..header
    };
    book.first_sequence = sequence;
    market::update(sequence, &mut book);
    Some(book.into())
}

fn quote(pools: &Pools, header: Header, sequence: u64) -> Option<Message> {
    let mut event = pools.events.try_lease().ok()?;
    event.header = Header { sequence, numbering: Numbering::Monotone, ..header };
    event.payload = Payload::TopOfBook(market::quote(sequence));
    Some(event.into())
}
