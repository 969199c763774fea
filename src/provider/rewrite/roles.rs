//! Roles.

use super::draft::Draft;
use super::rules;

/// `developer` becomes `system`.
pub(in crate::provider) fn without_developer(draft: &mut Draft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if body.role_is(message, "developer")
            && let Some(patch) = draft.message(index)
        {
            patch.set("role", "\"system\"");
            draft.fire(rules::ROLES);
        }
    }
}
