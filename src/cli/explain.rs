//! `moonrelay explain`: the plan for a requested model, target by target.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};

use super::exit::{self, Ending};
use super::gateway::no_key;
use crate::config::settings::{MatchedBy, Settings};
use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::protocol::face::Face;
use crate::protocol::request::RequestBody;
use crate::routing::affinity;
use crate::routing::bodies::{Bodies, Prepared};
use crate::routing::plan::{Plan, Planned, plan};
use crate::routing::state::State;
use crate::routing::stateless;

/// `explain`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What a client would ask for: an alias, a reference, a route, a model id
    model: String,
    /// Explain this request (a file, or - for standard input) instead of a short one
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Which protocol the client speaks
    #[arg(long, value_enum, default_value_t)]
    face: Spoken,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The protocols, as people call them.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Spoken {
    /// OpenAI Chat Completions
    #[default]
    Chat,
    /// OpenAI Responses
    Responses,
    /// Anthropic Messages
    Messages,
}

impl Spoken {
    const fn face(self) -> Face {
        match self {
            Self::Chat => Face::Chat,
            Self::Responses => Face::Responses,
            Self::Messages => Face::Messages,
        }
    }

    /// The shortest request that asks for this model.
    fn request(self, model: &str) -> Value {
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
    exit::code(explain(args), args.json)
}

fn explain(args: &Args) -> Result<(), Ending> {
    let settings = config::load(args.config.as_deref(), &Environment::process())?;
    let explained = Explained::of(&settings, &args.model, body(args)?)?;
    let text = match args.json {
        true => explained.json.to_string(),
        false => explained.text,
    };
    writeln!(std::io::stdout(), "{}", text.trim_end()).map_err(Ending::output)
}

/// The plan for a request, for programs and for people.
pub(in crate::cli) struct Explained {
    pub(in crate::cli) json: Value,
    pub(in crate::cli) text: String,
}

impl Explained {
    /// Of a request for this model.
    pub(in crate::cli) fn of(settings: &Settings, model: &str, body: RequestBody) -> Result<Self, Ending> {
        stateless::check(&body).map_err(|refusal| Ending::failure("not_kept", refusal.to_string()))?;
        let plan = plan(&Arc::new(settings.clone()), &State::new(), model, &body, None)
            .map_err(|refusal| Ending::failure("unknown_model", refusal.to_string()))?;
        if plan.targets.is_empty() {
            return Err(nothing_answers(settings));
        }
        let bodies = Bodies::new(body, Arc::default(), usize::MAX);
        let steps: Vec<Step<'_>> =
            plan.targets.iter().map(|planned| Step::of(settings, planned, &bodies)).collect();
        let note = affinity::explained(settings, bodies.own());
        let (json, text) = (as_json(&plan, &steps, note.as_deref()), as_text(&plan, &steps, note.as_deref()));
        Ok(Self { json, text })
    }
}

/// The chain `default` is empty.
fn nothing_answers(settings: &Settings) -> Ending {
    if settings.has_target() {
        let why = "none of kimi, moonshot and openrouter has a key, so no model is the default: \
                   set agents.defaults.model (moonrelay models set REF)";
        return Ending::failure("no_primary", why);
    }
    no_key(settings)
}

/// The request to plan for; the model that was asked for on the command line counts.
fn body(args: &Args) -> Result<RequestBody, Ending> {
    let text: Bytes = match &args.body {
        None => args.face.request(&args.model).to_string().into(),
        Some(path) => {
            let mut text = Vec::new();
            let read = if path.as_os_str() == "-" {
                std::io::stdin().read_to_end(&mut text).map(|_| text)
            } else {
                std::fs::read(path)
            };
            read.map_err(|error| Ending::failure("read_error", format!("{}: {error}", path.display())))?
                .into()
        }
    };
    RequestBody::parse(args.face.face(), text)
        .map_err(|error| Ending::failure("malformed_json", error.to_string()))
}

/// One target and what would be sent to it.
struct Step<'a> {
    planned: &'a Planned,
    /// The client's face.
    face: Face,
    prepared: Result<Prepared<'a>, Failure>,
}

impl<'a> Step<'a> {
    fn of(settings: &Settings, planned: &'a Planned, bodies: &'a Bodies) -> Self {
        let prepared = bodies.prepare(&planned.target, settings.thinking_default);
        Self { planned, face: bodies.own().face, prepared }
    }

    fn skipped(&self) -> Option<(&str, &str)> {
        match (&self.planned.skipped, &self.prepared) {
            (Some((skip, why)), _) => Some((skip.as_str(), why)),
            (None, Err(failure)) => Some((failure.reason.as_str(), &failure.message)),
            (None, Ok(_)) => None,
        }
    }

    fn url(&self) -> &str {
        self.planned.target.url()
    }

    fn rules(&self) -> &[&'static str] {
        self.prepared.as_ref().map_or(&[], |prepared| &prepared.rewritten.rules)
    }

    fn dropped(&self) -> &[&'static str] {
        self.prepared.as_ref().map_or(&[], |prepared| prepared.said.dropped())
    }

    /// The protocols, where the client's is not the target's.
    fn translated(&self) -> Option<String> {
        let (from, to) = (self.face, self.planned.target.face);
        (from != to).then(|| format!("{} to {}", from.api(), to.api()))
    }

    fn key(&self) -> Option<(String, String)> {
        let target = &self.planned.target;
        target.key().map(|key| (target.provider.masked(key), key.origin.to_string()))
    }
}

fn matched(by: &MatchedBy) -> String {
    match by {
        MatchedBy::Alias => "an alias".to_owned(),
        MatchedBy::Reference => "a reference".to_owned(),
        MatchedBy::Route(pattern) => format!("matched by the route {pattern:?}"),
        MatchedBy::Default => "the default chain".to_owned(),
        MatchedBy::BareId => "a model id".to_owned(),
    }
}

fn as_json(plan: &Plan, steps: &[Step<'_>], note: Option<&str>) -> Value {
    let targets: Vec<Value> = steps
        .iter()
        .map(|step| {
            let target = &step.planned.target;
            json!({
                "reference": target.reference.to_string(),
                "sentAs": target.wire_model,
                "url": step.url(),
                "face": target.face.api(),
                "translated": step.translated().is_some(),
                "dropped": step.dropped(),
                "key": step.key().map(|(masked, origin)| json!({"masked": masked, "origin": origin})),
                "rules": step.rules(),
                "skipped": step.skipped().map(|(word, why)| json!({"reason": word, "detail": why})),
            })
        })
        .collect();
    json!({
        "requested": plan.requested,
        "matched": matched(&plan.by),
        "targets": targets,
        "warnings": plan.warnings,
        "note": note,
    })
}

fn as_text(plan: &Plan, steps: &[Step<'_>], note: Option<&str>) -> String {
    let mut out = format!("{} is {}\n", plan.requested, matched(&plan.by));
    for warning in &plan.warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    if let Some(note) = note {
        out.push_str(&format!("note: {note}\n"));
    }
    for (index, step) in steps.iter().enumerate() {
        let target = &step.planned.target;
        out.push_str(&format!("\n{}. {}\n", index + 1, target.reference));
        if let Some((word, why)) = step.skipped() {
            out.push_str(&format!("   skipped   {word}: {why}\n"));
            continue;
        }
        out.push_str(&format!("   sent to   {} as {}\n", step.url(), target.wire_model));
        if let Some((masked, origin)) = step.key() {
            out.push_str(&format!("   key       {masked} from {origin}\n"));
        }
        if let Some(translated) = step.translated() {
            out.push_str(&format!("   translate {translated}\n   dropped   {}\n", listed(step.dropped())));
        }
        out.push_str(&format!("   rewrites  {}\n", listed(step.rules())));
    }
    out
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
