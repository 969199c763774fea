//! A model's words for a terminal: whatever it says, they move no cursor and set no title.

use std::io::{self, Write};

/// Writes text as it comes.
pub(in crate::cli) struct TerminalWriter<W> {
    out: W,
    /// Something was written, and it did not end with a line end.
    is_mid_line: bool,
    /// The reader is gone; it is told once, at the end.
    write_error: Option<io::Error>,
}

impl<W: Write> TerminalWriter<W> {
    pub(in crate::cli) const fn new(out: W) -> Self {
        Self { out, is_mid_line: false, write_error: None }
    }

    /// Writes a piece, at once.
    pub(in crate::cli) fn write(&mut self, piece: &str) -> Result<(), ()> {
        let text = sanitize(piece);
        let Some(last) = text.chars().next_back() else { return Ok(()) };
        self.is_mid_line = last != '\n';
        if self.write_error.is_none() {
            self.write_error = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).err();
        }
        if self.write_error.is_some() { Err(()) } else { Ok(()) }
    }

    /// Ends a line that was begun.
    pub(in crate::cli) fn end_line(&mut self) -> Result<(), ()> {
        if self.is_mid_line { self.write("\n") } else { Ok(()) }
    }

    /// The end of the last line.
    ///
    /// # Errors
    /// When the output is gone.
    pub(in crate::cli) fn finish(mut self) -> io::Result<()> {
        // Kept in `broken`, too.
        let _ = self.end_line();
        self.write_error.map_or(Ok(()), Err)
    }
}

/// The text with pictures in the place of control characters: what a terminal would obey is seen instead. Line ends and
/// tabs stay, a carriage return goes.
#[must_use]
pub(in crate::cli) fn sanitize(text: &str) -> String {
    let picture = |c: char| match c {
        '\n' | '\t' => Some(c),
        '\r' => None,
        '\u{7f}' => Some('\u{2421}'),
        c if c < ' ' => char::from_u32(0x2400 + u32::from(c)),
        // C1: some terminals obey them, and there are no pictures of them.
        '\u{80}'..='\u{9f}' => Some(char::REPLACEMENT_CHARACTER),
        c if is_bidi_control(c) => Some(char::REPLACEMENT_CHARACTER),
        c => Some(c),
    };
    text.chars().filter_map(picture).collect()
}

/// Whether it turns the direction of writing: text is shown as another one then, also that of the shell behind it.
pub(in crate::cli) const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_obeyed() {
        assert_eq!(
            sanitize("a\tb\r\n\u{1b}]0;t\u{7}\u{9b}2J\u{7f}ü月\u{202e}"),
            "a\tb\n␛]0;t␇\u{fffd}2J␡ü月\u{fffd}"
        );
    }

    #[test]
    fn a_line_is_ended_once() {
        for (pieces, expected) in
            [(&["a", "b"][..], "ab\n"), (&["a\n"], "a\n"), (&[], ""), (&["a", ""], "a\n")]
        {
            let mut out = Vec::new();
            let mut plain = TerminalWriter::new(&mut out);
            pieces.iter().for_each(|piece| plain.write(piece).unwrap());
            plain.finish().unwrap();
            assert_eq!(out, expected.as_bytes());
        }
    }
}
