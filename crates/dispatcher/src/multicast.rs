//! How a message gets to its lanes: once, by way of the ring, by a duplicate each to those that have left it, and at
//! once to those that the publisher runs.
//!
//! A lane that is so far behind that the publisher would have to wait for it is spilled: what it has unread, and nobody
//! else is at, goes into its backlog, where it gives way by class, and the lane goes on in the ring behind that. A lane
//! that is paused leaves the ring, as does one that is far behind where lanes are stepped: what is published from then on
//! joins what waits, until it enters again. Without a ring every lane has left it.

use std::{sync::Arc, time::Duration};

use crate::{
    Cancel, Class, DeathCause, Protocol,
    backlog::About,
    clock,
    contain::contain,
    crew::Crew,
    handler::Packet,
    lane::{GivenWay, Inline, Lane},
    ring::{Address, Place, Taken, Writer},
    shared::{Shared, Sinks},
    sync::{Ordering::SeqCst, fence},
    topology::Topology,
};

mod inline;
mod room;

pub use self::room::WhenFull;

/// How long who has read a message may take to say so to the publisher that waits for it.
const SETTLING: Duration = Duration::from_millis(5);
pub(crate) struct Multicast<P: Protocol> {
    writer: Option<Writer<Packet<P>>>,
    /// As the lanes of the topology in use.
    seats: Vec<Seat<P>>,
    /// How many times any lane entered or left the ring, or the publisher took it or let it go.
    changes: u64,
    /// Something waits beside the ring since the last flush.
    has_pushed: bool,
    /// Whether others run the lanes meanwhile, so that waiting for them can help.
    threaded: bool,
    crew: Option<Arc<Crew>>,
    /// The seats of lanes with a thread of their own, and how many times one got or gave up its thread before that.
    own: Vec<usize>,
    own_changes: u64,
    sinks: Arc<Sinks<P>>,
    /// The publisher's thread, by name, and what ends what is done there for a lane.
    here: Arc<str>,
    cancel: Cancel,
    when_full: WhenFull,
    inline_limit: Option<Duration>,
    /// How many messages are handed out inline before one is measured.
    unmeasured: u32,
    /// The last one that was measured took long enough for a lane to be too slow.
    is_one_slow: bool,
    /// Between calls empty; kept for their room.
    positions: Vec<u64>,
    given_way: Vec<GivenWay<P>>,
}

/// The lanes of a message, by their number in the topology, and how they are reached.
#[derive(Default)]
pub(crate) struct Audience {
    lanes: Vec<usize>,
    /// Those of them that are in the ring.
    address: Address,
    /// Those that the publisher runs.
    inline: Vec<usize>,
    /// And those that are neither.
    aside: Vec<usize>,
    /// When that was found out; zero is never.
    changes: u64,
}

impl Audience {
    pub(crate) fn lanes(&self) -> &[usize] {
        &self.lanes
    }

    /// Others in place of these.
    pub(crate) fn change_to(&mut self, lanes: impl IntoIterator<Item = usize>) {
        self.lanes.clear();
        self.lanes.extend(lanes);
        self.changes = 0;
    }
}

struct Seat<P: Protocol> {
    lane: Arc<Lane<P>>,
    /// Where there is a ring.
    place: Option<Place>,
    in_ring: bool,
    /// While the publisher runs it.
    inline: Option<Inline<P>>,
}

impl<P: Protocol> Multicast<P> {
    pub(crate) fn new(
        writer: Option<Writer<Packet<P>>>,
        shared: &Shared<P>,
        here: Arc<str>,
    ) -> Self {
        let (threaded, crew) = (shared.threaded, shared.crew.clone());
        let sinks = Arc::clone(&shared.sinks);
        let (seats, own, positions, given_way) = (vec![], vec![], vec![], vec![]);
        Self {
            writer,
            seats,
            changes: 1,
            has_pushed: false,
            threaded,
            crew,
            own,
            own_changes: 0,
            sinks,
            here,
            cancel: shared.cancel.clone(),
            when_full: shared.when_full,
            inline_limit: shared.inline_limit,
            unmeasured: 0,
            is_one_slow: false,
            positions,
            given_way,
        }
    }

    /// Changes to the lanes of another topology.
    pub(crate) fn change_lanes(&mut self, topology: &Topology<P>) {
        let mut before = std::mem::take(&mut self.seats);
        for routed in topology.lanes.iter() {
            let known = before.iter().position(|seat| seat.lane.id == routed.lane.id);
            self.seats.push(match known {
                Some(known) => before.swap_remove(known),
                None => {
                    let queue = routed.lane.lock();
                    let meet = |writer: &mut Writer<_>| Some(writer.meet(queue.reader.as_ref()?));
                    let place = self.writer.as_mut().and_then(meet);
                    drop(queue);
                    Seat { lane: Arc::clone(&routed.lane), place, in_ring: false, inline: None }
                }
            });
        }
        for mut seat in before {
            seat.let_go();
            self.forget(&seat);
        }
        for index in 0..self.seats.len() {
            if self.seats[index].lane.is_inline() {
                self.leave(index);
            } else {
                self.let_go(index);
            }
        }
        self.changes += 1;
        self.reclaim();
        self.find_own();
    }

    /// A lane has closed; what was sent to it meanwhile is discarded.
    fn forget(&mut self, seat: &Seat<P>) {
        let (Some(writer), Some(place)) = (&mut self.writer, seat.place) else { return };
        let (lane, sinks) = (&seat.lane, &self.sinks);
        let mut gone = vec![];
        let mut queue = lane.lock();
        let Some(reader) = queue.reader.as_mut() else { return };
        writer.forget(place, reader, |taken| {
            gone.push(match taken {
                Taken::Own(packet) => (packet.about(), Some(packet.delivery.message)),
                Taken::Shared(packet) if packet.class == Class::Critical => {
                    (packet.about(), sinks.duplicate(&packet.delivery.message, packet.class))
                }
                Taken::Shared(packet) => (packet.about(), None),
            });
        });
        drop(queue);
        for (About { class, watch, .. }, message) in gone {
            contain("a message, when dropped,", || match message {
                Some(message) => lane.discard(message, class, watch, DeathCause::Unsubscribed),
                None => lane.discard_shared(watch),
            });
        }
    }

    /// Hands a message to its lanes.
    #[inline]
    pub(crate) fn send(
        &mut self,
        audience: &mut Audience,
        message: P::Message,
        about: &About<P::Key>,
    ) {
        if audience.changes != self.changes || !audience.aside.is_empty() {
            self.find(audience);
        }
        if !audience.address.is_empty() && self.is_full() {
            self.wait_for_room();
            if audience.changes != self.changes {
                self.find(audience);
            }
        }
        if !audience.inline.is_empty() && self.cancel.is_cancelled() {
            // Nothing is delivered any more, here neither.
            self.let_all_go();
            self.find(audience);
        }
        // From here on everybody has it as found.
        let mut message = message;
        if !audience.inline.is_empty() {
            match self.run_inline(audience, message, about) {
                Some(left) => message = left,
                None => return,
            }
        }
        if !audience.aside.is_empty() {
            self.has_pushed = true;
            if let ([only], true) = (&*audience.aside, audience.address.is_empty()) {
                self.seats[*only].lane.push(message, *about);
                return;
            }
            for index in &audience.aside {
                self.send_aside(*index, &message, *about);
            }
        }
        if audience.address.is_empty() {
            return;
        }
        if let Some(writer) = &mut self.writer {
            let alone = about.class == Class::Critical;
            drop(writer.put(alone, &audience.address, || Packet::new(message, about)));
        }
    }

    /// Finds out how an audience is reached. Who is to be inline and can, is from now on; who has left the ring and can,
    /// enters.
    fn find(&mut self, audience: &mut Audience) {
        let Audience { lanes, address, inline, aside, changes } = audience;
        inline.clear();
        aside.clear();
        for index in lanes.iter() {
            if self.is_inline(*index) {
                inline.push(*index);
            } else if !self.is_in_ring(*index) {
                aside.push(*index);
            }
        }
        let is_old = *changes != self.changes;
        if let Some(writer) = self.writer.as_ref().filter(|_| is_old) {
            let places = lanes.iter().filter_map(|lane| self.seats[*lane].place);
            writer.write_address(address, places);
        }
        *changes = self.changes;
    }

    /// Whether a lane is in the ring; if it has left and can, it enters.
    fn is_in_ring(&mut self, index: usize) -> bool {
        let seat = &mut self.seats[index];
        let (false, Some(writer), Some(place)) = (seat.in_ring, &mut self.writer, seat.place)
        else {
            return seat.in_ring;
        };
        if seat.lane.is_inline() {
            return false;
        }
        let mut queue = seat.lane.lock();
        // Who has threads is soon at it. Where lanes are stepped, what gives way is not to depend on the ring.
        if queue.may_enter(writer.capacity() as usize, !self.threaded) {
            if let Some(reader) = &mut queue.reader {
                writer.enter(place, reader);
                seat.in_ring = true;
                self.changes += 1;
            }
        }
        seat.in_ring
    }

    fn send_aside(&self, index: usize, message: &P::Message, about: About<P::Key>) {
        let lane = &self.seats[index].lane;
        match self.sinks.duplicate(message, about.class) {
            Some(duplicate) => lane.push(duplicate, about),
            None => lane.miss(about),
        }
    }

    /// Sends a duplicate to a lane that is new, and so has nothing in the ring.
    pub(crate) fn send_first(&mut self, index: usize, message: &P::Message, about: About<P::Key>) {
        self.has_pushed = true;
        self.let_go(index);
        self.send_aside(index, message, about);
    }

    /// Shows the lanes what was sent to them, and wakes who sleeps over it.
    pub(crate) fn flush(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let is_told = writer.publish();
        let has_pushed = std::mem::take(&mut self.has_pushed);
        if !is_told && !has_pushed {
            return;
        }
        let Some(crew) = &self.crew else { return };
        // See `Bench::sleep` and `OwnThread::sleep`.
        fence(SeqCst);
        crew.wake_if_all_sleep();
        if crew.own.are_asleep() {
            self.wake_own();
        }
    }

    /// Whether nobody is awake to whom something could be shown: a hint.
    pub(crate) fn all_sleep(&self) -> bool {
        self.crew.as_ref().is_some_and(|crew| crew.all_sleep())
    }

    /// Wakes the lanes with a thread of their own that have something to do.
    #[cold]
    fn wake_own(&mut self) {
        if self.crew.as_ref().is_some_and(|crew| crew.own.changes() != self.own_changes) {
            self.find_own();
        }
        for index in &self.own {
            let lane = &self.seats[*index].lane;
            if !lane.is_idle() {
                lane.wake_if_asleep();
            }
        }
    }

    /// Sees which lanes have a thread of their own.
    fn find_own(&mut self) {
        let Some(crew) = &self.crew else { return };
        self.own_changes = crew.own.changes();
        self.own.clear();
        let seats = self.seats.iter().enumerate();
        self.own.extend(seats.filter(|(_, seat)| seat.lane.has_own_thread()).map(|(at, _)| at));
    }

    /// Drops what everybody has read.
    pub(crate) fn reclaim(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.look(drop_contained);
            writer.reclaim(drop_contained);
        }
    }

    /// Drops what everybody has read, once these lanes, which have said that they are done with it, have given it back:
    /// that takes a moment longer.
    pub(crate) fn settle(&mut self, lanes: &[Arc<Lane<P>>]) {
        let begun = clock::now();
        let is_at_it = |lane: &Arc<Lane<P>>| lane.is_running();
        while self.threaded && lanes.iter().any(is_at_it) && clock::now() - begun < SETTLING {
            std::thread::yield_now();
        }
        self.reclaim();
    }

    /// Has a lane leave the ring, so that all that waits for it is in its backlog.
    pub(crate) fn leave(&mut self, index: usize) {
        self.set_aside(index, None);
        let seat = &mut self.seats[index];
        self.changes += u64::from(std::mem::take(&mut seat.in_ring));
    }

    /// Puts what a lane has unread into its backlog: what nobody else is at, and in any case what lies before a number; or
    /// all of it, and then it is not in the ring any more.
    fn set_aside(&mut self, index: usize, limit: Option<u64>) {
        let seat = &self.seats[index];
        let (true, Some(writer), Some(place)) = (seat.in_ring, &mut self.writer, seat.place) else {
            return;
        };
        let (lane, sinks, given_way) = (&*seat.lane, &self.sinks, &mut self.given_way);
        let mut held = lane.lock();
        let queue = &mut *held;
        let Some(mut reader) = queue.reader.take() else { return };
        let set_aside = |taken: Taken<'_, Packet<P>>| {
            let (about, message) = match taken {
                Taken::Own(packet) => (packet.about(), Some(packet.delivery.message)),
                Taken::Shared(packet) => {
                    (packet.about(), sinks.duplicate(&packet.delivery.message, packet.class))
                }
            };
            let gives_way = match message {
                Some(message) => lane.add(queue, message, &about),
                None => lane.lose(queue, &about),
            };
            if !gives_way.is_nothing() {
                given_way.push(gives_way);
            }
        };
        match limit {
            Some(limit) => writer.spill(place, &mut reader, limit, set_aside),
            None => writer.take_over(place, &mut reader, set_aside),
        }
        queue.reader = Some(reader);
        drop(held);
        self.has_pushed = true;
        lane.wake_if_asleep();
        for given_way in given_way.drain(..) {
            contain("what gave way, when dropped,", || lane.tell(given_way));
        }
    }

    /// Has every lane leave the ring, to wait beside it. None is run by the publisher any more.
    pub(crate) fn leave_all(&mut self) {
        self.flush();
        for index in 0..self.seats.len() {
            self.leave(index);
        }
        self.reclaim();
    }
}

fn drop_contained<T>(message: T) {
    contain("a message, when dropped,", || drop(message));
}
