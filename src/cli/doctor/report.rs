//! The report: for people grouped by subject, most severe first; for programs one object.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::CHECKS;
use super::facts::Facts;
use super::finding::{Finding, Severity};

/// Every finding, with the name and the group of its check, and what was not checked.
pub(super) struct DoctorReport {
    findings: Vec<(&'static str, &'static str, Finding)>,
    checks_run: Vec<&'static str>,
    skipped: Vec<(&'static str, String)>,
}

impl DoctorReport {
    /// Makes every check.
    pub(super) fn from_facts(facts: &Facts) -> Self {
        let mut report = Self { findings: Vec::new(), checks_run: Vec::new(), skipped: Vec::new() };
        for check in CHECKS {
            if check.needs_network && facts.provider_probes.is_none() {
                report.skipped.push((check.name, facts.no_probe_reason().to_owned()));
                continue;
            }
            match (check.run)(facts) {
                Ok(found) => {
                    report.checks_run.push(check.name);
                    report.findings.extend(found.into_iter().map(|found| (check.name, check.group, found)));
                }
                Err(why) => report.skipped.push((check.name, why)),
            }
        }
        report
    }

    /// Whether anything is so wrong that the command fails.
    pub(super) fn has_error(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|(.., found)| found.severity == severity).count()
    }

    /// For `--json`.
    pub(super) fn to_json(&self) -> Value {
        let skipped = self.skipped.iter().map(|(check, why)| json!({ "check": check, "why": why }));
        json!({
            "ok": !self.has_error(),
            "checksRun": self.checks_run.len(),
            "checksSkipped": skipped.collect::<Vec<_>>(),
            "findings": self.findings.iter().map(|(check, _, found)| found.to_json(check)).collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = self.summary_text();
        let mut groups: Vec<&str> = Vec::new();
        for (_, group, _) in &self.findings {
            if !groups.contains(group) {
                groups.push(group);
            }
        }
        for group in groups {
            let _ = write!(text, "\n{group}\n");
            let mut of_group: Vec<_> = self.findings.iter().filter(|(_, other, _)| *other == group).collect();
            of_group.sort_by_key(|(.., found)| found.severity);
            for (check, _, found) in of_group {
                text.push_str(&finding_text(check, found));
            }
        }
        let _ = write!(text, "\nchecked {}: {}\n", self.checks_run.len(), self.checks_run.join(", "));
        for (check, why) in &self.skipped {
            let _ = writeln!(text, "not checked: {check} ({why})");
        }
        text
    }

    fn summary_text(&self) -> String {
        let counted = [Severity::Error, Severity::Warning].map(|severity| match self.count(severity) {
            1 => format!("1 {}", severity.as_str()),
            count => format!("{count} {}s", severity.as_str()),
        });
        match (self.count(Severity::Error), self.count(Severity::Warning)) {
            (0, 0) => "✓ all is well\n".to_owned(),
            _ => format!("{}\n", counted.join(", ")),
        }
    }
}

/// Lines behind the first are moved in below it.
fn finding_text(check: &str, found: &Finding) -> String {
    let inside = |text: &str| text.replace('\n', "\n             ");
    let mut out = format!("  {:<9}  {} [{check}]\n", found.severity.label(), inside(&found.problem));
    let _ = writeln!(out, "      found  {}", inside(&found.evidence));
    if let Some(fix) = &found.fix {
        let _ = writeln!(out, "      fix    {}", inside(fix));
    }
    out
}
