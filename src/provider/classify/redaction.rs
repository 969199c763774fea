//! What providers say must not give away whose account it is: Moonshot's 429 texts name organisation, project and key.

/// The longest message that goes on, in characters.
const LONGEST: usize = 1000;

/// What stands in the place of an identifier.
const GONE: &str = "…";

/// What identifiers of accounts and keys begin with, and how much must follow: `user_id` is a field's name, `org-…` is
/// somebody's.
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

/// The text in one line, without identifiers of accounts, keys, e-mail addresses and control characters, cut to 1,000
/// characters.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * LONGEST));
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
    capped(out.trim_end())
}

/// Letters of identifiers and addresses: `@`, `.`, `+` hold an address together, `*` a masked key.
const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*' | '@' | '.' | '+' | '%')
}

fn push_word(out: &mut String, word: &str, after_bearer: bool) {
    let bare = word.trim_end_matches('.');
    if after_bearer || is_address(bare) || is_identifier(bare) {
        out.push_str(GONE);
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

fn capped(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(GONE.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_who_it_is() {
        for (text, expected) in [
            (
                "Your account org-3f2a9c/proj-77aa<ak-eyx81> request reached organization max RPM: 20",
                "Your account …/…<…> request reached organization max RPM: 20",
            ),
            ("Incorrect API key provided: sk-proj-ab***yz. See", "Incorrect API key provided: …. See"),
            ("mail some.one+x@example.co.uk now", "mail … now"),
            ("Authorization: Bearer abc.def-123 refused", "Authorization: Bearer … refused"),
            ("token eyJhbGciOiJIUzI1NiJ9.e30.x", "token …"),
            ("user_2abcDEFgh has no credits", "… has no credits"),
            ("a\r\n\tb\u{0}\u{1b}[31mc  d ", "a b [31mc d"),
            ("unknown field user_id", "unknown field user_id"),
            ("task-force, 余额不足, k2.7-code, 99.5%", "task-force, 余额不足, k2.7-code, 99.5%"),
            ("", ""),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn caps_by_characters() {
        let long = redact(&"界".repeat(5000));
        assert_eq!(long.chars().count(), 1000);
        assert!(long.ends_with('…'));
        assert_eq!(redact(&"x".repeat(1000)).len(), 1000);
    }
}
