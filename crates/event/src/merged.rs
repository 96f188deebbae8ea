use crate::{EventKind, Header, Price, Quantity, VenueId};

/// How many venues' views one [`Merged`] can hold.
const MAX_SOURCES: usize = 8;

/// The venues that a merged view was made from, at most [`Sources::MOST`], each once, in order of
/// insertion; and how many that should be there are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    venues: [VenueId; MAX_SOURCES],
    len: u8,
    missing: u8,
}

impl Sources {
    /// How many venues there can be.
    pub const MOST: usize = MAX_SOURCES;

    /// Adds a venue; false if it was there already, or if there is no room for a ninth.
    pub fn insert(&mut self, venue: VenueId) -> bool {
        if self.iter().any(|known| known == venue) || usize::from(self.len) == MAX_SOURCES {
            return false;
        }
        self.venues[usize::from(self.len)] = venue;
        self.len += 1;
        true
    }

    /// The venues.
    pub fn iter(&self) -> impl Iterator<Item = VenueId> + '_ {
        self.venues[..usize::from(self.len)].iter().copied()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of the venues that were waited for are not in it.
    pub const fn missing(&self) -> usize {
        self.missing as usize
    }

    /// Marks it as lacking so many of the venues that were waited for (at most 255).
    #[must_use]
    pub const fn with_missing(self, venues: usize) -> Self {
        let missing = if venues > 255 { 255 } else { venues as u8 };
        Self { missing, ..self }
    }
}

/// One side of a consolidated market: the best there is, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Whose it is.
    pub venue: VenueId,
    /// Its price.
    pub price: Price,
    /// How much of it there is.
    pub quantity: Quantity,
}

/// Several venues' partial views of one instrument, merged over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What every message begins with; the venue is absent, the instrument is the one merged, the
    /// sequence is the window's number, the times are the latest of what is in it, and the trace is
    /// that of the view that came last.
    pub header: Header,
    /// The number of the window, from 1 on: growing, over all instruments of the merge.
    pub window: u64,
    /// Whose views are in it, and whether all that were waited for are.
    pub sources: Sources,
    /// The best bid over all sources; `None` if nobody buys.
    pub bid: Option<Quote>,
    /// The best ask over all sources; `None` if nobody sells.
    pub ask: Option<Quote>,
    /// The last trade's price; `None` if nothing was traded in the window.
    pub last: Option<Price>,
    /// The volume-weighted average price of the window's trades, rounded once: see
    /// [`Vwap`](crate::Vwap). `None` if nothing was traded.
    pub vwap: Option<Price>,
    /// How much was traded in the window; if it was more than a quantity can hold, the most it can.
    pub volume: Quantity,
}

static_assertions::const_assert!(size_of::<Merged>() <= 256);
static_assertions::assert_impl_all!(Merged: Copy, Send, Sync);

impl Merged {
    /// What a pool is filled with, and what a returned view is reset to.
    pub fn blank() -> Self {
        Self {
            header: Header::new(EventKind::Merged),
            window: 0,
            sources: Sources::default(),
            bid: None,
            ask: None,
            last: None,
            vwap: None,
            volume: Quantity::ZERO,
        }
    }
}
