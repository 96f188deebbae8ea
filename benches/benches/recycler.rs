//! What does it cost to get a warm object of 128 bytes and give it back, on one thread?
//!
//! Beside: a new `Box` each time, and a `Mutex<Vec<Box>>` as a pool by hand.
//! `cargo bench -p meltica-benches --bench recycler`

use std::{hint::black_box, sync::Mutex};

use criterion::{Criterion, criterion_group, criterion_main};
use meltica_recycler::Pool;

type Object = [u64; 16];

fn get_and_return(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get and return 128 bytes");
    let pool = Pool::new(64, Object::default, |object| object[0] = 0);
    group.bench_function("recycler", |bencher| {
        bencher.iter(|| {
            let mut lease = pool.try_lease().expect("one at a time");
            lease[0] = black_box(1);
            black_box(&*lease);
        });
    });
    let by_hand = Mutex::new(vec![Box::new(Object::default())]);
    group.bench_function("Mutex<Vec<Box>>", |bencher| {
        bencher.iter(|| {
            let taken = by_hand.lock().expect("nothing panics under it").pop();
            let mut object = taken.expect("one at a time");
            object[0] = black_box(1);
            black_box(&*object);
            object[0] = 0;
            by_hand.lock().expect("nothing panics under it").push(object);
        });
    });
    group.bench_function("Box::new", |bencher| {
        bencher.iter(|| {
            let mut object = Box::new(Object::default());
            object[0] = black_box(1);
            black_box(&*object);
        });
    });
    group.finish();
}

criterion_group!(benches, get_and_return);
criterion_main!(benches);
