//! Whole responses answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::item;
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::ObjectView;
use crate::provider::answer::Meter;
use crate::provider::answer::error::{self, EMPTY_ANSWER, NOT_JSON, server_failure};
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one.
///
/// # Errors
/// When it holds an error object, is not JSON, or is empty.
pub(in crate::provider::answer) fn read_complete(
    classifier: &Classifier,
    plan: &AnswerPlan,
    body: &Bytes,
) -> Result<(Segments, Meter), Failure> {
    let response = ObjectView::parse_strict(body).map_err(|_| server_failure(NOT_JSON))?;
    if response.string_or_empty("type") == "error" {
        return Err(error::classify_body(classifier, body));
    }
    item::check_status(classifier, body, &response)?;
    let is_complete = item::requires_content(&response);
    if is_complete && !response.has_array("output") {
        return Err(server_failure("the answer has no output"));
    }
    if is_complete && !plan.is_continuation && !item::response_has_content(&response) {
        return Err(server_failure(EMPTY_ANSWER));
    }
    let meter = Meter {
        usage: item::read_usage(&response),
        finish_reason: item::read_finish_reason(&response),
        model: response.string("model").map(Cow::into_owned),
    };
    let mut edits = Edits::new();
    if !plan.tool_names.is_empty() || !plan.namespaced_tools.is_empty() {
        item::restore_response_names(body, &response, plan, &mut edits);
    }
    Ok((edits.apply(body), meter))
}
