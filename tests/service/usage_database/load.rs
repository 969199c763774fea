//! Clients that send one request after the other, streamed and not.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::common::{Answer, prompt};

/// Some clients at work.
pub(super) struct Load {
    clients: JoinSet<Vec<String>>,
    answers: mpsc::UnboundedReceiver<()>,
}

impl Load {
    /// They send requests until the gateway stops answering.
    pub(super) fn on(base: &str, clients: usize) -> Self {
        let (sender, answers) = mpsc::unbounded_channel();
        let clients = (0..clients).map(|number| client(base.to_owned(), number, sender.clone())).collect();
        Self { clients, answers }
    }

    /// Waits for so many complete answers more.
    pub(super) async fn answers(&mut self, count: usize) {
        for _ in 0..count {
            self.answers.recv().await.expect("a request arrives");
        }
    }

    /// After the gateway has stopped: each client's complete answers, in order.
    pub(super) async fn end(self) -> Vec<Vec<String>> {
        self.clients.join_all().await
    }
}

async fn client(base: String, number: usize, answered: mpsc::UnboundedSender<()>) -> Vec<String> {
    let client = crate::common::raw::client();
    let mut ids = Vec::new();
    loop {
        let body = prompt(super::MODEL, "Say hello", (ids.len() + number).is_multiple_of(2)).to_string();
        let request = client.post(format!("{base}/v1/chat/completions")).body(body);
        let request = request.header("content-type", "application/json");
        let Ok(response) = request.send().await else { return ids };
        let answer = Answer::read(response).await;
        if answer.status != 200 || answer.broken {
            return ids;
        }
        ids.push(answer.header("x-moonrelay-request-id").to_owned());
        let _ = answered.send(());
    }
}
