//! The configuration as a whole.

use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::files::{File, Role};
use crate::cli::doctor::finding::Finding;
use crate::config::settings::Warning;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "configuration",
    group: "Configuration",
    says: "it is valid, every error with line and column; its warnings; who else may write it; links that lead nowhere",
    asks_providers: false,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let mut found = Vec::new();
    let path = facts.configuration.path.clone().unwrap_or_default();
    match &facts.configuration.settings {
        Err(invalid) => {
            let fix = facts.fix(
                "mend that place; moonrelay config validate says when all is well",
                "mend services.moonrelay.settings there, and switch again",
            );
            found.extend(invalid.issues.iter().map(|issue| {
                Finding::error(issue.to_string(), "moonrelay config validate refuses it").fix(&fix).at(&path)
            }));
        }
        Ok(settings) => {
            let others = settings.warnings.iter().filter(|warning| subject(warning, facts) == Subject::Other);
            found.extend(others.map(|warning| {
                let what = format!("{}: {}", warning.path, warning.message);
                Finding::warning(what, "moonrelay config validate warns of it").at(&path)
            }));
        }
    }
    let own = facts.files.iter().find(|file| file.role == Role::Configuration && !file.in_store);
    found.extend(own.and_then(written_by_others));
    Ok(found)
}

fn written_by_others(file: &File) -> Option<Finding> {
    let mode = file.stat.filter(|stat| stat.mode & 0o022 != 0)?.mode;
    let path = file.path.display();
    let what = format!("others can change the configuration {path}, and with it where your keys are sent");
    let finding = Finding::error(what, format!("its mode is {mode:03o}"));
    Some(finding.fix(format!("chmod go-w {path}")).at(&file.path))
}

/// Which check tells of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Subject {
    /// A key that is missing.
    Key,
    /// A file that others can read, or nobody.
    SecretsFile,
    /// A model that is gone.
    Retired,
    /// Any other.
    Other,
}

pub(in crate::cli::doctor) fn subject(warning: &Warning, facts: &Facts) -> Subject {
    let says = |words: &str| warning.message.contains(words);
    let secrets = facts.environment.secrets_file();
    if secrets.is_some_and(|path| warning.path == path.display().to_string()) {
        // A line that is no text is told by nobody else.
        return if says("left out") { Subject::Other } else { Subject::SecretsFile };
    }
    if says(" was retired on ") {
        return Subject::Retired;
    }
    let off = ["is off until it is", " is off: ", "so it is off: add one", "goes on with its other keys"];
    if off.into_iter().any(says) { Subject::Key } else { Subject::Other }
}
