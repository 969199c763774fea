//! Owns a client's request in each API: its own as received, others translated once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::body_buffer;
use super::plan::Target;
use super::token_count::estimate_prompt_tokens;
use crate::catalog::ThinkingLevel;
use crate::config::settings::ProviderModel;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::memory_budget::MemoryBudget;
use crate::protocol::request::RequestBody;
use crate::protocol::translate::{self, TranslatedRequest};
use crate::provider::rewrite::{AdaptedRequest, PartialAnswer};

/// A request and its translations.
pub struct RequestBodies {
    client_body: RequestBody,
    prompt_tokens: OnceLock<u64>,
    translations: Mutex<Vec<(TranslationKey, TranslationResult)>>,
    memory_budget: Arc<MemoryBudget>,
    /// The memory limit of all bodies, in bytes.
    max_total_bytes: usize,
}

/// The result of a translation.
type TranslationResult = Result<Arc<TranslatedBody>, Failure>;

/// The parameters of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TranslationKey {
    api: Api,
    /// The output limit, which the Messages API requires if the client set none.
    max_tokens: Option<u64>,
}

/// The request in another API.
#[derive(Debug)]
pub struct TranslatedBody {
    body: RequestBody,
    dropped: Vec<&'static str>,
    namespaced: BTreeMap<String, (String, String)>,
}

/// The request in one API.
#[derive(Clone, Debug)]
pub enum ClientBody<'b> {
    /// As the client sent it.
    Original(&'b RequestBody),
    /// Translated to another API.
    Translated(Arc<TranslatedBody>),
}

impl ClientBody<'_> {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &RequestBody {
        match self {
            Self::Original(body) => body,
            Self::Translated(translation) => &translation.body,
        }
    }

    /// The losses of the translation, by the names of its table.
    #[must_use]
    pub fn dropped(&self) -> &[&'static str] {
        match self {
            Self::Original(_) => &[],
            Self::Translated(translation) => &translation.dropped,
        }
    }

    /// Namespace and name of the tools that were renamed, by the name that was sent.
    pub(super) fn namespaced(&self) -> Option<&BTreeMap<String, (String, String)>> {
        match self {
            Self::Original(_) => None,
            Self::Translated(translation) => Some(&translation.namespaced),
        }
    }

    /// Whether the API is not the client's.
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
    pub fn new(client_body: RequestBody, memory_budget: Arc<MemoryBudget>, max_total_bytes: usize) -> Self {
        Self {
            client_body,
            prompt_tokens: OnceLock::new(),
            translations: Mutex::default(),
            memory_budget,
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
        thinking: Option<ThinkingLevel>,
    ) -> Result<PreparedRequest<'_>, Failure> {
        let said = self.body_for_target(target)?;
        let rewritten = target.rewrite_request(said.body(), thinking)?;
        Ok(build_prepared_request(said, rewritten))
    }

    /// The request to continue an interrupted answer; `None` when the client's output limit is used up.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub(super) fn prepare_continuation(
        &self,
        target: &Target,
        thinking: Option<ThinkingLevel>,
        begun: &PartialAnswer<'_>,
    ) -> Result<Option<PreparedRequest<'_>>, Failure> {
        let said = self.body_for_target(target)?;
        let rewritten = target.rewrite_continuation(said.body(), thinking, begun)?;
        Ok(rewritten.map(|rewritten| build_prepared_request(said, rewritten)))
    }

    /// The request in a target's API.
    pub(super) fn body_for_target(&self, target: &Target) -> Result<ClientBody<'_>, Failure> {
        let face = target.api;
        let max_tokens = (face == Api::Messages).then(|| default_output_limit(&target.model));
        self.get_or_translate(TranslationKey { api: face, max_tokens })
    }

    fn get_or_translate(&self, form: TranslationKey) -> Result<ClientBody<'_>, Failure> {
        if form.api == self.client_body.api {
            return Ok(ClientBody::Original(&self.client_body));
        }
        // One request prepares its bodies sequentially, so this lock is never contended.
        let mut translated = self.translations.lock().unwrap_or_else(PoisonError::into_inner);
        let known = translated.iter().find(|(known, _)| *known == form).map(|(_, made)| made.clone());
        let made = known.unwrap_or_else(|| {
            let made = self.translate(form).map(Arc::new);
            translated.push((form, made.clone()));
            made
        });
        made.map(ClientBody::Translated)
    }

    fn translate(&self, form: TranslationKey) -> Result<TranslatedBody, Failure> {
        let translated = translate::translate_request(&self.client_body, form.api, form.max_tokens);
        let TranslatedRequest { body, losses: dropped, tool_namespaces: namespaced } =
            translated.map_err(|untranslatable| {
                // Another target may serve the client's API.
                let why = format!("it cannot be said in {}: {untranslatable}", form.api.as_str());
                Failure { is_provider_rule: true, ..Failure::new(Reason::BadRequest, why) }
            })?;
        let mut counted = self.memory_budget.start_body(self.max_total_bytes);
        counted.push(&body).map_err(|_| body_buffer::budget_exceeded())?;
        let body = RequestBody::parse(form.api, counted.into_bytes())
            .map_err(|error| Failure::new(Reason::Server, format!("the translated request: {error}")))?;
        Ok(TranslatedBody { body, dropped, namespaced })
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
    let room = model.model.context_window.map_or(u64::MAX, |window| (window / 2).max(1));
    let own = model.model.max_tokens.map_or(DEFAULT_ANSWER_TOKENS, |most| most.min(MAX_ANSWER_TOKENS));
    configured.unwrap_or(own.min(room))
}

fn build_prepared_request(said: ClientBody<'_>, mut rewritten: AdaptedRequest) -> PreparedRequest<'_> {
    // The translation decides which usage a client of another API receives.
    rewritten.answer_plan.hides_usage &= !said.is_translated();
    PreparedRequest { request_body: said, adapted: rewritten }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::ModelInfo;

    fn bodies(face: Api, value: &Value, held: &Arc<MemoryBudget>, limit: usize) -> RequestBodies {
        let body = RequestBody::parse(face, value.to_string().into()).unwrap();
        RequestBodies::new(body, held.clone(), limit)
    }

    fn chat(bodies: &RequestBodies) -> Result<ClientBody<'_>, Failure> {
        bodies.get_or_translate(TranslationKey { api: Api::ChatCompletions, max_tokens: None })
    }

    #[test]
    fn translation_is_made_once_and_counts_as_buffered() {
        let held = Arc::new(MemoryBudget::default());
        let request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let bodies = bodies(Api::Messages, &request, &held, 1 << 20);
        let (first, second) = (chat(&bodies).unwrap(), chat(&bodies).unwrap());
        assert_eq!(first.body().text.as_ptr(), second.body().text.as_ptr());
        assert!(first.is_translated() && held.used_bytes() >= first.body().text.len());
        let own =
            bodies.get_or_translate(TranslationKey { api: Api::Messages, max_tokens: Some(1) }).unwrap();
        assert!(!own.is_translated());
        drop((first, second));
        drop(bodies);
        assert_eq!(held.used_bytes(), 0);
    }

    #[test]
    fn untranslatable_or_oversized_request_is_a_failure() {
        let held = Arc::new(MemoryBudget::default());
        let odd = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": 7}]});
        let refused = bodies(Api::Messages, &odd, &held, 1 << 20);
        let refused = chat(&refused).unwrap_err();
        assert!(refused.allows_failover() && refused.reason == Reason::BadRequest, "{refused}");
        assert!(refused.message.contains("messages[0].content"), "{refused}");
        let request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let full = bodies(Api::Messages, &request, &held, 1);
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
