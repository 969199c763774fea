//! The Messages API.

use proptest::prelude::*;

use super::*;

const KIMI: [fn() -> Case; 4] = [Case::k26, Case::k27, Case::k3, Case::code];

fn over(case: fn() -> Case) -> Case {
    case().over(Api::Messages)
}

fn claude() -> Case {
    Case::generic(Compat::default()).over(Api::Messages)
}

/// What Claude Code 2.1.329 and kimi-code 2.1.0 send (captured 2026-11-21), shortened.
const CLAUDE_CODE: &str = r#""max_tokens":32000,"metadata":{"user_id":"{\"device_id\":\"x\"}"},"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"high"},"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]},{"role":"system","content":"now"},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"s"},{"type":"tool_use","id":"t:0","name":"Bash","input":{"command":"\ud83d"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t:0","content":"ok","is_error":false}]}],"tools":[{"name":"Bash","description":"d","defer_loading":true,"input_schema":{"type":"object","properties":{}}}],"stream":true"#;

#[test]
fn requests_of_agents_are_unchanged() {
    for case in [Case::k3, Case::code] {
        over(case).table(&[(CLAUDE_CODE, CLAUDE_CODE)]);
    }
    let management = r#""context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"#;
    let (managed, _) = over(Case::code).members(&format!("{management}{CLAUDE_CODE}"));
    assert!(managed.starts_with(management), "kimi-code sends it there");
    let (managed, rules) = over(Case::k3).members(&format!("{management}{CLAUDE_CODE}"));
    assert_eq!((managed.as_str(), rules), (CLAUDE_CODE, vec!["context_management"]));
    let (of_claude, rules) = claude().members(&format!(r#""temperature":0,{management}{CLAUDE_CODE}"#));
    let plain = CLAUDE_CODE.replace("t:0", "mrl_t-3a0");
    assert_eq!(
        (of_claude, rules),
        (format!(r#""temperature":0,{management}{plain}"#), vec!["tool_ids_escaped"])
    );
}

#[test]
fn kimi_ids_are_escaped_for_other_providers() {
    let turns = |ids: [&str; 3]| {
        let turn = |id: &str| {
            format!(
                r#"{{"role":"assistant","content":[{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{id}","content":"ok"}}]}}"#
            )
        };
        let turns: Vec<String> = ids.into_iter().map(turn).collect();
        format!(r#""max_tokens":9,"messages":[{{"role":"user","content":"hi"}},{}]"#, turns.join(","))
    };
    for case in [claude(), over(Case::openrouter)] {
        // Plain ones stay, those that were escaped for the client before too.
        let plain = turns(["toolu_01-A_b", "mrl_look-3a0", "t1"]);
        let (sent, rules) = case.members(&plain);
        assert_eq!((sent, rules.contains(&"tool_ids_escaped")), (plain, false));
        let (sent, rules) = case.members(&turns(["look:0", "toolu_1", "look:0"]));
        let again = sent.rsplit("\"tool_use_id\":\"").next().unwrap().split('"').next().unwrap().to_owned();
        assert!(
            again.starts_with("call_")
                && again.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        );
        assert_eq!(sent, turns(["mrl_look-3a0", "toolu_1", &again]));
        assert!(rules.contains(&"tool_ids_escaped"), "{rules:?}");
    }
}

#[test]
fn sampling_is_removed_for_kimi() {
    for case in KIMI {
        over(case).table(&[(r#""temperature":1,"top_p":1,"top_k":5,"max_tokens":9"#, r#""max_tokens":9"#)]);
    }
}

#[test]
fn thinking_gets_the_form_of_the_model() {
    let max = r#""max_tokens":9000"#;
    let line = |rest: &str| if rest.is_empty() { max.to_owned() } else { format!("{max},{rest}") };
    let enabled = |budget: u64| format!(r#""thinking":{{"type":"enabled","budget_tokens":{budget}}}"#);
    let (adaptive, off) = (r#""thinking":{"type":"adaptive"}"#, r#""thinking":{"type":"disabled"}"#);
    let effort = |level: &str| format!(r#""output_config":{{"effort":"{level}"}}"#);
    let (usual, large, small) = (enabled(2000), enabled(99_999), enabled(5));
    let (least, most, given) = (enabled(1024), enabled(8999), enabled(8192));
    let leveled = |level: &str| format!("{adaptive},{}", effort(level));
    let bare = r#""thinking":{"type":"enabled"}"#;
    // What comes, and what K2.6, K2.7 Code, K3 and Kimi Code get.
    let table: [(String, [String; 4]); 10] = [
        (String::new(), ["", "", "", ""].map(str::to_owned)),
        (usual.clone(), [&usual, &usual, &usual, &usual].map(Clone::clone)),
        (large, [&most, &most, &most, &most].map(Clone::clone)),
        (small, [&least, &least, &least, &least].map(Clone::clone)),
        (off.to_owned(), [off, "", off, ""].map(str::to_owned)),
        (adaptive.to_owned(), [&*given, "", adaptive, adaptive].map(str::to_owned)),
        (bare.to_owned(), [&*given, "", "", ""].map(str::to_owned)),
        (leveled("low"), [least.clone(), String::new(), leveled("low"), leveled("low")]),
        (leveled("xhigh"), [given.clone(), String::new(), leveled("max"), leveled("max")]),
        (effort("medium"), [enabled(4096), String::new(), effort("high"), effort("high")]),
    ];
    for (members, expected) in table {
        for (case, expected) in KIMI.into_iter().zip(expected) {
            over(case).table(&[(&line(&members), &line(&expected))]);
        }
    }
    let format = r#""output_config":{"format":{"type":"json_schema"},"effort":"odd"}"#;
    over(Case::code).table(&[(format, r#""output_config":{"format":{"type":"json_schema"}}"#)]);
}

#[test]
fn small_output_limit_has_no_thinking_budget() {
    let thinking = r#""max_tokens":1024,"thinking":{"type":"enabled","budget_tokens":1024}"#;
    for case in KIMI {
        over(case).table(&[(thinking, r#""max_tokens":1024"#)]);
    }
}

#[test]
fn params_and_default_level_use_the_names_of_the_api() {
    let params = json!({
        "maxTokens": 5000, "temperature": 0.3, "stop": "END", "tool_choice": "required", "frequency_penalty": 1,
        "thinking": "high", "extraBody": {"metadata": {"user_id": "u"}},
    });
    let case = claude().params(&params);
    let (sent, rules) = case.members(r#""stream":false"#);
    let sent: Value = serde_json::from_str(&format!("{{{sent}}}")).unwrap();
    let expected = json!({
        "stream": false, "max_tokens": 5000, "temperature": 0.3, "stop_sequences": ["END"],
        "tool_choice": {"type": "any"}, "metadata": {"user_id": "u"},
    });
    assert_eq!((sent, rules), (expected, vec!["params"]));
    let own =
        r#""max_tokens":1,"temperature":1,"stop_sequences":[],"tool_choice":{"type":"none"},"metadata":{}"#;
    case.table(&[(own, own)]);
    let fills = |case: Case, expected: &str| {
        let (sent, rules) = case.members(r#""max_tokens":9000"#);
        assert_eq!(sent.trim_start_matches(r#""max_tokens":9000"#).trim_start_matches(','), expected);
        rules
    };
    let leveled = r#""thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#;
    let thinking = json!({"thinking": "low"});
    assert_eq!(fills(over(Case::code).params(&thinking), leveled), ["params"]);
    assert_eq!(fills(over(Case::code).level(ThinkingLevel::Low), leveled), ["thinking_default"]);
    let budget = r#""thinking":{"type":"enabled","budget_tokens":8192}"#;
    assert_eq!(fills(over(Case::k26).level(ThinkingLevel::High), budget), ["thinking_default"]);
    fills(over(Case::k26).level(ThinkingLevel::Off), r#""thinking":{"type":"disabled"}"#);
    fills(over(Case::code).level(ThinkingLevel::Off), "");
    fills(over(Case::k27).level(ThinkingLevel::High), "");
    fills(claude().level(ThinkingLevel::High), "");
    let mut known = claude().level(ThinkingLevel::Xhigh);
    known.model.compat.supports_reasoning_effort = Some(true);
    fills(known, r#""thinking":{"type":"adaptive"},"output_config":{"effort":"max"}"#);
}

#[test]
fn forced_call_yields_to_thinking() {
    let (any, auto) = (r#""tool_choice":{"type":"any"}"#, r#""tool_choice":{"type":"auto"}"#);
    let pinned = r#""tool_choice":{"type":"tool","name":"read"}"#;
    let off = r#","thinking":{"type":"disabled"}"#;
    let tools = r#""tools":[{"name":"read","input_schema":{"type":"object"}}],"#;
    let expected = [(any, format!("{pinned}{off}")), (any, auto.to_owned()), (any, format!("{pinned}{off}"))];
    for (case, (of_any, of_pinned)) in KIMI.into_iter().zip(expected) {
        let line = |choice: &str| format!("{tools}{choice}");
        over(case).table(&[(&line(any), &line(of_any)), (&line(pinned), &line(&of_pinned))]);
    }
    let line = |choice: &str| format!("{tools}{choice}");
    over(Case::code).table(&[(&line(any), &line(auto)), (&line(pinned), &line(auto))]);
    claude().table(&[(&line(pinned), &line(pinned))]);
}

#[test]
fn missing_thinking_is_filled_for_kimi() {
    let call = r#"{"type":"tool_use","id":"a","name":"read","input":{}}"#;
    let filler = r#"{"type":"thinking","thinking":" ","signature":""}"#;
    let signed = r#"{"type":"thinking","thinking":"","signature":"s"}"#;
    let unsigned = r#"{"type":"thinking","thinking":"","signature":""}"#;
    let said = r#"{"type":"thinking","thinking":"so"}"#;
    let foreign = r#"{"type":"redacted_thinking","data":"x"}"#;
    let message = |blocks: &[&str]| {
        format!(r#""max_tokens":9,"messages":[{{"role":"assistant","content":[{}]}}]"#, blocks.join(","))
    };
    let text = r#"{"type":"text","text":"hm"}"#;
    let table: [(&[&str], &[&str]); 6] = [
        (&[call], &[filler, call]),
        (&[signed, call], &[signed, call]),
        (&[said, call], &[said, call]),
        (&[unsigned, text, call], &[filler, text, call]),
        (&[foreign, text, call], &[filler, text, call]),
        (&[text], &[text]),
    ];
    for case in KIMI {
        for (blocks, expected) in table {
            over(case).table(&[(&message(blocks), &message(expected))]);
        }
    }
    let off = r#"{"max_tokens":9,"thinking":{"type":"disabled"},"messages":[{"role":"assistant","content":["#;
    let sent = over(Case::k26).send(&format!(r#"{off}{call}]}}],"model":"kimi-k2.6"}}"#));
    assert!(sent.rules.is_empty(), "{}", sent.body);
}

#[test]
fn unsigned_thinking_is_removed_for_other_providers() {
    let of = |list: &str| format!(r#""max_tokens":9,"messages":[{list}]"#);
    let user = r#"{"role":"user","content":"hi"}"#;
    let signed = r#"{"type":"thinking","thinking":"so","signature":"s"}"#;
    let unsigned = r#"{"type":"thinking","thinking":"so","signature":""}"#;
    let text = r#"{"type":"text","text":"hm"}"#;
    let said = |blocks: &str| format!(r#"{{"role":"assistant","content":[{blocks}]}}"#);
    let both = of(&format!("{user},{},{user}", said(&format!("{unsigned},{signed},{text}"))));
    let one = of(&format!("{user},{},{user}", said(&format!("{signed},{text}"))));
    let only = of(&format!("{user},{},{user}", said(unsigned)));
    claude().table(&[(&both, &one), (&only, &of(&format!("{user},{user}"))), (&one, &one)]);
    assert_eq!(claude().members(&both).1, ["unsigned_thinking"]);
    over(Case::k3).table(&[(&both, &both)]);
    assert_eq!(
        Case::openrouter().over(Api::Messages).members(&only).0,
        only,
        "that is for OpenRouter to judge"
    );
}

#[test]
fn tools_and_blocks_unknown_to_kimi_are_removed() {
    let own = r#"{"name":"read","input_schema":{"type":"object"}}"#;
    let custom = r#"{"type":"custom","name":"edit","input_schema":{"type":"object"}}"#;
    let search = r#"{"type":"web_search_20250305","name":"web_search"}"#;
    let line = |tools: &[&str]| format!(r#""max_tokens":9,"tools":[{}]"#, tools.join(","));
    let k3 = over(Case::k3);
    k3.table(&[(&line(&[search, own, custom]), &line(&[own, custom]))]);
    let pinned = format!(r#"{},"tool_choice":{{"type":"tool","name":"web_search"}}"#, line(&[own, search]));
    k3.table(&[(&pinned, &format!(r#"{},"tool_choice":{{"type":"auto"}}"#, line(&[own])))]);
    k3.table(&[(&pinned.replace(&format!("{own},"), ""), r#""max_tokens":9"#)]);
    claude().table(&[(&line(&[search, own]), &line(&[search, own]))]);
    let of =
        |content: &str| format!(r#""max_tokens":9,"messages":[{{"role":"user","content":[{content}]}}]"#);
    let result = |inner: &str| format!(r#"{{"type":"tool_result","tool_use_id":"a","content":[{inner}]}}"#);
    let reference = r#"{"type":"tool_reference","tool_name":"x"}"#;
    let text = r#"{"type":"text","text":"hm"}"#;
    let left_out = r#"{"type":"text","text":"(removed)"}"#;
    let named = r#"{"type":"text","text":"The tool x can be called now."}"#;
    let hosted = r#"{"type":"server_tool_use","id":"b","name":"web_search","input":{}}"#;
    let document = r#"{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"\u00e9 1"},"cache_control":{"type":"ephemeral"}}"#;
    let rendered = r#"{"type":"text","text":"t"},{"type":"text","text":"\u00e9 1"}"#;
    let found = &format!(r#"{{"type":"search_result","title":"t","source":"\u00e9 1","content":[{text}]}}"#);
    k3.table(&[
        (&of(&result(&format!("{text},{reference}"))), &of(&result(&format!("{text},{named}")))),
        (&of(&result(reference)), &of(&result(named))),
        (&of(&format!("{hosted} , {text}")), &of(text)),
        (&of(hosted), &of(left_out)),
        (&of(&format!("{hosted} , {document},{text}")), &of(&format!("{rendered},{text}"))),
        (&of(&format!("{found},{hosted}")), &of(&format!("{rendered},{text}"))),
    ]);
}

#[test]
fn names_and_ids_are_accepted_by_kimi() {
    let body = r#"{"model":"kimi-k3","max_tokens":9,"tools":[{"name":"ls","input_schema":{"type":"string","anyOf":[{}]}}],"tool_choice":{"type":"none","name":"ls"},"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a"},{"type":"tool_use","id":"ls:0","name":"ls","input":{"ls":"ls:0"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"ls:0"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"a"},{"type":"tool_use","id":"ls:0","name":"ls","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"ls:0"}]}]}"#;
    let sent = over(Case::k3).send(body);
    let value: Value = serde_json::from_str(&sent.body).unwrap();
    let at = |pointer: &str| value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    assert_eq!(sent.rules, ["tool_schema", "tool_names", "tool_ids"]);
    assert_eq!(sent.answer.tool_names, [("ls_tool".to_owned(), "ls".to_owned())]);
    assert!(sent.answer.offers_tools && !sent.answer.hides_usage);
    for place in
        ["/tools/0/name", "/tool_choice/name", "/messages/0/content/1/name", "/messages/2/content/1/name"]
    {
        assert_eq!(at(place), "ls_tool", "{place}");
    }
    assert_eq!(at("/messages/0/content/1/input/ls"), "ls:0", "arguments are the model's");
    let (first, second) = (at("/messages/0/content/1/id"), at("/messages/2/content/1/id"));
    assert_eq!(first, "ls:0");
    assert_ne!(second, "ls:0");
    assert_eq!(at("/messages/1/content/0/tool_use_id"), first);
    assert_eq!(at("/messages/3/content/0/tool_use_id"), second);
    let plain = claude().send(body);
    assert!(
        plain.answer.tool_names.is_empty() && plain.rules.contains(&"tool_ids_escaped"),
        "{:?}",
        plain.rules
    );
}

#[test]
fn openrouter_order_starts_with_moonshot() {
    let case = Case::new(OpenRouter, "moonshotai/kimi-k3", ThinkingControl::Effort).over(Api::Messages);
    let order = r#""max_tokens":9,"provider":{"order":["moonshotai"],"allow_fallbacks":true}"#;
    case.table(&[(r#""max_tokens":9"#, order)]);
}

const MEMBERS: &[&str] = &[
    r#""max_tokens":9000"#,
    r#""max_tokens":900"#,
    r#""temperature" : 0.1"#,
    r#""thinking":{"type":"adaptive","display":"omitted"}"#,
    r#""thinking":{"type":"enabled","budget_tokens":50000}"#,
    r#""thinking":{"type":"enabled"}"#,
    r#""thinking":{"type":"disabled"}"#,
    r#""thinking":7"#,
    r#""output_config":{"effort":"xhigh"}"#,
    r#""output_config":{"effort":"none","format":{}}"#,
    r#""output_config":[]"#,
    r#""tools":[{"type":"bash_20250124","name":"bash"},{"name":"ls","input_schema":{"type":"string","anyOf":[{}]}}]"#,
    r#""tools":[{"type":"bash_20250124","name":"bash"}]"#,
    r#""tool_choice":{"type":"any"}"#,
    r#""tool_choice":{"type":"tool","name":"ls"}"#,
    r#""context_management":{}"#,
    r#""unknown":[1, 1e2, 123456789012345678901234567890]"#,
];

const BLOCKS: &[&str] = &[
    r#"{"type":"text","text":"é \n"}"#,
    r#"{"type":"thinking","thinking":"why","signature":""}"#,
    r#"{"type":"thinking","thinking":"","signature":""}"#,
    r#"{"signature":"s","type":"thinking","thinking":""}"#,
    r#"{"type":"redacted_thinking","data":"x"}"#,
    r#"{ "type" : "tool_use" , "id":"f:0","name":"ls","input":{} }"#,
    r#"{"type":"tool_use","id":"f:1","name":"a.b"}"#,
    r#"{"type":"tool_result","tool_use_id":"f:0","content":[{"type":"tool_reference"}]}"#,
    r#"{"type":"tool_result","tool_use_id":"f:1"}"#,
    r#"{"type":"server_tool_use"}"#,
    "7",
];

fn bodies() -> impl Strategy<Value = String> {
    let members = proptest::collection::vec(proptest::sample::select(MEMBERS), 0..6);
    let blocks = proptest::collection::vec(proptest::sample::select(BLOCKS), 0..5);
    let message = (any::<bool>(), blocks).prop_map(|(user, blocks)| {
        let role = if user { "user" } else { "assistant" };
        format!(r#"{{"role":"{role}","content":[ {} ]}}"#, blocks.join(" , "))
    });
    (members, proptest::collection::vec(message, 0..5)).prop_map(|(mut members, messages)| {
        let messages = format!(r#""messages" : [{}]"#, messages.join(" , "));
        members.push(&messages);
        format!("{{ {} }}", members.join(" ,"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rewriting_twice_changes_nothing(which in 0_usize..6, sanitize in any::<bool>(), body in bodies()) {
        let cases = [Case::k26, Case::k27, Case::k3, Case::code, Case::openrouter, || Case::generic(Compat::default())];
        let case = Case { sanitize, ..over(cases[which]) };
        let once = case.send(&body);
        prop_assert!(serde_json::from_str::<Value>(&once.body).is_ok(), "{}", once.body);
        let twice = case.send(&once.body);
        prop_assert_eq!(&twice.body, &once.body);
        prop_assert!(twice.rules.is_empty(), "{:?}", twice.rules);
    }

    #[test]
    fn rewritten_request_follows_kimis_rules(which in 0_usize..4, body in bodies()) {
        let sent: Value = serde_json::from_str(&over(KIMI[which]).send(&body).body).unwrap();
        prop_assert!(sent.get("temperature").is_none());
        let off = sent["thinking"]["type"] == "disabled";
        prop_assert!(!(off && matches!(which, 1 | 3)), "these always think");
        if let (Some(budget), Some(limit)) = (sent["thinking"]["budget_tokens"].as_u64(), sent["max_tokens"].as_u64()) {
            prop_assert!((1024..limit).contains(&budget));
        }
        prop_assert!(off || sent["tool_choice"]["type"] != "tool");
        let mut ids = std::collections::HashSet::new();
        for message in sent["messages"].as_array().unwrap() {
            let blocks = message["content"].as_array().unwrap();
            let of = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).cloned().collect::<Vec<_>>();
            let says = |block: &Value| ["thinking", "signature"].iter().any(|key| block[key].as_str().is_some_and(|text| !text.is_empty()));
            prop_assert!(off || of("tool_use").is_empty() || of("thinking").iter().any(says), "{message}");
            for call in of("tool_use") {
                prop_assert!(ids.insert(call["id"].clone()), "{}", call["id"]);
                prop_assert!(tool_names::is_accepted(call["name"].as_str().unwrap()));
            }
            prop_assert!(of("server_tool_use").is_empty() && of("redacted_thinking").is_empty());
        }
        for tool in sent["tools"].as_array().into_iter().flatten() {
            prop_assert!(tool["type"].is_null() && tool_names::is_accepted(tool["name"].as_str().unwrap()));
        }
    }
}

fn claude_model(id: &str) -> Case {
    Case::new(Generic, id, ThinkingControl::Unknown).over(Api::Messages)
}

#[test]
fn native_claude_requests_are_unchanged() {
    let code = CLAUDE_CODE.replace("t:0", "toolu_0");
    let budget = code.replace(
        r#""thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"high"}"#,
        r#""thinking":{"type":"enabled","budget_tokens":9000}"#,
    );
    for (model, request) in [
        ("claude-opus-5", &code),
        ("claude-opus-4-6", &code),
        ("claude-opus-4-6", &budget),
        ("anthropic/claude-sonnet-4.5", &budget),
        ("claude-opus-4-1-20250805", &budget),
    ] {
        claude_model(model).table(&[(request, request)]);
    }
}

#[test]
fn claude_thinking_gets_the_form_that_the_model_accepts() {
    const BUDGET: &str = r#""max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":8192}"#;
    let adaptive = r#""max_tokens":9000,"thinking":{"type":"adaptive"}"#;
    let effort = r#","output_config":{"effort":"high"}"#;
    let (both, leveled) = (format!("{BUDGET}{effort}"), format!("{adaptive}{effort}"));
    claude_model("claude-sonnet-4-5").table(&[(&both, BUDGET), (&leveled, BUDGET), (adaptive, BUDGET)]);
    claude_model("claude-opus-4-5").table(&[(&both, &both), (&leveled, &both)]);
    claude_model("claude-opus-5").table(&[(&both, &leveled), (BUDGET, adaptive)]);
    let small = r#""max_tokens":1000,"thinking":{"type":"adaptive"}"#;
    let off = r#""max_tokens":1000,"thinking":{"type":"disabled"}"#;
    claude_model("claude-haiku-4-5").table(&[(small, off)]);
}

#[test]
fn claude_budget_is_removed_where_it_is_refused() {
    const BUDGET: &str = r#""thinking":{"type":"enabled","budget_tokens":2048}"#;
    const OFF: &str = r#""thinking":{"type":"disabled"}"#;
    let question = r#"{"role":"user","content":"x"}"#;
    let turn = |blocks: &str| {
        format!(
            r#""messages":[{question},{{"role":"assistant","content":[{blocks}{{"type":"tool_use","id":"a","name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a","content":"y"}}]}}]"#
        )
    };
    let signed = turn(r#"{"type":"thinking","thinking":"t","signature":"s"},"#);
    let text = turn(r#"{"type":"text","text":"t"},"#);
    let prefilled = format!(r#""messages":[{question},{{"role":"assistant","content":"y"}}]"#);
    for (rest, expected) in [
        (&signed, BUDGET),
        (&text, OFF),
        (&turn(""), OFF),
        (&prefilled, OFF),
        (&format!(r#""tool_choice":{{"type":"tool","name":"f"}},"messages":[{question}]"#), OFF),
        (&format!(r#""tool_choice":{{"type":"auto"}},"messages":[{question}]"#), BUDGET),
    ] {
        let request = format!("{BUDGET},{rest}");
        let (sent, rules) = claude_model("claude-sonnet-4-5").members(&request);
        assert_eq!(sent, format!("{expected},{rest}"));
        assert_eq!(rules.contains(&"claude_thinking_off"), expected == OFF, "{rules:?}");
    }
    let adaptive = format!(r#""thinking":{{"type":"adaptive"}},{text}"#);
    claude_model("claude-opus-5").table(&[(&adaptive, &adaptive)]);
}

#[test]
fn claude_sampling_is_removed_where_it_is_refused() {
    const BUDGET: &str = r#""thinking":{"type":"enabled","budget_tokens":2048}"#;
    let given = r#""temperature":0.2,"top_p":0.9,"top_k":4"#;
    let usual = r#""temperature":1,"top_p":1"#;
    let (budgeted, kept) = (format!("{BUDGET},{given}"), format!(r#"{BUDGET},"temperature":1,"top_p":0.95"#));
    claude_model("claude-sonnet-4-5").table(&[(given, given), (&budgeted, BUDGET), (&kept, &kept)]);
    claude_model("claude-opus-5").table(&[(given, ""), (usual, usual)]);
}
