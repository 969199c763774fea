//! Routes without a prompt: lists, accounts, token counts.
//!
//! `data/accounts.json` has the bodies of the account routes. Money is in dollars; Kimi Code's `/usages` has
//! percentages as strings.

use std::sync::LazyLock;

use http::Method;
use serde_json::{Value, json};

use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::models::{self, SimulatedModel, ThinkingMode};
use crate::provider::{Api, Provider, ProviderRoute};
use crate::rules::{self, RuleOptions};

#[expect(clippy::expect_used, reason = "the file is part of the crate, and tests read it")]
static ACCOUNTS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/accounts.json")).expect("data/accounts.json is JSON")
});

/// # Errors
/// The 404 of an unknown route, and the refusal of a request to count tokens.
pub(super) fn response_body(
    method: &Method,
    route: ProviderRoute<'_>,
    body: &[u8],
    options: RuleOptions,
) -> Result<Value, ErrorResponse> {
    let provider = route.provider;
    let path = if route.is_anthropic_base { "" } else { route.path };
    Ok(match (method, provider, path) {
        (&Method::GET, _, "/models") | (&Method::GET, Provider::OpenRouter, "/models/user") => {
            models_body(provider)
        }
        (&Method::GET, Provider::Moonshot, "/users/me/balance")
        | (&Method::GET, Provider::Kimi, "/usages")
        | (&Method::GET, Provider::OpenRouter, "/key" | "/credits") => ACCOUNTS[path].clone(),
        (&Method::GET, Provider::OpenRouter, "/auth/key") => ACCOUNTS["/key"].clone(),
        (&Method::POST, Provider::Moonshot, "/tokenizers/estimate-token-count") => {
            json!({ "data": { "total_tokens": EngineRequest::read(Api::ChatCompletions, body)?.prompt_tokens() } })
        }
        // Undocumented; several proxies use it (CLIProxyAPI).
        (&Method::POST, Provider::Kimi | Provider::Anthropic, "/messages/count_tokens") => {
            let request = EngineRequest::read(Api::Messages, body)?;
            rules::find_served_model(provider, &request, options)?;
            json!({ "input_tokens": request.prompt_tokens() })
        }
        _ => {
            let (error_type, message) = match provider {
                Provider::Moonshot => ("resource_not_found_error", "The requested resource was not found"),
                Provider::Kimi => ("resource_not_found_error", "method not found"),
                Provider::OpenRouter => ("", "Not Found"),
                Provider::Anthropic => ("not_found_error", "Not found"),
                Provider::OpenAi => ("invalid_request_error", "Invalid URL"),
            };
            return Err(ErrorResponse::new(404, error_type, message));
        }
    })
}

fn models_body(provider: Provider) -> Value {
    let to_json = match provider {
        Provider::Moonshot => moonshot_model,
        Provider::Kimi => kimi_model,
        Provider::OpenRouter => openrouter_model,
        Provider::Anthropic => anthropic_model,
        Provider::OpenAi => openai_model,
    };
    let models: Vec<Value> = models::models_of(provider).map(to_json).collect();
    match provider {
        Provider::Moonshot => json!({ "object": "list", "data": models }),
        Provider::Kimi => json!({ "data": models, "object": "list", "has_more": false }),
        Provider::OpenRouter => json!({ "data": models }),
        Provider::Anthropic => json!({ "data": models, "has_more": false }),
        Provider::OpenAi => json!({ "object": "list", "data": models }),
    }
}

fn effort_fields(model: &SimulatedModel) -> Value {
    json!({ "support": true, "valid_efforts": ["low", "high", "max"], "default_effort": model.default_effort })
}

fn moonshot_model(model: &SimulatedModel) -> Value {
    let mut value = json!({
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "moonshot",
        "permission": [],
        "root": "",
        "parent": "",
        "context_length": model.context_window,
        "supports_image_in": true,
        "supports_video_in": model.accepts_video,
        "supports_reasoning": true,
        "supports_dynamic_tools": model.thinking == ThinkingMode::Effort,
    });
    if model.thinking == ThinkingMode::Effort {
        value["supports_thinking_type"] = "only".into();
        value["think_efforts"] = effort_fields(model);
        value["reasoning_efforts"] = effort_fields(model);
    }
    value
}

fn kimi_model(model: &SimulatedModel) -> Value {
    json!({
        "id": model.id,
        "created": model.created,
        "object": "model",
        "display_name": model.name,
        "type": "model",
        "context_length": model.context_window,
        "supports_reasoning": true,
        "supports_image_in": true,
        "supports_video_in": model.accepts_video,
        "supports_dynamic_tools": !model.id.ends_with("highspeed"),
        "supports_thinking_type": "only",
        "think_efforts": effort_fields(model),
    })
}

fn anthropic_model(model: &SimulatedModel) -> Value {
    json!({ "type": "model", "id": model.id, "display_name": model.name, "max_input_tokens": model.context_window })
}

fn openai_model(model: &SimulatedModel) -> Value {
    json!({ "id": model.id, "object": "model", "created": model.created, "owned_by": "openai" })
}

fn openrouter_model(model: &SimulatedModel) -> Value {
    let [hit, miss, output] = model.price;
    let per_token = |price: u64| format!("0.{price:012}").trim_end_matches('0').to_owned();
    json!({
        "id": model.id,
        "canonical_slug": format!("{}-20260420", model.id),
        "name": model.name,
        "created": model.created,
        "description": "A simulated model.",
        "context_length": model.context_window,
        "architecture": {
            "modality": "text+image->text",
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": null,
        },
        "pricing": {
            "prompt": per_token(miss),
            "completion": per_token(output),
            "request": "0",
            "image": "0",
            "web_search": "0",
            "internal_reasoning": "0",
            "input_cache_read": per_token(hit),
        },
        "top_provider": {
            "context_length": model.context_window,
            "max_completion_tokens": null,
            "is_moderated": model.vendor == "OpenAI",
        },
        "per_request_limits": null,
        "supported_parameters": ["max_tokens", "reasoning", "stop", "temperature", "tool_choice", "tools"],
        "default_parameters": {},
        "expiration_date": null,
    })
}
