//! How many tokens a request has: its provider's count where one counts, else an estimate.

use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use super::plan::{Target, plan_request};
use super::request_bodies::RequestBodies;
use super::{ClientRequest, Engine, RequestError, headers, media};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::provider::token_counter::TokenCounter;
use crate::upstream::{UpstreamRequest, UpstreamResponse, read_body};

/// Claude Code sends 25 requests at once and waits for all of them. An immediate estimate is better than a late
/// count.
const COUNT_TIMEOUT: Duration = Duration::from_secs(3);
/// A count is a line.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Bytes of a token, about: of what people write, Chinese included, and of code.
const BYTES_PER_TOKEN: usize = 4;
/// Tokens of an image, about. Anthropic's largest have 1,600; Kimi does not say.
const TOKENS_PER_MEDIA_PART: usize = 1600;

/// A count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCount {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// The reference whose provider counted; `None` for an estimate.
    pub counted_by: Option<String>,
}

impl Engine {
    /// Counts the tokens of a Messages request. The first target that can serve it and whose provider counts is
    /// called, once and not for long. The result causes no cooldown.
    ///
    /// # Errors
    /// When the body is not a request, or nothing has its model's name.
    pub async fn count_tokens(&self, request: ClientRequest) -> Result<TokenCount, RequestError> {
        let body = RequestBody::parse(request.api, request.body.clone()).map_err(RequestError::Malformed)?;
        let requested = body.string("model").ok_or(RequestError::InvalidModel)?;
        let settings = self.settings();
        let agent = headers::user_agent(&request.headers);
        let plan = plan_request(&settings, &self.state, &requested, &body, agent)?;
        let bodies = RequestBodies::new(
            body,
            self.state.memory_budget().clone(),
            settings.gateway.buffer_memory_limit(),
        );
        let considered = if request.is_fallback_disabled { 1 } else { plan.targets.len() };
        let usable = plan.targets.iter().take(considered).filter(|planned| planned.skip_reason.is_none());
        let counting = usable.filter_map(|planned| find_counter(&planned.target)).next();
        if let Some((counter, target)) = counting {
            match tokio::time::timeout(
                COUNT_TIMEOUT,
                self.request_count(counter, &target, &bodies, &request.headers),
            )
            .await
            {
                Ok(Ok(tokens)) => {
                    return Ok(TokenCount { tokens, counted_by: Some(target.name.clone()) });
                }
                Ok(Err(failure)) => {
                    tracing::debug!(request_id = %request.id, "{} did not count: {failure}", target.reference);
                }
                Err(_) => {
                    tracing::debug!(request_id = %request.id, "{} did not count in time", target.reference);
                }
            }
        }
        Ok(TokenCount { tokens: estimate_prompt_tokens(bodies.client_body()), counted_by: None })
    }

    async fn request_count(
        &self,
        counter: TokenCounter,
        target: &Target,
        bodies: &RequestBodies,
        client: &HeaderMap,
    ) -> Result<u64, Failure> {
        let said = bodies.body_for_target(target)?;
        let body = counter.build_request(said.body(), &target.wire_model).parts().to_vec();
        let call = |provider: &_| {
            let target = target.with_provider(provider);
            let mut headers = headers::build_request_headers(client, Api::Messages, &target);
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            let url = format!("{}{}", target.base_url().unwrap_or_default(), counter.path()).into();
            Ok(UpstreamRequest { method: http::Method::POST, url, headers, body: body.clone() })
        };
        let UpstreamResponse { status, body, .. } = self.logins.send(&target.provider, call).await?.response;
        let body = read_body(body, MAX_ANSWER_BYTES).await?;
        let count = counter.parse_count(&body).filter(|_| status.is_success());
        count.ok_or_else(|| Failure::new(Reason::Server, format!("status {status}, and no count")))
    }
}

/// How this target's provider counts, and the target as it is called for that.
fn find_counter(target: &Target) -> Option<(TokenCounter, Target)> {
    let counter = TokenCounter::for_provider(target.provider.adapter)?;
    let target = target.with_api(counter.api());
    target.base_url().is_some().then_some((counter, target))
}

/// What a prompt comes to, in tokens: one each four bytes of the JSON text of the instructions, the conversation and
/// the tools, and a fixed number for each image or file in the place of its bytes.
pub(super) fn estimate_prompt_tokens(body: &RequestBody) -> u64 {
    let media = media::find_media(body);
    let bytes_of_media: usize = media.iter().map(ExactSizeIterator::len).sum();
    let parts = ["system", "instructions", body.api.conversation_field(), "tools"];
    let bytes: usize = parts.into_iter().filter_map(|key| body.value(key)).map(<[u8]>::len).sum();
    let text = bytes.saturating_sub(bytes_of_media).div_ceil(BYTES_PER_TOKEN);
    (text + media.len() * TOKENS_PER_MEDIA_PART) as u64
}
