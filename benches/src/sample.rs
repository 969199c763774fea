//! Requests and streams like those of coding agents and Kimi, the same on every run.

use serde_json::{Value, json};

/// A generator of the multiply-with-carry kind: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = (self.0 & 0xffff_ffff).wrapping_mul(4_294_957_665).wrapping_add(self.0 >> 32);
        usize::try_from(self.0 & 0xffff_ffff).unwrap_or(0) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let place = self.roll(from.len());
        from.get(place).copied().unwrap_or_default()
    }
}

const WORDS: [&str; 24] = [
    "the",
    "file",
    "returns",
    "an",
    "error",
    "when",
    "path",
    "is",
    "missing",
    "so",
    "we",
    "check",
    "it",
    "before",
    "reading",
    "lines",
    "and",
    "then",
    "write",
    "naïve",
    "“quoted”",
    "result",
    "back",
    "to",
];

const CODE: [&str; 10] = [
    "    let value = map.get(\"key\").unwrap_or(&default);\n",
    "    if (!items.length) return { ok: false, reason: \"empty\" };\n",
    "fn main() -> Result<(), Error> {\n",
    "        \"name\": \"read_file\",\n",
    "}\n",
    "\n",
    "    // a comment that explains the next line in some detail\n",
    "    path = \"C:\\\\Users\\\\dev\\\\project\"\n",
    "\tassert_eq!(left, right, \"{left} != {right}\");\n",
    "const pattern = /^[a-z]+\\s*=\\s*\"(.*)\"$/;\n",
];

fn prose(dice: &mut Dice, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(dice.pick(&WORDS));
        text.push_str(match dice.roll(14) {
            0 => ".\n",
            1 => ", ",
            _ => " ",
        });
    }
    text
}

fn code(dice: &mut Dice, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(dice.pick(&CODE));
    }
    text
}

fn tool(dice: &mut Dice, number: usize) -> Value {
    let properties: serde_json::Map<String, Value> = (0..4 + number % 4)
        .map(|field| {
            let value = json!({"type": "string", "description": prose(dice, 120), "enum": ["a", "b", "c"]});
            (format!("field_{field}"), value)
        })
        .collect();
    json!({"type": "function", "function": {
        "name": format!("tool_{number}"),
        "description": prose(dice, 900),
        "parameters": {"type": "object", "properties": properties, "required": ["field_0"], "additionalProperties": false},
    }})
}

/// A request of at least this many bytes: a system prompt, 26 tools, and turns of user, assistant and tool messages.
pub fn agent_request(bytes: usize) -> Vec<u8> {
    let mut dice = Dice(20_261_121);
    let tools: Vec<Value> = (0..26).map(|number| tool(&mut dice, number)).collect();
    let mut messages = vec![json!({"role": "system", "content": prose(&mut dice, 24_000)})];
    let mut length = 24_000 + serde_json::to_vec(&tools).map_or(0, |text| text.len());
    let mut turn = 0;
    while length < bytes {
        let id = format!("functions.tool_{}:{turn}", turn % 26);
        let arguments =
            json!({"path": format!("src/file_{turn}.rs"), "content": code(&mut dice, 400)}).to_string();
        let added = [
            json!({"role": "user", "content": [{"type": "text", "text": prose(&mut dice, 300)}]}),
            json!({"role": "assistant", "content": prose(&mut dice, 150), "reasoning_content": prose(&mut dice, 500),
                "tool_calls": [{"id": id, "type": "function", "function": {"name": format!("tool_{}", turn % 26), "arguments": arguments}}]}),
            json!({"role": "tool", "tool_call_id": id, "content": code(&mut dice, 2_500)}),
        ];
        length += added.iter().map(|message| message.to_string().len() + 1).sum::<usize>();
        messages.extend(added);
        turn += 1;
    }
    request(&json!(messages), &json!(tools))
}

fn request(messages: &Value, tools: &Value) -> Vec<u8> {
    let body = json!({
        "model": "moonrelay/default", "messages": messages, "temperature": 0.2, "max_tokens": 32_000, "tools": tools,
        "tool_choice": "auto", "stream": true, "stream_options": {"include_usage": true},
    });
    serde_json::to_vec(&body).unwrap_or_default()
}

/// A question about one image of this many bytes of base64.
pub fn image_request(bytes: usize) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut dice = Dice(7);
    let data: String =
        (0..bytes).filter_map(|_| ALPHABET.get(dice.roll(ALPHABET.len())).copied().map(char::from)).collect();
    let content = json!([
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}},
    ]);
    request(&json!([{"role": "user", "content": content}]), &json!([]))
}

/// A stream in Moonshot's format with this many chunks of reasoning and text.
pub fn stream(chunks: usize) -> Vec<u8> {
    let mut dice = Dice(3);
    let frame = |delta: Value| {
        let chunk = json!({
            "id": "chatcmpl-6921f0a5c2b14e8f9a7d3c60", "object": "chat.completion.chunk", "created": 1_763_726_400, "model": "kimi-k3",
            "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "system_fingerprint": "fpv0_1a2b3c4d",
        });
        format!("data: {chunk}\n\n")
    };
    let mut text = frame(json!({"role": "assistant", "content": ""}));
    for number in 0..chunks.saturating_sub(3) {
        let field = if number < chunks / 3 { "reasoning_content" } else { "content" };
        text.push_str(&frame(json!({ field: dice.pick(&WORDS) })));
    }
    let usage = json!({"prompt_tokens": 52_000, "completion_tokens": 197, "total_tokens": 52_197, "cached_tokens": 51_200});
    for (choices, top) in [
        (json!([{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]), Value::Null),
        (json!([]), usage.clone()),
    ] {
        let mut chunk = json!({"id": "chatcmpl-6921f0a5c2b14e8f9a7d3c60", "object": "chat.completion.chunk", "created": 1_763_726_400, "model": "kimi-k3", "choices": choices});
        if !top.is_null() {
            chunk["usage"] = top;
        }
        text.push_str(&format!("data: {chunk}\n\n"));
    }
    text.push_str("data: [DONE]\n\n");
    text.into_bytes()
}
