//! When windows open and close, and what becomes of partials that do not fit (LM-05, LM-09).

mod common;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::{Duration, Instant},
};

use common::{Clock, Part, View, Views, part};
use meltica_orchestrator::{
    BuildError, Closed, Incomplete, Merge, Orchestrator, PushError, Pushed, Window,
};

fn three() -> meltica_orchestrator::Builder<Views> {
    Orchestrator::builder(Views(vec![1, 2, 3])).window(Duration::from_millis(50))
}

fn drain(orchestrator: &mut Orchestrator<Views>) -> Vec<View> {
    std::iter::from_fn(|| orchestrator.pop()).collect()
}

#[test]
fn lm_05_a_window_opens_on_the_first_partial_and_closes_when_all_are_in() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    assert_eq!(windows.next_deadline(), None);
    assert_eq!(windows.push(part(7, 2, 1), clock.ms(10)), Ok(Pushed::Waiting));
    assert_eq!(windows.next_deadline(), Some(clock.ms(60)));
    assert_eq!(windows.push(part(7, 3, 1), clock.ms(20)), Ok(Pushed::Waiting));
    assert_eq!(windows.pop(), None);
    assert_eq!(windows.push(part(7, 1, 1), clock.ms(30)), Ok(Pushed::Closed));
    let whole = View {
        window: 1,
        key: 7,
        closed: Closed::Complete,
        missing: 0,
        values: vec![1_001, 2_001, 3_001],
    };
    assert_eq!(drain(&mut windows), [whole]);
    assert_eq!(windows.next_deadline(), None);
    assert_eq!((windows.stats().complete, windows.stats().used), (1, 3));
}

#[test]
fn lm_05_a_window_whose_time_is_up_is_suppressed_and_counted() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    windows.poll(clock.ms(49));
    assert_eq!(windows.stats().open, 1);
    windows.poll(clock.ms(50));
    let stats = windows.stats();
    assert_eq!((stats.open, stats.suppressed, stats.timed_out, stats.unused), (0, 1, 1, 1));
    assert_eq!(windows.pop(), None);
}

#[test]
fn lm_05_an_incomplete_window_can_be_merged_and_marked_instead() {
    let (clock, mut windows) =
        (Clock::new(), three().incomplete(Incomplete::Mark).build().unwrap());
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    // A push of another key closes it too: its time is up.
    windows.push(part(8, 1, 1), clock.ms(50)).unwrap();
    let view = windows.pop().unwrap();
    assert_eq!((view.key, view.closed, view.missing), (7, Closed::Time, 2));
    assert_eq!((windows.stats().marked, windows.stats().suppressed), (1, 0));
}

#[test]
fn lm_05_a_window_closes_at_a_count() {
    let (clock, builder) = (Clock::new(), three().partials(4));
    let mut windows = builder.incomplete(Incomplete::Mark).build().unwrap();
    for number in 1..=3 {
        assert_eq!(windows.push(part(7, 11, number), clock.ms(0)), Ok(Pushed::Waiting));
    }
    assert_eq!(windows.push(part(7, 1, 1), clock.ms(0)), Ok(Pushed::Closed));
    let view = windows.pop().unwrap();
    assert_eq!((view.closed, view.missing), (Closed::Count, 2));
    assert_eq!(view.values, [1_001, 11_001, 11_002, 11_003]);
    assert_eq!(windows.stats().filled, 1);
}

#[test]
fn lm_05_late_partials_are_handed_back_and_counted() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    for source in [1, 2, 3] {
        windows.push(part(7, source, 5), clock.ms(0)).unwrap();
    }
    for number in [4, 5] {
        let refused = windows.push(part(7, 2, number), clock.ms(1));
        assert_eq!(refused, Err(PushError::Late(part(7, 2, number))));
    }
    assert_eq!((windows.stats().late, windows.stats().open), (2, 0));
    // Another key knows nothing of it.
    assert_eq!(windows.push(part(8, 2, 4), clock.ms(1)), Ok(Pushed::Waiting));
}

#[test]
fn a_source_that_missed_a_window_is_not_late_for_the_next() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    windows.poll(clock.ms(60));
    assert_eq!(windows.push(part(7, 2, 1), clock.ms(61)), Ok(Pushed::Waiting));
}

#[test]
fn the_newest_of_a_source_stands_for_it_whichever_came_first() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    windows.push(part(7, 1, 5), clock.ms(0)).unwrap();
    windows.push(part(7, 1, 6), clock.ms(0)).unwrap();
    assert_eq!(windows.push(part(7, 1, 4), clock.ms(0)), Err(PushError::Superseded(part(7, 1, 4))));
    assert_eq!(windows.push(part(7, 1, 6), clock.ms(0)), Err(PushError::Repeated(part(7, 1, 6))));
    windows.push(part(7, 2, 1), clock.ms(0)).unwrap();
    windows.push(part(7, 3, 1), clock.ms(0)).unwrap();
    assert_eq!(windows.pop().unwrap().values, [1_006, 2_001, 3_001]);
    assert_eq!((windows.stats().superseded, windows.stats().repeated), (2, 1));
}

#[test]
fn a_repeat_is_recognised_among_all_that_count() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    for number in [3, 1, 2] {
        windows.push(part(7, 11, number), clock.ms(0)).unwrap();
    }
    for number in [1, 2, 3] {
        let again = windows.push(part(7, 11, number), clock.ms(0));
        assert_eq!(again, Err(PushError::Repeated(part(7, 11, number))));
    }
    // The same number of another source is another partial.
    windows.push(part(7, 12, 1), clock.ms(0)).unwrap();
    assert_eq!((windows.stats().repeated, windows.stats().held), (3, 4));
}

#[test]
fn a_source_that_starts_again_is_neither_late_nor_repeated() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    for source in [1, 2, 3] {
        windows.push(part(7, source, 1_000), clock.ms(0)).unwrap();
    }
    let again = Part { rebase: true, ..part(7, 2, 1) };
    assert_eq!(windows.push(again, clock.ms(0)), Ok(Pushed::Waiting));
    assert_eq!(windows.push(part(7, 2, 2), clock.ms(0)), Ok(Pushed::Waiting));
    assert_eq!(windows.push(part(7, 2, 1), clock.ms(0)), Err(PushError::Superseded(part(7, 2, 1))));
    // And so with sources of which each counts, even in one window.
    windows.push(part(7, 11, 5), clock.ms(0)).unwrap();
    windows.push(Part { rebase: true, ..part(7, 11, 5) }, clock.ms(0)).unwrap();
    assert_eq!(
        windows.push(part(7, 11, 5), clock.ms(0)).unwrap_err().to_string(),
        "the partial is repeated: its window has it already"
    );
    assert_eq!(windows.stats().held, 3);
}

#[test]
fn without_numbers_the_last_to_come_stands_and_none_is_late() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    let plain = |source, value| Part { number: None, value, ..part(7, source, 0) };
    for value in [1, 2] {
        windows.push(plain(1, value), clock.ms(0)).unwrap();
    }
    windows.push(plain(11, 8), clock.ms(0)).unwrap();
    windows.push(plain(11, 8), clock.ms(0)).unwrap();
    windows.push(plain(3, 4), clock.ms(0)).unwrap();
    windows.push(plain(2, 3), clock.ms(0)).unwrap();
    assert_eq!(windows.pop().unwrap().values, [2, 3, 4, 8, 8]);
    assert_eq!(windows.push(plain(1, 1), clock.ms(0)), Ok(Pushed::Waiting));
}

#[test]
fn a_later_period_closes_a_window_and_makes_earlier_ones_late() {
    let clock = Clock::new();
    let bars = Orchestrator::builder(Views(vec![])).window(Duration::MAX);
    let mut windows = bars.build().unwrap();
    let trade = |period, number| Part { period: Some(period), ..part(7, 11, number) };
    windows.push(trade(3, 1), clock.ms(0)).unwrap();
    windows.push(trade(3, 2), clock.ms(9_000_000)).unwrap();
    assert_eq!(windows.next_deadline(), None, "without end");
    assert_eq!(windows.push(trade(2, 3), clock.ms(0)), Err(PushError::Late(trade(2, 3))));
    windows.push(trade(5, 4), clock.ms(0)).unwrap();
    let bar = windows.pop().unwrap();
    assert_eq!((bar.closed, bar.missing), (Closed::Period, 0));
    assert_eq!(bar.values, [11_001, 11_002]);
    assert_eq!(windows.push(trade(4, 5), clock.ms(0)), Err(PushError::Late(trade(4, 5))));
    assert_eq!(windows.push(trade(6, 7), clock.ms(0)), Ok(Pushed::Waiting));
}

#[test]
fn a_window_that_was_full_or_flushed_ends_no_period() {
    let clock = Clock::new();
    let bars = Orchestrator::builder(Views(vec![])).window(Duration::from_millis(50)).partials(2);
    let mut windows = bars.build().unwrap();
    let trade = |period, number| Part { period: Some(period), ..part(7, 11, number) };
    assert_eq!(windows.push(trade(5, 1), clock.ms(0)), Ok(Pushed::Waiting));
    assert_eq!(windows.push(trade(5, 2), clock.ms(0)), Ok(Pushed::Closed), "full");
    assert_eq!(windows.push(trade(5, 3), clock.ms(0)), Ok(Pushed::Waiting));
    windows.flush();
    assert_eq!(windows.push(trade(5, 4), clock.ms(0)), Ok(Pushed::Waiting));
    windows.poll(clock.ms(50));
    let bars: Vec<_> =
        drain(&mut windows).into_iter().map(|bar| (bar.closed, bar.values)).collect();
    let bar = |closed, values: &[u64]| (closed, values.to_vec());
    assert_eq!(
        bars,
        [
            bar(Closed::Count, &[11_001, 11_002]),
            bar(Closed::Flush, &[11_003]),
            bar(Closed::Time, &[11_004]),
        ]
    );
    assert_eq!(windows.push(trade(5, 5), clock.ms(50)), Err(PushError::Late(trade(5, 5))));
    // What has no period of its own is in a window of its own, and makes no period forgotten.
    let untimed = Part { period: None, ..part(7, 1, 6) };
    assert_eq!(windows.push(untimed, clock.ms(50)), Ok(Pushed::Waiting));
    assert_eq!(windows.push(trade(5, 7), clock.ms(50)), Err(PushError::Late(trade(5, 7))));
    assert_eq!(windows.push(trade(4, 8), clock.ms(50)), Err(PushError::Late(trade(4, 8))));
    assert_eq!(windows.push(trade(6, 9), clock.ms(50)), Ok(Pushed::Waiting), "closes the other");
    assert_eq!(windows.pop().map(|bar| bar.closed), Some(Closed::Period));
}

#[test]
fn windows_close_in_the_order_in_which_they_opened_and_number_upwards() {
    let clock = Clock::new();
    let mut windows = three().incomplete(Incomplete::Mark).build().unwrap();
    for (key, ms) in [(9, 0), (4, 10), (6, 20), (1, 30)] {
        windows.push(part(key, 1, 1), clock.ms(ms)).unwrap();
    }
    windows.poll(clock.ms(75));
    let closed: Vec<_> = drain(&mut windows).iter().map(|view| (view.window, view.key)).collect();
    assert_eq!(closed, [(1, 9), (2, 4), (3, 6)]);
    assert_eq!(windows.next_deadline(), Some(clock.ms(80)));
}

#[test]
fn time_that_goes_back_changes_nothing() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    windows.poll(clock.ms(100));
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    assert_eq!(windows.next_deadline(), Some(clock.ms(150)));
    windows.poll(clock.ms(60));
    assert_eq!(windows.stats().open, 1);
}

#[test]
fn lm_09_a_restart_forgets_open_windows_and_all_that_was_known() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    for source in [1, 2, 3] {
        windows.push(part(7, source, 5), clock.ms(0)).unwrap();
    }
    windows.push(part(8, 1, 1), clock.ms(0)).unwrap();
    windows.push(part(8, 11, 1), clock.ms(0)).unwrap();
    windows.forget();
    let stats = windows.stats();
    assert_eq!((stats.forgotten, stats.unused, stats.open, stats.held), (1, 2, 0, 0));
    assert_eq!(drain(&mut windows).len(), 1, "what was merged before is not lost");
    assert_eq!(windows.push(part(7, 1, 1), clock.ms(0)), Ok(Pushed::Waiting));
    // A new orchestrator, as after a restart of the process, knows as little.
    assert_eq!(three().build().unwrap().push(part(7, 1, 1), clock.ms(0)), Ok(Pushed::Waiting));
}

#[test]
fn a_key_too_many_is_refused_while_all_windows_are_open() {
    let (clock, mut windows) = (Clock::new(), three().windows(2).build().unwrap());
    windows.push(part(1, 1, 5), clock.ms(0)).unwrap();
    windows.push(part(2, 1, 5), clock.ms(10)).unwrap();
    let refused = windows.push(part(3, 1, 5), clock.ms(10));
    assert_eq!(refused, Err(PushError::Full(part(3, 1, 5))));
    assert_eq!(refused.unwrap_err().into_partial(), part(3, 1, 5));
    assert_eq!(windows.stats().refused, 1);
    // The window that closed longest ago makes room, and what it knew of its sources goes with it.
    windows.poll(clock.ms(100));
    windows.push(part(3, 1, 5), clock.ms(100)).unwrap();
    windows.poll(clock.ms(200));
    assert_eq!(windows.push(part(2, 1, 5), clock.ms(200)), Err(PushError::Late(part(2, 1, 5))));
    assert_eq!(windows.push(part(1, 1, 5), clock.ms(200)), Ok(Pushed::Waiting));
}

#[test]
fn a_window_that_cannot_be_merged_is_lost_and_counted() {
    let clock = Clock::new();
    let mut windows = Orchestrator::builder(Views(vec![1])).build().unwrap();
    windows.push(Part { value: 666, ..part(7, 1, 1) }, clock.ms(0)).unwrap();
    assert_eq!((windows.stats().unmade, windows.stats().unused, windows.pop()), (1, 1, None));
}

/// A partial that says when it goes home.
struct Counted(Rc<Cell<i32>>, u8);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Sees on merging how many partials are out; panics over a partial of source 9.
struct Watching(Rc<Cell<i32>>);

impl Merge for Watching {
    type Partial = Counted;
    type Key = ();
    type Source = u8;
    type Merged = i32;

    fn key(&self, _: &Counted) {}

    fn source(&self, partial: &Counted) -> u8 {
        partial.1
    }

    fn expected(&self, (): ()) -> &[u8] {
        &[1, 2, 3]
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<i32> {
        assert!(window.partials().all(|partial| partial.1 != 9), "nine");
        assert_eq!(window.last_to_come().1, 3);
        Some(self.0.get())
    }
}

fn watching() -> (Rc<Cell<i32>>, Orchestrator<Watching>, impl Fn(u8) -> Counted) {
    let out = Rc::new(Cell::new(0));
    let windows = Orchestrator::builder(Watching(Rc::clone(&out)))
        .partials(4)
        .incomplete(Incomplete::Mark)
        .build()
        .expect("valid settings");
    let lease = {
        let out = Rc::clone(&out);
        move |source| {
            out.set(out.get() + 1);
            Counted(Rc::clone(&out), source)
        }
    };
    (out, windows, lease)
}

#[test]
fn fr_007_partials_go_home_as_soon_as_the_merged_message_exists() {
    let (out, mut windows, lease) = watching();
    let now = Instant::now();
    for source in [1, 2, 2, 3] {
        windows.push(lease(source), now).unwrap();
    }
    // The merge saw three (the fourth had made room for a newer one), and now, before anybody has
    // popped what it made, there is none.
    assert_eq!(out.get(), 0);
    assert_eq!(windows.pop(), Some(3));
    // So do those of a window that is suppressed, or forgotten.
    windows.push(lease(1), now).unwrap();
    windows.forget();
    assert_eq!(out.get(), 0);
}

#[test]
fn a_merge_that_panics_loses_its_window_and_nothing_else() {
    let (out, mut windows, lease) = watching();
    let now = Instant::now();
    for source in [1, 2, 9] {
        windows.push(lease(source), now).unwrap();
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| windows.push(lease(1), now).is_ok()));
    assert!(panicked.is_err());
    let stats = windows.stats();
    assert_eq!((out.get(), stats.unmade, stats.unused, stats.open, stats.held), (0, 1, 3, 0, 0));
    for source in [1, 2, 3] {
        windows.push(lease(source), now).unwrap();
    }
    assert_eq!((windows.pop(), windows.stats().complete), (Some(3), 1));
}

#[test]
fn what_is_expected_may_change_while_windows_are_open() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    windows.push(part(7, 2, 1), clock.ms(0)).unwrap();
    assert_eq!(windows.merge().0, [1, 2, 3]);
    windows.merge_mut().0 = vec![1, 2];
    windows.poll(clock.ms(60));
    assert_eq!(windows.pop().unwrap().missing, 0, "with one source less it is complete");
    windows.merge_mut().0 = vec![1, 2, 4, 5];
    for source in [1, 2, 3, 4] {
        windows.push(part(7, source, 2), clock.ms(100)).unwrap();
    }
    assert_eq!(windows.push(part(7, 5, 2), clock.ms(100)), Ok(Pushed::Closed));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    assert_eq!(three().windows(0).build().unwrap_err(), BuildError::NoRoom { setting: "windows" });
    let much = three().partials(usize::MAX).build().unwrap_err();
    assert_eq!(
        much.to_string(),
        format!("partials is {} where 16,777,216 is the most", usize::MAX)
    );
    assert!(three().partials(0).build().unwrap_err().to_string().starts_with("partials is zero"));
}

#[test]
fn statistics_are_read_from_other_threads_and_shown_by_debug() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    let stats = windows.stats_handle();
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    let read = std::thread::scope(|scope| scope.spawn(|| stats().held).join());
    assert_eq!(read.unwrap(), 1);
    assert!(format!("{windows:?}").contains("held: 1"));
    let late = PushError::Late(1);
    assert_eq!(format!("{late:?}"), "Late(..)");
}

#[test]
fn a_rebase_that_no_window_took_still_starts_its_source_again() {
    let (clock, mut windows) = (Clock::new(), three().build().unwrap());
    let old = |number| Part { period: Some(2), ..part(7, 11, number) };
    windows.push(old(900), clock.ms(0)).unwrap();
    windows.poll(clock.ms(50));
    // It belongs to a bar that is over; what follows it does not.
    let rebase = Part { rebase: true, period: Some(1), ..part(7, 11, 1) };
    assert!(matches!(windows.push(rebase, clock.ms(50)), Err(PushError::Late(_))));
    let next = Part { period: Some(3), ..part(7, 11, 2) };
    assert_eq!(windows.push(next, clock.ms(50)), Ok(Pushed::Waiting));
    windows.poll(clock.ms(100));

    // It could not be had at all.
    let next = Part { period: Some(4), ..part(7, 11, 1) };
    assert!(matches!(windows.push(next, clock.ms(100)), Err(PushError::Late(_))));
    windows.rebase(7, 11);
    windows.rebase(8, 11);
    assert_eq!(windows.push(next, clock.ms(100)), Ok(Pushed::Waiting));
}

#[test]
fn a_change_closes_what_is_open_under_what_was_and_numbers_go_on() {
    let (clock, mut windows) =
        (Clock::new(), three().incomplete(Incomplete::Mark).build().unwrap());
    windows.push(part(7, 1, 1), clock.ms(0)).unwrap();
    let refused = windows.change(Orchestrator::builder(Views(vec![])).partials(0));
    assert!(matches!(refused, Err(BuildError::NoRoom { setting: "partials" })));
    assert_eq!(windows.stats().open, 1, "nothing has changed");

    let was = windows.change(Orchestrator::builder(Views(vec![1])).windows(1)).unwrap();
    assert_eq!(was.0, [1, 2, 3]);
    let view = windows.pop().unwrap();
    assert_eq!((view.window, view.closed, view.missing), (1, Closed::Flush, 2));
    // What is known about sources is gone, and other sources are expected.
    assert_eq!(windows.push(part(7, 1, 1), clock.ms(0)), Ok(Pushed::Closed));
    assert_eq!(windows.pop().unwrap().window, 2);
    windows.push(part(7, 2, 1), clock.ms(0)).unwrap();
    assert!(matches!(windows.push(part(8, 2, 1), clock.ms(0)), Err(PushError::Full(_))));
    assert_eq!((windows.stats().marked, windows.stats().complete), (1, 1));
}
