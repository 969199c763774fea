//! Keys in the Nix store, which everybody on the machine can read.

use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::files::{File, Role};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::edit::nix_lines;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "store",
    group: "Secrets",
    says: "no key is in the Nix store: neither in the configuration, nor in a file that it names, nor in the unit",
    asks_providers: false,
    run,
};

const OPEN: &str =
    "in the Nix store, where everybody on this machine, and whoever copies the store, can read it";

fn run(facts: &Facts) -> Verdict {
    let mut found: Vec<Finding> =
        facts.files.iter().filter(|file| file.in_store).flat_map(|file| judge(file, facts)).collect();
    let unit = facts.unit();
    let telling = |name: &str| ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word));
    for (name, _) in unit
        .iter()
        .flat_map(|unit| &unit.file.variables)
        .filter(|(name, value)| telling(name) && !value.is_empty())
    {
        let line = credential(name);
        let fix = facts.fix(format!("moonrelay service install --credential {name}=FILE"), &line);
        found.push(match unit {
            Some(unit) if unit.in_store => Finding::error(
                FindingKind::KeyInNixStore,
                format!("{name} stands in the unit, {OPEN}"),
                "an Environment= line of it",
            )
            .fix(line),
            _ => Finding::warning(
                FindingKind::KeyInUnit,
                format!("{name} stands in the unit's file, which is no place for keys"),
                "an Environment= line of it",
            )
            .fix(fix),
        });
    }
    Ok(found)
}

fn judge(file: &File, facts: &Facts) -> Vec<Finding> {
    let path = file.path.display();
    let (document, literals) = (&facts.configuration.document, &facts.configuration.literals);
    match &file.role {
        Role::Configuration => {
            let document = document.clone().unwrap_or_default();
            let finding = |place| {
                let fix = nix_lines(&document, std::slice::from_ref(place)).join("\n");
                Finding::error(
                    FindingKind::KeyInNixStore,
                    format!("the key at {place} is {OPEN}"),
                    format!("{path} leads there, and the key stands in it as it is"),
                )
                .fix(fix)
                .at(&file.path)
            };
            literals.iter().map(finding).collect()
        }
        role => {
            let fix = match role {
                Role::Credential(name) => credential(name),
                Role::EnvironmentFile => {
                    "services.moonrelay.environmentFile = \"%h/.secrets/moonrelay.env\"; # a string, no path"
                        .to_owned()
                }
                _ => credential("NAME"),
            };
            let what = format!("{} is {OPEN}", file.describe().trim_end_matches(','));
            vec![
                Finding::error(FindingKind::KeyInNixStore, what, "where it leads, link by link")
                    .fix(fix)
                    .at(&file.path),
            ]
        }
    }
}

fn credential(name: &str) -> String {
    format!(
        "services.moonrelay.credentials.{name} = \"/path/to/it\"; # a string: a file outside of the store; and change the key, it was open"
    )
}
