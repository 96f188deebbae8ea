//! Whose frames there are, and where they come from.

use std::path::{Path, PathBuf};

use meltica_event::{Instrument, InstrumentId, Timestamp, VenueId};
use meltica_venue::{LocalVenue, Recording, Session, VenuePools, Wish};
use meltica_venue_binance::{BinanceSpot, LocalBinance};
use meltica_venue_coinbase::{Coinbase, LocalCoinbase};
use meltica_venue_kraken::{Kraken, LocalKraken};
use meltica_venue_okx::{LocalOkx, Okx};

#[derive(Clone, Copy)]
pub(crate) enum Market {
    Binance,
    Coinbase,
    Kraken,
    Okx,
}

impl Market {
    pub(crate) const ALL: [Self; 4] = [Self::Binance, Self::Coinbase, Self::Kraken, Self::Okx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Binance => "Binance",
            Self::Coinbase => "Coinbase",
            Self::Kraken => "Kraken",
            Self::Okx => "OKX",
        }
    }

    fn instruments(self) -> Vec<(Instrument, InstrumentId)> {
        let names: &[&str] = match self {
            Self::Binance => &["BTC-USDT"],
            Self::Coinbase | Self::Kraken => &["BTC-USD", "ETH-USD"],
            Self::Okx => &["BTC-USDT-PERP"],
        };
        let parsed = names.iter().map(|name| name.parse().expect("a legal name"));
        parsed.zip((1..).map(InstrumentId)).collect()
    }

    /// The adapter, with what the frames are about.
    pub(crate) fn session(self) -> Box<dyn Session> {
        let (venue, pools) = (VenueId(1), VenuePools::new(1_024));
        let mut session: Box<dyn Session> = match self {
            Self::Binance => Box::new(BinanceSpot::new(venue, pools)),
            Self::Coinbase => Box::new(Coinbase::new(venue, pools)),
            Self::Kraken => Box::new(Kraken::new(venue, pools)),
            Self::Okx => Box::new(Okx::new(venue, pools)),
        };
        for (instrument, id) in self.instruments() {
            session.add(instrument, id).expect("it is traded there");
        }
        session
    }

    fn local(self) -> Box<dyn LocalVenue> {
        let instruments = self.instruments();
        match self {
            Self::Binance => Box::new(LocalBinance::new(instruments, 1)),
            Self::Coinbase => Box::new(LocalCoinbase::new(instruments, 1)),
            Self::Kraken => Box::new(LocalKraken::new(instruments, 1)),
            Self::Okx => Box::new(LocalOkx::new(instruments, 1)),
        }
    }
}

pub(crate) struct Frames {
    pub(crate) frames: Vec<String>,
    pub(crate) origin: &'static str,
}

impl Frames {
    pub(crate) fn of(market: Market) -> Self {
        Self::recorded(market).unwrap_or_else(|| Self::local(market))
    }

    /// Recorded frames, if they are at hand.
    pub(crate) fn recorded(market: Market) -> Option<Self> {
        let captures = std::env::var_os("MELTICA_CAPTURES").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
            PathBuf::from,
        );
        let file = match market {
            Market::Binance => "binance/spot_btcusdt_20240808.gz",
            Market::Coinbase => "coinbase/coinbase_advanced_first100.jsonl",
            // What there is of version 2 is too little to time.
            Market::Kraken => return None,
            Market::Okx => "okx/okx_v5.jsonl",
        };
        let path = captures.join(file);
        if !path.exists() {
            println!("there is no {}; taking local frames", path.display());
            return None;
        }
        let mut recording = Recording::open(&path).expect("it can be read");
        let mut frames = vec![];
        while let Some(frame) = recording.next_frame().expect("it can be read") {
            let text = std::str::from_utf8(frame.bytes).expect("it is text");
            let text = text.split_once('\t').map_or(text, |(_, frame)| frame);
            frames.push(text.to_owned());
        }
        Some(Self { frames, origin: "A recorded connection" })
    }

    /// What the venue's own side says to a client that subscribes to everything.
    fn local(market: Market) -> Self {
        let (mut session, mut local) = (market.session(), market.local());
        let mut frames = vec![];
        let now = Timestamp::from_nanos(1_767_225_600_000_000_000);
        session.opened();
        let url = session.url();
        let target = url.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
        local.opened(&target, &mut |frame| frames.push(frame.to_owned()));
        while let Some(wish) = session.next_wish() {
            match wish {
                Wish::Send(text) => {
                    local.heard(&text, now, &mut |frame| frames.push(frame.to_owned()));
                }
                // A snapshot among the frames, as recordings have it.
                Wish::Fetch { path, .. } => frames.extend(local.get(&path)),
                Wish::Reconnect { .. } => {}
            }
        }
        for _ in 0..20_000 {
            local.step(now, &mut |frame| frames.push(frame.to_owned()));
        }
        Self { frames, origin: "The local side's frames" }
    }
}
