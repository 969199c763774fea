//! Keys of another product, by how they begin.

use crate::catalog::{AdapterId, builtin_catalog};
use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::cli::key_product::{self, uses_catalog_host};
use crate::config::settings::Auth;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "products",
    group: "Providers",
    description: "no provider has the key of another product: Kimi Code's begin with sk-kimi-, OpenRouter's with sk-or-, Moonshot's with sk-",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let mut found = Vec::new();
    for provider in settings.providers.values().filter(|provider| {
        provider.disabled_reason.is_none() && !matches!(provider.auth, Auth::None | Auth::Login)
    }) {
        for key in &provider.keys {
            let Some(other) = key_product::detect_other_product(provider.adapter, &key.secret) else {
                continue;
            };
            let (own, whose) = (product_name(provider.adapter), product_name(other));
            let what =
                format!("provider {} is {own}, and its key ({}) is one of {whose}", provider.id, key.origin);
            let how = format!("the key begins as those of {whose} do; {own} refuses it");
            // A mirror may have keys of its own.
            let finding = if uses_catalog_host(provider) {
                Finding::error(FindingKind::KeyOfOtherProduct, what, how)
            } else {
                Finding::warning(FindingKind::KeyOfOtherProduct, what, how)
            };
            let right = builtin_catalog()
                .providers
                .iter()
                .find(|known| known.adapter == other)
                .map_or("", |known| known.id.as_str());
            found.push(finding.with_fix(super::keys::key_fix(
                facts,
                right,
                super::keys::key_variable(right),
            )));
        }
    }
    Ok(found)
}

const fn product_name(dialect: AdapterId) -> &'static str {
    match dialect {
        AdapterId::Moonshot => "Moonshot's platform",
        AdapterId::KimiCode => "Kimi Code",
        AdapterId::OpenRouter => "OpenRouter",
        AdapterId::Generic => "another server",
    }
}
