//! One run and its schedule.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Client, Ended};
use crate::faults;
use crate::measure::{Gauge, has_grown};
use crate::process::{self, Gateway, Place, Simulator};

/// Between two reloads, alternating signal and changed file.
const RELOAD: Duration = Duration::from_secs(5);
/// Streams of a round: enough to have each fault once.
const ROUND: u32 = faults::CYCLE;
/// Between two streams of a round.
const PACE: Duration = Duration::from_millis(20);
/// The memory kept by the allocator varies but is bounded; a leak is not.
const ROUNDS: usize = 10;

/// The one `kill -9`.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// Since the start.
    pub at: Duration,
    pub began: Instant,
    /// The next gateway serves.
    pub over: Instant,
}

pub struct Run {
    pub began: Instant,
    pub client: Arc<Client>,
    pub gauge: Gauge,
    /// The number of started streams.
    pub started: u32,
    pub ended: Vec<Ended>,
    pub reloads: u32,
    pub killed: Option<Kill>,
    pub place: Place,
    pub gateway: Gateway,
    upstream: Simulator,
    /// Sizes and complete responses.
    texts: Vec<(usize, String)>,
    streams: JoinSet<Ended>,
}

impl Run {
    pub async fn begin(binary: &Path) -> Self {
        let place = Place::new(binary);
        let upstream = process::simulator(&place).await;
        let client = Arc::new(Client::new(place.address(), &upstream.base));
        let texts = client.uncut().await;
        place.configure(&upstream.base, 0);
        let gateway = Gateway::start(&place).await;
        // The usage database is open then, which is the gateway's last step at startup.
        client.written(&texts[0]).await;
        client.order(&faults::pace()).await;
        Self {
            began: Instant::now(),
            gauge: Gauge::new(gateway.pid()),
            client,
            started: 0,
            ended: Vec::new(),
            reloads: 0,
            killed: None,
            place,
            gateway,
            upstream,
            texts,
            streams: JoinSet::new(),
        }
    }

    /// This many streams evenly over this time, reloads, and a kill in the middle.
    pub async fn over(&mut self, length: Duration, streams: u32) {
        let every = length / streams;
        let measure_every = (length / 60).max(Duration::from_secs(1));
        let (mut next_reload, mut next_measure) = (RELOAD, measure_every);
        for number in 0..streams {
            sleep_until(self.began + every * number).await;
            let now = self.began.elapsed();
            if self.killed.is_none() && now >= length / 2 {
                self.kill(now).await;
            }
            if now >= next_reload {
                self.reload();
                next_reload += RELOAD;
            }
            if now >= next_measure {
                self.gauge.sample(now);
                next_measure = now + measure_every;
            }
            self.stream().await;
        }
        self.drain().await;
    }

    /// Repeats rounds until one needs no more memory than the earlier ones. Returns the memory after each, in
    /// KiB.
    pub async fn rounds(&mut self) -> Vec<u64> {
        let mut rounds = Vec::new();
        while rounds.len() < ROUNDS && has_grown(&rounds) {
            self.reload();
            for _ in 0..ROUND {
                sleep(PACE).await;
                self.stream().await;
            }
            self.drain().await;
            self.client.idle().await;
            rounds.push(self.gauge.sample(self.began.elapsed()).memory);
        }
        rounds
    }

    /// The next stream, and its fault if it has one.
    async fn stream(&mut self) {
        let number = self.started;
        if let Some(fault) = faults::for_stream(number) {
            self.client.order(&fault).await;
        }
        let (client, text) = (self.client.clone(), self.texts[number as usize % self.texts.len()].clone());
        self.streams.spawn(async move { client.stream(number, &text).await });
        self.started += 1;
    }

    fn reload(&mut self) {
        self.reloads += 1;
        if self.reloads.is_multiple_of(2) {
            self.gateway.hang_up();
        } else {
            self.place.configure(&self.upstream.base, self.reloads);
        }
    }

    async fn kill(&mut self, at: Duration) {
        self.gauge.sample(at);
        let began = Instant::now();
        self.gateway.kill(&self.place).await;
        self.killed = Some(Kill { at, began, over: Instant::now() });
        self.gauge.follow(self.gateway.pid());
    }

    /// Waits until every stream is over.
    async fn drain(&mut self) {
        while let Some(stream) = self.streams.join_next().await {
            self.ended.push(stream.expect("a stream does not panic"));
        }
    }
}
