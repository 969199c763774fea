//! Keys that are missing or readable by others.

use crate::config::edit::nix_lines;
use crate::config::keypath::{KeyPath, PathSegment};
use crate::config::settings::{Missing, SecretOrigin, WarningKind};
use crate::credentials::{LoginError, LoginFile, LoginProblem};
use crate::doctor::facts::{Facts, INVALID_CONFIGURATION};
use crate::doctor::files::{FileRole, SecretFile};
use crate::doctor::finding::{CheckResult, Finding, FindingKind, Severity};

pub(super) fn literal_keys(facts: &Facts) -> CheckResult {
    let file = facts.secret_files.iter().find(|file| file.role == FileRole::Configuration);
    let file = file.ok_or("there is no configuration file")?;
    // The Nix store check reports keys in the store.
    if facts.config.literal_secrets.is_empty() || file.is_in_nix_store {
        return Ok(Vec::new());
    }
    let path = file.path.display();
    let mut found = Vec::new();
    if let Some(mode) = file.permissions.map(|it| it.mode).filter(|mode| mode & 0o044 != 0) {
        let (problem, evidence) =
            (format!("other users can read the keys in {path}"), format!("its mode is {mode:03o}"));
        let finding = Finding::new(FindingKind::ConfigurationReadableByOthers, problem, evidence);
        found.push(finding.with_fix(format!("chmod 600 {path}")).with_path(&file.path));
    }
    let secrets = facts.environment.secrets_file().unwrap_or_default();
    let secrets = secrets.display();
    for key in &facts.config.literal_secrets {
        let name = variable_name(key);
        let problem = format!(
            "the configuration has a key in plain text, which editors, backups and shared screens show: {key}"
        );
        let evidence = format!("the value in {path} is not a ${{VARIABLE}} or a SecretRef");
        let fix = if matches!(key.0.first(), Some(PathSegment::Key(first)) if first == "env") {
            format!("move its line into {secrets} as {name}=…")
        } else {
            format!("moonrelay config set '{key}' '${{{name}}}', with the key as {name}=… in {secrets}")
        };
        let finding = Finding::new(FindingKind::PlainTextKey, problem, evidence);
        found.push(finding.with_fix(fix).with_path(&file.path));
    }
    Ok(found)
}

/// A variable for the key at a path: `KIMI_API_KEY` for `models.providers.kimi.apiKey`.
fn variable_name(path: &KeyPath) -> String {
    let keys = path.0.iter().filter_map(|segment| match segment {
        PathSegment::Key(key) => Some(key.as_str()),
        PathSegment::Index(_) => None,
    });
    let upper = |text: &str| text.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    match keys.collect::<Vec<_>>().as_slice() {
        ["env", .., last] => (*last).to_owned(),
        ["models", "providers", provider, "apiKey"] => format!("{}_API_KEY", upper(provider)),
        ["models", "providers", provider, .., last] => format!("{}_{}", upper(provider), upper(last)),
        ["gateway", "auth", "tokens", name] => format!("MOONRELAY_TOKEN_{}", upper(name)),
        ["gateway", ..] => "MOONRELAY_TOKEN".to_owned(),
        _ => "WEB_SEARCH_API_KEY".to_owned(),
    }
}

pub(super) fn secret_files(facts: &Facts) -> CheckResult {
    // The Nix store check reports files in the store; Nix sets their modes.
    let files = facts.secret_files.iter();
    let files = files.filter(|file| file.role != FileRole::Configuration && !file.is_in_nix_store);
    Ok(files.filter_map(|file| check_secret_file(file, facts.uid)).collect())
}

fn check_secret_file(file: &SecretFile, uid: u32) -> Option<Finding> {
    let (path, name) = (file.path.display(), file.describe());
    let (kind, problem, evidence, fix) = if file.is_dangling {
        let evidence = "the target of the link does not exist".to_owned();
        let problem = format!("{name} is a link to a file that does not exist");
        (FindingKind::DanglingSecretFile, problem, evidence, format!("ls -l {path}, then create the file"))
    } else if let Some(why) = &file.read_error {
        let problem = format!("{name} cannot be read, so its values are missing");
        let fix = format!("ls -ld {path}; it must be your own file with mode 600");
        (FindingKind::UnreadableSecretFile, problem, why.clone(), fix)
    } else {
        let permissions = file.permissions?;
        let (mode, owner) = (permissions.mode, permissions.uid);
        let (kind, problem) = if mode & 0o022 != 0 {
            (FindingKind::SecretFileWritableByOthers, format!("other users can write {name}"))
        } else if mode & 0o004 != 0 {
            (FindingKind::SecretFileReadableByAll, format!("every user of this machine can read {name}"))
        } else if mode & 0o040 != 0 {
            (FindingKind::SecretFileReadableByGroup, format!("its group can read {name}"))
        } else if owner != uid && owner != 0 {
            (FindingKind::SecretFileOfOtherUser, format!("{name} belongs to another user"))
        } else {
            return None;
        };
        match kind {
            FindingKind::SecretFileOfOtherUser => {
                (kind, problem, format!("its owner is user {owner}"), format!("chown \"$USER\" {path}"))
            }
            _ => (kind, problem, format!("its mode is {mode:03o}"), format!("chmod 600 {path}")),
        }
    };
    Some(Finding::new(kind, problem, evidence).with_fix(fix).with_path(&file.path))
}

const IN_STORE: &str =
    "in the Nix store, readable by every user of this machine and in every copy of the store";

pub(super) fn nix_store(facts: &Facts) -> CheckResult {
    let files = facts.secret_files.iter().filter(|file| file.is_in_nix_store);
    let mut found: Vec<Finding> = files.flat_map(|file| check_stored_file(file, facts)).collect();
    let Some(unit) = facts.installed_unit() else { return Ok(found) };
    let is_secret =
        |name: &str| ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word));
    for (name, _) in unit.variables.iter().filter(|(name, value)| !value.is_empty() && is_secret(name)) {
        let (kind, problem, fix) = if unit.is_in_nix_store {
            (FindingKind::KeyInNixStore, format!("the unit has {name}, {IN_STORE}"), credential_line(name))
        } else {
            let command = format!("moonrelay service install --credential {name}=FILE");
            let problem = format!("the unit's file has {name}; secrets belong in a credential");
            (FindingKind::KeyInUnit, problem, facts.choose_fix(command, credential_line(name)))
        };
        found.push(Finding::new(kind, problem, "an Environment= line of the unit").with_fix(fix));
    }
    Ok(found)
}

fn check_stored_file(file: &SecretFile, facts: &Facts) -> Vec<Finding> {
    let finding = |what: &str, evidence: &str, fix: String| {
        let finding = Finding::new(FindingKind::KeyInNixStore, format!("{what} is {IN_STORE}"), evidence);
        finding.with_fix(fix).with_path(&file.path)
    };
    let fix = match &file.role {
        FileRole::Configuration => {
            let document = facts.config.document.clone().unwrap_or_default();
            let evidence = format!("{} leads there, and has the key in plain text", file.path.display());
            let literals = facts.config.literal_secrets.iter();
            let findings = literals.map(|key| {
                let fix = nix_lines(&document, std::slice::from_ref(key)).join("\n");
                finding(&format!("the key at {key}"), &evidence, fix)
            });
            return findings.collect();
        }
        FileRole::Credential(name) => credential_line(name),
        FileRole::EnvironmentFile => {
            "services.moonrelay.environmentFile = \"%h/.secrets/moonrelay.env\"; # a string, not a path"
                .to_owned()
        }
        FileRole::Secrets | FileRole::Reference => credential_line("NAME"),
    };
    vec![finding(&file.describe(), "its path, with links followed", fix)]
}

fn credential_line(name: &str) -> String {
    format!(
        "services.moonrelay.credentials.{name} = \"/path/to/it\"; # a string: a file outside the store; and change the key, others could read it"
    )
}

pub(super) fn keys(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let unit = facts.installed_unit();
    let evidence =
        if unit.is_some() { "the environment of the unit" } else { "the environment of this shell" };
    let login_of = |id: &str| settings.providers.get(id)?.login_file.as_ref().map(LoginFile::login_command);
    let mut found = Vec::new();
    if !settings.has_target() && facts.gateway_status().is_none() {
        // A key of this shell is at hand.
        let mut own = facts.config.settings.iter().flat_map(|own| own.providers.values());
        let at_hand = own.find(|provider| provider.disabled_reason.is_none());
        let provider = at_hand.map_or("kimi", |provider| provider.id.as_str());
        let fix = login_of(provider).unwrap_or_else(|| facts.key_fix(provider, None));
        let problem = "no provider has a key: the gateway does not start (exit 78)";
        found.push(Finding::new(FindingKind::NoUsableProvider, problem, evidence).with_fix(fix));
    }
    for warning in &settings.warnings {
        let Some((kind, provider, missing)) = classify_warning(&warning.kind) else { continue };
        let names = missing.map(Missing::names).into_iter().flatten().collect::<Vec<_>>();
        // The gateway may have a key that is not visible here: an encrypted credential, its own environment.
        let opaque = unit.map(|unit| unit.opaque_credentials.as_slice()).unwrap_or_default();
        if opaque.iter().any(|opaque| names.contains(&opaque.as_str()))
            || provider.is_some_and(|provider| facts.is_enabled_in_gateway(provider))
        {
            continue;
        }
        let provider = provider.unwrap_or_default();
        let fix = match &warning.kind {
            WarningKind::MissingLogin { error: Some(error), .. } => login_fix(error),
            WarningKind::MissingLogin { error: None, .. } => "set HOME".to_owned(),
            _ => login_of(provider)
                .unwrap_or_else(|| facts.key_fix(provider, Some(names.first().copied().unwrap_or("NAME")))),
        };
        let problem = format!("{}: {}", warning.path, warning.message);
        found.push(Finding::new(kind, problem, evidence).with_fix(fix));
    }
    Ok(found)
}

/// For a warning that the check `keys` reports: the kind of its finding, the provider and the missing value.
pub(super) fn classify_warning(
    warning: &WarningKind,
) -> Option<(FindingKind, Option<&str>, Option<&Missing>)> {
    let (kind, provider, missing) = match warning {
        WarningKind::MissingKey { provider, missing, .. }
        | WarningKind::KeylessTarget { provider, missing, .. } => {
            (FindingKind::MissingKey, Some(provider), Some(missing))
        }
        WarningKind::NoApiKey { provider } => (FindingKind::MissingKey, Some(provider), None),
        WarningKind::MissingLogin { provider, .. } => (FindingKind::MissingLogin, Some(provider), None),
        WarningKind::MissingHeader { provider, missing, .. } => {
            (FindingKind::MissingHeader, Some(provider), Some(missing))
        }
        WarningKind::MissingBaseUrl { provider, missing, .. } => {
            (FindingKind::MissingBaseUrl, Some(provider), Some(missing))
        }
        WarningKind::MissingWebSearch(missing) => (FindingKind::MissingWebSearch, None, Some(missing)),
        _ => return None,
    };
    Some((kind, provider.map(String::as_str), missing))
}

fn login_fix(error: &LoginError) -> String {
    match error.problem {
        LoginProblem::Unreadable(_) | LoginProblem::OpenToOthers { .. } => {
            format!("chmod 600 {}", error.file.token_path().display())
        }
        LoginProblem::LoggedOut | LoginProblem::Invalid(_) | LoginProblem::Ended(_) => {
            error.file.login_command()
        }
    }
}

pub(super) fn service_keys(facts: &Facts) -> CheckResult {
    let unit = facts.require_unit()?;
    let own = facts.config.settings.as_ref().map_err(|_| INVALID_CONFIGURATION)?;
    let settings =
        unit.settings.as_ref().ok_or("the configuration is invalid with the variables of the unit")?;
    let severity = if settings.has_target() { Severity::Warning } else { Severity::Error };
    let mut found = Vec::new();
    for (id, provider) in own.providers.iter().filter(|(_, provider)| provider.disabled_reason.is_none()) {
        let in_service = settings.providers.get(id);
        let is_disabled = in_service.is_some_and(|provider| provider.disabled_reason.is_some());
        let origin = provider.keys.first().map(|key| &key.origin);
        let Some(SecretOrigin::Environment(name)) = origin.filter(|_| is_disabled) else { continue };
        if facts.is_enabled_in_gateway(id) {
            continue;
        }
        let problem =
            format!("{name} is set in this shell, but not in the service, where provider {id} is disabled");
        let evidence = format!(
            "it is not in the secrets file, in systemctl --user show-environment, or in an Environment=, \
             EnvironmentFile= or LoadCredential= of {}",
            unit.service_state.file()
        );
        let finding = Finding::new(FindingKind::KeyOnlyInShell, problem, evidence);
        found.push(finding.with_severity(severity).with_fix(facts.key_fix(id, Some(name))));
    }
    Ok(found)
}
