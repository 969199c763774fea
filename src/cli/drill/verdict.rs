//! Whether a client lost something, and whether it was told.

use super::client::Saw;

/// How a case ended for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A whole answer, as if nothing had been.
    Unnoticed,
    /// An error that an SDK raises.
    Error(String),
    /// Less than an answer and no error, or something else than the answer: what no client can tell.
    Lost(String),
}

impl Verdict {
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
pub(super) fn judge(saw: &Saw, calm: &[Saw]) -> Verdict {
    let sent = saw.text.chars().count();
    if let Some(error) = &saw.error {
        let after = if sent == 0 { String::new() } else { format!(" after {sent} characters of the answer") };
        return Verdict::Error(format!("{}{after}: {error}", head(saw)));
    }
    if let Some(broke) = &saw.broke {
        return Verdict::Lost(format!("no error, and the connection broke: {broke}"));
    }
    if saw.status != 200 {
        return Verdict::Lost(format!("status {} without an error", saw.status));
    }
    let is_whole =
        |other: &Saw| other.text == saw.text && other.finishes == saw.finishes && other.calls == saw.calls;
    if !calm.iter().any(is_whole) {
        let finish = if saw.finishes.is_empty() { "none".to_owned() } else { saw.finishes.join(", ") };
        let message =
            format!("no error, and another text than the answer: {sent} characters, finish {finish}");
        return Verdict::Lost(message);
    }
    if saw.done != usize::from(saw.streamed) {
        return Verdict::Lost(format!("no error, and {} times [DONE]", saw.done));
    }
    Verdict::Unnoticed
}

fn head(saw: &Saw) -> String {
    if saw.status == 200 { "an error event".to_owned() } else { format!("status {}", saw.status) }
}
