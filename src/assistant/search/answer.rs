//! Reads an answer of the search model, and its citations.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use crate::catalog::ThinkingControl;
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{to_string_literal, unescape};
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedAnswer {
    pub(super) step: NextStep,
    /// Of this request alone.
    pub(super) usage: Option<TokenUsage>,
    /// Calls of `$web_search` in it.
    pub(super) searches: u64,
}

/// The step after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Append these messages and send another request.
    Continue(Vec<Bytes>),
    /// Return this answer.
    Answer(String),
    /// The answer ended without text; its `finish_reason`.
    Empty(String),
}

/// State between the rounds.
#[derive(Debug, Default)]
pub(super) struct ConversationState {
    /// Addresses that the searches reported.
    pub(super) citations: Citations,
    /// Calls of `$web_search` so far.
    pub(super) searches: u64,
    /// Ids of calls. On the K3 generation they repeat from answer to answer, and Moonshot rejects a
    /// conversation that contains the same id twice.
    call_ids: HashSet<String>,
    /// The model may think, so its messages must contain thinking.
    is_thinking: bool,
}

impl ConversationState {
    /// The state for a model with this thinking control, called as `conversation` does.
    pub(super) fn for_model(thinking: ThinkingControl) -> Self {
        let is_thinking = matches!(thinking, ThinkingControl::Always | ThinkingControl::Effort);
        Self { is_thinking, ..Self::default() }
    }

    /// The id used to answer a call: its own, unless that id is already in use.
    fn unique_call_id(&mut self, own: &str, index: usize) -> String {
        let mut id = if own.is_empty() { format!("search_{index}") } else { own.to_owned() };
        let mut count = 1;
        while !self.call_ids.insert(id.clone()) {
            count += 1;
            id = format!("{own}_{count}");
        }
        id
    }

    /// Counts a search, and adds the addresses in its arguments, which are JSON in a string.
    fn add_search(&mut self, arguments: Option<&[u8]>) {
        self.searches += 1;
        let text = arguments
            .map(|literal| unescape(literal).unwrap_or_else(|| String::from_utf8_lossy(literal)))
            .unwrap_or_default();
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            self.citations.add_from_value(&value);
        }
    }
}

/// Reads the body of a 200. `None` if it is not an answer; the caller checks for an error object first.
pub(super) fn parse_answer(body: &[u8], state: &mut ConversationState) -> Option<ParsedAnswer> {
    let top = ObjectView::parse_strict(body).ok()?;
    let choice = top.objects("choices").into_iter().next()?;
    let message = choice.object("message")?;
    let usage = top.value("usage").or(choice.value("usage"));
    let usage = usage.and_then(|text| TokenUsage::from_json(Api::ChatCompletions, text));
    for holder in [&top, &choice, &message] {
        if let Some(results) = holder.value("search_results")
            && let Ok(results) = serde_json::from_slice(results)
        {
            state.citations.add_from_value(&results);
        }
    }
    if message.objects("tool_calls").is_empty() {
        let texts = ["content", "reasoning_content"].map(|key| message.string_or_empty(key));
        let step = match texts.into_iter().find(|text| !text.trim().is_empty()) {
            Some(text) => NextStep::Answer(text.into_owned()),
            None => NextStep::Empty(choice.string_or_empty("finish_reason").into_owned()),
        };
        return Some(ParsedAnswer { step, usage, searches: 0 });
    }
    let before = state.searches;
    let message = Bytes::copy_from_slice(body.get(message.extent())?);
    let messages = answer_calls(&message, state)?;
    Some(ParsedAnswer { step: NextStep::Continue(messages), usage, searches: state.searches - before })
}

/// The assistant message to send back, and a tool message for each of its calls. Fields that Moonshot requires are
/// added: the role, unique ids of calls, and thinking if the model thinks. Any text will do for that (Moonshot answers
/// 400 without it; `LiteLLM` sends a space, too).
fn answer_calls(text: &Bytes, state: &mut ConversationState) -> Option<Vec<Bytes>> {
    let message = ObjectView::parse(text)?;
    let mut edits = Edits::new();
    let mut patch = ObjectPatch::new(text, message.extent().start, message.members());
    if !message.has_text("role") {
        patch.set("role", "\"assistant\"");
    }
    if state.is_thinking && !message.has_text("reasoning_content") {
        patch.set("reasoning_content", "\" \"");
    }
    patch.write_edits(&mut edits);
    let mut replies = Vec::new();
    for (index, call) in message.objects("tool_calls").iter().enumerate() {
        let own_id = call.string_or_empty("id");
        let id = state.unique_call_id(&own_id, index);
        if id != own_id {
            let mut patch = ObjectPatch::new(text, call.extent().start, call.members());
            patch.set("id", to_string_literal(&id));
            patch.write_edits(&mut edits);
        }
        replies.push(answer_call(call, &id, state));
    }
    Some([edits.apply(text).to_bytes()].into_iter().chain(replies).collect())
}

/// The tool message: the call's own arguments, byte for byte. A call that is not a search cannot be answered
/// here.
fn answer_call(call: &ObjectView<'_>, id: &str, state: &mut ConversationState) -> Bytes {
    let function = call.object("function");
    let value = |key| function.as_ref().and_then(|function| function.value(key));
    let is_search =
        function.as_ref().is_some_and(|function| function.string_or_empty("name") == "$web_search");
    if is_search {
        state.add_search(value("arguments"));
    }
    let content = match value("arguments") {
        _ if !is_search => to_string_literal("Unknown tool: only $web_search exists."),
        Some(literal) if literal.starts_with(b"\"") => literal.to_vec(),
        // An object instead of its text.
        other => to_string_literal(&String::from_utf8_lossy(other.unwrap_or(b"{}"))),
    };
    let parts: [&[u8]; 7] = [
        b"{\"role\":\"tool\",\"tool_call_id\":",
        &to_string_literal(id),
        b",\"name\":",
        value("name").unwrap_or(b"\"$web_search\""),
        b",\"content\":",
        &content,
        b"}",
    ];
    parts.concat().into()
}

/// More than a person reads, and a bound for the memory used.
const MAX_CITATIONS: usize = 50;
/// Browsers accept longer ones, but cited pages have shorter ones.
const MAX_URL_BYTES: usize = 2048;

/// Addresses in the order in which they were reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Citations(pub(super) Vec<String>);

impl Citations {
    /// Adds the address of a page once.
    fn add(&mut self, text: &str) {
        let text = text.trim();
        if self.0.len() < MAX_CITATIONS && is_page_url(text) && !self.0.iter().any(|known| known == text) {
            self.0.push(text.to_owned());
        }
    }

    /// Adds every `url` of a value, at any depth.
    fn add_from_value(&mut self, value: &Value) {
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

    /// Adds every address in a text. Punctuation that follows one belongs to the sentence, and so does an unmatched
    /// closing bracket.
    pub(super) fn add_from_text(&mut self, text: &str) {
        let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"`|{}\\^，。；、）】》".contains(c);
        for word in text.split(ends) {
            if let Some(at) = word.find("http") {
                self.add(trim_url(word.get(at..).unwrap_or_default()));
            }
        }
    }
}

/// The address in `https://a/b).`; the first one in Markdown's `https://a](https://a`.
fn trim_url(candidate: &str) -> &str {
    let mut text = candidate.split("](").next().unwrap_or(candidate);
    let is_unmatched = |text: &str, open, close| text.matches(open).count() < text.matches(close).count();
    while text.ends_with(['.', ',', ';', ':', '!', '?', '\'', '*', '_'])
        || (text.ends_with(')') && is_unmatched(text, '(', ')'))
        || (text.ends_with(']') && is_unmatched(text, '[', ']'))
    {
        text = text.get(..text.len() - 1).unwrap_or_default();
    }
    text
}

/// Whether a text is an address that a browser opens as a page, without characters that control a terminal.
fn is_page_url(text: &str) -> bool {
    let plain = text.len() <= MAX_URL_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    // The URLs of these schemes have a host.
    plain && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
