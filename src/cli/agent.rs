//! `moonrelay agent`: sends one prompt from the shell and prints the answer.

pub(in crate::cli) mod backend;

use std::io::{self, IsTerminal, stderr, stdin};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::backend::{load_context, new_agent};
use super::command::{self, CommandContext, CommandError, print_note};
use super::explain::Explanation;
use super::output::{AnswerWriter, Colour, sanitize};
use crate::assistant::session::{SessionStore, new_id};
use crate::assistant::thinking;
use crate::assistant::turn::{Agent, TurnEvent, TurnFailure, TurnRequest, TurnResult, explain_request};
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Reference, Settings};
use crate::service::signals::TerminationSignals;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The prompt; `-` or no prompt with piped input reads standard input
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Call the providers from this process; needs no gateway
    #[arg(long)]
    local: bool,
    /// Session to continue or create; without this a new one
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Model for this turn: a reference, an alias or a route [default: the session's, else the configuration's]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Reasoning effort for this turn; the model must support it
    #[arg(long, value_name = "LEVEL")]
    thinking: Option<String>,
    /// Enable web search (default if configured)
    #[arg(long)]
    web_search: bool,
    /// Dry run: print the request without sending it
    #[arg(long)]
    explain: bool,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object at the end of the turn, also on failure
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), args.json, async |context| run_agent(args, context).await).await
}

async fn run_agent(args: Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let thinking = args.thinking.as_deref().map(parse_thinking_level).transpose()?;
    let settings = Arc::new(context.load_settings()?);
    if args.explain {
        return print_dry_run(&args, thinking, &settings, context);
    }
    let message = read_message(args.message.as_deref())?;
    let state = context.state_directory("sessions")?;
    let (agent, usage) = new_agent(&settings, &state, args.local, args.web_search)?;
    let id = args.session_id.unwrap_or_else(new_id);
    let request = TurnRequest { message, model: args.model, thinking };
    let outcome = Box::pin(run_turn(&agent, &id, request, &SessionStore::new(&state), context)).await;
    if let Some(usage) = usage {
        usage.finish().await;
    }
    outcome
}

/// Parses the value of `--thinking`.
pub(in crate::cli) fn parse_thinking_level(word: &str) -> Result<ThinkingLevel, CommandError> {
    thinking::parse_level(word).ok_or_else(|| {
        let levels = thinking::level_names().join(", ");
        CommandError::usage(format!("--thinking {word}: unknown level. Use one of {levels}."))
    })
}

/// The prompt: the option's text, or standard input.
fn read_message(option: Option<&str>) -> Result<String, CommandError> {
    const FIX: &str = "use --message TEXT, or pipe it to standard input";
    let message = match option {
        Some(text) if text != "-" => text.to_owned(),
        None if stdin().is_terminal() => return Err(CommandError::usage(format!("no prompt: {FIX}"))),
        _ => {
            let text = io::read_to_string(stdin())
                .map_err(|error| CommandError::failure("read_error", format!("standard input: {error}")))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
    };
    if message.trim().is_empty() {
        return Err(CommandError::usage(format!("the prompt is empty: {FIX}")));
    }
    Ok(message)
}

/// Runs one turn of a session and prints its result.
async fn run_turn(
    agent: &Agent,
    id: &str,
    request: TurnRequest,
    sessions: &SessionStore,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let waiting = || print_note("another turn of this session is active; waiting for it");
    let mut session = sessions.lock(id, waiting).await?;
    let mut signals = TerminationSignals::install()
        .map_err(|error| CommandError::failure("signal_error", format!("cannot catch signals: {error}")))?;
    let stop = CancellationToken::new();
    let mut writer = (!context.json).then(|| AnswerWriter::from_environment(&context.environment));
    let mut written = Ok(());
    let mut show = |event: TurnEvent| {
        let (Some(writer), Ok(())) = (&mut writer, &written) else { return };
        written = match event {
            TurnEvent::Text(piece) => writer.write_piece(Colour::Plain, &piece),
            // End the line that was printed before the tool call.
            TurnEvent::NextRequest => writer.end_line(),
            TurnEvent::Thinking(_) | TurnEvent::ToolCall { .. } => Ok(()),
        };
        if written.is_err() {
            // The reader closed standard output: stop the answer, so that it costs no more tokens.
            stop.cancel();
        }
    };
    let outcome = {
        let mut turn = pin!(agent.run_turn(&mut session, request, stop.clone().cancelled_owned(), &mut show));
        loop {
            tokio::select! {
                biased;
                outcome = &mut turn => break Some(outcome),
                () = signals.recv() => {}
            }
            // The first interrupt stops the answer and keeps its text, the second ends the command.
            if stop.is_cancelled() {
                break None;
            }
            stop.cancel();
        }
    };
    let written = match writer {
        Some(mut writer) => written.and_then(|()| writer.end_line()),
        None => Ok(()),
    };
    let outcome = outcome.ok_or_else(|| {
        CommandError::failure("aborted", "interrupted twice: the partial answer is not saved")
    })?;
    if context.json {
        context.print_line(escape_controls(&turn_json(id, &outcome)))?;
        return outcome.map(drop).map_err(|_| CommandError::silent());
    }
    print_fallback_notice(&outcome);
    written.map_err(CommandError::from_output_error)?;
    outcome.map(drop).map_err(turn_error)
}

fn turn_error(failure: TurnFailure) -> CommandError {
    CommandError::failure(failure.kind, failure.message)
}

/// Reports on a terminal which fallback model answered.
fn print_fallback_notice(outcome: &Result<TurnResult, TurnFailure>) {
    let Ok(turn) = outcome else { return };
    if let (Some(primary), Some(answered)) = (&turn.primary, &turn.answered_by)
        && turn.is_fallback_used()
        && stderr().is_terminal()
    {
        print_note(format_args!("{}; {answered} answered", failure_reason(primary, turn)));
    }
}

/// Why the requested model did not answer.
pub(in crate::cli) fn failure_reason(primary: &Reference, turn: &TurnResult) -> String {
    let mut failed = turn.attempts.iter().rev().filter(|one| one.target == *primary && one.result != "ok");
    match failed.next().map(|attempt| attempt.result.as_str()) {
        None => format!("{primary} was not tried"),
        Some("cooling_down") => format!("{primary} is in cooldown"),
        Some(reason) => format!("{primary} failed ({reason})"),
    }
}

/// JSON without control characters: those below U+0020 are escaped by JSON itself.
fn escape_controls(value: &Value) -> String {
    let escape = |c: char| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("{value:#}").chars().map(escape).collect()
}

fn turn_json(session: &str, outcome: &Result<TurnResult, TurnFailure>) -> Value {
    let mut value = json!({"ok": outcome.is_ok()});
    let turn = match outcome {
        Ok(turn) => Some(turn),
        Err(failure) => {
            value["error"] = json!({"type": failure.kind, "message": failure.message});
            failure.result.as_deref()
        }
    };
    value["sessionId"] = session.into();
    let Some(turn) = turn else { return value };
    let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let attempts = turn.attempts.iter().map(|attempt| {
        let (target, ms) = (&attempt.target, milliseconds(attempt.duration));
        let mut value = json!({
            "provider": target.provider, "model": target.model, "result": attempt.result, "ms": ms,
        });
        if !attempt.detail.is_empty() {
            value["detail"] = attempt.detail.as_str().into();
        }
        value
    });
    let answered = turn.answered_by.as_ref();
    value["provider"] = json!(answered.map(|reference| &reference.provider));
    value["model"] = json!(answered.map(|reference| &reference.model));
    value["fallbackUsed"] = turn.is_fallback_used().into();
    value["attempts"] = attempts.collect();
    value["payloads"] = if turn.text.is_empty() { json!([]) } else { json!([{"text": turn.text}]) };
    // As in the transcript, but with `cost: null` if no price is known.
    value["usage"] = json!(turn.usage);
    if turn.usage.as_ref().is_some_and(|usage| usage.cost.is_none()) {
        value["usage"]["cost"] = Value::Null;
    }
    value["currency"] = json!(turn.currency);
    value["stopReason"] = json!(turn.stop_reason);
    value["tookMs"] = milliseconds(turn.duration).into();
    value
}

/// `--explain`: prints the system prompt and the plan of the request. A session is read without its lock.
fn print_dry_run(
    args: &Args,
    thinking: Option<ThinkingLevel>,
    settings: &Arc<Settings>,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let message = match &args.message {
        Some(text) => read_message(Some(text))?,
        None => "hi".to_owned(),
    };
    let system = load_context(settings);
    let request = TurnRequest { message, model: args.model.clone(), thinking };
    let history = match (&args.session_id, context.environment.state_directory()) {
        (Some(id), Some(state)) => SessionStore::new(&state).read(id)?,
        _ => None,
    };
    let (choice, body) =
        explain_request(settings, history.as_ref(), &request, &system).map_err(turn_error)?;
    let explained = Explanation::new(settings, &choice.requested_model, body)?;
    let level = choice.thinking.map(ThinkingLevel::as_str);
    if context.json {
        let sources: Vec<Value> = system
            .sources
            .iter()
            .map(|source| json!({"path": source.path.display().to_string(), "bytes": source.bytes, "cut": source.is_truncated}))
            .collect();
        return context.print_line(json!({
            "systemPrompt": system.text,
            "sources": sources,
            "warnings": system.warnings,
            "thinking": level,
            "maxTokens": choice.max_tokens,
            "plan": explained.json,
        }));
    }
    let mut text = String::from("system prompt\n");
    if system.sources.is_empty() {
        text.push_str("   none: no AGENTS.md, SOUL.md or TOOLS.md in agents.defaults.workspace\n");
    }
    for source in &system.sources {
        let cut = if source.is_truncated { ", only the beginning is sent" } else { "" };
        text.push_str(&format!("   {}  {} bytes{cut}\n", source.path.display(), source.bytes));
    }
    let level = level.unwrap_or("as configured");
    text.push_str(&format!("thinking       {level}\nmaximum output {} tokens\n\n", choice.max_tokens));
    text.push_str(&explained.text);
    if let Some(prompt) = &system.text {
        text.push_str(&format!("\n\n{}", sanitize(prompt)));
    }
    context.print_line(text.trim_end())
}
