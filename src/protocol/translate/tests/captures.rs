//! Recorded requests of real clients, translated to every other format; the results of some are pinned.
//!
//! `tests/fixtures/captures` contains trimmed recordings of 2026-11-21 (see `tests/translation/captures.rs`).
//! `tests/fixtures/translated` contains some translations, with texts as `@fill:…` and two tools each.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{RequestBody, TranslatedRequest, TranslationTarget, translate_request};
use super::target;
use crate::protocol::api::Api;

fn fixtures(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

struct Capture {
    name: String,
    api: Api,
    body: Value,
}

/// Every recorded request, with its tools; texts are `@fill:…`.
fn captures() -> Vec<Capture> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixtures("captures")).unwrap() {
        let path = entry.unwrap().path();
        let client = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for request in recorded["requests"].as_array().unwrap() {
            let target = request["target"].as_str().unwrap().split('?').next().unwrap();
            let api = Api::ALL.into_iter().find(|api| target.ends_with(api.path()));
            let mut body = request["body"].clone();
            if let Some(index) = body["tools"].as_str().and_then(|tools| tools.strip_prefix("@tools:")) {
                body["tools"] = recorded["tools"][index.parse::<usize>().unwrap()].clone();
            }
            // Tokens are counted with the body of a message.
            let api = api.or_else(|| target.ends_with("/count_tokens").then_some(Api::Messages)).unwrap();
            found.push(Capture {
                name: format!("{client}.{}", request["name"].as_str().unwrap()),
                api,
                body,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn translate(capture: &Capture, to: Api) -> TranslatedRequest {
    let body = RequestBody::parse(capture.api, Bytes::from(capture.body.to_string())).unwrap();
    translate_request(&body, &TranslationTarget { default_max_tokens: Some(32_768), ..target(to) })
        .unwrap_or_else(|error| panic!("{} to {to:?}: {error}", capture.name))
}

/// All texts of a body.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(members) => members.values().for_each(|member| texts(member, into)),
        _ => {}
    }
}

fn names(tools: &Value) -> Vec<&str> {
    let tools = tools.as_array().into_iter().flatten();
    tools.filter_map(|tool| tool["name"].as_str().or_else(|| tool["function"]["name"].as_str())).collect()
}

#[test]
fn recorded_requests_translate_to_every_other_format() {
    let captures = captures();
    assert!(captures.len() >= 65, "{}", captures.len());
    for api in Api::ALL {
        assert!(captures.iter().filter(|capture| capture.api == api).count() >= 8, "{api:?}");
    }
    for capture in captures {
        for to in Api::ALL {
            let translated = translate(&capture, to);
            let written: Value = serde_json::from_slice(&translated.body).unwrap();
            let mut heard = Vec::new();
            texts(&written, &mut heard);
            let mut said = Vec::new();
            for key in ["messages", "input", "system", "instructions"] {
                texts(&capture.body[key], &mut said);
            }
            for text in said.iter().filter(|text| text.starts_with("@fill:") || text.contains("captured")) {
                let is_heard = heard.iter().any(|heard| heard.contains(text.as_str()));
                // Arguments are text in some formats and an object in others.
                assert!(
                    is_heard || text.starts_with('{') || text.starts_with("echo"),
                    "{} {text:?}",
                    capture.name
                );
            }
            let sent = names(&written["tools"]);
            let left_out = ["web_search", "DeferredToolPlaceholder", "multi_agent_v1", "$web_search"];
            for name in names(&capture.body["tools"]) {
                assert!(
                    sent.contains(&name) != left_out.contains(&name),
                    "{} to {to:?}: {name}",
                    capture.name
                );
            }
            assert_eq!(translate(&capture, to), translated, "{}", capture.name);
        }
    }
}

/// The first two tools, and those of a special kind.
fn shorten(tools: &mut Value) {
    let Some(tools) = tools.as_array_mut() else { return };
    let mut plain = 0;
    tools.retain(|tool| {
        let is_special =
            !matches!(tool["type"].as_str(), None | Some("function")) || tool.get("defer_loading").is_some();
        plain += usize::from(!is_special);
        is_special || plain <= 2
    });
    for inner in tools.iter_mut().filter_map(|tool| tool.get_mut("tools")) {
        shorten(inner);
    }
}

#[test]
fn translations_match_their_fixtures() {
    let kept = [
        ("claude-code.tool.2", Api::ChatCompletions),
        ("claude-code.tool.2", Api::Responses),
        ("codex.tool.1", Api::ChatCompletions),
        ("codex.tool.1", Api::Messages),
        ("kimi-code.tool.1", Api::Messages),
        ("kimi-code.tool.1", Api::Responses),
        ("opencode.tool.1", Api::Messages),
        ("openclaw-messages.kimi.text.0", Api::ChatCompletions),
    ];
    let captures = captures();
    for (name, to) in kept {
        let found = captures.iter().find(|capture| capture.name == name).unwrap_or_else(|| panic!("{name}"));
        let mut body = found.body.clone();
        shorten(&mut body["tools"]);
        let translated = translate(&Capture { name: name.to_owned(), api: found.api, body }, to);
        let body: Value = serde_json::from_slice(&translated.body).unwrap();
        let tools = translated.client_tools.iter();
        let tools: Vec<Value> = tools.map(|(sent, own)| json!([sent, own.namespace, own.name])).collect();
        let shown = json!({ "dropped": translated.losses, "client_tools": tools, "body": body });
        let shown = format!("{shown:#}\n");
        let path = fixtures("translated").join(format!("{name}.{}.json", to.as_str()));
        if std::env::var_os("MOONRELAY_BLESS").is_some() {
            std::fs::write(&path, &shown).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = shown.lines().zip(kept.lines().chain(std::iter::repeat("")));
        let difference = { lines }.find(|(now, kept)| now != kept);
        assert!(
            shown == kept,
            "{} is not what comes; MOONRELAY_BLESS=1 cargo test writes it. First difference (now, kept): {difference:?}",
            path.display()
        );
    }
}
