//! Tool-call ids: Kimi counts them per answer, so `functions.exec:0` comes back in every turn, and Moonshot refuses a
//! history in which an id stands twice.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use super::draft::Draft;
use super::{calls, digest, rules};
use crate::protocol::json::{self, Span};
use crate::protocol::translate::ids;

/// The longest id that `sanitizeToolCallIds` lets through.
const SANITIZED_LENGTH: usize = 40;

/// Makes ids unique: the first occurrence keeps its own, later ones get one that is derived from it. With
/// `sanitizeToolCallIds` every id becomes letters and digits first. Results follow their calls.
pub(in crate::provider) fn make_unique(draft: &mut Draft<'_>) {
    let sanitize = draft.request().sanitize_tool_call_ids;
    rename(draft, if sanitize { Form::Sanitized } else { Form::Own });
}

/// The same for servers that take letters, digits, `_` and `-` alone, as Anthropic's do: Kimi's Messages face gives and
/// takes `functions.exec:0`, and the conversation may move on.
pub(in crate::provider) fn make_plain(draft: &mut Draft<'_>) {
    let sanitize = draft.request().sanitize_tool_call_ids;
    rename(draft, if sanitize { Form::Sanitized } else { Form::Escaped });
}

/// The form in which an id is sent that stands in the history once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Own,
    Escaped,
    Sanitized,
}

impl Form {
    fn of(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Own => Cow::Borrowed(id),
            // One that was escaped before is plain, and stays as the client knows it.
            Self::Escaped if ids::original(id) != id => Cow::Borrowed(id),
            Self::Escaped => ids::for_messages(id),
            Self::Sanitized => Cow::Owned(sanitized(id)),
        }
    }
}

fn rename(draft: &mut Draft<'_>, form: Form) {
    let Some(mut ids) = Ids::collect(draft, form) else { return };
    let body = draft.body();
    let mut changes: Vec<(Span, String)> = Vec::new();
    let mut after_assistant = false;
    for (index, message) in body.messages.iter().enumerate() {
        if let Some(calls) = draft.calls().get(&index) {
            if !after_assistant {
                // What was left unanswered before stays so: its id must not catch the results that follow.
                ids.waiting.clear();
            }
            for span in calls.iter().filter_map(|call| call.id.as_ref()) {
                let Some(raw) = id_text(draft, span) else { continue };
                let sent = ids.call(&raw);
                changes.extend((sent != raw).then(|| (span.clone(), sent)));
            }
        } else {
            for span in calls::answered(body, message) {
                let Some(raw) = id_text(draft, &span) else { continue };
                let sent = ids.result(&raw);
                changes.extend((sent != raw).then_some((span, sent)));
            }
        }
        after_assistant = calls::is_assistant(body, message);
    }
    if !changes.is_empty() {
        draft.fire(match form {
            Form::Own => rules::TOOL_IDS,
            Form::Escaped => rules::TOOL_IDS_ESCAPED,
            Form::Sanitized => rules::TOOL_IDS_SANITIZED,
        });
    }
    for (span, sent) in changes {
        draft.replace(span, json::string_literal(&sent));
    }
}

fn id_text<'a>(draft: &Draft<'a>, span: &Span) -> Option<Cow<'a, str>> {
    json::unescape(draft.text(span)).filter(|id| !id.is_empty())
}

/// Ids given out so far.
struct Ids {
    form: Form,
    /// Every id that may not be given out again: the history's own (unless all are rewritten) and ours.
    taken: HashSet<String>,
    /// How often an id of the history was met.
    met: HashMap<String, usize>,
    /// What was sent for an id, oldest first, as long as no result came.
    waiting: HashMap<String, VecDeque<String>>,
    /// What was sent for an id last.
    last: HashMap<String, String>,
}

impl Ids {
    /// `None` when nothing needs a change.
    fn collect(draft: &Draft<'_>, form: Form) -> Option<Self> {
        let mut taken = HashSet::with_capacity(draft.calls().len());
        let mut changes = form == Form::Sanitized;
        for span in draft.calls().values().flatten().filter_map(|call| call.id.as_ref()) {
            let Some(id) = id_text(draft, span) else { continue };
            changes |= form.of(&id) != id;
            changes |= !taken.insert(id);
        }
        if !changes {
            return None;
        }
        let taken = if form == Form::Sanitized {
            HashSet::new()
        } else {
            taken.into_iter().map(Cow::into_owned).collect()
        };
        Some(Self { form, taken, met: HashMap::new(), waiting: HashMap::new(), last: HashMap::new() })
    }

    fn call(&mut self, raw: &str) -> String {
        let met = self.met.entry(raw.to_owned()).or_default();
        let occurrence = *met;
        *met += 1;
        let sent = self.unused(raw, occurrence);
        self.taken.insert(sent.clone());
        self.waiting.entry(raw.to_owned()).or_default().push_back(sent.clone());
        self.last.insert(raw.to_owned(), sent.clone());
        sent
    }

    fn unused(&self, raw: &str, occurrence: usize) -> String {
        if occurrence == 0 {
            let plain = self.form.of(raw);
            let is_own = self.form != Form::Sanitized && plain == raw;
            if is_own || (!plain.is_empty() && !self.taken.contains(&*plain)) {
                return plain.into_owned();
            }
        }
        let prefix = if self.form == Form::Sanitized { "call" } else { "call_" };
        let mut attempt = 0_usize;
        loop {
            let parts = [raw, &occurrence.to_string(), &attempt.to_string()];
            let id = format!("{prefix}{}", digest::hex(&parts, 24));
            if !self.taken.contains(&id) {
                return id;
            }
            attempt += 1;
        }
    }

    /// The oldest call of that id that waits; else the last one; else an id that no call has.
    fn result(&mut self, raw: &str) -> String {
        if let Some(sent) = self.waiting.get_mut(raw).and_then(VecDeque::pop_front) {
            return sent;
        }
        match self.last.get(raw) {
            Some(sent) => sent.clone(),
            None => self.unused(raw, 0),
        }
    }
}

fn sanitized(raw: &str) -> String {
    raw.chars().filter(char::is_ascii_alphanumeric).take(SANITIZED_LENGTH).collect()
}
