//! Standard error. Lines that are logged together are written together.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A batch larger than this is written before it is complete, in bytes.
const ENOUGH: usize = 64 * 1024;

/// The process has one standard error.
static LINES: Mutex<Lines<io::Stderr>> = Mutex::new(Lines::new(io::stderr));

/// Runs code whose log lines are written at once at its end.
pub fn batch_writes(tell: impl FnOnce()) {
    let _held = Held::new(&LINES);
    tell();
}

/// For the log, which writes a line at a time.
pub(super) const fn writer() -> Writer<io::Stderr> {
    Writer(&LINES)
}

/// Lines of all threads, in the order in which they were logged.
struct Lines<W: 'static> {
    /// Where they go.
    out: fn() -> W,
    /// What is held back.
    held: Vec<u8>,
    /// How many hold back.
    holding: usize,
}

impl<W: Write> Lines<W> {
    const fn new(out: fn() -> W) -> Self {
        Self { out, held: Vec::new(), holding: 0 }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.holding == 0 {
            return (self.out)().write_all(line);
        }
        self.held.extend_from_slice(line);
        if self.held.len() < ENOUGH { Ok(()) } else { self.release() }
    }

    fn release(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(()) } else { (self.out)().write_all(&held) }
    }
}

fn locked<W>(lines: &Mutex<Lines<W>>) -> MutexGuard<'_, Lines<W>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, lines are held back.
struct Held<W: Write + 'static>(&'static Mutex<Lines<W>>);

impl<W: Write> Held<W> {
    fn new(lines: &'static Mutex<Lines<W>>) -> Self {
        locked(lines).holding += 1;
        Self(lines)
    }
}

impl<W: Write> Drop for Held<W> {
    fn drop(&mut self) {
        let mut lines = locked(self.0);
        lines.holding -= 1;
        // If standard error is closed, the error cannot be reported anywhere.
        let _ = lines.release();
    }
}

/// Writes whole lines.
pub(super) struct Writer<W: 'static>(&'static Mutex<Lines<W>>);

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        locked(self.0).write(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WRITES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static OURS: Mutex<Lines<Writes>> = Mutex::new(Lines::new(|| Writes));

    /// Each write by itself.
    struct Writes;

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            WRITES.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_are_told_together_are_one_write_and_none_waits_longer() {
        let tell = |line: &str| Writer(&OURS).write_all(line.as_bytes()).unwrap();
        let written = || std::mem::take(&mut *WRITES.lock().unwrap());
        tell("1\n");
        assert_eq!(written(), ["1\n"]);
        let held = Held::new(&OURS);
        tell("2\n");
        tell("3\n");
        assert!(written().is_empty());
        drop(held);
        assert_eq!(written(), ["2\n3\n"]);
        let held = Held::new(&OURS);
        let much = "x".repeat(ENOUGH);
        tell(&much);
        assert_eq!(written(), [much]);
        let telling = std::panic::catch_unwind(|| {
            let _held = Held::new(&OURS);
            Writer(&OURS).write_all(b"4\n").unwrap();
            panic!("what tells fails");
        });
        assert!(telling.is_err() && written() == ["4\n"], "and nothing is lost");
        drop(held);
        assert!(written().is_empty());
    }
}
