//! The compared implementations.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use moonrelay::catalog::AdapterId;
use moonrelay::protocol::api::Api;
use moonrelay::protocol::edit::{Edits, ObjectPatch, Segments};
use moonrelay::protocol::request::RequestBody;
use moonrelay::provider::answer::StreamReader;
use moonrelay::provider::classify::Classifier;
use moonrelay::provider::rewrite::AnswerPlan;
use moonrelay::secret::Redactor;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

const MODEL: &str = "kimi-for-coding";

/// Moonrelay's: also indexes the messages.
pub fn span_edit(body: &Bytes) -> Segments {
    let body = RequestBody::parse(Api::ChatCompletions, body.clone()).expect("a chat body");
    let mut edits = Edits::new();
    let mut patch = ObjectPatch::new(&body.text, body.open_brace, &body.members);
    patch.set("model", format!("\"{MODEL}\""));
    patch.remove("temperature");
    patch.write_edits(&mut edits);
    edits.apply(&body.text)
}

pub fn value_round_trip(body: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(body).expect("JSON");
    let top = value.as_object_mut().expect("an object");
    top.insert("model".to_owned(), MODEL.into());
    top.shift_remove("temperature");
    serde_json::to_vec(&value).expect("it came from JSON")
}

/// Splits the top level only.
pub fn raw_split(body: &[u8]) -> Vec<u8> {
    let mut split: Split<'_> = serde_json::from_slice(body).expect("JSON");
    let model = to_raw_value(MODEL).expect("a string");
    split.0.retain(|(key, _)| key != "temperature");
    for (key, value) in &mut split.0 {
        if key == "model" {
            *value = &model;
        }
    }
    serde_json::to_vec(&split).expect("it came from JSON")
}

struct Split<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Split<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Split)
    }
}

impl Serialize for Split<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Moonrelay's: the bytes for the client, and the metered prompt tokens.
pub fn stream_by_spans(stream: &Bytes, offers_tools: bool) -> (Bytes, Option<u64>) {
    let plan = AnswerPlan { offers_tools, ..AnswerPlan::default() };
    let mut reader = StreamReader::new(
        Classifier::new(AdapterId::Moonshot, Redactor::default()),
        Api::ChatCompletions,
        plan,
    );
    let step = reader.read_chunk(stream.clone());
    assert!(step.is_complete && step.failure.is_none());
    (step.output.to_bytes(), reader.meter().usage.map(|usage| usage.input + usage.cache_read))
}

/// Parses every chunk into a tree and serialises it.
pub fn stream_by_values(stream: &[u8]) -> (Vec<u8>, Option<u64>) {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    let mut out = Vec::with_capacity(stream.len());
    let mut prompt = None;
    for payload in text.split("\n\n").filter_map(|frame| frame.strip_prefix("data: ")) {
        out.extend_from_slice(b"data: ");
        match serde_json::from_str::<Value>(payload) {
            Ok(value) => {
                prompt = value["usage"]["prompt_tokens"].as_u64().or(prompt);
                serde_json::to_writer(&mut out, &value).expect("it came from JSON");
            }
            Err(_) => out.extend_from_slice(payload.as_bytes()),
        }
        out.extend_from_slice(b"\n\n");
    }
    (out, prompt)
}
