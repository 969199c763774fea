//! `failover.returnToPrimary: "session"`: a conversation that fell back stays where its prompt cache is warm.

use http::HeaderMap;

use super::ClientRequest;
use crate::config::settings::Settings;
use crate::protocol::json;
use crate::protocol::request::RequestBody;

/// Headers that name a conversation: opencode's two (the first is `OpenRouter`'s as well), Claude Code's, Codex's.
const HEADERS: [&str; 4] = ["x-session-id", "x-session-affinity", "x-claude-code-session-id", "session-id"];
/// Request fields that do, where no header does: Kimi Code and Codex send the first; in the second, of the Messages
/// face, Claude Code names its session; the last names a user at least.
const FIELDS: [&str; 3] = ["prompt_cache_key", "metadata.user_id", "user"];

/// What makes requests one conversation. Two clients never share one, and neither do two requested names: agents ask
/// small models for titles in the name of the conversation.
#[derive(Hash)]
pub(super) struct Conversation<'r> {
    client: Option<&'r str>,
    requested: &'r str,
    named_by: &'static str,
    name: &'r [u8],
}

/// The conversation that a request belongs to, where that is asked for and the request names one.
pub(super) fn conversation<'r>(
    settings: &Settings,
    request: &'r ClientRequest,
    requested: &'r str,
    body: &'r RequestBody,
) -> Option<Conversation<'r>> {
    if !settings.failover.return_at_session_end || request.first_target_only {
        return None;
    }
    let (named_by, name) = by_header(&request.headers).or_else(|| by_field(body))?;
    Some(Conversation { client: request.client.as_deref(), requested, named_by, name })
}

fn by_header(headers: &HeaderMap) -> Option<(&'static str, &[u8])> {
    let named = HEADERS.iter().filter_map(|name| Some((*name, headers.get(*name)?.as_bytes())));
    named.into_iter().find(|(_, value)| !value.is_empty())
}

/// The literal will do: a client writes the same string in the same way.
fn by_field(body: &RequestBody) -> Option<(&'static str, &[u8])> {
    let named = FIELDS.iter().filter_map(|field| Some((*field, literal(body, field)?)));
    named.into_iter().find(|(_, literal)| literal.len() > 2 && literal.starts_with(b"\""))
}

/// The JSON text of a field, or of a field in a field.
fn literal<'r>(body: &'r RequestBody, field: &str) -> Option<&'r [u8]> {
    let Some((outer, inner)) = field.split_once('.') else { return body.value(field) };
    let (members, _) = json::members(&body.text, body.place(outer)?.start).ok()?;
    body.text.get(json::find(&body.text, &members, inner)?.value.clone())
}

/// What `explain` says of it: whether a request with this body would stay anywhere.
#[must_use]
pub fn explained(settings: &Settings, body: &RequestBody) -> Option<String> {
    if !settings.failover.return_at_session_end {
        return None;
    }
    let rule = "a conversation that fell back stays with the target that answered it until that one rests \
                (failover.returnToPrimary)";
    let names = [HEADERS.as_slice(), FIELDS.as_slice()].concat().join(", ");
    Some(match by_field(body) {
        Some((field, _)) => format!("{rule}; {field} names this one"),
        None => format!("{rule}; this request names none, which takes one of {names}"),
    })
}
