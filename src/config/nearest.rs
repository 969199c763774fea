//! "Did you mean …?"

/// The number of characters to insert, delete, change or swap with the neighbour to come from one text to the other.
pub(crate) fn edit_distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().flat_map(char::to_lowercase).collect();
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped =
                row > 0 && column > 0 && one.get(row - 1) == Some(b) && other.get(column - 1) == Some(a);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

/// The candidate that was probably meant: at most a third of its characters differ.
pub(crate) fn find_nearest<'c>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let scored = candidates.into_iter().map(|candidate| (edit_distance(wrong, candidate), candidate));
    let (score, best) = scored.min_by_key(|(score, _)| *score)?;
    (score <= (best.chars().count().max(wrong.chars().count()) / 3).max(1)).then_some(best)
}

/// ` (did you mean …?)`, or nothing.
pub(crate) fn format_suggestion<'c>(wrong: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    find_nearest(wrong, candidates).map_or_else(String::new, |best| format!(" (did you mean \"{best}\"?)"))
}

#[cfg(test)]
mod tests {
    use super::{edit_distance, find_nearest};

    #[test]
    fn distance_counts_changes() {
        assert_eq!(edit_distance("baseUrl", "baseURL"), 0);
        assert_eq!(edit_distance("apikey", "apiKeys"), 1);
        assert_eq!(edit_distance("provdiers", "providers"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kimi", "gemini"), 4);
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(find_nearest("fallback", ["primary", "fallbacks"]), Some("fallbacks"));
        assert_eq!(find_nearest("channels", ["models", "agents"]), None);
        assert_eq!(find_nearest("x", []), None);
    }
}
