//! Counts the tokens of a request: the provider's count if it has one, otherwise an estimate.

use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use super::engine::Engine;
use super::prompt::estimate_prompt_tokens;
use super::request::{ClientRequest, RequestError};
use super::request_bodies::RequestBodies;
use super::target::Target;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::provider::token_counter::TokenCounter;
use crate::upstream::{UpstreamRequest, UpstreamResponse, read_body};

/// Claude Code sends 25 requests at once and waits for all of them. An immediate estimate is better than a late
/// count.
const COUNT_TIMEOUT: Duration = Duration::from_secs(3);
/// The limit on a count's response, which is one line.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The result of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCount {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// The reference whose provider counted; `None` for an estimate.
    pub counted_by: Option<String>,
}

impl Engine {
    /// Counts the tokens of a request. The first target that can serve it and whose provider counts is
    /// called, once and not for long. The result causes no cooldown.
    ///
    /// # Errors
    /// When the body is not a request, or nothing has its model's name.
    pub async fn count_tokens(&self, request: ClientRequest) -> Result<TokenCount, RequestError> {
        let settings = self.settings();
        let (body, plan) = self.plan_request(&settings, &request, None)?;
        let bodies = self.new_bodies(&settings, request.client.clone(), body);
        let mut targets = plan.considered_targets(&request).iter();
        let usable = targets.find_map(|planned| match planned.skip_reason {
            None => find_counter(&planned.target),
            Some(_) => None,
        });
        if let Some((counter, target)) = usable {
            let count = self.request_count(counter, &target, &bodies, (&request.headers, request.api));
            let expired = || Err(Failure::new(Reason::Timeout, "no answer in time"));
            match tokio::time::timeout(COUNT_TIMEOUT, count).await.unwrap_or_else(|_| expired()) {
                Ok(tokens) => return Ok(TokenCount { tokens, counted_by: Some(target.name) }),
                Err(failure) => {
                    tracing::debug!(request_id = %request.id, "{} did not count: {failure}", target.name);
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
        (client, client_api): (&HeaderMap, Api),
    ) -> Result<u64, Failure> {
        let translated = bodies.body_for_target(target)?;
        let body = counter.build_request(translated.body(), &target.wire_model).parts().to_vec();
        let call = |provider: &_| {
            let target = target.with_provider(provider);
            let mut headers = target.request_headers(client, client_api);
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            let url = format!("{}{}", target.base_url().unwrap_or_default(), counter.path()).into();
            Ok(UpstreamRequest { method: http::Method::POST, url, headers, body: body.clone() })
        };
        let UpstreamResponse { status, body, .. } =
            self.logins().send(&target.provider, call).await?.response;
        let body = read_body(body, MAX_RESPONSE_BYTES).await?;
        let count = counter.parse_count(&body).filter(|_| status.is_success());
        count.ok_or_else(|| {
            Failure::new(Reason::Server, format!("the response has status {status} and no count"))
        })
    }
}

/// The token counter of a target's provider, and the target as it is called for a count.
fn find_counter(target: &Target) -> Option<(TokenCounter, Target)> {
    let counter = TokenCounter::for_provider(target.provider.adapter)?;
    let target = target.with_api(counter.api());
    target.base_url().is_some().then_some((counter, target))
}
