//! A state directory that is a symbolic link to the configuration directory.
//!
//! systemd makes such a link for a user's service when the state directory is missing and a configuration directory of the
//! same name exists (`setup_exec_directory` in systemd's `exec-invoke.c`). The state is then stored among the configuration,
//! and a sandbox that lets the service write its state lets it write its configuration.

use std::path::Path;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::disk::{DATABASE_FILES, StateLink};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "state-link",
    group: "Machine",
    description: "the state directory is not a symbolic link to the configuration directory",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let state = facts.state_directory.as_ref().ok_or("no home, or its disk did not answer")?;
    let Some(link) = &state.link else { return Ok(Vec::new()) };
    let what = format!(
        "the state directory {} is a symbolic link to the configuration directory {}: the database and the sessions are \
         stored among the configuration, and the service can write its own configuration",
        state.path.display(),
        link.configuration.display()
    );
    let how = "systemd links the two if the state directory is missing when the service starts. The service cannot undo it: \
               systemd resolves the link before the service runs, and its sandbox hides the rest of the home";
    Ok(vec![
        Finding::warning(FindingKind::LinkedStateDirectory, what, how)
            .with_fix(undo(&state.path, link, facts))
            .with_path(&state.path),
    ])
}

/// One command line that replaces the link by a directory with the state that is stored behind it. It ends at the first
/// command that fails.
fn undo(state: &Path, link: &StateLink, facts: &Facts) -> String {
    let (path, configuration) = (word(state), word(&link.configuration));
    let units = facts.installed_unit().map(|service| {
        let socket = if service.socket_state.exists() { format!("{SOCKET_NAME} ") } else { String::new() };
        format!("{socket}{SERVICE_NAME}")
    });
    let mut commands = Vec::new();
    commands.extend(units.iter().map(|units| format!("systemctl --user stop {units}")));
    commands.push(format!("rm {path}"));
    commands.push(format!("mkdir -m 700 {path}"));
    // The shell expands the pattern after the stop, which removes some files of the database.
    let mut entries: Vec<String> =
        link.entries.iter().map(|name| format!("{configuration}/{name}")).collect();
    if link.has_database {
        entries.push(format!("{configuration}/{DATABASE_FILES}*"));
    }
    if !entries.is_empty() {
        commands.push(format!("mv {} {path}/", entries.join(" ")));
    }
    commands.extend(units.iter().map(|units| format!("systemctl --user start {units}")));
    let commands = commands.join(" && ");
    match units {
        Some(_) => commands,
        None => format!("stop the gateway if it runs, then: {commands}"),
    }
}

/// Quotes a path as one word of a POSIX shell.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::word;

    #[test]
    fn path_with_spaces_and_quotes_is_one_word() {
        assert_eq!(word(Path::new("/home/u/.local/state/moonrelay")), "/home/u/.local/state/moonrelay");
        assert_eq!(word(Path::new("/home/u's pc/state")), r"'/home/u'\''s pc/state'");
    }
}
