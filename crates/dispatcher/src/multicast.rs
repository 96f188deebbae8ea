//! How a message gets to its lanes: once, by way of the ring, and by a duplicate each to those that have left it.
//!
//! A lane leaves the ring when it is so far behind that the publisher would have to wait for it: what it has unread
//! goes into its backlog, where it gives way by class, and what is published from then on joins it there. Once its
//! backlog has room for a whole ring it enters the ring again with the next message. Without a ring every lane has left it.

use std::{
    sync::{
        Arc,
        atomic::{Ordering::SeqCst, fence},
    },
    time::{Duration, Instant},
};

use crate::{
    Class, DeathCause, Protocol,
    backlog::About,
    clock,
    contain::contain,
    crew::Crew,
    handler::Packet,
    lane::{GivenWay, Lane},
    ring::{Place, Taken, Writer},
    shared::{Shared, Sinks},
    topology::Topology,
};

/// How long the publisher waits for lanes that are all about as far, while the last of them is run.
const PATIENCE: Duration = Duration::from_millis(2);
/// And while it is not: that is the scheduler's doing.
const LENIENCE: Duration = Duration::from_millis(20);
/// How long who has read a message may take to say so to the publisher that waits for it.
const SETTLING: Duration = Duration::from_millis(5);
/// How often it looks before it gives its core away.
const SPINS: u32 = 64;

pub(crate) struct Multicast<P: Protocol> {
    writer: Option<Writer<Packet<P>>>,
    /// As the lanes of the topology in use.
    seats: Vec<Seat<P>>,
    /// By the writer's place, the seat.
    by_place: Vec<usize>,
    /// How many of the seats are not in the ring.
    away: usize,
    /// Something waits beside the ring since the last flush.
    has_pushed: bool,
    /// Whether others run the lanes meanwhile, so that waiting for them can help.
    threaded: bool,
    crew: Option<Arc<Crew>>,
    sinks: Arc<Sinks<P>>,
    /// Between calls empty; kept for their room.
    places: Vec<Place>,
    told: Vec<usize>,
    positions: Vec<u64>,
    given_way: Vec<GivenWay<P>>,
}

struct Seat<P: Protocol> {
    lane: Arc<Lane<P>>,
    /// Where there is a ring.
    place: Option<Place>,
    in_ring: bool,
}

impl<P: Protocol> Multicast<P> {
    pub(crate) fn new(writer: Option<Writer<Packet<P>>>, shared: &Shared<P>) -> Self {
        let (threaded, crew) = (shared.threaded, shared.crew.clone());
        let sinks = Arc::clone(&shared.sinks);
        let (seats, by_place, places, told) = (vec![], vec![], vec![], vec![]);
        let (positions, given_way) = (vec![], vec![]);
        Self {
            writer,
            seats,
            by_place,
            away: 0,
            has_pushed: false,
            threaded,
            crew,
            sinks,
            places,
            told,
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
                    Seat { lane: Arc::clone(&routed.lane), place, in_ring: false }
                }
            });
        }
        for seat in before {
            self.forget(&seat);
        }
        self.reclaim();
        self.away = self.seats.iter().filter(|seat| !seat.in_ring).count();
        for (index, seat) in self.seats.iter().enumerate() {
            if let Some(place) = seat.place {
                self.by_place.resize(self.by_place.len().max(place.index() + 1), usize::MAX);
                self.by_place[place.index()] = index;
            }
        }
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

    /// Hands a message to these lanes, by their number in the topology.
    pub(crate) fn send(&mut self, lanes: &[usize], message: P::Message, about: About<P::Key>) {
        self.make_room();
        self.has_pushed |= self.away > 0;
        self.places.clear();
        if self.away == 0 {
            self.places.extend(lanes.iter().filter_map(|index| self.seats[*index].place));
        } else if let [only] = lanes {
            if !self.is_in_ring(*only) {
                self.seats[*only].lane.push(message, about);
                return;
            }
            self.places.extend(self.seats[*only].place);
        } else {
            for index in lanes {
                if self.is_in_ring(*index) {
                    self.places.extend(self.seats[*index].place);
                } else {
                    self.send_aside(*index, &message, about);
                }
            }
        }
        if self.places.is_empty() {
            return;
        }
        if let Some(writer) = &mut self.writer {
            let alone = about.class == Class::Critical;
            drop(writer.put(Packet::new(message, about), alone, &self.places));
        }
    }

    /// Whether a lane is in the ring; if it has left and can, it enters.
    fn is_in_ring(&mut self, index: usize) -> bool {
        let seat = &mut self.seats[index];
        let (false, Some(writer), Some(place)) = (seat.in_ring, &mut self.writer, seat.place)
        else {
            return seat.in_ring;
        };
        let mut queue = seat.lane.lock();
        if queue.may_enter(writer.capacity() as usize) {
            if let Some(reader) = &mut queue.reader {
                writer.enter(place, reader);
                seat.in_ring = true;
                self.away -= 1;
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
        self.send_aside(index, message, about);
    }

    /// Shows the lanes what was sent to them, and wakes who sleeps over it.
    pub(crate) fn flush(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let (seats, by_place, told) = (&self.seats, &self.by_place, &mut self.told);
        writer.publish(|place| told.push(by_place[place.index()]));
        let has_pushed = std::mem::take(&mut self.has_pushed);
        if told.is_empty() && !has_pushed {
            return;
        }
        // See `Lane::next_asleep` and `Crew::sleep`.
        fence(SeqCst);
        if let Some(crew) = &self.crew {
            crew.wake_if_all_sleep();
        }
        for index in told.drain(..) {
            seats[index].lane.wake_if_asleep();
        }
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
        let seat = &mut self.seats[index];
        let (true, Some(writer), Some(place)) = (seat.in_ring, &mut self.writer, seat.place) else {
            return;
        };
        seat.in_ring = false;
        self.away += 1;
        let (lane, sinks, given_way) = (&*seat.lane, &self.sinks, &mut self.given_way);
        let mut held = lane.lock();
        let queue = &mut *held;
        let Some(mut reader) = queue.reader.take() else { return };
        writer.take_over(place, &mut reader, |taken| {
            let (about, message) = match taken {
                Taken::Own(packet) => (packet.about(), Some(packet.delivery.message)),
                Taken::Shared(packet) => {
                    (packet.about(), sinks.duplicate(&packet.delivery.message, packet.class))
                }
            };
            given_way.push(match message {
                Some(message) => lane.add(queue, message, about),
                None => lane.lose(queue, &about),
            });
        });
        queue.reader = Some(reader);
        drop(held);
        self.has_pushed = true;
        lane.wake_if_asleep();
        for given_way in given_way.drain(..) {
            contain("what gave way, when dropped,", || lane.tell(given_way));
        }
    }

    /// Sees to it that there is room in the ring.
    #[inline]
    fn make_room(&mut self) {
        if self.writer.as_ref().is_some_and(|writer| !writer.has_room()) {
            self.wait_for_room();
        }
    }

    #[cold]
    fn wait_for_room(&mut self) {
        // Nobody reads what nobody was shown.
        self.flush();
        let mut begun = None;
        let mut spins = 0;
        loop {
            let Some(writer) = &mut self.writer else { return };
            writer.look(drop_contained);
            // More than a bit, so that this is not for every message.
            let (next, capacity) = (writer.next(), writer.capacity());
            let slowest = writer.slowest();
            if next - slowest <= capacity - (capacity / 4).max(1) {
                return;
            }
            let limit = if !self.threaded {
                Some(slowest + 1)
            } else if let Some(median) = self.median().filter(|m| m - slowest >= capacity / 2) {
                // Only who is far behind the others is slow.
                Some(median - capacity / 2 + 1)
            } else if self.has_waited_enough(slowest, *begun.get_or_insert_with(clock::now)) {
                Some(slowest + (capacity / 4).max(1))
            } else {
                None
            };
            match limit {
                Some(limit) => self.leave_behind(limit),
                None => {
                    spins += 1;
                    if spins < SPINS {
                        std::hint::spin_loop();
                    } else {
                        std::thread::yield_now();
                    }
                }
            }
        }
    }

    /// Whether the lanes that are at a number have been waited for long enough.
    fn has_waited_enough(&mut self, slowest: u64, begun: Instant) -> bool {
        let Some(writer) = &mut self.writer else { return true };
        let waited = clock::now() - begun;
        let mut last = self.seats.iter().filter(|seat| {
            let behind = seat.place.filter(|_| seat.in_ring).and_then(|p| writer.behind(p));
            behind == Some(slowest)
        });
        waited > LENIENCE || (waited > PATIENCE && last.any(|seat| seat.lane.is_running()))
    }

    /// Where the lane is that as many are ahead of as are behind.
    fn median(&mut self) -> Option<u64> {
        let writer = self.writer.as_mut()?;
        let next = writer.next();
        let at = &mut self.positions;
        at.clear();
        for seat in self.seats.iter().filter(|seat| seat.in_ring) {
            at.extend(seat.place.map(|place| writer.behind(place).unwrap_or(next)));
        }
        at.sort_unstable();
        at.get(at.len() / 2).copied()
    }

    /// Has every lane leave the ring that is before a number.
    fn leave_behind(&mut self, limit: u64) {
        for index in 0..self.seats.len() {
            let Some(writer) = &mut self.writer else { return };
            let seat = &self.seats[index];
            let behind = seat.place.filter(|_| seat.in_ring).and_then(|place| writer.behind(place));
            if behind.is_some_and(|behind| behind < limit) {
                self.leave(index);
            }
        }
    }

    /// Has every lane leave the ring, to wait beside it.
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
