use std::{
    fmt, io,
    sync::{Arc, atomic::Ordering},
};

use crate::{
    DeathCause, Delivery, LaneId, Protocol, Route, Stats, Timings, Verdict,
    contain::contain,
    crew,
    handler::Handler,
    lane::{How, Lane},
    shared::Shared,
    sync::lock,
    topology::{Routed, Topology},
    worker::Worker,
};

/// Who gets what: to be changed from any thread, while messages flow. Cloning gives another handle.
///
/// Each change of lanes, and each flip, makes a new snapshot with the next version; the publisher uses it
/// from its next message on, whole or not at all.
pub struct Routes<P: Protocol> {
    pub(crate) shared: Arc<Shared<P>>,
}

impl<P: Protocol> Clone for Routes<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P: Protocol> Routes<P> {
    /// Opens a lane for a consumer: it gets what is published from the next message on.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; the handler is dropped, and everything is as before.
    pub fn subscribe(&self, subscription: Subscription<P>) -> Result<LaneId, SubscribeError> {
        let Subscription { name, routes, handler, how, capacity } = subscription;
        let shared = &self.shared;
        let problem = if name.trim().is_empty() {
            Some(SubscribeError::NoName)
        } else if routes.is_empty() {
            Some(SubscribeError::NoRoute { name: name.clone() })
        } else if how.wants_state && !shared.keeps_state {
            Some(SubscribeError::NoState { name: name.clone() })
        } else if capacity == Some(0) {
            Some(SubscribeError::NoRoom { name: name.clone() })
        } else {
            None
        };
        if let Some(problem) = problem {
            contain("the handler of a refused consumer, when dropped,", || drop(handler));
            return Err(problem);
        }
        let id = LaneId(shared.next_lane.fetch_add(1, Ordering::Relaxed));
        let lane = Arc::new(Lane::new(
            id,
            name.as_str().into(),
            capacity.unwrap_or(shared.lane_capacity),
            handler,
            how,
            shared,
        ));
        // Whoever unsubscribed since left a thread that is over.
        let mut over = vec![];
        // Outside of the lock too, should they be dropped: patterns are not ours either.
        let mut routes = Some(routes);
        let opened = self.edit(|current, workers| {
            if shared.stopped.load(Ordering::Relaxed) || shared.cancel.is_cancelled() {
                return Err(SubscribeError::Stopped);
            }
            if current.lanes.iter().any(|routed| *routed.lane.name == *name) {
                return Err(SubscribeError::NameTaken { name: name.clone() });
            }
            if shared.threaded {
                over = Worker::take_ended(workers);
                let no_thread = |cause| SubscribeError::NoThread { name: name.clone(), cause };
                if let Some(crew) = &shared.crew {
                    crew::start(crew, shared, workers).map_err(no_thread)?;
                } else {
                    workers.push(Worker::start(Arc::clone(&lane), shared).map_err(no_thread)?);
                }
            }
            let mut lanes = current.lanes.to_vec();
            let routes = routes.take().unwrap_or_default().into();
            lanes.push(Routed { lane: Arc::clone(&lane), routes });
            let new = current.with(lanes);
            crew::limit(shared, &new);
            Ok(new)
        });
        over.into_iter().for_each(Worker::join);
        if let Err(refused) = opened {
            lane.drop_runner();
            return Err(refused);
        }
        if how.keeps_thread && shared.crew.is_some() {
            crew::give_own_thread(shared, &lane);
        }
        tracing::debug!(consumer = &*lane.name, %id, "lane opened");
        Ok(id)
    }

    /// Closes a lane. What waits in it is discarded and counted, its critical messages go to the
    /// dead-letter sink. Never waits for the handler: a call in progress (this one, even) runs to
    /// its end, and no other begins; then the handler is dropped.
    ///
    /// # Errors
    ///
    /// [`UnknownLane`] if there is no such lane any more.
    pub fn unsubscribe(&self, lane: LaneId) -> Result<(), UnknownLane> {
        let mut removed = None;
        let mut left = lock(&self.shared.left);
        let old = self.edit(|current, _| {
            let mut lanes = current.lanes.to_vec();
            let index =
                lanes.iter().position(|routed| routed.lane.id == lane).ok_or(UnknownLane(lane))?;
            removed = Some(lanes.remove(index));
            let new = current.with(lanes);
            crew::limit(&self.shared, &new);
            Ok(new)
        })?;
        let Routed { lane: removed, routes } = removed.ok_or(UnknownLane(lane))?;
        left.leave(Arc::clone(&removed));
        drop(left);
        // Outside of the lock: patterns are not ours.
        drop((old, routes));
        tracing::debug!(consumer = &*removed.name, id = %removed.id, "lane closed");
        removed.close(|entry| {
            removed.bury(entry.message, entry.class, entry.watch, DeathCause::Unsubscribed);
        });
        Ok(())
    }

    /// Gives a lane other routes, without disturbing what waits in it. With none at all it gets
    /// nothing new, and keeps its place. Where the current state is kept, it has the whole state in place
    /// of the next message of each conflatable stream that is new to it, or that it has missed a part of.
    ///
    /// # Errors
    ///
    /// [`UnknownLane`] if there is no such lane any more.
    pub fn reroute(
        &self,
        lane: LaneId,
        routes: impl IntoIterator<Item = Route<P::Key>>,
    ) -> Result<(), UnknownLane> {
        // Collected here: what the caller's iterator does must not be done under the lock.
        let routes: Arc<[_]> = routes.into_iter().collect();
        self.edit(|current, _| {
            let mut lanes = current.lanes.to_vec();
            let routed =
                lanes.iter_mut().find(|routed| routed.lane.id == lane).ok_or(UnknownLane(lane))?;
            routed.routes = Arc::clone(&routes);
            Ok(current.with(lanes))
        })
        .map(drop)
    }

    /// Pauses a lane: once this is over no message is taken for its handler any more; one that was
    /// taken before is still handled. Messages still come and wait, and give way by class as with any
    /// slow consumer; critical ones all wait. A dispatch that waits for its consumers does not wait for
    /// a paused one, and a shutdown hands back what waits for it. Pausing again changes nothing.
    /// Answers whether it ran before.
    ///
    /// # Errors
    ///
    /// [`UnknownLane`] if there is no such lane any more.
    pub fn pause(&self, lane: LaneId) -> Result<bool, UnknownLane> {
        self.lane(lane).map(|lane| lane.set_paused(true))
    }

    /// Lets a paused lane run again, from what waits on. Answers whether it was paused.
    ///
    /// # Errors
    ///
    /// [`UnknownLane`] if there is no such lane any more.
    pub fn resume(&self, lane: LaneId) -> Result<bool, UnknownLane> {
        self.lane(lane).map(|lane| lane.set_paused(false))
    }

    /// Whether a lane's handler is to run on the publisher's thread, as a part of publishing, or on the workers'. It is
    /// moved when the publisher next does anything, nothing is lost or repeated, and its messages stay in order; moved to
    /// the publisher, it is first given what waits for it there. Answers whether it was inline before.
    ///
    /// # Errors
    ///
    /// [`UnknownLane`] if there is no such lane any more.
    pub fn set_inline(&self, lane: LaneId, inline: bool) -> Result<bool, UnknownLane> {
        let mut was = inline;
        self.edit(|current, _| {
            let lanes = current.lanes.to_vec();
            let routed = lanes.iter().find(|routed| routed.lane.id == lane);
            was = routed.ok_or(UnknownLane(lane))?.lane.set_inline(inline);
            Ok(current.with(lanes))
        })?;
        Ok(was)
    }

    fn lane(&self, lane: LaneId) -> Result<Arc<Lane<P>>, UnknownLane> {
        let topology = self.shared.topology.load();
        let routed = topology.lanes.iter().find(|routed| routed.lane.id == lane);
        routed.map(|routed| Arc::clone(&routed.lane)).ok_or(UnknownLane(lane))
    }

    /// Makes a new snapshot of the same routes, and answers its version: messages routed from now
    /// on can be told from those before. What waits for order at that moment was published before,
    /// so the publisher lets it pass under the old version. Where the current state is kept, each lane
    /// has the whole state in place of the next delta of a stream: what was on its way may be filtered.
    /// Costs one allocation, however many lanes there are.
    ///
    /// Where another dispatcher's versions are [followed](crate::Builder::follows_upstream) that one flips, and this does
    /// nothing but answer the present version.
    pub fn flip(&self) -> u64 {
        self.flip_if(|current| (!current.follows).then_some(current.version + 1))
    }

    /// Follows another dispatcher's flip to this version, as [`flip`](Self::flip) would; answers the present version, which
    /// is higher if it was. Nothing happens where no other dispatcher's versions are
    /// [followed](crate::Builder::follows_upstream).
    pub fn follow_to(&self, version: u64) -> u64 {
        self.flip_if(|current| (current.follows && version > current.version).then_some(version))
    }

    /// Makes a new snapshot of the same routes with this version, if there is to be one; answers the present version.
    fn flip_if(&self, to: impl FnOnce(&Topology<P>) -> Option<u64>) -> u64 {
        let mut version = 0;
        // No error is one: there is nothing to change.
        let _ = self.edit(|current, _| {
            let next = to(current);
            version = next.unwrap_or(current.version);
            next.map(|next| current.flipped_to(next)).ok_or(())
        });
        version
    }

    /// The version of the present snapshot, from 1 on.
    pub fn version(&self) -> u64 {
        self.shared.topology.load().version
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        // A lane is among those that are there, or among those that have left.
        let left = lock(&self.shared.left);
        let topology = self.shared.topology.load();
        let counts = &self.shared.counts;
        Stats {
            published: counts.published.get(),
            routed: counts.routed.get(),
            unrouted: counts.unrouted.get(),
            late: counts.late.get(),
            gaps: counts.gaps.get(),
            missing: counts.missing.get(),
            duplicates_failed: self.shared.sinks.duplicates_failed.get(),
            dead_letters: self.shared.sinks.dead_letters.get(),
            version: topology.version,
            lanes: topology.lanes.iter().map(|routed| routed.lane.stats()).collect(),
            left: left.stats(),
        }
    }

    /// How long things took so far. Copies 15 KiB a histogram: for whoever looks now and then.
    pub fn timings(&self) -> Timings {
        let fan_outs = &self.shared.sinks.fan_outs;
        let lanes = &self.shared.topology.load().lanes;
        Timings {
            reach_ns: fan_outs.reach_ns.snapshot(),
            completion_ns: fan_outs.completion_ns.snapshot(),
            parallelism_percent: fan_outs.parallelism_percent.snapshot(),
            lanes: lanes.iter().filter_map(|routed| routed.lane.timings()).collect(),
        }
    }

    /// Puts a new snapshot in the place of the current one, one writer at a time. Answers the old one, to
    /// be dropped where no lock is held.
    fn edit<E>(
        &self,
        change: impl FnOnce(&Topology<P>, &mut Vec<Worker>) -> Result<Topology<P>, E>,
    ) -> Result<Arc<Topology<P>>, E> {
        let current;
        {
            let mut workers = lock(&self.shared.workers);
            current = self.shared.topology.load_full();
            let new = change(&current, &mut workers)?;
            drop(self.shared.topology.swap(Arc::new(new)));
        }
        Ok(current)
    }
}

impl<P: Protocol> fmt::Debug for Routes<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("version", &self.version()).finish_non_exhaustive()
    }
}

/// A consumer that wants messages: its name, its handler and its routes.
#[must_use]
pub struct Subscription<P: Protocol> {
    name: String,
    routes: Vec<Route<P::Key>>,
    handler: Handler<P>,
    how: How,
    capacity: Option<usize>,
}

impl<P: Protocol> Subscription<P> {
    /// A consumer of this name. The handler owns each delivery, and may return `()`, a
    /// `Result<(), P::Fault>` or a [`Verdict`]. It runs on one thread at a time.
    pub fn new<V>(
        name: impl Into<String>,
        handler: impl FnMut(Delivery<P::Message>) -> V + Send + 'static,
    ) -> Self
    where
        V: Into<Verdict<P::Message, P::Fault>>,
    {
        Self {
            name: name.into(),
            routes: vec![],
            handler: Handler::owning(handler),
            how: How::default(),
            capacity: None,
        }
    }

    /// A consumer whose handler reads each message where it is, and so needs no duplicate: the faster way for
    /// who does not keep messages. It returns `()`, a `Result<(), P::Fault>` or a [`Verdict`] without a message; a
    /// critical message that it fails on, or panics over, goes to the dead-letter sink.
    pub fn borrowing<V>(
        name: impl Into<String>,
        handler: impl FnMut(&Delivery<P::Message>) -> V + Send + 'static,
    ) -> Self
    where
        V: Into<Verdict<(), P::Fault>>,
    {
        Self {
            name: name.into(),
            routes: vec![],
            handler: Handler::borrowing(handler),
            how: How::default(),
            capacity: None,
        }
    }

    /// Adds a route. A message that several of a lane's routes take is delivered to it once.
    pub fn to(mut self, route: Route<P::Key>) -> Self {
        self.routes.push(route);
        self
    }

    /// Asks for the current state of every stream it is routed first: each stream's conflatable
    /// messages so far, folded into one.
    pub fn with_current_state(mut self) -> Self {
        self.how.wants_state = true;
        self
    }

    /// Asks for a thread that serves this consumer alone, named after it: for one that takes its time, and need not be
    /// found out to do so. Without workers it has none.
    pub fn own_thread(mut self) -> Self {
        self.how.keeps_thread = true;
        self
    }

    /// Has its handler run on the publisher's own thread, as a part of publishing: the fastest way by far, for handlers
    /// that are done in less than a microsecond. What it takes, everybody waits for, and one that does not return ends
    /// it all; a panic costs only itself, as always. One that takes long is moved to the workers, if the dispatcher
    /// [limits](crate::Builder::inline_limit) that. Once it is unsubscribed its handler is dropped when the publisher next does anything. See also
    /// [`Routes::set_inline`].
    pub fn inline(mut self) -> Self {
        self.how.is_inline = true;
        self
    }

    /// Room of its own, in place of the dispatcher's `lane_capacity`.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = Some(messages);
        self
    }
}

impl<P: Protocol> fmt::Debug for Subscription<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("name", &self.name)
            .field("routes", &self.routes)
            .field("how", &self.how)
            .finish_non_exhaustive()
    }
}

/// Why a consumer was not subscribed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// It has no name to be told of by.
    #[error("the consumer has no name")]
    NoName,
    /// It wants nothing.
    #[error("consumer `{name}` has no route, and so would get nothing; give it one")]
    NoRoute {
        /// The consumer.
        name: String,
    },
    /// Another consumer has its name.
    #[error("there is a consumer `{name}` already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// It wants the current state, which is not kept.
    #[error(
        "consumer `{name}` asks for the current state, which this dispatcher does not keep; \
         build it with `keep_current_state(true)`"
    )]
    NoState {
        /// The consumer.
        name: String,
    },
    /// Its own capacity is zero.
    #[error("consumer `{name}` has room for no message")]
    NoRoom {
        /// The consumer.
        name: String,
    },
    /// The system gave no thread.
    #[error("no thread for consumer `{name}`")]
    NoThread {
        /// The consumer.
        name: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The dispatcher was shut down or cancelled.
    #[error("the dispatcher has stopped")]
    Stopped,
}

/// There is no such lane, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0}")]
pub struct UnknownLane(pub LaneId);
