//! A fixed set of objects that are leased, used and returned by dropping them.
