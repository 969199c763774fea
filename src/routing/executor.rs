//! Target after target until one answers; where the one that is asked stays silent, the next one beside it.
//!
//! All of it is one future: what is dropped with it is cancelled.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant, timeout_at};

use super::attempt::{OpenAnswer, RequestExecution};
use super::plan::{PlannedTarget, Target};
use super::{RequestError, headers};
use crate::failure::{Failure, Reason};
use crate::record::{Attempt, AttemptOutcome, SkipReason};

/// How many targets are asked at the same time: one, and one beside it that is paid for twice.
const MAX_CONCURRENT_ATTEMPTS: usize = 2;

/// A target's failure, to be shown if nobody answers.
struct FailedTarget<'r> {
    position: usize,
    target: &'r Target,
    failure: Failure,
}

impl FailedTarget<'_> {
    /// A request that is simply wrong comes before everything; then the first target of the chain has the word.
    const fn rank(&self) -> (bool, usize) {
        (self.failure.allows_failover(), self.position)
    }
}

/// The targets of one request, on their way.
struct ChainExecutor<'r> {
    execution: &'r RequestExecution,
    /// Not asked yet.
    remaining: std::iter::Enumerate<std::slice::Iter<'r, PlannedTarget>>,
    /// Being asked: their places in the chain, and since when.
    in_flight: Vec<(usize, Instant)>,
    /// The failure to show.
    failure_to_report: Option<FailedTarget<'r>>,
    /// Nobody else will be asked.
    is_closed: bool,
}

impl RequestExecution {
    /// The first target that answers.
    pub(super) async fn execute_chain(&self) -> Result<Box<OpenAnswer>, RequestError> {
        let considered = if self.request.is_fallback_disabled { 1 } else { self.plan.targets.len() };
        let targets = self.plan.targets.get(..considered).unwrap_or(&self.plan.targets);
        let waiting = targets.iter().enumerate();
        let mut course = ChainExecutor {
            execution: self,
            remaining: waiting,
            in_flight: Vec::new(),
            failure_to_report: None,
            is_closed: false,
        };
        if let Some(opened) = course.run().await {
            return Ok(opened);
        }
        // When all that could serve rest, the one whose rest ends first is tried all the same, once: a person whose
        // network was gone for a moment shall not wait for a clock of ours.
        if course.failure_to_report.is_none()
            && let Some(target) = self.find_earliest_available(targets)
        {
            match self.try_target(target, true).await {
                Ok(opened) => return Ok(opened),
                Err(None) => {}
                Err(Some(failure)) => {
                    course.failure_to_report = Some(FailedTarget { position: 0, target, failure })
                }
            }
        }
        Err(match course.failure_to_report {
            Some(FailedTarget { target, failure, .. }) => self.fail_request(failure, target.name.clone()),
            None => self.fail_without_attempt(),
        })
    }

    /// Of the targets that could serve, the one whose rest ends first.
    fn find_earliest_available<'p>(&self, targets: &'p [PlannedTarget]) -> Option<&'p Target> {
        let user_agent = headers::user_agent(&self.request.headers);
        let fits = |planned: &&PlannedTarget| {
            matches!(planned.skip_reason, None | Some((SkipReason::InCooldown(_), _)))
        };
        let rest = |planned: &'p PlannedTarget| {
            Some((self.state.find_cooldown(&planned.target, user_agent)?.until, &planned.target))
        };
        let resting = targets.iter().filter(fits).filter_map(rest);
        resting.min_by_key(|(until, _)| *until).map(|(_, target)| target)
    }

    /// No target was tried.
    fn fail_without_attempt(&self) -> RequestError {
        let attempts = self.tracker.attempts();
        let reason = attempts.iter().find_map(|attempt| match attempt.outcome {
            AttemptOutcome::Skipped(skip) => Some(skip.failure_reason()),
            AttemptOutcome::Ok | AttemptOutcome::Failed(_) | AttemptOutcome::Cancelled => None,
        });
        self.tracker.mark_failed(reason.unwrap_or(Reason::Server));
        self.tracker.mark_finished();
        RequestError::NoUsableTarget { attempts }
    }

    pub(super) fn fail_request(&self, failure: Failure, reference: String) -> RequestError {
        self.tracker.mark_failed(failure.reason);
        self.tracker.mark_finished();
        RequestError::AttemptsFailed { failure, reference, attempts: self.tracker.attempts() }
    }

    pub(super) fn record_skip(&self, target: &Target, skip: SkipReason, why: &str) {
        self.tracker.add_attempt(Attempt {
            reference: target.name.clone(),
            outcome: AttemptOutcome::Skipped(skip),
            detail: why.to_owned(),
            timeout: None,
            start_offset: self.tracker.offset_of(Instant::now()),
            duration: Duration::ZERO,
            usage: None,
            cost: None,
        });
    }
}

impl<'r> ChainExecutor<'r> {
    /// Asks until one answers or nobody is left. Returning drops whoever is still being asked.
    async fn run(&mut self) -> Option<Box<OpenAnswer>> {
        let run = self.execution;
        if run.settings.failover.hedge_after.is_none() {
            return self.run_sequentially().await;
        }
        let mut calls = FuturesUnordered::new();
        loop {
            if let Some((place, target)) = self.next_target() {
                self.in_flight.push((place, Instant::now()));
                calls.push(async move { (place, target, run.try_target(target, false).await) });
            }
            let Ok(ended) = timeout_at(self.hedge_at(), calls.next()).await else { continue };
            match ended? {
                (_, _, Ok(opened)) => return Some(opened),
                (place, target, Err(failure)) => {
                    self.in_flight.retain(|(asked, _)| *asked != place);
                    if let Some(failure) = failure {
                        self.record_failure(FailedTarget { position: place, target, failure });
                    }
                }
            }
            if self.is_decided() {
                return None;
            }
        }
    }

    /// As [`Self::first`], where nobody is asked beside another.
    async fn run_sequentially(&mut self) -> Option<Box<OpenAnswer>> {
        while let Some((place, target)) = self.next_target() {
            match self.execution.try_target(target, false).await {
                Ok(opened) => return Some(opened),
                Err(Some(failure)) => self.record_failure(FailedTarget { position: place, target, failure }),
                Err(None) => {}
            }
            if self.is_decided() {
                break;
            }
        }
        None
    }

    /// The next target that may serve, when it is time to ask one.
    fn next_target(&mut self) -> Option<(usize, &'r Target)> {
        if self.is_closed || (!self.in_flight.is_empty() && Instant::now() < self.hedge_at()) {
            return None;
        }
        for (place, planned) in self.remaining.by_ref() {
            match &planned.skip_reason {
                Some((skip, why)) => self.execution.record_skip(&planned.target, *skip, why),
                None => return Some((place, &planned.target)),
            }
        }
        self.is_closed = true;
        None
    }

    /// When another target is to be asked beside the one that is silent; far away where none is.
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

    /// Keeps what the client will see if nobody answers.
    fn record_failure(&mut self, ended: FailedTarget<'r>) {
        self.is_closed |= !ended.failure.allows_failover()
            || ended.failure.is_gateway_limit
            || self.execution.is_past_deadline();
        if self.failure_to_report.as_ref().is_none_or(|before| ended.rank() < before.rank()) {
            self.failure_to_report = Some(ended);
        }
    }

    /// The request is wrong, and nobody before the one who said so is still at work on it.
    fn is_decided(&self) -> bool {
        self.failure_to_report.as_ref().is_some_and(|ended| {
            !ended.failure.allows_failover()
                && self.in_flight.iter().all(|(place, _)| *place > ended.position)
        })
    }
}
