use std::sync::OnceLock;

use meltica_recycler::Recycler;

use crate::debug_mode;

/// One recycler for the whole program, for those who want one: made at first use, without pools, and in
/// debug mode if the environment variable `RECYCLER_DEBUG_MODE` is `true` then. A value that is neither
/// on nor off is off, and logged. Nothing in meltica uses it by itself; hand a clone to
/// [`Builder::recycler`](crate::Builder).
pub fn global() -> &'static Recycler {
    static GLOBAL: OnceLock<Recycler> = OnceLock::new();
    GLOBAL.get_or_init(|| {
        let recycler = Recycler::new();
        match debug_mode::wanted() {
            Ok(true) => debug_mode::enable(&recycler),
            Ok(false) => {}
            Err(value) => tracing::error!(value, "RECYCLER_DEBUG_MODE is neither true nor false"),
        }
        recycler
    })
}
