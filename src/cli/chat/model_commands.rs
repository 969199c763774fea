//! `/model`, `/models` and `/think`.

use super::chat_loop::Chat;
use super::model_names::short_name;
use crate::assistant::session::SessionError;
use crate::assistant::thinking;
use crate::cli::console::render_table;
use crate::cli::exit::CommandError;
use crate::cli::usage::number_format::format_compact;
use crate::config::settings::{Lookup, MatchKind, Reference, Settings};

/// The outer error ends the conversation; the inner one is for the person.
pub(super) type CommandOutcome = Result<Result<(), String>, CommandError>;

impl Chat {
    /// `/model`.
    pub(super) fn show_model(&mut self) -> CommandOutcome {
        let chain = self.active_chain();
        let Some((first, fallbacks)) = chain.references.split_first() else {
            return Ok(Ok(self.print_reply("Model: the gateway's default (nothing here says which).")?));
        };
        let chosen = if self.model.is_some() { "chosen for this session" } else { "the default" };
        let mut text = format!("Model: {}, {chosen}.", describe_model(&self.settings, first));
        if !fallbacks.is_empty() {
            let fallbacks: Vec<String> = fallbacks.iter().map(ToString::to_string).collect();
            text.push_str(&format!("\nFallbacks: {}.", fallbacks.join(", ")));
        }
        Ok(Ok(self.print_reply(&text)?))
    }

    /// `/model NAME`.
    pub(super) async fn set_model(&mut self, name: &str) -> CommandOutcome {
        let wanted = match resolve_model(&self.settings, name) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(error) = self.save_model_choice(wanted).await {
            return Ok(Err(error.to_string()));
        }
        let chain = self.active_chain();
        let first = chain.references.first();
        let text = match (&self.model, first) {
            (Some(_), Some(first)) if first.to_string() == name => {
                format!("Model set to {first} for this session.")
            }
            (Some(_), Some(first)) => format!("Model set to {name} ({first}) for this session."),
            (_, Some(first)) => format!("Model reset to default ({first})."),
            (_, None) => "Model reset to default.".to_owned(),
        };
        self.print_reply(&text)?;
        self.warn_missing_key()?;
        Ok(Ok(()))
    }

    /// Writes a choice into the session; `None` takes it back.
    pub(super) async fn save_model_choice(&mut self, wanted: Option<Reference>) -> Result<(), SessionError> {
        if wanted != self.model {
            let mut session = self.lock_session().await?;
            match &wanted {
                Some(reference) => session.set_model(reference)?,
                None => session.reset_model()?,
            }
            self.model = wanted;
            self.notices.reset();
        }
        Ok(())
    }

    /// Where keys of this process count, one that is missing is worth a word.
    fn warn_missing_key(&mut self) -> Result<(), CommandError> {
        let chain = self.active_chain();
        let provider =
            chain.references.first().and_then(|first| self.settings.providers.get(&first.provider));
        match provider.and_then(|provider| provider.disabled_reason.clone()) {
            Some(why) if self.gateway_context.address.is_none() => {
                self.print_note(&format!("It cannot be called: {why}"))
            }
            _ => Ok(()),
        }
    }

    /// `/models`.
    pub(super) fn list_models(&mut self) -> CommandOutcome {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let chain = &self.settings.default_chain.references;
        for (place, reference) in chain.iter().enumerate() {
            let tag = if place == 0 { "default".to_owned() } else { format!("fallback#{place}") };
            rows.push(model_row(&self.settings, reference, Some(tag)));
        }
        for provider in self.settings.providers.values().filter(|provider| provider.disabled_reason.is_none())
        {
            for model in provider.models.values().filter(|model| model.model.retirement.is_none()) {
                let reference = Reference { provider: provider.id.clone(), model: model.model.id.clone() };
                if !chain.contains(&reference) {
                    rows.push(model_row(&self.settings, &reference, None));
                }
            }
        }
        let mut text = render_table(&["Model", "Context", "Tags"], &rows);
        let routes: Vec<&str> = self.settings.routes.iter().map(|route| route.pattern.as_str()).collect();
        if !routes.is_empty() {
            text.push_str(&format!("Routes: {}\n", routes.join(", ")));
        }
        Ok(Ok(self.print_reply(text.trim_end())?))
    }

    /// `/think`.
    pub(super) fn show_thinking(&mut self) -> CommandOutcome {
        let now = match (self.thinking, self.settings.default_thinking) {
            (Some(level), _) => format!("{}, chosen for this session", self.thinking_level_name(level)),
            (None, Some(level)) => format!("default ({})", self.thinking_level_name(level)),
            (None, None) => "default (as the model does)".to_owned(),
        };
        let has = self.thinking_levels().map_or_else(String::new, |levels| {
            let first = self.active_chain().references.first().map(ToString::to_string).unwrap_or_default();
            format!("\n{first} has: {}; default leaves it to the configuration.", levels.names().join(", "))
        });
        Ok(Ok(self.print_reply(&format!("Thinking: {now}.{has}"))?))
    }

    /// `/think LEVEL`.
    pub(super) async fn set_thinking(&mut self, word: &str) -> CommandOutcome {
        let level = match (word, thinking::parse_level(word)) {
            ("default", _) => None,
            (_, Some(level)) => Some(level),
            (_, None) => {
                let words = self
                    .thinking_levels()
                    .map_or_else(thinking::level_names, |levels| levels.names().to_vec());
                return Ok(Err(format!(
                    "\"{word}\" is no level of thinking; use one of: {}, default",
                    words.join(", ")
                )));
            }
        };
        let chain = self.active_chain();
        if let (Some(level), Some(first), Some(levels)) =
            (level, chain.references.first(), self.thinking_levels())
            && !levels.supports(level)
        {
            return Ok(Err(levels.unsupported_message(level, first)));
        }
        if let Err(error) = self.save_thinking_choice(level).await {
            return Ok(Err(error.to_string()));
        }
        let text = match level {
            Some(level) => format!("Thinking set to {} for this session.", self.thinking_level_name(level)),
            None => "Thinking reset to default.".to_owned(),
        };
        Ok(Ok(self.print_reply(&text)?))
    }

    /// Writes a choice into the session; `None` takes it back.
    async fn save_thinking_choice(
        &mut self,
        level: Option<crate::catalog::ThinkingLevel>,
    ) -> Result<(), SessionError> {
        if level != self.thinking {
            let mut session = self.lock_session().await?;
            session.set_thinking(level.map_or("default", |level| level.as_str()))?;
            self.thinking = level;
        }
        Ok(())
    }

    /// A level as the requested model names it.
    pub(super) fn thinking_level_name(&self, level: crate::catalog::ThinkingLevel) -> &'static str {
        self.thinking_levels().map_or(level.as_str(), |levels| levels.name_of(level))
    }
}

/// The model that a name means; `None` is the default. A pattern takes no part: it would take every slip of the pen.
fn resolve_model(settings: &Settings, name: &str) -> Result<Option<Reference>, String> {
    let unknown = |nearest: &[String]| {
        let nearest =
            if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
        format!("no model, alias or route is called \"{name}\"{nearest}")
    };
    match settings.lookup(name) {
        Lookup::Resolved { matched_by: MatchKind::Default, .. } => Ok(None),
        Lookup::Resolved { matched_by: MatchKind::Route(pattern), .. } if pattern.contains('*') => {
            Err(unknown(&settings.find_nearest_names(name)))
        }
        Lookup::Resolved { chain, .. } => Ok(chain.references.into_iter().next()),
        Lookup::Unknown { nearest } => Err(unknown(&nearest)),
    }
}

/// `kimi (kimi/kimi-for-coding)`.
pub(super) fn describe_model(settings: &Settings, reference: &Reference) -> String {
    let short = short_name(settings, reference);
    if short == reference.model { reference.to_string() } else { format!("{short} ({reference})") }
}

/// Prompt and answer together, in tokens.
pub(super) fn context_window(settings: &Settings, reference: &Reference) -> Option<u64> {
    settings.providers.get(&reference.provider)?.find_model(&reference.model)?.model.context_window
}

fn model_row(settings: &Settings, reference: &Reference, tag: Option<String>) -> Vec<String> {
    let aliases = settings.aliases.iter().filter(|(_, meant)| *meant == reference);
    let tags: Vec<String> =
        tag.into_iter().chain(aliases.map(|(alias, _)| format!("alias:{alias}"))).collect();
    let window = context_window(settings, reference).map_or_else(|| "-".to_owned(), format_compact);
    vec![reference.to_string(), window, tags.join(" ")]
}
