//! The JetStream stream that critical messages lie in.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};

use crate::subject;

/// The name of the stream.
pub const CRITICAL_STREAM: &str = "MELTICA_CRITICAL";

/// How the stream is made where there is none. One that is there is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamPlan {
    /// How long messages are kept, and so how long a receiver may be away.
    pub keep: Duration,
    /// How many bytes of them; when there are more, the server takes no new ones, and they wait in the outboxes.
    pub most_bytes: i64,
    /// Within what time the server recognises a message that is sent again. Its memory has each id for so long.
    pub duplicates: Duration,
    /// On how many servers of a cluster each message is; 1, 3 or 5.
    pub replicas: usize,
}

impl Default for StreamPlan {
    /// A week, 1 GiB, repeats recognised within 10 minutes, one replica.
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(7 * 24 * 3_600),
            most_bytes: 1 << 30,
            duplicates: Duration::from_secs(600),
            replicas: 1,
        }
    }
}

/// Makes the stream if there is none. Where that is not allowed, somebody else has to.
pub(crate) async fn ensure(jetstream: &jetstream::Context, plan: &StreamPlan) {
    let config = Config {
        name: CRITICAL_STREAM.to_owned(),
        subjects: vec![subject::ALL_CRITICAL.to_owned()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        // What a receiver has not had must not go for the sake of what is newer.
        discard: DiscardPolicy::New,
        max_age: plan.keep,
        max_bytes: plan.most_bytes,
        duplicate_window: plan.duplicates,
        num_replicas: plan.replicas,
        ..Config::default()
    };
    if let Err(error) = jetstream.get_or_create_stream(config).await {
        tracing::warn!(stream = CRITICAL_STREAM, %error, "the stream could not be had or made");
    }
}
