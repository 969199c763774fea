use super::matches_pattern;

#[test]
fn glob_matches_the_whole_name_only() {
    for (pattern, name) in [
        ("*", "anything"),
        ("*", ""),
        ("claude-*", "claude-opus-4"),
        ("Claude-*", "claude-"),
        ("*-mini", "gpt-6-mini"),
        ("gpt-*-mini*", "gpt-6-mini-2026"),
        ("a*b*c", "axxbyyc"),
        ("a*a", "aa"),
        ("exact", "Exact"),
        ("**", "x"),
    ] {
        assert!(matches_pattern(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [
        ("claude-*", "my-claude-opus"),
        ("*-mini", "gpt-6-mini-2"),
        ("a*a", "a"),
        ("a*b*c", "acb"),
        ("exact", "exactly"),
        ("", "x"),
    ] {
        assert!(!matches_pattern(pattern, name), "{pattern} {name}");
    }
}
