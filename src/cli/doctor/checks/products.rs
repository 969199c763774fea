//! Keys of another product, by how they begin.

use crate::catalog::{DialectId, builtin};
use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::cli::product::{self, is_of_the_catalog};
use crate::config::settings::Auth;

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
    for provider in settings
        .providers
        .values()
        .filter(|provider| provider.off.is_none() && !matches!(provider.auth, Auth::None | Auth::Login))
    {
        for key in &provider.keys {
            let Some(other) = product::other(provider.dialect, &key.secret) else { continue };
            let (own, whose) = (name(provider.dialect), name(other));
            let what =
                format!("provider {} is {own}, and its key ({}) is one of {whose}", provider.id, key.origin);
            let how = format!("the key begins as those of {whose} do; {own} refuses it");
            // A mirror may have keys of its own.
            let finding = if is_of_the_catalog(provider) {
                Finding::error(FindingKind::KeyOfOtherProduct, what, how)
            } else {
                Finding::warning(FindingKind::KeyOfOtherProduct, what, how)
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

const fn name(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::Moonshot => "Moonshot's platform",
        DialectId::KimiCode => "Kimi Code",
        DialectId::OpenRouter => "OpenRouter",
        DialectId::Generic => "another server",
    }
}
