//! Tool calls that Kimi leaks into its text: the text block ends before them, each becomes a block of its own, and the
//! blocks after them count on.

use bytes::Bytes;

use crate::protocol::edit::{Edits, Segments};
use crate::protocol::json::{self, write_string};
use crate::protocol::object::ObjectView;
use crate::provider::answer::leak::{FilteredPiece, LeakFilter, LeakedCall, may_leak};
use crate::provider::rewrite::AnswerPlan;

/// Finds leaked calls in a stream.
#[derive(Debug, Default)]
pub(super) struct LeakedCallBlocks {
    filter: LeakFilter,
    /// Blocks added by the gateway before the following ones.
    index_shift: u64,
    /// The block whose text is withheld, or after which calls were found.
    block: Option<TextBlock>,
    has_calls: bool,
}

/// A text block of the provider, as the client sees it.
#[derive(Clone, Copy, Debug)]
struct TextBlock {
    /// The index that the client knows.
    index: u64,
    /// It was ended early, because a call was found.
    is_ended: bool,
}

impl LeakedCallBlocks {
    /// Whether the text began with a section that is not complete calls.
    pub(super) const fn is_broken(&self) -> bool {
        self.filter.is_broken()
    }

    /// Whether a call was found: then the answer finishes with `tool_use`.
    pub(super) const fn has_calls(&self) -> bool {
        self.has_calls
    }

    /// Handles an event about leaked text. `None` for any other event: it is forwarded, with
    /// [`Self::renumber`].
    pub(super) fn process_event(
        &mut self,
        event: &ObjectView<'_>,
        kind: &str,
        plan: &AnswerPlan,
    ) -> Option<Vec<Segments>> {
        match kind {
            "content_block_delta" => {
                let delta =
                    event.object("delta").filter(|delta| delta.string_or_empty("type") == "text_delta")?;
                let escaped = delta.value("text")?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
                if self.block.is_none() && !may_leak(escaped) {
                    return None;
                }
                let index = read_index(event)? + self.index_shift;
                let block = self.block.unwrap_or(TextBlock { index, is_ended: false });
                let pieces = self.filter.push(escaped);
                let as_it_came = matches!(pieces.as_slice(), [FilteredPiece::Text(text)] if text == escaped);
                if as_it_came && self.filter.is_idle() && !block.is_ended {
                    self.block = None;
                    return None;
                }
                let (frames, block) = self.render_events(block, pieces, plan);
                self.block = (block.is_ended || !self.filter.is_idle()).then_some(block);
                Some(frames)
            }
            "content_block_stop" => {
                let block = self.block.take()?;
                let rest = self.filter.flush();
                let pieces = if rest.is_empty() { Vec::new() } else { vec![FilteredPiece::Text(rest)] };
                let (mut frames, block) = self.render_events(block, pieces, plan);
                if !block.is_ended {
                    frames.push(render_block_stop(block.index));
                }
                Some(frames)
            }
            _ => None,
        }
    }

    /// The withheld text, because its block has ended.
    pub(super) fn flush(&mut self) -> Segments {
        let held = self.filter.flush();
        match self.block.take() {
            Some(block) if !held.is_empty() => {
                let mut out = Segments::default();
                let (frames, _) =
                    self.render_events(block, vec![FilteredPiece::Text(held)], &AnswerPlan::default());
                frames.into_iter().for_each(|frame| out.append(frame));
                out
            }
            _ => Segments::default(),
        }
    }

    /// Renumbers an event of a later block.
    pub(super) fn renumber(&self, event: &ObjectView<'_>, edits: &mut Edits) {
        if self.index_shift > 0
            && let (Some(place), Some(number)) = (event.span("index"), read_index(event))
        {
            edits.replace(place, (number + self.index_shift).to_string());
        }
    }

    /// The events of these pieces, and the block after them.
    fn render_events(
        &mut self,
        mut block: TextBlock,
        pieces: Vec<FilteredPiece>,
        plan: &AnswerPlan,
    ) -> (Vec<Segments>, TextBlock) {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                FilteredPiece::Text(text) => {
                    if block.is_ended {
                        self.index_shift += 1;
                        block = TextBlock { index: block.index + 1, is_ended: false };
                        out.push(render_block_start(block.index, br#"{"type":"text","text":""}"#));
                    }
                    out.push(render_block_delta(block.index, br#"{"type":"text_delta","text":""#, &text));
                }
                FilteredPiece::Calls(calls) => {
                    if !block.is_ended {
                        out.push(render_block_stop(block.index));
                    }
                    for call in &calls {
                        self.index_shift += 1;
                        block.index += 1;
                        out.push(render_block_start(block.index, &render_tool_use(call, plan, b"{}")));
                        let begin = br#"{"type":"input_json_delta","partial_json":""#;
                        out.push(render_block_delta(block.index, begin, &call.arguments));
                        out.push(render_block_stop(block.index));
                    }
                    block.is_ended = true;
                    self.has_calls = true;
                }
            }
        }
        (out, block)
    }
}

/// The blocks that replace a complete response's text block; `None` where nothing leaked, or the leaked text is
/// not JSON.
pub(super) fn replace_block(block: &ObjectView<'_>, plan: &AnswerPlan) -> Option<Vec<u8>> {
    let escaped = block.value("text")?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if block.string_or_empty("type") != "text" || !may_leak(escaped) {
        return None;
    }
    let mut filter = LeakFilter::default();
    let mut pieces = filter.push(escaped);
    pieces.push(FilteredPiece::Text(filter.flush()));
    if !pieces.iter().any(|piece| matches!(piece, FilteredPiece::Calls(_))) {
        return None;
    }
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for piece in pieces {
        match piece {
            FilteredPiece::Text(text) if text.is_empty() => {}
            FilteredPiece::Text(text) => {
                blocks.push([br#"{"type":"text","text":""#, &*text, b"\"}"].concat())
            }
            FilteredPiece::Calls(calls) => {
                for call in &calls {
                    let literal = [b"\"", &*call.arguments, b"\""].concat();
                    let input = json::unescape(&literal)?;
                    let is_object = input.trim_start().starts_with('{') && json::is_valid(input.as_bytes());
                    blocks.push(is_object.then(|| render_tool_use(call, plan, input.as_bytes()))?);
                }
            }
        }
    }
    Some(blocks.join(&b','))
}

fn read_index(event: &ObjectView<'_>) -> Option<u64> {
    std::str::from_utf8(event.value("index")?).ok()?.parse().ok()
}

fn render_tool_use(call: &LeakedCall, plan: &AnswerPlan, input: &[u8]) -> Vec<u8> {
    let mut out = b"{\"type\":\"tool_use\",\"id\":".to_vec();
    // Anthropic's pattern for ids knows neither the point nor the colon of Kimi's.
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    write_string(&mut out, &call.id.chars().map(plain).collect::<String>());
    out.extend_from_slice(b",\"name\":");
    write_string(&mut out, plan.original_name(&call.name));
    out.extend_from_slice(b",\"input\":");
    out.extend_from_slice(input);
    out.push(b'}');
    out
}

fn render_block_start(index: u64, block: &[u8]) -> Segments {
    let begin = format!("{{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":");
    render_event("content_block_start", &[begin.as_bytes(), block, b"}"].concat())
}

/// `begin` ends with the quote before the text.
fn render_block_delta(index: u64, begin: &[u8], text: &[u8]) -> Segments {
    let head = format!("{{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":");
    render_event("content_block_delta", &[head.as_bytes(), begin, text, b"\"}}"].concat())
}

fn render_block_stop(index: u64) -> Segments {
    render_event(
        "content_block_stop",
        format!("{{\"type\":\"content_block_stop\",\"index\":{index}}}").as_bytes(),
    )
}

fn render_event(kind: &str, payload: &[u8]) -> Segments {
    let text = [b"event: ", kind.as_bytes(), b"\ndata: ", payload, b"\n\n"].concat();
    Segments::from_bytes(Bytes::from(text))
}
