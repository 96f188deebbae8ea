//! An endurance run: how much, and how long, without breaking a promise.

use std::{
    thread,
    time::{Duration, Instant},
};

use meltica::{
    Builder, Consumer, Control, Delivery, End, Pipeline, PoolSizes, Pools, Select,
    consumer::install_panic_hook,
};

use crate::{
    interrupt::Interrupt,
    say::{ProgressLine, say},
    soak::{
        SoakError,
        checker::{Checker, Seen, SharedChecker},
        endured::{Endured, Panics},
        lot::Lot,
        memory::Samples,
        traces::{SharedTraces, Traces},
        traffic::{INSTRUMENTS_OF_VENUES, STREAMS, Traffic, critical_streams},
    },
    summary::{Critical, grouped},
    threads::Baseline,
};

/// Market data of a class that may wait for a consumer.
const LANE_CAPACITY: usize = 256;
/// Critical messages that may wait, for each consumer, before the run waits for them: they never give
/// way, and what it heaped up itself would be no finding.
const CRITICAL_AHEAD: usize = 400;
/// Events between two looks at how things stand.
const LOOK: u64 = 100;
/// Tides: for so many events the run lets its consumers keep up, then for as many it presses them, and
/// market data gives way.
const TIDE: u64 = 10_000;
/// While they are to keep up: how many events they may be behind, each, and how often that is looked at.
const BEHIND: usize = 16;
const GLANCE: u64 = 16;
/// How long consumers may make no way before the run gives them up.
const STANDSTILL: Duration = Duration::from_secs(60);
/// How long consumers get to finish at the end.
const DRAIN: Duration = Duration::from_secs(120);
/// Without a number of flips: one in so many events.
const EVENTS_A_FLIP: u64 = 100;

/// What is to be endured, to the end of the events or of the time, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) length: Length,
    pub(crate) consumers: usize,
    /// The share of the events, from 0 to 1, for which one consumer panics.
    pub(crate) panic_rate: f64,
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// So many events, with so many flips among them, and no longer than this.
    Events {
        events: u64,
        flips: Option<u64>,
        duration: Option<Duration>,
    },
    Time(Duration),
}

impl Length {
    /// How many flips belong before the end of so many events: evenly, and all of them by the last.
    fn flips_due(&self, number: u64) -> u64 {
        match *self {
            Self::Events { events, flips: Some(flips), .. } => {
                (u128::from(number) * u128::from(flips) / u128::from(events)) as u64
            }
            _ => number / EVENTS_A_FLIP,
        }
    }

    /// How much of it is over, from 0 to 1.
    fn over(&self, number: u64, elapsed: Duration) -> f64 {
        let in_time = |duration: Duration| elapsed.as_secs_f64() / duration.as_secs_f64();
        let over = match *self {
            Self::Events { events, duration, .. } => {
                (number as f64 / events as f64).max(duration.map_or(0.0, in_time))
            }
            Self::Time(duration) => in_time(duration),
        };
        over.min(1.0)
    }

    fn is_over(&self, number: u64, elapsed: Duration) -> bool {
        match *self {
            Self::Events { events, duration, .. } => {
                number >= events || duration.is_some_and(|duration| elapsed >= duration)
            }
            Self::Time(duration) => elapsed >= duration,
        }
    }
}

/// Runs it, and tells what came to light. An interrupt ends it early.
pub(crate) fn endure(plan: &Plan, interrupt: &Interrupt) -> Result<Endured, SoakError> {
    // Quiet: what is told of panics is how many there were.
    install_panic_hook(Default::default());
    let baseline = Baseline::now();
    let (heard, dead) = (SharedTraces::default(), SharedTraces::default());
    let (checkers, builder) = consumers(plan, sinks(&heard, &dead));
    let mut run = Run::new(builder.build()?, plan);
    run.drive(interrupt)?;
    let Run { pipeline, traffic, samples, start, flips, flips_refused, .. } = run;
    let end = pipeline.shutdown(DRAIN);
    let elapsed = start.elapsed();
    for name in &end.stuck {
        say(format_args!("{name} would not end and was left behind"));
    }

    let answers = 2 * (flips + flips_refused);
    let seen = seen(&checkers, &traffic, answers);
    let reports: u64 = critical_streams().map(|stream| traffic.by_stream()[stream]).sum();
    let leaks = end.leaks();
    if !leaks.is_clean() {
        say(&leaks);
    }
    let lanes = &end.stats.dispatcher.lanes;
    let (heard, dead) = (heard.read(), dead.read());
    Ok(Endured {
        events: traffic.number(),
        consumers: plan.consumers,
        flips,
        elapsed_s: elapsed.as_secs_f64(),
        events_per_second: traffic.number() as f64 / elapsed.as_secs_f64(),
        deliveries: lanes.iter().map(|lane| lane.delivered).sum(),
        conflated: lanes.iter().map(|lane| lane.folded).sum(),
        dropped: lanes.iter().map(|lane| lane.dropped + lane.discarded).sum(),
        filtered: lanes.iter().map(|lane| lane.filtered).sum(),
        critical: Critical {
            published: reports + answers,
            expected: (reports + answers) * plan.consumers as u64,
            delivered: seen.critical,
            lost: seen.lost,
            repeated: seen.repeated,
        },
        critical_peak: lanes.iter().map(|lane| lane.critical_peak).max().unwrap_or(0),
        stale: seen.stale,
        out_of_order: seen.out_of_order,
        untold: seen.untold,
        unaccounted: unaccounted(&end, &seen, traffic.number() + answers),
        flips_refused,
        panics: panics(&seen, heard, dead),
        leases_outstanding: leaks.count(),
        heap_fallbacks: end.stats.pools.iter().map(|pool| pool.heap_fallbacks).sum(),
        threads_leaked: baseline.leaked(),
        memory: samples.memory(elapsed),
        resident_bytes: samples.thinned(),
    })
}

fn sinks(heard: &SharedTraces, dead: &SharedTraces) -> Builder {
    let (heard, dead) = (heard.clone(), dead.clone());
    Pipeline::builder()
        .fault_sink(move |fault| heard.note(fault.trace))
        .dead_letter_sink(move |letter| dead.note(letter.trace))
}

/// Consumers of everything, each with its checker.
fn consumers(plan: &Plan, builder: Builder) -> (Vec<SharedChecker>, Builder) {
    let lot = Lot::new(plan.panic_rate, plan.consumers, plan.seed);
    let sizes = PoolSizes {
        // With the state of each stream.
        books: 2 * LANE_CAPACITY * plan.consumers + STREAMS,
        executions: 2 * CRITICAL_AHEAD * plan.consumers,
        controls: 2 * CRITICAL_AHEAD * plan.consumers,
        // The traffic's books are small.
        book_levels: 16,
        ..PoolSizes::for_consumers(plan.consumers, LANE_CAPACITY)
    };
    let mut builder =
        builder.lane_capacity(LANE_CAPACITY).keep_current_state(true).pool_sizes(sizes);
    let mut checkers = vec![];
    for index in 0..plan.consumers {
        let checker = SharedChecker::new(Checker::new(index, lot));
        let consumer = Consumer::new(format!("consumer-{index}"), member(checker.clone()));
        checker.lock().watch(consumer.gate());
        checkers.push(checker);
        builder = builder.consumer(consumer, [Select::all()]);
    }
    (checkers, builder)
}

/// Checks on entry, and panics where that fell on it.
fn member(checker: SharedChecker) -> impl FnMut(&Delivery) {
    move |delivery| {
        let panics = checker.lock().note(delivery);
        if panics {
            panic!("this message was one too many");
        }
    }
}

/// What all consumers saw.
fn seen(checkers: &[SharedChecker], traffic: &Traffic, answers: u64) -> Seen {
    checkers.iter().fold(Seen::default(), |mut sum, checker| {
        sum.add(&checker.lock().at_the_end(traffic.by_stream(), answers));
        sum
    })
}

/// Messages that some consumer should have had and of which no statistic says what became of them, and
/// such that statistics have and consumers did not see.
fn unaccounted(end: &End, seen: &Seen, published: u64) -> u64 {
    let lanes = &end.stats.dispatcher.lanes;
    let by_lane = lanes.iter().map(|lane| {
        let told = lane.delivered + lane.folded + lane.dropped + lane.discarded;
        lane.published.abs_diff(published) + lane.published.abs_diff(told)
    });
    let entered: u64 = lanes.iter().map(|lane| lane.delivered - lane.filtered).sum();
    by_lane.sum::<u64>() + entered.abs_diff(seen.calls)
}

fn panics(seen: &Seen, heard: Traces, dead: Traces) -> Panics {
    Panics {
        thrown: seen.thrown.count,
        heard: heard.count,
        thrown_on_critical: seen.thrown_critical.count,
        dead_letters: dead.count,
        misattributed: seen.thrown != heard || seen.thrown_critical != dead,
    }
}

/// The thread that pushes.
struct Run {
    pipeline: Pipeline,
    pools: Pools,
    control: Control,
    traffic: Traffic,
    length: Length,
    /// The most critical messages that may be out.
    critical: u64,
    /// The most other events that may, while consumers are to keep up.
    behind: u64,
    samples: Samples,
    progress: Progress,
    start: Instant,
    flips: u64,
    flips_refused: u64,
}

impl Run {
    fn new(pipeline: Pipeline, plan: &Plan) -> Self {
        let start = Instant::now();
        Self {
            pools: pipeline.pools().clone(),
            control: pipeline.control(),
            traffic: Traffic::new(pipeline.pools(), plan.seed),
            length: plan.length,
            critical: (CRITICAL_AHEAD * plan.consumers) as u64,
            behind: (BEHIND * plan.consumers) as u64,
            samples: Samples::new(),
            progress: Progress::new(start),
            start,
            flips: 0,
            flips_refused: 0,
            pipeline,
        }
    }

    fn drive(&mut self, interrupt: &Interrupt) -> Result<(), SoakError> {
        loop {
            let number = self.traffic.number();
            let now = Instant::now();
            let elapsed = now - self.start;
            if self.length.is_over(number, elapsed) || interrupt.is_set() {
                break;
            }
            if number.is_multiple_of(LOOK) {
                self.wait_for_critical()?;
                let over = self.length.over(number, elapsed);
                self.samples.take(over);
                self.progress.tell(number, over, now);
            }
            if number.is_multiple_of(GLANCE) && (number / TIDE).is_multiple_of(2) {
                self.let_them_keep_up()?;
            }
            self.push(number + 1, now)?;
        }
        self.samples.take(self.length.over(self.traffic.number(), self.start.elapsed()));
        Ok(())
    }

    /// Pushes one event, after a flip if one is due.
    fn push(&mut self, number: u64, now: Instant) -> Result<(), SoakError> {
        let due = self.flips + self.flips_refused < self.length.flips_due(number);
        // Nobody else commands, and the last one was obeyed: there is room.
        let flip = if due { Some(self.control.flip()?) } else { None };
        self.pipeline.push(self.traffic.next(), now)?;
        match flip.map(|flip| flip.wait(Duration::ZERO)) {
            None => {}
            Some(Some(Ok(_))) => self.flips += 1,
            Some(_) => self.flips_refused += 1,
        }
        Ok(())
    }

    /// Critical messages never give way: more than so many would only heap up.
    fn wait_for_critical(&mut self) -> Result<(), SoakError> {
        self.wait_until(self.critical, |Pools { executions, controls, .. }| {
            executions.stats().outstanding() + controls.stats().outstanding()
        })
    }

    fn let_them_keep_up(&mut self) -> Result<(), SoakError> {
        // The last quote of every stream is kept.
        let kept = INSTRUMENTS_OF_VENUES as u64;
        self.wait_until(self.behind, |pools| {
            pools.events.stats().outstanding().saturating_sub(kept)
        })
    }

    /// Waits while more than so many messages are out. The core is given away meanwhile: consumers are
    /// through before a sleep would be over.
    fn wait_until(&mut self, most: u64, out: impl Fn(&Pools) -> u64) -> Result<(), SoakError> {
        let mut last = out(&self.pools);
        if last <= most {
            return Ok(());
        }
        let mut since = Instant::now();
        while last > most / 2 {
            thread::yield_now();
            // What everybody has read goes home when another takes its place, or now.
            self.pipeline.poll(Instant::now());
            let now = out(&self.pools);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > STANDSTILL {
                return Err(SoakError::Standstill(last));
            }
        }
        Ok(())
    }
}

/// Tells now and then how far the run is.
struct Progress {
    start: Instant,
    next: Instant,
    every: Duration,
    line: ProgressLine,
}

impl Progress {
    fn new(start: Instant) -> Self {
        let line = ProgressLine::start();
        // A log is read later, and by the screen.
        let every = Duration::from_secs(if line.is_in_place() { 1 } else { 10 });
        Self { start, next: start + Duration::from_secs(1), every, line }
    }

    fn tell(&mut self, number: u64, over: f64, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        let elapsed = (now - self.start).as_secs_f64();
        let rate = number as f64 / elapsed;
        let left = Duration::from_secs((elapsed / over - elapsed) as u64);
        self.line.show(format_args!(
            "{:>5.1} %  {:>13} events  {:>9} a second  {:>5.0} s  {} left   ",
            over * 100.0,
            grouped(number),
            grouped(rate as u64),
            elapsed,
            humantime::format_duration(left),
        ));
    }
}

#[cfg(test)]
mod tests;
