//! The one HTTP client. It returns a response head and a byte stream, or a typed failure.

mod body;
mod client;
pub mod gateway;
pub mod oauth;
mod read;
mod resolve;
mod url;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode};

use crate::failure::Failure;

pub use client::Client;
pub use read::{read_capped, read_whole, retry_after};
pub use url::Url;

/// One call, complete.
#[derive(Clone, Debug)]
pub struct Call {
    /// `POST` for completions, `GET` for the rest.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Everything but `host` and `content-length`. Values that hold keys are marked sensitive, so `Debug` hides them.
    pub headers: HeaderMap,
    /// The body as slices; their lengths add up to `content-length`.
    pub body: Vec<Bytes>,
}

/// The bytes of an answer as they arrive; an error ends them.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A response whose head has arrived.
pub struct Response {
    /// The provider's.
    pub status: StatusCode,
    /// The provider's, all of them.
    pub headers: HeaderMap,
    /// The rest.
    pub body: ByteStream,
}

/// What sends calls: the real [`Client`], or a test's record of what would have been sent.
pub trait Connector: Send + Sync {
    /// Sends a call and waits for the head. Dropping the future, or the body, cancels the call.
    fn send(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + '_>>;

    /// From now on a connection has this long to be established. Calls under way keep theirs.
    fn limit_connect(&self, _limit: Duration) {}
}
