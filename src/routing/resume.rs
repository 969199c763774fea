//! Who goes on with an answer that broke off, and with what request.

use tokio::time::Instant;

use super::attempt::{Opened, Run};
use super::continuation::{Broken, Guard, Reach, Spent, Terms, Through, may_go_on, same_may_go_on};
use super::plan::{Planned, Target};
use crate::failure::Failure;
use crate::provider::rewrite::Begun;

/// What became of an answer that broke off.
pub(super) enum Resumed {
    /// This target goes on.
    By(Box<Opened>),
    /// The client's output limit is used up.
    AtItsLimit,
    /// It ends here.
    Nowhere,
}

impl Run {
    /// What stands over a stream of this target, so that it can go on if it breaks. It reads what the client is to get.
    pub(super) fn guard(&self, target: &Target) -> Through {
        let guarded = || {
            let terms = Terms::of(self.bodies.own(), &target.model.params)?;
            let could = |planned: &&Planned| planned.skipped.is_none();
            let reach = Reach {
                afresh: self.after(target).any(|planned| could(&planned)),
                from_text: target.takes_prefill()
                    || self.after(target).filter(could).any(|planned| planned.target.takes_prefill()),
            };
            (reach.afresh || reach.from_text)
                .then(|| Guard::new(self.request.face, terms, reach, self.room()))
        };
        match self.settings.failover.continue_mid_stream.then(guarded).flatten() {
            Some(guard) => Through::Guard(Box::new(guard)),
            None => Through::Nothing,
        }
    }

    /// Asks for the rest of an answer: without text the next targets, with text the same one first where only the way
    /// to it failed; each once.
    pub(super) async fn resume(
        &self,
        target: &Target,
        failure: &Failure,
        broken: &Broken,
        spent: &Spent,
    ) -> Resumed {
        let text = broken.prefill();
        if !may_go_on(failure) {
            return Resumed::Nowhere;
        }
        // Without text there is nothing to go on from: it is asked as it is for any answer.
        let asked = |target: &Target| if text.is_empty() { Some(target.clone()) } else { target.going_on() };
        let same = !text.is_empty() && same_may_go_on(failure);
        let again = same.then(|| asked(target)).flatten().map(|target| (target, true));
        let next = self.after(target).filter_map(|planned| Some((planned, asked(&planned.target)?)));
        let next = next.filter_map(|(planned, target)| self.worth(planned).then_some((target, false)));
        for (target, anyway) in again.into_iter().chain(next) {
            let begun = Begun { text, used: spent.output() };
            let reference = target.name.clone();
            let prepared = match self.bodies.prepare_rest(&target, self.settings.thinking_default, &begun) {
                Ok(Some(prepared)) => prepared,
                Ok(None) => return Resumed::AtItsLimit,
                Err(failure) => {
                    self.failed(&reference, Instant::now(), failure);
                    continue;
                }
            };
            match self.try_prepared(&target, &prepared, 1, anyway).await {
                Ok(opened) => return Resumed::By(opened),
                Err(Some(failure)) if failure.out_of_time => break,
                Err(_) => {}
            }
        }
        Resumed::Nowhere
    }

    /// Whether a target may be asked; where not, that is recorded.
    fn worth(&self, planned: &Planned) -> bool {
        if let Some((skip, why)) = &planned.skipped {
            self.passed_over(&planned.target, *skip, why);
        }
        planned.skipped.is_none()
    }

    /// The targets that come after this one.
    fn after(&self, target: &Target) -> impl Iterator<Item = &Planned> {
        let is_it = |planned: &Planned| {
            planned.target.reference == target.reference && planned.target.key_index == target.key_index
        };
        let place = self.plan.targets.iter().position(is_it).map_or(0, |place| place + 1);
        let considered = if self.request.first_target_only { 0 } else { self.plan.targets.len() };
        self.plan.targets.iter().take(considered).skip(place)
    }
}
