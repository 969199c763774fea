//! The response object, and the items of its output.

use std::borrow::Cow;

use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Edits;
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::error::{self, server_failure};
use crate::provider::answer::tool_names;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Whether an item says something by itself.
pub(super) fn item_has_content(item: &ObjectView<'_>) -> bool {
    let speaks = |key: &str| {
        item.objects(key).iter().any(|part| {
            // A part of a kind that is not known here says something.
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

/// Whether any item does.
pub(super) fn response_has_content(response: &ObjectView<'_>) -> bool {
    response.objects("output").iter().any(item_has_content)
}

/// Whether a response says that it is complete: then an empty one is a broken one. One that runs in the background, or
/// stopped at a limit, may hold nothing.
pub(super) fn requires_content(response: &ObjectView<'_>) -> bool {
    matches!(&*response.string_or_empty("status"), "" | "completed")
}

/// Why it is incomplete, else its status.
pub(super) fn read_finish_reason(response: &ObjectView<'_>) -> Option<String> {
    let why = response.object("incomplete_details").and_then(|details| details.string("reason"));
    why.or_else(|| response.string("status")).map(Cow::into_owned)
}

/// The token counts.
pub(super) fn read_usage(response: &ObjectView<'_>) -> Option<TokenUsage> {
    TokenUsage::from_json(Api::Responses, response.value("usage")?)
}

/// Fails when a response is one that failed.
///
/// # Errors
/// What its error means.
pub(super) fn check_status(
    classifier: &Classifier,
    text: &[u8],
    response: &ObjectView<'_>,
) -> Result<(), Failure> {
    let status = response.string_or_empty("status");
    if error::has_error(response) || matches!(&*status, "failed" | "cancelled") {
        return Err(build_failure(classifier, text, Some(response), &status));
    }
    Ok(())
}

/// What the error of a response means; `ended` is the word for its end.
pub(super) fn build_failure(
    classifier: &Classifier,
    text: &[u8],
    response: Option<&ObjectView<'_>>,
    ended: &str,
) -> Failure {
    let error =
        response.filter(|response| error::has_error(response)).and_then(|response| response.span("error"));
    match error.and_then(|span| text.get(span)) {
        Some(error) => error::classify_body(classifier, &[b"{\"error\":", error, b"}"].concat()),
        None => server_failure(&format!("the provider broke the answer off ({ended})")),
    }
}

/// Gives calls the names that the client knows, wherever an event has them; the tools that a response repeats too.
pub(super) fn restore_names(
    text: &[u8],
    event: &ObjectView<'_>,
    response: Option<&ObjectView<'_>>,
    plan: &AnswerPlan,
    edits: &mut Edits,
) {
    if plan.tool_names.is_empty() && plan.namespaced_tools.is_empty() {
        return;
    }
    tool_names::restore_name(text, event.span("name").as_ref(), plan, edits);
    if let Some(item) = event.object("item") {
        restore_name(text, &item, plan, edits);
    }
    if let Some(response) = response {
        restore_response_names(text, response, plan, edits);
    }
}

/// The same of a response object.
pub(super) fn restore_response_names(
    text: &[u8],
    response: &ObjectView<'_>,
    plan: &AnswerPlan,
    edits: &mut Edits,
) {
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
            (tool_names::find_namespace(plan, literal), tool_names::find_original_name(plan, literal))
        && let Some(span) = named.span("name")
    {
        // Another member behind the name's value: a second edit at the same place would have no order.
        edits.replace(span, [&name[..], b",\"namespace\":", &namespace].concat());
    } else {
        tool_names::restore_name(text, named.span("name").as_ref(), plan, edits);
    }
}
