//! Whole searches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::script::{ARGUMENTS, Line, Script, calls, refuses, says, searches};
use crate::assistant::search::{SearchFailure, SearchFailureKind, SearchResult, Searcher};
use crate::config::settings::Settings;
use crate::config::{self, Environment};
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::record::{AttemptOutcome, Record, RequestId};

fn settings(web_search: &str, variables: &[(&str, &str)]) -> Settings {
    let text =
        format!("{{ plugins: {{ entries: {{ moonshot: {{ config: {{ webSearch: {web_search} }} }} }} }} }}");
    let environment: Environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config::from_text(&text, None, &environment).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn searcher(script: &Arc<Script>, web_search: &str) -> Searcher {
    Searcher::new(script.clone(), &settings(web_search, &[("MOONSHOT_API_KEY", "sk-platform-000001")]))
}

async fn search(lines: Vec<Line>) -> (Result<SearchResult, SearchFailure>, Arc<Script>) {
    let script = Script::of(lines);
    let outcome = searcher(&script, "{}").search("who landed on the moon?").await;
    (outcome, script)
}

#[tokio::test]
async fn arguments_of_the_model_are_returned_unchanged() {
    let (found, script) = search(vec![searches(), says("Armstrong, see https://moon.example/a.")]).await;
    let found = found.unwrap();
    assert_eq!(found.content, "Armstrong, see https://moon.example/a.");
    assert_eq!(
        found.citations,
        ["https://moon.example/a"],
        "the searches reported no address, so the answer's count"
    );
    let bodies = script.bodies();
    let first = json!({
        "model": "kimi-k2.6",
        "thinking": { "type": "disabled" },
        "messages": bodies[0]["messages"],
        "tools": [{ "type": "builtin_function", "function": { "name": "$web_search" } }],
        "stream": false,
    });
    assert_eq!(bodies[0], first);
    assert_eq!(bodies[0]["messages"][1], json!({ "role": "user", "content": "who landed on the moon?" }));
    let messages = bodies[1]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[2]["tool_calls"][0]["function"]["arguments"], ARGUMENTS);
    let echo = json!({ "role": "tool", "tool_call_id": "t-web_search-1", "name": "$web_search", "content": ARGUMENTS });
    assert_eq!(messages[3], echo);
    let (url, headers, _) = &script.asked.lock().unwrap()[0];
    assert_eq!(url, "https://api.moonshot.ai/v1/chat/completions");
    assert!(headers["user-agent"].to_str().unwrap().starts_with("moonrelay/"));
    assert_eq!(found.usage.searches, 1);
    assert_eq!(
        found.to_json()["usage"]["cost"]["total"],
        json!(0.00698),
        "2000 × 0.95 + 20 × 4 a million, and a call"
    );
}

#[tokio::test]
async fn result_is_cached_and_failure_is_not() {
    let script = Script::of([says("from memory"), searches(), says("found")]);
    let searcher = searcher(&script, "{}");
    let ungrounded = searcher.search("q").await.unwrap_err();
    assert_eq!(ungrounded.kind, SearchFailureKind::Ungrounded);
    assert!(!searcher.search(" q ").await.unwrap().is_cached);
    let again = searcher.search("q").await.unwrap();
    assert!(again.is_cached && again.content == "found" && again.usage.searches == 0);
    assert_eq!(script.bodies().len(), 3);
}

#[tokio::test]
async fn search_ends_after_three_rounds() {
    let (outcome, script) = search(vec![searches(), searches(), searches()]).await;
    let failure = outcome.unwrap_err();
    assert_eq!(
        (failure.kind, failure.target.as_deref()),
        (SearchFailureKind::NoAnswer, Some("moonshot/kimi-k2.6"))
    );
    let bodies = script.bodies();
    let ids = |at: usize| bodies[2]["messages"][at]["tool_call_id"].as_str().unwrap().to_owned();
    assert_ne!(ids(3), ids(5), "an id stands once in a conversation: {}", bodies[2]);
    assert_eq!(bodies[2]["messages"][4]["tool_calls"][0]["id"], ids(5));
}

#[tokio::test]
async fn empty_answer_or_unknown_tool_is_a_failure() {
    let (outcome, _) = search(vec![searches(), says(" ")]).await;
    assert_eq!(outcome.unwrap_err().kind, SearchFailureKind::NoAnswer);
    let (outcome, script) = search(vec![calls("python", "{}"), says("no idea")]).await;
    assert_eq!(outcome.unwrap_err().kind, SearchFailureKind::Ungrounded);
    let reply = &script.bodies()[1]["messages"][3];
    assert!(reply["content"].as_str().unwrap().contains("Unknown tool"), "{reply}");
}

#[tokio::test]
async fn sources_of_searches_come_first_and_only_web_pages_count() {
    let arguments = r#"{"search_results":[{"url":"https://a.example/1"},{"url":"javascript:alert(1)"}],"url":"http://b.example"}"#;
    let (found, _) = search(vec![calls("$web_search", arguments), says("see https://c.example")]).await;
    assert_eq!(found.unwrap().citations, ["https://a.example/1", "http://b.example"]);
}

#[tokio::test]
async fn rejected_key_is_followed_by_the_next_and_the_error_names_all() {
    let refused = || refuses(401, "invalid_authentication_error", "Invalid Authentication");
    let keys = [("KIMI_API_KEY", "sk-abcdef-000001"), ("MOONSHOT_API_KEY", "sk-platform-000002")];
    let script = Script::of([refused(), searches(), says("found")]);
    Searcher::new(script.clone(), &settings("{}", &keys)).search("q").await.unwrap();
    assert_eq!(
        script.keys(),
        ["Bearer sk-abcdef-000001", "Bearer sk-platform-000002", "Bearer sk-platform-000002"]
    );

    let script = Script::of([refused(), refused()]);
    let failure = Searcher::new(script, &settings("{}", &keys)).search("q").await.unwrap_err();
    assert_eq!(failure.kind, SearchFailureKind::Upstream(Reason::Auth));
    for part in [
        "sk-…01 (env KIMI_API_KEY)",
        "sk-…02 (env MOONSHOT_API_KEY)",
        "Kimi Code",
        "plugins.entries.moonshot.config.webSearch.baseUrl",
        "https://api.moonshot.cn/v1",
    ] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    assert!(!failure.message.contains("abcdef"), "{failure}");
    let china = |key: &str| format!("{{ baseUrl: 'https://api.moonshot.cn/v1', apiKey: '{key}' }}");
    for (key, part, other) in [
        ("sk-other-0000000001", "https://api.moonshot.ai/v1", "sk-kimi-"),
        ("sk-kimi-0000000001", "begins with sk-kimi-", "api.moonshot.ai"),
    ] {
        let script = Script::of([refused()]);
        let failure = Searcher::new(script, &settings(&china(key), &keys)).search("q").await.unwrap_err();
        assert!(failure.message.contains(part) && !failure.message.contains(other), "{failure}");
    }
}

#[tokio::test]
async fn search_without_a_usable_key_sends_nothing() {
    for (variables, part) in
        [(&[][..], "neither"), (&[("KIMI_API_KEY", "sk-kimi-0000000001")][..], "Kimi Code")]
    {
        let script = Script::of([]);
        let failure = Searcher::new(script, &settings("{}", variables)).search("q").await.unwrap_err();
        assert!(failure.kind == SearchFailureKind::MissingKey && failure.message.contains(part), "{failure}");
        assert!(
            failure.message.contains("MOONSHOT_API_KEY") && !failure.message.contains("0001"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn successor_replaces_a_retired_default_model() {
    let gone =
        || refuses(404, "resource_not_found_error", "Not found the model kimi-k2.6 or Permission denied");
    let script = Script::of([gone(), searches(), says("found")]);
    let found = searcher(&script, "{}").search("q").await.unwrap();
    assert_eq!(found.reference, "moonshot/kimi-k3.1-pro");
    let bodies = script.bodies();
    assert_eq!(
        (&bodies[1]["model"], &bodies[1]["reasoning_effort"]),
        (&json!("kimi-k3.1-pro"), &json!("low"))
    );
    assert!(bodies[1].get("thinking").is_none());
    assert_eq!(
        bodies[2]["messages"][2]["reasoning_content"], " ",
        "a model that thinks wants to see that it did"
    );

    let script = Script::of([gone()]);
    let failure = searcher(&script, "{ model: 'kimi-k2.6' }").search("q").await.unwrap_err();
    assert_eq!(failure.kind, SearchFailureKind::Upstream(Reason::ModelNotFound));
    assert!(failure.message.contains("webSearch.model"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn silent_model_times_out() {
    let script = Script::of([Line::Silent]);
    let began = tokio::time::Instant::now();
    let failure = searcher(&script, "{}").search("q").await.unwrap_err();
    assert_eq!(
        (failure.kind, began.elapsed()),
        (SearchFailureKind::Upstream(Reason::Timeout), Duration::from_secs(30))
    );
    assert!(failure.message.contains("timeoutSeconds"), "{failure}");
}

#[tokio::test]
async fn other_failures_are_not_retried() {
    let (outcome, script) = search(vec![Line::Broken]).await;
    assert_eq!(
        (outcome.unwrap_err().kind, script.bodies().len()),
        (SearchFailureKind::Upstream(Reason::Network), 1)
    );
    let busy =
        refuses(429, "engine_overloaded_error", "The engine is currently overloaded, please try again later");
    let (outcome, _) = search(vec![busy]).await;
    assert_eq!(outcome.unwrap_err().kind, SearchFailureKind::Upstream(Reason::Overloaded));
    let (outcome, _) =
        search(vec![Line::Status(200, json!({ "error": { "message": "no", "type": "server_error" } }))])
            .await;
    assert_eq!(outcome.unwrap_err().kind, SearchFailureKind::Upstream(Reason::Server));
    let (outcome, _) = search(vec![Line::Status(200, json!([1]))]).await;
    assert_eq!(outcome.unwrap_err().kind, SearchFailureKind::Upstream(Reason::Server));
}

#[tokio::test]
async fn empty_or_large_query_is_rejected() {
    let script = Script::of([]);
    for query in ["", " \n", &"x".repeat(8 * 1024 + 1)] {
        assert_eq!(
            searcher(&script, "{}").search(query).await.unwrap_err().kind,
            SearchFailureKind::InvalidQuery
        );
    }
}

#[tokio::test]
async fn search_is_one_usage_record_however_it_ends() {
    let records: Mutex<Vec<Record>> = Mutex::default();
    let begun = || Record::new(RequestId::now(), "laptop".to_owned(), Api::ChatCompletions);
    let sink = |record| records.lock().unwrap().push(record);
    let script = Script::of([searches(), says("found"), says("memory"), searches(), Line::Silent]);
    let searcher = searcher(&script, "{}");
    searcher.search_recorded("q", begun(), sink).await.unwrap();
    searcher.search_recorded("q", begun(), sink).await.unwrap();
    searcher.search_recorded("other", begun(), sink).await.unwrap_err();
    tokio::select! {
        biased;
        _ = searcher.search_recorded("third", begun(), sink) => panic!("it is silent"),
        () = std::future::ready(()) => {}
    }
    let records = records.into_inner().unwrap();
    let [found, cached, ungrounded, dropped] = records.as_slice() else { panic!("{records:?}") };
    let attempt = &found.attempts[0];
    assert_eq!((attempt.outcome, attempt.usage.unwrap().input), (AttemptOutcome::Ok, 2000));
    assert_eq!(attempt.cost.as_ref().unwrap().amount.to_string(), "0.00698");
    assert_eq!((found.requested_model.as_str(), found.outcome()), ("web_search", "ok"));
    assert_eq!((cached.attempts.len(), cached.outcome()), (0, "ok"));
    assert_eq!(ungrounded.attempts[0].outcome, AttemptOutcome::Failed(Reason::Server));
    assert_eq!(ungrounded.attempts[0].usage.unwrap().input, 1000);
    assert!(ungrounded.attempts[0].cost.is_some(), "it was paid all the same");
    assert_eq!((dropped.outcome(), dropped.attempts[0].outcome), ("abandoned", AttemptOutcome::Cancelled));
    assert_eq!(dropped.attempts[0].usage.unwrap().input, 1000, "the first round had come to its end");
}
