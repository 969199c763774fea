//! A request while the rules work on it: the body is read only, changes are kept beside it and become edits at the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json as tree;

use super::rules::{self, Rule};
use super::tool_calls::{self, ToolCallSpans};
use super::{AdaptedRequest, AnswerPlan, RewriteInput};
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, Span};
use crate::protocol::request::RequestBody;

/// See the module.
pub(in crate::provider) struct RequestDraft<'a> {
    request: &'a RewriteInput<'a>,
    top: Vec<(String, Option<Bytes>)>,
    messages: BTreeMap<usize, ObjectPatch<'a>>,
    calls: BTreeMap<usize, Vec<ToolCallSpans>>,
    edits: Edits,
    rules: Vec<&'static str>,
    /// For the answer.
    pub(in crate::provider) answer_plan: AnswerPlan,
}

impl<'a> RequestDraft<'a> {
    /// Nothing changed yet.
    pub(in crate::provider) fn new(request: &'a RewriteInput<'a>) -> Self {
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

    pub(in crate::provider) const fn request(&self) -> &'a RewriteInput<'a> {
        self.request
    }

    pub(in crate::provider) const fn body(&self) -> &'a RequestBody {
        self.request.body
    }

    pub(in crate::provider) fn text(&self, span: &Span) -> &'a [u8] {
        self.body().text.get(span.clone()).unwrap_or_default()
    }

    /// Notes that a rule changed something.
    pub(in crate::provider) fn record_rule(&mut self, rule: Rule) {
        if !self.rules.contains(&rule.name) {
            self.rules.push(rule.name);
        }
    }

    /// The current JSON text of a top-level value.
    pub(in crate::provider) fn value(&self, key: &str) -> Option<&[u8]> {
        match self.top.iter().find(|(changed, _)| changed == key) {
            Some((_, value)) => value.as_deref(),
            None => self.body().value(key),
        }
    }

    /// As [`Self::value`], `null` being nothing.
    pub(in crate::provider) fn non_null_value(&self, key: &str) -> Option<&[u8]> {
        self.value(key).filter(|value| *value != b"null")
    }

    /// The span of a top-level value that no rule has changed.
    pub(in crate::provider) fn unchanged_span(&self, key: &str) -> Option<Span> {
        if self.top.iter().any(|(changed, _)| changed == key) {
            return None;
        }
        self.body().value_span(key)
    }

    /// Sets a top-level key to JSON text; returns whether that changes anything.
    pub(in crate::provider) fn set(&mut self, key: &str, value: impl Into<Bytes>) -> bool {
        let value = value.into();
        if self.value(key) == Some(&value) {
            return false;
        }
        self.change(key, Some(value));
        true
    }

    /// Removes a top-level key; returns whether it was present.
    pub(in crate::provider) fn remove(&mut self, key: &str) -> bool {
        let there = self.value(key).is_some();
        if there {
            self.change(key, None);
        }
        there
    }

    /// Sets a member of a top-level object to a string, or removes it. An object that would become empty is
    /// removed too. Returns whether that changes anything. A value that is not an object is left unchanged.
    pub(in crate::provider) fn set_member(&mut self, key: &str, member: &str, value: Option<&str>) -> bool {
        let Some(object) = self.non_null_value(key).map(Bytes::copy_from_slice) else {
            return value.is_some_and(|value| self.set(key, tree!({ member: value }).to_string()));
        };
        let Ok((members, _)) = json::parse_members(&object, 0) else { return false };
        let stands =
            json::find_member(&object, &members, member).and_then(|found| object.get(found.value.clone()));
        let mut patch = ObjectPatch::new(&object, 0, &members);
        match (stands, value) {
            (None, None) => return false,
            (Some(stands), Some(value)) if json::literal_equals(stands, value) => return false,
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
    pub(in crate::provider) fn set_model(&mut self) {
        let wire = self.request.wire_model;
        if !self.value("model").is_some_and(|literal| json::literal_equals(literal, wire)) {
            self.change("model", Some(json::to_string_literal(wire).into()));
            self.record_rule(rules::MODEL);
        }
    }

    /// Changes to one message's members. `tool_calls`, `tools` and arrays of blocks are changed by [`Self::replace`] alone.
    pub(in crate::provider) fn message_patch(&mut self, index: usize) -> Option<&mut ObjectPatch<'a>> {
        let body = self.request.body;
        let message = body.messages.get(index).filter(|message| !message.members.is_empty())?;
        Some(
            self.messages
                .entry(index)
                .or_insert_with(|| ObjectPatch::new(&body.text, message.span.start, &message.members)),
        )
    }

    /// The elements of the conversation that make calls: their index and the calls.
    pub(in crate::provider) fn calls(&self) -> &BTreeMap<usize, Vec<ToolCallSpans>> {
        &self.calls
    }

    /// Replaces a span that no other change touches.
    pub(in crate::provider) fn replace(&mut self, span: Span, with: impl Into<Bytes>) {
        self.edits.replace(span, with);
    }

    /// Where rules that work on spans of one part leave their edits.
    pub(in crate::provider) const fn edits(&mut self) -> &mut Edits {
        &mut self.edits
    }

    /// Turns the changes into edits.
    pub(in crate::provider) fn finish(self) -> AdaptedRequest {
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
