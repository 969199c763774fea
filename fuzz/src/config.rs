//! Configuration text: no panic, every error has a position in the text, and an edit changes only its key.
//!
//! Input: the text. File names are skipped, so that fuzzing does not read files of the machine.

use std::path::PathBuf;
use std::sync::OnceLock;

use moonrelay::config::edit::Document;
use moonrelay::config::keypath::KeyPath;
use moonrelay::config::{ConfigError, Environment, Location, from_text, import};
use serde_json::json;

/// Checks one input.
pub fn judge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains("file") || text.contains("\\u") || text.contains("\\x") {
        return;
    }
    let environment = Environment::from_iter([("KIMI_API_KEY", "sk-kimi-000000000000")]);
    match from_text(text, None, &environment) {
        Ok(settings) => assert!(settings.default_chain.references.len() < 1000),
        Err(invalid) => placed(&invalid, text),
    }
    if let Err(invalid) = import::import(text, None, &environment) {
        placed(&invalid, text);
    }
    edited(text, &environment);
}

/// Lines end with LF or CRLF; columns count characters, and one past the end is the line's end.
fn placed(invalid: &ConfigError, text: &str) {
    assert!(!invalid.issues.is_empty(), "refused without a reason");
    let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    for issue in &invalid.issues {
        assert!(!issue.message.is_empty() && !issue.path.is_empty());
        let length = issue.line.checked_sub(1).and_then(|line| lines.get(line));
        let inside = length.is_some_and(|length| (1..=length + 1).contains(&issue.column));
        assert!(inside, "outside the text: {issue}");
    }
}

/// A set value is present and other text is unchanged; after its removal the text has its original meaning.
fn edited(text: &str, environment: &Environment) {
    let Ok(mut document) = Document::read(&Location { path: written(text), explicit: true }) else { return };
    assert_eq!(document.text(), text, "reading changed the text");
    let path: KeyPath = KeyPath::parse("logging.level").unwrap_or_default();
    let before = document.get(&KeyPath::default());
    let level = document.get(&path);
    if document.set(&path, &json!("debug")).is_err() {
        return;
    }
    assert_eq!(document.get(&path), Some(json!("debug")));
    let again = Document::read(&Location { path: written(&document.text()), explicit: true });
    let again = again.unwrap_or_else(|error| panic!("the edit broke the file: {error}\n{}", document.text()));
    assert_eq!(again.get(&KeyPath::default()), document.get(&KeyPath::default()), "{}", document.text());
    if let Some(level) = level {
        assert!(document.set(&path, &level).is_ok());
        assert_eq!(document.get(&KeyPath::default()), before, "{}", document.text());
    }
    let _ = document.issues(environment);
}

/// One file per process.
fn written(text: &str) -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let name = format!("moonrelay-fuzz-{}-{:?}.json5", std::process::id(), std::thread::current().id());
        std::env::temp_dir().join(name)
    });
    std::fs::write(place, text).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    place.clone()
}
