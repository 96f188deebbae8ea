//! One dispatcher, and several threads that publish to it.

mod common;

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use common::{Message, Test, message, numbers, recorder, stepped};
use crossbeam_channel::bounded;
use meltica_dispatcher::{
    Class, Delivery, Dispatcher, PublishError, Published, Publisher, Route, Sequence, Subscription,
};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn each_thread_keeps_its_order_and_nothing_is_lost() {
    const THREADS: u32 = 3;
    const EACH: u64 = 5_000;
    let publisher = Dispatcher::<Test>::builder().build().unwrap().share();
    let (isolated, handler) = recorder();
    let isolated_too = Subscription::new("isolated", handler);
    publisher.routes().subscribe(isolated_too.to(Route::All)).unwrap();
    let (told, heard) = bounded(THREADS as usize * EACH as usize);
    let inline = Subscription::borrowing("inline", move |delivery: &Delivery<Message>| {
        told.send((delivery.key, delivery.numbers[0])).expect("heard");
    });
    publisher.routes().subscribe(inline.inline().to(Route::All)).unwrap();
    thread::scope(|scope| {
        for key in 1..=THREADS {
            let publisher = publisher.clone();
            scope.spawn(move || {
                for number in (0..EACH).step_by(2) {
                    let one = message(key, Class::Critical, number);
                    publisher.publish(one, Instant::now()).unwrap();
                    let batch = [message(key, Class::Critical, number + 1)];
                    assert_eq!(publisher.publish_batch(batch, Instant::now()).unwrap(), 1);
                }
            });
        }
    });
    assert!(publisher.shutdown(MINUTE).unwrap().is_clean());
    let inline: Vec<_> = heard.try_iter().collect();
    for key in 1..=THREADS {
        let of_key = |(of, number): &(u32, u64)| (*of == key).then_some(*number);
        assert!(inline.iter().filter_map(of_key).eq(0..EACH), "in order, each once");
    }
    assert_eq!(numbers(&isolated).len() as u64, u64::from(THREADS) * EACH);
}

#[test]
fn after_the_shutdown_messages_come_back() {
    let publisher = stepped().build().unwrap().share();
    let other = publisher.clone();
    let now = Instant::now();
    other.poll(now);
    assert_eq!(other.next_deadline(), None);
    assert!(publisher.shutdown(MINUTE).unwrap().is_clean());
    assert!(other.shutdown(MINUTE).is_none(), "once is enough");
    let refused = other.publish(message(1, Class::Critical, 1), now).unwrap_err();
    assert_eq!(refused.to_string(), "the dispatcher was shut down");
    assert_eq!(refused.into_message().numbers, [1]);
    let batch = (2..5).map(|number| message(1, Class::Critical, number));
    let refused = other.publish_batch(batch, now).unwrap_err();
    assert!(matches!(refused, PublishError::Stopped(message) if message.numbers == [2]));
    assert_eq!(other.publish_batch([], now).unwrap(), 0, "of nothing, nothing comes back");
    other.poll(now);
}

#[test]
fn an_inline_consumer_cannot_publish_to_who_runs_it_and_an_isolated_one_can() {
    for inline in [true, false] {
        let publisher = Dispatcher::<Test>::builder().build().unwrap().share();
        let handle = Arc::new(OnceLock::<Publisher<Test>>::new());
        let (mine, (told, heard)) = (Arc::clone(&handle), bounded(8));
        let echo = move |delivery: &Delivery<Message>| {
            let (number, now) = (delivery.numbers[0], Instant::now());
            let publisher = mine.get().expect("it is set before");
            let again = publisher.publish(message(2, Class::Critical, number), now);
            told.send(again.map_err(|error| error.to_string())).expect("heard");
            if publisher.publish_batch([message(2, Class::Critical, number)], now).is_err() {
                publisher.poll(now);
                assert!(publisher.next_deadline().is_none());
                assert!(publisher.shutdown(MINUTE).is_none(), "it would wait for itself");
            }
        };
        let echo = Subscription::borrowing("echo", echo).to(Route::Key(1));
        let echo = if inline { echo.inline() } else { echo };
        publisher.routes().subscribe(echo).unwrap();
        let (seen, handler) = recorder();
        publisher.routes().subscribe(Subscription::new("seen", handler).to(Route::Key(2))).unwrap();
        assert!(handle.set(publisher.clone()).is_ok());
        publisher.publish(message(1, Class::Critical, 7), Instant::now()).unwrap();
        let answer = heard.recv_timeout(MINUTE).unwrap();
        // A worker that sees nothing more waits for no shutdown; so what it publishes gets there before.
        while !inline && publisher.stats().published < 3 {
            thread::yield_now();
        }
        assert!(publisher.shutdown(MINUTE).unwrap().is_clean());
        if inline {
            let why = "a consumer that is run inline cannot publish to the publisher that runs it";
            assert_eq!(answer.unwrap_err(), why);
            assert_eq!(numbers(&seen), Vec::<Vec<u64>>::new());
        } else {
            assert!(answer.is_ok());
            assert_eq!(numbers(&seen), [[7], [7]]);
        }
    }
}

#[test]
fn time_does_not_go_back_whichever_thread_tells_it() {
    let wait = Duration::from_millis(50);
    let publisher = stepped().gap_wait(wait).build().unwrap().share();
    let dense = |number| message(1, Class::Sequential, number).sequenced(Sequence::Dense(number));
    let early = Instant::now();
    let late = early + Duration::from_secs(5);
    publisher.publish(dense(1), late).unwrap();
    // By a thread that read its clock long before: the gap is found now all the same.
    assert_eq!(publisher.publish(dense(3), early).unwrap(), Published::Held);
    assert_eq!(publisher.next_deadline(), Some(late + wait));
    publisher.poll(late + wait / 2);
    assert_eq!(publisher.stats().gaps, 0, "it is still waited for");
    publisher.poll(late + wait);
    assert_eq!(publisher.stats().gaps, 1);
    assert!(format!("{publisher:?}").contains("published: 2"));
    assert!(publisher.timings().lanes.is_empty());
}
