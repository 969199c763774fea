//! The scenario of a cell, and the word for the client's result.

mod conversation;
mod failing;

use std::sync::Arc;

use serde_json::{Value, json};

use super::column::Column;
use crate::common::{Answer, Api, Finish, Gateway, Reply, Upstream};

/// A part of a conversation, or a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Text,
    Tools,
    ParallelTools,
    Image,
    Thinking,
    ClientsError,
    ProvidersError,
    CutStream,
}

/// In the order in which they run.
pub(super) const CELLS: [Cell; 8] = [
    Cell::Text,
    Cell::Tools,
    Cell::ParallelTools,
    Cell::Image,
    Cell::Thinking,
    Cell::ClientsError,
    Cell::ProvidersError,
    Cell::CutStream,
];

pub(super) struct Stand {
    pub(super) upstream: Arc<Upstream>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) client: Api,
    pub(super) column: Column,
}

impl Cell {
    /// Whether the target is in cooldown afterwards.
    pub(super) const fn cooldowns_the_target(self) -> bool {
        matches!(self, Self::ProvidersError | Self::CutStream)
    }

    /// Runs and judges it; an unknown result fails.
    pub(super) async fn play(self, stand: &Stand) -> String {
        stand.upstream.no_faults().await;
        match self {
            Self::CutStream => stand.cut_stream().await,
            Self::ProvidersError => stand.providers_error().await,
            _ => {
                let mut words = Vec::new();
                for stream in [true, false] {
                    stand.upstream.forget().await;
                    words.push(match self {
                        Self::Text => stand.text(stream).await,
                        Self::Tools => stand.tools(&["get_weather"], stream).await,
                        Self::ParallelTools => stand.tools(&["get_weather", "get_time"], stream).await,
                        Self::Image => stand.image(stream).await,
                        Self::Thinking => stand.thinking(stream).await,
                        _ => stand.clients_error(stream).await,
                    });
                }
                assert_eq!(words[0], words[1], "streamed and whole are the same");
                words.remove(0)
            }
        }
    }
}

impl Stand {
    async fn send(&self, body: &Value) -> Answer {
        self.gateway.ask(self.client, body).await
    }

    /// An answer of the primary.
    async fn own(&self, body: &Value) -> Reply {
        let answer = self.send(body).await;
        assert_eq!(answer.attempts(), format!("{}=ok", self.column.reference()), "{}", answer.text());
        let streamed = answer.header("content-type").starts_with("text/event-stream");
        assert_eq!(json!(streamed), body["stream"], "{}", answer.header("content-type"));
        self.read(&answer)
    }

    fn read(&self, answer: &Answer) -> Reply {
        let reply = self.client.read(answer);
        if reply.error.is_none() {
            let tokens = reply.tokens.unwrap_or_else(|| panic!("no usage: {}", answer.text()));
            assert!(tokens.input > 0 && tokens.output > 0 && reply.usages == 1, "{reply:?}");
            assert_eq!(reply.finish == Some(Finish::Calls), !reply.calls.is_empty(), "{reply:?}");
        }
        reply
    }

    /// The request as the provider recorded it.
    async fn asked(&self) -> Vec<Value> {
        let requests = self.upstream.requests().await;
        let model = self.column.wire_model();
        requests.into_iter().filter(|request| request["model"] == json!(model)).collect()
    }

    /// Whether the requests used the client's API. They must, if the provider supports it.
    async fn word(&self) -> String {
        let asked = self.asked().await;
        assert!(!asked.is_empty(), "the provider was asked");
        let own = asked.iter().all(|request| request["face"] == json!(self.client.word()));
        assert_eq!(own, self.column.speaks(self.client), "{asked:?}");
        if own { "passes" } else { "translated" }.to_owned()
    }
}
