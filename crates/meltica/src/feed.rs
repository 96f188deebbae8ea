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
    sender: Sender<Fed>,
    state: Arc<State>,
}

/// A message in the queue.
pub(crate) struct Fed {
    pub(crate) message: Message,
    /// What to tell when every interested consumer is done with it.
    pub(crate) receipt: Option<u64>,
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
    pub(crate) fn new(sender: Sender<Fed>, state: Arc<State>) -> Self {
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
        self.put(Fed { message, receipt: None })
    }

    /// As [`push`](Self::push), of a critical message, and has the [receipt sink](crate::Builder::receipt_sink) told this
    /// number when every interested consumer is done with it: see
    /// [`Pipeline::push_for_receipt`](crate::Pipeline::push_for_receipt).
    ///
    /// # Errors
    ///
    /// [`FeedError`] hands the message back; [`FeedError::NoReceipt`] if it is not critical.
    pub fn push_for_receipt(&self, message: Message, receipt: u64) -> Result<(), FeedError> {
        if !message.is_critical() {
            return Err(FeedError::NoReceipt(message));
        }
        self.put(Fed { message, receipt: Some(receipt) })
    }

    fn put(&self, fed: Fed) -> Result<(), FeedError> {
        if self.state.is_core() {
            return self.try_put(fed);
        }
        self.admitted(fed, |fed| {
            self.sender.send(fed).map_err(|refused| FeedError::Stopped(refused.0.message))
        })
    }

    /// Hands a message to the pipeline, if there is room in its queue.
    ///
    /// # Errors
    ///
    /// [`FeedError`] hands the message back.
    pub fn try_push(&self, message: Message) -> Result<(), FeedError> {
        self.try_put(Fed { message, receipt: None })
    }

    /// As [`try_push`](Self::try_push), with a receipt: see [`push_for_receipt`](Self::push_for_receipt).
    ///
    /// # Errors
    ///
    /// [`FeedError`] hands the message back; [`FeedError::NoReceipt`] if it is not critical.
    pub fn try_push_for_receipt(&self, message: Message, receipt: u64) -> Result<(), FeedError> {
        if !message.is_critical() {
            return Err(FeedError::NoReceipt(message));
        }
        self.try_put(Fed { message, receipt: Some(receipt) })
    }

    fn try_put(&self, fed: Fed) -> Result<(), FeedError> {
        self.admitted(fed, |fed| {
            self.sender.try_send(fed).map_err(|refused| match refused {
                TrySendError::Full(fed) => FeedError::Full(fed.message),
                TrySendError::Disconnected(fed) => FeedError::Stopped(fed.message),
            })
        })
    }

    /// Sends only while the core thread is sure to receive.
    fn admitted(
        &self,
        fed: Fed,
        send: impl FnOnce(Fed) -> Result<(), FeedError>,
    ) -> Result<(), FeedError> {
        self.state.sending.fetch_add(1, SeqCst);
        let sent = if self.state.stopped.load(SeqCst) {
            Err(FeedError::Stopped(fed.message))
        } else {
            send(fed)
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
    /// It is market data, which may be dropped or become part of newer ones.
    #[error("only critical messages have receipts")]
    NoReceipt(Message),
}

impl fmt::Debug for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Stopped(_) => "Stopped(..)",
            Self::NoReceipt(_) => "NoReceipt(..)",
        })
    }
}
