//! What the publisher does when the ring is full: how long it waits, and who leaves.

use std::time::{Duration, Instant};

use super::{Multicast, Seat, drop_contained};
use crate::{Protocol, clock, handler::Packet, ring::Writer};

/// How long the publisher waits for lanes that are all about as far, while the last of them is run.
const PATIENCE: Duration = Duration::from_millis(2);
/// And while it is not: that is the scheduler's doing.
const LENIENCE: Duration = Duration::from_millis(20);
/// How often it looks before it gives its core away.
const SPINS: u32 = 64;

/// What the publisher does when the [ring](crate::Builder::ring_capacity) is full. Nobody waits for paused consumers, nor
/// for those that have left the ring, nor without workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It goes on without a consumer that is half a ring behind the others: what waits for that one gives way by class,
    /// until it has caught up. It waits while all are about as far: up to 2 ms for handlers, 20 ms for consumers that
    /// are not run at all.
    #[default]
    LeaveBehind,
    /// It waits for the slowest, up to so long each time, as a bounded channel does: for consumers that must see every
    /// message. Then one slow consumer slows all. After that time it goes on without the slowest.
    Wait(Duration),
}

/// Spins, and after a while gives the core away. Answers how often that was done.
fn pause(spins: u32) -> u32 {
    let spins = spins.wrapping_add(1);
    if spins < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
    spins
}

impl<P: Protocol> Seat<P> {
    /// The first number that the lane may still be at, if it is in the ring and at any.
    fn behind(&self, writer: &mut Writer<Packet<P>>) -> Option<u64> {
        writer.behind(self.place.filter(|_| self.in_ring)?)
    }
}

impl<P: Protocol> Multicast<P> {
    /// Whether the ring has no room for a message, as far as is known.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| !writer.has_room())
    }

    /// Waits until there is room for more than a few messages, or sees to it.
    #[cold]
    pub(super) fn wait_for_room(&mut self) {
        // Nobody reads what nobody was shown.
        self.flush();
        let mut begun = None;
        let mut spins = 0_u32;
        loop {
            if spins % SPINS == 0 {
                self.leave_paused();
            }
            let Some(writer) = &mut self.writer else { return };
            let (next, capacity) = (writer.next(), writer.capacity());
            let quarter = (capacity / 4).max(1);
            // More than a bit, so that this is not for every message.
            let wanted = (next + quarter).saturating_sub(capacity);
            // Who gives its core away may not have it back for long.
            let is_short = spins < SPINS && spins > 0;
            if is_short && writer.is_held_up(wanted) {
                spins = pause(spins);
                continue;
            }
            writer.look(drop_contained);
            let slowest = writer.slowest();
            if slowest >= wanted {
                return;
            }
            let limit = if !self.threaded {
                Some(slowest + 1)
            } else if let WhenFull::Wait(limit) = self.when_full {
                let waited = clock::now() - *begun.get_or_insert_with(clock::now);
                // Who is cancelled reads no more.
                (waited > limit || self.cancel.is_cancelled()).then_some(slowest + quarter)
            } else if let Some(median) = self.median().filter(|m| m - slowest >= capacity / 2) {
                // Only who is far behind the others is slow.
                Some(median - capacity / 2 + 1)
            } else if self.has_waited_enough(slowest, *begun.get_or_insert_with(clock::now)) {
                Some(slowest + quarter)
            } else {
                None
            };
            match limit {
                Some(limit) => self.leave_behind(limit),
                None => spins = pause(spins),
            }
        }
    }

    /// Whether the lanes that are at a number have been waited for long enough.
    fn has_waited_enough(&mut self, slowest: u64, begun: Instant) -> bool {
        let Some(writer) = &mut self.writer else { return true };
        let waited = clock::now() - begun;
        let mut last = self.seats.iter().filter(|seat| seat.behind(writer) == Some(slowest));
        waited > LENIENCE || (waited > PATIENCE && last.any(|seat| seat.lane.is_running()))
    }

    /// Where the lane is that as many are ahead of as are behind.
    fn median(&mut self) -> Option<u64> {
        let writer = self.writer.as_mut()?;
        let next = writer.next();
        let at = &mut self.positions;
        at.clear();
        for seat in self.seats.iter().filter(|seat| seat.in_ring) {
            at.push(seat.behind(writer).unwrap_or(next));
        }
        at.sort_unstable();
        at.get(at.len() / 2).copied()
    }

    /// Has every paused lane leave the ring: who would wait for it?
    fn leave_paused(&mut self) {
        for index in 0..self.seats.len() {
            let seat = &self.seats[index];
            if seat.in_ring && seat.lane.is_to_rest() && seat.lane.is_paused() {
                self.leave(index);
            }
        }
    }

    /// Has every lane that is before a number go on from there, or leave the ring where lanes are stepped: what it has
    /// unread waits for it beside the ring.
    fn leave_behind(&mut self, limit: u64) {
        for index in 0..self.seats.len() {
            let Some(writer) = &mut self.writer else { return };
            let seat = &self.seats[index];
            if seat.behind(writer).is_some_and(|behind| behind < limit) {
                if self.threaded { self.set_aside(index, Some(limit)) } else { self.leave(index) }
            }
        }
    }
}
