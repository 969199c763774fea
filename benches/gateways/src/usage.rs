//! The usage database of a row: responses that it did not record count as wrong.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::load::Samples;
use crate::row::CLIENT_KEY;

/// The time limit until everything is written.
const WITHIN: Duration = Duration::from_secs(10);
/// The polling interval.
const LOOK: Duration = Duration::from_millis(20);

/// The metric names in `/metrics`.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Entries that wait to be written.
    pub waiting: &'static str,
    /// Entries that are.
    pub written: &'static str,
    /// Entries that never will be.
    pub lost: &'static str,
}

/// The counts, once no entry is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    written: u64,
    lost: u64,
}

impl Counters {
    /// Polls until no entry is pending.
    ///
    /// # Errors
    ///
    /// When it does not report, or does not write.
    pub async fn settled(&self, address: SocketAddr) -> Result<Books, String> {
        let settled = timeout(WITHIN, async {
            loop {
                let text = metrics(address).await.map_err(|error| format!("/metrics: {error}"))?;
                let value = |name: &str| {
                    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
                    value.ok_or_else(|| format!("/metrics does not tell {name}"))
                };
                if value(self.waiting)? == 0 {
                    return Ok(Books { written: value(self.written)?, lost: value(self.lost)? });
                }
                sleep(LOOK).await;
            }
        });
        settled
            .await
            .map_err(|_| "its usage database is not written, or /metrics does not answer".to_owned())?
    }
}

/// Counts correct responses without a record as wrong.
pub fn audit(
    samples: &mut Samples,
    before: Result<Option<Books>, String>,
    after: Result<Option<Books>, String>,
) {
    let fault = match (before, after) {
        (Ok(Some(before)), Ok(Some(after))) => {
            let written = after.written.saturating_sub(before.written);
            let unwritten = (samples.right + samples.uncounted).saturating_sub(written);
            // The lost records may belong to wrong responses.
            let missing = unwritten.max(after.lost.saturating_sub(before.lost));
            if missing == 0 {
                return;
            }
            samples.wrong += missing;
            samples.right = samples.right.saturating_sub(missing);
            format!("{missing} requests are not in its usage database")
        }
        (Ok(_), Ok(_)) => return,
        (Err(why), _) | (_, Err(why)) => {
            samples.wrong += 1;
            why
        }
    };
    samples.fault.get_or_insert(fault);
}

/// What it answers there, head included.
async fn metrics(address: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let head = format!(
        "GET /metrics HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {CLIENT_KEY}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrecorded_response_counts_as_wrong() {
        let books = |written, lost| Ok(Some(Books { written, lost }));
        let audited = |after| {
            let mut samples = Samples { right: 10, uncounted: 3, ..Samples::default() };
            audit(&mut samples, books(5, 2), after);
            (samples.right, samples.wrong, samples.fault.is_some())
        };
        assert_eq!(audited(books(18, 2)), (10, 0, false));
        assert_eq!(audited(books(40, 2)), (10, 0, false), "wrong answers are there, too");
        assert_eq!(audited(books(15, 2)), (7, 3, true), "it says nothing of them");
        assert_eq!(audited(books(18, 6)), (6, 4, true), "it says so");
        assert_eq!(audited(books(5, 30)), (0, 28, true));
        assert_eq!(audited(Err("why".to_owned())), (10, 1, true));
        assert_eq!(audited(Ok(None)), (10, 0, false));
    }
}
