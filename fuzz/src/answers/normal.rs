//! The content of a response, independent of how its pieces were cut.

use moonrelay::protocol::api::Api;
use moonrelay::protocol::model::answer::{FinishReason, ResponseEvent};
use moonrelay::protocol::model::tools;
use moonrelay::protocol::usage::TokenUsage;

/// A response without the boundaries of its pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normal {
    model: String,
    blocks: Vec<Block>,
    finish: Option<FinishReason>,
    usage: Option<TokenUsage>,
}

#[derive(Clone, Debug, PartialEq)]
enum Block {
    Reasoning(String, Option<String>),
    Redacted(String),
    Text(String),
    Refusal(String),
    Call { id: String, name: String, arguments: String },
}

/// Whether the events are well-formed: one start, numbered and started calls, one finish at the end.
pub fn check(events: &[ResponseEvent]) {
    let (mut calls, mut finished) = (0, false);
    for (at, event) in events.iter().enumerate() {
        assert_eq!(
            at == 0,
            matches!(event, ResponseEvent::Start { .. }),
            "a start comes first and once: {events:?}"
        );
        assert!(!finished || matches!(event, ResponseEvent::Usage(_)), "only usage follows the finish");
        match event {
            ResponseEvent::ToolCallStart { call, id, .. } => {
                assert_eq!(*call, calls, "calls are numbered");
                assert!(!id.is_empty(), "a call has an id");
                calls += 1;
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                assert!(*call < calls && !piece.is_empty())
            }
            ResponseEvent::Text(text) | ResponseEvent::Reasoning(text) | ResponseEvent::Refusal(text) => {
                assert!(!text.is_empty())
            }
            ResponseEvent::ReasoningSignature(opaque) | ResponseEvent::RedactedReasoning(opaque) => {
                assert!(!opaque.is_empty())
            }
            ResponseEvent::Finish(_) => finished = true,
            ResponseEvent::Start { .. } | ResponseEvent::Usage(_) => {}
        }
    }
}

impl Normal {
    /// From these events.
    pub fn of(events: &[ResponseEvent]) -> Self {
        let mut normal = Self::default();
        let mut calls = Vec::new();
        for event in events {
            normal.take(event, &mut calls);
        }
        normal
    }

    fn take(&mut self, event: &ResponseEvent, calls: &mut Vec<usize>) {
        match event {
            ResponseEvent::Start { model, .. } => model.clone_into(&mut self.model),
            ResponseEvent::Reasoning(text) => match self.blocks.last_mut() {
                Some(Block::Reasoning(said, None)) => said.push_str(text),
                _ => self.blocks.push(Block::Reasoning(text.clone(), None)),
            },
            ResponseEvent::ReasoningSignature(seal) => match self.blocks.last_mut() {
                Some(Block::Reasoning(_, empty @ None)) => *empty = Some(seal.clone()),
                _ => self.blocks.push(Block::Reasoning(String::new(), Some(seal.clone()))),
            },
            ResponseEvent::RedactedReasoning(data) => self.blocks.push(Block::Redacted(data.clone())),
            ResponseEvent::Text(text) => match self.blocks.last_mut() {
                Some(Block::Text(said)) => said.push_str(text),
                _ => self.blocks.push(Block::Text(text.clone())),
            },
            ResponseEvent::Refusal(text) => match self.blocks.last_mut() {
                Some(Block::Refusal(said)) => said.push_str(text),
                _ => self.blocks.push(Block::Refusal(text.clone())),
            },
            ResponseEvent::ToolCallStart { id, name, .. } => {
                calls.push(self.blocks.len());
                let (id, name) = (id.clone(), name.clone());
                self.blocks.push(Block::Call { id, name, arguments: String::new() });
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                let Block::Call { arguments, .. } = &mut self.blocks[calls[*call]] else { unreachable!() };
                arguments.push_str(piece);
                // Text after a complete value is ignored, and may be lost in interleaved calls.
                let end = end_of_value(arguments).0.unwrap_or(arguments.len());
                arguments.truncate(end);
            }
            // Larger numbers are not exact; no response has them.
            ResponseEvent::Usage(usage)
                if usage.prompt_tokens().max(usage.output).max(usage.reasoning) >> 50 > 0 =>
            {
                self.usage = Some(TokenUsage::default());
            }
            ResponseEvent::Usage(usage) => self.usage = Some(*usage),
            ResponseEvent::Finish(finish) => self.finish = Some(finish.clone()),
        }
    }

    /// The part that a client of this format can receive.
    #[must_use]
    pub fn seen_in(mut self, api: Api) -> Self {
        if self.model.is_empty() {
            self.model = "asked".to_owned();
        }
        let has_calls = self.blocks.iter().any(|block| matches!(block, Block::Call { .. }));
        let refused = self.blocks.iter().any(|block| matches!(block, Block::Refusal(_)));
        let stop = if has_calls { FinishReason::ToolCalls } else { FinishReason::Stop };
        let finish = self.finish.unwrap_or(FinishReason::Stop);
        self.finish = Some(match (api, finish) {
            (Api::Messages, FinishReason::Stop) if refused && !has_calls => FinishReason::ContentFilter,
            (Api::Messages, FinishReason::Stop) => stop,
            (Api::Messages, other) => other,
            (Api::ChatCompletions, FinishReason::ToolCalls) => FinishReason::ToolCalls,
            (_, FinishReason::MaxTokens | FinishReason::ContextWindow) => FinishReason::MaxTokens,
            (_, FinishReason::ContentFilter) => FinishReason::ContentFilter,
            _ => stop,
        });
        if api == Api::Messages {
            self.usage = Some(self.usage.unwrap_or_default());
        }
        if let Some(usage) = &mut self.usage {
            usage.cost = None;
        }
        let mut blocks = std::mem::take(&mut self.blocks);
        if api == Api::ChatCompletions {
            // A call without a name waits for it until the end.
            let nameless = |block: &mut Block| matches!(block, Block::Call { name, .. } if name.is_empty());
            let last: Vec<Block> = blocks.extract_if(.., nameless).collect();
            blocks.extend(last);
        }
        for block in blocks {
            match (block, self.blocks.last_mut()) {
                (Block::Refusal(text), Some(Block::Text(said))) if api == Api::Messages => {
                    said.push_str(&text)
                }
                (Block::Text(text), Some(Block::Text(said)))
                | (Block::Refusal(text), Some(Block::Refusal(said))) => said.push_str(&text),
                (Block::Reasoning(text, seal), Some(Block::Reasoning(said, open @ None))) => {
                    said.push_str(&text);
                    *open = seal;
                }
                (Block::Refusal(text), _) if api == Api::Messages => self.blocks.push(Block::Text(text)),
                (Block::Call { id, name, arguments }, _) => {
                    let id = match api {
                        Api::ChatCompletions => id,
                        Api::Messages => tools::to_messages_id(&id).into_owned(),
                        Api::Responses => tools::to_responses_id(&id).into_owned(),
                    };
                    self.blocks.push(Block::Call { id, name, arguments });
                }
                (block, _) => self.blocks.push(block),
            }
        }
        self
    }

    /// A whole chat message has one text, one refusal and its calls; their relative order is lost.
    #[must_use]
    pub fn by_kind(mut self) -> Self {
        let rank = |block: &Block| match block {
            Block::Reasoning(..) | Block::Redacted(_) => 0,
            Block::Text(_) => 1,
            Block::Refusal(_) => 2,
            Block::Call { .. } => 3,
        };
        self.blocks.sort_by_key(rank);
        let has_details = |block: &Block| matches!(block, Block::Redacted(_) | Block::Reasoning(_, Some(_)));
        let detailed = self.blocks.iter().any(has_details);
        for block in std::mem::take(&mut self.blocks) {
            match (block, self.blocks.last_mut()) {
                (Block::Text(text), Some(Block::Text(said))) => said.push_str(&text),
                (Block::Refusal(text), Some(Block::Refusal(said))) => said.push_str(&text),
                (Block::Reasoning(text, seal), Some(Block::Reasoning(said, before @ None))) => {
                    said.push_str(&text);
                    *before = seal;
                }
                (block, _) => self.blocks.push(block),
            }
        }
        debug_assert!(detailed == self.blocks.iter().any(has_details));
        self
    }

    /// A whole message accepts only an object as arguments and others are wrapped, so arguments are ignored
    /// here.
    #[must_use]
    pub fn without_halves(mut self) -> Self {
        for block in &mut self.blocks {
            let Block::Call { arguments, .. } = block else { continue };
            let is_object =
                serde_json::from_str::<serde_json::Value>(arguments).is_ok_and(|value| value.is_object());
            if !is_object || arguments.starts_with("{\"moonrelay_raw_arguments\":\"") {
                arguments.clear();
            } else {
                *arguments = arguments.trim_ascii().to_owned();
            }
        }
        self
    }
}

/// Whether text follows the value of a call's arguments. Then they are not JSON, and their end is undefined.
pub fn is_loose(events: &[ResponseEvent]) -> bool {
    let follows =
        |text: &String| end_of_value(text).0.is_some_and(|end| !text[end..].trim_ascii().is_empty());
    arguments(events).iter().any(follows)
}

/// The events with the finish that a decoder gives a response with a cut call.
pub fn finish_cut_calls(events: &[ResponseEvent]) -> Vec<ResponseEvent> {
    let is_cut = arguments(events).iter().any(|text| matches!(end_of_value(text), (None, 1..)));
    let mut events = events.to_vec();
    if is_cut && !events.iter().any(|event| matches!(event, ResponseEvent::Finish(_))) {
        events.push(ResponseEvent::Finish(FinishReason::MaxTokens));
    }
    for event in events.iter_mut().filter(|_| is_cut) {
        if let ResponseEvent::Finish(finish) = event
            && !matches!(finish, FinishReason::ContextWindow | FinishReason::ContentFilter)
        {
            *finish = FinishReason::MaxTokens;
        }
    }
    events
}

/// The arguments of each call.
fn arguments(events: &[ResponseEvent]) -> Vec<String> {
    let mut calls: Vec<String> = Vec::new();
    for event in events {
        match event {
            ResponseEvent::ToolCallStart { .. } => calls.push(String::new()),
            ResponseEvent::ToolCallArguments { call, delta: piece } => calls[*call].push_str(piece),
            _ => {}
        }
    }
    calls
}

/// The end of the JSON object, array or string at the start of the text, and the depth at the end of the text.
fn end_of_value(text: &str) -> (Option<usize>, usize) {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !quoted && matches!(character, '"' | '}' | ']') {
            return (Some(at + 1), 0);
        }
    }
    (None, depth)
}
