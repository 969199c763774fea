//! Responses to input that never became a request. hyper closes without a message, or with a bare status. The
//! client gets a body in the same shape as for any other error.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::error::RETRY_SECONDS;
use crate::protocol::api::Api;
use crate::protocol::error::ErrorBody;
use crate::record::RequestId;

/// How long a rejected client has to read the error.
const REJECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolError {
    /// hyper could not read the head.
    Malformed,
    /// The head is over its limit in bytes, or over hyper's 100 fields.
    HeadTooLarge,
    /// The head was not complete in time.
    HeadTooSlow,
    /// The preface of HTTP/2 with prior knowledge.
    Http2,
    /// Every connection slot is in use by an active request.
    Busy,
}

impl ProtocolError {
    /// The meaning of hyper's own response, which begins with these bytes.
    pub(super) fn from_response(response: &[u8]) -> Self {
        match response.get(9..12) {
            Some(b"431") => Self::HeadTooLarge,
            _ => Self::Malformed,
        }
    }

    /// The error code.
    pub(super) const fn code(self) -> &'static str {
        self.parts().1
    }

    const fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Malformed => (
                "400 Bad Request",
                "malformed_request",
                "not an HTTP/1.1 request; the gateway accepts HTTP/1.1 without TLS",
            ),
            Self::HeadTooLarge => (
                "431 Request Header Fields Too Large",
                "head_too_large",
                "the request head has more than 64 KiB or 100 fields",
            ),
            Self::HeadTooSlow => {
                ("408 Request Timeout", "head_too_slow", "the request head was not complete within 10 s")
            }
            Self::Http2 => {
                ("505 HTTP Version Not Supported", "http_version", "HTTP/2 is not supported; use HTTP/1.1")
            }
            Self::Busy => (
                "503 Service Unavailable",
                "too_many_requests",
                "every connection slot is in use by an active request; retry later",
            ),
        }
    }

    /// Sends the error, and closes the connection.
    pub(super) async fn send(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let sending = async {
            stream.write_all(&self.response_bytes()).await?;
            stream.shutdown().await?;
            // Closing with unread bytes would make the kernel discard the response (RST).
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        // A client that does not read it gets no more time.
        let _ = timeout(REJECT_TIMEOUT, sending).await;
    }

    /// The whole response, head and body.
    fn response_bytes(self) -> Bytes {
        let (status, code, message) = self.parts();
        let kind = if self == Self::Busy { "server_error" } else { "invalid_request_error" };
        let body = ErrorBody { message, kind, code: Some(code), ..ErrorBody::default() }
            .render_body(Api::ChatCompletions);
        let retry = match self {
            Self::Busy => format!("retry-after: {RETRY_SECONDS}\r\n"),
            _ => String::new(),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             x-moonrelay-request-id: {}\r\n{retry}connection: close\r\n\r\n",
            RequestId::now()
        );
        [head.as_bytes(), &body].concat().into()
    }
}
