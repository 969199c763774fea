//! The unit in the user's own systemd.

use std::path::Path;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::service::UnitFacts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::service::unit::SERVICE_NAME;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "unit",
    group: "Service",
    description: "the unit is installed, enabled and active, and why it is not; it runs this program with this configuration; systemd has read its file",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let service = facts.service.as_ref();
    let service = service.map_err(|why| format!("no systemd of your own answers: {why}"))?;
    if service.is_system_unit {
        return facts.require_unit().map(|_| Vec::new());
    }
    if !service.service_state.exists() {
        let runs = if facts.gateway_status().is_some() {
            "the gateway that runs ends with its terminal"
        } else {
            "the gateway starts only by hand"
        };
        let finding = Finding::info(
            FindingKind::NoUnit,
            format!("no unit is installed: {runs}"),
            format!("systemctl --user show {SERVICE_NAME}"),
        );
        return Ok(vec![
            finding
                .with_fix(facts.choose_fix("moonrelay service install", "services.moonrelay.enable = true;")),
        ]);
    }
    let mut found = Vec::new();
    found.extend(check_active(service, facts));
    found.extend(check_enabled(service, facts));
    if service.service_state.get("NeedDaemonReload") == "yes" {
        let what = "the unit's file was changed, and systemd has not read it again";
        found.push(
            Finding::warning(FindingKind::DaemonReloadNeeded, what, "NeedDaemonReload=yes")
                .with_fix("systemctl --user daemon-reload"),
        );
    }
    found.extend(check_program(service, facts));
    found.extend(check_config(service, facts));
    Ok(found)
}

/// State of the service and its socket.
fn check_active(service: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let (active, result) = (service.service_state.active_state(), service.service_state.get("Result"));
    let how = format!(
        "systemctl --user show {SERVICE_NAME}: ActiveState={active}, Result={result}, ExecMainStatus={}",
        service.service_state.exit_code()
    );
    let socket_waits = service.socket_state.active_state() == "active";
    match active {
        "failed" => {
            let (meaning, fix) = explain_exit(service.service_state.exit_code(), result, facts);
            Some(
                Finding::error(FindingKind::UnitFailed, format!("the unit failed: {meaning}"), how)
                    .with_fix(fix),
            )
        }
        "inactive" if socket_waits => None,
        "inactive" => Some(
            Finding::warning(FindingKind::UnitInactive, "the unit does not run", how)
                .with_fix("moonrelay gateway start"),
        ),
        // The state between two starts of a failing service.
        "activating" if service.service_state.exit_code() != "0" => {
            let (meaning, fix) = explain_exit(service.service_state.exit_code(), result, facts);
            Some(
                Finding::error(
                    FindingKind::UnitRestarting,
                    format!("the unit starts again and again: {meaning}"),
                    how,
                )
                .with_fix(fix),
            )
        }
        _ => None,
    }
}

/// Meaning and fix of an exit status (systemd.exec(5), "Process Exit Codes").
fn explain_exit(status: &str, result: &str, facts: &Facts) -> (String, String) {
    let sandbox = || {
        facts.choose_fix(
            "systemctl --user edit moonrelay, and take the sandbox's lines out",
            "services.moonrelay.sandbox = \"syscalls\";",
        )
    };
    let logs = || "moonrelay gateway logs -n 20".to_owned();
    let (meaning, fix) = match (status, result) {
        ("78", _) => (
            "the configuration does not serve (78)",
            "moonrelay config validate, and then moonrelay gateway start".to_owned(),
        ),
        ("200", _) => ("its directory cannot be entered (200/CHDIR)", logs()),
        ("203", _) => (
            "its program is not there or is no program (203/EXEC)",
            facts.choose_fix("moonrelay service install", "home-manager switch"),
        ),
        ("217", _) => ("no user namespace can be made for its sandbox (217/USER)", sandbox()),
        ("218", _) => {
            ("a user namespace gives no rights here, AppArmor holds it down (218/CAPABILITIES)", sandbox())
        }
        ("226", _) => ("its sandbox cannot be set up (226/NAMESPACE)", sandbox()),
        ("238", _) => (
            "its state directory cannot be made (238/STATE_DIRECTORY)",
            "ls -ld ~/.local/state ~/.local/state/moonrelay".to_owned(),
        ),
        ("243", _) => (
            "the file of a credential is there and cannot be read (243/CREDENTIALS)",
            "systemctl --user cat moonrelay | grep Credential, and the owner and mode of that file"
                .to_owned(),
        ),
        (_, "watchdog") => ("it did not answer its watchdog", logs()),
        (_, "oom-kill") => ("this machine had no memory left", logs()),
        (_, "start-limit-hit") => (
            "it ended ten times in a few minutes",
            "moonrelay gateway logs -n 20, and then moonrelay gateway start".to_owned(),
        ),
        ("1", _) => ("it ended with 1: another program may hold its port", logs()),
        _ => ("see its log", logs()),
    };
    (meaning.to_owned(), fix)
}

fn check_enabled(service: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let of = |state: &crate::service::systemctl::UnitState| state.get("UnitFileState").to_owned();
    let (own, socket) = (of(&service.service_state), of(&service.socket_state));
    let starts = |state: &str| {
        matches!(state, "enabled" | "enabled-runtime" | "linked" | "static" | "generated" | "alias" | "")
    };
    if starts(&own) || (service.socket_state.exists() && socket == "enabled") {
        return None;
    }
    let finding = Finding::warning(
        FindingKind::UnitDisabled,
        format!("the unit is {own}: it does not start with your session"),
        format!("systemctl --user is-enabled {SERVICE_NAME}"),
    );
    Some(finding.with_fix(
        facts.choose_fix(
            format!("systemctl --user enable {SERVICE_NAME}"),
            "services.moonrelay.enable = true;",
        ),
    ))
}

fn check_program(service: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let program = service.unit_file.program().map(|path| path.display().to_string()).unwrap_or_default();
    if service.is_replaced {
        let finding = Finding::warning(
            FindingKind::ProgramReplaced,
            "the unit runs a program that was replaced since",
            "its process's program is deleted",
        );
        return Some(finding.with_fix("moonrelay gateway restart"));
    }
    let said = service.other_program_version.as_deref()?;
    let own = concat!("moonrelay ", env!("CARGO_PKG_VERSION"));
    let how = format!("ExecStart= of {}", service.service_state.file());
    let fix = facts.choose_fix("moonrelay service install", "services.moonrelay.package = …; # and switch");
    if said == own {
        return Some(Finding::info(
            FindingKind::OtherCopy,
            format!("the unit runs another copy of this version: {program}"),
            how,
        ));
    }
    let what = format!("the unit runs another program than this: {program} ({said}), and this is {own}");
    Some(Finding::warning(FindingKind::OtherProgram, what, how).with_fix(fix))
}

fn check_config(service: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let own = facts.config.path.as_deref()?;
    let named = service.unit_file.config();
    let by_variable = service.unit_file.variables.iter().find(|(name, _)| name == "MOONRELAY_CONFIG");
    let by_variable =
        by_variable.map(|(_, path)| path).or_else(|| service.manager_variables.get("MOONRELAY_CONFIG"));
    let read = named.or_else(|| by_variable.map(Into::into));
    let read = read
        .or_else(|| facts.environment.config_directory().map(|directory| directory.join("config.json5")))?;
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if canonical(&read) == canonical(own) {
        return None;
    }
    let what = format!("the unit reads {}, and what is checked here is {}", read.display(), own.display());
    let named = if facts.config.is_explicit {
        "--config or MOONRELAY_CONFIG of this shell"
    } else {
        "its --config or MOONRELAY_CONFIG"
    };
    let finding = Finding::warning(
        FindingKind::UnitReadsOtherConfiguration,
        what,
        format!("{}, and {named}", service.service_state.file()),
    );
    Some(finding.with_fix(facts.choose_fix(
        format!("moonrelay service install --config {}", own.display()),
        format!("moonrelay doctor --config {}", read.display()),
    )))
}
