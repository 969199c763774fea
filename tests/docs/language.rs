//! Names and texts use the terms of `docs/reference/glossary.md`: words that it retires do not occur.

use std::path::Path;

use crate::common::reference::file;

/// A retired word, and what to write instead. Parts of an identifier count as words.
const RETIRED: &[(&str, &str)] = &[
    ("crowd", "load test"),
    ("dialect", "provider adapter"),
    ("dialects", "provider adapters"),
    ("face", "API"),
    ("faces", "APIs"),
    ("house", "gateway"),
    ("ledger", "usage database"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("nobody", "the actor's name, or `no client`"),
    ("rested", "in cooldown"),
    ("resting", "in cooldown"),
    ("rests", "in cooldown"),
    ("seat", "connection slot"),
    ("seats", "connection slots"),
    ("shall", "must or will"),
    ("somebody", "the actor's name"),
    ("telling", "reporting"),
    ("tells", "reports"),
    ("told", "reported"),
    ("unsaid", "redacted"),
    ("veiled", "redacted"),
    ("whoever", "the actor's name"),
    ("whom", "the actor's name"),
];

/// Exceptions: where (the beginning of a path), the exact text, and the reason. At most 40, never a whole file.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("", "--face", "option of `explain` and `onboard`"),
    ("", "<FACE>", "its value in the help"),
    ("src/cli/onboard.rs", "\"FACE\"", "its value in the help"),
    ("src/cli/onboard.rs", "face: Option<ClientApi>", "the field that declares the option"),
    ("src/cli/onboard", "args.face", "the field that declares the option"),
    ("src/cli/explain.rs", "face: ClientApi", "the field that declares the option"),
    ("src/cli/explain.rs", "args.face", "the field that declares the option"),
    ("", "\"face\"", "key of requests in JSON, label of metrics"),
    ("", "{face=", "label of metrics"),
    ("docs/reference/metrics.md", "`face`", "label of metrics"),
    ("tests/docs/references.rs", "`face`", "label of metrics"),
    ("", "moonrelay.face", "attribute of spans"),
    ("src/telemetry/request_log.rs", "face = record", "field of the log"),
    ("", "face_not_spoken", "reason in `x-moonrelay-attempts`"),
    ("", "told, amount", "column of the usage database"),
    ("src/usage/sqlite/rows.rs", "\"told\"", "column of the usage database"),
    ("", "requested, face", "column of the usage database"),
    ("crates/simulator", ",face=", "key of the simulator's faults"),
    ("", "ledger.sqlite", "name of the usage database"),
    ("", "ledger.1.sqlite", "name of a kept usage database"),
    ("", "ledger.old", "name of a damaged usage database"),
    ("src/usage/sqlite/file.rs", "ledger.{version}.sqlite", "name of a kept usage database"),
    ("src/doctor/files.rs", "\"ledger.*\"", "how the names of usage databases begin"),
    ("", "moonrelay_ledger_", "names of metrics"),
    ("", "\"ledger\"", "key of `/status`, id of a check of doctor"),
    ("docs", "`ledger`", "key of `/status`, id of a check of doctor"),
    ("src/upstream/gateway_status.rs", "pub ledger:", "the field that declares the key of `/status`"),
    ("src/gateway/health.rs", "ledger: UsageDatabaseStatus", "the field that declares the key of `/status`"),
    ("src", "status.ledger", "the field that declares the key of `/status`"),
    ("src/cli", "ledger_error", "type of an error in JSON"),
    ("", "\"rests\"", "id of a check of doctor"),
    ("docs/reference/doctor.md", "`rests`", "id of a check of doctor"),
];

#[test]
fn retired_words_do_not_occur() {
    assert!(ALLOWED.len() <= 40, "{} exceptions", ALLOWED.len());
    let mut used = vec![false; ALLOWED.len()];
    let mut found = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(file(&path)).unwrap();
        for (number, line) in text.lines().enumerate() {
            // The glossary lists the retired words in its last column.
            let mut line = match path.as_str() {
                "docs/reference/glossary.md" => {
                    line.rsplit_once(" | ").map_or(line, |(kept, _)| kept).to_owned()
                }
                "tests/docs/language.rs" => String::new(),
                _ => line.to_owned(),
            };
            for (index, (place, exception, _)) in ALLOWED.iter().enumerate() {
                if path.starts_with(place) && line.contains(exception) {
                    used[index] = true;
                    line = line.replace(exception, " ");
                }
            }
            for word in words(&line) {
                if let Some((_, instead)) = RETIRED.iter().find(|(retired, _)| *retired == word) {
                    found.push(format!("{path}:{}: `{word}`: write {instead}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} lines\n{}", found.len(), found.join("\n"));
    let entries = ALLOWED.iter().zip(used);
    let unused: Vec<_> = entries.filter(|(_, used)| !used).map(|(entry, _)| entry).collect();
    assert!(unused.is_empty(), "exceptions without a use: {unused:?}");
}

#[test]
fn identifiers_are_split_into_words() {
    assert_eq!(
        words("fn openTheFace(HTTPHouse: x_told2)"),
        ["fn", "open", "the", "face", "http", "house", "x", "told"]
    );
}

/// The words of a line in lower case; `camelCase`, `snake_case` and `UPPERCase` are split.
fn words(line: &str) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let begins = letter.is_uppercase()
            && (index == 0
                || !letters[index - 1].is_uppercase()
                || letters.get(index + 1).is_some_and(|next| next.is_lowercase()));
        if begins || !letter.is_alphabetic() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if letter.is_alphabetic() {
            word.extend(letter.to_lowercase());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Every text that we wrote, but recorded data and generated locks.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<String> = FOLDERS.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(path) = waiting.pop() {
        if file(&path).is_dir() {
            let entries = std::fs::read_dir(file(&path)).unwrap();
            waiting.extend(
                entries.map(|entry| format!("{path}/{}", entry.unwrap().file_name().to_str().unwrap())),
            );
        } else if is_text(&path) {
            found.push(path);
        }
    }
    assert!(found.len() > 400, "{} files", found.len());
    found
}

const FOLDERS: &[&str] = &[
    ".ci",
    "benches",
    "crates",
    "docs",
    "examples",
    "fuzz/src",
    "nix",
    "src",
    "templates",
    "tests",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "README.md",
    "flake.nix",
];

fn is_text(path: &str) -> bool {
    let recorded = ["tests/fixtures", "node_modules", "/target/", "__pycache__"];
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    !recorded.iter().any(|part| path.contains(part))
        && matches!(
            extension,
            None | Some("rs" | "md" | "py" | "sh" | "nix" | "mjs" | "js" | "css" | "toml" | "json5" | "html")
        )
}
