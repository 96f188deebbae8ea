use std::sync::OnceLock;

use meltica_recycler::Recycler;

/// One recycler for the whole program, for those who want one: made at first use, without pools.
/// Nothing in meltica uses it by itself; hand a clone to [`Builder::recycler`](crate::Builder).
pub fn global() -> &'static Recycler {
    static GLOBAL: OnceLock<Recycler> = OnceLock::new();
    GLOBAL.get_or_init(Recycler::new)
}
