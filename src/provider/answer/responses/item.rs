//! The response object, and the items of its output.

use std::borrow::Cow;

use crate::failure::Failure;
use crate::protocol::edit::Edits;
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::usage::Usage;
use crate::provider::answer::names;
use crate::provider::answer::refusal::{self, server};
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Whether an item says something by itself.
pub(super) fn says_something(item: &Object<'_>) -> bool {
    let speaks = |key: &str| {
        item.objects(key).iter().any(|part| {
            // A part of a kind that is not known here says something.
            let is_text = part.span("text").is_some() || part.span("refusal").is_some();
            !is_text || part.says("text") || part.says("refusal")
        })
    };
    match &*item.word("type") {
        "message" => speaks("content"),
        "reasoning" => item.says("encrypted_content") || speaks("summary") || speaks("content"),
        kind => !kind.is_empty(),
    }
}

/// Whether any item does.
pub(super) fn has_substance(response: &Object<'_>) -> bool {
    response.objects("output").iter().any(says_something)
}

/// Whether a response says that it is complete: then an empty one is a broken one. One that runs in the background, or
/// stopped at a limit, may hold nothing.
pub(super) fn promises_substance(response: &Object<'_>) -> bool {
    matches!(&*response.word("status"), "" | "completed")
}

/// Why it is incomplete, else its status.
pub(super) fn finish(response: &Object<'_>) -> Option<String> {
    let why = response.object("incomplete_details").and_then(|details| details.string("reason"));
    why.or_else(|| response.string("status")).map(Cow::into_owned)
}

/// The token counts.
pub(super) fn usage(response: &Object<'_>) -> Option<Usage> {
    Usage::read(Face::Responses, response.value("usage")?)
}

/// Fails when a response is one that failed.
///
/// # Errors
/// What its error means.
pub(super) fn check(classifier: &Classifier, text: &[u8], response: &Object<'_>) -> Result<(), Failure> {
    let status = response.word("status");
    if refusal::is_in(response) || matches!(&*status, "failed" | "cancelled") {
        return Err(failure(classifier, text, Some(response), &status));
    }
    Ok(())
}

/// What the error of a response means; `ended` is the word for its end.
pub(super) fn failure(
    classifier: &Classifier,
    text: &[u8],
    response: Option<&Object<'_>>,
    ended: &str,
) -> Failure {
    let error =
        response.filter(|response| refusal::is_in(response)).and_then(|response| response.span("error"));
    match error.and_then(|span| text.get(span)) {
        Some(error) => refusal::of(classifier, &[b"{\"error\":", error, b"}"].concat()),
        None => server(&format!("the provider broke the answer off ({ended})")),
    }
}

/// Gives calls the names that the client knows, wherever an event has them; the tools that a response repeats too.
pub(super) fn restore_names(
    text: &[u8],
    event: &Object<'_>,
    response: Option<&Object<'_>>,
    plan: &AnswerPlan,
    edits: &mut Edits,
) {
    if plan.tool_names.is_empty() && plan.namespaced.is_empty() {
        return;
    }
    names::restore(text, event.span("name").as_ref(), plan, edits);
    if let Some(item) = event.object("item") {
        restore_name(text, &item, plan, edits);
    }
    if let Some(response) = response {
        restore_all(text, response, plan, edits);
    }
}

/// The same of a response object.
pub(super) fn restore_all(text: &[u8], response: &Object<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    let lists = response.objects("output").into_iter().chain(response.objects("tools"));
    for named in lists.chain(response.object("tool_choice")) {
        restore_name(text, &named, plan, edits);
    }
}

fn restore_name(text: &[u8], named: &Object<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    if !matches!(&*named.word("type"), "function_call" | "function") {
        return;
    }
    let literal = named.value("name").unwrap_or_default();
    if named.span("namespace").is_none()
        && let (Some(namespace), Some(name)) = (names::namespace(plan, literal), names::known(plan, literal))
        && let Some(span) = named.span("name")
    {
        // Another member behind the name's value: a second edit at the same place would have no order.
        edits.replace(span, [&name[..], b",\"namespace\":", &namespace].concat());
    } else {
        names::restore(text, named.span("name").as_ref(), plan, edits);
    }
}
