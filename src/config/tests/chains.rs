//! Which models a requested name means.

use super::{settings, settings_with, written};
use crate::config::settings::Settings;
use crate::config::settings::{Lookup, MatchKind};

const FILE: &str = "{
  agents: { defaults: {
    model: { primary: 'kimi/kimi-for-coding', fallbacks: ['moonshot/kimi-k2.7-code', 'openrouter/auto'] },
    models: { 'moonshot/kimi-k3': { alias: 'Big' }, 'moonshot/kimi-k2.7-code': { alias: 'code' } },
  } },
  models: { routes: {
    coding: { primary: 'moonshot/kimi-k3.1-pro', fallbacks: ['openrouter/moonshotai/kimi-k3'] },
    strict: { primary: 'moonshot/kimi-k2.6' },
    one: 'big',
    'claude-*': 'coding',
    'claude-haiku-*': 'code',
    'gpt-*-mini': 'one',
    'moonshot/old-*': 'default',
  } },
}";

fn found(settings: &Settings, name: &str) -> (MatchKind, Vec<String>) {
    match settings.lookup(name) {
        Lookup::Resolved { matched_by: by, chain } => (by, written(&chain)),
        Lookup::Unknown { nearest } => panic!("{name} is unknown; nearest {nearest:?}"),
    }
}

fn route(pattern: &str) -> MatchKind {
    MatchKind::Route(pattern.to_owned())
}

const CODE_THEN_ROUTER: [&str; 2] = ["moonshot/kimi-k2.7-code", "openrouter/auto"];

#[test]
fn alias_comes_first_in_any_case() {
    let settings = settings(FILE);
    // not in a chain: the fallbacks of `default` follow
    let (by, chain) = found(&settings, "bIG");
    assert_eq!(by, MatchKind::Alias);
    assert_eq!(chain, ["moonshot/kimi-k3", "moonshot/kimi-k2.7-code", "openrouter/auto"]);
    // a fallback of `default` goes first, without being repeated and without the primary
    assert_eq!(found(&settings, "code").1, CODE_THEN_ROUTER);
}

#[test]
fn reference_has_the_fallbacks_of_its_chain() {
    let settings = settings(FILE);
    let (by, chain) = found(&settings, "kimi/kimi-for-coding");
    assert_eq!(by, MatchKind::Reference);
    assert_eq!(chain, ["kimi/kimi-for-coding", "moonshot/kimi-k2.7-code", "openrouter/auto"]);
    assert_eq!(found(&settings, "openrouter/auto").1, ["openrouter/auto", "moonshot/kimi-k2.7-code"]);
    let coding = ["moonshot/kimi-k3.1-pro", "openrouter/moonshotai/kimi-k3"];
    assert_eq!(found(&settings, "moonshot/kimi-k3.1-pro").1, coding);
    assert_eq!(found(&settings, "MOONSHOT/Kimi-K3.1-Pro").1, coding);
    assert_eq!(found(&settings, "kimi-code/k2p5").1[0], "kimi/kimi-for-coding");
    assert_eq!(found(&settings, "openrouter/openrouter/auto").1[0], "openrouter/auto");
    assert_eq!(found(&settings, "openrouter/any/model:free").1[0], "openrouter/any/model:free");
}

#[test]
fn exact_route_comes_before_the_longest_glob() {
    let settings = settings(FILE);
    let coding = ["moonshot/kimi-k3.1-pro", "openrouter/moonshotai/kimi-k3"];
    assert_eq!(found(&settings, "coding"), (route("coding"), coding.map(str::to_owned).to_vec()));
    assert_eq!(found(&settings, "claude-opus-4-8"), (route("claude-*"), coding.map(str::to_owned).to_vec()));
    assert_eq!(found(&settings, "Claude-Haiku-5").0, route("claude-haiku-*"));
    assert_eq!(found(&settings, "claude-haiku-5").1, CODE_THEN_ROUTER);
    // a chain without fallbacks has none; a reference has those of `default`
    assert_eq!(found(&settings, "strict").1, ["moonshot/kimi-k2.6"]);
    assert_eq!(found(&settings, "gpt-6-mini").1[0], "moonshot/kimi-k3");
    assert_eq!(found(&settings, "gpt-6-mini").1.len(), 3);
    assert_eq!(found(&settings, "moonshot/old-one").0, route("moonshot/old-*"));
    assert_eq!(found(&settings, "default").1.len(), 3);
}

#[test]
fn catch_all_route_serves_unknown_names() {
    let all = FILE.replace("'moonshot/old-*'", "'*'");
    let settings = settings(&all);
    assert_eq!(found(&settings, "no-such-model").0, route("*"));
    assert_eq!(found(&settings, "no-such-model").1[0], "kimi/kimi-for-coding");
    assert_eq!(found(&settings, "claude-x").0, route("claude-*"));
}

#[test]
fn bare_id_of_one_provider_is_found() {
    let settings = settings(FILE);
    assert_eq!(found(&settings, "kimi-k2.6"), (MatchKind::BareId, found(&settings, "moonshot/kimi-k2.6").1));
    assert_eq!(found(&settings, "moonshotai/kimi-k2.6").1[0], "openrouter/moonshotai/kimi-k2.6");
    assert_eq!(found(&settings, "auto").1[0], "openrouter/auto");
}

#[test]
fn bare_id_of_two_providers_is_found_only_if_one_is_enabled() {
    let two = "{ models: { providers: { lab: { baseUrl: 'http://127.0.0.1:1/v1', models: [{ id: 'kimi-k3' }] } } } }";
    let Lookup::Unknown { nearest } = settings(two).lookup("kimi-k3") else { panic!("it is ambiguous") };
    assert_eq!(nearest[..2], ["lab/kimi-k3".to_owned(), "moonshot/kimi-k3".to_owned()]);
    let only_lab = settings_with(two, &[]);
    assert_eq!(found(&only_lab, "kimi-k3").1[0], "lab/kimi-k3");
}

#[test]
fn unconfigured_provider_does_not_make_a_bare_id_ambiguous() {
    for pairs in [&[][..], &[("KIMI_API_KEY", "sk-k")], &[("MOONSHOT_API_KEY", "sk-m")]] {
        let settings = settings_with("{}", pairs);
        let (by, chain) = found(&settings, "kimi-k3");
        assert_eq!((by, chain[0].as_str()), (MatchKind::BareId, "moonshot/kimi-k3"), "{pairs:?}");
    }
    let cn = "{ models: { providers: { 'moonshot-cn': {} } } }";
    let both = settings_with(cn, &[]);
    assert!(matches!(both.lookup("kimi-k3"), Lookup::Unknown { .. }), "a second enabled provider");
}

#[test]
fn find_model_ignores_routes() {
    let all = FILE.replace("'moonshot/old-*'", "'*'");
    let settings = settings(&all);
    let named = |name: &str| settings.find_model(name).map(|reference| reference.to_string());
    for (name, meant) in [
        ("BIG", "moonshot/kimi-k3"),
        ("kimi-code/k2p5", "kimi/kimi-for-coding"),
        ("kimi-for-coding", "kimi/kimi-for-coding"),
        ("kimi-k2.6", "moonshot/kimi-k2.6"),
    ] {
        assert_eq!(named(name).as_deref(), Ok(meant));
    }
    let reason = named("nosuch/model").unwrap_err();
    assert!(
        reason.starts_with("there is no provider \"nosuch\"") && reason.contains("; nearest: "),
        "{reason}"
    );
    assert!(!reason.contains("route"), "{reason}");
    for route in ["Coding", "default"] {
        assert!(named(route).unwrap_err().contains("is a route, but a model is needed"), "{route}");
    }
    let replaced = settings_with("{ models: { mode: 'replace' } }", &[]);
    let reason = replaced.find_model("x").unwrap_err();
    assert!(!reason.contains("nearest"), "{reason}");
}

#[test]
fn route_names_match_in_any_case() {
    let text = "{ models: { routes: { Gpt: 'kimi/k3', 'gpt-4': 'GPT', x: 'Default' } } }";
    let settings = settings(text);
    assert_eq!(found(&settings, "gpt-4"), (route("gpt-4"), found(&settings, "gpt").1));
    assert_eq!(found(&settings, "x").1, found(&settings, "default").1);
    assert_eq!(found(&settings, "DEFAULT").0, MatchKind::Default);
}

#[test]
fn unknown_name_has_nearest_names() {
    let settings = settings(FILE);
    let Lookup::Unknown { nearest } = settings.lookup("kimi-k2.7-cod") else { panic!("it is unknown") };
    assert_eq!(nearest[0], "moonshot/kimi-k2.7-code");
    assert_eq!(nearest.len(), 3);
    let Lookup::Unknown { nearest } = settings.lookup("codin") else { panic!("it is unknown") };
    assert_eq!(nearest[0], "coding");
}

#[test]
fn nearest_names_prefer_enabled_providers() {
    let none = settings_with("{}", &[]);
    assert_eq!(none.find_nearest_names("kimi-k9")[0], "moonshot/kimi-k3");
    let some = settings_with("{}", &[("OPENROUTER_API_KEY", "sk")]);
    assert_eq!(some.find_nearest_names("kimi-k3x")[0], "openrouter/moonshotai/kimi-k3");
    assert!(
        !none.find_nearest_names("moonshot-cn/kimi-k3").iter().any(|name| name.starts_with("moonshot-cn"))
    );
}

#[test]
fn default_chain_has_the_providers_with_a_key() {
    assert_eq!(
        written(&settings("{}").default_chain),
        ["kimi/kimi-for-coding", "moonshot/kimi-k3.1-pro", "openrouter/auto"]
    );
    let some = [("MOONSHOT_API_KEY", "sk-m"), ("OPENROUTER_API_KEY", "sk-o"), ("KIMI_API_KEY", "  ")];
    assert_eq!(
        written(&settings_with("{}", &some).default_chain),
        ["moonshot/kimi-k3.1-pro", "openrouter/auto"]
    );
    assert!(settings_with("{}", &[]).default_chain.references.is_empty());
    assert_eq!(
        written(&settings_with("{}", &[("KIMICODE_API_KEY", "sk")]).default_chain),
        ["kimi/kimi-for-coding"]
    );
}

#[test]
fn model_string_is_a_chain_of_one() {
    let settings = settings("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    assert_eq!(written(&settings.default_chain), ["moonshot/kimi-k3"]);
    assert_eq!(found(&settings, "kimi-k2.6").1, ["moonshot/kimi-k2.6"]);
}

#[test]
fn nearest_names_are_distinct() {
    // A target of the chain whose provider is disabled has two scores.
    let chain = "{ agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['openrouter/auto'] } } } }";
    let nearest = settings_with(chain, &[]).find_nearest_names("nope");
    let different: std::collections::BTreeSet<&String> = nearest.iter().collect();
    assert_eq!((nearest.len(), different.len()), (3, 3), "{nearest:?}");
}
