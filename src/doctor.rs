//! Checks of the configuration, the keys, the providers, the service and the machine, as typed findings.
//!
//! `Facts::gather` runs every query once, with a timeout. A check is a function of these facts, so that a test states
//! the facts and reads the findings. This module prints nothing.

pub mod finding;
pub(crate) mod provider_query;
mod network;
mod files;
mod systemd;
mod facts;
pub mod checks;
#[cfg(test)]
mod tests;

use serde::Serialize;

use self::checks::CHECKS;
pub(crate) use self::facts::Facts;
pub(crate) use self::finding::{Finding, Severity};

/// The result of all checks, as in `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) ok: bool,
    checks_run: usize,
    pub(crate) checks_skipped: Vec<SkippedCheck>,
    /// The findings, in the order of the checks.
    pub(crate) findings: Vec<ReportedFinding>,
    #[serde(skip)]
    pub(crate) check_names: Vec<&'static str>,
}

/// A check that could not run.
#[derive(Debug, Serialize)]
pub(crate) struct SkippedCheck {
    pub(crate) check: &'static str,
    pub(crate) why: String,
}

/// A finding with its check.
#[derive(Debug, Serialize)]
pub(crate) struct ReportedFinding {
    pub(crate) check: &'static str,
    #[serde(skip)]
    pub(crate) group: &'static str,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

impl Report {
    pub(crate) fn from_facts(facts: &Facts) -> Self {
        let (mut findings, mut checks_skipped, mut check_names) = (Vec::new(), Vec::new(), Vec::new());
        for &checks::Check { name: check, group, needs_network, run, .. } in CHECKS {
            let is_skipped = needs_network && facts.provider_probes.is_none();
            let result = if is_skipped { Err(facts.no_probe_reason().to_owned()) } else { run(facts) };
            match result {
                Ok(found) => {
                    check_names.push(check);
                    let found = found.into_iter();
                    findings.extend(found.map(|finding| ReportedFinding { check, group, finding }));
                }
                Err(why) => checks_skipped.push(SkippedCheck { check, why }),
            }
        }
        let ok = findings.iter().all(|found| found.finding.severity != Severity::Error);
        Self { ok, checks_run: check_names.len(), checks_skipped, findings, check_names }
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|found| found.finding.severity == severity).count()
    }
}
