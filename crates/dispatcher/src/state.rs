use rustc_hash::FxHashMap;

use crate::{Class, Protocol, topology::Topology};

/// The current state of every stream that has one: its conflatable messages, all folded into one.
/// For lanes that ask for it when they subscribe. Belongs to the publisher.
pub(crate) struct CurrentState<P: Protocol> {
    index: FxHashMap<P::Key, usize>,
    /// In order of each stream's first message. Its state is `None` after a message that could not be
    /// had: the fold would have a hole, so the stream has no known state until a message starts it
    /// anew.
    streams: Vec<Stream<P>>,
}

struct Stream<P: Protocol> {
    state: Option<P::Message>,
    /// How many flips there had been at its last message.
    flips: u64,
}

impl<P: Protocol> CurrentState<P> {
    pub(crate) fn new() -> Self {
        Self { index: FxHashMap::default(), streams: vec![] }
    }

    /// Takes note of a message that is about to be delivered under this snapshot. Answers whether it is the
    /// first of its stream after a flip and says nothing without what came before, which may have been
    /// filtered.
    pub(crate) fn note(
        &mut self,
        message: &P::Message,
        class: Class,
        topology: &Topology<P>,
    ) -> bool {
        if class != Class::Conflatable {
            return false;
        }
        let index = *self.index.entry(P::stream(message)).or_insert_with(|| {
            self.streams.push(Stream { state: None, flips: topology.flips });
            self.streams.len() - 1
        });
        let Stream { state: held, flips: before } = &mut self.streams[index];
        let is_first = std::mem::replace(before, topology.flips) != topology.flips;
        match (held.as_mut(), P::duplicate(message, class)) {
            (Some(held), Some(newer)) => {
                P::conflate(held, newer);
                // Here, where nobody else has it: a duplicate may share what it says.
                P::stamp(held, topology.version);
            }
            (_, newer) => *held = newer.filter(P::starts_state),
        }
        is_first && !P::starts_state(message)
    }

    /// What lies between the stream's last message and this one never came: if this one says nothing
    /// without it, the state is not known any more.
    pub(crate) fn lose(&mut self, message: &P::Message) {
        if P::starts_state(message) {
            return;
        }
        if let Some(index) = self.index.get(&P::stream(message)) {
            self.streams[*index].state = None;
        }
    }

    /// The state of one stream, if it is known.
    pub(crate) fn of(&self, stream: &P::Key) -> Option<&P::Message> {
        self.streams[*self.index.get(stream)?].state.as_ref()
    }

    /// The state of every stream, oldest stream first.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut P::Message> + '_ {
        self.streams.iter_mut().filter_map(|stream| stream.state.as_mut())
    }
}
