use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::retention::{EVERY, LEAP};
use super::{AGAIN, BATCH, GATHER, Pace, REOPEN, Store, StoreError};
use crate::config::settings::Usage;
use crate::protocol::face::Face;
use crate::record::{Record, RequestId};
use crate::usage::entry::Entry;
use crate::usage::queue::WAITING;
use crate::usage::{Health, Ledger, Pending, Question, SETTLED, Sum};

/// A store that answers when it is let, and as it is told.
struct Double {
    /// The length of each batch that came, and how it shall be written.
    came: mpsc::UnboundedSender<(usize, Pace)>,
    /// One permit an answer.
    answers: Semaphore,
    /// What to say; without it, that it is done.
    refusals: Mutex<VecDeque<&'static str>>,
    /// How long ago the newest entry was.
    age: Duration,
    /// How often it was asked to forget, and how many of the first times it refuses that.
    prunes: (AtomicUsize, usize),
}

fn refused(problem: &str) -> StoreError {
    StoreError { place: "double".to_owned(), problem: problem.to_owned() }
}

impl Store for Double {
    fn append<'a>(&'a self, batch: &'a [Arc<Entry>], pace: Pace) -> Pending<'a, ()> {
        Box::pin(async move {
            let _ = self.came.send((batch.len(), pace));
            self.answers.acquire().await.unwrap().forget();
            let refusal = self.refusals.lock().unwrap().pop_front();
            refusal.filter(|refusal| !refusal.is_empty()).map_or(Ok(()), |refusal| Err(refused(refusal)))
        })
    }

    fn prune(&self, _before: SystemTime) -> Pending<'_, u64> {
        let (count, refuses) = &self.prunes;
        let is_refused = count.fetch_add(1, Ordering::SeqCst) < *refuses;
        Box::pin(async move { if is_refused { Err(refused("busy")) } else { Ok(0) } })
    }

    fn sums<'a>(&'a self, _question: &'a Question) -> Pending<'a, Vec<Sum>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn before(&self, _moment: SystemTime, _limit: usize) -> Pending<'_, Vec<Entry>> {
        let newest =
            Entry { request_id: RequestId::first(SystemTime::now() - self.age), ..Entry::from(record()) };
        Box::pin(async { Ok(vec![newest]) })
    }

    fn request(&self, _id: RequestId) -> Pending<'_, Option<Entry>> {
        Box::pin(async { Ok(None) })
    }
}

/// A ledger with a double behind it.
struct Rig {
    ledger: Ledger,
    double: Arc<Double>,
    came: mpsc::UnboundedReceiver<(usize, Pace)>,
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
            _ => Ok(store.clone() as Arc<dyn Store>),
        };
        let (ledger, writer) = Ledger::kept_in(Usage::default(), Arc::new(open));
        Self { ledger, double, came, opened, writer: tokio::spawn(writer.run()) }
    }

    fn note(&self, count: usize) {
        (0..count).for_each(|_| self.ledger.note(record()));
    }

    /// Until this is so; the paused clock runs meanwhile.
    async fn until(&self, is_so: impl Fn(&Health) -> bool) -> Health {
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

    async fn end(self) -> Health {
        self.ledger.end();
        self.writer.await.unwrap();
        self.ledger.health()
    }
}

fn record() -> Record {
    Record { abandoned: false, ..Record::begun(RequestId::now(), "test".to_owned(), Face::Chat) }
}

#[tokio::test(start_paused = true)]
async fn entries_are_gathered_and_a_whole_batch_or_one_that_came_together_waits_for_nothing() {
    let mut rig = Rig::new(0, 100, &[]);
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 1).await;
    let began = Instant::now();
    rig.note(3);
    assert_eq!(rig.came.recv().await, Some((3, Pace::GivesWay)));
    assert!((GATHER..GATHER * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    let began = Instant::now();
    rig.note(4);
    rig.ledger.hurry();
    assert_eq!(rig.came.recv().await, Some((4, Pace::GivesWay)));
    rig.note(2 * BATCH + 1);
    // Another batch waits behind the first.
    assert_eq!(rig.came.recv().await, Some((BATCH, Pace::InHaste)));
    assert_eq!(rig.came.recv().await, Some((BATCH, Pace::GivesWay)));
    assert!(began.elapsed() < GATHER, "{:?}", began.elapsed());
    assert_eq!(rig.came.recv().await, Some((1, Pace::GivesWay)));
    let health = rig.end().await;
    assert_eq!(health, Health { written: 2 * BATCH as u64 + 8, ..Health::default() });
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_the_store_gets_what_was_noted_before_and_need_not_wait_for_a_batch() {
    let mut rig = Rig::new(0, 0, &[]);
    let began = Instant::now();
    rig.ledger.settled().await;
    rig.note(3);
    {
        let settled = rig.ledger.settled();
        tokio::pin!(settled);
        let came = tokio::select! {
            biased;
            () = &mut settled => panic!("it was not written"),
            came = rig.came.recv() => came,
        };
        assert_eq!(came, Some((3, Pace::GivesWay)));
        rig.double.answers.add_permits(1);
        settled.await;
    }
    assert_eq!((rig.ledger.health().written, rig.ledger.health().queued), (3, 0));
    assert!(began.elapsed() < GATHER, "{:?}", began.elapsed());
    rig.double.answers.add_permits(1_000);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_store_that_hangs_or_at_all_for_one_in_trouble_or_for_none() {
    let rig = Rig::new(0, 0, &[]);
    rig.note(1);
    let began = Instant::now();
    rig.ledger.settled().await;
    assert!((SETTLED..SETTLED * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    rig.double.answers.add_permits(1_000);
    rig.end().await;

    let rig = Rig::new(1, 100, &[]);
    rig.until(|health| health.trouble.is_some()).await;
    rig.note(1);
    let began = Instant::now();
    rig.ledger.settled().await;
    Ledger::forgetful().settled().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_what_does_not_fit_and_holds_nobody_up() {
    let mut rig = Rig::new(0, 0, &[]);
    rig.note(1);
    assert_eq!(rig.came.recv().await, Some((1, Pace::GivesWay)));
    // Not one of these waits: the store does.
    rig.note(WAITING + 7);
    let health = rig.ledger.health();
    assert_eq!((health.queued, health.written, health.dropped), (WAITING as u64 + 1, 0, 7));
    rig.double.answers.add_permits(1_000);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!((health.written, health.dropped), (WAITING as u64 + 1, 7));
    rig.note(1);
    assert_eq!(rig.end().await.written, WAITING as u64 + 2, "it is flushed at the end");
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_has_a_second_chance_and_is_counted_then() {
    let mut rig = Rig::new(0, 100, &["disk full", "", "disk full", "still full"]);
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 1).await;
    rig.note(2);
    assert_eq!(rig.came.recv().await, Some((2, Pace::GivesWay)));
    let began = Instant::now();
    let trouble = rig.until(|health| health.trouble.is_some()).await.trouble.unwrap();
    assert_eq!(trouble, "the ledger double: disk full");
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!(health, Health { written: 2, ..Health::default() });
    assert!((AGAIN..AGAIN * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    rig.note(5);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!((health.written, health.dropped), (2, 5));
    assert_eq!(health.trouble.as_deref(), Some("the ledger double: still full"));
    rig.note(1);
    let health = rig.end().await;
    assert_eq!((health.written, health.dropped, health.trouble), (3, 5, None));
}

#[tokio::test(start_paused = true)]
async fn a_second_chance_is_in_haste_where_a_batch_has_come_meanwhile() {
    let mut rig = Rig::new(0, 100, &["disk full"]);
    rig.note(1);
    assert_eq!(rig.came.recv().await, Some((1, Pace::GivesWay)));
    rig.until(|health| health.trouble.is_some()).await;
    rig.note(BATCH);
    assert_eq!(rig.came.recv().await, Some((1, Pace::InHaste)));
    assert_eq!(rig.came.recv().await, Some((BATCH, Pace::GivesWay)));
    assert_eq!(rig.end().await.written, BATCH as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_opened_is_tried_again_and_nothing_is_lost_meanwhile() {
    let rig = Rig::new(3, 100, &[]);
    let trouble = rig.until(|health| health.trouble.is_some()).await.trouble.unwrap();
    assert!(trouble.contains("cannot be opened") && rig.ledger.store().is_none(), "{trouble}");
    rig.note(3);
    // A reload does not wait for the time to come.
    rig.ledger.settle(Usage::default());
    rig.until(|_| rig.opened.load(Ordering::SeqCst) == 2).await;
    let began = Instant::now();
    let health = rig.until(|health| health.queued == 0).await;
    assert!(began.elapsed() >= REOPEN && rig.ledger.store().is_some());
    assert_eq!(health, Health { written: 3, ..Health::default() });
}

#[tokio::test(start_paused = true)]
async fn settings_count_from_the_next_request_on() {
    let rig = Rig::new(0, 100, &[]);
    rig.until(|_| rig.ledger.store().is_some()).await;
    rig.note(2);
    rig.ledger.settle(Usage { kept: false, ..Usage::default() });
    rig.note(4);
    let health = rig.until(|health| health.queued == 0).await;
    assert_eq!(health, Health { written: 2, ..Health::default() }, "what was taken before is written");
    rig.until(|_| rig.ledger.store().is_none()).await;
    assert_eq!(rig.ledger.recent().len(), 6, "the last ones are in memory");
    rig.ledger.settle(Usage::default());
    rig.note(1);
    assert_eq!(rig.end().await, Health { written: 3, ..Health::default() });
}

#[tokio::test(start_paused = true)]
async fn old_entries_go_at_once_and_behind_a_gap_when_the_clock_has_gone_on_for_a_while() {
    for (age, at_once) in [(LEAP / 2, 1), (LEAP * 2, 0)] {
        let rig = Rig::with(0, 100, &[], age, 0);
        rig.until(|_| rig.ledger.store().is_some()).await;
        tokio::time::sleep(EVERY / 2).await;
        // A reload is another look, and no reason to believe it.
        rig.ledger.settle(Usage::default());
        tokio::time::sleep(EVERY / 4).await;
        let prunes = || rig.double.prunes.0.load(Ordering::SeqCst);
        assert!((at_once..=at_once * 3).contains(&prunes()), "{age:?}: {}", prunes());
        tokio::time::sleep(EVERY).await;
        assert!(prunes() > at_once, "{age:?}: {}", prunes());
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_forgotten_is_trouble_until_it_can() {
    let rig = Rig::with(0, 100, &[], Duration::ZERO, 2);
    rig.until(|health| health.trouble.as_deref() == Some("the ledger double: busy")).await;
    let began = Instant::now();
    rig.until(|health| health.trouble.is_none()).await;
    assert!(began.elapsed() < EVERY, "{:?}", began.elapsed());
    assert_eq!(rig.double.prunes.0.load(Ordering::SeqCst), 3);
}
