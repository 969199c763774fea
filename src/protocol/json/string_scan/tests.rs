//! The blocks against a look at each byte.

use proptest::prelude::*;

use super::*;

/// A byte at a time.
fn slowly(text: &[u8], from: usize) -> Option<usize> {
    let mut bytes = text.iter().enumerate().skip(from);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at),
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    None
}

fn same(text: &[u8], from: usize) {
    assert_eq!(
        find_closing_quote(text, from),
        slowly(text, from),
        "{} from {from}",
        String::from_utf8_lossy(text)
    );
}

#[test]
fn a_plain_end_is_the_first_mark_and_a_quote() {
    let (mut found, mut others) = (0, 0);
    for offset in 0..8 * PLAIN_WORDS + 2 {
        for byte in 0..=u8::MAX {
            for second in [b'x', b'"', b'\\', b'\n', 0x80, 0xff] {
                let mut text = vec![b'x'; offset];
                text.extend([byte, second]);
                text.extend_from_slice(b"\"\n\\xxxxxxxxx");
                let first = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap();
                let expected = (text[first] == b'"' && first < 8 * PLAIN_WORDS).then_some(first);
                assert_eq!(find_plain_end(&text, 0), expected, "{}", text.escape_ascii());
                *(if expected.is_some() { &mut found } else { &mut others }) += 1;
            }
        }
    }
    assert!(found > 10_000 && others > 5_000, "{found} found, {others} not");
    assert_eq!([find_plain_end(b"abcdef\"", 0), find_plain_end(b"abcdef\",", 0)], [None, Some(6)]);
}

#[test]
fn backslash_runs_count_at_any_block_offset() {
    for before in 0..4 * BLOCK_BYTES + 8 * SHORT_WORDS {
        for run in [0, 1, 2, 3, 15, 16, 17, 62, 63, 64, 65, 66, 127, 128, 129] {
            for after in [0, 1, BLOCK_BYTES] {
                let text = ["x".repeat(before), "\\".repeat(run), "\"".into(), "x".repeat(after)].concat();
                same(text.as_bytes(), 0);
                same([&text, "\""].concat().as_bytes(), 0);
                same(text.as_bytes(), before / 2);
            }
        }
    }
}

#[test]
fn an_escape_at_each_offset_hides_the_quote_after_it() {
    for offset in 0..3 * BLOCK_BYTES {
        for escape in [r#"\""#, r"\\", r#"\\\""#, r"\n", r#"\n\""#] {
            for length in
                [0, 1, 8 * SHORT_WORDS - 1, 8 * SHORT_WORDS, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES]
            {
                let text = ["x".repeat(offset), escape.into(), "x".repeat(length)].concat();
                same(text.as_bytes(), 0);
                same([&text, "\""].concat().as_bytes(), 0);
                same([&text, "\" \"\\\""].concat().as_bytes(), 0);
            }
        }
    }
}

#[test]
fn long_runs_without_marks_end_at_any_of_them() {
    for length in BLOCKS_BEFORE_MEMCHR * BLOCK_BYTES - 2..BLOCKS_BEFORE_MEMCHR * BLOCK_BYTES + 2 * BLOCK_BYTES
    {
        for end in ["", "\"", "\\", "\\\"", "\\\\\"", "\\\"\"", "\\n\""] {
            let text = ["é".repeat(length / 2), "x".repeat(length % 2), end.into()].concat();
            same(text.as_bytes(), 0);
            same([text.as_str(), &text].concat().as_bytes(), 0);
        }
    }
}

#[test]
fn no_end_is_found_beyond_the_text() {
    for from in 0..3 {
        assert_eq!(find_closing_quote(b"x", from), None);
    }
}

proptest! {
    #[test]
    fn string_end_matches_a_bytewise_scan(
        bytes in prop::collection::vec(prop::sample::select(&b"\"\\\\\\xxxxxxxx\n\xff"[..]), 0..400),
        from in 0..80_usize,
    ) {
        prop_assert_eq!(find_closing_quote(&bytes, from), if from > bytes.len() { None } else { slowly(&bytes, from) });
    }

    #[test]
    fn only_quotes_are_marked(word in any::<[u8; 8]>(), at in 0..8_usize) {
        let mut word = word;
        for byte in [b'"', b'"' ^ 1, b'"' ^ 0x80, 0, 0xff] {
            word[at] = byte;
            let expected = word.map(|byte| if byte == b'"' { 0x80 } else { 0 });
            prop_assert_eq!(quote_mask(word), u64::from_le_bytes(expected));
        }
    }
}
