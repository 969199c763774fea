//! Responses API responses, streamed and whole (OpenAI API reference: streaming responses, 2026).
//!
//! Finish and end are one event, `response.completed` or `response.incomplete`, which holds the whole answer again; an
//! answer that breaks ends with `response.failed` or `error`.

use std::borrow::Cow;

use bytes::Bytes;

use super::body::{self, EMPTY_ANSWER, NOT_JSON, server_failure, truncated_failure};
use super::leak::{begins_with_section, broken_section};
use super::meter::{ContentBytes, Meter, decoded_length};
use super::output::{self, ApiStream, NamedEvent, Output, StreamFlow, read_named_event};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::Frame;
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

#[derive(Debug)]
pub(super) struct ResponsesStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    content_bytes: ContentBytes,
    has_content: bool,
}

impl ResponsesStream {
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            content_bytes: ContentBytes::default(),
            has_content: false,
        }
    }

    /// Updates the state from an event; returns whether the event has visible content.
    fn update_meter(&mut self, text: &[u8], event: &ObjectView<'_>, kind: &str) -> bool {
        let count = match kind {
            "response.output_text.delta" | "response.refusal.delta" => &mut self.content_bytes.text,
            "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning.delta" => &mut self.content_bytes.reasoning,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                &mut self.content_bytes.tool_calls
            }
            "response.output_item.added" | "response.output_item.done" => {
                let item = event.object("item");
                if let Some(item) = item.as_ref().filter(|_| kind.ends_with("added")) {
                    self.content_bytes.tool_calls += decoded_length(text, item.span("name").as_ref());
                }
                return item.is_some_and(|item| item_has_content(&item));
            }
            _ => return false,
        };
        *count += decoded_length(text, event.span("delta").as_ref());
        event.has_text("delta")
    }

    /// The end of the response; `ended` names its event.
    fn process_finish(
        &mut self,
        text: &[u8],
        response: Option<&ObjectView<'_>>,
        ended: &str,
    ) -> Result<(), Failure> {
        self.meter.finish_reason = response.and_then(read_finish_reason).or_else(|| Some(ended.to_owned()));
        let Some(response) = response else {
            return if self.has_content { Ok(()) } else { Err(server_failure(EMPTY_ANSWER)) };
        };
        check_status(&self.classifier, text, response)?;
        self.meter.usage = read_usage(response);
        self.plan.complete_usage(&mut self.meter.usage);
        self.has_content |= response_has_content(response);
        if !self.has_content && !self.plan.is_continuation && requires_content(response) {
            return Err(server_failure(EMPTY_ANSWER));
        }
        Ok(())
    }

    fn process_event(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        event: &ObjectView<'_>,
        out: &mut Output,
    ) -> Result<StreamFlow, Failure> {
        let kind = event.string_or_empty("type");
        let response = event.object("response");
        if let Some(response) = &response {
            self.meter.provider =
                self.meter.provider.take().or_else(|| response.string("provider").map(Cow::into_owned));
            self.meter.model =
                self.meter.model.take().or_else(|| response.string("model").map(Cow::into_owned));
        }
        let flow = match &*kind {
            "response.completed" | "response.incomplete" | "response.done" => StreamFlow::Done,
            "response.failed" | "response.cancelled" => {
                return Err(build_failure(&self.classifier, payload, response.as_ref(), &kind));
            }
            _ => StreamFlow::Continue,
        };
        if flow == StreamFlow::Done {
            self.process_finish(payload, response.as_ref(), kind.trim_start_matches("response."))?;
        }
        let is_first_text = !self.has_content && !kind.starts_with("response.function_call");
        if self.plan.offers_tools && is_first_text && event.escaped("delta").is_some_and(begins_with_section)
        {
            return Err(broken_section());
        }
        let says_something = self.update_meter(payload, event, &kind);
        self.has_content |= says_something;
        let mut edits = Edits::new();
        restore_names(payload, event, response.as_ref(), &self.plan, &mut edits);
        write_origins(event, response.as_ref(), &self.plan, &mut edits);
        out.outcome.has_content |= says_something || flow == StreamFlow::Done;
        if edits.is_empty() {
            out.forward_frame(frame);
        } else {
            out.append(output::edit_frame(frame, payload, edits), 1);
        }
        Ok(flow)
    }
}

impl ApiStream for ResponsesStream {
    fn process_frame(&mut self, frame: &Frame, out: &mut Output) -> Result<StreamFlow, Failure> {
        let payload = frame.data();
        let (payload, event) = match read_named_event(&self.classifier, frame, payload.as_ref(), out)? {
            NamedEvent::Ignored => return Ok(StreamFlow::Continue),
            NamedEvent::Done => return Err(truncated_failure(MISSING_END)),
            NamedEvent::Event(payload, event) => (payload, event),
        };
        self.process_event(frame, payload, &event, out)
    }

    fn process_end(&mut self, _usage: Option<TokenUsage>, _out: &mut Output) -> Result<(), Failure> {
        Err(truncated_failure(MISSING_END))
    }

    fn render_missing_end(&self, _usage: Option<TokenUsage>) -> Option<Segments> {
        None
    }

    fn take_withheld(&mut self) -> Segments {
        Segments::default()
    }

    fn content_bytes(&self) -> ContentBytes {
        self.content_bytes
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

const MISSING_END: &str = "the response ended without response.completed";

fn item_has_content(item: &ObjectView<'_>) -> bool {
    let speaks = |key: &str| {
        item.objects(key).iter().any(|part| {
            // A part of an unknown type counts as content.
            let is_text = part.span("text").is_some() || part.span("refusal").is_some();
            !is_text || part.has_text("text") || part.has_text("refusal")
        })
    };
    match &*item.string_or_empty("type") {
        "message" => speaks("content"),
        "reasoning" => item.has_text("encrypted_content") || speaks("summary") || speaks("content"),
        kind => !kind.is_empty(),
    }
}

fn response_has_content(response: &ObjectView<'_>) -> bool {
    response.objects("output").iter().any(item_has_content)
}

/// Whether a response is complete, so that an empty one is a failure. A response that runs in the background, or
/// stopped at a limit, may be empty.
fn requires_content(response: &ObjectView<'_>) -> bool {
    matches!(&*response.string_or_empty("status"), "" | "completed")
}

/// The reason for `incomplete`, or the status.
fn read_finish_reason(response: &ObjectView<'_>) -> Option<String> {
    let why = response.object("incomplete_details").and_then(|details| details.string("reason"));
    why.or_else(|| response.string("status")).map(Cow::into_owned)
}

fn read_usage(response: &ObjectView<'_>) -> Option<TokenUsage> {
    TokenUsage::from_json(Api::Responses, response.value("usage")?)
}

/// Fails if the response failed.
///
/// # Errors
/// The meaning of its error.
fn check_status(classifier: &Classifier, text: &[u8], response: &ObjectView<'_>) -> Result<(), Failure> {
    let status = response.string_or_empty("status");
    if body::has_error(response) || matches!(&*status, "failed" | "cancelled") {
        return Err(build_failure(classifier, text, Some(response), &status));
    }
    Ok(())
}

/// The meaning of a response's error; `ended` is the status or event that ended it.
fn build_failure(
    classifier: &Classifier,
    text: &[u8],
    response: Option<&ObjectView<'_>>,
    ended: &str,
) -> Failure {
    let error =
        response.filter(|response| body::has_error(response)).and_then(|response| response.span("error"));
    match error.and_then(|span| text.get(span)) {
        Some(error) => body::classify_body(classifier, &[b"{\"error\":", error, b"}"].concat()),
        None => server_failure(&format!("the provider ended the response with {ended}")),
    }
}

/// Gives encrypted reasoning items their origin.
fn write_origins(
    event: &ObjectView<'_>,
    response: Option<&ObjectView<'_>>,
    plan: &AnswerPlan,
    edits: &mut Edits,
) {
    if plan.seal_origin.is_none() {
        return;
    }
    let output = response.map(|response| response.objects("output")).unwrap_or_default();
    let items = event.object("item").into_iter().chain(output);
    for item in items.filter(|item| item.string_or_empty("type") == "reasoning") {
        plan.write_origin(&item, "encrypted_content", edits);
    }
}

/// Restores the client's tool names in an event, also in the tools that a response repeats.
fn restore_names(
    text: &[u8],
    event: &ObjectView<'_>,
    response: Option<&ObjectView<'_>>,
    plan: &AnswerPlan,
    edits: &mut Edits,
) {
    if plan.tool_names.is_empty() && plan.namespaced_tools.is_empty() {
        return;
    }
    plan.restore_name(text, event.span("name").as_ref(), edits);
    if let Some(item) = event.object("item") {
        restore_name(text, &item, plan, edits);
    }
    if let Some(response) = response {
        restore_response_names(text, response, plan, edits);
    }
}

/// Restores the client's tool names in a response object.
fn restore_response_names(text: &[u8], response: &ObjectView<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    let lists = response.objects("output").into_iter().chain(response.objects("tools"));
    for named in lists.chain(response.object("tool_choice")) {
        restore_name(text, &named, plan, edits);
    }
}

fn restore_name(text: &[u8], named: &ObjectView<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    if !matches!(&*named.string_or_empty("type"), "function_call" | "function") {
        return;
    }
    let literal = named.value("name").unwrap_or_default();
    if named.span("namespace").is_none()
        && let (Some(namespace), Some(name)) =
            (plan.namespace_literal(literal), plan.original_literal(literal))
        && let Some(span) = named.span("name")
    {
        // One edit for both members: two edits at one offset would have no order.
        edits.replace(span, [&name[..], b",\"namespace\":", &namespace].concat());
    } else {
        plan.restore_name(text, named.span("name").as_ref(), edits);
    }
}

/// Reads a whole response.
///
/// # Errors
/// When it holds an error object, is not JSON, or is empty.
pub(super) fn read_complete(
    classifier: &Classifier,
    plan: &AnswerPlan,
    body: &Bytes,
) -> Result<(Segments, Meter), Failure> {
    let response = ObjectView::parse_strict(body).map_err(|_| server_failure(NOT_JSON))?;
    if response.string_or_empty("type") == "error" {
        return Err(body::classify_body(classifier, body));
    }
    check_status(classifier, body, &response)?;
    let is_complete = requires_content(&response);
    if is_complete && !response.has_array("output") {
        return Err(server_failure("the response has no output"));
    }
    if is_complete && !plan.is_continuation && !response_has_content(&response) {
        return Err(server_failure(EMPTY_ANSWER));
    }
    let parts = ["content", "summary"];
    let items = response.objects("output");
    let mut parts = items.iter().flat_map(|item| parts.iter().flat_map(|key| item.objects(key)));
    if plan.offers_tools && parts.any(|part| part.escaped("text").is_some_and(begins_with_section)) {
        return Err(broken_section());
    }
    let mut usage = read_usage(&response);
    plan.complete_usage(&mut usage);
    let meter = Meter {
        usage,
        finish_reason: read_finish_reason(&response),
        model: response.string("model").map(Cow::into_owned),
        provider: response.string("provider").map(Cow::into_owned),
    };
    let mut edits = Edits::new();
    if !plan.tool_names.is_empty() || !plan.namespaced_tools.is_empty() {
        restore_response_names(body, &response, plan, &mut edits);
    }
    write_origins(&response, Some(&response), plan, &mut edits);
    Ok((edits.apply(body), meter))
}
