use std::collections::HashMap;

use crate::{Class, Protocol};

/// The current state of every stream that has one: its conflatable messages, all folded into one.
/// For lanes that ask for it when they subscribe. Belongs to the publisher.
pub(crate) struct CurrentState<P: Protocol> {
    index: HashMap<P::Key, usize>,
    /// In order of each stream's first message. Its state is `None` after a message that could not be had: the
    /// fold would have a hole, so the stream has no known state until a message starts it anew.
    streams: Vec<Stream<P>>,
}

struct Stream<P: Protocol> {
    state: Option<P::Message>,
    /// Whether some of its messages say nothing without what came before.
    has_deltas: bool,
}

impl<P: Protocol> CurrentState<P> {
    pub(crate) fn new() -> Self {
        Self { index: HashMap::new(), streams: vec![] }
    }

    /// Takes note of a message that is about to be delivered.
    pub(crate) fn note(&mut self, message: &P::Message, class: Class) {
        if class != Class::Conflatable {
            return;
        }
        let index = *self.index.entry(P::stream(message)).or_insert_with(|| {
            self.streams.push(Stream { state: None, has_deltas: false });
            self.streams.len() - 1
        });
        let Stream { state: held, has_deltas, .. } = &mut self.streams[index];
        *has_deltas |= !P::starts_state(message);
        match (held.as_mut(), P::duplicate(message, class)) {
            (Some(held), Some(newer)) => P::conflate(held, newer),
            (_, newer) => *held = newer.filter(P::starts_state),
        }
    }

    /// The state of one stream, if it is known.
    pub(crate) fn of(&self, stream: &P::Key) -> Option<&P::Message> {
        self.streams[*self.index.get(stream)?].state.as_ref()
    }

    /// The state of every stream, oldest stream first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &P::Message> + '_ {
        self.streams.iter().filter_map(|stream| stream.state.as_ref())
    }

    /// The state, where it is known, of the streams of which a part is worth nothing.
    pub(crate) fn with_deltas(&self) -> impl Iterator<Item = &P::Message> + '_ {
        let known = self.streams.iter().filter(|stream| stream.has_deltas);
        known.filter_map(|stream| stream.state.as_ref())
    }
}
