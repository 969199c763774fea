//! From a request to its answer.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::api;
use crate::engine::answer::{self, ResponseContext};
use crate::engine::prompt;
use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::fault::apply;
use crate::fault::kind::FaultKind;
use crate::fault::queue::FaultEffects;
use crate::models::SimulatedModel;
use crate::provider::{Api, Provider, ProviderRoute};
use crate::request_log::InFlightRequest;
use crate::response::{
    BodyStep, EVENT_STREAM, JSON, Reply, ReplyWriter, ResetFlag, ScriptedBody, set_header,
};
use crate::rules::{self, RuleOptions};
use crate::value::{fnv1a_hash, text};
use crate::{SimulatorState, account, admin, oauth};

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn handle_request(
    state: Arc<SimulatorState>,
    reset: ResetFlag,
    request: http::Request<Incoming>,
) -> Result<Response<ScriptedBody>, io::Error> {
    let path = request.uri().path().to_owned();
    if oauth::is_oauth_path(&path) {
        return oauth::handle_request(&state, reset, request).await;
    }
    let Some(route) = ProviderRoute::from_path(&path) else {
        return Ok(admin::handle_request(&state, request).await);
    };
    let (parts, body) = request.into_parts();
    let provider = route.provider;
    let prompted = route.api().filter(|_| parts.method == Method::POST);
    let api = prompted.unwrap_or_else(|| route.error_api());
    let log_entry = state.request_log.start_request(provider, prompted, &parts);
    let writer = ReplyWriter { provider, api, id: response_id(provider, api, log_entry.seq()) };
    let mut call = ProviderCall { state: &state, provider, api, writer, reset, log_entry };
    if prompted.is_some() && state.faults.take_refuse(provider, api) {
        call.log_entry.record_body(Bytes::new(), "");
        call.log_entry.record_faults(Some("refuse".into()));
        return Err(call.reset_connection());
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if prompted.is_some() {
        call.handle_prompt(&parts, body).await
    } else {
        Ok(call.handle_read_only(&parts, route, body))
    }
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn response_id(provider: Provider, api: Api, seq: u64) -> String {
    let hash = fnv1a_hash(&format!("{provider}{seq}"));
    match provider {
        Provider::OpenRouter => format!("gen-{}-{hash:020x}", unix_time()),
        _ => format!("{}{hash:016x}{seq:08x}", api::id_prefix(api)),
    }
}

/// One request to a provider.
struct ProviderCall<'a> {
    state: &'a SimulatorState,
    provider: Provider,
    api: Api,
    writer: ReplyWriter,
    reset: ResetFlag,
    log_entry: InFlightRequest,
}

impl ProviderCall<'_> {
    async fn handle_prompt(
        mut self,
        parts: &Parts,
        body: Bytes,
    ) -> Result<Response<ScriptedBody>, io::Error> {
        let request = EngineRequest::read(self.api, &body);
        let model = request.as_ref().map_or("", EngineRequest::model).to_owned();
        self.log_entry.record_body(body, &model);
        let prefix = |request: &EngineRequest| prompt::answer_prefix(self.provider, request).is_some();
        let prefilled = request.as_ref().is_ok_and(prefix);
        let effects = self.state.faults.take_effects(self.provider, self.api, &model, prefilled);
        self.log_entry.record_faults(effects.names());
        match effects.kind() {
            Some(FaultKind::Refuse | FaultKind::ResetBefore) => return Err(self.reset_connection()),
            Some(FaultKind::NoHead) => {
                // Dropped, and so recorded as cancelled, when the client gives up.
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        let is_streaming = request.as_ref().is_ok_and(EngineRequest::is_streaming);
        if let Some(reply) = effects.reply(&self.writer, &model, is_streaming) {
            return Ok(self.send(reply, &effects));
        }
        Ok(match self.check_request(parts, request) {
            Ok((request, model)) => self.send_answer(&request, model, &effects),
            Err(error) => self.send_error(&error, &effects),
        })
    }

    /// Checks key, client, limits, body and rules, in the order in which a service would check them.
    fn check_request(
        &mut self,
        parts: &Parts,
        request: Result<EngineRequest, ErrorResponse>,
    ) -> Result<(EngineRequest, &'static SimulatedModel), ErrorResponse> {
        let options = &self.state.options;
        if !options.accepts_any_client {
            self.authorize(parts)?;
            rules::check_client(self.provider, self.api, &parts.headers)?;
        }
        let permit = self.state.rate_limiter(self.provider).admit(self.provider, &options.limits)?;
        self.log_entry.hold_permit(permit);
        let request = request?;
        let model = rules::check_request(self.provider, &request, &parts.headers, self.rule_options())?;
        Ok((request, model))
    }

    fn authorize(&self, parts: &Parts) -> Result<(), ErrorResponse> {
        let SimulatorState { options, auth_server, .. } = self.state;
        rules::check_key(self.provider, self.api, &parts.headers, options.key.as_deref(), auth_server)
    }

    fn rule_options(&self) -> RuleOptions {
        let options = &self.state.options;
        RuleOptions {
            is_strict: options.is_strict,
            accepts_any_model: options.accepts_any_client,
            message_bytes: options.limits.kimi_message_bytes,
        }
    }

    fn send_answer(
        self,
        request: &EngineRequest,
        model: &'static SimulatedModel,
        effects: &FaultEffects,
    ) -> Response<ScriptedBody> {
        let echoed = if self.provider == Provider::Kimi { request.model() } else { &model.id };
        let exchange = ResponseContext {
            provider: self.provider,
            api: self.api,
            model,
            echoed_model: echoed.to_owned(),
            id: self.writer.id.clone(),
            created: unix_time(),
        };
        let continues_prefix = effects.kind() != Some(FaultKind::PrefillRestart);
        let mut answer = answer::compose(&exchange, request, continues_prefix);
        let tool = request.tools().first().and_then(|tool| tool["function"]["name"].as_str());
        effects.change_answer(&mut answer, tool);
        let is_streaming = request.is_streaming();
        let mut headers = self.writer.headers(if is_streaming { EVENT_STREAM } else { JSON });
        if self.provider == Provider::OpenRouter {
            set_header(&mut headers, "x-provider-name", &model.vendor);
        }
        let (usage, state) = (answer.usage, self.state);
        let (response, usage_end) = if is_streaming {
            let events = api::response_events(&exchange, request, &answer);
            let (steps, usage_end) = apply::stream_steps(&exchange, events, effects);
            (self.build_response(200, headers, steps), usage_end)
        } else {
            let body = api::response_body(&exchange, request, &answer, effects.omits_role).to_string();
            let (body, usage_end) = apply::corrupt_body(body, effects);
            (self.send(Reply { status: 200, headers, body: body.into() }, effects), usage_end)
        };
        let pending = state.usage.start_answer(&exchange, request.model(), usage, usage_end);
        response.map(|body| body.with_usage(pending))
    }

    fn send_error(self, error: &ErrorResponse, effects: &FaultEffects) -> Response<ScriptedBody> {
        let reply = self.writer.error(error);
        // Faults change only the pace of a refusal.
        self.send(reply, &FaultEffects { deciding_fault: None, ..effects.clone() })
    }

    /// A whole body, with its length unless a fault cuts it off cleanly.
    fn send(self, mut reply: Reply, effects: &FaultEffects) -> Response<ScriptedBody> {
        let (steps, is_whole) = apply::body_steps(&reply.body, effects);
        if is_whole {
            reply.headers.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
        }
        self.build_response(reply.status, reply.headers, steps)
    }

    fn build_response(self, status: u16, headers: HeaderMap, steps: Vec<BodyStep>) -> Response<ScriptedBody> {
        self.log_entry.record_status(status);
        let mut response = Response::new(ScriptedBody::new(steps, Some(self.log_entry), self.reset));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }

    /// Ends the connection with RST.
    fn reset_connection(self) -> io::Error {
        self.log_entry.finish();
        self.reset.set();
        io::Error::other("a fault resets the connection here")
    }

    /// Answers a route without a prompt. No fault applies to it.
    fn handle_read_only(
        mut self,
        parts: &Parts,
        route: ProviderRoute<'_>,
        body: Bytes,
    ) -> Response<ScriptedBody> {
        // OpenRouter's list is public.
        let is_public = self.provider == Provider::OpenRouter && route.path == "/models";
        let key = if is_public { Ok(()) } else { self.authorize(parts) };
        let value =
            key.and_then(|()| account::response_body(&parts.method, route, &body, self.rule_options()));
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.log_entry.record_body(body, text(&sent["model"]));
        match value {
            Ok(value) => {
                let reply = self.writer.json(value);
                self.send(reply, &FaultEffects::default())
            }
            Err(error) => self.send_error(&error, &FaultEffects::default()),
        }
    }
}
