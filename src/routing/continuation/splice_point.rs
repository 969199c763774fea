//! Owns the point where a continuation begins: trimmed white space is restored once, and a restarted response
//! is detected.

/// The number of characters that distinguishes a restarted response from a continued one.
pub(super) const COMPARED_CHARS: usize = 64;

/// The second stream did not continue the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Diverged {
    /// It restarted, and then differed.
    Differs,
    /// It repeated the whole text so far, which was too short to detect a restart.
    Ambiguous,
}

/// Text of the second stream before it is sent to the client.
#[derive(Debug)]
pub(super) struct SplicePoint {
    /// The text that the client has.
    sent_text: String,
    /// White space that was trimmed from its end and has not come again.
    trimmed_space: String,
    phase: SplicePhase,
}

#[derive(Debug)]
enum SplicePhase {
    /// The text equals the response's beginning so far, and is held back.
    Comparing(String),
    /// The response restarted: this many bytes of it were repeated.
    Repeating(usize),
    /// The response continues.
    Continuing,
}

impl SplicePoint {
    /// Creates the splice point of a response of which the client has this text.
    pub(super) fn new(sent_text: String) -> Self {
        let said = sent_text.trim_end().len();
        let trimmed_space = sent_text.get(said..).unwrap_or_default().to_owned();
        // Without earlier text there is no restart to detect.
        let phase = if said == 0 { SplicePhase::Continuing } else { SplicePhase::Comparing(String::new()) };
        Self { sent_text, trimmed_space, phase }
    }

    /// Takes text; returns the text to send.
    pub(super) fn push(&mut self, text: &str) -> Result<String, Diverged> {
        match &mut self.phase {
            SplicePhase::Continuing => Ok(self.restore_space(text)),
            SplicePhase::Repeating(_) => self.skip_repeated(text),
            SplicePhase::Comparing(head) => {
                head.push_str(text);
                let head = std::mem::take(head);
                self.compare_start(head)
            }
        }
    }

    /// Ends the text; returns what was held back.
    pub(super) fn end(&mut self) -> Result<String, Diverged> {
        match std::mem::replace(&mut self.phase, SplicePhase::Continuing) {
            SplicePhase::Continuing => Ok(String::new()),
            SplicePhase::Comparing(head) => Ok(self.restore_space(&head)),
            SplicePhase::Repeating(_) => Err(Diverged::Differs),
        }
    }

    fn compare_start(&mut self, head: String) -> Result<String, Diverged> {
        let known = self
            .sent_text
            .char_indices()
            .nth(COMPARED_CHARS)
            .map_or(self.sent_text.as_str(), |(end, _)| self.sent_text.get(..end).unwrap_or_default());
        if head.len() < known.len() && known.starts_with(&head) {
            self.phase = SplicePhase::Comparing(head);
            return Ok(String::new());
        }
        if !head.starts_with(known) {
            self.phase = SplicePhase::Continuing;
            return Ok(self.restore_space(&head));
        }
        if known.chars().count() < COMPARED_CHARS {
            return Err(Diverged::Ambiguous);
        }
        self.phase = SplicePhase::Repeating(0);
        self.skip_repeated(&head)
    }

    /// Drops the text that the client already has.
    fn skip_repeated(&mut self, text: &str) -> Result<String, Diverged> {
        let SplicePhase::Repeating(done) = &mut self.phase else { return Ok(text.to_owned()) };
        let left = self.sent_text.get(*done..).unwrap_or_default();
        if let Some(rest) = text.strip_prefix(left) {
            self.phase = SplicePhase::Continuing;
            self.trimmed_space.clear();
            return Ok(rest.to_owned());
        }
        if !left.starts_with(text) {
            return Err(Diverged::Differs);
        }
        *done += text.len();
        Ok(String::new())
    }

    /// Leading white space is dropped as far as it repeats what was trimmed, character by character.
    fn restore_space(&mut self, text: &str) -> String {
        let mut rest = text;
        while let (Some(trimmed), Some(first)) = (self.trimmed_space.chars().next(), rest.chars().next()) {
            if trimmed != first {
                self.trimmed_space.clear();
                break;
            }
            self.trimmed_space.drain(..trimmed.len_utf8());
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        rest.to_owned()
    }
}
