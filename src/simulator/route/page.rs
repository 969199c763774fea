//! What stands in the place of an answer when a fault orders an error.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::Call;
use crate::simulator::face::Face;
use crate::simulator::fault::{self, Fault, Kind, Prefill, Verdict};
use crate::simulator::header;
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;

/// Anthropic's text for a model that does not go on from the beginning of an answer.
const NO_PREFILL: &str =
    "This model does not support assistant message prefill. The conversation must end with a user message.";

impl Call<'_> {
    /// Headers, status and body; none for a fault that changes an answer only.
    pub(super) fn error_page(
        &self,
        kind: &Kind,
        verdict: &Verdict,
        model: &str,
    ) -> Option<(HeaderMap, u16, Bytes)> {
        let fault = verdict.outcome.as_ref()?;
        let retry = |mut refusal: Refusal| {
            refusal.retry_after = fault.retry_after.or(refusal.retry_after);
            refusal
        };
        let generic = |status: u16| retry(Refusal::new(status, "server_error", "A simulated failure"));
        let plain = |refusal: &Refusal| (self.refusal_headers(refusal), refusal.status, self.text(refusal));
        Some(match kind {
            Kind::Documented(name) => plain(&fault::refusal(self.provider, name, model, Some(fault))),
            Kind::Status(status) => plain(&generic(*status)),
            Kind::Prefill(Prefill::Refused) => plain(&Refusal::invalid(
                self.provider,
                match self.face {
                    Face::Messages => NO_PREFILL,
                    _ => "partial is not supported by this model",
                },
            )),
            Kind::GzipError(status) => {
                let refusal = generic(*status);
                let mut headers = self.refusal_headers(&refusal);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, refusal.status, compressed(&self.text(&refusal)))
            }
            Kind::InvalidGzip(status) => {
                let refusal = generic(*status);
                let mut headers = self.refusal_headers(&refusal);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, refusal.status, self.text(&refusal))
            }
            Kind::ErrorIn200 => {
                let (headers, body) = self.error_in_200(Some(fault));
                (headers, 200, body)
            }
            Kind::Html200 => (self.headers(header::HTML), 200, page("Welcome", "This is a captive portal.")),
            Kind::Html504 => {
                (self.headers(header::HTML), 504, page("504 Gateway Time-out", "The upstream said nothing."))
            }
            _ => return None,
        })
    }

    /// What a 200 says that is an error.
    pub(super) fn error_in_200(&self, fault: Option<&Fault>) -> (HeaderMap, Bytes) {
        let name = match self.provider {
            Provider::OpenRouter => "upstream_error",
            Provider::Moonshot | Provider::Kimi => "server_error",
        };
        let refusal = fault::refusal(self.provider, name, "", fault);
        (self.headers(header::JSON), self.text(&refusal))
    }
}

fn page(title: &str, text: &str) -> Bytes {
    format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<p>{text}</p>\r\n</body>\r\n</html>\r\n").into()
}

fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}
