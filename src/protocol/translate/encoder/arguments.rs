//! Whether the arguments of a call are complete, piece by piece.

/// Tracks where a JSON value ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol::translate) struct JsonProgress {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    is_complete: bool,
}

impl JsonProgress {
    /// Reads a piece of the text.
    pub(in crate::protocol::translate) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.is_complete {
                return;
            }
            self.push_byte(byte);
        }
    }

    /// Whether the object (or array, or string) is closed; the end of a bare number or literal is unknown.
    pub(in crate::protocol::translate) const fn is_complete(self) -> bool {
        self.is_complete
    }

    const fn push_byte(&mut self, byte: u8) {
        if self.in_string {
            let ends = byte == b'"' && !self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.in_string = !ends;
            self.is_complete = ends && self.depth == 0;
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.is_complete = self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JsonProgress;

    #[test]
    fn a_value_is_complete_with_its_last_bracket() {
        let complete = |text: &str| {
            let mut progress = JsonProgress::default();
            for at in 0..text.len() {
                assert!(!progress.is_complete(), "{text} at {at}");
                progress.push(&text[at..=at]);
            }
            progress.is_complete()
        };
        for text in [r#"{"a":"}\"\\"}"#, "[1,[2],{}]", r#""x\"""#, "{}", " {\"a\":{}}"] {
            assert!(complete(text), "{text}");
        }
        for text in ["", "{", r#"{"a":"}"#, "12", r#""x\""#] {
            assert!(!complete(text), "{text}");
        }
    }
}
