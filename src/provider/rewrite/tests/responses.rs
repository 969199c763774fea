//! The Responses API.

use super::*;

fn over(case: Case) -> Case {
    case.over(Api::Responses)
}

const KIMI: [fn() -> Case; 4] = [Case::k26, Case::k27, Case::k3, Case::code];

/// What kimi-code 2.1.0 sends (captured 2026-11-21), shortened; a K3 model takes it as it is.
const KIMI_CODE: &str = r#""instructions":"a","input":[{"role":"user","content":[{"type":"input_text","text":"\ud83d"}]},{"type":"reasoning","summary":[],"encrypted_content":"x"},{"type":"function_call","call_id":"a:0","name":"Bash","arguments":"{}"},{"type":"function_call_output","call_id":"a:0","output":"ok"}],"tools":[{"type":"function","name":"Bash","description":"d","parameters":{"type":"object","properties":{}},"strict":false}],"store":false,"stream":true,"prompt_cache_key":"k","max_output_tokens":262144,"include":["reasoning.encrypted_content"],"reasoning":{"summary":"auto"}"#;

#[test]
fn requests_of_agents_are_unchanged() {
    for case in KIMI {
        over(case()).table(&[(KIMI_CODE, KIMI_CODE)]);
    }
    over(Case::openrouter()).table(&[(KIMI_CODE, KIMI_CODE)]);
    let sampled = format!(r#""temperature":0.1,{KIMI_CODE}"#);
    over(Case::generic(Compat::default())).table(&[(&sampled, &sampled)]);
    over(Case::k3()).table(&[(&sampled, KIMI_CODE)]);
}

#[test]
fn effort_gets_the_form_of_the_model() {
    let of = |level: &str| format!(r#""reasoning":{{"effort":"{level}","summary":"auto"}}"#);
    let none = r#""reasoning":{"summary":"auto"}"#;
    for (level, expected) in
        [("none", "low"), ("minimal", "low"), ("low", "low"), ("medium", "high"), ("xhigh", "max")]
    {
        for case in [Case::k3, Case::code] {
            over(case()).table(&[(&of(level), &of(expected))]);
        }
        for case in [Case::k26, Case::k27] {
            over(case()).table(&[(&of(level), none)]);
        }
        over(Case::openrouter()).table(&[(&of(level), &of(level))]);
    }
    over(Case::k26()).table(&[(r#""store":false,"reasoning":{"effort":"low"}"#, r#""store":false"#)]);
    assert_eq!(over(Case::k3()).members(&of("none")).1, ["reasoning"]);
    let low = r#""store":false,"reasoning":{"effort":"low"}"#;
    let default = over(Case::code()).level(ThinkingLevel::Low);
    assert_eq!(default.members(r#""store":false"#), (low.to_owned(), vec!["thinking_default"]));
    let params = over(Case::code()).params(&json!({"thinking": "low"}));
    assert_eq!(params.members(r#""store":false"#), (low.to_owned(), vec!["params"]));
}

#[test]
fn params_use_the_names_of_the_api() {
    let params = json!({
        "max_tokens": 5, "temperature": 0.3, "stop": ["x"], "top_k": 3,
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "extraBody": {"user": "u"},
    });
    let case = over(Case::generic(Compat::default())).params(&params);
    let (sent, rules) = case.members(r#""stream":false"#);
    let sent: Value = serde_json::from_str(&format!("{{{sent}}}")).unwrap();
    let expected = json!({
        "stream": false, "max_output_tokens": 5, "temperature": 0.3, "user": "u",
        "tool_choice": {"type": "function", "name": "f"},
    });
    assert_eq!((sent, rules), (expected, vec!["params"]));
}

#[test]
fn tools_and_items_unknown_to_kimi_are_removed() {
    let own = r#"{"type":"function","name":"read","parameters":{"type":"object"}}"#;
    let line = |tools: &[&str]| format!(r#""tools":[{}]"#, tools.join(","));
    let (space, search) = (r#"{"type":"namespace","name":"n","tools":[]}"#, r#"{"type":"web_search"}"#);
    let k3 = over(Case::k3());
    k3.table(&[
        (&line(&[space, own, search]), &line(&[own])),
        (&format!(r#"{},"tool_choice":"auto""#, line(&[space])), ""),
        (
            &format!(r#"{},"tool_choice":{{"type":"web_search"}}"#, line(&[own, search])),
            &format!(r#"{},"tool_choice":"auto""#, line(&[own])),
        ),
        (
            &format!(r#"{},"tool_choice":"required""#, line(&[own])),
            &format!(r#"{},"tool_choice":"auto""#, line(&[own])),
        ),
    ]);
    let all = line(&[space, own, search]);
    over(Case::openrouter()).table(&[(&all, &all)]);
    let input = r#""input":[{"type":"custom_tool_call","call_id":"a"},{"type":"custom_tool_call_output","call_id":"a"},{"role":"user","content":"hi"},{"type":"web_search_call"}]"#;
    k3.table(&[
        (input, r#""input":[{"role":"user","content":"hi"}]"#),
        (r#""input":"hi""#, r#""input":"hi""#),
    ]);
}

#[test]
fn names_and_ids_are_accepted_by_kimi() {
    let call = r#"{"type":"function_call","call_id":"ls:0","name":"ls","arguments":"{\"ls\":1}"}"#;
    let output = r#"{"type":"function_call_output","call_id":"ls:0","output":"ls"}"#;
    let input = [call, output, call, output].join(",");
    let body = format!(
        r#"{{"model":"kimi-k3","tools":[{{"type":"function","name":"ls","parameters":{{"type":"object"}}}}],"input":[{input}]}}"#
    );
    let sent = over(Case::k3()).send(&body);
    let value: Value = serde_json::from_str(&sent.body).unwrap();
    let at = |pointer: &str| value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    assert_eq!(sent.rules, ["tool_names", "tool_ids"]);
    assert_eq!(sent.answer.tool_names, [("ls_tool".to_owned(), "ls".to_owned())]);
    assert_eq!((at("/tools/0/name"), at("/input/2/name")), ("ls_tool".to_owned(), "ls_tool".to_owned()));
    assert_eq!((at("/input/0/call_id"), at("/input/1/call_id")), ("ls:0".to_owned(), "ls:0".to_owned()));
    assert_eq!(at("/input/2/call_id"), at("/input/3/call_id"));
    assert_ne!(at("/input/2/call_id"), "ls:0");
}

#[test]
fn namespaced_tools_become_functions_for_kimi() {
    let tool = |kind: &str, name: &str| {
        format!(r#"{{"type":"{kind}","name":"{name}","parameters":{{"type":"object"}}}}"#)
    };
    let space = format!(
        r#"{{"type":"namespace","name":"mcp__files","description":"d","tools":[ {}, {}, {} ]}}"#,
        tool("function", "read"),
        tool("custom", "patch"),
        tool("function", "a.b")
    );
    let (search, taken) = (r#"{"type":"web_search"}"#, tool("function", "mcp__files__read"));
    let call =
        r#"{"type":"function_call","namespace":"mcp__files","name":"a.b","call_id":"1","arguments":"{}"}"#;
    let output = r#"{"type":"function_call_output","call_id":"1","output":"ok"}"#;
    let gone = r#"{"type":"function_call","call_id":"2","name":"x","arguments":"{}","namespace":"old"}"#;
    let body = format!(
        r#"{{"model":"kimi-k3","tools":[{space} , {search}, {taken}],"tool_choice":"auto","input":[{call},{output},{gone}]}}"#
    );
    let sent = over(Case::k3()).send(&body);
    let value: Value = serde_json::from_str(&sent.body).unwrap();
    let named = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().filter_map(|item| Some(item["name"].as_str()?.to_owned())).collect()
    };
    let tools = named(&value["tools"]);
    assert_eq!((tools.len(), tools[2].as_str()), (3, "mcp__files__read"), "{tools:?}");
    assert!(tools[0].starts_with("mcp__files__read_"), "{tools:?}");
    assert_eq!(tools[1], "mcp__files__a_b");
    assert_eq!(named(&value["input"]), ["mcp__files__a_b", "old__x"]);
    assert!(!sent.body.contains("namespace"), "{}", sent.body);
    assert_eq!(sent.rules, ["hosted_tools", "namespaces"]);
    let own = sent.answer.namespaced_tools.get("mcp__files__a_b").unwrap();
    assert_eq!(own, &("mcp__files".to_owned(), "a.b".to_owned()));
    // Elsewhere other kinds of tools stand as they are, and a namespace with one of them too.
    let kept = over(Case::openrouter()).send(&body);
    assert!(kept.body.contains(&space) && kept.answer.namespaced_tools.is_empty());
    let functions = body.replace("\"custom\"", "\"function\"").replace("a.b", "ls");
    for case in [Case::openrouter(), Case::generic(Compat::default())] {
        let value: Value = serde_json::from_str(&over(case).send(&functions).body).unwrap();
        let tools = named(&value["tools"]);
        assert_eq!(tools[1..], ["mcp__files__patch", "mcp__files__ls", "mcp__files__read"], "{tools:?}");
        assert_eq!(value["tools"][3]["type"], "web_search");
        assert_eq!(named(&value["input"]), ["mcp__files__ls", "old__x"]);
    }
    // The same tools give the same bytes, whatever was said since.
    let later = over(Case::k3()).send(&body.replace(&format!(",{gone}"), ""));
    let tools_of = |body: &str| body.split("\"input\"").next().unwrap().to_owned();
    assert_eq!(tools_of(&sent.body), tools_of(&later.body));
}
