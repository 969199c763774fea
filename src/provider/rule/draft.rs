//! A request while the rules work on it: the body is read only, changes are kept beside it and become edits at the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json as tree};

use super::tool_calls::{self, ToolCallSpans};
use crate::catalog::{ModelInfo, ThinkingLevel};
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, Span};
use crate::protocol::request::RequestBody;
use crate::provider::rules::{self, Rule};

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
    /// The rules that changed something, in order, without repetition; [`rules::RULES`] explains them.
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
    /// Names of the request's tools as sent: leaked markup becomes calls only where tools were offered.
    pub offers_tools: bool,
}

impl AnswerPlan {
    /// The client's name of a tool, for the name as sent.
    pub(crate) fn original_name<'n>(&'n self, sent: &'n str) -> &'n str {
        self.tool_names.iter().find(|(known, _)| known == sent).map_or(sent, |(_, original)| original)
    }

    /// The client's literal for the literal of a name, if it is another one.
    pub(crate) fn original_literal(&self, literal: &[u8]) -> Option<Vec<u8>> {
        let renamed = self.tool_names.iter().find(|(sent, _)| json::literal_equals(literal, sent));
        let original =
            renamed.map(|(_, own)| own).or_else(|| self.namespaced(literal).map(|(_, own)| own))?;
        Some(json::to_string_literal(original))
    }

    /// The namespace of the tool with this literal of a name.
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

pub(crate) struct RequestDraft<'a> {
    request: &'a RewriteInput<'a>,
    top: Vec<(String, Option<Bytes>)>,
    messages: BTreeMap<usize, ObjectPatch<'a>>,
    calls: BTreeMap<usize, Vec<ToolCallSpans>>,
    edits: Edits,
    rules: Vec<&'static str>,
    pub(crate) answer_plan: AnswerPlan,
}

impl<'a> RequestDraft<'a> {
    pub(crate) fn new(request: &'a RewriteInput<'a>) -> Self {
        let body = request.body;
        let calls = body
            .messages
            .iter()
            .enumerate()
            .filter_map(|(index, message)| {
                let calls = tool_calls::read_calls(body, message);
                (!calls.is_empty()).then_some((index, calls))
            })
            .collect();
        Self {
            request,
            top: Vec::new(),
            messages: BTreeMap::new(),
            calls,
            edits: Edits::new(),
            rules: Vec::new(),
            answer_plan: AnswerPlan::default(),
        }
    }

    pub(crate) const fn request(&self) -> &'a RewriteInput<'a> {
        self.request
    }

    pub(crate) const fn body(&self) -> &'a RequestBody {
        self.request.body
    }

    pub(crate) fn text(&self, span: &Span) -> &'a [u8] {
        self.body().text.get(span.clone()).unwrap_or_default()
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

    /// The span of a top-level value that no rule has changed.
    pub(crate) fn unchanged_span(&self, key: &str) -> Option<Span> {
        if self.top.iter().any(|(changed, _)| changed == key) {
            return None;
        }
        self.body().value_span(key)
    }

    /// Sets a top-level key to JSON text; returns whether that changes anything.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Bytes>) -> bool {
        let value = value.into();
        if self.value(key) == Some(&value) {
            return false;
        }
        self.change(key, Some(value));
        true
    }

    /// Removes a top-level key; returns whether it was present.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let there = self.value(key).is_some();
        if there {
            self.change(key, None);
        }
        there
    }

    /// Sets a member of a top-level object to a string, or removes it. An object that would become empty is
    /// removed too. Returns whether that changes anything. A value that is not an object is left unchanged.
    pub(crate) fn set_member(&mut self, key: &str, member: &str, value: Option<&str>) -> bool {
        let Some(object) = self.non_null_value(key).map(Bytes::copy_from_slice) else {
            return value.is_some_and(|value| self.set(key, tree!({ member: value }).to_string()));
        };
        let Ok((members, _)) = json::parse_members(&object, 0) else { return false };
        let current =
            json::find_member(&object, &members, member).and_then(|found| object.get(found.value.clone()));
        let mut patch = ObjectPatch::new(&object, 0, &members);
        match (current, value) {
            (None, None) => return false,
            (Some(current), Some(value)) if json::literal_equals(current, value) => return false,
            (Some(_), None) if members.len() == 1 => return self.remove(key),
            (Some(_), None) => {
                patch.remove(member);
            }
            (_, Some(value)) => patch.set(member, json::to_string_literal(value)),
        }
        let mut edits = Edits::new();
        patch.write_edits(&mut edits);
        self.set(key, edits.apply(&object).to_bytes())
    }

    fn change(&mut self, key: &str, to: Option<Bytes>) {
        match self.top.iter_mut().find(|(changed, _)| changed == key) {
            Some((_, value)) => *value = to,
            None => self.top.push((key.to_owned(), to)),
        }
    }

    /// Sends the provider's own model id.
    pub(crate) fn set_model(&mut self) {
        let wire = self.request.wire_model;
        if !self.value("model").is_some_and(|literal| json::literal_equals(literal, wire)) {
            self.change("model", Some(json::to_string_literal(wire).into()));
            self.record_rule(rules::MODEL);
        }
    }

    /// Changes to one message's members. `tool_calls`, `tools` and arrays of blocks are changed by [`Self::replace`] alone.
    pub(crate) fn message_patch(&mut self, index: usize) -> Option<&mut ObjectPatch<'a>> {
        let body = self.request.body;
        let message = body.messages.get(index).filter(|message| !message.members.is_empty())?;
        Some(
            self.messages
                .entry(index)
                .or_insert_with(|| ObjectPatch::new(&body.text, message.span.start, &message.members)),
        )
    }

    /// The elements of the conversation that make calls: their index and the calls.
    pub(crate) fn calls(&self) -> &BTreeMap<usize, Vec<ToolCallSpans>> {
        &self.calls
    }

    /// Replaces a span that no other change touches.
    pub(crate) fn replace(&mut self, span: Span, with: impl Into<Bytes>) {
        self.edits.replace(span, with);
    }

    /// For rules that edit spans of one part.
    pub(crate) const fn edits(&mut self) -> &mut Edits {
        &mut self.edits
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
                None => {
                    top.remove(&key);
                }
            }
        }
        top.write_edits(&mut edits);
        AdaptedRequest { edits, rules: self.rules, answer_plan: self.answer_plan, thinking: None }
    }
}
