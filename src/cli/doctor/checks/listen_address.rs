//! The gateway's listen addresses, and other processes that use them.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::sockets::ListeningSocket;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::Bind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "place",
    group: "Service",
    description: "the port is free or the gateway's own, and by whom it is taken otherwise (process and program); a UNIX socket's path can be used",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let gateway = &facts.require_settings()?.gateway;
    if facts.gateway_status().is_some() {
        return Ok(Vec::new());
    }
    let ip = match &gateway.bind {
        Bind::Unix(path) => return Ok(check_socket_path(path).into_iter().collect()),
        Bind::Loopback => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Bind::All => None,
        Bind::Address(ip) => Some(*ip),
    };
    let listeners = facts.listeners.as_ref().ok_or("this system does not tell who listens where")?;
    let of_systemd =
        facts.installed_unit().is_some_and(|unit| unit.socket_state.get("ActiveState") == "active");
    let taken = listeners
        .iter()
        .filter(|other| gateway.port != 0 && other.port == gateway.port && conflicts(ip, other.ip));
    let strangers = taken.filter(|other| !(of_systemd && is_systemd(other)));
    // The same program may hold the port on several addresses.
    let first = strangers.into_iter().next();
    Ok(first.map(|other| port_taken(other, gateway.port, facts)).into_iter().collect())
}

/// Whether both addresses conflict: equal, or one is a wildcard. `None` is the wildcard address.
fn conflicts(own: Option<IpAddr>, other: IpAddr) -> bool {
    own.is_none_or(|own| own == other || other.is_unspecified() || own.is_unspecified())
}

fn is_systemd(other: &ListeningSocket) -> bool {
    other.process.as_ref().is_none_or(|holder| holder.program == "systemd")
}

fn port_taken(other: &ListeningSocket, port: u16, facts: &Facts) -> Finding {
    let who = match &other.process {
        Some(holder) => format!("{} (process {})", holder.program, holder.pid),
        None => format!("a process of user {}", other.owner_uid),
    };
    let how = format!(
        "the kernel's list of listening sockets (/proc/net) has {}:{port}, and nothing there answers as the gateway does",
        other.ip
    );
    if let Some(holder) = other.process.as_ref().filter(|holder| holder.program == "moonrelay") {
        let what = format!(
            "port {port} is held by another moonrelay ({who}) that does not answer this configuration"
        );
        let fix = format!("moonrelay gateway restart, or where it runs by hand: kill {}", holder.pid);
        return Finding::error(FindingKind::PortHeldByMoonrelay, what, how).with_fix(fix);
    }
    let free = port.checked_add(1).unwrap_or(1969);
    Finding::error(
        FindingKind::PortTaken,
        format!("port {port} is taken by {who}: the gateway cannot listen there"),
        how,
    )
    .with_fix(facts.choose_fix(
        format!("moonrelay config set gateway.port {free}"),
        format!("services.moonrelay.settings.gateway.port = {free};"),
    ))
}

fn check_socket_path(path: &Path) -> Option<Finding> {
    let shown = path.display();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.is_dir()) {
        let finding = Finding::error(
            FindingKind::MissingSocketDirectory,
            format!("the directory of the socket {shown} is not there"),
            "gateway.bind names it",
        );
        return Some(
            finding.with_fix(format!("mkdir -p {}", directory.unwrap_or(path).display())).with_path(path),
        );
    }
    let there = path.symlink_metadata().ok()?;
    if !there.file_type().is_socket() {
        let finding = Finding::error(
            FindingKind::NotASocket,
            format!("{shown} is there and is no socket: the gateway does not replace it"),
            "gateway.bind names it",
        );
        return Some(finding.with_fix(format!("mv {shown} {shown}.old")).with_path(path));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            let what =
                format!("the socket {shown} was left by a process that is gone; the next start replaces it");
            Some(
                Finding::info(FindingKind::StaleSocket, what, "nobody takes a connection there")
                    .with_path(path),
            )
        }
        Err(error) => Some(
            Finding::error(
                FindingKind::UnreachableSocket,
                format!("the socket {shown} cannot be opened"),
                error.to_string(),
            )
            .with_path(path),
        ),
        Ok(_) => {
            let what = format!("somebody else listens on {shown}");
            Some(
                Finding::error(
                    FindingKind::SocketTaken,
                    what,
                    "it takes a connection, and does not answer as the gateway does",
                )
                .with_path(path),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_listens_everywhere_is_in_the_way() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (own, other, expected) in [
            (Some("127.0.0.1"), "127.0.0.1", true),
            (Some("127.0.0.1"), "0.0.0.0", true),
            (Some("127.0.0.1"), "::", true),
            (Some("127.0.0.1"), "192.0.2.7", false),
            (None, "192.0.2.7", true),
        ] {
            assert_eq!(conflicts(own.map(ip), ip(other)), expected, "{own:?} {other}");
        }
    }
}
