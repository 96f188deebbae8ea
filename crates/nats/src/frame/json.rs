//! The frame's twin for people.

use std::str::FromStr;

use meltica_event::{
    Book, Control, ControlOutcome, Event, EventKind, ExecReport, ExecType, Header, Instrument,
    InstrumentId, Level, Levels, Merged, Numbering, OrderStatus, Payload, Price, Quantity, Quote,
    Side, Sources, Text, Ticker, Timestamp, TopOfBook, Trade, VenueId,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    EncodeError, Encoder, Frame, NO_TIME, VERSION,
    decode::{Body, RawMerged, RawSources},
};
use crate::{Envelope, Names, View};

/// A frame as one JSON object, for people: decimals and whole numbers of 64 bits as strings, so that no reader rounds
/// them; times as whole nanoseconds, as strings too; what is absent is null. [`json_to_frame`] has it back to the same
/// bytes. Allocates.
pub fn frame_to_json(frame: &Frame<'_>) -> String {
    let (header, envelope) = (&frame.header, &frame.envelope);
    let time = |time: Timestamp| time.nanos().map(|nanos| nanos.to_string());
    let outer = Outer {
        version: VERSION,
        kind: header.kind.to_string(),
        numbering: name_of(header.numbering).to_owned(),
        trace: header.trace.to_string(),
        routing_version: header.routing_version.to_string(),
        sequence: header.sequence.to_string(),
        exchange_time: time(header.exchange_time),
        ingest_time: time(header.ingest_time),
        origin: envelope.origin.to_string(),
        incarnation: envelope.incarnation.to_string(),
        chain: envelope.chain.to_string(),
        number: envelope.number.to_string(),
        venue: frame.venue().map(str::to_owned),
        instrument: frame.instrument().map(|instrument| instrument.to_string()),
        body: body(&frame.body),
    };
    // Strings, numbers and arrays are always JSON.
    serde_json::to_string(&outer).unwrap_or_default()
}

/// The frame that a JSON object describes: see [`frame_to_json`]. Nothing is put right: levels that are not best first, a
/// price or a source that is there twice and a field that is missing or unknown are errors.
///
/// # Errors
///
/// [`JsonError`] says which field, and why.
pub fn json_to_frame(text: &str) -> Result<Vec<u8>, JsonError> {
    let outer: Outer = serde_json::from_str(text).map_err(JsonError::Syntax)?;
    if outer.version != VERSION {
        return Err(wrong("version", format!("{} is not {VERSION}", outer.version)));
    }
    let names = Names::default();
    let kind: EventKind = parsed("kind", &outer.kind)?;
    let header = Header {
        trace: parsed("trace", &outer.trace)?,
        routing_version: parsed("routing_version", &outer.routing_version)?,
        sequence: parsed("sequence", &outer.sequence)?,
        exchange_time: time("exchange_time", outer.exchange_time.as_deref())?,
        ingest_time: time("ingest_time", outer.ingest_time.as_deref())?,
        numbering: numbering(&outer.numbering)?,
        venue: venue(&names, outer.venue.as_deref())?,
        instrument: instrument(&names, outer.instrument.as_deref())?,
        ..Header::new(kind)
    };
    let envelope = Envelope {
        origin: parsed("origin", &outer.origin)?,
        incarnation: parsed("incarnation", &outer.incarnation)?,
        chain: parsed("chain", &outer.chain)?,
        number: parsed("number", &outer.number)?,
    };
    let mut out = vec![];
    let mut encoder = Encoder::new(names.clone());
    let mut encode = |view: View<'_>| encoder.encode(view, &envelope, &mut out);
    match kind {
        EventKind::Trade | EventKind::Ticker | EventKind::TopOfBook => {
            encode(View::Event(&Event { header, payload: payload(kind, outer.body)? }))?;
        }
        EventKind::BookSnapshot | EventKind::BookDelta | EventKind::MergedBook => {
            encode(View::Book(&book(&names, header, outer.body)?))?;
        }
        EventKind::Merged => encode(View::Merged(&merged(&names, header, outer.body)?))?,
        EventKind::ExecReport => encode(View::Execution(&report(header, outer.body)?))?,
        EventKind::ControlAck | EventKind::ControlResult => {
            encode(View::Control(&control(header, outer.body)?))?;
        }
    }
    Ok(out)
}

/// Why a text describes no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is no JSON, or not of the documented shape.
    #[error("{0}")]
    Syntax(#[source] serde_json::Error),
    /// A field that means nothing.
    #[error("{field}: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no frame.
    #[error("{0}")]
    Encode(#[from] EncodeError),
}

fn wrong(field: &'static str, reason: impl ToString) -> JsonError {
    JsonError::Field { field, reason: reason.to_string() }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    version: u8,
    kind: String,
    numbering: String,
    trace: String,
    routing_version: String,
    sequence: String,
    exchange_time: Option<String>,
    ingest_time: Option<String>,
    origin: String,
    incarnation: String,
    chain: String,
    number: String,
    venue: Option<String>,
    instrument: Option<String>,
    body: Value,
}

const NUMBERINGS: [(Numbering, &str); 4] = [
    (Numbering::Unsequenced, "unsequenced"),
    (Numbering::Monotone, "monotone"),
    (Numbering::Dense, "dense"),
    (Numbering::Rebase, "rebase"),
];

fn name_of(numbering: Numbering) -> &'static str {
    NUMBERINGS.iter().find(|(known, _)| *known == numbering).map_or("unsequenced", |(_, name)| name)
}

fn numbering(text: &str) -> Result<Numbering, JsonError> {
    let found = NUMBERINGS.iter().find(|(_, name)| *name == text);
    found.map(|(numbering, _)| *numbering).ok_or_else(|| {
        wrong("numbering", format!("{text:?}; expected unsequenced, monotone, dense or rebase"))
    })
}

fn parsed<T: FromStr<Err: ToString>>(field: &'static str, text: &str) -> Result<T, JsonError> {
    text.parse().map_err(|error: T::Err| wrong(field, format!("{text:?}: {}", error.to_string())))
}

fn time(field: &'static str, text: Option<&str>) -> Result<Timestamp, JsonError> {
    match text {
        None => Ok(Timestamp::ABSENT),
        Some(text) => match parsed(field, text)? {
            NO_TIME => Err(wrong(field, format!("{NO_TIME} is how frames say absent; write null"))),
            nanos => Ok(Timestamp::from_nanos(nanos)),
        },
    }
}

fn venue(names: &Names, name: Option<&str>) -> Result<VenueId, JsonError> {
    name.map_or(Ok(VenueId::NONE), |name| names.venue(name).map_err(|error| wrong("venue", error)))
}

fn instrument(names: &Names, text: Option<&str>) -> Result<InstrumentId, JsonError> {
    let Some(text) = text else { return Ok(InstrumentId::NONE) };
    let instrument: Instrument = parsed("instrument", text)?;
    names.instrument(instrument).map_err(|error| wrong("instrument", error))
}

fn of<T: DeserializeOwned>(body: Value) -> Result<T, JsonError> {
    serde_json::from_value(body).map_err(|error| wrong("body", error))
}

fn text_of<const N: usize>(field: &'static str, text: &str) -> Result<Text<N>, JsonError> {
    Text::new(text).map_err(|error| wrong(field, error))
}

/// A price and a quantity, as two strings.
type JsonLevel = [String; 2];

fn level(level: Level) -> JsonLevel {
    [level.price.to_string(), level.quantity.to_string()]
}

fn to_level([price, quantity]: &JsonLevel) -> Result<Level, JsonError> {
    Ok(Level { price: parsed("price", price)?, quantity: parsed("quantity", quantity)? })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonTrade {
    price: String,
    quantity: String,
    id: String,
    aggressor: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonTicker {
    last: String,
    open: String,
    high: String,
    low: String,
    volume: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonTop {
    bid: JsonLevel,
    ask: JsonLevel,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonSources {
    venues: Vec<String>,
    missing: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonBook {
    first_sequence: String,
    sources: JsonSources,
    bids: Vec<JsonLevel>,
    asks: Vec<JsonLevel>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonQuote {
    venue: Option<String>,
    price: String,
    quantity: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonMerged {
    window: String,
    sources: JsonSources,
    bid: Option<JsonQuote>,
    ask: Option<JsonQuote>,
    last: Option<String>,
    vwap: Option<String>,
    volume: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonReport {
    client_order_id: String,
    venue_order_id: String,
    report_id: String,
    exec_type: String,
    status: String,
    side: String,
    price: String,
    quantity: String,
    last_price: String,
    last_quantity: String,
    cumulative_quantity: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonControl {
    command: String,
    outcome: String,
    name: String,
    detail: String,
}

fn body(body: &Body<'_>) -> Value {
    match body {
        Body::Event(Payload::Trade(trade)) => json!(JsonTrade {
            price: trade.price.to_string(),
            quantity: trade.quantity.to_string(),
            id: trade.id.to_string(),
            aggressor: trade.aggressor.map(|side| side.to_string()),
        }),
        Body::Event(Payload::Ticker(ticker)) => json!(JsonTicker {
            last: ticker.last.to_string(),
            open: ticker.open.to_string(),
            high: ticker.high.to_string(),
            low: ticker.low.to_string(),
            volume: ticker.volume.to_string(),
        }),
        Body::Event(Payload::TopOfBook(top)) => {
            json!(JsonTop { bid: level(top.bid), ask: level(top.ask) })
        }
        Body::Book { first_sequence, sources, sides: [bids, asks] } => json!(JsonBook {
            first_sequence: first_sequence.to_string(),
            sources: from_sources(sources),
            bids: bids.iter().map(level).collect(),
            asks: asks.iter().map(level).collect(),
        }),
        Body::Merged(merged) => {
            let RawMerged { window, sources, quotes, prices, volume } = &**merged;
            let quote = |quote: &Option<(Level, &str)>| {
                quote.map(|(level, venue)| JsonQuote {
                    venue: (!venue.is_empty()).then(|| venue.to_owned()),
                    price: level.price.to_string(),
                    quantity: level.quantity.to_string(),
                })
            };
            let price = |price: &Option<Price>| price.map(|price| price.to_string());
            json!(JsonMerged {
                window: window.to_string(),
                sources: from_sources(sources),
                bid: quote(&quotes[0]),
                ask: quote(&quotes[1]),
                last: price(&prices[0]),
                vwap: price(&prices[1]),
                volume: volume.to_string(),
            })
        }
        Body::Execution(report) => json!(JsonReport {
            client_order_id: report.client_order_id.to_string(),
            venue_order_id: report.venue_order_id.to_string(),
            report_id: report.report_id.to_string(),
            exec_type: report.exec_type.to_string(),
            status: report.status.to_string(),
            side: report.side.to_string(),
            price: report.price.to_string(),
            quantity: report.quantity.to_string(),
            last_price: report.last_price.to_string(),
            last_quantity: report.last_quantity.to_string(),
            cumulative_quantity: report.cumulative_quantity.to_string(),
            reason: report.reason.to_string(),
        }),
        Body::Control(control) => json!(JsonControl {
            command: control.command.to_string(),
            outcome: control.outcome.to_string(),
            name: control.name.to_string(),
            detail: control.detail.to_string(),
        }),
    }
}

fn from_sources(sources: &RawSources<'_>) -> JsonSources {
    let venues = sources.venues[..sources.len].iter().map(|name| (*name).to_owned()).collect();
    // It was one byte.
    JsonSources { venues, missing: sources.missing as u8 }
}

fn to_sources(names: &Names, json: &JsonSources) -> Result<Sources, JsonError> {
    let mut sources = Sources::default().with_missing(json.missing.into());
    for name in &json.venues {
        if !sources.insert(venue(names, Some(name))?) {
            return Err(wrong("sources", format!("{name} is there twice, or is one too many")));
        }
    }
    Ok(sources)
}

fn payload(kind: EventKind, body: Value) -> Result<Payload, JsonError> {
    Ok(match kind {
        EventKind::Trade => {
            let JsonTrade { price, quantity, id, aggressor } = of(body)?;
            Payload::Trade(Trade {
                price: parsed("price", &price)?,
                quantity: parsed("quantity", &quantity)?,
                id: parsed("id", &id)?,
                aggressor: aggressor.map(|side| parsed("aggressor", &side)).transpose()?,
            })
        }
        EventKind::Ticker => {
            let JsonTicker { last, open, high, low, volume } = of(body)?;
            Payload::Ticker(Ticker {
                last: parsed("last", &last)?,
                open: parsed("open", &open)?,
                high: parsed("high", &high)?,
                low: parsed("low", &low)?,
                volume: parsed("volume", &volume)?,
            })
        }
        _ => {
            let JsonTop { bid, ask } = of(body)?;
            Payload::TopOfBook(TopOfBook { bid: to_level(&bid)?, ask: to_level(&ask)? })
        }
    })
}

fn book(names: &Names, header: Header, body: Value) -> Result<Book, JsonError> {
    let json: JsonBook = of(body)?;
    let mut book = Book::with_capacity(json.bids.len().max(json.asks.len()));
    book.header = header;
    book.first_sequence = parsed("first_sequence", &json.first_sequence)?;
    book.sources = to_sources(names, &json.sources)?;
    let fill = |side: &mut Levels, levels: &[JsonLevel], field| {
        for (index, level) in levels.iter().enumerate() {
            let level = to_level(level)?;
            side.set(level);
            // It is the last one more, unless it belongs before one that was there, or in its place.
            if side.len() != index + 1 || side.last() != Some(&level) {
                let reason = format!("level {index} is not worse than the one before it");
                return Err(wrong(field, reason));
            }
        }
        Ok(())
    };
    fill(&mut book.bids, &json.bids, "bids")?;
    fill(&mut book.asks, &json.asks, "asks")?;
    Ok(book)
}

fn merged(names: &Names, header: Header, body: Value) -> Result<Merged, JsonError> {
    let json: JsonMerged = of(body)?;
    let quote = |quote: Option<JsonQuote>| {
        let Some(JsonQuote { venue: name, price, quantity }) = quote else { return Ok(None) };
        Ok::<_, JsonError>(Some(Quote {
            venue: venue(names, name.as_deref())?,
            price: parsed("price", &price)?,
            quantity: parsed::<Quantity>("quantity", &quantity)?,
        }))
    };
    let price = |field, price: Option<String>| price.map(|p| parsed(field, &p)).transpose();
    Ok(Merged {
        header,
        window: parsed("window", &json.window)?,
        sources: to_sources(names, &json.sources)?,
        bid: quote(json.bid)?,
        ask: quote(json.ask)?,
        last: price("last", json.last)?,
        vwap: price("vwap", json.vwap)?,
        volume: parsed("volume", &json.volume)?,
    })
}

fn report(header: Header, body: Value) -> Result<ExecReport, JsonError> {
    let json: JsonReport = of(body)?;
    Ok(ExecReport {
        header,
        client_order_id: text_of("client_order_id", &json.client_order_id)?,
        venue_order_id: text_of("venue_order_id", &json.venue_order_id)?,
        report_id: text_of("report_id", &json.report_id)?,
        exec_type: parsed::<ExecType>("exec_type", &json.exec_type)?,
        status: parsed::<OrderStatus>("status", &json.status)?,
        side: parsed::<Side>("side", &json.side)?,
        price: parsed("price", &json.price)?,
        quantity: parsed("quantity", &json.quantity)?,
        last_price: parsed("last_price", &json.last_price)?,
        last_quantity: parsed("last_quantity", &json.last_quantity)?,
        cumulative_quantity: parsed("cumulative_quantity", &json.cumulative_quantity)?,
        reason: text_of("reason", &json.reason)?,
    })
}

fn control(header: Header, body: Value) -> Result<Control, JsonError> {
    let json: JsonControl = of(body)?;
    Ok(Control {
        header,
        command: parsed("command", &json.command)?,
        outcome: parsed::<ControlOutcome>("outcome", &json.outcome)?,
        name: text_of("name", &json.name)?,
        detail: text_of("detail", &json.detail)?,
    })
}
