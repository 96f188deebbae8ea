//! A real server that can be killed, and a proxy that can cut and stall what goes through it; for tests and benches.

mod proxy;
mod server;

pub use self::{
    proxy::Proxy,
    server::{Server, ServerError, ServerOptions},
};
