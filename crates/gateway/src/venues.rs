//! The venues that the program knows.

use std::net::SocketAddr;

use clap::ValueEnum;
use meltica::{
    Pools,
    event::{Catalog, CatalogError, Instrument, InstrumentId, VenueId},
};
use meltica_venue::{LocalVenue, Session, Unsupported, VenuePools};
use meltica_venue_binance::{BinanceSpot, LocalBinance};
use meltica_venue_coinbase::{Coinbase, LocalCoinbase};
use meltica_venue_kraken::{Kraken, LocalKraken};
use meltica_venue_okx::{LocalOkx, Okx};

/// A venue by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Venue {
    /// Binance spot, combined streams.
    Binance,
    /// Coinbase Advanced Trade.
    Coinbase,
    /// Kraken spot, WebSocket v2.
    Kraken,
    /// OKX, WebSocket v5.
    Okx,
}

impl Venue {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[Self::Binance, Self::Coinbase, Self::Kraken, Self::Okx];

    /// As users and metrics write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Binance => "binance",
            Self::Coinbase => "coinbase",
            Self::Kraken => "kraken",
            Self::Okx => "okx",
        }
    }

    /// Its adapter, for these instruments.
    pub(crate) fn session(
        self,
        id: VenueId,
        pools: &Pools,
        instruments: &[(Instrument, InstrumentId)],
    ) -> Result<Box<dyn Session>, Unsupported> {
        let pools = VenuePools {
            events: pools.events.clone(),
            books: pools.books.clone(),
            executions: pools.executions.clone(),
            controls: pools.controls.clone(),
        };
        self.with_pools(id, pools, instruments)
    }

    fn with_pools(
        self,
        id: VenueId,
        pools: VenuePools,
        instruments: &[(Instrument, InstrumentId)],
    ) -> Result<Box<dyn Session>, Unsupported> {
        let mut session: Box<dyn Session> = match self {
            Self::Binance => Box::new(BinanceSpot::new(id, pools)),
            Self::Coinbase => Box::new(Coinbase::new(id, pools)),
            Self::Kraken => Box::new(Kraken::new(id, pools)),
            Self::Okx => Box::new(Okx::new(id, pools)),
        };
        for (instrument, id) in instruments {
            session.add(*instrument, *id)?;
        }
        Ok(session)
    }

    /// Its adapter with pools of its own, for those who only ask what it wants.
    fn bare_session(
        self,
        instruments: &[(Instrument, InstrumentId)],
    ) -> Result<Box<dyn Session>, Unsupported> {
        self.with_pools(VenueId(1), VenuePools::new(1), instruments)
    }

    /// Its own side of the protocol, made up from a seed.
    pub(crate) fn local(
        self,
        instruments: &[(Instrument, InstrumentId)],
        seed: u64,
    ) -> Box<dyn LocalVenue> {
        let instruments = instruments.iter().copied();
        match self {
            Self::Binance => Box::new(LocalBinance::new(instruments, seed)),
            Self::Coinbase => Box::new(LocalCoinbase::new(instruments, seed)),
            Self::Kraken => Box::new(LocalKraken::new(instruments, seed)),
            Self::Okx => Box::new(LocalOkx::new(instruments, seed)),
        }
    }

    /// The URL of a local one at this address: only the host is another than the real one's.
    pub(crate) fn url_at(
        self,
        address: SocketAddr,
        instruments: &[(Instrument, InstrumentId)],
    ) -> Result<String, Unsupported> {
        let url = self.bare_session(instruments)?.url();
        Ok(format!("ws://{address}/{}", url.splitn(4, '/').nth(3).unwrap_or_default()))
    }

    /// Whether its books carry a checksum, so that a digit that was changed on the way is noticed.
    pub(crate) const fn notices_digits(self) -> bool {
        matches!(self, Self::Kraken)
    }
}

/// Gives each of these a number, once.
pub(crate) fn numbered(
    catalog: &mut Catalog,
    instruments: &[Instrument],
) -> Result<Vec<(Instrument, InstrumentId)>, CatalogError> {
    let mut numbered = vec![];
    for instrument in instruments {
        let pair = (*instrument, catalog.instrument(*instrument)?);
        if !numbered.contains(&pair) {
            numbered.push(pair);
        }
    }
    Ok(numbered)
}
