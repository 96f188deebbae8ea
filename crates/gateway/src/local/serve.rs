use std::{
    io, thread,
    time::{Duration, Instant},
};

use meltica::event::{Catalog, CatalogError};
use meltica_venue::Unsupported;

use super::{LocalVenues, ONE_IN, Script};
use crate::{cli::ServeArgs, interrupt::Interrupt, say::say, venues};

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
    for venue in &names {
        if let Some(address) = local.address(*venue) {
            let (name, url) = (venue.name(), venue.url_at(address, &instruments)?);
            say(format_args!("{name}: --url {url} --rest-url http://{address}"));
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
