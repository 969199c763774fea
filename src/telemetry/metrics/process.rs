//! The resource use of the process, as Linux reports it (proc(5)).

/// Bytes of memory that are its own or shared and present.
pub(super) fn read_resident_memory() -> Option<u64> {
    parse_resident_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Descriptors that are open.
pub(super) fn count_open_descriptors() -> Option<u64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is that of the listing itself.
    u64::try_from(count.saturating_sub(1)).ok()
}

fn parse_resident_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::parse_resident_memory;

    #[test]
    fn memory_is_told_in_kibibytes() {
        assert_eq!(
            parse_resident_memory("VmPeak:\t  99 kB\nVmRSS:\t   20480 kB\nRssAnon: 1 kB\n"),
            Some(20_971_520)
        );
        assert_eq!(parse_resident_memory("VmRSS:\tlots\n"), None);
    }
}
