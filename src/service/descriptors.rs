//! How many file descriptors the process may have: a session's soft limit is often 1,024, and its hard one far higher.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to `wanted`, or as far as the hard one lets it. The gateway starts no other program that would
/// inherit it.
pub fn raise_limit(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if let Some(soft) = compute_limit(limit.current, limit.maximum, wanted) {
        // Where the system refuses, what there was is enough for fewer.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(soft), ..limit });
    }
}

/// `None` where there is nothing to raise; of a limit, that there is none.
fn compute_limit(soft: Option<u64>, hard: Option<u64>, wanted: u64) -> Option<u64> {
    let reach = hard.map_or(wanted, |hard| hard.min(wanted));
    soft.filter(|soft| *soft < reach).map(|_| reach)
}

#[cfg(test)]
mod tests {
    use super::compute_limit;

    #[test]
    fn a_limit_is_raised_as_far_as_it_may_and_never_lowered() {
        assert_eq!(compute_limit(Some(1024), Some(524_288), 16_384), Some(16_384));
        assert_eq!(compute_limit(Some(1024), Some(4096), 16_384), Some(4096));
        assert_eq!(compute_limit(Some(1024), None, 16_384), Some(16_384));
        for (soft, hard) in [(Some(1024), Some(1024)), (Some(65_536), Some(524_288)), (None, None)] {
            assert_eq!(compute_limit(soft, hard, 16_384), None, "{soft:?} {hard:?}");
        }
    }
}
