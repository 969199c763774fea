use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::resume_buffer::{MAX_STORED_TEXT_BYTES, MAX_WITHHELD_BYTES};
use super::splicer::{COMPARED_CHARS, SplicePoint};
use super::{ContinuationSupport, ResumeBuffer, ResumeConditions};
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::memory_budget::MemoryBudget;
use crate::protocol::request::RequestBody;

const BOTH: ContinuationSupport = ContinuationSupport { can_restart: true, can_continue_text: true };

fn guard(reach: ContinuationSupport) -> ResumeBuffer {
    ResumeBuffer::new(
        Api::ChatCompletions,
        ResumeConditions::default(),
        reach,
        Arc::<MemoryBudget>::default().start_reservation(usize::MAX),
    )
}

fn event(delta: &str) -> String {
    format!(
        "data: {{\"id\":\"a\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
    )
}

fn text(escaped: &str) -> String {
    event(&format!("{{\"content\":\"{escaped}\"}}"))
}

fn call(arguments: &str) -> String {
    event(&format!("{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{arguments}\"}}}}]}}"))
}

fn finish() -> String {
    event("{}").replace("null", "\"stop\"")
}

fn pass(guard: &mut ResumeBuffer, events: &str) -> String {
    let out = guard.process(Segments::from_bytes(Bytes::copy_from_slice(events.as_bytes())));
    String::from_utf8(out.to_bytes().to_vec()).unwrap()
}

#[test]
fn tool_calls_are_held_until_finished() {
    let mut one = guard(BOTH);
    assert_eq!(pass(&mut one, &text("a")), text("a"));
    assert_eq!(pass(&mut one, &(call("1") + ": waiting\n\n" + &text("b"))), ": waiting\n\n");
    assert_eq!(pass(&mut one, &finish()), call("1") + &text("b") + &finish());
    assert!(one.interrupt().is_none(), "a finished answer does not go on");
    let mut other = guard(BOTH);
    assert_eq!(pass(&mut other, &(text("a") + &call("1"))), text("a"));
    assert_eq!(other.interrupt().unwrap().text, "a");
    // The call could not be made again.
    let mut alone = guard(ContinuationSupport { can_restart: false, can_continue_text: true });
    assert_eq!(pass(&mut alone, &call("1")), call("1"));
    assert!(alone.interrupt().is_none());
}

#[test]
fn held_and_kept_bytes_are_bounded() {
    let piece = call(&"x".repeat(64 << 10));
    let mut held = guard(BOTH);
    let mut sent = 0;
    let mut got = 0;
    while got == 0 {
        sent += piece.len();
        got = pass(&mut held, &piece).len();
        assert!(sent <= MAX_WITHHELD_BYTES + piece.len());
    }
    assert_eq!(got, sent, "all of it goes out, and nothing is held any more");
    assert_eq!(pass(&mut held, &piece), piece);
    assert!(held.interrupt().is_none());
    let mut kept = guard(BOTH);
    let piece = text(&"y".repeat(64 << 10));
    for _ in 0..=MAX_STORED_TEXT_BYTES / (64 << 10) {
        assert_eq!(pass(&mut kept, &piece), piece);
    }
    assert!(kept.interrupt().is_none());
}

#[test]
fn all_streams_share_the_memory_limit() {
    let held = Arc::<MemoryBudget>::default();
    let guarded = || {
        ResumeBuffer::new(
            Api::ChatCompletions,
            ResumeConditions::default(),
            BOTH,
            held.start_reservation(1000),
        )
    };
    let (mut one, mut two) = (guarded(), guarded());
    pass(&mut one, &text("y"));
    let first = held.used_bytes();
    assert!(first < 200, "its first event, and its text: {first}");
    pass(&mut one, &text(&"y".repeat(500)));
    assert_eq!(held.used_bytes(), first + 500);
    let piece = call(&"x".repeat(200));
    assert_eq!(pass(&mut one, &piece), "");
    assert_eq!(held.used_bytes(), first + 500 + piece.len());
    assert_eq!(pass(&mut two, &piece), piece, "there is no room: it goes out live");
    assert!(two.interrupt().is_none(), "it cannot be continued");
    let broken = one.interrupt().unwrap();
    assert!(held.used_bytes() >= 500, "the text is kept for the rest");
    drop(broken);
    assert_eq!(held.used_bytes(), 0);
}

#[test]
fn half_a_character_is_held_until_complete() {
    let mut one = guard(BOTH);
    assert_eq!(pass(&mut one, &text("a\\ud83d")), "");
    assert_eq!(pass(&mut one, &text("\\ude00\\uD83D")), "");
    let all = text("a\\ud83d") + &text("\\ude00\\uD83D") + &text("\\ude80");
    assert_eq!(pass(&mut one, &text("\\ude80")), all);
    assert_eq!(pass(&mut one, &text("\\\\ud83d")), text("\\\\ud83d"), "an escaped backslash is none");
    assert_eq!(pass(&mut one, &text("\\ud83d")), "");
    assert_eq!(one.interrupt().unwrap().text, "a😀🚀\\ud83d");
}

#[test]
fn white_space_alone_cannot_be_continued() {
    let mut one = guard(ContinuationSupport { can_restart: true, can_continue_text: false });
    assert_eq!(pass(&mut one, &text("\\n\\n")), text("\\n\\n"));
    let broken = one.interrupt().unwrap();
    assert_eq!((broken.prefill(), &*broken.text), ("", "\n\n"));
}

#[test]
fn conditions_come_from_request_and_configuration() {
    let terms = |body: &Value, params: &Value| {
        let body = RequestBody::parse(Api::ChatCompletions, body.to_string().into()).unwrap();
        ResumeConditions::from_request(&body, params.as_object().unwrap_or(&Map::new()))
    };
    let json_mode = json!({"response_format": {"type": "json_object"}});
    assert!(terms(&json!({}), &Value::Null).is_some());
    assert!(terms(&json_mode, &Value::Null).is_none() && terms(&json!({}), &json_mode).is_none());
    assert!(terms(&json!({"n": null}), &Value::Null).is_some());
    assert!(terms(&json!({"top_logprobs": 3}), &Value::Null).is_none());
    let stops = terms(&json!({"stop": ["\n\nHuman:", "ß!"]}), &Value::Null).unwrap();
    for (text, inside) in
        [("a\n", true), ("a\n\nHum", true), ("a", false), ("a\n\nHuman:", false), ("ß", true), ("", false)]
    {
        assert_eq!(stops.ends_with_partial_stop(text), inside, "{text:?}");
    }
}

/// Events of the Messages API: the buffer ignores the index.
fn block(kind: &str, member: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"index\":0{member}}}\n\n")
}

#[test]
fn block_boundaries_are_held_until_the_next_event() {
    let over = |api| {
        ResumeBuffer::new(
            api,
            ResumeConditions::default(),
            BOTH,
            Arc::<MemoryBudget>::default().start_reservation(usize::MAX),
        )
    };
    let start =
        |kind: &str| block("content_block_start", &format!(",\"content_block\":{{\"type\":\"{kind}\"}}"));
    let delta = |kind: &str, text: &str| {
        block(
            "content_block_delta",
            &format!(",\"delta\":{{\"type\":\"{kind}_delta\",\"{kind}\":\"{text}\"}}"),
        )
    };
    let (stop, ping) = (block("content_block_stop", ""), block("ping", ""));
    let mut one = over(Api::Messages);
    assert_eq!(pass(&mut one, &start("text")), "", "an empty block is none");
    assert_eq!(pass(&mut one, &delta("text", "a")), start("text") + &delta("text", "a"));
    assert_eq!(pass(&mut one, &(stop.clone() + &ping)), ping, "the rest may belong to the block");
    let thinking = start("thinking") + &delta("thinking", "Hm") + &delta("signature", "abc");
    assert_eq!(pass(&mut one, &thinking), stop.clone() + &thinking);
    assert_eq!(pass(&mut one, &(stop.clone() + &start("tool_use"))), "");
    let end = block("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"}");
    let call = stop.clone() + &start("tool_use");
    assert_eq!(pass(&mut one, &(stop.clone() + &end)), call + &stop + &end);
    assert!(one.interrupt().is_none(), "it is finished");
    let mut cut = over(Api::Messages);
    let sent = start("text") + &delta("text", "a") + &delta("text", "b");
    assert_eq!(pass(&mut cut, &(sent.clone() + &stop + &start("tool_use"))), sent);
    assert_eq!(cut.interrupt().unwrap().text, "ab");
    // Text that did not come in deltas is not known, so the stream cannot be continued from it.
    let mut silent = over(Api::Responses);
    let item = |event: &str, content: &str| {
        let item = format!(",\"item\":{{\"type\":\"message\",\"content\":[{content}]}}");
        block(&format!("response.output_item.{event}"), &item)
    };
    assert_eq!(pass(&mut silent, &item("added", "")), "");
    let unannounced = item("done", "{\"type\":\"output_text\",\"text\":\"a\"}");
    assert_eq!(pass(&mut silent, &unannounced), item("added", "") + &unannounced);
    assert!(silent.interrupt().is_none());
}

/// Text of few distinct characters, so that it often repeats itself.
fn prose() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&["a", "b ", " ", "\n", "é", "😀"][..]), 0..200)
        .prop_map(|parts| parts.concat())
}

fn boundary(text: &str, at: prop::sample::Index) -> usize {
    text.floor_char_boundary(at.index(text.len() + 1))
}

/// What the client gets of a second stream that sends this text in pieces; `None` for an error event.
fn through(seam: &mut SplicePoint, text: &str, piece: usize) -> Option<String> {
    let mut out = String::new();
    for piece in text.chars().collect::<Vec<_>>().chunks(piece) {
        out += &seam.push(&piece.iter().collect::<String>()).ok()?;
    }
    out += &seam.end().ok()?;
    Some(out)
}

#[test]
fn repeated_end_of_the_text_is_dropped_after_an_instruction() {
    let sent = "It was a bright cold day in April, and the clocks ";
    let joined = |rest: &str, piece: usize, may_repeat: bool| {
        through(&mut SplicePoint::new(sent.to_owned(), may_repeat), rest, piece).unwrap()
    };
    for piece in [1, 5, 100] {
        assert_eq!(joined("were striking thirteen.", piece, true), "were striking thirteen.");
        assert_eq!(joined("April, and the clocks were striking.", piece, true), "were striking.");
        assert_eq!(joined("the clocks", piece, true), "the clocks", "too short to be a repetition");
        let prefilled = joined("in April, and the clocks were", piece, false);
        assert_eq!(prefilled, "in April, and the clocks were");
    }
}

proptest! {
    #[test]
    fn continuation_is_lossless_or_ends_with_an_error(whole in prose(), at in any::<prop::sample::Index>(), piece in 1_usize..30) {
        let (sent, _) = whole.split_at(boundary(&whole, at));
        let rest = whole.strip_prefix(sent.trim_end()).unwrap();
        let joined = through(&mut SplicePoint::new(sent.to_owned(), false), rest, piece);
        // Only a response that repeats its own beginning can be mistaken for a restart.
        let head: String = sent.chars().take(COMPARED_CHARS).collect();
        if !rest.starts_with(&head) || sent.trim_end().is_empty() {
            prop_assert_eq!(joined.clone().map(|joined| sent.to_owned() + &joined), Some(whole.clone()));
        }
    }

    #[test]
    fn restarted_response_is_whole_or_an_error(whole in prose(), at in any::<prop::sample::Index>(), piece in 1_usize..30) {
        let (sent, _) = whole.split_at(boundary(&whole, at));
        prop_assume!(!sent.trim_end().is_empty());
        let joined = through(&mut SplicePoint::new(sent.to_owned(), false), &whole, piece);
        if sent.chars().count() >= COMPARED_CHARS {
            prop_assert_eq!(joined.map(|joined| sent.to_owned() + &joined), Some(whole.clone()));
        } else {
            prop_assert_eq!(joined, None);
        }
    }

    #[test]
    fn whole_response_passes_unchanged_and_truncation_is_detected(
        kinds in prop::collection::vec(0_usize..5, 0..30),
        cut in any::<prop::sample::Index>(),
        read in 1_usize..6,
    ) {
        let events: Vec<String> = kinds.iter().map(|kind| match kind {
            0 => text("word "),
            1 => text("\\ud83d"),
            2 => text("\\ude00"),
            3 => event("{\"reasoning_content\":\"hm\"}"),
            _ => ": comment\n\n".to_owned(),
        }).collect();
        let whole = events.concat() + &finish() + "data: [DONE]\n\n";
        let mut one = guard(BOTH);
        let whole_events: Vec<&str> = whole.split_inclusive("\n\n").collect();
        let got: String = whole_events.chunks(read).map(|events| pass(&mut one, &events.concat())).collect();
        // Comments overtake text that is held until a character is complete.
        let data = |stream: &str| stream.split("\n\n").filter(|event| event.starts_with("data")).collect::<Vec<_>>().concat();
        prop_assert_eq!((data(&got), got.len()), (data(&whole), whole.len()));
        let mut other = guard(BOTH);
        let cut = cut.index(events.len() + 1);
        let got = pass(&mut other, &events[..cut].concat());
        let sent: String = got.split("content\":\"").skip(1).filter(|rest| !rest.starts_with("hm")).map(|rest| rest.split('"').next().unwrap()).collect();
        let sent = crate::protocol::json::unescape(format!("\"{sent}\"").as_bytes()).unwrap().into_owned();
        prop_assert_eq!(other.interrupt().unwrap().text, sent);
    }
}
