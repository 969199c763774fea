//! A running row.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use tempfile::TempDir;

use crate::bodies;
use crate::case::Case;
use crate::clock;
use crate::load::{Connection, Target};
use crate::process::{Cores, Process, Usage, last_words};
use crate::row::{Launch, Place, Request, Row};
use crate::stats::median;
use crate::usage::Books;

const READY: Duration = Duration::from_secs(10);

/// Its footprint.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Footprint {
    /// From exec to the first 200, in milliseconds: the median, warm.
    pub start_ms: Option<f64>,
    /// Resident bytes after one response, of all its processes.
    pub idle: Option<u64>,
    /// The number of its processes.
    pub processes: Option<usize>,
    /// Bytes of the executable file, where it is one.
    pub binary: Option<u64>,
}

/// A gateway with its place; it runs from [`Contestant::start`] on.
pub struct Contestant {
    /// What it is.
    pub row: Box<dyn Row>,
    /// Its footprint.
    pub footprint: Footprint,
    mock: SocketAddr,
    cores: Cores,
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    process: Option<Process>,
    /// Resident bytes when it had given its first answer.
    fresh: u64,
    /// Declared after the process, which must end before its home directory is removed.
    home: TempDir,
}

impl Contestant {
    /// Checks whether it can run here.
    ///
    /// # Errors
    ///
    /// The reason if it cannot.
    pub fn new(row: Box<dyn Row>, mock: SocketAddr, cores: Cores) -> Result<Self, String> {
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        row.launch(&Place { home: home.path(), port: 9, mock })?;
        let binary = row.binary().and_then(|file| fs::metadata(file).ok()).map(|data| data.len());
        let footprint = Footprint { binary, ..Footprint::default() };
        Ok(Self { row, footprint, mock, cores, running: None })
    }

    /// Restarts it and waits for its first response. Returns the time in milliseconds.
    ///
    /// # Errors
    ///
    /// Why it does not respond.
    pub async fn start(&mut self) -> Result<f64, String> {
        self.stop();
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port().map_err(|error| error.to_string())?;
        let place = Place { home: home.path(), port, mock: self.mock };
        let launch = self.row.launch(&place)?;
        if launch.nothing {
            self.running = Some(Running { address: self.mock, process: None, fresh: 0, home });
            return Ok(0.0);
        }
        let begun = Instant::now();
        let mut process = Process::start(&launch, &place, self.cores).map_err(|error| error.to_string())?;
        let address = self
            .ready(&launch, place, &mut process)
            .await
            .map_err(|why| format!("{why}; its log ends: {}", last_words(place.home)))?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        let fresh = process.usage().rss;
        self.running = Some(Running { address, process: Some(process), fresh, home });
        Ok(took)
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it several times and leaves it running. Measures the start time and the memory after it.
    ///
    /// # Errors
    ///
    /// Why it does not respond.
    pub async fn weigh(&mut self, times: usize) -> Result<(), String> {
        // The first one warms the caches of the disk.
        let first = self.start().await?;
        if !self.is_process() {
            return Ok(());
        }
        // Slow gateways are not started eleven times.
        let times = times.min((20_000.0 / first) as usize).max(2);
        let mut took = Vec::new();
        for _ in 0..times {
            took.push(self.start().await?);
        }
        self.footprint.start_ms = Some(median(&took));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let usage = self.usage();
        self.footprint.idle = Some(usage.rss);
        self.footprint.processes = Some(usage.processes);
        Ok(())
    }

    /// The request of a case; `None` when it cannot do that, or does not run.
    #[must_use]
    pub fn target(&self, case: Case) -> Option<Target> {
        let (address, request) = self.request(case)?;
        Some(bodies::target(address, case, &request))
    }

    /// A request with a large body.
    #[must_use]
    pub fn large_target(&self) -> Option<Target> {
        let (address, request) = self.request(Case::Agent)?;
        Some(bodies::large(address, &request))
    }

    fn request(&self, case: Case) -> Option<(SocketAddr, Request)> {
        let Running { address, home, .. } = self.running.as_ref()?;
        let place = Place { home: home.path(), port: address.port(), mock: self.mock };
        Some((*address, self.row.request(case, &place)?))
    }

    /// Sends requests until it responds, and returns its address.
    async fn ready(
        &self,
        launch: &Launch,
        place: Place<'_>,
        process: &mut Process,
    ) -> Result<SocketAddr, String> {
        let within = if launch.ready_within.is_zero() { READY } else { launch.ready_within };
        let deadline = clock::now() + u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        let port = match &launch.port_file {
            Some(file) => chosen_port(&place.home.join(file), deadline, process).await?,
            None => place.port,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let request = self.row.request(Case::Small, &place).ok_or("it answers nothing")?;
        answers(&bodies::target(address, Case::Small, &request), deadline, process).await?;
        Ok(address)
    }

    /// Where it runs.
    #[must_use]
    pub const fn core(&self) -> usize {
        self.cores.gateway
    }

    /// Whether it is a process of its own.
    #[must_use]
    pub fn is_process(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.process.is_some())
    }

    /// What it uses now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.process().map(Process::usage).unwrap_or_default()
    }

    /// Resident bytes when it had given its first answer.
    #[must_use]
    pub fn fresh(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.fresh)
    }

    /// The counts of its usage database, once all writes are done; `None` if it has none.
    ///
    /// # Errors
    ///
    /// When it does not report them, or does not write.
    pub async fn books(&self) -> Result<Option<Books>, String> {
        match (&self.running, self.row.database()) {
            (Some(running), Some(counters)) => counters.settled(running.address).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Resets its peak memory.
    pub fn forget_peak(&self) {
        if let Some(process) = self.process() {
            process.forget_peak();
        }
    }

    fn process(&self) -> Option<&Process> {
        self.running.as_ref()?.process.as_ref()
    }
}

/// The port that it reports.
async fn chosen_port(file: &Path, deadline: u64, process: &mut Process) -> Result<u16, String> {
    loop {
        if let Some(port) = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) {
            return Ok(port);
        }
        pause("it does not say its port", deadline, process).await?;
    }
}

/// Sends requests until it responds.
async fn answers(target: &Target, deadline: u64, process: &mut Process) -> Result<(), String> {
    loop {
        let left = Duration::from_nanos(deadline.saturating_sub(clock::now()));
        let why = match Connection::open(target.address).await {
            Ok(mut connection) => match tokio::time::timeout(left, connection.ask(target)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(fault)) => fault,
                Err(_) => "it accepts and does not answer".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        pause(&why, deadline, process).await?;
    }
}

/// Waits briefly, unless it ended or its time is over.
async fn pause(why: &str, deadline: u64, process: &mut Process) -> Result<(), String> {
    if !process.runs() {
        return Err(format!("it ended ({why})"));
    }
    if clock::now() >= deadline {
        return Err(format!("not ready in time: {why}"));
    }
    // The kernel's timers are too coarse for a start of five milliseconds.
    let next = clock::now() + 100_000;
    while clock::now() < next {
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
