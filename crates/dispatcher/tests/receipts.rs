//! Who publishes a critical message for a receipt hears when every lane is done with it, and not before.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Message, Test, message, recorder, run_all, stepped};
use crossbeam_channel::bounded;
use meltica_dispatcher::{
    Builder, Cancel, Class, Delivery, Dispatcher, PublishError, Route, Subscription, Verdict,
};

/// Receipts in the order in which they were told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u64>>>);

impl Told {
    fn sink(&self) -> impl Fn(u64) + Send + Sync + 'static + use<> {
        let told = Arc::clone(&self.0);
        move |receipt| told.lock().expect("no test panics here").push(receipt)
    }

    fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.0.lock().expect("no test panics here"))
    }
}

fn publish(dispatcher: &mut Dispatcher<Test>, receipt: u64) {
    let critical = message(1, Class::Critical, receipt);
    let published = dispatcher.publish_for_receipt(critical, Instant::now(), receipt);
    published.expect("it was not cancelled");
}

fn both() -> [Builder<Test>; 2] {
    [stepped(), stepped().queues()]
}

#[test]
fn it_is_told_when_the_last_lane_is_done_whatever_became_of_it_there() {
    for builder in both() {
        let told = Told::default();
        let (faults, heard) = bounded(8);
        let builder = builder
            .receipt_sink(told.sink())
            .fault_sink(move |fault| faults.send(fault.trace).expect("heard"));
        let mut dispatcher = builder.build().unwrap();
        publish(&mut dispatcher, 7);
        assert_eq!(told.take(), [7], "nobody wants it");
        let routes = dispatcher.routes();
        let (_seen, handler) = recorder();
        let good = routes.subscribe(Subscription::new("good", handler).to(Route::All)).unwrap();
        let panics = Subscription::borrowing("panics", |delivery: &Delivery<Message>| {
            assert!(delivery.numbers.is_empty(), "as asked");
        });
        let panics = routes.subscribe(panics.to(Route::All)).unwrap();
        let refuses = Subscription::new("refuses", |delivery: Delivery<Message>| {
            Verdict::Refused(delivery.into_message())
        });
        let refuses = routes.subscribe(refuses.to(Route::All)).unwrap();
        publish(&mut dispatcher, 8);
        assert!(dispatcher.run_lane(panics) && dispatcher.run_lane(refuses));
        assert_eq!(told.take(), [0; 0], "one has not had it");
        assert!(dispatcher.run_lane(good));
        assert_eq!(told.take(), [8]);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [8], "the panic is heard of too");
        let early =
            dispatcher.publish_for_receipt(message(1, Class::Conflatable, 9), Instant::now(), 9);
        assert!(matches!(early, Err(PublishError::NoReceipt(_))));
        run_all(&mut dispatcher);
        assert_eq!(told.take(), [0; 0]);
    }
}

#[test]
fn a_lane_that_leaves_is_done_and_one_that_is_paused_is_not() {
    for builder in both() {
        let told = Told::default();
        let mut dispatcher = builder.receipt_sink(told.sink()).build().unwrap();
        let routes = dispatcher.routes();
        let lanes = ["stays", "leaves", "paused"].map(|name| {
            let (_, handler) = recorder();
            routes.subscribe(Subscription::new(name, handler).to(Route::All)).unwrap()
        });
        routes.pause(lanes[2]).unwrap();
        publish(&mut dispatcher, 1);
        publish(&mut dispatcher, 2);
        run_all(&mut dispatcher);
        publish(&mut dispatcher, 3);
        assert!(dispatcher.run_lane(lanes[0]));
        routes.unsubscribe(lanes[1]).unwrap();
        assert_eq!(told.take(), [0; 0], "one is paused");
        routes.resume(lanes[2]).unwrap();
        run_all(&mut dispatcher);
        assert_eq!(told.take(), [1, 2, 3]);
    }
}

#[test]
fn what_is_handed_back_or_abandoned_is_never_told() {
    for builder in both() {
        let told = Told::default();
        let mut dispatcher = builder.receipt_sink(told.sink()).build().unwrap();
        let routes = dispatcher.routes();
        let (_seen, handler) = recorder();
        let lane = routes.subscribe(Subscription::new("late", handler).to(Route::All)).unwrap();
        publish(&mut dispatcher, 1);
        run_all(&mut dispatcher);
        routes.pause(lane).unwrap();
        publish(&mut dispatcher, 2);
        let end = dispatcher.shutdown(Duration::ZERO);
        assert_eq!((end.undelivered.len(), told.take()), (1, vec![1]));
    }
    for builder in both() {
        let (told, cancel) = (Told::default(), Cancel::new());
        let builder = builder.receipt_sink(told.sink()).cancel(cancel.clone());
        let mut dispatcher = builder.build().unwrap();
        let (_seen, handler) = recorder();
        dispatcher.routes().subscribe(Subscription::new("late", handler).to(Route::All)).unwrap();
        publish(&mut dispatcher, 1);
        cancel.cancel();
        run_all(&mut dispatcher);
        let critical = message(1, Class::Critical, 2);
        let refused = dispatcher.publish_for_receipt(critical, Instant::now(), 2);
        assert!(matches!(refused, Err(PublishError::Cancelled(_))));
        drop(dispatcher);
        assert_eq!(told.take(), [0; 0]);
    }
}

#[test]
fn an_inline_lane_is_done_before_the_publisher_goes_on() {
    let told = Told::default();
    let mut dispatcher = stepped().receipt_sink(told.sink()).build().unwrap();
    let (_seen, handler) = recorder();
    let inline = Subscription::new("inline", handler).inline();
    dispatcher.routes().subscribe(inline.to(Route::All)).unwrap();
    publish(&mut dispatcher, 5);
    assert_eq!(told.take(), [5]);
}

#[test]
fn a_sink_that_panics_disturbs_nothing_and_hears_of_the_next() {
    for builder in both() {
        let told = Told::default();
        let tell = told.sink();
        let sink = move |receipt: u64| {
            assert!(receipt % 2 == 0, "as asked");
            tell(receipt);
        };
        let mut dispatcher = builder.receipt_sink(sink).build().unwrap();
        let (seen, handler) = recorder();
        dispatcher.routes().subscribe(Subscription::new("good", handler).to(Route::All)).unwrap();
        for receipt in 1..=4 {
            publish(&mut dispatcher, receipt);
        }
        run_all(&mut dispatcher);
        assert_eq!(told.take(), [2, 4]);
        assert_eq!(seen.lock().unwrap().len(), 4, "the lane went on");
        assert!(dispatcher.shutdown(Duration::ZERO).is_clean());
    }
}

/// With real threads: lanes come and go all the time, so that some are done with a message by having left.
#[test]
fn lanes_that_come_and_go_leave_no_receipt_behind() {
    const MESSAGES: u64 = 20_000;
    for queues in [false, true] {
        let told = Told::default();
        let builder = Dispatcher::<Test>::builder().lane_capacity(64).receipt_sink(told.sink());
        let builder = builder.dead_letter_sink(drop);
        let builder = if queues { builder.queues() } else { builder };
        let mut dispatcher = builder.build().unwrap();
        let stays = Subscription::borrowing("stays", |_: &Delivery<Message>| ());
        dispatcher.routes().subscribe(stays.to(Route::All)).unwrap();
        let routes = dispatcher.routes();
        let (stop, stopped) = bounded::<()>(0);
        let guests = thread::spawn(move || {
            let mut number = 0u64;
            while stopped.try_recv() != Err(crossbeam_channel::TryRecvError::Disconnected) {
                number += 1;
                let guest =
                    Subscription::borrowing(format!("guest {number}"), |_: &Delivery<Message>| {
                        std::hint::spin_loop();
                    });
                let lane = routes.subscribe(guest.to(Route::All)).expect("there is room");
                if number % 3 == 0 {
                    routes.pause(lane).expect("it is there");
                }
                thread::yield_now();
                routes.unsubscribe(lane).expect("it is there");
            }
            number
        });
        for receipt in 1..=MESSAGES {
            publish(&mut dispatcher, receipt);
        }
        drop(stop);
        let guests = guests.join().expect("it does not panic");
        assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
        let mut told = told.take();
        told.sort_unstable();
        assert_eq!(told, (1..=MESSAGES).collect::<Vec<_>>(), "{guests} guests");
        assert!(guests > 10);
    }
}

/// Cancelled from another thread while it publishes: what was told was handled, and nothing is told twice.
#[test]
fn after_a_cancellation_under_load_no_receipt_is_told_of_what_was_not_handled() {
    for queues in [false, true] {
        let (told, cancel) = (Told::default(), Cancel::new());
        let handled: Arc<Mutex<Vec<u64>>> = Arc::default();
        let builder = Dispatcher::<Test>::builder().lane_capacity(64).receipt_sink(told.sink());
        let builder = builder.cancel(cancel.clone()).dead_letter_sink(drop);
        let builder = if queues { builder.queues() } else { builder };
        let mut dispatcher = builder.build().unwrap();
        let noted = Arc::clone(&handled);
        let handler = move |delivery: &Delivery<Message>| {
            noted.lock().expect("no test panics here").extend(&delivery.numbers);
        };
        let lane = Subscription::borrowing("lane", handler).to(Route::All);
        dispatcher.routes().subscribe(lane).unwrap();
        let canceller = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            cancel.cancel();
        });
        let mut receipt = 0;
        loop {
            receipt += 1;
            let critical = message(1, Class::Critical, receipt);
            match dispatcher.publish_for_receipt(critical, Instant::now(), receipt) {
                Ok(_) => {}
                Err(PublishError::Cancelled(_)) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        canceller.join().expect("it does not panic");
        drop(dispatcher.shutdown(Duration::from_secs(60)));
        let (mut told, handled) = (told.take(), handled.lock().unwrap());
        let count = told.len();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), count, "none is told twice");
        assert!(told.iter().all(|receipt| handled.contains(receipt)), "{told:?} of {handled:?}");
    }
}

/// With real threads, a slow lane that is spilled, one that panics now and then, joined dispatches between and a sink
/// that compares with what the handlers have counted.
#[test]
fn each_once_and_none_before_its_last_handler_has_ended() {
    const MESSAGES: u64 = 20_000;
    for queues in [false, true] {
        let counts: Arc<[AtomicU64; 3]> = Arc::default();
        let (early, told) = (Arc::new(AtomicU64::new(0)), Told::default());
        let sink = {
            let (counts, early, told) = (Arc::clone(&counts), Arc::clone(&early), told.sink());
            move |receipt: u64| {
                // Critical messages reach each lane in order: who has had n has had receipt n.
                let late = counts.iter().any(|count| count.load(SeqCst) < receipt);
                early.fetch_add(u64::from(late), SeqCst);
                told(receipt);
            }
        };
        let builder = Dispatcher::builder().lane_capacity(64).receipt_sink(sink).fault_sink(|_| ());
        let builder = builder.dead_letter_sink(drop);
        let builder = if queues { builder.queues() } else { builder };
        let mut dispatcher = builder.build().unwrap();
        for index in 0..3 {
            let counts = Arc::clone(&counts);
            let handler = move |_: &Delivery<Message>| {
                let count = counts[index].load(SeqCst) + 1;
                if index == 1 && count % 2_000 == 0 {
                    thread::sleep(Duration::from_millis(2));
                }
                counts[index].store(count, SeqCst);
                assert!(index != 2 || count % 1_000 > 0, "as asked");
            };
            let name = format!("lane {index}");
            let lane = Subscription::borrowing(name, handler).to(Route::All);
            dispatcher.routes().subscribe(lane).unwrap();
        }
        for receipt in 1..=MESSAGES {
            publish(&mut dispatcher, receipt);
        }
        assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
        let mut told = told.take();
        told.sort_unstable();
        assert_eq!(told, (1..=MESSAGES).collect::<Vec<_>>());
        assert_eq!(early.load(SeqCst), 0);
    }
}
