//! The gateway that runs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "gateway",
    group: "Service",
    description: "a gateway runs, with this version, this configuration file and its present content; its last reload was not refused",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let status = match &facts.gateway {
        None => return Err("the configuration is not valid".to_owned()),
        Some(Err(why)) => return Ok(vec![not_running(why, facts)]),
        Some(Ok(status)) => status,
    };
    let mut found = Vec::new();
    let text = |key: &str| status.get(key).and_then(Value::as_str);
    let how = "what it says of itself (moonrelay gateway status)";
    let version = env!("CARGO_PKG_VERSION");
    if let Some(other) = text("version").filter(|other| *other != version) {
        let what = format!("the gateway that runs is version {other}, and this program is {version}");
        found.push(Finding::warning(FindingKind::OtherVersion, what, how).with_fix(restart_command(facts)));
    }
    let path = facts.config.path.as_deref().filter(|path| path.exists());
    let serves = text("config").map(Path::new);
    if let Some(path) = path.filter(|path| serves.is_none_or(|serves| !is_same_file(serves, path))) {
        let serves = serves.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
        let what =
            format!("the gateway that runs reads {serves}, and what is checked here is {}", path.display());
        found.push(
            Finding::warning(FindingKind::OtherConfiguration, what, how)
                .with_fix(restart_command(facts))
                .with_path(path),
        );
    }
    found.extend(check_reload(status, facts, path));
    Ok(found)
}

fn not_running(why: &str, facts: &Facts) -> Finding {
    let fix = match facts.installed_unit() {
        Some(_) => "moonrelay gateway start",
        None => "moonrelay gateway run",
    };
    let finding = Finding::info(
        FindingKind::GatewayDown,
        "no gateway answers where this configuration says",
        why.to_owned(),
    );
    finding.with_fix(facts.choose_fix(
        fix,
        if facts.installed_unit().is_some() { fix } else { "services.moonrelay.enable = true;" },
    ))
}

fn restart_command(facts: &Facts) -> &'static str {
    if facts.installed_unit().is_some() {
        "moonrelay gateway restart"
    } else {
        "end the one that runs, and start it again: moonrelay gateway run"
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// A refusal; else a file that is younger than what serves.
fn check_reload(status: &Value, facts: &Facts, path: Option<&Path>) -> Option<Finding> {
    let message = status.pointer("/reload/message").and_then(Value::as_str);
    if status.pointer("/reload/ok") == Some(&Value::Bool(false)) {
        let what = format!(
            "the gateway serves with the configuration before the last change, as it refused that: {}",
            message.unwrap_or_default()
        );
        return Some(
            Finding::error(FindingKind::ReloadRejected, what, "moonrelay gateway status")
                .with_fix("moonrelay config validate, and then moonrelay gateway reload"),
        );
    }
    if let Some(message) = message {
        return Some(
            Finding::warning(
                FindingKind::ReloadIncomplete,
                format!("of the last reload not everything counts: {message}"),
                "moonrelay gateway status",
            )
            .with_fix(restart_command(facts)),
        );
    }
    let path = path?;
    let read = match status.pointer("/reload/at").and_then(Value::as_u64) {
        Some(at) => SystemTime::UNIX_EPOCH + Duration::from_millis(at),
        // It has whole seconds.
        None => facts.now.checked_sub(Duration::from_secs(status.get("uptimeSeconds")?.as_u64()? + 1))?,
    };
    // Files in the Nix store are dated 1970; the modification time of the link is used instead.
    let changed = [path.metadata().ok()?.modified().ok(), path.symlink_metadata().ok()?.modified().ok()]
        .into_iter()
        .flatten()
        .max()?;
    // A change made just now is still being applied.
    let late = changed.duration_since(read).is_ok_and(|late| late > RELOAD_GRACE)
        && facts.now.duration_since(changed).is_ok_and(|age| age > RELOAD_GRACE);
    late.then(|| {
        let what =
            format!("{} was changed after the gateway read it, and it was not read again", path.display());
        Finding::warning(FindingKind::ReloadPending, what, "the file's time, and that of the last reload")
            .with_fix("moonrelay gateway reload")
            .with_path(path)
    })
}

/// A watched file is read again within a second.
const RELOAD_GRACE: Duration = Duration::from_secs(3);
