//! What the providers tell of their accounts. They are asked when somebody looks, never by themselves; such a call rests
//! nothing and counts as no request.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use tokio::time::{Instant, timeout};

use super::headers;
use crate::config::settings::{Provider, Settings};
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::provider::classify::{Classifier, Refused};
use crate::provider::quota;
use crate::upstream::oauth::{Logins, Sent};
use crate::upstream::{Call, read_capped};

pub use crate::provider::quota::{Allowance, Balance};

/// Whoever looks waits for no more than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long an answer is good, also one that says why there is none: the figures move slowly, and who looks looks often.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// In bytes; a real one has one or two thousand.
const LARGEST: usize = 64 * 1024;

/// What one provider tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// The provider's id.
    pub provider: String,
    /// When it was asked.
    pub at: SystemTime,
    /// What it told, or why nothing, in words without secrets.
    pub told: Result<Vec<Allowance>, String>,
}

/// What was told last, of every provider.
pub struct Quotas {
    logins: Arc<Logins>,
    fingerprints: RandomState,
    known: Mutex<BTreeMap<String, Known>>,
    /// Held by who asks; who comes meanwhile waits for what that one hears.
    asking: tokio::sync::Mutex<()>,
}

struct Known {
    quota: Quota,
    heard: Instant,
    /// Of the question: another key or address is another account.
    question: u64,
}

/// What is asked.
struct Question {
    provider: Arc<Provider>,
    url: String,
    fingerprint: u64,
}

impl Quotas {
    /// Nothing is known, and nobody is asked yet.
    #[must_use]
    pub fn new(logins: Arc<Logins>) -> Self {
        let (fingerprints, known) = (RandomState::new(), Mutex::default());
        Self { logins, fingerprints, known, asking: tokio::sync::Mutex::default() }
    }

    /// What was told last, in the order of the providers' ids. Nobody is asked.
    #[must_use]
    pub fn known(&self) -> Vec<Quota> {
        self.entries().values().map(|known| known.quota.clone()).collect()
    }

    /// What every provider tells that can be called and tells such things: those whose last answer is older than 60 s
    /// are asked, all at the same time, for 5 s at most, with the first key.
    pub async fn refreshed(&self, settings: &Settings) -> Vec<Quota> {
        let _alone = self.asking.lock().await;
        let questions = self.questions(settings);
        self.drop_others(&questions);
        let old = questions.iter().filter(|question| !self.is_fresh(question));
        let heard = join_all(old.map(|question| self.ask(question))).await;
        self.entries().extend(heard);
        self.known()
    }

    /// Forgets what is no longer of these settings.
    pub(super) fn keep(&self, settings: &Settings) {
        self.drop_others(&self.questions(settings));
    }

    fn drop_others(&self, questions: &[Question]) {
        let asked = |id: &str, known: &Known| {
            questions.iter().any(|each| each.provider.id == id && each.fingerprint == known.question)
        };
        self.entries().retain(|id, known| asked(id, known));
    }

    fn is_fresh(&self, question: &Question) -> bool {
        self.entries().get(&question.provider.id).is_some_and(|known| known.heard.elapsed() < GOOD_FOR)
    }

    fn questions(&self, settings: &Settings) -> Vec<Question> {
        let callable = settings.providers.values().filter(|provider| provider.off.is_none());
        let question = |provider: &Arc<Provider>| {
            let url = quota::url(provider.dialect, &provider.faces)?;
            let headers = provider.headers.iter().map(|header| (header.name.as_str(), header.value.expose()));
            let key = provider.keys.first().map(|key| key.secret.expose());
            let fingerprint = self.fingerprints.hash_one((&url, key, headers.collect::<Vec<_>>()));
            Some(Question { provider: provider.clone(), url, fingerprint })
        };
        callable.filter_map(question).collect()
    }

    async fn ask(&self, question: &Question) -> (String, Known) {
        let id = question.provider.id.clone();
        let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", PATIENCE.as_secs()));
        let heard = timeout(PATIENCE, self.hear(question)).await.unwrap_or_else(|_| Err(late()));
        let told = heard.map_err(|failure| failure.to_string());
        if let Err(why) = &told {
            tracing::debug!("{id} told nothing of its quota: {why}");
        }
        let quota = Quota { provider: id.clone(), at: SystemTime::now(), told };
        (id, Known { quota, heard: Instant::now(), question: question.fingerprint })
    }

    async fn hear(&self, question: &Question) -> Result<Vec<Allowance>, Failure> {
        let unsaid = |why: String| Failure::new(Reason::Server, why);
        let call = |provider: &Arc<Provider>| {
            // All three take Bearer there, also Kimi Code, whose Messages face has a header of its own.
            let mut headers = headers::of_our_own(provider, Face::Chat).map_err(unsaid)?;
            headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
            Ok(Call { method: Method::GET, url: question.url.clone().into(), headers, body: Vec::new() })
        };
        let Sent { response, provider: called } = self.logins.send(&question.provider, call).await?;
        // The caller's clock runs out before this one.
        let body = read_capped(&response.headers, response.body, LARGEST, 2 * PATIENCE).await;
        // With the key that was sent, also that of a login.
        let (redactor, now) = (called.redactor(), SystemTime::now());
        if response.status.is_success() {
            return quota::read(called.dialect, &body, &called.currency, now, &redactor).map_err(unsaid);
        }
        let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let status = response.status.as_u16();
        let refused = Refused { status, content_type: kind, retry_after: None, now, body: &body };
        Err(Classifier::new(called.dialect, redactor).classify(&refused))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
