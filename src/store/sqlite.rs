//! SQLite: one thread writes and commits together what has queued up meanwhile, a few others read. It knows no table.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, ToSql, ffi,
    types::{ToSqlOutput, Value, ValueRef},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::{
    Result, STATEMENTS, StoreError,
    db::{Done, Row, Statement, Val},
    file::{create_private, folder_of, is_out_of_room},
    migrate,
};
use crate::clock::Stopwatch;

/// Most writes in one commit: past this the fsync is long paid for, and the first in the batch waits for nothing.
const BATCH_LIMIT: usize = 512;
/// Most writes, and most reads, that may wait.
const QUEUE_LIMIT: usize = 4_096;
/// Most memory that waiting writes may hold, in KB: two of GitHub's largest deliveries and plenty of usual ones.
const QUEUE_LIMIT_KB: u32 = 64 << 10;
/// Longest wait for a place in a queue; GitHub gives up on a delivery after 10 s.
const QUEUE_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for another process that holds the database.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// A body of usual size then stays within its page.
const PAGE_BYTES: i64 = 32_768;
/// Enough for a whole batch, so that nothing is written before its commit.
const WRITER_CACHE_KB: i64 = 32_768;
/// Pages in the write-ahead log that make the writer move them to the file. Often and little (8 MB): with 1,000 pages the
/// 99th percentile of waiting rose by half to three times, at no gain in throughput.
const CHECKPOINT_PAGES: i64 = 256;
/// What the write-ahead log shrinks back to after a burst.
const LOG_BYTES: i64 = 64 << 20;

/// An open file and its threads. Clones share them; the last one to go ends them.
#[derive(Clone)]
pub(super) struct Sqlite {
    writes: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    reads: mpsc::Sender<Command>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

enum Command {
    Run(Task),
    Stop,
}

/// Statements that stand or fall together, and who waits for them.
struct Task {
    statements: Vec<Statement>,
    answer: oneshot::Sender<Result<Vec<Done>>>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Sqlite {
    /// Opens `file`, migrates it and starts the threads.
    pub(super) async fn open(file: PathBuf, readers: usize, max_pages: Option<u32>) -> Result<Self> {
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(&file, readers, max_pages));
        opening.await.unwrap_or(Err(StoreError::Closed))
    }

    fn open_blocking(file: &Path, readers: usize, max_pages: Option<u32>) -> Result<Self> {
        create_private(file)?;
        let failed = |error: rusqlite::Error| match to_store_error(&error) {
            StoreError::Sql(why) => StoreError::Open { path: file.display().to_string(), why },
            told_apart => told_apart,
        };
        let mut writer = Session::open(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
        prepare_writer(&writer.connection, max_pages).map_err(failed)?;
        migrate::migrate(&mut writer.connection)?;

        let (writes, to_write) = mpsc::channel(QUEUE_LIMIT);
        let (reads, to_read) = mpsc::channel(QUEUE_LIMIT);
        let mut threads = vec![spawn("store-writer", move || serve(to_write, |batch| writer.commit_together(batch)))?];
        let to_read = Arc::new(Mutex::new(to_read));
        for _ in 0..readers {
            let mut reader = Session::open(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
            let to_read = Arc::clone(&to_read);
            threads.push(spawn("store-reader", move || reader.answer_reads(&to_read))?);
        }
        let room = Arc::new(Semaphore::new(QUEUE_LIMIT_KB as usize));
        Ok(Self { writes, room, reads, threads: Arc::new(Mutex::new(threads)) })
    }

    /// Rows of a statement that only reads.
    pub(super) async fn query(&self, sql: &'static str, args: Vec<Val>) -> Result<Vec<Row>> {
        let (answer, answered) = oneshot::channel();
        let task = Task { statements: vec![(sql, args)], answer, _room: None };
        enqueue(&self.reads, task).await?;
        let mut all = answered.await.unwrap_or(Err(StoreError::Closed))?;
        all.pop().map(|done| done.rows).ok_or(StoreError::Closed)
    }

    /// Writes all of `statements` or none; durable when this returns `Ok`.
    pub(super) async fn tx(&self, statements: Vec<Statement>) -> Result<Vec<Done>> {
        let (answer, answered) = oneshot::channel();
        let weight = weight_kb(&statements);
        let watch = Stopwatch::start();
        let room = timeout(QUEUE_WAIT, Arc::clone(&self.room).acquire_many_owned(weight)).await;
        let room = room.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?;
        enqueue(&self.writes, Task { statements, answer, _room: Some(room) }).await?;
        let done = answered.await.unwrap_or(Err(StoreError::Closed));
        metrics::histogram!("mergecast_store_write_seconds").record(watch.elapsed().as_secs_f64());
        done
    }

    /// Writes that wait for the writer.
    pub(super) fn writes_waiting(&self) -> usize {
        self.writes.max_capacity() - self.writes.capacity()
    }

    /// Lets the threads finish what is queued, and waits for them.
    pub(super) async fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for queue in [&self.writes, &self.reads] {
            // A queue that is closed already has nobody left to tell.
            let _ = queue.send(Command::Stop).await;
        }
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        let _ = joined.await;
    }
}

/// Places a task in a queue, within the time there is for it.
async fn enqueue(queue: &mpsc::Sender<Command>, task: Task) -> Result<()> {
    let place = timeout(QUEUE_WAIT, queue.reserve()).await.map_err(|_| StoreError::Busy)?;
    place.map_err(|_| StoreError::Closed)?.send(Command::Run(task));
    Ok(())
}

/// Memory that the arguments hold, in KB, as a share of the room there is.
fn weight_kb(statements: &[Statement]) -> u32 {
    let bytes: usize = statements.iter().flat_map(|(_, args)| args).map(Val::len).sum();
    u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(QUEUE_LIMIT_KB)
}

/// The next command for whichever reader is free. Stop closes the queue under the same lock: another reader would hold it
/// while it waits.
fn receive(queue: &Mutex<mpsc::Receiver<Command>>) -> Option<Command> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let command = queue.blocking_recv();
    if let Some(Command::Stop) = command {
        queue.close();
    }
    command
}

/// Hands over, in batches, what has queued up. Should `apply` panic, the queue goes with it, and all who wait learn that
/// nobody will answer.
fn serve(mut queue: mpsc::Receiver<Command>, mut apply: impl FnMut(Vec<Task>)) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next.take() {
            match command {
                Command::Run(task) => batch.push(task),
                Command::Stop => queue.close(),
            }
            if batch.len() < BATCH_LIMIT {
                next = queue.try_recv().ok();
            }
        }
        apply(batch);
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| StoreError::Open { path: format!("thread {name}"), why: error.to_string() })
}

/// A connection and the texts it has seen, in SQLite's spelling.
struct Session {
    connection: Connection,
    texts: HashMap<&'static str, String>,
    folder: PathBuf,
}

/// A transaction of which nothing remains.
enum Lost {
    /// It could not begin or not commit.
    Whole(StoreError),
    /// A statement took the whole transaction down.
    Midway,
}

impl Session {
    fn open(file: &Path, flags: OpenFlags) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(LOCK_WAIT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        let texts: usize = STATEMENTS.iter().map(|texts| texts.len()).sum();
        connection.set_prepared_statement_cache_capacity(texts + CONTROL_TEXTS);
        Ok(Self { connection, texts: HashMap::new(), folder: folder_of(file).to_owned() })
    }

    fn answer_reads(&mut self, queue: &Mutex<mpsc::Receiver<Command>>) {
        while let Some(command) = receive(queue) {
            if let Command::Run(task) = command {
                let rows = self.run_all(&task.statements);
                // A reader that no longer waits needs nothing.
                let _ = task.answer.send(rows);
            }
        }
    }

    /// One commit for all; those whose statements fail, fail alone.
    fn commit_together(&mut self, batch: Vec<Task>) {
        if batch.is_empty() {
            return;
        }
        let outcomes = match self.transaction(&batch) {
            Ok(outcomes) => outcomes,
            Err(Lost::Whole(error)) => batch.iter().map(|_| Err(error.clone())).collect(),
            Err(Lost::Midway) => batch.iter().map(|task| self.commit_alone(task)).collect(),
        };
        for (task, outcome) in batch.into_iter().zip(outcomes) {
            // Whoever no longer waits has had its statements written all the same.
            let _ = task.answer.send(outcome);
        }
    }

    fn commit_alone(&mut self, task: &Task) -> Result<Vec<Done>> {
        self.control("BEGIN IMMEDIATE")?;
        let outcome = self.run_all(&task.statements);
        let outcome = outcome.and_then(|done| self.control("COMMIT").map(|()| done));
        if outcome.is_err() {
            self.roll_back();
        }
        outcome
    }

    fn transaction(&mut self, batch: &[Task]) -> Result<Vec<Result<Vec<Done>>>, Lost> {
        self.control("BEGIN IMMEDIATE").map_err(Lost::Whole)?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for task in batch {
            let outcome = self.control("SAVEPOINT task").and_then(|()| self.run_all(&task.statements));
            let undone = if outcome.is_err() { self.control("ROLLBACK TO task") } else { Ok(()) };
            if undone.and_then(|()| self.control("RELEASE task")).is_err() {
                self.roll_back();
                return Err(Lost::Midway);
            }
            outcomes.push(outcome);
        }
        self.control("COMMIT").map_err(|error| {
            self.roll_back();
            Lost::Whole(error)
        })?;
        Ok(outcomes)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Fails only where the engine has rolled back by itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn control(&self, sql: &str) -> Result<()> {
        let run = self.connection.prepare_cached(sql).and_then(|mut prepared| prepared.execute([]));
        run.map(drop).map_err(|error| self.diagnose(&error))
    }

    fn run_all(&mut self, statements: &[Statement]) -> Result<Vec<Done>> {
        let run = statements.iter().map(|(sql, args)| self.run(sql, args));
        let all: rusqlite::Result<Vec<_>> = run.collect();
        all.map_err(|error| self.diagnose(&error))
    }

    fn run(&mut self, sql: &'static str, args: &[Val]) -> rusqlite::Result<Done> {
        let text = self.texts.entry(sql).or_insert_with(|| rewrite_placeholders(sql));
        let mut prepared = self.connection.prepare_cached(text)?;
        let columns = prepared.column_count();
        let mut found = prepared.query(rusqlite::params_from_iter(args))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let vals: rusqlite::Result<Vec<_>> = (0..columns).map(|n| row.get(n).map(from_sqlite)).collect();
            rows.push(Row(vals?));
        }
        drop(found);
        Ok(Done { changed: self.connection.changes(), rows })
    }

    /// SQLite knows a full disk when it sees one, but not a spent quota or file size limit: those are tried out.
    fn diagnose(&self, error: &rusqlite::Error) -> StoreError {
        let unclear = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
        if unclear && is_out_of_room(&self.folder) { StoreError::Full } else { to_store_error(error) }
    }
}

/// BEGIN, COMMIT, SAVEPOINT, ROLLBACK TO, RELEASE: kept prepared beside the texts.
const CONTROL_TEXTS: usize = 5;

/// `$n` as `?n`: SQLite takes `$1` for a name and numbers names as they appear. Quoted text stays as it is.
pub(super) fn rewrite_placeholders(sql: &str) -> String {
    let mut quoted = false;
    let rewrite = sql.chars().map(|c| {
        quoted ^= c == '\'';
        if c == '$' && !quoted { '?' } else { c }
    });
    rewrite.collect()
}

fn prepare_writer(connection: &Connection, max_pages: Option<u32>) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let why = format!("its file system allows no write-ahead log (journal mode {mode})");
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(why)));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What a statement would be undone with is no file beside the database.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KB)?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    if let Some(pages) = max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// What an error of SQLite means to a caller.
pub(super) fn to_store_error(error: &rusqlite::Error) -> StoreError {
    let extended = error.sqlite_error().map(|failure| failure.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        // The shared index of the log could not be enlarged.
        Some(ErrorCode::SystemIoFailure) if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full,
        _ => StoreError::Sql(error.to_string()),
    }
}

impl Val {
    /// Bytes it holds, about.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Null | Self::I64(_) | Self::F64(_) => 8,
        }
    }
}

impl ToSql for Val {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::I64(number) => ValueRef::Integer(*number),
            Self::F64(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn from_sqlite(value: Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Integer(number) => Val::I64(number),
        Value::Real(number) => Val::F64(number),
        Value::Text(text) => Val::Text(text),
        Value::Blob(bytes) => Val::Bytes(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::store::{Accepted, DeliveryOutcome, NewDelivery, Store, StoreOptions, StorePath};
    use std::{fs, process::Command as Program};

    fn task() -> (Task, oneshot::Receiver<Result<Vec<Done>>>) {
        let (answer, answered) = oneshot::channel();
        (Task { statements: Vec::new(), answer, _room: None }, answered)
    }

    /// Queues of one place that nobody serves.
    fn idle() -> (Sqlite, [mpsc::Receiver<Command>; 2]) {
        let (writes, to_write) = mpsc::channel(1);
        let (reads, to_read) = mpsc::channel(1);
        let room = Arc::new(Semaphore::new(QUEUE_LIMIT_KB as usize));
        (Sqlite { writes, room, reads, threads: Arc::default() }, [to_write, to_read])
    }

    #[test]
    fn placeholders_are_numbers_and_quoted_text_is_left_alone() {
        assert_eq!(rewrite_placeholders("SELECT '$1', $2 || '''$3' || $1"), "SELECT '$1', ?2 || '''$3' || ?1");
    }

    #[test]
    fn what_queues_up_is_one_batch_and_a_stop_comes_after_it() {
        let (queue, queued) = mpsc::channel(QUEUE_LIMIT);
        let queue_up = |tasks: usize| (0..tasks).for_each(|_| queue.try_send(Command::Run(task().0)).unwrap());
        queue_up(BATCH_LIMIT + 88);
        queue.try_send(Command::Stop).unwrap();
        queue_up(1);
        let mut batches = Vec::new();
        serve(queued, |batch| batches.push(batch.len()));
        assert_eq!(batches, [BATCH_LIMIT, 89]);
        assert!(queue.is_closed());
    }

    #[tokio::test]
    async fn a_panic_in_the_writer_leaves_nobody_waiting() {
        let (sqlite, [to_write, _to_read]) = idle();
        let waiting = tokio::spawn({
            let sqlite = sqlite.clone();
            async move { sqlite.tx(Vec::new()).await.map(drop) }
        });
        let writer = thread::spawn(move || serve(to_write, |_| panic!("on purpose")));
        assert_eq!(waiting.await.unwrap(), Err(StoreError::Closed));
        assert!(writer.join().is_err());
        assert_eq!(sqlite.tx(Vec::new()).await.map(drop), Err(StoreError::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_busy() {
        let (sqlite, _unserved) = idle();
        let large = || vec![("", vec![Val::Bytes(vec![0; 40 << 20])])];
        let first = tokio::spawn({
            let sqlite = sqlite.clone();
            let statements = large();
            async move { sqlite.tx(statements).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(sqlite.tx(large()).await.map(drop), Err(StoreError::Busy), "no memory left");
        assert_eq!(sqlite.tx(Vec::new()).await.map(drop), Err(StoreError::Busy), "no place left");
        assert_eq!(sqlite.room.available_permits(), (QUEUE_LIMIT_KB as usize) - (40 << 10) - 1, "given back");
        first.abort();
    }

    #[tokio::test]
    async fn one_that_fails_in_a_batch_fails_alone() {
        let place = Place::new();
        let store = place.open().await;
        let insert = |n: i64| ("INSERT INTO readiness (id, writes) VALUES ($1, $2)", vec![Val::I64(n), Val::I64(1)]);
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        for n in 0..64 {
            let (mut task, answered) = task();
            // Every eighth comes back to an identifier that is taken, after one that is not.
            task.statements = if n % 8 == 7 { vec![insert(100 + n), insert(n - 1)] } else { vec![insert(n)] };
            batch.push(task);
            answers.push(answered);
        }
        let mut session = Session::open(&place.file(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        session.commit_together(batch);
        for (n, mut answer) in answers.into_iter().enumerate() {
            let answer = answer.try_recv().unwrap();
            assert_eq!(matches!(answer, Err(StoreError::Sql(_))), n % 8 == 7, "{n}: {answer:?}");
        }
        let highest = store.db.query("SELECT COUNT(*), MAX(id) FROM readiness", Vec::new()).await.unwrap();
        assert_eq!(highest[0].0, [Val::I64(56), Val::I64(62)], "the whole of a failed task is undone");
    }

    #[tokio::test]
    async fn a_batch_that_cannot_begin_fails_whole_and_the_next_one_works() {
        let place = Place::new();
        let store = place.open().await;
        let mut session = Session::open(&place.file(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        session.connection.busy_timeout(Duration::ZERO).unwrap();
        let holder = Connection::open(place.file()).unwrap();
        let mut attempt = || {
            let (batch, answers): (Vec<_>, Vec<_>) = (0..3).map(|_| task()).unzip();
            session.commit_together(batch);
            answers.into_iter().map(|mut answer| answer.try_recv().unwrap().map(drop)).collect::<Vec<_>>()
        };
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(attempt(), vec![Err(StoreError::Busy); 3]);
        holder.execute_batch("COMMIT").unwrap();
        assert_eq!(attempt(), vec![Ok(()); 3]);
        drop(store);
    }

    fn bulky(n: i64) -> NewDelivery {
        NewDelivery { body: vec![b'x'; 25_000], ..delivery_at(n) }
    }

    /// Fills the store until it says that it is full, from many tasks at once; says how many it took.
    async fn fill(store: &Store) -> usize {
        let mut stored = 0;
        loop {
            let from = i64::try_from(stored).unwrap();
            let answers = at_once(16, |n| {
                let store = store.clone();
                async move { store.accept(&bulky(from * 1_000 + n)).await }
            })
            .await;
            stored += answers.iter().filter(|answer| **answer == Ok(Accepted::Stored)).count();
            if answers.iter().any(Result::is_err) {
                assert!(answers.iter().flat_map(|a| a.as_ref().err()).all(|e| *e == StoreError::Full), "{answers:?}");
                return stored;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_database_says_so_and_works_again_once_there_is_room() {
        let place = Place::new();
        let store = Store::open(StoreOptions { max_pages: Some(200), ..place.options() }).await.unwrap();
        let stored = fill(&store).await;
        assert!(stored > 50, "{stored}");
        assert_eq!(store.accept(&bulky(-1)).await, Err(StoreError::Full));
        assert_eq!(usize::try_from(store.inbox_counts().await.unwrap().queued), Ok(stored), "all that was promised");

        let claimed = store.claim_deliveries(i64::MAX / 2, Duration::from_secs(1), 10).await.unwrap();
        for delivery in &claimed {
            store.finish_delivery(&delivery.delivery_id, 1, DeliveryOutcome::Done, &[]).await.unwrap();
        }
        assert_eq!(store.forget_deliveries(i64::MAX, 100).await, Ok(10));
        assert_eq!(store.accept(&bulky(-1)).await, Ok(Accepted::Stored));
    }

    /// A small file system of its own, where the machine lets us have one.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn mount() -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let mut mount = Program::new("mount");
            mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(folder.path());
            let mounted = mount.output().is_ok_and(|output| output.status.success());
            mounted.then_some(Self(folder))
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Program::new("umount").arg("-l").arg(self.0.path()).status();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_disk_says_so_and_works_again_once_there_is_room() {
        let Some(disk) = SmallDisk::mount() else {
            eprintln!("left out: a full disk, because this user may not mount a small one");
            return;
        };
        let other = disk.0.path().join("other");
        // The first write that fits has the log moved into the file, which takes the room for itself until all of it is
        // there: as much as the log may hold, and a batch.
        let log = usize::try_from(CHECKPOINT_PAGES * PAGE_BYTES).unwrap();
        fs::write(&other, vec![0; log + (2 << 20)]).unwrap();
        let file = disk.0.path().join("mergecast.db");
        let store = Store::open(StoreOptions::new(StorePath::File(file.clone()))).await.unwrap();
        let mut stored = fill(&store).await;
        assert!(stored > 50, "{stored}");
        // One alone may still fit where sixteen did not.
        while store.accept(&bulky(-2 - i64::try_from(stored).unwrap())).await == Ok(Accepted::Stored) {
            stored += 1;
        }
        assert!(is_out_of_room(disk.0.path()), "the probe sees it too");
        assert_eq!(store.accept(&bulky(-1)).await, Err(StoreError::Full));
        assert_eq!(usize::try_from(store.inbox_counts().await.unwrap().queued), Ok(stored), "reading goes on");

        fs::remove_file(other).unwrap();
        assert!(!is_out_of_room(disk.0.path()));
        assert_eq!(store.accept(&bulky(-1)).await, Ok(Accepted::Stored));
        assert_eq!(store.ping_write().await, Ok(()));
        store.close().await;
        let connection = Connection::open(file).unwrap();
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        let queued: u32 = connection.query_row("SELECT COUNT(*) FROM inbox", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(queued), Ok(stored + 1));
    }

    #[tokio::test]
    async fn settings_are_what_durability_needs() {
        let place = Place::new();
        place.open().await.close().await;
        let mut session = Session::open(&place.file(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        prepare_writer(&session.connection, None).unwrap();
        for (pragma, expected) in [
            ("PRAGMA synchronous", Val::I64(2)),
            ("PRAGMA journal_mode", Val::Text("wal".to_owned())),
            ("PRAGMA page_size", Val::I64(PAGE_BYTES)),
            ("PRAGMA foreign_keys", Val::I64(1)),
            ("PRAGMA busy_timeout", Val::I64(5_000)),
        ] {
            assert_eq!(session.run(pragma, &[]).unwrap().rows[0].0, [expected], "{pragma}");
        }
    }
}
