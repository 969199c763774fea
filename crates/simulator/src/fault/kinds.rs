//! The list of all kinds of fault, for people and for `GET /_faults/kinds`.

use serde_json::{Value, json};

use crate::fault::documented;
use crate::provider::Provider;

/// A kind of fault that can be ordered.
#[derive(Clone, Debug)]
pub struct FaultDescription {
    /// The name in a spec.
    pub name: &'static str,
    /// The provider that has it; none means all.
    pub provider: Option<Provider>,
    /// The HTTP status that it answers, where it answers an error.
    pub status: Option<u16>,
    /// The meaning of its number, where it takes one, and whether the number is required.
    pub parameter: Option<(&'static str, bool)>,
    /// What happens, or the text that the provider sends.
    pub description: &'static str,
}

/// Name, meaning of its number and whether it is required, description.
type FaultRow = (&'static str, Option<(&'static str, bool)>, &'static str);

const CHUNKS: Option<(&str, bool)> = Some(("content chunks (or pieces of 32 bytes of a whole answer)", true));
const CHUNKS_OR_NONE: Option<(&str, bool)> = Some(("content chunks before it", false));

static GENERIC_FAULTS: [FaultRow; 31] = [
    (
        "status",
        Some(("the status", true)),
        "An error with this status and a text that no provider documents.",
    ),
    ("retry_after", Some(("seconds", true)), "The provider's rate_limit with this Retry-After."),
    ("refuse", None, "The connection is reset as soon as the request's head was read."),
    ("reset_before", None, "The connection is reset when the whole request was read, before any response."),
    (
        "reset_after",
        Some(("bytes of the body", true)),
        "The connection is reset behind so many bytes of the body.",
    ),
    (
        "end_after",
        Some(("bytes of the body", true)),
        "The body ends behind so many bytes, as if they were all of it.",
    ),
    ("no_head", None, "The request is read and never answered."),
    ("no_first_byte", None, "The head of a 200 comes, and nothing behind it."),
    ("role_then_stall", None, "The stream stops for ever behind the event that opens the answer."),
    ("stall", CHUNKS, "The answer stops for ever behind so many chunks; the connection stays open."),
    ("truncate", CHUNKS, "The body ends cleanly behind so many chunks, without a finish."),
    (
        "truncate_no_done",
        None,
        "The stream ends without what says so: [DONE], message_stop, response.completed.",
    ),
    ("malformed_json", CHUNKS_OR_NONE, "A chunk is broken JSON; the rest of the stream follows."),
    ("malformed_sse", CHUNKS_OR_NONE, "Bytes come that are no server-sent events, and the body ends."),
    ("error_chunk_first", None, "A 200 stream whose first event is an error."),
    ("error_chunk_after", CHUNKS, "A 200 stream that turns into an error event behind so many chunks."),
    ("error_in_200", None, "A 200 whose body is an error object, also where a stream was asked for."),
    ("empty", None, "A 200 that finishes with stop and says nothing."),
    ("html_200", None, "A 200 with a web page."),
    ("html_504", None, "A 504 with a web page, as Moonshot's edge sends after 900 s of silence."),
    (
        "gzip_error",
        Some(("the status, 500 if not given", false)),
        "An error whose body is compressed, asked for or not.",
    ),
    (
        "invalid_gzip",
        Some(("the status, 500 if not given", false)),
        "An error whose body is said to be compressed and is not.",
    ),
    ("leak_markup", None, "A tool call leaks into the text as <|tool_calls_section_begin|> markup."),
    (
        "prefill_restart",
        None,
        "A request that brings the beginning of an answer gets all of it anew; other requests are not hit.",
    ),
    ("prefill_preamble", None, "As before: words of the model's own stand before the rest of the answer."),
    ("prefill_thinks", None, "As before: the model thinks before it goes on."),
    ("prefill_refused", None, "As before: a 400."),
    ("drip", Some(("milliseconds", true)), "A pause before each chunk; adds to other faults."),
    (
        "split",
        Some(("bytes", true)),
        "The body comes in pieces of so many bytes, cut anywhere; adds to other faults.",
    ),
    ("crlf", None, "The stream's lines end in CRLF; adds to other faults."),
    ("no_role", None, "No chunk or message names a role; adds to other faults."),
];

/// All kinds: those of shape first, then every provider's documented errors.
#[must_use]
pub fn list_faults() -> Vec<FaultDescription> {
    let shapes = GENERIC_FAULTS.iter().map(|(word, value, sentence)| FaultDescription {
        name: word,
        provider: None,
        status: None,
        parameter: *value,
        description: sentence,
    });
    let errors = documented::all_errors().map(|error| FaultDescription {
        name: error.name,
        provider: Some(error.provider),
        status: Some(error.status),
        parameter: None,
        description: error.message,
    });
    shapes.chain(errors).collect()
}

/// Whether there is a kind with this name.
pub(super) fn find_name(word: &str) -> Option<&'static str> {
    let shape = GENERIC_FAULTS.iter().find(|(own, ..)| *own == word);
    shape.map(|(own, ..)| *own).or_else(|| documented::find_name(word))
}

/// What `GET /_faults/kinds` answers.
pub(crate) fn list_json() -> Value {
    let kinds: Vec<Value> = list_faults()
        .into_iter()
        .map(|kind| {
            json!({
                "kind": kind.name,
                "provider": kind.provider.map_or("*", Provider::as_str),
                "status": kind.status,
                "value": kind.parameter.map(|(means, needed)| json!({ "means": means, "required": needed })),
                "sentence": kind.description,
            })
        })
        .collect();
    json!({ "kinds": kinds })
}
