use std::fmt::Write;

use meltica_event::{Book, Instrument, InstrumentId, Level, Side, Timestamp};
use meltica_venue::{LocalMarket, LocalVenue, Move, write_utc};
use serde::Deserialize;

/// Coinbase's own side of Advanced Trade, made up from a seed (see [`LocalVenue`]): level2, trades,
/// tickers and heartbeats, every frame counted.
pub struct LocalCoinbase {
    market: LocalMarket,
    /// Channels that the client wants, each with the place of its instrument.
    wanted: Vec<(String, usize)>,
    sequence: u64,
    heartbeats: u64,
}

#[derive(Deserialize)]
struct Request {
    r#type: String,
    #[serde(default)]
    product_ids: Vec<String>,
    #[serde(default)]
    channel: String,
}

impl LocalCoinbase {
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
        Self { market, wanted: vec![], sequence: 0, heartbeats: 0 }
    }

    fn product(&self, index: usize) -> String {
        let instrument = self.market.instruments().nth(index);
        instrument.map(|(instrument, _)| instrument.to_string()).unwrap_or_default()
    }

    fn wants(&self, channel: &str, index: usize) -> bool {
        self.wanted.iter().any(|(wanted, of)| wanted == channel && *of == index)
    }

    /// Sends a frame with the connection's next number.
    fn send(&mut self, channel: &str, events: &str, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let (time, sequence) = (write_utc(now), self.sequence);
        self.sequence += 1;
        out(&format!(
            r#"{{"channel":"{channel}","client_id":"","timestamp":"{time}","sequence_num":{sequence},"events":[{events}]}}"#
        ));
    }

    fn levels(
        &self,
        kind: &str,
        index: usize,
        bids: &[Level],
        asks: &[Level],
        now: &str,
    ) -> String {
        let product = self.product(index);
        let mut text = format!(r#"{{"type":"{kind}","product_id":"{product}","updates":["#);
        let sides = [("bid", bids), ("offer", asks)];
        let all = sides.iter().flat_map(|(side, levels)| levels.iter().map(move |l| (side, l)));
        for (at, (side, level)) in all.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"side":"{side}","event_time":"{now}","price_level":"{}","new_quantity":"{}"}}"#,
                level.price, level.quantity
            )
            .expect("a String takes all");
        }
        text.push_str("]}");
        text
    }

    /// What the client is subscribed to, by channel.
    fn subscriptions(&self) -> String {
        let mut channels: Vec<_> = self.wanted.iter().map(|(channel, _)| channel).collect();
        channels.sort();
        channels.dedup();
        let each = channels.iter().map(|channel| {
            let of = self.wanted.iter().filter(|(wanted, _)| wanted == *channel);
            let products: Vec<_> = of.map(|(_, at)| format!("{:?}", self.product(*at))).collect();
            format!(r#""{channel}":[{}]"#, products.join(","))
        });
        let each: Vec<_> = each.collect();
        format!(r#"{{"subscriptions":{{{}}}}}"#, each.join(","))
    }
}

impl LocalVenue for LocalCoinbase {
    fn opened(&mut self, _: &str, _: &mut dyn FnMut(&str)) {
        self.wanted.clear();
        self.sequence = 0;
    }

    fn closed(&mut self) {
        self.wanted.clear();
    }

    fn heard(&mut self, text: &str, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let refuse = |reason: &str, out: &mut dyn FnMut(&str)| {
            out(&format!(r#"{{"type":"error","message":"{reason}"}}"#));
        };
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            return refuse("failed to parse message", out);
        };
        let channel = request.channel.as_str();
        if !["level2", "market_trades", "ticker", "heartbeats"].contains(&channel) {
            return refuse("channel does not exist", out);
        }
        let count = self.market.instruments().count();
        for product in &request.product_ids {
            let Some(index) = (0..count).find(|index| self.product(*index) == *product) else {
                return refuse(&format!("{product} is not a valid product"), out);
            };
            match request.r#type.as_str() {
                "unsubscribe" => {
                    self.wanted.retain(|(of, at)| of != channel || *at != index);
                    continue;
                }
                "subscribe" if !self.wants(channel, index) => {
                    self.wanted.push((channel.to_owned(), index));
                }
                "subscribe" => continue,
                _ => return refuse("unknown message type", out),
            }
            if channel == "level2" {
                let book = self.market.book(index);
                let time = write_utc(now);
                let events = self.levels("snapshot", index, &book.bids, &book.asks, &time);
                self.send("l2_data", &events, now, out);
            }
            if channel == "market_trades" {
                self.send("market_trades", r#"{"type":"snapshot","trades":[]}"#, now, out);
            }
        }
        let subscriptions = self.subscriptions();
        self.send("subscriptions", &subscriptions, now, out);
    }

    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let time = write_utc(now);
        match self.market.step(now) {
            Move::Book(index, change) if self.wants("level2", index) => {
                let events = self.levels("update", index, &change.bids, &change.asks, &time);
                self.send("l2_data", &events, now, out);
            }
            Move::Trade(index, trade) if self.wants("market_trades", index) => {
                // Coinbase names the maker's side.
                let side = if trade.aggressor == Some(Side::Sell) { "BUY" } else { "SELL" };
                let events = format!(
                    r#"{{"type":"update","trades":[{{"product_id":"{}","trade_id":"{}","price":"{}","size":"{}","time":"{time}","side":"{side}"}}]}}"#,
                    self.product(index),
                    trade.id,
                    trade.price,
                    trade.quantity
                );
                self.send("market_trades", &events, now, out);
            }
            Move::Top(index, _, top) if self.wants("ticker", index) => {
                let last = top.bid.price;
                let events = format!(
                    r#"{{"type":"update","tickers":[{{"type":"ticker","product_id":"{}","price":"{last}","volume_24_h":"1000.25","low_24_h":"{last}","high_24_h":"{last}","low_52_w":"{last}","high_52_w":"{last}","price_percent_chg_24_h":"-0.10","best_bid":"{last}","best_bid_quantity":"{}","best_ask":"{}","best_ask_quantity":"{}"}}]}}"#,
                    self.product(index),
                    top.bid.quantity,
                    top.ask.price,
                    top.ask.quantity
                );
                self.send("ticker", &events, now, out);
            }
            // Executions come by a connection with a key, which is not decoded yet.
            Move::Book(..) | Move::Trade(..) | Move::Top(..) | Move::Execution(..) => {}
        }
    }

    fn heartbeat(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        if self.wanted.iter().any(|(channel, _)| channel == "heartbeats") {
            self.heartbeats += 1;
            let events = format!(
                r#"{{"current_time":"{}","heartbeat_counter":{}}}"#,
                write_utc(now),
                self.heartbeats
            );
            self.send("heartbeats", &events, now, out);
        }
    }

    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.market.index(instrument).map(|index| self.market.book(index))
    }
}
