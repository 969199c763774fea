//! Owns route plans: the targets of a requested model, their order, and the reason for each target that is
//! skipped.

mod conditions;
mod model_listing;
mod route_cache;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::conditions::RequestContents;
use super::RequestError;
use super::state::{self, State};
use crate::config::settings::{Chain, MatchKind, Provider, ProviderModel, Reference, Settings};
use crate::policy::cooldown::Cooldown;
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::record::SkipReason;

pub use model_listing::ModelListing;
pub(super) use model_listing::{describe_model, list_models};
pub(super) use route_cache::RouteCache;
pub use target::{Target, TargetParts};

/// A target, and whether it will be tried.
pub struct PlannedTarget {
    /// The target.
    pub target: Target,
    /// `None` if it will be tried; otherwise the reason, as a code and as text.
    pub skip_reason: Option<(SkipReason, String)>,
}

/// The plan of one request.
pub struct Plan {
    /// The model as requested.
    pub requested: String,
    /// What the name refers to.
    pub matched_by: MatchKind,
    /// Every target of the chain.
    pub targets: Vec<PlannedTarget>,
    /// A notice for the client: its model is retired.
    pub warnings: Vec<String>,
}

/// Plans a request.
///
/// # Errors
/// [`RequestError::UnknownModel`] when nothing has this name.
pub fn plan_request(
    settings: &Arc<Settings>,
    state: &State,
    requested: &str,
    body: &RequestBody,
    user_agent: Option<&str>,
) -> Result<Plan, RequestError> {
    check_name(requested)?;
    let lead = state.route_cache().get_or_resolve(settings, requested, body.api)?;
    let contents = RequestContents::new(body);
    let judged = |target: &Target| evaluate_target(target.clone(), state, &contents, user_agent);
    Ok(Plan {
        requested: requested.to_owned(),
        matched_by: lead.matched_by.clone(),
        targets: lead.targets.iter().map(judged).collect(),
        warnings: lead.warnings.clone(),
    })
}

/// The notice of a retired model, if it is one.
fn retirement_warning(settings: &Settings, reference: &Reference) -> Option<String> {
    let (_, model) = find_model(settings, reference)?;
    model.model.retirement.as_ref().map(|retired| retired.render_notice(&reference.to_string()))
}

/// The longest accepted name. Comparing a megabyte with every name would block other requests.
const MAX_NAME_BYTES: usize = 256;

/// Rejects an invalid name before it is compared, logged or put into a header.
pub(super) fn check_name(requested: &str) -> Result<(), RequestError> {
    let wrong =
        requested.is_empty() || requested.len() > MAX_NAME_BYTES || requested.chars().any(char::is_control);
    if wrong { Err(RequestError::InvalidModel) } else { Ok(()) }
}

/// Whether a target would be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetStatus {
    /// It would be tried.
    Ready,
    /// It is in cooldown.
    InCooldown(Cooldown),
    /// Its provider cannot be called; the text says why.
    Disabled(String),
}

impl TargetStatus {
    /// The code for programs: `ready`, `cooling_down` or `off`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::InCooldown(_) => "cooling_down",
            Self::Disabled(_) => "off",
        }
    }

    /// The reason why it would not be tried, as text.
    #[must_use]
    pub fn unavailable_reason(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::InCooldown(rest) => Some(describe_cooldown(*rest).1),
            Self::Disabled(why) => Some(why.clone()),
        }
    }
}

/// A reference of a chain with one of its keys, and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEntry {
    /// `provider/model`.
    pub reference: Reference,
    /// For clients whose User-Agent is unknown.
    pub status: TargetStatus,
}

/// Each target of a chain in order, with its current status.
pub(super) fn list_chain_entries(settings: &Settings, state: &State, chain: &Chain) -> Vec<ChainEntry> {
    let targets = chain.references.iter().flat_map(|reference| {
        // Cooldowns that depend on the API apply to one client, and this status is not about one.
        build_targets(settings, reference, Api::default())
    });
    targets
        .map(|target| {
            let standing = match (find_disabled_reason(&target), state.find_cooldown(&target, None)) {
                (Some((_, why)), _) => TargetStatus::Disabled(why),
                (None, Some(rest)) => TargetStatus::InCooldown(rest),
                (None, None) => TargetStatus::Ready,
            };
            ChainEntry { reference: target.reference.clone(), status: standing }
        })
        .collect()
}

fn find_model(settings: &Settings, reference: &Reference) -> Option<(Arc<Provider>, Arc<ProviderModel>)> {
    let provider = settings.providers.get(&reference.provider)?;
    Some((provider.clone(), provider.find_model(&reference.model)?))
}

/// The targets of a reference, one for each key, for a client of this API.
fn build_targets(settings: &Settings, reference: &Reference, client: Api) -> Vec<Target> {
    let Some((provider, model)) = find_model(settings, reference) else {
        return Vec::new();
    };
    let wire_model = provider.upstream_model_id(&reference.model);
    let face = choose_api(&provider, client);
    let indices: Vec<Option<usize>> =
        if provider.keys.is_empty() { vec![None] } else { (0..provider.keys.len()).map(Some).collect() };
    indices
        .into_iter()
        .map(|key_index| {
            Target::new(TargetParts {
                reference: reference.clone(),
                name: reference.to_string(),
                provider: provider.clone(),
                model: model.clone(),
                key_index,
                api: face,
                wire_model: wire_model.clone(),
            })
        })
        .collect()
}

/// The client's own API if the provider serves it, to avoid a translation; otherwise the provider's preferred
/// API.
fn choose_api(provider: &Provider, client: Api) -> Api {
    let own = provider.apis.iter().find(|(face, _)| *face == client);
    own.or_else(|| provider.apis.first()).map_or(client, |(face, _)| *face)
}

fn evaluate_target(
    target: Target,
    state: &State,
    contents: &RequestContents<'_>,
    user_agent: Option<&str>,
) -> PlannedTarget {
    let rest = || state.find_cooldown(&target, user_agent).map(describe_cooldown);
    let skipped = find_disabled_reason(&target)
        .or_else(|| conditions::find_unmet_condition(&target, contents))
        .or_else(rest);
    PlannedTarget { target, skip_reason: skipped }
}

fn find_disabled_reason(target: &Target) -> Option<(SkipReason, String)> {
    if let Some(why) = &target.provider.disabled_reason {
        return Some((SkipReason::NoKey, why.clone()));
    }
    if target.base_url().is_none() {
        let why = format!("provider {} does not speak {}", target.provider.id, target.api.as_str());
        return Some((SkipReason::ApiNotSupported, why));
    }
    None
}

/// The text of a cooldown.
#[must_use]
pub fn describe_cooldown(rest: Cooldown) -> (SkipReason, String) {
    let left = rest.until.saturating_duration_since(state::now()).as_secs_f64().ceil();
    (SkipReason::InCooldown(rest.reason), format!("cooling down for {left} s after {}", rest.reason))
}
