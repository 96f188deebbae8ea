use std::{future::Future, io, thread};

use tokio::runtime::Runtime;

/// A runtime of one thread, and what came of its first work. On a thread of its own meanwhile: the caller may be in a
/// runtime of somebody else's.
pub(crate) fn begin<T: Send, E: From<io::Error> + Send>(
    first: impl Future<Output = Result<T, E>> + Send,
) -> Result<(Runtime, T), E> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let done = thread::scope(|scope| {
        let begun = thread::Builder::new().spawn_scoped(scope, || runtime.block_on(first))?;
        match begun.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    Ok((runtime, done))
}
