//! Which targets a requested name leads to, in what order, and which are passed over, with the reason for each.

use std::sync::Arc;

use super::Refusal;
use super::state::{self, State};
use crate::catalog::{DialectId, ThinkingLevel};
use crate::config::settings::{
    Auth, Chain, Key, Lookup, MatchedBy, Provider, ProviderModel, Reference, Settings,
};
use crate::dialect::rewrite::{self, Begun, Rewritten};
use crate::dialect::{KIMI_CODE_MESSAGE_LIMIT, message_bytes};
use crate::failure::Failure;
use crate::policy::cooldown::Rest;
use crate::record::Skip;
use crate::wire::face::Face;
use crate::wire::json;
use crate::wire::request::RequestBody;

/// Text that people write has 2 to 5 bytes a token, and code no more; a request with fewer tokens than one for each
/// 16 bytes does not exist, so what exceeds a window by this measure certainly does not fit.
const BYTES_PER_TOKEN_AT_MOST: u64 = 16;

/// One reference with the key and the settings to call it.
#[derive(Clone)]
pub struct Target {
    /// `provider/model`.
    pub reference: Reference,
    /// Its provider.
    pub provider: Arc<Provider>,
    /// Its model.
    pub model: Arc<ProviderModel>,
    /// Which of the provider's keys; `None` where it needs none.
    pub key_index: Option<usize>,
    /// The id that the provider sees.
    pub wire_model: String,
}

impl Target {
    /// The key, where one is sent.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.provider.keys.get(self.key_index?).filter(|_| self.provider.auth != Auth::None)
    }

    /// Takes our own secrets out of what a provider said: some repeat the key that they refuse.
    #[must_use]
    pub(super) fn scrub(&self, mut failure: Failure) -> Failure {
        let headers = self.provider.headers.iter().chain(&self.model.headers).map(|header| &header.value);
        for secret in self.key().map(|key| &key.secret).into_iter().chain(headers) {
            let secret = secret.expose().trim();
            // Shorter values are words such as `true`, and no secrets.
            if secret.len() < SHORTEST_SECRET {
                continue;
            }
            failure.message = failure.message.replace(secret, "…");
            failure.provider_type = failure.provider_type.filter(|kind| !kind.contains(secret));
        }
        failure
    }

    /// The request as this target's provider takes it.
    ///
    /// # Errors
    /// When it breaks a rule of the provider that no rewrite can mend.
    pub fn rewrite(&self, body: &RequestBody, thinking: Option<ThinkingLevel>) -> Result<Rewritten, Failure> {
        rewrite::rewrite(self.provider.dialect, &self.request(body, thinking))
    }

    /// The request for the rest of an answer that broke off; `None` when the client's output limit is used up.
    ///
    /// # Errors
    /// As [`Self::rewrite`].
    pub(super) fn go_on(
        &self,
        body: &RequestBody,
        thinking: Option<ThinkingLevel>,
        begun: &Begun<'_>,
    ) -> Result<Option<Rewritten>, Failure> {
        rewrite::go_on(self.provider.dialect, &self.request(body, thinking), begun)
    }

    /// Whether the model goes on from the beginning of an answer.
    pub(super) fn takes_prefill(&self) -> bool {
        self.model.facts.compat.supports_prefill == Some(true)
    }

    fn request<'a>(&'a self, body: &'a RequestBody, thinking: Option<ThinkingLevel>) -> rewrite::Request<'a> {
        rewrite::Request {
            body,
            model: &self.model.facts,
            wire_model: &self.wire_model,
            params: &self.model.params,
            thinking,
            sanitize_tool_call_ids: self.provider.sanitize_tool_call_ids,
        }
    }

    /// Base URL of the chat face; `None` where the provider does not speak it.
    #[must_use]
    pub fn chat_base(&self) -> Option<&str> {
        self.provider.faces.iter().find(|(face, _)| *face == Face::Chat).map(|(_, base)| base.as_str())
    }
}

/// A target, and whether it will be tried.
pub struct Planned {
    /// The target.
    pub target: Target,
    /// `None` when it will be tried; else why not, in a word and in words.
    pub skipped: Option<(Skip, String)>,
}

/// What will be tried, in order.
pub struct Plan {
    /// As asked.
    pub requested: String,
    /// What the name is.
    pub by: MatchedBy,
    /// Every target of the chain.
    pub targets: Vec<Planned>,
    /// What whoever asks for this name should know: its model is gone.
    pub warnings: Vec<String>,
}

/// Plans a request.
///
/// # Errors
/// [`Refusal::UnknownModel`] when nothing has this name.
pub fn plan(
    settings: &Settings,
    state: &State,
    requested: &str,
    body: &RequestBody,
    user_agent: Option<&str>,
) -> Result<Plan, Refusal> {
    check_name(requested)?;
    let (chain, by) = match settings.lookup(requested) {
        Lookup::Found { chain, by } => (chain, by),
        Lookup::Unknown { nearest } => {
            return Err(Refusal::UnknownModel { requested: requested.to_owned(), nearest });
        }
    };
    let text = body.messages.iter().map(|message| message.span.len() as u64).sum();
    let mut targets = Vec::with_capacity(chain.references.len());
    for reference in &chain.references {
        for target in targets_of(settings, reference) {
            targets.push(judge(target, state, body, text, user_agent));
        }
    }
    let warnings =
        chain.references.first().and_then(|first| retirement(settings, first)).into_iter().collect();
    Ok(Plan { requested: requested.to_owned(), by, targets, warnings })
}

/// That a model is gone, where it is.
fn retirement(settings: &Settings, reference: &Reference) -> Option<String> {
    let (_, model) = find(settings, reference)?;
    model.facts.retired.as_ref().map(|retired| retired.notice(&reference.to_string()))
}

/// In bytes.
const SHORTEST_SECRET: usize = 8;
/// No model's name is longer; comparing a megabyte with every name would stop the house.
const LONGEST_NAME: usize = 256;

/// Refuses what cannot be a name, before it is compared, logged or put into a header.
pub(super) fn check_name(requested: &str) -> Result<(), Refusal> {
    let wrong =
        requested.is_empty() || requested.len() > LONGEST_NAME || requested.chars().any(char::is_control);
    if wrong { Err(Refusal::NoModel) } else { Ok(()) }
}

/// Whether a target would be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Usable,
    /// It rests.
    Resting(Rest),
    /// Its provider cannot be called; why, in words.
    Off(String),
}

/// A reference of a chain with one of its keys, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `provider/model`.
    pub reference: Reference,
    /// For clients whose User-Agent is not known.
    pub standing: Standing,
}

/// Each target of a chain in order, and how it stands now.
pub(super) fn links(settings: &Settings, state: &State, chain: &Chain) -> Vec<Link> {
    let targets = chain.references.iter().flat_map(|reference| targets_of(settings, reference));
    targets
        .map(|target| {
            let standing = match (unavailable(&target), state.resting(&target, None)) {
                (Some((_, why)), _) => Standing::Off(why),
                (None, Some(rest)) => Standing::Resting(rest),
                (None, None) => Standing::Usable,
            };
            Link { reference: target.reference, standing }
        })
        .collect()
}

fn find(settings: &Settings, reference: &Reference) -> Option<(Arc<Provider>, Arc<ProviderModel>)> {
    let provider = settings.providers.get(&reference.provider)?;
    Some((provider.clone(), provider.model(&reference.model)?))
}

/// One target a key.
fn targets_of(settings: &Settings, reference: &Reference) -> Vec<Target> {
    let Some((provider, model)) = find(settings, reference) else {
        return Vec::new();
    };
    let wire_model = provider.wire_model(&reference.model);
    let indices: Vec<Option<usize>> =
        if provider.keys.is_empty() { vec![None] } else { (0..provider.keys.len()).map(Some).collect() };
    indices
        .into_iter()
        .map(|key_index| Target {
            reference: reference.clone(),
            provider: provider.clone(),
            model: model.clone(),
            key_index,
            wire_model: wire_model.clone(),
        })
        .collect()
}

fn judge(target: Target, state: &State, body: &RequestBody, text: u64, user_agent: Option<&str>) -> Planned {
    let rest = || state.resting(&target, user_agent).map(resting);
    let skipped = unavailable(&target).or_else(|| unfit(&target, body, text)).or_else(rest);
    Planned { target, skipped }
}

fn unavailable(target: &Target) -> Option<(Skip, String)> {
    if let Some(why) = &target.provider.off {
        return Some((Skip::NoKey, why.clone()));
    }
    if target.chat_base().is_none() {
        let why = format!("provider {} does not speak {}", target.provider.id, Face::Chat.api());
        return Some((Skip::FaceNotSpoken, why));
    }
    None
}

fn unfit(target: &Target, body: &RequestBody, text: u64) -> Option<(Skip, String)> {
    let facts = &target.model.facts;
    if !facts.inputs.image && has_media(body) {
        return Some((Skip::MediaNotAccepted, format!("{} takes no images", target.reference)));
    }
    if let Some(window) = facts.context_window
        && text / BYTES_PER_TOKEN_AT_MOST > window
        && !has_media(body)
    {
        let why = format!("{text} bytes of messages certainly exceed the window of {window} tokens");
        return Some((Skip::WindowTooSmall, why));
    }
    let bytes = message_bytes(body);
    (target.provider.dialect == DialectId::KimiCode && bytes > KIMI_CODE_MESSAGE_LIMIT).then(|| {
        let why =
            format!("the messages have {bytes} bytes, Kimi Code takes at most {KIMI_CODE_MESSAGE_LIMIT}");
        (Skip::MessagesTooLarge, why)
    })
}

/// The words for a rest.
#[must_use]
pub fn resting(rest: Rest) -> (Skip, String) {
    let left = rest.until.saturating_duration_since(state::now()).as_secs_f64().ceil();
    (Skip::CoolingDown(rest.reason), format!("cooling down for {left} s after {}", rest.reason))
}

/// Whether a message holds a part that is no text: an image, a video, sound or a file.
fn has_media(body: &RequestBody) -> bool {
    body.messages.iter().any(|message| {
        json::find(&body.text, &message.members, "content").is_some_and(|content| {
            body.text.get(content.value.start) == Some(&b'[')
                && has_media_part(&body.text, content.value.start)
        })
    })
}

fn has_media_part(text: &[u8], at: usize) -> bool {
    let Ok((parts, _)) = json::elements(text, at) else {
        return false;
    };
    parts.into_iter().any(|part| {
        json::members(text, part.start).is_ok_and(|(members, _)| {
            json::find(text, &members, "type").and_then(|kind| text.get(kind.value.clone())).is_some_and(
                |kind| {
                    ["image_url", "video_url", "input_image", "input_audio", "file"]
                        .iter()
                        .any(|name| json::literal_is(kind, name))
                },
            )
        })
    })
}

/// A name that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The name: an alias, a route or a reference.
    pub id: String,
    /// For people.
    pub name: String,
    /// The provider that answers first.
    pub owner: String,
    /// Of the model that answers first.
    pub context_window: Option<u64>,
    /// Of the model that answers first.
    pub max_tokens: Option<u64>,
}

/// What a client gets for a name, as far as the model that answers first tells.
pub(super) fn offer(settings: &Settings, id: &str, first: &Reference) -> Option<Offered> {
    let (provider, model) = find(settings, first)?;
    if provider.off.is_some() {
        return None;
    }
    Some(Offered {
        id: id.to_owned(),
        name: model.facts.name.clone(),
        owner: provider.id.clone(),
        context_window: model.facts.context_window,
        max_tokens: model.facts.max_tokens,
    })
}

/// Every name that leads to a provider with a key: aliases, routes without a glob, then references.
pub(super) fn offered(settings: &Settings) -> Vec<Offered> {
    let aliases = settings.aliases.iter().filter_map(|(alias, reference)| offer(settings, alias, reference));
    let routes = settings
        .routes
        .iter()
        .filter(|route| !route.pattern.contains('*'))
        .filter_map(|route| offer(settings, &route.pattern, route.chain.references.first()?));
    let references = settings.providers.values().flat_map(|provider| {
        provider.models.values().filter(|model| model.facts.retired.is_none() || model.configured).filter_map(
            |model| {
                let reference = Reference { provider: provider.id.clone(), model: model.facts.id.clone() };
                offer(settings, &reference.to_string(), &reference)
            },
        )
    });
    aliases.chain(routes).chain(references).collect()
}
