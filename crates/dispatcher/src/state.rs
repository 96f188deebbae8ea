use std::collections::HashMap;

use crate::{Class, Protocol};

/// The current state of every stream that has one: its conflatable messages, all folded into one.
/// For lanes that ask for it when they subscribe. Belongs to the publisher.
pub(crate) struct CurrentState<P: Protocol> {
    index: HashMap<P::Key, usize>,
    /// In order of each stream's first message. `None` after a message that could not be had: the
    /// fold would have a hole, so the stream has no known state until a message starts it anew.
    streams: Vec<Option<P::Message>>,
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
            self.streams.push(None);
            self.streams.len() - 1
        });
        let held = &mut self.streams[index];
        match (held.as_mut(), P::duplicate(message, class)) {
            (Some(held), Some(newer)) => P::conflate(held, newer),
            (_, newer) => *held = newer.filter(P::starts_state),
        }
    }

    /// The state of one stream, if it is known.
    pub(crate) fn of(&self, stream: &P::Key) -> Option<&P::Message> {
        self.streams[*self.index.get(stream)?].as_ref()
    }

    /// The state of every stream, oldest stream first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &P::Message> + '_ {
        self.streams.iter().flatten()
    }
}
