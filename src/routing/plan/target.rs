//! One reference with all that is needed to call it.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};

use crate::catalog::ThinkingLevel;
use crate::config::settings::{Auth, Provider, ProviderKey, ProviderModel, Reference};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::{self, AdaptedRequest, PartialAnswer};
use crate::routing::headers;
use crate::secret::Redactor;
use crate::upstream::UpstreamUrl;

/// One reference with the key and the settings to call it. A clone is the same one.
#[derive(Clone)]
pub struct Target(Arc<TargetInner>);

struct TargetInner {
    parts: TargetParts,
    /// Made at the first call: most targets are only looked at.
    endpoint: OnceLock<Endpoint>,
    redactor: OnceLock<Redactor>,
}

/// What is the same for every call.
struct Endpoint {
    url: UpstreamUrl,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a target is made of.
#[derive(Clone)]
pub struct TargetParts {
    /// `provider/model`.
    pub reference: Reference,
    /// The same as text.
    pub name: String,
    /// Its provider.
    pub provider: Arc<Provider>,
    /// Its model.
    pub model: Arc<ProviderModel>,
    /// Which of the provider's keys; `None` where it needs none.
    pub key_index: Option<usize>,
    /// The face that it is called with: the client's own where the provider serves that one.
    pub api: Api,
    /// The id that the provider sees.
    pub wire_model: String,
}

impl TargetParts {
    /// The key, where one is sent.
    #[must_use]
    pub fn key(&self) -> Option<&ProviderKey> {
        self.provider.keys.get(self.key_index?).filter(|_| self.provider.auth != Auth::None)
    }

    /// Base URL of the face that it is called with; `None` where the provider does not speak it.
    #[must_use]
    pub fn base_url(&self) -> Option<&str> {
        self.provider.apis.iter().find(|(face, _)| *face == self.api).map(|(_, base)| base.as_str())
    }
}

impl Deref for Target {
    type Target = TargetParts;

    fn deref(&self) -> &TargetParts {
        &self.0.parts
    }
}

impl Target {
    pub(super) fn new(parts: TargetParts) -> Self {
        Self(Arc::new(TargetInner { parts, endpoint: OnceLock::new(), redactor: OnceLock::new() }))
    }

    fn endpoint(&self) -> &Endpoint {
        self.0.endpoint.get_or_init(|| {
            let url = format!("{}{}", self.base_url().unwrap_or_default(), self.api.path()).into();
            Endpoint { url, headers: headers::build_target_headers(self) }
        })
    }

    /// The same over another face.
    pub(in crate::routing) fn with_api(&self, face: Api) -> Self {
        Self::new(TargetParts { api: face, ..self.0.parts.clone() })
    }

    /// The target with its provider as that is called now: a login's key changes.
    #[must_use]
    pub(in crate::routing) fn with_provider(&self, provider: &Arc<Provider>) -> Cow<'_, Self> {
        if Arc::ptr_eq(provider, &self.provider) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self::new(TargetParts { provider: provider.clone(), ..self.0.parts.clone() }))
    }

    /// Removes the secrets of a call of this target from what its provider says.
    pub(in crate::routing) fn redactor(&self) -> &Redactor {
        self.0.redactor.get_or_init(|| {
            let headers = self.model.headers.iter().map(|header| &header.value);
            Redactor::new(self.provider.secrets().chain(headers))
        })
    }

    /// What turns its provider's errors into failures.
    pub(in crate::routing) fn classifier(&self) -> Classifier {
        Classifier::new(self.provider.adapter, self.redactor().clone())
    }

    /// The request as this target's provider takes it.
    ///
    /// # Errors
    /// When it breaks a rule of the provider that no rewrite can mend.
    pub fn rewrite_request(
        &self,
        body: &RequestBody,
        thinking: Option<ThinkingLevel>,
    ) -> Result<AdaptedRequest, Failure> {
        rewrite::rewrite_request(self.provider.adapter, &self.rewrite_input(body, thinking))
    }

    /// The request for the rest of an answer that broke off; `None` when the client's output limit is used up.
    ///
    /// # Errors
    /// As [`Self::rewrite`].
    pub(in crate::routing) fn rewrite_continuation(
        &self,
        body: &RequestBody,
        thinking: Option<ThinkingLevel>,
        begun: &PartialAnswer<'_>,
    ) -> Result<Option<AdaptedRequest>, Failure> {
        rewrite::rewrite_continuation(self.provider.adapter, &self.rewrite_input(body, thinking), begun)
    }

    /// Whether the model goes on from the beginning of an answer, over some face that its provider serves.
    pub(in crate::routing) fn supports_prefill(&self) -> bool {
        self.prefill_api().is_some()
    }

    /// The target as it is asked to go on from the beginning of an answer: over its own face where it is known to do so
    /// there, else over another one.
    pub(in crate::routing) fn for_continuation(&self) -> Option<Self> {
        self.prefill_api().map(|face| self.with_api(face))
    }

    fn prefill_api(&self) -> Option<Api> {
        let served = self.provider.apis.iter().map(|(face, _)| *face);
        let own = served.clone().filter(|face| *face == self.api);
        own.chain(served)
            .find(|face| rewrite::supports_prefill(self.provider.adapter, *face, &self.model.model))
    }

    fn rewrite_input<'a>(
        &'a self,
        body: &'a RequestBody,
        thinking: Option<ThinkingLevel>,
    ) -> rewrite::RewriteInput<'a> {
        rewrite::RewriteInput {
            body,
            model: &self.model.model,
            wire_model: &self.wire_model,
            params: &self.model.params,
            default_thinking: thinking,
            sanitize_tool_call_ids: self.provider.sanitize_tool_call_ids,
        }
    }

    /// Where it is called.
    #[must_use]
    pub fn url(&self) -> &UpstreamUrl {
        &self.endpoint().url
    }

    /// What its provider, its model and its key put into the head of each call.
    pub(in crate::routing) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.endpoint().headers
    }
}
