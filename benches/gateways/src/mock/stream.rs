//! Streams: the bytes of one, ready to be written.

use memchr::memmem;

use crate::row::Api;
use crate::stamp;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

/// A stream in parts.
#[derive(Debug)]
pub(super) struct Stream {
    /// Head and the events before the first text.
    pub(super) opening: Vec<u8>,
    /// One piece of text, with a stamp.
    pub(super) text: Vec<u8>,
    /// Where the digits of the stamp begin.
    pub(super) digits: usize,
    /// The end of the answer, with its usage, and of the body.
    pub(super) closing: Vec<u8>,
}

impl Stream {
    pub(super) fn new(api: Api) -> Self {
        let (opening, text, closing) = match api {
            Api::Chat => chat(),
            Api::Messages => messages(),
        };
        let opening = [HEAD.as_bytes(), &framed(&opening)].concat();
        let text = framed(&[text]);
        let digits = memmem::find(&text, stamp::MARK).unwrap_or_default() + stamp::MARK.len();
        let closing = [&framed(&closing)[..], b"0\r\n\r\n"].concat();
        Self { opening, text, digits, closing }
    }

    /// All of it, without times.
    pub(super) fn at_once(&self, chunks: u32) -> Vec<u8> {
        let texts = self.text.repeat(chunks as usize);
        [&self.opening[..], &texts, &self.closing].concat()
    }
}

/// Each event in an HTTP chunk.
fn framed(events: &[String]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()).collect()
}

fn chat() -> (Vec<String>, String, Vec<String>) {
    const USAGE: &str = r#"{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"cached_tokens":64,"prompt_tokens_details":{"cached_tokens":64}}"#;
    let event = |choices: &str, more: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-6a2f0c51d94e7b3801aa55c2\",\"object\":\"chat.completion.chunk\",\"created\":1784246400,\"model\":\"kimi-k2.6\",\"choices\":[{choices}]{more}}}\n\n"
        )
    };
    let print = r#","system_fingerprint":"fpv0_6a2f0c51""#;
    let delta = |delta: &str, rest: &str| event(&format!(r#"{{"index":0,"delta":{delta},{rest}}}"#), print);
    let role = delta(r#"{"role":"assistant","content":""}"#, r#""finish_reason":null"#);
    let text = delta(&format!(r#"{{"content":" {} word"}}"#, stamp::EMPTY), r#""finish_reason":null"#);
    let finish = delta("{}", &format!(r#""finish_reason":"stop","usage":{USAGE}"#));
    let usage = event("", &format!(r#","usage":{USAGE}"#));
    (vec![role], text, vec![finish, usage, "data: [DONE]\n\n".to_owned()])
}

fn messages() -> (Vec<String>, String, Vec<String>) {
    let event =
        |name: &str, members: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{members}}}\n\n");
    let opening = vec![
        event(
            "message_start",
            r#","message":{"id":"msg_6a2f0c51d94e7b3801aa55c2","type":"message","role":"assistant","model":"kimi-k2.6","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":36,"cache_read_input_tokens":64,"output_tokens":1}}"#,
        ),
        event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
    ];
    let delta = format!(r#","index":0,"delta":{{"type":"text_delta","text":" {} word"}}"#, stamp::EMPTY);
    let closing = vec![
        event("content_block_stop", r#","index":0"#),
        event(
            "message_delta",
            r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":40}"#,
        ),
        event("message_stop", ""),
    ];
    (opening, event("content_block_delta", &delta), closing)
}
