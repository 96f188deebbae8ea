use std::fmt::Write;

use meltica_event::{Book, Instrument, InstrumentId, Level, Price, Quantity, Side, Timestamp};
use meltica_venue::{LocalMarket, LocalVenue, Move, write_utc};
use serde::Deserialize;
use serde_json::Value;

use crate::Ladder;

/// The depth that it has: the only one that its market is cut to.
const DEPTH: usize = 10;

/// Kraken's own side of its WebSocket v2, made up from a seed (see [`LocalVenue`]): books of ten
/// levels with their checksums, trades, tickers, heartbeats, acknowledgements and refusals.
pub struct LocalKraken {
    market: LocalMarket,
    /// Channels that the client wants, each with the place of its instrument.
    wanted: Vec<(String, usize)>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    symbol: Vec<String>,
    depth: Option<usize>,
}

impl LocalKraken {
    /// A venue that trades these instruments.
    ///
    /// # Panics
    ///
    /// If there is no instrument.
    pub fn new(
        instruments: impl IntoIterator<Item = (Instrument, InstrumentId)>,
        seed: u64,
    ) -> Self {
        Self { market: LocalMarket::new(instruments, seed, DEPTH), wanted: vec![] }
    }

    fn symbol(&self, index: usize) -> String {
        let instrument = self.market.instruments().nth(index).map(|(instrument, _)| instrument);
        instrument.map(|of| format!("{}/{}", of.base, of.quote)).unwrap_or_default()
    }

    fn wants(&self, channel: &str, index: usize) -> bool {
        self.wanted.iter().any(|(wanted, of)| wanted == channel && *of == index)
    }

    /// Subscribes or unsubscribes one symbol; answers why not.
    fn subscribe(
        &mut self,
        request: &Request,
        symbol: &str,
        now: Timestamp,
        out: &mut dyn FnMut(&str),
    ) -> Result<(), &'static str> {
        let channel = request.params.channel.as_str();
        let count = self.market.instruments().count();
        let index = (0..count).find(|index| self.symbol(*index) == symbol);
        let index = index.ok_or("Currency pair not supported")?;
        let wanted = self.wants(channel, index);
        let (time, method) = (write_utc(now), request.method.as_str());
        let depth = request.params.depth.unwrap_or(DEPTH);
        let more = match channel {
            "book" if depth != DEPTH => return Err("Subscription depth not supported"),
            "book" => format!(r#""depth":{depth},"#),
            "trade" | "ticker" => String::new(),
            _ => return Err("Subscription channel not supported"),
        };
        match (method, wanted) {
            ("subscribe", true) => return Err("Already subscribed"),
            ("subscribe", false) => self.wanted.push((channel.to_owned(), index)),
            (_, false) => return Err("Subscription Not Found"),
            (_, true) => self.wanted.retain(|(of, at)| of != channel || *at != index),
        }
        out(&format!(
            r#"{{"method":"{method}","result":{{"channel":"{channel}",{more}"snapshot":true,"symbol":"{symbol}"}},"success":true,"time_in":"{time}","time_out":"{time}"}}"#
        ));
        if method == "subscribe" && channel == "book" {
            let book = self.market.book(index);
            out(&self.frame("snapshot", index, &book.bids, &book.asks, now));
        }
        if method == "subscribe" && channel == "trade" {
            out(r#"{"channel":"trade","type":"snapshot","data":[]}"#);
        }
        Ok(())
    }

    fn frame(
        &self,
        kind: &str,
        index: usize,
        bids: &[Level],
        asks: &[Level],
        now: Timestamp,
    ) -> String {
        let book = self.market.book(index);
        let mut ladder = Ladder::with_capacity(DEPTH);
        for (side, levels) in [(Side::Buy, &book.bids), (Side::Sell, &book.asks)] {
            for level in levels.iter() {
                let number = |text: String| text.parse().expect("it was just written");
                ladder.set(side, number(price(level.price)), number(quantity(level.quantity)));
            }
        }
        format!(
            r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"{}","bids":{},"asks":{},"checksum":{},"timestamp":"{}"}}]}}"#,
            self.symbol(index),
            levels(bids),
            levels(asks),
            ladder.checksum(),
            write_utc(now)
        )
    }
}

impl LocalVenue for LocalKraken {
    fn opened(&mut self, _: &str, out: &mut dyn FnMut(&str)) {
        self.wanted.clear();
        out(
            r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":806193442143087786}]}"#,
        );
    }

    fn closed(&mut self) {
        self.wanted.clear();
    }

    fn heard(&mut self, text: &str, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let time = write_utc(now);
        let request = match serde_json::from_str::<Value>(text).map(Request::deserialize) {
            Ok(Ok(request)) => request,
            _ => {
                out(&format!(
                    r#"{{"error":"Malformed request","method":"","success":false,"time_in":"{time}","time_out":"{time}"}}"#
                ));
                return;
            }
        };
        match request.method.as_str() {
            "ping" => {
                out(&format!(r#"{{"method":"pong","time_in":"{time}","time_out":"{time}"}}"#));
            }
            "subscribe" | "unsubscribe" => {
                for symbol in &request.params.symbol {
                    if let Err(reason) = self.subscribe(&request, symbol, now, out) {
                        out(&format!(
                            r#"{{"error":"{reason}","method":"{}","success":false,"symbol":"{symbol}","time_in":"{time}","time_out":"{time}"}}"#,
                            request.method
                        ));
                    }
                }
            }
            method => out(&format!(
                r#"{{"error":"Method not supported","method":{method:?},"success":false,"time_in":"{time}","time_out":"{time}"}}"#
            )),
        }
    }

    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        match self.market.step(now) {
            Move::Book(index, change) => {
                let seen = !change.bids.is_empty() || !change.asks.is_empty();
                if seen && self.wants("book", index) {
                    out(&self.frame("update", index, &change.bids, &change.asks, now));
                }
            }
            Move::Trade(index, trade) if self.wants("trade", index) => {
                let side = if trade.aggressor == Some(Side::Sell) { "sell" } else { "buy" };
                out(&format!(
                    r#"{{"channel":"trade","type":"update","data":[{{"symbol":"{}","side":"{side}","price":{},"qty":{},"ord_type":"market","trade_id":{},"timestamp":"{}"}}]}}"#,
                    self.symbol(index),
                    price(trade.price),
                    quantity(trade.quantity),
                    trade.id,
                    write_utc(now)
                ));
            }
            Move::Top(index, _, top) if self.wants("ticker", index) => {
                let last = price(top.bid.price);
                out(&format!(
                    r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"{}","bid":{last},"bid_qty":{},"ask":{},"ask_qty":{},"last":{last},"volume":1000.25000000,"vwap":{last},"low":{last},"high":{last},"change":-1.50,"change_pct":-0.10}}]}}"#,
                    self.symbol(index),
                    quantity(top.bid.quantity),
                    price(top.ask.price),
                    quantity(top.ask.quantity)
                ));
            }
            // Executions come by another connection of Kraken's, which is not decoded yet.
            Move::Trade(..) | Move::Top(..) | Move::Execution(..) => {}
        }
    }

    fn heartbeat(&mut self, _: Timestamp, out: &mut dyn FnMut(&str)) {
        if !self.wanted.is_empty() {
            out(r#"{"channel":"heartbeat"}"#);
        }
    }

    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.market.index(instrument).map(|index| self.market.book(index))
    }
}

fn levels(levels: &[Level]) -> String {
    let mut text = "[".to_owned();
    for (index, level) in levels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (price, quantity) = (price(level.price), quantity(level.quantity));
        write!(text, r#"{comma}{{"price":{price},"qty":{quantity}}}"#).expect("a String takes all");
    }
    text.push(']');
    text
}

/// With the two digits that Kraken would give these pairs, always.
fn price(price: Price) -> String {
    let cents = price.units() / 10_000_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// With eight digits, always.
fn quantity(quantity: Quantity) -> String {
    let units = quantity.units();
    format!("{}.{:08}", units / 100_000_000, units % 100_000_000)
}
