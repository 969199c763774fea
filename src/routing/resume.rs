//! Owns the choice of the target that continues an interrupted response, and the continuation request.

use tokio::time::Instant;

use super::attempt::{OpenAnswer, RequestExecution};
use super::continuation::{
    Continuation, ContinuationSupport, Interrupted, InterruptedUsage, ResumeBuffer, ResumeConditions,
    may_continue, may_continue_on_same_target,
};
use super::plan::{PlannedTarget, Target};
use crate::failure::Failure;
use crate::provider::rewrite::PartialAnswer;

/// The result of an interruption.
pub(super) enum ResumeOutcome {
    /// This target continues.
    Continued(Box<OpenAnswer>),
    /// The client's output limit is used up.
    LimitReached,
    /// The response ends here.
    Failed,
}

impl RequestExecution {
    /// Creates the buffer of a stream of this target, so that it can be continued. It reads the events that the
    /// client will get.
    pub(super) fn new_continuation(&self, target: &Target) -> Continuation {
        let guarded = || {
            let terms = ResumeConditions::from_request(self.bodies.client_body(), &target.model.params)?;
            let could = |planned: &&PlannedTarget| planned.skip_reason.is_none();
            let reach = ContinuationSupport {
                can_restart: self.targets_after(target).any(|planned| could(&planned)),
                can_prefill: target.supports_prefill()
                    || self
                        .targets_after(target)
                        .filter(could)
                        .any(|planned| planned.target.supports_prefill()),
            };
            (reach.can_restart || reach.can_prefill)
                .then(|| ResumeBuffer::new(self.request.api, terms, reach, self.new_reservation()))
        };
        match self.settings.failover.continues_interrupted_streams.then(guarded).flatten() {
            Some(guard) => Continuation::Buffering(Box::new(guard)),
            None => Continuation::Disabled,
        }
    }

    /// Requests the continuation of a response. Without text, the next targets are tried. With text, the same
    /// target is tried first if only the network path to it failed. Each target is tried once.
    pub(super) async fn resume_answer(
        &self,
        target: &Target,
        failure: &Failure,
        broken: &Interrupted,
        spent: &InterruptedUsage,
    ) -> ResumeOutcome {
        let text = broken.prefill();
        if !may_continue(failure) {
            return ResumeOutcome::Failed;
        }
        // Without text there is nothing to continue: the request is sent as for any response.
        let asked =
            |target: &Target| if text.is_empty() { Some(target.clone()) } else { target.for_continuation() };
        let same = !text.is_empty() && may_continue_on_same_target(failure);
        let again = same.then(|| asked(target)).flatten().map(|target| (target, true));
        let next = self.targets_after(target).filter_map(|planned| Some((planned, asked(&planned.target)?)));
        let next =
            next.filter_map(|(planned, target)| self.check_not_skipped(planned).then_some((target, false)));
        for (target, anyway) in again.into_iter().chain(next) {
            let begun = PartialAnswer { text, output_tokens: spent.counted_output_tokens() };
            let reference = target.name.clone();
            let prepared =
                match self.bodies.prepare_continuation(&target, self.settings.default_thinking, &begun) {
                    Ok(Some(prepared)) => prepared,
                    Ok(None) => return ResumeOutcome::LimitReached,
                    Err(failure) => {
                        self.record_failure(&reference, Instant::now(), failure);
                        continue;
                    }
                };
            match self.try_prepared(&target, &prepared, 1, anyway).await {
                Ok(opened) => return ResumeOutcome::Continued(opened),
                Err(Some(failure)) if failure.is_gateway_limit => break,
                Err(_) => {}
            }
        }
        ResumeOutcome::Failed
    }

    /// Whether a target may be tried; if not, the reason is recorded.
    fn check_not_skipped(&self, planned: &PlannedTarget) -> bool {
        if let Some((skip, why)) = &planned.skip_reason {
            self.record_skip(&planned.target, *skip, why);
        }
        planned.skip_reason.is_none()
    }

    /// The targets after this one.
    fn targets_after(&self, target: &Target) -> impl Iterator<Item = &PlannedTarget> {
        let is_it = |planned: &PlannedTarget| {
            planned.target.reference == target.reference && planned.target.key_index == target.key_index
        };
        let place = self.plan.targets.iter().position(is_it).map_or(0, |place| place + 1);
        let considered = if self.request.is_fallback_disabled { 0 } else { self.plan.targets.len() };
        self.plan.targets.iter().take(considered).skip(place)
    }
}
