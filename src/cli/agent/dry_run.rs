//! `agent --explain`: what would be asked, and of whom.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Args, load_context, message};
use crate::assistant::context::SystemPrompt;
use crate::assistant::session::{History, SessionStore};
use crate::assistant::turn::{ModelChoice, TurnFailure, TurnRequest, explain_request};
use crate::catalog::ThinkingLevel;
use crate::cli::exit::CommandError;
use crate::cli::explain::Explanation;
use crate::config::Environment;
use crate::config::settings::Settings;

/// Prints it.
pub(super) fn print_plan(
    args: &Args,
    level: Option<ThinkingLevel>,
    settings: &Arc<Settings>,
    environment: &Environment,
) -> Result<(), CommandError> {
    let message = args
        .message
        .as_ref()
        .map_or_else(|| Ok("hi".to_owned()), |text| message::read_message(Some(text)))?;
    let context = load_context(settings);
    let ask = TurnRequest { message, model: args.model.clone(), thinking: level };
    let failed = |failure: TurnFailure| CommandError::failure(failure.kind, failure.message);
    let state = environment.state_directory();
    let past = match (&args.session_id, state) {
        (Some(id), Some(state)) => load_history(&SessionStore::new(&state), id)?,
        _ => None,
    };
    let (choice, body) = explain_request(settings, past.as_ref(), &ask, &context).map_err(failed)?;
    let explained = Explanation::new(settings, &choice.requested_model, body)?;
    let text = match args.json {
        true => as_json(&context, &choice, &explained).to_string(),
        false => as_text(&context, &choice, &explained),
    };
    writeln!(std::io::stdout(), "{}", text.trim_end()).map_err(CommandError::from_output_error)
}

/// It is only read: a turn that holds it is not waited for, and nothing is made or mended.
fn load_history(sessions: &SessionStore, id: &str) -> Result<Option<History>, CommandError> {
    sessions.history(id).map_err(|error| CommandError::failure("session_error", error.to_string()))
}

fn as_json(context: &SystemPrompt, choice: &ModelChoice, explained: &Explanation) -> Value {
    let sources: Vec<Value> = context
        .sources
        .iter()
        .map(|source| json!({"path": source.path.display().to_string(), "bytes": source.bytes, "cut": source.is_truncated}))
        .collect();
    json!({
        "systemPrompt": context.text,
        "sources": sources,
        "warnings": context.warnings,
        "thinking": choice.thinking.map(ThinkingLevel::as_str),
        "maxTokens": choice.max_tokens,
        "plan": explained.json,
    })
}

fn as_text(context: &SystemPrompt, choice: &ModelChoice, explained: &Explanation) -> String {
    let mut out = String::from("system prompt\n");
    if context.sources.is_empty() {
        out.push_str("   none: no AGENTS.md, SOUL.md or TOOLS.md in agents.defaults.workspace\n");
    }
    for source in &context.sources {
        let cut = if source.is_truncated { ", of which the beginning is told" } else { "" };
        out.push_str(&format!("   {}  {} bytes{cut}\n", source.path.display(), source.bytes));
    }
    let thinking = choice.thinking.map_or("as configured", ThinkingLevel::as_str);
    out.push_str(&format!("thinking       {thinking}\nlargest answer {} tokens\n\n", choice.max_tokens));
    out.push_str(&explained.text);
    if let Some(prompt) = &context.text {
        out.push_str(&format!("\n\n{}", super::terminal_text::sanitize(prompt)));
    }
    out
}
