//! Arbitrary input never panics: it gives a valid JSON body, or an error with its location.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{RequestBody, TranslationTarget, translate_request};
use super::target;
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::model::losses::LOSSES;

const KEYS: &[&str] = &[
    "model",
    "messages",
    "input",
    "system",
    "instructions",
    "tools",
    "tool_choice",
    "role",
    "content",
    "type",
    "text",
    "image_url",
    "url",
    "detail",
    "source",
    "media_type",
    "data",
    "file",
    "file_data",
    "file_id",
    "tool_calls",
    "id",
    "function",
    "name",
    "arguments",
    "tool_call_id",
    "reasoning_content",
    "reasoning_details",
    "signature",
    "summary",
    "thinking",
    "tool_use_id",
    "is_error",
    "call_id",
    "output",
    "namespace",
    "encrypted_content",
    "parameters",
    "input_schema",
    "description",
    "strict",
    "reasoning",
    "effort",
    "budget_tokens",
    "reasoning_effort",
    "output_config",
    "format",
    "schema",
    "response_format",
    "json_schema",
    "stop",
    "stop_sequences",
    "max_tokens",
    "metadata",
    "user_id",
    "service_tier",
    "partial",
    "tool_name",
    "defer_loading",
    "context_management",
    "edits",
    "n",
    "allowed_tools",
    "mode",
    "refusal",
];

const WORDS: &[&str] = &[
    "\"user\"",
    "\"assistant\"",
    "\"system\"",
    "\"developer\"",
    "\"tool\"",
    "\"text\"",
    "\"image\"",
    "\"image_url\"",
    "\"input_text\"",
    "\"output_text\"",
    "\"input_image\"",
    "\"input_file\"",
    "\"file\"",
    "\"document\"",
    "\"thinking\"",
    "\"redacted_thinking\"",
    "\"tool_use\"",
    "\"tool_result\"",
    "\"tool_reference\"",
    "\"message\"",
    "\"reasoning\"",
    "\"function_call\"",
    "\"function_call_output\"",
    "\"custom_tool_call\"",
    "\"web_search_call\"",
    "\"function\"",
    "\"namespace\"",
    "\"custom\"",
    "\"base64\"",
    "\"url\"",
    "\"content\"",
    "\"enabled\"",
    "\"disabled\"",
    "\"adaptive\"",
    "\"high\"",
    "\"none\"",
    "\"auto\"",
    "\"json_schema\"",
    "\"data:image/png;base64,AA\"",
    "\"data:,\"",
    "\"\"",
    "\"\\ud83d\"",
    "\"{\\\"a\\\":1}\"",
    "\"{\\\"a\"",
    "\"a.b:0\"",
    "null",
    "true",
    "false",
    "0",
    "7",
    "1e999",
    "-1",
    "[]",
    "{}",
];

fn value() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned);
    word.prop_recursive(6, 60, 5, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            3 => object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member =
        (prop::sample::select(KEYS.to_vec()), inner).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// A request of a plausible shape.
fn body() -> impl Strategy<Value = String> {
    let list = || prop::collection::vec(value(), 0..4).prop_map(|list| format!("[{}]", list.join(",")));
    (list(), list(), object(value())).prop_map(|(said, tools, rest)| {
        let rest = rest.trim_start_matches('{').trim_end_matches('}').to_owned();
        let comma = if rest.is_empty() { "" } else { "," };
        format!("{{{rest}{comma}\"tools\":{tools},\"messages\":{said},\"input\":{said}}}")
    })
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(text in prop_oneof![body(), object(value())]) {
        for from in Api::ALL {
            let Ok(body) = RequestBody::parse(from, Bytes::from(text.clone())) else { continue };
            for to in Api::ALL {
                match translate_request(&body, &TranslationTarget { default_max_tokens: Some(64), ..target(to) }) {
                    Ok(translated) => {
                        prop_assert!(json::is_valid(&translated.body), "{:?}", translated.body);
                        prop_assert!(RequestBody::parse(to, translated.body).is_ok());
                        let known = |name: &&str| LOSSES.iter().any(|loss| loss.name == *name);
                        prop_assert!(translated.losses.iter().all(known), "{:?}", translated.losses);
                    }
                    Err(error) => prop_assert!(!error.path.is_empty() && !error.reason.is_empty(), "{}", error),
                }
            }
        }
    }
}
