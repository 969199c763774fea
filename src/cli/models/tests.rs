mod live;

use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ModelsCommand, aliases, execute, fallbacks};
use crate::cli::console::tests::{Desk, told};
use crate::cli::exit::CommandError;
use crate::cli::progress::Progress;
use crate::failure::{Failure, Reason};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// Nothing may be called.
struct Nobody;

impl Connector for Nobody {
    fn send(
        &self,
        _: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        Box::pin(async { Err(Failure::new(Reason::Network, "nobody is there")) })
    }
}

fn nobody() -> Arc<dyn Connector> {
    Arc::new(Nobody)
}

async fn run_with(
    desk: &mut Desk,
    verb: ModelsCommand,
    json: bool,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    execute(verb, &mut desk.console(json), connector, &Progress::hidden()).await
}

async fn run(desk: &mut Desk, verb: ModelsCommand, json: bool) -> Result<(), CommandError> {
    run_with(desk, verb, json, &nobody()).await
}

async fn printed(desk: &mut Desk, verb: ModelsCommand) -> String {
    run(desk, verb, false).await.unwrap();
    desk.printed()
}

async fn json_of(desk: &mut Desk, verb: ModelsCommand) -> Value {
    run(desk, verb, true).await.unwrap();
    desk.printed_json()
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
    ModelsCommand::Aliases(aliases::AliasesCommand::Add { alias: alias.to_owned(), model: model.to_owned() })
}

fn no_alias(alias: &str) -> ModelsCommand {
    ModelsCommand::Aliases(aliases::AliasesCommand::Remove { alias: alias.to_owned() })
}

fn fallback(model: &str) -> ModelsCommand {
    ModelsCommand::Fallbacks(fallbacks::FallbacksCommand::Add { model: model.to_owned() })
}

fn no_fallback(model: &str) -> ModelsCommand {
    ModelsCommand::Fallbacks(fallbacks::FallbacksCommand::Remove { model: model.to_owned() })
}

const FILE: &str = "{\n  // mine\n  agents: {\n    defaults: {\n      model: {\n        primary: 'kimi/kimi-for-coding', // first\n        fallbacks: ['moonshot/kimi-k2.6', 'openrouter/vendor/new'],\n      },\n      models: {\n        'kimi/kimi-for-coding': { alias: 'Kimi' },\n      },\n    },\n  },\n}\n";

#[tokio::test]
async fn the_list_has_the_chain_first_with_its_tags() {
    let mut desk = Desk::with(FILE).variable("KIMI_API_KEY", "sk-kimi-1");
    let listed = json_of(&mut desk, list()).await;
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
        json!({ "input": 0.95, "output": 4.0, "cacheRead": 0.16, "cacheWrite": 0.0 })
    );
    assert_eq!((&models[2]["key"], &models[2]["missing"]), (&json!("openrouter/vendor/new"), &json!(true)));
    let keys: Vec<&str> = models.iter().map(|model| model["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"moonshot/kimi-k3.1-pro"));
    assert!(!keys.contains(&"moonshot/kimi-k2.5"), "models that are gone are not listed");
    assert!(!keys.iter().any(|key| key.starts_with("moonshot-cn/")), "it is not configured");
}

#[tokio::test]
async fn the_list_can_be_of_one_provider() {
    let mut desk = Desk::with(FILE);
    let listed = json_of(&mut desk, list_of("Kimi-Code")).await;
    let keys: Vec<&Value> = listed["models"].as_array().unwrap().iter().map(|model| &model["key"]).collect();
    assert_eq!(keys.len(), 5);
    assert!(keys.iter().all(|key| key.as_str().unwrap().starts_with("kimi/")));
    let told = told(run(&mut desk, list_of("moonshto"), false).await);
    assert!(told.contains("code: 1") && told.contains("did you mean \\\"moonshot\\\"?"), "{told}");
}

#[tokio::test]
async fn the_table_is_for_people() {
    let mut desk = Desk::with(FILE).variable("MOONSHOT_API_KEY", "sk-m");
    let text = printed(&mut desk, list()).await;
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], "Model Input Context Price in/out Ready Tags");
    assert_eq!(lines[1], "kimi/kimi-for-coding text+image+video 1M - no default, alias:kimi");
    assert_eq!(lines[2], "moonshot/kimi-k2.6 text+image+video 256k 0.95/4 USD yes fallback#1");
}

#[tokio::test]
async fn set_keeps_the_former_primary_as_first_fallback_and_keeps_comments() {
    let mut desk = Desk::with(FILE);
    run(&mut desk, set("moonshot/kimi-k3"), false).await.unwrap();
    let expected = FILE
        .replace("'kimi/kimi-for-coding', // first", "\"moonshot/kimi-k3\", // first")
        .replace("['moonshot/kimi-k2.6'", "[\"kimi/kimi-for-coding\", 'moonshot/kimi-k2.6'");
    assert_eq!(desk.text(), expected);
    let printed_chain = desk.printed().lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(
        printed_chain,
        "fallback chain:\n1. moonshot/kimi-k3\n2. kimi/kimi-for-coding\n3. moonshot/kimi-k2.6\n4. openrouter/vendor/new"
    );
    run(&mut desk, set("KIMI"), false).await.unwrap();
    assert!(desk.text().contains("primary: \"kimi/kimi-for-coding\", // first"));
    assert!(
        desk.text().contains("[\"moonshot/kimi-k3\", 'moonshot/kimi-k2.6', 'openrouter/vendor/new']"),
        "{}",
        desk.text()
    );
    let before = desk.text();
    assert!(printed(&mut desk, set("kimi/k2p5")).await.starts_with("No change: "));
    assert!(desk.printed().contains("2. moonshot/kimi-k3"), "{}", desk.printed());
    assert_eq!(desk.text(), before);
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
    let mut desk = Desk::with(text);
    let report = json_of(&mut desk, set("moonshot/kimi-k3")).await;
    assert_eq!((&report["ok"], &report["changed"]), (&json!(true), &json!(true)));
    assert_eq!(report["primary"], json!("moonshot/kimi-k3"));
    assert_eq!(report["fallbacks"], json!(["kimi/kimi-for-coding", "openrouter/auto"]));
    let model =
        desk.console(false).open_document().unwrap().get(&super::key_path(&["agents", "defaults", "model"]));
    let expected = json!({ "primary": "moonshot/kimi-k3", "fallbacks": ["Kimi", "openrouter/auto"] });
    assert_eq!(model, Some(expected), "{}", desk.text());
    assert!(desk.text().contains("// the paid one\n          'openrouter/auto'"), "{}", desk.text());
}

#[tokio::test]
async fn set_under_nix_prints_the_lines_of_the_new_chain() {
    let mut desk = Desk::with(FILE).variable("MOONRELAY_NIX_MODE", "1");
    let refused = told(run(&mut desk, set("moonshot/kimi-k3"), false).await);
    for line in [
        "agents.defaults.model.primary = \\\"moonshot/kimi-k3\\\";",
        "agents.defaults.model.fallbacks = [ \\\"kimi/kimi-for-coding\\\" \\\"moonshot/kimi-k2.6\\\" \\\"openrouter/vendor/new\\\" ];",
    ] {
        assert!(refused.contains(line), "{line}: {refused}");
    }
    assert_eq!(desk.text(), FILE);
}

#[tokio::test]
async fn set_refuses_unknown_names_with_the_nearest() {
    let mut desk = Desk::with(FILE).variable("MOONSHOT_API_KEY", "sk-m");
    for (name, near) in
        [("bogus", "nearest: "), ("moonshot/kimi-k9", "kimi-k3"), ("opnrouter/auto", "openrouter")]
    {
        let told = told(run(&mut desk, set(name), false).await);
        assert!(told.contains("code: 1") && told.contains("unknown_model") && told.contains(near), "{told}");
    }
    assert_eq!(desk.text(), FILE);
}

#[tokio::test]
async fn a_route_that_takes_everything_does_not_take_the_names_of_models() {
    let text = "{ models: { routes: { '*': 'default' } } }";
    let mut desk = Desk::with(text).variable("KIMI_API_KEY", "sk-k");
    let told = told(run(&mut desk, set("nosuch/model"), false).await);
    assert!(told.contains("there is no provider") && told.contains("nearest: "), "{told}");
    run(&mut desk, set("kimi-for-coding"), false).await.unwrap();
    run(&mut desk, fallback("kimi-k3"), false).await.unwrap();
    let chain = desk.console(false).load_settings().unwrap().default_chain;
    let chain: Vec<String> = chain.references.iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["kimi/kimi-for-coding", "moonshot/kimi-k3"]);
}

#[tokio::test]
async fn set_without_a_chain_writes_the_fallbacks_that_served() {
    let mut desk = Desk::empty().variable("MOONSHOT_API_KEY", "sk-m").variable("OPENROUTER_API_KEY", "sk-o");
    run(&mut desk, set("moonshot/kimi-k2.7-code"), true).await.unwrap();
    let fallbacks = json!(["moonshot/kimi-k3", "openrouter/auto"]);
    let expected = json!({ "ok": true, "changed": true, "path": desk.file(), "primary": "moonshot/kimi-k2.7-code", "fallbacks": fallbacks });
    assert_eq!(desk.printed_json(), expected);
    let settings = desk.console(false).load_settings().unwrap();
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["moonshot/kimi-k2.7-code", "moonshot/kimi-k3", "openrouter/auto"]);
}

#[tokio::test]
async fn set_keeps_a_primary_that_is_the_whole_chain() {
    let mut desk = Desk::with("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    run(&mut desk, set("moonshot/kimi-k2.5"), false).await.unwrap();
    assert!(
        desk.printed().starts_with("warning: moonshot/kimi-k2.5 was retired on 2026-08-31"),
        "{}",
        desk.printed()
    );
    let model =
        desk.console(false).open_document().unwrap().get(&super::key_path(&["agents", "defaults", "model"]));
    assert_eq!(model, Some(json!({ "primary": "moonshot/kimi-k2.5", "fallbacks": ["moonshot/kimi-k3"] })));
    let mut desk = Desk::with("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    assert!(printed(&mut desk, set("moonshot/kimi-k3")).await.starts_with("No change: "));
}

#[tokio::test]
async fn aliases_are_listed_added_and_removed() {
    let mut desk = Desk::with(FILE);
    let verb = || ModelsCommand::Aliases(aliases::AliasesCommand::List);
    assert_eq!(json_of(&mut desk, verb()).await, json!({ "aliases": { "Kimi": "kimi/kimi-for-coding" } }));
    run(&mut desk, alias("big", "moonshot/kimi-k3"), false).await.unwrap();
    run(&mut desk, alias("coder", "kimi-code/k2p5"), false).await.unwrap();
    let expected = json!({ "aliases": { "coder": "kimi/kimi-for-coding", "big": "moonshot/kimi-k3" } });
    assert_eq!(json_of(&mut desk, verb()).await, expected);
    assert!(desk.text().starts_with("{\n  // mine\n"));
    let taken = told(run(&mut desk, alias("BIG", "kimi/k3"), false).await);
    assert!(taken.contains("means moonshot/kimi-k3"), "{taken}");
    run(&mut desk, no_alias("Big"), false).await.unwrap();
    run(&mut desk, no_alias("coder"), false).await.unwrap();
    assert_eq!(json_of(&mut desk, verb()).await, json!({ "aliases": {} }));
    assert!(!desk.text().contains("kimi-k3'"));
    let unknown = told(run(&mut desk, no_alias("big"), false).await);
    assert!(unknown.contains("there is no alias"), "{unknown}");
}

#[tokio::test]
async fn an_alias_may_not_hide_a_reference_or_default() {
    let mut desk = Desk::with(FILE);
    for name in ["openrouter/auto", "DEFAULT"] {
        let told = told(run(&mut desk, alias(name, "moonshot/kimi-k3"), false).await);
        assert!(told.contains("code: 1") && told.contains("would hide "), "{told}");
    }
    assert_eq!(desk.text(), FILE);
    run(&mut desk, alias("moonshot/kimi-k3", "moonshot/kimi-k3"), false).await.unwrap();
}

#[tokio::test]
async fn removing_an_alias_keeps_the_parameters() {
    let text = "{ agents: { defaults: { models: { 'kimi/k3': { alias: 'a', params: { x: 1 } } } } } }";
    let mut desk = Desk::with(text);
    run(&mut desk, no_alias("a"), false).await.unwrap();
    assert_eq!(desk.text(), "{ agents: { defaults: { models: { 'kimi/k3': { params: { x: 1 } } } } } }");
}

#[tokio::test]
async fn fallbacks_are_listed_added_removed_and_cleared() {
    let mut desk = Desk::with(FILE);
    let verb = || ModelsCommand::Fallbacks(fallbacks::FallbacksCommand::List);
    let is = |list: &[&str]| json!({ "fallbacks": list });
    assert_eq!(json_of(&mut desk, verb()).await, is(&["moonshot/kimi-k2.6", "openrouter/vendor/new"]));
    run(&mut desk, fallback("openrouter/auto"), false).await.unwrap();
    let before = desk.text();
    assert!(
        before.contains("['moonshot/kimi-k2.6', 'openrouter/vendor/new', \"openrouter/auto\"]"),
        "{before}"
    );
    assert!(printed(&mut desk, fallback("openrouter/auto")).await.starts_with("No change"));
    assert_eq!(desk.text(), before);
    run(&mut desk, no_fallback("moonshot/kimi-k2.6"), false).await.unwrap();
    assert_eq!(json_of(&mut desk, verb()).await, is(&["openrouter/vendor/new", "openrouter/auto"]));
    let unknown = told(run(&mut desk, no_fallback("kimi/kimi-for-coding"), false).await);
    assert!(unknown.contains("is not among the fallbacks"), "{unknown}");
    let refused = told(run(&mut desk, fallback("nobody/x"), false).await);
    assert!(refused.contains("unknown_model"), "{refused}");
    run(&mut desk, ModelsCommand::Fallbacks(fallbacks::FallbacksCommand::Clear), false).await.unwrap();
    assert_eq!(json_of(&mut desk, verb()).await, is(&[]));
    assert!(desk.text().contains("// first"));
}

#[tokio::test]
async fn fallbacks_spell_out_a_chain_that_is_only_a_name_or_not_there() {
    let mut desk = Desk::with("{ agents: { defaults: { model: 'moonshot/kimi-k3' } } }");
    run(&mut desk, fallback("openrouter/auto"), false).await.unwrap();
    let model =
        desk.console(false).open_document().unwrap().get(&super::key_path(&["agents", "defaults", "model"]));
    assert_eq!(model, Some(json!({ "primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto"] })));
    let mut none = Desk::empty();
    let told = told(run(&mut none, fallback("openrouter/auto"), false).await);
    assert!(told.contains("no_primary"), "{told}");
    let mut automatic =
        Desk::empty().variable("MOONSHOT_API_KEY", "sk-m").variable("OPENROUTER_API_KEY", "sk-o");
    run(&mut automatic, no_fallback("openrouter/auto"), false).await.unwrap();
    let model = automatic
        .console(false)
        .open_document()
        .unwrap()
        .get(&super::key_path(&["agents", "defaults", "model"]));
    assert_eq!(model, Some(json!({ "primary": "moonshot/kimi-k3", "fallbacks": [] })));
}

#[tokio::test]
async fn status_masks_keys_and_names_their_origin() {
    let text = "{ env: { OPENROUTER_API_KEY: 'sk-or-1234567890' }, models: { providers: {
      lab: { baseUrl: 'http://127.0.0.1:9/v1' }, dark: { baseUrl: 'https://x.example/v1', apiKey: '${DARK}' } } } }";
    let mut desk = Desk::with(text).variable("KIMI_API_KEY", "sk-kimi-1234567890");
    let status = json_of(&mut desk, ModelsCommand::Status { probe: false }).await;
    assert!(!desk.printed().contains("1234567890"), "{}", desk.printed());
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
    let text = printed(&mut desk, ModelsCommand::Status { probe: false }).await;
    assert!(!text.contains("1234567890") && text.contains("sk-…90 (env KIMI_API_KEY)"), "{text}");
}

#[tokio::test]
async fn a_broken_file_ends_with_its_errors() {
    let mut desk = Desk::with("{ modles: 1, gatway: 2 }");
    let told = told(run(&mut desk, list(), false).await);
    assert!(told.contains("code: 78") && told.contains("modles") && told.contains("gatway"), "{told}");
}
