//! `moonrelay explain`: shows how a requested model is routed, target by target.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};

use super::command::{self, CommandContext, CommandError};
use super::gateway::no_key_error;
use super::output::{json_list, json_text, render_pairs};
use crate::config::settings::{MatchKind, Settings};
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::provider::rewrite::RewriteOptions;
use crate::routing::affinity;
use crate::routing::plan::{PlannedTarget, plan_request};
use crate::routing::request::{check_name, check_stateless};
use crate::routing::request_bodies::RequestBodies;
use crate::routing::route::ResolvedRoute;
use crate::state::State;

/// Arguments of `explain`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Model as a client would request it: an alias, a reference, a route or a model id
    model: String,
    /// Explain this request (a file, or - for standard input) instead of a minimal one
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// API format of the client
    #[arg(long, value_enum, default_value_t)]
    face: ClientApi,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The API formats by their common names.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum ClientApi {
    /// OpenAI Chat Completions
    #[default]
    Chat,
    /// OpenAI Responses
    Responses,
    /// Anthropic Messages
    Messages,
}

impl ClientApi {
    pub(super) const fn api(self) -> Api {
        match self {
            Self::Chat => Api::ChatCompletions,
            Self::Responses => Api::Responses,
            Self::Messages => Api::Messages,
        }
    }

    /// A minimal request for this model.
    fn minimal_request(self, model: &str) -> Value {
        let messages = json!([{"role": "user", "content": "hi"}]);
        match self {
            Self::Chat => json!({"model": model, "messages": messages}),
            Self::Responses => json!({"model": model, "input": "hi"}),
            Self::Messages => json!({"model": model, "max_tokens": 1024, "messages": messages}),
        }
    }
}

/// Prints the plan.
pub async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), args.json, async |context| explain(&args, context)).await
}

fn explain(args: &Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let explanation = Explanation::new(&settings, &args.model, read_request(args)?)?;
    context.report(&explanation.json, || explanation.text)
}

/// The plan for a request, as JSON and as text.
pub(in crate::cli) struct Explanation {
    pub(in crate::cli) json: Value,
    pub(in crate::cli) text: String,
}

impl Explanation {
    /// Plans a request for this model.
    pub(in crate::cli) fn new(
        settings: &Settings,
        model: &str,
        body: RequestBody,
    ) -> Result<Self, CommandError> {
        check_stateless(&body).map_err(|error| CommandError::failure("not_kept", error.to_string()))?;
        let route = check_name(model)
            .and_then(|()| ResolvedRoute::resolve(settings, model, body.api))
            .map_err(|error| CommandError::failure("unknown_model", error.to_string()))?;
        let plan = plan_request(route, &State::new(), model, &body, None);
        if plan.targets.is_empty() {
            return Err(no_target_error(settings));
        }
        let bodies = RequestBodies::new(body, None, Arc::default(), usize::MAX);
        let targets = plan.targets.iter().map(|planned| target_json(settings, planned, &bodies));
        let json = json!({
            "requested": plan.requested,
            "matched": describe_match(&plan.matched_by),
            "targets": targets.collect::<Vec<_>>(),
            "warnings": plan.warnings,
            "note": affinity::explain_affinity(settings, bodies.client_body()),
        });
        let text = render(&json, bodies.client_body().api);
        Ok(Self { json, text })
    }
}

/// The error for an empty default chain.
fn no_target_error(settings: &Settings) -> CommandError {
    if settings.has_target() {
        let why = "none of kimi, moonshot and openrouter has a key, so there is no default model. Set \
                   agents.defaults.model with: moonrelay models set REF";
        return CommandError::failure("no_primary", why);
    }
    no_key_error(settings)
}

/// The request to plan for. A model given on the command line overrides that of the request.
fn read_request(args: &Args) -> Result<RequestBody, CommandError> {
    let text: Bytes = match &args.body {
        None => args.face.minimal_request(&args.model).to_string().into(),
        Some(path) => {
            let mut text = Vec::new();
            let read = if path.as_os_str() == "-" {
                std::io::stdin().read_to_end(&mut text).map(|_| text)
            } else {
                std::fs::read(path)
            };
            read.map_err(|error| CommandError::failure("read_error", format!("{}: {error}", path.display())))?
                .into()
        }
    };
    RequestBody::parse(args.face.api(), text)
        .map_err(|error| CommandError::failure("malformed_json", error.to_string()))
}

/// A target and the request that it would receive.
fn target_json(settings: &Settings, planned: &PlannedTarget, bodies: &RequestBodies) -> Value {
    let target = &planned.target;
    let prepared = bodies
        .prepare(target, RewriteOptions { default_thinking: settings.default_thinking, last_provider: None });
    let skipped = match (&planned.skip_reason, &prepared) {
        (Some((reason, detail)), _) => Some((reason.as_str(), detail)),
        (None, Err(failure)) => Some((failure.reason.as_str(), &failure.message)),
        (None, Ok(_)) => None,
    };
    let prepared = prepared.as_ref().ok();
    let (url, key) = (target.url().to_string(), target.key());
    json!({
        "reference": target.reference.to_string(),
        "sentAs": target.wire_model,
        "url": url,
        "face": target.api.as_str(),
        "translated": bodies.client_body().api != target.api,
        "dropped": prepared.map_or(&[][..], |prepared| prepared.request_body.dropped()),
        "key": key.map(|key| json!({"masked": target.provider.mask_key(key), "origin": key.origin.to_string()})),
        "rules": prepared.map_or(&[][..], |prepared| &prepared.adapted.rules),
        "skipped": skipped.map(|(reason, detail)| json!({"reason": reason, "detail": detail})),
    })
}

fn describe_match(by: &MatchKind) -> String {
    match by {
        MatchKind::Alias => "an alias".to_owned(),
        MatchKind::Reference => "a reference".to_owned(),
        MatchKind::Route(pattern) => format!("matched by the route {pattern:?}"),
        MatchKind::Default => "the default chain".to_owned(),
        MatchKind::BareId => "a model id".to_owned(),
    }
}

fn render(plan: &Value, client_api: Api) -> String {
    let names = |value, key| match json_list(value, key).filter_map(Value::as_str).collect::<Vec<_>>() {
        names if names.is_empty() => "nothing".to_owned(),
        names => names.join(", "),
    };
    let mut out = format!("{} is {}\n", json_text(plan, "requested"), json_text(plan, "matched"));
    for warning in json_list(plan, "warnings") {
        out.push_str(&format!("warning: {}\n", warning.as_str().unwrap_or_default()));
    }
    if let Some(note) = plan["note"].as_str() {
        out.push_str(&format!("note: {note}\n"));
    }
    for (index, target) in json_list(plan, "targets").enumerate() {
        let mut pairs = Vec::new();
        if let Some(reason) = target["skipped"]["reason"].as_str() {
            pairs.push(("skipped", format!("{reason}: {}", json_text(&target["skipped"], "detail"))));
        } else {
            pairs.push((
                "sent to",
                format!("{} as {}", json_text(target, "url"), json_text(target, "sentAs")),
            ));
            if let Some(key) = target["key"]["masked"].as_str() {
                pairs.push(("key", format!("{key} from {}", json_text(&target["key"], "origin"))));
            }
            if target["translated"] == true {
                pairs
                    .push(("translate", format!("{} to {}", client_api.as_str(), json_text(target, "face"))));
                pairs.push(("dropped", names(target, "dropped")));
            }
            pairs.push(("rewrites", names(target, "rules")));
        }
        let lines = render_pairs(&pairs).replace('\n', "\n   ");
        out.push_str(&format!("\n{}. {}\n   {lines}\n", index + 1, json_text(target, "reference")));
    }
    out
}
