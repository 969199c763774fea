//! The time inside a chunk: `@t=` and sixteen digits of nanoseconds, in the text of the answer, where every gateway must
//! leave it.

use memchr::memmem;

/// What stands before the digits.
pub const MARK: &[u8] = b"@t=";
/// How many there are: enough for three months of uptime.
pub const DIGITS: usize = 16;

/// A stamp without a time.
pub const EMPTY: &str = "@t=0000000000000000";

/// Writes a time over the digits that begin here.
pub fn write(digits: &mut [u8], mut time: u64) {
    for digit in digits.iter_mut().take(DIGITS).rev() {
        *digit = b'0' + (time % 10) as u8;
        time /= 10;
    }
}

/// The time of the stamp in this line; 0 is a stamp without a time.
#[must_use]
pub fn read(line: &[u8]) -> Option<u64> {
    let start = memmem::find(line, MARK)? + MARK.len();
    let digits = line.get(start..start + DIGITS)?;
    digits
        .iter()
        .try_fold(0_u64, |time, digit| digit.is_ascii_digit().then(|| time * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_round_trips() {
        let mut line = format!("data: {{\"content\":\" {EMPTY} word\"}}").into_bytes();
        let place = memmem::find(&line, MARK).expect("a stamp") + MARK.len();
        for time in [0, 7, 1_234_567_890_123, 9_999_999_999_999_999] {
            write(&mut line[place..], time);
            assert_eq!(read(&line), Some(time));
        }
        assert_eq!(read(b"data: [DONE]"), None);
        assert_eq!(read(b"@t=12345678"), None, "cut off");
    }
}
