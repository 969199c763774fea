//! The end of a string, found a block of bytes at a time. A quote after one backslash ends nothing, and a block shows
//! that without a look at single bytes, so code with its many `\"` and `\n` costs hardly more than prose.

/// Keys and words are over within so many words of eight bytes.
const SHORT_WORDS: usize = 2;

/// As many words hold what [`plain_end`] finds: the ids of answers are 33 bytes long.
const PLAIN_WORDS: usize = 5;

/// Bytes of a block, which the compiler compares with vectors.
const BLOCK_BYTES: usize = 32;

/// A quote and the two bytes before it tell whether it may end a string.
const LOOKBEHIND_BYTES: usize = 2;

/// After so many blocks without an end the rest is long prose or base64, and may be worth `memchr`'s preparations.
const BLOCKS_BEFORE_MEMCHR: usize = 8;

/// The offset of the quote that ends the string whose text starts at `from`; `None` where none does.
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

/// The same where the text up to `at` holds no quote.
#[inline(never)]
fn find_distant_quote(text: &[u8], from: usize, mut at: usize) -> Option<usize> {
    // What begins with its own quote has one byte before its text, and a block wants two.
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

/// The same within the whole blocks from `at` on, which is at least [`BEFORE`]; `at` goes to where they end.
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
                // Quotes stand close here.
                long *= 2;
            }
        }
        rest = text.get(*at - LOOKBEHIND_BYTES..)?;
    }
    None
}

/// Whether there is a quote with no backslash before it, or with more than one. No branch and no early return: this way
/// the compiler makes a few comparisons of vectors of it.
#[inline]
fn may_contain_end(block: &[u8; LOOKBEHIND_BYTES + BLOCK_BYTES]) -> bool {
    let (_, quotes) = block.split_at(LOOKBEHIND_BYTES);
    let (_, before) = block.split_at(LOOKBEHIND_BYTES - 1);
    let each = quotes.iter().zip(before).zip(block);
    each.fold(false, |any, ((byte, before), first)| {
        any | ((*byte == b'"') & ((*before != b'\\') | (*first == b'\\')))
    })
}

/// The end within the word that stands at `at`.
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

/// As [`closing_quote`], of a string that is short and says what it means: nothing before its end is escaped or ought to
/// be. `None` of others, and near the end of the text.
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

/// The same of a backslash and of what is below the space.
const fn escape_mask(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    // Of the first three bits a control character has none, and everything else has one.
    zero_byte_mask(word ^ repeat_byte(b'\\')) | zero_byte_mask(word & repeat_byte(0xe0))
}

/// The high bit of each byte that is zero, and no other.
const fn zero_byte_mask(word: u64) -> u64 {
    const LOW_BITS: u64 = repeat_byte(0x7f);
    // What is not zero below the high bit carries into it; no byte carries into the next one.
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

const fn repeat_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests;
