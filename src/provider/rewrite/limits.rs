//! The output limit's name.

use bytes::Bytes;

use super::draft::RequestDraft;
use super::rules;
use crate::catalog::MaxTokensField;

/// Takes what was used already off the limit, whichever name it has; tells whether anything is left.
pub(in crate::provider) fn reduce_limit(draft: &mut RequestDraft<'_>, used: u64) -> bool {
    let mut has_room = true;
    for name in ["max_completion_tokens", "max_tokens", "max_output_tokens"] {
        let literal = draft.non_null_value(name).and_then(|literal| std::str::from_utf8(literal).ok());
        let Some(limit) = literal.and_then(|literal| literal.parse::<u64>().ok()) else { continue };
        has_room &= limit > used;
        if draft.set(name, limit.saturating_sub(used).to_string()) {
            draft.record_rule(rules::CONTINUATION);
        }
    }
    has_room
}

/// Gives the limit the name that the server wants; where both names stand, that one's value counts.
pub(in crate::provider) fn rename_limit(draft: &mut RequestDraft<'_>, wanted: MaxTokensField) {
    let (wanted, other) = match wanted {
        MaxTokensField::MaxCompletionTokens => ("max_completion_tokens", "max_tokens"),
        MaxTokensField::MaxTokens => ("max_tokens", "max_completion_tokens"),
    };
    let moved = match draft.non_null_value(wanted) {
        Some(_) => None,
        None => draft.non_null_value(other).map(Bytes::copy_from_slice),
    };
    let removed = draft.remove(other);
    let set = moved.is_some_and(|value| draft.set(wanted, value));
    if removed || set {
        draft.record_rule(rules::MAX_TOKENS);
    }
}
