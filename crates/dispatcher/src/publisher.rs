use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::{
    Dispatcher, Protocol, PublishError, Published, Routes, Shutdown, Stats, Timings,
    shared::Shared, sync::lock,
};

/// A dispatcher that several threads publish to, by turns. Cloning gives another handle.
///
/// For those who have several ingest threads; who has one keeps the [`Dispatcher`] itself, which costs less: here each
/// call takes a lock, some 10 ns while nobody else wants it, and where two threads publish as fast as they can each
/// message costs several times as much as from one thread (`docs/performance.md`). A [batch](Self::publish_batch) takes
/// it once. What a stream's messages are in order of is the order in which they get their turn: so one thread should
/// publish all of a stream, or the stream be numbered.
///
/// A [joined dispatch](Dispatcher::dispatch) is not among what it can do: it would keep everybody else waiting.
///
/// ```
/// use std::{thread, time::{Duration, Instant}};
/// # use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription};
/// # enum Numbers {}
/// # impl Protocol for Numbers {
/// #     type Message = u64;
/// #     type Key = ();
/// #     type Fault = String;
/// #     fn key(_: &u64) {}
/// #     fn class(_: &u64) -> Class { Class::Critical }
/// #     fn duplicate(message: &u64, _: Class) -> Option<u64> { Some(*message) }
/// # }
/// let publisher = Dispatcher::<Numbers>::builder().build()?.share();
/// publisher.routes().subscribe(
///     Subscription::borrowing("all", |_: &Delivery<u64>| ()).to(Route::All),
/// )?;
/// let threads: Vec<_> = (0..2_u64).map(|feed| {
///     let publisher = publisher.clone();
///     thread::spawn(move || publisher.publish(feed, Instant::now()).is_ok())
/// }).collect();
/// assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
/// assert_eq!(publisher.stats().published, 2);
/// assert!(publisher.shutdown(Duration::from_secs(5)).is_some_and(|end| end.is_clean()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Publisher<P: Protocol> {
    turn: Arc<Mutex<Turn<P>>>,
    shared: Arc<Shared<P>>,
}

/// What whoever's turn it is has to itself.
struct Turn<P: Protocol> {
    /// Until the shutdown.
    dispatcher: Option<Dispatcher<P>>,
    /// The last time that was told. Threads read their clocks before they get their turn.
    now: Option<Instant>,
}

thread_local! {
    /// The publishers, by their addresses, whose turn this thread has: several, where consumers that one runs publish to
    /// another.
    static TURNS: RefCell<Vec<usize>> = const { RefCell::new(vec![]) };
}

/// Marks this thread as having its turn, until dropped.
struct Mark;

impl Mark {
    /// `None` if it has it already.
    fn set(publisher: usize) -> Option<Self> {
        TURNS.with_borrow_mut(|turns| {
            let is_new = !turns.contains(&publisher);
            turns.extend(is_new.then_some(publisher));
            is_new.then(|| Self)
        })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        TURNS.with_borrow_mut(|turns| turns.pop());
    }
}

impl<P: Protocol> Publisher<P> {
    pub(crate) fn new(dispatcher: Dispatcher<P>, shared: Arc<Shared<P>>) -> Self {
        let turn = Turn { dispatcher: Some(dispatcher), now: None };
        Self { turn: Arc::new(Mutex::new(turn)), shared }
    }

    /// As [`Dispatcher::publish`], when its turn comes. `now` may be a little behind what other threads said.
    ///
    /// A consumer may publish here from inside its handler, unless the publisher itself runs it. With
    /// [`WhenFull::Wait`](crate::WhenFull) it should not: the ring may be full of what this very consumer has to read
    /// first, and then both wait, up to the limit.
    ///
    /// # Errors
    ///
    /// [`PublishError`] hands the message back.
    pub fn publish(
        &self,
        message: P::Message,
        now: Instant,
    ) -> Result<Published, PublishError<P::Message>> {
        let Some((mut turn, _mark)) = self.take_turn() else {
            return Err(PublishError::InsideConsumer(message));
        };
        let now = turn.tell(now);
        match &mut turn.dispatcher {
            Some(dispatcher) => dispatcher.publish(message, now),
            None => Err(PublishError::Stopped(message)),
        }
    }

    /// As [`Dispatcher::publish_batch`]; everybody else waits meanwhile, also for the iterator.
    ///
    /// # Errors
    ///
    /// [`PublishError`] hands back the message at which it ended; the rest is not asked of the iterator. After a
    /// shutdown, and from inside a consumer that the publisher runs, that is the first.
    pub fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = P::Message>,
        now: Instant,
    ) -> Result<usize, PublishError<P::Message>> {
        let mut messages = messages.into_iter();
        let Some((mut turn, _mark)) = self.take_turn() else {
            return messages.next().map_or(Ok(0), |first| Err(PublishError::InsideConsumer(first)));
        };
        let now = turn.tell(now);
        match &mut turn.dispatcher {
            Some(dispatcher) => dispatcher.publish_batch(messages, now),
            None => messages.next().map_or(Ok(0), |first| Err(PublishError::Stopped(first))),
        }
    }

    /// As [`Dispatcher::poll`]. Nothing is done after a shutdown, nor from inside a consumer that the publisher runs.
    pub fn poll(&self, now: Instant) {
        let Some((mut turn, _mark)) = self.take_turn() else { return };
        let now = turn.tell(now);
        if let Some(dispatcher) = &mut turn.dispatcher {
            dispatcher.poll(now);
        }
    }

    /// As [`Dispatcher::next_deadline`]; `None` after a shutdown, too.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.take_turn()?.0.dispatcher.as_ref()?.next_deadline()
    }

    /// The handle by which consumers come and go.
    pub fn routes(&self) -> Routes<P> {
        Routes { shared: Arc::clone(&self.shared) }
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.routes().stats()
    }

    /// How long things took so far: see [`Builder::time_one_in`](crate::Builder::time_one_in).
    pub fn timings(&self) -> Timings {
        self.routes().timings()
    }

    /// As [`Dispatcher::shutdown`], for all handles: what they publish afterwards comes back. `None` if it was shut down
    /// already, and from inside a consumer that the publisher runs, which would wait for itself.
    pub fn shutdown(&self, limit: Duration) -> Option<Shutdown<P::Message>> {
        // Not under the lock: who publishes meanwhile hears that it has stopped.
        let dispatcher = self.take_turn()?.0.dispatcher.take()?;
        Some(dispatcher.shutdown(limit))
    }

    /// `None` if this thread has its turn already: a consumer that the publisher runs.
    fn take_turn(&self) -> Option<(MutexGuard<'_, Turn<P>>, Mark)> {
        // Marked first: a lock that this thread has is never given to it.
        let mark = Mark::set(Arc::as_ptr(&self.turn) as usize)?;
        Some((lock(&self.turn), mark))
    }
}

impl<P: Protocol> Turn<P> {
    /// The time, which does not go back.
    fn tell(&mut self, now: Instant) -> Instant {
        *self.now.insert(self.now.map_or(now, |last| last.max(now)))
    }
}

impl<P: Protocol> Clone for Publisher<P> {
    fn clone(&self) -> Self {
        Self { turn: Arc::clone(&self.turn), shared: Arc::clone(&self.shared) }
    }
}

impl<P: Protocol> fmt::Debug for Publisher<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
