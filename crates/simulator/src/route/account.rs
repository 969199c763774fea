//! Routes without a prompt: lists, accounts, token counts. No fault touches them.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use serde_json::{Value, json};

use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::fault::FaultEffects;
use crate::models::{SimulatedModel, ThinkingMode};
use crate::provider::{Api, Provider, ProviderRoute};
use crate::response::ScriptedBody;
use crate::route::ProviderCall;
use crate::{models, response, rules};

/// In whose shape the errors of a route come that answers no prompt.
pub(super) fn api_for_errors(route: ProviderRoute<'_>) -> Api {
    if route.is_anthropic_base || route.path.starts_with(Api::Messages.route()) {
        Api::Messages
    } else {
        Api::ChatCompletions
    }
}

impl ProviderCall<'_> {
    /// Answers at once.
    pub(super) fn handle_read_only(
        mut self,
        parts: &Parts,
        route: ProviderRoute<'_>,
        body: Bytes,
    ) -> Response<ScriptedBody> {
        let value = self.read_only_body(parts, route, &body);
        let model = EngineRequest::read(self.api, &body)
            .map_or_else(|_| String::new(), |request| request.model().to_owned());
        self.log_entry.record_body(body, &model);
        match value {
            Ok(value) => {
                let headers = self.response_headers(response::JSON);
                self.send_body(200, headers, &value.to_string().into(), &FaultEffects::default())
            }
            Err(error) => self.send_error(&error, &FaultEffects::default()),
        }
    }

    fn read_only_body(
        &self,
        parts: &Parts,
        route: ProviderRoute<'_>,
        body: &[u8],
    ) -> Result<Value, ErrorResponse> {
        // OpenRouter's list is public.
        if self.provider != Provider::OpenRouter || route.path != "/models" {
            self.authorize(parts)?;
        }
        if route.is_anthropic_base {
            return Err(route_error(self.provider));
        }
        Ok(match (&parts.method, self.provider, route.path) {
            (&Method::GET, provider, "/models") => models_body(provider),
            (&Method::GET, Provider::OpenRouter, "/models/user") => models_body(Provider::OpenRouter),
            (&Method::GET, Provider::Moonshot, "/users/me/balance") => balance_body(),
            (&Method::GET, Provider::Kimi, "/usages") => usages_body(),
            (&Method::GET, Provider::OpenRouter, "/key" | "/auth/key") => key_body(),
            (&Method::GET, Provider::OpenRouter, "/credits") => credits_body(),
            (&Method::POST, Provider::Moonshot, "/tokenizers/estimate-token-count") => {
                json!({ "data": { "total_tokens": EngineRequest::read(Api::ChatCompletions, body)?.prompt_tokens() } })
            }
            // Undocumented; several proxies ask it (CLIProxyAPI).
            (&Method::POST, Provider::Kimi, "/messages/count_tokens") => {
                let request = EngineRequest::read(Api::Messages, body)?;
                rules::find_served_model(self.provider, &request, self.rule_options())?;
                json!({ "input_tokens": request.prompt_tokens() })
            }
            _ => return Err(route_error(self.provider)),
        })
    }
}

fn route_error(provider: Provider) -> ErrorResponse {
    match provider {
        Provider::Moonshot => {
            ErrorResponse::new(404, "resource_not_found_error", "The requested resource was not found")
        }
        Provider::Kimi => ErrorResponse::new(404, "resource_not_found_error", "method not found"),
        Provider::OpenRouter => ErrorResponse::new(404, "", "Not Found"),
    }
}

/// The body of the models list.
pub(super) fn models_body(provider: Provider) -> Value {
    let models = models::models_of(provider).iter();
    match provider {
        Provider::Moonshot => {
            json!({ "object": "list", "data": models.map(moonshot_model).collect::<Vec<_>>() })
        }
        Provider::Kimi => json!({
            "data": models.map(kimi_model).collect::<Vec<_>>(),
            "object": "list",
            "has_more": false,
        }),
        Provider::OpenRouter => json!({ "data": models.map(openrouter_model).collect::<Vec<_>>() }),
    }
}

/// `GET /users/me/balance` of Moonshot, in dollars.
pub(super) fn balance_body() -> Value {
    json!({
        "code": 0,
        "data": { "available_balance": 49.58894, "voucher_balance": 46.58893, "cash_balance": 3.00001 },
        "scode": "0x0",
        "status": true,
    })
}

/// `GET /usages` of Kimi Code: percent-like numbers, as strings.
pub(super) fn usages_body() -> Value {
    json!({
        "user": {
            "userId": "simulated0user000000",
            "region": "REGION_OVERSEA",
            "membership": { "level": "LEVEL_ADVANCED" },
            "businessId": "",
        },
        "usage": { "limit": "100", "used": "47", "remaining": "53", "resetTime": "2026-11-28T00:00:00Z" },
        "limits": [{
            "window": { "duration": 300, "timeUnit": "TIME_UNIT_MINUTE" },
            "detail": { "limit": "100", "used": "7", "remaining": "93", "resetTime": "2026-11-21T15:00:00Z" },
        }],
        "parallel": { "limit": "30" },
        "totalQuota": {},
        "authentication": { "method": "METHOD_API_KEY", "scope": "FEATURE_CODING" },
        "subType": "TYPE_PURCHASE",
        "boosterWallet": { "status": "STATUS_DISABLED", "allowTopup": true },
        "domain": "DOMAIN_NEXUS",
    })
}

/// `GET /key` of OpenRouter, in dollars.
pub(super) fn key_body() -> Value {
    json!({ "data": {
        "label": "sk-or-v1-sim...key",
        "limit": 100,
        "limit_remaining": 74.5,
        "limit_reset": null,
        "usage": 25.5,
        "usage_daily": 0.5,
        "usage_weekly": 3.25,
        "usage_monthly": 25.5,
        "byok_usage": 0,
        "include_byok_in_limit": false,
        "is_free_tier": false,
        "is_management_key": false,
        "is_provisioning_key": false,
        "rate_limit": { "requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore." },
        "expires_at": null,
        "creator_user_id": "user_2simulated0account",
        "free_model_daily_requests": { "used": 0, "limit": 1000, "remaining": 1000 },
    } })
}

/// `GET /credits` of OpenRouter, in dollars.
pub(super) fn credits_body() -> Value {
    json!({ "data": { "total_credits": 100, "total_usage": 25.5 } })
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
    if let (ThinkingMode::Effort, Some(members)) = (model.thinking, value.as_object_mut()) {
        members.insert("supports_thinking_type".into(), "only".into());
        members.insert("think_efforts".into(), effort_fields(model));
        members.insert("reasoning_efforts".into(), effort_fields(model));
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
