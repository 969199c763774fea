//! Whether a client lost content, and whether it received an error.

use super::client::ObservedResponse;

/// How a case ended for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CaseVerdict {
    /// A whole answer, as if nothing had been.
    Unnoticed,
    /// An error that an SDK raises.
    Error(String),
    /// An incomplete answer without an error, or a different answer: no client can detect this.
    Lost(String),
}

impl CaseVerdict {
    /// The word in JSON.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Unnoticed => "unnoticed",
            Self::Error(_) => "error",
            Self::Lost(_) => "lost",
        }
    }
}

/// Judges what a client saw; `calm` are the answers of the chain's targets when nothing is wrong.
pub(super) fn evaluate(saw: &ObservedResponse, calm: &[ObservedResponse]) -> CaseVerdict {
    let sent = saw.text.chars().count();
    if let Some(error) = &saw.error {
        let after = if sent == 0 { String::new() } else { format!(" after {sent} characters of the answer") };
        return CaseVerdict::Error(format!("{}{after}: {error}", status_text(saw)));
    }
    if let Some(broke) = &saw.connection_error {
        return CaseVerdict::Lost(format!("no error, and the connection broke: {broke}"));
    }
    if saw.status != 200 {
        return CaseVerdict::Lost(format!("status {} without an error", saw.status));
    }
    let is_whole = |other: &ObservedResponse| {
        other.text == saw.text
            && other.finish_reasons == saw.finish_reasons
            && other.tool_calls == saw.tool_calls
    };
    if !calm.iter().any(is_whole) {
        let finish =
            if saw.finish_reasons.is_empty() { "none".to_owned() } else { saw.finish_reasons.join(", ") };
        let message =
            format!("no error, and another text than the answer: {sent} characters, finish {finish}");
        return CaseVerdict::Lost(message);
    }
    if saw.done_count != usize::from(saw.is_stream) {
        return CaseVerdict::Lost(format!("no error, and {} times [DONE]", saw.done_count));
    }
    CaseVerdict::Unnoticed
}

fn status_text(saw: &ObservedResponse) -> String {
    if saw.status == 200 { "an error event".to_owned() } else { format!("status {}", saw.status) }
}
