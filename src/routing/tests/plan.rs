//! Tests of the API selection, and of the conditions of targets.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::config::settings::Settings;
use crate::config::{self, Environment};
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::record::SkipReason;
use crate::routing::plan::{Plan, plan_request};
use crate::routing::route::{ResolvedRoute, list_models};
use crate::state::State;

fn plan(settings: &Settings, body: &RequestBody) -> Plan {
    let route = ResolvedRoute::resolve(settings, "default", body.api).ok().unwrap();
    plan_request(route, &State::new(), "default", body, None)
}

fn body(api: Api, value: &Value) -> RequestBody {
    RequestBody::parse(api, Bytes::from(value.to_string())).unwrap()
}

#[test]
fn client_api_is_used_if_served_otherwise_the_preferred_one() {
    let text = r#"{
        agents: { defaults: { model: { primary: "kimi/kimi-for-coding", fallbacks: ["chatty/m", "claudish/m"] } } },
        models: { providers: {
            kimi: { apiKey: "sk-kimi-000000" },
            chatty: { apiKey: "k", baseUrl: "https://chat.example/v1", models: [{ id: "m", name: "M" }] },
            claudish: { apiKey: "k", baseUrl: "https://messages.example/v1", api: "anthropic-messages",
                        models: [{ id: "m", name: "M" }] },
        } },
    }"#;
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    for api in Api::ALL {
        let request = body(api, &json!({"model": "default", "messages": [], "input": "hi"}));
        let plan = plan(&settings, &request);
        let called: Vec<String> =
            plan.targets.iter().map(|planned| planned.target.url().to_string()).collect();
        let own = format!("https://api.kimi.com/coding/v1{}", api.path());
        let expected = [
            own.as_str(),
            "https://chat.example/v1/chat/completions",
            "https://messages.example/v1/messages",
        ];
        assert_eq!(called, expected, "{api:?}");
        assert!(plan.targets.iter().all(|planned| planned.skip_reason.is_none()));
    }
}

#[test]
fn image_skips_a_text_model_on_every_api() {
    let text = r#"{
        agents: { defaults: { model: "blind/m" } },
        models: { providers: { blind: { apiKey: "k", baseUrl: "https://chat.example/v1",
            models: [{ id: "m", name: "M", input: ["text"] }] } } },
    }"#;
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    let part =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    let request = body(Api::Messages, &json!({"messages": [{"role": "user", "content": [part]}]}));
    let plan = plan(&settings, &request);
    let skipped = plan.targets[0].skip_reason.as_ref().map(|(skip, _)| *skip);
    assert_eq!(skipped, Some(SkipReason::MediaNotAccepted));
}

#[test]
fn document_skips_kimi_on_every_api_with_a_reason() {
    let text = r#"{
        agents: { defaults: { model: { primary: "kimi/kimi-for-coding", fallbacks: ["moonshot/kimi-k3", "openrouter/auto"] } } },
        models: { providers: { kimi: { apiKey: "sk-kimi-000000" }, moonshot: { apiKey: "sk-000000" },
                               openrouter: { apiKey: "sk-or-000000" } } },
    }"#;
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": "AA=="});
    for (api, part) in [
        (
            Api::ChatCompletions,
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}}),
        ),
        (Api::Messages, json!({"type": "document", "source": source})),
        (Api::Responses, json!({"type": "input_file", "file_data": "data:application/pdf;base64,AA=="})),
    ] {
        let list = json!([{"role": "user", "content": [part]}]);
        let request = body(api, &json!({"messages": list, "input": list}));
        let plan = plan(&settings, &request);
        let skipped: Vec<_> = plan.targets.iter().map(|planned| planned.skip_reason.clone()).collect();
        let [Some((kimi, why)), Some((moonshot, _)), None] = skipped.as_slice() else {
            panic!("{skipped:?}")
        };
        assert_eq!((*kimi, *moonshot), (SkipReason::MediaNotAccepted, SkipReason::MediaNotAccepted));
        let place = format!("{}[0].content[0]", api.conversation_field());
        assert!(why.starts_with(&place), "{why}");
    }
}

#[test]
fn globs_are_listed_by_a_matching_name() {
    let text = r#"{
        agents: { defaults: { model: "moonshot/kimi-k3" } },
        models: {
            providers: { moonshot: { apiKey: "sk-000000" }, openrouter: { apiKey: "sk-or-000000" } },
            routes: {
                "claude-*": "moonshot/kimi-k3",
                "claude-haiku-*": "openrouter/moonshotai/kimi-k2.6",
                "*": "default",
                "*-mini-*": "moonshot/kimi-k2.6",
                "claude-fixed": "moonshot/kimi-k3",
            },
        },
    }"#;
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    let listings = list_models(&settings);
    let routes: Vec<_> = listings
        .iter()
        .filter(|listing| !listing.id.contains('/'))
        .map(|listing| listing.id.as_str())
        .collect();
    assert_eq!(
        routes,
        ["claude-fixed", "claude-haiku-moonshotai-kimi-k2.6", "claude-kimi-k3", "-mini-kimi-k2.6"]
    );
    let glob = listings.iter().find(|listing| listing.id == "claude-kimi-k3").unwrap();
    assert_eq!((glob.display_name.as_str(), glob.owner.as_str()), ("Kimi K3 (claude-*)", "moonshot"));
}
