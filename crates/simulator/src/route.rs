//! From a request to its answer.

pub(crate) mod account;

use std::io;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::engine::request::EngineRequest;
use crate::engine::{ResponseContext, answer, fnv1a_hash, prompt};
use crate::error_response::ErrorResponse;
use crate::fault::{Fault, FaultAction, FaultEffects, PrefillFault};
use crate::models::SimulatedModel;
use crate::provider::{Api, Provider};
use crate::request_log::InFlightRequest;
use crate::response::{BodyStep, ResetFlag, ScriptedBody};
use crate::rules::RuleOptions;
use crate::{SimulatorOptions, SimulatorState, admin, api, fault, oauth, response, rules};

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
    let api = prompted.unwrap_or_else(|| account::api_for_errors(route));
    let log_entry = state.request_log.start_request(provider, prompted, &parts);
    let mut call = ProviderCall { state: &state, provider, api, reset, log_entry };
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
        let prefix = |request: &EngineRequest| prompt::answer_prefix(self.provider, request).is_some();
        let prefilled = request.as_ref().is_ok_and(prefix);
        let effects = self.state.faults.take_effects(self.provider, self.api, &model, prefilled);
        self.log_entry.record_faults(effects.names());
        match effects.action() {
            Some(FaultAction::ResetAfterHead | FaultAction::ResetBeforeResponse) => {
                return Err(self.reset_connection());
            }
            Some(FaultAction::NoHead) => {
                // Dropped, and so recorded as cancelled, when the client gives up.
                std::future::pending::<()>().await;
            }
            // A whole answer has no chunks that an error could come between.
            Some(FaultAction::ErrorChunk(_)) if !request.as_ref().is_ok_and(EngineRequest::is_streaming) => {
                let (headers, body) = self.error_in_200(effects.deciding_fault.as_ref());
                return Ok(self.send_body(200, headers, &body, &effects));
            }
            Some(kind) => {
                if let Some((headers, status, body)) = self.fault_response(kind, &effects, &model) {
                    return Ok(self.send_body(status, headers, &body, &effects));
                }
            }
            None => {}
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
        let model = rules::check_request(self.provider, &request, self.rule_options())?;
        Ok((request, model))
    }

    fn authorize(&self, parts: &Parts) -> Result<(), ErrorResponse> {
        let SimulatorState { options, auth_server, .. } = self.state;
        rules::check_key(self.provider, self.api, &parts.headers, options.key.as_deref(), auth_server)
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
        effects: &FaultEffects,
    ) -> Response<ScriptedBody> {
        let exchange = self.response_context(request, model);
        let mut answer = answer::compose(&exchange, request, effects.continues_prefix());
        let tool = request.tools().first().and_then(|tool| tool.pointer("/function/name"));
        effects.change_answer(&mut answer, tool.and_then(Value::as_str));
        let mut headers = response::response_headers(self.provider, &exchange.id, response::JSON);
        if self.provider == Provider::OpenRouter {
            response::set_header(&mut headers, "x-provider-name", model.vendor);
        }
        if request.is_streaming() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(response::EVENT_STREAM));
            let events = api::response_events(&exchange, request, &answer);
            let (steps, reported) = fault::stream_steps(&exchange, events, effects);
            let open = self.state.usage.start_answer(&exchange, request.model(), answer.usage, reported);
            return self.build_response(200, headers, steps).map(|script| script.with_usage(Some(open)));
        }
        let mut body = api::response_body(&exchange, request, &answer, effects.omits_role).to_string();
        let mut reported = Some(body.len());
        match effects.action() {
            Some(FaultAction::MalformedJson(_)) => {
                body.truncate(body.floor_char_boundary(body.len() * 3 / 5));
                reported = None;
            }
            Some(FaultAction::MalformedSse(_)) => {
                "<<<this is not JSON>>>\nnodata".clone_into(&mut body);
                reported = None;
            }
            _ => {}
        }
        let open = self.state.usage.start_answer(&exchange, request.model(), answer.usage, reported);
        self.send_body(200, headers, &body.into(), effects).map(|script| script.with_usage(Some(open)))
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
        let hash = fnv1a_hash(&format!("{}{seq}", self.provider));
        match self.provider {
            Provider::OpenRouter => format!("gen-{created}-{hash:020x}"),
            Provider::Moonshot | Provider::Kimi => {
                format!("{}{hash:016x}{seq:08x}", api::id_prefix(self.api))
            }
        }
    }

    fn send_error(self, error: &ErrorResponse, effects: &FaultEffects) -> Response<ScriptedBody> {
        let headers = self.error_headers(error);
        let body = self.error_body(error);
        // Of a refusal the faults only shape the pace.
        let paced = FaultEffects { deciding_fault: None, ..effects.clone() };
        self.send_body(error.status, headers, &body, &paced)
    }

    fn error_body(&self, error: &ErrorResponse) -> Bytes {
        error.body(self.provider, self.api, &self.response_id(0)).to_string().into()
    }

    fn response_headers(&self, content_type: &'static str) -> HeaderMap {
        response::response_headers(self.provider, &self.response_id(0), content_type)
    }

    fn error_headers(&self, error: &ErrorResponse) -> HeaderMap {
        let mut headers = self.response_headers(response::JSON);
        response::add_error_headers(&mut headers, self.provider, error);
        headers
    }

    /// A whole body, with its length unless a fault cuts it off cleanly.
    fn send_body(
        self,
        status: u16,
        mut headers: HeaderMap,
        body: &Bytes,
        effects: &FaultEffects,
    ) -> Response<ScriptedBody> {
        let (steps, whole) = fault::body_steps(body, effects);
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

/// Anthropic's text for a model that does not go on from the beginning of an answer.
const NO_PREFILL_MESSAGE: &str =
    "This model does not support assistant message prefill. The conversation must end with a user message.";

impl ProviderCall<'_> {
    /// Headers, status and body; none for a fault that only changes an answer.
    pub(super) fn fault_response(
        &self,
        kind: &FaultAction,
        effects: &FaultEffects,
        model: &str,
    ) -> Option<(HeaderMap, u16, Bytes)> {
        let fault = effects.deciding_fault.as_ref()?;
        let retry = |mut error: ErrorResponse| {
            error.retry_after = fault.retry_after.or(error.retry_after);
            error
        };
        let generic = |status: u16| retry(ErrorResponse::new(status, "server_error", "A simulated failure"));
        let plain = |error: &ErrorResponse| (self.error_headers(error), error.status, self.error_body(error));
        Some(match kind {
            FaultAction::Documented(name) => {
                plain(&fault::build_error_response(self.provider, name, model, Some(fault)))
            }
            FaultAction::Status(status) => plain(&generic(*status)),
            FaultAction::Prefill(PrefillFault::Rejected) => plain(&ErrorResponse::invalid_request(
                self.provider,
                match self.api {
                    Api::Messages => NO_PREFILL_MESSAGE,
                    _ => "partial is not supported by this model",
                },
            )),
            FaultAction::GzipError(status) => {
                let error = generic(*status);
                let mut headers = self.error_headers(&error);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, error.status, gzip(&self.error_body(&error)))
            }
            FaultAction::InvalidGzip(status) => {
                let error = generic(*status);
                let mut headers = self.error_headers(&error);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, error.status, self.error_body(&error))
            }
            FaultAction::ErrorIn200 => {
                let (headers, body) = self.error_in_200(Some(fault));
                (headers, 200, body)
            }
            FaultAction::Html200 => (
                self.response_headers(response::HTML),
                200,
                html_page("Welcome", "This is a captive portal."),
            ),
            FaultAction::Html504 => (
                self.response_headers(response::HTML),
                504,
                html_page("504 Gateway Time-out", "The upstream said nothing."),
            ),
            _ => return None,
        })
    }

    /// The error body of a 200.
    pub(super) fn error_in_200(&self, fault: Option<&Fault>) -> (HeaderMap, Bytes) {
        let name = match self.provider {
            Provider::OpenRouter => "upstream_error",
            Provider::Moonshot | Provider::Kimi => "server_error",
        };
        let error = fault::build_error_response(self.provider, name, "", fault);
        (self.response_headers(response::JSON), self.error_body(&error))
    }
}

fn html_page(title: &str, text: &str) -> Bytes {
    format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<p>{text}</p>\r\n</body>\r\n</html>\r\n").into()
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}
