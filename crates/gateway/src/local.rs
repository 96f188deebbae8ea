//! Local venues: each venue's own side of its protocol, made up from a seed, on sockets of this
//! machine. What `meltica run` shows without a network, and what connections are tested against.

mod script;
mod serve;
mod server;

pub(crate) use self::{
    script::{ONE_IN, Script},
    serve::serve,
    server::LocalVenues,
};

#[cfg(test)]
pub(crate) use self::script::Fault;
