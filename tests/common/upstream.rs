//! The three providers, simulated in their own process.

use serde_json::Value;

use super::process::{Serving, command};

/// `moonrelay simulate` on a free port.
pub(crate) struct Upstream {
    serving: Serving,
    client: reqwest::Client,
    _home: tempfile::TempDir,
}

impl Upstream {
    /// Starts it without any fault.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts it with more arguments.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut all = vec!["simulate", "--listen", "127.0.0.1:0"];
        all.extend_from_slice(arguments);
        let serving = Serving::start(command(home.path(), all), "simulating on").await;
        Self { serving, client: super::raw::client(), _home: home }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> &str {
        &self.serving.base
    }

    /// Orders one fault. See `GET /_faults/kinds`.
    pub(crate) async fn fault(&self, fault: Value) {
        let response = self
            .client
            .post(self.url("/_faults"))
            .header("content-type", "application/json")
            .body(fault.to_string())
            .send()
            .await
            .unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "the simulator refused {fault}: {status} {text}");
    }

    /// Sets the next answer of the OAuth server; see the simulator's `oauth.rs`.
    pub(crate) async fn order(&self, order: Value) {
        let sent = self.client.post(self.url("/_oauth")).body(order.to_string()).send().await.unwrap();
        let status = sent.status();
        assert!(
            status.is_success(),
            "the simulator refused {order}: {status} {}",
            sent.text().await.unwrap()
        );
    }

    /// The counters of the OAuth server.
    pub(crate) async fn office(&self) -> Value {
        self.get("/_oauth").await
    }

    /// Takes every order back.
    pub(crate) async fn no_faults(&self) {
        let response = self.client.delete(self.url("/_faults")).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// Every fault that it supports.
    pub(crate) async fn kinds(&self) -> Vec<Value> {
        self.get("/_faults/kinds").await["kinds"].as_array().expect("an array of kinds").clone()
    }

    /// Every chat request since the start or the last [`Upstream::forget`], in order.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        self.get("/_requests").await["requests"].as_array().expect("an array of requests").clone()
    }

    /// Forgets the requests so far.
    pub(crate) async fn forget(&self) {
        let response = self.client.delete(self.url("/_requests")).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// Its counters, once so many requests came. Fails when they do not.
    pub(crate) async fn total(&self, count: u64) -> Value {
        self.counters(&format!("waitTotal={count}&timeoutMs=30000")).await
    }

    /// Its counters, once no request is active. Fails if some remain.
    pub(crate) async fn idle(&self) -> Value {
        self.counters("waitIdle&timeoutMs=30000").await
    }

    /// Its counters, once so many requests were given up by their client. Fails when they are not within `millis`.
    pub(crate) async fn cancelled(&self, count: u64, millis: u64) -> Value {
        self.counters(&format!("waitCancelled={count}&timeoutMs={millis}")).await
    }

    async fn counters(&self, wait: &str) -> Value {
        let stats = self.get(&format!("/_stats?{wait}")).await;
        assert_eq!(stats["timedOut"], Value::Bool(false), "{wait}: {stats}");
        stats
    }

    /// One GET.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }
}
