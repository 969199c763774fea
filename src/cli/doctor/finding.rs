//! The result of a check.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::kind::FindingKind;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or a secret is open: the command ends with exit 1.
    Error,
    /// A problem that will occur later, or for some users.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// For programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// For people: a symbol and a word, readable without colour.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Error => "✗ error",
            Self::Warning => "! warning",
            Self::Info => "· info",
        }
    }
}

/// One thing that is not as it should be. Never a secret in any of its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// The problem.
    pub problem: String,
    /// How that was found.
    pub evidence: String,
    /// The fix: a command, or a line of the Nix configuration.
    pub fix: Option<String>,
    /// The file that it is about.
    pub path: Option<PathBuf>,
}

impl Finding {
    fn new(severity: Severity, kind: FindingKind, what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { kind, severity, problem: what.into(), evidence: how.into(), fix: None, path: None }
    }

    /// Of severity error.
    pub(super) fn error(kind: FindingKind, what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::new(Severity::Error, kind, what, how)
    }

    /// Of severity warning.
    pub(super) fn warning(kind: FindingKind, what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::new(Severity::Warning, kind, what, how)
    }

    /// Of severity info.
    pub(super) fn info(kind: FindingKind, what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::new(Severity::Info, kind, what, how)
    }

    /// Sets the fix.
    pub(super) fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The file that it is about.
    pub(super) fn with_path(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// For `--json`; `check` is the name of the check.
    pub(super) fn to_json(&self, check: &str) -> Value {
        let mut value = json!({
            "check": check,
            "kind": self.kind.as_str(),
            "severity": self.severity.as_str(),
            "what": self.problem,
            "how": self.evidence,
            "fix": self.fix,
        });
        if let (Some(path), Some(object)) = (&self.path, value.as_object_mut()) {
            object.insert("path".to_owned(), json!(path));
        }
        value
    }
}
