use crate::{EventKind, Header, Level, Price, Quantity, Side};

/// Small market data of one size: a trade, a ticker or a top of book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What every message begins with; its kind is the payload's.
    pub header: Header,
    /// What happened.
    pub payload: Payload,
}

static_assertions::const_assert!(size_of::<Event>() <= 128);
static_assertions::assert_impl_all!(Event: Copy, Send, Sync);

impl Event {
    /// An event; the header's kind becomes the payload's.
    pub fn new(header: Header, payload: Payload) -> Self {
        Self { header: Header { kind: payload.kind(), ..header }, payload }
    }

    /// What a pool is filled with, and what a returned event is reset to: a trade of nothing.
    pub fn blank() -> Self {
        Self::new(Header::default(), Payload::Trade(Trade::default()))
    }
}

/// What an [`Event`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// One trade.
    Trade(Trade),
    /// Statistics of the day.
    Ticker(Ticker),
    /// Best bid and ask.
    TopOfBook(TopOfBook),
}

impl Payload {
    /// The kind of event that carries this payload.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Trade(_) => EventKind::Trade,
            Self::Ticker(_) => EventKind::Ticker,
            Self::TopOfBook(_) => EventKind::TopOfBook,
        }
    }
}

/// One trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trade {
    /// At which price.
    pub price: Price,
    /// How much.
    pub quantity: Quantity,
    /// The venue's number for it; zero where the venue has none.
    pub id: u64,
    /// Who took liquidity: the side of the order that came second. `None` if the venue is silent.
    pub aggressor: Option<Side>,
}

/// Statistics of the last 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticker {
    /// The last trade's price.
    pub last: Price,
    /// The price 24 hours ago.
    pub open: Price,
    /// The highest.
    pub high: Price,
    /// The lowest.
    pub low: Price,
    /// How much was traded, of the base currency.
    pub volume: Quantity,
}

/// The best bid and the best ask. An empty side has a quantity of zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopOfBook {
    /// The highest price that somebody buys at.
    pub bid: Level,
    /// The lowest price that somebody sells at.
    pub ask: Level,
}
