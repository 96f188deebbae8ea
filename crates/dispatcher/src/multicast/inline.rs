//! Lanes that the publisher runs: when it takes one, hands it a message, and lets it go.

use std::{sync::Arc, time::Duration};

use super::{Audience, Multicast, Seat};
use crate::{Protocol, backlog::About, clock, handler::Packet, worker::Inside};

/// One message in so many is measured on its way through the lanes that the publisher runs, and after one that was
/// slow the next.
const MEASURED_ONE_IN: u32 = 64;

impl<P: Protocol> Seat<P> {
    /// Lets others run the lane. Answers whether the publisher ran it.
    pub(super) fn let_go(&mut self) -> bool {
        self.inline.take().map(|inline| self.lane.let_go(inline)).is_some()
    }
}

impl<P: Protocol> Multicast<P> {
    /// Hands a message to those of its lanes that the publisher runs. Gives it back for the others, if there are any.
    #[inline]
    pub(super) fn run_inline(
        &mut self,
        audience: &Audience,
        message: P::Message,
        about: &About<P::Key>,
    ) -> Option<P::Message> {
        let _inside = Inside::enter();
        let is_for_others = !audience.address.is_empty() || !audience.aside.is_empty();
        if let ([only], false) = (&*audience.inline, is_for_others) {
            let Seat { lane, inline, .. } = &self.seats[*only];
            let wants_its_own = inline.as_ref().is_some_and(|it| it.runner.wants_its_own());
            if wants_its_own || lane.is_to_rest() {
                self.hand_over(*only, message, about);
                return None;
            }
        }
        let packet = Packet::new(message, about);
        match self.unmeasured.checked_sub(1) {
            Some(left) => {
                self.unmeasured = left;
                for index in &audience.inline {
                    self.run_one(*index, &packet);
                }
            }
            None => self.measured(&audience.inline, |this, index| this.run_one(index, &packet)),
        }
        is_for_others.then_some(packet.delivery.message)
    }

    /// Hands one lane a message that others have too.
    #[inline(always)]
    fn run_one(&mut self, index: usize, packet: &Packet<P>) {
        let Seat { lane, inline: Some(inline), .. } = &mut self.seats[index] else { return };
        if lane.is_to_rest() {
            self.send_to_rested(index, packet);
            return;
        }
        lane.deliver_inline(&mut inline.runner, packet, &self.here);
    }

    /// It has been paused, or closed, since it was found.
    #[cold]
    fn send_to_rested(&mut self, index: usize, packet: &Packet<P>) {
        self.let_go(index);
        self.has_pushed = true;
        self.send_aside(index, &packet.delivery.message, packet.about());
    }

    /// Hands its only lane, which is to own it, a message.
    fn hand_over(&mut self, index: usize, message: P::Message, about: &About<P::Key>) {
        let Seat { lane, inline: Some(_), .. } = &self.seats[index] else { return };
        if lane.is_to_rest() {
            let lane = Arc::clone(lane);
            self.let_go(index);
            self.has_pushed = true;
            lane.push(message, *about);
            return;
        }
        let packet = Packet::new(message, about);
        let run = |this: &mut Self, packet| {
            let Seat { lane, inline: Some(inline), .. } = &mut this.seats[index] else { return };
            lane.counts.published.add(1);
            lane.deliver_own(&mut inline.runner, packet, &this.here);
        };
        match self.unmeasured.checked_sub(1) {
            Some(left) => {
                self.unmeasured = left;
                run(self, packet);
            }
            None => {
                let mut packet = Some(packet);
                self.measured(&[index], |this, _| {
                    packet.take().into_iter().for_each(|packet| run(this, packet));
                });
            }
        }
    }

    /// Runs lanes, and sees how long they take: all together, and if that was too long for one, with the next message
    /// each by itself. Who was too slow again is moved to the workers.
    #[cold]
    fn measured(&mut self, lanes: &[usize], mut run: impl FnMut(&mut Self, usize)) {
        self.unmeasured = MEASURED_ONE_IN - 1;
        let Some(limit) = self.inline_limit else {
            lanes.iter().for_each(|index| run(self, *index));
            return;
        };
        let first = clock::now();
        let mut begun = first;
        for index in lanes {
            run(self, *index);
            if self.is_one_slow {
                let ended = clock::now();
                self.learn(*index, ended - begun, limit);
                begun = ended;
            }
        }
        self.is_one_slow = clock::now() - first > limit;
        if self.is_one_slow {
            self.unmeasured = 0;
        }
    }

    /// Learns from how long a lane took, and moves it to the workers if that was too long again.
    fn learn(&mut self, index: usize, took: Duration, limit: Duration) {
        let Seat { lane, inline: Some(inline), .. } = &mut self.seats[index] else { return };
        if inline.learn(took, limit) {
            tracing::warn!(consumer = &*lane.name, "too slow to be run by the publisher");
            lane.set_inline(false);
            self.let_go(index);
        }
    }

    /// Whether the publisher runs a lane; if it is to, and can, it does from now on.
    pub(super) fn is_inline(&mut self, index: usize) -> bool {
        let seat = &mut self.seats[index];
        if seat.inline.is_none() && !seat.in_ring {
            let _inside = Inside::enter();
            seat.inline = seat.lane.go_inline(&self.here, &self.cancel);
            self.changes += u64::from(seat.inline.is_some());
        }
        seat.inline.is_some()
    }

    /// Lets others run a lane.
    pub(super) fn let_go(&mut self, index: usize) {
        self.changes += u64::from(self.seats[index].let_go());
    }

    /// Lets others run every lane.
    pub(crate) fn let_all_go(&mut self) {
        for index in 0..self.seats.len() {
            self.let_go(index);
        }
    }
}
