//! Tests of the route cache.

use super::*;
use crate::config::{self, Environment};

fn settings(primary: &str) -> Arc<Settings> {
    let text = format!(
        r#"{{ agents: {{ defaults: {{ model: "{primary}" }} }},
              models: {{ providers: {{ kimi: {{ apiKey: "sk-kimi-000000" }}, moonshot: {{ apiKey: "sk-000000" }}, openrouter: {{ apiKey: "sk-or-000000" }} }} }} }}"#
    );
    Arc::new(config::from_text(&text, None, &Environment::default()).unwrap())
}

fn first(leads: &RouteCache, settings: &Arc<Settings>, name: &str) -> String {
    leads.get_or_resolve(settings, name, Api::ChatCompletions).ok().unwrap().targets[0].name.clone()
}

#[test]
fn name_resolves_with_the_current_settings() {
    let leads = RouteCache::default();
    let (one, other) = (settings("kimi/kimi-for-coding"), settings("moonshot/kimi-k3"));
    for _ in 0..2 {
        assert_eq!(first(&leads, &one, "default"), "kimi/kimi-for-coding");
    }
    assert_eq!(first(&leads, &other, "default"), "moonshot/kimi-k3");
    assert_eq!(first(&leads, &one, "default"), "kimi/kimi-for-coding", "a request that began before");
    assert!(leads.get_or_resolve(&one, "no-such-model", Api::ChatCompletions).is_err());
}

#[test]
fn names_beyond_the_limit_resolve_and_are_not_cached() {
    let (leads, settings) = (RouteCache::default(), settings("kimi/kimi-for-coding"));
    for number in 0..2 * MAX_CACHED_NAMES {
        assert_eq!(first(&leads, &settings, &format!("openrouter/{number}")), format!("openrouter/{number}"));
    }
    assert_eq!(leads.routes.lock().unwrap().by_name.len(), MAX_CACHED_NAMES);
}
