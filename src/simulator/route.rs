//! From a request to its answer.

mod page;
mod reading;

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

use super::engine::request::Request;
use super::engine::{Exchange, answer, order};
use super::face::Face;
use super::fault::{self, Kind, Verdict};
use super::journal::Ticket;
use super::provider::Provider;
use super::refusal::Refusal;
use super::roster::Model;
use super::rules::{self, Rulebook};
use super::script::{ResetFlag, Script, Step};
use super::{Options, State, admin, header, oauth, render};

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn answer(
    state: Arc<State>,
    reset: ResetFlag,
    request: http::Request<Incoming>,
) -> Result<Response<Script>, io::Error> {
    let path = request.uri().path().to_owned();
    if oauth::serves(&path) {
        return oauth::answer(&state, reset, request).await;
    }
    let Some((provider, route)) = Provider::of_path(&path) else {
        return Ok(admin::answer(&state, request).await);
    };
    let (parts, body) = request.into_parts();
    let prompted = Face::of_route(provider, &route).filter(|_| parts.method == Method::POST);
    let face = prompted.unwrap_or_else(|| reading::face(route));
    let ticket = state.journal.begin(provider, prompted, &parts);
    let mut call = Call { state: &state, provider, face, reset, ticket };
    if prompted.is_some() && state.board.refuses(provider, face) {
        call.ticket.record(Bytes::new(), "");
        call.ticket.fault(Some("refuse".into()));
        return Err(call.cut());
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if prompted.is_some() { call.prompt(&parts, body).await } else { Ok(call.read_only(&parts, route, body)) }
}

/// One request to a provider.
struct Call<'a> {
    state: &'a State,
    provider: Provider,
    face: Face,
    reset: ResetFlag,
    ticket: Ticket,
}

impl Call<'_> {
    async fn prompt(mut self, parts: &Parts, body: Bytes) -> Result<Response<Script>, io::Error> {
        let request = Request::read(self.face, &body);
        let model = request.as_ref().map_or("", Request::model).to_owned();
        self.ticket.record(body, &model);
        let begun = |request: &Request| order::begun(self.provider, request).is_some();
        let prefilled = request.as_ref().is_ok_and(begun);
        let verdict = self.state.board.hit(self.provider, self.face, &model, prefilled);
        self.ticket.fault(verdict.words());
        match verdict.kind() {
            Some(Kind::Refuse | Kind::ResetBefore) => return Err(self.cut()),
            Some(Kind::NoHead) => {
                // Dropped, and so recorded as cancelled, when the client gives up.
                std::future::pending::<()>().await;
            }
            // A whole answer has no chunks that an error could come between.
            Some(Kind::ErrorChunk(_)) if !request.as_ref().is_ok_and(Request::streams) => {
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
        request: Result<Request, Refusal>,
    ) -> Result<(Request, &'static Model), Refusal> {
        let options = &self.state.options;
        if !options.open {
            self.authorize(parts)?;
            rules::gate(self.provider, self.face, &parts.headers)?;
        }
        let slot = self.state.meter(self.provider).admit(self.provider, &options.limits)?;
        self.ticket.keep(slot);
        let request = request?;
        let model = rules::judge(self.provider, &request, self.rulebook())?;
        Ok((request, model))
    }

    fn authorize(&self, parts: &Parts) -> Result<(), Refusal> {
        let State { options, office, .. } = self.state;
        rules::authorize(self.provider, self.face, &parts.headers, options.key.as_deref(), office)
    }

    fn rulebook(&self) -> Rulebook {
        let Options { strict, open, ref limits, .. } = self.state.options;
        Rulebook { strict, open, message_bytes: limits.kimi_message_bytes }
    }

    /// The answer itself.
    fn serve(self, request: &Request, model: &'static Model, verdict: &Verdict) -> Response<Script> {
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
            let events = render::events(&exchange, request, &answer);
            let (steps, told) = fault::answer_steps(&exchange, events, verdict);
            let open = self.state.tally.open(&exchange, request.model(), answer.usage, told);
            return self.respond(200, headers, steps).map(|script| script.counted(Some(open)));
        }
        let mut body = render::whole(&exchange, request, &answer, verdict.no_role).to_string();
        let mut told = Some(body.len());
        match verdict.kind() {
            Some(Kind::MalformedJson(_)) => {
                body.truncate(body.floor_char_boundary(body.len() * 3 / 5));
                told = None;
            }
            Some(Kind::MalformedSse(_)) => {
                "<<<this is not JSON>>>\nnodata".clone_into(&mut body);
                told = None;
            }
            _ => {}
        }
        let open = self.state.tally.open(&exchange, request.model(), answer.usage, told);
        self.send(200, headers, &body.into(), verdict).map(|script| script.counted(Some(open)))
    }

    fn exchange(&self, request: &Request, model: &'static Model) -> Exchange {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let asked = request.model();
        let shown = match self.provider {
            Provider::Kimi => asked,
            Provider::Moonshot | Provider::OpenRouter => model.id,
        };
        let id = self.id(created);
        Exchange { provider: self.provider, face: self.face, model, shown: shown.to_owned(), id, created }
    }

    fn id(&self, created: u64) -> String {
        let seq = self.ticket.seq();
        let hash = answer::fnv(&format!("{}{seq}", self.provider));
        match self.provider {
            Provider::OpenRouter => format!("gen-{created}-{hash:020x}"),
            Provider::Moonshot | Provider::Kimi => {
                format!("{}{hash:016x}{seq:08x}", render::id_prefix(self.face))
            }
        }
    }

    fn refuse(self, refusal: &Refusal, verdict: &Verdict) -> Response<Script> {
        let headers = self.refusal_headers(refusal);
        let body = self.text(refusal);
        // Of a refusal the faults only shape the pace.
        let paced = Verdict { outcome: None, ..verdict.clone() };
        self.send(refusal.status, headers, &body, &paced)
    }

    fn text(&self, refusal: &Refusal) -> Bytes {
        refusal.body(self.provider, self.face, &self.id(0)).to_string().into()
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
