use serde_json::{Value, json};

use super::{RequestContext, build_request};
use crate::assistant::choice::ModelChoice;
use crate::assistant::transcript::{AssistantMessage, ContentBlock, StopReason, TranscriptMessage};
use crate::catalog::ThinkingLevel;

fn text(text: &str) -> ContentBlock {
    ContentBlock::Text { text: text.to_owned() }
}

fn user(words: &str) -> TranscriptMessage {
    TranscriptMessage::User { content: vec![text(words)], timestamp: 1 }
}

fn said(content: Vec<ContentBlock>) -> TranscriptMessage {
    TranscriptMessage::Assistant(Box::new(AssistantMessage {
        content,
        api: "anthropic-messages".to_owned(),
        provider: "moonshot".to_owned(),
        model: "kimi-k3".to_owned(),
        usage: None,
        stop_reason: StopReason::Stop,
        error_message: None,
        timestamp: 1,
        response_id: None,
    }))
}

fn result(id: &str) -> TranscriptMessage {
    TranscriptMessage::ToolResult {
        tool_call_id: id.to_owned(),
        tool_name: "web_search".to_owned(),
        content: vec![text("found")],
        is_error: false,
        timestamp: 1,
    }
}

fn call(id: &str) -> ContentBlock {
    ContentBlock::ToolCall {
        id: id.to_owned(),
        name: "web_search".to_owned(),
        arguments: json!({"query": "moon"}),
    }
}

fn rendered(thinking: Option<ThinkingLevel>, summary: Option<&str>, messages: &[TranscriptMessage]) -> Value {
    let choice =
        ModelChoice { requested_model: "kimi".to_owned(), chain: Vec::new(), thinking, max_tokens: 32_000 };
    let context = RequestContext { summary, ..RequestContext::default() };
    serde_json::from_slice(&build_request(&choice, context, messages)).unwrap()
}

#[test]
fn conversation_is_sent_with_calls_and_thinking() {
    let thought =
        ContentBlock::Thinking { thinking: "hm".to_owned(), thinking_signature: Some("sig".to_owned()) };
    let messages =
        [user("find it"), said(vec![thought, call("a")]), result("a"), said(vec![text("here")]), user("ok")];
    let body = rendered(Some(ThinkingLevel::High), None, &messages);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "find it"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "tool_use", "id": "a", "name": "web_search", "input": {"query": "moon"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "found"}]},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "here"}]},
            {"role": "user", "content": [{"type": "text", "text": "ok"}]},
        ])
    );
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({"type": "adaptive"}), &json!({"effort": "high"}))
    );
    assert_eq!(body.get("system"), None);
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["model", "max_tokens", "stream", "thinking", "output_config", "messages"]);
}

#[test]
fn roles_alternate() {
    let messages = [user("one"), said(vec![text("")]), user("two")];
    let body = rendered(None, Some("they said hello"), &messages);
    let blocks = body["messages"][0]["content"].as_array().unwrap();
    let texts: Vec<&str> = blocks.iter().map(|block| block["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Summary of the conversation so far:\n\nthey said hello", "one", "two"]);
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
}
