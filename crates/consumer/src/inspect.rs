/// What a consumer must know about a message, said by a marker type of the user's.
pub trait Inspect: 'static {
    /// What is consumed. Dropping one must be all it takes to clean up after it.
    type Message;

    /// The version of the routing snapshot that routed it.
    fn version(message: &Self::Message) -> u64;

    /// Whether it passes whatever the gate says, and is worth keeping when it cannot be handled:
    /// execution reports and control events.
    fn is_critical(message: &Self::Message) -> bool;

    /// The number by which faults name it. By default, zero.
    fn trace(_message: &Self::Message) -> u64 {
        0
    }
}
