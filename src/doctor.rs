//! Checks of the configuration, the keys, the providers, the service and the machine, as typed findings.
//!
//! `Facts::gather` runs every query once, with a timeout. A check is a function of these facts, so that a test states
//! the facts and reads the findings. This module prints nothing.

pub mod checks;
mod config_facts;
pub(crate) mod facts;
pub mod kind;
mod network;
pub(crate) mod provider_query;
mod systemd;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::checks::CHECKS;
pub(crate) use self::facts::Facts;
use self::kind::FindingKind;

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Something does not work, or a secret is readable by others. The command exits with 1.
    Error,
    /// A problem that will occur later, or for some users.
    Warning,
    /// Good to know.
    Info,
}

/// A problem. Its texts never contain a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    pub(crate) severity: Severity,
    #[serde(rename = "what")]
    pub(crate) problem: String,
    #[serde(rename = "how")]
    pub(crate) evidence: String,
    /// A command, or a line of the Nix configuration.
    pub(crate) fix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
}

impl Finding {
    fn new(
        severity: Severity,
        kind: FindingKind,
        problem: impl Into<String>,
        evidence: impl Into<String>,
    ) -> Self {
        let (problem, evidence) = (problem.into(), evidence.into());
        Self { kind, severity, problem, evidence, fix: None, path: None }
    }

    fn error(kind: FindingKind, problem: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self::new(Severity::Error, kind, problem, evidence)
    }

    fn warning(kind: FindingKind, problem: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self::new(Severity::Warning, kind, problem, evidence)
    }

    fn info(kind: FindingKind, problem: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self::new(Severity::Info, kind, problem, evidence)
    }

    fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    fn with_path(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }
}

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
