//! The meltica gateway.
fn main() {}
