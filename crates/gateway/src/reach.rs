//! How venues are reached: a [`Connection`] for each that the user has named.

use std::sync::Arc;

use meltica::event::{Instrument, InstrumentId};
use meltica_venue::{Session, Unsupported};

use crate::{
    cli::ReachArgs,
    clock::Clock,
    connection::{Connection, Counts, Endpoint, EndpointError, Patience, Trust, TrustError},
    local::LocalVenues,
    venues::Venue,
};

/// Why a venue cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReachError {
    #[error("{0}")]
    Trust(#[from] TrustError),
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    #[error("{0}")]
    Unsupported(#[from] Unsupported),
    #[error(
        "--url and --rest-url name one venue's endpoint; name that venue by --venue, and no other"
    )]
    OneVenueOnly,
}

/// What the user said about it.
pub(crate) struct Reach {
    trust: Trust,
    url: Option<String>,
    rest_url: Option<String>,
}

impl Reach {
    pub(crate) fn new(args: &ReachArgs, venues: usize) -> Result<Self, ReachError> {
        let ReachArgs { url, rest_url, ca } = args.clone();
        if venues != 1 && (url.is_some() || rest_url.is_some()) {
            return Err(ReachError::OneVenueOnly);
        }
        Ok(Self { trust: Trust::new(ca.as_deref())?, url, rest_url })
    }

    /// A venue's connection, for a session that has these instruments.
    pub(crate) fn connection(
        &self,
        venue: Venue,
        session: Box<dyn Session>,
        instruments: &[(Instrument, InstrumentId)],
        clock: Clock,
    ) -> Result<Connection, ReachError> {
        let url = self.url.clone().unwrap_or_else(|| session.url());
        let rest = self.rest_url.as_deref().or_else(|| session.rest_url());
        Ok(Connection {
            venue: venue.name(),
            endpoint: Endpoint::new(&url, &self.trust)?,
            rest: rest.map(|url| Endpoint::new(url, &self.trust)).transpose()?,
            patience: Patience::remote(),
            counts: Arc::new(Counts::new(instruments.iter().map(|(instrument, _)| *instrument))),
            instruments: instruments.to_vec(),
            session,
            clock,
            told: true,
        })
    }

    /// The connection to a local venue.
    pub(crate) fn local(
        &self,
        venue: Venue,
        session: Box<dyn Session>,
        instruments: &[(Instrument, InstrumentId)],
        clock: Clock,
        local: &LocalVenues,
    ) -> Result<Connection, ReachError> {
        let address = local.address(venue).expect("every venue of the program is served");
        let url = venue.url_at(address, instruments)?;
        let rest = session.rest_url().is_some();
        let connection = self.connection(venue, session, instruments, clock)?;
        let rest = rest.then(|| Endpoint::new(&format!("http://{address}"), &self.trust));
        Ok(Connection {
            endpoint: Endpoint::new(&url, &self.trust)?,
            rest: rest.transpose()?,
            patience: Patience::local(),
            told: false,
            ..connection
        })
    }
}
