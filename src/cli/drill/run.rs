//! Runs one case: a fresh gateway and fresh simulators, so that no cooldown and no fault of another case is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::setup::{DrillSetup, simulator_for};
use super::{Case, Phase, drill_error};
use crate::cli::command::CommandError;
use crate::cli::simulation::{self, InProcessGateway, SimulatedUpstreams};
use crate::protocol::sse::FrameReader;
use crate::record::Record;
use crate::upstream::{Client, UpstreamResponse};
use moonrelay_simulator::{Provider as Simulated, SimulatorOptions};

/// The record of a request arrives after its response; a missing record is a defect of the gateway.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// Long enough that an interruption after a few chunks is in the middle of the answer.
const PROMPT: &str = "reply with 120 words";
const TOOL_PROMPT: &str = "Please call get_weather for Paris";

/// What all cases share.
pub(super) struct DrillRunner {
    pub(super) setup: DrillSetup,
    client: Client,
    /// The answers of each target without a fault: to a plain prompt, and to one that needs a tool call.
    baseline: [Vec<ObservedResponse>; 2],
}

/// A gateway with simulated providers, by id.
struct CaseEnvironment {
    gateway: InProcessGateway,
    upstreams: Vec<(String, SimulatedUpstreams)>,
    records: mpsc::UnboundedReceiver<Record>,
}

impl DrillRunner {
    /// Sends each target requests without a fault, which must succeed, to learn its complete answers.
    pub(super) async fn new(setup: DrillSetup) -> Result<Self, CommandError> {
        let client = Client::new(simulation::CONNECT_TIMEOUT);
        let mut drill = Self { setup, client, baseline: [Vec::new(), Vec::new()] };
        let environment = drill.start_environment().await?;
        for reference in &drill.setup.chain.references {
            for (with_tool, responses) in [false, true].into_iter().zip(&mut drill.baseline) {
                let body = request_body(&reference.to_string(), Phase::BeforeContent, with_tool);
                let response = send_request(&drill.client, &environment.gateway.address, &body, true).await;
                let is_called =
                    drill.setup.providers().iter().any(|provider| provider.id == reference.provider);
                let error = response.error.as_ref().or(response.connection_error.as_ref());
                if let Some(error) = error.filter(|_| is_called) {
                    return Err(drill_error(format!(
                        "{reference} fails even without a simulated failure: {error}"
                    )));
                }
                responses.push(response);
            }
        }
        Ok(drill)
    }

    async fn start_environment(&self) -> Result<CaseEnvironment, CommandError> {
        let failed = |error: std::io::Error| drill_error(format!("cannot start: {error}"));
        let mut upstreams = Vec::new();
        for provider in self.setup.providers() {
            let defaults = SimulatorOptions::default();
            // Anthropic and OpenAI refuse what breaks their rules, and so do their simulators.
            let is_strict = matches!(simulator_for(provider), Simulated::Anthropic | Simulated::OpenAi);
            let options = SimulatorOptions { is_strict, accepts_any_client: true, ..defaults };
            let upstream = simulation::start_upstreams(options).await.map_err(failed)?;
            upstreams.push((provider.id.clone(), upstream));
        }
        let addresses = upstreams.iter().map(|(id, upstream)| (id.as_str(), upstream.address.as_str()));
        let settings = self.setup.simulated_settings(addresses)?;
        let (sender, records) = mpsc::unbounded_channel();
        let sink = Arc::new(move |record| drop(sender.send(record)));
        let gateway = simulation::start_gateway(settings, sink).await.map_err(failed)?;
        Ok(CaseEnvironment { gateway, upstreams, records })
    }

    /// Returns the response, and the record of the request.
    pub(super) async fn run_case(
        &self,
        case: &Case,
    ) -> Result<(ObservedResponse, Option<Record>), CommandError> {
        let mut environment = self.start_environment().await?;
        let primary = self.setup.primary_provider().unwrap_or_default();
        for (_, upstream) in environment.upstreams.iter().filter(|(id, _)| id == primary) {
            for fault in case.simulator_faults(&self.setup)? {
                upstream.control.add_fault(fault);
            }
        }
        let with_tool = case.kind == "leak_markup";
        let body = request_body(&self.setup.requested_model, case.phase, with_tool);
        let response = send_request(&self.client, &environment.gateway.address, &body, false).await;
        let record = timeout(RECORD_TIMEOUT, environment.records.recv()).await.ok().flatten();
        Ok((response, record))
    }

    /// The answers without a fault to the prompt of this case.
    pub(super) fn baseline(&self, case: &Case) -> &[ObservedResponse] {
        &self.baseline[usize::from(case.kind == "leak_markup")]
    }
}

/// A response as the client received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObservedResponse {
    /// 0 without a response head.
    pub(super) status: u16,
    pub(super) text: String,
    /// Names with arguments.
    pub(super) tool_calls: Vec<String>,
    pub(super) finish_reasons: Vec<String>,
    /// Number of `[DONE]` events.
    pub(super) done_count: usize,
    pub(super) is_stream: bool,
    /// The message of an error body or event.
    pub(super) error: Option<String>,
    pub(super) connection_error: Option<String>,
    pub(super) elapsed: Duration,
}

fn request_body(model: &str, phase: Phase, with_tool: bool) -> Value {
    let prompt = if with_tool { TOOL_PROMPT } else { PROMPT };
    let mut body = json!({
        "model": model,
        "stream": phase != Phase::NonStreaming,
        "messages": [{"role": "user", "content": prompt}],
    });
    if with_tool {
        let parameters =
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let function = json!({"name": "get_weather", "parameters": parameters});
        body["tools"] = json!([{"type": "function", "function": function}]);
    }
    body
}

/// Sends a request and reads the response to its end.
async fn send_request(
    client: &Client,
    gateway: &str,
    body: &Value,
    is_fallback_disabled: bool,
) -> ObservedResponse {
    let fallback = is_fallback_disabled.then_some(("x-moonrelay-fallback", "off"));
    let started = Instant::now();
    let mut observed = match simulation::send_chat(client, gateway, body, fallback).await {
        Ok(response) => read_response(response).await,
        Err(failure) => {
            ObservedResponse { connection_error: Some(failure.to_string()), ..ObservedResponse::default() }
        }
    };
    observed.elapsed = started.elapsed();
    observed
}

async fn read_response(mut response: UpstreamResponse) -> ObservedResponse {
    let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_stream = content_type.unwrap_or_default().starts_with("text/event-stream");
    let status = response.status.as_u16();
    let mut observed = ObservedResponse { status, is_stream, ..ObservedResponse::default() };
    let mut reader = FrameReader::new();
    let mut body = Vec::new();
    while let Some(chunk) = response.body.next().await {
        match chunk {
            Ok(chunk) if is_stream => {
                reader.feed(chunk);
                while let Ok(Some(frame)) = reader.next_frame() {
                    observed.record_payload(frame.data().as_deref().unwrap_or_default());
                }
            }
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(failure) => observed.connection_error = Some(failure.to_string()),
        }
    }
    if !is_stream {
        observed.record_payload(&body);
    }
    observed
}

impl ObservedResponse {
    /// Adds a body or an event's payload; a chunk's `delta` and an answer's `message` have the same fields.
    fn record_payload(&mut self, payload: &[u8]) {
        if payload == b"[DONE]" {
            self.done_count += 1;
        }
        let Ok(value) = serde_json::from_slice::<Value>(payload) else { return };
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            let message = error["message"].as_str().unwrap_or("an error without a message");
            self.error.get_or_insert_with(|| message.to_owned());
        }
        let Some(choice) = value.pointer("/choices/0") else { return };
        let part = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
        self.text.push_str(part["content"].as_str().unwrap_or_default());
        let calls = part["tool_calls"].as_array().into_iter().flatten();
        for function in calls.filter_map(|call| call.get("function")) {
            self.tool_calls.extend(function["name"].as_str().map(|name| format!("{name} ")));
            if let Some((call, arguments)) = self.tool_calls.last_mut().zip(function["arguments"].as_str()) {
                call.push_str(arguments);
            }
        }
        self.finish_reasons.extend(choice["finish_reason"].as_str().map(str::to_owned));
    }
}
