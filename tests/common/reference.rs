//! Generated pages of the documentation.

use std::path::PathBuf;

/// A file of the repository.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Its text, or nothing.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_default()
}

/// Fails if the page differs from the generated text; with `MOONRELAY_BLESS` set it writes the page instead.
pub(crate) fn compare(name: &str, generated: &str) {
    if std::env::var_os("MOONRELAY_BLESS").is_some() {
        std::fs::write(file(name), generated).unwrap();
    }
    let kept = text(name);
    let lines = || generated.lines().zip(kept.lines().chain(std::iter::repeat("")));
    let difference = lines().enumerate().find(|(_, (now, kept))| now != kept);
    assert!(
        kept == generated,
        "{name} is out of date; MOONRELAY_BLESS=1 cargo test writes it. First difference (line from 0, now, kept): {difference:?}"
    );
}
