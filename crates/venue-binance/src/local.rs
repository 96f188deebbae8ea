use std::fmt::Write;

use meltica_event::{Book, ExecReport, Instrument, InstrumentId, Level, Timestamp, Trade};
use meltica_venue::{LocalMarket, LocalVenue, Move};
use serde::Deserialize;

/// Binance's own side of its spot streams, made up from a seed (see [`LocalVenue`]): combined streams
/// named in the path or subscribed to later, the REST depth snapshot, and somebody's execution
/// reports, which come to every connection.
pub struct LocalBinance {
    market: LocalMarket,
    /// The names of the streams that the client wants.
    streams: Vec<String>,
    connected: bool,
}

/// What a client sends.
#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Vec<String>,
    id: serde_json::Value,
}

impl LocalBinance {
    /// A venue that trades these instruments.
    ///
    /// # Panics
    ///
    /// If there is no instrument.
    pub fn new(
        instruments: impl IntoIterator<Item = (Instrument, InstrumentId)>,
        seed: u64,
    ) -> Self {
        let market = LocalMarket::new(instruments, seed, usize::MAX);
        Self { market, streams: vec![], connected: false }
    }

    fn symbol(&self, index: usize) -> String {
        let instrument = self.market.instruments().nth(index).map(|(instrument, _)| instrument);
        instrument.map(|of| format!("{}{}", of.base, of.quote)).unwrap_or_default()
    }

    /// The frame of this stream, if the client wants it.
    fn stream(&self, symbol: &str, kind: &str, data: &str, out: &mut dyn FnMut(&str)) {
        let stream = format!("{}@{kind}", symbol.to_ascii_lowercase());
        if self.streams.contains(&stream) {
            out(&format!(r#"{{"stream":"{stream}","data":{data}}}"#));
        }
    }
}

impl LocalVenue for LocalBinance {
    fn opened(&mut self, target: &str, _: &mut dyn FnMut(&str)) {
        let streams = target.split_once("streams=").map_or("", |(_, streams)| streams);
        let streams = streams.split(['/', '&']).filter(|stream| !stream.is_empty());
        self.streams = streams.map(str::to_owned).collect();
        self.connected = true;
    }

    fn closed(&mut self) {
        self.streams.clear();
        self.connected = false;
    }

    fn heard(&mut self, text: &str, _: Timestamp, out: &mut dyn FnMut(&str)) {
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            out(r#"{"error":{"code":3,"msg":"Invalid JSON"},"id":null}"#);
            return;
        };
        match request.method.as_str() {
            "SUBSCRIBE" => self.streams.extend(request.params),
            "UNSUBSCRIBE" => self.streams.retain(|stream| !request.params.contains(stream)),
            _ => {
                let error = r#"{"code":2,"msg":"Invalid request: unknown method"}"#;
                out(&format!(r#"{{"error":{error},"id":{}}}"#, request.id));
                return;
            }
        }
        out(&format!(r#"{{"result":null,"id":{}}}"#, request.id));
    }

    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let millis = now.nanos().unwrap_or(0) / 1_000_000;
        match self.market.step(now) {
            Move::Book(index, change) => {
                let symbol = self.symbol(index);
                let data = format!(
                    r#"{{"e":"depthUpdate","E":{millis},"s":"{symbol}","U":{},"u":{},"b":{},"a":{}}}"#,
                    change.first,
                    change.last,
                    levels(&change.bids),
                    levels(&change.asks)
                );
                self.stream(&symbol, "depth@100ms", &data, out);
            }
            Move::Trade(index, Trade { price, quantity, id, aggressor }) => {
                let symbol = self.symbol(index);
                let maker = aggressor == Some(meltica_event::Side::Sell);
                let data = format!(
                    r#"{{"e":"trade","E":{millis},"s":"{symbol}","t":{id},"p":"{price}","q":"{quantity}","T":{millis},"m":{maker},"M":true}}"#
                );
                self.stream(&symbol, "trade", &data, out);
            }
            Move::Top(index, update, top) => {
                let symbol = self.symbol(index);
                let data = format!(
                    r#"{{"u":{update},"s":"{symbol}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
                    top.bid.price, top.bid.quantity, top.ask.price, top.ask.quantity
                );
                self.stream(&symbol, "bookTicker", &data, out);
            }
            Move::Execution(index, report) if self.connected => {
                let event = execution(&report, &self.symbol(index), millis);
                out(&format!(r#"{{"subscriptionId":0,"event":{event}}}"#));
            }
            Move::Execution(..) => {}
        }
    }

    fn heartbeat(&mut self, _: Timestamp, _: &mut dyn FnMut(&str)) {}

    fn get(&mut self, target: &str) -> Option<String> {
        let query = target.strip_prefix("/api/v3/depth?")?;
        let symbol = query.split('&').find_map(|pair| pair.strip_prefix("symbol="))?;
        let count = self.market.instruments().count();
        let index = (0..count).find(|index| self.symbol(*index) == symbol)?;
        let book = self.market.book(index);
        let last = book.header.sequence;
        let (bids, asks) = (levels(&book.bids), levels(&book.asks));
        Some(format!(r#"{{"lastUpdateId":{last},"bids":{bids},"asks":{asks}}}"#))
    }

    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.market.index(instrument).map(|index| self.market.book(index))
    }
}

fn levels(levels: &[Level]) -> String {
    let mut text = "[".to_owned();
    for (index, level) in levels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, r#"{comma}["{}","{}"]"#, level.price, level.quantity)
            .expect("a String takes all");
    }
    text.push(']');
    text
}

/// A fill, with every field that Binance documents for it.
fn execution(report: &ExecReport, symbol: &str, millis: i64) -> String {
    let ExecReport { client_order_id, venue_order_id, report_id, side, price, quantity, .. } =
        report;
    format!(
        r#"{{"e":"executionReport","E":{millis},"s":"{symbol}","c":"{client_order_id}","S":"{side}","o":"LIMIT","f":"GTC","q":"{quantity}","p":"{price}","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"FILLED","r":"NONE","i":{venue_order_id},"l":"{quantity}","z":"{quantity}","L":"{price}","n":"0","N":null,"T":{millis},"t":{report_id},"I":{report_id},"w":false,"m":false,"M":true,"O":{millis},"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000","V":"EXPIRE_MAKER"}}"#
    )
}
