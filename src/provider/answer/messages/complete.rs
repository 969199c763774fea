//! Whole messages answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::{block, leaked_calls, read_usage};
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::ObjectView;
use crate::provider::answer::error::{self, EMPTY_ANSWER, NOT_JSON, server_failure};
use crate::provider::answer::{ContentBytes, Meter};
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
    let answer = ObjectView::parse_strict(body).map_err(|_| server_failure(NOT_JSON))?;
    if answer.string_or_empty("type") == "error" || error::has_error(&answer) {
        return Err(error::classify_body(classifier, body));
    }
    if !answer.has_array("content") {
        return Err(server_failure("the answer has no content"));
    }
    let mut meter = Meter {
        usage: read_usage(&answer, None),
        finish_reason: answer.string("stop_reason").map(Cow::into_owned),
        model: answer.string("model").map(Cow::into_owned),
    };
    let mut edits = Edits::new();
    let mut has_substance = false;
    for block in answer.objects("content") {
        has_substance |= block::read_block(body, &block, &mut ContentBytes::default());
        block::restore_name(body, &block, plan, &mut edits);
        if plan.offers_tools
            && let Some(blocks) = leaked_calls::replace_block(&block, plan)
        {
            edits.replace(block.extent(), blocks);
            if meter.finish_reason.as_deref() == Some("end_turn") {
                meter.finish_reason = Some("tool_use".to_owned());
                edits.replace(
                    answer.span("stop_reason").unwrap_or_default(),
                    Bytes::from_static(b"\"tool_use\""),
                );
            }
        }
    }
    if !has_substance && !plan.is_continuation && block::requires_content(meter.finish_reason.as_deref()) {
        return Err(server_failure(EMPTY_ANSWER));
    }
    Ok((edits.apply(body), meter))
}
