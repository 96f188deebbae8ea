//! meltica's pipeline over [NATS](https://nats.io): what a consumer has on one machine, consumers have on others.
//!
//! Market data travel over core subjects, at most once and newest first: folded by stream while somebody is slow, numbered so
//! that a loss is seen, and a book goes on only from a whole. Execution reports and control events travel by way of a file
//! and JetStream, in order and exactly once, whatever ends without warning: the sender, the receiver, the server or a
//! connection. Routing versions travel along, so that consumers' gates there are those here.
//!
//! An [`Outbound`] is what a consumer's handler sends with, an [`Inbound`] what feeds a pipeline; both have a runtime on a
//! thread of their own. What is said of messages, a [`View`] wherever they lie and a [`Received`] in an object of the
//! receiver's pools, is in terms of `meltica-event`: this crate knows no pipeline.
//!
//! ```no_run
//! use meltica_event::Event;
//! use meltica_nats::{
//!     Connect, Inbound, InboundConfig, Names, NatsPools, Outbound, OutboundConfig, Receipt, Received, Settled, View,
//! };
//!
//! # fn pools() -> NatsPools { unimplemented!() }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Connect::new("nats://127.0.0.1:4222");
//!
//! // On one machine: in a consumer's handler, of whatever it reads.
//! let names = Names::default();
//! let config = OutboundConfig::new(server.clone(), "desk-1".parse()?, "desk-1.outbox");
//! let outbound = Outbound::start(config, names, None)?;
//! outbound.publish(View::Event(&Event::blank()), false)?;
//!
//! // On another: into a pipeline, that says with which critical messages it is done.
//! let settled = Settled::new();
//! let told = settled.clone();
//! let sink = move |message: Received, receipt: Option<Receipt>| {
//!     drop(message);
//!     if let Some(receipt) = receipt {
//!         told.settle(receipt);
//!     }
//!     Ok(())
//! };
//! let config = InboundConfig::new(server, "risk-1");
//! let inbound = Inbound::start(config, Names::default(), pools(), settled, None, sink)?;
//! # drop(inbound);
//! # Ok(())
//! # }
//! ```
//!
//! What travels is in [`Frame`], byte by byte in `docs/wire.md`; what is promised, how the server is configured and what
//! was tried on all of it in `docs/nats.md` and `docs/reliability.md` of the repository.

#![forbid(unsafe_code)]

mod connect;
mod control;
mod frame;
mod identity;
mod inbound;
mod message;
mod names;
mod origin;
mod outbound;
mod outbox;
mod positions;
mod runtime;
mod slots;
mod stream;
mod stream_key;
mod subject;
#[cfg(feature = "testing")]
pub mod testing;

/// What a connection is made with, for those who look into the server themselves.
pub use async_nats;

pub use self::{
    connect::{Connect, ConnectError, Credentials, LinkStats},
    control::{Commands, RemoteAnswer, RemoteCommand, RemoteError, Sent, command},
    frame::{
        Decoder, EncodeError, Encoder, Frame, FrameError, JsonError, Limits, frame_to_json,
        json_to_frame,
    },
    inbound::{
        Inbound, InboundConfig, InboundError, InboundStats, Known, Receipt, Settled, Sink, Stopped,
    },
    message::{NatsPools, Received, View},
    names::Names,
    origin::{BadOrigin, Envelope, OriginName},
    outbound::{Outbound, OutboundConfig, OutboundError, OutboundStats, PublishError},
    outbox::{Durability, OutboxError},
    positions::PositionsError,
    stream::{CRITICAL_STREAM, StreamPlan},
    subject::{ALL_CRITICAL, ALL_MARKET, MARKET_PREFIX},
};
