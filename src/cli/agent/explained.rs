//! `agent --explain`: what would be asked, and of whom.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Args, context, message};
use crate::assistant::context::Context;
use crate::assistant::session::{Past, Sessions};
use crate::assistant::turn::{Ask, Choice, TurnFailure, explain};
use crate::catalog::ThinkingLevel;
use crate::cli::exit::Ending;
use crate::cli::explain::Explained;
use crate::config::Environment;
use crate::config::settings::Settings;

/// Prints it.
pub(super) fn print(
    args: &Args,
    level: Option<ThinkingLevel>,
    settings: &Arc<Settings>,
    environment: &Environment,
) -> Result<(), Ending> {
    let message =
        args.message.as_ref().map_or_else(|| Ok("hi".to_owned()), |text| message::read(Some(text)))?;
    let context = context(settings);
    let ask = Ask { message, model: args.model.clone(), thinking: level };
    let failed = |failure: TurnFailure| Ending::failure(failure.kind, failure.message);
    let state = environment.state_directory();
    let past = match (&args.session_id, state) {
        (Some(id), Some(state)) => past(&Sessions::of(&state), id)?,
        _ => None,
    };
    let (choice, body) = explain(settings, past.as_ref(), &ask, &context).map_err(failed)?;
    let explained = Explained::of(settings, &choice.name, body)?;
    let text = match args.json {
        true => as_json(&context, &choice, &explained).to_string(),
        false => as_text(&context, &choice, &explained),
    };
    writeln!(std::io::stdout(), "{}", text.trim_end()).map_err(Ending::output)
}

/// It is only read: a turn that holds it is not waited for, and nothing is made or mended.
fn past(sessions: &Sessions, id: &str) -> Result<Option<Past>, Ending> {
    sessions.past(id).map_err(|error| Ending::failure("session_error", error.to_string()))
}

fn as_json(context: &Context, choice: &Choice, explained: &Explained) -> Value {
    let sources: Vec<Value> = context
        .sources
        .iter()
        .map(|source| json!({"path": source.path.display().to_string(), "bytes": source.bytes, "cut": source.is_cut}))
        .collect();
    json!({
        "systemPrompt": context.prompt,
        "sources": sources,
        "warnings": context.warnings,
        "thinking": choice.thinking.map(ThinkingLevel::as_str),
        "maxTokens": choice.max_tokens,
        "plan": explained.json,
    })
}

fn as_text(context: &Context, choice: &Choice, explained: &Explained) -> String {
    let mut out = String::from("system prompt\n");
    if context.sources.is_empty() {
        out.push_str("   none: no AGENTS.md, SOUL.md or TOOLS.md in agents.defaults.workspace\n");
    }
    for source in &context.sources {
        let cut = if source.is_cut { ", of which the beginning is told" } else { "" };
        out.push_str(&format!("   {}  {} bytes{cut}\n", source.path.display(), source.bytes));
    }
    let thinking = choice.thinking.map_or("as configured", ThinkingLevel::as_str);
    out.push_str(&format!("thinking       {thinking}\nlargest answer {} tokens\n\n", choice.max_tokens));
    out.push_str(&explained.text);
    if let Some(prompt) = &context.prompt {
        out.push_str(&format!("\n\n{}", super::plain::harmless(prompt)));
    }
    out
}
