//! Tool-call ids. Kimi counts them per answer, so `functions.exec:0` comes back in every turn. Moonshot refuses a history
//! that contains an id twice.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use super::draft::RequestDraft;
use super::tool_calls;
use crate::protocol::json::{self, Span};
use crate::protocol::model::tools::{hex_digest, restore_original, to_messages_id};
use crate::provider::rules;

/// The longest id with `sanitizeToolCallIds`.
const MAX_SANITIZED_CHARS: usize = 40;

/// Makes ids unique: the first occurrence keeps its own, later ones get one that is derived from it. With
/// `sanitizeToolCallIds` every id becomes letters and digits first. Results follow their calls.
pub(crate) fn make_unique(draft: &mut RequestDraft<'_>) {
    let sanitize = draft.request().sanitize_tool_call_ids;
    rename_ids(draft, if sanitize { IdForm::Sanitized } else { IdForm::Original });
}

/// The same for servers that accept only letters, digits, `_` and `-`, as Anthropic's do. Kimi's Messages API
/// returns and accepts `functions.exec:0`, and the conversation may move to another provider.
pub(crate) fn escape_and_make_unique(draft: &mut RequestDraft<'_>) {
    let sanitize = draft.request().sanitize_tool_call_ids;
    rename_ids(draft, if sanitize { IdForm::Sanitized } else { IdForm::Escaped });
}

/// The form in which an id that occurs once in the history is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdForm {
    Original,
    Escaped,
    Sanitized,
}

impl IdForm {
    fn apply(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Original => Cow::Borrowed(id),
            // An id that the gateway escaped before is plain already.
            Self::Escaped if restore_original(id) != id => Cow::Borrowed(id),
            Self::Escaped => to_messages_id(id),
            Self::Sanitized => Cow::Owned(sanitize(id)),
        }
    }
}

fn rename_ids(draft: &mut RequestDraft<'_>, form: IdForm) {
    let Some(mut ids) = IdAllocator::collect(draft, form) else { return };
    let body = draft.body();
    let mut changes: Vec<(Span, String)> = Vec::new();
    let mut after_assistant = false;
    for (index, message) in body.messages.iter().enumerate() {
        if let Some(calls) = draft.calls().get(&index) {
            if !after_assistant {
                // Unanswered calls stay unanswered: their ids must not match the following results.
                ids.awaiting_result.clear();
            }
            for span in calls.iter().filter_map(|call| call.id.as_ref()) {
                let Some(raw) = read_id(draft, span) else { continue };
                let sent = ids.assign_call_id(&raw);
                changes.extend((sent != raw).then(|| (span.clone(), sent)));
            }
        } else {
            for span in tool_calls::read_result_ids(body, message) {
                let Some(raw) = read_id(draft, &span) else { continue };
                let sent = ids.resolve_result_id(&raw);
                changes.extend((sent != raw).then_some((span, sent)));
            }
        }
        after_assistant = tool_calls::is_assistant(body, message);
    }
    if !changes.is_empty() {
        draft.record_rule(match form {
            IdForm::Original => rules::TOOL_IDS,
            IdForm::Escaped => rules::TOOL_IDS_ESCAPED,
            IdForm::Sanitized => rules::TOOL_IDS_SANITIZED,
        });
    }
    for (span, sent) in changes {
        draft.replace(span, json::to_string_literal(&sent));
    }
}

fn read_id<'a>(draft: &RequestDraft<'a>, span: &Span) -> Option<Cow<'a, str>> {
    json::unescape(draft.text(span)).filter(|id| !id.is_empty())
}

struct IdAllocator {
    form: IdForm,
    /// Ids in use: those of the history (unless all are rewritten) and new ones.
    reserved: HashSet<String>,
    /// How often an id of the history occurred.
    occurrences: HashMap<String, usize>,
    /// The ids sent for an id that have no result yet, oldest first.
    awaiting_result: HashMap<String, VecDeque<String>>,
    /// The last id sent for an id.
    last_sent: HashMap<String, String>,
}

impl IdAllocator {
    /// `None` when nothing needs a change.
    fn collect(draft: &RequestDraft<'_>, form: IdForm) -> Option<Self> {
        let mut taken = HashSet::with_capacity(draft.calls().len());
        let mut changes = form == IdForm::Sanitized;
        for span in draft.calls().values().flatten().filter_map(|call| call.id.as_ref()) {
            let Some(id) = read_id(draft, span) else { continue };
            changes |= form.apply(&id) != id;
            changes |= !taken.insert(id);
        }
        if !changes {
            return None;
        }
        let taken = if form == IdForm::Sanitized {
            HashSet::new()
        } else {
            taken.into_iter().map(Cow::into_owned).collect()
        };
        Some(Self {
            form,
            reserved: taken,
            occurrences: HashMap::new(),
            awaiting_result: HashMap::new(),
            last_sent: HashMap::new(),
        })
    }

    fn assign_call_id(&mut self, raw: &str) -> String {
        let met = self.occurrences.entry(raw.to_owned()).or_default();
        let occurrence = *met;
        *met += 1;
        let sent = self.generate_id(raw, occurrence);
        self.reserved.insert(sent.clone());
        self.awaiting_result.entry(raw.to_owned()).or_default().push_back(sent.clone());
        self.last_sent.insert(raw.to_owned(), sent.clone());
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
        if let Some(sent) = self.awaiting_result.get_mut(raw).and_then(VecDeque::pop_front) {
            return sent;
        }
        match self.last_sent.get(raw) {
            Some(sent) => sent.clone(),
            None => self.generate_id(raw, 0),
        }
    }
}

fn sanitize(raw: &str) -> String {
    raw.chars().filter(char::is_ascii_alphanumeric).take(MAX_SANITIZED_CHARS).collect()
}
