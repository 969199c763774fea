//! Owns conversation fingerprints for `failover.returnToPrimary: "session"`: after a failover, a conversation
//! stays with the target whose prompt cache is warm.

use http::HeaderMap;

use super::plan::Plan;
use super::request::ClientRequest;
use crate::config::settings::Settings;
use crate::protocol::json;
use crate::protocol::request::RequestBody;
use crate::state::{SessionAffinity, State};

/// Headers that name a conversation: opencode's two (`OpenRouter` uses the first as well), Claude Code's,
/// Codex's.
const CONVERSATION_HEADERS: [&str; 4] =
    ["x-session-id", "x-session-affinity", "x-claude-code-session-id", "session-id"];
/// Request fields that name a conversation if no header does. Kimi Code and Codex send the first. Claude Code
/// names its session in the second, of the Messages API. The last names at least a user.
const CONVERSATION_FIELDS: [&str; 3] = ["prompt_cache_key", "metadata.user_id", "user"];

/// Moves the target of a conversation's session affinity to the front of the plan, unless it cannot be tried now. `None` if
/// affinity is off, the request names no conversation, or no target is called.
pub(super) fn apply_affinity(
    state: &State,
    settings: &Settings,
    request: &ClientRequest,
    body: &RequestBody,
    plan: &mut Plan,
) -> Option<SessionAffinity> {
    if !settings.failover.keeps_fallback_for_session || request.is_fallback_disabled {
        return None;
    }
    let id = find_conversation(request, body)?;
    // With the client and the requested model: agents use small models for titles within the same conversation.
    let conversation = (&request.client, &plan.requested, id);
    let session = state.session_affinity(conversation, plan.targets.first()?.target.identity());
    let identities = plan.targets.iter().map(|planned| planned.target.identity());
    if let Some(index) = state.find_affinity_target(&session, identities)
        && let Some(front) = plan.targets.get_mut(..=index)
        && front.last().is_some_and(|found| found.skip_reason.is_none())
    {
        front.rotate_right(1);
    }
    Some(session)
}

/// The header or field that names the conversation of a request, and the name.
pub(super) fn find_conversation<'r>(
    request: &'r ClientRequest,
    body: &'r RequestBody,
) -> Option<(&'static str, &'r [u8])> {
    find_in_headers(&request.headers).or_else(|| find_in_body(body))
}

fn find_in_headers(headers: &HeaderMap) -> Option<(&'static str, &[u8])> {
    let mut named =
        CONVERSATION_HEADERS.iter().filter_map(|name| Some((*name, headers.get(*name)?.as_bytes())));
    named.find(|(_, value)| !value.is_empty())
}

/// The raw literal is enough: a client always writes the same string in the same form.
fn find_in_body(body: &RequestBody) -> Option<(&'static str, &[u8])> {
    let mut named =
        CONVERSATION_FIELDS.iter().filter_map(|field| Some((*field, field_literal(body, field)?)));
    named.find(|(_, literal)| literal.len() > 2 && literal.starts_with(b"\""))
}

/// The JSON text of a field, or of a nested field.
fn field_literal<'r>(body: &'r RequestBody, field: &str) -> Option<&'r [u8]> {
    let Some((outer, inner)) = field.split_once('.') else { return body.value(field) };
    let (members, _) = json::parse_members(&body.text, body.value_span(outer)?.start).ok()?;
    body.text.get(json::find_member(&body.text, &members, inner)?.value.clone())
}

/// The `explain` text: whether a request with this body has session affinity.
pub fn explain_affinity(settings: &Settings, body: &RequestBody) -> Option<String> {
    if !settings.failover.keeps_fallback_for_session {
        return None;
    }
    let rule = "after a failover, a conversation stays with the target that answered until that target is in \
                cooldown (failover.returnToPrimary)";
    let names = [CONVERSATION_HEADERS.as_slice(), CONVERSATION_FIELDS.as_slice()].concat().join(", ");
    Some(match find_in_body(body) {
        Some((field, _)) => format!("{rule}; {field} identifies this one"),
        None => format!("{rule}; this request has none of {names}"),
    })
}
