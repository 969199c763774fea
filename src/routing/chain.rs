//! Target after target until one answers; where the one that is asked stays silent, the next one beside it.
//!
//! All of it is one future: what is dropped with it is cancelled.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant, timeout_at};

use super::attempt::{Opened, Run};
use super::plan::{Planned, Target};
use super::{Refusal, headers};
use crate::failure::{Failure, Reason};
use crate::record::{Attempt, Outcome, Skip};

/// How many targets are asked at the same time: one, and one beside it that is paid for twice.
const AT_ONCE: usize = 2;

/// A target's failure, to be shown if nobody answers.
struct Ended<'r> {
    place: usize,
    target: &'r Target,
    failure: Failure,
}

impl Ended<'_> {
    /// A request that is simply wrong comes before everything; then the first target of the chain has the word.
    const fn rank(&self) -> (bool, usize) {
        (self.failure.moves_on(), self.place)
    }
}

/// The targets of one request, on their way.
struct Course<'r> {
    run: &'r Run,
    /// Not asked yet.
    waiting: std::iter::Enumerate<std::slice::Iter<'r, Planned>>,
    /// Being asked: their places in the chain, and since when.
    asked: Vec<(usize, Instant)>,
    /// The failure to show.
    ended: Option<Ended<'r>>,
    /// Nobody else will be asked.
    closed: bool,
}

impl Run {
    /// The first target that answers.
    pub(super) async fn first_answer(&self) -> Result<Box<Opened>, Refusal> {
        let considered = if self.request.first_target_only { 1 } else { self.plan.targets.len() };
        let targets = self.plan.targets.get(..considered).unwrap_or(&self.plan.targets);
        let waiting = targets.iter().enumerate();
        let mut course = Course { run: self, waiting, asked: Vec::new(), ended: None, closed: false };
        if let Some(opened) = course.first().await {
            return Ok(opened);
        }
        // When all that could serve rest, the one whose rest ends first is tried all the same, once: a person whose
        // network was gone for a moment shall not wait for a clock of ours.
        if course.ended.is_none()
            && let Some(target) = self.soonest(targets)
        {
            match self.try_target(target, true).await {
                Ok(opened) => return Ok(opened),
                Err(None) => {}
                Err(Some(failure)) => course.ended = Some(Ended { place: 0, target, failure }),
            }
        }
        Err(match course.ended {
            Some(Ended { target, failure, .. }) => self.refused(failure, target.name.clone()),
            None => self.unservable(),
        })
    }

    /// Of the targets that could serve, the one whose rest ends first.
    fn soonest<'p>(&self, targets: &'p [Planned]) -> Option<&'p Target> {
        let user_agent = headers::user_agent(&self.request.headers);
        let fits = |planned: &&Planned| matches!(planned.skipped, None | Some((Skip::CoolingDown(_), _)));
        let rest = |planned: &'p Planned| {
            Some((self.state.resting(&planned.target, user_agent)?.until, &planned.target))
        };
        let resting = targets.iter().filter(fits).filter_map(rest);
        resting.min_by_key(|(until, _)| *until).map(|(_, target)| target)
    }

    /// No target was tried.
    fn unservable(&self) -> Refusal {
        let attempts = self.track.attempts();
        let reason = attempts.iter().find_map(|attempt| match attempt.outcome {
            Outcome::Skipped(skip) => Some(skip.reason()),
            Outcome::Ok | Outcome::Failed(_) | Outcome::Cancelled => None,
        });
        self.track.failed(reason.unwrap_or(Reason::Server));
        self.track.finished();
        Refusal::Unservable { attempts }
    }

    pub(super) fn refused(&self, failure: Failure, reference: String) -> Refusal {
        self.track.failed(failure.reason);
        self.track.finished();
        Refusal::Failed { failure, reference, attempts: self.track.attempts() }
    }

    pub(super) fn passed_over(&self, target: &Target, skip: Skip, why: &str) {
        self.track.attempt(Attempt {
            reference: target.name.clone(),
            outcome: Outcome::Skipped(skip),
            detail: why.to_owned(),
            timeout: None,
            began: self.track.since(Instant::now()),
            took: Duration::ZERO,
            usage: None,
            bill: None,
        });
    }
}

impl<'r> Course<'r> {
    /// Asks until one answers or nobody is left. Returning drops whoever is still being asked.
    async fn first(&mut self) -> Option<Box<Opened>> {
        let run = self.run;
        if run.settings.failover.hedge_after.is_none() {
            return self.one_by_one().await;
        }
        let mut calls = FuturesUnordered::new();
        loop {
            if let Some((place, target)) = self.next_to_ask() {
                self.asked.push((place, Instant::now()));
                calls.push(async move { (place, target, run.try_target(target, false).await) });
            }
            let Ok(ended) = timeout_at(self.silent_for_too_long_at(), calls.next()).await else { continue };
            match ended? {
                (_, _, Ok(opened)) => return Some(opened),
                (place, target, Err(failure)) => {
                    self.asked.retain(|(asked, _)| *asked != place);
                    if let Some(failure) = failure {
                        self.note(Ended { place, target, failure });
                    }
                }
            }
            if self.is_settled() {
                return None;
            }
        }
    }

    /// As [`Self::first`], where nobody is asked beside another.
    async fn one_by_one(&mut self) -> Option<Box<Opened>> {
        while let Some((place, target)) = self.next_to_ask() {
            match self.run.try_target(target, false).await {
                Ok(opened) => return Some(opened),
                Err(Some(failure)) => self.note(Ended { place, target, failure }),
                Err(None) => {}
            }
            if self.is_settled() {
                break;
            }
        }
        None
    }

    /// The next target that may serve, when it is time to ask one.
    fn next_to_ask(&mut self) -> Option<(usize, &'r Target)> {
        if self.closed || (!self.asked.is_empty() && Instant::now() < self.silent_for_too_long_at()) {
            return None;
        }
        for (place, planned) in self.waiting.by_ref() {
            match &planned.skipped {
                Some((skip, why)) => self.run.passed_over(&planned.target, *skip, why),
                None => return Some((place, &planned.target)),
            }
        }
        self.closed = true;
        None
    }

    /// When another target is to be asked beside the one that is silent; far away where none is.
    fn silent_for_too_long_at(&self) -> Instant {
        const NEVER: Duration = Duration::from_hours(24 * 365);
        let hedge = self.run.settings.failover.hedge_after.filter(|_| !self.closed);
        match (self.asked.as_slice(), hedge) {
            ([.., (_, since)], Some(hedge)) if self.asked.len() < AT_ONCE => *since + hedge,
            _ => Instant::now() + NEVER,
        }
    }

    /// Keeps what the client will see if nobody answers.
    fn note(&mut self, ended: Ended<'r>) {
        self.closed |= !ended.failure.moves_on() || ended.failure.out_of_time || self.run.is_late();
        if self.ended.as_ref().is_none_or(|before| ended.rank() < before.rank()) {
            self.ended = Some(ended);
        }
    }

    /// The request is wrong, and nobody before the one who said so is still at work on it.
    fn is_settled(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| {
            !ended.failure.moves_on() && self.asked.iter().all(|(place, _)| *place > ended.place)
        })
    }
}
