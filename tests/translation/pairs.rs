//! Recorded tool loops of real clients over every pair of providers: the first fails once, or from a step on, the second
//! answers, and the first answers again.
//!
//! Each next request of a loop has what the gateway answered (tool ids, thinking, signatures), as the client would send it.
//! The strict doubles refuse what the services would. The table is in `docs/reference/provider-pairs.md`;
//! `MOONRELAY_BLESS=1 cargo test` generates it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::captures::recorded::{Capture, prompts};
use crate::common::{Api, Gateway, Reply, Setup, Upstream, reference};

/// Simulators and gateways at work at the same time.
const WORKERS: usize = 4;

/// The requests of a loop: a call each, and an answer at the end.
const STEPS: usize = 5;

/// A provider and its API; OpenAI has two.
const TARGETS: [&str; 6] = [
    "kimi/kimi-for-coding",
    "moonshot/kimi-k3",
    "openrouter/moonshotai/kimi-k3",
    "anthropic/claude-opus-5",
    "openai-chat/gpt-5.4",
    "openai/gpt-5.4",
];

const NAMES: [&str; 6] =
    ["Kimi Code", "Moonshot", "OpenRouter", "Anthropic", "OpenAI chat", "OpenAI Responses"];

/// What happens to the first provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scenario {
    /// It refuses every request from the second on.
    RateLimit,
    /// It refuses the second request and answers the next ones.
    Return,
    CutInThinking,
    CutInText,
    CutInCall,
}

const SCENARIOS: [(Scenario, &str); 5] = [
    (Scenario::RateLimit, "429 from the second request on"),
    (Scenario::Return, "one failure, then return"),
    (Scenario::CutInThinking, "cut in thinking"),
    (Scenario::CutInText, "cut in text"),
    (Scenario::CutInCall, "cut in a tool call"),
];

impl Scenario {
    /// The fault, and the step before which it is set.
    fn fault(self) -> (usize, Value) {
        match self {
            Self::RateLimit => (1, json!({ "kind": "status", "value": 429 })),
            // No cooldown follows.
            Self::Return => (1, json!({ "kind": "status", "value": 404, "times": 1 })),
            Self::CutInThinking => (1, json!({ "kind": "truncate_thinking", "times": 1 })),
            Self::CutInText => (STEPS - 1, json!({ "kind": "truncate_text", "times": 1 })),
            Self::CutInCall => (1, json!({ "kind": "truncate_call", "times": 1 })),
        }
    }
}

/// The providers with the chain of two of them, one attempt each.
fn setup(upstream: &Upstream, first: usize, second: usize) -> Setup {
    let custom = |path: &str, api: &str, key: &str, id: &str| {
        json!({
            "baseUrl": format!("{}{path}", upstream.base()), "api": api, "apiKey": key,
            "models": [{ "id": id, "reasoning": true, "contextWindow": 200_000, "maxTokens": 32_000 }],
        })
    };
    let openai = |api: &str| custom("/openai/v1", api, "sk-simulated-0000000000", "gpt-5.4");
    let anthropic =
        custom("/anthropic/v1", "anthropic-messages", "sk-ant-simulated-00000000", "claude-opus-5");
    Setup::chain(upstream, &[crate::common::Provider::Kimi])
        .set("models.providers.kimi.headers", json!({ "User-Agent": "KimiCLI/1.46.0" }))
        .set("models.providers.anthropic", anthropic)
        .set("models.providers.openai-chat", openai("openai-completions"))
        .set("models.providers.openai", openai("openai-responses"))
        .set("models.routes", json!({ "*": "default" }))
        .set("agents.defaults.model", json!({ "primary": TARGETS[first], "fallbacks": [TARGETS[second]] }))
}

/// The first request of each recorded tool loop.
fn loops() -> Vec<Capture> {
    let begins_with_call = |capture: &Capture| {
        capture.body["stream"] == json!(true)
            && matches!(capture.expected(), super::captures::expected::Expected::Call(_))
    };
    prompts().into_iter().filter(begins_with_call).collect()
}

struct Stand<'s> {
    upstream: &'s Upstream,
    gateway: &'s Gateway,
    first: usize,
    scenario: Scenario,
}

impl Stand<'_> {
    /// Runs a loop to its end; returns whether the client had to repeat a request.
    async fn run(&self, capture: &Capture) -> Result<bool, String> {
        let mut request = capture.clone();
        let (mut has_repeated, mut thinks) = (false, false);
        let mut attempts = Vec::new();
        let (fault_step, fault) = self.scenario.fault();
        for step in 0..STEPS {
            if step == fault_step {
                let (provider, model) = TARGETS[self.first].split_once('/').unwrap();
                let mut fault = fault.clone();
                fault["provider"] = json!(provider.trim_end_matches("-chat"));
                fault["model"] = json!(model);
                match provider {
                    "openai" => fault["face"] = json!("responses"),
                    "openai-chat" => fault["face"] = json!("chat"),
                    _ => {}
                }
                self.upstream.fault(fault).await;
            }
            let mut reply = self.send(&request, &mut attempts).await?;
            if reply.error.is_some() {
                has_repeated = true;
                reply = self.send(&request, &mut attempts).await?;
            }
            thinks |= !reply.reasoning.is_empty();
            let is_last = step + 1 == STEPS;
            let expected = usize::from(!is_last);
            if reply.error.is_some() || reply.calls.len() != expected {
                return Err(format!("step {step}: {reply:?} ({attempts:?})"));
            }
            let result = if step + 2 < STEPS { "ok\nRun echo captured again" } else { "captured, the end" };
            request.body = answer_calls(request.api(), &request.body, &reply, result);
        }
        let calls = self.upstream.requests().await.len();
        // A client that switches thinking off has none that could be cut.
        let can_fail = self.scenario != Scenario::CutInThinking || thinks;
        if can_fail && calls <= STEPS {
            return Err(format!("nothing failed: {calls} calls"));
        }
        self.check_attempts(&attempts).map(|()| has_repeated)
    }

    async fn send(&self, request: &Capture, attempts: &mut Vec<String>) -> Result<Reply, String> {
        let answer = request.send(self.gateway).await;
        attempts.push(answer.attempts().to_owned());
        if answer.status != 200 {
            return Err(format!("{} {} {}", answer.status, answer.text(), attempts.join("; ")));
        }
        Ok(request.api().read(&answer))
    }

    /// No request is refused, and both providers answer.
    fn check_attempts(&self, attempts: &[String]) -> Result<(), String> {
        let all = attempts.join("; ");
        let is_refused = all.contains("bad_request");
        let has_begun = attempts[0] == format!("{}=ok", TARGETS[self.first]);
        let has_returned = self.scenario != Scenario::Return || attempts[2] == attempts[0];
        if is_refused || !has_begun || !has_returned { Err(all) } else { Ok(()) }
    }
}

/// The next request: the assistant's turn, and the result of its call.
fn answer_calls(api: Api, body: &Value, reply: &Reply, result: &str) -> Value {
    let mut next = body.clone();
    let list = if api == Api::Responses { "input" } else { "messages" };
    let list = next[list].as_array_mut().unwrap();
    list.extend(reply.turn.iter().cloned());
    let results = reply.calls.iter().map(|call| match api {
        Api::Chat => json!({ "role": "tool", "tool_call_id": call.id, "content": result }),
        Api::Responses => json!({ "type": "function_call_output", "call_id": call.id, "output": result }),
        Api::Messages => {
            let result = json!({ "type": "tool_result", "tool_use_id": call.id, "content": result });
            json!({ "role": "user", "content": [result] })
        }
    });
    list.extend(results);
    next
}

/// Whether a request was repeated, by pair, scenario and client; or what went wrong.
type Outcomes = BTreeMap<(usize, usize, Scenario), BTreeMap<String, Result<bool, String>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_loop_ends_on_every_pair_of_providers() {
    let pairs = (0..TARGETS.len()).flat_map(|first| (0..TARGETS.len()).map(move |second| (first, second)));
    let pairs: Vec<(usize, usize)> = pairs.filter(|(first, second)| first != second).collect();
    let jobs = Arc::new(Mutex::new(pairs));
    let outcomes = Arc::new(Mutex::new(Outcomes::new()));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let (jobs, outcomes) = (jobs.clone(), outcomes.clone());
        workers.spawn(async move {
            let upstream = Upstream::start().await;
            loop {
                let next = jobs.lock().unwrap().pop();
                let Some((first, second)) = next else { return };
                for (scenario, _) in SCENARIOS {
                    for capture in loops() {
                        upstream.no_faults().await;
                        upstream.forget().await;
                        let gateway = setup(&upstream, first, second).start().await;
                        let stand = Stand { upstream: &upstream, gateway: &gateway, first, scenario };
                        let outcome = stand.run(&capture).await;
                        let client = capture.name.split(' ').next().unwrap().to_owned();
                        let mut outcomes = outcomes.lock().unwrap();
                        outcomes.entry((first, second, scenario)).or_default().insert(client, outcome);
                    }
                }
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    let outcomes = outcomes.lock().unwrap();
    let mut broken = Vec::new();
    for ((first, second, scenario), clients) in outcomes.iter() {
        for (client, outcome) in clients {
            if let Err(error) = outcome {
                broken.push(format!(
                    "{client}, {} then {}, {scenario:?}: {error}",
                    NAMES[*first], NAMES[*second]
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{} loops did not end:\n{}", broken.len(), broken.join("\n"));
    reference::compare("docs/reference/provider-pairs.md", &render(&outcomes));
}

fn render(outcomes: &Outcomes) -> String {
    let mut page = include_str!("pairs.md").to_owned();
    let clients: BTreeSet<&String> = outcomes.values().flat_map(BTreeMap::keys).collect();
    let clients: Vec<&str> = clients.into_iter().map(String::as_str).collect();
    let _ = write!(page, "\nThe loops are those of {}.\n\n| first | second |", clients.join(", "));
    SCENARIOS.iter().for_each(|(_, title)| _ = write!(page, " {title} |"));
    page.push_str("\n|---|---|---|---|---|---|---|\n");
    for first in 0..TARGETS.len() {
        for second in (0..TARGETS.len()).filter(|second| *second != first) {
            let _ = write!(page, "| {} | {} |", NAMES[first], NAMES[second]);
            for (scenario, _) in SCENARIOS {
                let by_client = &outcomes[&(first, second, scenario)];
                let repeating = by_client.iter().filter(|(_, outcome)| **outcome == Ok(true));
                let repeating: Vec<&str> = repeating.map(|(client, _)| client.as_str()).collect();
                let _ = match repeating.len() {
                    0 => write!(page, " ends |"),
                    count if count == by_client.len() => write!(page, " repeats |"),
                    _ => write!(page, " repeats: {} |", repeating.join(", ")),
                };
            }
            page.push('\n');
        }
    }
    page
}
