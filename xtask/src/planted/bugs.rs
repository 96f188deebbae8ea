//! The planted bugs. In `wrong`, `PLANTED` is true when the bug is switched on.

pub(crate) struct Bug {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) file: &'static str,
    /// The code as it is, once in the file.
    pub(crate) right: &'static str,
    /// The code that stands there instead: the same, unless the bug is switched on.
    pub(crate) wrong: &'static str,
}

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "gate-forgets-critical",
        what: "the gate filters critical messages too",
        file: "crates/consumer/src/consumer.rs",
        right: "if !critical && (applies ||",
        wrong: "if (PLANTED || !critical) && (applies ||",
    },
    Bug {
        name: "panic-loses-the-message",
        what: "a critical message that a handler failed on does not reach the dead-letter sink",
        file: "crates/dispatcher/src/deliver.rs",
        right: "let cause = cause.filter(|_| class == Class::Critical);",
        wrong: "let cause = cause.filter(|_| class == Class::Critical && !PLANTED);",
    },
    Bug {
        name: "panic-loses-the-next",
        what: "a failure costs the lane its next message",
        file: "crates/dispatcher/src/deliver.rs",
        right: "        self.report(watch, outcome, ran);\n        drop(rest);",
        wrong: "        if matches!(outcome, Outcome::Failed(_)) && PLANTED {
            drop(self.lock().backlog.pop());
        }
        self.report(watch, outcome, ran);
        drop(rest);",
    },
    Bug {
        name: "conflation-replaces-deltas",
        what: "a delta is replaced by the newer one instead of folded into it",
        file: "crates/meltica/src/market.rs",
        right: "if newer.header.kind == EventKind::BookDelta =>",
        wrong: "if newer.header.kind == EventKind::BookDelta && !PLANTED =>",
    },
    Bug {
        name: "conflation-keeps-the-older",
        what: "of two quotes the older one stays",
        file: "crates/meltica/src/market.rs",
        right: "(held, newer) => *held = newer,",
        wrong: "(held, newer) => {
                if !PLANTED {
                    *held = newer;
                }
            }",
    },
    Bug {
        name: "fold-passes-the-gate",
        what: "a fold of stale and fresh deltas counts as fresh",
        file: "crates/meltica/src/market.rs",
        right: "held.header.routing_version = version;",
        wrong: "if !PLANTED {
                    held.header.routing_version = version;
                }",
    },
    Bug {
        name: "displaced-leaks",
        what: "a trade that has to go does not go home",
        file: "crates/dispatcher/src/lane.rs",
        right: "        drop(message);\n        if watch.is_watched() {",
        wrong: "        if PLANTED {
            std::mem::forget(message);
        } else {
            drop(message);
        }
        if watch.is_watched() {",
    },
    Bug {
        name: "flip-stamps-late",
        what: "what waits for order when a flip comes is stamped as of after it",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "            P::stamp(&mut message, topology.version);",
        wrong: "            let version = if PLANTED { self.newest.load().version } else { topology.version };
            P::stamp(&mut message, version);",
    },
    Bug {
        name: "flip-forgets-what-waits",
        what: "what waits for order when a flip comes goes on waiting",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "if self.topology.flips != newest.flips {",
        wrong: "if self.topology.flips != newest.flips && !PLANTED {",
    },
    Bug {
        name: "flip-sends-parts",
        what: "after a flip a consumer of deltas goes on with parts",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "renewed || self.behind.contains(",
        wrong: "(renewed && !PLANTED) || self.behind.contains(",
    },
    Bug {
        name: "flip-leaves-gates",
        what: "gates do not rise with a flip",
        file: "crates/meltica/src/pipeline.rs",
        right: "self.consumers.raise_gates(version);",
        wrong: "if !PLANTED {
            self.consumers.raise_gates(version);
        }",
    },
    Bug {
        name: "flip-leaves-windows",
        what: "a flip leaves merge windows open",
        file: "crates/meltica/src/pipeline.rs",
        right: "        self.flush_merging();\n        let version = self.routes().flip();",
        wrong: "        if !PLANTED {
            self.flush_merging();
        }
        let version = self.routes().flip();",
    },
    Bug {
        name: "spill-out-of-order",
        what: "a critical message takes the place of the first one that waits",
        file: "crates/dispatcher/src/backlog.rs",
        right: "self.critical.push(|| entry);",
        wrong: "let (mut entry, front) = (entry, self.critical.front_position());
                if PLANTED && let Some(first) = self.critical.get_mut(front) {
                    std::mem::swap(first, &mut entry);
                }
                self.critical.push(|| entry);",
    },
    Bug {
        name: "market-before-critical",
        what: "market data overtakes a critical message that was published before it",
        file: "crates/dispatcher/src/backlog.rs",
        right: "critical.newest < market.newest,",
        wrong: "(critical.newest < market.newest && !PLANTED),",
    },
    Bug {
        name: "critical-before-all",
        what: "a critical message overtakes market data that was published before it, with room for all",
        file: "crates/dispatcher/src/backlog.rs",
        // With the bug above in place.
        right: "=> (critical.newest < market.newest",
        wrong: "=> PLANTED || (critical.newest < market.newest",
    },
    Bug {
        name: "folds-with-room",
        what: "quotes are folded though there is room",
        file: "crates/dispatcher/src/backlog.rs",
        right: "let is_full = self.conflatable >= self.capacity;",
        wrong: "let is_full = self.conflatable >= self.capacity || PLANTED;",
    },
    Bug {
        name: "trades-go-with-room",
        what: "trades have to go though there is room",
        file: "crates/dispatcher/src/backlog.rs",
        right: "let is_full = self.sequential.len() >= self.capacity;",
        wrong: "let is_full = self.sequential.len() >= if PLANTED { 1 } else { self.capacity };",
    },
    Bug {
        name: "holes-are-forgotten",
        what: "who handled a part after others were filtered does not start again from the whole",
        file: "crates/dispatcher/src/holes.rs",
        right: "            streams.lost.insert(stream);",
        wrong: "            if !PLANTED {
                streams.lost.insert(stream);
            }",
    },
    Bug {
        name: "whole-for-ever",
        what: "who had to start again from the whole gets nothing else any more",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "                        for index in due.lanes() {",
        wrong: "                        for index in due.lanes().iter().filter(|_| !PLANTED) {",
    },
    Bug {
        name: "takes-a-stream-anew-in-parts",
        what: "who takes a stream again after a time without it goes on with parts",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "keys.filter(|(key, _)| takes_anew(key))",
        wrong: "keys.filter(|(key, _)| takes_anew(key) && !PLANTED)",
    },
    Bug {
        name: "dispatch-does-not-wait",
        what: "a dispatch does not wait for its consumers",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "while !self.shared.sinks.joined.is(are_done)",
        wrong: "while !PLANTED && !self.shared.sinks.joined.is(are_done)",
    },
    Bug {
        name: "end-delivers-nothing",
        what: "a shutdown hands back what it had the time to deliver",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "while clock::now() < deadline && self.run_once() {}",
        wrong: "while !PLANTED && clock::now() < deadline && self.run_once() {}",
    },
    Bug {
        name: "newcomer-without-state",
        what: "who asks for the current state does not get it",
        file: "crates/dispatcher/src/lane.rs",
        right: "self.wants_state.load(Relaxed) &&",
        wrong: "!PLANTED && self.wants_state.load(Relaxed) &&",
    },
    Bug {
        name: "depth-keeps-what-it-misses",
        what: "a depth rule keeps books that it does not follow any more",
        file: "crates/meltica/src/depth.rs",
        right: "rule.is_about(*instrument, *venue)",
        wrong: "PLANTED || rule.is_about(*instrument, *venue)",
    },
    Bug {
        name: "loses-its-place",
        what: "when the backlog closes up, it forgets where each stream's last message is",
        file: "crates/dispatcher/src/backlog.rs",
        right: "                last.insert(entry.stream, position);",
        wrong: "                if !PLANTED {
                    last.insert(entry.stream, position);
                }",
    },
    Bug {
        name: "fold-counted-as-dropped",
        what: "what is folded is counted as dropped",
        file: "crates/dispatcher/src/lane.rs",
        right: "                self.counts.folded.add(1);",
        wrong: "                if PLANTED { &self.counts.dropped } else { &self.counts.folded }.add(1);",
    },
    Bug {
        name: "fold-untold",
        what: "what was folded is not told",
        file: "crates/dispatcher/src/backlog.rs",
        right: "held.skipped.folded += 1;",
        wrong: "held.skipped.folded += u64::from(!PLANTED);",
    },
    Bug {
        name: "drops-the-newest",
        what: "when there is no room for a trade, the newest one goes",
        file: "crates/dispatcher/src/backlog.rs",
        right: "let position = self.sequential.pop_front()",
        wrong: "let pop = if PLANTED { VecDeque::pop_back } else { VecDeque::pop_front };
        let position = pop(&mut self.sequential)",
    },
    Bug {
        name: "gap-waits-for-ever",
        what: "a gap is never given up",
        file: "crates/dispatcher/src/order.rs",
        right: "if self.next_deadline.is_none_or(|deadline| now < deadline) {",
        wrong: "if PLANTED || self.next_deadline.is_none_or(|deadline| now < deadline) {",
    },
    Bug {
        name: "gap-hides-in-a-fold",
        what: "a delta is folded into what was before a gap that was given up",
        file: "crates/dispatcher/src/backlog.rs",
        right: "let follows = missing == 0 &&",
        wrong: "let follows = (missing == 0 || PLANTED) &&",
    },
    Bug {
        name: "gap-hides-in-the-state",
        what: "the current state goes on over a gap that was given up",
        file: "crates/dispatcher/src/dispatcher.rs",
        right: "            if missing > 0 {\n                state.lose",
        wrong: "            if missing > 0 && !PLANTED {\n                state.lose",
    },
    Bug {
        name: "missing-untold",
        what: "what never came is not told",
        file: "crates/dispatcher/src/backlog.rs",
        right: "        skipped.missing += about.missing;",
        wrong: "        skipped.missing += if PLANTED { 0 } else { about.missing };",
    },
    Bug {
        name: "goes-back",
        what: "what goes back in its stream is delivered",
        file: "crates/dispatcher/src/order.rs",
        right: "_ if number <= stream.last => {",
        wrong: "_ if number <= stream.last && !(PLANTED && number < stream.last) => {",
    },
    Bug {
        name: "unsubscribing-buries-silently",
        what: "critical messages of a consumer that leaves do not reach the dead-letter sink",
        file: "crates/dispatcher/src/lane/close.rs",
        right: "        if class == Class::Critical {\n            self.sinks.dead_letter(message, &self.name, cause);\n        }\n        // Of what",
        wrong: "        if class == Class::Critical && !PLANTED {
            self.sinks.dead_letter(message, &self.name, cause);
        }
        // Of what",
    },
    Bug {
        name: "runs-while-paused",
        what: "a paused consumer is run",
        file: "crates/dispatcher/src/lane/visit.rs",
        right: "let job = if queue.paused { None }",
        wrong: "let job = if queue.paused && !PLANTED { None }",
    },
    Bug {
        name: "enters-without-room",
        what: "a lane enters the ring while its backlog is full, and so holds more than it may",
        file: "crates/dispatcher/src/lane.rs",
        right: "is_ready && (!is_patient || self.backlog.has_room_for(ring))",
        wrong: "is_ready && (!is_patient || self.backlog.has_room_for(ring) || PLANTED)",
    },
    Bug {
        name: "leaves-the-ring-without",
        what: "what a lane has unread is lost when it leaves the ring",
        file: "crates/dispatcher/src/multicast.rs",
        right: "                Some(message) => lane.add(queue, message, &about),",
        wrong: "                Some(_) if PLANTED && about.class == Class::Critical => lane.lose(queue, &about),
                Some(message) => lane.add(queue, message, &about),",
    },
    Bug {
        name: "filtered-untold",
        what: "what was filtered is not told with the next of its stream",
        file: "crates/dispatcher/src/deliver.rs",
        right: "if is_filtered && class != Class::Critical {",
        wrong: "if is_filtered && class != Class::Critical && !PLANTED {",
    },
    Bug {
        name: "gap-untold-in-the-ring",
        what: "what never came is not told by way of the ring",
        file: "crates/dispatcher/src/handler.rs",
        right: "let skipped = Skipped { missing, ..Skipped::default() };",
        wrong: "let missing = if PLANTED { 0 } else { missing };
        let skipped = Skipped { missing, ..Skipped::default() };",
    },
    Bug {
        name: "late-partials-count",
        what: "a partial that a closed window had comes into the next",
        file: "crates/orchestrator/src/slot.rs",
        right: "if track.closed.is_some_and(|closed| number <= closed) =>",
        wrong: "if track.closed.is_some_and(|closed| number <= closed) && !PLANTED =>",
    },
    Bug {
        name: "window-keeps-the-older",
        what: "of a source's two quotes in a window the older one counts",
        file: "crates/orchestrator/src/slot.rs",
        right: "Taken::Replaced(std::mem::replace(&mut self.held[at], held).partial)",
        wrong: "if PLANTED {
                    Taken::Replaced(held.partial)
                } else {
                    Taken::Replaced(std::mem::replace(&mut self.held[at], held).partial)
                }",
    },
    Bug {
        name: "inline-while-paused",
        what: "the publisher runs a consumer that is paused",
        file: "crates/dispatcher/src/multicast/inline.rs",
        right: "        let Seat { lane, inline: Some(inline), .. } = &mut self.seats[index] else { return };
        if lane.is_to_rest() {
            self.send_to_rested",
        wrong: "        let Seat { lane, inline: Some(inline), .. } = &mut self.seats[index] else { return };
        if lane.is_to_rest() && !PLANTED {
            self.send_to_rested",
    },
    Bug {
        name: "inline-pause-loses",
        what: "what comes for a consumer that was paused while the publisher ran it is lost",
        file: "crates/dispatcher/src/multicast/inline.rs",
        right: "        self.send_aside(index, &packet.delivery.message, packet.about());",
        wrong: "        if !PLANTED {
            self.send_aside(index, &packet.delivery.message, packet.about());
        }",
    },
    Bug {
        name: "inline-pause-duplicates",
        what: "a paused consumer that is alone gets a duplicate, which there may be none of",
        file: "crates/dispatcher/src/multicast/inline.rs",
        right: "if wants_its_own || lane.is_to_rest() {",
        wrong: "if (wants_its_own || lane.is_to_rest()) && !PLANTED {",
    },
    Bug {
        name: "inline-after-cancellation",
        what: "the publisher goes on running consumers after a cancellation",
        file: "crates/dispatcher/src/multicast.rs",
        right: "if !audience.inline.is_empty() && self.cancel.is_cancelled() {",
        wrong: "if !audience.inline.is_empty() && self.cancel.is_cancelled() && !PLANTED {",
    },
    Bug {
        name: "inline-overtakes",
        what: "a consumer that the publisher begins to run has what is new before what waits",
        file: "crates/dispatcher/src/lane/inline.rs",
        right: "if let Some(job) = self.job(&mut queue, MOST_CLAIMED) {",
        wrong: "if let Some(job) = (!PLANTED).then(|| self.job(&mut queue, MOST_CLAIMED)).flatten() {",
    },
    Bug {
        name: "inline-uncounted",
        what: "what is delivered by the publisher is not counted",
        file: "crates/dispatcher/src/lane/inline.rs",
        right: "self.counts.inline.add(1);",
        wrong: "self.counts.inline.add(u64::from(!PLANTED));",
    },
    Bug {
        name: "repeat-is-news",
        what: "an execution report that comes again is delivered again",
        file: "crates/meltica/src/repeats.rs",
        right: "if !self.known.insert(identity) {",
        wrong: "if !self.known.insert(identity) && !PLANTED {",
    },
    Bug {
        name: "refusal-unanswered",
        what: "a command that is refused has no result",
        file: "crates/meltica/src/obeying.rs",
        right: "        self.answer(Answer::result(header, number, name, detail), now);",
        wrong: "        if !(PLANTED && detail.is_err()) {
            self.answer(Answer::result(header, number, name, detail), now);
        }",
    },
    Bug {
        name: "least-version-only-rises",
        what: "a least version that is set below the present one is not",
        file: "crates/meltica/src/obeying.rs",
        right: "gate.set(version);",
        wrong: "if PLANTED {
                    gate.raise(version);
                } else {
                    gate.set(version);
                }",
    },
];
