//! A request while the rules work on it: the body is read only, changes are kept beside it and become edits at the end.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::catalog::{ModelInfo, ThinkingLevel};
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, Span};
use crate::protocol::model::seal::SealOrigin;
use crate::protocol::object::ObjectView;
use crate::protocol::request::{RequestBody, RequestMessage};
use crate::protocol::usage::TokenUsage;
use crate::provider::rules::Rule;

/// The input of a rewrite.
#[derive(Clone, Copy, Debug)]
pub struct RewriteInput<'a> {
    /// The body in the API of the provider.
    pub body: &'a RequestBody,
    /// Facts of the model, compat flags included.
    pub model: &'a ModelInfo,
    /// The model id for the provider.
    pub wire_model: &'a str,
    /// `params` of the configuration: they set only what the client does not.
    pub params: &'a Map<String, Value>,
    /// `thinkingDefault`; applies after `params`.
    pub default_thinking: Option<ThinkingLevel>,
    /// `sanitizeToolCallIds`.
    pub sanitize_tool_call_ids: bool,
    /// The provider behind OpenRouter that answered the conversation last.
    pub last_provider: Option<&'a str>,
}

/// What differs from request to request besides the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct RewriteOptions<'a> {
    /// `thinkingDefault`.
    pub default_thinking: Option<ThinkingLevel>,
    /// The provider behind OpenRouter that answered the conversation last, whose prompt cache is warm.
    pub last_provider: Option<&'a str>,
}

/// The received part of an interrupted answer.
#[derive(Clone, Copy, Debug)]
pub struct PartialAnswer<'a> {
    /// The text to continue; empty if the answer starts again.
    pub text: &'a str,
    /// Its output tokens.
    pub output_tokens: u64,
}

/// The result of a rewrite.
#[derive(Clone, Debug, Default)]
pub struct AdaptedRequest {
    /// The changes.
    pub edits: Edits,
    /// The rules that changed something, in order, without repetition; `provider::rules` explains them.
    pub rules: Vec<&'static str>,
    /// How to adapt the response.
    pub answer_plan: AnswerPlan,
    /// The thinking level of the request as it is sent. `None` leaves it to the model.
    pub thinking: Option<ThinkingLevel>,
}

/// How to adapt the response so that the client does not notice the rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerPlan {
    /// Tool names as sent, and as the client knows them.
    pub tool_names: Vec<(String, String)>,
    /// Tools of a namespace that were sent as plain functions: namespace and name by the name as sent.
    pub namespaced_tools: BTreeMap<String, (String, String)>,
    /// The client did not request usage in the stream.
    pub hides_usage: bool,
    /// The response continues an earlier one: it may consist of a finish only.
    pub is_continuation: bool,
    /// Tools were offered. Only then does leaked markup become calls.
    pub offers_tools: bool,
    /// What is written to the prompt cache stays for an hour (Moonshot's `prompt_cache_options`).
    pub caches_for_an_hour: bool,
    /// The origin to write into sealed reasoning; `None` where it is passed on as it is.
    pub seal_origin: Option<SealOrigin>,
}

impl AnswerPlan {
    /// Completes the usage of an answer: Moonshot bills cache writes by the lifetime in the request, and reports one count
    /// (its forum, topic 613, 2026-11).
    pub(crate) const fn complete_usage(&self, usage: &mut Option<TokenUsage>) {
        if let (true, Some(usage)) = (self.caches_for_an_hour, usage) {
            usage.cache_write_1h = usage.cache_write;
        }
    }

    pub(crate) fn original_name<'n>(&'n self, sent: &'n str) -> &'n str {
        self.tool_names.iter().find(|(known, _)| known == sent).map_or(sent, |(_, original)| original)
    }

    /// Writes the origin into a sealed value, if it needs one.
    pub(crate) fn write_origin(&self, object: &ObjectView<'_>, key: &str, edits: &mut Edits) {
        if let Some(origin) = &self.seal_origin {
            origin.write(object, key, edits);
        }
    }

    /// The client's literal for the literal of a name, if it is another one.
    pub(crate) fn original_literal(&self, literal: &[u8]) -> Option<Vec<u8>> {
        let renamed = self.tool_names.iter().find(|(sent, _)| json::literal_equals(literal, sent));
        let original =
            renamed.map(|(_, own)| own).or_else(|| self.namespaced(literal).map(|(_, own)| own))?;
        Some(json::to_string_literal(original))
    }

    pub(crate) fn namespace_literal(&self, literal: &[u8]) -> Option<Vec<u8>> {
        self.namespaced(literal).map(|(namespace, _)| json::to_string_literal(namespace))
    }

    fn namespaced(&self, literal: &[u8]) -> Option<&(String, String)> {
        let mut tools = self.namespaced_tools.iter();
        tools.find(|(sent, _)| json::literal_equals(literal, sent)).map(|(_, own)| own)
    }

    /// Gives a name in a response, if present, the client's spelling.
    pub(crate) fn restore_name(&self, text: &[u8], name: Option<&Span>, edits: &mut Edits) {
        if let Some(span) = name
            && let Some(original) = self.original_literal(text.get(span.clone()).unwrap_or_default())
        {
            edits.replace(span.clone(), original);
        }
    }
}

/// A call of a tool in the conversation: its literals in the request.
pub(crate) struct ToolCallSpans {
    pub(crate) id: Option<Span>,
    pub(crate) name: Option<Span>,
    pub(crate) namespace: Option<String>,
}

/// The calls of one element of the conversation: in `tool_calls` (Chat Completions), in blocks (Messages), or the
/// element itself (Responses).
fn read_calls(body: &RequestBody, message: &RequestMessage) -> Vec<ToolCallSpans> {
    let Some(object) = body.message_object(message) else { return Vec::new() };
    let name = |call: &ObjectView<'_>| match body.api {
        Api::ChatCompletions => call.object("function")?.span("name"),
        Api::Messages | Api::Responses => call.span("name"),
    };
    let read = |call: &ObjectView<'_>, id: &str| ToolCallSpans {
        id: call.span(id),
        name: name(call),
        namespace: call.string("namespace").filter(|_| body.api == Api::Responses).map(Cow::into_owned),
    };
    match body.api {
        Api::ChatCompletions => object.objects("tool_calls").iter().map(|call| read(call, "id")).collect(),
        Api::Messages => {
            let blocks = object.objects("content");
            let calls = blocks.iter().filter(|block| block.string_or_empty("type") == "tool_use");
            calls.map(|call| read(call, "id")).collect()
        }
        Api::Responses if object.string_or_empty("type") == "function_call" => vec![read(&object, "call_id")],
        Api::Responses => Vec::new(),
    }
}

pub(crate) struct RequestDraft<'a> {
    pub(crate) request: &'a RewriteInput<'a>,
    /// Changed top-level members; `None` removes one.
    top: Vec<(String, Option<Bytes>)>,
    messages: BTreeMap<usize, ObjectPatch<'a>>,
    /// The elements of the conversation that make calls: their index and the calls.
    pub(crate) calls: BTreeMap<usize, Vec<ToolCallSpans>>,
    /// Edits of spans that no other change touches.
    pub(crate) edits: Edits,
    rules: Vec<&'static str>,
    pub(crate) answer_plan: AnswerPlan,
}

impl<'a> RequestDraft<'a> {
    pub(crate) fn new(request: &'a RewriteInput<'a>) -> Self {
        let messages = request.body.messages.iter().enumerate();
        let calls = messages.map(|(index, message)| (index, read_calls(request.body, message)));
        Self {
            request,
            top: Vec::new(),
            messages: BTreeMap::new(),
            calls: calls.filter(|(_, calls)| !calls.is_empty()).collect(),
            edits: Edits::new(),
            rules: Vec::new(),
            answer_plan: AnswerPlan::default(),
        }
    }

    pub(crate) const fn body(&self) -> &'a RequestBody {
        self.request.body
    }

    /// The string with this literal.
    pub(crate) fn unescape(&self, literal: &Span) -> Option<Cow<'a, str>> {
        self.body().text.get(literal.clone()).and_then(json::unescape)
    }

    pub(crate) fn record_rule(&mut self, rule: Rule) {
        if !self.rules.contains(&rule.name) {
            self.rules.push(rule.name);
        }
    }

    /// The current JSON text of a top-level value.
    pub(crate) fn value(&self, key: &str) -> Option<&[u8]> {
        match self.top.iter().find(|(changed, _)| changed == key) {
            Some((_, value)) => value.as_deref(),
            None => self.body().value(key),
        }
    }

    /// As [`Self::value`], without `null`.
    pub(crate) fn non_null_value(&self, key: &str) -> Option<&[u8]> {
        self.value(key).filter(|value| *value != b"null")
    }

    /// As [`Self::value`], parsed.
    pub(crate) fn parsed_value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(self.value(key)?).ok()
    }

    /// The span of a top-level value that no rule has changed.
    pub(crate) fn unchanged_span(&self, key: &str) -> Option<Span> {
        let is_unchanged = !self.top.iter().any(|(changed, _)| changed == key);
        is_unchanged.then(|| self.body().value_span(key)).flatten()
    }

    /// Sets a top-level key to JSON text. The rule is recorded if that changes anything, as by every method that takes one.
    pub(crate) fn set(&mut self, rule: Rule, key: &str, value: impl Into<Bytes>) {
        let value = value.into();
        if self.value(key) != Some(&value) {
            self.change(rule, key, Some(value));
        }
    }

    /// Removes a top-level key; returns whether it was present.
    pub(crate) fn remove(&mut self, rule: Rule, key: &str) -> bool {
        let is_present = self.value(key).is_some();
        if is_present {
            self.change(rule, key, None);
        }
        is_present
    }

    /// Sets a member of a top-level object to JSON text, or removes it. An object that would become empty is
    /// removed too. A value that is not an object is left unchanged.
    pub(crate) fn set_member(&mut self, rule: Rule, key: &str, member: &str, value: Option<&str>) {
        let Some(object) = self.non_null_value(key).map(Bytes::copy_from_slice) else {
            if let Some(value) = value {
                self.set(rule, key, format!("{{\"{member}\":{value}}}"));
            }
            return;
        };
        let Ok((members, _)) = json::parse_members(&object, 0) else { return };
        let current =
            json::find_member(&object, &members, member).and_then(|it| object.get(it.value.clone()));
        let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
        let mut patch = ObjectPatch::new(&object, 0, &members);
        match (current, value) {
            (None, None) => return,
            (Some(current), Some(value)) if parse(current) == parse(value.as_bytes()) => return,
            (Some(_), None) if members.len() == 1 => {
                self.remove(rule, key);
                return;
            }
            (Some(_), None) => _ = patch.remove(member),
            (_, Some(value)) => patch.set(member, value.to_owned()),
        }
        let mut edits = Edits::new();
        patch.write_edits(&mut edits);
        self.set(rule, key, edits.apply(&object).to_bytes());
    }

    fn change(&mut self, rule: Rule, key: &str, to: Option<Bytes>) {
        match self.top.iter_mut().find(|(changed, _)| changed == key) {
            Some((_, value)) => *value = to,
            None => self.top.push((key.to_owned(), to)),
        }
        self.record_rule(rule);
    }

    /// Changes members of the messages for which `is_affected` holds. `tool_calls`, `tools` and arrays of blocks are
    /// changed by [`Self::edits`] alone.
    pub(crate) fn patch_messages(
        &mut self,
        rule: Rule,
        is_affected: impl Fn(usize, &RequestMessage) -> bool,
        change: impl Fn(&mut ObjectPatch<'_>, &RequestMessage),
    ) {
        let body = self.request.body;
        for (index, message) in body.messages.iter().enumerate() {
            if !message.members.is_empty() && is_affected(index, message) {
                let new = || ObjectPatch::new(&body.text, message.span.start, &message.members);
                change(self.messages.entry(index).or_insert_with(new), message);
                self.record_rule(rule);
            }
        }
    }

    /// Keeps only these spans of an array; they are in this order, at any depth.
    pub(crate) fn retain_elements(&mut self, array: &Span, kept: impl IntoIterator<Item = Span>) {
        let text = &self.request.body.text;
        let end = array.end.saturating_sub(1);
        let mut from = array.start + 1;
        let gaps = kept.into_iter().map(|span| (span.start, span.end)).chain([(end, end)]);
        for (index, (start, next)) in gaps.enumerate() {
            let is_joint = index > 0 && start < end;
            let gap = text.get(from..start).unwrap_or_default();
            let joint: &[u8] = if is_joint { b"," } else { b"" };
            if gap.trim_ascii() != joint {
                self.edits.replace(from..start, joint.to_vec());
            }
            from = next;
        }
    }

    pub(crate) fn finish(self) -> AdaptedRequest {
        let body = self.request.body;
        let mut edits = self.edits;
        for patch in self.messages.into_values() {
            patch.write_edits(&mut edits);
        }
        let mut top = ObjectPatch::new(&body.text, body.open_brace, &body.members);
        for (key, value) in self.top {
            match value {
                Some(value) => top.set(&key, value),
                None => _ = top.remove(&key),
            }
        }
        top.write_edits(&mut edits);
        AdaptedRequest { edits, rules: self.rules, answer_plan: self.answer_plan, thinking: None }
    }
}
