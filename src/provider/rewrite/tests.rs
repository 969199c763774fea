//! What goes up for what came in: one line a case.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::*;
use crate::catalog::AdapterId::{Generic, KimiCode, Moonshot, OpenRouter};
use crate::catalog::{Compat, MaxTokensField, Retirement, ThinkingControl, ThinkingLevel};
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::provider::rule::tool_names;
use crate::provider::rules;

mod continuation;
mod history;
mod messages;
mod others;
mod properties;
mod responses;

/// A request to be rewritten, with what most tests leave as it is.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) adapter: AdapterId,
    pub(super) model: ModelInfo,
    pub(super) params: Map<String, Value>,
    pub(super) thinking: Option<ThinkingLevel>,
    pub(super) sanitize: bool,
    pub(super) api: Api,
}

/// What came out.
pub(super) struct Sent {
    pub(super) body: String,
    pub(super) rules: Vec<&'static str>,
    pub(super) answer: AnswerPlan,
    pub(super) thinking: Option<ThinkingLevel>,
}

impl Case {
    pub(super) fn new(adapter: AdapterId, id: &str, thinking: ThinkingControl) -> Self {
        let model = ModelInfo { thinking_control: thinking, ..ModelInfo::unknown(id) };
        Self {
            adapter,
            model,
            params: Map::new(),
            thinking: None,
            sanitize: false,
            api: Api::ChatCompletions,
        }
    }

    pub(super) fn k26() -> Self {
        Self::new(Moonshot, "kimi-k2.6", ThinkingControl::Switch)
    }

    pub(super) fn k27() -> Self {
        Self::new(Moonshot, "kimi-k2.7-code", ThinkingControl::Always)
    }

    pub(super) fn k3() -> Self {
        Self::new(Moonshot, "kimi-k3", ThinkingControl::Effort)
    }

    pub(super) fn code() -> Self {
        Self::new(KimiCode, "kimi-for-coding", ThinkingControl::Effort)
    }

    pub(super) fn openrouter() -> Self {
        Self::new(OpenRouter, "openrouter/auto", ThinkingControl::Unknown)
    }

    pub(super) fn generic(compat: Compat) -> Self {
        let mut case = Self::new(Generic, "m", ThinkingControl::Unknown);
        case.model.compat = compat;
        case
    }

    /// The same case over another API.
    pub(super) fn over(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    pub(super) fn params(mut self, params: &Value) -> Self {
        self.params = params.as_object().unwrap().clone();
        self
    }

    pub(super) fn level(mut self, level: ThinkingLevel) -> Self {
        self.thinking = Some(level);
        self
    }

    fn rewritten(&self, body: &RequestBody) -> Result<AdaptedRequest, Failure> {
        let request = RewriteInput {
            body,
            model: &self.model,
            wire_model: &self.model.id,
            params: &self.params,
            default_thinking: self.thinking,
            sanitize_tool_call_ids: self.sanitize,
            last_provider: None,
        };
        rewrite_request(self.adapter, &request)
    }

    pub(super) fn send(&self, body: &str) -> Sent {
        let body = RequestBody::parse(self.api, Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let rewritten = self.rewritten(&body).unwrap();
        for rule in &rewritten.rules {
            assert!(rules::RULES.iter().any(|known| known.name == *rule), "{rule} is not in the table");
        }
        assert!(rewritten.edits.is_empty() || !rewritten.rules.is_empty(), "a change without a name");
        let sent = rewritten.edits.apply(&body.text).to_bytes();
        let sent = Sent {
            body: String::from_utf8(sent.to_vec()).unwrap(),
            rules: rewritten.rules,
            answer: rewritten.answer_plan,
            thinking: rewritten.thinking,
        };
        assert!(RequestBody::parse(self.api, sent.body.clone().into()).is_ok(), "{}", sent.body);
        sent
    }

    /// Sends the model's own id and `members`; gives back what went up without the model.
    pub(super) fn members(&self, members: &str) -> (String, Vec<&'static str>) {
        let model = &self.model.id;
        let sent = self.send(&format!(r#"{{"model":"{model}",{members}}}"#));
        let rest = sent.body.strip_prefix(&format!(r#"{{"model":"{model}""#)).unwrap();
        let rest = rest.strip_suffix('}').unwrap();
        (rest.trim_start_matches(',').to_owned(), sent.rules)
    }

    /// Each line: members, and what they become.
    pub(super) fn table(&self, lines: &[(&str, &str)]) {
        for (members, expected) in lines {
            let (sent, _) = self.members(members);
            assert_eq!(&sent, expected, "{:?} {} for {members}", self.adapter, self.model.id);
        }
    }
}

#[test]
fn request_without_matching_rules_is_unchanged() {
    let body = r#"{ "model" : "kimi-k3","messages":[ {"role":"user","content":"\ud83d 1e2 123456789012345678901234567890"} ],"stream":false , "x":[1,2],"stop":["a"],"prompt_cache_key":"k","tools":[{"type":"function","function":{"name":"read","parameters":{"type":"object"},"strict":true}},{"type":"builtin_function","function":{"name":"$other"}}],"tool_choice":"auto","response_format":{"type":"json_object"},"safety_identifier":"s"}"#;
    for case in [Case::k3(), Case::k26(), Case::k27(), Case::code()] {
        let sent = case.send(&body.replace("kimi-k3", &case.model.id));
        assert_eq!(sent.body, body.replace("kimi-k3", &case.model.id));
        assert!(sent.rules.is_empty(), "{:?}", sent.rules);
        assert!(sent.answer.offers_tools && !sent.answer.hides_usage && sent.answer.tool_names.is_empty());
    }
}

#[test]
fn model_becomes_the_providers_own() {
    let sent = Case::k3().send(r#"{"model":"moonshot/kimi-k3","messages":[]}"#);
    assert_eq!(sent.body, r#"{"model":"kimi-k3","messages":[]}"#);
    assert_eq!(sent.rules, ["model"]);
    assert_eq!(Case::k3().send(r#"{"messages":[]}"#).body, r#"{"messages":[],"model":"kimi-k3"}"#);
}

#[test]
fn retired_model_keeps_its_id_and_rules() {
    let mut case = Case::new(Moonshot, "kimi-k2.5", ThinkingControl::Switch);
    case.model.retirement = Some(Retirement { date: "2026-08-31".into(), successor: "kimi-k2.6".into() });
    let sent =
        case.send(r#"{"model":"kimi-k2.5","temperature":0,"messages":[{"role":"developer","content":"x"}]}"#);
    assert_eq!(sent.body, r#"{"model":"kimi-k2.5","messages":[{"role":"system","content":"x"}]}"#);
}

#[test]
fn web_search_disables_thinking_if_possible() {
    let web = r#""tools":[{"type":"builtin_function","function":{"name":"$web_search"}}]"#;
    let off = format!(r#"{web},"thinking":{{"type":"disabled"}}"#);
    Case::k26().table(&[
        (web, &off),
        (&off, &off),
        (&format!(r#"{web},"thinking":{{"type":"enabled"}}"#), &off),
    ]);
    assert_eq!(Case::k26().members(web).1, ["web_search"]);
    Case::k3().table(&[(web, web)]);
    Case::k27().table(&[(web, web)]);
}

#[test]
fn moonshot_pinned_fields_are_removed() {
    Case::k3().table(&[
        (
            r#""temperature":0,"top_p":1,"n":1,"presence_penalty":0,"frequency_penalty":0.1,"seed":1"#,
            r#""seed":1"#,
        ),
        (r#""seed":1,"temperature":1.0"#, r#""seed":1"#),
    ]);
    let (_, rules) = Case::k3().members(r#""temperature":0"#);
    assert_eq!(rules, ["sampling"]);
    // Configured sampling is not filled in only to be dropped.
    let (sent, rules) = Case::k3().params(&json!({"temperature": 0.2, "seed": 4})).members(r#""a":1"#);
    assert_eq!((sent.as_str(), rules.as_slice()), (r#""a":1,"seed":4"#, ["params"].as_slice()));
}

#[test]
fn reported_thinking_level_is_the_sent_one() {
    use ThinkingLevel as L;
    let table = [
        (Case::k3(), r#""reasoning_effort":"minimal""#, Some(L::Low)),
        (Case::k3(), r#""thinking":{"type":"disabled"}"#, Some(L::Off)),
        (Case::k3().level(L::Max), r#""a":1"#, Some(L::Max)),
        (Case::k3(), r#""a":1"#, None),
        (Case::k26(), r#""reasoning_effort":"none""#, Some(L::Off)),
        (Case::k26(), r#""thinking":{"type":"enabled","budget_tokens":8}"#, Some(L::Adaptive)),
        (Case::k27(), r#""thinking":{"type":"disabled"}"#, None),
        (Case::openrouter(), r#""thinking":{"type":"enabled"},"reasoning_effort":"xhigh""#, Some(L::Xhigh)),
        (Case::openrouter(), r#""reasoning":{"max_tokens":2000}"#, Some(L::Adaptive)),
        (Case::generic(Compat::default()), r#""reasoning_effort":"medium""#, Some(L::Medium)),
    ];
    for (case, members, expected) in table {
        let sent = case.send(&format!(r#"{{"model":"{}",{members}}}"#, case.model.id));
        assert_eq!(sent.thinking, expected, "{:?} for {members}: {}", case.adapter, sent.body);
    }
}

#[test]
fn thinking_of_a_switch_model_is_on_or_off() {
    Case::k26().table(&[
        (r#""thinking":{"type":"enabled"}"#, r#""thinking":{"type":"enabled"}"#),
        (r#""thinking":{ "type":"disabled" }"#, r#""thinking":{ "type":"disabled" }"#),
        (r#""thinking":{"keep":"all","type":"enabled"}"#, r#""thinking":{"keep":"all","type":"enabled"}"#),
        (r#""thinking":{"type":"enabled","keep":null}"#, r#""thinking":{"type":"enabled","keep":null}"#),
        (r#""thinking":{"type":"enabled","keep":"last"}"#, r#""thinking":{"type":"enabled"}"#),
        (r#""thinking":{"type":"disabled","keep":"all"}"#, r#""thinking":{"type":"disabled"}"#),
        (r#""thinking":{"type":"adaptive"}"#, r#""thinking":{"type":"enabled"}"#),
        (r#""thinking":{"type":"enabled","budget_tokens":8}"#, r#""thinking":{"type":"enabled"}"#),
        (r#""thinking":null,"a":1"#, r#""a":1"#),
        (r#""reasoning_effort":null,"a":1"#, r#""a":1"#),
        (r#""reasoning_effort":"high","a":1"#, r#""a":1"#),
        (r#""reasoning_effort":"none","a":1"#, r#""a":1,"thinking":{"type":"disabled"}"#),
        (r#""reasoning":{"enabled":false},"a":1"#, r#""a":1,"thinking":{"type":"disabled"}"#),
        (r#""thinking":{"type":"disabled"},"reasoning_effort":null"#, r#""thinking":{"type":"disabled"}"#),
    ]);
    // Another model with a switch takes no keep.
    Case::new(Moonshot, "kimi-next", ThinkingControl::Switch)
        .table(&[(r#""thinking":{"type":"enabled","keep":"all"}"#, r#""thinking":{"type":"enabled"}"#)]);
}

#[test]
fn thinking_fields_of_an_always_thinking_model_are_removed() {
    for case in [Case::k27(), Case::new(KimiCode, "kimi-for-coding-highspeed", ThinkingControl::Always)] {
        case.table(&[
            (r#""thinking":{"type":"disabled"},"a":1"#, r#""a":1"#),
            (r#""a":1,"thinking":{"type":"enabled","keep":"all"}"#, r#""a":1"#),
            (r#""reasoning_effort":"none","a":1"#, r#""a":1"#),
            (r#""reasoning_effort":null,"thinking":{"type":"disabled"},"a":1"#, r#""a":1"#),
        ]);
        assert_eq!(case.level(ThinkingLevel::Off).members(r#""a":1"#).0, r#""a":1"#);
    }
}

#[test]
fn k3_efforts_are_low_high_and_max() {
    for case in [Case::k3(), Case::code(), Case::new(KimiCode, "k9", ThinkingControl::Unknown)] {
        for (said, sent) in [
            ("minimal", "low"),
            ("low", "low"),
            ("light", "low"),
            ("medium", "high"),
            ("high", "high"),
            ("xhigh", "max"),
            ("MAX", "max"),
            ("ultra", "max"),
        ] {
            let expected = format!(r#""reasoning_effort":"{sent}""#);
            assert_eq!(case.members(&format!(r#""reasoning_effort":"{said}""#)).0, expected);
        }
        case.table(&[
            (r#""reasoning_effort":"nonsense","a":1"#, r#""a":1"#),
            (r#""reasoning_effort":7,"a":1"#, r#""a":1"#),
            (r#""reasoning_effort":null,"a":1"#, r#""a":1"#),
            (r#""reasoning":{"effort":"medium"},"a":1"#, r#""a":1,"reasoning_effort":"high""#),
        ]);
    }
    Case::k3().table(&[
        (r#""thinking":{"type":"enabled"},"a":1"#, r#""a":1"#),
        (r#""thinking":{"type":"enabled"},"reasoning_effort":"max""#, r#""reasoning_effort":"max""#),
        (r#""thinking":{"type":"disabled"},"reasoning_effort":null"#, r#""thinking":{"type":"disabled"}"#),
        (r#""reasoning_effort":"none","a":1"#, r#""a":1,"thinking":{"type":"disabled"}"#),
    ]);
    // Kimi Code refuses to switch off, and takes what its own client sends.
    Case::code().table(&[
        (r#""thinking":{"type":"disabled"},"reasoning_effort":null,"a":1"#, r#""a":1"#),
        (r#""reasoning_effort":"off","a":1"#, r#""a":1"#),
        (r#""thinking":{"type":"enabled","keep":"all"}"#, r#""thinking":{"type":"enabled","keep":"all"}"#),
        (r#""thinking":{"type":"enabled","budget_tokens":1024},"a":1"#, r#""a":1"#),
    ]);
}

#[test]
fn thinking_default_applies_if_nothing_is_set() {
    use ThinkingLevel as L;
    for (case, level, expected) in [
        (Case::k26(), L::Off, r#""a":1,"thinking":{"type":"disabled"}"#),
        (Case::k26(), L::Low, r#""a":1,"thinking":{"type":"enabled"}"#),
        (Case::k26(), L::Adaptive, r#""a":1,"thinking":{"type":"enabled"}"#),
        (Case::k27(), L::Low, r#""a":1"#),
        (Case::k3(), L::Off, r#""a":1,"thinking":{"type":"disabled"}"#),
        (Case::k3(), L::Minimal, r#""a":1,"reasoning_effort":"low""#),
        (Case::k3(), L::Xhigh, r#""a":1,"reasoning_effort":"max""#),
        (Case::k3(), L::Adaptive, r#""a":1"#),
        (Case::code(), L::Off, r#""a":1"#),
        (Case::code(), L::Medium, r#""a":1,"reasoning_effort":"high""#),
        (Case::openrouter(), L::Off, r#""a":1,"reasoning":{"enabled":false}"#),
        (Case::openrouter(), L::Max, r#""a":1,"reasoning":{"effort":"max"}"#),
        (Case::openrouter(), L::Adaptive, r#""a":1"#),
        (Case::generic(Compat::default()), L::Low, r#""a":1"#),
    ] {
        let shown = format!("{:?} {} {level:?}", case.adapter, case.model.id);
        let (sent, rules) = case.level(level).members(r#""a":1"#);
        assert_eq!(sent, expected, "{shown}");
        assert_eq!(rules.contains(&"thinking_default"), sent != r#""a":1"#, "{shown}");
    }
    // The client's word, then params, then the default.
    let both = Case::k3().params(&json!({"reasoning_effort": "max"})).level(L::Low);
    assert_eq!(both.members(r#""a":1"#).0, r#""a":1,"reasoning_effort":"max""#);
    assert_eq!(both.members(r#""reasoning_effort":"high""#).0, r#""reasoning_effort":"high""#);
    assert_eq!(both.members(r#""thinking":{"type":"disabled"}"#).0, r#""thinking":{"type":"disabled"}"#);
}

#[test]
fn params_set_what_the_client_does_not() {
    let case = Case::k26().params(&json!({
        "thinking": {"type": "disabled"}, "maxTokens": 9, "stream": true, "model": "other", "messages": [],
        "extraBody": {"seed": 7}, "user": null,
    }));
    let (sent, rules) = case.members(r#""a":1"#);
    assert_eq!(sent, r#""a":1,"thinking":{"type":"disabled"},"seed":7,"max_completion_tokens":9"#);
    assert_eq!(rules, ["params", "max_tokens"]);
    // One spelling of a thing is as good as another.
    let said = r#""max_completion_tokens":3,"thinking":{"type":"enabled"},"seed":1"#;
    assert_eq!(case.members(said).0, said);
    let short = Case::k26().params(&json!({"thinking": "off"}));
    assert_eq!(short.members(r#""a":1"#).0, r#""a":1,"thinking":{"type":"disabled"}"#);
}

#[test]
fn forced_call_conflicts_with_thinking() {
    let pin = r#""tool_choice":{"type":"function","function":{"name":"read"}}"#;
    let auto = r#""tool_choice":"auto""#;
    let required = r#""tool_choice":"required""#;
    let pinned_off = format!(r#"{pin},"thinking":{{"type":"disabled"}}"#);
    for (case, members, expected) in [
        (Case::k26(), required.to_owned(), auto.to_owned()),
        (Case::k26(), pin.to_owned(), pinned_off.clone()),
        (
            Case::k26(),
            format!(r#"{required},"thinking":{{"type":"disabled"}}"#),
            format!(r#"{required},"thinking":{{"type":"disabled"}}"#),
        ),
        (Case::k26(), pinned_off.clone(), pinned_off.clone()),
        (Case::k26(), format!(r#"{pin},"thinking":{{"type":"enabled","keep":"all"}}"#), pinned_off.clone()),
        (Case::k27(), required.to_owned(), auto.to_owned()),
        (Case::k27(), pin.to_owned(), auto.to_owned()),
        (Case::k3(), required.to_owned(), auto.to_owned()),
        (Case::k3(), format!(r#"{pin},"reasoning_effort":"low""#), pinned_off.clone()),
        (Case::code(), required.to_owned(), auto.to_owned()),
        (Case::code(), pin.to_owned(), auto.to_owned()),
        (Case::k3(), r#""tool_choice":"none""#.to_owned(), r#""tool_choice":"none""#.to_owned()),
        (Case::openrouter(), required.to_owned(), required.to_owned()),
    ] {
        assert_eq!(case.members(&members).0, expected, "{:?} {} {members}", case.adapter, case.model.id);
    }
    assert_eq!(Case::k26().members(required).1, ["tool_choice"]);
    assert_eq!(Case::k26().members(pin).1, ["tool_choice_pinned"]);
}

#[test]
fn output_limit_gets_the_providers_name() {
    Case::k3().table(&[
        (r#""max_tokens":32000,"a":1"#, r#""a":1,"max_completion_tokens":32000"#),
        (r#""max_tokens":1,"max_completion_tokens":2"#, r#""max_completion_tokens":2"#),
        (r#""max_tokens":1,"max_completion_tokens":null"#, r#""max_completion_tokens":1"#),
        (r#""max_tokens":null,"a":1"#, r#""a":1"#),
    ]);
    let mut old = Case::k3();
    old.model.compat.max_tokens_field = Some(MaxTokensField::MaxTokens);
    old.table(&[(r#""max_completion_tokens":2"#, r#""max_tokens":2"#)]);
}

#[test]
fn usage_is_requested_in_streams() {
    let (ask, asked) = (r#""stream":true"#, r#""stream":true,"stream_options":{"include_usage":true}"#);
    for (members, expected, hidden) in [
        (ask, asked, true),
        (asked, asked, false),
        (r#""stream":true,"stream_options":null"#, asked, true),
        (r#""stream":true,"stream_options":{"include_usage":false}"#, asked, true),
        (
            r#""stream":true,"stream_options":{"x": 1}"#,
            r#""stream":true,"stream_options":{"x": 1,"include_usage":true}"#,
            true,
        ),
        (r#""stream":false"#, r#""stream":false"#, false),
    ] {
        let sent = Case::k3().send(&format!(r#"{{"model":"kimi-k3",{members}}}"#));
        assert_eq!(sent.body, format!(r#"{{"model":"kimi-k3",{expected}}}"#));
        assert_eq!(sent.answer.hides_usage, hidden, "{members}");
    }
    let mut without = Case::k3();
    without.model.compat.supports_usage_in_streaming = Some(false);
    let sent = without.send(&format!(r#"{{"model":"kimi-k3",{asked}}}"#));
    assert_eq!(sent.body, r#"{"model":"kimi-k3","stream":true}"#);
    assert!(!sent.answer.hides_usage);
}

#[test]
fn kimi_code_limits_the_messages() {
    let body = |bytes: usize| {
        let text = "x".repeat(bytes - r#"{"role":"user","content":""}"#.len());
        let body =
            format!(r#"{{"model":"kimi-for-coding","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        RequestBody::parse(Api::ChatCompletions, body.into()).unwrap()
    };
    let limit = crate::provider::KIMI_CODE_MAX_MESSAGE_BYTES;
    let fits = body(limit);
    assert_eq!(crate::provider::count_message_bytes(&fits), limit);
    assert!(Case::code().rewritten(&fits).is_ok());
    let failure = Case::code().rewritten(&body(limit + 1)).unwrap_err();
    assert_eq!(failure.reason, Reason::ContextOverflow);
    assert!(failure.message.contains("2097152"), "{failure}");
    assert!(Case::k3().rewritten(&body(limit + 1)).is_ok(), "Moonshot's platform has no such limit");
}

#[test]
fn every_rule_has_description_and_source() {
    for (index, rule) in rules::RULES.iter().enumerate() {
        assert!(rule.description.ends_with('.') && !rule.source.is_empty(), "{}", rule.name);
        assert!(rules::RULES.iter().skip(index + 1).all(|other| other.name != rule.name), "{}", rule.name);
    }
}
