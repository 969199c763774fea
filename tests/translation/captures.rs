//! Every recorded client request is answered in the client's API, by every provider as the primary, whatever
//! APIs that provider supports.

pub(super) mod expected;
pub(super) mod recorded;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Api, Gateway, Provider, Setup, Upstream};
use expected::Expected;
use recorded::{Capture, of_client, others, prompts};

/// All names that the clients request lead to the default chain.
fn all_names(setup: Setup) -> Setup {
    setup.set("models.routes", json!({ "*": "default" }))
}

/// Whether Kimi Code accepts this client; its Messages API accepts all.
fn is_let_in(capture: &Capture) -> bool {
    let known = ["KimiCLI/", "kimi-code-cli/", "claude-cli/"];
    capture.api() == Api::Messages || known.iter().any(|known| capture.agent().starts_with(known))
}

/// The APIs of the provider that were called since the last call of this function.
async fn apis_asked(upstream: &Upstream, provider: Provider) -> BTreeSet<String> {
    let requests = upstream.requests().await;
    upstream.forget().await;
    let own = requests.iter().filter(|request| request["provider"] == provider.id());
    own.map(|request| request["face"].as_str().unwrap().to_owned()).collect()
}

async fn assert_untranslated(upstream: &Upstream, capture: &Capture, provider: Provider) {
    let own = BTreeSet::from([capture.api().word().to_owned()]);
    assert_eq!(apis_asked(upstream, provider).await, own, "{}: translated without need", capture.name);
}

#[test]
fn recordings_are_complete() {
    let captures = prompts();
    let of_api = |api| captures.iter().filter(|capture| capture.api() == api).count();
    assert_eq!(Api::ALL.map(of_api), [33, 8, 22]);
    let call = |capture: &&Capture| matches!(capture.expected(), Expected::Call(_));
    let calls: Vec<&str> = captures.iter().filter(call).map(|capture| capture.name.as_str()).collect();
    let agents = ["claude-code", "codex", "kimi-cli", "kimi-code", "openclaw", "opencode"];
    for (called, agent) in calls.iter().zip(agents) {
        assert!(called.starts_with(agent), "each agent calls its shell once: {calls:?}");
    }
    assert_eq!(calls.len(), agents.len(), "{calls:?}");
    assert!(captures.iter().any(|c| c.body.to_string().len() > 80_000), "sizes are the recorded ones");
    assert_eq!(others().len(), 40);
}

#[tokio::test]
async fn moonshot_answers_every_client() {
    let upstream = Upstream::start().await;
    // Moonshot's own ids are requested unchanged, so that each model's rules apply; other names are routed.
    let routes = json!({
        "kimi-for-coding": "default", "moonshotai/*": "default", "k3": "default", "claude-*": "default",
    });
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("models.routes", routes)
        .start()
        .await;
    for capture in prompts() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, Provider::Moonshot);
        let asked = capture.body["model"].as_str().unwrap();
        let model = if asked.starts_with("kimi-k") { asked } else { "kimi-k3" };
        assert_eq!(answer.attempts(), format!("moonshot/{model}=ok"), "{}", capture.name);
        assert_untranslated(&upstream, &capture, Provider::Moonshot).await;
    }
}

#[tokio::test]
async fn kimi_code_answers_accepted_clients_and_the_fallback_answers_others() {
    let upstream = Upstream::start().await;
    let gateway = all_names(Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])).start().await;
    let (mut let_in, mut refused) = (0, BTreeSet::new());
    for capture in prompts() {
        let answer = capture.send(&gateway).await;
        if is_let_in(&capture) {
            let_in += 1;
            capture.check(&answer, Provider::Kimi);
            assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", capture.name);
            assert_untranslated(&upstream, &capture, Provider::Kimi).await;
        } else {
            capture.check(&answer, Provider::OpenRouter);
            // A rejection sets a cooldown for this User-Agent and API.
            let first = refused.insert((capture.agent().to_owned(), capture.api()));
            let outcome = if first { "forbidden_client" } else { "cooling_down" };
            let attempts = format!("kimi/kimi-for-coding={outcome}, openrouter/auto=ok");
            assert_eq!(answer.attempts(), attempts, "{}", capture.name);
            assert_untranslated(&upstream, &capture, Provider::OpenRouter).await;
        }
    }
    assert_eq!((let_in, refused.len()), (30, 12), "{refused:?}");
}

#[tokio::test]
async fn kimi_code_answers_every_client_with_a_configured_user_agent() {
    let upstream = Upstream::start().await;
    let gateway = all_names(Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]))
        .set("models.providers.kimi.headers", json!({ "User-Agent": "KimiCLI/1.46.0" }))
        .start()
        .await;
    for capture in prompts() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, Provider::Kimi);
        assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", capture.name);
    }
}

#[tokio::test]
async fn openrouter_answers_every_client() {
    let upstream = Upstream::start().await;
    let gateway =
        all_names(Setup::chain(&upstream, &[Provider::OpenRouter, Provider::Moonshot])).start().await;
    for capture in prompts() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, Provider::OpenRouter);
        assert_eq!(answer.attempts(), "openrouter/auto=ok", "{}", capture.name);
        assert_untranslated(&upstream, &capture, Provider::OpenRouter).await;
    }
}

/// Every client, with a provider that supports only this API.
async fn in_one_api(provider: Provider, api: Api) {
    let upstream = Upstream::start().await;
    let base = match (provider, api) {
        (Provider::Moonshot, Api::Messages) => "/moonshot/anthropic/v1",
        _ => provider.path(),
    };
    let own = format!("models.providers.{}", provider.id());
    let mut setup = all_names(Setup::chain(&upstream, &[provider]))
        .set(&format!("{own}.baseUrl"), json!(format!("{}{base}", upstream.base())))
        .set(&format!("{own}.api"), json!(api.api()));
    if provider == Provider::Kimi {
        setup = setup.set(&format!("{own}.headers"), json!({ "User-Agent": "KimiCLI/1.46.0" }));
    }
    let gateway = setup.start().await;
    for capture in prompts() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, provider);
        assert_eq!(answer.attempts(), format!("{}=ok", provider.reference()), "{}", capture.name);
        let calls = capture.api().read(&answer).calls;
        let fit = api == capture.api() || calls.iter().all(|call| call.fits(capture.api()));
        assert!(fit, "{}: {calls:?}", capture.name);
        let asked = apis_asked(&upstream, provider).await;
        assert_eq!(asked, BTreeSet::from([api.word().to_owned()]), "{}", capture.name);
    }
}

#[tokio::test]
async fn chat_only_providers_answer_every_client() {
    for provider in Provider::ALL {
        in_one_api(provider, Api::Chat).await;
    }
}

#[tokio::test]
async fn messages_only_providers_answer_every_client() {
    for provider in Provider::ALL {
        in_one_api(provider, Api::Messages).await;
    }
}

#[tokio::test]
async fn responses_only_providers_answer_every_client() {
    for provider in Provider::ALL {
        in_one_api(provider, Api::Responses).await;
    }
}

#[tokio::test]
async fn client_rejection_cools_the_target_down_for_that_client_only() {
    let upstream = Upstream::start().await;
    let gateway = all_names(Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])).start().await;
    let stranger = of_client("aider").remove(0);
    let friend = of_client("kimi-cli").remove(0);
    assert!(stranger.send(&gateway).await.attempts().contains("forbidden_client"));
    let again = stranger.send(&gateway).await;
    assert_eq!(again.attempts(), "kimi/kimi-for-coding=cooling_down, openrouter/auto=ok");
    assert_eq!(friend.send(&gateway).await.attempts(), "kimi/kimi-for-coding=ok");
}

#[tokio::test]
async fn auxiliary_client_requests_work_with_every_primary() {
    let upstream = Upstream::start().await;
    for provider in Provider::ALL {
        let routes = json!({ "claude-*": "default", "*": "default" });
        let gateway = Setup::chain(&upstream, &[provider]).set("models.routes", routes).start().await;
        for capture in others() {
            check_other(&capture, &gateway, provider).await;
        }
    }
}

async fn check_other(capture: &Capture, gateway: &Gateway, provider: Provider) {
    let answer = capture.send(gateway).await;
    let name = &capture.name;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    let path = capture.target.split('?').next().unwrap();
    if path.ends_with("/count_tokens") {
        // OpenRouter does not count tokens, so the count is an estimate.
        let by = if provider == Provider::OpenRouter { "estimate" } else { "provider" };
        assert_eq!(answer.header("x-moonrelay-count"), by, "{name}");
        let counted = answer.json()["input_tokens"].as_u64().unwrap();
        let bytes = capture.body.to_string().len() as u64;
        assert!((1..=bytes).contains(&counted), "{name}: {counted} of {bytes} bytes");
    } else if path.ends_with("/models") {
        check_list(capture, &answer.json());
    } else if path.contains("/models/") {
        let wanted = path.rsplit('/').next().unwrap();
        assert_eq!((&answer.json()["id"], &answer.json()["object"]), (&json!(wanted), &json!("model")));
    } else {
        assert_eq!((capture.method.as_str(), answer.body.len()), ("HEAD", 0), "{name}");
    }
}

/// In the shape that the client's SDK reads; Claude Code keeps the ids that begin like a model of Anthropic's.
fn check_list(capture: &Capture, list: &Value) {
    let models = list["data"].as_array().unwrap();
    assert!(!models.is_empty(), "{}", capture.name);
    let anthropic = capture.header("anthropic-version").is_some();
    for model in models {
        let kind = if anthropic { &model["type"] } else { &model["object"] };
        assert_eq!(kind, "model", "{}: {model}", capture.name);
        assert!(model["id"].as_str().is_some_and(|id| !id.is_empty()), "{}: {model}", capture.name);
        if anthropic {
            assert!(model["display_name"].is_string() && model["created_at"].is_string(), "{model}");
        }
    }
    if anthropic {
        assert_eq!(list["has_more"], json!(false), "{}", capture.name);
        assert!(list["first_id"] == models[0]["id"], "{}", capture.name);
    } else {
        assert_eq!(list["object"], "list", "{}", capture.name);
    }
}
