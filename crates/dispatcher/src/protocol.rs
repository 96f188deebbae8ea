use std::{fmt, hash::Hash};

/// What the dispatcher must know about a message, said by a marker type of the user's, so that
/// messages of any origin will do and nothing is asked of them.
///
/// `key`, `stream`, `class`, `sequence`, `stamp` and `conflate` run on the publisher's thread, the
/// others on any. All must be quick, must not panic and must not call into the dispatcher: some run
/// under its locks.
///
/// Within a stream, market data should be of one class: each class gives way by itself, so that
/// under pressure a stream of two classes is in order within each only.
pub trait Protocol: 'static {
    /// What is dispatched. Dropping one must be all it takes to clean up after it. Several consumers may read one
    /// at the same time.
    type Message: Send + Sync + 'static;
    /// What routes are keyed by. Looked up with a hash that is fast and not proof against keys made to collide: keys are
    /// the application's, such as instruments that it subscribed to, not whatever a peer sends.
    type Key: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static;
    /// What a consumer's failure says.
    type Fault: Send + 'static;

    /// What this message is routed by.
    fn key(message: &Self::Message) -> Self::Key;

    /// What may happen to this message under pressure.
    fn class(message: &Self::Message) -> Class;

    /// An equal message for one more consumer. `None` (the pool is empty) costs that consumer this
    /// message, counted and told; a [`Class::Critical`] one must not fail, so take it from the heap.
    fn duplicate(message: &Self::Message, class: Class) -> Option<Self::Message>;

    /// Within what this message keeps its order, and is folded. By default, its key.
    fn stream(message: &Self::Message) -> Self::Key {
        Self::key(message)
    }

    /// Where in its stream it stands. By default, wherever it arrives. Not asked of critical
    /// messages: they are never held or dropped for order.
    fn sequence(_message: &Self::Message) -> Sequence {
        Sequence::Unsequenced
    }

    /// Writes the version of the snapshot that routes it into the message. By default, nothing.
    fn stamp(_message: &mut Self::Message, _version: u64) {}

    /// The version that is written in the message; zero if it has none yet. Asked where another dispatcher's versions are
    /// [followed](crate::Builder::follows_upstream). By default, zero.
    fn version(_message: &Self::Message) -> u64 {
        0
    }

    /// The number by which faults and reports name the message. By default, zero.
    fn trace(_message: &Self::Message) -> u64 {
        0
    }

    /// Whether the current state of a stream can begin with this conflatable message: false for a
    /// delta, which says nothing without what it changes. By default true.
    fn starts_state(_message: &Self::Message) -> bool {
        true
    }

    /// Folds a newer conflatable message of the same stream into one not yet delivered, so that
    /// whoever sees only the result misses nothing that still matters. By default the newer one
    /// replaces it, which is right for quotes and snapshots, and wrong for deltas.
    fn conflate(held: &mut Self::Message, newer: Self::Message) {
        *held = newer;
    }
}

/// What may happen to a message when a consumer does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing: delivered exactly once and in order, whatever it takes. Execution reports, control.
    Critical,
    /// Folded with others of its stream; the newest state always arrives. Quotes, books, views.
    Conflatable,
    /// Kept in order as long as there is room, then the oldest is dropped. Trades.
    Sequential,
}

/// How a message stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sequence {
    /// In order of arrival.
    Unsequenced,
    /// Numbers grow but may skip: never waited for; what does not grow is dropped and counted.
    Monotone(u64),
    /// Each number is the last plus one: later ones wait for a missing one, for a while; what is
    /// not newer is dropped and counted.
    Dense(u64),
    /// The stream starts again from this number, whatever came before.
    Rebase(u64),
}
