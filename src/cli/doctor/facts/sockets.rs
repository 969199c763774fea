//! Listeners on this machine's TCP ports, from proc(5); Linux only.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt;

/// A socket that waits for connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct ListeningSocket {
    /// Where.
    pub(in crate::cli::doctor) ip: IpAddr,
    /// Where.
    pub(in crate::cli::doctor) port: u16,
    /// Owner of the socket.
    pub(in crate::cli::doctor) owner_uid: u32,
    /// Process that holds the socket; `None` if this user may not see it.
    pub(in crate::cli::doctor) process: Option<SocketProcess>,
    inode: u64,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct SocketProcess {
    /// Its id.
    pub(in crate::cli::doctor) pid: u32,
    /// Its program's name alone: arguments may hold keys.
    pub(in crate::cli::doctor) program: String,
}

/// The current user.
pub(super) fn current_uid() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|facts| facts.uid())
}

/// Every listener, without the process for other users' sockets; `None` if the kernel provides no table.
pub(in crate::cli::doctor) fn list_listeners() -> Option<Vec<ListeningSocket>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    if tables.iter().all(Result::is_err) {
        return None;
    }
    let mut listeners: Vec<ListeningSocket> =
        tables.iter().flatten().flat_map(|table| read_table(table)).collect();
    name_holders(&mut listeners);
    Some(listeners)
}

/// `/proc/net/tcp`: addresses in hexadecimal words of the machine's byte order, state `0A`.
fn read_table(table: &str) -> Vec<ListeningSocket> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = words.get(1)?.split_once(':')?;
        (*words.get(3)? == "0A").then_some(())?;
        Some(ListeningSocket {
            ip: address(ip)?,
            port: u16::from_str_radix(port, 16).ok()?,
            owner_uid: words.get(7)?.parse().ok()?,
            inode: words.get(9)?.parse().ok()?,
            process: None,
        })
    };
    table.lines().filter_map(row).collect()
}

fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (place, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(place * 8)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// Searches for each socket in the open files of every readable process.
fn name_holders(listeners: &mut [ListeningSocket]) {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for file in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(file.path()) else { continue };
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            let inode = inode.and_then(|inode| inode.parse::<u64>().ok());
            for listener in listeners.iter_mut().filter(|one| Some(one.inode) == inode) {
                // Children that inherited a socket have higher ids and come later; either process is a correct
                // answer.
                listener.process.get_or_insert_with(|| SocketProcess { pid, program: program(pid) });
            }
        }
    }
}

fn program(pid: u32) -> String {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let name =
        program.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let short = || fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim().to_owned());
    name.or_else(|| short().ok()).unwrap_or_else(|| "?".to_owned()).trim_end_matches(" (deleted)").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:07B1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0\n   \
            1: 0100007F:07B1 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0 100 0 0 10 0\n   \
            2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1 0\n";
        let found: Vec<_> = read_table(table)
            .into_iter()
            .map(|one| (one.ip.to_string(), one.port, one.owner_uid, one.inode))
            .collect();
        assert_eq!(found, [("127.0.0.1".to_owned(), 1969, 1000, 4242), ("::1".to_owned(), 80, 0, 7)]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_this_process_is_found_with_its_holder() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let all = list_listeners().unwrap();
        let own = all.iter().find(|one| one.port == port).unwrap();
        assert_eq!(own.process.as_ref().unwrap().pid, std::process::id());
        assert_eq!(Some(own.owner_uid), current_uid());
    }
}
