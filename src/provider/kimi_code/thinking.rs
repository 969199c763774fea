//! Thinking as Kimi Code takes it (its model page, 2026-09): its models always think, to disable that is a 400, and so
//! is an effort that it does not know.

use crate::catalog::Thinking;
use crate::provider::moonshot::thinking::{always, set_effort, switch, wish, without};
use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::rules;
use crate::provider::rewrite::thinking::{Spellings, Wish};

/// Makes the request say it as the model takes it; tells whether the model may think then.
pub(super) fn settle(draft: &mut Draft<'_>) -> bool {
    match draft.request().model.thinking {
        Thinking::Always => always(draft),
        Thinking::Switch => switch(draft),
        // Which models there are depends on the account: one that the catalog does not know is like the others.
        Thinking::Effort | Thinking::Unknown | Thinking::None => effort(draft),
    }
}

fn effort(draft: &mut Draft<'_>) -> bool {
    let spelled = Spellings::of(draft);
    let (wish, rule) = wish(draft, &spelled);
    without(draft, &["reasoning"], rules::THINKING);
    // Its own client sends {"type":"enabled","keep":"all"}.
    let is_its_own_form = spelled.kind_if_only(&["type", "keep"]) == Some("enabled");
    if wish == Wish::Off || !is_its_own_form {
        without(draft, &["thinking"], rules::THINKING);
    }
    set_effort(draft, wish, rule);
    true
}
