use std::{backtrace::Backtrace, error::Error, fmt, sync::Arc};

/// What a handler's error becomes: any error at all.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// What a handler may return: `()`, or a `Result<(), E>` with any error or text as `E`.
pub trait IntoResult {
    /// As a result with any error.
    fn into_result(self) -> Result<(), HandlerError>;
}

impl IntoResult for () {
    #[inline]
    fn into_result(self) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl<E: Into<HandlerError>> IntoResult for Result<(), E> {
    #[inline]
    fn into_result(self) -> Result<(), HandlerError> {
        self.map_err(Into::into)
    }
}

/// What became of one message.
#[derive(Debug)]
pub enum Outcome<M> {
    /// Handled; the message is gone.
    Handled,
    /// Not for now: below the gate, or in quarantine. The message, for whoever wants to count or
    /// keep it.
    Filtered(M),
    /// It went wrong.
    Failed {
        /// How.
        fault: Fault,
        /// The message, if it is critical and the handler only borrowed it: somebody may still want
        /// to handle it. Other messages are gone.
        message: Option<M>,
    },
    /// The consumer has stopped, and did not look at it.
    Refused(M),
}

/// A failure of a consumer with one message. Prints as its cause; who and which message, whoever
/// reports it says.
#[derive(Clone)]
#[non_exhaustive]
pub struct Fault {
    /// The consumer.
    pub consumer: Arc<str>,
    /// The message's trace number.
    pub trace: u64,
    /// What went wrong.
    pub cause: Cause,
    /// The stack of the panic, where a [`PanicHook`](crate::PanicHook) caught it; resolved when
    /// printed.
    pub stack: Option<Arc<Backtrace>>,
    /// Whether this was one failure too many, and the consumer's policy is in force from now on.
    pub policy_applies: bool,
}

/// What went wrong in a handler.
#[derive(Clone)]
pub enum Cause {
    /// It returned this error.
    Error(Arc<dyn Error + Send + Sync>),
    /// It panicked, with this message.
    Panic(Arc<str>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => fmt::Display::fmt(error, f),
            Self::Panic(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("consumer", &self.consumer)
            .field("trace", &self.trace)
            .field("cause", &self.cause)
            .field("stack", &self.stack.is_some())
            .finish_non_exhaustive()
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Error(error) => Some(&**error),
            Cause::Panic(_) => None,
        }
    }
}
