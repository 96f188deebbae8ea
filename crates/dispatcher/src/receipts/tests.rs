use std::sync::Arc;

use super::*;

#[test]
fn numbers_begin_again_and_pass_over_those_that_still_wait() {
    let told: Arc<std::sync::Mutex<Vec<u64>>> = Arc::default();
    let sink = Arc::clone(&told);
    let receipts = Receipts::new(Some(Box::new(move |receipt| sink.lock().unwrap().push(receipt))));
    let first = receipts.begin(100);
    assert!(is_receipt(first));
    lock(&receipts.state).last = u32::MAX - 1;
    let (before, wrapped) = (receipts.begin(101), receipts.begin(102));
    let numbers = [first, before, wrapped];
    assert!(numbers.iter().all(|number| is_receipt(*number)), "{numbers:?}");
    assert!(first != before && before != wrapped && first != wrapped, "{numbers:?}");
    for number in numbers {
        receipts.went_to(number, 1);
        receipts.report(number);
    }
    assert_eq!(*told.lock().unwrap(), [100, 101, 102]);
    // What is done with is forgotten: a report of nobody's is no receipt.
    receipts.report(first);
    assert_eq!(told.lock().unwrap().len(), 3);
}
