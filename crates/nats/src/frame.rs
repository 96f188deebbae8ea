//! The frame: what travels. `docs/wire.md` has it byte by byte.

mod decode;
mod encode;
mod error;
mod json;
mod reader;

pub use self::{
    decode::{Decoder, Frame, Limits},
    encode::Encoder,
    error::{EncodeError, FrameError},
    json::{JsonError, frame_to_json, json_to_frame},
};

/// The first two bytes.
const MAGIC: [u8; 2] = *b"mf";
/// The version that this program writes, and the one that it reads.
pub(crate) const VERSION: u8 = 1;
/// In place of a time that is absent.
const NO_TIME: i64 = i64::MIN;
/// Levels that one side of a book may have.
const MOST_LEVELS: u32 = 65_536;

#[cfg(test)]
mod tests;
