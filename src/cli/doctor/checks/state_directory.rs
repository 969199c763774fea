//! The state directory.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::disk::{DiskSpace, StateDirectory, Unwritable};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "state",
    group: "Machine",
    description: "the state directory can be written, is nobody else's (0700), and its disk is not full",
    needs_network: false,
    run,
};

/// In KiB: less is a warning, and with less than the second nothing is kept for long.
const LOW_SPACE_KIB: u64 = 200 * 1024;
const NO_SPACE_KIB: u64 = 10 * 1024;

fn run(facts: &Facts) -> CheckResult {
    let state = facts.state_directory.as_ref().ok_or("no home, or its disk did not answer")?;
    let path = state.path.display();
    let mut found = Vec::new();
    if let Some(why) = &state.write_error {
        let finding = Finding::error(
            FindingKind::UnwritableState,
            format!("nothing can be written to the state directory {path}"),
            why.to_string(),
        );
        let fix = if *why == Unwritable::NotADirectory {
            format!("mv {path} {path}.old")
        } else {
            format!("install -d -m 0700 {path}, as the user who runs the gateway")
        };
        found.push(finding.with_fix(fix).with_path(&state.path));
    }
    if let Some(mode) = state.permissions.map(|stat| stat.mode).filter(|mode| mode & 0o077 != 0) {
        let what = format!(
            "others can look into the state directory {path}: tokens, sessions and what was asked are there"
        );
        let finding =
            Finding::warning(FindingKind::StateOpenToOthers, what, format!("its mode is {mode:03o}"));
        found.push(finding.with_fix(format!("chmod 700 {path}")).with_path(&state.path));
    }
    if let (Some(uid), Some(own)) = (state.permissions.map(|stat| stat.uid), facts.uid)
        && uid != own
    {
        let finding = Finding::warning(
            FindingKind::StateOfOtherUser,
            format!("the state directory {path} belongs to somebody else"),
            format!("its owner is user {uid}"),
        );
        found.push(finding.with_fix(format!("chown -R \"$USER\" {path}")).with_path(&state.path));
    }
    found.extend(check_space(state));
    Ok(found)
}

fn check_space(state: &StateDirectory) -> Option<Finding> {
    let DiskSpace { free_kib: free, used_percent: used } = state.disk_space?;
    let path = state.path.display();
    let what =
        format!("the disk of the state directory {path} has {} MiB left ({used} % are used)", free / 1024);
    let finding = match free {
        free if free < NO_SPACE_KIB => Finding::error(FindingKind::DiskFull, what, "df -Pk"),
        free if free < LOW_SPACE_KIB => Finding::warning(FindingKind::DiskFull, what, "df -Pk"),
        _ => return None,
    };
    Some(finding.with_fix("make room there, or set usage.retentionDays lower").with_path(&state.path))
}
