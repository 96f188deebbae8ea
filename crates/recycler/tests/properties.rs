//! A pool agrees with a plain count, whatever is done to it.
#![cfg(not(meltica_loom))]

use meltica_recycler::{Lease, Recycler, Shared, Ticket};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    TryLease,
    LeaseOrHeap,
    Drop(usize),
    Share(usize),
    CloneShare(usize),
    DropShare(usize),
    Ticket(usize),
    Redeem(usize),
    Recycle(usize),
    Debug(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::TryLease),
        2 => Just(Step::LeaseOrHeap),
        1 => (0..8usize).prop_map(Step::Drop),
        1 => (0..8usize).prop_map(Step::Share),
        1 => (0..8usize).prop_map(Step::CloneShare),
        2 => (0..8usize).prop_map(Step::DropShare),
        1 => (0..8usize).prop_map(Step::Ticket),
        1 => (0..8usize).prop_map(Step::Redeem),
        1 => (0..8usize).prop_map(Step::Recycle),
        1 => any::<bool>().prop_map(Step::Debug),
    ]
}

fn pick<T>(from: &mut Vec<T>, index: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(index % from.len()))
}

proptest! {
    #[test]
    fn the_pool_agrees_with_a_count(
        capacity in prop_oneof![Just(3usize), Just(64)],
        exact in any::<bool>(),
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let recycler = Recycler::new();
        let mut serial = 0u64;
        let pool = if exact {
            recycler.exact_pool("model", capacity, || 0u64, |value| *value = 0)
        } else {
            recycler.pool("model", capacity, || 0u64, |value| *value = 0)
        };
        // Each object is stamped with a number of its own, which must stay what it was.
        let mut leases: Vec<(Lease<u64>, u64)> = vec![];
        let mut shares: Vec<(Shared<u64>, u64)> = vec![];
        let mut tickets: Vec<(Ticket, u64)> = vec![];
        let mut stamp = |mut lease: Lease<u64>| {
            assert_eq!(*lease, 0, "an object comes reset");
            serial += 1;
            *lease = serial;
            (lease, serial)
        };
        for step in steps {
            match step {
                Step::TryLease => {
                    let pooled = leases.iter().filter(|(lease, _)| !lease.is_heap()).count();
                    let mut shared: Vec<_> =
                        shares.iter().map(|(share, serial)| (std::ptr::from_ref(&**share).addr(), serial)).collect();
                    shared.sort_unstable();
                    shared.dedup();
                    match pool.try_lease() {
                        Ok(lease) => leases.push(stamp(lease)),
                        Err(_) => prop_assert!(pooled + shared.len() + tickets.len() >= capacity),
                    }
                }
                Step::LeaseOrHeap => leases.push(stamp(pool.lease_or_heap())),
                Step::Drop(index) => drop(pick(&mut leases, index)),
                Step::Share(index) => {
                    shares.extend(pick(&mut leases, index).map(|(lease, serial)| (lease.share(), serial)));
                }
                Step::CloneShare(index) if !shares.is_empty() => {
                    let (share, serial) = &shares[index % shares.len()];
                    let another = (share.clone(), *serial);
                    shares.push(another);
                }
                Step::CloneShare(_) => {}
                Step::DropShare(index) => drop(pick(&mut shares, index)),
                Step::Ticket(index) => {
                    if let Some((lease, serial)) = pick(&mut leases, index) {
                        match lease.into_ticket() {
                            Ok(ticket) => tickets.push((ticket, serial)),
                            Err(lease) => leases.push((lease, serial)),
                        }
                    }
                }
                Step::Redeem(index) => {
                    if let Some((ticket, serial)) = pick(&mut tickets, index) {
                        leases.push((pool.redeem(ticket).expect("redeemed once"), serial));
                    }
                }
                Step::Recycle(index) => {
                    if let Some((ticket, _)) = pick(&mut tickets, index) {
                        pool.recycle(ticket).expect("recycled once");
                    }
                }
                Step::Debug(true) => recycler.enable_debug_mode(),
                Step::Debug(false) => recycler.disable_debug_mode(),
            }
            prop_assert!(leases.iter().all(|(lease, serial)| **lease == *serial));
            prop_assert!(shares.iter().all(|(share, serial)| **share == *serial));
            let mut objects: Vec<_> = shares.iter().map(|(_, serial)| *serial).collect();
            objects.extend(leases.iter().map(|(_, serial)| *serial));
            objects.extend(tickets.iter().map(|(_, serial)| *serial));
            objects.sort_unstable();
            objects.dedup();
            prop_assert_eq!(pool.stats().outstanding(), objects.len() as u64);
        }
        drop((leases, shares));
        for (ticket, _) in tickets {
            pool.recycle(ticket).expect("recycled once");
        }
        prop_assert!(recycler.leak_report().is_clean());
        prop_assert_eq!(pool.stats().stray_writes, 0);
    }
}
