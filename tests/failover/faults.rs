//! Every fault of the simulator, for every provider, streamed or not: what the client receives.
//!
//! The results are in `docs/reference/failures.md`; `MOONRELAY_BLESS=1 cargo test` generates it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::common::{Answer, Provider, Said, Setup, Upstream, prompt, reference};

/// A documented error of a provider, for other modules.
pub(crate) fn documented(provider: Provider, kind: &str) -> Value {
    json!({ "provider": provider.id(), "kind": kind })
}

/// A pause of 20 ms before each chunk.
pub(crate) fn slow_drip(provider: Provider) -> Value {
    json!({ "provider": provider.id(), "kind": "drip", "value": 20 })
}

/// Silence after the first chunk of content.
pub(crate) fn never_ending(provider: Provider) -> Value {
    json!({ "provider": provider.id(), "kind": "stall", "value": 1 })
}

/// The clocks of these tests. Long enough for a busy machine, short enough to wait for.
const CLOCK_SECONDS: u64 = 2;

/// Simulators and gateways at work at the same time.
const WORKERS: usize = 6;

/// Long enough that faults behind a few chunks fall into its middle.
const PROMPT: &str = "reply with 120 words";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Whole,
    StreamBefore,
    StreamAfter,
}

#[derive(Clone, Debug)]
struct Case {
    provider: Provider,
    kind: String,
    value: Option<u64>,
    phase: Phase,
}

impl Case {
    fn label(&self) -> String {
        match self.value {
            Some(value) if self.kind == "status" => format!("status {value}"),
            _ => self.kind.clone(),
        }
    }

    /// Markup becomes a tool call only if tools are offered, so this request offers one.
    fn body(&self) -> Value {
        let (model, stream) = (self.provider.reference(), self.phase != Phase::Whole);
        if self.kind == "leak_markup" {
            return with_tool(prompt(model, "Please call get_weather for Paris", stream));
        }
        prompt(model, PROMPT, stream)
    }

    fn faults(&self) -> Vec<Value> {
        let fault = json!({ "provider": self.provider.id(), "kind": self.kind, "value": self.value });
        // A reset discards unread bytes; slow chunks let the gateway read each one before it.
        let drips = self.phase == Phase::StreamAfter && self.kind == "reset_after";
        let drip = json!({ "provider": self.provider.id(), "kind": "drip", "value": 5 });
        drips.then_some(drip).into_iter().chain([fault]).collect()
    }
}

/// The result for the client.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    /// The primary's own answer, whole.
    Primary,
    /// The fallback's answer, whole; the reason of the attempt before.
    Fallback(String),
    /// The primary's refusal, at once.
    Refused(u16, String),
    /// The content before the interruption, and then an error event.
    ErrorEvent,
}

impl Seen {
    fn words(&self) -> String {
        match self {
            Self::Primary => "answers".to_owned(),
            Self::Fallback(reason) => format!("fallback: `{reason}`"),
            Self::Refused(status, reason) => format!("{status} to the client: `{reason}`"),
            Self::ErrorEvent => "error event".to_owned(),
        }
    }
}

/// Kinds that change the shape of an answer and not its meaning.
const HARMLESS: &[&str] = &["drip", "split", "crlf", "no_role", "leak_markup", "truncate_no_done"];

/// Kinds that break a stream behind so many chunks.
const BREAKS: &[&str] = &[
    "stall",
    "truncate",
    "end_after",
    "malformed_json",
    "malformed_sse",
    "error_chunk_after",
    "reset_after",
];

/// Kinds that a whole answer does not have.
const STREAMS_ONLY: &[&str] = &["error_chunk_first", "error_chunk_after", "truncate_no_done", "crlf"];

/// Statuses with a text that no provider documents.
const STATUSES: &[u64] = &[400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 524, 529];

fn cases(kinds: &[Value]) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in kinds {
        let word = kind["kind"].as_str().unwrap();
        // As `truncate`, at a place that the loops over pairs of providers choose.
        if ["truncate_thinking", "truncate_text", "truncate_call"].contains(&word) {
            continue;
        }
        for provider in Provider::ALL {
            if kind["provider"] != "*" && kind["provider"] != provider.id() {
                continue;
            }
            let mut add = |phase, value| cases.push(Case { provider, kind: word.to_owned(), value, phase });
            if word == "status" {
                for status in STATUSES {
                    add(Phase::Whole, Some(*status));
                    add(Phase::StreamBefore, Some(*status));
                }
                continue;
            }
            let (before, after) = match word {
                "retry_after" => (Some(30), None),
                "drip" => (Some(5), None),
                "split" => (Some(3), None),
                "reset_after" | "end_after" => (Some(0), Some(3000)),
                // Nothing here brings the beginning of an answer.
                _ if word.starts_with("prefill_") => continue,
                "error_chunk_after" => (Some(0), Some(4)),
                _ if BREAKS.contains(&word) => (Some(0), Some(4)),
                _ => {
                    assert_ne!(kind["value"]["required"], json!(true), "{word} needs a value in this test");
                    (None, None)
                }
            };
            if !STREAMS_ONLY.contains(&word) {
                add(Phase::Whole, before);
            }
            add(Phase::StreamBefore, before);
            if after.is_some() {
                add(Phase::StreamAfter, after);
            }
        }
    }
    cases
}

fn fallback(primary: Provider) -> Provider {
    match primary {
        Provider::Moonshot | Provider::Kimi => Provider::OpenRouter,
        Provider::OpenRouter => Provider::Moonshot,
    }
}

/// Short timeouts; an interrupted stream ends with an error (continuation has its own tests).
pub(crate) fn clocked(setup: Setup) -> Setup {
    let timeouts = json!({
        "connectSeconds": CLOCK_SECONDS, "headSeconds": CLOCK_SECONDS,
        "firstByteSeconds": CLOCK_SECONDS, "idleSeconds": CLOCK_SECONDS,
    });
    setup.set("failover.timeouts", timeouts).set("failover.midStream", json!("error"))
}

async fn play(upstream: &Upstream, case: &Case) -> Seen {
    upstream.no_faults().await;
    upstream.forget().await;
    for fault in case.faults() {
        upstream.fault(fault).await;
    }
    let second = fallback(case.provider);
    // A failure causes a cooldown, so each case has a new gateway.
    let gateway = clocked(Setup::chain(upstream, &[case.provider, second])).start().await;
    let answer = gateway.chat(&case.body()).await;
    assert!(!answer.broken, "{case:?}: the connection broke: {}", answer.text());
    let seen = read(case, &answer);
    let asked = upstream.requests().await;
    let calls = |provider: Provider| asked.iter().filter(|r| r["provider"] == provider.id()).count();
    let expected = usize::from(matches!(seen, Seen::Fallback(_)));
    assert_eq!(calls(second), expected, "{case:?}: calls of the fallback");
    // `refuse` ends before there is a request to count.
    assert!(calls(case.provider) <= 1, "{case:?}: one call of the primary");
    seen
}

fn read(case: &Case, answer: &Answer) -> Seen {
    let (first, second) = (case.provider.reference(), fallback(case.provider).reference());
    if answer.status != 200 {
        let reason = answer
            .attempts()
            .strip_prefix(&format!("{first}="))
            .unwrap_or_else(|| panic!("{case:?}: {answer:?}"));
        let error = &answer.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{case:?}: {}", answer.text());
        return Seen::Refused(answer.status, reason.to_owned());
    }
    let said = answer.said();
    if !said.errors.is_empty() {
        assert_eq!(
            case.phase,
            Phase::StreamAfter,
            "{case:?}: an error event without need: {}",
            answer.text()
        );
        assert_eq!(said.errors.len(), 1, "{case:?}: {}", answer.text());
        assert!(said.errors[0]["message"].as_str().is_some_and(|m| !m.is_empty()), "{case:?}: {said:?}");
        assert!(
            !said.finishes.iter().any(|f| f == "stop"),
            "{case:?}: it ends as a success: {}",
            answer.text()
        );
        assert!(
            whole_text().starts_with(&said.content) && said.content.len() < whole_text().len(),
            "{case:?}"
        );
        assert!(answer.frames().complete, "{case:?}: the last event is whole");
        return Seen::ErrorEvent;
    }
    let streamed = case.phase != Phase::Whole;
    if case.kind == "leak_markup" {
        assert_calls_weather(&said, answer);
    } else {
        assert_eq!(said.content, whole_text(), "{case:?}: {}", answer.attempts());
        assert_eq!(said.finishes, ["stop"], "{case:?}: {}", answer.text());
    }
    assert_eq!(said.usages.len(), 1, "{case:?}: {}", answer.text());
    assert_eq!(said.done, usize::from(streamed), "{case:?}: {}", answer.text());
    let roles = said.roles;
    match case.kind.as_str() {
        "no_role" => assert!(roles <= 1, "{case:?}: {}", answer.text()),
        // OpenRouter repeats the role with each piece of text; if the text was markup, nothing else remains.
        _ => assert_eq!(roles, 1, "{case:?}: {}", answer.text()),
    }
    if answer.attempts() == format!("{first}=ok") {
        assert_eq!(answer.model(), first, "{case:?}");
        return Seen::Primary;
    }
    let ending = format!(", {second}=ok");
    let reason = answer
        .attempts()
        .strip_prefix(&format!("{first}="))
        .and_then(|rest| rest.strip_suffix(&ending))
        .unwrap_or_else(|| panic!("{case:?}: attempts {:?}", answer.attempts()));
    assert_eq!(answer.model(), second, "{case:?}");
    Seen::Fallback(reason.to_owned())
}

/// The simulator's answer to [`PROMPT`], from any provider.
fn whole_text() -> &'static str {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| {
        let words = [
            "the",
            "moon",
            "relays",
            "every",
            "word",
            "naïvely",
            "in",
            "order",
            "月光",
            "and",
            "never",
            "twice🌒",
        ];
        words.iter().cycle().take(120).copied().collect::<Vec<_>>().join(" ")
    })
}

/// The reasons that a failure may have; the first is the one that we mean, others are defensible.
fn reasons(case: &Case) -> &'static [&'static str] {
    use Provider::{Kimi, Moonshot, OpenRouter};
    match (case.provider, case.kind.as_str(), case.value) {
        (_, "content_filter" | "refusal", _) => &["content_filter"],
        (_, "context_overflow" | "input_too_long" | "message_size", _) => &["context_overflow"],
        (_, "invalid_key" | "incorrect_key" | "missing_key", _) => &["auth"],
        (_, "permission_denied" | "other_user" | "ip_not_allowed" | "terminated", _) => &["auth", "billing"],
        (_, "model_not_found", _) => &["model_not_found"],
        (_, "method_not_found", _) => &["model_not_found", "server"],
        (Kimi, "forbidden_client", _) => &["forbidden_client"],
        (_, "rate_limit" | "retry_after" | "tokens_per_minute" | "concurrency", _) => &["rate_limit"],
        (OpenRouter, "upstream_rate_limit" | "shared_pool", _) => &["rate_limit", "overloaded"],
        (OpenRouter, "in_flight_budget", _) => &["rate_limit"],
        (
            _,
            "tokens_per_day" | "quota_5h" | "quota_weekly" | "quota_cycle" | "quota_monthly" | "quota_period",
            _,
        ) => &["quota"],
        (OpenRouter, "key_limit" | "guardrail_budget" | "workspace_budget", _) => &["billing", "quota"],
        (_, "insufficient_balance" | "too_dear" | "membership", _) => &["billing"],
        (Moonshot, "token_quota", _) => &["billing", "quota"],
        (_, "overloaded", _) => &["overloaded"],
        (_, "unavailable", _) => &["server", "overloaded"],
        (
            _,
            "client_closed" | "context_canceled" | "server_error" | "unexpected_output" | "upstream_error",
            _,
        ) => &["server", "timeout"],
        (_, "reasoning_missing" | "upstream_bad_request", _) => &["bad_request"],
        (_, "timeout" | "edge_timeout" | "no_head" | "no_first_byte" | "role_then_stall" | "stall", _) => {
            &["timeout"]
        }
        (_, "html_504", _) => &["timeout", "server"],
        (_, "refuse" | "reset_before", _) => &["network"],
        (_, "reset_after", _) => &["network", "truncated"],
        (_, "truncate" | "end_after", _) => &["truncated", "server"],
        (_, "malformed_json" | "malformed_sse" | "html_200" | "empty", _) => &["server", "truncated"],
        (
            _,
            "error_chunk_first" | "error_chunk_after" | "error_in_200" | "gzip_error" | "invalid_gzip",
            _,
        ) => &["server", "overloaded"],
        (_, "status", Some(400 | 422)) => &["bad_request"],
        (_, "status", Some(401)) => &["auth"],
        (_, "status", Some(402)) => &["billing"],
        (_, "status", Some(403)) => &["auth", "billing", "content_filter"],
        (_, "status", Some(404)) => &["model_not_found", "server"],
        (_, "status", Some(413)) => &["context_overflow"],
        (_, "status", Some(429)) => &["rate_limit"],
        (_, "status", Some(408 | 504 | 524)) => &["timeout", "server"],
        (_, "status", Some(529 | 503)) => &["overloaded", "server"],
        (_, "status", Some(_)) => &["server"],
        (_, "bad_request" | "unprocessable", _) => &["bad_request"],
        _ => panic!("no expectation for {case:?}: a new kind of fault needs one"),
    }
}

/// A request that is simply wrong costs one call and is answered at once.
fn is_the_clients_fault(case: &Case) -> bool {
    matches!(
        (case.kind.as_str(), case.value),
        ("bad_request" | "unprocessable", _) | ("status", Some(400 | 422))
    )
}

fn judge(case: &Case, seen: &Seen) -> Result<(), String> {
    let good = match seen {
        Seen::Primary => HARMLESS.contains(&case.kind.as_str()),
        Seen::ErrorEvent => case.phase == Phase::StreamAfter && BREAKS.contains(&case.kind.as_str()),
        Seen::Refused(status, reason) => {
            (400..500).contains(status) && is_the_clients_fault(case) && reason == "bad_request"
        }
        Seen::Fallback(reason) => {
            // The body of `status` has the type server_error at every status, and the gateway believes it.
            let believed = case.kind == "status" && reason == "server";
            let expected = !is_the_clients_fault(case) && reasons(case).contains(&reason.as_str());
            !HARMLESS.contains(&case.kind.as_str())
                && case.phase != Phase::StreamAfter
                && (believed || expected)
        }
    };
    if good { Ok(()) } else { Err(format!("{case:?}: {}", seen.words())) }
}

/// The results by row: provider and fault, then phase.
type Table = BTreeMap<(usize, String), BTreeMap<Phase, String>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_in_an_answer_or_a_visible_error() {
    let first = Upstream::start().await;
    let order: Vec<String> =
        first.kinds().await.iter().map(|k| k["kind"].as_str().unwrap().to_owned()).collect();
    let cases = cases(&first.kinds().await);
    assert!(cases.len() > 250, "{} cases", cases.len());
    let queue = Arc::new(Mutex::new(cases));
    let results = Arc::new(Mutex::new(Vec::new()));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let (queue, results) = (Arc::clone(&queue), Arc::clone(&results));
        workers.spawn(async move {
            let upstream = Upstream::start().await;
            loop {
                let next = queue.lock().unwrap().pop();
                let Some(case) = next else { return };
                let seen = play(&upstream, &case).await;
                results.lock().unwrap().push((case, seen));
            }
        });
    }
    let mut broken = Vec::new();
    while let Some(ended) = workers.join_next().await {
        broken.extend(ended.err().map(|e| e.to_string()));
    }
    let results = results.lock().unwrap().clone();
    let mut wrong: Vec<String> = results.iter().filter_map(|(case, seen)| judge(case, seen).err()).collect();
    wrong.sort();
    let table = rendered(&tabled(&results), &order);
    println!("{table}");
    assert!(broken.is_empty() && wrong.is_empty(), "{}\n{}", broken.join("\n"), wrong.join("\n"));
    reference::compare("docs/reference/failures.md", &table);
}

fn tabled(results: &[(Case, Seen)]) -> Table {
    let mut table = Table::new();
    for (case, seen) in results {
        let provider = Provider::ALL.iter().position(|p| *p == case.provider).unwrap();
        table.entry((provider, case.label())).or_default().insert(case.phase, seen.words());
    }
    table
}

fn rendered(table: &Table, order: &[String]) -> String {
    let mut out = String::from(INTRODUCTION);
    for (index, provider) in Provider::ALL.into_iter().enumerate() {
        let _ = write!(out, "\n## {}, then {}\n\n", name(provider), name(fallback(provider)));
        out.push_str("| fault | complete answer | stream, before the first byte | stream, after it |\n|---|---|---|---|\n");
        let mut rows: Vec<_> = table.iter().filter(|((of, _), _)| *of == index).collect();
        let place = |label: &str| order.iter().position(|kind| label.split(' ').next() == Some(kind));
        rows.sort_by_key(|((_, label), _)| (place(label), label.clone()));
        for ((_, label), cells) in rows {
            let cell = |phase| cells.get(&phase).map_or("", String::as_str);
            let (whole, before, after) =
                (cell(Phase::Whole), cell(Phase::StreamBefore), cell(Phase::StreamAfter));
            let _ = writeln!(out, "| `{label}` | {whole} | {before} | {after} |");
        }
    }
    out
}

const fn name(provider: Provider) -> &'static str {
    match provider {
        Provider::Moonshot => "Moonshot",
        Provider::Kimi => "Kimi Code",
        Provider::OpenRouter => "OpenRouter",
    }
}

const INTRODUCTION: &str = "\
# Failures

<!-- Generated by `MOONRELAY_BLESS=1 cargo test`; without the variable the test compares it. -->

Each row is a fault of the simulator (`moonrelay simulate`; `GET /_faults/kinds` describes them) at the primary of a chain of
two, with one attempt per target and without stream continuation (`failover.midStream: \"error\"`; the
[default](../explanation/failover.md#stream-continuation) is `\"continue\"`).
[`moonrelay drill`](../how-to/troubleshoot.md#test-the-chain-with-simulated-failures) does the same with your own chain. The
cells are the client's results:

- *answers*: the primary's own complete answer.
- *fallback: `reason`*: the fallback's complete answer, with one role chunk, one finish and one usage; `reason` is in
  `x-moonrelay-attempts`.
- *400 to the client: `bad_request`*: the request is invalid; the provider's message, at once, after one call.
- *error event*: the content before the interruption, then an error event. A stream never ends silently.
";

fn with_tool(mut body: Value) -> Value {
    let parameters =
        json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    body["tools"] =
        json!([{ "type": "function", "function": { "name": "get_weather", "parameters": parameters } }]);
    body
}

fn assert_calls_weather(said: &Said, answer: &Answer) {
    assert_eq!(said.calls.len(), 1, "{}", answer.text());
    assert_eq!(said.calls[0].0, "get_weather");
    assert!(serde_json::from_str::<Value>(&said.calls[0].1).unwrap()["city"].is_string(), "{said:?}");
    assert_eq!(said.finishes, ["tool_calls"], "{}", answer.text());
    assert!(!answer.text().contains("<|"), "markup is left: {}", answer.text());
}

#[tokio::test]
async fn transient_failure_is_retried_on_the_same_target() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "server_error", "times": 1 })).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("failover.attemptsPerTarget", json!(2))
        .start()
        .await;
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
    assert_eq!(answer.attempts(), "moonshot/kimi-k3=server, moonshot/kimi-k3=ok", "{}", answer.text());
}

#[tokio::test]
async fn primary_answers_again_after_its_cooldown() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "server_error", "times": 1 })).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("failover.cooldown.stepsSeconds", json!([1]))
        .start()
        .await;
    let ask = || async {
        gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await.attempts().to_owned()
    };
    assert_eq!(ask().await, "moonshot/kimi-k3=server, openrouter/auto=ok");
    assert_eq!(ask().await, "moonshot/kimi-k3=cooling_down, openrouter/auto=ok");
    // Repeated requests show when the cooldown has ended: after a second or a little more the primary answers,
    // and keeps answering.
    let began = std::time::Instant::now();
    while ask().await != "moonshot/kimi-k3=ok" {
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "stuck on the fallback");
    }
    assert_eq!(ask().await, "moonshot/kimi-k3=ok");
}

#[tokio::test]
async fn early_response_header_is_explained_in_the_stream() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_first_byte" })).await;
    let gateway = clocked(Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]))
        .set("failover.keepAliveSeconds", json!(1))
        .start()
        .await;
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let frames = answer.frames();
    let said = frames.said();
    assert!(said.content.contains("via openrouter") && said.errors.is_empty(), "{}", answer.text());
    assert!(frames.comments.len() >= 2, "comments keep the client alive: {:?}", frames.comments);
    let last = frames.comments.last().unwrap();
    assert!(last.contains("moonshot/kimi-k3=timeout, openrouter/auto=ok"), "{last:?}");
}
