//! Takes and returns a warm object of 128 bytes as many times as its argument says, and nothing else: for
//! counting instructions (`cargo xtask deep`), which no clock disturbs.

use std::hint::black_box;

use meltica_recycler::Pool;

fn main() {
    let cycles: u64 = std::env::args()
        .nth(1)
        .and_then(|argument| argument.parse().ok())
        .expect("usage: recycler_cycles COUNT");
    let pool = Pool::new(4_096, || [0u64; 16], |object| object[0] = 0);
    for _ in 0..cycles {
        let mut lease = pool.try_lease().expect("one at a time");
        lease[0] = black_box(1);
        black_box(&*lease);
    }
}
