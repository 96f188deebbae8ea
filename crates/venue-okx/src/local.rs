use std::fmt::Write;

use meltica_event::{
    Book, ExecReport, Instrument, InstrumentId, InstrumentKind, Level, Side, Timestamp,
};
use meltica_venue::{LocalMarket, LocalVenue, Move};
use serde::Deserialize;

/// OKX's own side of its WebSocket v5, made up from a seed (see [`LocalVenue`]): books, best prices,
/// trades, and somebody's orders, which come to every connection.
pub struct LocalOkx {
    market: LocalMarket,
    /// Channels that the client wants, each with the place of its instrument.
    wanted: Vec<(String, usize)>,
    connected: bool,
}

#[derive(Deserialize)]
struct Request {
    op: String,
    args: Vec<Arg>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arg {
    channel: String,
    #[serde(default)]
    inst_id: String,
}

impl LocalOkx {
    /// A venue that trades these instruments.
    ///
    /// # Panics
    ///
    /// If there is no instrument.
    pub fn new(
        instruments: impl IntoIterator<Item = (Instrument, InstrumentId)>,
        seed: u64,
    ) -> Self {
        Self { market: LocalMarket::new(instruments, seed, 400), wanted: vec![], connected: false }
    }

    fn name(&self, index: usize) -> String {
        let Some((of, _)) = self.market.instruments().nth(index) else { return String::new() };
        match of.kind {
            InstrumentKind::Spot => format!("{}-{}", of.base, of.quote),
            InstrumentKind::Perpetual => format!("{}-{}-SWAP", of.base, of.quote),
            InstrumentKind::Future { year, month, day } => {
                format!("{}-{}-{:02}{month:02}{day:02}", of.base, of.quote, year % 100)
            }
        }
    }

    fn wants(&self, channel: &str, index: usize) -> bool {
        self.wanted.iter().any(|(wanted, of)| wanted == channel && *of == index)
    }

    /// Subscribes or unsubscribes; answers a code and why not.
    fn subscribe(
        &mut self,
        op: &str,
        arg: &Arg,
        now: Timestamp,
        out: &mut dyn FnMut(&str),
    ) -> Result<(), (u32, String)> {
        let Arg { channel, inst_id } = arg;
        let count = self.market.instruments().count();
        let index = (0..count).find(|index| self.name(*index) == *inst_id);
        let known = ["books", "bbo-tbt", "trades"].contains(&channel.as_str());
        let Some(index) = index.filter(|_| known) else {
            let reason = format!("Wrong URL or channel:{channel},instId:{inst_id} doesn't exist.");
            return Err((60_018, reason));
        };
        match op {
            "subscribe" if !self.wants(channel, index) => {
                self.wanted.push((channel.clone(), index));
            }
            "subscribe" => {}
            "unsubscribe" => self.wanted.retain(|(of, at)| of != channel || *at != index),
            _ => return Err((60_012, "Illegal request".to_owned())),
        }
        out(&format!(
            r#"{{"event":"{op}","arg":{{"channel":"{channel}","instId":"{inst_id}"}},"connId":"73220c7f"}}"#
        ));
        if op == "subscribe" && channel == "books" {
            let book = self.market.book(index);
            let links = (book.header.sequence, -1);
            out(&self.book("snapshot", index, links, &book.bids, &book.asks, now));
        }
        Ok(())
    }

    fn book(
        &self,
        action: &str,
        index: usize,
        (sequence, previous): (u64, i64),
        bids: &[Level],
        asks: &[Level],
        now: Timestamp,
    ) -> String {
        format!(
            r#"{{"arg":{{"channel":"books","instId":"{}"}},"action":"{action}","data":[{{"asks":{},"bids":{},"ts":"{}","checksum":0,"seqId":{sequence},"prevSeqId":{previous}}}]}}"#,
            self.name(index),
            levels(asks),
            levels(bids),
            millis(now)
        )
    }
}

impl LocalVenue for LocalOkx {
    fn opened(&mut self, _: &str, _: &mut dyn FnMut(&str)) {
        self.wanted.clear();
        self.connected = true;
    }

    fn closed(&mut self) {
        self.wanted.clear();
        self.connected = false;
    }

    fn heard(&mut self, text: &str, now: Timestamp, out: &mut dyn FnMut(&str)) {
        if text == "ping" {
            return out("pong");
        }
        let refuse = |code: u32, reason: &str, out: &mut dyn FnMut(&str)| {
            out(&format!(
                r#"{{"event":"error","code":"{code}","msg":{reason:?},"connId":"73220c7f"}}"#
            ));
        };
        match serde_json::from_str::<Request>(text) {
            Ok(request) => {
                for arg in &request.args {
                    if let Err((code, reason)) = self.subscribe(&request.op, arg, now, out) {
                        refuse(code, &reason, out);
                    }
                }
            }
            Err(_) => refuse(60_012, "Illegal request", out),
        }
    }

    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        let ms = millis(now);
        match self.market.step(now) {
            Move::Book(index, change) if self.wants("books", index) => {
                let links = (change.last, change.first as i64 - 1);
                out(&self.book("update", index, links, &change.bids, &change.asks, now));
            }
            Move::Trade(index, trade) if self.wants("trades", index) => {
                let name = self.name(index);
                out(&format!(
                    r#"{{"arg":{{"channel":"trades","instId":"{name}"}},"data":[{{"instId":"{name}","tradeId":"{}","px":"{}","sz":"{}","side":"{}","ts":"{ms}","count":"1","source":"0","seqId":{}}}]}}"#,
                    trade.id,
                    trade.price,
                    trade.quantity,
                    side(trade.aggressor.unwrap_or(Side::Buy)),
                    self.market.book(index).header.sequence
                ));
            }
            Move::Top(index, update, top) if self.wants("bbo-tbt", index) => {
                out(&format!(
                    r#"{{"arg":{{"channel":"bbo-tbt","instId":"{}"}},"data":[{{"asks":{},"bids":{},"ts":"{ms}","seqId":{update}}}]}}"#,
                    self.name(index),
                    levels(&[top.ask]),
                    levels(&[top.bid])
                ));
            }
            Move::Execution(index, report) if self.connected => {
                out(&order(&report, &self.name(index), ms));
            }
            Move::Book(..) | Move::Trade(..) | Move::Top(..) | Move::Execution(..) => {}
        }
    }

    /// OKX has none of its own; a book that rests says once a minute that it does.
    fn heartbeat(&mut self, now: Timestamp, out: &mut dyn FnMut(&str)) {
        for index in 0..self.market.instruments().count() {
            if self.wants("books", index) {
                let sequence = self.market.book(index).header.sequence;
                out(&self.book("update", index, (sequence, sequence as i64), &[], &[], now));
            }
        }
    }

    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.market.index(instrument).map(|index| self.market.book(index))
    }
}

fn millis(now: Timestamp) -> i64 {
    now.nanos().unwrap_or(0) / 1_000_000
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn levels(levels: &[Level]) -> String {
    let mut text = "[".to_owned();
    for (index, level) in levels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let orders = u8::from(!level.quantity.is_zero());
        write!(text, r#"{comma}["{}","{}","0","{orders}"]"#, level.price, level.quantity)
            .expect("a String takes all");
    }
    text.push(']');
    text
}

/// A fill, with the fields that OKX documents for it.
fn order(report: &ExecReport, name: &str, ms: i64) -> String {
    let ExecReport { client_order_id, venue_order_id, report_id, price, quantity, .. } = report;
    format!(
        r#"{{"arg":{{"channel":"orders","instType":"ANY","uid":"77"}},"data":[{{"instType":"SPOT","instId":"{name}","tgtCcy":"","ccy":"","ordId":"{venue_order_id}","clOrdId":"{client_order_id}","tag":"","px":"{price}","sz":"{quantity}","ordType":"limit","side":"{}","posSide":"","tdMode":"cash","accFillSz":"{quantity}","avgPx":"{price}","state":"filled","lever":"0","pnl":"0","feeCcy":"USD","fee":"-0.1","category":"normal","uTime":"{ms}","cTime":"{ms}","source":"","reduceOnly":"false","cancelSource":"","fillPx":"{price}","tradeId":"{report_id}","fillSz":"{quantity}","fillTime":"{ms}","execType":"T","amendSource":"","reqId":"","amendResult":"","code":"0","msg":"","linkedAlgoOrd":{{"algoId":""}},"attachAlgoOrds":[]}}]}}"#,
        side(report.side)
    )
}
