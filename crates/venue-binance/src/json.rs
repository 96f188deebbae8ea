//! The frames as Binance documents them, read where they stand: text is borrowed from the frame, numbers
//! go straight into their types, levels straight into a book.

use std::borrow::Cow;

use meltica_event::{Price, Quantity, Side};
use meltica_venue::{
    DecodeCause,
    json::{LazyBook, Reader, missing},
};

/// What a frame says. Levels are in the book that it was read into.
pub(crate) enum Read<'a> {
    Trade(Trade<'a>),
    BookTicker(BookTicker<'a>),
    Depth(Depth<'a>),
    Snapshot(Depth<'a>),
    /// Of a stream that is not known, and where its data are; a user's own events come by a stream whose
    /// name is a key.
    Unknown {
        stream: &'a str,
        data: Option<usize>,
    },
    /// An event without a stream around it, of this kind: what a user's own connection sends.
    Bare(&'a str),
    /// The same, wrapped, and where it begins.
    Wrapped(usize),
    /// The answer to something that was sent, and where it says why that was refused, if it was.
    Answer(Option<usize>),
}

/// The kinds of streams that are understood.
#[derive(Clone, Copy)]
enum Kind {
    Trade,
    BookTicker,
    Depth,
}

impl Kind {
    /// By a stream's name, `btcusdt@trade`.
    fn of(stream: &str) -> Option<Self> {
        match stream.split_once('@')?.1 {
            "trade" => Some(Self::Trade),
            "bookTicker" => Some(Self::BookTicker),
            "depth" | "depth@100ms" => Some(Self::Depth),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::BookTicker => "bookTicker",
            Self::Depth => "depth",
        }
    }

    fn data<'a>(
        self,
        reader: &mut Reader<'a>,
        book: &mut LazyBook,
    ) -> Result<Read<'a>, DecodeCause> {
        match self {
            Self::Trade => Trade::read(reader).map(Read::Trade),
            Self::BookTicker => BookTicker::read(reader).map(Read::BookTicker),
            Self::Depth => Depth::read(reader, book).map(Read::Depth),
        }
    }
}

/// Reads a frame of a combined stream, a depth snapshot, or what a user's own connection sends: which of
/// them is told by what is there. `operation` is what is being read, for whoever has to say what went
/// wrong.
pub(crate) fn frame<'a>(
    text: &'a str,
    book: &mut LazyBook,
    operation: &mut &'static str,
) -> Result<Read<'a>, DecodeCause> {
    let (mut stream, mut early, mut read) = (None, None, None);
    let (mut bare, mut wrapped, mut answer) = (None, None, None);
    let mut snapshot = DepthParts::default();
    let mut reader = Reader::new(text);
    reader.object(|reader, key| {
        match key {
            "stream" => stream = Some(reader.text()?),
            "data" => match stream.and_then(Kind::of) {
                None => early = Some(reader.place()?),
                Some(kind) => {
                    *operation = kind.name();
                    read = Some(kind.data(reader, book)?);
                    *operation = "frame";
                }
            },
            "lastUpdateId" | "bids" | "asks" => {
                *operation = "snapshot";
                snapshot.take(key, reader, book)?;
                *operation = "frame";
            }
            "e" => bare = Some(reader.text()?),
            "event" => wrapped = Some(reader.place()?),
            "result" => {
                reader.skip()?;
                answer = Some(None);
            }
            "error" => answer = Some(Some(reader.place()?)),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    reader.end()?;
    if let Some(read) = read {
        return Ok(read);
    }
    let Some(stream) = stream else {
        if snapshot.last.is_some() {
            *operation = "snapshot";
            return snapshot.whole().map(Read::Snapshot);
        }
        return match (bare, wrapped, answer) {
            (_, Some(event), _) => Ok(Read::Wrapped(event)),
            (Some(kind), ..) => Ok(Read::Bare(kind)),
            (_, _, Some(refusal)) => Ok(Read::Answer(refusal)),
            _ => Err(missing("stream")),
        };
    };
    match (Kind::of(stream), early) {
        (None, data) => Ok(Read::Unknown { stream, data }),
        // The data came before the stream's name, and were only passed over.
        (Some(kind), Some(place)) => {
            *operation = kind.name();
            kind.data(&mut Reader::from(text, place), book)
        }
        (Some(_), None) => Err(missing("data")),
    }
}

pub(crate) struct Trade<'a> {
    pub(crate) event_time: i64,
    pub(crate) symbol: &'a str,
    pub(crate) id: u64,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    pub(crate) buyer_is_maker: bool,
}

impl<'a> Trade<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut event_time, mut symbol, mut id) = (None, None, None);
        let (mut price, mut quantity, mut buyer_is_maker) = (None, None, None);
        reader.object(|reader, key| {
            match key {
                "E" => event_time = Some(reader.bare()?),
                "s" => symbol = Some(reader.text()?),
                "t" => id = Some(reader.bare()?),
                "p" => price = Some(reader.price()?),
                "q" => quantity = Some(reader.quantity()?),
                "m" => buyer_is_maker = Some(reader.boolean()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            event_time: event_time.ok_or_else(|| missing("E"))?,
            symbol: symbol.ok_or_else(|| missing("s"))?,
            id: id.ok_or_else(|| missing("t"))?,
            price: price.ok_or_else(|| missing("p"))?,
            quantity: quantity.ok_or_else(|| missing("q"))?,
            buyer_is_maker: buyer_is_maker.ok_or_else(|| missing("m"))?,
        })
    }
}

pub(crate) struct BookTicker<'a> {
    pub(crate) update: u64,
    pub(crate) symbol: &'a str,
    pub(crate) bid: Price,
    pub(crate) bid_quantity: Quantity,
    pub(crate) ask: Price,
    pub(crate) ask_quantity: Quantity,
}

impl<'a> BookTicker<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut update, mut symbol) = (None, None);
        let (mut bid, mut bid_quantity, mut ask, mut ask_quantity) = (None, None, None, None);
        reader.object(|reader, key| {
            match key {
                "u" => update = Some(reader.bare()?),
                "s" => symbol = Some(reader.text()?),
                "b" => bid = Some(reader.price()?),
                "B" => bid_quantity = Some(reader.quantity()?),
                "a" => ask = Some(reader.price()?),
                "A" => ask_quantity = Some(reader.quantity()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            update: update.ok_or_else(|| missing("u"))?,
            symbol: symbol.ok_or_else(|| missing("s"))?,
            bid: bid.ok_or_else(|| missing("b"))?,
            bid_quantity: bid_quantity.ok_or_else(|| missing("B"))?,
            ask: ask.ok_or_else(|| missing("a"))?,
            ask_quantity: ask_quantity.ok_or_else(|| missing("A"))?,
        })
    }
}

/// What kind of event this is.
pub(crate) fn kind<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>, DecodeCause> {
    let mut kind = None;
    reader.object(|reader, key| {
        match key {
            "e" => kind = Some(reader.text()?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(kind)
}

/// Why something was refused: its message, if it has one.
pub(crate) fn refusal<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, DecodeCause> {
    let mut message = None;
    reader.object(|reader, key| {
        match key {
            "msg" => message = Some(reader.message()?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    message.ok_or_else(|| missing("msg"))
}

/// What became of an order.
#[derive(Default)]
pub(crate) struct ExecutionReport<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) client_order_id: &'a str,
    /// The order that a cancellation is about; empty otherwise.
    pub(crate) original_client_order_id: &'a str,
    pub(crate) side: &'a str,
    pub(crate) quantity: Quantity,
    pub(crate) price: Price,
    pub(crate) exec_type: &'a str,
    pub(crate) status: &'a str,
    pub(crate) reason: Cow<'a, str>,
    pub(crate) order_id: u64,
    pub(crate) execution_id: u64,
    pub(crate) last_quantity: Quantity,
    pub(crate) cumulative_quantity: Quantity,
    pub(crate) last_price: Price,
    pub(crate) transaction_time: i64,
}

impl<'a> ExecutionReport<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        /// What must be there; the original id is empty if it is not.
        const FIELDS: [&str; 14] =
            ["s", "c", "S", "q", "p", "x", "X", "r", "i", "I", "l", "z", "L", "T"];
        let mut report = Self::default();
        let mut found = [false; FIELDS.len()];
        reader.object(|reader, key| {
            match key {
                "s" => report.symbol = reader.text()?,
                "c" => report.client_order_id = reader.text()?,
                "C" => report.original_client_order_id = reader.text()?,
                "S" => report.side = reader.text()?,
                "q" => report.quantity = reader.quantity()?,
                "p" => report.price = reader.price()?,
                "x" => report.exec_type = reader.text()?,
                "X" => report.status = reader.text()?,
                "r" => report.reason = reader.message()?,
                "i" => report.order_id = reader.bare()?,
                "I" => report.execution_id = reader.bare()?,
                "l" => report.last_quantity = reader.quantity()?,
                "z" => report.cumulative_quantity = reader.quantity()?,
                "L" => report.last_price = reader.price()?,
                "T" => report.transaction_time = reader.bare()?,
                _ => return reader.skip(),
            }
            if let Some(index) = FIELDS.iter().position(|field| *field == key) {
                found[index] = true;
            }
            Ok(())
        })?;
        match found.iter().position(|found| !found) {
            Some(index) => Err(missing(FIELDS[index])),
            None => Ok(report),
        }
    }
}

/// What stands in a depth frame beside its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depth<'a> {
    /// Of a delta.
    pub(crate) symbol: Option<&'a str>,
    /// Of a delta, in milliseconds.
    pub(crate) event_time: Option<i64>,
    /// `U` of a delta, `lastUpdateId` of a snapshot.
    pub(crate) first: u64,
    /// `u` of a delta, `lastUpdateId` of a snapshot.
    pub(crate) last: u64,
}

impl<'a> Depth<'a> {
    /// Reads a delta or a snapshot, its levels into this book.
    pub(crate) fn read(reader: &mut Reader<'a>, book: &mut LazyBook) -> Result<Self, DecodeCause> {
        let mut parts = DepthParts::default();
        reader.object(|reader, key| parts.take(key, reader, book))?;
        parts.whole()
    }
}

/// As much of a depth frame as was read so far.
#[derive(Default)]
struct DepthParts<'a> {
    symbol: Option<&'a str>,
    event_time: Option<i64>,
    first: Option<u64>,
    last: Option<u64>,
    bids: bool,
    asks: bool,
}

impl<'a> DepthParts<'a> {
    /// Takes the value of this key.
    fn take(
        &mut self,
        key: &str,
        reader: &mut Reader<'a>,
        book: &mut LazyBook,
    ) -> Result<(), DecodeCause> {
        match key {
            "s" => self.symbol = Some(reader.text()?),
            "E" => self.event_time = Some(reader.bare()?),
            "U" => self.first = Some(reader.bare()?),
            "u" => self.last = Some(reader.bare()?),
            "lastUpdateId" => {
                self.last = Some(reader.bare()?);
                self.first = self.last;
            }
            "b" | "bids" => {
                reader.levels(&mut book.get().bids)?;
                self.bids = true;
            }
            "a" | "asks" => {
                reader.levels(&mut book.get().asks)?;
                self.asks = true;
            }
            _ => reader.skip()?,
        }
        Ok(())
    }

    fn whole(self) -> Result<Depth<'a>, DecodeCause> {
        let wrong = |reason: String| DecodeCause::Malformed { column: 1, reason };
        if !self.bids || !self.asks {
            return Err(wrong("a side of the book is missing".to_owned()));
        }
        let first = self.first.ok_or_else(|| missing("U"))?;
        let last = self.last.ok_or_else(|| missing("u"))?;
        if last == u64::MAX {
            return Err(wrong("an update id that nothing can follow".to_owned()));
        }
        if first > last {
            return Err(wrong(format!("U {first} is greater than u {last}")));
        }
        Ok(Depth { symbol: self.symbol, event_time: self.event_time, first, last })
    }
}

/// Who took liquidity: if the buyer made the quote, the seller did.
pub(crate) const fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}
