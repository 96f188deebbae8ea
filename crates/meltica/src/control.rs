use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use meltica_dispatcher::SubscribeError;
use meltica_event::TraceId;

use crate::{Consumer, MergeRule, Problem, Select, UnknownConsumer};

/// How many commands may wait to be obeyed.
const QUEUE: usize = 64;
/// What the trace ids of commands begin with, so that they are no message's.
const TRACES: u64 = 1 << 63;

/// A handle by which a pipeline is changed while messages flow: from any thread, also from inside a
/// consumer, since sending a command never waits. Cloning gives another.
///
/// The pipeline obeys between two messages, in the order in which commands were sent: before it takes
/// the next message, or at its next [`poll`](crate::Pipeline::poll). Each command is answered by two
/// critical messages with its [trace id](Pending::trace), of venue and instrument none: a
/// `ControlAck` before it is carried out, and a `ControlResult` when it is in force for all messages
/// that come after it, or which says why it was refused. Who sent it may also
/// [wait](Pending::wait) for the result, typed.
///
/// ```
/// use std::time::Duration;
/// use meltica::{Consumer, Pipeline, Select};
///
/// let running = Pipeline::builder()
///     .consumer(Consumer::new("strategy", |_| ()), [Select::all()])
///     .build()?
///     .spawn(4_096)?;
/// let control = running.control();
/// let flipped = control.flip()?.wait(Duration::from_secs(5)).expect("it runs")?;
/// assert_eq!(running.gate("strategy").map(|gate| gate.version()), Some(flipped.version));
/// let refused = control.pause("stratagem")?.wait(Duration::from_secs(5)).expect("it runs");
/// assert_eq!(refused.unwrap_err().to_string(), "no consumer `stratagem` is subscribed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Control {
    desk: Arc<Desk>,
    /// Wakes a pipeline that sleeps.
    wake: Sender<()>,
}

/// Where commands lie until they are obeyed.
#[derive(Default)]
struct Desk {
    queue: Mutex<Queue>,
    /// How many have lain there, for a look without the lock.
    queued: AtomicU64,
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<Order>,
    /// How many were given a number.
    numbered: u64,
    /// The pipeline is gone.
    closed: bool,
}

impl Desk {
    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a pipeline can be told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Adds a consumer: see [`Pipeline::subscribe`](crate::Pipeline::subscribe).
    Subscribe {
        /// Who.
        consumer: Consumer,
        /// What it wants.
        selections: Vec<Select>,
        /// Whether it first gets the last quote and the whole book of every stream it selects.
        with_state: bool,
    },
    /// Removes a consumer. What waits for it is discarded, its critical messages go to the dead-letter
    /// sink (the acknowledgement of this command among them, if it wants control events); a call in
    /// progress goes on.
    Unsubscribe {
        /// Its name.
        consumer: String,
    },
    /// Gives a consumer other selections, without disturbing what waits for it. With none it gets
    /// nothing new.
    Reselect {
        /// Its name.
        consumer: String,
        /// What it wants from now on.
        selections: Vec<Select>,
    },
    /// Adds a merge rule, or puts it in the place of the one of its name. Windows that are open under
    /// the old rule close first, as for a flip; books that both rules add up are kept. What the old windows
    /// had is forgotten otherwise: a message that comes again after the change is not known as a repeat.
    /// The pools do not grow: what windows cannot have is counted.
    SetMerge(Box<MergeRule>),
    /// Removes a merge rule, after closing its windows as for a flip.
    RemoveMerge {
        /// Its name.
        rule: String,
    },
    /// Makes a new routing version: see [`Pipeline::flip`](crate::Pipeline::flip).
    Flip,
    /// Sets the least version of market data that a consumer accepts, up or down.
    SetMinVersion {
        /// Its name.
        consumer: String,
        /// The version: at most the next one.
        version: u64,
    },
    /// Has no message be taken for a consumer's handler any more; one that was taken before is still
    /// handled. What comes waits, and gives way by class; critical messages all wait, and a shutdown hands
    /// them back. Pausing again changes nothing.
    Pause {
        /// Its name.
        consumer: String,
    },
    /// Lets a paused consumer run again. Resuming one that runs changes nothing.
    Resume {
        /// Its name.
        consumer: String,
    },
    /// Has a consumer run on the thread that drives the pipeline, or on the workers': see
    /// [`Pipeline::set_inline`](crate::Pipeline::set_inline).
    SetInline {
        /// Its name.
        consumer: String,
        /// Whether it is to.
        inline: bool,
    },
}

impl Command {
    /// What the answers call it, as `set-merge`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Reselect { .. } => "reselect",
            Self::SetMerge(_) => "set-merge",
            Self::RemoveMerge { .. } => "remove-merge",
            Self::Flip => "flip",
            Self::SetMinVersion { .. } => "set-min-version",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::SetInline { .. } => "set-inline",
        }
    }
}

impl Control {
    pub(crate) fn new() -> (Self, Orders) {
        let (wake, woken) = bounded(1);
        let desk = Arc::<Desk>::default();
        let orders = Orders { desk: Arc::clone(&desk), woken, taken: 0 };
        (Self { desk, wake }, orders)
    }

    /// Sends a command, and returns at once.
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn send(&self, command: Command) -> Result<Pending, ControlError> {
        let (answer, answered) = bounded(1);
        let mut queue = self.desk.lock();
        if queue.closed {
            return Err(ControlError::Stopped(Box::new(command)));
        }
        if queue.orders.len() >= QUEUE {
            return Err(ControlError::Full(Box::new(command)));
        }
        queue.numbered += 1;
        let (number, trace) = (queue.numbered, TraceId(TRACES | queue.numbered));
        queue.orders.push_back(Order { command, number, trace, answer });
        // Relaxed: who sees it takes the lock, and finds the order.
        self.desk.queued.fetch_add(1, Ordering::Relaxed);
        drop(queue);
        // If there is a call to wake up already, that will do.
        let _ = self.wake.try_send(());
        Ok(Pending { command: number, trace, answered })
    }

    /// Sends [`Command::Subscribe`], without the current state.
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn subscribe(
        &self,
        consumer: Consumer,
        selections: impl IntoIterator<Item = Select>,
    ) -> Result<Pending, ControlError> {
        let selections = selections.into_iter().collect();
        self.send(Command::Subscribe { consumer, selections, with_state: false })
    }

    /// Sends [`Command::Unsubscribe`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn unsubscribe(&self, consumer: impl Into<String>) -> Result<Pending, ControlError> {
        self.send(Command::Unsubscribe { consumer: consumer.into() })
    }

    /// Sends [`Command::Reselect`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn reselect(
        &self,
        consumer: impl Into<String>,
        selections: impl IntoIterator<Item = Select>,
    ) -> Result<Pending, ControlError> {
        let selections = selections.into_iter().collect();
        self.send(Command::Reselect { consumer: consumer.into(), selections })
    }

    /// Sends [`Command::SetMerge`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn set_merge(&self, rule: MergeRule) -> Result<Pending, ControlError> {
        self.send(Command::SetMerge(Box::new(rule)))
    }

    /// Sends [`Command::RemoveMerge`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn remove_merge(&self, rule: impl Into<String>) -> Result<Pending, ControlError> {
        self.send(Command::RemoveMerge { rule: rule.into() })
    }

    /// Sends [`Command::Flip`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn flip(&self) -> Result<Pending, ControlError> {
        self.send(Command::Flip)
    }

    /// Sends [`Command::SetMinVersion`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn set_min_version(
        &self,
        consumer: impl Into<String>,
        version: u64,
    ) -> Result<Pending, ControlError> {
        self.send(Command::SetMinVersion { consumer: consumer.into(), version })
    }

    /// Sends [`Command::Pause`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn pause(&self, consumer: impl Into<String>) -> Result<Pending, ControlError> {
        self.send(Command::Pause { consumer: consumer.into() })
    }

    /// Sends [`Command::Resume`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn resume(&self, consumer: impl Into<String>) -> Result<Pending, ControlError> {
        self.send(Command::Resume { consumer: consumer.into() })
    }

    /// Sends [`Command::SetInline`].
    ///
    /// # Errors
    ///
    /// [`ControlError`] hands the command back.
    pub fn set_inline(
        &self,
        consumer: impl Into<String>,
        inline: bool,
    ) -> Result<Pending, ControlError> {
        self.send(Command::SetInline { consumer: consumer.into(), inline })
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.desk.lock().orders.len();
        f.debug_struct("Control").field("waiting", &waiting).finish_non_exhaustive()
    }
}

/// A command on its way. Dropping it recalls nothing.
#[derive(Debug)]
pub struct Pending {
    command: u64,
    trace: TraceId,
    answered: Receiver<Result<Applied, CommandError>>,
}

impl Pending {
    /// The command's number, by which its answers name it.
    pub fn command(&self) -> u64 {
        self.command
    }

    /// The trace id of its answers.
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// Waits for what becomes of it; `None` if `limit` is over before, and then it may be asked again.
    /// On the thread that drives the pipeline, and from inside a consumer that a dispatch waits for, ask
    /// with a limit of zero: there, nothing can happen meanwhile. Once it was told, and when the pipeline
    /// shuts down first, it is [`CommandError::Stopped`].
    ///
    /// # Errors
    ///
    /// The inner one: [`CommandError`].
    pub fn wait(&self, limit: Duration) -> Option<Result<Applied, CommandError>> {
        match self.answered.recv_timeout(limit) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(CommandError::Stopped)),
        }
    }
}

/// A command is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The routing version then: of subscribing, unsubscribing, reselecting and flips a new one.
    pub version: u64,
}

/// Why a command was not sent; it comes back with the answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// As many commands wait as may.
    #[error("64 commands wait to be obeyed; send `{}` again when some were", .0.name())]
    Full(Box<Command>),
    /// The pipeline has stopped.
    #[error("the pipeline has stopped, and does not `{}` any more", .0.name())]
    Stopped(Box<Command>),
}

/// Why a command was refused. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Nobody of this name is subscribed.
    #[error("no consumer `{consumer}` is subscribed")]
    UnknownConsumer {
        /// The name.
        consumer: String,
    },
    /// The consumer could not be subscribed.
    #[error("{0}")]
    Subscribe(#[source] SubscribeError),
    /// The merge rule cannot be.
    #[error("{0}")]
    MergeRule(#[source] Problem),
    /// There is no merge rule of this name.
    #[error("there is no merge rule `{rule}`")]
    UnknownRule {
        /// The name.
        rule: String,
    },
    /// A gate beyond what the next flip reaches would stay shut for no known time.
    #[error("version {version} is ahead of the next one, {next}; to shut a consumer, pause it")]
    VersionAhead {
        /// What was asked for.
        version: u64,
        /// The most there can be.
        next: u64,
    },
    /// Its versions are another pipeline's.
    #[error("this pipeline follows another one's routing versions; flip that one")]
    Follows,
    /// The pipeline stopped, or was cancelled, before it came to the command.
    #[error("the pipeline has stopped")]
    Stopped,
}

impl From<UnknownConsumer> for CommandError {
    fn from(UnknownConsumer(consumer): UnknownConsumer) -> Self {
        Self::UnknownConsumer { consumer }
    }
}

/// A command, as the pipeline gets it.
pub(crate) struct Order {
    pub(crate) command: Command,
    pub(crate) number: u64,
    pub(crate) trace: TraceId,
    pub(crate) answer: Sender<Result<Applied, CommandError>>,
}

impl Order {
    /// Tells who waits for it that nothing will come of it.
    pub(crate) fn refuse(self) {
        let Self { command, answer, .. } = self;
        drop(answer);
        // A consumer's closure is in it, and may panic when it is dropped.
        if catch_unwind(AssertUnwindSafe(|| drop(command))).is_err() {
            tracing::error!("a command, when dropped, panicked");
        }
    }
}

/// Where the pipeline finds its commands. Dropped, it answers those that are left.
pub(crate) struct Orders {
    desk: Arc<Desk>,
    woken: Receiver<()>,
    taken: u64,
}

impl Orders {
    /// Whether there are commands, at the price of one load. One that is sent at this moment may be
    /// seen a message later.
    #[inline]
    pub(crate) fn are_waiting(&self) -> bool {
        self.desk.queued.load(Ordering::Relaxed) != self.taken
    }

    /// Those that wait now.
    pub(crate) fn take(&mut self) -> VecDeque<Order> {
        let orders = std::mem::take(&mut self.desk.lock().orders);
        self.taken += orders.len() as u64;
        orders
    }

    /// For who sleeps until there is a command.
    pub(crate) fn woken(&self) -> Receiver<()> {
        self.woken.clone()
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let left = {
            let mut queue = self.desk.lock();
            queue.closed = true;
            std::mem::take(&mut queue.orders)
        };
        // Outside of the lock: what is in a command is not ours.
        left.into_iter().for_each(Order::refuse);
    }
}
