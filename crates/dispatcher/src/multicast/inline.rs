//! Lanes that the publisher runs: when it takes one, hands it a message, and lets it go.

use std::time::Duration;

use super::{Audience, Multicast, Seat};
use crate::{
    Protocol,
    backlog::About,
    clock,
    handler::{Handler, Packet},
    lane::Sent,
    worker::Inside,
};

/// One message in so many is measured on its way through the lanes that the publisher runs.
const MEASURED_ONE_IN: u32 = 16;

impl<P: Protocol> Seat<P> {
    /// Lets others run the lane. Answers whether the publisher ran it.
    pub(super) fn let_go(&mut self) -> bool {
        self.inline.take().map(|inline| self.lane.let_go(inline)).is_some()
    }
}

impl<P: Protocol> Multicast<P> {
    /// Hands a message to those of its lanes that the publisher runs. Gives it back for the others, if there are any.
    pub(super) fn run_inline(
        &mut self,
        audience: &Audience,
        message: P::Message,
        about: About<P::Key>,
    ) -> Option<P::Message> {
        let limit = self.inline_limit.filter(|_| self.unmeasured == 0);
        self.unmeasured = self.unmeasured.checked_sub(1).unwrap_or(MEASURED_ONE_IN - 1);
        let _inside = Inside::enter();
        let is_for_others = !audience.address.is_empty() || !audience.aside.is_empty();
        if let ([only], false) = (&*audience.inline, is_for_others) {
            let inline = self.seats[*only].inline.as_ref();
            if inline.is_some_and(|inline| matches!(inline.runner.handler, Handler::Owning(_))) {
                self.run_one_inline(*only, limit, Sent::Own(Packet::new(message, about)));
                return None;
            }
        }
        let packet = Packet::new(message, about);
        for index in &audience.inline {
            self.run_one_inline(*index, limit, Sent::Shared(&packet));
        }
        is_for_others.then_some(packet.delivery.message)
    }

    /// Hands one lane a message that others have too, or that nobody else has.
    #[inline]
    fn run_one_inline(&mut self, index: usize, limit: Option<Duration>, message: Sent<'_, P>) {
        let Seat { lane, inline: Some(inline), .. } = &mut self.seats[index] else { return };
        if lane.is_to_rest() {
            // It has been paused, or closed, since it was found.
            self.let_go(index);
            self.has_pushed = true;
            match message {
                Sent::Shared(packet) => {
                    self.send_aside(index, &packet.delivery.message, packet.about());
                }
                Sent::Own(packet) => {
                    let about = packet.about();
                    self.seats[index].lane.push(packet.delivery.message, about);
                }
            }
            return;
        }
        let begun = limit.map(|limit| (limit, clock::now()));
        lane.deliver_inline(&mut inline.runner, message, &self.here);
        if begun.is_some_and(|(limit, begun)| inline.learn(clock::now() - begun, limit)) {
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
