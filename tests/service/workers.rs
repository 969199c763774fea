//! `gateway.workerThreads`: requests, a reload and the shutdown work with one worker and with two.

use serde_json::json;

use crate::common::process::signal;
use crate::common::{Answer, Manager, Provider, Setup, Upstream, prompt};

#[tokio::test]
async fn streams_reload_and_shutdown_work_with_one_worker_and_with_two() {
    for workers in [1, 2] {
        let (upstream, manager) = (Upstream::start().await, Manager::new());
        let setup = |chain: &[Provider]| {
            Setup::chain(&upstream, chain)
                .set("gateway.workerThreads", json!(workers))
                .set("gateway.reload", json!(false))
                .environment("NOTIFY_SOCKET", manager.path())
        };
        let mut gateway = setup(&[Provider::Moonshot, Provider::OpenRouter]).start().await;
        manager.until("READY=1").await;
        let streams: Vec<_> = (0..8)
            .map(|_| gateway.chat_request(prompt("default", "Say hello", true).to_string()).send())
            .collect();
        for stream in futures_util::future::join_all(streams).await {
            let said = Answer::read(stream.unwrap()).await.said();
            assert_eq!((said.done, said.finishes.len(), said.errors.len()), (1, 1, 0));
        }

        let large = prompt("moonshot/kimi-k3", &"x".repeat(2 << 20), false);
        let small = prompt("moonshot/kimi-k3", "Say hello", false);
        let (large_answer, small_answer) = tokio::join!(gateway.chat(&large), gateway.chat(&small));
        assert_eq!((large_answer.status, small_answer.status), (200, 200), "{}", large_answer.text());

        upstream.fault(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
        let asked = prompt("default", "reply with 60 words", true).to_string();
        let running = gateway.chat_request(asked).send().await.unwrap();
        std::fs::write(gateway.config(), setup(&[Provider::Kimi]).text()).unwrap();
        signal("-HUP", gateway.serving.pid()).await;
        manager.until("READY=1").await;
        let answer = gateway.chat(&prompt("default", "Say hello", false)).await;
        assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", answer.text());

        signal("-TERM", gateway.serving.pid()).await;
        let answer = Answer::read(running).await;
        assert!(!answer.broken && answer.said().errors.is_empty(), "{}", answer.text());
        assert_eq!((answer.said().done, answer.model()), (1, "moonshot/kimi-k3"));
        assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
    }
}
