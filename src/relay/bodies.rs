//! A client's request in each face that a target speaks: its own as it came, another one translated once.

use std::sync::{Arc, OnceLock};

use super::plan::Target;
use crate::catalog::ThinkingLevel;
use crate::dialect::rewrite::{Begun, Rewritten};
use crate::failure::{Failure, Reason};
use crate::wire::face::Face;
use crate::wire::held::Held;
use crate::wire::request::RequestBody;

/// See the module.
pub struct Bodies {
    own: RequestBody,
    translated: [OnceLock<Result<Translation, Failure>>; Face::ALL.len()],
    held: Arc<Held>,
    /// What all bodies may hold together, in bytes.
    limit: usize,
}

/// The request in a face that is not its own.
struct Translation {
    body: RequestBody,
    dropped: Vec<&'static str>,
}

/// A request as one target takes it.
pub struct Prepared<'b> {
    /// In the target's face; the edits are to be applied to its text.
    pub body: &'b RequestBody,
    /// What the dialect made of it.
    pub rewritten: Rewritten,
    /// What the translation could not carry, by the names of its table; empty where the face is the client's own.
    pub dropped: &'b [&'static str],
}

impl Bodies {
    /// Of this request; what is translated counts as held, where all together may hold `limit` bytes.
    #[must_use]
    pub fn new(own: RequestBody, held: Arc<Held>, limit: usize) -> Self {
        Self { own, translated: Default::default(), held, limit }
    }

    /// The request as it came.
    #[must_use]
    pub const fn own(&self) -> &RequestBody {
        &self.own
    }

    /// The request as this target takes it.
    ///
    /// # Errors
    /// When it cannot be said in the target's face, or breaks a rule of the provider that no rewrite can mend.
    pub fn prepare(&self, target: &Target, thinking: Option<ThinkingLevel>) -> Result<Prepared<'_>, Failure> {
        let (body, dropped) = self.in_face(target.face)?;
        Ok(self.prepared(body, dropped, target.rewrite(body, thinking)?))
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
        let (body, dropped) = self.in_face(target.face)?;
        Ok(target.go_on(body, thinking, begun)?.map(|rewritten| self.prepared(body, dropped, rewritten)))
    }

    fn prepared<'b>(
        &self,
        body: &'b RequestBody,
        dropped: &'b [&'static str],
        mut rewritten: Rewritten,
    ) -> Prepared<'b> {
        // What a client of another face gets to see of the usage is for the translation to say.
        rewritten.answer.hide_usage &= body.face == self.own.face;
        Prepared { body, rewritten, dropped }
    }

    /// The request in a face, and what of it could not be carried there.
    pub(super) fn in_face(&self, face: Face) -> Result<(&RequestBody, &[&'static str]), Failure> {
        if face == self.own.face {
            return Ok((&self.own, &[]));
        }
        let place = Face::ALL.iter().position(|known| *known == face);
        let Some(cell) = place.and_then(|place| self.translated.get(place)) else {
            return Err(Failure::new(Reason::Server, "a face without a place"));
        };
        match cell.get_or_init(|| self.translate(face)) {
            Ok(translation) => Ok((&translation.body, &translation.dropped)),
            Err(failure) => Err(failure.clone()),
        }
    }

    fn translate(&self, face: Face) -> Result<Translation, Failure> {
        let _ = (&self.held, self.limit);
        let why = format!("a request in {} is not translated into {} yet", self.own.face.api(), face.api());
        Err(Failure { provider_rule: true, ..Failure::new(Reason::BadRequest, why) })
    }
}
