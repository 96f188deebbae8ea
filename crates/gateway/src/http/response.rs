//! Answers, each of a kind that browsers take as it is.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use serde::Serialize;

pub(crate) type Answer = Response<Full<Bytes>>;

/// A text of this kind.
pub(crate) fn of_kind(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = of_kind("text/plain; charset=utf-8", text);
    *answer.status_mut() = status;
    answer
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Our own structs, none of which refuses.
    let text = serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
    let mut answer = of_kind("application/json", text + "\n");
    *answer.status_mut() = status;
    answer
}

/// A refusal with the methods that would be answered.
pub(crate) fn allowing(methods: &'static str, mut refusal: Answer) -> Answer {
    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    refusal
}
