//! Chat Completions.

use serde_json::Value;

use super::{Ending, number, text};

pub(super) fn check(frames: &[(Option<&str>, &str)], ending: Ending) {
    let ((_, last), rest) = frames.split_last().expect("a stream ends");
    assert_eq!(*last, "[DONE]");
    let mut chunks: Vec<Value> = Vec::new();
    for (name, data) in rest {
        assert_eq!(*name, None, "chat events have no names");
        chunks.push(serde_json::from_str(data).expect("the data are JSON"));
    }
    if ending == Ending::Broken {
        let error = chunks.pop().expect("an error");
        assert!(error["error"]["message"].is_string(), "{error}");
    }
    let Some(first) = chunks.first().cloned() else { return };
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant", "the role comes first");
    let (mut calls, mut finished) = (0, false);
    for (at, chunk) in chunks.iter().enumerate() {
        for key in ["id", "object", "created", "model"] {
            assert_eq!(chunk[key], first[key], "{key} stays");
        }
        let choices = chunk["choices"].as_array().expect("choices");
        let Some(choice) = choices.first() else {
            assert!(chunk["usage"].is_object() && at + 1 == chunks.len() && finished, "usage comes last");
            continue;
        };
        assert_eq!((choices.len(), number(choice, "index")), (1, 0));
        assert!(!finished, "nothing follows the finish");
        finished = choice["finish_reason"].is_string();
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = number(call, "index");
            if index == calls {
                calls += 1;
                assert!(!text(call, "id").is_empty() && call["function"]["name"].is_string());
            } else {
                assert!(index < calls && call["id"].is_null(), "a fragment of a call that began: {call}");
            }
            text(&call["function"], "arguments");
        }
    }
    assert!(finished || ending == Ending::Broken, "a finish");
}
