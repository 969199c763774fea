//! Whose a key is by how it begins, and where else it may be asked for: what commands know before they send a key anywhere.

use url::Url;

use super::provider_query;
use crate::catalog::{AdapterId, builtin_catalog};
use crate::config::settings::{Auth, Provider};
use crate::secret::Secret;

/// The product that this key is of, where that is another one than the dialect's. Keys of Kimi Code begin with `sk-kimi-`
/// and are refused by Moonshot's platform, as the platform's are by Kimi Code (wire.md 2.1, from kimi-code 2.1.0); those
/// of OpenRouter begin with `sk-or-` (its own documentation). A plain `sk-…` tells nothing: many servers give such keys.
pub(super) fn detect_other_product(dialect: AdapterId, key: &Secret) -> Option<AdapterId> {
    let meant = match key.expose() {
        key if key.starts_with("sk-kimi-") => AdapterId::KimiCode,
        key if key.starts_with("sk-or-") => AdapterId::OpenRouter,
        _ => return None,
    };
    // Anybody's keys may be good for somebody's proxy.
    (dialect != AdapterId::Generic && meant != dialect).then_some(meant)
}

/// Whether it is called at a host of the catalog, and not at somebody's proxy.
pub(super) fn uses_catalog_host(provider: &Provider) -> bool {
    let url = provider_query::api_base(provider).and_then(|(_, base)| Url::parse(base).ok());
    url.is_some_and(|url| url.host_str().is_some_and(|host| builtin_catalog().find_by_host(host).is_some()))
}

/// Whether its first key is another product's, and would go to a host that is none of that product's: such a key is sent
/// nowhere.
pub(super) fn has_misdirected_key(provider: &Provider) -> bool {
    let key = provider.keys.first().filter(|_| !matches!(provider.auth, Auth::None | Auth::Login));
    key.is_some_and(|key| detect_other_product(provider.adapter, &key.secret).is_some())
        && uses_catalog_host(provider)
}

/// The same base URL on the product's other host. A key is good on one of them only (wire.md 1.1: keys, balances and
/// accounts are per region).
pub(super) fn other_region_base_url(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let host = url.host_str()?;
    let dialect = builtin_catalog().find_by_host(host)?.adapter;
    let same = builtin_catalog().providers.iter().filter(|known| known.adapter == dialect);
    let other = same.flat_map(|known| &known.hosts).find(|known| *known != host)?;
    Some(base.replacen(&format!("//{host}"), &format!("//{other}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_region_has_the_same_path() {
        let other = |base: &str| other_region_base_url(base).unwrap_or_default();
        assert_eq!(other("https://api.moonshot.ai/v1"), "https://api.moonshot.cn/v1");
        assert_eq!(other("https://api.moonshot.cn/anthropic/v1"), "https://api.moonshot.ai/anthropic/v1");
        assert_eq!(other("https://api.kimi.com/coding/v1"), "https://api.kimi.ai/coding/v1");
        assert_eq!(other("https://api.kimi.ai/coding/v1"), "https://api.kimi.com/coding/v1");
        assert_eq!(other("https://openrouter.ai/api/v1"), "", "it has one host");
        assert_eq!(other("https://mirror.example/api.moonshot.ai/v1"), "");
    }

    #[test]
    fn a_key_is_of_another_product_only_where_its_beginning_says_so() {
        use AdapterId::{Generic, KimiCode, Moonshot, OpenRouter};
        for (dialect, key, expected) in [
            (Moonshot, "sk-kimi-1", Some(KimiCode)),
            (Moonshot, "sk-or-v1-1", Some(OpenRouter)),
            (Moonshot, "sk-1", None),
            (KimiCode, "sk-kimi-1", None),
            (KimiCode, "sk-1", None),
            (OpenRouter, "sk-kimi-1", Some(KimiCode)),
            (Generic, "sk-kimi-1", None),
        ] {
            assert_eq!(
                detect_other_product(dialect, &Secret::new(key.to_owned())),
                expected,
                "{dialect:?} {key}"
            );
        }
    }
}
