use std::{fmt, sync::Arc};

use crate::{Protocol, contain::contain, lane::Lane};

type Pattern<K> = Arc<dyn Fn(&K) -> bool + Send + Sync>;

/// What a lane is for.
#[derive(Clone)]
pub enum Route<K> {
    /// The messages of one key.
    Key(K),
    /// The messages whose key matches: all of a venue, all of a kind. See [`Route::matching`].
    Matching(Pattern<K>),
    /// Every message.
    All,
}

impl<K: PartialEq> Route<K> {
    /// The messages whose key satisfies `pattern`. It is asked once for each key and snapshot, on
    /// the publisher's thread; one that panics takes nothing of that key, and the log says so.
    pub fn matching(pattern: impl Fn(&K) -> bool + Send + Sync + 'static) -> Self {
        Self::Matching(Arc::new(pattern))
    }

    pub(crate) fn takes(&self, key: &K) -> bool {
        match self {
            Self::Key(wanted) => wanted == key,
            // A pattern of one consumer's must not end what everybody's messages pass through.
            Self::Matching(pattern) => contain("a pattern", || pattern(key)).unwrap_or(false),
            Self::All => true,
        }
    }
}

impl<K: fmt::Debug> fmt::Debug for Route<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Self::Matching(_) => f.write_str("Matching(..)"),
            Self::All => f.write_str("All"),
        }
    }
}

/// An immutable snapshot of who gets what. Messages are stamped with the version of the one that
/// routes them.
pub(crate) struct Topology<P: Protocol> {
    /// Which snapshot it is, from 1 on.
    pub(crate) edition: u64,
    /// What messages are stamped with: the edition; where another dispatcher's versions are followed, the highest of
    /// these.
    pub(crate) version: u64,
    /// How many of the versions were flips: what waits for order belongs before the flip.
    pub(crate) flips: u64,
    /// Whether another dispatcher's versions are followed.
    pub(crate) follows: bool,
    /// Shared by snapshots between which only flips lie.
    pub(crate) lanes: Arc<[Routed<P>]>,
}

impl<P: Protocol> Topology<P> {
    /// The next snapshot, of other lanes.
    pub(crate) fn with(&self, lanes: Vec<Routed<P>>) -> Self {
        let version = if self.follows { self.version } else { self.version + 1 };
        Self { edition: self.edition + 1, version, lanes: lanes.into(), ..*self }
    }

    /// The next snapshot, of the same lanes, to which messages belong from this version on.
    pub(crate) fn flipped_to(&self, version: u64) -> Self {
        let lanes = Arc::clone(&self.lanes);
        Self { edition: self.edition + 1, version, flips: self.flips + 1, lanes, ..*self }
    }
}

pub(crate) struct Routed<P: Protocol> {
    pub(crate) lane: Arc<Lane<P>>,
    pub(crate) routes: Arc<[Route<P::Key>]>,
}

impl<P: Protocol> Routed<P> {
    pub(crate) fn takes(&self, key: &P::Key) -> bool {
        self.routes.iter().any(|route| route.takes(key))
    }
}

impl<P: Protocol> Clone for Routed<P> {
    fn clone(&self) -> Self {
        Self { lane: Arc::clone(&self.lane), routes: Arc::clone(&self.routes) }
    }
}
