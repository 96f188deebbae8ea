/// What a consumer does after it has failed again and again, without a success in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Carries on.
    #[default]
    CarryOn,
    /// After so many failures in a row, market data are filtered; critical messages still come, and
    /// a success with one of them lets market data in again.
    Quarantine {
        /// How many, at least one.
        after: u32,
    },
    /// After so many failures in a row, everything is handed back unhandled.
    Stop {
        /// How many, at least one.
        after: u32,
    },
}
