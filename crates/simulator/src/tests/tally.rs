//! The usage counters: the usage of the answers, to the token.

use std::time::Duration;

use crate::ModelUsage;
use crate::tests::*;

/// Prompt, cached, completion and reasoning tokens, from the figures of an API.
fn figures(api: Api, usage: &Value) -> [u64; 4] {
    let at = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    match api {
        Api::ChatCompletions => [
            at("/prompt_tokens"),
            at("/prompt_tokens_details/cached_tokens"),
            at("/completion_tokens"),
            at("/completion_tokens_details/reasoning_tokens"),
        ],
        Api::Responses => [
            at("/input_tokens"),
            at("/input_tokens_details/cached_tokens"),
            at("/output_tokens"),
            at("/output_tokens_details/reasoning_tokens"),
        ],
        Api::Messages => [
            at("/input_tokens") + at("/cache_read_input_tokens"),
            at("/cache_read_input_tokens"),
            at("/output_tokens"),
            at("/output_tokens_details/thinking_tokens"),
        ],
    }
}

#[tokio::test]
async fn an_answer_counts_with_the_figures_that_it_reports() {
    let running = Running::new().await;
    for provider in KIMI_HOSTS {
        for api in Api::ALL {
            let (client, model) = running.api(provider, api);
            let used = || running.control.usage(provider, model, api);
            let text = format!("{} and say it again", "some history ".repeat(90));
            let asked = prompt(api, model, &text).to_string();
            let usage = client.send("POST", api.route(), asked.as_bytes()).await.json()["usage"].clone();
            let [prompt_tokens, cached, completion, reasoning] = figures(api, &usage);
            assert!(cached >= 256 && prompt_tokens > cached && completion > 0, "{usage}");
            let cost = usage["cost"].as_f64();
            assert_eq!(cost.is_some(), provider == Provider::OpenRouter, "{usage}");
            let once = ModelUsage {
                answers: 1,
                prompt: prompt_tokens,
                cached,
                completion,
                reasoning,
                cost: used().cost,
                ..ModelUsage::default()
            };
            assert_eq!(used(), once, "{provider} {api}");
            // 0.3, 3 and 15 dollars for a million tokens.
            let exact = cached * 300_000 + (prompt_tokens - cached) * 3_000_000 + completion * 15_000_000;
            assert_eq!(once.cost, cost.map_or(0, |_| u128::from(exact)), "{provider} {api}");
            assert_eq!(cost.unwrap_or_default(), once.cost as f64 / 1e12, "{provider} {api}");

            let again = streaming(prompt(api, model, &text)).to_string();
            assert_eq!(client.send("POST", api.route(), again.as_bytes()).await.status, 200);
            let twice = used();
            assert_eq!((twice.answers, twice.prompt, twice.unreported_answers), (2, 2 * once.prompt, 0));
            assert_eq!((twice.completion, twice.cost), (2 * once.completion, 2 * once.cost));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_before_its_usage_counts_apart() {
    let running = Running::new().await;
    for api in Api::ALL {
        let (client, model) = running.api(Provider::OpenRouter, api);
        for spec in ["truncate=1", "reset_after=40", "error_chunk_after=1", "malformed_json=99", "empty"] {
            running.control.add_fault(format!("openrouter:{spec},times=1").parse().unwrap());
            let asked = streaming(prompt(api, model, "hello")).to_string();
            let _ = client.exchange("POST", api.route(), asked.as_bytes()).await;
        }
        assert!(running.control.wait_for(Duration::from_secs(10), |stats| stats.in_flight == 0).await);
        let used = running.control.usage(Provider::OpenRouter, model, api);
        // An answer that is empty, or malformed in the middle, still reports its usage.
        assert_eq!((used.answers, used.unreported_answers), (2, 3), "{api}");
    }
    let books = running.own().get("/_tally").await.json();
    let row = &books["rows"][0];
    assert_eq!((&row["provider"], &row["model"]), (&json!("openrouter"), &json!("moonshotai/kimi-k3")));
    assert_eq!((&row["face"], &row["answers"], &row["untold"]), (&json!("chat"), &json!(2), &json!(3)));
    assert_eq!(row["cost"].as_str().unwrap().split_once('.').unwrap().1.len(), 12, "{row}");
    assert_eq!(running.own().send("DELETE", "/_tally", b"").await.json(), json!({ "rows": [] }));
}
