//! What one would write first: structs that own their texts, and a map a side.

use std::{collections::BTreeMap, hint::black_box};

use meltica_event::{Price, Quantity};
use serde::Deserialize;
use serde_json::Value;

use crate::frames::Market;

/// Reads frames into owned structs, and keeps books of them if it is told to.
pub(crate) struct Peer {
    market: Market,
    keeps: bool,
    books: BTreeMap<String, Book>,
}

#[derive(Default)]
struct Book {
    bids: BTreeMap<i64, u64>,
    asks: BTreeMap<i64, u64>,
}

impl Book {
    fn set(&mut self, bid: bool, price: &str, quantity: &str) {
        let price: Price = price.parse().expect("a price");
        let quantity: Quantity = quantity.parse().expect("a quantity");
        self.units(bid, price.units(), quantity.units());
    }

    fn units(&mut self, bid: bool, price: i64, quantity: u64) {
        let side = if bid { &mut self.bids } else { &mut self.asks };
        if quantity == 0 {
            side.remove(&price);
        } else {
            side.insert(price, quantity);
        }
    }
}

#[expect(dead_code, reason = "fields are read, as a client would have them, and not looked at")]
mod binance {
    use super::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Frame<T> {
        pub(super) stream: String,
        pub(super) data: T,
    }

    #[derive(Deserialize)]
    pub(super) struct Depth {
        #[serde(rename = "E")]
        pub(super) time: i64,
        #[serde(rename = "s")]
        pub(super) symbol: String,
        #[serde(rename = "U")]
        pub(super) first: u64,
        #[serde(rename = "u")]
        pub(super) last: u64,
        #[serde(rename = "b")]
        pub(super) bids: Vec<(String, String)>,
        #[serde(rename = "a")]
        pub(super) asks: Vec<(String, String)>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Snapshot {
        pub(super) last_update_id: u64,
        pub(super) bids: Vec<(String, String)>,
        pub(super) asks: Vec<(String, String)>,
    }

    #[derive(Deserialize)]
    pub(super) struct Trade {
        #[serde(rename = "E")]
        pub(super) time: i64,
        #[serde(rename = "s")]
        pub(super) symbol: String,
        #[serde(rename = "t")]
        pub(super) id: u64,
        #[serde(rename = "p")]
        pub(super) price: String,
        #[serde(rename = "q")]
        pub(super) quantity: String,
        #[serde(rename = "m")]
        pub(super) maker: bool,
    }

    #[derive(Deserialize)]
    pub(super) struct Top {
        #[serde(rename = "u")]
        pub(super) update: u64,
        #[serde(rename = "s")]
        pub(super) symbol: String,
        #[serde(rename = "b")]
        pub(super) bid: String,
        #[serde(rename = "B")]
        pub(super) bid_quantity: String,
        #[serde(rename = "a")]
        pub(super) ask: String,
        #[serde(rename = "A")]
        pub(super) ask_quantity: String,
    }
}

#[expect(dead_code, reason = "fields are read, as a client would have them, and not looked at")]
mod coinbase {
    use super::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Frame {
        pub(super) channel: String,
        pub(super) timestamp: String,
        pub(super) sequence_num: u64,
        pub(super) events: Vec<Event>,
    }

    #[derive(Deserialize)]
    pub(super) struct Event {
        #[serde(rename = "type", default)]
        pub(super) kind: String,
        #[serde(default)]
        pub(super) product_id: String,
        #[serde(default)]
        pub(super) updates: Vec<Update>,
        #[serde(default)]
        pub(super) trades: Vec<Trade>,
    }

    #[derive(Deserialize)]
    pub(super) struct Update {
        pub(super) side: String,
        pub(super) event_time: String,
        pub(super) price_level: String,
        pub(super) new_quantity: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Trade {
        pub(super) product_id: String,
        pub(super) trade_id: String,
        pub(super) price: String,
        pub(super) size: String,
        pub(super) time: String,
        pub(super) side: String,
    }
}

#[expect(dead_code, reason = "fields are read, as a client would have them, and not looked at")]
mod kraken {
    use super::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Frame<T> {
        pub(super) channel: String,
        #[serde(rename = "type")]
        pub(super) kind: String,
        pub(super) data: Vec<T>,
    }

    #[derive(Deserialize)]
    pub(super) struct Book {
        pub(super) symbol: String,
        pub(super) bids: Vec<Level>,
        pub(super) asks: Vec<Level>,
        pub(super) checksum: u32,
        pub(super) timestamp: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Level {
        pub(super) price: f64,
        pub(super) qty: f64,
    }

    #[derive(Deserialize)]
    pub(super) struct Trade {
        pub(super) symbol: String,
        pub(super) side: String,
        pub(super) price: f64,
        pub(super) qty: f64,
        pub(super) ord_type: String,
        pub(super) trade_id: u64,
        pub(super) timestamp: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Ticker {
        pub(super) symbol: String,
        pub(super) bid: f64,
        pub(super) bid_qty: f64,
        pub(super) ask: f64,
        pub(super) ask_qty: f64,
        pub(super) last: f64,
        pub(super) volume: f64,
        pub(super) low: f64,
        pub(super) high: f64,
        pub(super) change: f64,
    }
}

#[expect(dead_code, reason = "fields are read, as a client would have them, and not looked at")]
mod okx {
    use super::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Frame<T> {
        pub(super) arg: Arg,
        #[serde(default)]
        pub(super) action: String,
        pub(super) data: Vec<T>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Arg {
        pub(super) channel: String,
        pub(super) inst_id: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Book {
        pub(super) asks: Vec<[String; 4]>,
        pub(super) bids: Vec<[String; 4]>,
        pub(super) ts: String,
        pub(super) seq_id: i64,
        #[serde(default)]
        pub(super) prev_seq_id: i64,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Trade {
        pub(super) inst_id: String,
        pub(super) trade_id: String,
        pub(super) px: String,
        pub(super) sz: String,
        pub(super) side: String,
        pub(super) ts: String,
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).expect("it is what it was said to be")
}

impl Peer {
    pub(crate) fn new(market: Market, keeps: bool) -> Self {
        Self { market, keeps, books: BTreeMap::new() }
    }

    /// The book of this name, begun again with a snapshot; `None` if none are kept.
    fn book(&mut self, name: &str, whole: bool) -> Option<&mut Book> {
        if !self.keeps {
            return None;
        }
        if !self.books.contains_key(name) {
            self.books.insert(name.to_owned(), Book::default());
        }
        let book = self.books.get_mut(name)?;
        if whole {
            *book = Book::default();
        }
        Some(book)
    }

    pub(crate) fn frame(&mut self, text: &str) {
        match self.market {
            Market::Binance => self.binance(text),
            Market::Coinbase => self.coinbase(text),
            Market::Kraken => self.kraken(text),
            Market::Okx => self.okx(text),
        }
    }

    fn binance(&mut self, text: &str) {
        let head = &text[..text.len().min(48)];
        if head.contains("@depth") {
            let frame: binance::Frame<binance::Depth> = read(text);
            let depth = black_box(frame).data;
            if let Some(book) = self.book(&depth.symbol, false) {
                depth.bids.iter().for_each(|(price, quantity)| book.set(true, price, quantity));
                depth.asks.iter().for_each(|(price, quantity)| book.set(false, price, quantity));
            }
        } else if head.contains("@bookTicker") {
            black_box(read::<binance::Frame<binance::Top>>(text));
        } else if head.contains("@trade") {
            black_box(read::<binance::Frame<binance::Trade>>(text));
        } else {
            let snapshot: binance::Snapshot = black_box(read(text));
            if let Some(book) = self.book("BTCUSDT", true) {
                snapshot.bids.iter().for_each(|(price, quantity)| book.set(true, price, quantity));
                snapshot.asks.iter().for_each(|(price, quantity)| book.set(false, price, quantity));
            }
        }
    }

    fn coinbase(&mut self, text: &str) {
        let frame: coinbase::Frame = black_box(read(text));
        for event in frame.events.iter().filter(|_| frame.channel == "l2_data") {
            if let Some(book) = self.book(&event.product_id, event.kind == "snapshot") {
                for update in &event.updates {
                    book.set(update.side == "bid", &update.price_level, &update.new_quantity);
                }
            }
        }
    }

    fn kraken(&mut self, text: &str) {
        let head = &text[..text.len().min(24)];
        if head.contains("\"book\"") {
            let frame: kraken::Frame<kraken::Book> = black_box(read(text));
            for data in &frame.data {
                if let Some(book) = self.book(&data.symbol, frame.kind == "snapshot") {
                    let units = |value: f64, by: f64| (value * by).round();
                    for (bid, levels) in [(true, &data.bids), (false, &data.asks)] {
                        for kraken::Level { price, qty } in levels {
                            let (price, quantity) = (units(*price, 1e9), units(*qty, 1e8));
                            book.units(bid, price as i64, quantity as u64);
                        }
                    }
                    while book.bids.len() > 10 {
                        book.bids.pop_first();
                    }
                    while book.asks.len() > 10 {
                        book.asks.pop_last();
                    }
                }
            }
        } else if head.contains("\"trade\"") {
            black_box(read::<kraken::Frame<kraken::Trade>>(text));
        } else if head.contains("\"ticker\"") {
            black_box(read::<kraken::Frame<kraken::Ticker>>(text));
        } else {
            black_box(read::<Value>(text));
        }
    }

    fn okx(&mut self, text: &str) {
        let head = &text[..text.len().min(40)];
        if head.contains("\"books\"") && !head.contains("\"event\"") {
            let frame: okx::Frame<okx::Book> = black_box(read(text));
            for data in &frame.data {
                if let Some(book) = self.book(&frame.arg.inst_id, frame.action == "snapshot") {
                    let levels = [(true, &data.bids), (false, &data.asks)];
                    for (bid, levels) in levels {
                        levels.iter().for_each(|level| book.set(bid, &level[0], &level[1]));
                    }
                }
            }
        } else if head.contains("\"bbo-tbt\"") && !head.contains("\"event\"") {
            black_box(read::<okx::Frame<okx::Book>>(text));
        } else if head.contains("\"trades\"") && !head.contains("\"event\"") {
            black_box(read::<okx::Frame<okx::Trade>>(text));
        } else {
            black_box(read::<Value>(text));
        }
    }
}
