//! Keys of another product, by how they begin.

use url::Url;

use crate::catalog::{DialectId, builtin};
use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::config::settings::{Auth, Provider};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "products",
    group: "Providers",
    says: "no provider has the key of another product: Kimi Code's begin with sk-kimi-, OpenRouter's with sk-or-, Moonshot's with sk-",
    asks_providers: false,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let settings = facts.settings()?;
    let mut found = Vec::new();
    for provider in
        settings.providers.values().filter(|provider| provider.off.is_none() && provider.auth != Auth::None)
    {
        for key in &provider.keys {
            let Some(other) = product(key.secret.expose()).filter(|other| *other != provider.dialect) else {
                continue;
            };
            let (own, whose) = (name(provider.dialect), name(other));
            if provider.dialect == DialectId::Generic {
                continue;
            }
            let what =
                format!("provider {} is {own}, and its key ({}) is one of {whose}", provider.id, key.origin);
            let how = format!("the key begins as those of {whose} do; {own} refuses it");
            // A mirror may have keys of its own.
            let finding = if is_of_the_catalog(provider) {
                Finding::error(what, how)
            } else {
                Finding::warning(what, how)
            };
            let right = builtin()
                .providers
                .iter()
                .find(|known| known.dialect == other)
                .map_or("", |known| known.id.as_str());
            found.push(finding.fix(super::keys::remedy(facts, right, super::keys::variable(right))));
        }
    }
    Ok(found)
}

fn product(key: &str) -> Option<DialectId> {
    match key {
        key if key.starts_with("sk-kimi-") => Some(DialectId::KimiCode),
        key if key.starts_with("sk-or-") => Some(DialectId::OpenRouter),
        // Many servers give keys that begin so; only where Kimi Code is asked it tells something.
        _ => None,
    }
}

const fn name(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::Moonshot => "Moonshot's platform",
        DialectId::KimiCode => "Kimi Code",
        DialectId::OpenRouter => "OpenRouter",
        DialectId::Generic => "another server",
    }
}

fn is_of_the_catalog(provider: &Provider) -> bool {
    let base = provider.faces.first().and_then(|(_, base)| Url::parse(base).ok());
    base.is_some_and(|base| base.host_str().is_some_and(|host| builtin().by_host(host).is_some()))
}
