use std::{sync::Arc, time::Duration};

use meltica_event::{InstrumentId, Sources, VenueId};
pub use meltica_orchestrator::Incomplete;

use crate::Problem;

/// Which messages of several venues are merged into one, when, and into what.
///
/// A rule keeps one window open for each instrument. The window closes when every venue of the rule is
/// in, when its time is up, or at a count of partials; see [`meltica_orchestrator`] for what is late
/// or repeated then. The messages themselves go on to their own consumers all the same, unless the
/// rule [holds](Self::hold) them.
///
/// ```
/// use std::time::Duration;
/// use meltica::{Consumer, MergeRule, Pipeline, Select, event::{Topic, VenueId}};
///
/// let venues = [VenueId(1), VenueId(2), VenueId(3)];
/// let pipeline = Pipeline::builder()
///     .merge(MergeRule::view("view", venues).window(Duration::from_millis(20)))
///     .merge(MergeRule::depth("depth", venues, 10))
///     .consumer(Consumer::new("strategy", |_| ()), [Select::all().topic(Topic::Merged)])
///     .build()?;
/// # Ok::<(), meltica::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MergeRule {
    pub(crate) name: Arc<str>,
    pub(crate) what: What,
    pub(crate) venues: Vec<VenueId>,
    pub(crate) instruments: Option<Vec<InstrumentId>>,
    pub(crate) published_as: VenueId,
    pub(crate) window: Duration,
    pub(crate) partials: usize,
    pub(crate) windows: usize,
    pub(crate) incomplete: Incomplete,
    pub(crate) bars: Option<Duration>,
    pub(crate) hold: bool,
}

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    View,
    Depth { levels: usize },
}

impl MergeRule {
    /// Tops of book and trades of these venues become one [`Merged`](meltica_event::Merged): the best
    /// bid and the best ask with whose they are, the last trade, and the volume-weighted average price
    /// and volume of the window's trades.
    ///
    /// Each venue's newest top of book counts, and every trade. A window is complete when it has a top
    /// of book of every venue; trades are not waited for. Of equal prices the larger quantity is the
    /// best, then the venue with the smaller id. The last trade is the one with the latest exchange
    /// time, then of the venue with the larger id, then with the larger sequence. An exchange time more
    /// than a minute ahead of the time of receipt is wrong, and the latter counts, here and for
    /// [bars](Self::bars).
    pub fn view(name: impl Into<Arc<str>>, venues: impl IntoIterator<Item = VenueId>) -> Self {
        Self::new(name.into(), What::View, venues)
    }

    /// The books of these venues become one [`Book`](meltica_event::Book) of kind
    /// [`MergedBook`](meltica_event::EventKind::MergedBook) with the best `levels` prices of each
    /// side, each with the quantities of all venues added up.
    ///
    /// The rule keeps every venue's book, and a window is complete when every venue's has changed in
    /// it. A venue is in from its first snapshot on: deltas before it say nothing. Quantities that add
    /// up to more than one can hold are the most it can.
    ///
    /// Messages are added up as they come, before the dispatcher has restored the order of
    /// [dense](meltica_event::Numbering::Dense) numbers: what fills a gap then goes back, and is left out. Let whoever reads the
    /// venue see to it that a book has no gap, as the adapters here do, and number it monotone.
    pub fn depth(
        name: impl Into<Arc<str>>,
        venues: impl IntoIterator<Item = VenueId>,
        levels: usize,
    ) -> Self {
        Self::new(name.into(), What::Depth { levels }, venues)
    }

    fn new(name: Arc<str>, what: What, venues: impl IntoIterator<Item = VenueId>) -> Self {
        Self {
            name,
            what,
            venues: venues.into_iter().collect(),
            instruments: None,
            published_as: VenueId::NONE,
            window: Duration::from_millis(100),
            partials: 64,
            windows: 256,
            incomplete: Incomplete::Suppress,
            bars: None,
            hold: false,
        }
    }

    /// Only these instruments. By default, all.
    pub fn instruments(mut self, instruments: impl IntoIterator<Item = InstrumentId>) -> Self {
        self.instruments = Some(instruments.into_iter().collect());
        self
    }

    /// The venue that merged messages name as theirs. By default none, [`VenueId::NONE`]. Rules of one
    /// kind for one instrument must name different ones, lest consumers take them for one stream.
    pub fn published_as(mut self, venue: VenueId) -> Self {
        self.published_as = venue;
        self
    }

    /// How long a window stays open. By default 100 ms.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many partials a window takes before it closes. By default 64.
    pub fn partials(mut self, partials: usize) -> Self {
        self.partials = partials;
        self
    }

    /// How many instruments may have a window open. By default 256. The pools grow with it.
    pub fn windows(mut self, windows: usize) -> Self {
        self.windows = windows;
        self
    }

    /// What becomes of a window that closes without some venue. By default it is suppressed, and
    /// counted; [`Incomplete::Mark`] merges it, and
    /// [`Sources::missing`](meltica_event::Sources::missing) says how many are missing.
    pub fn incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Cuts windows by exchange time in place of completeness: every window is one bar of this width,
    /// which closes when a partial of a later bar comes, or the width and [`window`](Self::window)
    /// after it opened. A partial of an earlier bar is late. A bar of more than
    /// [`partials`](Self::partials), or during which the routes flip, comes in several messages, each of
    /// what the one before it has not. For [views](Self::view).
    pub fn bars(mut self, width: Duration) -> Self {
        self.bars = Some(width);
        self
    }

    /// What is merged goes no further by itself.
    pub fn hold(mut self) -> Self {
        self.hold = true;
        self
    }

    /// Whether this rule and another would publish into one stream.
    fn collides(&self, other: &Self) -> bool {
        let kinds = |what| matches!(what, What::View);
        let shared = match (&self.instruments, &other.instruments) {
            (Some(mine), Some(theirs)) => mine.iter().any(|one| theirs.contains(one)),
            _ => true,
        };
        kinds(self.what) == kinds(other.what) && self.published_as == other.published_as && shared
    }

    /// Whether it merges what this venue says of this instrument.
    pub(crate) fn is_about(&self, instrument: InstrumentId, venue: VenueId) -> bool {
        let named = |instruments: &Vec<_>| instruments.contains(&instrument);
        self.venues.contains(&venue) && self.instruments.as_ref().is_none_or(named)
    }

    /// What is wrong with it, beside these others.
    pub(crate) fn check<'a>(&self, others: impl Iterator<Item = &'a Self> + Clone) -> Vec<Problem> {
        let rule = || self.name.to_string();
        let mut problems = vec![];
        let mut wrong = |wrong: bool, why: &'static str| {
            if wrong {
                problems.push(Problem::MergeRule { rule: rule(), why });
            }
        };
        wrong(self.name.trim().is_empty(), "it has no name");
        wrong(others.clone().any(|other| other.name == self.name), "another rule has its name");
        let collides = others.clone().any(|other| other.collides(self));
        wrong(
            collides,
            "another rule merges the same instruments into the same stream: give it a venue of its \
             own by published_as",
        );
        wrong(self.venues.is_empty(), "it merges no venue");
        wrong(self.venues.len() > Sources::MOST, "it merges more than 8 venues");
        let repeated = |(index, venue)| self.venues[..index].contains(venue);
        wrong(self.venues.iter().enumerate().any(repeated), "it names a venue twice");
        wrong(self.partials == 0, "its windows take no partials");
        wrong(self.partials < self.venues.len(), "its windows close before every venue can be in");
        wrong(self.windows == 0, "it has no window");
        wrong(
            self.partials.saturating_mul(self.windows) > 1 << 24,
            "its windows would hold more than 16,777,216 partials",
        );
        wrong(self.what == What::Depth { levels: 0 }, "its books have no level");
        let is_depth = matches!(self.what, What::Depth { .. });
        wrong(is_depth && self.bars.is_some(), "bars are for views");
        wrong(self.bars == Some(Duration::ZERO), "its bars have no width");
        problems
    }

    /// How many events its windows can hold. Of books they hold none.
    pub(crate) fn holds(&self) -> usize {
        match self.what {
            What::View => self.windows.saturating_mul(self.partials),
            What::Depth { .. } => 0,
        }
    }
}
