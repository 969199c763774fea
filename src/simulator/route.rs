//! From a request to its answer.

mod error_page;
mod read_only;

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

use super::api::Api;
use super::engine::request::EngineRequest;
use super::engine::{ResponseContext, answer, prompt_command};
use super::error_response::ErrorResponse;
use super::fault::{self, FaultAction, FaultEffects};
use super::models::SimulatedModel;
use super::provider::Provider;
use super::request_log::InFlightRequest;
use super::rules::{self, RuleOptions};
use super::scripted_body::{BodyStep, ResetFlag, ScriptedBody};
use super::{SimulatorOptions, SimulatorState, admin, headers, oauth, render};

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
    let Some((provider, route)) = Provider::from_path(&path) else {
        return Ok(admin::handle_request(&state, request).await);
    };
    let (parts, body) = request.into_parts();
    let prompted = Api::from_route(provider, &route).filter(|_| parts.method == Method::POST);
    let face = prompted.unwrap_or_else(|| read_only::api_for_errors(route));
    let ticket = state.request_log.start_request(provider, prompted, &parts);
    let mut call = ProviderCall { state: &state, provider, api: face, reset, log_entry: ticket };
    if prompted.is_some() && state.faults.take_refuse(provider, face) {
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

/// One request to a provider.
struct ProviderCall<'a> {
    state: &'a SimulatorState,
    provider: Provider,
    api: Api,
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
        let begun = |request: &EngineRequest| prompt_command::answer_prefix(self.provider, request).is_some();
        let prefilled = request.as_ref().is_ok_and(begun);
        let verdict = self.state.faults.take_effects(self.provider, self.api, &model, prefilled);
        self.log_entry.record_faults(verdict.names());
        match verdict.action() {
            Some(FaultAction::ResetAfterHead | FaultAction::ResetBeforeResponse) => {
                return Err(self.reset_connection());
            }
            Some(FaultAction::NoHead) => {
                // Dropped, and so recorded as cancelled, when the client gives up.
                std::future::pending::<()>().await;
            }
            // A whole answer has no chunks that an error could come between.
            Some(FaultAction::ErrorChunk(_)) if !request.as_ref().is_ok_and(EngineRequest::is_streaming) => {
                let (headers, body) = self.error_in_200(verdict.deciding_fault.as_ref());
                return Ok(self.send_body(200, headers, &body, &verdict));
            }
            Some(kind) => {
                if let Some((headers, status, body)) = self.fault_response(kind, &verdict, &model) {
                    return Ok(self.send_body(status, headers, &body, &verdict));
                }
            }
            None => {}
        }
        Ok(match self.check_request(parts, request) {
            Ok((request, model)) => self.send_answer(&request, model, &verdict),
            Err(refusal) => self.send_error(&refusal, &verdict),
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
        let slot = self.state.rate_limiter(self.provider).admit(self.provider, &options.limits)?;
        self.log_entry.hold_permit(slot);
        let request = request?;
        let model = rules::check_request(self.provider, &request, self.rule_options())?;
        Ok((request, model))
    }

    fn authorize(&self, parts: &Parts) -> Result<(), ErrorResponse> {
        let SimulatorState { options, auth_server: office, .. } = self.state;
        rules::check_key(self.provider, self.api, &parts.headers, options.key.as_deref(), office)
    }

    fn rule_options(&self) -> RuleOptions {
        let SimulatorOptions { is_strict: strict, accepts_any_client: open, ref limits, .. } =
            self.state.options;
        RuleOptions { is_strict: strict, accepts_any_model: open, message_bytes: limits.kimi_message_bytes }
    }

    /// The answer itself.
    fn send_answer(
        self,
        request: &EngineRequest,
        model: &'static SimulatedModel,
        verdict: &FaultEffects,
    ) -> Response<ScriptedBody> {
        let exchange = self.response_context(request, model);
        let mut answer = answer::compose(&exchange, request, verdict.continues_prefix());
        let tool = request.tools().first().and_then(|tool| tool.pointer("/function/name"));
        verdict.change_answer(&mut answer, tool.and_then(Value::as_str));
        let mut headers = headers::response_headers(self.provider, &exchange.id, headers::JSON);
        if self.provider == Provider::OpenRouter {
            headers::set_header(&mut headers, "x-provider-name", model.vendor);
        }
        if request.is_streaming() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(headers::EVENT_STREAM));
            let events = render::response_events(&exchange, request, &answer);
            let (steps, told) = fault::stream_steps(&exchange, events, verdict);
            let open = self.state.usage.start_answer(&exchange, request.model(), answer.usage, told);
            return self.build_response(200, headers, steps).map(|script| script.with_usage(Some(open)));
        }
        let mut body = render::response_body(&exchange, request, &answer, verdict.omits_role).to_string();
        let mut told = Some(body.len());
        match verdict.action() {
            Some(FaultAction::MalformedJson(_)) => {
                body.truncate(body.floor_char_boundary(body.len() * 3 / 5));
                told = None;
            }
            Some(FaultAction::MalformedSse(_)) => {
                "<<<this is not JSON>>>\nnodata".clone_into(&mut body);
                told = None;
            }
            _ => {}
        }
        let open = self.state.usage.start_answer(&exchange, request.model(), answer.usage, told);
        self.send_body(200, headers, &body.into(), verdict).map(|script| script.with_usage(Some(open)))
    }

    fn response_context(&self, request: &EngineRequest, model: &'static SimulatedModel) -> ResponseContext {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let asked = request.model();
        let shown = match self.provider {
            Provider::Kimi => asked,
            Provider::Moonshot | Provider::OpenRouter => model.id,
        };
        let id = self.response_id(created);
        ResponseContext {
            provider: self.provider,
            api: self.api,
            model,
            echoed_model: shown.to_owned(),
            id,
            created,
        }
    }

    fn response_id(&self, created: u64) -> String {
        let seq = self.log_entry.seq();
        let hash = answer::fnv1a_hash(&format!("{}{seq}", self.provider));
        match self.provider {
            Provider::OpenRouter => format!("gen-{created}-{hash:020x}"),
            Provider::Moonshot | Provider::Kimi => {
                format!("{}{hash:016x}{seq:08x}", render::id_prefix(self.api))
            }
        }
    }

    fn send_error(self, refusal: &ErrorResponse, verdict: &FaultEffects) -> Response<ScriptedBody> {
        let headers = self.error_headers(refusal);
        let body = self.error_body(refusal);
        // Of a refusal the faults only shape the pace.
        let paced = FaultEffects { deciding_fault: None, ..verdict.clone() };
        self.send_body(refusal.status, headers, &body, &paced)
    }

    fn error_body(&self, refusal: &ErrorResponse) -> Bytes {
        refusal.body(self.provider, self.api, &self.response_id(0)).to_string().into()
    }

    fn response_headers(&self, content_type: &'static str) -> HeaderMap {
        headers::response_headers(self.provider, &self.response_id(0), content_type)
    }

    fn error_headers(&self, refusal: &ErrorResponse) -> HeaderMap {
        let mut headers = self.response_headers(headers::JSON);
        headers::add_error_headers(&mut headers, self.provider, refusal);
        headers
    }

    /// A whole body, with its length unless a fault cuts it off cleanly.
    fn send_body(
        self,
        status: u16,
        mut headers: HeaderMap,
        body: &Bytes,
        verdict: &FaultEffects,
    ) -> Response<ScriptedBody> {
        let (steps, whole) = fault::body_steps(body, verdict);
        if whole {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        self.build_response(status, headers, steps)
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
}
