use std::{
    io, thread,
    time::{Duration, Instant},
};

use meltica::event::{Catalog, CatalogError};
use meltica_venue::Unsupported;
use serde::Serialize;

use super::{LocalVenues, ONE_IN, Script};
use crate::{cli::ServeArgs, interrupt::Interrupt, print, say::say, venues};

/// Why there are no local venues.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    #[error("{0}")]
    Unsupported(#[from] Unsupported),
    #[error("Ctrl-C cannot be listened for: {0}")]
    Interrupt(#[from] ctrlc::Error),
    #[error("the venues cannot be served: {0}; another --port may be free")]
    System(#[from] io::Error),
}

/// How a venue is reached.
#[derive(Serialize)]
struct Served {
    venue: &'static str,
    url: String,
    rest_url: String,
}

/// `meltica serve`: local venues until the time is over or the user interrupts.
pub(crate) fn serve(args: &ServeArgs) -> Result<(), ServeError> {
    let interrupt = Interrupt::listen()?;
    let instruments = venues::numbered(&mut Catalog::new(), &args.symbols)?;
    let mut names = args.venues.clone();
    names.sort_unstable();
    names.dedup();
    let served = names.iter().enumerate().map(|(index, venue)| {
        let script = args.faults.map_or_else(Script::none, |seed| {
            Script::seeded(seed ^ (index as u64) << 56, ONE_IN, venue.notices_digits())
        });
        (*venue, venue.local(&instruments, args.seed), script)
    });
    let rate = f64::from(args.rate) / names.len() as f64;
    let local = LocalVenues::start(served.collect(), rate, args.port)?;
    let mut served = vec![];
    for venue in &names {
        if let Some(address) = local.address(*venue) {
            let url = venue.url_at(address, &instruments)?;
            served.push(Served { venue: venue.name(), url, rest_url: format!("http://{address}") });
        }
    }
    if args.json {
        // Whoever started it reads on once this has come.
        print(serde_json::json!({"venues": served}).to_string()).map_err(io::Error::other)?;
    } else {
        for Served { venue, url, rest_url } in &served {
            say(format_args!("{venue}: --url {url} --rest-url {rest_url}"));
        }
    }
    let end = args.duration.map(|duration| Instant::now() + duration);
    while !interrupt.is_set() && end.is_none_or(|end| Instant::now() < end) {
        thread::park_timeout(Duration::from_millis(100));
    }
    if args.faults.is_some() {
        say(format_args!("{} faults", local.faults()));
    }
    Ok(())
}
