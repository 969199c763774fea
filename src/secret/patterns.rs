//! Patterns of identifiers that must not leave the gateway: accounts, keys of other users, tokens, e-mail addresses.
//! Moonshot's 429 messages, for example, name the organisation, the project and the key.

/// The replacement of a secret value or an identifier.
pub(super) const REDACTED: &str = "…";

/// Prefixes of identifiers of accounts and keys, and how many characters must follow: `user_id` is the name of a field,
/// `org-…` identifies an organisation.
const PREFIXES: [(&str, usize); 10] = [
    ("org-", 1),
    ("ak-", 1),
    ("proj-", 1),
    ("sk-", 1),
    ("pk-", 1),
    ("rk-", 1),
    ("sk_", 8),
    ("org_", 8),
    ("proj_", 8),
    ("user_", 8),
];

/// The text in one line, without identifiers and control characters.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_bearer = false;
    while let Some(first) = rest.chars().next() {
        if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            push_word(&mut out, word, after_bearer);
            after_bearer = word.eq_ignore_ascii_case("bearer");
            rest = after;
        } else {
            let blank = first.is_control() || first.is_whitespace();
            if !blank {
                out.push(first);
                after_bearer = false;
            } else if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Characters of identifiers and addresses: `@`, `.` and `+` occur in addresses, `*` in masked keys.
const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*' | '@' | '.' | '+' | '%')
}

fn push_word(out: &mut String, word: &str, after_bearer: bool) {
    let bare = word.trim_end_matches('.');
    if after_bearer || is_address(bare) || is_identifier(bare) {
        out.push_str(REDACTED);
        out.push_str(word.get(bare.len()..).unwrap_or_default());
    } else {
        out.push_str(word);
    }
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

fn is_identifier(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let is_prefixed = PREFIXES
        .iter()
        .any(|(prefix, least)| lower.strip_prefix(prefix).is_some_and(|id| id.len() >= *least));
    // A JSON Web Token, as OAuth gives them.
    is_prefixed || (word.starts_with("eyJ") && word.len() > 20)
}
