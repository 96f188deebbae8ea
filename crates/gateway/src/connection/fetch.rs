use std::{pin::pin, time::Duration};

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, HOST, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;

use super::endpoint::{ConnectError, Endpoint};

/// The largest body that is taken: a snapshot of 5,000 levels a side has some 300 KiB.
pub(super) const MAX_BODY: usize = 8 << 20;

/// Gets a path below an endpoint by HTTP, on a connection of its own, within a limit of time.
pub(super) async fn get(
    endpoint: Endpoint,
    path: String,
    limit: Duration,
) -> Result<Bytes, FetchError> {
    match tokio::time::timeout(limit, ask(endpoint, path, limit)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::Slow { limit }),
    }
}

async fn ask(endpoint: Endpoint, path: String, limit: Duration) -> Result<Bytes, FetchError> {
    let stream = endpoint.dial(limit).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let base = endpoint.uri.path().trim_end_matches('/');
    let request = Request::get(format!("{base}{path}"))
        .header(HOST, endpoint.authority())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("meltica/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Path { path })?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let after = response.headers().get(RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(FetchError::Status { status, after: after.map(Duration::from_secs) });
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| {
            if error.is::<LengthLimitError>() {
                return FetchError::TooLarge;
            }
            match error.downcast::<hyper::Error>() {
                Ok(error) => FetchError::Http(*error),
                Err(_) => FetchError::TooLarge,
            }
        })
    };
    // The connection has to be driven while it is asked; what it has brought outlives it.
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("{path:?} cannot be asked for")]
    Path { path: String },
    #[error("the answer is {status}")]
    Status {
        status: StatusCode,
        /// How long the server wants to be left alone.
        after: Option<Duration>,
    },
    #[error("the answer is larger than 8 MiB")]
    TooLarge,
    #[error("there was no answer within {limit:?}")]
    Slow { limit: Duration },
}

impl FetchError {
    /// For how long the server wants to be asked for nothing at all. Who asks on is banned for longer.
    pub(super) fn leave_alone(&self) -> Option<Duration> {
        let Self::Status { status, after } = self else { return None };
        // Binance has 418 for those who went on after 429.
        let too_many = matches!(status.as_u16(), 418 | 429);
        after.or(too_many.then_some(Duration::from_secs(60)))
    }
}
