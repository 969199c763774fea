use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{BATCH_DELAY, DatabaseError, MAX_BATCH, REOPEN_DELAY, RETRY_DELAY, UsageDatabase};
use crate::config::settings::UsageSettings;
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
use crate::usage::entry::UsageEntry;
use crate::usage::queue::QUEUE_CAPACITY;
use crate::usage::retention::{MAX_CLOCK_JUMP, PRUNE_INTERVAL};
use crate::usage::{DatabaseFuture, FLUSH_TIMEOUT, UsageHealth, UsageQuery, UsageRow, UsageStore};

/// A store that answers when the test permits it, with the result that the test sets.
struct Double {
    /// The length of each received batch, and the priority it is to be written with.
    came: mpsc::UnboundedSender<usize>,
    /// One permit an answer.
    answers: Semaphore,
    /// What to say; without it, that it is done.
    refusals: Mutex<VecDeque<&'static str>>,
    /// How long ago the newest entry was.
    age: Duration,
    /// How often pruning was requested, and how many of the first requests fail.
    prunes: (AtomicUsize, usize),
}

fn refused(problem: &str) -> DatabaseError {
    DatabaseError { location: "double".to_owned(), problem: problem.to_owned() }
}

impl UsageDatabase for Double {
    fn append<'a>(&'a self, batch: &'a [Arc<UsageEntry>]) -> DatabaseFuture<'a, ()> {
        Box::pin(async move {
            let _ = self.came.send(batch.len());
            self.answers.acquire().await.unwrap().forget();
            let refusal = self.refusals.lock().unwrap().pop_front();
            refusal.filter(|refusal| !refusal.is_empty()).map_or(Ok(()), |refusal| Err(refused(refusal)))
        })
    }

    fn prune(&self, _before: SystemTime) -> DatabaseFuture<'_, u64> {
        let (count, refuses) = &self.prunes;
        let is_refused = count.fetch_add(1, Ordering::SeqCst) < *refuses;
        Box::pin(async move { if is_refused { Err(refused("busy")) } else { Ok(0) } })
    }

    fn query<'a>(&'a self, _question: &'a UsageQuery) -> DatabaseFuture<'a, Vec<UsageRow>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn list_before(&self, _moment: SystemTime, _limit: usize) -> DatabaseFuture<'_, Vec<UsageEntry>> {
        let newest = UsageEntry {
            request_id: RequestId::from_time(SystemTime::now() - self.age),
            ..UsageEntry::from(record())
        };
        Box::pin(async { Ok(vec![newest]) })
    }

    fn find_request(&self, _id: RequestId) -> DatabaseFuture<'_, Option<UsageEntry>> {
        Box::pin(async { Ok(None) })
    }
}

/// A usage store backed by a test double.
struct Rig {
    store: UsageStore,
    double: Arc<Double>,
    came: mpsc::UnboundedReceiver<usize>,
    opened: Arc<AtomicUsize>,
    writer: JoinHandle<()>,
}

impl Rig {
    /// The first `closed` times it cannot be opened; it answers `answers` batches.
    fn new(closed: usize, answers: usize, refusals: &[&'static str]) -> Self {
        Self::with(closed, answers, refusals, Duration::ZERO, 0)
    }

    fn with(closed: usize, answers: usize, refusals: &[&'static str], age: Duration, busy: usize) -> Self {
        let (sender, came) = mpsc::unbounded_channel();
        let double = Arc::new(Double {
            came: sender,
            answers: Semaphore::new(answers),
            refusals: Mutex::new(refusals.iter().copied().collect()),
            age,
            prunes: (AtomicUsize::new(0), busy),
        });
        let opened = Arc::new(AtomicUsize::new(0));
        let (count, store) = (opened.clone(), double.clone());
        let open = move || match count.fetch_add(1, Ordering::SeqCst) {
            times if times < closed => Err(refused("cannot be opened")),
            _ => Ok(store.clone() as Arc<dyn UsageDatabase>),
        };
        let (usage, writer) = UsageStore::with_opener(UsageSettings::default(), Arc::new(open));
        Self { store: usage, double, came, opened, writer: tokio::spawn(writer.run()) }
    }

    fn note(&self, count: usize) {
        (0..count).for_each(|_| self.store.record(record()));
    }

    /// Until this is so; the paused clock runs meanwhile.
    async fn until(&self, is_so: impl Fn(&UsageHealth) -> bool) -> UsageHealth {
        let limit = Instant::now() + Duration::from_secs(3_600);
        loop {
            let health = self.store.health();
            if is_so(&health) {
                return health;
            }
            assert!(Instant::now() < limit, "{health:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn end(self) -> UsageHealth {
        self.store.close();
        self.writer.await.unwrap();
        self.store.health()
    }
}

fn record() -> Record {
    Record {
        client_disconnected: false,
        ..Record::new(RequestId::now(), "test".to_owned(), Api::ChatCompletions)
    }
}

#[tokio::test(start_paused = true)]
async fn entries_are_gathered_and_a_whole_batch_is_written_at_once() {
    let mut rig = Rig::new(0, 100, &[]);
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 1).await;
    let began = Instant::now();
    rig.note(3);
    assert_eq!(rig.came.recv().await, Some(3));
    assert!((BATCH_DELAY..BATCH_DELAY * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    let began = Instant::now();
    rig.note(2 * MAX_BATCH + 1);
    assert_eq!(rig.came.recv().await, Some(MAX_BATCH));
    assert_eq!(rig.came.recv().await, Some(MAX_BATCH));
    assert!(began.elapsed() < BATCH_DELAY, "{:?}", began.elapsed());
    assert_eq!(rig.came.recv().await, Some(1));
    let health = rig.end().await;
    assert_eq!(health, UsageHealth { written: 2 * MAX_BATCH as u64 + 4, ..UsageHealth::default() });
}

#[tokio::test(start_paused = true)]
async fn flush_writes_earlier_entries_without_waiting_for_a_batch() {
    let mut rig = Rig::new(0, 0, &[]);
    let began = Instant::now();
    rig.store.flush().await;
    rig.note(3);
    {
        let settled = rig.store.flush();
        tokio::pin!(settled);
        let came = tokio::select! {
            biased;
            () = &mut settled => panic!("it was not written"),
            came = rig.came.recv() => came,
        };
        assert_eq!(came, Some(3));
        rig.double.answers.add_permits(1);
        settled.await;
    }
    assert_eq!((rig.store.health().written, rig.store.health().queued), (3, 0));
    assert!(began.elapsed() < BATCH_DELAY, "{:?}", began.elapsed());
    rig.double.answers.add_permits(1_000);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn flush_is_bounded_and_does_not_wait_for_a_failed_or_missing_database() {
    let rig = Rig::new(0, 0, &[]);
    rig.note(1);
    let began = Instant::now();
    rig.store.flush().await;
    assert!((FLUSH_TIMEOUT..FLUSH_TIMEOUT * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    rig.double.answers.add_permits(1_000);
    rig.end().await;

    let rig = Rig::new(1, 100, &[]);
    rig.until(|health| health.last_error.is_some()).await;
    rig.note(1);
    let began = Instant::now();
    rig.store.flush().await;
    UsageStore::in_memory().flush().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn hanging_database_drops_only_what_exceeds_the_queue() {
    let mut rig = Rig::new(0, 0, &[]);
    rig.note(1);
    assert_eq!(rig.came.recv().await, Some(1));
    // Not one of these waits: the store does.
    rig.note(QUEUE_CAPACITY + 7);
    let health = rig.store.health();
    assert_eq!((health.queued, health.written, health.dropped), (QUEUE_CAPACITY as u64 + 1, 0, 7));
    rig.double.answers.add_permits(1_000);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!((health.written, health.dropped), (QUEUE_CAPACITY as u64 + 1, 7));
    rig.note(1);
    assert_eq!(rig.end().await.written, QUEUE_CAPACITY as u64 + 2, "it is flushed at the end");
}

#[tokio::test(start_paused = true)]
async fn rejected_batch_is_retried_once_and_then_counted() {
    let mut rig = Rig::new(0, 100, &["disk full", "", "disk full", "still full"]);
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 1).await;
    rig.note(2);
    assert_eq!(rig.came.recv().await, Some(2));
    let began = Instant::now();
    let trouble = rig.until(|health| health.last_error.is_some()).await.last_error.unwrap();
    assert_eq!(trouble, "usage database double: disk full");
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!(health, UsageHealth { written: 2, ..UsageHealth::default() });
    assert!((RETRY_DELAY..RETRY_DELAY * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    rig.note(5);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!((health.written, health.dropped), (2, 5));
    assert_eq!(health.last_error.as_deref(), Some("usage database double: still full"));
    rig.note(1);
    let health = rig.end().await;
    assert_eq!((health.written, health.dropped, health.last_error), (3, 5, None));
}

#[tokio::test(start_paused = true)]
async fn database_that_cannot_be_opened_is_retried_without_losing_entries() {
    let rig = Rig::new(3, 100, &[]);
    let trouble = rig.until(|health| health.last_error.is_some()).await.last_error.unwrap();
    assert!(trouble.contains("cannot be opened") && rig.store.database().is_none(), "{trouble}");
    rig.note(3);
    // A reload does not wait for the time to come.
    rig.store.apply_settings(UsageSettings::default());
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 2).await;
    let began = Instant::now();
    let health = rig.until(|health| health.queued == 0).await;
    assert!(began.elapsed() >= REOPEN_DELAY && rig.store.database().is_some());
    assert_eq!(health, UsageHealth { written: 3, ..UsageHealth::default() });
}

#[tokio::test(start_paused = true)]
async fn settings_apply_from_the_next_request_on() {
    let rig = Rig::new(0, 100, &[]);
    rig.until(|_| rig.store.database().is_some()).await;
    rig.note(2);
    rig.store.apply_settings(UsageSettings { is_enabled: false, ..UsageSettings::default() });
    rig.note(4);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!(
        health,
        UsageHealth { written: 2, ..UsageHealth::default() },
        "what was taken before is written"
    );
    rig.until(|_| rig.store.database().is_none()).await;
    assert_eq!(rig.store.recent().len(), 6, "the last ones are in memory");
    rig.store.apply_settings(UsageSettings::default());
    rig.note(1);
    assert_eq!(rig.end().await, UsageHealth { written: 3, ..UsageHealth::default() });
}

#[tokio::test(start_paused = true)]
async fn old_entries_are_removed_at_once_or_an_hour_after_a_clock_gap() {
    for (age, at_once) in [(MAX_CLOCK_JUMP / 2, 1), (MAX_CLOCK_JUMP * 2, 0)] {
        let rig = Rig::with(0, 100, &[], age, 0);
        rig.until(|_| rig.store.database().is_some()).await;
        tokio::time::sleep(PRUNE_INTERVAL / 2).await;
        // A reload is another look, and no reason to believe it.
        rig.store.apply_settings(UsageSettings::default());
        tokio::time::sleep(PRUNE_INTERVAL / 4).await;
        let prunes = || rig.double.prunes.0.load(Ordering::SeqCst);
        assert!((at_once..=at_once * 3).contains(&prunes()), "{age:?}: {}", prunes());
        tokio::time::sleep(PRUNE_INTERVAL).await;
        assert!(prunes() > at_once, "{age:?}: {}", prunes());
    }
}

#[tokio::test(start_paused = true)]
async fn failed_removal_is_reported_until_it_succeeds() {
    let rig = Rig::with(0, 100, &[], Duration::ZERO, 2);
    rig.until(|health| health.last_error.as_deref() == Some("usage database double: busy")).await;
    let began = Instant::now();
    rig.until(|health| health.last_error.is_none()).await;
    assert!(began.elapsed() < PRUNE_INTERVAL, "{:?}", began.elapsed());
    assert_eq!(rig.double.prunes.0.load(Ordering::SeqCst), 3);
}
