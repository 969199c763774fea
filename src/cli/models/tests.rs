mod live;

use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Value, json};

use super::chain::{AliasesCommand, FallbacksCommand};
use super::{ModelsCommand, execute};
use crate::cli::command::CommandError;
use crate::cli::command::tests::{TestHome, error_text};
use crate::failure::{Failure, Reason};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// Every connection fails.
struct NoNetwork;

impl Connector for NoNetwork {
    fn send(
        &self,
        _: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        Box::pin(async { Err(Failure::new(Reason::Network, "no connection")) })
    }
}

fn no_network() -> Arc<dyn Connector> {
    Arc::new(NoNetwork)
}

async fn run_with(
    home: &mut TestHome,
    command: ModelsCommand,
    json: bool,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    execute(command, &mut home.context(json), connector).await
}

async fn run(home: &mut TestHome, command: ModelsCommand, json: bool) -> Result<(), CommandError> {
    run_with(home, command, json, &no_network()).await
}

async fn printed(home: &mut TestHome, command: ModelsCommand) -> String {
    run(home, command, false).await.unwrap();
    home.printed()
}

async fn json_of(home: &mut TestHome, command: ModelsCommand) -> Value {
    run(home, command, true).await.unwrap();
    home.printed_json()
}

const fn list() -> ModelsCommand {
    ModelsCommand::List { provider: None, live: false }
}

fn list_of(provider: &str) -> ModelsCommand {
    ModelsCommand::List { provider: Some(provider.to_owned()), live: false }
}

fn set(name: &str) -> ModelsCommand {
    ModelsCommand::Set { name: name.to_owned() }
}

fn alias(alias: &str, model: &str) -> ModelsCommand {
    ModelsCommand::Aliases(AliasesCommand::Add { alias: alias.to_owned(), model: model.to_owned() })
}

fn remove_alias(alias: &str) -> ModelsCommand {
    ModelsCommand::Aliases(AliasesCommand::Remove { alias: alias.to_owned() })
}

fn fallback(model: &str) -> ModelsCommand {
    ModelsCommand::Fallbacks(FallbacksCommand::Add { model: model.to_owned() })
}

fn remove_fallback(model: &str) -> ModelsCommand {
    ModelsCommand::Fallbacks(FallbacksCommand::Remove { model: model.to_owned() })
}

const FILE: &str = "{\n  // mine\n  agents: {\n    defaults: {\n      model: {\n        primary: 'kimi/kimi-for-coding', // first\n        fallbacks: ['moonshot/kimi-k2.6', 'openrouter/vendor/new'],\n      },\n      models: {\n        'kimi/kimi-for-coding': { alias: 'Kimi' },\n      },\n    },\n  },\n}\n";

#[tokio::test]
async fn list_starts_with_the_chain_and_its_tags() {
    let mut home = TestHome::with(FILE).variable("KIMI_API_KEY", "sk-kimi-1");
    let listed = json_of(&mut home, list()).await;
    let models = listed["models"].as_array().unwrap();
    assert_eq!(listed["count"], json!(models.len()));
    let expected = json!({
        "key": "kimi/kimi-for-coding",
        "name": "Kimi for Coding",
        "input": "text+image+video",
        "contextWindow": 1_048_576,
        "maxTokens": null,
        "reasoning": true,
        "cost": null,
        "tags": ["default", "alias:kimi"],
        "available": true,
    });
    assert_eq!(models[0], expected);
    assert_eq!(
        (&models[1]["key"], &models[1]["tags"]),
        (&json!("moonshot/kimi-k2.6"), &json!(["fallback#1"]))
    );
    assert_eq!(models[1]["available"], json!(false));
    assert_eq!(
        models[1]["cost"],
        json!({ "input": 0.95, "output": 4.0, "cacheRead": 0.16, "cacheWrite": 0.0, "cacheWrite1h": 0.0 })
    );
    assert_eq!((&models[2]["key"], &models[2]["missing"]), (&json!("openrouter/vendor/new"), &json!(true)));
    let keys: Vec<&str> = models.iter().map(|model| model["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"moonshot/kimi-k3.1-pro"));
    assert!(!keys.contains(&"moonshot/kimi-k2.5"), "retired models are not listed");
    assert!(!keys.iter().any(|key| key.starts_with("moonshot-cn/")), "it is not configured");
}

#[tokio::test]
async fn list_can_be_limited_to_one_provider() {
    let mut home = TestHome::with(FILE);
    let listed = json_of(&mut home, list_of("Kimi-Code")).await;
    let keys: Vec<&Value> = listed["models"].as_array().unwrap().iter().map(|model| &model["key"]).collect();
    assert_eq!(keys.len(), 5);
    assert!(keys.iter().all(|key| key.as_str().unwrap().starts_with("kimi/")));
    let error = error_text(run(&mut home, list_of("moonshto"), false).await);
    assert!(error.contains("code: 1") && error.contains("did you mean \\\"moonshot\\\"?"), "{error}");
}

#[tokio::test]
async fn table_has_one_row_for_each_model() {
    let mut home = TestHome::with(FILE).variable("MOONSHOT_API_KEY", "sk-m");
    let text = printed(&mut home, list()).await;
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], "Model Input Context Price in/out Ready Tags");
    assert_eq!(lines[1], "kimi/kimi-for-coding text+image+video 1.05M - no default, alias:kimi");
    assert_eq!(lines[2], "moonshot/kimi-k2.6 text+image+video 262k 0.95/4 USD yes fallback#1");
}

#[tokio::test]
async fn set_keeps_the_former_primary_as_first_fallback_and_keeps_comments() {
    let mut home = TestHome::with(FILE);
    run(&mut home, set("moonshot/kimi-k3"), false).await.unwrap();
    let expected = FILE
        .replace("'kimi/kimi-for-coding', // first", "\"moonshot/kimi-k3\", // first")
        .replace("['moonshot/kimi-k2.6'", "[\"kimi/kimi-for-coding\", 'moonshot/kimi-k2.6'");
    assert_eq!(home.text(), expected);
    let printed_chain = home.printed().lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(
        printed_chain,
        "fallback chain:\n1. moonshot/kimi-k3\n2. kimi/kimi-for-coding\n3. moonshot/kimi-k2.6\n4. openrouter/vendor/new"
    );
    run(&mut home, set("KIMI"), false).await.unwrap();
    assert!(home.text().contains("primary: \"kimi/kimi-for-coding\", // first"));
    assert!(
        home.text().contains("[\"moonshot/kimi-k3\", 'moonshot/kimi-k2.6', 'openrouter/vendor/new']"),
        "{}",
        home.text()
    );
    let before = home.text();
    assert!(printed(&mut home, set("kimi/k2p5")).await.starts_with("No change: "));
    assert!(home.printed().contains("2. moonshot/kimi-k3"), "{}", home.printed());
    assert_eq!(home.text(), before);
}

#[tokio::test]
async fn set_removes_duplicates_from_the_fallbacks() {
    let text = "{ agents: { defaults: {
      model: {
        primary: 'Kimi',
        fallbacks: [
          'moonshot/kimi-k3',
          // the paid one
          'openrouter/auto',
          'kimi/kimi-for-coding',
          'openrouter/auto',
        ],
      },
      models: { 'kimi/kimi-for-coding': { alias: 'Kimi' } },
    } } }";
    let mut home = TestHome::with(text);
    let report = json_of(&mut home, set("moonshot/kimi-k3")).await;
    assert_eq!((&report["ok"], &report["changed"]), (&json!(true), &json!(true)));
    assert_eq!(report["primary"], json!("moonshot/kimi-k3"));
    assert_eq!(report["fallbacks"], json!(["kimi/kimi-for-coding", "openrouter/auto"]));
    let model = home
        .context(false)
        .open_document()
        .unwrap()
        .get(&crate::config::keypath::KeyPath::parse("agents.defaults.model").unwrap());
    let expected = json!({ "primary": "moonshot/kimi-k3", "fallbacks": ["Kimi", "openrouter/auto"] });
    assert_eq!(model, Some(expected), "{}", home.text());
    assert!(home.text().contains("// the paid one\n          'openrouter/auto'"), "{}", home.text());
}

#[tokio::test]
async fn set_with_managed_configuration_prints_nix_lines() {
    let mut home = TestHome::with(FILE).variable("MOONRELAY_NIX_MODE", "1");
    let refused = error_text(run(&mut home, set("moonshot/kimi-k3"), false).await);
    for line in [
        "agents.defaults.model.primary = \\\"moonshot/kimi-k3\\\";",
        "agents.defaults.model.fallbacks = [ \\\"kimi/kimi-for-coding\\\" \\\"moonshot/kimi-k2.6\\\" \\\"openrouter/vendor/new\\\" ];",
    ] {
        assert!(refused.contains(line), "{line}: {refused}");
    }
    assert_eq!(home.text(), FILE);
}

#[tokio::test]
async fn set_rejects_unknown_names_and_suggests_the_nearest() {
    let mut home = TestHome::with(FILE).variable("MOONSHOT_API_KEY", "sk-m");
    for (name, near) in
        [("bogus", "nearest: "), ("moonshot/kimi-k9", "kimi-k3"), ("opnrouter/auto", "openrouter")]
    {
        let error = error_text(run(&mut home, set(name), false).await);
        assert!(
            error.contains("code: 1") && error.contains("unknown_model") && error.contains(near),
            "{error}"
        );
    }
    assert_eq!(home.text(), FILE);
}

#[tokio::test]
async fn catch_all_route_does_not_resolve_model_names() {
    let text = "{ models: { routes: { '*': 'default' } } }";
    let mut home = TestHome::with(text).variable("KIMI_API_KEY", "sk-k");
    let error = error_text(run(&mut home, set("nosuch/model"), false).await);
    assert!(error.contains("there is no provider") && error.contains("nearest: "), "{error}");
    run(&mut home, set("kimi-for-coding"), false).await.unwrap();
    run(&mut home, fallback("kimi-k3"), false).await.unwrap();
    let chain = home.context(false).load_settings().unwrap().default_chain;
    let chain: Vec<String> = chain.references.iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["kimi/kimi-for-coding", "moonshot/kimi-k3"]);
}

#[tokio::test]
async fn set_without_a_chain_writes_the_default_fallbacks() {
    let mut home =
        TestHome::empty().variable("MOONSHOT_API_KEY", "sk-m").variable("OPENROUTER_API_KEY", "sk-o");
    run(&mut home, set("moonshot/kimi-k2.7-code"), true).await.unwrap();
    let fallbacks = json!(["moonshot/kimi-k3.1-pro", "openrouter/auto"]);
    let expected = json!({ "ok": true, "changed": true, "path": home.file(), "primary": "moonshot/kimi-k2.7-code", "fallbacks": fallbacks });
    assert_eq!(home.printed_json(), expected);
    let settings = home.context(false).load_settings().unwrap();
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["moonshot/kimi-k2.7-code", "moonshot/kimi-k3.1-pro", "openrouter/auto"]);
}

#[tokio::test]
async fn set_keeps_a_primary_that_is_the_whole_chain() {
    let mut home = TestHome::with("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    run(&mut home, set("moonshot/kimi-k2.5"), false).await.unwrap();
    assert!(
        home.printed().starts_with("warning: moonshot/kimi-k2.5 was retired on 2026-08-31"),
        "{}",
        home.printed()
    );
    let model = home
        .context(false)
        .open_document()
        .unwrap()
        .get(&crate::config::keypath::KeyPath::parse("agents.defaults.model").unwrap());
    assert_eq!(model, Some(json!({ "primary": "moonshot/kimi-k2.5", "fallbacks": ["moonshot/kimi-k3"] })));
    let mut home = TestHome::with("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    assert!(printed(&mut home, set("moonshot/kimi-k3")).await.starts_with("No change: "));
}

#[tokio::test]
async fn aliases_are_listed_added_and_removed() {
    let mut home = TestHome::with(FILE);
    let command = || ModelsCommand::Aliases(AliasesCommand::List);
    assert_eq!(json_of(&mut home, command()).await, json!({ "aliases": { "Kimi": "kimi/kimi-for-coding" } }));
    run(&mut home, alias("big", "moonshot/kimi-k3"), false).await.unwrap();
    run(&mut home, alias("coder", "kimi-code/k2p5"), false).await.unwrap();
    let expected = json!({ "aliases": { "coder": "kimi/kimi-for-coding", "big": "moonshot/kimi-k3" } });
    assert_eq!(json_of(&mut home, command()).await, expected);
    assert!(home.text().starts_with("{\n  // mine\n"));
    let taken = error_text(run(&mut home, alias("BIG", "kimi/k3"), false).await);
    assert!(taken.contains("already means moonshot/kimi-k3"), "{taken}");
    run(&mut home, remove_alias("Big"), false).await.unwrap();
    run(&mut home, remove_alias("coder"), false).await.unwrap();
    assert_eq!(json_of(&mut home, command()).await, json!({ "aliases": {} }));
    assert!(!home.text().contains("kimi-k3'"));
    let unknown = error_text(run(&mut home, remove_alias("big"), false).await);
    assert!(unknown.contains("there is no alias"), "{unknown}");
}

#[tokio::test]
async fn alias_that_hides_a_reference_or_default_is_rejected() {
    let mut home = TestHome::with(FILE);
    for name in ["openrouter/auto", "DEFAULT"] {
        let error = error_text(run(&mut home, alias(name, "moonshot/kimi-k3"), false).await);
        assert!(error.contains("code: 1") && error.contains("would hide "), "{error}");
    }
    assert_eq!(home.text(), FILE);
    run(&mut home, alias("moonshot/kimi-k3", "moonshot/kimi-k3"), false).await.unwrap();
}

#[tokio::test]
async fn removing_an_alias_keeps_the_parameters() {
    let text = "{ agents: { defaults: { models: { 'kimi/k3': { alias: 'a', params: { x: 1 } } } } } }";
    let mut home = TestHome::with(text);
    run(&mut home, remove_alias("a"), false).await.unwrap();
    assert_eq!(home.text(), "{ agents: { defaults: { models: { 'kimi/k3': { params: { x: 1 } } } } } }");
}

#[tokio::test]
async fn fallbacks_are_listed_added_removed_and_cleared() {
    let mut home = TestHome::with(FILE);
    let command = || ModelsCommand::Fallbacks(FallbacksCommand::List);
    let is = |list: &[&str]| json!({ "fallbacks": list });
    assert_eq!(json_of(&mut home, command()).await, is(&["moonshot/kimi-k2.6", "openrouter/vendor/new"]));
    run(&mut home, fallback("openrouter/auto"), false).await.unwrap();
    let before = home.text();
    assert!(
        before.contains("['moonshot/kimi-k2.6', 'openrouter/vendor/new', \"openrouter/auto\"]"),
        "{before}"
    );
    assert!(printed(&mut home, fallback("openrouter/auto")).await.starts_with("No change"));
    assert_eq!(home.text(), before);
    run(&mut home, remove_fallback("moonshot/kimi-k2.6"), false).await.unwrap();
    assert_eq!(json_of(&mut home, command()).await, is(&["openrouter/vendor/new", "openrouter/auto"]));
    let unknown = error_text(run(&mut home, remove_fallback("kimi/kimi-for-coding"), false).await);
    assert!(unknown.contains("is not among the fallbacks"), "{unknown}");
    let refused = error_text(run(&mut home, fallback("unknown/x"), false).await);
    assert!(refused.contains("unknown_model"), "{refused}");
    run(&mut home, ModelsCommand::Fallbacks(FallbacksCommand::Clear), false).await.unwrap();
    assert_eq!(json_of(&mut home, command()).await, is(&[]));
    assert!(home.text().contains("// first"));
}

#[tokio::test]
async fn first_fallback_writes_a_full_chain() {
    let mut home = TestHome::with("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    run(&mut home, fallback("openrouter/auto"), false).await.unwrap();
    let model = home
        .context(false)
        .open_document()
        .unwrap()
        .get(&crate::config::keypath::KeyPath::parse("agents.defaults.model").unwrap());
    assert_eq!(model, Some(json!({ "primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto"] })));
    let mut none = TestHome::empty();
    let error = error_text(run(&mut none, fallback("openrouter/auto"), false).await);
    assert!(error.contains("no_primary"), "{error}");
    let mut automatic =
        TestHome::empty().variable("MOONSHOT_API_KEY", "sk-m").variable("OPENROUTER_API_KEY", "sk-o");
    run(&mut automatic, remove_fallback("openrouter/auto"), false).await.unwrap();
    let model = automatic
        .context(false)
        .open_document()
        .unwrap()
        .get(&crate::config::keypath::KeyPath::parse("agents.defaults.model").unwrap());
    assert_eq!(model, Some(json!({ "primary": "moonshot/kimi-k3.1-pro", "fallbacks": [] })));
}

#[tokio::test]
async fn status_masks_keys_and_shows_their_origin() {
    let text = "{ env: { OPENROUTER_API_KEY: 'sk-or-1234567890' }, models: { providers: {
      lab: { baseUrl: 'http://127.0.0.1:9/v1' }, dark: { baseUrl: 'https://x.example/v1', apiKey: '${DARK}' } } } }";
    let mut home = TestHome::with(text).variable("KIMI_API_KEY", "sk-kimi-1234567890");
    let status = json_of(&mut home, ModelsCommand::Status { probe: false }).await;
    assert!(!home.printed().contains("1234567890"), "{}", home.printed());
    assert_eq!(status["primary"], json!("kimi/kimi-for-coding"));
    assert_eq!(status["fallbacks"], json!(["openrouter/auto"]));
    let provider = |id: &str| {
        let providers = status["providers"].as_array().unwrap();
        providers.iter().find(|provider| provider["id"] == json!(id)).unwrap().clone()
    };
    assert_eq!(provider("kimi")["keys"], json!([{ "key": "sk-…90", "origin": "env KIMI_API_KEY" }]));
    assert_eq!(provider("openrouter")["keys"][0]["origin"], json!("env block OPENROUTER_API_KEY"));
    assert_eq!((provider("lab")["state"].clone(), provider("lab")["keys"].clone()), (json!("on"), json!([])));
    assert_eq!(provider("dark")["reason"], json!("DARK is not set or empty"));
    assert_eq!(provider("moonshot")["state"], json!("off"));
    let text = printed(&mut home, ModelsCommand::Status { probe: false }).await;
    assert!(!text.contains("1234567890") && text.contains("sk-…90 (env KIMI_API_KEY)"), "{text}");
}

#[tokio::test]
async fn invalid_configuration_exits_with_78() {
    let mut home = TestHome::with("{ modles: 1, gatway: 2 }");
    let error = error_text(run(&mut home, list(), false).await);
    assert!(error.contains("code: 78") && error.contains("modles") && error.contains("gatway"), "{error}");
}
