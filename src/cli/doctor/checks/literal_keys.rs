//! Keys in the configuration itself.

use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::files::Role;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::keypath::{KeyPath, Step};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "literal-keys",
    group: "Secrets",
    says: "no key stands in the configuration in plain text; where one does, nobody else can read the file",
    asks_providers: false,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let configuration = &facts.configuration;
    let Some(file) = facts.files.iter().find(|file| file.role == Role::Configuration) else {
        return Err("there is no configuration file".to_owned());
    };
    // In the store everybody reads it: that is a check of its own.
    if configuration.literals.is_empty() || file.in_store {
        return Ok(Vec::new());
    }
    let path = file.path.display();
    let mut found = Vec::new();
    if let Some(mode) = file.stat.map(|stat| stat.mode).filter(|mode| mode & 0o044 != 0) {
        let what = format!("others can read {path}, and keys stand in it");
        found.push(
            Finding::error(
                FindingKind::ConfigurationReadableByOthers,
                what,
                format!("its mode is {mode:03o}"),
            )
            .fix(format!("chmod 600 {path}"))
            .at(&file.path),
        );
    }
    let secrets = facts.environment.secrets_file().unwrap_or_default();
    found.extend(configuration.literals.iter().map(|place| {
        let name = variable(place);
        let what = format!(
            "a key stands in the configuration, where an editor, a backup or a screen share shows it: {place}"
        );
        let fix = if in_env(place) {
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
        .fix(fix)
        .at(&file.path)
    }));
    Ok(found)
}

fn in_env(place: &KeyPath) -> bool {
    matches!(place.0.first(), Some(Step::Key(key)) if key == "env")
}

/// A name for the key at a place: `KIMI_API_KEY` for `models.providers.kimi.apiKey`.
fn variable(place: &KeyPath) -> String {
    let keys: Vec<&str> = place
        .0
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
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
