//! Requests against scripted providers, on a stopped clock.

mod affinity;
mod broken;
mod faces;
mod failover;
mod hedging;
mod money;
mod quotas;
mod room;
mod script;
mod seams;
mod seeds;
mod streams;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use serde_json::{Value, json};

use self::script::Script;
use super::{Answer, ClientRequest, Engine, RequestError};
use crate::config::{self, Environment};
use crate::protocol::api::Api;
use crate::record::{Record, RequestId, render_attempts_header};

/// A gateway whose providers are scripted.
struct Fixture {
    relay: Engine,
    script: Arc<Script>,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Fixture {
    /// Moonshot first, OpenRouter after it; `failover` as a user writes it.
    fn new(failover: &Value) -> Self {
        let text = json!({
            "agents": {"defaults": {"model": {"primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto"]}}},
            "models": {"providers": {
                "moonshot": {"apiKey": "sk-moonshot-000000"},
                "openrouter": {"apiKey": "sk-or-v1-000000"},
            }},
            "failover": failover,
        });
        Self::with(&text.to_string(), &[])
    }

    /// A gateway with this configuration and these variables.
    fn with(text: &str, variables: &[(&str, &str)]) -> Self {
        let environment: Environment = variables.iter().copied().collect();
        let settings =
            config::from_text(text, None, &environment).unwrap_or_else(|invalid| panic!("{invalid}"));
        let script = Arc::new(Script::default());
        let records = Arc::new(Mutex::new(Vec::new()));
        let sink = records.clone();
        let relay = Engine::new(
            Arc::new(settings),
            script.clone(),
            Arc::new(move |record| sink.lock().unwrap().push(record)),
        );
        Self { relay, script, records }
    }

    async fn ask(&self, streamed: bool) -> Result<Answer, RequestError> {
        self.send(&json!({
            "model": "moonshot/kimi-k3",
            "stream": streamed,
            "messages": [{"role": "user", "content": "hi"}],
        }))
        .await
    }

    async fn send(&self, body: &Value) -> Result<Answer, RequestError> {
        self.relay.answer(request(body)).await
    }

    /// The attempts of a request that was answered, or refused.
    async fn attempts(&self, streamed: bool) -> String {
        attempts(&self.ask(streamed).await)
    }
}

fn request(body: &Value) -> ClientRequest {
    ClientRequest {
        id: RequestId::now(),
        api: Api::ChatCompletions,
        client: None,
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
        is_fallback_disabled: false,
    }
}

/// As the header has them, of a request that was answered, or refused.
fn attempts(answer: &Result<Answer, RequestError>) -> String {
    match answer {
        Ok(Answer::Complete { attempts, .. } | Answer::Stream { attempts, .. })
        | Err(RequestError::AttemptsFailed { attempts, .. } | RequestError::NoUsableTarget { attempts }) => {
            render_attempts_header(attempts)
        }
        Err(refusal) => refusal.to_string(),
    }
}

/// The whole text of a streamed answer, and the attempts that its head named.
async fn read(answer: Answer) -> (String, String) {
    let Answer::Stream { attempts, mut body, .. } = answer else {
        panic!("a stream was asked for");
    };
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await {
        text.extend_from_slice(&bytes);
    }
    (String::from_utf8(text).unwrap(), render_attempts_header(&attempts))
}
