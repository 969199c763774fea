//! Owns a client's request for each target: as received where its API is the client's, otherwise translated once.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::prompt::estimate_prompt_tokens;
use super::target::Target;
use crate::catalog::AdapterId;
use crate::config::settings::ProviderModel;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::model::client_tools::{ClientTools, has_client_tools};
use crate::protocol::model::losses;
use crate::protocol::model::seal::SealOrigin;
use crate::protocol::request::RequestBody;
use crate::protocol::translate::{self, TranslatedRequest, TranslationTarget};
use crate::provider::rewrite::{
    AdaptedRequest, PartialAnswer, RewriteOptions, reads_bare_seals, takes_client_tools,
};
use crate::state::State;
use crate::stream::budget_exceeded;

/// A request and its translations.
pub struct RequestBodies {
    client_body: RequestBody,
    prompt_tokens: OnceLock<u64>,
    /// By their target and whether the answer must be translated back.
    made: Mutex<Vec<((TranslationTarget, bool), TranslationResult)>>,
    /// The client's body has sealed reasoning with an origin.
    has_seals: OnceLock<bool>,
    /// The client's body has tools that only the provider of its API takes in this form.
    has_client_tools: OnceLock<bool>,
    state: Arc<State>,
    /// The client's name, where its token has one.
    client: Option<String>,
    /// The memory limit of all bodies, in bytes.
    max_total_bytes: usize,
}

/// The result of a translation.
type TranslationResult = Result<Arc<TranslatedBody>, Failure>;

/// The request in another API, or in the client's with other forms of its tools or with the sealed reasoning of the target.
#[derive(Debug)]
pub struct TranslatedBody {
    body: RequestBody,
    dropped: Vec<&'static str>,
    client_tools: ClientTools,
}

/// The request in one API.
#[derive(Clone, Debug)]
pub enum ClientBody<'b> {
    /// As the client sent it.
    Original(&'b RequestBody),
    /// With its sealed reasoning opened for the target.
    Opened(Arc<TranslatedBody>),
    /// Translated to another API, or to other forms of its tools.
    Translated(Arc<TranslatedBody>),
}

impl ClientBody<'_> {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &RequestBody {
        match self {
            Self::Original(body) => body,
            Self::Opened(made) | Self::Translated(made) => &made.body,
        }
    }

    /// The losses of the translation, by the names of its table.
    #[must_use]
    pub fn dropped(&self) -> &[&'static str] {
        match self {
            Self::Original(_) => &[],
            Self::Opened(made) | Self::Translated(made) => &made.dropped,
        }
    }

    /// The tools that were sent as other functions.
    pub(super) fn client_tools(&self) -> Option<&ClientTools> {
        match self {
            Self::Original(_) | Self::Opened(_) => None,
            Self::Translated(translation) => Some(&translation.client_tools),
        }
    }

    /// Whether the answer must be translated back.
    pub(super) const fn is_translated(&self) -> bool {
        matches!(self, Self::Translated(_))
    }
}

/// A request as prepared for one target.
pub struct PreparedRequest<'b> {
    /// In the target's API; the edits must still be applied to its text.
    pub request_body: ClientBody<'b>,
    /// The changes of the provider adapter.
    pub adapted: AdaptedRequest,
}

impl RequestBodies {
    /// Creates the bodies of a request. Translations count as buffered memory, of which all requests together
    /// may hold `limit` bytes.
    #[must_use]
    pub fn new(
        client_body: RequestBody,
        client: Option<String>,
        state: Arc<State>,
        max_total_bytes: usize,
    ) -> Self {
        Self {
            client_body,
            prompt_tokens: OnceLock::new(),
            made: Mutex::default(),
            has_seals: OnceLock::new(),
            has_client_tools: OnceLock::new(),
            state,
            client,
            max_total_bytes,
        }
    }

    /// The request as received.
    #[must_use]
    pub const fn client_body(&self) -> &RequestBody {
        &self.client_body
    }

    /// Its tokens as the gateway counts them, for attempts whose provider reports no usage.
    pub(super) fn prompt_tokens(&self) -> u64 {
        *self.prompt_tokens.get_or_init(|| estimate_prompt_tokens(&self.client_body))
    }

    /// The request as this target accepts it.
    ///
    /// # Errors
    /// When it cannot be expressed in the target's API format, or breaks a rule of the provider that no rewrite
    /// can fix.
    pub fn prepare(
        &self,
        target: &Target,
        options: RewriteOptions<'_>,
    ) -> Result<PreparedRequest<'_>, Failure> {
        let request_body = self.body_for_target(target)?;
        let adapted = target.rewrite_request(request_body.body(), options)?;
        Ok(build_prepared_request(target, request_body, adapted))
    }

    /// The request to continue an interrupted answer; `None` when the client's output limit is used up.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub(super) fn prepare_continuation(
        &self,
        target: &Target,
        options: RewriteOptions<'_>,
        partial_answer: &PartialAnswer<'_>,
    ) -> Result<Option<PreparedRequest<'_>>, Failure> {
        let request_body = self.body_for_continuation(target)?;
        let adapted = target.rewrite_continuation(request_body.body(), options, partial_answer)?;
        Ok(adapted.map(|adapted| build_prepared_request(target, request_body, adapted)))
    }

    /// The request in a target's API.
    pub(super) fn body_for_target(&self, target: &Target) -> Result<ClientBody<'_>, Failure> {
        let takes_client_tools = || takes_client_tools(target.api, &target.wire_model);
        self.make_body(target, self.has_client_tools() && !takes_client_tools())
    }

    /// The request for a continuation. The tools of the client are always functions: the answer is spliced as Chat Completions,
    /// which has no others.
    pub(super) fn body_for_continuation(&self, target: &Target) -> Result<ClientBody<'_>, Failure> {
        self.make_body(target, self.has_client_tools())
    }

    fn make_body(&self, target: &Target, replaces_tools: bool) -> Result<ClientBody<'_>, Failure> {
        let api = target.api;
        let is_translated = api != self.client_body.api || replaces_tools;
        if !is_translated && !*self.has_seals.get_or_init(|| SealOrigin::is_in(&self.client_body.text)) {
            return Ok(ClientBody::Original(&self.client_body));
        }
        let translation_target = TranslationTarget {
            api,
            default_max_tokens: (api == Api::Messages).then(|| default_output_limit(&target.model)),
            seal_origin: target.seal_origin(),
            cache_control: target.cache_control_support(),
            is_openrouter: target.provider.adapter == AdapterId::OpenRouter,
        };
        self.get_or_make(translation_target, is_translated)
    }

    fn has_client_tools(&self) -> bool {
        *self.has_client_tools.get_or_init(|| has_client_tools(&self.client_body))
    }

    fn get_or_make(&self, target: TranslationTarget, is_translated: bool) -> Result<ClientBody<'_>, Failure> {
        // One request prepares its bodies sequentially, so this lock is never contended.
        let mut known = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = known
            .iter()
            .find(|(known, _)| *known == (target.clone(), is_translated))
            .map(|(_, made)| made.clone());
        let made = made.unwrap_or_else(|| {
            let made = if is_translated { self.translate(&target) } else { self.open_seals(&target) };
            let made = made.map(Arc::new);
            known.push(((target, is_translated), made.clone()));
            made
        });
        made.map(if is_translated { ClientBody::Translated } else { ClientBody::Opened })
    }

    fn translate(&self, target: &TranslationTarget) -> Result<TranslatedBody, Failure> {
        let find_sealed_turn =
            |ids: &[&str]| self.state.find_sealed_turn(self.client.as_deref(), ids, &target.seal_origin);
        let translated =
            translate::translate_request_with_turns(&self.client_body, target, &find_sealed_turn);
        let TranslatedRequest { body, losses, client_tools } = translated.map_err(|untranslatable| {
            // Another target may serve the client's API.
            let why =
                format!("the request cannot be translated to {}: {untranslatable}", target.api.as_str());
            Failure::of_provider_rule(why)
        })?;
        let body = self.parse_counted(target.api, &body)?;
        Ok(TranslatedBody { body, dropped: losses, client_tools })
    }

    /// The client's request with the values that the target sealed, and without those of others.
    fn open_seals(&self, target: &TranslationTarget) -> Result<TranslatedBody, Failure> {
        let (body, has_others) = target.seal_origin.open_body(&self.client_body.text);
        let body = self.parse_counted(target.api, &body)?;
        let dropped = if has_others { vec![losses::SEALED_REASONING.name] } else { Vec::new() };
        Ok(TranslatedBody { body, dropped, client_tools: ClientTools::default() })
    }

    fn parse_counted(&self, api: Api, body: &[u8]) -> Result<RequestBody, Failure> {
        let mut counted = self.state.memory_budget().start_body(self.max_total_bytes);
        counted.push(body).map_err(|_| budget_exceeded())?;
        RequestBody::parse(api, counted.into_bytes())
            .map_err(|error| Failure::new(Reason::Server, format!("the translated request: {error}")))
    }
}

/// The largest default output limit, in tokens: the default maximum of K3 (Moonshot's API reference,
/// 2026-09-23). Its rate limits charge the requested limit, not the actual output.
const MAX_ANSWER_TOKENS: u64 = 131_072;

/// The output limit if the model's own is unknown, in tokens: the value that Claude Code and opencode send.
const DEFAULT_ANSWER_TOKENS: u64 = 32_000;

/// The output limit of requests whose client sets none: that of the configuration's `params`, otherwise the
/// model's own as far as it leaves space for a prompt in the window.
#[must_use]
pub fn default_output_limit(model: &ProviderModel) -> u64 {
    let configured = ["max_completion_tokens", "max_tokens"].into_iter().find_map(|key| {
        model.params.get(key).and_then(serde_json::Value::as_u64).filter(|tokens| *tokens > 0)
    });
    let half_window = model.model.context_window.map_or(u64::MAX, |window| (window / 2).max(1));
    let own = model.model.max_tokens.map_or(DEFAULT_ANSWER_TOKENS, |most| most.min(MAX_ANSWER_TOKENS));
    configured.unwrap_or(own.min(half_window))
}

fn build_prepared_request<'b>(
    target: &Target,
    request_body: ClientBody<'b>,
    mut adapted: AdaptedRequest,
) -> PreparedRequest<'b> {
    let is_translated = request_body.is_translated();
    let plan = &mut adapted.answer_plan;
    // The translation decides which usage a client of another API receives.
    plan.hides_usage &= !is_translated;
    let needs_origin =
        is_translated || !reads_bare_seals(target.provider.adapter, target.api, &target.wire_model);
    plan.seal_origin = needs_origin.then(|| target.seal_origin());
    PreparedRequest { request_body, adapted }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::ModelInfo;
    use crate::protocol::model::CacheControlSupport;

    fn bodies(api: Api, value: &Value, state: &Arc<State>, limit: usize) -> RequestBodies {
        let body = RequestBody::parse(api, value.to_string().into()).unwrap();
        RequestBodies::new(body, None, state.clone(), limit)
    }

    fn target(api: Api) -> TranslationTarget {
        TranslationTarget {
            api,
            default_max_tokens: Some(1),
            seal_origin: SealOrigin::default(),
            cache_control: CacheControlSupport::Kept,
            is_openrouter: false,
        }
    }

    fn chat(bodies: &RequestBodies) -> Result<ClientBody<'_>, Failure> {
        bodies.get_or_make(target(Api::ChatCompletions), true)
    }

    #[test]
    fn translation_is_made_once_and_counts_as_buffered() {
        let state = Arc::new(State::new());
        let request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let bodies = bodies(Api::Messages, &request, &state, 1 << 20);
        let (first, second) = (chat(&bodies).unwrap(), chat(&bodies).unwrap());
        assert_eq!(first.body().text.as_ptr(), second.body().text.as_ptr());
        assert!(first.is_translated() && state.memory_budget().used_bytes() >= first.body().text.len());
        drop((first, second));
        drop(bodies);
        assert_eq!(state.memory_budget().used_bytes(), 0);
    }

    #[test]
    fn untranslatable_or_oversized_request_is_a_failure() {
        let state = Arc::new(State::new());
        let odd = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": 7}]});
        let rejected = bodies(Api::Messages, &odd, &state, 1 << 20);
        let rejected = chat(&rejected).unwrap_err();
        assert!(rejected.allows_failover() && rejected.reason == Reason::BadRequest, "{rejected}");
        assert!(rejected.message.contains("messages[0].content"), "{rejected}");
        let request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let full = bodies(Api::Messages, &request, &state, 1);
        assert!(chat(&full).unwrap_err().is_gateway_limit);
    }

    #[test]
    fn output_limit_is_configured_or_leaves_space_for_a_prompt() {
        let largest = |params: Value, max_tokens, context_window| {
            let facts = ModelInfo { max_tokens, context_window, ..ModelInfo::unknown("m") };
            let params = params.as_object().unwrap().clone();
            default_output_limit(&ProviderModel {
                model: facts,
                headers: Vec::new(),
                params,
                is_configured: true,
            })
        };
        assert_eq!(largest(json!({}), Some(1_048_576), Some(1_048_576)), 131_072);
        assert_eq!(largest(json!({}), Some(16_384), Some(16_384)), 8192);
        assert_eq!(largest(json!({}), Some(8192), None), 8192);
        assert_eq!(largest(json!({}), None, Some(8192)), 4096);
        assert_eq!(largest(json!({}), None, None), 32_000);
        assert_eq!(largest(json!({"max_tokens": 500}), Some(8192), None), 500);
    }
}
