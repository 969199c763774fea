//! The unit, the gateway that it runs, and the gateway's address.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::settings::Bind;
use crate::doctor::facts::{Facts, INVALID_CONFIGURATION};
use crate::doctor::files::is_same_file;
use crate::doctor::finding::{CheckResult, Finding, FindingKind, Severity};
use crate::doctor::systemd::UnitFacts;
use crate::service::unit::SERVICE_NAME;
use crate::upstream::gateway_status::GatewayStatus;

/// Binds the address, unless the gateway or its socket unit serves it.
pub(super) fn listen_address(facts: &Facts) -> CheckResult {
    let gateway = &facts.require_settings()?.gateway;
    if facts.gateway_status().is_some() {
        return Ok(Vec::new());
    }
    let ip = match &gateway.bind {
        Bind::Unix(path) => return Ok(check_socket_path(path).into_iter().collect()),
        Bind::Loopback => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Bind::All => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Bind::Address(ip) => *ip,
    };
    let is_socket_active =
        facts.installed_unit().is_some_and(|unit| unit.socket_state.active_state() == "active");
    let Err(error) = TcpListener::bind((ip, gateway.port)) else { return Ok(Vec::new()) };
    // Systemd listens for the gateway. A host without IPv6 is served over IPv4.
    let has_no_ipv6 = gateway.bind == Bind::All && error.kind() != ErrorKind::AddrInUse;
    if is_socket_active || has_no_ipv6 {
        return Ok(Vec::new());
    }
    let port = gateway.port;
    let (kind, problem, fix) = match error.kind() {
        ErrorKind::AddrInUse => {
            let set = facts.set_fix("gateway.port", &port.checked_add(1).unwrap_or(1969).to_string());
            let fix = format!("ss -ltnp 'sport = :{port}' shows the process; stop it, or {set}");
            (FindingKind::PortTaken, format!("port {port} is in use by another process"), fix)
        }
        ErrorKind::PermissionDenied => {
            let problem = format!("this user must not listen on port {port}");
            (FindingKind::PortNotPermitted, problem, facts.set_fix("gateway.port", "1969"))
        }
        _ => {
            let problem = format!("the gateway cannot listen on {ip}: this machine may not have the address");
            (FindingKind::AddressNotAvailable, problem, facts.set_fix("gateway.bind", "\"loopback\""))
        }
    };
    let evidence = format!("cannot bind {ip} port {port}: {error}");
    Ok(vec![Finding::new(kind, problem, evidence).with_fix(fix)])
}

fn check_socket_path(path: &Path) -> Option<Finding> {
    let shown = path.display();
    let named = "gateway.bind names it".to_owned();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir());
    let (kind, problem, evidence, fix) = if let Some(directory) = directory {
        let problem = format!("the directory of the socket {shown} does not exist");
        let fix = format!("mkdir -p {}", directory.display());
        (FindingKind::MissingSocketDirectory, problem, named, Some(fix))
    } else if !path.symlink_metadata().ok()?.file_type().is_socket() {
        let problem = format!("{shown} exists and is not a socket: the gateway does not replace it");
        (FindingKind::NotASocket, problem, named, Some(format!("mv {shown} {shown}.old")))
    } else {
        let (kind, problem, evidence) = match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => (
                FindingKind::StaleSocket,
                format!(
                    "the socket {shown} was left by a process that has ended; the next start replaces it"
                ),
                "it refuses connections".to_owned(),
            ),
            Err(error) => {
                let problem = format!("the socket {shown} cannot be opened");
                (FindingKind::UnreachableSocket, problem, error.to_string())
            }
            Ok(_) => {
                let evidence = "it accepts connections, but does not respond as the gateway does";
                let problem = format!("another process listens on {shown}");
                (FindingKind::SocketTaken, problem, evidence.to_owned())
            }
        };
        (kind, problem, evidence, None)
    };
    Some(Finding { fix, ..Finding::new(kind, problem, evidence) }.with_path(path))
}

const STATUS: &str = "moonrelay gateway status";

pub(super) fn gateway(facts: &Facts) -> CheckResult {
    let has_unit = facts.installed_unit().is_some();
    let status = match facts.gateway.as_ref().ok_or(INVALID_CONFIGURATION)? {
        Ok(status) => status,
        Err(why) => {
            let start = if has_unit { "moonrelay gateway start" } else { "moonrelay gateway run" };
            let nix = if has_unit { start } else { "services.moonrelay.enable = true;" };
            let problem = "no gateway responds at the configured address";
            let finding = Finding::new(FindingKind::GatewayDown, problem, why);
            return Ok(vec![finding.with_fix(facts.choose_fix(start, nix))]);
        }
    };
    let restart =
        if has_unit { "moonrelay gateway restart" } else { "stop the gateway, then: moonrelay gateway run" };
    let mut found = Vec::new();
    let (version, own) = (&status.version, env!("CARGO_PKG_VERSION"));
    if version != own {
        let problem = format!("the running gateway has version {version}, this program {own}");
        found.push(Finding::new(FindingKind::OtherVersion, problem, STATUS).with_fix(restart));
    }
    let path = facts.config.path.as_deref().filter(|path| path.exists());
    if let Some(path) = path
        && !status.config.as_deref().is_some_and(|config| is_same_file(config, path))
    {
        let other = status.config.as_ref();
        let other = other.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
        let problem = format!("the running gateway reads {other}; doctor checks {}", path.display());
        let finding = Finding::new(FindingKind::OtherConfiguration, problem, STATUS);
        found.push(finding.with_fix(restart).with_path(path));
    }
    found.extend(check_reload(status, facts, path, restart));
    Ok(found)
}

/// A watched file is read again within a second.
const RELOAD_GRACE: Duration = Duration::from_secs(3);

/// A rejected or incomplete reload, otherwise a file that is newer than the gateway's configuration.
fn check_reload(
    status: &GatewayStatus,
    facts: &Facts,
    path: Option<&Path>,
    restart: &str,
) -> Option<Finding> {
    let message = status.reload.as_ref().and_then(|reload| reload.message.as_deref());
    if status.reload.as_ref().is_some_and(|reload| !reload.ok) {
        let message = message.unwrap_or_default();
        let problem =
            format!("the gateway rejected the last change and uses the previous configuration: {message}");
        let fix = "moonrelay config validate, then moonrelay gateway reload";
        return Some(Finding::new(FindingKind::ReloadRejected, problem, STATUS).with_fix(fix));
    }
    if let Some(message) = message {
        let problem = format!("the last reload was applied only in part: {message}");
        return Some(Finding::new(FindingKind::ReloadIncomplete, problem, STATUS).with_fix(restart));
    }
    let path = path?;
    let read_at = match &status.reload {
        Some(reload) => SystemTime::UNIX_EPOCH + Duration::from_millis(reload.at),
        // It has whole seconds.
        None => facts.now.checked_sub(Duration::from_secs(status.uptime_seconds + 1))?,
    };
    // Files in the Nix store are dated 1970; the modification time of the link is used instead.
    let times = [path.metadata().ok()?.modified().ok(), path.symlink_metadata().ok()?.modified().ok()];
    let changed_at = times.into_iter().flatten().max()?;
    let is_after = |later: SystemTime, earlier| {
        later.duration_since(earlier).is_ok_and(|difference| difference > RELOAD_GRACE)
    };
    // A change made just now is still being applied.
    (is_after(changed_at, read_at) && is_after(facts.now, changed_at)).then(|| {
        let problem = format!("{} was changed, and the gateway has not read it again", path.display());
        let evidence = "the modification time of the file and the time of the last reload";
        Finding::new(FindingKind::ReloadPending, problem, evidence)
            .with_fix("moonrelay gateway reload")
            .with_path(path)
    })
}

pub(super) fn cooldowns(facts: &Facts) -> CheckResult {
    let chain = &facts.gateway_status().ok_or("no gateway runs")?.chain;
    let answering = chain.iter().find(|entry| entry.availability.state == "answering");
    let mut found = Vec::new();
    for entry in chain {
        let Some(left) = entry.availability.cooldown_left(facts.now) else { continue };
        let reason = entry.availability.reason.as_deref().unwrap_or_default();
        let seconds = left.as_millis().div_ceil(1000);
        let meanwhile = match answering {
            Some(other) => format!("{} answers", other.target),
            None => "no target is available".to_owned(),
        };
        let problem = format!("{} is in cooldown for {seconds} s ({reason}): {meanwhile}", entry.target);
        // A warning does not end without the user.
        let (severity, fix) = match reason {
            "billing" => {
                (Severity::Warning, Some("add balance or renew the membership on the provider's site"))
            }
            "auth" => (Severity::Warning, Some("moonrelay models status --probe, then replace the key")),
            "quota" => {
                let fix = "nothing to do: it is tried again when the quota resets (moonrelay usage)";
                (Severity::Info, Some(fix))
            }
            _ => (Severity::Info, None),
        };
        let severity = if answering.is_some() { severity } else { Severity::Error };
        let finding = Finding::new(FindingKind::TargetInCooldown, problem, STATUS).with_severity(severity);
        found.push(Finding { fix: fix.map(str::to_owned), ..finding });
    }
    Ok(found)
}

pub(super) fn linger(facts: &Facts) -> CheckResult {
    let unit = facts.require_unit()?;
    if unit.has_linger.ok_or("it is unknown whether lingering is enabled for this user")? {
        return Ok(Vec::new());
    }
    let problem =
        "the gateway stops with your last session and does not start at boot: lingering is disabled";
    let user = facts.environment.get("USER").unwrap_or("NAME");
    let finding = Finding::new(FindingKind::NoLinger, problem, "no file in /var/lib/systemd/linger");
    let nix = format!("users.users.{user}.linger = true;");
    Ok(vec![finding.with_fix(facts.choose_fix("loginctl enable-linger", nix))])
}

pub(super) fn unit(facts: &Facts) -> CheckResult {
    let unit = match facts.require_unit() {
        Ok(unit) => unit,
        Err(why) if facts.service.as_ref().is_ok_and(|service| !service.is_system_unit) => {
            let how = match facts.gateway_status() {
                Some(_) => "the running gateway stops with its terminal",
                None => "the gateway does not start by itself",
            };
            let evidence = format!("systemctl --user show {SERVICE_NAME}");
            let finding = Finding::new(FindingKind::NoUnit, format!("{why}: {how}"), evidence);
            let fix = facts.choose_fix("moonrelay service install", "services.moonrelay.enable = true;");
            return Ok(vec![finding.with_fix(fix)]);
        }
        Err(why) => return Err(why),
    };
    let needs_reload = (unit.service_state.get("NeedDaemonReload") == "yes").then(|| {
        let problem = "the unit's file was changed, and systemd has not read it again";
        Finding::new(FindingKind::DaemonReloadNeeded, problem, "NeedDaemonReload=yes")
            .with_fix("systemctl --user daemon-reload")
    });
    let found = [
        check_active(unit, facts),
        check_enabled(unit, facts),
        needs_reload,
        check_program(unit, facts),
        check_unit_config(unit, facts),
    ];
    Ok(found.into_iter().flatten().collect())
}

fn check_active(unit: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let state = &unit.service_state;
    let (active, result, code) = (state.active_state(), state.get("Result"), state.exit_code());
    let evidence = format!(
        "systemctl --user show {SERVICE_NAME}: ActiveState={active}, Result={result}, ExecMainStatus={code}"
    );
    let (kind, problem) = match active {
        "failed" => (FindingKind::UnitFailed, "the unit failed"),
        // The state between two starts of a failing service.
        "activating" if code != "0" => (FindingKind::UnitRestarting, "the unit fails at each start"),
        "inactive" if unit.socket_state.active_state() != "active" => {
            let finding = Finding::new(FindingKind::UnitInactive, "the unit is not running", evidence);
            return Some(finding.with_fix("moonrelay gateway start"));
        }
        _ => return None,
    };
    let (meaning, fix) = explain_exit(code, result, facts);
    Some(Finding::new(kind, format!("{problem}: {meaning}"), evidence).with_fix(fix))
}

/// Meaning and fix of an exit status (systemd.exec(5), "Process Exit Codes").
fn explain_exit(status: &str, result: &str, facts: &Facts) -> (&'static str, String) {
    let logs = "moonrelay gateway logs -n 20";
    let sandbox = facts.choose_fix(
        "systemctl --user edit moonrelay, and remove the lines of the sandbox",
        "services.moonrelay.sandbox = \"syscalls\";",
    );
    let install = facts.choose_fix("moonrelay service install", "home-manager switch");
    let (meaning, fix) = match (status, result) {
        ("78", _) => {
            ("invalid configuration (78)", "moonrelay config validate, then moonrelay gateway start")
        }
        ("200", _) => ("its working directory cannot be entered (200/CHDIR)", logs),
        ("203", _) => ("its program does not exist or cannot be executed (203/EXEC)", &*install),
        ("217", _) => ("its sandbox needs a user namespace, which cannot be created (217/USER)", &*sandbox),
        ("218", _) => ("AppArmor restricts the user namespace of its sandbox (218/CAPABILITIES)", &*sandbox),
        ("226", _) => ("its sandbox cannot be set up (226/NAMESPACE)", &*sandbox),
        ("238", _) => (
            "its state directory cannot be created (238/STATE_DIRECTORY)",
            "ls -ld ~/.local/state ~/.local/state/moonrelay",
        ),
        ("243", _) => (
            "the file of a credential cannot be read (243/CREDENTIALS)",
            "systemctl --user cat moonrelay | grep Credential, then check the owner and mode of that file",
        ),
        (_, "watchdog") => ("it did not respond to the watchdog", logs),
        (_, "oom-kill") => ("this machine was out of memory", logs),
        (_, "start-limit-hit") => (
            "it failed ten times in a few minutes",
            "moonrelay gateway logs -n 20, then moonrelay gateway start",
        ),
        ("1", _) => ("exit code 1; another process may use its port", logs),
        _ => ("see its log", logs),
    };
    (meaning, fix.to_owned())
}

fn check_enabled(unit: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let state = unit.service_state.get("UnitFileState");
    let is_enabled =
        matches!(state, "enabled" | "enabled-runtime" | "linked" | "static" | "generated" | "alias" | "");
    if is_enabled || (unit.socket_state.exists() && unit.socket_state.get("UnitFileState") == "enabled") {
        return None;
    }
    let problem = format!("the unit is {state}: it does not start with your session");
    let evidence = format!("systemctl --user is-enabled {SERVICE_NAME}");
    let enable = format!("systemctl --user enable {SERVICE_NAME}");
    let fix = facts.choose_fix(enable, "services.moonrelay.enable = true;");
    Some(Finding::new(FindingKind::UnitDisabled, problem, evidence).with_fix(fix))
}

fn check_program(unit: &UnitFacts, facts: &Facts) -> Option<Finding> {
    if unit.is_replaced {
        let problem = "the program of the unit was replaced while it runs";
        let finding = Finding::new(FindingKind::ProgramReplaced, problem, "the running file is deleted");
        return Some(finding.with_fix("moonrelay gateway restart"));
    }
    let version = unit.other_program_version.as_deref()?;
    let own = concat!("moonrelay ", env!("CARGO_PKG_VERSION"));
    let program = unit.program.as_deref().unwrap_or(Path::new("")).display();
    let evidence = format!("ExecStart= of {}", unit.service_state.file());
    if version == own {
        let problem = format!("the unit runs another copy of this version: {program}");
        return Some(Finding::new(FindingKind::OtherCopy, problem, evidence));
    }
    let problem = format!("the unit runs another program: {program} ({version}); this is {own}");
    let fix = facts.choose_fix("moonrelay service install", "services.moonrelay.package = …; # and switch");
    Some(Finding::new(FindingKind::OtherProgram, problem, evidence).with_fix(fix))
}

fn check_unit_config(unit: &UnitFacts, facts: &Facts) -> Option<Finding> {
    let own = facts.config.path.as_deref()?;
    let variable = unit.variables.iter().find(|(name, _)| name == "MOONRELAY_CONFIG").map(|(_, path)| path);
    let variable = variable.or_else(|| unit.manager_variables.get("MOONRELAY_CONFIG"));
    let default = || facts.environment.config_directory().map(|directory| directory.join("config.json5"));
    let path = unit.config.clone().or_else(|| variable.map(Into::into)).or_else(default)?;
    if is_same_file(&path, own) {
        return None;
    }
    let problem = format!("the unit reads {}; doctor checks {}", path.display(), own.display());
    let option = "--config or MOONRELAY_CONFIG";
    let owner = if facts.config.is_explicit { "this shell" } else { "the unit" };
    let evidence = format!("{}, and {option} of {owner}", unit.service_state.file());
    let fix = facts.choose_fix(
        format!("moonrelay service install --config {}", own.display()),
        format!("moonrelay doctor --config {}", path.display()),
    );
    Some(Finding::new(FindingKind::UnitReadsOtherConfiguration, problem, evidence).with_fix(fix))
}
