//! What do the operations of a pool cost beside one another, with a warm object of 128 bytes on one thread?
//!
//! For a look at a change; the pool beside other pools is in the bench `pools`.
//! `cargo bench -p meltica-benches --bench recycler`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use meltica_recycler::{Pool, Recycler};

type Object = [u64; 16];

fn operations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("128 bytes");
    let reset = |object: &mut Object| object[0] = 0;
    let pool = Pool::new(4_096, Object::default, reset);
    group.bench_function("lease and return", |bencher| {
        bencher.iter(|| black_box(pool.try_lease().expect("one at a time"))[0]);
    });
    let exact = Pool::exact(4_096, Object::default, reset);
    group.bench_function("lease and return, exact", |bencher| {
        bencher.iter(|| black_box(exact.try_lease().expect("one at a time"))[0]);
    });
    let original = pool.try_lease().expect("one at a time");
    group.bench_function("duplicate and return", |bencher| {
        bencher.iter(|| black_box(original.duplicate())[0]);
    });
    let shared = pool.try_lease().expect("two at a time").share();
    group.bench_function("clone a share and drop it", |bencher| {
        bencher.iter(|| black_box(shared.clone())[0]);
    });
    group.bench_function("lease, ticket, redeem and return", |bencher| {
        bencher.iter(|| {
            let lease = pool.try_lease().expect("three at a time");
            let ticket = lease.into_ticket().expect("a pooled object");
            black_box(pool.redeem(black_box(ticket)).expect("once"))[0]
        });
    });
    let empty = Pool::exact(1, Object::default, reset);
    let _held = empty.try_lease().expect("it has one");
    group.bench_function("from the heap, the pool being empty", |bencher| {
        bencher.iter(|| black_box(empty.lease_or_heap())[0]);
    });
    let recycler = Recycler::new();
    let debugged = recycler.pool("debugged", 4_096, Object::default, reset);
    recycler.enable_debug_mode();
    group.bench_function("lease and return in debug mode", |bencher| {
        bencher.iter(|| black_box(debugged.try_lease().expect("one at a time"))[0]);
    });
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
