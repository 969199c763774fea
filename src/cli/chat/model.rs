//! `/model`, `/models` and `/think`.

use super::names::short;
use super::talk::Talk;
use crate::assistant::session::SessionError;
use crate::assistant::thinking;
use crate::cli::console::table;
use crate::cli::exit::Ending;
use crate::cli::usage::figure::compact;
use crate::config::settings::{Lookup, MatchedBy, Reference, Settings};

/// The outer error ends the conversation; the inner one is for the person.
pub(super) type Told = Result<Result<(), String>, Ending>;

impl Talk {
    /// `/model`.
    pub(super) fn tell_model(&mut self) -> Told {
        let chain = self.chain();
        let Some((first, fallbacks)) = chain.references.split_first() else {
            return Ok(Ok(self.say("Model: the gateway's default (nothing here says which).")?));
        };
        let chosen = if self.model.is_some() { "chosen for this session" } else { "the default" };
        let mut text = format!("Model: {}, {chosen}.", named(&self.settings, first));
        if !fallbacks.is_empty() {
            let fallbacks: Vec<String> = fallbacks.iter().map(ToString::to_string).collect();
            text.push_str(&format!("\nFallbacks: {}.", fallbacks.join(", ")));
        }
        Ok(Ok(self.say(&text)?))
    }

    /// `/model NAME`.
    pub(super) async fn set_model(&mut self, name: &str) -> Told {
        let wanted = match wanted(&self.settings, name) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(error) = self.choose(wanted).await {
            return Ok(Err(error.to_string()));
        }
        let chain = self.chain();
        let first = chain.references.first();
        let text = match (&self.model, first) {
            (Some(_), Some(first)) if first.to_string() == name => {
                format!("Model set to {first} for this session.")
            }
            (Some(_), Some(first)) => format!("Model set to {name} ({first}) for this session."),
            (_, Some(first)) => format!("Model reset to default ({first})."),
            (_, None) => "Model reset to default.".to_owned(),
        };
        self.say(&text)?;
        self.warn_of_key()?;
        Ok(Ok(()))
    }

    /// Writes a choice into the session; `None` takes it back.
    pub(super) async fn choose(&mut self, wanted: Option<Reference>) -> Result<(), SessionError> {
        if wanted != self.model {
            let mut session = self.hold().await?;
            match &wanted {
                Some(reference) => session.choose(reference)?,
                None => session.unchoose()?,
            }
            self.model = wanted;
            self.notices.forget();
        }
        Ok(())
    }

    /// Where keys of this process count, one that is missing is worth a word.
    fn warn_of_key(&mut self) -> Result<(), Ending> {
        let chain = self.chain();
        let provider =
            chain.references.first().and_then(|first| self.settings.providers.get(&first.provider));
        match provider.and_then(|provider| provider.off.clone()) {
            Some(why) if self.world.gateway.is_none() => self.note(&format!("It cannot be called: {why}")),
            _ => Ok(()),
        }
    }

    /// `/models`.
    pub(super) fn list_models(&mut self) -> Told {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let chain = &self.settings.default_chain.references;
        for (place, reference) in chain.iter().enumerate() {
            let tag = if place == 0 { "default".to_owned() } else { format!("fallback#{place}") };
            rows.push(row(&self.settings, reference, Some(tag)));
        }
        for provider in self.settings.providers.values().filter(|provider| provider.off.is_none()) {
            for model in provider.models.values().filter(|model| model.facts.retired.is_none()) {
                let reference = Reference { provider: provider.id.clone(), model: model.facts.id.clone() };
                if !chain.contains(&reference) {
                    rows.push(row(&self.settings, &reference, None));
                }
            }
        }
        let mut text = table(&["Model", "Context", "Tags"], &rows);
        let routes: Vec<&str> = self.settings.routes.iter().map(|route| route.pattern.as_str()).collect();
        if !routes.is_empty() {
            text.push_str(&format!("Routes: {}\n", routes.join(", ")));
        }
        Ok(Ok(self.say(text.trim_end())?))
    }

    /// `/think`.
    pub(super) fn tell_thinking(&mut self) -> Told {
        let now = match (self.thinking, self.settings.thinking_default) {
            (Some(level), _) => format!("{}, chosen for this session", self.word(level)),
            (None, Some(level)) => format!("default ({})", self.word(level)),
            (None, None) => "default (as the model does)".to_owned(),
        };
        let has = self.levels().map_or_else(String::new, |levels| {
            let first = self.chain().references.first().map(ToString::to_string).unwrap_or_default();
            format!("\n{first} has: {}; default leaves it to the configuration.", levels.words().join(", "))
        });
        Ok(Ok(self.say(&format!("Thinking: {now}.{has}"))?))
    }

    /// `/think LEVEL`.
    pub(super) async fn set_thinking(&mut self, word: &str) -> Told {
        let level = match (word, thinking::read(word)) {
            ("default", _) => None,
            (_, Some(level)) => Some(level),
            (_, None) => {
                let words = self.levels().map_or_else(thinking::words, |levels| levels.words().to_vec());
                return Ok(Err(format!(
                    "\"{word}\" is no level of thinking; use one of: {}, default",
                    words.join(", ")
                )));
            }
        };
        let chain = self.chain();
        if let (Some(level), Some(first), Some(levels)) = (level, chain.references.first(), self.levels())
            && !levels.has(level)
        {
            return Ok(Err(levels.refusal(level, first)));
        }
        if let Err(error) = self.think(level).await {
            return Ok(Err(error.to_string()));
        }
        let text = match level {
            Some(level) => format!("Thinking set to {} for this session.", self.word(level)),
            None => "Thinking reset to default.".to_owned(),
        };
        Ok(Ok(self.say(&text)?))
    }

    /// Writes a choice into the session; `None` takes it back.
    async fn think(&mut self, level: Option<crate::catalog::ThinkingLevel>) -> Result<(), SessionError> {
        if level != self.thinking {
            let mut session = self.hold().await?;
            session.think(level.map_or("default", |level| level.as_str()))?;
            self.thinking = level;
        }
        Ok(())
    }

    /// A level as the model that is asked calls it.
    pub(super) fn word(&self, level: crate::catalog::ThinkingLevel) -> &'static str {
        self.levels().map_or(level.as_str(), |levels| levels.word(level))
    }
}

/// The model that a name means; `None` is the default. A pattern takes no part: it would take every slip of the pen.
fn wanted(settings: &Settings, name: &str) -> Result<Option<Reference>, String> {
    let unknown = |nearest: &[String]| {
        let nearest =
            if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
        format!("no model, alias or route is called \"{name}\"{nearest}")
    };
    match settings.lookup(name) {
        Lookup::Found { by: MatchedBy::Default, .. } => Ok(None),
        Lookup::Found { by: MatchedBy::Route(pattern), .. } if pattern.contains('*') => {
            Err(unknown(&settings.nearest_names(name)))
        }
        Lookup::Found { chain, .. } => Ok(chain.references.into_iter().next()),
        Lookup::Unknown { nearest } => Err(unknown(&nearest)),
    }
}

/// `kimi (kimi/kimi-for-coding)`.
pub(super) fn named(settings: &Settings, reference: &Reference) -> String {
    let short = short(settings, reference);
    if short == reference.model { reference.to_string() } else { format!("{short} ({reference})") }
}

/// Prompt and answer together, in tokens.
pub(super) fn window(settings: &Settings, reference: &Reference) -> Option<u64> {
    settings.providers.get(&reference.provider)?.model(&reference.model)?.facts.context_window
}

fn row(settings: &Settings, reference: &Reference, tag: Option<String>) -> Vec<String> {
    let aliases = settings.aliases.iter().filter(|(_, meant)| *meant == reference);
    let tags: Vec<String> =
        tag.into_iter().chain(aliases.map(|(alias, _)| format!("alias:{alias}"))).collect();
    let window = window(settings, reference).map_or_else(|| "-".to_owned(), compact);
    vec![reference.to_string(), window, tags.join(" ")]
}
