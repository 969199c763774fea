//! One chat stream with many features, in each format. `MOONRELAY_BLESS=1` rewrites the files; their content
//! was checked with the `anthropic` and `openai` SDKs.

use std::path::PathBuf;

use super::{decode, echo, encode};
use crate::protocol::api::Api;
use crate::protocol::translate;

const STREAM: &[u8] = include_bytes!("golden/upstream.sse");

fn compare(name: &str, text: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/protocol/translate/tests/answers/golden")
        .join(name);
    if std::env::var_os("MOONRELAY_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        String::from_utf8(text.to_vec()).unwrap(),
        expected,
        "{name}; MOONRELAY_BLESS=1 writes it anew"
    );
}

#[test]
fn rich_chat_stream_matches_golden_files() {
    let events = decode(Api::ChatCompletions, STREAM);
    for (api, name) in
        [(Api::ChatCompletions, "chat"), (Api::Messages, "messages"), (Api::Responses, "responses")]
    {
        compare(&format!("{name}.sse"), &encode(&events, api));
        compare(&format!("{name}.json"), &translate::encode_response(&events, api, &echo(api)));
    }
}
