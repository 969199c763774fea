//! The output limit's name.

use bytes::Bytes;

use super::draft::RequestDraft;
use super::rules;
use crate::catalog::MaxTokensField;

/// Subtracts the used tokens from the limit, under either name; returns whether any are left.
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

/// Renames the limit to the server's name; if both names are present, the value under the server's name is
/// used.
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
