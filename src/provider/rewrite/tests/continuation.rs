//! Requests that continue an interrupted response.

use super::*;

const QUESTION: &str = r#""messages": [ {"role":"user","content":"hi"} ]"#;

/// What goes up when this was said and used; `None` when the limit is used up.
fn go_on_with(case: &Case, members: &str, text: &str, used: u64) -> Option<(String, AnswerPlan)> {
    let model = &case.model.id;
    let body = format!(r#"{{"model":"{model}",{members}}}"#);
    let body = RequestBody::parse(Api::ChatCompletions, Bytes::from(body)).unwrap();
    let request = RewriteInput {
        body: &body,
        model: &case.model,
        wire_model: model,
        params: &case.params,
        default_thinking: None,
        sanitize_tool_call_ids: false,
        last_provider: None,
    };
    let rewritten =
        rewrite_continuation(case.adapter, &request, &PartialAnswer { text, output_tokens: used })
            .unwrap()?;
    assert!(rewritten.rules.contains(&rules::CONTINUATION.name) || (text.is_empty() && used == 0));
    let sent = rewritten.edits.apply(&body.text).to_bytes();
    Some((String::from_utf8(sent.to_vec()).unwrap(), rewritten.answer_plan))
}

#[test]
fn partial_answer_is_the_last_message() {
    let said = "naïve \"text\"\n\t\u{1f315}";
    for (adapter, mark) in
        [(Moonshot, r#","partial":true"#), (KimiCode, r#","partial":true"#), (OpenRouter, ""), (Generic, "")]
    {
        let case = Case::new(adapter, "m", ThinkingControl::None);
        let (sent, plan) = go_on_with(&case, QUESTION, said, 5).unwrap();
        let last = format!(r#"{{"role":"assistant","content":"naïve \"text\"\n\t🌕"{mark}}}"#);
        // The messages before it are unchanged, so the provider's prompt cache matches them.
        let whole = format!(r#"{{"model":"m","messages": [ {{"role":"user","content":"hi"}} ,{last}]}}"#);
        assert_eq!((sent.as_str(), plan.is_continuation), (whole.as_str(), true), "{adapter:?}");
    }
}

#[test]
fn continuation_without_text_starts_again() {
    let case = Case::new(Moonshot, "m", ThinkingControl::None);
    let (sent, plan) = go_on_with(&case, QUESTION, "", 0).unwrap();
    assert_eq!((sent, plan.is_continuation), (format!(r#"{{"model":"m",{QUESTION}}}"#), false));
}

#[test]
fn continuation_reduces_the_output_limit() {
    let limits = |case: &Case, members: &str, used| {
        let (sent, _) = go_on_with(case, &format!("{members},{QUESTION}"), "a", used)?;
        let sent: Value = serde_json::from_str(&sent).unwrap();
        Some((sent.get("max_tokens").cloned(), sent.get("max_completion_tokens").cloned()))
    };
    let moonshot = Case::new(Moonshot, "m", ThinkingControl::None);
    assert_eq!(limits(&moonshot, r#""max_tokens":100"#, 30), Some((None, Some(json!(70)))));
    let generic = Case::new(Generic, "m", ThinkingControl::None);
    assert_eq!(limits(&generic, r#""max_tokens":100"#, 30), Some((Some(json!(70)), None)));
    assert_eq!(
        limits(&generic, r#""max_tokens":100,"max_completion_tokens":31"#, 30),
        Some((Some(json!(70)), Some(json!(1))))
    );
    assert_eq!(limits(&generic, r#""max_tokens":null"#, 30), Some((Some(Value::Null), None)));
    for used in [100, 101] {
        assert_eq!(limits(&generic, r#""max_tokens":100"#, used), None);
    }
    // So is one that the configuration set.
    let configured = moonshot.params(&json!({"max_tokens": 10}));
    assert_eq!(limits(&configured, r#""seed":1"#, 4), Some((None, Some(json!(6)))));
    assert_eq!(limits(&configured, r#""seed":1"#, 10), None);
}

/// The body that is sent upstream over an API after `text` was received.
fn over(api: Api, adapter: AdapterId, body: &str, text: &str) -> Result<String, Failure> {
    let model = ModelInfo::unknown("m");
    let body = RequestBody::parse(api, Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let params = Map::new();
    let request = RewriteInput {
        body: &body,
        model: &model,
        wire_model: "m",
        params: &params,
        default_thinking: None,
        sanitize_tool_call_ids: false,
        last_provider: None,
    };
    let rewritten =
        rewrite_continuation(adapter, &request, &PartialAnswer { text, output_tokens: 3 })?.unwrap();
    Ok(String::from_utf8(rewritten.edits.apply(&body.text).to_bytes().to_vec()).unwrap())
}

#[test]
fn messages_prefill_is_trimmed_and_disables_thinking() {
    let body = r#"{"model":"m","max_tokens":5000,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hi"}]}"#;
    let sent = over(Api::Messages, Generic, body, "It is \n").unwrap();
    let expected = r#"{"model":"m","max_tokens":4997,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"It is"}]}"#;
    assert_eq!(sent, expected);
    let afresh = over(Api::Messages, Generic, body, " ").unwrap();
    assert_eq!(afresh, body.replace("5000", "4997"));
}

#[test]
fn responses_continuation_with_text_is_rejected() {
    let body = r#"{"model":"m","max_output_tokens":50,"input":"hi"}"#;
    assert_eq!(over(Api::Responses, Generic, body, "").unwrap(), body.replace("50", "47"));
    assert!(over(Api::Responses, Generic, body, "It is").is_err());
    let mut model = ModelInfo::unknown("m");
    model.compat.supports_prefill = Some(true);
    let takes = |api, adapter| supports_prefill(adapter, api, &model);
    assert!(takes(Api::ChatCompletions, Moonshot) && takes(Api::Messages, Generic));
    assert!(!takes(Api::Messages, Moonshot) && !takes(Api::Messages, OpenRouter));
    assert!(!takes(Api::Responses, Generic));
    assert!(!supports_prefill(Generic, Api::ChatCompletions, &ModelInfo::unknown("m")));
}

#[test]
fn model_without_prefill_gets_an_instruction_over_every_api() {
    let mut model = ModelInfo::unknown("m");
    model.compat.continues_on_instruction = Some(true);
    for (api, body) in [
        (Api::ChatCompletions, r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#),
        (
            Api::Messages,
            r#"{"model":"m","max_tokens":99,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hi"}]}"#,
        ),
        (Api::Responses, r#"{"model":"m","input":"hi"}"#),
        (Api::Responses, r#"{"model":"m","input":[{"role":"user","content":"hi"}]}"#),
    ] {
        assert_eq!(continuation_form(Generic, api, &model), Some(ContinuationForm::Instruction));
        let body = RequestBody::parse(api, Bytes::from_static(body.as_bytes())).unwrap();
        let request = RewriteInput {
            body: &body,
            model: &model,
            wire_model: "m",
            params: &Map::new(),
            default_thinking: None,
            sanitize_tool_call_ids: false,
            last_provider: None,
        };
        let partial = PartialAnswer { text: "It is \n", output_tokens: 3 };
        let rewritten = rewrite_continuation(Generic, &request, &partial).unwrap().unwrap();
        let sent: Value = serde_json::from_slice(&rewritten.edits.apply(&body.text).to_bytes()).unwrap();
        let list = sent[api.conversation_field()].as_array().unwrap();
        assert_eq!(
            list[..2],
            [json!({"role": "user", "content": "hi"}), json!({"role": "assistant", "content": "It is"})]
        );
        assert_eq!(list[2]["role"], "user");
        assert!(list[2]["content"].as_str().unwrap().contains("exactly where it ends") && list.len() == 3);
        assert_eq!(
            sent.get("thinking").is_some(),
            api == Api::Messages,
            "only a prefill conflicts with thinking"
        );
    }
}
