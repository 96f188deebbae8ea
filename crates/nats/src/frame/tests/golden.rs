//! A frame of each kind, byte by byte, as docs/wire.md has them. They are what fuzzing begins with too: the files in
//! `fixtures` are these bytes.

use super::*;

/// 2023-11-14 22:13:20 UTC.
const EXCHANGE_TIME: i64 = 1_700_000_000_000_000_000;

fn header(kind: EventKind, venue: VenueId) -> Header {
    Header {
        trace: TraceId(7),
        routing_version: 3,
        sequence: 12,
        exchange_time: Timestamp::from_nanos(EXCHANGE_TIME),
        numbering: Numbering::Monotone,
        venue,
        instrument: InstrumentId(1),
        // One machine's: it does not travel.
        ingest_mono_ns: 99,
        ..Header::new(kind)
    }
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap()
}

fn level(at: &str, of: &str) -> Level {
    Level { price: price(at), quantity: quantity(of) }
}

/// Fields one after the other.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u8s(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, number: u32) -> Self {
        self.u8s(&number.to_le_bytes())
    }

    fn u64s(self, numbers: &[u64]) -> Self {
        numbers.iter().fold(self, |bytes, number| bytes.u8s(&number.to_le_bytes()))
    }

    fn i64(self, number: i64) -> Self {
        self.u8s(&number.to_le_bytes())
    }
}

/// What all of them begin with; `venue` with its length.
fn head(kind: u8, venue: &[u8]) -> Bytes {
    Bytes::default()
        .u8s(b"mf") // magic
        .u8s(&[1, kind, 1, 0, 0, 0]) // version, kind, numbering: monotone, reserved
        .u64s(&[7, 3, 12]) // trace, routing version, sequence
        .i64(EXCHANGE_TIME) // exchange time
        .i64(i64::MIN) // ingest time: absent
        .u64s(&[5, 6, 9]) // incarnation, chain, number
        .u8s(b"\x06desk-1") // origin
        .u8s(venue) // venue
        .u8s(b"\x08BTC-USDT") // instrument
}

const KRAKEN: &[u8] = b"\x06kraken";
const ABSENT: &[u8] = b"\x00";

/// Each kind's message with its frame.
fn frames() -> Vec<(EventKind, Owned, Vec<u8>)> {
    let kraken = VenueId(2);
    let event = |payload| Owned::Event(Event::new(header(EventKind::Trade, kraken), payload));
    let mut sources = Sources::default().with_missing(1);
    assert!(sources.insert(kraken) && sources.insert(VenueId(4)));
    let book = |kind, venue| {
        let mut book = Book::with_capacity(2);
        (book.header, book.first_sequence, book.sources) = (header(kind, venue), 11, sources);
        book.bids.set(level("100.5", "1"));
        book.bids.set(level("100", "2.5"));
        book.asks.set(level("101", "3"));
        Owned::Book(book)
    };
    let book_bytes = |head: Bytes| {
        head.u64s(&[11]) // first sequence
            .u8s(&[2, 1]) // sources, missing sources
            .u8s(b"\x06kraken\x03okx") // whose they are
            .u32(2) // bids
            .u64s(&[100_500_000_000, 100_000_000]) // 100.5 of 1
            .u64s(&[100_000_000_000, 250_000_000]) // 100 of 2.5
            .u32(1) // asks
            .u64s(&[101_000_000_000, 300_000_000]) // 101 of 3
            .0
    };
    let control = |kind| {
        Owned::Control(Box::new(Control {
            header: header(kind, VenueId::NONE),
            command: 3,
            outcome: ControlOutcome::Applied,
            name: Text::truncated("flip"),
            detail: Text::EMPTY,
        }))
    };
    let control_bytes = |kind| {
        head(kind, ABSENT)
            .u64s(&[3]) // command
            .u8s(&[1]) // outcome: applied
            .u8s(b"\x04flip") // name
            .u8s(b"\x00") // detail: none
            .0
    };
    let trade = event(Payload::Trade(Trade {
        price: price("61837.63"),
        quantity: quantity("0.02"),
        id: 77,
        aggressor: Some(Side::Sell),
    }));
    let trade_bytes = head(0, KRAKEN)
        .i64(61_837_630_000_000) // price
        .u64s(&[2_000_000, 77]) // quantity, trade id
        .u8s(&[2]) // aggressor: selling
        .0;
    let ticker = event(Payload::Ticker(Ticker {
        last: price("1"),
        open: price("2"),
        high: price("3"),
        low: price("0.5"),
        volume: quantity("9"),
    }));
    let ticker_bytes = head(1, KRAKEN)
        .u64s(&[1_000_000_000, 2_000_000_000]) // last, open
        .u64s(&[3_000_000_000, 500_000_000]) // high, low
        .u64s(&[900_000_000]) // volume
        .0;
    let top = event(Payload::TopOfBook(TopOfBook { bid: level("1", "2"), ask: level("3", "4") }));
    let top_bytes = head(2, KRAKEN)
        .u64s(&[1_000_000_000, 200_000_000]) // bid
        .u64s(&[3_000_000_000, 400_000_000]) // ask
        .0;
    let mut of_one = Sources::default();
    assert!(of_one.insert(kraken));
    let merged = Owned::Merged(Merged {
        header: header(EventKind::Merged, VenueId::NONE),
        window: 4,
        sources: of_one,
        bid: Some(Quote { venue: kraken, price: price("1"), quantity: quantity("2") }),
        ask: None,
        last: Some(price("5")),
        vwap: None,
        volume: quantity("6"),
    });
    let merged_bytes = head(5, ABSENT)
        .u64s(&[4]) // window
        .u8s(&[1, 0]) // sources, missing sources
        .u8s(KRAKEN) // whose it is
        .u8s(&[1]) // there is a best bid
        .u64s(&[1_000_000_000, 200_000_000]) // 1 of 2
        .u8s(KRAKEN) // whose
        .u8s(&[0]) // there is no best ask
        .u8s(&[1]) // there is a last price
        .u64s(&[5_000_000_000]) // the last price
        .u8s(&[0]) // there is no average
        .u64s(&[600_000_000]) // volume
        .0;
    let report = Owned::Execution(Box::new(ExecReport {
        header: header(EventKind::ExecReport, kraken),
        client_order_id: Text::truncated("order-1"),
        venue_order_id: Text::truncated("v1"),
        report_id: Text::truncated("r1"),
        exec_type: ExecType::Trade,
        status: OrderStatus::Filled,
        side: Side::Buy,
        price: price("1"),
        quantity: quantity("2"),
        last_price: price("3"),
        last_quantity: quantity("4"),
        cumulative_quantity: quantity("5"),
        reason: Text::truncated("none"),
    }));
    let report_bytes = head(7, KRAKEN)
        .u8s(b"\x07order-1\x02v1\x02r1") // client order id, venue order id, report id
        .u8s(&[4, 2, 0]) // execution type: trade, order status: filled, side: buying
        .u64s(&[1_000_000_000, 200_000_000]) // price, quantity
        .u64s(&[3_000_000_000, 400_000_000]) // last price, last quantity
        .u64s(&[500_000_000]) // cumulative quantity
        .u8s(b"\x04none") // reason
        .0;
    let snapshot = book(EventKind::BookSnapshot, kraken);
    let delta = book(EventKind::BookDelta, kraken);
    let merged_book = book(EventKind::MergedBook, VenueId::NONE);
    vec![
        (EventKind::Trade, trade, trade_bytes),
        (EventKind::Ticker, ticker, ticker_bytes),
        (EventKind::TopOfBook, top, top_bytes),
        (EventKind::BookSnapshot, snapshot, book_bytes(head(3, KRAKEN))),
        (EventKind::BookDelta, delta, book_bytes(head(4, KRAKEN))),
        (EventKind::Merged, merged, merged_bytes),
        (EventKind::MergedBook, merged_book, book_bytes(head(6, ABSENT))),
        (EventKind::ExecReport, report, report_bytes),
        (EventKind::ControlAck, control(EventKind::ControlAck), control_bytes(8)),
        (EventKind::ControlResult, control(EventKind::ControlResult), control_bytes(9)),
    ]
}

#[test]
fn frames_are_these_bytes_and_so_are_the_fixtures() {
    let envelope =
        Envelope { origin: "desk-1".parse().unwrap(), incarnation: 5, chain: 6, number: 9 };
    let frames = frames();
    let kinds: Vec<_> = frames.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, EventKind::ALL);
    for (kind, message, bytes) in frames {
        assert_eq!(encode(&names(false), message.view(), &envelope), bytes, "{kind}");
        let file = format!("{}/fixtures/{kind}", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(std::fs::read(file).unwrap(), bytes, "{kind}");
    }
}

/// Whatever one byte becomes: an error, or another frame that is in order, and comes out as it went in.
#[test]
fn any_byte_may_become_any_other() {
    let pools = pools(1);
    for (kind, _, bytes) in frames() {
        for at in 0..bytes.len() {
            let names = names(true);
            let mut decoder = Decoder::new(names.clone(), pools.clone());
            let mut encoder = Encoder::new(names);
            let (mut changed, mut again) = (bytes.clone(), vec![]);
            for change in 1..=u8::MAX {
                changed[at] = bytes[at] ^ change;
                let Ok((envelope, received)) = decoder.decode(&changed) else { continue };
                again.clear();
                encoder.encode(received.view(), &envelope, &mut again).unwrap();
                assert_eq!(again, changed, "{kind}: byte {at} as {}", changed[at]);
                // Of each bit, for people too.
                if change.is_power_of_two() {
                    let text = crate::frame_to_json(&Frame::parse(&changed).unwrap());
                    assert_eq!(crate::json_to_frame(&text).unwrap(), changed, "{text}");
                }
            }
        }
    }
}
