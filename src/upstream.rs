//! The one HTTP client. It returns a response head and a byte stream, or a typed failure.

mod client;
pub mod gateway_client;
pub mod oauth;
mod request_body;
mod resolve;
mod response_body;
mod url;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode};

use crate::failure::Failure;

pub use client::Client;
pub use response_body::{parse_retry_after, read_body, read_capped_body};
pub use url::UpstreamUrl;

/// One call, complete.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// `POST` for completions, `GET` for all other calls.
    pub method: Method,
    /// Where to.
    pub url: UpstreamUrl,
    /// Everything but `host` and `content-length`. Values that hold keys are marked sensitive, so `Debug` hides them.
    pub headers: HeaderMap,
    /// The body as slices; their lengths add up to `content-length`.
    pub body: Vec<Bytes>,
}

/// The bytes of an answer as they arrive; an error ends them.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A response whose head has arrived.
pub struct UpstreamResponse {
    /// The provider's.
    pub status: StatusCode,
    /// The provider's, all of them.
    pub headers: HeaderMap,
    /// The response body.
    pub body: ByteStream,
}

/// What sends calls: the real [`Client`], or a test's record of what would have been sent.
pub trait Connector: Send + Sync {
    /// Sends a call and waits for the head. Dropping the future, or the body, cancels the call.
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>>;

    /// Sets the connect timeout for new calls. Calls in progress keep theirs.
    fn set_connect_timeout(&self, _limit: Duration) {}
}
