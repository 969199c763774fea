//! `moonrelay explain`: shows how a requested model is routed, target by target.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};

use super::exit::{self, CommandError};
use super::gateway::no_key_error;
use crate::config::settings::{MatchKind, Settings};
use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::routing::affinity;
use crate::routing::plan::{Plan, PlannedTarget, plan_request};
use crate::routing::request_bodies::{PreparedRequest, RequestBodies};
use crate::routing::state::State;
use crate::routing::stateless;

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
enum ClientApi {
    /// OpenAI Chat Completions
    #[default]
    Chat,
    /// OpenAI Responses
    Responses,
    /// Anthropic Messages
    Messages,
}

impl ClientApi {
    const fn api(self) -> Api {
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
pub fn run(args: &Args) -> ExitCode {
    exit::into_exit_code(explain(args), args.json)
}

fn explain(args: &Args) -> Result<(), CommandError> {
    let settings = config::load(args.config.as_deref(), &Environment::from_process())?;
    let explained = Explanation::new(&settings, &args.model, read_request(args)?)?;
    let text = match args.json {
        true => explained.json.to_string(),
        false => explained.text,
    };
    writeln!(std::io::stdout(), "{}", text.trim_end()).map_err(CommandError::from_output_error)
}

/// The plan for a request, as JSON and as text.
pub(in crate::cli) struct Explanation {
    pub(in crate::cli) json: Value,
    pub(in crate::cli) text: String,
}

impl Explanation {
    /// Plans a minimal request for this model.
    pub(in crate::cli) fn new(
        settings: &Settings,
        model: &str,
        body: RequestBody,
    ) -> Result<Self, CommandError> {
        stateless::check_stateless(&body)
            .map_err(|refusal| CommandError::failure("not_kept", refusal.to_string()))?;
        let plan = plan_request(&Arc::new(settings.clone()), &State::new(), model, &body, None)
            .map_err(|refusal| CommandError::failure("unknown_model", refusal.to_string()))?;
        if plan.targets.is_empty() {
            return Err(no_target_error(settings));
        }
        let bodies = RequestBodies::new(body, Arc::default(), usize::MAX);
        let steps: Vec<PlanStep<'_>> =
            plan.targets.iter().map(|planned| PlanStep::new(settings, planned, &bodies)).collect();
        let note = affinity::explain_affinity(settings, bodies.client_body());
        let (json, text) = (as_json(&plan, &steps, note.as_deref()), as_text(&plan, &steps, note.as_deref()));
        Ok(Self { json, text })
    }
}

/// The error for an empty chain `default`.
fn no_target_error(settings: &Settings) -> CommandError {
    if settings.has_target() {
        let why = "none of kimi, moonshot and openrouter has a key, so no model is the default: \
                   set agents.defaults.model (moonrelay models set REF)";
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

/// One target and the request that it would receive.
struct PlanStep<'a> {
    planned: &'a PlannedTarget,
    /// The client's API format.
    client_api: Api,
    prepared: Result<PreparedRequest<'a>, Failure>,
}

impl<'a> PlanStep<'a> {
    fn new(settings: &Settings, planned: &'a PlannedTarget, bodies: &'a RequestBodies) -> Self {
        let prepared = bodies.prepare(&planned.target, settings.default_thinking);
        Self { planned, client_api: bodies.client_body().api, prepared }
    }

    fn skip_reason(&self) -> Option<(&str, &str)> {
        match (&self.planned.skip_reason, &self.prepared) {
            (Some((skip, why)), _) => Some((skip.as_str(), why)),
            (None, Err(failure)) => Some((failure.reason.as_str(), &failure.message)),
            (None, Ok(_)) => None,
        }
    }

    fn url(&self) -> &str {
        self.planned.target.url()
    }

    fn rules(&self) -> &[&'static str] {
        self.prepared.as_ref().map_or(&[], |prepared| &prepared.adapted.rules)
    }

    fn dropped_fields(&self) -> &[&'static str] {
        self.prepared.as_ref().map_or(&[], |prepared| prepared.request_body.dropped())
    }

    /// Both API formats, if the client's differs from the target's.
    fn translation(&self) -> Option<String> {
        let (from, to) = (self.client_api, self.planned.target.api);
        (from != to).then(|| format!("{} to {}", from.as_str(), to.as_str()))
    }

    fn masked_key(&self) -> Option<(String, String)> {
        let target = &self.planned.target;
        target.key().map(|key| (target.provider.mask_key(key), key.origin.to_string()))
    }
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

fn as_json(plan: &Plan, steps: &[PlanStep<'_>], note: Option<&str>) -> Value {
    let targets: Vec<Value> = steps
        .iter()
        .map(|step| {
            let target = &step.planned.target;
            json!({
                "reference": target.reference.to_string(),
                "sentAs": target.wire_model,
                "url": step.url(),
                "face": target.api.as_str(),
                "translated": step.translation().is_some(),
                "dropped": step.dropped_fields(),
                "key": step.masked_key().map(|(masked, origin)| json!({"masked": masked, "origin": origin})),
                "rules": step.rules(),
                "skipped": step.skip_reason().map(|(word, why)| json!({"reason": word, "detail": why})),
            })
        })
        .collect();
    json!({
        "requested": plan.requested,
        "matched": describe_match(&plan.matched_by),
        "targets": targets,
        "warnings": plan.warnings,
        "note": note,
    })
}

fn as_text(plan: &Plan, steps: &[PlanStep<'_>], note: Option<&str>) -> String {
    let mut out = format!("{} is {}\n", plan.requested, describe_match(&plan.matched_by));
    for warning in &plan.warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    if let Some(note) = note {
        out.push_str(&format!("note: {note}\n"));
    }
    for (index, step) in steps.iter().enumerate() {
        let target = &step.planned.target;
        out.push_str(&format!("\n{}. {}\n", index + 1, target.reference));
        if let Some((word, why)) = step.skip_reason() {
            out.push_str(&format!("   skipped   {word}: {why}\n"));
            continue;
        }
        out.push_str(&format!("   sent to   {} as {}\n", step.url(), target.wire_model));
        if let Some((masked, origin)) = step.masked_key() {
            out.push_str(&format!("   key       {masked} from {origin}\n"));
        }
        if let Some(translated) = step.translation() {
            out.push_str(&format!(
                "   translate {translated}\n   dropped   {}\n",
                join_names(step.dropped_fields())
            ));
        }
        out.push_str(&format!("   rewrites  {}\n", join_names(step.rules())));
    }
    out
}

fn join_names(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
