//! Which face a target is called with, and what it cannot take.

use bytes::Bytes;
use serde_json::{Value, json};

use super::fitting::has_media;
use super::{Face, RequestBody, State, plan};
use crate::config::{self, Environment};
use crate::record::Skip;

fn body(face: Face, value: &Value) -> RequestBody {
    RequestBody::parse(face, Bytes::from(value.to_string())).unwrap()
}

#[test]
fn each_client_gets_its_own_face_where_the_provider_has_it_and_else_the_preferred_one() {
    let text = r#"{
        agents: { defaults: { model: { primary: "kimi/kimi-for-coding", fallbacks: ["chatty/m", "claudish/m"] } } },
        models: { providers: {
            kimi: { apiKey: "sk-kimi-000000" },
            chatty: { apiKey: "k", baseUrl: "https://chat.example/v1", models: [{ id: "m", name: "M" }] },
            claudish: { apiKey: "k", baseUrl: "https://messages.example/v1", api: "anthropic-messages",
                        models: [{ id: "m", name: "M" }] },
        } },
    }"#;
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    let state = State::new();
    for face in Face::ALL {
        let request = body(face, &json!({"model": "default", "messages": [], "input": "hi"}));
        let plan = plan(&settings, &state, "default", &request, None).ok().unwrap();
        let called: Vec<String> = plan.targets.iter().map(|planned| planned.target.url()).collect();
        let own = format!("https://api.kimi.com/coding/v1{}", face.path());
        let expected = [
            own.as_str(),
            "https://chat.example/v1/chat/completions",
            "https://messages.example/v1/messages",
        ];
        assert_eq!(called, expected, "{face:?}");
        assert!(plan.targets.iter().all(|planned| planned.skipped.is_none()));
    }
}

#[test]
fn media_is_seen_in_each_faces_messages() {
    let image = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
    let text = json!({"type": "text", "media_type": "text/plain", "data": "words"});
    let url = "data:image/png;base64,iVBORw0KGgo=";
    for (face, part) in [
        (Face::Chat, json!({"type": "image_url", "image_url": {"url": url}})),
        (Face::Messages, json!({"type": "image", "source": image})),
        (Face::Messages, json!({"type": "document", "source": image})),
        (Face::Messages, json!({"type": "tool_result", "content": [{"type": "image", "source": image}]})),
        (Face::Responses, json!({"type": "input_image", "image_url": url})),
        (Face::Responses, json!({"type": "input_file", "file_data": url})),
    ] {
        let list = json!([{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]);
        assert!(has_media(&body(face, &json!({"messages": list, "input": list}))), "{face:?} {part}");
    }
    let output =
        json!([{"type": "function_call_output", "output": [{"type": "input_image", "image_url": url}]}]);
    assert!(has_media(&body(Face::Responses, &json!({"input": output}))));
    for (face, content) in [
        (Face::Messages, json!("image")),
        (Face::Messages, json!([{"type": "document", "source": text}])),
        (Face::Messages, json!([{"type": "tool_result", "content": "image"}])),
        (Face::Responses, json!([{"type": "input_text", "text": "image"}])),
    ] {
        let list = json!([{"role": "user", "content": content}]);
        assert!(!has_media(&body(face, &json!({"messages": list, "input": list}))), "{content}");
    }
}

#[test]
fn an_image_goes_past_a_model_without_eyes_on_every_face() {
    let text = r#"{
        agents: { defaults: { model: "blind/m" } },
        models: { providers: { blind: { apiKey: "k", baseUrl: "https://chat.example/v1",
            models: [{ id: "m", name: "M", input: ["text"] }] } } },
    }"#;
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    let part =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    let request = body(Face::Messages, &json!({"messages": [{"role": "user", "content": [part]}]}));
    let plan = plan(&settings, &State::new(), "default", &request, None).ok().unwrap();
    let skipped = plan.targets[0].skipped.as_ref().map(|(skip, _)| *skip);
    assert_eq!(skipped, Some(Skip::MediaNotAccepted));
}
