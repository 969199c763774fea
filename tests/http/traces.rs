//! Traces report each request to a collector, and no request waits for it.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};

use crate::common::collector::{Collector, LEFT_OUT, Span};
use crate::common::process::signal;
use crate::common::scrape::Scrape;
use crate::common::{Answer, Gateway, Manager, Provider, Setup, Upstream, prompt};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CHAIN: [Provider; 2] = [Provider::Moonshot, Provider::OpenRouter];

fn traced(upstream: &Upstream, chain: &[Provider], collector: &Collector) -> Setup {
    Setup::chain(upstream, chain).set("telemetry.otlp.endpoint", json!(collector.base))
}

async fn started(chain: &[Provider]) -> (Upstream, Collector, Gateway) {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, chain, &collector).start().await;
    (upstream, collector, gateway)
}

fn hello(stream: bool) -> Value {
    prompt("default", "Say hello", stream)
}

async fn ask(gateway: &Gateway, trace_parent: &str) -> Answer {
    let request = gateway.chat_request(hello(false).to_string()).header("traceparent", trace_parent);
    Answer::read(request.send().await.unwrap()).await
}

/// What is true of every span of every request.
fn assert_well_formed(spans: &[Span]) {
    let [request, attempts @ ..] = spans else { panic!("no span") };
    assert_eq!((request.kind, request.name.as_str()), (SpanKind::Server, "relay default"), "{spans:?}");
    assert_eq!(request.attributes["moonrelay.attempts"], json!(attempts.len()), "{spans:?}");
    for (span, number) in attempts.iter().zip(1..) {
        assert_eq!((span.kind, &span.parent, &span.trace), (SpanKind::Client, &request.id, &request.trace));
        assert_eq!(span.attributes["moonrelay.attempt"], json!(number), "{span:?}");
        let model = span.attributes["gen_ai.request.model"].as_str().unwrap();
        assert_eq!(span.name, format!("chat {model}"));
        assert_eq!(span.attributes["gen_ai.operation.name"], "chat");
        assert!(span.time.0 >= request.time.0 && span.time.1 <= request.time.1, "{spans:?}");
    }
    for span in spans {
        assert!(span.time.0 <= span.time.1, "{span:?}");
        let is_error = span.status == StatusCode::Error;
        assert_eq!(is_error, span.attributes.contains_key("error.type"), "{span:?}");
        for name in span.attributes.keys().chain(span.events.iter().flat_map(|event| event.1.keys())) {
            assert!(name.starts_with("moonrelay.") || CONVENTIONAL.contains(&name.as_str()), "{name}");
        }
    }
}

#[expect(deprecated, reason = "the crate marks what moved to the repository of the GenAI conventions")]
const CONVENTIONAL: &[&str] = {
    use opentelemetry_semantic_conventions::attribute::*;
    &[
        GEN_AI_OPERATION_NAME,
        GEN_AI_PROVIDER_NAME,
        GEN_AI_REQUEST_MODEL,
        GEN_AI_REQUEST_STREAM,
        GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
        GEN_AI_USAGE_INPUT_TOKENS,
        GEN_AI_USAGE_OUTPUT_TOKENS,
        GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        SERVER_ADDRESS,
        SERVER_PORT,
        ERROR_TYPE,
    ]
};

#[tokio::test]
async fn request_and_attempt_spans_are_below_the_clients_span() {
    let (upstream, mut collector, gateway) = started(&CHAIN).await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "rate_limit" })).await;
    let answer = ask(&gateway, &format!("00-{TRACE}-{PARENT}-01")).await;
    assert_eq!(answer.attempts(), "moonshot/kimi-k3=rate_limit, openrouter/auto=ok", "{}", answer.text());

    for sent in upstream.requests().await {
        let header = json!(["traceparent", format!("00-{TRACE}-{PARENT}-01")]);
        assert!(sent["headers"].as_array().unwrap().contains(&header), "it goes on as it came: {sent}");
    }
    let posted = collector.next().await;
    assert_eq!(posted.path, "/v1/traces");
    assert_eq!(posted.headers["content-type"], "application/x-protobuf");
    assert!(posted.headers["user-agent"].to_str().unwrap().starts_with("moonrelay/"), "{:?}", posted.headers);
    let resource = posted.resource();
    assert_eq!(
        (&resource["service.name"], &resource["service.version"]),
        (&json!("moonrelay"), &json!("0.1.0"))
    );
    assert_eq!(resource["service.instance.id"].as_str().unwrap().len(), 36, "{resource:?}");
    let text = String::from_utf8_lossy(&posted.body);
    for secret in
        ["Say hello", &answer.said().content, "1.46.0", Provider::Moonshot.key(), Provider::OpenRouter.key()]
    {
        assert!(!text.contains(secret), "{secret:?} goes to the collector");
    }

    let spans = posted.spans();
    assert_well_formed(&spans);
    let [request, failed, answered] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, PARENT));
    assert_eq!(request.status, StatusCode::Unset);
    let said = |name: &str| &request.attributes[name];
    assert_eq!(said("moonrelay.request.id"), answer.header("x-moonrelay-request-id"));
    assert_eq!((said("moonrelay.client"), said("moonrelay.outcome")), (&json!("KimiCLI"), &json!("ok")));
    assert_eq!(
        (said("moonrelay.requested"), said("moonrelay.answered")),
        (&json!("default"), &json!("openrouter/auto"))
    );

    assert_eq!((failed.status, &failed.attributes["error.type"]), (StatusCode::Error, &json!("rate_limit")));
    assert_eq!(failed.attributes["gen_ai.provider.name"], "moonshot");
    assert!(!failed.attributes.contains_key("gen_ai.usage.input_tokens"), "{failed:?}");
    let port: u16 = upstream.base().rsplit(':').next().unwrap().parse().unwrap();
    for span in [failed, answered] {
        assert_eq!(span.attributes["server.address"], "127.0.0.1");
        assert_eq!(span.attributes["server.port"], json!(port));
    }
    assert!(answered.time.0 >= failed.time.1, "one after the other: {spans:?}");
    let usage = &answer.json()["usage"];
    let tokens = |name: &str| &answered.attributes[name];
    assert_eq!(tokens("gen_ai.usage.input_tokens"), &usage["prompt_tokens"]);
    assert_eq!(tokens("gen_ai.usage.output_tokens"), &usage["completion_tokens"]);
    let (cost, reported) = (tokens("moonrelay.cost").as_f64().unwrap(), usage["cost"].as_f64().unwrap());
    assert!((cost - reported).abs() < 1e-12, "{cost} {reported}");
    assert_eq!(
        (tokens("moonrelay.cost.currency"), tokens("moonrelay.cost.pricing")),
        (&json!("USD"), &json!("provider"))
    );
}

#[tokio::test]
async fn skipped_target_is_a_span_event() {
    let (upstream, mut collector, gateway) = started(&CHAIN).await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "overloaded" })).await;
    for _ in 0..2 {
        assert_eq!(gateway.chat(&hello(false)).await.model(), "openrouter/auto");
    }
    let requests = collector.requests(2).await;
    requests.iter().for_each(|spans| assert_well_formed(spans));
    let reason = &requests[0][1].attributes["error.type"];
    let (name, said) = &requests[1][0].events[0];
    assert_eq!((name.as_str(), requests[1].len()), ("moonrelay.target.skipped", 2), "{requests:?}");
    assert_eq!(
        (&said["moonrelay.target"], &said["moonrelay.reason"]),
        (&json!("moonshot/kimi-k3"), &json!("cooling_down"))
    );
    assert_eq!(&said["moonrelay.rest"], reason);
}

#[tokio::test]
async fn stream_span_ends_with_the_stream() {
    let chain = [Provider::Kimi, Provider::Moonshot];
    let (upstream, mut collector, gateway) = started(&chain).await;
    let whole = gateway.chat(&hello(true)).await;
    let spans = collector.requests(1).await.remove(0);
    assert_well_formed(&spans);
    let [request, answered] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(answered.time.1, request.time.1, "{spans:?}");
    assert_eq!(answered.attributes["gen_ai.request.stream"], json!(true));
    let first = answered.attributes["gen_ai.response.time_to_first_chunk"].as_f64().unwrap();
    assert!(first > 0.0 && first <= (answered.time.1 - answered.time.0) as f64 / 1e9, "{spans:?}");
    let usage = &whole.said().usages[0];
    assert_eq!(answered.attributes["gen_ai.usage.output_tokens"], usage["completion_tokens"]);

    // During reasoning the next target starts a new answer; during text it continues the answer.
    for word in ["reasoning_content\":\"", "\"content\":\""] {
        let text = whole.text();
        let last = text.rfind(word).unwrap();
        let cut = text[..last].rfind("\n\n").unwrap() + 3;
        let gateway = traced(&upstream, &chain, &collector).start().await;
        upstream.fault(json!({ "provider": "kimi", "kind": "end_after", "value": cut, "times": 1 })).await;
        let answer = gateway.chat(&hello(true)).await;
        assert!(answer.said().errors.is_empty() && !answer.broken, "{}", answer.text());
        let spans = collector.requests(1).await.remove(0);
        assert_well_formed(&spans);
        let [request, broken, answered] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(
            (broken.status, &broken.attributes["error.type"]),
            (StatusCode::Error, &json!("truncated"))
        );
        assert!(broken.attributes.contains_key("gen_ai.usage.input_tokens"), "it was begun: {broken:?}");
        assert!(broken.time.1 <= answered.time.0 && answered.time.1 == request.time.1, "{spans:?}");
        assert_eq!((request.status, answered.status), (StatusCode::Unset, StatusCode::Unset));
    }
}

#[tokio::test]
async fn cancelled_hedge_is_not_an_error() {
    let (upstream, mut collector) = (Upstream::start().await, Collector::start().await);
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
    let gateway = traced(&upstream, &CHAIN, &collector).set("failover.hedgeAfterMs", json!(50)).start().await;
    assert_eq!(gateway.chat(&hello(true)).await.model(), "openrouter/auto");
    let spans = collector.requests(1).await.remove(0);
    assert_well_formed(&spans);
    let [_, cancelled, answered] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(
        (cancelled.status, &cancelled.attributes["moonrelay.outcome"]),
        (StatusCode::Unset, &json!("cancelled"))
    );
    assert_eq!(cancelled.attributes["moonrelay.usage.estimated"], json!(true));
    assert!(cancelled.time.0 < answered.time.0 && answered.time.0 < cancelled.time.1, "{spans:?}");
}

#[tokio::test]
async fn failed_request_span_has_its_reason() {
    let (upstream, mut collector, gateway) = started(&CHAIN).await;
    upstream.fault(json!({ "provider": "*", "kind": "server_error" })).await;
    assert!(gateway.chat(&hello(false)).await.status >= 500);
    let spans = collector.requests(1).await.remove(0);
    assert_well_formed(&spans);
    assert_eq!(spans.len(), 3, "{spans:?}");
    for span in &spans {
        assert_eq!((span.status, &span.attributes["error.type"]), (StatusCode::Error, &json!("server")));
    }
}

#[tokio::test]
async fn unsampled_trace_is_not_sent_and_an_invalid_parent_is_ignored() {
    let (_upstream, mut collector, gateway) = started(&[Provider::Moonshot]).await;
    for header in [format!("00-{TRACE}-{PARENT}-00"), format!("00-{TRACE}-{PARENT}-zz")] {
        assert_eq!(ask(&gateway, &header).await.status, 200);
    }
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    let requests = collector.requests(2).await;
    for spans in &requests {
        assert_well_formed(spans);
        assert_eq!((spans[0].parent.as_str(), spans[0].trace == TRACE), ("", false), "{spans:?}");
    }
    assert_ne!(requests[0][0].trace, requests[1][0].trace);
    assert_eq!(collector.rest(), 0);
}

#[tokio::test]
async fn slow_collector_delays_no_request_and_spans_are_flushed_at_shutdown() {
    let (_upstream, mut collector, mut gateway) = started(&[Provider::Moonshot]).await;
    let release = collector.holds();
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    collector.next().await;
    // The collector answers nothing until these have their answers.
    for _ in 0..3 {
        assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    }
    signal("-TERM", gateway.serving.pid()).await;
    gateway.serving.said("stopped").await;
    assert_eq!(collector.rest(), 0);
    release.send(()).unwrap();
    let requests = collector.requests(3).await;
    requests.iter().for_each(|spans| assert_well_formed(spans));
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}

#[tokio::test]
async fn silent_collector_does_not_delay_shutdown() {
    let (_upstream, mut collector, mut gateway) = started(&[Provider::Moonshot]).await;
    let _held = collector.holds();
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    collector.next().await;
    signal("-TERM", gateway.serving.pid()).await;
    gateway.serving.said("the last traces are lost").await;
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}

#[tokio::test]
async fn export_is_retried_and_its_failure_logged_once() {
    let (_upstream, mut collector, mut gateway) = started(&[Provider::Moonshot]).await;
    for (status, wait) in [(503, Some("1")), (429, None)] {
        collector.answers(status, wait);
    }
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    let (first, second, third) = (collector.next().await, collector.next().await, collector.next().await);
    assert!(first.body == second.body && second.body == third.body, "the same spans");
    // Trying again cannot help against these.
    for _ in 0..2 {
        collector.answers(500, None);
        assert_eq!(gateway.chat(&hello(false)).await.status, 200);
        collector.next().await;
    }
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    collector.next().await;
    gateway.serving.said("again; those of 2 requests are lost").await;
    let output = gateway.serving.output();
    let reported: Vec<&str> = output.lines().filter(|line| line.contains("traces do not reach")).collect();
    let host = collector.base.strip_prefix("http://").unwrap();
    assert_eq!(reported.len(), 1, "{output}");
    assert!(reported[0].contains(host) && reported[0].contains("it responds with 500"), "{output}");
    assert_eq!(collector.rest(), 0);
    let dropped = Scrape::of(&gateway).await.sum("moonrelay_traces_dropped_total", &[]);
    assert_eq!(dropped, Some(2.0), "the requests of the two calls that were refused");
}

#[tokio::test]
async fn rejected_spans_are_logged_once() {
    let (_upstream, mut collector, mut gateway) = started(&[Provider::Moonshot]).await;
    // Two calls that are not taken whole, one that is, and one that is not.
    for left_out in [3, 4, 0, 5] {
        collector.leaves_out(left_out);
        assert_eq!(gateway.chat(&hello(false)).await.status, 200);
        collector.next().await;
    }
    gateway.serving.said("rejected 5 spans").await;
    let output = gateway.serving.output();
    assert!(output.contains("rejected 3 spans") && !output.contains("rejected 4 spans"), "{output}");
    assert!(!output.contains(LEFT_OUT), "its own words may hold a key: {output}");
    assert_eq!(collector.rest(), 0, "what was taken in part is not sent again");
}

#[tokio::test]
async fn unreachable_collector_is_logged_once() {
    let upstream = Upstream::start().await;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}/sk-in-a-path");
    let setup = Setup::chain(&upstream, &CHAIN).set("telemetry.otlp.endpoint", json!(endpoint));
    let mut gateway = setup.start().await;
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    gateway.serving.said(&format!("traces do not reach 127.0.0.1:{port}: cannot connect")).await;
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    let reported = gateway.serving.stop().await;
    assert_eq!(reported.matches("attempts=").count(), 2, "{reported}");
    assert!(!reported.contains("sk-in-a-path"), "{reported}");
}

#[tokio::test]
async fn reload_moves_disables_and_enables_traces() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let (mut first, mut second) = (Collector::start().await, Collector::start().await);
    let silent = Setup::chain(&upstream, &CHAIN)
        .set("gateway.reload", json!(false))
        .environment("NOTIFY_SOCKET", manager.path());
    let gateway = silent.clone().start().await;
    manager.until("READY=1").await;
    let to = |collector: &Collector| silent.clone().set("telemetry.otlp.endpoint", json!(collector.base));
    for (setup, expected) in
        [(to(&first), [1, 0]), (to(&second), [0, 1]), (silent.clone(), [0, 0]), (to(&first), [1, 0])]
    {
        std::fs::write(gateway.config(), setup.text()).unwrap();
        signal("-HUP", gateway.serving.pid()).await;
        manager.until("READY=1").await;
        assert_eq!(gateway.chat(&hello(false)).await.status, 200);
        for (collector, count) in [&mut first, &mut second].into_iter().zip(expected) {
            collector.requests(count).await;
        }
    }
    assert_eq!((first.rest(), second.rest()), (0, 0));
}

#[tokio::test]
async fn header_variable_is_used_and_never_printed() {
    const KEY: &str = "sk-of-the-collector-0123456789";
    let (upstream, mut collector) = (Upstream::start().await, Collector::start().await);
    let mut gateway = traced(&upstream, &CHAIN, &collector)
        .set("logging.level", json!("trace"))
        .environment("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization=Bearer%20{KEY}"))
        .start()
        .await;
    assert_eq!(gateway.chat(&hello(false)).await.status, 200);
    assert_eq!(collector.next().await.headers["authorization"], format!("Bearer {KEY}"));
    let reported = gateway.serving.stop().await;
    assert_eq!(reported.matches("attempts=").count(), 1, "{reported}");
    assert!(!reported.contains(KEY), "{reported}");
}
