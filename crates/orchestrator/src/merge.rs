use std::hash::Hash;

use crate::Window;

/// What is merged, and how: implemented on a type of yours, never on the message, so that messages of
/// any origin will do. It may hold what merging needs: the expected sources, the pool that merged
/// messages come from.
///
/// The functions must answer the same for the same partial. One that panics unwinds out of the call
/// that asked it; the window that `merge` panicked on is lost and counted as unmade, nothing else.
pub trait Merge {
    /// A partial view. Dropped when its window has been merged, or refused.
    type Partial;
    /// What partial views are of: one window is open for each.
    type Key: Copy + Eq + Hash;
    /// Who gives partial views. A source's partials that number independently (quotes and trades of
    /// one venue) are of different sources.
    type Source: Copy + Ord;
    /// What a window becomes.
    type Merged;

    /// What this is a view of.
    fn key(&self, partial: &Self::Partial) -> Self::Key;

    /// Who gives it.
    fn source(&self, partial: &Self::Partial) -> Self::Source;

    /// Its place among its source's partials of this key: by it, repeats and late ones are known.
    /// Without one, which is the default, none is ever late or repeated.
    fn sequence(&self, partial: &Self::Partial) -> Sequence {
        let _ = partial;
        Sequence::Unsequenced
    }

    /// The sources without which a window of this key is incomplete, each once. A window in which all
    /// of them are closes at once. With none, which is the default, only time, count and period close
    /// a window, and it is never incomplete.
    fn expected(&self, key: Self::Key) -> &[Self::Source] {
        let _ = key;
        &[]
    }

    /// Whether every partial of this one's source counts, as trades do. By default the newest of a
    /// source stands for it, as with quotes.
    fn keeps_each(&self, partial: &Self::Partial) -> bool {
        let _ = partial;
        false
    }

    /// The period that this view belongs to, where windows are cut by the partials' own clock: the
    /// minute of a bar, the number of an auction. Periods of a key only grow: a partial of a later
    /// one closes the open window, a partial of an earlier one is late. A window that is full or flushed
    /// ends no period: the rest comes in a further one. Expect no sources then,
    /// unless a complete window is to end its period early. By default there are none, and
    /// a window is cut by arrival alone.
    fn period(&self, partial: &Self::Partial) -> Option<u64> {
        let _ = partial;
        None
    }

    /// Makes one message of a closed window; `None` if that cannot be, as with an empty pool: then the
    /// window is lost, and counted as unmade.
    fn merge(&mut self, window: Window<'_, Self>) -> Option<Self::Merged>;
}

/// A partial's place among those of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// There is none: the order of arrival counts.
    Unsequenced,
    /// The greater, the newer. Numbers may skip.
    Numbered(u64),
    /// The source starts again from this number, whatever came before.
    Rebase(u64),
}
