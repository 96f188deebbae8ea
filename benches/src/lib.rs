//! Questions about speed, each answered beside the obvious alternative in one interleaved run.
//!
//! The questions stand above the answers, in `benches/`.

#![forbid(unsafe_code)]

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
