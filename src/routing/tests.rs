//! Requests against scripted providers, on a paused clock.

mod affinity;
mod continuation;
mod apis;
mod failover;
mod hedging;
mod cost;
mod plan;
mod quotas;
mod memory;
mod script;
mod combinations;
mod seed_documents;
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
    engine: Engine,
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
        let engine = Engine::new(
            Arc::new(settings),
            script.clone(),
            Arc::new(move |record| sink.lock().unwrap().push(record)),
        );
        Self { engine, script, records }
    }

    async fn ask(&self, is_streaming: bool) -> Result<Answer, RequestError> {
        self.send(&json!({
            "model": "moonshot/kimi-k3",
            "stream": is_streaming,
            "messages": [{"role": "user", "content": "hi"}],
        }))
        .await
    }

    async fn send(&self, body: &Value) -> Result<Answer, RequestError> {
        self.engine.answer(request(body)).await
    }

    /// The attempts of a request, answered or failed.
    async fn attempts(&self, is_streaming: bool) -> String {
        attempts(&self.ask(is_streaming).await)
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
        is_compaction: false,
    }
}

/// The attempts as in the header, of a request that was answered or failed.
fn attempts(answer: &Result<Answer, RequestError>) -> String {
    match answer {
        Ok(Answer::Complete { attempts, .. } | Answer::Stream { attempts, .. })
        | Err(RequestError::AttemptsFailed { attempts, .. } | RequestError::NoUsableTarget { attempts }) => {
            render_attempts_header(attempts)
        }
        Err(error) => error.to_string(),
    }
}

/// The whole text of a streamed answer, and the attempts in its head.
async fn read(answer: Answer) -> (String, String) {
    let Answer::Stream { attempts, mut body, .. } = answer else {
        panic!("the answer is not a stream");
    };
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await {
        text.extend_from_slice(&bytes);
    }
    (String::from_utf8(text).unwrap(), render_attempts_header(&attempts))
}
