//! Owns targets: one reference with everything that is needed to call it.

use std::sync::Arc;

use http::HeaderMap;

use super::headers;
use crate::config::settings::{Auth, Provider, ProviderKey, ProviderModel, Reference};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::model::CacheControlSupport;
use crate::protocol::model::seal::SealOrigin;
use crate::protocol::request::RequestBody;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::{self, AdaptedRequest, ContinuationForm, PartialAnswer, RewriteOptions};
use crate::secret::Redactor;
use crate::state::TargetIdentity;
use crate::upstream::UpstreamUrl;

/// One reference with the key and the settings to call it.
#[derive(Clone)]
pub struct Target {
    /// `provider/model`.
    pub reference: Reference,
    /// The reference as text.
    pub name: String,
    /// Its provider.
    pub provider: Arc<Provider>,
    /// Its model.
    pub model: Arc<ProviderModel>,
    /// The index of the provider's key; `None` if it needs none.
    pub key_index: Option<usize>,
    /// The API of the call: the client's own if the provider serves it.
    pub api: Api,
    /// The model id that the provider receives.
    pub wire_model: String,
}

impl Target {
    /// The key, if one is sent.
    pub fn key(&self) -> Option<&ProviderKey> {
        self.provider.keys.get(self.key_index?).filter(|_| self.provider.auth != Auth::None)
    }

    /// The base URL of the target's API; `None` if the provider does not serve it.
    pub fn base_url(&self) -> Option<&str> {
        self.provider.apis.iter().find(|(api, _)| *api == self.api).map(|(_, base)| base.as_str())
    }

    pub(super) fn with_api(&self, api: Api) -> Self {
        Self { api, ..self.clone() }
    }

    /// The target with its provider's current credentials: a login's key changes.
    pub(super) fn with_provider(&self, provider: &Arc<Provider>) -> Self {
        Self { provider: provider.clone(), ..self.clone() }
    }

    /// Removes the secrets of a call of this target from its provider's texts.
    pub(super) fn redactor(&self) -> Redactor {
        let headers = self.model.headers.iter().map(|header| &header.value);
        Redactor::new(self.provider.secrets().chain(headers))
    }

    pub(super) fn classifier(&self) -> Classifier {
        Classifier::new(self.provider.adapter, self.redactor())
    }

    /// The request as this target's provider accepts it.
    ///
    /// # Errors
    /// When it breaks a rule of the provider that no rewrite can fix.
    pub fn rewrite_request(
        &self,
        body: &RequestBody,
        options: RewriteOptions<'_>,
    ) -> Result<AdaptedRequest, Failure> {
        rewrite::rewrite_request(self.provider.adapter, &self.rewrite_input(body, options))
    }

    /// Returns the request that continues an interrupted response; `None` if the client's output limit is used
    /// up.
    ///
    /// # Errors
    /// As [`Self::rewrite_request`].
    pub(super) fn rewrite_continuation(
        &self,
        body: &RequestBody,
        options: RewriteOptions<'_>,
        partial_answer: &PartialAnswer<'_>,
    ) -> Result<Option<AdaptedRequest>, Failure> {
        rewrite::rewrite_continuation(
            self.provider.adapter,
            &self.rewrite_input(body, options),
            partial_answer,
        )
    }

    /// How it continues an answer over its API; `None` if it does not.
    pub(super) fn continuation_form(&self) -> Option<ContinuationForm> {
        rewrite::continuation_form(self.provider.adapter, self.api, &self.model.model)
    }

    /// The target as it is called for a continuation of text: with a prefill over its own API if that is supported there,
    /// otherwise over another one; without prefill support with an instruction. `None` if the model is not known to take
    /// either.
    pub(super) fn for_continuation(&self) -> Option<Self> {
        let served = self.provider.apis.iter().map(|(api, _)| *api);
        let own = served.clone().filter(|api| *api == self.api);
        let with_prefill = own.chain(served).map(|api| self.with_api(api));
        let mut with_prefill =
            with_prefill.filter(|target| target.continuation_form() == Some(ContinuationForm::Prefill));
        let with_instruction = || self.continuation_form().map(|_| self.clone());
        with_prefill.next().or_else(with_instruction)
    }

    fn rewrite_input<'a>(
        &'a self,
        body: &'a RequestBody,
        options: RewriteOptions<'a>,
    ) -> rewrite::RewriteInput<'a> {
        rewrite::RewriteInput {
            body,
            model: &self.model.model,
            wire_model: &self.wire_model,
            params: &self.model.params,
            default_thinking: options.default_thinking,
            last_provider: options.last_provider,
            sanitize_tool_call_ids: self.provider.sanitize_tool_call_ids,
        }
    }

    /// The URL of the call.
    pub fn url(&self) -> UpstreamUrl {
        format!("{}{}", self.base_url().unwrap_or_default(), self.api.path()).into()
    }

    /// The URL of a call that compacts a conversation.
    pub(super) fn compaction_url(&self) -> UpstreamUrl {
        format!("{}/compact", self.url()).into()
    }

    /// The headers of a call: those of the client, overridden by those of key and configuration.
    pub(super) fn request_headers(&self, client: &HeaderMap, client_api: Api) -> HeaderMap {
        let target = (&*self.provider, &*self.model);
        headers::build_request_headers(client, client_api, self.api, target, self.key())
    }

    /// Whose sealed reasoning it accepts.
    pub(super) fn seal_origin(&self) -> SealOrigin {
        SealOrigin::new(&self.provider.id, &self.wire_model, self.api)
    }

    pub(super) fn cache_control_support(&self) -> CacheControlSupport {
        rewrite::cache_control_support(self.provider.adapter, self.api, &self.wire_model, &self.model.model)
    }

    /// What cooldowns and session affinity know of it.
    pub(super) fn identity(&self) -> TargetIdentity<'_> {
        let secret = self.key().map(|key| key.secret.expose());
        TargetIdentity { reference: &self.reference, secret, api: self.api }
    }
}
