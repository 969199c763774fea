//! The kinds of fault. One table has their names, numbers and descriptions.

use serde_json::{Value, json};

use crate::error_response::{self, DOCUMENTED_ERRORS};
use crate::provider::Provider;

/// What a fault does; the table describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// An error that the provider documents, by its short name.
    Documented(&'static str),
    Status,
    Refuse,
    ResetBefore,
    ResetAfter,
    EndAfter,
    NoHead,
    NoFirstByte,
    RoleThenStall,
    Stall,
    Truncate,
    TruncateThinking,
    TruncateText,
    TruncateCall,
    TruncateNoDone,
    MalformedJson,
    MalformedSse,
    ErrorChunkFirst,
    ErrorChunkAfter,
    ErrorIn200,
    Empty,
    Html200,
    Html504,
    GzipError,
    InvalidGzip,
    LeakMarkup,
    PrefillRestart,
    PrefillPreamble,
    PrefillThinks,
    PrefillRefused,
    Drip,
    Split,
    Crlf,
    NoRole,
}

/// The number that a kind of fault takes.
#[derive(Clone, Copy)]
pub(super) enum Parameter {
    None,
    Required(&'static str),
    /// With the value if the fault names none.
    Optional(&'static str, u64),
}

use FaultKind as K;
use Parameter::{None as NoNumber, Optional, Required};

const CHUNKS: Parameter = Required("content chunks (or pieces of 32 bytes of a whole answer)");
const CHUNKS_OR_NONE: Parameter = Optional("content chunks before it", 0);
const STATUS: Parameter = Optional("the status, 500 by default", 500);

type FaultRow = (FaultKind, &'static str, Parameter, &'static str);

/// Kind, name in a spec, number, description.
#[rustfmt::skip]
static GENERIC_FAULTS: [FaultRow; 34] = [
    (K::Status, "status", Required("the status"), "An error with this status and a text that no provider documents."),
    (K::Documented("rate_limit"), "retry_after", Required("seconds"), "The provider's rate_limit with this Retry-After."),
    (K::Refuse, "refuse", NoNumber, "The connection is reset as soon as the request's head was read."),
    (K::ResetBefore, "reset_before", NoNumber, "The connection is reset when the whole request was read, before any response."),
    (K::ResetAfter, "reset_after", Required("bytes of the body"), "The connection is reset after so many bytes of the body."),
    (K::EndAfter, "end_after", Required("bytes of the body"), "The body ends after so many bytes, as if it were complete."),
    (K::NoHead, "no_head", NoNumber, "The request is read and never answered."),
    (K::NoFirstByte, "no_first_byte", NoNumber, "The head of a 200 is sent, and nothing after it."),
    (K::RoleThenStall, "role_then_stall", NoNumber, "The stream stops for ever after the event that opens the answer."),
    (K::Stall, "stall", CHUNKS, "The answer stops for ever after so many chunks; the connection stays open."),
    (K::Truncate, "truncate", CHUNKS, "The body ends cleanly after so many chunks, without a finish."),
    (K::TruncateThinking, "truncate_thinking", NoNumber, "The stream ends cleanly after the first piece of thinking."),
    (K::TruncateText, "truncate_text", NoNumber, "The stream ends cleanly after the first piece of text."),
    (K::TruncateCall, "truncate_call", NoNumber, "The stream ends cleanly after the first piece of a tool call's arguments."),
    (K::TruncateNoDone, "truncate_no_done", NoNumber, "The stream ends without its final event: [DONE], message_stop, response.completed."),
    (K::MalformedJson, "malformed_json", CHUNKS_OR_NONE, "A chunk is malformed JSON; the rest of the stream follows."),
    (K::MalformedSse, "malformed_sse", CHUNKS_OR_NONE, "Bytes are sent that are not server-sent events, and the body ends."),
    (K::ErrorChunkFirst, "error_chunk_first", NoNumber, "A 200 stream whose first event is an error."),
    (K::ErrorChunkAfter, "error_chunk_after", CHUNKS, "A 200 stream with an error event after so many chunks."),
    (K::ErrorIn200, "error_in_200", NoNumber, "A 200 whose body is an error object, also if a stream was requested."),
    (K::Empty, "empty", NoNumber, "A 200 that finishes with stop and has no content."),
    (K::Html200, "html_200", NoNumber, "A 200 with a web page."),
    (K::Html504, "html_504", NoNumber, "A 504 with a web page, as Moonshot's edge sends after 900 s of silence."),
    (K::GzipError, "gzip_error", STATUS, "An error whose body is compressed, requested or not."),
    (K::InvalidGzip, "invalid_gzip", STATUS, "An error whose headers say that its body is compressed; it is not."),
    (K::LeakMarkup, "leak_markup", NoNumber, "A tool call leaks into the text as <|tool_calls_section_begin|> markup."),
    (K::PrefillRestart, "prefill_restart", NoNumber, "A request that contains the beginning of an answer gets a whole answer; other requests are not affected."),
    (K::PrefillPreamble, "prefill_preamble", NoNumber, "The same requests get a preamble of the model before the rest of the answer."),
    (K::PrefillThinks, "prefill_thinks", NoNumber, "The same requests get reasoning before the rest of the answer."),
    (K::PrefillRefused, "prefill_refused", NoNumber, "The same requests get a 400."),
    (K::Drip, "drip", Required("milliseconds"), "A pause before each chunk; combined with other faults."),
    (K::Split, "split", Required("bytes"), "The body is sent in pieces of so many bytes, cut anywhere; combined with other faults."),
    (K::Crlf, "crlf", NoNumber, "The stream's lines end in CRLF; combined with other faults."),
    (K::NoRole, "no_role", NoNumber, "No chunk or message names a role; combined with other faults."),
];

impl FaultKind {
    /// The kind of this name, with its number. `retry_after` is another name of `rate_limit`.
    pub(super) fn from_name(name: &str) -> Option<(Self, Parameter)> {
        let generic = GENERIC_FAULTS.iter().find(|row| row.1 == name).map(|row| (row.0, row.2));
        let documented = || DOCUMENTED_ERRORS.iter().find(|error| error.name == name);
        generic.or_else(|| documented().map(|error| (Self::Documented(&error.name), NoNumber)))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Documented(name) => name,
            _ => GENERIC_FAULTS.iter().find(|row| row.0 == self).map_or("", |row| row.1),
        }
    }

    pub(super) const fn takes_status(self) -> bool {
        matches!(self, Self::Status | Self::GzipError | Self::InvalidGzip)
    }

    /// Whether it applies only to requests that contain the beginning of an answer.
    pub(super) const fn is_prefill(self) -> bool {
        matches!(
            self,
            Self::PrefillRestart | Self::PrefillPreamble | Self::PrefillThinks | Self::PrefillRefused
        )
    }

    /// Whether it only changes the delivery of an answer.
    pub(super) const fn is_delivery_change(self) -> bool {
        matches!(self, Self::Drip | Self::Split | Self::Crlf | Self::NoRole)
    }

    pub(super) fn applies_to(self, provider: Provider) -> bool {
        match self {
            Self::Documented(name) => error_response::is_documented(provider, name),
            _ => true,
        }
    }
}

/// A kind of fault.
#[derive(Clone, Debug)]
pub struct FaultDescription {
    /// The name in a spec.
    pub name: &'static str,
    /// The provider that has it; none means all.
    pub provider: Option<Provider>,
    /// The HTTP status, if it answers with an error.
    pub status: Option<u16>,
    /// The meaning of its number, if it takes one, and whether the number is required.
    pub parameter: Option<(&'static str, bool)>,
    /// What happens, or the text that the provider sends.
    pub description: &'static str,
}

/// All kinds: the generic ones first, then every provider's documented errors.
#[must_use]
pub fn list_faults() -> Vec<FaultDescription> {
    let generic = GENERIC_FAULTS.iter().map(|(_, name, parameter, description)| FaultDescription {
        name,
        provider: None,
        status: None,
        parameter: match parameter {
            Parameter::None => None,
            Required(meaning) => Some((*meaning, true)),
            Optional(meaning, _) => Some((*meaning, false)),
        },
        description,
    });
    let documented = DOCUMENTED_ERRORS.iter().map(|error| FaultDescription {
        name: &error.name,
        provider: Some(error.provider),
        status: Some(error.status),
        parameter: None,
        description: &error.message,
    });
    generic.chain(documented).collect()
}

/// The body of `GET /_faults/kinds`.
pub(crate) fn kinds_json() -> Value {
    let kinds = list_faults().into_iter().map(|kind| {
        json!({
            "kind": kind.name,
            "provider": kind.provider.map_or("*", Provider::as_str),
            "status": kind.status,
            "value": kind.parameter.map(|(means, required)| json!({ "means": means, "required": required })),
            "sentence": kind.description,
        })
    });
    json!({ "kinds": kinds.collect::<Vec<_>>() })
}
