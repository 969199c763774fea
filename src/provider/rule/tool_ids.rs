//! Tool-call ids. Kimi counts them per answer, so `functions.exec:0` comes back in every turn. Moonshot refuses a history
//! that contains an id twice.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use super::draft::RequestDraft;
use crate::protocol::api::Api;
use crate::protocol::json::{self, Span};
use crate::protocol::model::tools::{hex_digest, restore_original, to_messages_id};
use crate::protocol::request::{RequestBody, RequestMessage};
use crate::provider::rules::{self, Rule};

/// The longest id with `sanitizeToolCallIds`.
const MAX_SANITIZED_CHARS: usize = 40;

/// The form in which an id that occurs once in the history is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdForm {
    Original,
    /// Only letters, digits, `_` and `-`, as Anthropic's servers require. Kimi's Messages API returns and accepts
    /// `functions.exec:0`, and the conversation may move to another provider.
    Escaped,
    /// Letters and digits (`sanitizeToolCallIds`).
    Sanitized,
}

impl IdForm {
    /// The form for other providers than Kimi's.
    pub(crate) fn of_other_provider(api: Api) -> Self {
        if api == Api::Messages { Self::Escaped } else { Self::Original }
    }

    fn apply(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Original => Cow::Borrowed(id),
            // An id that the gateway escaped before is plain already.
            Self::Escaped if restore_original(id) != id => Cow::Borrowed(id),
            Self::Escaped => to_messages_id(id),
            Self::Sanitized => {
                id.chars().filter(char::is_ascii_alphanumeric).take(MAX_SANITIZED_CHARS).collect()
            }
        }
    }

    const fn rule(self) -> Rule {
        match self {
            Self::Original => rules::TOOL_IDS,
            Self::Escaped => rules::TOOL_IDS_ESCAPED,
            Self::Sanitized => rules::TOOL_IDS_SANITIZED,
        }
    }
}

/// Makes ids unique: the first occurrence keeps its own in this form, later ones get one that is derived from it.
/// `sanitizeToolCallIds` overrides the form. Results follow their calls.
pub(crate) fn make_unique(draft: &mut RequestDraft<'_>, form: IdForm) {
    let form = if draft.request.sanitize_tool_call_ids { IdForm::Sanitized } else { form };
    let Some(mut ids) = IdAllocator::collect(draft, form) else { return };
    let body = draft.body();
    let mut after_assistant = false;
    for (index, message) in body.messages.iter().enumerate() {
        let calls = draft.calls.get(&index);
        if calls.is_some() && !after_assistant {
            // Unanswered calls stay unanswered: their ids must not match the following results.
            ids.awaiting_result.clear();
        }
        let spans = match calls {
            Some(calls) => calls.iter().filter_map(|call| call.id.clone()).collect(),
            None => read_result_ids(body, message),
        };
        let is_call = calls.is_some();
        for span in spans {
            let Some(raw) = read_id(draft, &span) else { continue };
            let sent = if is_call { ids.assign_call_id(&raw) } else { ids.resolve_result_id(&raw) };
            if sent != raw {
                draft.edits.replace(span, json::to_string_literal(&sent));
                draft.record_rule(form.rule());
            }
        }
        after_assistant = is_assistant(body, message);
    }
}

fn read_id<'a>(draft: &RequestDraft<'a>, span: &Span) -> Option<Cow<'a, str>> {
    draft.unescape(span).filter(|id| !id.is_empty())
}

/// The literals of the ids that one element of the conversation answers: a message of the role `tool` (Chat Completions),
/// an item (Responses), or its blocks (Messages).
fn read_result_ids(body: &RequestBody, message: &RequestMessage) -> Vec<Span> {
    let has_type = |kind: &str| body.field(message, "type").is_some_and(|it| json::literal_equals(it, kind));
    match body.api {
        Api::ChatCompletions => body.field_span(message, "tool_call_id").into_iter().collect(),
        Api::Responses => {
            let id = body.field_span(message, "call_id");
            id.filter(|_| has_type("function_call_output")).into_iter().collect()
        }
        Api::Messages => {
            let blocks = body.message_object(message).map(|object| object.objects("content"));
            let results = blocks.unwrap_or_default().into_iter();
            let results = results.filter(|block| block.string_or_empty("type") == "tool_result");
            results.filter_map(|result| result.span("tool_use_id")).collect()
        }
    }
}

/// Whether calls that follow this element belong to the same turn.
fn is_assistant(body: &RequestBody, message: &RequestMessage) -> bool {
    let kind = body.field(message, "type").filter(|_| body.api == Api::Responses);
    let is_item =
        |kind: &[u8]| ["function_call", "reasoning"].iter().any(|it| json::literal_equals(kind, it));
    body.has_role(message, "assistant") || kind.is_some_and(is_item)
}

struct IdAllocator {
    form: IdForm,
    /// Ids in use: those of the history (unless all are rewritten) and new ones.
    reserved: HashSet<String>,
    /// The ids of the history so far.
    history: HashMap<String, KnownId>,
    /// By the client's id: the ids sent for it in this turn that have no result yet, oldest first.
    awaiting_result: HashMap<String, VecDeque<String>>,
}

#[derive(Default)]
struct KnownId {
    occurrences: usize,
    last_sent: String,
}

impl IdAllocator {
    /// `None` when nothing needs a change.
    fn collect(draft: &RequestDraft<'_>, form: IdForm) -> Option<Self> {
        let mut taken = HashSet::new();
        let mut changes = form == IdForm::Sanitized;
        for span in draft.calls.values().flatten().filter_map(|call| call.id.as_ref()) {
            let Some(id) = read_id(draft, span) else { continue };
            changes |= form.apply(&id) != id;
            changes |= !taken.insert(id);
        }
        if form == IdForm::Sanitized {
            taken.clear();
        }
        let reserved = || taken.into_iter().map(Cow::into_owned).collect();
        changes.then(|| Self {
            form,
            reserved: reserved(),
            history: HashMap::new(),
            awaiting_result: HashMap::new(),
        })
    }

    fn assign_call_id(&mut self, raw: &str) -> String {
        let occurrence = self.history.get(raw).map_or(0, |known| known.occurrences);
        let sent = self.generate_id(raw, occurrence);
        self.reserved.insert(sent.clone());
        let known = self.history.entry(raw.to_owned()).or_default();
        known.occurrences += 1;
        known.last_sent.clone_from(&sent);
        self.awaiting_result.entry(raw.to_owned()).or_default().push_back(sent.clone());
        sent
    }

    fn generate_id(&self, raw: &str, occurrence: usize) -> String {
        if occurrence == 0 {
            let plain = self.form.apply(raw);
            let is_own = self.form != IdForm::Sanitized && plain == raw;
            if is_own || (!plain.is_empty() && !self.reserved.contains(&*plain)) {
                return plain.into_owned();
            }
        }
        let prefix = if self.form == IdForm::Sanitized { "call" } else { "call_" };
        let mut attempt = 0_usize;
        loop {
            let parts = [raw, &occurrence.to_string(), &attempt.to_string()];
            let id = format!("{prefix}{}", hex_digest(&parts, 24));
            if !self.reserved.contains(&id) {
                return id;
            }
            attempt += 1;
        }
    }

    /// The oldest waiting call of that id, or the last one, or an unused id.
    fn resolve_result_id(&mut self, raw: &str) -> String {
        let waiting = self.awaiting_result.get_mut(raw).and_then(VecDeque::pop_front);
        let last_sent = || self.history.get(raw).map(|known| known.last_sent.clone());
        waiting.or_else(last_sent).unwrap_or_else(|| self.generate_id(raw, 0))
    }
}
