use std::{
    any::Any,
    fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
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

    /// Gives it a message. The handler runs at most once, here, and nothing it does leaves this
    /// call but its effects; however it ends, the message is dropped or in the answer.
    #[inline]
    pub fn invoke(&mut self, message: I::Message) -> Outcome<I::Message> {
        let critical = I::is_critical(&message);
        let applies = self.policy_applies();
        if applies && matches!(self.policy, Policy::Stop { .. }) {
            self.counts.refused.add(1);
            return Outcome::Refused(message);
        }
        if !critical && (applies || !self.gate.admits(I::version(&message))) {
            self.counts.filtered.add(1);
            self.counts.quarantined.add(u64::from(applies));
            return Outcome::Filtered(message);
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
            Ok(()) => {
                self.failures_in_a_row = 0;
                self.counts.handled.add(1);
                Outcome::Handled
            }
            Err(failure) => Outcome::Failed { fault: self.fault(trace, failure), message },
        }
    }

    #[cold]
    fn fault(&mut self, trace: u64, failure: Failure) -> Fault {
        let applied = self.policy_applies();
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.counts.failed.add(1);
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
