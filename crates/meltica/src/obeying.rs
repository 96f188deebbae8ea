//! What the pipeline does with a command.

use std::time::Instant;

use meltica_event::{Control as Answer, Header, Text};

use crate::{
    Applied, Command, CommandError, Message, Pipeline, UnknownConsumer, control::Order,
    stats::Counts,
};

impl Pipeline {
    /// Carries out the commands that wait.
    #[inline]
    pub(crate) fn obey_all(&mut self, now: Instant) {
        if self.orders.are_waiting() {
            self.obey_waiting(now);
        }
    }

    /// Carries out the commands that wait at this moment: who sends more meanwhile must not keep
    /// messages from their turn. After a cancellation none is, since it could not be answered but to
    /// who waits for it.
    pub(crate) fn obey_waiting(&mut self, now: Instant) {
        for order in self.orders.take() {
            if self.is_cancelled() {
                order.refuse();
            } else {
                self.obey(order, now);
            }
        }
    }

    /// Acknowledges a command, carries it out, and says what became of it.
    fn obey(&mut self, order: Order, now: Instant) {
        let Order { command, number, trace, answer } = order;
        self.now = Some(now);
        let name = Text::truncated(command.name());
        let header = Header { trace, ..Header::default() };
        self.answer(Answer::ack(header, number, name), now);
        tracing::debug!(%trace, command = command.name(), "obeying");
        let outcome = self.carry_out(command, now);
        let detail = outcome.as_ref().map(|_| ()).map_err(reason);
        self.answer(Answer::result(header, number, name, detail), now);
        let Counts { commands_applied, commands_rejected, .. } = &*self.counts;
        if outcome.is_ok() {
            commands_applied.add(1);
        } else {
            commands_rejected.add(1);
        }
        let applied = outcome.map(|()| Applied { version: self.version() });
        // Whoever asked may not want to know.
        let _ = answer.send(applied);
    }

    fn answer(&mut self, answer: Answer, now: Instant) {
        let mut lease = self.pools().controls.lease_or_heap();
        *lease = answer;
        if let Err(refused) = self.dispatcher.publish(Message::from(lease), now) {
            // Cancelled since it was asked for the last time.
            self.dispatcher.bury(refused.into_message());
        }
    }

    fn carry_out(&mut self, command: Command, now: Instant) -> Result<(), CommandError> {
        match command {
            Command::Subscribe { consumer, selections, with_state } => {
                self.add(consumer, selections, with_state).map_err(CommandError::Subscribe)?;
            }
            Command::Unsubscribe { consumer } => self.unsubscribe(&consumer)?,
            Command::Reselect { consumer, selections } => {
                let routes = selections.into_iter().map(Into::into);
                self.change_lane(&consumer, |lane| self.routes().reroute(lane, routes))?;
            }
            Command::SetMerge(rule) => {
                if let Some(problem) = self.merging.check(&rule).into_iter().next() {
                    return Err(CommandError::MergeRule(problem));
                }
                self.close_windows_of(&rule.name, now);
                self.merging.set(*rule);
            }
            Command::RemoveMerge { rule } => {
                self.close_windows_of(&rule, now);
                if !self.merging.remove(&rule) {
                    return Err(CommandError::UnknownRule { rule });
                }
            }
            Command::Flip if self.follows_upstream => return Err(CommandError::Follows),
            Command::Flip => {
                self.flip();
            }
            Command::SetMinVersion { consumer, version } => {
                let next = self.version().saturating_add(1);
                let gate = self.consumers.lane(&consumer).and(self.consumers.gate(&consumer));
                let gate = gate.ok_or(UnknownConsumer(consumer))?;
                if version > next {
                    return Err(CommandError::VersionAhead { version, next });
                }
                gate.set(version);
            }
            Command::Pause { consumer } => {
                self.change_lane(&consumer, |lane| self.routes().pause(lane))?;
            }
            Command::Resume { consumer } => {
                self.change_lane(&consumer, |lane| self.routes().resume(lane))?;
            }
            Command::SetInline { consumer, inline } => {
                self.set_inline(&consumer, inline)?;
            }
        }
        Ok(())
    }

    /// What the windows of a rule become is routed as of before the change.
    fn close_windows_of(&mut self, rule: &str, now: Instant) {
        self.merging.flush_rule(rule, now);
        self.publish_merged(now);
    }
}

/// As much of it as an answer has room for.
fn reason(error: &CommandError) -> Text<96> {
    Text::truncated(&error.to_string())
}
