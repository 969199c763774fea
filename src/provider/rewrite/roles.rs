//! Roles.

use super::draft::RequestDraft;
use super::rules;

/// `developer` becomes `system`.
pub(in crate::provider) fn replace_developer_role(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if body.has_role(message, "developer")
            && let Some(patch) = draft.message_patch(index)
        {
            patch.set("role", "\"system\"");
            draft.record_rule(rules::ROLES);
        }
    }
}
