//! The clock, the state directory and the usage database.

use std::path::Path;

use super::CheckResult;
use crate::doctor::facts::{DATABASE_FILES, Facts, StateDirectory, StateLink};
use crate::doctor::network::ProbeOutcome;
use crate::doctor::{Finding, FindingKind, Severity};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

const CLOCK_WARNING_SECONDS: u64 = 60;
const CLOCK_ERROR_SECONDS: u64 = 300;

pub(super) fn clock(facts: &Facts) -> CheckResult {
    let probes = facts.provider_probes.iter().flatten();
    let offsets = probes.filter_map(|probe| match probe.outcome {
        ProbeOutcome::Response { clock_offset_seconds, .. } => Some((clock_offset_seconds?, &probe.url)),
        ProbeOutcome::Failed { .. } => None,
    });
    // One provider's clock may be wrong; the local clock is right if any provider agrees.
    let closest = offsets.min_by_key(|(offset, _)| offset.unsigned_abs());
    let (offset, url) = closest.ok_or("no response had a Date header")?;
    let seconds = offset.unsigned_abs();
    if seconds <= CLOCK_WARNING_SECONDS {
        return Ok(Vec::new());
    }
    let direction = if offset > 0 { "ahead" } else { "behind" };
    let effect = "certificates and tokens may seem expired or not yet valid";
    let problem = format!("this machine's clock is {seconds} s {direction}: {effect}");
    let evidence = format!("the Date of the response to GET {url}; no other provider's is closer");
    let severity = if seconds <= CLOCK_ERROR_SECONDS { Severity::Warning } else { Severity::Error };
    let finding = Finding::new(severity, FindingKind::ClockSkew, problem, evidence);
    let fix = facts.choose_fix("sudo timedatectl set-ntp true", "services.timesyncd.enable = true;");
    Ok(vec![finding.with_fix(fix)])
}

pub(super) fn state_directory(facts: &Facts) -> CheckResult {
    let state = facts.require_state_directory()?;
    let path = state.path.display();
    let mut found = Vec::new();
    if let Some(why) = &state.write_error {
        let problem = format!("the state directory {path} cannot be written");
        let fix = if state.path.is_file() {
            format!("mv {path} {path}.old")
        } else {
            format!("install -d -m 0700 {path}, as the user who runs the gateway")
        };
        found.push(Finding::error(FindingKind::UnwritableState, problem, why.clone()).with_fix(fix));
    }
    if let Some(permissions) = state.permissions {
        let (mode, uid) = (permissions.mode, permissions.uid);
        if mode & 0o077 != 0 {
            let problem =
                format!("other users can read the state directory {path}, with tokens, sessions and usage");
            let evidence = format!("its mode is {mode:03o}");
            let finding = Finding::warning(FindingKind::StateOpenToOthers, problem, evidence);
            found.push(finding.with_fix(format!("chmod 700 {path}")));
        }
        if uid != facts.uid {
            let problem = format!("the state directory {path} belongs to another user");
            let evidence = format!("its owner is user {uid}");
            let finding = Finding::warning(FindingKind::StateOfOtherUser, problem, evidence);
            found.push(finding.with_fix(format!("chown -R \"$USER\" {path}")));
        }
    }
    found.extend(check_space(state));
    Ok(found.into_iter().map(|finding| finding.with_path(&state.path)).collect())
}

/// In MiB: below, the finding is a warning or an error.
const LOW_SPACE: u64 = 200;
const NO_SPACE: u64 = 10;

fn check_space(state: &StateDirectory) -> Option<Finding> {
    let free = state.free_bytes? >> 20;
    let problem = format!("the disk of the state directory {} has {free} MiB left", state.path.display());
    let severity = match free {
        0..NO_SPACE => Severity::Error,
        NO_SPACE..LOW_SPACE => Severity::Warning,
        _ => return None,
    };
    let finding = Finding::new(severity, FindingKind::DiskFull, problem, "statvfs");
    Some(finding.with_fix("free disk space, or lower usage.retentionDays"))
}

/// Finds a state directory that is a symbolic link to the configuration directory.
///
/// systemd creates such a link for a user's service when the state directory is missing and a configuration directory of
/// the same name exists (`setup_exec_directory` in systemd's `exec-invoke.c`). The state is then stored among the
/// configuration, and a sandbox that lets the service write its state lets it write its configuration.
pub(super) fn state_link(facts: &Facts) -> CheckResult {
    let state = facts.require_state_directory()?;
    let Some(link) = &state.link else { return Ok(Vec::new()) };
    let problem = format!(
        "the state directory {} is a symbolic link to the configuration directory {}: the database and the sessions are \
         stored among the configuration, and the service can write its own configuration",
        state.path.display(),
        link.configuration.display()
    );
    let evidence = "systemd links the two if the state directory is missing when the service starts. The service cannot undo it: \
               systemd resolves the link before the service runs, and its sandbox hides the rest of the home";
    let finding = Finding::warning(FindingKind::LinkedStateDirectory, problem, evidence);
    Ok(vec![finding.with_fix(unlink_command(&state.path, link, facts)).with_path(&state.path)])
}

/// One command line that replaces the link by a directory with the state that is stored behind it. It ends at the first
/// command that fails.
fn unlink_command(state: &Path, link: &StateLink, facts: &Facts) -> String {
    let (path, configuration) = (quote(state), quote(&link.configuration));
    let units = facts.installed_unit().map(|unit| {
        let socket = if unit.socket_state.exists() { format!("{SOCKET_NAME} ") } else { String::new() };
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
    if units.is_some() { commands } else { format!("stop the gateway if it runs, then: {commands}") }
}

/// Quotes a path as one word of a POSIX shell.
pub(in crate::doctor) fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

pub(super) fn usage_database(facts: &Facts) -> CheckResult {
    let state = facts.require_state_directory()?;
    let mut found = Vec::new();
    if let Some(why) = &state.usage_error {
        let problem = "the usage database cannot be read: moonrelay usage shows nothing";
        let fix = format!(
            "mv {0}/ledger.sqlite {0}/ledger.old; the gateway creates a new one at its next start",
            state.path.display()
        );
        let finding = Finding::error(FindingKind::UnreadableUsageDatabase, problem, why.clone());
        found.push(finding.with_fix(fix).with_path(&state.path));
    }
    let Some(database) = facts.gateway_status().map(|status| &status.ledger) else { return Ok(found) };
    let (lost, evidence) = (database.dropped, "moonrelay gateway status");
    if let Some(why) = &database.trouble {
        let problem =
            format!("the running gateway cannot write the usage database ({lost} entries lost): {why}");
        let finding = Finding::error(FindingKind::UsageDatabaseNotWritten, problem, evidence);
        found.push(finding.with_fix("fix this; writes resume automatically"));
    } else if lost > 0 {
        let problem = format!("the running gateway lost {lost} entries of the usage database");
        found.push(Finding::warning(FindingKind::UsageEntriesLost, problem, evidence));
    }
    Ok(found)
}
