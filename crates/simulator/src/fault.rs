//! Faults: the requests that they apply to, and their effects.

pub(crate) mod apply;
pub(crate) mod documented;
pub(crate) mod kinds;
pub(crate) mod spec;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::provider::{Api, Provider};

pub(super) use kinds::list_json as kinds_json;

pub(super) use crate::fault::apply::{body_steps, stream_steps};
pub(super) use crate::fault::documented::build_error_response;
pub use crate::fault::kinds::{FaultDescription, list_faults};
pub use crate::fault::spec::FaultError;

/// A fault, as described by `[PROVIDER[/MODEL]]:KIND[=VALUE][,key=value…]` or in JSON.
///
/// It applies only to requests with a prompt, on all APIs or on one. The first matching fault in the list
/// decides what happens. `drip`, `split`, `crlf` and `no_role` change only the shape of an answer and are
/// combined with that fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The provider; none means all three.
    pub provider: Option<Provider>,
    /// The requested model; none means all.
    pub model: Option<String>,
    /// The API; none means all.
    pub api: Option<Api>,
    /// The number of requests that it applies to; none means all.
    pub times: Option<u32>,
    /// Seconds for the Retry-After headers of an error.
    pub retry_after: Option<u64>,
    /// What happens.
    pub(super) action: FaultAction,
}

impl Fault {
    /// The kind's name, as `GET /_faults/kinds` lists it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.action.name()
    }

    /// Whether it can apply to this request; `model` is none before the body was read.
    fn matches(&self, provider: Provider, api: Api, model: Option<&str>) -> bool {
        self.matches_target(provider, api)
            && self.model.as_deref().is_none_or(|own| Some(own) == model)
            && self.action.applies_to(provider)
    }

    fn matches_target(&self, provider: Provider, api: Api) -> bool {
        self.provider.is_none_or(|own| own == provider) && self.api.is_none_or(|own| own == api)
    }
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FaultAction {
    /// An error that the provider documents, by its short name.
    Documented(&'static str),
    /// Any status, with a text of our own.
    Status(u16),
    /// RST as soon as the head was read.
    ResetAfterHead,
    /// RST when the whole request was read.
    ResetBeforeResponse,
    /// RST after so many bytes of the body.
    ResetAfter(usize),
    /// No answer, ever.
    NoHead,
    /// A head, and then nothing.
    NoFirstByte,
    /// The role chunk, `message_start` or `response.created`, and then nothing.
    RoleThenStall,
    /// A clean end after so many bytes of the body.
    EndAfter(usize),
    /// So many content chunks, and then nothing.
    Stall(usize),
    /// So many content chunks, and then a clean end.
    Truncate(usize),
    /// Everything except the event that ends the stream.
    TruncateNoDone,
    /// A chunk of malformed JSON after so many content chunks; then the stream continues.
    MalformedJson(usize),
    /// Bytes that are not events after so many content chunks, and then the end.
    MalformedSse(usize),
    /// An error chunk after so many content chunks, and then the end.
    ErrorChunk(Option<usize>),
    /// A 200 whose body is an error object, streamed or not.
    ErrorIn200,
    /// A 200 that finishes without content.
    Empty,
    /// A 200 with a web page.
    Html200,
    /// A 504 with a web page.
    Html504,
    /// An error with this status, its body compressed.
    GzipError(u16),
    /// An error with this status whose headers say that it is compressed; it is not.
    InvalidGzip(u16),
    /// A tool call as markup in the text.
    LeakMarkup,
    /// The effect on a request that contains the beginning of an answer.
    Prefill(PrefillFault),
    /// A pause before each piece, in milliseconds.
    Drip(u64),
    /// The body in pieces of so many bytes, each in its own write.
    Split(usize),
    /// CRLF line ends.
    Crlf,
    /// No role anywhere.
    NoRole,
}

/// The effect on the beginning of an answer that a request contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrefillFault {
    /// The answer starts again.
    Restart,
    /// The answer starts with a preamble of its own and then continues.
    Preamble,
    /// The model thinks before it continues, even if it does not think otherwise.
    Reasoning,
    /// A 400.
    Rejected,
}

impl FaultAction {
    /// Whether it applies only to requests that contain the beginning of an answer.
    const fn is_prefill(&self) -> bool {
        matches!(self, Self::Prefill(_))
    }

    /// Whether it only changes the shape of an answer.
    const fn is_delivery_change(&self) -> bool {
        matches!(self, Self::Drip(_) | Self::Split(_) | Self::Crlf | Self::NoRole)
    }

    fn applies_to(&self, provider: Provider) -> bool {
        match self {
            Self::Documented(name) => documented::is_documented(provider, name),
            _ => true,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Documented(name) => name,
            Self::Status(_) => "status",
            Self::ResetAfterHead => "refuse",
            Self::ResetBeforeResponse => "reset_before",
            Self::ResetAfter(_) => "reset_after",
            Self::NoHead => "no_head",
            Self::NoFirstByte => "no_first_byte",
            Self::RoleThenStall => "role_then_stall",
            Self::EndAfter(_) => "end_after",
            Self::Stall(_) => "stall",
            Self::Truncate(_) => "truncate",
            Self::TruncateNoDone => "truncate_no_done",
            Self::MalformedJson(_) => "malformed_json",
            Self::MalformedSse(_) => "malformed_sse",
            Self::ErrorChunk(None) => "error_chunk_first",
            Self::ErrorChunk(Some(_)) => "error_chunk_after",
            Self::ErrorIn200 => "error_in_200",
            Self::Empty => "empty",
            Self::Html200 => "html_200",
            Self::Html504 => "html_504",
            Self::GzipError(_) => "gzip_error",
            Self::InvalidGzip(_) => "invalid_gzip",
            Self::LeakMarkup => "leak_markup",
            Self::Prefill(PrefillFault::Restart) => "prefill_restart",
            Self::Prefill(PrefillFault::Preamble) => "prefill_preamble",
            Self::Prefill(PrefillFault::Reasoning) => "prefill_thinks",
            Self::Prefill(PrefillFault::Rejected) => "prefill_refused",
            Self::Drip(_) => "drip",
            Self::Split(_) => "split",
            Self::Crlf => "crlf",
            Self::NoRole => "no_role",
        }
    }

    /// Its number, for those that take one.
    fn parameter(&self) -> Option<u64> {
        match self {
            Self::Status(value) | Self::GzipError(value) | Self::InvalidGzip(value) => {
                Some(u64::from(*value))
            }
            Self::ResetAfter(value)
            | Self::EndAfter(value)
            | Self::Stall(value)
            | Self::Truncate(value)
            | Self::MalformedJson(value)
            | Self::MalformedSse(value)
            | Self::ErrorChunk(Some(value))
            | Self::Split(value) => Some(*value as u64),
            Self::Drip(value) => Some(*value),
            _ => None,
        }
    }
}

/// What the faults do to one request.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultEffects {
    /// The fault that decides, if any.
    pub(super) deciding_fault: Option<Fault>,
    /// Milliseconds before each piece.
    pub(super) delay_millis: Option<u64>,
    /// Bytes of a piece.
    pub(super) piece_bytes: Option<usize>,
    /// Whether lines end in CRLF.
    pub(super) uses_crlf: bool,
    /// Whether the role is left out.
    pub(super) omits_role: bool,
}

impl FaultEffects {
    /// What decides, if anything.
    pub(super) fn action(&self) -> Option<&FaultAction> {
        self.deciding_fault.as_ref().map(|fault| &fault.action)
    }

    /// The names of all faults that applied, for the record.
    pub(super) fn names(&self) -> Option<String> {
        let mut words: Vec<&str> = self.deciding_fault.iter().map(Fault::kind).collect();
        words.extend(self.delay_millis.map(|_| "drip"));
        words.extend(self.piece_bytes.map(|_| "split"));
        words.extend(self.uses_crlf.then_some("crlf"));
        words.extend(self.omits_role.then_some("no_role"));
        (!words.is_empty()).then(|| words.join("+"))
    }
}

/// The list, in order of arrival; the first match decides.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    active: Mutex<Vec<ActiveFault>>,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    remaining: Option<u32>,
}

impl FaultQueue {
    /// A list that starts with these.
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        let queue = Self::default();
        faults.into_iter().for_each(|fault| queue.add(fault));
        queue
    }

    /// Appends a fault.
    pub(crate) fn add(&self, fault: Fault) {
        let left = fault.times;
        self.lock().push(ActiveFault { fault, remaining: left });
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What `GET /_faults` shows.
    pub(crate) fn to_json(&self) -> Value {
        let faults: Vec<Value> = self
            .lock()
            .iter()
            .map(|armed| {
                let mut value = armed.fault.to_json();
                if let Some(members) = value.as_object_mut() {
                    members.insert("left".into(), json!(armed.remaining));
                }
                value
            })
            .collect();
        json!({ "faults": faults })
    }

    /// Whether to reset the connection before the body is read. Only a `refuse` that names no model can be
    /// decided so early.
    pub(crate) fn take_refuse(&self, provider: Provider, api: Api) -> bool {
        let mut armed = self.lock();
        let first = armed.iter_mut().find(|armed| armed.can_decide(provider, api, None));
        match first {
            Some(armed)
                if armed.fault.action == FaultAction::ResetAfterHead && armed.fault.model.is_none() =>
            {
                armed.use_once();
                true
            }
            _ => false,
        }
    }

    /// The effects on this request, which may contain the beginning of an answer. Counts it against the faults
    /// that apply.
    pub(crate) fn take_effects(
        &self,
        provider: Provider,
        api: Api,
        model: &str,
        prefilled: bool,
    ) -> FaultEffects {
        let mut effects = FaultEffects::default();
        for armed in self.lock().iter_mut().filter(|armed| armed.has_remaining()) {
            let hits = armed.fault.matches(provider, api, Some(model));
            if !hits || (armed.fault.action.is_prefill() && !prefilled) {
                continue;
            }
            match &armed.fault.action {
                FaultAction::Drip(pause) => effects.delay_millis = Some(*pause),
                FaultAction::Split(size) => effects.piece_bytes = Some(*size),
                FaultAction::Crlf => effects.uses_crlf = true,
                FaultAction::NoRole => effects.omits_role = true,
                _ if effects.deciding_fault.is_some() => continue,
                _ => effects.deciding_fault = Some(armed.fault.clone()),
            }
            armed.use_once();
        }
        effects
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ActiveFault>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveFault {
    fn has_remaining(&self) -> bool {
        self.remaining.is_none_or(|left| left > 0)
    }

    /// A fault that waits for a model cannot decide yet, but one that comes later in the list must wait for it.
    fn can_decide(&self, provider: Provider, api: Api, model: Option<&str>) -> bool {
        self.has_remaining()
            && !self.fault.action.is_delivery_change()
            && !self.fault.action.is_prefill()
            && (self.fault.matches(provider, api, model)
                || (model.is_none() && self.awaits_model(provider, api)))
    }

    fn awaits_model(&self, provider: Provider, api: Api) -> bool {
        self.fault.model.is_some() && self.fault.matches_target(provider, api)
    }

    fn use_once(&mut self) {
        if let Some(left) = &mut self.remaining {
            *left = left.saturating_sub(1);
        }
    }
}
