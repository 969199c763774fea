//! A request that the strict service of its own API accepts is accepted by every other strict service as the gateway sends it
//! there, unless the gateway refuses it itself.
//!
//! Input: a byte for the API, and the body without its model.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use moonrelay::config::settings::Settings;
use moonrelay::config::{Environment, from_text};
use moonrelay::protocol::api::Api;
use moonrelay::protocol::request::RequestBody;
use moonrelay::provider::rewrite::RewriteOptions;
use moonrelay::routing::request_bodies::RequestBodies;
use moonrelay::routing::route::ResolvedRoute;
use moonrelay::state::State;
use moonrelay_simulator::{Api as ServiceApi, Provider, find_objection};
use serde_json::{Map, Value};

use super::take;

/// The strict services: provider and API, the reference in [`SETTINGS`] and the model.
const SERVICES: [(Provider, Api, &str, &str); 6] = [
    (Provider::Anthropic, Api::Messages, "anthropic", "claude-opus-5"),
    (Provider::Anthropic, Api::Messages, "anthropic", "claude-sonnet-4-5"),
    (Provider::OpenAi, Api::ChatCompletions, "openai-chat", "gpt-5.4"),
    (Provider::OpenAi, Api::ChatCompletions, "openai-chat", "gpt-4.1"),
    (Provider::OpenAi, Api::Responses, "openai", "gpt-5.4"),
    (Provider::OpenAi, Api::Responses, "openai", "gpt-4.1"),
];

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let model = |id: &str| {
        format!(
            r#"{{ id: "{id}", reasoning: {}, contextWindow: 200000, maxTokens: 32000 }}"#,
            id != "gpt-4.1"
        )
    };
    let provider = |path, api, models: [&str; 2]| {
        let models = models.map(model).join(", ");
        format!(
            r#"{{ baseUrl: "http://127.0.0.1:1/{path}/v1", api: "{api}", apiKey: "key-000000", models: [{models}] }}"#
        )
    };
    let text = format!(
        "{{ agents: {{ defaults: {{ model: \"openai/gpt-5.4\" }} }}, models: {{ providers: {{ anthropic: {}, openai: {}, \"openai-chat\": {} }} }} }}",
        provider("anthropic", "anthropic-messages", ["claude-opus-5", "claude-sonnet-4-5"]),
        provider("openai", "openai-responses", ["gpt-5.4", "gpt-4.1"]),
        provider("openai", "openai-completions", ["gpt-5.4", "gpt-4.1"]),
    );
    from_text(&text, None, &Environment::default()).unwrap_or_else(|invalid| panic!("{invalid}"))
});

/// Checks one input; returns how many requests the services accepted.
pub fn judge(mut data: &[u8]) -> usize {
    let mut accepted = 0;
    let api = Api::ALL[usize::from(take(&mut data)) % 3];
    let Ok(mut tree) = serde_json::from_slice::<Map<String, Value>>(data) else { return 0 };
    // A conversation without messages is for the provider to refuse.
    let is_empty =
        tree.get(api.conversation_field()).is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
    for (provider, from, _, model) in SERVICES {
        if from != api || is_empty {
            continue;
        }
        tree.insert("model".to_owned(), model.into());
        let body = Value::Object(tree.clone());
        if find_objection(provider, service_api(api), &body).is_none() {
            accepted += check_translations(api, &body);
        }
    }
    accepted
}

/// Checks what a client's request becomes at each service; returns how many accepted it.
fn check_translations(api: Api, body: &Value) -> usize {
    let mut accepted = 0;
    let Ok(body) = RequestBody::parse(api, Bytes::from(body.to_string())) else { return 0 };
    for (provider, to, reference, model) in SERVICES {
        let name = format!("{reference}/{model}");
        let route = ResolvedRoute::resolve(&SETTINGS, &name, api).unwrap_or_else(|error| panic!("{error}"));
        let plan = moonrelay::routing::plan::plan_request(route, &State::new(), &name, &body, None);
        let bodies = RequestBodies::new(body.clone(), None, Arc::default(), usize::MAX);
        for planned in plan.targets.iter().filter(|planned| planned.skip_reason.is_none()) {
            let options = RewriteOptions { default_thinking: SETTINGS.default_thinking, last_provider: None };
            let Ok(prepared) = bodies.prepare(&planned.target, options) else { continue };
            let sent = prepared.adapted.edits.apply(&prepared.request_body.body().text).to_bytes();
            // The lone surrogates of a call's arguments survive; `serde_json` reads none.
            let Ok(sent) = serde_json::from_slice::<Value>(&sent) else { continue };
            if let Some(objection) = find_objection(provider, service_api(to), &sent) {
                panic!(
                    "{name} refuses: {objection}\nfrom: {}\nsent: {sent}",
                    String::from_utf8_lossy(&body.text)
                );
            }
            accepted += 1;
        }
    }
    accepted
}

const fn service_api(api: Api) -> ServiceApi {
    match api {
        Api::ChatCompletions => ServiceApi::ChatCompletions,
        Api::Messages => ServiceApi::Messages,
        Api::Responses => ServiceApi::Responses,
    }
}
