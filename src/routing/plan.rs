//! Owns route plans: the targets of a request in order, and the reason for each target that is skipped.

use std::cell::OnceCell;

use super::prompt::find_media;
use super::request::ClientRequest;
use super::route::ResolvedRoute;
use super::target::Target;
use crate::catalog::AdapterId;
use crate::config::settings::MatchKind;
use crate::protocol::request::RequestBody;
use crate::provider::unsupported_content::{self, UnsupportedContent};
use crate::provider::{check_message_size, count_message_bytes, find_restriction};
use crate::record::SkipReason;
use crate::state::State;
use crate::state::cooldown::Cooldown;

/// Natural language has 2 to 5 bytes a token, and code no more. Every request has at least one token for each
/// 16 bytes, so one that exceeds a window by this measure certainly does not fit.
const MAX_BYTES_PER_TOKEN: u64 = 16;

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

impl Plan {
    /// The targets that may be tried: without fallback only the first.
    pub(super) fn considered_targets(&self, request: &ClientRequest) -> &[PlannedTarget] {
        let first = self.targets.get(..1).filter(|_| request.is_fallback_disabled);
        first.unwrap_or(&self.targets)
    }
}

/// Plans a request for a resolved name.
pub fn plan_request(
    route: ResolvedRoute,
    state: &State,
    requested: &str,
    body: &RequestBody,
    user_agent: Option<&str>,
) -> Plan {
    let contents = RequestContents {
        body,
        has_media: OnceCell::new(),
        unsupported_content: OnceCell::new(),
        restriction: find_restriction(body),
    };
    let evaluate = |target: Target| {
        let cooldown = || state.find_cooldown(target.identity(), user_agent).map(describe_cooldown);
        let disabled = find_disabled_reason(&target);
        let skip_reason = disabled.or_else(|| find_unmet_condition(&target, &contents)).or_else(cooldown);
        PlannedTarget { target, skip_reason }
    };
    Plan {
        requested: requested.to_owned(),
        matched_by: route.matched_by,
        targets: route.targets.into_iter().map(evaluate).collect(),
        warnings: route.warnings,
    }
}

pub(super) fn find_disabled_reason(target: &Target) -> Option<(SkipReason, String)> {
    if let Some(why) = &target.provider.disabled_reason {
        return Some((SkipReason::NoKey, why.clone()));
    }
    if target.base_url().is_none() {
        let why = format!("provider {} does not support {}", target.provider.id, target.api.as_str());
        return Some((SkipReason::ApiNotSupported, why));
    }
    None
}

/// The text of a cooldown.
pub fn describe_cooldown(cooldown: Cooldown) -> (SkipReason, String) {
    let left = cooldown.until.saturating_duration_since(crate::state::now()).as_secs_f64().ceil();
    (SkipReason::InCooldown(cooldown.reason), format!("in cooldown for {left} s after {}", cooldown.reason))
}

struct RequestContents<'b> {
    body: &'b RequestBody,
    has_media: OnceCell<bool>,
    unsupported_content: OnceCell<Option<UnsupportedContent>>,
    /// What only OpenRouter can honour.
    restriction: Option<&'static str>,
}

impl RequestContents<'_> {
    fn has_media(&self) -> bool {
        *self.has_media.get_or_init(|| !find_media(self.body).is_empty())
    }

    fn unsupported_content(&self, adapter: AdapterId) -> Option<&UnsupportedContent> {
        let find = || unsupported_content::find_unsupported_content(adapter, self.body);
        let is_known = unsupported_content::has_known_content_types(adapter);
        is_known.then(|| self.unsupported_content.get_or_init(find).as_ref()).flatten()
    }
}

/// Why a target certainly cannot accept this request, as a code and as text.
fn find_unmet_condition(target: &Target, contents: &RequestContents<'_>) -> Option<(SkipReason, String)> {
    if let Some(restriction) =
        contents.restriction.filter(|_| target.provider.adapter != AdapterId::OpenRouter)
    {
        let why = format!("{} cannot promise {restriction}; only OpenRouter can", target.provider.id);
        return Some((SkipReason::ProviderRestricted, why));
    }
    let model = &target.model.model;
    let bytes = count_message_bytes(contents.body);
    if !model.input_modalities.image && contents.has_media() {
        return Some((SkipReason::MediaNotAccepted, format!("{} accepts no images", target.reference)));
    }
    if let Some(unsupported) = contents.unsupported_content(target.provider.adapter) {
        return Some((SkipReason::MediaNotAccepted, unsupported.to_string()));
    }
    if let Some(window) = model.context_window
        && bytes as u64 / MAX_BYTES_PER_TOKEN > window
        && !contents.has_media()
    {
        let why = format!("{bytes} bytes of messages exceed the window of {window} tokens");
        return Some((SkipReason::WindowTooSmall, why));
    }
    // The size of another API's messages is known only after translation.
    let is_limited = target.provider.adapter == AdapterId::KimiCode && target.api == contents.body.api;
    let excess = is_limited.then(|| check_message_size(contents.body).err()).flatten()?;
    Some((SkipReason::MessagesTooLarge, excess.message))
}
