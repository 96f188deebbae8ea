//! A consumer alone, with a message of one's own.

use meltica_consumer::{Consumer, Inspect, Outcome, Policy};

struct Order {
    epoch: u64,
    text: String,
}

/// The marker: it says what the consumer must know, so that `Order` need not.
enum Orders {}

impl Inspect for Orders {
    type Message = Order;

    fn version(order: &Order) -> u64 {
        order.epoch
    }

    fn is_critical(order: &Order) -> bool {
        order.text.starts_with("fill")
    }
}

fn main() {
    let mut consumer = Consumer::<Orders>::new("printer", |order| {
        if order.text.is_empty() {
            return Err("an order without text");
        }
        println!("epoch {}: {}", order.epoch, order.text);
        Ok(())
    })
    .policy(Policy::Quarantine { after: 3 });
    consumer.gate().raise(2);

    for (epoch, text) in [(1, "quote"), (1, "fill"), (2, "quote"), (2, "")] {
        match consumer.invoke(Order { epoch, text: text.to_owned() }) {
            Outcome::Handled => {}
            Outcome::Filtered(order) => println!("too old: {}", order.text),
            Outcome::Failed { fault, .. } => println!("{}: {fault}", fault.consumer),
            Outcome::Refused(order) => println!("not handled: {}", order.text),
        }
    }
    println!("{:?}", consumer.stats());
}
