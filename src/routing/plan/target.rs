//! Owns targets: one reference with everything that is needed to call it.

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

/// One reference with the key and the settings to call it. A clone shares its data.
#[derive(Clone)]
pub struct Target(Arc<TargetInner>);

struct TargetInner {
    parts: TargetParts,
    /// Built at the first call: most targets are only inspected.
    endpoint: OnceLock<Endpoint>,
    redactor: OnceLock<Redactor>,
}

/// The parts that are the same for every call.
struct Endpoint {
    url: UpstreamUrl,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The data of a target.
#[derive(Clone)]
pub struct TargetParts {
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

impl TargetParts {
    /// The key, if one is sent.
    #[must_use]
    pub fn key(&self) -> Option<&ProviderKey> {
        self.provider.keys.get(self.key_index?).filter(|_| self.provider.auth != Auth::None)
    }

    /// The base URL of the target's API; `None` if the provider does not serve it.
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

    /// The same target over another API.
    pub(in crate::routing) fn with_api(&self, face: Api) -> Self {
        Self::new(TargetParts { api: face, ..self.0.parts.clone() })
    }

    /// The target with its provider's current credentials: a login's key changes.
    #[must_use]
    pub(in crate::routing) fn with_provider(&self, provider: &Arc<Provider>) -> Cow<'_, Self> {
        if Arc::ptr_eq(provider, &self.provider) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self::new(TargetParts { provider: provider.clone(), ..self.0.parts.clone() }))
    }

    /// Removes the secrets of a call of this target from its provider's texts.
    pub(in crate::routing) fn redactor(&self) -> &Redactor {
        self.0.redactor.get_or_init(|| {
            let headers = self.model.headers.iter().map(|header| &header.value);
            Redactor::new(self.provider.secrets().chain(headers))
        })
    }

    /// The classifier of its provider's errors.
    pub(in crate::routing) fn classifier(&self) -> Classifier {
        Classifier::new(self.provider.adapter, self.redactor().clone())
    }

    /// The request as this target's provider accepts it.
    ///
    /// # Errors
    /// When it breaks a rule of the provider that no rewrite can fix.
    pub fn rewrite_request(
        &self,
        body: &RequestBody,
        thinking: Option<ThinkingLevel>,
    ) -> Result<AdaptedRequest, Failure> {
        rewrite::rewrite_request(self.provider.adapter, &self.rewrite_input(body, thinking))
    }

    /// Returns the request that continues an interrupted response; `None` if the client's output limit is used
    /// up.
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

    /// Whether the model supports continuation from a prefill, over any API that its provider serves.
    pub(in crate::routing) fn supports_prefill(&self) -> bool {
        self.prefill_api().is_some()
    }

    /// The target as it is called for a continuation from a prefill: over its own API if that is supported
    /// there, otherwise over another one.
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

    /// The URL of the call.
    #[must_use]
    pub fn url(&self) -> &UpstreamUrl {
        &self.endpoint().url
    }

    /// The headers that its provider, its model and its key add to each call.
    pub(in crate::routing) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.endpoint().headers
    }
}
