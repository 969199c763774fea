//! The house keeps its shape: rooms import downwards only, and no file or function grows out of its meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which rooms a room may use, as `docs/explanation/architecture.md` has it.
const TABLE: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("secret", &[]),
    ("future", &[]),
    ("credentials", &["secret"]),
    ("protocol", &[]),
    ("service", &[]),
    ("policy", &["failure"]),
    ("catalog", &["protocol"]),
    ("record", &["failure", "protocol", "catalog"]),
    ("config", &["secret", "credentials", "catalog", "protocol"]),
    ("provider", &["failure", "secret", "protocol", "catalog"]),
    ("upstream", &["failure", "future", "secret", "credentials", "config::settings"]),
    (
        "routing",
        &[
            "provider",
            "upstream",
            "policy",
            "record",
            "failure",
            "secret",
            "future",
            "protocol",
            "catalog",
            "config::settings",
        ],
    ),
    ("usage", &["record", "protocol", "config::settings"]),
    ("telemetry", &["record", "failure", "protocol"]),
    (
        "assistant",
        &[
            "routing",
            "provider",
            "upstream",
            "record",
            "failure",
            "secret",
            "protocol",
            "catalog",
            "config::settings",
        ],
    ),
    (
        "gateway",
        &[
            "assistant",
            "routing",
            "usage",
            "telemetry",
            "record",
            "failure",
            "future",
            "protocol",
            "secret",
            "config::settings",
        ],
    ),
    ("simulator", &[]),
    (
        "runtime",
        &[
            "catalog",
            "config",
            "provider",
            "failure",
            "gateway",
            "usage",
            "credentials",
            "telemetry",
            "policy",
            "record",
            "routing",
            "secret",
            "service",
            "upstream",
            "protocol",
        ],
    ),
    (
        "cli",
        &[
            "assistant",
            "runtime",
            "catalog",
            "config",
            "provider",
            "failure",
            "gateway",
            "usage",
            "credentials",
            "telemetry",
            "policy",
            "record",
            "routing",
            "secret",
            "service",
            "simulator",
            "upstream",
            "protocol",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `src`, with its path below `src`.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(found.len() > 10, "the sources were found");
    found
}

fn is_test(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.ends_with("_tests.rs") || name.contains("/tests/")
}

fn room(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

/// The text without comments, so that a link in a doc comment does not count as an import.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every path after `crate::` (or `moonrelay::`), up to three segments, with `{a, b::c}` spread out.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in ["crate::", "moonrelay::"] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                spread("", &code[at + prefix.len()..], &mut found);
            }
        }
    }
    found
}

fn spread(before: &str, rest: &str, into: &mut BTreeSet<String>) {
    let rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut depth = 0usize;
        let mut start = 0;
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    spread(before, &inside[start..at], into);
                    start = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return;
    }
    let path = if before.is_empty() { name.clone() } else { format!("{before}::{name}") };
    match rest[name.len()..].trim_start().strip_prefix("::") {
        Some(deeper) if path.matches("::").count() < 2 => spread(&path, deeper, into),
        _ => {
            into.insert(path);
        }
    }
}

fn allowed(room: &str, path: &str) -> bool {
    let target = path.split("::").next().unwrap();
    if target == room {
        return true;
    }
    let Some((_, may)) = TABLE.iter().find(|(name, _)| *name == room) else {
        // lib.rs names the rooms and nothing else; main.rs may use all.
        return room == "main";
    };
    may.iter().any(|may| path == *may || path.starts_with(&format!("{may}::")))
}

#[test]
fn imports_point_up_the_module_table() {
    let rooms: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    // Tests may build what they need; those of the simulator share nothing with the gateway either.
    let judged = sources().into_iter().filter(|(name, _)| !is_test(name) || room(name) == "simulator");
    for (name, text) in judged {
        for path in paths(&code(&text)) {
            let target = path.split("::").next().unwrap();
            if rooms.contains(target) && !allowed(room(&name), &path) {
                wrong.push(format!("src/{name} uses crate::{path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that the table of rooms does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let rooms: BTreeSet<String> = sources()
        .keys()
        .map(|name| room(name).to_owned())
        .filter(|room| room != "lib" && room != "main")
        .collect();
    let table: BTreeSet<String> = TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rooms, table);
}

#[test]
fn the_table_is_the_one_in_the_documentation() {
    let text = std::fs::read_to_string(root().join("docs/explanation/architecture.md")).unwrap();
    for (room, may) in TABLE {
        let may = match (*room, may.len()) {
            (_, 0) => "nothing of ours".to_owned(),
            ("runtime", _) => "all but cli and simulator".to_owned(),
            ("cli", _) => "all".to_owned(),
            _ => may.join(", "),
        };
        let row = format!("| {room} | {may} |");
        assert!(text.contains(&row), "docs/explanation/architecture.md lacks the row {row}");
    }
}

#[test]
fn the_parser_of_paths_sees_nested_lists() {
    let text = "use crate::{failure::Failure, protocol::{json, sse::Reader}};\nlet x = crate::config::settings::Model;";
    let found: Vec<_> = paths(text).into_iter().collect();
    assert_eq!(
        found,
        ["config::settings::Model", "failure::Failure", "protocol::json", "protocol::sse::Reader"]
    );
    assert!(!allowed("routing", "config::file::Tree") && allowed("routing", "config::settings::Model"));
    assert!(!allowed("simulator", "protocol::json"));
}

#[test]
fn files_keep_to_one_meaning() {
    let mut lengths: Vec<(usize, String)> = sources()
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| (text.lines().count(), name))
        .collect();
    lengths.sort();
    let over: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > 600).collect();
    assert!(over.is_empty(), "over 600 lines: {over:?}");
    let short = |limit: usize| lengths.iter().filter(|(lines, _)| *lines <= limit).count();
    let (total, nine_tenths, half) = (lengths.len(), short(400), short(150));
    assert!(
        nine_tenths * 10 >= total * 9,
        "{nine_tenths} of {total} files are within 400 lines: {lengths:?}"
    );
    assert!(half * 2 >= total, "{half} of {total} files are within 150 lines: {lengths:?}");
}

#[test]
fn inline_tests_over_a_hundred_lines_have_their_own_file() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let Some((_, tests)) = text.split_once("mod tests {") else { continue };
        let lines = tests.lines().count();
        if lines > 100 {
            wrong.push(format!("src/{name}: {lines} lines of tests"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_no_drawers_for_everything() {
    let wrong: Vec<String> = sources()
        .into_keys()
        .filter(|name| {
            let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
            ["utils", "util", "helpers", "helper", "common", "misc", "mod"].contains(&stem)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
