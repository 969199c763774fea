//! One reference with all that is needed to call it.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};

use crate::catalog::ThinkingLevel;
use crate::config::settings::{Auth, Key, Provider, ProviderModel, Reference};
use crate::failure::Failure;
use crate::protocol::face::Face;
use crate::protocol::request::RequestBody;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::{self, Begun, Rewritten};
use crate::routing::headers;
use crate::secret::Redactor;
use crate::upstream::Url;

/// One reference with the key and the settings to call it. A clone is the same one.
#[derive(Clone)]
pub struct Target(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// Made at the first call: most targets are only looked at.
    way: OnceLock<Way>,
    redactor: OnceLock<Redactor>,
}

/// What is the same for every call.
struct Way {
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a target is made of.
#[derive(Clone)]
pub struct Parts {
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
    pub face: Face,
    /// The id that the provider sees.
    pub wire_model: String,
}

impl Parts {
    /// The key, where one is sent.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.provider.keys.get(self.key_index?).filter(|_| self.provider.auth != Auth::None)
    }

    /// Base URL of the face that it is called with; `None` where the provider does not speak it.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.provider.faces.iter().find(|(face, _)| *face == self.face).map(|(_, base)| base.as_str())
    }
}

impl Deref for Target {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl Target {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts, way: OnceLock::new(), redactor: OnceLock::new() }))
    }

    fn way(&self) -> &Way {
        self.0.way.get_or_init(|| {
            let url = format!("{}{}", self.base().unwrap_or_default(), self.face.path()).into();
            Way { url, headers: headers::of_every_call(self) }
        })
    }

    /// The same over another face.
    pub(in crate::routing) fn over(&self, face: Face) -> Self {
        Self::new(Parts { face, ..self.0.parts.clone() })
    }

    /// The target with its provider as that is called now: a login's key changes.
    #[must_use]
    pub(in crate::routing) fn called(&self, provider: &Arc<Provider>) -> Cow<'_, Self> {
        if Arc::ptr_eq(provider, &self.provider) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self::new(Parts { provider: provider.clone(), ..self.0.parts.clone() }))
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
        Classifier::new(self.provider.dialect, self.redactor().clone())
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
    pub(in crate::routing) fn go_on(
        &self,
        body: &RequestBody,
        thinking: Option<ThinkingLevel>,
        begun: &Begun<'_>,
    ) -> Result<Option<Rewritten>, Failure> {
        rewrite::go_on(self.provider.dialect, &self.request(body, thinking), begun)
    }

    /// Whether the model goes on from the beginning of an answer, over some face that its provider serves.
    pub(in crate::routing) fn takes_prefill(&self) -> bool {
        self.prefill_face().is_some()
    }

    /// The target as it is asked to go on from the beginning of an answer: over its own face where it is known to do so
    /// there, else over another one.
    pub(in crate::routing) fn going_on(&self) -> Option<Self> {
        self.prefill_face().map(|face| self.over(face))
    }

    fn prefill_face(&self) -> Option<Face> {
        let served = self.provider.faces.iter().map(|(face, _)| *face);
        let own = served.clone().filter(|face| *face == self.face);
        own.chain(served).find(|face| rewrite::takes_prefill(self.provider.dialect, *face, &self.model.facts))
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

    /// Where it is called.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.way().url
    }

    /// What its provider, its model and its key put into the head of each call.
    pub(in crate::routing) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.way().headers
    }
}
