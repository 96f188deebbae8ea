use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// By which a critical message is spoken of, from when it is handed to the pipeline until the pipeline is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(pub u64);

/// Where the pipeline says with which critical messages it is done: every consumer that wants one has had it. Clones are
/// handles to the same.
///
/// Made before the pipeline, which tells it, and before the [`Inbound`](crate::Inbound), which listens.
#[derive(Clone, Default)]
pub struct Settled(Arc<Inner>);

#[derive(Default)]
struct Inner {
    receipts: Mutex<Vec<Receipt>>,
    news: Notify,
}

impl Settled {
    /// Nothing is settled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pipeline is done with this message. From any thread; never waits.
    pub fn settle(&self, receipt: Receipt) {
        self.0.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
        self.0.news.notify_one();
    }

    /// Those that were settled since it was asked last; waits for one.
    pub(crate) async fn next(&self) -> Vec<Receipt> {
        loop {
            let news = self.0.news.notified();
            let receipts = std::mem::take(
                &mut *self.0.receipts.lock().unwrap_or_else(PoisonError::into_inner),
            );
            if !receipts.is_empty() {
                return receipts;
            }
            news.await;
        }
    }
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settled").finish_non_exhaustive()
    }
}
