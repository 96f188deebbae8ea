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
