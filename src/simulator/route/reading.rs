//! Routes without a prompt: lists, accounts, token counts. No fault touches them.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use serde_json::{Value, json};

use super::Call;
use crate::simulator::engine::request::Request;
use crate::simulator::face::{Face, Route};
use crate::simulator::fault::Verdict;
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;
use crate::simulator::script::Script;
use crate::simulator::{account, header, rules};

/// In whose shape the errors of a route come that answers no prompt.
pub(super) fn face(route: Route<'_>) -> Face {
    if route.anthropic || route.path.starts_with(Face::Messages.route()) {
        Face::Messages
    } else {
        Face::Chat
    }
}

impl Call<'_> {
    /// Answers at once.
    pub(super) fn read_only(mut self, parts: &Parts, route: Route<'_>, body: Bytes) -> Response<Script> {
        let value = self.reading(parts, route, &body);
        let model = Request::read(self.face, &body)
            .map_or_else(|_| String::new(), |request| request.model().to_owned());
        self.ticket.record(body, &model);
        match value {
            Ok(value) => {
                let headers = self.headers(header::JSON);
                self.send(200, headers, &value.to_string().into(), &Verdict::default())
            }
            Err(refusal) => self.refuse(&refusal, &Verdict::default()),
        }
    }

    fn reading(&self, parts: &Parts, route: Route<'_>, body: &[u8]) -> Result<Value, Refusal> {
        // OpenRouter's list is public.
        if self.provider != Provider::OpenRouter || route.path != "/models" {
            self.authorize(parts)?;
        }
        if route.anthropic {
            return Err(no_route(self.provider));
        }
        Ok(match (&parts.method, self.provider, route.path) {
            (&Method::GET, provider, "/models") => account::models(provider),
            (&Method::GET, Provider::OpenRouter, "/models/user") => account::models(Provider::OpenRouter),
            (&Method::GET, Provider::Moonshot, "/users/me/balance") => account::balance(),
            (&Method::GET, Provider::Kimi, "/usages") => account::usages(),
            (&Method::GET, Provider::OpenRouter, "/key" | "/auth/key") => account::key(),
            (&Method::GET, Provider::OpenRouter, "/credits") => account::credits(),
            (&Method::POST, Provider::Moonshot, "/tokenizers/estimate-token-count") => {
                json!({ "data": { "total_tokens": Request::read(Face::Chat, body)?.prompt_tokens() } })
            }
            // Undocumented; several proxies ask it (CLIProxyAPI).
            (&Method::POST, Provider::Kimi, "/messages/count_tokens") => {
                let request = Request::read(Face::Messages, body)?;
                rules::known(self.provider, &request, self.rulebook())?;
                json!({ "input_tokens": request.prompt_tokens() })
            }
            _ => return Err(no_route(self.provider)),
        })
    }
}

fn no_route(provider: Provider) -> Refusal {
    match provider {
        Provider::Moonshot => {
            Refusal::new(404, "resource_not_found_error", "The requested resource was not found")
        }
        Provider::Kimi => Refusal::new(404, "resource_not_found_error", "method not found"),
        Provider::OpenRouter => Refusal::new(404, "", "Not Found"),
    }
}
