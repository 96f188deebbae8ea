//! Questions about speed, each answered beside the obvious alternative in one interleaved run.
//!
//! The questions stand above the answers, in `benches/`. Here is what they have in common.

#![deny(unsafe_code)]

pub mod bars;
#[expect(unsafe_code, reason = "an allocator that counts is an allocator")]
pub mod counting;
pub mod page;

/// The middle, the least and the greatest of some figures: what a noisy machine lets one say.
///
/// # Panics
///
/// If there is no figure.
pub fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    assert!(!figures.is_empty(), "no figure has no middle");
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
}

/// What an entrant needed, and in ratio to the first one in the same round: middle, least and greatest.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// What [`interleaved`] was told.
    pub nanos: (f64, f64, f64),
    /// In ratio to the first.
    pub ratio: (f64, f64, f64),
}

/// Has entrants take turns for some rounds, after one that does not count. `run` answers what the one of a number needed.
pub fn interleaved(
    entrants: usize,
    rounds: usize,
    mut run: impl FnMut(usize) -> f64,
) -> Vec<Figures> {
    let mut nanos = vec![vec![]; entrants];
    let mut ratios = nanos.clone();
    for entrant in 0..entrants {
        run(entrant);
    }
    for round in 0..rounds {
        // Another one begins each time, so that none always follows the same.
        let mut order: Vec<usize> = (0..entrants).collect();
        order.rotate_left(round % entrants.max(1));
        let mut this = vec![0.0; entrants];
        for index in order {
            this[index] = run(index);
        }
        for (index, figure) in this.iter().enumerate() {
            nanos[index].push(*figure);
            ratios[index].push(figure / this[0]);
        }
    }
    let figures = nanos.into_iter().zip(ratios);
    figures.map(|(nanos, ratios)| Figures { nanos: spread(nanos), ratio: spread(ratios) }).collect()
}
