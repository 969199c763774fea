//! Whole messages answers.

use std::borrow::Cow;

use bytes::Bytes;

use super::{block, leaked, usage};
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::Object;
use crate::provider::answer::refusal::{self, EMPTY, NOT_JSON, server};
use crate::provider::answer::{Meter, Volume};
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
    let answer = Object::whole(body).map_err(|_| server(NOT_JSON))?;
    if answer.word("type") == "error" || refusal::is_in(&answer) {
        return Err(refusal::of(classifier, body));
    }
    if !answer.has_array("content") {
        return Err(server("the answer has no content"));
    }
    let mut meter = Meter {
        usage: usage(&answer, None),
        finish: answer.string("stop_reason").map(Cow::into_owned),
        model: answer.string("model").map(Cow::into_owned),
    };
    let mut edits = Edits::new();
    let mut has_substance = false;
    for block in answer.objects("content") {
        has_substance |= block::read(body, &block, &mut Volume::default());
        block::restore_name(body, &block, plan, &mut edits);
        if plan.offers_tools
            && let Some(blocks) = leaked::of_whole(&block, plan)
        {
            edits.replace(block.extent(), blocks);
            if meter.finish.as_deref() == Some("end_turn") {
                meter.finish = Some("tool_use".to_owned());
                edits.replace(
                    answer.span("stop_reason").unwrap_or_default(),
                    Bytes::from_static(b"\"tool_use\""),
                );
            }
        }
    }
    if !has_substance && !plan.goes_on && block::promises_substance(meter.finish.as_deref()) {
        return Err(server(EMPTY));
    }
    Ok((edits.apply(body), meter))
}
