use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::retention::{MAX_CLOCK_JUMP, PRUNE_INTERVAL};
use super::{BATCH_DELAY, DatabaseError, MAX_BATCH, REOPEN_DELAY, RETRY_DELAY, UsageDatabase, WritePriority};
use crate::config::settings::UsageSettings;
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
use crate::usage::entry::UsageEntry;
use crate::usage::queue::QUEUE_CAPACITY;
use crate::usage::{DatabaseFuture, FLUSH_TIMEOUT, UsageHealth, UsageQuery, UsageRow, UsageStore};

/// A store that answers when the test permits it, with the result that the test sets.
struct Double {
    /// The length of each received batch, and the priority it is to be written with.
    came: mpsc::UnboundedSender<(usize, WritePriority)>,
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
    fn append<'a>(&'a self, batch: &'a [Arc<UsageEntry>], pace: WritePriority) -> DatabaseFuture<'a, ()> {
        Box::pin(async move {
            let _ = self.came.send((batch.len(), pace));
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
    ledger: UsageStore,
    double: Arc<Double>,
    came: mpsc::UnboundedReceiver<(usize, WritePriority)>,
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
        let (ledger, writer) = UsageStore::with_opener(UsageSettings::default(), Arc::new(open));
        Self { ledger, double, came, opened, writer: tokio::spawn(writer.run()) }
    }

    fn note(&self, count: usize) {
        (0..count).for_each(|_| self.ledger.record(record()));
    }

    /// Until this is so; the paused clock runs meanwhile.
    async fn until(&self, is_so: impl Fn(&UsageHealth) -> bool) -> UsageHealth {
        let limit = Instant::now() + Duration::from_secs(3_600);
        loop {
            let health = self.ledger.health();
            if is_so(&health) {
                return health;
            }
            assert!(Instant::now() < limit, "{health:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn end(self) -> UsageHealth {
        self.ledger.close();
        self.writer.await.unwrap();
        self.ledger.health()
    }
}

fn record() -> Record {
    Record {
        client_disconnected: false,
        ..Record::new(RequestId::now(), "test".to_owned(), Api::ChatCompletions)
    }
}

#[tokio::test(start_paused = true)]
async fn entries_are_gathered_and_a_whole_batch_or_one_that_came_together_waits_for_nothing() {
    let mut rig = Rig::new(0, 100, &[]);
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 1).await;
    let began = Instant::now();
    rig.note(3);
    assert_eq!(rig.came.recv().await, Some((3, WritePriority::Background)));
    assert!((BATCH_DELAY..BATCH_DELAY * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    let began = Instant::now();
    rig.note(4);
    rig.ledger.request_flush();
    assert_eq!(rig.came.recv().await, Some((4, WritePriority::Background)));
    rig.note(2 * MAX_BATCH + 1);
    // Another batch waits behind the first.
    assert_eq!(rig.came.recv().await, Some((MAX_BATCH, WritePriority::Urgent)));
    assert_eq!(rig.came.recv().await, Some((MAX_BATCH, WritePriority::Background)));
    assert!(began.elapsed() < BATCH_DELAY, "{:?}", began.elapsed());
    assert_eq!(rig.came.recv().await, Some((1, WritePriority::Background)));
    let health = rig.end().await;
    assert_eq!(health, UsageHealth { written: 2 * MAX_BATCH as u64 + 8, ..UsageHealth::default() });
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_the_store_gets_what_was_noted_before_and_need_not_wait_for_a_batch() {
    let mut rig = Rig::new(0, 0, &[]);
    let began = Instant::now();
    rig.ledger.flush().await;
    rig.note(3);
    {
        let settled = rig.ledger.flush();
        tokio::pin!(settled);
        let came = tokio::select! {
            biased;
            () = &mut settled => panic!("it was not written"),
            came = rig.came.recv() => came,
        };
        assert_eq!(came, Some((3, WritePriority::Background)));
        rig.double.answers.add_permits(1);
        settled.await;
    }
    assert_eq!((rig.ledger.health().written, rig.ledger.health().queued), (3, 0));
    assert!(began.elapsed() < BATCH_DELAY, "{:?}", began.elapsed());
    rig.double.answers.add_permits(1_000);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_store_that_hangs_or_at_all_for_one_in_trouble_or_for_none() {
    let rig = Rig::new(0, 0, &[]);
    rig.note(1);
    let began = Instant::now();
    rig.ledger.flush().await;
    assert!((FLUSH_TIMEOUT..FLUSH_TIMEOUT * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    rig.double.answers.add_permits(1_000);
    rig.end().await;

    let rig = Rig::new(1, 100, &[]);
    rig.until(|health| health.last_error.is_some()).await;
    rig.note(1);
    let began = Instant::now();
    rig.ledger.flush().await;
    UsageStore::in_memory().flush().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_what_does_not_fit_and_holds_nobody_up() {
    let mut rig = Rig::new(0, 0, &[]);
    rig.note(1);
    assert_eq!(rig.came.recv().await, Some((1, WritePriority::Background)));
    // Not one of these waits: the store does.
    rig.note(QUEUE_CAPACITY + 7);
    let health = rig.ledger.health();
    assert_eq!((health.queued, health.written, health.dropped), (QUEUE_CAPACITY as u64 + 1, 0, 7));
    rig.double.answers.add_permits(1_000);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!((health.written, health.dropped), (QUEUE_CAPACITY as u64 + 1, 7));
    rig.note(1);
    assert_eq!(rig.end().await.written, QUEUE_CAPACITY as u64 + 2, "it is flushed at the end");
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_has_a_second_chance_and_is_counted_then() {
    let mut rig = Rig::new(0, 100, &["disk full", "", "disk full", "still full"]);
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 1).await;
    rig.note(2);
    assert_eq!(rig.came.recv().await, Some((2, WritePriority::Background)));
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
async fn a_second_chance_is_in_haste_where_a_batch_has_come_meanwhile() {
    let mut rig = Rig::new(0, 100, &["disk full"]);
    rig.note(1);
    assert_eq!(rig.came.recv().await, Some((1, WritePriority::Background)));
    rig.until(|health| health.last_error.is_some()).await;
    rig.note(MAX_BATCH);
    assert_eq!(rig.came.recv().await, Some((1, WritePriority::Urgent)));
    assert_eq!(rig.came.recv().await, Some((MAX_BATCH, WritePriority::Background)));
    assert_eq!(rig.end().await.written, MAX_BATCH as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_opened_is_tried_again_and_nothing_is_lost_meanwhile() {
    let rig = Rig::new(3, 100, &[]);
    let trouble = rig.until(|health| health.last_error.is_some()).await.last_error.unwrap();
    assert!(trouble.contains("cannot be opened") && rig.ledger.database().is_none(), "{trouble}");
    rig.note(3);
    // A reload does not wait for the time to come.
    rig.ledger.apply_settings(UsageSettings::default());
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 2).await;
    let began = Instant::now();
    let health = rig.until(|health| health.queued == 0).await;
    assert!(began.elapsed() >= REOPEN_DELAY && rig.ledger.database().is_some());
    assert_eq!(health, UsageHealth { written: 3, ..UsageHealth::default() });
}

#[tokio::test(start_paused = true)]
async fn settings_count_from_the_next_request_on() {
    let rig = Rig::new(0, 100, &[]);
    rig.until(|_| rig.ledger.database().is_some()).await;
    rig.note(2);
    rig.ledger.apply_settings(UsageSettings { is_enabled: false, ..UsageSettings::default() });
    rig.note(4);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!(
        health,
        UsageHealth { written: 2, ..UsageHealth::default() },
        "what was taken before is written"
    );
    rig.until(|_| rig.ledger.database().is_none()).await;
    assert_eq!(rig.ledger.recent().len(), 6, "the last ones are in memory");
    rig.ledger.apply_settings(UsageSettings::default());
    rig.note(1);
    assert_eq!(rig.end().await, UsageHealth { written: 3, ..UsageHealth::default() });
}

#[tokio::test(start_paused = true)]
async fn old_entries_go_at_once_and_behind_a_gap_when_the_clock_has_gone_on_for_a_while() {
    for (age, at_once) in [(MAX_CLOCK_JUMP / 2, 1), (MAX_CLOCK_JUMP * 2, 0)] {
        let rig = Rig::with(0, 100, &[], age, 0);
        rig.until(|_| rig.ledger.database().is_some()).await;
        tokio::time::sleep(PRUNE_INTERVAL / 2).await;
        // A reload is another look, and no reason to believe it.
        rig.ledger.apply_settings(UsageSettings::default());
        tokio::time::sleep(PRUNE_INTERVAL / 4).await;
        let prunes = || rig.double.prunes.0.load(Ordering::SeqCst);
        assert!((at_once..=at_once * 3).contains(&prunes()), "{age:?}: {}", prunes());
        tokio::time::sleep(PRUNE_INTERVAL).await;
        assert!(prunes() > at_once, "{age:?}: {}", prunes());
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_forgotten_is_trouble_until_it_can() {
    let rig = Rig::with(0, 100, &[], Duration::ZERO, 2);
    rig.until(|health| health.last_error.as_deref() == Some("usage database double: busy")).await;
    let began = Instant::now();
    rig.until(|health| health.last_error.is_none()).await;
    assert!(began.elapsed() < PRUNE_INTERVAL, "{:?}", began.elapsed());
    assert_eq!(rig.double.prunes.0.load(Ordering::SeqCst), 3);
}
