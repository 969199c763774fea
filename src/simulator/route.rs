//! From a request to its answer.

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
use serde_json::{Value, json};

use super::chat::request::ChatRequest;
use super::chat::{Exchange, answer, order, reply, stream};
use super::fault::{self, Fault, Kind, Prefill, Verdict};
use super::journal::Ticket;
use super::provider::Provider;
use super::refusal::Refusal;
use super::roster::Model;
use super::rules::{self, Rulebook};
use super::script::{ResetFlag, Script, Step};
use super::{Options, State, account, admin, header};

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn answer(
    state: Arc<State>,
    reset: ResetFlag,
    request: http::Request<Incoming>,
) -> Result<Response<Script>, io::Error> {
    let path = request.uri().path().to_owned();
    let Some((provider, route)) = Provider::of_path(&path) else {
        return Ok(admin::answer(&state, request).await);
    };
    let (parts, body) = request.into_parts();
    let ticket = state.journal.begin(provider, &parts);
    let mut call = Call { state: &state, provider, reset, ticket };
    let chat = parts.method == Method::POST && route == "/chat/completions";
    if chat && state.board.refuses(provider) {
        call.ticket.record(Bytes::new(), "");
        call.ticket.fault(Some("refuse".into()));
        return Err(call.cut());
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if chat { call.chat(&parts, body).await } else { Ok(call.read_only(&parts, route, body)) }
}

/// One request to a provider.
struct Call<'a> {
    state: &'a State,
    provider: Provider,
    reset: ResetFlag,
    ticket: Ticket,
}

impl Call<'_> {
    async fn chat(mut self, parts: &Parts, body: Bytes) -> Result<Response<Script>, io::Error> {
        let request = ChatRequest::read(&body);
        let model = request.as_ref().map_or("", ChatRequest::model).to_owned();
        self.ticket.record(body, &model);
        let begun = |request: &ChatRequest| order::begun(self.provider, request).is_some();
        let verdict = self.state.board.hit(self.provider, &model, request.as_ref().is_ok_and(begun));
        self.ticket.fault(verdict.words());
        match verdict.kind() {
            Some(Kind::Refuse | Kind::ResetBefore) => return Err(self.cut()),
            Some(Kind::NoHead) => {
                // Dropped, and so recorded as cancelled, when the client gives up.
                std::future::pending::<()>().await;
            }
            // A whole answer has no chunks that an error could come between.
            Some(Kind::ErrorChunk(_)) if !request.as_ref().is_ok_and(ChatRequest::streams) => {
                let (headers, body) = self.error_in_200(verdict.outcome.as_ref());
                return Ok(self.send(200, headers, &body, &verdict));
            }
            Some(kind) => {
                if let Some((headers, status, body)) = self.error_page(kind, &verdict, &model) {
                    return Ok(self.send(status, headers, &body, &verdict));
                }
            }
            None => {}
        }
        Ok(match self.judge(parts, request) {
            Ok((request, model)) => self.serve(&request, model, &verdict),
            Err(refusal) => self.refuse(&refusal, &verdict),
        })
    }

    /// Key, gate, limits, body and rules, in the order in which a service would come to them.
    fn judge(
        &mut self,
        parts: &Parts,
        request: Result<ChatRequest, Refusal>,
    ) -> Result<(ChatRequest, &'static Model), Refusal> {
        let options = &self.state.options;
        if !options.open {
            rules::authorize(self.provider, &parts.headers, options.key.as_deref())?;
            rules::gate(self.provider, &parts.headers)?;
        }
        let slot = self.state.meter(self.provider).admit(self.provider, &options.limits)?;
        self.ticket.keep(slot);
        let request = request?;
        let Options { strict, open, .. } = *options;
        let book = Rulebook { strict, open, message_bytes: options.limits.kimi_message_bytes };
        let model = rules::judge(self.provider, &request, book)?;
        Ok((request, model))
    }

    /// The answer itself.
    fn serve(self, request: &ChatRequest, model: &'static Model, verdict: &Verdict) -> Response<Script> {
        let exchange = self.exchange(request, model);
        let mut answer = answer::compose(&exchange, request, verdict.goes_on());
        let tool = request.tools().first().and_then(|tool| tool.pointer("/function/name"));
        verdict.change(&mut answer, tool.and_then(Value::as_str));
        let mut headers = header::of_answer(self.provider, &exchange.id, header::JSON);
        if self.provider == Provider::OpenRouter {
            header::set(&mut headers, "x-provider-name", model.vendor);
        }
        if request.streams() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(header::EVENTS));
            let events = stream::events(&exchange, request, &answer);
            let steps = fault::answer_steps(&exchange, events, verdict);
            return self.respond(200, headers, steps);
        }
        let mut body = reply::whole(&exchange, &answer, verdict.no_role).to_string();
        match verdict.kind() {
            Some(Kind::MalformedJson(_)) => body.truncate(body.floor_char_boundary(body.len() * 3 / 5)),
            Some(Kind::MalformedSse(_)) => body = "<<<this is not JSON>>>\nnodata".into(),
            _ => {}
        }
        self.send(200, headers, &body.into(), verdict)
    }

    fn exchange(&self, request: &ChatRequest, model: &'static Model) -> Exchange {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let asked = request.model();
        let shown = match self.provider {
            Provider::Kimi => asked,
            Provider::Moonshot | Provider::OpenRouter => model.id,
        };
        Exchange { provider: self.provider, model, shown: shown.to_owned(), id: self.id(created), created }
    }

    fn id(&self, created: u64) -> String {
        let seq = self.ticket.seq();
        let hash = answer::fnv(&format!("{}{seq}", self.provider));
        match self.provider {
            Provider::OpenRouter => format!("gen-{created}-{hash:020x}"),
            Provider::Moonshot | Provider::Kimi => format!("chatcmpl-{hash:016x}{seq:08x}"),
        }
    }

    /// What stands in the place of an answer when a fault orders an error.
    fn error_page(&self, kind: &Kind, verdict: &Verdict, model: &str) -> Option<(HeaderMap, u16, Bytes)> {
        let fault = verdict.outcome.as_ref()?;
        let retry = |mut refusal: Refusal| {
            refusal.retry_after = fault.retry_after.or(refusal.retry_after);
            refusal
        };
        let generic = |status: u16| retry(Refusal::new(status, "server_error", "A simulated failure"));
        let plain = |refusal: &Refusal| (self.refusal_headers(refusal), refusal.status, self.text(refusal));
        Some(match kind {
            Kind::Documented(name) => plain(&fault::refusal(self.provider, name, model, Some(fault))),
            Kind::Status(status) => plain(&generic(*status)),
            Kind::Prefill(Prefill::Refused) => {
                plain(&Refusal::invalid(self.provider, "partial is not supported by this model"))
            }
            Kind::GzipError(status) => {
                let refusal = generic(*status);
                let mut headers = self.refusal_headers(&refusal);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, refusal.status, compressed(&self.text(&refusal)))
            }
            Kind::InvalidGzip(status) => {
                let refusal = generic(*status);
                let mut headers = self.refusal_headers(&refusal);
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, refusal.status, self.text(&refusal))
            }
            Kind::ErrorIn200 => {
                let (headers, body) = self.error_in_200(Some(fault));
                (headers, 200, body)
            }
            Kind::Html200 => (self.headers(header::HTML), 200, page("Welcome", "This is a captive portal.")),
            Kind::Html504 => {
                (self.headers(header::HTML), 504, page("504 Gateway Time-out", "The upstream said nothing."))
            }
            _ => return None,
        })
    }

    fn error_in_200(&self, fault: Option<&Fault>) -> (HeaderMap, Bytes) {
        let name = match self.provider {
            Provider::OpenRouter => "upstream_error",
            Provider::Moonshot | Provider::Kimi => "server_error",
        };
        let refusal = fault::refusal(self.provider, name, "", fault);
        (self.headers(header::JSON), self.text(&refusal))
    }

    /// Routes without a prompt; no fault touches them.
    fn read_only(mut self, parts: &Parts, route: &str, body: Bytes) -> Response<Script> {
        let value = self.reading(parts, route, &body);
        self.ticket.record(body, "");
        match value {
            Ok(value) => {
                let headers = self.headers(header::JSON);
                self.send(200, headers, &value.to_string().into(), &Verdict::default())
            }
            Err(refusal) => self.refuse(&refusal, &Verdict::default()),
        }
    }

    fn reading(&self, parts: &Parts, route: &str, body: &[u8]) -> Result<Value, Refusal> {
        // OpenRouter's list is public.
        if self.provider != Provider::OpenRouter || route != "/models" {
            rules::authorize(self.provider, &parts.headers, self.state.options.key.as_deref())?;
        }
        Ok(match (&parts.method, self.provider, route) {
            (&Method::GET, provider, "/models") => account::models(provider),
            (&Method::GET, Provider::OpenRouter, "/models/user") => account::models(Provider::OpenRouter),
            (&Method::GET, Provider::Moonshot, "/users/me/balance") => account::balance(),
            (&Method::GET, Provider::Kimi, "/usages") => account::usages(),
            (&Method::GET, Provider::OpenRouter, "/key" | "/auth/key") => account::key(),
            (&Method::GET, Provider::OpenRouter, "/credits") => account::credits(),
            (&Method::POST, Provider::Moonshot, "/tokenizers/estimate-token-count") => {
                json!({ "data": { "total_tokens": ChatRequest::read(body)?.prompt_tokens() } })
            }
            _ => return Err(no_route(self.provider)),
        })
    }

    fn refuse(self, refusal: &Refusal, verdict: &Verdict) -> Response<Script> {
        let headers = self.refusal_headers(refusal);
        let body = self.text(refusal);
        // Of a refusal the faults only shape the pace.
        let paced = Verdict { outcome: None, ..verdict.clone() };
        self.send(refusal.status, headers, &body, &paced)
    }

    fn text(&self, refusal: &Refusal) -> Bytes {
        refusal.body(self.provider).to_string().into()
    }

    fn headers(&self, content_type: &'static str) -> HeaderMap {
        header::of_answer(self.provider, &self.id(0), content_type)
    }

    fn refusal_headers(&self, refusal: &Refusal) -> HeaderMap {
        let mut headers = self.headers(header::JSON);
        header::of_refusal(&mut headers, self.provider, refusal);
        headers
    }

    /// A whole body, with its length unless a fault cuts it off cleanly.
    fn send(self, status: u16, mut headers: HeaderMap, body: &Bytes, verdict: &Verdict) -> Response<Script> {
        let (steps, whole) = fault::bytes_steps(body, verdict);
        if whole {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        self.respond(status, headers, steps)
    }

    fn respond(self, status: u16, headers: HeaderMap, steps: Vec<Step>) -> Response<Script> {
        self.ticket.status(status);
        let mut response = Response::new(Script::new(steps, Some(self.ticket), self.reset));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }

    /// Ends the connection with RST.
    fn cut(self) -> io::Error {
        self.ticket.finish();
        self.reset.raise();
        io::Error::other("a fault resets the connection here")
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

fn page(title: &str, text: &str) -> Bytes {
    format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<p>{text}</p>\r\n</body>\r\n</html>\r\n").into()
}

fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}
