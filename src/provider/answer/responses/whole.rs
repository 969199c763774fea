//! Whole responses answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::item;
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::Object;
use crate::provider::answer::Meter;
use crate::provider::answer::refusal::{self, EMPTY, NOT_JSON, server};
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one.
///
/// # Errors
/// When it holds an error object, is not JSON, or is empty.
pub(in crate::provider::answer) fn whole(
    classifier: &Classifier,
    plan: &AnswerPlan,
    body: &Bytes,
) -> Result<(Segments, Meter), Failure> {
    let response = Object::whole(body).map_err(|_| server(NOT_JSON))?;
    if response.word("type") == "error" {
        return Err(refusal::of(classifier, body));
    }
    item::check(classifier, body, &response)?;
    let is_complete = item::promises_substance(&response);
    if is_complete && !response.has_array("output") {
        return Err(server("the answer has no output"));
    }
    if is_complete && !plan.goes_on && !item::has_substance(&response) {
        return Err(server(EMPTY));
    }
    let meter = Meter {
        usage: item::usage(&response),
        finish: item::finish(&response),
        model: response.string("model").map(Cow::into_owned),
    };
    let mut edits = Edits::new();
    if !plan.tool_names.is_empty() || !plan.namespaced.is_empty() {
        item::restore_all(body, &response, plan, &mut edits);
    }
    Ok((edits.apply(body), meter))
}
