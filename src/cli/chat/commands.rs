//! The slash commands.

use std::time::{Duration, SystemTime};

use jiff::Zoned;

use super::text::{available_models, context_window, describe_model};
use super::{Chat, ChatError};
use crate::assistant::command::{COMMANDS, Command, CommandSpec, ReasoningDisplay, UsageFooter};
use crate::assistant::session::{self, Session, SessionUsage};
use crate::assistant::thinking::{self, ThinkingLevels};
use crate::assistant::transcript::TranscriptMessage;
use crate::catalog::ThinkingLevel;
use crate::cli::command::CommandError;
use crate::cli::output::{
    format_compact, format_cost, format_duration, format_session_total, format_tokens, format_total,
    render_pairs, render_table,
};
use crate::cli::usage::report::{query_total, total_tokens};
use crate::cli::usage::{DateRange, open_usage};
use crate::config::Environment;
use crate::config::settings::{Auth, Lookup, MatchKind, Reference, Settings};
use crate::upstream::Client;
use crate::upstream::gateway_status::{GatewayStatus, STATUS_TIMEOUT};
use crate::usage::UsageRow;

impl Chat {
    pub(super) async fn execute_command(&mut self, command: Command) -> Result<(), ChatError> {
        let reply = match command {
            Command::Model(None) => self.model_text(),
            Command::Model(Some(name)) => return self.set_model(&name).await,
            Command::Models => self.model_list(),
            Command::Thinking(None) => self.thinking_text(),
            Command::Thinking(Some(level)) => return self.set_thinking(&level).await,
            Command::Reasoning(display) => self.set_reasoning(display),
            Command::Usage(footer) => self.set_usage(footer).await?,
            Command::Status => self.status_text().await?,
            Command::New(model) => self.start_session(model.as_deref()).await?,
            Command::Reset => self.reset_session().await?,
            Command::Compact => self.compact_session().await?,
            Command::Stop => "Nothing to stop.".to_owned(),
            Command::Help => help_text(),
            Command::Quit => return Ok(()),
        };
        Ok(self.print_reply(reply.trim_end())?)
    }

    fn model_text(&self) -> String {
        let chain = self.active_chain();
        let Some((first, fallbacks)) = chain.split_first() else {
            return "Model: the gateway's default (not known here).".to_owned();
        };
        let origin = if self.model.is_some() { "chosen for this session" } else { "the default" };
        let text = format!("Model: {}, {origin}.", describe_model(&self.settings, first));
        if fallbacks.is_empty() { text } else { format!("{text}\nFallbacks: {}.", join(fallbacks)) }
    }

    pub(super) async fn set_model(&mut self, name: &str) -> Result<(), ChatError> {
        let model = resolve_model(&self.settings, name).map_err(ChatError::Rejected)?;
        if model != self.model {
            let mut session = self.lock_session().await?;
            match &model {
                Some(reference) => session.set_model(reference)?,
                None => session.reset_model()?,
            }
            self.model = model;
            self.notices.reset();
        }
        let requested = self.requested_model();
        let text = match (&self.model, &requested) {
            (Some(_), Some(first)) if first.to_string() == name => {
                format!("Model set to {first} for this session.")
            }
            (Some(_), Some(first)) => format!("Model set to {name} ({first}) for this session."),
            (_, Some(first)) => format!("Model reset to default ({first})."),
            (_, None) => "Model reset to default.".to_owned(),
        };
        self.print_reply(&text)?;
        let provider = requested.and_then(|model| self.settings.providers.get(&model.provider));
        // The gateway has keys of its own.
        if let Some(why) = provider.and_then(|provider| provider.disabled_reason.clone())
            && self.gateway.is_none()
        {
            self.print_note(&format!("The model cannot be called: {why}"))?;
        }
        Ok(())
    }

    fn model_list(&self) -> String {
        let chain = &self.settings.default_chain.references;
        let others = available_models(&self.settings).filter(|reference| !chain.contains(reference));
        let models = chain.iter().cloned().chain(others);
        let rows: Vec<Vec<String>> = models.map(|model| model_row(&self.settings, &model)).collect();
        let mut text = render_table(&["Model", "Context", "Tags"], &rows);
        let routes: Vec<&str> = self.settings.routes.iter().map(|route| route.pattern.as_str()).collect();
        if !routes.is_empty() {
            text.push_str(&format!("Routes: {}\n", routes.join(", ")));
        }
        text
    }

    fn thinking_text(&self) -> String {
        let current = match (self.thinking, self.settings.default_thinking) {
            (Some(level), _) => format!("{}, chosen for this session", self.level_name(level)),
            (None, Some(level)) => format!("default ({})", self.level_name(level)),
            (None, None) => "default (the model's own)".to_owned(),
        };
        let supported = self.requested_model().map_or_else(String::new, |model| {
            let levels = ThinkingLevels::for_reference(&self.settings, &model).names().join(", ");
            format!("\n{model} supports: {levels}; default uses the configuration.")
        });
        format!("Thinking: {current}.{supported}")
    }

    pub(super) async fn set_thinking(&mut self, word: &str) -> Result<(), ChatError> {
        let levels = self.thinking_levels();
        let level = match (word, thinking::parse_level(word)) {
            ("default", _) => None,
            (_, Some(level)) => Some(level),
            (_, None) => {
                let names = levels.map_or_else(thinking::level_names, |levels| levels.names().to_vec());
                let why = format!("unknown level \"{word}\"; use one of: {}, default", names.join(", "));
                return Err(ChatError::Rejected(why));
            }
        };
        if let (Some(level), Some(model), Some(levels)) = (level, self.requested_model(), levels)
            && !levels.supports(level)
        {
            return Err(ChatError::Rejected(levels.unsupported_message(level, &model)));
        }
        if level != self.thinking {
            self.lock_session().await?.set_thinking(level.map_or("default", ThinkingLevel::as_str))?;
            self.thinking = level;
        }
        let text = match level {
            Some(level) => format!("Thinking set to {} for this session.", self.level_name(level)),
            None => "Thinking reset to default.".to_owned(),
        };
        Ok(self.print_reply(&text)?)
    }

    /// The level's name for the requested model.
    fn level_name(&self, level: ThinkingLevel) -> &'static str {
        self.thinking_levels().map_or(level.as_str(), |levels| levels.name_of(level))
    }

    /// The requested model's context window, in tokens.
    fn context_window(&self) -> Option<u64> {
        context_window(&self.settings, &self.requested_model()?)
    }

    fn set_reasoning(&mut self, display: Option<ReasoningDisplay>) -> String {
        self.reasoning = display.unwrap_or(self.reasoning);
        let text = match display {
            None => {
                let options = ReasoningDisplay::NAMES.join(", ");
                return format!("Reasoning: {}. Options: {options}.", self.reasoning.as_str());
            }
            Some(ReasoningDisplay::Off) => "hidden",
            Some(ReasoningDisplay::On) => "shown before the answer",
            Some(ReasoningDisplay::Stream) => "shown as it arrives",
        };
        format!("Reasoning is {text}.")
    }

    async fn set_usage(&mut self, footer: Option<UsageFooter>) -> Result<String, ChatError> {
        let Some(footer) = footer else {
            let options = UsageFooter::NAMES.join(", ");
            return Ok(format!("Usage footer: {}. Options: {options}.", self.footer.as_str()));
        };
        self.footer = footer;
        let text = format!("Usage footer: {}.", footer.as_str());
        if footer != UsageFooter::Cost {
            return Ok(text);
        }
        let session = self.lock_session().await?.usage();
        Ok(format!("{text}\n{}", usage_totals(&session, &self.environment).await))
    }

    async fn status_text(&mut self) -> Result<String, ChatError> {
        let session = self.lock_session().await?;
        let (usage, context) = (session.usage(), context_tokens(&session));
        drop(session);
        let status = match &self.gateway {
            Some(gateway) => {
                Some(gateway.status(&self.settings, &Client::new(STATUS_TIMEOUT), STATUS_TIMEOUT).await)
            }
            None => None,
        };
        let mut rows = vec![("moonrelay", self.gateway_text(status.as_ref()))];
        let chain = self.active_chain();
        let status = status.and_then(Result::ok);
        let cooldown = |reference: &Reference| cooldown_text(status.as_ref(), reference);
        if let Some((first, fallbacks)) = chain.split_first() {
            let fallbacks: Vec<String> =
                fallbacks.iter().map(|one| format!("{one}{}", cooldown(one))).collect();
            rows.push(("model", describe_model(&self.settings, first) + &cooldown(first)));
            rows.push(("key", self.key_text(first)));
            let fallbacks = if fallbacks.is_empty() { "none".to_owned() } else { fallbacks.join(", ") };
            rows.push(("fallbacks", fallbacks));
        }
        let context = match self.context_window() {
            Some(window) => {
                let percent = context.saturating_mul(100).checked_div(window).unwrap_or_default();
                format!("{} of {} ({percent} %)", format_compact(context), format_compact(window))
            }
            None => format_compact(context),
        };
        let thinking = match (self.thinking, self.settings.default_thinking) {
            (Some(level), _) => self.level_name(level).to_owned(),
            (None, Some(level)) => format!("{} (default)", self.level_name(level)),
            (None, None) => "default".to_owned(),
        };
        rows.push(("thinking", thinking));
        rows.push(("tokens", format_tokens(&usage.tokens) + &cache_share_text(&usage)));
        rows.push(("cost", format_session_total(&usage)));
        rows.push(("context", context));
        rows.push(("session", self.id.clone()));
        Ok(render_pairs(&rows))
    }

    fn gateway_text(&self, status: Option<&Result<GatewayStatus, String>>) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match (&self.gateway, status) {
            (Some(address), Some(Ok(status))) => {
                let other = if status.version == version {
                    String::new()
                } else {
                    format!(" (version {})", status.version)
                };
                let uptime = format_duration(Duration::from_secs(status.uptime_seconds));
                format!("{version}, gateway {address}{other} up {uptime}")
            }
            (Some(address), Some(Err(why))) => format!("{version}, no gateway on {address}: {why}"),
            _ => format!("{version}, providers are called from this process (--local)"),
        }
    }

    /// The first key of a provider, masked, and its origin.
    fn key_text(&self, reference: &Reference) -> String {
        let here = if self.gateway.is_some() { " here; the gateway may have its own" } else { "" };
        let Some(provider) = self.settings.providers.get(&reference.provider) else {
            return format!("unknown{here}");
        };
        match provider.keys.first() {
            _ if provider.auth == Auth::None => "not needed".to_owned(),
            Some(key) => format!("{} ({})", key.secret.masked(), key.origin),
            None => format!("none{here}"),
        }
    }

    async fn start_session(&mut self, model: Option<&str>) -> Result<String, ChatError> {
        let before = (self.id.clone(), self.model.take(), self.thinking.take());
        self.id = session::new_id();
        if let Some(name) = model
            && let Err(error) = self.set_model(name).await
        {
            (self.id, self.model, self.thinking) = before;
            return Err(error);
        }
        self.notices.reset();
        Ok(format!("New session {}.", self.id))
    }

    async fn reset_session(&mut self) -> Result<String, ChatError> {
        let mut session = self.lock_session().await?;
        if session.conversation().is_empty() && session.summary().is_none() {
            return Ok("The session is empty.".to_owned());
        }
        let tokens = context_tokens(&session);
        session.compact("", tokens)?;
        Ok("Context reset.".to_owned())
    }

    async fn compact_session(&mut self) -> Result<String, ChatError> {
        let mut session = self.lock_session().await?;
        if session.conversation().is_empty() {
            return Ok("Nothing to compact.".to_owned());
        }
        let before = context_tokens(&session);
        let summary = self.summarize(&session).await?;
        session.compact(&summary, before)?;
        let window = self.context_window();
        let window = window.map_or_else(String::new, |window| format!(" of {}", format_compact(window)));
        let (before, after) = (format_compact(before), format_compact(context_tokens(&session)));
        Ok(format!("Compacted: context {before} -> {after}{window}"))
    }

    /// Runs a turn that is not displayed and not stored in the session.
    async fn summarize(&mut self, session: &Session) -> Result<String, ChatError> {
        let outcome = self.run_agent(ReasoningDisplay::Off, "compacting…", async |agent, stopped, _| {
            agent.summarize(session, stopped).await
        });
        outcome.await?.map_err(|failure| {
            ChatError::Rejected(format!("not compacted, the session is unchanged: {}", failure.message))
        })
    }
}

fn help_text() -> String {
    let lines: Vec<String> = COMMANDS.iter().map(CommandSpec::usage_line).collect();
    let helps = COMMANDS.iter().map(|row| row.help.to_owned());
    let rows: Vec<_> = lines.iter().map(String::as_str).zip(helps).collect();
    render_pairs(&rows)
        + "\n\nAlt-Enter, or a backslash before Enter, continues on another line; //text sends /text."
}

fn join(references: &[Reference]) -> String {
    references.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The model with this name; `None` is the default. A glob does not count: it would accept every misspelling.
fn resolve_model(settings: &Settings, name: &str) -> Result<Option<Reference>, String> {
    let nearest = match settings.lookup(name) {
        Lookup::Resolved { matched_by: MatchKind::Default, .. } => return Ok(None),
        Lookup::Resolved { matched_by: MatchKind::Route(pattern), .. } if pattern.contains('*') => {
            settings.find_nearest_names(name)
        }
        Lookup::Resolved { chain, .. } => return Ok(chain.references.into_iter().next()),
        Lookup::Unknown { nearest } => nearest,
    };
    let hint = if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
    Err(format!("no model, alias or route is called \"{name}\"{hint}"))
}

fn model_row(settings: &Settings, reference: &Reference) -> Vec<String> {
    let position = settings.default_chain.references.iter().position(|other| other == reference);
    let tag = position.map(|position| match position {
        0 => "default".to_owned(),
        fallback => format!("fallback#{fallback}"),
    });
    let aliases = settings.aliases.iter().filter(|(_, target)| *target == reference);
    let tags: Vec<String> =
        tag.into_iter().chain(aliases.map(|(alias, _)| format!("alias:{alias}"))).collect();
    let window = context_window(settings, reference).map_or_else(|| "-".to_owned(), format_compact);
    vec![reference.to_string(), window, tags.join(" ")]
}

/// `, in cooldown for 42 s (rate_limit)`, or nothing.
fn cooldown_text(status: Option<&GatewayStatus>, reference: &Reference) -> String {
    let provider = status.and_then(|status| status.providers.iter().find(|one| one.id == reference.provider));
    let Some(availability) = provider.map(|provider| &provider.availability) else { return String::new() };
    match availability.cooldown_left(SystemTime::now()) {
        Some(left) => {
            let reason = availability.reason.as_deref().unwrap_or_default();
            format!(", in cooldown for {} ({reason})", format_duration(left))
        }
        None => String::new(),
    }
}

/// How much of the input came from the provider's cache.
fn cache_share_text(usage: &SessionUsage) -> String {
    let tokens = usage.tokens;
    let input = tokens.input.saturating_add(tokens.cache_read).saturating_add(tokens.cache_write);
    match tokens.cache_read.saturating_mul(100).checked_div(input) {
        Some(percent) if tokens.cache_read > 0 => format!("; {percent} % of the input from the cache"),
        _ => String::new(),
    }
}

/// The conversation's share of the context window, in tokens: as the last answer reported it, else estimated
/// from the summary's length at four bytes a token.
fn context_tokens(session: &Session) -> u64 {
    let reported = session.conversation().into_iter().rev().find_map(|message| match message {
        TranscriptMessage::Assistant(answer) => answer.usage.as_ref().map(|usage| usage.total_tokens),
        _ => None,
    });
    reported.unwrap_or_else(|| session.summary().map_or(0, |summary| summary.len().div_ceil(4) as u64))
}

/// Usage of the session from its transcript, and of all clients from the usage database.
async fn usage_totals(session: &SessionUsage, environment: &Environment) -> String {
    let mut rows = vec![("session", format_session_total(session))];
    match load_usage(environment).await {
        Ok(Some([today, month])) => rows.extend([("today", today), ("30 days", month)]),
        Ok(None) => rows.push(("today", "unknown: there is no usage database yet".to_owned())),
        Err(why) => rows.push(("today", format!("unknown: {}", why.message()))),
    }
    render_pairs(&rows)
}

/// Usage of today and of 30 days; `None` without a usage database.
async fn load_usage(environment: &Environment) -> Result<Option<[String; 2]>, CommandError> {
    let Some(directory) = environment.state_directory() else { return Ok(None) };
    let Some(database) = open_usage(&directory)? else { return Ok(None) };
    let now = Zoned::now();
    let mut totals = [String::new(), String::new()];
    for (total, days) in totals.iter_mut().zip([1, 30]) {
        let range = DateRange::last_days(days, now.clone())?;
        *total = usage_row_text(&query_total(database.as_ref(), &range).await?);
    }
    Ok(Some(totals))
}

fn usage_row_text(row: &UsageRow) -> String {
    let answered = &row.answered;
    let costs = answered.cost.iter().map(|(currency, amount)| format_cost(*amount, currency));
    format_total(&costs.collect::<Vec<_>>(), total_tokens(&answered.tokens), answered.unpriced)
}
