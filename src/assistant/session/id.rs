//! A session's id, which is also the name of its file.

use jiff::Timestamp;

use super::SessionError;

/// With `.jsonl` behind it, a name of a file is half as long as it may be.
const MAX_ID_BYTES: usize = 128;
/// What cannot collide within a millisecond, as far as one person can begin sessions.
const RANDOM_DIGITS: usize = 4;

/// An id that no session has: its moment, to be sorted by, and something random (`20261122-002151-482-k3x9`).
#[must_use]
pub fn new_id() -> String {
    let random: String =
        std::iter::repeat_with(|| fastrand::digit(36).to_string()).take(RANDOM_DIGITS).collect();
    format!("{}-{random}", Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f"))
}

/// Whether a text may be an id: then it names a file in the folder and nothing else.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let fits = (1..=MAX_ID_BYTES).contains(&text.len()) && !text.starts_with('.');
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// # Errors
/// The text is not an id; the error describes a valid one.
pub(super) fn check_id(text: &str) -> Result<(), SessionError> {
    if is_id(text) {
        return Ok(());
    }
    let shown: String = text.chars().take(MAX_ID_BYTES).collect();
    Err(SessionError(format!(
        "{shown:?} is no id of a session: 1 to {MAX_ID_BYTES} letters, digits, dots, dashes and underscores, and no dot first"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_file_in_the_folder_and_nothing_else() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for no in ["", ".", "..", ".x", "../x", "a/b", "a\\b", "a b", "ä", "a\0", "a\n", "~", &long] {
            assert!(!is_id(no), "{no:?}");
        }
        for yes in ["x", "t1", "kimi-live.2_b", "-", "A..B", &long[1..]] {
            assert!(is_id(yes), "{yes:?}");
        }
        let told = check_id("../\u{1b}[31mx").unwrap_err().to_string();
        assert!(told.starts_with(r#""../\u{1b}[31mx" is no id of a session: 1 to 128"#), "{told}");
    }

    #[test]
    fn fresh_ids_differ_and_sort_by_time() {
        let ids: Vec<String> = std::iter::repeat_with(new_id).take(200).collect();
        let moments: Vec<&str> = ids.iter().map(|id| id.rsplit_once('-').unwrap().0).collect();
        assert!(moments.is_sorted() && ids.iter().all(|id| is_id(id) && id.len() == 24), "{ids:?}");
        let different: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert!(different.len() > 190, "{}", different.len());
    }
}
