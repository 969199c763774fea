//! The one HTTP client. It returns a response head and a byte stream, or a typed failure.

mod body;
mod client;
pub mod gateway_client;
pub mod gateway_status;
pub mod oauth;
mod resolve;
mod url;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode};

use crate::failure::Failure;

pub use body::{parse_retry_after, read_body, read_capped_body};
pub use client::Client;
pub use url::UpstreamUrl;

/// A complete request.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// `POST` for completions, `GET` for all other calls.
    pub method: Method,
    /// The absolute URL.
    pub url: UpstreamUrl,
    /// All headers but `host` and `content-length`. Values that contain keys are marked sensitive, so `Debug`
    /// hides them.
    pub headers: HeaderMap,
    /// The body as slices; their lengths add up to `content-length`.
    pub body: Vec<Bytes>,
}

/// The bytes of a response as they arrive. An error ends the stream.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A response whose head has arrived.
pub struct UpstreamResponse {
    /// The provider's status.
    pub status: StatusCode,
    /// All headers of the provider.
    pub headers: HeaderMap,
    /// The response body.
    pub body: ByteStream,
}

/// Sends requests: the real [`Client`], or a test double.
pub trait Connector: Send + Sync {
    /// Sends a request and waits for the response head. Dropping the future or the body cancels the request.
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>>;

    /// Sets the connect timeout of new requests. Requests in progress keep theirs.
    fn set_connect_timeout(&self, _limit: Duration) {}
}
