//! Owns the execution of a fallback chain: target after target until one responds, with hedging when a target
//! is silent. All of it is one future: dropping it cancels every attempt.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant, timeout_at};

use super::attempt::{AnswerContent, OpenAnswer, RequestExecution};
use super::headers;
use super::plan::PlannedTarget;
use super::request::{Answer, RequestError};
use super::target::Target;
use crate::failure::{Failure, Reason};
use crate::record::{AttemptOutcome, SkipReason};
use crate::state::ShutdownPhase;

/// Concurrent attempts: one, and one hedge, which costs extra.
const MAX_CONCURRENT_ATTEMPTS: usize = 2;

/// A target's failure, shown to the client if no target responds.
struct FailedTarget<'r> {
    /// The lowest is shown: an invalid request takes precedence (`false`), then the first target of the chain.
    rank: (bool, usize),
    target: &'r Target,
    failure: Failure,
}

struct ChainExecutor<'r> {
    execution: &'r RequestExecution,
    remaining: std::iter::Enumerate<std::slice::Iter<'r, PlannedTarget>>,
    /// Targets being tried: their positions in the chain, and when the attempts began.
    in_flight: Vec<(usize, Instant)>,
    failure_to_report: Option<FailedTarget<'r>>,
    /// No further target will be tried.
    is_closed: bool,
}

impl RequestExecution {
    /// Handles a request that is not streamed, unless the process ends first.
    pub(super) async fn answer_whole(self) -> Result<Answer, RequestError> {
        let mut shutdown = self.state.watch_shutdown();
        let answer = tokio::select! {
            biased;
            answer = self.execute_chain() => answer?,
            () = shutdown.wait_for(ShutdownPhase::Interrupting) => return Err(self.interrupt()),
        };
        let AnswerContent::Complete(body, meter) = answer.content else {
            let failure = Failure::new(Reason::Server, "the target sent a stream");
            return Err(self.fail_request(failure, answer.target.name));
        };
        self.tracker.record_usage(meter.usage);
        self.tracker.record().client_disconnected = false;
        let (attempts, losses) = (self.tracker.attempts(), self.tracker.losses());
        Ok(Answer::Complete { body, model: answer.target.name, attempts, losses, headers: answer.headers })
    }

    /// The process is shutting down. The attempt causes no cooldown.
    pub(super) fn interrupt(&self) -> RequestError {
        self.tracker.fail(Reason::Server);
        RequestError::ShuttingDown { attempts: self.tracker.attempts() }
    }

    pub(super) async fn execute_chain(&self) -> Result<Box<OpenAnswer>, RequestError> {
        let targets = self.plan.considered_targets(&self.request);
        let mut executor = ChainExecutor {
            execution: self,
            remaining: targets.iter().enumerate(),
            in_flight: Vec::new(),
            failure_to_report: None,
            is_closed: false,
        };
        if let Some(opened) = executor.run().await {
            return Ok(opened);
        }
        // When every usable target is in cooldown, the one whose cooldown ends first is tried once anyway. A
        // user whose network was down for a moment must not wait for a cooldown.
        if executor.failure_to_report.is_none()
            && let Some(target) = self.find_earliest_available(targets)
        {
            match self.try_target(target, true).await {
                Ok(opened) => return Ok(opened),
                Err(failure) => {
                    let failed = |failure| FailedTarget { rank: (true, 0), target, failure };
                    executor.failure_to_report = failure.map(failed);
                }
            }
        }
        Err(match executor.failure_to_report {
            Some(FailedTarget { target, failure, .. }) => self.fail_request(failure, target.name.clone()),
            None => {
                let attempts = self.tracker.attempts();
                let reason = attempts.iter().find_map(|attempt| match attempt.outcome {
                    AttemptOutcome::Skipped(skip) => Some(skip.failure_reason()),
                    _ => None,
                });
                self.tracker.fail(reason.unwrap_or(Reason::Server));
                RequestError::NoUsableTarget { attempts }
            }
        })
    }

    fn find_earliest_available<'p>(&self, targets: &'p [PlannedTarget]) -> Option<&'p Target> {
        let user_agent = headers::user_agent(&self.request.headers);
        let is_usable = |planned: &&PlannedTarget| {
            matches!(planned.skip_reason, None | Some((SkipReason::InCooldown(_), _)))
        };
        let cooldown_end = |planned: &'p PlannedTarget| {
            Some((self.state.find_cooldown(planned.target.identity(), user_agent)?.until, &planned.target))
        };
        let in_cooldown = targets.iter().filter(is_usable).filter_map(cooldown_end);
        in_cooldown.min_by_key(|(until, _)| *until).map(|(_, target)| target)
    }

    pub(super) fn fail_request(&self, failure: Failure, reference: String) -> RequestError {
        self.tracker.fail(failure.reason);
        RequestError::AttemptsFailed { failure, reference, attempts: self.tracker.attempts() }
    }
}

impl<'r> ChainExecutor<'r> {
    /// Tries targets until one responds or none is left. Returning drops the attempts that are still running.
    async fn run(&mut self) -> Option<Box<OpenAnswer>> {
        let execution = self.execution;
        let mut calls = FuturesUnordered::new();
        loop {
            if let Some((position, target)) = self.next_target() {
                self.in_flight.push((position, Instant::now()));
                calls.push(async move { (position, target, execution.try_target(target, false).await) });
            }
            let Ok(ended) = timeout_at(self.hedge_at(), calls.next()).await else { continue };
            match ended? {
                (_, _, Ok(opened)) => return Some(opened),
                (position, target, Err(failure)) => {
                    self.in_flight.retain(|(active, _)| *active != position);
                    if let Some(failure) = failure {
                        self.record_failure(position, target, failure);
                    }
                }
            }
            if self.is_decided() {
                return None;
            }
        }
    }

    fn next_target(&mut self) -> Option<(usize, &'r Target)> {
        if self.is_closed || (!self.in_flight.is_empty() && Instant::now() < self.hedge_at()) {
            return None;
        }
        for (position, planned) in self.remaining.by_ref() {
            match &planned.skip_reason {
                Some((skip, why)) => self.execution.record_skip(&planned.target, *skip, why),
                None => return Some((position, &planned.target)),
            }
        }
        self.is_closed = true;
        None
    }

    /// The time of the next hedge; far in the future if there is none.
    fn hedge_at(&self) -> Instant {
        const NEVER: Duration = Duration::from_hours(24 * 365);
        let hedge = self.execution.settings.failover.hedge_after.filter(|_| !self.is_closed);
        match (self.in_flight.as_slice(), hedge) {
            ([.., (_, since)], Some(hedge)) if self.in_flight.len() < MAX_CONCURRENT_ATTEMPTS => {
                *since + hedge
            }
            _ => Instant::now() + NEVER,
        }
    }

    /// Keeps the failure that the client will see if no target responds.
    fn record_failure(&mut self, position: usize, target: &'r Target, failure: Failure) {
        let allows_failover = failure.allows_failover();
        let rank = (allows_failover, position);
        self.is_closed |= !allows_failover || failure.is_gateway_limit || self.execution.is_past_deadline();
        if self.failure_to_report.as_ref().is_none_or(|before| rank < before.rank) {
            self.failure_to_report = Some(FailedTarget { rank, target, failure });
        }
    }

    /// Whether the request is invalid, and no earlier target of the chain is still being tried.
    fn is_decided(&self) -> bool {
        self.failure_to_report.as_ref().is_some_and(
            |FailedTarget { rank: (allows_failover, failed), .. }| {
                !allows_failover && self.in_flight.iter().all(|(position, _)| position > failed)
            },
        )
    }
}
