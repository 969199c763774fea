//! Responses to input that never became a request. hyper closes without a message, or with a bare status. A
//! user who looks for the reason gets the same shape as from any other error.

use bytes::Bytes;

use super::error::RETRY_SECONDS;
use crate::protocol::api::Api;
use crate::protocol::error::ErrorBody;
use crate::record::RequestId;

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
    /// Every connection slot is taken by an active request.
    Busy,
}

impl ProtocolError {
    /// The meaning of hyper's own response, which begins with these bytes.
    pub(super) fn from_response(answer: &[u8]) -> Self {
        match answer.get(9..12) {
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
                "this is no HTTP/1.1 request; the gateway speaks HTTP/1.1 without TLS",
            ),
            Self::HeadTooLarge => (
                "431 Request Header Fields Too Large",
                "head_too_large",
                "the head has more than 64 KiB or 100 fields",
            ),
            Self::HeadTooSlow => {
                ("408 Request Timeout", "head_too_slow", "the head was not complete within 10 s")
            }
            Self::Http2 => {
                ("505 HTTP Version Not Supported", "http_version", "HTTP/2 is not spoken here; use HTTP/1.1")
            }
            Self::Busy => (
                "503 Service Unavailable",
                "too_many_requests",
                "as many requests are under way as the gateway takes",
            ),
        }
    }

    /// The whole response, head and body. The connection ends with it.
    pub(super) fn response_bytes(self) -> Bytes {
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
