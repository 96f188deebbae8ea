//! What becomes of each message, and that it is cleaned up whatever happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use meltica_consumer::{Cause, Consumer, Inspect, Outcome, PanicHook, Policy, install_panic_hook};

enum Test {}

struct Message {
    version: u64,
    critical: bool,
    /// As many as there are messages alive.
    alive: Arc<()>,
}

impl Inspect for Test {
    type Message = Message;

    fn version(message: &Message) -> u64 {
        message.version
    }

    fn is_critical(message: &Message) -> bool {
        message.critical
    }

    fn trace(message: &Message) -> u64 {
        message.version * 10
    }
}

fn message(version: u64, critical: bool) -> Message {
    Message { version, critical, alive: Arc::new(()) }
}

#[test]
fn fr_006_a_message_is_reclaimed_on_return_error_and_panic_whether_borrowed_or_owned() {
    let ends: [fn() -> Result<(), &'static str>; 3] =
        [|| Ok(()), || Err("no"), || panic!("on purpose")];
    for end in ends {
        let consumers = [
            Consumer::<Test>::new("borrows", move |_| end()),
            Consumer::<Test>::owning("owns", move |_| end()),
        ];
        for mut consumer in consumers {
            let market = message(1, false);
            let alive = Arc::clone(&market.alive);
            let outcome = consumer.invoke(market);
            assert_eq!(Arc::strong_count(&alive), 1);
            assert_eq!(matches!(outcome, Outcome::Handled), matches!(consumer.stats().handled, 1));
        }
    }
}

#[test]
fn handlers_return_nothing_or_a_result_with_any_error() {
    let mut plain = Consumer::<Test>::new("plain", |_| ());
    assert!(matches!(plain.invoke(message(1, false)), Outcome::Handled));
    let mut io = Consumer::<Test>::new("io", |_| Err(std::io::Error::other("disk full")));
    let Outcome::Failed { fault, message: None } = io.invoke(message(7, false)) else {
        panic!("it fails, and market data are gone")
    };
    assert_eq!(
        (fault.to_string().as_str(), &*fault.consumer, fault.trace),
        ("disk full", "io", 70)
    );
    assert!(std::error::Error::source(&fault).is_some());
    assert!(format!("{fault:?}").contains("cause: disk full, stack: false"));
    let mut parse = Consumer::<Test>::owning("parse", |_| {
        "x".parse::<u64>().map(|_| ()).map_err(|e| e.to_string())
    });
    assert!(matches!(parse.invoke(message(1, false)), Outcome::Failed { .. }));
}

#[test]
fn a_critical_message_that_a_borrowing_handler_fails_on_is_handed_back() {
    for end in [|| Err("no"), || panic!("on purpose")] {
        let mut consumer = Consumer::<Test>::new("a", move |_| -> Result<(), &str> { end() });
        let Outcome::Failed { message: Some(back), .. } = consumer.invoke(message(3, true)) else {
            panic!("handed back")
        };
        assert_eq!(back.version, 3);
    }
}

#[test]
fn fr_015_market_data_below_the_gate_are_filtered_and_critical_messages_never() {
    let mut consumer = Consumer::<Test>::new("a", |_| ());
    let gate = consumer.gate();
    assert_eq!(gate.raise(100), 0);
    assert_eq!(gate.raise(50), 100, "a gate is not lowered by raising");
    assert!(matches!(consumer.invoke(message(50, false)), Outcome::Filtered(m) if m.version == 50));
    assert!(matches!(consumer.invoke(message(100, false)), Outcome::Handled));
    assert!(matches!(consumer.invoke(message(50, true)), Outcome::Handled));
    assert_eq!(gate.set(40), 100, "by hand it moves down too");
    assert!(matches!(consumer.invoke(message(50, false)), Outcome::Handled));
    assert_eq!((gate.version(), consumer.stats().filtered), (40, 1));
}

#[test]
fn fr_015_no_stale_message_starts_after_the_gate_has_moved() {
    // The flipper moves the gate, then says so; what the consumer is given after that is stale if
    // it is older, and must not start.
    let said = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let ran = Arc::new(AtomicU64::new(0));
    let handler_ran = Arc::clone(&ran);
    let mut consumer = Consumer::<Test>::new("a", move |message| {
        handler_ran.store(message.version, SeqCst);
    });
    let gate = consumer.gate();
    let flipper = {
        let (said, stop) = (Arc::clone(&said), Arc::clone(&stop));
        thread::Builder::new()
            .name("flipper".to_owned())
            .spawn(move || {
                for version in 1.. {
                    gate.raise(version);
                    said.store(version, SeqCst);
                    if stop.load(SeqCst) {
                        return;
                    }
                }
            })
            .expect("a thread")
    };
    for round in 0..20_000u64 {
        let known = said.load(SeqCst);
        let stale = known.saturating_sub(1 + round % 3);
        if stale < known {
            let outcome = consumer.invoke(message(stale, false));
            assert!(matches!(outcome, Outcome::Filtered(_)), "{stale} ran after {known}");
        }
    }
    stop.store(true, SeqCst);
    flipper.join().expect("the flipper does not fail");
    assert_eq!(ran.load(SeqCst), 0);
}

#[test]
fn a_quarantined_consumer_gets_no_market_data_until_a_critical_message_succeeds() {
    let healthy = Arc::new(AtomicBool::new(false));
    let health = Arc::clone(&healthy);
    let handler = move |_: &Message| if health.load(SeqCst) { Ok(()) } else { Err("sick") };
    let mut consumer = Consumer::<Test>::new("a", handler).policy(Policy::Quarantine { after: 2 });
    let applies = |outcome| match outcome {
        Outcome::Failed { fault, .. } => fault.policy_applies,
        _ => panic!("it is sick"),
    };
    assert!(!applies(consumer.invoke(message(1, false))));
    assert!(applies(consumer.invoke(message(1, false))), "said once, with the failure that did it");
    assert!(matches!(consumer.invoke(message(1, false)), Outcome::Filtered(_)));
    assert!(!applies(consumer.invoke(message(1, true))));
    healthy.store(true, SeqCst);
    assert!(matches!(consumer.invoke(message(1, false)), Outcome::Filtered(_)));
    assert!(matches!(consumer.invoke(message(1, true)), Outcome::Handled));
    assert!(matches!(consumer.invoke(message(1, false)), Outcome::Handled));
    let stats = consumer.stats();
    assert_eq!((stats.filtered, stats.quarantined, stats.failed), (2, 2, 3));
    assert_eq!(stats.invoked, stats.handled + stats.failed + stats.filtered + stats.refused);
    assert_eq!(consumer.stats_handle()(), stats);
}

#[test]
fn a_stopped_consumer_hands_everything_back() {
    let mut consumer =
        Consumer::<Test>::new("a", |_| Err::<(), _>("no")).policy(Policy::Stop { after: 1 });
    assert!(!consumer.policy_applies());
    assert!(matches!(consumer.invoke(message(1, false)), Outcome::Failed { .. }));
    assert!(consumer.policy_applies());
    for critical in [true, false] {
        assert!(
            matches!(consumer.invoke(message(9, critical)), Outcome::Refused(m) if m.version == 9)
        );
    }
    assert_eq!(consumer.stats().refused, 2);
    assert!(format!("{consumer:?}").contains("policy: Stop { after: 1 }"));
}

#[test]
fn fr_018_a_panic_is_reported_with_its_message_and_its_stack_at_a_bounded_rate() {
    #[inline(never)]
    fn a_function_that_fails() {
        panic!("price {} is odd", 7);
    }
    install_panic_hook(PanicHook::default().stacks(2).print(false));
    let mut consumer = Consumer::<Test>::new("a", |_| a_function_that_fails());
    let mut stacks = 0;
    for _ in 0..4 {
        let Outcome::Failed { fault, .. } = consumer.invoke(message(1, false)) else {
            panic!("it panics")
        };
        assert!(matches!(&fault.cause, Cause::Panic(message) if &**message == "price 7 is odd"));
        if let Some(stack) = &fault.stack {
            assert!(stack.to_string().contains("a_function_that_fails"));
            stacks += 1;
        }
    }
    // Other tests of this process may have used up one of the two.
    assert!((1..=2).contains(&stacks), "{stacks} stacks");
    assert_eq!((consumer.stats().panicked, consumer.id().as_ref()), (4, "a"));
}

#[test]
fn whatever_a_panic_carries_is_contained() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let mut consumer = Consumer::<Test>::new("a", |_| -> () { std::panic::panic_any(Nasty) });
    let Outcome::Failed { fault, .. } = consumer.invoke(message(1, false)) else {
        panic!("it panics")
    };
    assert_eq!(fault.cause.to_string(), "panicked: a payload that is no text");
    let mut text = Consumer::<Test>::new("a", |_| -> () { std::panic::panic_any("plain") });
    let Outcome::Failed { fault, .. } = text.invoke(message(1, false)) else { panic!("it panics") };
    assert_eq!(format!("{:?}", fault.cause), "panicked: plain");
}

#[test]
fn a_message_whose_drop_panics_is_a_failure_and_nothing_more() {
    enum Traps {}
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("sprung");
        }
    }
    impl Inspect for Traps {
        type Message = Trap;
        fn version(_: &Trap) -> u64 {
            0
        }
        fn is_critical(_: &Trap) -> bool {
            false
        }
    }
    let mut kind = Consumer::<Traps>::new("kind", |_| ());
    assert!(matches!(kind.invoke(Trap), Outcome::Failed { message: None, .. }));
    let mut unkind = Consumer::<Traps>::new("unkind", |_| Err::<(), _>("no"));
    let Outcome::Failed { fault, .. } = unkind.invoke(Trap) else { panic!("it fails") };
    assert_eq!((fault.cause.to_string(), fault.trace), ("no".to_owned(), 0));
}
