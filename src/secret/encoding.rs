//! Encodings of a secret value: base64, percent-encoding, JSON escapes.

/// A text with some encodings undone, and where each of its bytes is in the raw text.
pub(super) struct Layer {
    text: Vec<u8>,
    /// For each byte of `text` its offset in the raw text, and the length of the raw text at the end.
    origins: Vec<usize>,
}

/// What a decoder found at the beginning of a text.
enum Unit {
    /// An encoded ASCII character, and the length of its encoding.
    Encoded(u8, usize),
    /// A byte that is not encoded.
    Plain,
    /// An encoding that the end of the text cut.
    Cut,
}

impl Layer {
    /// The raw text.
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), origins: (0..=text.len()).collect() }
    }

    /// Adds the range in the raw text of each occurrence of `form`, as `extent` makes it of start and end.
    pub(super) fn find(
        &self,
        form: &[u8],
        extent: impl Fn(usize, usize) -> Option<(usize, usize)>,
        found: &mut Vec<(usize, usize)>,
    ) {
        let Some(first) = form.first() else { return };
        for (start, byte) in self.text.iter().enumerate() {
            if byte == first && self.text.get(start..).is_some_and(|rest| rest.starts_with(form)) {
                found.extend(extent(start, start + form.len()).and_then(|range| self.raw(range)));
            }
        }
    }

    /// Adds the range in the raw text of the beginning of `form`, of at least so many bytes, with which the text ends.
    pub(super) fn find_beginning_at_end(&self, form: &[u8], least: usize, found: &mut Vec<(usize, usize)>) {
        let end = self.text.len();
        let longest = (least..form.len().min(end + 1))
            .rev()
            .find(|length| form.get(..*length).is_some_and(|beginning| self.text.ends_with(beginning)));
        found.extend(longest.and_then(|length| self.raw((end - length, end))));
    }

    /// Whether the range is not a part of a longer word.
    pub(super) fn is_word(&self, start: usize, end: usize) -> bool {
        let is_of_word = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let before = start.checked_sub(1).and_then(|at| self.text.get(at));
        !is_of_word(before) && !is_of_word(self.text.get(end))
    }

    /// Where the base64 characters from `end` on end.
    pub(super) fn end_of_base64(&self, end: usize) -> usize {
        let is_base64 =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
        end + self.text.iter().skip(end).take_while(is_base64).count()
    }

    /// `None` where the text holds no percent-encoded ASCII character.
    pub(super) fn without_percent_encoding(&self) -> Option<Self> {
        self.decoded(|rest| match rest {
            [b'%', high, low, ..] => hex(&[*high, *low]).map_or(Unit::Plain, |byte| Unit::Encoded(byte, 3)),
            [b'%'] => Unit::Cut,
            [b'%', high] if high.is_ascii_hexdigit() => Unit::Cut,
            _ => Unit::Plain,
        })
    }

    /// `None` where the text holds no JSON escape of an ASCII character.
    pub(super) fn without_json_escapes(&self) -> Option<Self> {
        self.decoded(|rest| match rest {
            [b'\\', byte @ (b'"' | b'\\' | b'/'), ..] => Unit::Encoded(*byte, 2),
            [b'\\', b'u', digits @ ..] => match digits.get(..4) {
                Some(digits) => hex(digits).map_or(Unit::Plain, |byte| Unit::Encoded(byte, 6)),
                None if digits.iter().all(u8::is_ascii_hexdigit) => Unit::Cut,
                None => Unit::Plain,
            },
            [b'\\'] => Unit::Cut,
            _ => Unit::Plain,
        })
    }

    fn decoded(&self, unit: impl Fn(&[u8]) -> Unit) -> Option<Self> {
        let (mut text, mut origins) = (Vec::with_capacity(self.text.len()), Vec::new());
        let mut at = 0;
        while let Some(byte) = self.text.get(at) {
            let (byte, length) = match unit(self.text.get(at..).unwrap_or_default()) {
                Unit::Encoded(byte, length) => (byte, length),
                Unit::Plain => (*byte, 1),
                Unit::Cut => break,
            };
            text.push(byte);
            origins.extend(self.origins.get(at));
            at += length;
        }
        origins.extend(self.origins.last());
        (text.len() < self.text.len()).then_some(Self { text, origins })
    }

    fn raw(&self, (start, end): (usize, usize)) -> Option<(usize, usize)> {
        Some((*self.origins.get(start)?, *self.origins.get(end)?))
    }
}

/// The ASCII character with this hexadecimal number.
fn hex(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u8::try_from(u32::from_str_radix(digits, 16).ok()?).ok().filter(u8::is_ascii)
}

/// In the standard and the URL-safe alphabet (RFC 4648, 4 and 5), without padding.
pub(super) fn base64(bytes: &[u8]) -> [String; 2] {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let encoded = |last: [char; 2]| {
        let letter = |index: usize| {
            let letter = LETTERS.get(index).map(|letter| char::from(*letter));
            letter.or_else(|| last.get(index.checked_sub(LETTERS.len())?).copied())
        };
        let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let byte = |index: usize| usize::from(group.get(index).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            // A group of n bytes has n + 1 characters.
            let indices = [18, 12, 6, 0].into_iter().map(|shift| bits >> shift & 63).take(group.len() + 1);
            out.extend(indices.filter_map(letter));
        }
        out
    };
    [encoded(['+', '/']), encoded(['-', '_'])]
}
