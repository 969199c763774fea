//! How many tokens a request has: its provider's count where one counts, else an estimate.

use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use super::bodies::Bodies;
use super::plan::{Target, plan};
use super::{ClientRequest, Refusal, Relay, headers, media};
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::protocol::request::RequestBody;
use crate::provider::counting::Counter;
use crate::upstream::{Call, Response, read_whole};

/// Claude Code asks 25 times at once and waits for all of them; an estimate at once is worth more than a late count.
const PATIENCE: Duration = Duration::from_secs(3);
/// A count is a line.
const ANSWER_CAP: usize = 64 * 1024;
/// Bytes of a token, about: of what people write, Chinese included, and of code.
const BYTES_PER_TOKEN: usize = 4;
/// Tokens of an image, about. Anthropic's largest have 1,600; Kimi does not say.
const TOKENS_PER_MEDIUM: usize = 1600;

/// A count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// The reference whose provider counted; `None` for an estimate.
    pub counted_by: Option<String>,
}

impl Relay {
    /// Counts the tokens of a Messages request. The first target that can serve it and whose provider counts is asked,
    /// once and not for long; what comes of it rests nobody.
    ///
    /// # Errors
    /// When the body is no request, or nothing has its model's name.
    pub async fn count(&self, request: ClientRequest) -> Result<Count, Refusal> {
        let body = RequestBody::parse(request.face, request.body.clone()).map_err(Refusal::Malformed)?;
        let requested = body.string("model").ok_or(Refusal::NoModel)?;
        let settings = self.settings();
        let agent = headers::user_agent(&request.headers);
        let plan = plan(&settings, &self.state, &requested, &body, agent)?;
        let bodies = Bodies::new(body, self.state.held().clone(), settings.gateway.held_limit());
        let considered = if request.first_target_only { 1 } else { plan.targets.len() };
        let usable = plan.targets.iter().take(considered).filter(|planned| planned.skipped.is_none());
        let counting = usable.filter_map(|planned| counting(&planned.target)).next();
        if let Some((counter, target)) = counting {
            match tokio::time::timeout(PATIENCE, self.ask(counter, &target, &bodies, &request.headers)).await
            {
                Ok(Ok(tokens)) => {
                    return Ok(Count { tokens, counted_by: Some(target.name.clone()) });
                }
                Ok(Err(failure)) => {
                    tracing::debug!(request_id = %request.id, "{} did not count: {failure}", target.reference);
                }
                Err(_) => {
                    tracing::debug!(request_id = %request.id, "{} did not count in time", target.reference);
                }
            }
        }
        Ok(Count { tokens: prompt_of(bodies.own()), counted_by: None })
    }

    async fn ask(
        &self,
        counter: Counter,
        target: &Target,
        bodies: &Bodies,
        client: &HeaderMap,
    ) -> Result<u64, Failure> {
        let said = bodies.for_target(target)?;
        let body = counter.question(said.body(), &target.wire_model).parts().to_vec();
        let call = |provider: &_| {
            let target = target.called(provider);
            let mut headers = headers::for_target(client, Face::Messages, &target);
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            let url = format!("{}{}", target.base().unwrap_or_default(), counter.path()).into();
            Ok(Call { method: http::Method::POST, url, headers, body: body.clone() })
        };
        let Response { status, body, .. } = self.logins.send(&target.provider, call).await?.response;
        let body = read_whole(body, ANSWER_CAP).await?;
        let count = counter.answer(&body).filter(|_| status.is_success());
        count.ok_or_else(|| Failure::new(Reason::Server, format!("status {status}, and no count")))
    }
}

/// How this target's provider counts, and the target as it is called for that.
fn counting(target: &Target) -> Option<(Counter, Target)> {
    let counter = Counter::of(target.provider.dialect)?;
    let target = target.over(counter.face());
    target.base().is_some().then_some((counter, target))
}

/// What a prompt comes to, in tokens: one each four bytes of the JSON text of the instructions, the conversation and
/// the tools, and a fixed number for each image or file in the place of its bytes.
pub(super) fn prompt_of(body: &RequestBody) -> u64 {
    let media = media::parts(body);
    let bytes_of_media: usize = media.iter().map(ExactSizeIterator::len).sum();
    let parts = ["system", "instructions", body.face.list(), "tools"];
    let bytes: usize = parts.into_iter().filter_map(|key| body.value(key)).map(<[u8]>::len).sum();
    let text = bytes.saturating_sub(bytes_of_media).div_ceil(BYTES_PER_TOKEN);
    (text + media.len() * TOKENS_PER_MEDIUM) as u64
}
