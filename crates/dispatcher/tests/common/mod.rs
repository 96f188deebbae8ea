//! A protocol for tests: messages that know what they are, and count who is alive.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::{Arc, Mutex};

use meltica_dispatcher::{Builder, Class, Delivery, Dispatcher, Protocol, Sequence};

pub(crate) enum Test {}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) key: u32,
    pub(crate) class: Class,
    pub(crate) sequence: Sequence,
    /// What it says; folding adds the newer one's numbers at the end.
    pub(crate) numbers: Vec<u64>,
    pub(crate) version: u64,
    pub(crate) is_duplicate: bool,
    /// As many as there are messages alive.
    pub(crate) alive: Arc<()>,
    /// Whether duplicates cannot be had.
    pub(crate) pool_is_empty: bool,
    /// Whether it says nothing without what came before.
    pub(crate) is_delta: bool,
}

pub(crate) fn message(key: u32, class: Class, number: u64) -> Message {
    Message {
        key,
        class,
        sequence: Sequence::Unsequenced,
        numbers: vec![number],
        version: 0,
        is_duplicate: false,
        alive: Arc::new(()),
        pool_is_empty: false,
        is_delta: false,
    }
}

impl Message {
    pub(crate) fn sequenced(self, sequence: Sequence) -> Self {
        Self { sequence, ..self }
    }
}

impl Protocol for Test {
    type Message = Message;
    type Key = u32;
    type Fault = String;

    fn key(message: &Message) -> u32 {
        message.key
    }

    fn class(message: &Message) -> Class {
        message.class
    }

    fn duplicate(message: &Message, class: Class) -> Option<Message> {
        (class == Class::Critical || !message.pool_is_empty).then(|| Message {
            numbers: message.numbers.clone(),
            alive: Arc::clone(&message.alive),
            is_duplicate: true,
            ..*message
        })
    }

    fn sequence(message: &Message) -> Sequence {
        message.sequence
    }

    fn stamp(message: &mut Message, version: u64) {
        message.version = version;
    }

    fn trace(message: &Message) -> u64 {
        message.numbers[0]
    }

    fn starts_state(message: &Message) -> bool {
        !message.is_delta
    }

    fn conflate(held: &mut Message, newer: Message) {
        held.numbers.extend(&newer.numbers);
        held.version = newer.version;
    }
}

pub(crate) fn stepped() -> Builder<Test> {
    Dispatcher::builder().workers(0)
}

/// What a consumer saw, for the test to look at.
pub(crate) type Seen = Arc<Mutex<Vec<Delivery<Message>>>>;

pub(crate) fn recorder() -> (Seen, impl FnMut(Delivery<Message>) + Send + 'static) {
    let seen = Seen::default();
    let mine = Arc::clone(&seen);
    (seen, move |delivery| mine.lock().expect("no test panics here").push(delivery))
}

/// The numbers seen, folded ones in brackets with their fellows.
pub(crate) fn numbers(seen: &Seen) -> Vec<Vec<u64>> {
    seen.lock().expect("no test panics here").iter().map(|d| d.numbers.clone()).collect()
}

pub(crate) fn run_all(dispatcher: &mut Dispatcher<Test>) {
    while dispatcher.run_once() {}
}
