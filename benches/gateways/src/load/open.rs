//! Open loop: requests on a fixed schedule, whether earlier ones were answered or not. Latency counts from when
//! a request was due, so a gateway that falls behind is detected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Connection, Samples, Shared, Target, ask};
use crate::clock;

/// When requests are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Nanoseconds from one to the next.
    pub interval: u64,
    /// Requests before those that count.
    pub warm: u64,
    /// Requests that count.
    pub count: u64,
}

impl Schedule {
    /// So many a second for so long, after a fifth of that to warm up.
    #[must_use]
    pub fn new(rate: f64, time: Duration) -> Self {
        let count = (rate * time.as_secs_f64()).ceil().max(1.0) as u64;
        Self { interval: (1e9 / rate) as u64, warm: count.div_ceil(5), count }
    }

    /// When a request is due, counted from the first.
    #[must_use]
    pub const fn due(&self, index: u64) -> u64 {
        index * self.interval
    }
}

/// Nanoseconds after the last request was due until what is not answered counts as wrong.
const PATIENCE: u64 = 30_000_000_000;

/// Connections that wait for their next request; the one that was used last is used next.
type Idle = Arc<Mutex<Vec<Connection>>>;

/// Sends requests on schedule and waits for all responses. `begun` is called when the first counted request is
/// due.
///
/// It busy-waits on the clock, so that kernel timers and a sleeping core do not add to the result.
pub async fn open(target: &Target, schedule: Schedule, begun: impl FnOnce()) -> Samples {
    let shared = Shared::default();
    let (warmed, mut begun) = (Shared::default(), Some(begun));
    let idle = Idle::default();
    let mut tasks = Vec::new();
    let start = clock::now() + schedule.interval;
    for index in 0..schedule.warm + schedule.count {
        let due = start + schedule.due(index);
        until(due).await;
        if index == schedule.warm
            && let Some(begun) = begun.take()
        {
            begun();
        }
        let into = if index < schedule.warm { &warmed } else { &shared }.clone();
        let (target, idle) = (target.clone(), Arc::clone(&idle));
        tasks.push(tokio::spawn(async move { into.add(due, one(&target, &idle).await) }));
    }
    let deadline = clock::now() + PATIENCE;
    for task in tasks {
        while !task.is_finished() && clock::now() < deadline {
            tokio::task::yield_now().await;
        }
        task.abort();
    }
    let mut samples = shared.take();
    samples.missing(schedule.count);
    samples.uncounted = warmed.take().right;
    samples.elapsed = clock::now() - (start + schedule.due(schedule.warm));
    samples
}

pub(super) async fn until(due: u64) {
    while clock::now() < due {
        tokio::task::yield_now().await;
    }
}

async fn one(target: &Target, idle: &Idle) -> Result<super::Reply, String> {
    let mut kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let reply = ask(target, &mut kept).await;
    idle.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_does_not_drift() {
        let schedule = Schedule::new(500.0, Duration::from_secs(2));
        assert_eq!((schedule.count, schedule.warm), (1000, 200));
        assert_eq!(schedule.due(0), 0);
        assert_eq!(schedule.due(500), 1_000_000_000);
    }

    /// A server that pauses for 50 ms once delays the requests that were due meanwhile.
    #[tokio::test]
    async fn server_that_falls_behind_is_detected() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut served = 0;
            loop {
                let (mut socket, _) = listener.accept().await.expect("a client");
                served += 1;
                if served == 3 {
                    // It blocks all requests, as a busy core does.
                    let end = clock::now() + 50_000_000;
                    while clock::now() < end {
                        std::hint::spin_loop();
                    }
                }
                let mut buffer = [0; 1024];
                let _ = socket.read(&mut buffer).await;
                let body = crate::mock::ANSWER;
                let text = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = socket.write_all(text.as_bytes()).await;
            }
        });
        let target = Target { address, request: (*b"GET / HTTP/1.1\r\n\r\n").into(), chunks: None };
        let schedule = Schedule { interval: 10_000_000, warm: 0, count: 6 };
        let samples = open(&target, schedule, || ()).await;
        assert_eq!((samples.right, samples.wrong), (6, 0), "{:?}", samples.fault);
        let late = samples.whole.iter().filter(|latency| **latency > 5_000_000).count();
        assert!(late >= 4, "those that were due in the 50 ms waited: {:?}", samples.whole);
    }
}
