//! Requests that contain the beginning of an answer, and how models continue it.

use crate::tests::*;

const WORDS: &str = "reply with 50 words";

/// The beginning of an answer, the complete answer, and the request that contains the beginning.
async fn begun(running: &Running, model: &str, marked: bool) -> (String, String, Value) {
    let whole = running.moonshot().chat(&ask("kimi-k2.6", WORDS)).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let begun = whole.get(..whole.floor_char_boundary(100)).unwrap().trim_end().to_owned();
    let mut body = ask(model, WORDS);
    let mut part = json!({ "role": "assistant", "content": begun });
    if marked {
        part["partial"] = json!(true);
    }
    body["messages"].as_array_mut().unwrap().push(part);
    (begun, whole, streaming(body))
}

#[tokio::test]
async fn kimi_goes_on_from_what_is_marked_as_partial_and_from_nothing_else() {
    let running = Running::new().await;
    for (client, model) in [(running.moonshot(), "kimi-k3"), (running.kimi(), "kimi-for-coding")] {
        let (begun, whole, body) = begun(&running, model, true).await;
        assert_eq!(client.chat(&body).await.delta("content"), whole.strip_prefix(&*begun).unwrap());
    }
    let (.., body) = begun(&running, "kimi-k3", false).await;
    assert!(running.moonshot().chat(&body).await.delta("content").starts_with("kimi-k3 via moonshot"));
}

#[tokio::test]
async fn faults_of_prefill_hit_nothing_else() {
    let running = Running::new().await;
    for (kind, reasoning) in
        [("prefill_restart", ""), ("prefill_preamble", ""), ("prefill_thinks", "I go on where it ends.")]
    {
        running.control.add_fault(format!("moonshot:{kind},times=1").parse().unwrap());
        // The fault waits for the second request: the first one does not contain a beginning.
        let (begun, whole, mut body) = begun(&running, "kimi-k2.6", true).await;
        body["thinking"] = json!({ "type": "disabled" });
        let rest = whole.strip_prefix(&*begun).unwrap();
        let expected = match kind {
            "prefill_restart" => whole.clone(),
            "prefill_preamble" => format!("Sure, here is the rest: {rest}"),
            _ => rest.to_owned(),
        };
        let reply = running.moonshot().chat(&body).await;
        assert_eq!(
            (reply.delta("content"), reply.delta("reasoning_content")),
            (expected, reasoning.to_owned())
        );
    }
    running.control.add_fault("moonshot:prefill_refused,times=1".parse().unwrap());
    let (.., body) = begun(&running, "kimi-k2.6", true).await;
    assert_eq!(running.moonshot().chat(&body).await.status, 400);
    assert_eq!(running.moonshot().chat(&body).await.status, 200);
}

#[tokio::test]
async fn a_body_ends_cleanly_behind_so_many_bytes() {
    let running = Running::new().await;
    let whole = running.moonshot().chat(&streaming(ask("kimi-k2.6", WORDS))).await;
    running.control.add_fault("moonshot:end_after=700,times=1".parse().unwrap());
    let cut = running.moonshot().chat(&streaming(ask("kimi-k2.6", WORDS))).await;
    assert_eq!(cut.end, super::client::End::Clean);
    assert!(cut.body.len() == 700 && whole.body.len() > 700, "{} of {}", cut.body.len(), whole.body.len());
}
