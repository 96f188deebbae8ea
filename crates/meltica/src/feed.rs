use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, ThreadId},
};

use crossbeam_channel::{Sender, TrySendError};

use crate::Message;

/// A way into a [`Running`](crate::Running) pipeline, for one thread; clone it for others. Each
/// feed's messages keep their order.
#[derive(Clone)]
pub struct Feed {
    sender: Sender<Message>,
    state: Arc<State>,
}

/// What feeds and the core thread have in common.
#[derive(Default)]
pub(crate) struct State {
    stopped: AtomicBool,
    /// How many feeds are between looking at `stopped` and having sent.
    sending: AtomicUsize,
    /// The thread that receives.
    core: OnceLock<ThreadId>,
}

impl State {
    /// This thread receives from now on.
    pub(crate) fn set_core(&self) {
        // It is the first and only one.
        let _ = self.core.set(thread::current().id());
    }

    /// Whether this is the thread that receives, as in a consumer of a pipeline without workers.
    fn is_core(&self) -> bool {
        self.core.get().is_some_and(|core| *core == thread::current().id())
    }

    /// No feed takes a message from now on, but those already in `sending`.
    pub(crate) fn stop(&self) {
        // SeqCst, with `Feed::admitted`: a feed either sees this, or is seen in `sending`.
        self.stopped.store(true, SeqCst);
    }

    /// Whether everything that was taken has been sent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.sending.load(SeqCst) == 0
    }
}

impl Feed {
    pub(crate) fn new(sender: Sender<Message>, state: Arc<State>) -> Self {
        Self { sender, state }
    }

    /// Hands a message to the pipeline; blocks while its queue is full. Once taken, it reaches the
    /// consumers, or is handed back by the shutdown.
    ///
    /// # Errors
    ///
    /// [`FeedError::Stopped`] hands the message back; and so does [`FeedError::Full`], in a consumer that
    /// runs on the pipeline's own thread, where waiting for room would be for ever.
    pub fn push(&self, message: Message) -> Result<(), FeedError> {
        if self.state.is_core() {
            return self.try_push(message);
        }
        self.admitted(message, |message| {
            self.sender.send(message).map_err(|refused| FeedError::Stopped(refused.0))
        })
    }

    /// Hands a message to the pipeline, if there is room in its queue.
    ///
    /// # Errors
    ///
    /// [`FeedError`] hands the message back.
    pub fn try_push(&self, message: Message) -> Result<(), FeedError> {
        self.admitted(message, |message| {
            self.sender.try_send(message).map_err(|refused| match refused {
                TrySendError::Full(message) => FeedError::Full(message),
                TrySendError::Disconnected(message) => FeedError::Stopped(message),
            })
        })
    }

    /// Sends only while the core thread is sure to receive.
    fn admitted(
        &self,
        message: Message,
        send: impl FnOnce(Message) -> Result<(), FeedError>,
    ) -> Result<(), FeedError> {
        self.state.sending.fetch_add(1, SeqCst);
        let sent = if self.state.stopped.load(SeqCst) {
            Err(FeedError::Stopped(message))
        } else {
            send(message)
        };
        self.state.sending.fetch_sub(1, SeqCst);
        sent
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("waiting", &self.sender.len()).finish_non_exhaustive()
    }
}

/// Why a feed did not take a message; it comes back with the answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The queue is full.
    #[error("the pipeline's queue is full")]
    Full(Message),
    /// The pipeline has stopped.
    #[error("the pipeline has stopped")]
    Stopped(Message),
}

impl fmt::Debug for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Stopped(_) => "Stopped(..)",
        })
    }
}
