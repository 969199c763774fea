//! Body edits and stream reading, compared with the usual implementations.
//!
//! `cargo run --release -p moonrelay-benches --bin wire` prints medians and ratios. The contenders alternate
//! within each round, so that other load affects all of them.

mod contender;
mod race;
mod sample;

use bytes::Bytes;

use contender::{raw_split, span_edit, stream_by_spans, stream_by_values, value_round_trip};
use race::{Contender, race};

fn main() {
    let agent = Bytes::from(sample::agent_request(237_000));
    let image = Bytes::from(sample::image_request(5_000_000));
    for (name, body, rounds) in [("agent request", &agent, 600), ("image request", &image, 60)] {
        check(body);
        let title = format!("{name}, {} bytes: read, set `model`, remove `temperature`, write", body.len());
        let mut contenders = [
            Contender::new("span edit", || span_edit(body).len()),
            Contender::new("RawValue split", || raw_split(body).len()),
            Contender::new("serde_json::Value", || value_round_trip(body).len()),
        ];
        race(&title, "µs", 1e6, rounds, &mut contenders);
    }
    let chunks = 200;
    let stream = Bytes::from(sample::stream(chunks));
    assert_eq!(
        stream_by_spans(&stream, true).0,
        stream,
        "a stream that needs no change passes byte for byte"
    );
    assert_eq!(stream_by_spans(&stream, true).1, stream_by_values(&stream).1, "the same usage");
    let title = format!("stream of {chunks} chunks, {} bytes, read at once: per chunk", stream.len());
    #[expect(clippy::cast_precision_loss, reason = "200 is exact")]
    let per_chunk = 1e9 / chunks as f64;
    let mut contenders = [
        Contender::new("spans", || stream_by_spans(&stream, false).0.len()),
        Contender::new("spans, looking for leaked calls", || stream_by_spans(&stream, true).0.len()),
        Contender::new("serde_json::Value", || stream_by_values(&stream).0.len()),
    ];
    race(&title, "ns", per_chunk, 600, &mut contenders);
}

/// All contenders must have the same result.
fn check(body: &Bytes) {
    let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    let expected = parse(&value_round_trip(body));
    assert_eq!(parse(&raw_split(body)), expected);
    assert_eq!(parse(&span_edit(body).to_bytes()), expected);
    assert!(expected.get("temperature").is_none());
}
