//! What Anthropic and `OpenAI` seal, so that they can recognise their own reasoning: signatures and encrypted content.
//!
//! A seal contains a hash of itself, so that the simulator needs no memory of what it issued. The real ones are opaque.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::value::{fnv1a_hash, list};

/// The signature of a thinking block. It is valid for this text only.
pub(crate) fn sign(thinking: &str) -> String {
    seal("anthropic", thinking)
}

/// Whether [`sign`] issued this signature for this text. With `display: omitted` the text is empty, and the signature
/// carries the thinking (Anthropic's page on adaptive thinking), but the simulator does not omit it.
pub(crate) fn is_signature(thinking: &str, signature: &str) -> bool {
    signature == sign(thinking)
}

/// Opaque text of this origin.
pub(crate) fn seal(origin: &str, text: &str) -> String {
    let content = fnv1a_hash(text);
    format!("seal{content:016x}{:016x}", fnv1a_hash(&format!("{origin}{content:016x}")))
}

/// Whether [`seal`] issued this for this origin, whatever the text.
pub(crate) fn is_sealed(origin: &str, sealed: &str) -> bool {
    let content = sealed.strip_prefix("seal").and_then(|rest| rest.get(..16));
    content.is_some_and(|content| {
        sealed.get(20..) == Some(&format!("{:016x}", fnv1a_hash(&format!("{origin}{content}"))))
    })
}

/// Names of `anthropic-beta` that Claude Code sends and the package does not list (captured 2026-11-21).
const UNLISTED_BETAS: [&str; 5] = [
    "advanced-tool-use-2025-11-20",
    "claude-code-20250219",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "oauth-2025-04-20",
];

/// The names that `anthropic-beta` may have.
pub(crate) fn anthropic_betas() -> &'static HashSet<String> {
    static BETAS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let file: Value =
            serde_json::from_str(include_str!("../schemas/anthropic-messages.json")).unwrap_or_default();
        let listed = list(&file["betas"]).iter().filter_map(Value::as_str);
        listed.chain(UNLISTED_BETAS).map(str::to_owned).collect()
    });
    &BETAS
}
