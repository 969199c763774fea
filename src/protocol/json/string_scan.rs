//! The end of a string, found a block of bytes at a time. A quote after one backslash does not end a string,
//! and a block shows that without inspecting single bytes. So code with many `\"` and `\n` costs little more
//! than prose.

/// Keys and short words end within this many words of eight bytes.
const SHORT_WORDS: usize = 2;

/// The number of words that [`find_plain_end`] inspects: response ids are 33 bytes long.
const PLAIN_WORDS: usize = 5;

/// Bytes of a block, which the compiler compares with vectors.
const BLOCK_BYTES: usize = 32;

/// A quote and the two bytes before it decide whether it may end a string.
const LOOKBEHIND_BYTES: usize = 2;

/// After this many blocks the text is probably long prose or base64, which justifies the setup cost of
/// `memchr`.
const BLOCKS_BEFORE_MEMCHR: usize = 8;

/// The offset of the quote that ends the string whose text starts at `from`; `None` if there is none.
#[inline]
pub(super) fn find_closing_quote(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..SHORT_WORDS {
        let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let quotes = quote_mask(*word);
        if quotes != 0 {
            let quote = at + quotes.trailing_zeros() as usize / 8;
            if quote == from || text.get(quote - 1) != Some(&b'\\') {
                return Some(quote);
            }
            break;
        }
        at += word.len();
    }
    find_distant_quote(text, from, at)
}

/// Like [`find_closing_quote`], when the text up to `at` contains no quote.
#[inline(never)]
fn find_distant_quote(text: &[u8], from: usize, mut at: usize) -> Option<usize> {
    // A string that starts with its own quote has one byte before its text; a block needs two.
    while at < LOOKBEHIND_BYTES {
        let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        if let Some(end) = find_end_in_word(text, from, at, *word) {
            return Some(end);
        }
        at += word.len();
    }
    if at >= LOOKBEHIND_BYTES
        && let Some(end) = find_end_in_blocks(text, from, &mut at)
    {
        return Some(end);
    }
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        if let Some(end) = find_end_in_word(text, from, at, *word) {
            return Some(end);
        }
        at += word.len();
    }
    let rest = text.get(at..)?;
    let mut last = [0; 8];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    find_end_in_word(text, from, at, last)
}

/// Searches the whole blocks from `at` on, which is at least [`LOOKBEHIND_BYTES`]. Advances `at` to their end.
fn find_end_in_blocks(text: &[u8], from: usize, at: &mut usize) -> Option<usize> {
    let (mut looked, mut long) = (0, BLOCKS_BEFORE_MEMCHR);
    let mut rest = text.get(*at - LOOKBEHIND_BYTES..)?;
    while let Some(block) = rest.first_chunk::<{ LOOKBEHIND_BYTES + BLOCK_BYTES }>() {
        if may_contain_end(block) {
            for (nth, word) in text.get(*at..*at + BLOCK_BYTES)?.as_chunks().0.iter().enumerate() {
                if let Some(end) = find_end_in_word(text, from, *at + nth * word.len(), *word) {
                    return Some(end);
                }
            }
        }
        *at += BLOCK_BYTES;
        looked += 1;
        if looked == long {
            looked = 0;
            let quote = memchr::memchr(b'"', text.get(*at..)?).unwrap_or(text.len() - *at);
            *at += quote;
            if quote < BLOCKS_BEFORE_MEMCHR * BLOCK_BYTES {
                // Quotes are close together here.
                long *= 2;
            }
        }
        rest = text.get(*at - LOOKBEHIND_BYTES..)?;
    }
    None
}

/// Whether there is a quote preceded by no backslash, or by more than one. No branch and no early return, so
/// that the compiler uses a few vector comparisons.
#[inline]
fn may_contain_end(block: &[u8; LOOKBEHIND_BYTES + BLOCK_BYTES]) -> bool {
    let (_, quotes) = block.split_at(LOOKBEHIND_BYTES);
    let (_, before) = block.split_at(LOOKBEHIND_BYTES - 1);
    let each = quotes.iter().zip(before).zip(block);
    each.fold(false, |any, ((byte, before), first)| {
        any | ((*byte == b'"') & ((*before != b'\\') | (*first == b'\\')))
    })
}

/// The end within the word at `at`.
#[inline]
fn find_end_in_word(text: &[u8], from: usize, at: usize, word: [u8; 8]) -> Option<usize> {
    let mut quotes = quote_mask(word);
    while quotes != 0 {
        let quote = at + quotes.trailing_zeros() as usize / 8;
        // Runs of backslashes between two quotes are looked at once.
        let before = text.get(from..quote).unwrap_or_default();
        let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if slashes % 2 == 0 {
            return Some(quote);
        }
        quotes &= quotes - 1;
    }
    None
}

/// Like [`find_closing_quote`], for a short string without escapes or characters that need one. `None` for others,
/// and near the end of the text.
#[inline]
pub(super) fn find_plain_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..PLAIN_WORDS {
        let word = *text.get(at..)?.first_chunk()?;
        let marks = quote_mask(word) | escape_mask(word);
        if marks != 0 {
            let mark = at + marks.trailing_zeros() as usize / 8;
            return (text.get(mark) == Some(&b'"')).then_some(mark);
        }
        at += word.len();
    }
    None
}

/// The high bit of each byte that is a quote, and no other.
const fn quote_mask(word: [u8; 8]) -> u64 {
    zero_byte_mask(u64::from_le_bytes(word) ^ repeat_byte(b'"'))
}

/// The same for a backslash and for bytes below the space.
const fn escape_mask(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    // A control character has none of the first three bits set; every other byte has one.
    zero_byte_mask(word ^ repeat_byte(b'\\')) | zero_byte_mask(word & repeat_byte(0xe0))
}

/// The high bit of each byte that is zero, and no other.
const fn zero_byte_mask(word: u64) -> u64 {
    const LOW_BITS: u64 = repeat_byte(0x7f);
    // A byte that is not zero below the high bit carries into it; no byte carries into the next one.
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

const fn repeat_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests;
