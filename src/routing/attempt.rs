//! One request's tries of one target, up to a whole answer or the first meaningful event.

use std::time::SystemTime;

use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use tokio::time::{Duration, Instant, sleep};

use super::bodies::{Bodies, Prepared, Said};
use super::clock::Clock;
use super::continuation::estimate_of;
use super::ending::Stage;
use super::fallen::Fallen;
use super::plan::{Plan, Target, resting};
use super::state::{Pass, State, Stay};
use super::stream::speech;
use super::track::Track;
use super::{Answer, ClientRequest, Refusal, headers, held};
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason, TimeoutKind};
use crate::policy::retry::{Limits, Next, decide};
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::translate::event::Event;
use crate::protocol::translate::whole;
use crate::protocol::usage::Usage;
use crate::provider::answer::{self, Meter, Step, StreamReader};
use crate::provider::classify::Refused;
use crate::provider::rewrite::AnswerPlan;
use crate::record::{Attempt, Outcome};
use crate::upstream::oauth::{Logins, Sent};
use crate::upstream::{ByteStream, Call, Response, read_capped, read_whole, retry_after};

/// Of a refusal's body this much is read: enough for every documented error, an HTML page included.
const REFUSAL_CAP: usize = 64 * 1024;
/// The head says already that it is a refusal; its words are worth this much waiting.
const REFUSAL_TIME: Duration = Duration::from_secs(5);
/// What is held back before the first meaningful event: role chunks and the like. Beyond, the stream counts as begun.
const HELD_EVENTS: usize = 64;
const HELD_BYTES: usize = 256 * 1024;

/// One request on its way.
pub(super) struct Run {
    pub(super) settings: std::sync::Arc<Settings>,
    pub(super) state: std::sync::Arc<State>,
    pub(super) logins: std::sync::Arc<Logins>,
    pub(super) request: ClientRequest,
    pub(super) bodies: Bodies,
    pub(super) plan: Plan,
    /// The conversation, where it stays with who answers it.
    pub(super) stay: Option<Stay>,
    pub(super) track: Track,
    pub(super) deadline: Option<Instant>,
}

/// An answer that has begun.
pub(super) struct Opened {
    pub(super) reference: String,
    pub(super) headers: http::HeaderMap,
    pub(super) content: Content,
    /// Who answers.
    pub(super) target: Target,
    /// The target's leave, for a stream that breaks later.
    pub(super) pass: Pass,
}

/// What has begun.
pub(super) enum Content {
    Whole(Segments, Meter),
    Stream(Box<OpenStream>),
}

/// A stream up to its first meaningful event.
pub(super) struct OpenStream {
    pub(super) reader: StreamReader,
    pub(super) bytes: ByteStream,
    /// Held back until now, in order.
    pub(super) held: Segments,
    pub(super) done: bool,
}

impl Run {
    /// Answers a request that is not streamed, unless the process ends first.
    pub(super) async fn whole_or_cut(self) -> Result<Answer, Refusal> {
        let mut ending = self.state.ending();
        tokio::select! {
            biased;
            answer = self.whole() => answer,
            () = ending.reached(Stage::Cut) => Err(self.cut()),
        }
    }

    /// The process ends now. What was tried rests nothing.
    pub(super) fn cut(&self) -> Refusal {
        self.track.failed(Reason::Server);
        self.track.finished();
        Refusal::Stopping { attempts: self.track.attempts() }
    }

    /// Answers a request that is not streamed.
    async fn whole(&self) -> Result<Answer, Refusal> {
        let opened = self.first_answer().await?;
        let Content::Whole(body, meter) = opened.content else {
            return Err(
                self.refused(Failure::new(Reason::Server, "a stream was not asked for"), opened.reference)
            );
        };
        self.track.used(meter.usage);
        self.track.finished();
        Ok(Answer::Whole {
            body,
            model: opened.reference,
            attempts: self.track.attempts(),
            headers: opened.headers,
        })
    }

    /// Every try of one target. `Err(None)`: it was not tried after all.
    pub(super) async fn try_target(
        &self,
        target: &Target,
        anyway: bool,
    ) -> Result<Box<Opened>, Option<Failure>> {
        let reference = target.name.clone();
        let prepared = match self.bodies.prepare(target, self.settings.thinking_default) {
            Ok(prepared) => prepared,
            Err(failure) => return Err(Some(self.failed(&reference, Instant::now(), failure))),
        };
        let tries = if anyway { 1 } else { self.settings.failover.attempts_per_target };
        self.try_prepared(target, &prepared, tries, anyway).await
    }

    /// As [`Self::try_target`], of a request that is ready to be sent.
    pub(super) async fn try_prepared(
        &self,
        target: &Target,
        prepared: &Prepared<'_>,
        tries: u32,
        anyway: bool,
    ) -> Result<Box<Opened>, Option<Failure>> {
        let reference = target.name.clone();
        let failover = &self.settings.failover;
        let limits = Limits { tries, initial: failover.backoff_initial, max: failover.backoff_max };
        let user_agent = headers::user_agent(&self.request.headers);
        let mut pass = match self.state.admit(target, user_agent, anyway) {
            Ok(pass) => pass,
            Err(rest) => {
                let (skip, why) = resting(rest);
                self.passed_over(target, skip, &why);
                return Err(None);
            }
        };
        let mut tries = 0;
        loop {
            let started = Instant::now();
            tries += 1;
            let trying = self.track.trying(&reference, &self.bodies);
            let opened = self.open(target, prepared, started).await;
            trying.ended();
            let failure = match opened {
                Ok((content, headers)) => {
                    match &content {
                        Content::Whole(..) => pass.succeeded(),
                        Content::Stream(_) => pass.answers(),
                    }
                    self.succeeded(target, started, prepared);
                    let target = target.clone();
                    return Ok(Box::new(Opened { reference, headers, content, target, pass }));
                }
                Err(fallen) => self.failed(&reference, started, fallen),
            };
            match decide(&failure, tries, limits, fastrand::f64()) {
                Next::Again(wait) if !failure.out_of_time && self.time_for(wait) => sleep(wait).await,
                _ => {
                    pass.failed(&failure, failover);
                    return Err(Some(failure));
                }
            }
        }
    }

    fn succeeded(&self, target: &Target, started: Instant, prepared: &Prepared<'_>) {
        let reference = target.name.clone();
        if let Some(stay) = &self.stay {
            self.state.settle(stay, target);
        }
        self.track.answered(target, prepared);
        self.track.attempt(Attempt {
            reference,
            outcome: Outcome::Ok,
            detail: String::new(),
            timeout: None,
            began: self.track.since(started),
            took: started.elapsed(),
            usage: None,
            bill: None,
        });
    }

    pub(super) fn failed(&self, reference: &str, started: Instant, fallen: impl Into<Fallen>) -> Failure {
        let fallen = fallen.into();
        let usage = fallen.usage(|| self.bodies.prompt_tokens());
        let failure = fallen.failure;
        self.track.attempt(Attempt {
            reference: reference.to_owned(),
            outcome: Outcome::Failed(failure.reason),
            detail: failure.message.clone(),
            timeout: failure.timeout,
            began: self.track.since(started),
            took: started.elapsed(),
            usage,
            bill: None,
        });
        failure
    }

    /// One call, up to a whole answer or the first meaningful event.
    async fn open(
        &self,
        target: &Target,
        prepared: &Prepared<'_>,
        sent: Instant,
    ) -> Result<(Content, http::HeaderMap), Fallen> {
        let call = |provider: &_| {
            let target = target.called(provider);
            let face = self.request.face;
            let headers = headers::for_target(&self.request.headers, face, &target);
            let body = prepared.rewritten.edits.clone().apply(&prepared.said.body().text).parts().to_vec();
            Ok(Call { method: http::Method::POST, url: target.url().clone(), headers, body })
        };
        let streamed = self.bodies.own().wants_stream();
        let mut answer_clock = self.answer_clock(target, sent);
        let limit = self.settings.failover.head;
        let mut head_clock = (streamed && limit < answer_clock.limit())
            .then(|| Clock::new(sent, limit, TimeoutKind::ResponseHeader, self.deadline));
        let head = head_clock.as_mut().unwrap_or(&mut answer_clock);
        // A clock of ours ran out: the target may be at work on it.
        let sent = head.run(self.logins.send(&target.provider, call)).await.map_err(Fallen::at_work)??;
        let Sent { response, provider } = sent;
        // With the key that was sent: that of a login is known only now.
        let called = target.called(&provider);
        if !response.status.is_success() {
            return Err(refusal(&called, response, self.left(REFUSAL_TIME)).await.into());
        }
        let headers = headers::for_client(&response.headers, called.redactor());
        let content = if streamed {
            let begun = answer_clock.run(begin(&called, &prepared.rewritten.answer, response)).await;
            begun.map_err(Fallen::at_work)??
        } else {
            let read = answer_clock.run(held::read(self.hold(), response.body)).await;
            let bytes = read.flatten().map_err(Fallen::at_work)?;
            let plan = &prepared.rewritten.answer;
            let (body, mut meter) = answer::whole(&called.classifier(), target.face, plan, bytes.clone())
                .map_err(|failure| Fallen::of_whole(failure, target.face, &bytes))?;
            let usage = *meter.usage.get_or_insert_with(|| self.estimated(target.face, &body));
            Content::Whole(self.in_own_face(body, target, &prepared.said, usage), meter)
        };
        Ok((content, headers))
    }

    /// A target's whole answer in the client's face.
    fn in_own_face(&self, body: Segments, target: &Target, said: &Said<'_>, usage: Usage) -> Segments {
        if !said.is_translated() {
            return body;
        }
        let own = self.bodies.own();
        let echo = speech::with_names(speech::echo(self.request.id, own), said);
        let mut events = whole::decode(target.face, &body.to_bytes());
        if !events.iter().any(|event| matches!(event, Event::Usage(_))) {
            events.push(Event::Usage(usage));
        }
        Segments::whole(whole::encode(&events, own.face, &echo))
    }

    /// What a whole answer used whose provider did not say.
    fn estimated(&self, face: Face, body: &Segments) -> Usage {
        estimate_of(self.bodies.prompt_tokens(), &whole::decode(face, &body.to_bytes()))
    }

    /// The clock of a whole answer, and of a stream's first meaningful event.
    fn answer_clock(&self, target: &Target, sent: Instant) -> Clock {
        let (limit, kind) = match target.provider.timeout {
            Some(limit) => (limit, TimeoutKind::Provider),
            None => (self.settings.failover.first_byte, TimeoutKind::FirstToken),
        };
        Clock::new(sent, limit, kind, self.deadline)
    }

    fn hold(&self) -> crate::protocol::held::Body {
        self.state.held().body(self.settings.gateway.held_limit())
    }

    /// For what of a stream is kept or waits.
    pub(super) fn room(&self) -> crate::protocol::held::Room {
        self.state.held().room(self.settings.gateway.held_limit())
    }

    fn time_for(&self, wait: Duration) -> bool {
        self.deadline.is_none_or(|deadline| Instant::now() + wait < deadline)
    }

    /// Whether the time for the whole request is over.
    pub(super) fn is_late(&self) -> bool {
        !self.time_for(Duration::ZERO)
    }

    /// Of this time what the whole request has left.
    fn left(&self, time: Duration) -> Duration {
        self.deadline.map_or(time, |deadline| deadline.saturating_duration_since(Instant::now()).min(time))
    }
}

async fn refusal(target: &Target, response: Response, patience: Duration) -> Failure {
    let content_type = content_type(&response);
    let now = SystemTime::now();
    let asked = retry_after(&response.headers, now);
    let body = read_capped(&response.headers, response.body, REFUSAL_CAP, patience).await;
    let refused = Refused {
        status: response.status.as_u16(),
        content_type: content_type.as_deref(),
        retry_after: asked,
        now,
        body: &body,
    };
    target.classifier().classify(&refused)
}

fn content_type(response: &Response) -> Option<String> {
    response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Reads up to the first meaningful event. JSON in the place of a stream is an error in a 200, or no answer to what
/// was asked.
async fn begin(target: &Target, plan: &AnswerPlan, mut response: Response) -> Result<Content, Fallen> {
    let classifier = target.classifier();
    if content_type(&response).is_some_and(|kind| kind.starts_with("application/json")) {
        let bytes = read_whole(response.body, REFUSAL_CAP).await?;
        let failure = match answer::whole(&classifier, target.face, plan, bytes.clone()) {
            Ok(_) => Failure::new(Reason::Server, "a whole answer where a stream was asked for"),
            Err(failure) => failure,
        };
        return Err(Fallen::of_whole(failure, target.face, &bytes));
    }
    let mut reader = StreamReader::new(classifier, target.face, plan.clone());
    let mut held = Segments::default();
    let mut frames = 0;
    loop {
        let Step { out, frames: more, meaningful, done, failure, .. } = match response.body.next().await {
            Some(Ok(chunk)) => reader.push(chunk),
            Some(Err(failure)) => return Err(Fallen::of_stream(failure, &reader, frames)),
            None => reader.end(None),
        };
        frames += more;
        held.append(out);
        // Nothing has been sent yet: what came before the failure in the same read is dropped with it.
        if let Some(failure) = failure {
            return Err(Fallen::of_stream(failure, &reader, frames));
        }
        if meaningful || frames > HELD_EVENTS || held.len() > HELD_BYTES {
            let bytes = response.body;
            return Ok(Content::Stream(Box::new(OpenStream { reader, bytes, held, done })));
        }
        if done {
            let failure = Failure::new(Reason::Server, "the answer was empty");
            return Err(Fallen::of_stream(failure, &reader, frames));
        }
    }
}
