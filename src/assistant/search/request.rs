//! Request bodies sent to Moonshot: one for each round.

use crate::catalog::ThinkingControl;
use crate::protocol::json::write_string;

/// The builtin that searches. Moonshot runs it; it has no parameters to declare.
pub(super) const WEB_SEARCH: &str = "$web_search";

/// Without it a model answers what it believes to know from memory, and names no pages: of `$web_search` itself the
/// caller sees an id and a number of tokens only.
const INSTRUCTION: &str = "Search the web with $web_search before you answer. Answer from what you find, briefly, and give the \
                           address (URL) of each page that the answer rests on. Say so when nothing fits was found.";

/// The maximum query length in bytes: a question, not a document.
pub(super) const MAX_QUERY_BYTES: usize = 8 * 1024;

/// The conversation as it begins, each message as JSON text.
pub(super) fn initial_messages(query: &str) -> Vec<Vec<u8>> {
    vec![render_message("system", INSTRUCTION), render_message("user", query)]
}

fn render_message(role: &str, content: &str) -> Vec<u8> {
    let mut out = format!("{{\"role\":\"{role}\",\"content\":").into_bytes();
    write_string(&mut out, content);
    out.push(b'}');
    out
}

/// The body of a request to this model.
///
/// `$web_search` and thinking exclude each other on models whose thinking can be switched off (Moonshot's guide
/// to web search, 2026-09), so thinking is switched off for them. Models that take an effort get the lowest
/// one; others get no setting.
pub(super) fn render_body(model: &str, thinking: ThinkingControl, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"{\"model\":".to_vec();
    write_string(&mut out, model);
    out.extend_from_slice(match thinking {
        ThinkingControl::Switch => b",\"thinking\":{\"type\":\"disabled\"}".as_slice(),
        ThinkingControl::Effort => b",\"reasoning_effort\":\"low\"",
        ThinkingControl::None | ThinkingControl::Always | ThinkingControl::Unknown => b"",
    });
    out.extend_from_slice(b",\"messages\":[");
    out.extend_from_slice(&messages.join(&b','));
    out.extend_from_slice(
        b"],\"tools\":[{\"type\":\"builtin_function\",\"function\":{\"name\":\"$web_search\"}}],\"stream\":false}",
    );
    out
}
