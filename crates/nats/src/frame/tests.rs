use std::hash::{DefaultHasher, Hasher};

use meltica_event::{
    Book, Catalog, Control, ControlOutcome, Event, EventKind, ExecReport, ExecType, Header,
    InstrumentId, Level, Merged, Numbering, OrderStatus, Payload, Price, Quantity, Quote, Side,
    Sources, Text, Ticker, Timestamp, TopOfBook, TraceId, Trade, VenueId,
};
use meltica_recycler::Recycler;
use meltica_venue::{Lease, Pool};
use proptest::prelude::*;

use super::*;
use crate::{Envelope, Names, NatsPools, Received, View};

mod golden;

/// Something of each kind, of one's own.
#[derive(Clone, Debug)]
enum Owned {
    Event(Event),
    Book(Book),
    Merged(Merged),
    Execution(Box<ExecReport>),
    Control(Box<Control>),
}

impl Owned {
    fn view(&self) -> View<'_> {
        match self {
            Self::Event(event) => View::Event(event),
            Self::Book(book) => View::Book(book),
            Self::Merged(merged) => View::Merged(merged),
            Self::Execution(report) => View::Execution(report),
            Self::Control(control) => View::Control(control),
        }
    }
}

const VENUES: [&str; 4] = ["binance", "kraken", "a-16-char-venue1", "okx"];
const INSTRUMENTS: [&str; 3] =
    ["BTC-USDT", "ABCDEFGHIJKLMNOP-ABCDEFGHIJKLMNOP-20251226", "X-Y-PERP"];

/// The names in this order.
fn names(reverse: bool) -> Names {
    let mut catalog = Catalog::new();
    let order = |count: usize| -> Vec<usize> {
        if reverse { (0..count).rev().collect() } else { (0..count).collect() }
    };
    for index in order(VENUES.len()) {
        catalog.venue(VENUES[index]).unwrap();
    }
    for index in order(INSTRUMENTS.len()) {
        catalog.instrument(INSTRUMENTS[index].parse().unwrap()).unwrap();
    }
    Names::new(catalog)
}

fn pools(capacity: usize) -> NatsPools {
    fn pool<T: Send + Sync + 'static>(
        recycler: &Recycler,
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Pool<T> {
        recycler.pool("test", capacity, make, |_| ())
    }
    let recycler = Recycler::new();
    NatsPools::new(
        pool(&recycler, capacity, Event::blank),
        pool(&recycler, capacity, || Book::with_capacity(1)),
        pool(&recycler, capacity, ExecReport::blank),
        pool(&recycler, capacity, Control::blank),
        pool(&recycler, capacity, Merged::blank),
    )
}

/// By what replicas compare messages.
fn content(view: View<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match view {
        View::Event(event) => event.hash_content(&mut hasher),
        View::Book(book) => book.hash_content(&mut hasher),
        View::Merged(merged) => merged.hash_content(&mut hasher),
        View::Execution(report) => report.hash_content(&mut hasher),
        View::Control(control) => control.hash_content(&mut hasher),
    }
    hasher.finish()
}

fn envelope() -> Envelope {
    Envelope { origin: "desk-1".parse().unwrap(), incarnation: 2, chain: 3, number: 4 }
}

fn encode(names: &Names, view: View<'_>, envelope: &Envelope) -> Vec<u8> {
    let mut out = vec![];
    Encoder::new(names.clone()).encode(view, envelope, &mut out).unwrap();
    out
}

/// Any, and the least and the greatest more often than chance has them.
fn unsigned() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..16_u8).prop_map(|(number, pick)| match pick {
        0 => 0,
        1 => u64::MAX,
        2 => i64::MIN as u64,
        3 => i64::MAX as u64,
        _ => number,
    })
}

/// The same bits, with a sign.
fn signed() -> impl Strategy<Value = i64> {
    unsigned().prop_map(|number| number as i64)
}

fn headers() -> impl Strategy<Value = Header> {
    let numbering = prop_oneof![
        Just(Numbering::Unsequenced),
        Just(Numbering::Monotone),
        Just(Numbering::Dense),
        Just(Numbering::Rebase)
    ];
    let time = || {
        prop_oneof![
            Just(Timestamp::ABSENT),
            Just(Timestamp::from_nanos(i64::MIN + 1)),
            signed().prop_map(Timestamp::from_nanos)
        ]
    };
    (
        [unsigned(), unsigned(), unsigned(), unsigned()],
        time(),
        time(),
        0..=VENUES.len() as u16,
        0..=INSTRUMENTS.len() as u32,
        numbering,
    )
        .prop_map(
            |([trace, version, sequence, mono], exchange, ingest, venue, instrument, numbering)| {
                Header {
                    trace: TraceId(trace),
                    routing_version: version,
                    sequence,
                    exchange_time: exchange,
                    ingest_time: ingest,
                    ingest_mono_ns: mono,
                    instrument: InstrumentId(instrument),
                    venue: VenueId(venue),
                    kind: EventKind::Trade,
                    numbering,
                }
            },
        )
}

fn prices() -> impl Strategy<Value = Price> {
    signed().prop_map(Price::from_units)
}

fn quantities() -> impl Strategy<Value = Quantity> {
    unsigned().prop_map(Quantity::from_units)
}

fn levels() -> impl Strategy<Value = Level> {
    (prices(), quantities()).prop_map(|(price, quantity)| Level { price, quantity })
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn texts<const N: usize>() -> impl Strategy<Value = Text<N>> {
    prop_oneof![
        Just(Text::EMPTY),
        prop::collection::vec(any::<char>(), 0..=N)
            .prop_map(|chars| { Text::truncated(&chars.into_iter().collect::<String>()) })
    ]
}

fn sources() -> impl Strategy<Value = Sources> {
    (prop::collection::vec(1..=VENUES.len() as u16, 0..6), any::<u8>()).prop_map(
        |(venues, missing)| {
            let mut sources = Sources::default().with_missing(missing.into());
            venues.into_iter().for_each(|venue| {
                sources.insert(VenueId(venue));
            });
            sources
        },
    )
}

fn payloads() -> impl Strategy<Value = Payload> {
    prop_oneof![
        (prices(), quantities(), unsigned(), prop::option::of(sides())).prop_map(
            |(price, quantity, id, aggressor)| Payload::Trade(Trade {
                price,
                quantity,
                id,
                aggressor
            })
        ),
        ([prices(), prices(), prices(), prices()], quantities()).prop_map(|(prices, volume)| {
            let [last, open, high, low] = prices;
            Payload::Ticker(Ticker { last, open, high, low, volume })
        }),
        (levels(), levels()).prop_map(|(bid, ask)| Payload::TopOfBook(TopOfBook { bid, ask })),
    ]
}

fn books() -> impl Strategy<Value = Owned> {
    let kinds = prop_oneof![
        Just(EventKind::BookSnapshot),
        Just(EventKind::BookDelta),
        Just(EventKind::MergedBook)
    ];
    let side = || prop::collection::vec(levels(), 0..40);
    (headers(), kinds, unsigned(), sources(), side(), side()).prop_map(
        |(header, kind, first_sequence, sources, bids, asks)| {
            let mut book = Book::with_capacity(0);
            bids.into_iter().for_each(|level| book.bids.set(level));
            asks.into_iter().for_each(|level| book.asks.set(level));
            (book.header, book.first_sequence) = (Header { kind, ..header }, first_sequence);
            book.sources = sources;
            Owned::Book(book)
        },
    )
}

fn merged() -> impl Strategy<Value = Owned> {
    let quote = || {
        let quote = (0..=VENUES.len() as u16, levels()).prop_map(|(venue, level)| Quote {
            venue: VenueId(venue),
            price: level.price,
            quantity: level.quantity,
        });
        prop::option::of(quote)
    };
    let price = || prop::option::of(prices());
    (headers(), unsigned(), sources(), quote(), quote(), price(), price(), quantities()).prop_map(
        |(header, window, sources, bid, ask, last, vwap, volume)| {
            let header = Header { kind: EventKind::Merged, ..header };
            Owned::Merged(Merged { header, window, sources, bid, ask, last, vwap, volume })
        },
    )
}

fn reports() -> impl Strategy<Value = Owned> {
    let exec_type = prop::sample::select(ExecType::ALL);
    let status = prop::sample::select(OrderStatus::ALL);
    let ids = (texts::<36>(), texts::<36>(), texts::<36>(), texts::<64>());
    let (prices, quantities) = ([prices(), prices()], [quantities(), quantities(), quantities()]);
    (headers(), ids, exec_type, status, sides(), prices, quantities).prop_map(
        |(header, (client, venue, report, reason), exec_type, status, side, prices, quantities)| {
            let [price, last_price] = prices;
            let [quantity, last_quantity, cumulative_quantity] = quantities;
            Owned::Execution(Box::new(ExecReport {
                header: Header { kind: EventKind::ExecReport, ..header },
                client_order_id: client,
                venue_order_id: venue,
                report_id: report,
                exec_type,
                status,
                side,
                price,
                quantity,
                last_price,
                last_quantity,
                cumulative_quantity,
                reason,
            }))
        },
    )
}

fn controls() -> impl Strategy<Value = Owned> {
    let kinds = prop_oneof![Just(EventKind::ControlAck), Just(EventKind::ControlResult)];
    let outcome = prop::sample::select(ControlOutcome::ALL);
    (headers(), kinds, unsigned(), outcome, texts::<32>(), texts::<96>()).prop_map(
        |(header, kind, command, outcome, name, detail)| {
            let header = Header { kind, ..header };
            Owned::Control(Box::new(Control { header, command, outcome, name, detail }))
        },
    )
}

fn messages() -> impl Strategy<Value = Owned> {
    prop_oneof![
        (headers(), payloads())
            .prop_map(|(header, payload)| Owned::Event(Event::new(header, payload))),
        books(),
        merged(),
        reports(),
        controls(),
    ]
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    ("[a-z0-9-]{1,16}", [unsigned(), unsigned(), unsigned()]).prop_map(
        |(origin, [incarnation, chain, number])| Envelope {
            origin: origin.parse().expect("a legal name"),
            incarnation,
            chain,
            number,
        },
    )
}

proptest! {
    /// For people and back, to the same bytes.
    #[test]
    fn json_is_a_twin(message in messages(), envelope in envelopes()) {
        let bytes = encode(&names(false), message.view(), &envelope);
        let text = crate::frame_to_json(&Frame::parse(&bytes).unwrap());
        prop_assert_eq!(crate::json_to_frame(&text).unwrap(), bytes, "{}", text);
    }

    /// Through a frame, into another program's pools and numbers, and from there through a frame again.
    #[test]
    fn what_comes_is_what_was_sent(message in messages(), envelope in envelopes()) {
        let (here, there) = (names(false), names(true));
        let bytes = encode(&here, message.view(), &envelope);
        let mut decoder = Decoder::new(there.clone(), pools(4));
        let (came, received) = decoder.decode(&bytes).unwrap();
        prop_assert_eq!(came, envelope);
        let (sent, got) = (message.view().header(), received.header());
        prop_assert_eq!(received.view().kind(), message.view().kind());
        prop_assert_eq!((got.trace, got.routing_version, got.sequence), (sent.trace, sent.routing_version, sent.sequence));
        prop_assert_eq!((got.exchange_time, got.ingest_time, got.numbering), (sent.exchange_time, sent.ingest_time, sent.numbering));
        prop_assert_eq!(got.ingest_mono_ns, 0);
        let name = |names: &Names, id| names.with(|c| c.venue_name(id).map(str::to_owned));
        prop_assert_eq!(name(&there, got.venue), name(&here, sent.venue));
        let what = |names: &Names, id| names.with(|c| c.instrument_of(id));
        prop_assert_eq!(what(&there, got.instrument), what(&here, sent.instrument));
        // Whatever the numbers: from there it is the same frame.
        prop_assert_eq!(encode(&there, received.view(), &envelope), bytes.clone());
        // With the same numbers, it is the same message.
        let (_, same) = Decoder::new(here.clone(), pools(4)).decode(&bytes).unwrap();
        prop_assert_eq!(content(same.view()), content(message.view()));
        match (&message, &same) {
            (Owned::Event(a), Received::Event(b)) => prop_assert_eq!(a.payload, b.payload),
            (Owned::Book(a), Received::Book(b)) => {
                prop_assert_eq!((&a.bids, &a.asks, a.first_sequence, a.sources), (&b.bids, &b.asks, b.first_sequence, b.sources));
            }
            (Owned::Merged(a), Received::Merged(b)) => {
                prop_assert_eq!(Merged { header: b.header, ..*a }, **b);
            }
            (Owned::Execution(a), Received::Execution(b)) => {
                prop_assert_eq!(ExecReport { header: b.header, ..**a }, **b);
            }
            (Owned::Control(a), Received::Control(b)) => {
                prop_assert_eq!(Control { header: b.header, ..**a }, **b);
            }
            (sent, came) => prop_assert!(false, "{:?} came as {:?}", sent, came),
        }
    }

    /// Cut anywhere it is an error; with any byte changed it is an error or another frame, which is in order too.
    #[test]
    fn whatever_bytes_come_nothing_breaks(message in messages(), change in any::<(u16, u8)>()) {
        let here = names(false);
        let bytes = encode(&here, message.view(), &envelope());
        for cut in 0..bytes.len() {
            prop_assert!(Frame::parse(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let one_too_many = FrameError::TooLong { at: bytes.len(), left: 1 };
        prop_assert_eq!(Frame::parse(&longer).unwrap_err(), one_too_many);
        let mut changed = bytes;
        let at = usize::from(change.0) % changed.len();
        changed[at] ^= change.1;
        if let Ok((envelope, received)) = Decoder::new(here.clone(), pools(4)).decode(&changed) {
            prop_assert_eq!(encode(&here, received.view(), &envelope), changed);
        }
    }

    #[test]
    fn rubbish_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = b"mf\x01".to_vec();
        framed.extend(&bytes);
        let _ = Frame::parse(&framed);
        prop_assert!(bytes.starts_with(b"mf") || Frame::parse(&bytes).is_err());
    }
}

/// A trade, byte by byte, as docs/wire.md has it.
#[test]
fn a_frame_is_these_bytes() {
    let names = names(false);
    let header = Header {
        trace: TraceId(0x1122),
        routing_version: 6,
        sequence: 1_000,
        exchange_time: Timestamp::from_nanos(5),
        numbering: Numbering::Dense,
        venue: VenueId(2),
        instrument: InstrumentId(1),
        ..Header::default()
    };
    let trade = Trade {
        price: "61837.63".parse().unwrap(),
        quantity: "0.02".parse().unwrap(),
        id: 77,
        aggressor: Some(Side::Sell),
    };
    let event = Event::new(header, Payload::Trade(trade));
    let bytes = encode(&names, View::Event(&event), &envelope());
    let mut expected = vec![];
    expected.extend(b"mf"); // magic
    expected.extend([1, 0, 2, 0, 0, 0]); // version, kind, numbering, reserved
    expected.extend(0x1122_u64.to_le_bytes()); // trace
    expected.extend(6_u64.to_le_bytes()); // routing version
    expected.extend(1_000_u64.to_le_bytes()); // sequence
    expected.extend(5_i64.to_le_bytes()); // exchange time
    expected.extend(i64::MIN.to_le_bytes()); // ingest time: absent
    expected.extend(2_u64.to_le_bytes()); // incarnation
    expected.extend(3_u64.to_le_bytes()); // chain
    expected.extend(4_u64.to_le_bytes()); // number
    expected.extend(b"\x06desk-1"); // origin
    expected.extend(b"\x06kraken"); // venue
    expected.extend(b"\x08BTC-USDT"); // instrument
    expected.extend(61_837_630_000_000_i64.to_le_bytes()); // price, in units of 10^-9
    expected.extend(2_000_000_u64.to_le_bytes()); // quantity, in units of 10^-8
    expected.extend(77_u64.to_le_bytes()); // trade id
    expected.push(2); // aggressor: selling
    assert_eq!(bytes, expected);
    // And this is how the docs show it in JSON.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wire.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(crate::json_to_frame(example).unwrap(), bytes);
    let shown: serde_json::Value = serde_json::from_str(example).unwrap();
    let written = crate::frame_to_json(&Frame::parse(&bytes).unwrap());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), shown);
}

#[test]
fn kinds_and_values_have_the_numbers_of_the_docs() {
    let numbers = |kinds: &[EventKind]| kinds.iter().map(|kind| *kind as u8).collect::<Vec<_>>();
    assert_eq!(numbers(EventKind::ALL), (0..10).collect::<Vec<_>>());
    assert_eq!((EventKind::Trade as u8, EventKind::ControlResult as u8), (0, 9));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wire.md");
    let page = std::fs::read_to_string(page).unwrap();
    for kind in EventKind::ALL {
        assert!(page.contains(&format!("| {} | `{kind}` |", *kind as u8)), "{kind}");
    }
}

#[test]
fn an_error_says_what_where_and_what_to_do() {
    let names = names(false);
    let event = Event::new(Header::default(), Payload::TopOfBook(TopOfBook::default()));
    let good = encode(&names, View::Event(&event), &envelope());
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Frame::parse(&bytes).map(drop).unwrap_err().to_string()
    };
    assert_eq!(with(0, 0), "the first two bytes are not \"mf\": this is no frame of meltica's");
    let version = "a frame of version 9, and this program reads version 1; update the older side";
    assert_eq!(with(2, 9), version);
    assert_eq!(with(3, 10), "byte 3: 10 means nothing as kind");
    assert_eq!(with(4, 4), "byte 4: 4 means nothing as numbering");
    assert_eq!(with(6, 1), "byte 6: 1 means nothing as reserved");
    assert!(with(73, b'A').starts_with("byte 72: origin: \"Aesk-1\" is no sender's name"));
    let short = Frame::parse(&good[..good.len() - 1]).unwrap_err().to_string();
    assert!(short.ends_with("1 bytes of ask are missing"), "{short}");
    let mut book = Book::with_capacity(2);
    for price in [1, 2] {
        let level = Level { price: Price::from_units(price), quantity: Quantity::from_units(1) };
        book.bids.set(level);
    }
    let mut bytes = encode(&names, View::Book(&book), &envelope());
    let (asks, level) = (4, 16);
    let at = bytes.len() - asks - 2 * level;
    bytes[at] = 1;
    let unsorted = Frame::parse(&bytes).unwrap_err().to_string();
    assert_eq!(
        unsorted,
        format!("byte {}: level 1 of the bids is not worse than the one before it", at + level)
    );
    // A count beyond what is there asks for no memory.
    bytes[at - 4..at].copy_from_slice(&u32::MAX.to_le_bytes());
    let absurd = Frame::parse(&bytes).unwrap_err();
    assert_eq!(absurd, FrameError::Value { field: "bids", at: at - 4, value: u32::MAX.into() });
}

/// What is written is meant: it is not put in order, nor is a number taken for another's sign.
#[test]
fn json_that_is_not_meant_is_an_error() {
    let mut book = Book::with_capacity(2);
    for price in ["1", "2"] {
        let (price, quantity) = (price.parse().unwrap(), Quantity::from_units(1));
        book.bids.set(Level { price, quantity });
        book.asks.set(Level { price, quantity });
    }
    let bytes = encode(&names(false), View::Book(&book), &envelope());
    let good = crate::frame_to_json(&Frame::parse(&bytes).unwrap());
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        crate::json_to_frame(&good.replacen(from, to, 1)).map(drop).unwrap_err().to_string()
    };
    let (low, high) = (r#"["1","0.00000001"]"#, r#"["2","0.00000001"]"#);
    let [up, down] = [format!("[{low},{high}]"), format!("[{high},{low}]")];
    let twice = format!("[{low},{low}]");
    assert_eq!(with(&down, &up), "bids: level 1 is not worse than the one before it");
    assert_eq!(with(&up, &down), "asks: level 1 is not worse than the one before it");
    assert_eq!(with(&up, &twice), "asks: level 1 is not worse than the one before it");
    let time = format!(r#""exchange_time":"{}""#, i64::MIN);
    let absent = with(r#""exchange_time":null"#, &time);
    assert_eq!(absent, "exchange_time: -9223372036854775808 is how frames say absent; write null");
    let version = with(r#""version":1"#, r#""version":2"#);
    assert_eq!(version, "version: 2 is not 1");
    let kind = with("book_snapshot", "book");
    assert!(kind.starts_with(r#"kind: "book""#), "{kind}");
    let unknown = with(r#""kind""#, r#""more":0,"kind""#);
    assert!(unknown.starts_with("unknown field `more`"), "{unknown}");
}

#[test]
fn names_are_bounded_and_an_empty_pool_is_told() {
    let here = names(false);
    let with = |venue: u16, instrument: u32| {
        let header = Header {
            venue: VenueId(venue),
            instrument: InstrumentId(instrument),
            ..Header::default()
        };
        let event = Event::new(header, Payload::Trade(Trade::default()));
        encode(&here, View::Event(&event), &envelope())
    };
    let limits = Limits { venues: 1, instruments: 1 };
    let mut decoder = Decoder::with_limits(Names::default(), pools(1), limits);
    let held: Lease<Event> = match decoder.decode(&with(1, 1)).unwrap().1 {
        Received::Event(event) => event,
        other => panic!("{other:?}"),
    };
    let empty = decoder.decode(&with(1, 1)).map(drop).unwrap_err();
    assert_eq!(empty, FrameError::PoolEmpty { pool: "event" });
    drop(held);
    assert!(decoder.decode(&with(1, 1)).is_ok());
    let many = decoder.decode(&with(2, 1)).map(drop).unwrap_err().to_string();
    assert_eq!(many, "kraken would be one more of the venues than this receiver wants to know (1)");
    let many = decoder.decode(&with(1, 3)).map(drop).unwrap_err().to_string();
    assert!(many.starts_with("X-Y-PERP would be one more of the instruments"), "{many}");
    assert!(decoder.decode(&with(0, 0)).is_ok(), "what is absent needs no name");
    let unknown = Event::new(
        Header { venue: VenueId(9), ..Header::default() },
        Payload::Trade(Trade::default()),
    );
    let no_name =
        Encoder::new(here.clone()).encode(View::Event(&unknown), &envelope(), &mut vec![]);
    assert_eq!(no_name, Err(EncodeError::Venue(VenueId(9))));
}
