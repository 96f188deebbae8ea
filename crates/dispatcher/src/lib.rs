//! Fan-out of owned messages by key: ordered, isolated, lossless where it must be.
