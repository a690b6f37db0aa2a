//! A copy of a database that is in use, and a copy put in a database's place.
//!
//! A copy is checked before it gets its name, and nothing is overwritten or lost on the way: what is half done has
//! another name, and the database that was there is kept.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags,
    backup::{Backup, StepResult},
    ffi,
};

use super::{
    Result, StoreError, StorePath,
    file::{Owner, beside, create_private, folder_of},
    migrate,
    sqlite::to_store_error,
};

/// Pages of 32 KB copied in one step.
const STEP_PAGES: i32 = 256;
/// Longest wait for whoever else uses a file.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Between two tries of a step that was not possible.
const PAUSE: Duration = Duration::from_millis(20);
/// Tries of one step in a row.
const TRIES: u32 = 500;

/// A copy that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// Number of its schema.
    pub schema: i64,
}

/// A database that was replaced by a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What is there now.
    pub copied: Copied,
    /// Where the database is that was there before, if one was.
    pub aside: Option<PathBuf>,
}

/// Copies the database as it is at one instant, while others use it; they do not have to wait. The copy is one file that
/// nobody else may read, and it is checked.
///
/// # Errors
/// [`StoreError::Exists`] if `to` is there and may not be overwritten, [`StoreError::Damaged`] if the copy is not whole,
/// [`StoreError::Full`] if there is no room for it. Then `to` is as it was.
pub fn backup(database: &StorePath, to: &Path, overwrite: bool) -> Result<Copied> {
    let StorePath::File(file) = database;
    if is_same(file, to) {
        let hint = "choose another name: this is the database itself";
        return Err(StoreError::Exists { path: to.display().to_string(), hint });
    }
    if to.exists() && !overwrite {
        let hint = "choose another name, or overwrite it with --force";
        return Err(StoreError::Exists { path: to.display().to_string(), hint });
    }
    place(file, to, &beside(to, ".partial"))
}

/// Puts a copy in the place of the database, which nobody may use meanwhile. The one that was there is kept beside it,
/// with `stamp` in its name.
///
/// # Errors
/// [`StoreError::Damaged`], [`StoreError::Newer`] or [`StoreError::Altered`] if the copy is not one that this version can
/// use, [`StoreError::InUse`] if another process uses the database. Then all is as it was.
pub fn restore(database: &StorePath, from: &Path, stamp: &str) -> Result<Restored> {
    let StorePath::File(file) = database;
    check(from)?;
    let folder = folder_of(file);
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    // Whom the service runs as is whose the database is, or its folder; whoever restores may be root.
    let theirs = fs::metadata(file).or_else(|_| fs::metadata(folder)).map_err(|error| failed(folder, &error))?;
    let _owner = Owner::take(file)?;
    let partial = beside(file, ".restoring");
    let copied = make(from, &partial)?;
    for ours in [&partial, &beside(file, ".lock")] {
        give(ours, &theirs).map_err(|error| failed(ours, &error))?;
    }
    let aside = beside(file, &format!(".before-{stamp}"));
    let replaced = replace(file, &partial, &aside);
    if replaced.is_err() {
        let _ = fs::remove_file(&partial);
    }
    Ok(Restored { copied, aside: replaced?.then_some(aside) })
}

/// Makes a file belong to whom another belongs, where it is root who may.
fn give(ours: &Path, theirs: &Metadata) -> io::Result<()> {
    let now = fs::metadata(ours)?;
    let is_theirs = (now.uid(), now.gid()) == (theirs.uid(), theirs.gid());
    if is_theirs || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    chown(ours, Some(theirs.uid()), Some(theirs.gid()))
}

/// What SQLite keeps beside a database and takes for that of whatever bears its name.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Puts `partial` in the place of `file` and keeps what was there as `aside`; `true` if that was a database. Its own name
/// stays until it is replaced, so that there is a database at every instant.
fn replace(file: &Path, partial: &Path, aside: &Path) -> Result<bool> {
    let existed = file.exists();
    if existed {
        close_log(file)?;
        fs::hard_link(file, aside).or_else(|_| copy_new(file, aside)).map_err(|error| failed(aside, &error))?;
    }
    // Also where the file itself is gone: a log that a stopped App left would be played back over the copy.
    let mut moved = Vec::new();
    let placed = COMPANIONS
        .into_iter()
        .try_for_each(|suffix| match fs::rename(beside(file, suffix), beside(aside, suffix)) {
            Ok(()) => {
                moved.push(suffix);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        })
        // After a power cut, the copy must not be there with the log of the other.
        .and_then(|()| sync_folder(file))
        .and_then(|()| fs::rename(partial, file));
    if let Err(error) = placed {
        for suffix in moved {
            let _ = fs::rename(beside(aside, suffix), beside(file, suffix));
        }
        if existed {
            let _ = fs::remove_file(aside);
        }
        return Err(failed(file, &error));
    }
    sync_folder(file).map_err(|error| failed(file, &error))?;
    Ok(existed)
}

/// For file systems without second names.
fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

/// Writes the log of a database back into its file, which only works if nobody else has it open.
fn close_log(file: &Path) -> Result<()> {
    let closed = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE, Duration::ZERO).and_then(|connection| {
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0))
    });
    match closed {
        Err(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) =>
        {
            Err(StoreError::InUse { path: file.display().to_string() })
        }
        // What cannot be read is what a copy is put in the place of.
        _ => Ok(()),
    }
}

/// Copies `from` to `to` by way of `partial`.
fn place(from: &Path, to: &Path, partial: &Path) -> Result<Copied> {
    let copied = make(from, partial)?;
    let placed = fs::rename(partial, to).and_then(|()| sync_folder(to)).map_err(|error| failed(to, &error));
    if placed.is_err() {
        let _ = fs::remove_file(partial);
    }
    placed.map(|()| copied)
}

/// Makes a copy that is whole and on the disk, under a name of its own.
fn make(from: &Path, partial: &Path) -> Result<Copied> {
    // What an earlier try left behind when it was killed.
    let _ = fs::remove_file(partial);
    create_private(partial)?;
    let made = copy(from, partial).and_then(|()| check(partial)).and_then(|schema| {
        let bytes = File::open(partial).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
        bytes.map(|metadata| Copied { bytes: metadata.len(), schema }).map_err(|error| failed(partial, &error))
    });
    if made.is_err() {
        let _ = fs::remove_file(partial);
    }
    made
}

/// A name is durable only with its directory.
fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder_of(file)).and_then(|folder| folder.sync_all())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = open(from, OpenFlags::SQLITE_OPEN_READ_ONLY, LOCK_WAIT).map_err(|error| damaged(from, &error))?;
    let mut target = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE, LOCK_WAIT).map_err(|error| to_store_error(&error))?;
    // One instant for the whole copy: without a transaction every write of others would start it anew.
    let snapshot = source.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema");
    snapshot.map_err(|error| damaged(from, &error))?;
    copy_pages(&source, &mut target).map_err(|error| to_store_error(&error))?;
    // One file, without a log beside it.
    let mode = target.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0));
    mode.map(drop).map_err(|error| to_store_error(&error))
}

fn copy_pages(source: &Connection, target: &mut Connection) -> rusqlite::Result<()> {
    let copying = Backup::new(source, target)?;
    let mut tries = 0;
    loop {
        match copying.step(STEP_PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            StepResult::Busy | StepResult::Locked => {
                return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
            }
            _ => tries = 0,
        }
    }
}

/// Number of the schema of a database that is whole and that this version can use.
fn check(file: &Path) -> Result<i64> {
    let broken = |why: String| StoreError::Damaged { path: file.display().to_string(), why };
    if !file.is_file() {
        return Err(StoreError::Open { path: file.display().to_string(), why: "there is no such file".to_owned() });
    }
    let connection = open(file, OpenFlags::SQLITE_OPEN_READ_ONLY, LOCK_WAIT).map_err(|error| damaged(file, &error))?;
    let said: rusqlite::Result<String> = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match said {
        Ok(said) if said == "ok" => {}
        Ok(said) => return Err(broken(said)),
        Err(error) => return Err(damaged(file, &error)),
    }
    migrate::known_schema(&connection)?.ok_or_else(|| broken("it has no tables of ours".to_owned()))
}

fn open(file: &Path, flags: OpenFlags, wait: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(wait)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn is_same(file: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(file), fs::canonicalize(other)), (Ok(file), Ok(other)) if file == other)
}

fn damaged(file: &Path, error: &rusqlite::Error) -> StoreError {
    let path = file.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged { path, why: error.to_string() }
        }
        Some(ErrorCode::CannotOpen) => StoreError::Open { path, why: error.to_string() },
        _ => to_store_error(error),
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => StoreError::Full,
        _ => StoreError::Open { path: path.display().to_string(), why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn what_cannot_be_put_back_leaves_all_as_it_was() {
        let place = Place::new();
        let store = place.open().await;
        store.accept(&delivery_at(1)).await.unwrap();
        store.close().await;
        let (file, path) = (place.file(), StorePath::File(place.file()));
        let copy = beside(&file, ".copy");
        backup(&path, &copy, false).unwrap();
        fs::write(beside(&file, "-wal"), "a log").unwrap();
        fs::write(beside(&file, "-shm"), "its index").unwrap();
        fs::remove_file(&file).unwrap();
        // One of the names to be taken is a directory's.
        let aside = beside(&file, ".before-x");
        fs::create_dir(beside(&aside, "-shm")).unwrap();
        assert!(restore(&path, &copy, "x").is_err());
        assert_eq!(fs::read_to_string(beside(&file, "-wal")).unwrap(), "a log");
        assert_eq!(fs::read_to_string(beside(&file, "-shm")).unwrap(), "its index");
        assert!(!file.exists() && !beside(&aside, "-wal").exists() && !beside(&file, ".restoring").exists());
        // With names that are free it is done.
        assert_eq!(restore(&path, &copy, "y").unwrap().aside, None);
        assert_eq!(fs::read_to_string(beside(&file, ".before-y-wal")).unwrap(), "a log");
        assert_eq!(place.open().await.inbox_counts().await.unwrap().queued, 1);
    }

    #[tokio::test]
    async fn what_root_puts_back_belongs_to_whom_it_belonged() {
        let place = Place::new();
        place.open().await.close().await;
        let (file, path) = (place.file(), StorePath::File(place.file()));
        let copy = beside(&file, ".copy");
        backup(&path, &copy, false).unwrap();
        if chown(&file, Some(10_001), Some(10_001)).is_err() {
            // Only root can give files away, and only root's are then somebody else's.
            return;
        }
        restore(&path, &copy, "x").unwrap();
        for file in [file.clone(), beside(&file, ".lock")] {
            let found = fs::metadata(&file).unwrap();
            assert_eq!((found.uid(), found.gid()), (10_001, 10_001), "{}", file.display());
        }
    }
}
