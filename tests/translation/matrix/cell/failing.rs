//! Failures.

use serde_json::json;

use super::Stand;
use crate::common::Finish;
use crate::translation::matrix::column::Column;

/// The answer to [`LONG`], from any provider.
const WORDS: [&str; 12] =
    ["the", "moon", "relays", "every", "word", "naïvely", "in", "order", "月光", "and", "never", "twice🌒"];
const LONG: &str = "reply with 120 words";
/// Thinking has fewer pieces, thinking and text together have more.
const CUT_AFTER: u64 = 20;

impl Stand {
    async fn fault(&self, kind: &str, value: u64, times: Option<u64>) {
        let (provider, model) = (self.column.provider().id(), self.column.wire_model());
        let mut fault = json!({ "provider": provider, "model": model, "kind": kind, "value": value });
        if let Some(times) = times {
            fault["times"] = json!(times);
        }
        self.upstream.fault(fault).await;
    }

    /// An invalid request: reported at once in the client's error format, and no other target is called.
    pub(super) async fn clients_error(&self, stream: bool) -> String {
        self.fault("status", 400, None).await;
        let answer = self.send(&self.prompt("Say hello", stream)).await;
        assert_eq!(answer.attempts(), format!("{}=bad_request", self.column.reference()));
        assert_eq!(answer.header("x-should-retry"), "false", "{answer:?}");
        self.client.error(&answer);
        assert_eq!(self.upstream.requests().await.len(), 1, "one call");
        self.upstream.no_faults().await;
        answer.status.to_string()
    }

    /// The provider fails before the first byte: the next one answers, in an API other than the client's.
    pub(super) async fn providers_error(&self) -> String {
        self.fault("status", 500, None).await;
        for stream in [true, false] {
            self.upstream.forget().await;
            let answer = self.send(&self.prompt(LONG, stream)).await;
            // The first failure causes a cooldown.
            let outcome = if stream { "server" } else { "cooling_down" };
            let attempts = format!("{}={outcome}, {}=ok", self.column.reference(), Column::SPARE);
            assert_eq!(answer.attempts(), attempts, "{}", answer.text());
            let reply = self.read(&answer);
            assert_eq!((reply.text, reply.finish, reply.error), (whole_text(), Some(Finish::Stop), None));
            self.spare_was_asked().await;
        }
        "next target".to_owned()
    }

    /// The stream is interrupted in the middle of the text: another target continues, or the client gets an
    /// error.
    pub(super) async fn cut_stream(&self) -> String {
        self.upstream.forget().await;
        self.fault("truncate", CUT_AFTER, Some(1)).await;
        let answer = self.send(&self.prompt(LONG, true)).await;
        let reply = self.read(&answer);
        let whole = whole_text();
        if let Some(message) = reply.error {
            assert!(message.contains(&self.column.reference()), "{message}");
            assert!(whole.starts_with(&reply.text) && reply.text.len() < whole.len(), "{:?}", reply.text);
            assert!(!reply.text.is_empty(), "it is cut behind the first text: {}", answer.text());
            return "error event".to_owned();
        }
        assert_eq!((reply.text, reply.finish), (whole, Some(Finish::Stop)), "{}", answer.text());
        assert_eq!(self.upstream.requests().await.len(), 2, "one is interrupted, one continues");
        "continued".to_owned()
    }

    async fn spare_was_asked(&self) {
        let asked = self.upstream.requests().await;
        let last = asked.last().unwrap();
        assert_eq!(last["face"], json!(Column::spare_api(self.client).word()), "{asked:?}");
        assert!(Column::SPARE.ends_with(last["model"].as_str().unwrap()), "{asked:?}");
    }
}

fn whole_text() -> String {
    WORDS.iter().cycle().take(120).copied().collect::<Vec<_>>().join(" ")
}
