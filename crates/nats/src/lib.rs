//! meltica's pipeline over [NATS](https://nats.io): what a consumer has on one machine, consumers have on others.
//!
//! Market data travel over core subjects, at most once and newest first; execution reports and control events
//! travel over JetStream, and each reaches the application exactly once.

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
