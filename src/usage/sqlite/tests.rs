use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{FILE_NAME, MAX_READERS, SqliteDatabase};
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource, RequestId};
use crate::usage::database::{GroupBy, UsageDatabase, UsageQuery, UsageRow};
use crate::usage::entry::{UsageAttempt, UsageEntry};

fn moment(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

/// An attempt that `reference` answered: 100 input tokens, 10 output tokens, 110 picos.
fn answered(reference: &str) -> UsageAttempt {
    let (provider, model) = reference.split_once('/').unwrap();
    UsageAttempt {
        provider: provider.to_owned(),
        model: model.to_owned(),
        outcome: "ok".into(),
        detail: String::new(),
        started_after: Duration::from_micros(3),
        duration: Duration::from_millis(20),
        usage: Some(TokenUsage { input: 60, output: 10, cache_read: 40, ..TokenUsage::default() }),
        bill: Some(AttemptCost {
            amount: Amount::from_picos(110),
            currency: "USD".to_owned(),
            source: CostSource::PriceTable,
        }),
    }
}

/// An attempt without usage.
fn failed(reference: &str, outcome: &str) -> UsageAttempt {
    UsageAttempt { outcome: outcome.to_owned().into(), usage: None, bill: None, ..answered(reference) }
}

fn entry(at: &str, attempts: Vec<UsageAttempt>) -> UsageEntry {
    UsageEntry {
        request_id: RequestId::from_time(moment(at)),
        client: "opencode".to_owned(),
        requested: "auto".to_owned(),
        api: "openai-completions".into(),
        target_api: Some("anthropic-messages".into()),
        answered_by: attempts.last().map(|last| format!("{}/{}", last.provider, last.model)),
        is_streamed: true,
        thinking: None,
        outcome: "ok".into(),
        first_byte: Some(Duration::from_micros(1_234_567)),
        duration: Duration::from_secs(3),
        rules: vec!["usage".into(), "a \"b\", c".into()],
        losses: Vec::new(),
        attempts,
    }
}

async fn create_database(directory: &Path, entries: Vec<UsageEntry>) -> SqliteDatabase {
    let store = SqliteDatabase::open(directory).unwrap();
    let batch: Vec<_> = entries.into_iter().map(Arc::new).collect();
    store.append(&batch).await.unwrap();
    store
}

async fn sums(store: &SqliteDatabase, by: &[GroupBy]) -> Vec<UsageRow> {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let query = UsageQuery { since: SystemTime::UNIX_EPOCH, until: None, group_by: by.to_vec(), zone };
    store.query(&query).await.unwrap()
}

/// The keys of each row, and its requests.
fn request_counts(sums: &[UsageRow]) -> Vec<(String, u64)> {
    sums.iter().map(|sum| (sum.keys.join(" "), sum.requests)).collect()
}

#[tokio::test]
async fn entries_are_listed_newest_first() {
    let home = TempDir::new().unwrap();
    let strange = UsageAttempt {
        usage: Some(TokenUsage {
            is_estimated: true,
            cost: Amount::parse("0.5"),
            reasoning: 7,
            cache_write: 3,
            cache_write_1h: 2,
            ..TokenUsage::default()
        }),
        bill: Some(AttemptCost {
            amount: Amount::parse("0.5").unwrap(),
            currency: "CNY".to_owned(),
            source: CostSource::Provider,
        }),
        ..failed("openrouter/moonshotai/kimi-k3:free", "truncated")
    };
    let first = entry("2026-11-21T10:00:00.123456Z", vec![strange, answered("kimi/k")]);
    let refused = UsageEntry {
        outcome: "model_not_found".into(),
        target_api: None,
        first_byte: None,
        ..entry("2026-11-21T11:00:00Z", Vec::new())
    };
    let store = create_database(home.path(), vec![first.clone(), refused.clone()]).await;
    let late = moment("2026-11-22T00:00:00Z");
    assert_eq!(store.list_before(late, 10).await.unwrap(), [refused.clone(), first.clone()]);
    assert_eq!(store.list_before(late, 1).await.unwrap(), std::slice::from_ref(&refused));
    assert_eq!(store.list_before(refused.started_at(), 10).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.find_request(first.request_id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.find_request(first.request_id.with_count(1)).await.unwrap(), None);

    // It can be read while the gateway runs, and when it does not.
    let reader = SqliteDatabase::read_only(home.path()).unwrap().unwrap();
    assert_eq!(reader.find_request(refused.request_id).await.unwrap(), Some(refused));
    drop(store);
    assert_eq!(reader.find_request(first.request_id).await.unwrap(), Some(first));
    let refusal = reader.append(&[]).await.unwrap_err().to_string();
    assert!(refusal.contains("reading only"), "{refusal}");
}

#[tokio::test]
async fn existing_entry_is_not_overwritten() {
    let home = TempDir::new().unwrap();
    let first = entry("2026-11-21T10:00:00Z", vec![answered("kimi/k")]);
    let other = UsageEntry { client: "other".to_owned(), ..first.clone() };
    let store = create_database(home.path(), vec![first.clone(), other.clone()]).await;
    store.append(&[Arc::new(other)]).await.unwrap();
    assert_eq!(store.find_request(first.request_id).await.unwrap(), Some(first));
    let all = sums(&store, &[]).await;
    assert_eq!((all[0].requests, all[0].answered.attempts), (1, 1));
}

#[tokio::test]
async fn request_counts_once_per_group() {
    let home = TempDir::new().unwrap();
    let lost = UsageAttempt { outcome: "truncated".into(), ..answered("kimi/k") };
    let unpriced = UsageAttempt { bill: None, ..answered("kimi/k") };
    let cancelled =
        UsageAttempt { usage: None, bill: None, outcome: "cancelled".into(), ..answered("kimi/k") };
    let store = create_database(
        home.path(),
        vec![
            entry("2026-11-21T10:00:00Z", vec![failed("kimi/k", "rate_limit"), lost, answered("or/k")]),
            entry("2026-11-21T11:00:00Z", vec![failed("or/k", "cooling_down"), cancelled, unpriced]),
            entry("2026-11-21T12:00:00Z", Vec::new()),
            entry("2026-11-21T12:00:00.000001Z", vec![answered("kimi/l")]),
        ],
    )
    .await;
    assert_eq!(request_counts(&sums(&store, &[]).await), [(String::new(), 4)]);
    assert_eq!(request_counts(&sums(&store, &[GroupBy::Client]).await), [("opencode".to_owned(), 4)]);
    let by_model = sums(&store, &[GroupBy::Model]).await;
    let expected = [("kimi/k", 2), ("kimi/l", 1), ("or/k", 1)].map(|(key, count)| (key.to_owned(), count));
    assert_eq!(request_counts(&by_model), expected);
    let [kimi, ..] = &by_model[..] else { panic!() };
    assert_eq!((kimi.failed, kimi.answered.attempts, kimi.answered.unpriced), (2, 1, 1));
    assert_eq!((kimi.lost.attempts, kimi.lost.cost["USD"].as_picos()), (1, 110));
    assert_eq!((kimi.lost.tokens.input, kimi.lost.tokens.cache_read), (60, 40));
    assert!(kimi.answered.cost.is_empty());
    let by_provider = sums(&store, &[GroupBy::Provider, GroupBy::Day]).await;
    let expected = [("kimi 2026-11-21", 3), ("or 2026-11-21", 1)].map(|(key, count)| (key.to_owned(), count));
    assert_eq!(request_counts(&by_provider), expected);
}

#[tokio::test]
async fn days_follow_the_time_zone_and_the_query_is_bounded() {
    let home = TempDir::new().unwrap();
    let at = |at| entry(at, vec![answered("kimi/k")]);
    let store = create_database(
        home.path(),
        vec![at("2026-10-24T22:00:00Z"), at("2026-10-25T22:59:59.999999Z"), at("2026-10-25T23:00:00Z")],
    )
    .await;
    let expected = [("2026-10-25", 2), ("2026-10-26", 1)].map(|(key, count)| (key.to_owned(), count));
    assert_eq!(request_counts(&sums(&store, &[GroupBy::Day]).await), expected);
    let query = UsageQuery {
        since: moment("2026-10-24T22:00:00Z"),
        until: Some(moment("2026-10-25T23:00:00Z")),
        group_by: vec![GroupBy::Hour],
        zone: TimeZone::UTC,
    };
    let expected = [("2026-10-24T22", 1), ("2026-10-25T22", 1)].map(|(key, count)| (key.to_owned(), count));
    assert_eq!(request_counts(&store.query(&query).await.unwrap()), expected);
    let nothing = UsageQuery { since: moment("2027-01-01T00:00:00Z"), group_by: Vec::new(), ..query };
    assert_eq!(store.query(&UsageQuery { until: None, ..nothing }).await.unwrap(), []);
}

#[tokio::test]
async fn sums_saturate() {
    let home = TempDir::new().unwrap();
    let most = TokenUsage { input: u64::MAX, ..TokenUsage::default() };
    let bill = AttemptCost {
        amount: Amount::from_picos(u64::MAX),
        currency: "USD".to_owned(),
        source: CostSource::Provider,
    };
    let huge = || UsageAttempt { usage: Some(most), bill: Some(bill.clone()), ..answered("kimi/k") };
    let store =
        create_database(home.path(), vec![entry("2026-11-21T10:00:00Z", vec![huge(), huge(), huge()])]).await;
    let all = sums(&store, &[]).await;
    assert_eq!(all[0].answered.tokens.input, u64::MAX);
    assert_eq!(all[0].answered.cost["USD"].as_picos(), u64::MAX);
}

#[tokio::test]
async fn pruning_removes_old_entries_and_frees_space() {
    let home = TempDir::new().unwrap();
    let start = moment("2026-01-01T00:00:00Z");
    let old = |number: u64| UsageEntry {
        request_id: RequestId::from_time(start + Duration::from_secs(number)),
        ..entry("2026-01-01T00:00:00Z", vec![failed("kimi/k", "quota"), answered("or/k")])
    };
    let store = create_database(home.path(), (0..1_700).map(old).collect()).await;
    assert_eq!(store.prune(start + Duration::from_secs(1_600)).await.unwrap(), 1_600);
    assert_eq!(store.prune(start).await.unwrap(), 0);
    assert_eq!(sums(&store, &[]).await[0].requests, 100);
    let connection = Connection::open(home.path().join(FILE_NAME)).unwrap();
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT count(*) FROM attempts"), 200, "they go with their request");
    assert_eq!(number("PRAGMA freelist_count"), 0);
}

#[tokio::test]
async fn file_is_readable_by_its_owner_only() {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("state/moonrelay");
    let _store = create_database(&directory, vec![entry("2026-11-21T10:00:00Z", Vec::new())]).await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    assert!(SqliteDatabase::read_only(home.path()).unwrap().is_none(), "there is none");
    assert_eq!(home.path().read_dir().unwrap().count(), 1, "and none is made");
}

/// The errors of both ways to open it.
fn open_errors(directory: &Path) -> [String; 2] {
    let before = std::fs::read(directory.join(FILE_NAME)).unwrap();
    let writing = SqliteDatabase::open(directory).err().unwrap().to_string();
    let reading = SqliteDatabase::read_only(directory).err().unwrap().to_string();
    assert_eq!(std::fs::read(directory.join(FILE_NAME)).unwrap(), before, "the file is unchanged");
    [writing, reading]
}

#[test]
fn foreign_and_newer_files_are_rejected_unchanged() {
    let home = TempDir::new().unwrap();
    let path = home.path().join(FILE_NAME);
    std::fs::write(&path, "It is no database, but a letter.".repeat(100)).unwrap();
    for refusal in open_errors(home.path()) {
        assert!(refusal.contains("ledger.sqlite: it is not a SQLite database. Move it away"), "{refusal}");
    }
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (cake TEXT)").unwrap();
    for refusal in open_errors(home.path()) {
        assert!(refusal.contains("another program"), "{refusal}");
    }
    std::fs::remove_file(&path).unwrap();
    drop(SqliteDatabase::open(home.path()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for refusal in open_errors(home.path()) {
        assert!(refusal.contains("its tables have version 99"), "{refusal}");
    }
}

#[tokio::test]
async fn file_that_was_moved_away_is_not_written() {
    let home = TempDir::new().unwrap();
    let one = entry("2026-11-21T10:00:00Z", Vec::new());
    let store = create_database(home.path(), vec![one.clone()]).await;
    std::fs::rename(home.path().join(FILE_NAME), home.path().join("old")).unwrap();
    let refusal = store.append(&[Arc::new(one)]).await.unwrap_err().to_string();
    assert!(refusal.contains("moved away or removed"), "{refusal}");
}

#[test]
fn file_without_tables_is_empty() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(FILE_NAME), "").unwrap();
    assert!(SqliteDatabase::read_only(home.path()).unwrap().is_none());
    SqliteDatabase::open(home.path()).unwrap();
    assert!(SqliteDatabase::read_only(home.path()).unwrap().is_some());
}

#[tokio::test]
async fn abandoned_query_keeps_its_slot_until_it_ends() {
    let directory = TempDir::new().unwrap();
    let store = SqliteDatabase::open(directory.path()).unwrap();
    let free = || store.readers.permits.available_permits();
    let (answer, answered) = std::sync::mpsc::channel::<()>();
    let query = store.read(move |_| {
        let _ = answered.recv();
        Ok(())
    });
    assert!(query.now_or_never().is_none(), "it is asked, and then given up");
    assert_eq!(free(), MAX_READERS - 1);
    drop(answer);
    let all = u32::try_from(MAX_READERS).unwrap();
    let _all = tokio::time::timeout(Duration::from_secs(10), store.readers.permits.acquire_many(all)).await;
    assert_eq!(free(), 0, "its place is given back");
}

/// A file of the first version, with these requests of one attempt each.
fn first_version(directory: &Path, requests: &[(&str, i64)]) {
    let file = Connection::open(directory.join(FILE_NAME)).unwrap();
    file.execute_batch(include_str!("schema/1.sql")).unwrap();
    file.execute_batch(
        "PRAGMA application_id = 0x4d6f6f6e; PRAGMA user_version = 1; PRAGMA foreign_keys = off",
    )
    .unwrap();
    for (id, at) in requests {
        let request = "INSERT INTO requests (request_id, at, client, requested, face, answered, streamed, outcome, took, rules) \
             VALUES (?1, ?2, ?1, 'auto', 'anthropic-messages', 'kimi/k', 1, 'ok', 7, '[\"usage\"]')";
        file.execute(request, rusqlite::params![id, at]).unwrap();
        let attempt = "INSERT INTO attempts (request, place, provider, model, outcome, detail, began, took, input, amount, \
             currency) VALUES (last_insert_rowid(), 0, 'kimi', 'k', 'ok', ?1, 0, 6, 60, 110, 'USD')";
        file.execute(attempt, [id]).unwrap();
    }
    file.execute(
        "INSERT INTO attempts SELECT 99999999, 0, 'x', 'x', 'ok', '', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, '', '' ",
        [],
    )
    .unwrap();
}

#[tokio::test]
async fn first_version_is_migrated() {
    let home = TempDir::new().unwrap();
    let noon = moment("2026-11-21T12:00:00.000001Z");
    let micros = 1_795_262_400_000_001;
    first_version(home.path(), &[("later", micros + 1), ("one", micros), ("two", micros), ("never", 0)]);
    let refusal = SqliteDatabase::read_only(home.path()).err().unwrap().to_string();
    assert!(refusal.contains("Start the gateway once"), "{refusal}");
    let store = SqliteDatabase::open(home.path()).unwrap();
    let entries = store.list_before(moment("2027-01-01T00:00:00Z"), 10).await.unwrap();
    let listed: Vec<_> = entries.iter().map(|entry| (entry.client.as_str(), entry.started_at())).collect();
    let later = noon + Duration::from_micros(1);
    assert_eq!(listed, [("later", later), ("two", noon), ("one", noon), ("never", SystemTime::UNIX_EPOCH)]);
    for entry in &entries {
        assert_eq!(store.find_request(entry.request_id).await.unwrap().as_ref(), Some(entry));
        assert_eq!((entry.duration.as_micros(), &entry.rules[..]), (7, &["usage".into()][..]));
        let [attempt] = &entry.attempts[..] else { panic!("{entry:?}") };
        assert_eq!((&attempt.detail, attempt.usage.unwrap().input), (&entry.client, 60));
    }
    assert_eq!(sums(&store, &[]).await[0].answered.cost["USD"].as_picos(), 440);
    let connection = Connection::open(home.path().join(FILE_NAME)).unwrap();
    let texts = |connection: &Connection, sql| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let new = TempDir::new().unwrap();
    drop(SqliteDatabase::open(new.path()).unwrap());
    let tables = "SELECT schema.name || ' ' || columns.name || columns.type || columns.\"notnull\" || columns.pk || columns.hidden \
         FROM sqlite_schema AS schema, pragma_table_xinfo(schema.name) AS columns WHERE schema.sql IS NOT NULL ORDER BY 1";
    let of_new = texts(&Connection::open(new.path().join(FILE_NAME)).unwrap(), tables);
    assert_eq!(texts(&connection, tables), of_new, "its tables are those of a new file");
    assert_eq!(texts(&connection, "PRAGMA foreign_key_check"), [""; 0]);
    let ids =
        texts(&connection, "SELECT printf('%016x', number) FROM requests WHERE at > 0 ORDER BY number DESC");
    let listed: Vec<_> = entries.iter().map(|entry| entry.request_id.to_string()).collect();
    assert_eq!(ids, listed[..3]);
}

#[tokio::test]
async fn times_of_a_wrong_clock_lose_no_request() {
    let home = TempDir::new().unwrap();
    let ids: Vec<String> = (0..2_100).map(|number| number.to_string()).collect();
    let at_once = ids.iter().map(|id| (id.as_str(), 0));
    let wrong = [("before", -5), ("next", 1), ("far", 1 << 60), ("farther", (1 << 60) + 1)];
    first_version(home.path(), &at_once.chain(wrong).collect::<Vec<_>>());
    let store = SqliteDatabase::open(home.path()).unwrap();
    let all = &sums(&store, &[]).await[0];
    assert_eq!((all.requests, all.answered.attempts), (2_104, 2_104));
    let newest = store.list_before(moment("2050-01-01T00:00:00Z"), 3).await.unwrap();
    let listed: Vec<_> =
        newest.iter().map(|entry| (entry.client.as_str(), entry.attempts[0].detail.as_str())).collect();
    assert_eq!(listed, [("farther", "farther"), ("far", "far"), ("next", "next")]);
}

#[test]
fn migration_keeps_a_copy_of_the_older_file() {
    let home = TempDir::new().unwrap();
    let copy = home.path().join("ledger.1.sqlite");
    first_version(home.path(), &[("one", 1)]);
    // As a gateway leaves it that is killed meanwhile.
    std::fs::write(home.path().join("ledger.1.sqlite.new"), "in part").unwrap();
    drop(SqliteDatabase::open(home.path()).unwrap());
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let id = |path: &Path| -> rusqlite::Result<String> {
        let file = Connection::open(path).unwrap();
        assert_eq!(file.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)), Ok(1));
        file.query_row("SELECT request_id FROM requests", [], |row| row.get(0))
    };
    assert_eq!(id(&copy), Ok("one".to_owned()));
    assert!(!home.path().join("ledger.1.sqlite.new").exists());
    // The user downgrades, and upgrades again.
    std::fs::remove_file(home.path().join(FILE_NAME)).unwrap();
    first_version(home.path(), &[("two", 1)]);
    drop(SqliteDatabase::open(home.path()).unwrap());
    assert_eq!(id(&copy), Ok("one".to_owned()), "the first one is left as it is");
}
