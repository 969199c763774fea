//! Keys in the Nix store, which every user of the machine can read.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::secret_files::{FileRole, SecretFile};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::edit::nix_lines;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "store",
    group: "Secrets",
    description: "no key is in the Nix store: neither in the configuration, nor in a file that it names, nor in the unit",
    needs_network: false,
    run,
};

const STORE_WARNING: &str =
    "in the Nix store, where everybody on this machine, and whoever copies the store, can read it";

fn run(facts: &Facts) -> CheckResult {
    let mut found: Vec<Finding> = facts
        .secret_files
        .iter()
        .filter(|file| file.is_in_nix_store)
        .flat_map(|file| evaluate(file, facts))
        .collect();
    let unit = facts.installed_unit();
    let telling = |name: &str| ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word));
    for (name, _) in unit
        .iter()
        .flat_map(|unit| &unit.unit_file.variables)
        .filter(|(name, value)| telling(name) && !value.is_empty())
    {
        let line = credential_line(name);
        let fix = facts.choose_fix(format!("moonrelay service install --credential {name}=FILE"), &line);
        found.push(match unit {
            Some(unit) if unit.is_in_nix_store => Finding::error(
                FindingKind::KeyInNixStore,
                format!("{name} stands in the unit, {STORE_WARNING}"),
                "an Environment= line of it",
            )
            .with_fix(line),
            _ => Finding::warning(
                FindingKind::KeyInUnit,
                format!("{name} stands in the unit's file, which is no place for keys"),
                "an Environment= line of it",
            )
            .with_fix(fix),
        });
    }
    Ok(found)
}

fn evaluate(file: &SecretFile, facts: &Facts) -> Vec<Finding> {
    let path = file.path.display();
    let (document, literals) = (&facts.config.document, &facts.config.literal_secrets);
    match &file.role {
        FileRole::Configuration => {
            let document = document.clone().unwrap_or_default();
            let finding = |place| {
                let fix = nix_lines(&document, std::slice::from_ref(place)).join("\n");
                Finding::error(
                    FindingKind::KeyInNixStore,
                    format!("the key at {place} is {STORE_WARNING}"),
                    format!("{path} leads there, and the key stands in it as it is"),
                )
                .with_fix(fix)
                .with_path(&file.path)
            };
            literals.iter().map(finding).collect()
        }
        role => {
            let fix = match role {
                FileRole::Credential(name) => credential_line(name),
                FileRole::EnvironmentFile => {
                    "services.moonrelay.environmentFile = \"%h/.secrets/moonrelay.env\"; # a string, no path"
                        .to_owned()
                }
                _ => credential_line("NAME"),
            };
            let what = format!("{} is {STORE_WARNING}", file.describe().trim_end_matches(','));
            vec![
                Finding::error(FindingKind::KeyInNixStore, what, "where it leads, link by link")
                    .with_fix(fix)
                    .with_path(&file.path),
            ]
        }
    }
}

fn credential_line(name: &str) -> String {
    format!(
        "services.moonrelay.credentials.{name} = \"/path/to/it\"; # a string: a file outside of the store; and change the key, it was open"
    )
}
