//! The memory limit of buffered streams.

use serde_json::{Value, json};

use super::apis::{chain, client_request, end, stream_start};
use super::script::Reply;
use super::{Fixture, read};
use crate::protocol::api::Api;
use crate::protocol::memory_budget::MemoryReservation;

const MIB: usize = 1 << 20;

/// One event with this much text.
fn large(api: Api) -> &'static str {
    let (before, after) = stream_start(api).rsplit_once("hello").unwrap();
    let before = before.rsplit_once("\n\n").map_or(before, |(_, last)| last);
    Box::leak(format!("{before}{}{after}", "x".repeat(MIB)).into_boxed_str())
}

/// Reserves all of the buffer memory except this much.
fn other_requests(fixture: &Fixture, left: usize) -> MemoryReservation {
    let total = fixture.engine.settings().gateway.buffer_memory_limit();
    let mut room = fixture.engine.state().memory_budget().start_reservation(total);
    room.resize(total - left).unwrap();
    room
}

fn last_event(stream: &str) -> Value {
    let data = stream.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    serde_json::from_str(data).unwrap()
}

#[tokio::test(start_paused = true)]
async fn translated_answer_without_memory_fails_and_releases_it() {
    // Enough to keep it, not enough to say all of it again at its end; and not enough to keep it.
    for (left, pieces) in [(8 * MIB, 2), (8 * MIB, 12)] {
        let fixture = chain(Api::ChatCompletions, Api::ChatCompletions);
        let other_requests = other_requests(&fixture, left);
        let before = fixture.engine.state().memory_budget().used_bytes();
        let mut events = vec![(0, stream_start(Api::ChatCompletions))];
        events.extend(vec![(0, large(Api::ChatCompletions)); pieces]);
        events.push((0, end(Api::ChatCompletions)));
        fixture.script.then(Reply::Events(events));
        let (text, _) =
            read(fixture.engine.answer(client_request(Api::Responses, true)).await.ok().unwrap()).await;
        let last = last_event(&text);
        assert_eq!(last["type"], "response.failed", "{pieces}");
        let message = last["response"]["error"]["message"].as_str().unwrap();
        assert!(message.contains("buffer memory limit reached"), "{message}");
        assert_eq!(text.matches("response.failed\n").count(), 1);
        // What the provider was sent is held by the script.
        let calls = std::mem::take(&mut *fixture.script.calls.lock().unwrap());
        assert_eq!(calls.len(), 1, "no target is to blame, and no other is called");
        drop(calls);
        assert_eq!(fixture.engine.state().memory_budget().used_bytes(), before, "{pieces}");
        drop(other_requests);
    }
}

#[tokio::test(start_paused = true)]
async fn pass_through_needs_no_memory() {
    let fixture = chain(Api::Responses, Api::Responses);
    let _others = other_requests(&fixture, 3 * MIB);
    let before = fixture.engine.state().memory_budget().used_bytes();
    let mut events = vec![(0, stream_start(Api::Responses))];
    events.extend(vec![(0, large(Api::Responses)); 8]);
    let mut cut = events.clone();
    events.push((0, end(Api::Responses)));
    let whole: String = events.iter().map(|(_, text)| *text).collect();
    fixture.script.then(Reply::Events(events));
    let (text, _) =
        read(fixture.engine.answer(client_request(Api::Responses, true)).await.ok().unwrap()).await;
    assert!(text == whole, "byte for byte");
    fixture.script.calls.lock().unwrap().clear();
    assert_eq!(fixture.engine.state().memory_budget().used_bytes(), before);

    // An interrupted answer still gets a valid end, although its items are no longer known.
    let sent: String = cut.iter().map(|(_, text)| *text).collect();
    cut.push((0, ": nothing more\n\n"));
    fixture.script.then(Reply::Cut(cut));
    let (text, _) =
        read(fixture.engine.answer(client_request(Api::Responses, true)).await.ok().unwrap()).await;
    assert!(text.starts_with(&sent));
    let last = last_event(&text);
    assert_eq!((&last["type"], &last["response"]["output"]), (&json!("response.failed"), &json!([])));
    assert_eq!(last["sequence_number"], 4);
}
