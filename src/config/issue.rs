//! Errors of a configuration, and their positions.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::Tree;
use super::keypath::KeyPath;
use super::settings::{SecretsFileProblem, Warning, WarningKind};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `models.providers.kimi.baseUrl`, or `<root>`.
    pub path: String,
    /// What is wrong, with the offending value (never a secret) and the fix.
    pub message: String,
    /// From 1; 0 if the position is unknown.
    pub line: usize,
    /// In characters, from 1; 0 if the position is unknown.
    pub column: usize,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// A configuration that cannot be used, with every reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, where there is one.
    pub path: Option<PathBuf>,
    /// Every reason, in the order of the file.
    pub issues: Vec<Issue>,
}

impl ConfigError {
    pub(super) fn from_unreadable_file(path: &Path, why: &str) -> Self {
        let message = format!("{} cannot be read: {why}", path.display());
        let issue = Issue { path: "<root>".to_owned(), message, line: 0, column: 0 };
        Self { path: Some(path.to_owned()), issues: vec![issue] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.issues.len();
        let noun = if count == 1 { "error" } else { "errors" };
        match &self.path {
            Some(path) => write!(f, "{}: {count} {noun}", path.display())?,
            None => write!(f, "the configuration has {count} {noun}")?,
        }
        for issue in &self.issues {
            write!(f, "\n  {issue}")?;
        }
        Ok(())
    }
}

/// Collects what a pass over the tree finds.
#[derive(Debug)]
pub struct Diagnostics<'t> {
    tree: &'t Tree,
    issues: Vec<Issue>,
    warnings: Vec<Warning>,
}

impl<'t> Diagnostics<'t> {
    /// An empty one.
    #[must_use]
    pub const fn new(tree: &'t Tree) -> Self {
        Self { tree, issues: Vec::new(), warnings: Vec::new() }
    }

    /// Something is wrong at this offset of the text.
    pub fn add_error(&mut self, path: &KeyPath, offset: usize, message: impl Into<String>) {
        let (line, column) = self.tree.position(offset);
        self.issues.push(Issue { path: path.to_string(), message: message.into(), line, column });
    }

    /// Something is not wrong enough to refuse the configuration. The same warning is kept once.
    pub fn add_warning(&mut self, path: &KeyPath, kind: WarningKind) {
        let warning = Warning::new(path.to_string(), kind);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Something is not right with the secrets file.
    pub fn warn_of_secrets_file(&mut self, file: &Path, problem: SecretsFileProblem) {
        self.warnings.push(Warning::new(file.display().to_string(), WarningKind::SecretsFile(problem)));
    }

    /// As [`Diagnostics::add_warning`], but the same kind at another path is not repeated.
    pub fn add_warning_once(&mut self, path: &KeyPath, kind: WarningKind) {
        if !self.warnings.iter().any(|known| known.kind == kind) {
            self.warnings.push(Warning::new(path.to_string(), kind));
        }
    }

    /// What was found.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Issue>, Vec<Warning>) {
        (self.issues, self.warnings)
    }
}
