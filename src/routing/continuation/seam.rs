//! Where the rest of an answer begins: white space that was trimmed for the request comes back once, and an answer that
//! begins anew is noticed.

/// So many characters tell an answer that begins anew from one that goes on.
pub(super) const HEAD: usize = 64;

/// The second stream did not go on with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Astray {
    /// It began anew, and then said something else.
    Differs,
    /// It began with all that had been said, which was too little to tell whether it began anew.
    Unclear,
}

/// Text of the second stream on its way to the client.
#[derive(Debug)]
pub(super) struct Seam {
    /// What the client has.
    answer: String,
    /// What was trimmed of its end and has not come again.
    trimmed: String,
    at: At,
}

#[derive(Debug)]
enum At {
    /// What came equals the answer's beginning so far, and is held back.
    Head(String),
    /// The answer began anew: so many bytes of it have come again.
    Again(usize),
    /// It goes on.
    Open,
}

impl Seam {
    /// For an answer of which the client has this text.
    pub(super) fn new(answer: String) -> Self {
        let said = answer.trim_end().len();
        let trimmed = answer.get(said..).unwrap_or_default().to_owned();
        // Where nothing was said there is nothing to begin anew.
        let at = if said == 0 { At::Open } else { At::Head(String::new()) };
        Self { answer, trimmed, at }
    }

    /// Takes text; gives what the client gets of it.
    pub(super) fn push(&mut self, text: &str) -> Result<String, Astray> {
        match &mut self.at {
            At::Open => Ok(self.rejoin(text)),
            At::Again(_) => self.skip(text),
            At::Head(head) => {
                head.push_str(text);
                let head = std::mem::take(head);
                self.judge(head)
            }
        }
    }

    /// No more text comes. Gives what was held back.
    pub(super) fn end(&mut self) -> Result<String, Astray> {
        match std::mem::replace(&mut self.at, At::Open) {
            At::Open => Ok(String::new()),
            At::Head(head) => Ok(self.rejoin(&head)),
            At::Again(_) => Err(Astray::Differs),
        }
    }

    fn judge(&mut self, head: String) -> Result<String, Astray> {
        let known = self
            .answer
            .char_indices()
            .nth(HEAD)
            .map_or(self.answer.as_str(), |(end, _)| self.answer.get(..end).unwrap_or_default());
        if head.len() < known.len() && known.starts_with(&head) {
            self.at = At::Head(head);
            return Ok(String::new());
        }
        if !head.starts_with(known) {
            self.at = At::Open;
            return Ok(self.rejoin(&head));
        }
        if known.chars().count() < HEAD {
            return Err(Astray::Unclear);
        }
        self.at = At::Again(0);
        self.skip(&head)
    }

    /// Drops what the client has already.
    fn skip(&mut self, text: &str) -> Result<String, Astray> {
        let At::Again(done) = &mut self.at else { return Ok(text.to_owned()) };
        let left = self.answer.get(*done..).unwrap_or_default();
        if let Some(rest) = text.strip_prefix(left) {
            self.at = At::Open;
            self.trimmed.clear();
            return Ok(rest.to_owned());
        }
        if !left.starts_with(text) {
            return Err(Astray::Differs);
        }
        *done += text.len();
        Ok(String::new())
    }

    /// White space at the beginning goes as far as it repeats what was trimmed, character by character.
    fn rejoin(&mut self, text: &str) -> String {
        let mut rest = text;
        while let (Some(trimmed), Some(first)) = (self.trimmed.chars().next(), rest.chars().next()) {
            if trimmed != first {
                self.trimmed.clear();
                break;
            }
            self.trimmed.drain(..trimmed.len_utf8());
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        rest.to_owned()
    }
}
