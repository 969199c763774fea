//! Messages and tools.

use super::*;

/// A body of these messages.
fn messages(list: &str) -> String {
    format!(r#"{{"model":"m","messages":[{list}]}}"#)
}

/// The messages that go up.
fn sent(case: &Case, list: &str) -> (String, Vec<&'static str>) {
    let mut case = Case { params: case.params.clone(), model: case.model.clone(), ..*case };
    case.model.id = "m".into();
    let sent = case.send(&messages(list));
    let inner = sent.body.strip_prefix(r#"{"model":"m","messages":["#).unwrap();
    (inner[..inner.rfind(']').unwrap()].to_owned(), sent.rules)
}

#[test]
fn developer_role_becomes_system() {
    let list = r#"{"role":"developer","content":"a"},{"role":"user","content":"developer"}"#;
    let (body, rules) = sent(&Case::k3(), list);
    assert_eq!(body, list.replace(r#""role":"developer""#, r#""role":"system""#));
    assert_eq!(rules, ["developer_role"]);
    for case in [Case::openrouter(), Case::generic(Compat::default())] {
        assert_eq!(sent(&case, list).0, list);
    }
    let not = Compat { supports_developer_role: Some(false), ..Compat::default() };
    assert_eq!(sent(&Case::generic(not), list).1, ["developer_role"]);
    let mut takes = Case::k3();
    takes.model.compat.supports_developer_role = Some(true);
    assert_eq!(sent(&takes, list).0, list, "a flag wins over the adapter");
}

#[test]
fn missing_reasoning_is_filled() {
    let calls =
        r#""tool_calls":[{"id":"a:0","type":"function","function":{"name":"read","arguments":"{}"}}]"#;
    for (message, expected) in [
        (
            format!(r#"{{"role":"assistant",{calls}}}"#),
            format!(r#"{{"role":"assistant",{calls},"reasoning_content":" "}}"#),
        ),
        (
            format!(r#"{{"role":"assistant","reasoning_content":null,{calls}}}"#),
            format!(r#"{{"role":"assistant","reasoning_content":" ",{calls}}}"#),
        ),
        (
            format!(r#"{{"role":"assistant","reasoning_content":"",{calls}}}"#),
            format!(r#"{{"role":"assistant","reasoning_content":" ",{calls}}}"#),
        ),
        (
            format!(r#"{{"role":"assistant","reasoning":"I see \u00e9",{calls}}}"#),
            format!(r#"{{"role":"assistant","reasoning_content":"I see \u00e9",{calls}}}"#),
        ),
        (
            r#"{"role":"assistant","content":"x","reasoning":"y"}"#.to_owned(),
            r#"{"role":"assistant","content":"x","reasoning_content":"y"}"#.to_owned(),
        ),
        (format!(r#"{{"role":"assistant","reasoning_content":" plan ",{calls}}}"#), String::new()),
        (r#"{"role":"assistant","content":"x"}"#.to_owned(), String::new()),
        (r#"{"role":"assistant","content":"x","tool_calls":[]}"#.to_owned(), String::new()),
    ] {
        let expected = if expected.is_empty() { &message } else { &expected };
        for case in [Case::k26(), Case::k27(), Case::k3(), Case::code()] {
            assert_eq!(&sent(&case, &message).0, expected);
        }
    }
    let bare = format!(r#"{{"role":"assistant",{calls}}}"#);
    let off = Case::k26().params(&json!({"thinking": {"type": "disabled"}}));
    assert_eq!(sent(&off, &bare).1, ["params"], "no reasoning is asked for where there is none");
    let not = Case::generic(Compat::default());
    assert_eq!(sent(&not, &bare).0, bare);
    let wants = Compat { requires_reasoning_content: Some(true), ..Compat::default() };
    assert_eq!(sent(&Case::generic(wants), &bare).1, ["reasoning_filler"]);
}

/// Roles by a letter: `c id…` a message with calls, `r id` a result, `u` a user.
fn conversation(plan: &str) -> String {
    let parts: Vec<String> = plan
        .split(" | ")
        .map(|part| {
            let mut words = part.split(' ');
            match (words.next().unwrap(), words) {
                ("c", ids) => {
                    let calls: Vec<Value> = ids
                        .map(|id| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": "{}"}}))
                        .collect();
                    json!({"role": "assistant", "reasoning_content": "r", "tool_calls": calls}).to_string()
                }
                ("r", mut id) => json!({"role": "tool", "tool_call_id": id.next().unwrap(), "content": "ok"}).to_string(),
                _ => json!({"role": "user", "content": "go on"}).to_string(),
            }
        })
        .collect();
    parts.join(",")
}

/// The ids of a conversation, in order.
fn ids(case: &Case, plan: &str) -> (Vec<String>, Vec<&'static str>) {
    let (body, rules) = sent(case, &conversation(plan));
    let list: Vec<Value> = serde_json::from_str(&format!("[{body}]")).unwrap();
    let mut found = Vec::new();
    for message in &list {
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        found.extend(calls.map(|call| call["id"].as_str().unwrap().to_owned()));
        found.extend(message["tool_call_id"].as_str().map(str::to_owned));
    }
    (found, rules)
}

/// Which ids are equal: `c x | r x` is `0 0`.
fn pattern(case: &Case, plan: &str) -> String {
    let (ids, _) = ids(case, plan);
    let mut seen: Vec<&String> = Vec::new();
    let numbers: Vec<String> = ids
        .iter()
        .map(|id| {
            let at = seen.iter().position(|known| *known == id).unwrap_or_else(|| {
                seen.push(id);
                seen.len() - 1
            });
            at.to_string()
        })
        .collect();
    numbers.join(" ")
}

#[test]
fn repeated_ids_become_unique_and_results_follow() {
    for case in [Case::k3(), Case::code(), Case::openrouter(), Case::generic(Compat::default())] {
        for (plan, expected) in [
            ("c f:0 | r f:0 | u | c f:0 | r f:0 | u | c f:0 | r f:0", "0 0 1 1 2 2"),
            ("c f:0 f:1 | r f:0 | r f:1 | c f:0 f:1 | r f:1 | r f:0", "0 1 0 1 2 3 3 2"),
            // Twice in one message: results in the order of the calls.
            ("c f:0 f:0 | r f:0 | r f:0", "0 1 0 1"),
            // An unanswered call must not catch the result of the next.
            ("c f:0 | u | c f:0 | r f:0", "0 1 1"),
            // Two assistant messages in a row, then their results.
            ("c f:0 | c f:0 | r f:0 | r f:0", "0 1 0 1"),
            // A result that comes twice stays with its call; one without a call stays as it is.
            ("c f:0 | r f:0 | u | c f:0 | r f:0 | r f:0", "0 0 1 1 1"),
            ("r f:9 | c f:0 | r f:0", "0 1 1"),
        ] {
            assert_eq!(pattern(&case, plan), expected, "{plan}");
        }
        let (found, rules) =
            ids(&case, "c functions.exec:0 | r functions.exec:0 | c functions.exec:0 | r functions.exec:0");
        assert!(rules.contains(&"tool_ids"), "{rules:?}");
        assert_eq!(found[..2], ["functions.exec:0", "functions.exec:0"], "the first is kept");
        // Pinned: the same conversation must give the same bytes for the provider's prompt cache.
        assert_eq!(found[2..], ["call_d2e36977e5c6c2c5804d3ce4", "call_d2e36977e5c6c2c5804d3ce4"]);
    }
    assert!(ids(&Case::k3(), "c f:0 | r f:0 | c f:1 | r f:1").1.is_empty());
}

#[test]
fn generated_id_avoids_ids_of_the_history() {
    let made = "call_d2e36977e5c6c2c5804d3ce4";
    let plan = format!(
        "c functions.exec:0 | r functions.exec:0 | c functions.exec:0 | r functions.exec:0 | c {made} | r {made}"
    );
    assert_eq!(pattern(&Case::k3(), &plan), "0 0 1 1 2 2");
}

#[test]
fn sanitized_ids_are_letters_and_digits() {
    let long = "x".repeat(60);
    let mut case = Case::generic(Compat::default());
    case.sanitize = true;
    let plan = format!(
        "c functions.exec:0 functionsexec0 | r functions.exec:0 | r functionsexec0 | c functions.exec:0 ::: {long} {long}y | r functions.exec:0 | r ::: | r {long} | r {long}y"
    );
    let (found, rules) = ids(&case, &plan);
    assert_eq!(rules, ["tool_ids_sanitized"]);
    assert_eq!(found[0], "functionsexec0");
    assert_eq!(pattern(&case, &plan), "0 1 0 1 2 3 4 5 2 3 4 5");
    for id in found {
        assert!((1..=40).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    }
    assert!(ids(&case, "c abc | r abc").1.is_empty(), "what is fine stays");
}

#[test]
fn rejected_tool_names_are_renamed_everywhere() {
    let body = r#"{"model":"kimi-k3","messages":[{"role":"assistant","reasoning_content":"r","tool_calls":[{"id":"1","type":"function","function":{"name":"ls","arguments":"{\"name\":\"ls\"}"}},{"id":"2","type":"function","function":{"name":"$web_search","arguments":"{}"}},{"id":"3","type":"function","function":{"name":"gone.tool","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","name":"ls","content":"ls"}],"tools":[{"type":"function","function":{"name":"ls","description":"ls"}},{"type":"function","function":{"name":"ls_tool"}},{"type":"builtin_function","function":{"name":"$web_search"}}],"thinking":{"type":"disabled"},"tool_choice":{"type":"function","function":{"name":"ls"}}}"#;
    let sent = Case::k3().send(body);
    let (new, old) = sent.answer.tool_names[0].clone();
    assert_eq!(old, "ls");
    assert!(new.starts_with("ls_tool_"), "{new}");
    assert_eq!(sent.answer.tool_names[1], ("gone_tool".to_owned(), "gone.tool".to_owned()));
    let expected = body
        .replace(r#""name":"ls""#, &format!(r#""name":"{new}""#))
        .replace(r#""name":"gone.tool""#, r#""name":"gone_tool""#);
    assert_eq!(sent.body, expected);
    assert_eq!(sent.rules, ["tool_names"]);
    assert!(sent.answer.offers_tools);
    assert!(Case::openrouter().send(body).answer.tool_names.is_empty());
}

#[test]
fn invalid_schemas_are_fixed() {
    let fine = r#"{"type":"function","function":{"name":"one","parameters":{"type":"object", "properties":{"a":{"anyOf":[{"type":"string"}]}}}}}"#;
    let error = r#"{"type":"function","function":{"name":"two","parameters":{"type":"object","properties":{"a":{"type":"string","anyOf":[{"enum":["x"]}]}}}}}"#;
    let right = error.replace(
        r#"{"type":"string","anyOf":[{"enum":["x"]}]}"#,
        r#"{"anyOf":[{"enum":["x"],"type":"string"}]}"#,
    );
    for case in [Case::k3(), Case::code()] {
        let (sent, rules) = case.members(&format!(r#""tools":[{fine}, {error}]"#));
        assert_eq!(sent, format!(r#""tools":[{fine}, {right}]"#));
        assert_eq!(rules, ["tool_schema"]);
    }
    // Dynamic tools, in a system message.
    let dynamic = |tool: &str| format!(r#""messages":[{{"role":"system","tools":[{tool}]}}]"#);
    assert_eq!(Case::k3().members(&dynamic(error)).0, dynamic(&right));
}
