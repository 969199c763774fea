//! Which targets a requested name leads to, in what order, and which are passed over, with the reason for each.

mod fitting;
mod leads;
mod offered;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::fitting::Contents;
use super::Refusal;
use super::state::{self, State};
use crate::config::settings::{Chain, MatchedBy, Provider, ProviderModel, Reference, Settings};
use crate::policy::cooldown::Rest;
use crate::protocol::face::Face;
use crate::protocol::request::RequestBody;
use crate::record::Skip;

pub(super) use leads::Leads;
pub use offered::Offered;
pub(super) use offered::{offer, offered};
pub use target::{Parts, Target};

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
    settings: &Arc<Settings>,
    state: &State,
    requested: &str,
    body: &RequestBody,
    user_agent: Option<&str>,
) -> Result<Plan, Refusal> {
    check_name(requested)?;
    let lead = state.leads().of(settings, requested, body.face)?;
    let contents = Contents::of(body);
    let judged = |target: &Target| judge(target.clone(), state, &contents, user_agent);
    Ok(Plan {
        requested: requested.to_owned(),
        by: lead.by.clone(),
        targets: lead.targets.iter().map(judged).collect(),
        warnings: lead.warnings.clone(),
    })
}

/// That a model is gone, where it is.
fn retirement(settings: &Settings, reference: &Reference) -> Option<String> {
    let (_, model) = find(settings, reference)?;
    model.facts.retired.as_ref().map(|retired| retired.notice(&reference.to_string()))
}

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

impl Standing {
    /// In a word for programs: `ready`, `cooling_down` or `off`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Usable => "ready",
            Self::Resting(_) => "cooling_down",
            Self::Off(_) => "off",
        }
    }

    /// Why it would not be tried, in words.
    #[must_use]
    pub fn why_not(&self) -> Option<String> {
        match self {
            Self::Usable => None,
            Self::Resting(rest) => Some(resting(*rest).1),
            Self::Off(why) => Some(why.clone()),
        }
    }
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
    let targets = chain.references.iter().flat_map(|reference| {
        // The rests that depend on the face are those of one client, and no client is asked about here.
        targets_of(settings, reference, Face::default())
    });
    targets
        .map(|target| {
            let standing = match (unavailable(&target), state.resting(&target, None)) {
                (Some((_, why)), _) => Standing::Off(why),
                (None, Some(rest)) => Standing::Resting(rest),
                (None, None) => Standing::Usable,
            };
            Link { reference: target.reference.clone(), standing }
        })
        .collect()
}

fn find(settings: &Settings, reference: &Reference) -> Option<(Arc<Provider>, Arc<ProviderModel>)> {
    let provider = settings.providers.get(&reference.provider)?;
    Some((provider.clone(), provider.model(&reference.model)?))
}

/// One target a key, for a client of this face.
fn targets_of(settings: &Settings, reference: &Reference, client: Face) -> Vec<Target> {
    let Some((provider, model)) = find(settings, reference) else {
        return Vec::new();
    };
    let wire_model = provider.wire_model(&reference.model);
    let face = nearest(&provider, client);
    let indices: Vec<Option<usize>> =
        if provider.keys.is_empty() { vec![None] } else { (0..provider.keys.len()).map(Some).collect() };
    indices
        .into_iter()
        .map(|key_index| {
            Target::new(Parts {
                reference: reference.clone(),
                name: reference.to_string(),
                provider: provider.clone(),
                model: model.clone(),
                key_index,
                face,
                wire_model: wire_model.clone(),
            })
        })
        .collect()
}

/// The client's own face where the provider serves it, so that nothing is translated without need; else the one that
/// the provider prefers.
fn nearest(provider: &Provider, client: Face) -> Face {
    let own = provider.faces.iter().find(|(face, _)| *face == client);
    own.or_else(|| provider.faces.first()).map_or(client, |(face, _)| *face)
}

fn judge(target: Target, state: &State, contents: &Contents<'_>, user_agent: Option<&str>) -> Planned {
    let rest = || state.resting(&target, user_agent).map(resting);
    let skipped = unavailable(&target).or_else(|| fitting::unfit(&target, contents)).or_else(rest);
    Planned { target, skipped }
}

fn unavailable(target: &Target) -> Option<(Skip, String)> {
    if let Some(why) = &target.provider.off {
        return Some((Skip::NoKey, why.clone()));
    }
    if target.base().is_none() {
        let why = format!("provider {} does not speak {}", target.provider.id, target.face.api());
        return Some((Skip::FaceNotSpoken, why));
    }
    None
}

/// The words for a rest.
#[must_use]
pub fn resting(rest: Rest) -> (Skip, String) {
    let left = rest.until.saturating_duration_since(state::now()).as_secs_f64().ceil();
    (Skip::CoolingDown(rest.reason), format!("cooling down for {left} s after {}", rest.reason))
}
