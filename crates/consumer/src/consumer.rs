use std::{
    any::Any,
    fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use crate::{
    Cause, Fault, Gate, HandlerError, Inspect, IntoResult, Outcome, Policy, Stats,
    panic_hook::{Inside, take_stack},
    stats::Counts,
};

type Borrowing<M> = Box<dyn FnMut(&M) -> Result<(), HandlerError> + Send>;
type Owning<M> = Box<dyn FnMut(M) -> Result<(), HandlerError> + Send>;

/// A named closure that is given messages one at a time.
pub struct Consumer<I: Inspect> {
    id: Arc<str>,
    handler: Handler<I::Message>,
    gate: Gate,
    policy: Policy,
    /// Failures since the last success.
    failures_in_a_row: u32,
    counts: Arc<Counts>,
}

enum Handler<M> {
    Borrowing(Borrowing<M>),
    Owning(Owning<M>),
}

impl<I: Inspect> Consumer<I> {
    /// A consumer whose handler borrows each message. A critical message that it fails on is handed
    /// back with the fault.
    pub fn new<R: IntoResult>(
        id: impl Into<Arc<str>>,
        mut handler: impl FnMut(&I::Message) -> R + Send + 'static,
    ) -> Self {
        let handler = Box::new(move |message: &I::Message| handler(message).into_result());
        Self::with(id.into(), Handler::Borrowing(handler))
    }

    /// A consumer whose handler owns each message, to keep it or pass it on.
    pub fn owning<R: IntoResult>(
        id: impl Into<Arc<str>>,
        mut handler: impl FnMut(I::Message) -> R + Send + 'static,
    ) -> Self {
        let handler = Box::new(move |message| handler(message).into_result());
        Self::with(id.into(), Handler::Owning(handler))
    }

    fn with(id: Arc<str>, handler: Handler<I::Message>) -> Self {
        Self {
            id,
            handler,
            gate: Gate::new(),
            policy: Policy::CarryOn,
            failures_in_a_row: 0,
            counts: Arc::default(),
        }
    }

    /// What to do after repeated failures. By default, carry on.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The consumer's name.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The handle by which its least accepted version moves.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        self.counts.read()
    }

    /// A handle by which others read what it has done so far.
    pub fn stats_handle(&self) -> impl Fn() -> Stats + Send + Sync + 'static {
        let counts = Arc::clone(&self.counts);
        move || counts.read()
    }

    /// Whether it has failed so often that its policy is in force.
    pub fn policy_applies(&self) -> bool {
        match self.policy {
            Policy::CarryOn => false,
            Policy::Quarantine { after } | Policy::Stop { after } => {
                self.failures_in_a_row >= after.max(1)
            }
        }
    }

    /// Whether its handler borrows each message, so that [`invoke_borrowed`](Self::invoke_borrowed) will do.
    pub fn borrows(&self) -> bool {
        matches!(self.handler, Handler::Borrowing(_))
    }

    /// Gives it a message. The handler runs at most once, here, and nothing it does leaves this
    /// call but its effects; however it ends, the message is dropped or in the answer.
    #[inline]
    pub fn invoke(&mut self, message: I::Message) -> Outcome<I::Message> {
        let critical = I::is_critical(&message);
        match self.admit(&message, critical) {
            Admission::Admitted => {}
            Admission::Filtered => return Outcome::Filtered(message),
            Admission::Refused => return Outcome::Refused(message),
        }
        let trace = I::trace(&message);
        let (result, message) = match &mut self.handler {
            Handler::Borrowing(handler) => {
                let mut held = Some(message);
                let result = isolated(|| {
                    handler(held.as_ref().expect("it is taken by the next line at the earliest"))?;
                    // Dropped behind the same wall: that may panic too.
                    held = None;
                    Ok(())
                });
                if !critical && held.is_some() {
                    let dropped = isolated(|| {
                        held = None;
                        Ok(())
                    });
                    if let Err(Failure::Panic(payload)) = dropped {
                        drop_payload(payload);
                    }
                }
                (result, held)
            }
            Handler::Owning(handler) => (isolated(|| handler(message)), None),
        };
        match result {
            Ok(()) => self.handled(),
            Err(failure) => Outcome::Failed { fault: self.fault(trace, failure), message },
        }
    }

    /// As [`invoke`](Self::invoke), with a message that stays where it is: others may read it too.
    ///
    /// # Panics
    ///
    /// If its handler wants to own its messages: see [`borrows`](Self::borrows).
    #[inline]
    pub fn invoke_borrowed(&mut self, message: &I::Message) -> Outcome<()> {
        match self.admit(message, I::is_critical(message)) {
            Admission::Admitted => {}
            Admission::Filtered => return Outcome::Filtered(()),
            Admission::Refused => return Outcome::Refused(()),
        }
        let Handler::Borrowing(handler) = &mut self.handler else {
            panic!("consumer `{}` owns its messages: it cannot be lent one", self.id)
        };
        match isolated(|| handler(message)) {
            Ok(()) => self.handled(),
            Err(failure) => {
                Outcome::Failed { fault: self.fault(I::trace(message), failure), message: None }
            }
        }
    }

    #[inline]
    fn admit(&self, message: &I::Message, critical: bool) -> Admission {
        let applies = self.policy_applies();
        if applies && matches!(self.policy, Policy::Stop { .. }) {
            self.counts.refused.add(1);
            return Admission::Refused;
        }
        if !critical && (applies || !self.gate.admits(I::version(message))) {
            self.counts.filtered.add(1);
            self.counts.quarantined.add(u64::from(applies));
            return Admission::Filtered;
        }
        Admission::Admitted
    }

    #[inline]
    fn handled<M>(&mut self) -> Outcome<M> {
        self.failures_in_a_row = 0;
        self.counts.handled.add(1);
        Outcome::Handled
    }

    #[cold]
    fn fault(&mut self, trace: u64, failure: Failure) -> Fault {
        let applied = self.policy_applies();
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.counts.failed.add(1);
        self.counts.last_failed.store(trace, Relaxed);
        let (cause, stack) = match failure {
            Failure::Error(error) => (Cause::Error(error.into()), None),
            Failure::Panic(payload) => {
                self.counts.panicked.add(1);
                (Cause::Panic(message_of(payload).into()), take_stack())
            }
        };
        let policy_applies = !applied && self.policy_applies();
        Fault { consumer: Arc::clone(&self.id), trace, cause, stack, policy_applies }
    }
}

/// Whether a message is for the handler.
enum Admission {
    Admitted,
    Filtered,
    Refused,
}

enum Failure {
    Error(HandlerError),
    Panic(Box<dyn Any + Send>),
}

#[inline]
fn isolated(call: impl FnOnce() -> Result<(), HandlerError>) -> Result<(), Failure> {
    let _inside = Inside::enter();
    // Unwind safety is the handler's own affair: its captures are touched by nobody else.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::Error(error)),
        Err(payload) => Err(Failure::Panic(payload)),
    }
}

/// What a panic said; its payload is dropped here, and may panic again in doing so.
fn message_of(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => "a payload that is no text".to_owned(),
        },
    };
    drop_payload(payload);
    message
}

/// Drops a panic's payload, which may panic in turn, and so on: what still does after a few rounds
/// is left alone.
fn drop_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(again) => payload = again,
        }
    }
    let _ = ManuallyDrop::new(payload);
}

impl<I: Inspect> fmt::Debug for Consumer<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("id", &self.id)
            .field("gate", &self.gate.version())
            .field("policy", &self.policy)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
