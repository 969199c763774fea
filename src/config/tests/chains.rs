//! Which models answer a requested name.

use super::{settings, settings_with, written};
use crate::config::settings::Settings;
use crate::config::{Lookup, MatchKind};

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
fn an_alias_comes_first_and_its_case_does_not_count() {
    let settings = settings(FILE);
    // not in a chain: the fallbacks of `default` follow
    let (by, chain) = found(&settings, "bIG");
    assert_eq!(by, MatchKind::Alias);
    assert_eq!(chain, ["moonshot/kimi-k3", "moonshot/kimi-k2.7-code", "openrouter/auto"]);
    // a fallback of `default` goes first, without being repeated and without the primary
    assert_eq!(found(&settings, "code").1, CODE_THEN_ROUTER);
}

#[test]
fn a_reference_brings_the_fallbacks_of_its_chain() {
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
fn routes_match_exactly_then_by_the_longest_glob() {
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
fn a_route_that_takes_everything_takes_unknown_names() {
    let all = FILE.replace("'moonshot/old-*'", "'*'");
    let settings = settings(&all);
    assert_eq!(found(&settings, "no-such-model").0, route("*"));
    assert_eq!(found(&settings, "no-such-model").1[0], "kimi/kimi-for-coding");
    assert_eq!(found(&settings, "claude-x").0, route("claude-*"));
}

#[test]
fn a_bare_id_counts_where_one_provider_has_it() {
    let settings = settings(FILE);
    assert_eq!(found(&settings, "kimi-k2.6"), (MatchKind::BareId, found(&settings, "moonshot/kimi-k2.6").1));
    assert_eq!(found(&settings, "moonshotai/kimi-k2.6").1[0], "openrouter/moonshotai/kimi-k2.6");
    assert_eq!(found(&settings, "auto").1[0], "openrouter/auto");
}

#[test]
fn a_bare_id_of_two_providers_is_unknown_unless_only_one_can_be_called() {
    let two = "{ models: { providers: { lab: { baseUrl: 'http://127.0.0.1:1/v1', models: [{ id: 'kimi-k3' }] } } } }";
    let Lookup::Unknown { nearest } = settings(two).lookup("kimi-k3") else { panic!("it is ambiguous") };
    assert_eq!(nearest[..2], ["lab/kimi-k3".to_owned(), "moonshot/kimi-k3".to_owned()]);
    let only_lab = settings_with(two, &[]);
    assert_eq!(found(&only_lab, "kimi-k3").1[0], "lab/kimi-k3");
}

#[test]
fn a_provider_that_nobody_wants_is_no_second_owner_of_a_bare_id() {
    for pairs in [&[][..], &[("KIMI_API_KEY", "sk-k")], &[("MOONSHOT_API_KEY", "sk-m")]] {
        let settings = settings_with("{}", pairs);
        let (by, chain) = found(&settings, "kimi-k3");
        assert_eq!((by, chain[0].as_str()), (MatchKind::BareId, "moonshot/kimi-k3"), "{pairs:?}");
    }
    let cn = "{ models: { providers: { 'moonshot-cn': {} } } }";
    let both = settings_with(cn, &[]);
    assert!(matches!(both.lookup("kimi-k3"), Lookup::Unknown { .. }), "a second owner that is wanted");
}

#[test]
fn a_model_is_named_by_alias_reference_or_id_whatever_routes_there_are() {
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
    let why = named("nosuch/model").unwrap_err();
    assert!(why.starts_with("there is no provider \"nosuch\"") && why.contains("; nearest: "), "{why}");
    assert!(!why.contains("route"), "{why}");
    for route in ["Coding", "default"] {
        assert!(named(route).unwrap_err().contains("is a route; a model is wanted"), "{route}");
    }
    let replaced = settings_with("{ models: { mode: 'replace' } }", &[]);
    let why = replaced.find_model("x").unwrap_err();
    assert!(!why.contains("nearest"), "{why}");
}

#[test]
fn case_does_not_count_in_the_names_of_routes() {
    let text = "{ models: { routes: { Gpt: 'kimi/k3', 'gpt-4': 'GPT', x: 'Default' } } }";
    let settings = settings(text);
    assert_eq!(found(&settings, "gpt-4"), (route("gpt-4"), found(&settings, "gpt").1));
    assert_eq!(found(&settings, "x").1, found(&settings, "default").1);
    assert_eq!(found(&settings, "DEFAULT").0, MatchKind::Default);
}

#[test]
fn an_unknown_name_brings_the_nearest_ones() {
    let settings = settings(FILE);
    let Lookup::Unknown { nearest } = settings.lookup("kimi-k2.7-cod") else { panic!("it is unknown") };
    assert_eq!(nearest[0], "moonshot/kimi-k2.7-code");
    assert_eq!(nearest.len(), 3);
    let Lookup::Unknown { nearest } = settings.lookup("codin") else { panic!("it is unknown") };
    assert_eq!(nearest[0], "coding");
}

#[test]
fn nearest_names_prefer_what_can_be_called() {
    let none = settings_with("{}", &[]);
    assert_eq!(none.find_nearest_names("kimi-k9")[0], "moonshot/kimi-k3");
    let some = settings_with("{}", &[("OPENROUTER_API_KEY", "sk")]);
    assert_eq!(some.find_nearest_names("kimi-k3x")[0], "openrouter/moonshotai/kimi-k3");
    assert!(
        !none.find_nearest_names("moonshot-cn/kimi-k3").iter().any(|name| name.starts_with("moonshot-cn"))
    );
}

#[test]
fn without_a_chain_the_providers_with_a_key_answer() {
    assert_eq!(
        written(&settings("{}").default_chain),
        ["kimi/kimi-for-coding", "moonshot/kimi-k3", "openrouter/auto"]
    );
    let some = [("MOONSHOT_API_KEY", "sk-m"), ("OPENROUTER_API_KEY", "sk-o"), ("KIMI_API_KEY", "  ")];
    assert_eq!(written(&settings_with("{}", &some).default_chain), ["moonshot/kimi-k3", "openrouter/auto"]);
    assert!(settings_with("{}", &[]).default_chain.references.is_empty());
    assert_eq!(
        written(&settings_with("{}", &[("KIMICODE_API_KEY", "sk")]).default_chain),
        ["kimi/kimi-for-coding"]
    );
}

#[test]
fn a_model_as_a_string_is_a_chain_of_one() {
    let settings = settings("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    assert_eq!(written(&settings.default_chain), ["moonshot/kimi-k3"]);
    assert_eq!(found(&settings, "kimi-k2.6").1, ["moonshot/kimi-k2.6"]);
}

#[test]
fn the_nearest_names_are_three_different_ones() {
    // A target of the chain whose provider is off has two scores.
    let chain = "{ agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['openrouter/auto'] } } } }";
    let nearest = settings_with(chain, &[]).find_nearest_names("nope");
    let different: std::collections::BTreeSet<&String> = nearest.iter().collect();
    assert_eq!((nearest.len(), different.len()), (3, 3), "{nearest:?}");
}
