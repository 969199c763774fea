//! The response that replaces an answer when a fault selects an error.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::ProviderCall;
use crate::simulator::api::Api;
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::fault::{self, Fault, FaultAction, FaultEffects, PrefillFault};
use crate::simulator::headers;
use crate::simulator::provider::Provider;

/// Anthropic's text for a model that does not go on from the beginning of an answer.
const NO_PREFILL_MESSAGE: &str =
    "This model does not support assistant message prefill. The conversation must end with a user message.";

impl ProviderCall<'_> {
    /// Headers, status and body; none for a fault that only changes an answer.
    pub(super) fn fault_response(
        &self,
        kind: &FaultAction,
        verdict: &FaultEffects,
        model: &str,
    ) -> Option<(HeaderMap, u16, Bytes)> {
        let fault = verdict.deciding_fault.as_ref()?;
        let retry = |mut refusal: ErrorResponse| {
            refusal.retry_after = fault.retry_after.or(refusal.retry_after);
            refusal
        };
        let generic = |status: u16| retry(ErrorResponse::new(status, "server_error", "A simulated failure"));
        let plain =
            |refusal: &ErrorResponse| (self.error_headers(refusal), refusal.status, self.error_body(refusal));
        Some(match kind {
            FaultAction::Documented(name) => {
                plain(&fault::build_error_response(self.provider, name, model, Some(fault)))
            }
            FaultAction::Status(status) => plain(&generic(*status)),
            FaultAction::Prefill(PrefillFault::Rejected) => plain(&ErrorResponse::invalid_request(
                self.provider,
                match self.api {
                    Api::Messages => NO_PREFILL_MESSAGE,
                    _ => "partial is not supported by this model",
                },
            )),
            FaultAction::GzipError(status) => {
                let refusal = generic(*status);
                let mut headers = self.error_headers(&refusal);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, refusal.status, gzip(&self.error_body(&refusal)))
            }
            FaultAction::InvalidGzip(status) => {
                let refusal = generic(*status);
                let mut headers = self.error_headers(&refusal);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, refusal.status, self.error_body(&refusal))
            }
            FaultAction::ErrorIn200 => {
                let (headers, body) = self.error_in_200(Some(fault));
                (headers, 200, body)
            }
            FaultAction::Html200 => {
                (self.response_headers(headers::HTML), 200, html_page("Welcome", "This is a captive portal."))
            }
            FaultAction::Html504 => (
                self.response_headers(headers::HTML),
                504,
                html_page("504 Gateway Time-out", "The upstream said nothing."),
            ),
            _ => return None,
        })
    }

    /// The error body of a 200.
    pub(super) fn error_in_200(&self, fault: Option<&Fault>) -> (HeaderMap, Bytes) {
        let name = match self.provider {
            Provider::OpenRouter => "upstream_error",
            Provider::Moonshot | Provider::Kimi => "server_error",
        };
        let refusal = fault::build_error_response(self.provider, name, "", fault);
        (self.response_headers(headers::JSON), self.error_body(&refusal))
    }
}

fn html_page(title: &str, text: &str) -> Bytes {
    format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<p>{text}</p>\r\n</body>\r\n</html>\r\n").into()
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}
