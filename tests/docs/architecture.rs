//! Compares imports with the module table of `docs/explanation/architecture.md` and with the order of `mod` items, and
//! limits the length of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules that a module may use, as in `docs/explanation/architecture.md`, in the order of `lib.rs`.
const TABLE: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("secret", &[]),
    ("credentials", &["secret"]),
    ("protocol", &[]),
    ("service", &[]),
    ("catalog", &["protocol"]),
    ("record", &["failure", "protocol", "catalog"]),
    ("config", &["secret", "credentials", "protocol", "catalog"]),
    ("provider", &["failure", "secret", "protocol", "catalog"]),
    ("upstream", &["failure", "secret", "credentials", "config::settings"]),
    ("state", &["failure", "protocol", "record", "config::settings"]),
    ("usage", &["protocol", "record", "config::settings"]),
    ("telemetry", &["failure", "protocol", "record"]),
    ("stream", &["failure", "protocol", "record", "config::settings", "provider"]),
    (
        "routing",
        &[
            "failure",
            "secret",
            "protocol",
            "catalog",
            "record",
            "config::settings",
            "provider",
            "upstream",
            "state",
            "stream",
        ],
    ),
    (
        "assistant",
        &[
            "failure",
            "secret",
            "credentials",
            "protocol",
            "catalog",
            "record",
            "config::settings",
            "provider",
            "upstream",
            "routing",
        ],
    ),
    (
        "doctor",
        &[
            "failure",
            "secret",
            "credentials",
            "protocol",
            "service",
            "catalog",
            "config",
            "provider",
            "upstream",
            "usage",
            "routing",
        ],
    ),
    ("dashboard", &["protocol", "record", "usage", "routing"]),
    (
        "gateway",
        &[
            "failure",
            "secret",
            "protocol",
            "record",
            "config::settings",
            "upstream",
            "state",
            "usage",
            "telemetry",
            "routing",
            "assistant",
            "dashboard",
        ],
    ),
    (
        "runtime",
        &[
            "failure",
            "secret",
            "credentials",
            "protocol",
            "service",
            "catalog",
            "record",
            "config",
            "provider",
            "upstream",
            "state",
            "usage",
            "telemetry",
            "routing",
            "gateway",
        ],
    ),
    (
        "cli",
        &[
            "failure",
            "secret",
            "credentials",
            "protocol",
            "service",
            "catalog",
            "record",
            "config",
            "provider",
            "upstream",
            "state",
            "usage",
            "telemetry",
            "routing",
            "assistant",
            "doctor",
            "gateway",
            "runtime",
        ],
    ),
];

/// Modules whose files do not yet import only their children and the siblings listed before them. Most list their
/// `mod` items alphabetically, or define in a parent what its children use. The list only becomes shorter.
const UNORDERED: &[&str] = &["cli", "protocol", "upstream"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `src`, with its path below `src`.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(found.len() > 10, "no sources below {}", root().display());
    found
}

fn is_test(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.ends_with("_tests.rs") || name.contains("/tests/")
}

/// The top module of a file.
fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

/// The text without comments, so that a link in a doc comment does not count as an import.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Inline tests may use everything.
fn without_inline_tests(code: &str) -> &str {
    code.split_once("#[cfg(test)]\nmod tests {").map_or(code, |(code, _)| code)
}

/// Every path after `crate::` (or `moonrelay::`), with `{a, b::c}` spread out.
fn paths(code: &str) -> BTreeSet<String> {
    paths_after(code, &["crate::", "moonrelay::"])
}

fn paths_after(code: &str, prefixes: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            // `pub(in crate::…)` is not an import.
            let is_visibility = code[..at].ends_with("(in ");
            if !is_visibility && !before.is_some_and(|c| c.is_alphanumeric() || "_$:".contains(c)) {
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
        Some(deeper) => spread(&path, deeper, into),
        _ => {
            into.insert(path);
        }
    }
}

fn is_allowed(module: &str, path: &str) -> bool {
    let target = path.split("::").next().unwrap();
    if target == module {
        return true;
    }
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == module) else {
        // lib.rs lists the modules and nothing else; main.rs may use all.
        return module == "main";
    };
    allowed.iter().any(|allowed| path == *allowed || path.starts_with(&format!("{allowed}::")))
}

#[test]
fn modules_import_what_the_table_allows() {
    let modules: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    let mut violations = Vec::new();
    // Tests may build what they need.
    let compared = sources().into_iter().filter(|(name, _)| !is_test(name));
    for (name, text) in compared {
        let code = code(&text);
        for path in paths(without_inline_tests(&code)) {
            let target = path.split("::").next().unwrap();
            if modules.contains(target) && !is_allowed(module(&name), &path) {
                violations.push(format!("src/{name} uses crate::{path}"));
            }
        }
    }
    assert!(
        violations.is_empty(),
        "imports that the module table does not allow:\n{}",
        violations.join("\n")
    );
}

#[test]
fn table_has_the_order_of_lib_and_points_upwards() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let lib = code(&lib);
    let listed = child_modules(&lib);
    let table: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, table);
    for (index, (name, allowed)) in TABLE.iter().enumerate() {
        for target in *allowed {
            let above = &table[..index];
            assert!(
                above.contains(&target.split("::").next().unwrap()),
                "{name} may use {target}, which lib.rs lists below it"
            );
        }
    }
}

#[test]
fn documentation_has_the_same_table() {
    let text = std::fs::read_to_string(root().join("docs/explanation/architecture.md")).unwrap();
    for (module, allowed) in TABLE {
        let allowed = match (*module, allowed.len()) {
            (_, 0) => "nothing of ours".to_owned(),
            ("runtime", _) => "all above".to_owned(),
            ("cli", _) => "all".to_owned(),
            _ => allowed.join(", "),
        };
        let row = format!("| {module} | {allowed} |");
        assert!(text.contains(&row), "docs/explanation/architecture.md lacks the row {row}");
    }
}

/// The names of a file's child modules, in order.
fn child_modules(code: &str) -> Vec<&str> {
    let declared = code.lines().filter_map(|line| line.trim().strip_suffix(';')?.split_once("mod "));
    let is_item = |visibility: &str| visibility.is_empty() || visibility.starts_with("pub");
    declared.filter(|(before, _)| is_item(before)).map(|(_, name)| name).collect()
}

/// Which file uses which, as paths of modules without `.rs`.
struct Imports {
    /// The children of each file, in the order in which it lists them.
    children: BTreeMap<Vec<String>, Vec<String>>,
    edges: Vec<(Vec<String>, Vec<String>)>,
}

impl Imports {
    fn read() -> Self {
        let files: BTreeMap<Vec<String>, String> = sources()
            .into_iter()
            .filter(|(name, _)| !is_test(name) && name != "lib.rs" && name != "main.rs")
            .map(|(name, text)| {
                let path = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
                (path, without_inline_tests(&code(&text)).to_owned())
            })
            .collect();
        let mut edges = Vec::new();
        for (file, code) in &files {
            let parent = &file[..file.len() - 1];
            for (prefix, base) in [("crate::", &[][..]), ("super::", parent), ("self::", &file[..])] {
                for path in paths_after(code, &[prefix]) {
                    let target = resolve(&files, base, &path);
                    if target.first() == file.first() && target != *file {
                        edges.push((file.clone(), target));
                    }
                }
            }
        }
        let children = files
            .iter()
            .map(|(file, code)| (file.clone(), child_modules(code).into_iter().map(str::to_owned).collect()));
        Self { children: children.collect(), edges }
    }

    /// Imports of a module's files that are neither a child nor listed before the file or one of its parents.
    fn out_of_order(&self, module: &str) -> Vec<String> {
        let of_module = self.edges.iter().filter(|(file, _)| file[0] == module);
        let wrong = of_module.filter(|(file, target)| {
            let common = common_length(file, target);
            if common == file.len() {
                return false;
            }
            let position = |name: Option<&String>| {
                self.children[&file[..common]].iter().position(|child| Some(child) == name)
            };
            common == target.len() || position(target.get(common)) > position(file.get(common))
        });
        wrong.map(|(file, target)| format!("{} uses {}", file.join("/"), target.join("/"))).collect()
    }

    /// Siblings that import each other, directly or through others, with their parent.
    fn cycles(&self) -> BTreeSet<(String, BTreeSet<String>)> {
        let mut uses: BTreeMap<String, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for (file, target) in &self.edges {
            let common = common_length(file, target);
            if let (Some(from), Some(to)) = (file.get(common), target.get(common)) {
                let siblings = uses.entry(file[..common].join("/")).or_default();
                siblings.entry(from).or_default().insert(to);
            }
        }
        let mut found = BTreeSet::new();
        for (parent, siblings) in &uses {
            let reached: BTreeMap<&str, BTreeSet<&str>> =
                siblings.keys().map(|name| (*name, reachable(siblings, name))).collect();
            for (name, all) in reached.iter().filter(|(name, all)| all.contains(*name)) {
                let cycle =
                    all.iter().filter(|other| reached.get(*other).is_some_and(|all| all.contains(name)));
                found.insert((parent.clone(), cycle.map(|name| (*name).to_owned()).collect()));
            }
        }
        found
    }
}

fn common_length(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn reachable<'u>(uses: &BTreeMap<&'u str, BTreeSet<&'u str>>, from: &str) -> BTreeSet<&'u str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = uses[from].iter().copied().collect();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(uses.get(name).into_iter().flatten());
        }
    }
    found
}

/// The file that defines or re-exports a path; empty if it is not one of ours.
fn resolve(files: &BTreeMap<Vec<String>, String>, base: &[String], path: &str) -> Vec<String> {
    let mut full = base.to_vec();
    for name in path.split("::") {
        if name == "super" {
            full.pop();
        } else {
            full.push(name.to_owned());
        }
    }
    while !full.is_empty() && !files.contains_key(&full) {
        full.pop();
    }
    full
}

#[test]
fn files_import_children_and_siblings_listed_before_them() {
    let imports = Imports::read();
    let mut problems = Vec::new();
    for (module, _) in TABLE {
        let violations = imports.out_of_order(module);
        if UNORDERED.contains(module) {
            let in_order = format!("{module} is in order: remove it from UNORDERED");
            problems.extend(violations.is_empty().then_some(in_order));
        } else {
            problems.extend(violations);
        }
    }
    assert!(problems.is_empty(), "imports against the order of `mod` items:\n{}", problems.join("\n"));
}

#[test]
fn siblings_do_not_import_each_other_in_a_cycle() {
    let cycles = Imports::read().cycles();
    assert!(cycles.is_empty(), "import cycles: {cycles:?}");
}

#[test]
fn import_parser_reads_nested_lists_and_relative_paths() {
    let text = "use crate::{failure::Failure, protocol::{json, sse::Reader}};\nlet x = crate::config::settings::Model;";
    let found: Vec<_> = paths(text).into_iter().collect();
    assert_eq!(
        found,
        ["config::settings::Model", "failure::Failure", "protocol::json", "protocol::sse::Reader"]
    );
    let relative = "pub(in crate::stream) fn x() {}\nuse super::super::{meter, splice::Splicer};";
    assert!(paths(relative).is_empty());
    let found: Vec<_> = paths_after(relative, &["super::"]).into_iter().collect();
    assert_eq!(found, ["super::meter", "super::splice::Splicer"]);
    assert_eq!(child_modules("mod a;\npub mod b;\npub(super) mod c;\nuse d;"), ["a", "b", "c"]);
    assert!(!is_allowed("routing", "config::file::Tree") && is_allowed("routing", "config::settings::Model"));
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> = sources()
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| (text.lines().count(), name))
        .collect();
    lengths.sort();
    let over: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > 600).collect();
    assert!(over.is_empty(), "over 600 lines: {over:?}");
    let short = |limit: usize| lengths.iter().filter(|(lines, _)| *lines <= limit).count();
    let (total, nine_tenths, half) = (lengths.len(), short(400), short(200));
    assert!(
        nine_tenths * 10 >= total * 9,
        "{nine_tenths} of {total} files are within 400 lines: {lengths:?}"
    );
    assert!(half * 2 >= total, "{half} of {total} files are within 200 lines: {lengths:?}");
}

#[test]
fn long_tests_have_their_own_file() {
    let mut violations = Vec::new();
    for (name, text) in sources() {
        let Some((_, tests)) = text.split_once("mod tests {") else { continue };
        let lines = tests.lines().count();
        if lines > 100 {
            violations.push(format!("src/{name}: {lines} lines of tests"));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn no_file_is_named_after_no_topic() {
    let violations: Vec<String> = sources()
        .into_keys()
        .filter(|name| {
            let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
            ["utils", "util", "helpers", "helper", "common", "misc", "mod"].contains(&stem)
        })
        .collect();
    assert!(violations.is_empty(), "{violations:?}");
}
