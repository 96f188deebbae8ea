use meltica_event::{Book, InstrumentId, Timestamp};

/// A venue's own side of its protocol, made up from a seed: for tests, and for whoever wants to see
/// frames without a network.
///
/// It serves one connection at a time. It has no socket and reads no clock: whoever has them calls
/// [`opened`](Self::opened), [`heard`](Self::heard) for each text that the client sends,
/// [`step`](Self::step) as often as the market is to move, [`heartbeat`](Self::heartbeat) once a
/// second, and [`closed`](Self::closed). Frames go to `out` in the order in which they are to be sent,
/// shaped exactly as the venue documents them. The market goes on over the end of a connection;
/// subscriptions do not.
pub trait LocalVenue: Send {
    /// A client connected, asking for this path and query (`/stream?streams=btcusdt@trade`).
    fn opened(&mut self, target: &str, out: &mut dyn FnMut(&str));

    /// The client is gone, and its subscriptions with it.
    fn closed(&mut self);

    /// The client sent a text: it subscribes, unsubscribes or pings.
    fn heard(&mut self, text: &str, now: Timestamp, out: &mut dyn FnMut(&str));

    /// One move of the market, told to the client if it subscribed to what moved: none, one or
    /// several frames.
    fn step(&mut self, now: Timestamp, out: &mut dyn FnMut(&str));

    /// What the venue sends by the clock, if it does.
    fn heartbeat(&mut self, now: Timestamp, out: &mut dyn FnMut(&str));

    /// The body that answers an HTTP GET of this path and query; `None` if there is nothing there.
    fn get(&mut self, target: &str) -> Option<String> {
        let _ = target;
        None
    }

    /// The true book at this moment, cut to the depth that the protocol subscribes to; `None` for an
    /// instrument that is not traded here.
    fn book(&self, instrument: InstrumentId) -> Option<&Book>;
}
