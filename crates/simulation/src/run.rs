//! One run of a plan, or of a part of it: the pipeline and the model side by side.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use meltica::{
    Pushed,
    dispatcher::Class,
    event::{EventKind, TraceId},
};

use crate::{
    body::Body,
    model::{Model, Sent, Wrong},
    plan::{End, Hoard, Mood, NAMES, Order, Plan, Step},
    world::{Log, Over, World},
};

/// Where the pipeline and the model differed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step after which that was seen; `None` at the beginning or the end.
    pub step: Option<usize>,
    /// How.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "after step {step}: {}", self.what),
            None => write!(f, "at the beginning or the end: {}", self.what),
        }
    }
}

/// What came about in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Messages that handlers were entered with.
    pub deliveries: u64,
    /// Of these, critical ones.
    pub critical: u64,
    /// Of these, merged ones.
    pub merged: u64,
    /// Messages that were told as folded.
    pub folded: u64,
    /// Messages that were told as dropped.
    pub dropped: u64,
    /// Failures of handlers, panics included.
    pub failures: u64,
    /// Commands that were answered.
    pub commands: u64,
    /// Of these, refused.
    pub refusals: u64,
}

impl Tally {
    /// Adds up.
    pub fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.critical += other.critical;
        self.merged += other.merged;
        self.folded += other.folded;
        self.dropped += other.dropped;
        self.failures += other.failures;
        self.commands += other.commands;
        self.refusals += other.refusals;
    }

    fn note(&mut self, log: &Log) {
        for entry in &log.entries {
            self.deliveries += 1;
            self.critical += u64::from(entry.seen.class() == Class::Critical);
            let kind = entry.seen.header().kind;
            self.merged += u64::from(matches!(kind, EventKind::Merged | EventKind::MergedBook));
            self.folded += entry.skipped.0;
            self.dropped += entry.skipped.1;
            self.failures += u64::from(matches!(entry.mood, Mood::Fails | Mood::Panics));
        }
        self.commands += log.answers.len() as u64;
        let refused = log.answers.iter().filter(|answer| answer.applied.is_none());
        self.refusals += refused.count() as u64;
    }
}

/// Runs the steps of these numbers, in order.
///
/// # Errors
///
/// [`Failure`] for the first difference; a panic of the pipeline's is one.
pub fn run(plan: &Plan, steps: &[usize]) -> Result<Tally, Failure> {
    let mut at = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::new(plan)?;
        for index in steps {
            at = Some(*index);
            run.step(&plan.steps[*index], TraceId(*index as u64 + 1))?;
        }
        at = None;
        run.end(plan.end)
    }));
    outcome
        .unwrap_or_else(|payload| Err(said(&*payload)))
        .map_err(|what| Failure { step: at, what })
}

fn said(payload: &(dyn std::any::Any + Send)) -> Wrong {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without words"))
}

struct Run {
    world: World,
    model: Model,
    tally: Tally,
}

impl Run {
    fn new(plan: &Plan) -> Result<Self, Wrong> {
        let world = World::new(&plan.settings).map_err(|error| error.to_string())?;
        let model = Model::new(&plan.settings);
        let mut run = Self { world, model, tally: Tally::default() };
        for member in &plan.settings.members {
            run.carry_out(&Order::Subscribe(member.clone()))?;
        }
        for name in &plan.settings.inline {
            run.carry_out(&Order::Inline(*name, true))?;
        }
        run.compare()?;
        Ok(run)
    }

    fn step(&mut self, step: &Step, trace: TraceId) -> Result<(), Wrong> {
        if self.model.will_unsubscribe() && takes_commands(step) {
            // What comes home in the midst of a step would be a question of what came first.
            self.set_hoard(Hoard::default());
        } else if self.model.runs_inline() && self.world.hoard().merged {
            // So it would be of what is handled in the midst of one.
            self.set_hoard(Hoard { merged: false, ..self.world.hoard() });
        }
        match step {
            Step::Push(item) => self.push(Body::of(item, trace))?,
            Step::Burst(items) => {
                for (number, item) in items.iter().enumerate() {
                    // Trace ids of their own, beyond those of steps.
                    self.push(Body::of(item, TraceId(trace.0 | (number as u64 + 1) << 32)))?;
                }
            }
            Step::Dispatch(item) => self.dispatch(Body::of(item, trace))?,
            Step::Pass(ms) => {
                self.world.pass(*ms);
                let sent = self.see();
                self.model.pass(*ms);
                self.model_is_sent(sent);
            }
            Step::Run(name, messages) => {
                for _ in 0..*messages {
                    let ran = self.world.run(*name);
                    if self.model.has(*name) {
                        self.model.refresh();
                    }
                    self.compare()?;
                    if !ran {
                        self.model.was_idle(*name)?;
                        break;
                    }
                }
            }
            Step::RunAll => self.run_all()?,
            Step::Mood(name, moods) => self.world.set_moods(*name, moods),
            Step::Send(order) => self.send(order),
            Step::Do(order) => self.carry_out(order)?,
            Step::Hoard(hoard) => self.set_hoard(*hoard),
            Step::Release => self.set_hoard(Hoard::default()),
        }
        self.compare()?;
        self.world.top_up();
        Ok(())
    }

    fn push(&mut self, body: Body) -> Result<(), Wrong> {
        let pushed = self.world.push(&body);
        let Ok(pushed) = pushed else { return Err("it was not taken".into()) };
        let (told, sent) = (self.world.told(), self.see());
        let expected = self.model.push(body, &told, false)?;
        self.model_is_sent(sent);
        if pushed != expected {
            return Err(format!("it was {pushed:?} where {expected:?} should be"));
        }
        self.model.absorb(&told)
    }

    fn dispatch(&mut self, body: Body) -> Result<(), Wrong> {
        let (pushed, pending) = self.world.dispatch(&body)?;
        let (told, sent) = (self.world.told(), self.see());
        let expected = match self.model.push(body, &told, true)? {
            Pushed::Repeated | Pushed::Windowed => None,
            pushed => Some(pushed),
        };
        if pushed != expected {
            return Err(format!("it was {pushed:?} where {expected:?} should be"));
        }
        self.model_is_sent(sent);
        self.model.absorb(&told)?;
        match pending.iter().find(|name| !self.model.is_paused(name)) {
            Some(name) => Err(format!("{name} is not paused, and was not waited for")),
            None => Ok(()),
        }
    }

    /// Shows the model what was seen, before it does the same. Answers what consumers sent from inside meanwhile.
    fn see(&mut self) -> Vec<Sent> {
        let sent = self.world.sent_inside();
        let log = self.world.log();
        self.tally.note(&log);
        self.model.see(log);
        sent
    }

    fn model_is_sent(&mut self, sent: Vec<Sent>) {
        sent.into_iter().for_each(|sent| self.model.send(sent));
    }

    fn run_all(&mut self) -> Result<(), Wrong> {
        self.world.run_all();
        self.model.refresh();
        self.compare()?;
        (0..NAMES.len()).try_for_each(|name| self.model.was_idle(name))
    }

    fn send(&mut self, order: &Order) {
        let sent = self.world.send(order);
        self.model.send(sent);
    }

    fn carry_out(&mut self, order: &Order) -> Result<(), Wrong> {
        let Some((generation, done)) = self.world.carry_out(order) else {
            self.send(order);
            return Ok(());
        };
        let sent = self.see();
        let expected = self.model.carry_out(order.clone(), generation).is_ok();
        self.model_is_sent(sent);
        if done == expected { Ok(()) } else { Err(format!("done: {done}; {expected} should be")) }
    }

    fn set_hoard(&mut self, hoard: Hoard) {
        self.world.set_hoard(hoard);
        self.model.set_hoard(hoard);
    }

    fn compare(&mut self) -> Result<(), Wrong> {
        let (told, sent) = (self.world.told(), self.see());
        self.model_is_sent(sent);
        self.model.absorb(&told)
    }

    fn end(mut self, end: End) -> Result<Tally, Wrong> {
        self.set_hoard(Hoard::default());
        let long = Duration::from_secs(60);
        let over = match end {
            End::Settle => {
                for name in 0..NAMES.len() {
                    self.world.set_moods(name, &[]);
                    self.send(&Order::Resume(name));
                }
                self.world.poll();
                let sent = self.see();
                self.model.poll();
                self.model_is_sent(sent);
                self.compare()?;
                self.run_all()?;
                self.world.shutdown(long)
            }
            End::Deliver => self.world.shutdown(long),
            End::AtOnce => self.world.shutdown(Duration::ZERO),
            End::Cancel => {
                self.world.cancel();
                self.model.cancel();
                let body = Body::Execution(meltica::event::ExecReport::blank());
                match self.world.push(&body) {
                    Ok(pushed) => return Err(format!("after the cancellation it was {pushed:?}")),
                    Err(message) if Body::seen(&message) != body => {
                        return Err("another message was handed back".into());
                    }
                    Err(_) => {}
                }
                self.world.shutdown(long)
            }
            End::Drop => self.world.drop_it(),
        };
        finish(self.model, self.tally, over, end)
    }
}

/// Whether commands that were sent are carried out in it.
fn takes_commands(step: &Step) -> bool {
    matches!(step, Step::Push(_) | Step::Burst(_) | Step::Dispatch(_) | Step::Pass(_))
}

fn finish(mut model: Model, mut tally: Tally, over: Over, end: End) -> Result<Tally, Wrong> {
    let Over { log, told, undelivered, left_behind, leaked, stopped, sent } = over;
    tally.note(&log);
    if matches!(end, End::Cancel | End::Drop) && !log.entries.is_empty() {
        return Err(format!("nothing more should be delivered, and {:?} was", log.entries));
    }
    model.see(log);
    if end == End::Drop {
        model.drop_all();
    } else {
        model.stop();
    }
    if end == End::Settle && !undelivered.is_empty() {
        return Err(format!("all had settled, and {undelivered:?} was not delivered"));
    }
    // But to those whom the publisher runs, who have it with the publishing.
    if let (End::AtOnce, Some(entry)) = (end, model.unexplained()) {
        return Err(format!("nothing more should be delivered, and {entry:?} was"));
    }
    model.end(&told, &undelivered, end)?;
    // Whatever is sent while it ends comes too late, or is not taken at all.
    let waiting = model.waiting_commands() + sent;
    if stopped != waiting {
        return Err(format!("{stopped} commands say that it has stopped, of {waiting}"));
    }
    if left_behind > 0 || leaked > 0 {
        return Err(format!("{leaked} objects are still out, {left_behind} left behind"));
    }
    Ok(tally)
}
