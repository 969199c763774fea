//! The Responses API.

use super::*;

fn event(kind: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{comma}{rest}}}\n\n")
}

const ITEM: &str =
    r#"{"type":"function_call","id":"fc_1","call_id":"ls:0","name":"ls_tool","arguments":"{\"ls_tool\":1}"}"#;

fn response(status: &str, output: &str, rest: &str) -> String {
    format!(
        r#""response":{{"id":"resp_1","object":"response","model":"kimi-k3","status":"{status}","error":null,"tools":[{{"type":"function","name":"ls_tool"}}],"output":[{output}]{rest}}}"#
    )
}

const USAGE_JSON: &str = r#","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":64},"output_tokens":40,"output_tokens_details":{"reasoning_tokens":30},"total_tokens":140}"#;

fn begin() -> String {
    event("response.created", &response("in_progress", "", ""))
        + &event("response.output_item.added", r#""item":{"type":"reasoning","id":"rs_1","summary":[]}"#)
}

fn said() -> String {
    event("response.reasoning_text.delta", r#""delta":"Hm.""#)
        + &event("response.output_text.delta", r#""delta":"Hello""#)
        + &event(
            "response.output_item.added",
            &format!(r#""item":{}"#, ITEM.replace(r#"{\"ls_tool\":1}"#, "")),
        )
        + &event("response.function_call_arguments.delta", r#""delta":"{\"ls_tool\":1}""#)
        + &event("response.function_call_arguments.done", r#""name":"ls_tool","arguments":"{}""#)
        + &event("response.output_item.done", &format!(r#""item":{ITEM}"#))
}

fn completed(output: &str) -> String {
    event("response.completed", &response("completed", output, USAGE_JSON))
}

fn seen(text: &str) -> Seen {
    read_over(Api::Responses, AdapterId::Moonshot, &plain(), &[text.as_bytes()])
}

#[test]
fn stream_passes_byte_for_byte_and_is_metered() {
    let text = begin() + ": x\n\n" + &said() + &completed(ITEM);
    let seen = seen(&(text.clone() + "data: [DONE]\n\n"));
    assert_eq!(seen.text, text);
    assert!(seen.done && seen.meaningful, "{seen:?}");
    let meter = Meter {
        usage: Some(USAGE),
        finish_reason: Some("completed".to_owned()),
        model: Some("kimi-k3".to_owned()),
        provider: None,
    };
    assert_eq!(seen.meter, meter);
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), Api::Responses, plain());
    assert!(!reader.read_chunk(Bytes::from(begin())).has_content);
    assert!(reader.read_chunk(Bytes::from(said())).has_content);
    assert_eq!(
        reader.content_bytes(),
        super::super::ContentBytes { reasoning: 3, text: 5, tool_calls: 7 + 13 }
    );
    assert!(reader.render_missing_end(None).is_none());
}

#[test]
fn tool_names_are_restored() {
    let text = begin() + &said() + &completed(ITEM);
    for cut in 0..text.len() {
        let pieces = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
        let seen = read_over(Api::Responses, AdapterId::Moonshot, &renaming(), &pieces);
        assert_eq!(seen.text, text.replace(r#""name":"ls_tool""#, r#""name":"ls""#));
    }
}

#[test]
fn response_that_stops_at_a_limit_is_valid() {
    let rest = format!(r#","incomplete_details":{{"reason":"max_output_tokens"}}{USAGE_JSON}"#);
    for body in [begin(), begin() + &said()] {
        let text = body + &event("response.incomplete", &response("incomplete", "", &rest));
        let seen = seen(&text);
        assert_eq!((seen.text, seen.done), (text, true));
        assert_eq!(seen.meter.finish_reason.as_deref(), Some("max_output_tokens"));
    }
}

#[test]
fn failures() {
    let error = |code: &str| format!(r#","error":{{"code":"{code}","message":"m"}}"#);
    let failed = |code: &str| {
        event("response.failed", &response("failed", "", "").replace(r#","error":null"#, &error(code)))
    };
    for (text, reason) in [
        (failed("server_error"), Reason::Server),
        (failed("rate_limit_exceeded"), Reason::RateLimit),
        (failed("context_length_exceeded"), Reason::ContextOverflow),
        (failed("server_is_overloaded"), Reason::Overloaded),
        (event("response.failed", &response("failed", "", "")), Reason::Server),
        (event("error", r#""code":"rate_limit_exceeded","message":"m","param":null"#), Reason::RateLimit),
        (event("error", r#""error":{"type":"engine_overloaded_error","message":"m"}"#), Reason::Overloaded),
        ("data: {\"error\":{\"code\":502,\"message\":\"m\"}}\n\n".to_owned(), Reason::Server),
        ("data: {\"type\":\n\n".to_owned(), Reason::Server),
        (String::new(), Reason::Truncated),
        ("data: [DONE]\n\n".to_owned(), Reason::Truncated),
        (completed(""), Reason::Server),
        ("<html></html>".to_owned(), Reason::Server),
        (r#"{"error":{"type":"engine_overloaded_error","message":"m"}}"#.to_owned(), Reason::Overloaded),
    ] {
        let is_event = text.starts_with("event") || text.starts_with("data") || text.is_empty();
        let before = if is_event { begin() } else { String::new() };
        let seen = seen(&format!("{before}{text}"));
        assert_eq!(seen.failure.map(|failure| failure.reason), Some(reason), "{text}");
        assert_eq!((seen.text, seen.done), (before, false), "{text}");
    }
    let without_deltas = completed(r#"{"type":"message","content":[{"type":"output_text","text":"hi"}]}"#);
    assert!(seen(&(begin() + &without_deltas)).done, "no deltas, but an answer");
    let empty = completed(r#"{"type":"message","content":[{"type":"output_text","text":""}]}"#);
    assert!(seen(&(begin() + &empty)).failure.is_some());
}

#[test]
fn whole_responses_are_read() {
    let object = |status: &str, output: &str, rest: &str| {
        let text = response(status, output, rest);
        text.strip_prefix(r#""response":"#).unwrap().to_owned()
    };
    let body = object("completed", ITEM, USAGE_JSON);
    let (segments, meter) =
        read_complete(&errors_of(AdapterId::Moonshot), Api::Responses, &renaming(), body.clone().into())
            .unwrap();
    assert_eq!(segments.to_bytes(), body.replace(r#""name":"ls_tool""#, r#""name":"ls""#));
    assert_eq!((meter.usage, meter.finish_reason.as_deref()), (Some(USAGE), Some("completed")));
    let read =
        |body: String| read_complete(&errors_of(AdapterId::Moonshot), Api::Responses, &plain(), body.into());
    for (body, reason) in [
        (object("completed", "", ""), Reason::Server),
        (object("failed", "", ""), Reason::Server),
        (object("failed", "", "").replace("null", r#"{"code":"rate_limit_exceeded"}"#), Reason::RateLimit),
        (r#"{"status":"completed"}"#.to_owned(), Reason::Server),
        (r#"{"error":{"code":429,"message":"m"}}"#.to_owned(), Reason::RateLimit),
        ("no".to_owned(), Reason::Server),
    ] {
        assert_eq!(read(body.clone()).unwrap_err().reason, reason, "{body}");
    }
    assert!(read(object("incomplete", "", "")).is_ok());
    assert!(read(object("queued", "", "")).is_ok());
}

#[test]
fn namespaces_of_calls_are_restored() {
    let own = ("mcp__x".to_owned(), "ls".to_owned());
    let plan = AnswerPlan { namespaced_tools: [("ls_tool".to_owned(), own)].into(), ..AnswerPlan::default() };
    let text = begin() + &said() + &completed(ITEM);
    let seen = read_over(Api::Responses, AdapterId::Moonshot, &plan, &[text.as_bytes()]);
    let own = r#""name":"ls","namespace":"mcp__x""#;
    // In two lists of tools, added, done, in the whole output; the event of the arguments has a name alone.
    assert_eq!(seen.text.matches(own).count(), 5, "{}", seen.text);
    assert_eq!(seen.text.matches(r#""name":"ls""#).count(), 6, "{}", seen.text);
    assert!(!seen.text.contains(r#""name":"ls_tool""#), "{}", seen.text);
    let whole = response("completed", ITEM, USAGE_JSON).replacen("\"response\":", "", 1);
    let (body, _) = super::super::read_complete(
        &errors_of(AdapterId::Moonshot),
        Api::Responses,
        &plan,
        Bytes::from(whole),
    )
    .unwrap();
    let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    assert_eq!(body.matches(own).count(), 2, "{body}");
}
