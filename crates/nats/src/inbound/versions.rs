use crate::{Envelope, OriginName};

/// The highest routing version that is believed: nine years of a flip a microsecond. A higher one is no version but an
/// error of its sender's, after which there would be none that is higher.
const HIGHEST: u64 = 1 << 48;

/// Whose routing versions are followed, and what they are here: the sender's own as long as it runs, and still growing
/// after it has started again from 1.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    followed: Option<OriginName>,
    incarnation: u64,
    /// Up to this one, others than the present are over.
    over: u64,
    offset: u64,
    highest: u64,
}

impl Versions {
    /// Follows this sender; without one, the first that is heard of.
    pub(crate) fn new(followed: Option<OriginName>) -> Self {
        Self { followed, ..Self::default() }
    }

    /// What this version is here. 0, which the pipeline takes for its present version, for other senders, whose versions
    /// mean nothing beside the followed one's, for what the followed one sent before its last start, and for what cannot
    /// be one.
    pub(crate) fn here(&mut self, from: &Envelope, version: u64) -> u64 {
        let followed = *self.followed.get_or_insert_with(|| {
            tracing::info!(origin = %from.origin, "following the routing versions of the first sender heard");
            from.origin
        });
        if version > HIGHEST {
            tracing::debug!(origin = %from.origin, version, "no routing version; passed over");
        }
        if !(1..=HIGHEST).contains(&version)
            || from.origin != followed
            || from.incarnation != self.incarnation && from.incarnation <= self.over
        {
            return 0;
        }
        if from.incarnation != self.incarnation {
            self.begin(from.incarnation);
        }
        let here = self.offset.saturating_add(version);
        self.highest = self.highest.max(here);
        here
    }

    /// This sender's clock has gone back, so that its present start seems to be before its last.
    pub(crate) fn go_back(&mut self, from: &Envelope) {
        if self.followed == Some(from.origin) && self.incarnation != from.incarnation {
            self.begin(from.incarnation);
        }
    }

    fn begin(&mut self, incarnation: u64) {
        self.over = self.over.max(self.incarnation).max(incarnation);
        self.incarnation = incarnation;
        self.offset = self.highest;
    }
}

#[cfg(test)]
mod tests;
