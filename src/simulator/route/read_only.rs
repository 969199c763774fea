//! Routes without a prompt: lists, accounts, token counts. No fault touches them.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use serde_json::{Value, json};

use super::ProviderCall;
use crate::simulator::api::{Api, ProviderRoute};
use crate::simulator::engine::request::EngineRequest;
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::fault::FaultEffects;
use crate::simulator::provider::Provider;
use crate::simulator::scripted_body::ScriptedBody;
use crate::simulator::{account, headers, rules};

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
                let headers = self.response_headers(headers::JSON);
                self.send_body(200, headers, &value.to_string().into(), &FaultEffects::default())
            }
            Err(refusal) => self.send_error(&refusal, &FaultEffects::default()),
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
            (&Method::GET, provider, "/models") => account::models_body(provider),
            (&Method::GET, Provider::OpenRouter, "/models/user") => {
                account::models_body(Provider::OpenRouter)
            }
            (&Method::GET, Provider::Moonshot, "/users/me/balance") => account::balance_body(),
            (&Method::GET, Provider::Kimi, "/usages") => account::usages_body(),
            (&Method::GET, Provider::OpenRouter, "/key" | "/auth/key") => account::key_body(),
            (&Method::GET, Provider::OpenRouter, "/credits") => account::credits_body(),
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
