//! A client's request in each face that a target speaks: its own as it came, another one translated once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::count::prompt_of;
use super::held;
use super::plan::Target;
use crate::catalog::ThinkingLevel;
use crate::config::settings::ProviderModel;
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::protocol::held::Held;
use crate::protocol::request::RequestBody;
use crate::protocol::translate::{self, Translated};
use crate::provider::rewrite::{Begun, Rewritten};

/// See the module.
pub struct Bodies {
    own: RequestBody,
    prompt: OnceLock<u64>,
    translated: Mutex<Vec<(Form, Made)>>,
    held: Arc<Held>,
    /// What all bodies may hold together, in bytes.
    limit: usize,
}

/// What came of a translation.
type Made = Result<Arc<Translation>, Failure>;

/// What a translation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    face: Face,
    /// The largest answer to ask for, which the Messages face has to name where the client did not.
    max_tokens: Option<u64>,
}

/// The request in a face that is not its own.
#[derive(Debug)]
pub struct Translation {
    body: RequestBody,
    dropped: Vec<&'static str>,
    namespaced: BTreeMap<String, (String, String)>,
}

/// The request in one face.
#[derive(Clone, Debug)]
pub enum Said<'b> {
    /// As the client sent it.
    Own(&'b RequestBody),
    /// In another face.
    Translated(Arc<Translation>),
}

impl Said<'_> {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &RequestBody {
        match self {
            Self::Own(body) => body,
            Self::Translated(translation) => &translation.body,
        }
    }

    /// What the translation could not carry, by the names of its table.
    #[must_use]
    pub fn dropped(&self) -> &[&'static str] {
        match self {
            Self::Own(_) => &[],
            Self::Translated(translation) => &translation.dropped,
        }
    }

    /// Namespace and name of the tools that were sent under another name, by that.
    pub(super) fn namespaced(&self) -> Option<&BTreeMap<String, (String, String)>> {
        match self {
            Self::Own(_) => None,
            Self::Translated(translation) => Some(&translation.namespaced),
        }
    }

    /// Whether the face is not the client's.
    pub(super) const fn is_translated(&self) -> bool {
        matches!(self, Self::Translated(_))
    }
}

/// A request as one target takes it.
pub struct Prepared<'b> {
    /// In the target's face; the edits are to be applied to its text.
    pub said: Said<'b>,
    /// What the dialect made of it.
    pub rewritten: Rewritten,
}

impl Bodies {
    /// Of this request; what is translated counts as held, where all together may hold `limit` bytes.
    #[must_use]
    pub fn new(own: RequestBody, held: Arc<Held>, limit: usize) -> Self {
        Self { own, prompt: OnceLock::new(), translated: Mutex::default(), held, limit }
    }

    /// The request as it came.
    #[must_use]
    pub const fn own(&self) -> &RequestBody {
        &self.own
    }

    /// Its tokens as we count them, for attempts whose provider does not say.
    pub(super) fn prompt_tokens(&self) -> u64 {
        *self.prompt.get_or_init(|| prompt_of(&self.own))
    }

    /// The request as this target takes it.
    ///
    /// # Errors
    /// When it cannot be said in the target's face, or breaks a rule of the provider that no rewrite can mend.
    pub fn prepare(&self, target: &Target, thinking: Option<ThinkingLevel>) -> Result<Prepared<'_>, Failure> {
        let said = self.for_target(target)?;
        let rewritten = target.rewrite(said.body(), thinking)?;
        Ok(prepared(said, rewritten))
    }

    /// The request for the rest of an answer that broke off; `None` when the client's output limit is used up.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub(super) fn prepare_rest(
        &self,
        target: &Target,
        thinking: Option<ThinkingLevel>,
        begun: &Begun<'_>,
    ) -> Result<Option<Prepared<'_>>, Failure> {
        let said = self.for_target(target)?;
        let rewritten = target.go_on(said.body(), thinking, begun)?;
        Ok(rewritten.map(|rewritten| prepared(said, rewritten)))
    }

    /// The request in the face of a target.
    pub(super) fn for_target(&self, target: &Target) -> Result<Said<'_>, Failure> {
        let face = target.face;
        let max_tokens = (face == Face::Messages).then(|| largest_answer(&target.model));
        self.in_form(Form { face, max_tokens })
    }

    fn in_form(&self, form: Form) -> Result<Said<'_>, Failure> {
        if form.face == self.own.face {
            return Ok(Said::Own(&self.own));
        }
        // Nothing of one request runs beside itself, so nobody waits for this.
        let mut translated = self.translated.lock().unwrap_or_else(PoisonError::into_inner);
        let known = translated.iter().find(|(known, _)| *known == form).map(|(_, made)| made.clone());
        let made = known.unwrap_or_else(|| {
            let made = self.translate(form).map(Arc::new);
            translated.push((form, made.clone()));
            made
        });
        made.map(Said::Translated)
    }

    fn translate(&self, form: Form) -> Result<Translation, Failure> {
        let translated = translate::request(&self.own, form.face, form.max_tokens);
        let Translated { body, dropped, namespaced } = translated.map_err(|untranslatable| {
            // Another target may speak the client's face.
            let why = format!("it cannot be said in {}: {untranslatable}", form.face.api());
            Failure { provider_rule: true, ..Failure::new(Reason::BadRequest, why) }
        })?;
        let mut counted = self.held.body(self.limit);
        counted.push(&body).map_err(|_| held::full())?;
        let body = RequestBody::parse(form.face, counted.into_bytes())
            .map_err(|error| Failure::new(Reason::Server, format!("the translated request: {error}")))?;
        Ok(Translation { body, dropped, namespaced })
    }
}

/// No larger answer is asked for unless somebody says so, in tokens: what K3 writes at most by default (Moonshot's API
/// reference, 2026-09-23). Its rate limits charge what is asked for, not what comes.
const LARGEST_ANSWER: u64 = 131_072;

/// Where nobody knows the model's own limit, in tokens: what Claude Code and opencode ask for.
const USUAL_ANSWER: u64 = 32_000;

/// The output limit of requests whose client names none: that of the configuration's `params`, else the model's own as
/// far as it leaves room for a prompt in the window.
#[must_use]
pub fn largest_answer(model: &ProviderModel) -> u64 {
    let configured = ["max_completion_tokens", "max_tokens"].into_iter().find_map(|key| {
        model.params.get(key).and_then(serde_json::Value::as_u64).filter(|tokens| *tokens > 0)
    });
    let room = model.facts.context_window.map_or(u64::MAX, |window| (window / 2).max(1));
    let own = model.facts.max_tokens.map_or(USUAL_ANSWER, |most| most.min(LARGEST_ANSWER));
    configured.unwrap_or(own.min(room))
}

fn prepared(said: Said<'_>, mut rewritten: Rewritten) -> Prepared<'_> {
    // What a client of another face gets to see of the usage is for the translation to say.
    rewritten.answer.hide_usage &= !said.is_translated();
    Prepared { said, rewritten }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::Model;

    fn bodies(face: Face, value: &Value, held: &Arc<Held>, limit: usize) -> Bodies {
        let body = RequestBody::parse(face, value.to_string().into()).unwrap();
        Bodies::new(body, held.clone(), limit)
    }

    fn chat(bodies: &Bodies) -> Result<Said<'_>, Failure> {
        bodies.in_form(Form { face: Face::Chat, max_tokens: None })
    }

    #[test]
    fn a_face_is_translated_once_and_counts_as_held() {
        let held = Arc::new(Held::default());
        let request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let bodies = bodies(Face::Messages, &request, &held, 1 << 20);
        let (first, second) = (chat(&bodies).unwrap(), chat(&bodies).unwrap());
        assert_eq!(first.body().text.as_ptr(), second.body().text.as_ptr());
        assert!(first.is_translated() && held.bytes() >= first.body().text.len());
        let own = bodies.in_form(Form { face: Face::Messages, max_tokens: Some(1) }).unwrap();
        assert!(!own.is_translated());
        drop((first, second));
        drop(bodies);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn what_cannot_be_said_or_held_is_a_failure_that_another_target_may_mend_or_not() {
        let held = Arc::new(Held::default());
        let odd = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": 7}]});
        let refused = bodies(Face::Messages, &odd, &held, 1 << 20);
        let refused = chat(&refused).unwrap_err();
        assert!(refused.moves_on() && refused.reason == Reason::BadRequest, "{refused}");
        assert!(refused.message.contains("messages[0].content"), "{refused}");
        let request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let full = bodies(Face::Messages, &request, &held, 1);
        assert!(chat(&full).unwrap_err().out_of_time);
    }

    #[test]
    fn the_largest_answer_is_what_the_configuration_says_or_leaves_room_for_a_prompt() {
        let largest = |params: Value, max_tokens, context_window| {
            let facts = Model { max_tokens, context_window, ..Model::unknown("m") };
            let params = params.as_object().unwrap().clone();
            largest_answer(&ProviderModel { facts, headers: Vec::new(), params, configured: true })
        };
        assert_eq!(largest(json!({}), Some(1_048_576), Some(1_048_576)), 131_072);
        assert_eq!(largest(json!({}), Some(16_384), Some(16_384)), 8192);
        assert_eq!(largest(json!({}), Some(8192), None), 8192);
        assert_eq!(largest(json!({}), None, Some(8192)), 4096);
        assert_eq!(largest(json!({}), None, None), 32_000);
        assert_eq!(largest(json!({"max_tokens": 500}), Some(8192), None), 500);
    }
}
