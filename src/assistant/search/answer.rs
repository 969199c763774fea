//! Reads an answer of the search model, and its citations.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::Value;
use url::Url;

use crate::assistant::search::search_config::WEB_SEARCH;
use crate::catalog::ThinkingControl;
use crate::protocol::api::Api;
use crate::protocol::json::{to_string_literal, unescape};
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;

/// One answer, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedAnswer {
    pub(super) step: NextStep,
    /// Of this request alone.
    pub(super) usage: Option<TokenUsage>,
    /// Calls of `$web_search` in it.
    pub(super) searches: u64,
}

/// What follows an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// These messages are appended and another request is sent.
    Continue(Vec<Vec<u8>>),
    /// That is the answer.
    Answer(String),
    /// It ended without text; its `finish_reason`.
    Empty(String),
}

/// What is remembered from one round to the next.
#[derive(Debug, Default)]
pub(super) struct ConversationState {
    /// Addresses that the searches reported.
    pub(super) citations: Citations,
    /// Ids of calls. On the K3 generation they repeat from answer to answer, and Moonshot rejects a
    /// conversation that contains the same id twice.
    call_ids: HashSet<String>,
    /// The model may think, and its messages must show that they did.
    is_thinking: bool,
}

/// An edit of a text.
type Edit = (Range<usize>, Vec<u8>);

/// Reads the body of a 200. `None` if it is not an answer; the caller checks for an error object first.
pub(super) fn parse_answer(body: &[u8], memory: &mut ConversationState) -> Option<ParsedAnswer> {
    let top = ObjectView::parse_strict(body).ok()?;
    let choice = top.objects("choices").into_iter().next()?;
    let message = choice.object("message")?;
    let of_choice = choice.value("usage");
    let usage =
        top.value("usage").or(of_choice).and_then(|text| TokenUsage::from_json(Api::ChatCompletions, text));
    for holder in [&top, &choice, &message] {
        let results =
            holder.value("search_results").and_then(|text| serde_json::from_slice::<Value>(text).ok());
        if let Some(results) = results {
            memory.citations.add_from_value(&results);
        }
    }
    let calls = message.objects("tool_calls");
    if calls.is_empty() {
        let text = ["content", "reasoning_content"].map(|key| message.string_or_empty(key));
        let text = text.into_iter().find(|text| !text.trim().is_empty());
        let step = match text {
            Some(text) => NextStep::Answer(text.into_owned()),
            None => NextStep::Empty(choice.string_or_empty("finish_reason").into_owned()),
        };
        return Some(ParsedAnswer { step, usage, searches: 0 });
    }
    let mut edits = complete_message(&message, memory.is_thinking);
    let mut replies = Vec::new();
    let mut searches = 0;
    for (place, call) in calls.iter().enumerate() {
        searches += u64::from(is_search_call(call));
        let id = memory.unique_call_id(call, place);
        if let Some(span) = call.span("id").filter(|_| call.string_or_empty("id") != id) {
            edits.push((span, to_string_literal(&id)));
        } else if call.span("id").is_none() {
            let open = call.extent().start + 1;
            edits.push((open..open, [b"\"id\":", to_string_literal(&id).as_slice(), b","].concat()));
        }
        if is_search_call(call) {
            memory.citations.add_from_arguments(call);
        }
        replies.push(tool_reply(call, &id));
    }
    let mut messages = vec![apply_edits(body, &message.extent(), edits)];
    messages.extend(replies);
    Some(ParsedAnswer { step: NextStep::Continue(messages), usage, searches })
}

fn call_function<'t>(call: &ObjectView<'t>) -> Option<ObjectView<'t>> {
    call.object("function")
}

fn is_search_call(call: &ObjectView<'_>) -> bool {
    call_function(call).is_some_and(|function| function.string_or_empty("name") == WEB_SEARCH)
}

impl ConversationState {
    /// The state for a model with this thinking control, requested with `request::render_body`.
    pub(super) fn for_model(thinking: ThinkingControl) -> Self {
        Self {
            is_thinking: matches!(thinking, ThinkingControl::Always | ThinkingControl::Effort),
            ..Self::default()
        }
    }

    /// The id used to answer a call: its own, unless that id is already in use.
    fn unique_call_id(&mut self, call: &ObjectView<'_>, place: usize) -> String {
        let own = call.string_or_empty("id").into_owned();
        let mut id = if own.is_empty() { format!("search_{place}") } else { own.clone() };
        let mut count = 1;
        while !self.call_ids.insert(id.clone()) {
            count += 1;
            id = format!("{own}_{count}");
        }
        id
    }
}

impl Citations {
    /// The addresses in a call's arguments, which are JSON in a string.
    fn add_from_arguments(&mut self, call: &ObjectView<'_>) {
        let Some(arguments) = call_function(call).and_then(|function| function.value("arguments")) else {
            return;
        };
        let text = unescape(arguments).unwrap_or_else(|| String::from_utf8_lossy(arguments));
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            self.add_from_value(&value);
        }
    }
}

/// What an assistant message lacks to be taken back: its role, and on a model that thinks something that it thought; any
/// text will do (Moonshot's 400 without; `LiteLLM` sends a space, too).
fn complete_message(message: &ObjectView<'_>, thinks: bool) -> Vec<Edit> {
    let open = message.extent().start + 1;
    let mut edits = Vec::new();
    if !message.has_text("role") {
        edits.push((open..open, b"\"role\":\"assistant\",".to_vec()));
    }
    if thinks && !message.has_text("reasoning_content") {
        edits.push(match message.span("reasoning_content") {
            Some(span) => (span, b"\" \"".to_vec()),
            None => (open..open, b"\"reasoning_content\":\" \",".to_vec()),
        });
    }
    edits
}

/// The tool message: the call's own arguments, byte for byte. A call that is not a search cannot be answered
/// here.
fn tool_reply(call: &ObjectView<'_>, id: &str) -> Vec<u8> {
    let function = call_function(call);
    let of_function = |key| function.as_ref().and_then(|function| function.value(key)).map(<[u8]>::to_vec);
    let content = match of_function("arguments") {
        _ if !is_search_call(call) => to_string_literal("Unknown tool: only $web_search exists."),
        Some(literal) if literal.starts_with(b"\"") => literal,
        // An object in the place of its text.
        Some(other) => to_string_literal(&String::from_utf8_lossy(&other)),
        None => to_string_literal("{}"),
    };
    let name = of_function("name").unwrap_or_else(|| to_string_literal(WEB_SEARCH));
    let parts: [&[u8]; 7] = [
        b"{\"role\":\"tool\",\"tool_call_id\":",
        &to_string_literal(id),
        b",\"name\":",
        &name,
        b",\"content\":",
        &content,
        b"}",
    ];
    parts.concat()
}

/// The text of a span with its edits made.
fn apply_edits(text: &[u8], span: &Range<usize>, mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|(place, _)| place.start);
    let (mut out, mut at) = (Vec::with_capacity(span.len()), span.start);
    for (place, new) in edits {
        out.extend_from_slice(text.get(at..place.start).unwrap_or_default());
        out.extend_from_slice(&new);
        at = place.end;
    }
    out.extend_from_slice(text.get(at..span.end).unwrap_or_default());
    out
}

/// More than a person looks at, and a bound for what is kept.
const MAX_CITATIONS: usize = 50;
/// A browser takes more, a page that is cited has less.
const MAX_URL_BYTES: usize = 2048;

/// Addresses in the order in which they were reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Citations(Vec<String>);

impl Citations {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_urls(self) -> Vec<String> {
        self.0
    }

    /// One more, where it is an address of a page that is not there yet.
    fn add(&mut self, text: &str) {
        let text = text.trim();
        if self.0.len() < MAX_CITATIONS && is_page_url(text) && !self.0.iter().any(|known| known == text) {
            self.0.push(text.to_owned());
        }
    }

    /// Every `url` of a value, however deep.
    pub(super) fn add_from_value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    match inner {
                        Value::String(text) if name == "url" => self.add(text),
                        _ => self.add_from_value(inner),
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.add_from_value(element)),
            _ => {}
        }
    }

    /// Every address in a text. Punctuation behind one belongs to the sentence, and so does a bracket that it does not
    /// open itself.
    pub(super) fn add_from_text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find("http") {
            let from = rest.get(at..).unwrap_or_default();
            let ends =
                |c: char| c.is_whitespace() || c.is_control() || "<>\"`|{}\\^，。；、）】》".contains(c);
            let end = from.find(ends).unwrap_or(from.len());
            let (candidate, after) = from.split_at(end);
            self.add(trim_url(candidate));
            rest = if after.is_empty() { "" } else { after };
        }
    }
}

/// Of `https://a/b).` what is the address; of Markdown's `https://a](https://a` the first.
fn trim_url(candidate: &str) -> &str {
    let mut text = candidate.split("](").next().unwrap_or(candidate);
    loop {
        let opened = |open: char, close: char| text.matches(open).count() >= text.matches(close).count();
        let Some(last) = text.chars().next_back() else { return text };
        let belongs = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' => false,
            ')' => opened('(', ')'),
            ']' => opened('[', ']'),
            _ => return text,
        };
        if belongs {
            return text;
        }
        text = text.get(..text.len() - last.len_utf8()).unwrap_or_default();
    }
}

/// Whether a text is an address that a browser opens as a page, and nothing that a terminal would obey.
fn is_page_url(text: &str) -> bool {
    let plain = text.len() <= MAX_URL_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    plain
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
        })
}
