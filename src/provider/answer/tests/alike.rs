//! Chunks that are compared with one before say what they say when they are read: byte by byte none is whole in what was
//! read last, and so each is read.

use proptest::prelude::*;

use super::*;
use crate::provider::answer::ContentBytes;

fn all(face: Api, plan: &AnswerPlan, text: &str, size: usize) -> (Seen, usize, ContentBytes) {
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), face, plan.clone());
    let (mut seen, mut frames) = (Seen::default(), 0);
    for piece in text.as_bytes().chunks(size) {
        let step = reader.read_chunk(Bytes::copy_from_slice(piece));
        frames += step.event_count;
        seen.add(step);
    }
    seen.meter = reader.meter().clone();
    (seen, frames, reader.content_bytes())
}

fn chat(pieces: &[(u8, String)]) -> String {
    let mut text = chunk(r#"{"role":"assistant","content":""}"#);
    for (kind, said) in pieces {
        text.push_str(&match kind {
            0..6 => chunk(&format!(r#"{{"content":"{said}"}}"#)),
            6 => chunk(&format!(r#"{{"content":"","reasoning_content":"{said}"}}"#)),
            7 => chunk(&format!(r#"{{"reasoning_content":"{said}"}}"#)),
            8 => chunk(&format!(r#"{{"role":"assistant","content":"{said}"}}"#)).replace('\n', "\r\n"),
            _ => ": still there\n\n".to_owned(),
        });
    }
    text + &finish("stop") + DONE
}

fn messages(pieces: &[(u8, String)]) -> String {
    let named = |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let mut text = named("message_start", r#","message":{"id":"m","model":"k","usage":{"input_tokens":1}}"#);
    text += &named("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#);
    for (kind, said) in pieces {
        let (kind, key) = if *kind < 6 { ("text_delta", "text") } else { ("thinking_delta", "thinking") };
        let delta = format!(r#","index":0,"delta":{{"type":"{kind}","{key}":"{said}"}}"#);
        text += &named("content_block_delta", &delta);
    }
    text += &named("content_block_stop", r#","index":0"#);
    text += &named("message_delta", r#","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}"#);
    text + &named("message_stop", "")
}

proptest! {
    #[test]
    fn what_is_compared_says_what_is_read(
        pieces in prop::collection::vec(
            (0_u8..10, r#"([a-z é,]|\\n|\\"|<|<\|tool_calls_section_begin\|>|\\u003c){0,6}"#),
            0..40,
        ),
        offers_tools: bool,
        size in 200_usize..5000,
    ) {
        let plan = AnswerPlan { offers_tools, ..AnswerPlan::default() };
        for (face, text) in [(Api::ChatCompletions, chat(&pieces)), (Api::Messages, messages(&pieces))] {
            let (read, frames, volume) = all(face, &plan, &text, 1);
            let (compared, same_frames, same_volume) = all(face, &plan, &text, size);
            prop_assert_eq!(&compared.text, &read.text);
            prop_assert_eq!((compared.meaningful, compared.done), (read.meaningful, read.done));
            prop_assert_eq!(compared.failure.map(|failure| failure.reason), read.failure.map(|failure| failure.reason));
            prop_assert_eq!((compared.meter, same_frames, same_volume), (read.meter, frames, volume));
        }
    }
}
