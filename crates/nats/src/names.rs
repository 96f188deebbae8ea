use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use meltica_event::{Catalog, CatalogError, Instrument, InstrumentId, VenueId};

/// The catalog of a program that hears of venues and instruments while it runs. Clones are handles to the same
/// one; numbers once given stay.
///
/// Numbers mean something only within one program, so names travel, and each side has numbers of its own.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<RwLock<Catalog>>);

impl Names {
    /// Goes on from what the catalog has.
    pub fn new(catalog: Catalog) -> Self {
        Self(Arc::new(RwLock::new(catalog)))
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Catalog {
        self.read().clone()
    }

    /// Reads the catalog as it is now, without a copy; who gives numbers waits meanwhile.
    pub fn with<R>(&self, read: impl FnOnce(&Catalog) -> R) -> R {
        read(&self.read())
    }

    /// The number of the venue of this name, given now if it has none yet.
    ///
    /// # Errors
    ///
    /// [`CatalogError`], as [`Catalog::venue`].
    pub fn venue(&self, name: &str) -> Result<VenueId, CatalogError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).venue(name)
    }

    /// The number of this instrument, given now if it has none yet.
    ///
    /// # Errors
    ///
    /// [`CatalogError`], as [`Catalog::instrument`].
    pub fn instrument(&self, instrument: Instrument) -> Result<InstrumentId, CatalogError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).instrument(instrument)
    }

    /// Nothing panics while it is held for writing.
    fn read(&self) -> RwLockReadGuard<'_, Catalog> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
