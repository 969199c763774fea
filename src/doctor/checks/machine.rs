//! The clock, the state directory and the usage database.

use std::path::Path;

use crate::doctor::facts::Facts;
use crate::doctor::finding::{CheckResult, Finding, FindingKind, Severity};
use crate::doctor::network::ProbeOutcome;
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
    let severity = if seconds <= CLOCK_ERROR_SECONDS { Severity::Warning } else { Severity::Error };
    let direction = if offset > 0 { "ahead" } else { "behind" };
    let effect = "certificates and tokens may seem expired or not yet valid";
    let problem = format!("this machine's clock is {seconds} s {direction}: {effect}");
    let evidence = format!("the Date of the response to GET {url}; no other provider's is closer");
    let fix = facts.choose_fix("sudo timedatectl set-ntp true", "services.timesyncd.enable = true;");
    let finding = Finding::new(FindingKind::ClockSkew, problem, evidence);
    Ok(vec![finding.with_severity(severity).with_fix(fix)])
}

/// In MiB: below, the finding is a warning or an error.
const LOW_SPACE: u64 = 200;
const NO_SPACE: u64 = 10;

pub(super) fn state_directory(facts: &Facts) -> CheckResult {
    let state = facts.require_state_directory()?;
    let path = state.path.display();
    let mut found = Vec::new();
    let mut add = |kind, problem: String, evidence: String, fix: String| {
        found.push(Finding::new(kind, problem, evidence).with_fix(fix).with_path(&state.path));
    };
    if let Some(why) = &state.write_error {
        let fix = match state.path.is_file() {
            true => format!("mv {path} {path}.old"),
            false => format!("install -d -m 0700 {path}, as the user who runs the gateway"),
        };
        let problem = format!("the state directory {path} cannot be written");
        add(FindingKind::UnwritableState, problem, why.clone(), fix);
    }
    if let Some(permissions) = state.permissions {
        let (mode, uid) = (permissions.mode, permissions.uid);
        if mode & 0o077 != 0 {
            let problem =
                format!("other users can read the state directory {path}, with tokens, sessions and usage");
            let (evidence, fix) = (format!("its mode is {mode:03o}"), format!("chmod 700 {path}"));
            add(FindingKind::StateOpenToOthers, problem, evidence, fix);
        }
        if uid != facts.uid {
            let problem = format!("the state directory {path} belongs to another user");
            let fix = format!("chown -R \"$USER\" {path}");
            add(FindingKind::StateOfOtherUser, problem, format!("its owner is user {uid}"), fix);
        }
    }
    if let Some(free) = state.free_bytes.map(|bytes| bytes >> 20).filter(|free| *free < LOW_SPACE) {
        let problem = format!("the disk of the state directory {path} has {free} MiB left");
        let fix = "free disk space, or lower usage.retentionDays";
        add(FindingKind::DiskFull, problem, "statvfs".to_owned(), fix.to_owned());
        if free < NO_SPACE
            && let Some(finding) = found.last_mut()
        {
            finding.severity = Severity::Error;
        }
    }
    Ok(found)
}

/// Finds a state directory that is a symbolic link to the configuration directory.
///
/// systemd creates such a link for a user's service when the state directory is missing and a configuration directory of
/// the same name exists (`setup_exec_directory` in systemd's `exec-invoke.c`). The state is then stored among the
/// configuration, and a sandbox that lets the service write its state lets it write its configuration.
pub(super) fn state_link(facts: &Facts) -> CheckResult {
    let state = facts.require_state_directory()?;
    let Some((configuration, entries)) = &state.link else { return Ok(Vec::new()) };
    let problem = format!(
        "the state directory {} is a symbolic link to the configuration directory {}: the database and the sessions are \
         stored among the configuration, and the service can write its own configuration",
        state.path.display(),
        configuration.display()
    );
    let evidence = "systemd links the two if the state directory is missing when the service starts. The service cannot undo it: \
               systemd resolves the link before the service runs, and its sandbox hides the rest of the home";
    let fix = unlink_command(&state.path, configuration, entries, facts);
    let finding = Finding::new(FindingKind::LinkedStateDirectory, problem, evidence);
    Ok(vec![finding.with_fix(fix).with_path(&state.path)])
}

/// One command line that replaces the link by a directory with the state that is stored behind it. It ends at the first
/// command that fails.
fn unlink_command(state: &Path, configuration: &Path, entries: &[&str], facts: &Facts) -> String {
    let (path, configuration) = (quote(state), quote(configuration));
    // The shell expands the pattern after the stop, which removes some files of the database.
    let entries: String = entries.iter().map(|entry| format!("{configuration}/{entry} ")).collect();
    let moves = if entries.is_empty() { String::new() } else { format!(" && mv {entries}{path}/") };
    let commands = format!("rm {path} && mkdir -m 700 {path}{moves}");
    let Some(unit) = facts.installed_unit() else {
        return format!("stop the gateway if it runs, then: {commands}");
    };
    let socket = if unit.socket_state.exists() { format!("{SOCKET_NAME} ") } else { String::new() };
    let units = format!("{socket}{SERVICE_NAME}");
    format!("systemctl --user stop {units} && {commands} && systemctl --user start {units}")
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
        let path = state.path.display();
        let fix = format!(
            "mv {path}/ledger.sqlite {path}/ledger.old; the gateway creates a new one at its next start"
        );
        let finding = Finding::new(FindingKind::UnreadableUsageDatabase, problem, why);
        found.push(finding.with_fix(fix).with_path(&state.path));
    }
    let Some(database) = facts.gateway_status().map(|status| &status.ledger) else { return Ok(found) };
    let (lost, evidence) = (database.dropped, "moonrelay gateway status");
    if let Some(why) = &database.trouble {
        let problem =
            format!("the running gateway cannot write the usage database ({lost} entries lost): {why}");
        let finding = Finding::new(FindingKind::UsageDatabaseNotWritten, problem, evidence);
        found.push(finding.with_fix("fix this; writes resume automatically"));
    } else if lost > 0 {
        let problem = format!("the running gateway lost {lost} entries of the usage database");
        found.push(Finding::new(FindingKind::UsageEntriesLost, problem, evidence));
    }
    Ok(found)
}
