//! The configuration as a whole.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::secret_files::{FileRole, SecretFile};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::{SecretsFileProblem, WarningKind};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "configuration",
    group: "Configuration",
    description: "it is valid, every error with line and column; its warnings; who else may write it; links that lead nowhere",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let mut found = Vec::new();
    let path = facts.config.path.clone().unwrap_or_default();
    match &facts.config.settings {
        Err(invalid) => {
            let fix = facts.choose_fix(
                "mend that place; moonrelay config validate says when all is well",
                "mend services.moonrelay.settings there, and switch again",
            );
            found.extend(invalid.issues.iter().map(|issue| {
                Finding::error(
                    FindingKind::InvalidConfiguration,
                    issue.to_string(),
                    "moonrelay config validate refuses it",
                )
                .with_fix(&fix)
                .with_path(&path)
            }));
        }
        Ok(settings) => {
            let others = settings.warnings.iter().filter(|warning| !has_own_check(&warning.kind));
            found.extend(others.map(|warning| {
                let what = format!("{}: {}", warning.path, warning.message);
                Finding::warning(
                    FindingKind::ConfigurationWarning,
                    what,
                    "moonrelay config validate warns of it",
                )
                .with_path(&path)
            }));
        }
    }
    let own =
        facts.secret_files.iter().find(|file| file.role == FileRole::Configuration && !file.is_in_nix_store);
    found.extend(own.and_then(check_writable_by_others));
    Ok(found)
}

fn check_writable_by_others(file: &SecretFile) -> Option<Finding> {
    let mode = file.permissions.filter(|stat| stat.mode & 0o022 != 0)?.mode;
    let path = file.path.display();
    let what = format!("others can change the configuration {path}, and with it where your keys are sent");
    let finding =
        Finding::error(FindingKind::ConfigurationWritableByOthers, what, format!("its mode is {mode:03o}"));
    Some(finding.with_fix(format!("chmod go-w {path}")).with_path(&file.path))
}

/// Whether another check reports what a warning is about.
fn has_own_check(kind: &WarningKind) -> bool {
    super::keys::kind_of(kind).is_some()
        || matches!(
            kind,
            // `secret-files` does not look at the lines.
            WarningKind::SecretsFile(
                SecretsFileProblem::Unreadable(_) | SecretsFileProblem::OpenToOthers { .. }
            ) | WarningKind::RetiredModel { .. }
        )
}
