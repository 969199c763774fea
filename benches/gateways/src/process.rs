//! Gateways as processes: pinned, started, counted, ended.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, pidfd_open,
    setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::row::{Launch, Place};

/// The core of the gateways, and the one of the load generator and the mock.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Gateways.
    pub gateway: usize,
    /// All else.
    pub load: usize,
}

impl Cores {
    /// The first and the last that this process may use; puts this thread on the last.
    ///
    /// # Errors
    ///
    /// When there is only one.
    pub fn claim() -> Result<Self, String> {
        let allowed = sched_getaffinity(None).map_err(|error| error.to_string())?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let gateway = cores.next().ok_or("no core")?;
        let load = cores.next_back().ok_or("two cores are needed: one for the gateway, one for the load")?;
        pin(load).map_err(|error| error.to_string())?;
        Ok(Self { gateway, load })
    }
}

/// Puts this thread on one core.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Lets this process and its children open as many files as the system allows.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Refused: the cases with thousands of streams will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A running gateway; it ends, with its children, when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// What a process and its children use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time in nanoseconds.
    pub cpu: u64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// The most of it since [`Process::forget_peak`].
    pub peak: u64,
    /// Processes.
    pub processes: usize,
}

impl Process {
    /// Starts it on the gateways' core, with its files written.
    ///
    /// # Errors
    ///
    /// When a file cannot be written or the program cannot be started.
    pub fn start(launch: &Launch, place: &Place<'_>, cores: Cores) -> io::Result<Self> {
        for (path, bytes) in &launch.files {
            let path = place.home.join(path);
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(path, bytes)?;
        }
        let (program, arguments) = launch.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let log = fs::File::create(place.home.join("gateway.log"))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(place.home).env_clear();
        command.env("HOME", place.home).env("TMPDIR", place.home);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(launch.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        // A child begins where its parent is.
        pin(cores.gateway)?;
        let child = command.spawn();
        pin(cores.load)?;
        Ok(Self { child: child? })
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it and its children use now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        tree(self.child.id()).into_iter().fold(Usage::default(), |sum, process| {
            let of = usage(process).unwrap_or_default();
            Usage {
                cpu: sum.cpu + of.cpu,
                rss: sum.rss + of.rss,
                peak: sum.peak + of.peak,
                processes: sum.processes + 1,
            }
        })
    }

    /// Lets the peak begin anew from what is used now.
    pub fn forget_peak(&self) {
        for process in tree(self.child.id()) {
            // Where the kernel has no such file the peak is the one of the whole life.
            let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
        }
    }

    /// Ends it; kills it when it takes longer than five seconds.
    pub fn end(&mut self) {
        let pid = |process: u32| i32::try_from(process).ok().and_then(Pid::from_raw);
        let group = pid(self.child.id());
        let send = |signal| group.map(|group| kill_process_group(group, signal));
        // Some that it started may have left its group.
        let others: Vec<u32> = tree(self.child.id()).split_off(1);
        if self.runs() {
            send(Signal::TERM);
        }
        if self.runs()
            && let Some(ended) = group.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok())
        {
            let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
            // Whatever came of it, it is killed next.
            let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&patience));
        }
        send(Signal::KILL);
        for other in others.into_iter().filter_map(pid) {
            let _ = kill_process(other, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The end of its output, to explain a failed start.
#[must_use]
pub fn last_words(home: &Path) -> String {
    let text = fs::read(home.join("gateway.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// A process and all that descend from it.
fn tree(root: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pairs: Vec<(u32, u32)> = processes
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            Some((process, stat(process)?.first()?.parse().ok()?))
        })
        .collect();
    let mut tree = vec![root];
    let mut place = 0;
    while let Some(parent) = tree.get(place).copied() {
        tree.extend(pairs.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        place += 1;
    }
    tree
}

/// The fields of `stat` behind the name and the state: the parent is the first.
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').skip(1).map(str::to_owned).collect())
}

fn usage(process: u32) -> Option<Usage> {
    let stat = stat(process)?;
    // `utime` and `stime` are fields 14 and 15 of proc(5); ours begin with field 4.
    let ticks: u64 = [10, 11].iter().filter_map(|field| stat.get(*field)?.parse::<u64>().ok()).sum();
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kilobytes = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    let cpu = ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second().max(1));
    Some(Usage { cpu, rss: kilobytes("VmRSS:") << 10, peak: kilobytes("VmHWM:") << 10, processes: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_process_has_usage() {
        let usage = usage(std::process::id()).expect("it is in /proc");
        assert!(usage.rss > 100 << 10 && usage.peak >= usage.rss, "{usage:?}");
        assert!(tree(std::process::id()).contains(&std::process::id()));
    }
}
