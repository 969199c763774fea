//! Who goes on with an answer that broke off, and with what request.

use tokio::time::Instant;

use super::attempt::{Opened, Run};
use super::continuation::{Broken, Guard, Reach, Spent, Terms, Through, may_go_on, same_may_go_on};
use super::plan::{Planned, Target};
use crate::dialect::rewrite::Begun;
use crate::failure::Failure;
use crate::wire::face::Face;

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
    /// What stands over a stream of this target, so that it can go on if it breaks. It reads chat events, whatever the
    /// target speaks; the answers of clients of other faces end where they break.
    pub(super) fn guard(&self, target: &Target) -> Through {
        let guarded = || {
            let terms = Terms::of(self.bodies.own(), &target.model.params)?;
            let could = |planned: &&Planned| planned.skipped.is_none();
            let reach = Reach {
                afresh: self.after(target).any(|planned| could(&planned)),
                from_text: target.takes_prefill()
                    || self.after(target).filter(could).any(|planned| planned.target.takes_prefill()),
            };
            (reach.afresh || reach.from_text).then(|| Guard::new(terms, reach, self.room()))
        };
        let reads = self.settings.failover.continue_mid_stream && self.request.face == Face::Chat;
        match reads.then(guarded).flatten() {
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
        let suits = |target: &Target| text.is_empty() || target.takes_prefill();
        let same = !text.is_empty() && same_may_go_on(failure) && target.takes_prefill();
        let next = self.after(target).filter(|planned| suits(&planned.target));
        let again = same.then_some((target, true));
        let candidates = again.into_iter().chain(next.filter_map(|planned| self.worth(planned)));
        for (target, anyway) in candidates {
            let begun = Begun { text, used: spent.output() };
            let reference = target.reference.to_string();
            let prepared = match self.bodies.prepare_rest(target, self.settings.thinking_default, &begun) {
                Ok(Some(prepared)) => prepared,
                Ok(None) => return Resumed::AtItsLimit,
                Err(failure) => {
                    self.failed(&reference, Instant::now(), failure);
                    continue;
                }
            };
            match self.try_prepared(target, &prepared, 1, anyway).await {
                Ok(opened) => return Resumed::By(Box::new(opened)),
                Err(Some(failure)) if failure.out_of_time => break,
                Err(_) => {}
            }
        }
        Resumed::Nowhere
    }

    /// A target that may be asked; the others are recorded.
    fn worth<'p>(&self, planned: &'p Planned) -> Option<(&'p Target, bool)> {
        if let Some((skip, why)) = &planned.skipped {
            self.passed_over(&planned.target, *skip, why);
            return None;
        }
        Some((&planned.target, false))
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
