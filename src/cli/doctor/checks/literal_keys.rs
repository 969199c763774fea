//! Keys in the configuration itself.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::secret_files::FileRole;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::keypath::{KeyPath, PathSegment};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "literal-keys",
    group: "Secrets",
    description: "no key stands in the configuration in plain text; where one does, nobody else can read the file",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let configuration = &facts.config;
    let Some(file) = facts.secret_files.iter().find(|file| file.role == FileRole::Configuration) else {
        return Err("there is no configuration file".to_owned());
    };
    // The Nix store check reports keys in the store.
    if configuration.literal_secrets.is_empty() || file.is_in_nix_store {
        return Ok(Vec::new());
    }
    let path = file.path.display();
    let mut found = Vec::new();
    if let Some(mode) = file.permissions.map(|stat| stat.mode).filter(|mode| mode & 0o044 != 0) {
        let what = format!("others can read {path}, and keys stand in it");
        found.push(
            Finding::error(
                FindingKind::ConfigurationReadableByOthers,
                what,
                format!("its mode is {mode:03o}"),
            )
            .with_fix(format!("chmod 600 {path}"))
            .with_path(&file.path),
        );
    }
    let secrets = facts.environment.secrets_file().unwrap_or_default();
    found.extend(configuration.literal_secrets.iter().map(|place| {
        let name = variable_name(place);
        let what = format!(
            "a key stands in the configuration, where an editor, a backup or a screen share shows it: {place}"
        );
        let fix = if is_in_env_section(place) {
            format!("move its line into {} as {name}=…", secrets.display())
        } else {
            format!(
                "moonrelay config set '{place}' '${{{name}}}', with the key as {name}=… in {}",
                secrets.display()
            )
        };
        Finding::warning(
            FindingKind::PlainTextKey,
            what,
            format!("it is no ${{VARIABLE}} and no SecretRef in {path}"),
        )
        .with_fix(fix)
        .with_path(&file.path)
    }));
    Ok(found)
}

fn is_in_env_section(place: &KeyPath) -> bool {
    matches!(place.0.first(), Some(PathSegment::Key(key)) if key == "env")
}

/// A name for the key at a place: `KIMI_API_KEY` for `models.providers.kimi.apiKey`.
fn variable_name(place: &KeyPath) -> String {
    let keys: Vec<&str> = place
        .0
        .iter()
        .filter_map(|step| match step {
            PathSegment::Key(key) => Some(key.as_str()),
            PathSegment::Index(_) => None,
        })
        .collect();
    let last = keys.last().copied().unwrap_or("API_KEY");
    let snake = |text: &str| {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect::<String>()
    };
    match keys.as_slice() {
        ["env", ..] => last.to_owned(),
        ["models", "providers", provider, "apiKey"] => format!("{}_API_KEY", snake(provider)),
        ["models", "providers", provider, ..] => format!("{}_{}", snake(provider), snake(last)),
        ["gateway", "auth", "tokens", name] => format!("MOONRELAY_TOKEN_{}", snake(name)),
        ["gateway", ..] => "MOONRELAY_TOKEN".to_owned(),
        _ => "WEB_SEARCH_API_KEY".to_owned(),
    }
}
