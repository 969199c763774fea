//! A key: whether it can be one, and whose keys look like it.

use std::io::Read;

use http::HeaderValue;

use super::choice::Choice;
use crate::catalog::AdapterId;
use crate::cli::exit::CommandError;
use crate::cli::key_product;
use crate::secret::Secret;

/// More than any key; a file that was meant for something else is not read to its end.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Reads a key from standard input: one line.
///
/// # Errors
/// When there is none (exit 2), or it cannot be one.
pub(super) fn read_key_from_stdin() -> Result<Secret, CommandError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_KEY_BYTES).read_to_string(&mut text);
    read.map_err(|error| {
        CommandError::usage(format!("--api-key-stdin: no text on standard input: {error}"))
    })?;
    parse_key(&text).map_err(|why| CommandError::usage(format!("--api-key-stdin: {why}")))
}

/// A key without the white space around it.
///
/// # Errors
/// Why it cannot be one, without the key.
pub(super) fn parse_key(text: &str) -> Result<Secret, String> {
    let key = text.trim();
    if key.is_empty() {
        return Err("there is no key".to_owned());
    }
    if key.contains(char::is_whitespace) {
        return Err("there is more than a key: it holds white space".to_owned());
    }
    // A quote at both ends would be read as none of the key's in the file with secrets.
    if key.starts_with(['"', '\'']) {
        return Err("the key stands in quotes: leave them out".to_owned());
    }
    if !key.is_ascii() || HeaderValue::from_str(key).is_err() {
        return Err("it holds characters that no key has".to_owned());
    }
    Ok(Secret::new(key.to_owned()))
}

/// The choice that this key belongs to, if that is a different product from this adapter's.
pub(super) fn choice_for_other_product(dialect: AdapterId, key: &Secret) -> Option<Choice> {
    match key_product::detect_other_product(dialect, key)? {
        AdapterId::KimiCode => Some(Choice::KimiCodeApiKey),
        AdapterId::OpenRouter => Some(Choice::OpenrouterApiKey),
        AdapterId::Moonshot | AdapterId::Generic => None,
    }
}

/// What a refused key probably is, where its beginning proves nothing: a plain `sk-…` at Kimi Code or OpenRouter is
/// most likely one of Moonshot's platform.
pub(super) fn suspect_product(dialect: AdapterId, key: &Secret) -> Option<Choice> {
    let is_plain = key.expose().starts_with("sk-")
        && !["sk-kimi-", "sk-or-", "sk-ant-", "sk-proj-"].iter().any(|start| key.expose().starts_with(start));
    match dialect {
        AdapterId::KimiCode | AdapterId::OpenRouter if is_plain => Some(Choice::MoonshotApiKey),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, choice_for_other_product, parse_key, suspect_product};
    use crate::catalog::AdapterId;
    use crate::secret::Secret;

    #[test]
    fn what_cannot_be_a_key_is_told_without_it() {
        assert_eq!(parse_key(" sk-1\r\n").map(|key| key.expose().to_owned()), Ok("sk-1".to_owned()));
        for (text, why) in [
            ("", "no key"),
            (" \n", "no key"),
            ("sk-1 sk-2", "white space"),
            ("sk-1\nsk-2\n", "white space"),
            ("'sk-1'", "quotes"),
            ("sk-…", "characters"),
            ("sk-\u{7}", "characters"),
        ] {
            let told = parse_key(text).map(|_| ()).unwrap_err();
            assert!(told.contains(why) && !told.contains("sk-"), "{text:?}: {told}");
        }
    }

    #[test]
    fn keys_of_another_product_are_known_by_their_beginning() {
        use AdapterId::{Generic, KimiCode, Moonshot, OpenRouter};
        let key = |text: &str| Secret::new(text.to_owned());
        for (dialect, text, certain, perhaps) in [
            (Moonshot, "sk-kimi-1", Some(Choice::KimiCodeApiKey), None),
            (Moonshot, "sk-or-v1-1", Some(Choice::OpenrouterApiKey), None),
            (Moonshot, "sk-1", None, None),
            (KimiCode, "sk-kimi-1", None, None),
            (KimiCode, "eyJ0", None, None),
            (KimiCode, "sk-1", None, Some(Choice::MoonshotApiKey)),
            (KimiCode, "sk-or-v1-1", Some(Choice::OpenrouterApiKey), None),
            (OpenRouter, "sk-kimi-1", Some(Choice::KimiCodeApiKey), None),
            (OpenRouter, "sk-1", None, Some(Choice::MoonshotApiKey)),
            (OpenRouter, "sk-ant-1", None, None),
            (Generic, "sk-kimi-1", None, None),
        ] {
            let found = (choice_for_other_product(dialect, &key(text)), suspect_product(dialect, &key(text)));
            assert_eq!(found, (certain, perhaps), "{dialect:?} {text}");
        }
    }
}
