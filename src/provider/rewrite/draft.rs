//! A request while the rules work on it: the body is read only, changes are kept beside it and become edits at the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json as tree;

use super::calls::{self, Call};
use super::rules::{self, Rule};
use super::{AnswerPlan, Request, Rewritten};
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, Span};
use crate::protocol::request::RequestBody;

/// See the module.
pub(in crate::provider) struct Draft<'a> {
    request: &'a Request<'a>,
    top: Vec<(String, Option<Bytes>)>,
    messages: BTreeMap<usize, ObjectPatch<'a>>,
    calls: BTreeMap<usize, Vec<Call>>,
    leaves: Edits,
    rules: Vec<&'static str>,
    /// For the answer.
    pub(in crate::provider) plan: AnswerPlan,
}

impl<'a> Draft<'a> {
    /// Nothing changed yet.
    pub(in crate::provider) fn new(request: &'a Request<'a>) -> Self {
        let body = request.body;
        let calls = body
            .messages
            .iter()
            .enumerate()
            .filter_map(|(index, message)| {
                let calls = calls::of(body, message);
                (!calls.is_empty()).then_some((index, calls))
            })
            .collect();
        Self {
            request,
            top: Vec::new(),
            messages: BTreeMap::new(),
            calls,
            leaves: Edits::new(),
            rules: Vec::new(),
            plan: AnswerPlan::default(),
        }
    }

    pub(in crate::provider) const fn request(&self) -> &'a Request<'a> {
        self.request
    }

    pub(in crate::provider) const fn body(&self) -> &'a RequestBody {
        self.request.body
    }

    pub(in crate::provider) fn text(&self, span: &Span) -> &'a [u8] {
        self.body().text.get(span.clone()).unwrap_or_default()
    }

    /// Notes that a rule changed something.
    pub(in crate::provider) fn fire(&mut self, rule: Rule) {
        if !self.rules.contains(&rule.name) {
            self.rules.push(rule.name);
        }
    }

    /// The JSON text of a top-level value as it stands now.
    pub(in crate::provider) fn value(&self, key: &str) -> Option<&[u8]> {
        match self.top.iter().find(|(changed, _)| changed == key) {
            Some((_, value)) => value.as_deref(),
            None => self.body().value(key),
        }
    }

    /// As [`Self::value`], `null` being nothing.
    pub(in crate::provider) fn given(&self, key: &str) -> Option<&[u8]> {
        self.value(key).filter(|value| *value != b"null")
    }

    /// The span of a top-level value that no rule has changed.
    pub(in crate::provider) fn untouched(&self, key: &str) -> Option<Span> {
        if self.top.iter().any(|(changed, _)| changed == key) {
            return None;
        }
        self.body().place(key)
    }

    /// Gives a top-level key a value, which is JSON text; tells whether that changes anything.
    pub(in crate::provider) fn set(&mut self, key: &str, value: impl Into<Bytes>) -> bool {
        let value = value.into();
        if self.value(key) == Some(&value) {
            return false;
        }
        self.change(key, Some(value));
        true
    }

    /// Removes a top-level key; tells whether it was there.
    pub(in crate::provider) fn remove(&mut self, key: &str) -> bool {
        let there = self.value(key).is_some();
        if there {
            self.change(key, None);
        }
        there
    }

    /// Gives a string to a member of a top-level object, or takes it out, and with it an object of nothing else; tells
    /// whether that changes anything. What is no object is left alone.
    pub(in crate::provider) fn set_within(&mut self, key: &str, member: &str, value: Option<&str>) -> bool {
        let Some(object) = self.given(key).map(Bytes::copy_from_slice) else {
            return value.is_some_and(|value| self.set(key, tree!({ member: value }).to_string()));
        };
        let Ok((members, _)) = json::members(&object, 0) else { return false };
        let stands = json::find(&object, &members, member).and_then(|found| object.get(found.value.clone()));
        let mut patch = ObjectPatch::new(&object, 0, &members);
        match (stands, value) {
            (None, None) => return false,
            (Some(stands), Some(value)) if json::literal_is(stands, value) => return false,
            (Some(_), None) if members.len() == 1 => return self.remove(key),
            (Some(_), None) => {
                patch.remove(member);
            }
            (_, Some(value)) => patch.set(member, json::string_literal(value)),
        }
        let mut edits = Edits::new();
        patch.finish(&mut edits);
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
        if !self.value("model").is_some_and(|literal| json::literal_is(literal, wire)) {
            self.change("model", Some(json::string_literal(wire).into()));
            self.fire(rules::MODEL);
        }
    }

    /// Changes to one message's members. `tool_calls`, `tools` and arrays of blocks are changed by [`Self::replace`] alone.
    pub(in crate::provider) fn message(&mut self, index: usize) -> Option<&mut ObjectPatch<'a>> {
        let body = self.request.body;
        let message = body.messages.get(index).filter(|message| !message.members.is_empty())?;
        Some(
            self.messages
                .entry(index)
                .or_insert_with(|| ObjectPatch::new(&body.text, message.span.start, &message.members)),
        )
    }

    /// The elements of the conversation that make calls: their index and the calls.
    pub(in crate::provider) fn calls(&self) -> &BTreeMap<usize, Vec<Call>> {
        &self.calls
    }

    /// Puts other text in the place of a span that no other change touches.
    pub(in crate::provider) fn replace(&mut self, span: Span, with: impl Into<Bytes>) {
        self.leaves.replace(span, with);
    }

    /// Where rules that work on spans of one part leave their edits.
    pub(in crate::provider) const fn leaves(&mut self) -> &mut Edits {
        &mut self.leaves
    }

    /// Turns the changes into edits.
    pub(in crate::provider) fn finish(self) -> Rewritten {
        let body = self.request.body;
        let mut edits = self.leaves;
        for patch in self.messages.into_values() {
            patch.finish(&mut edits);
        }
        let mut top = ObjectPatch::new(&body.text, body.open, &body.top);
        for (key, value) in self.top {
            match value {
                Some(value) => top.set(&key, value),
                None => {
                    top.remove(&key);
                }
            }
        }
        top.finish(&mut edits);
        Rewritten { edits, rules: self.rules, answer: self.plan, thinking: None }
    }
}
