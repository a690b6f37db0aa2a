//! The file that a database lies in: made so that nobody else reads it, on a disk that may be full.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{Result, StoreError};

/// Enough to see whether a disk has room.
const PROBE_BYTES: usize = 64 << 10;

/// Creates the directory and the file, readable to nobody else; what exists keeps its mode.
pub(super) fn create_private(file: &Path) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| StoreError::Open { path, why: error.to_string() }
    };
    let folder = folder_of(file);
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop).map_err(failed(file))
}

/// The file of this name with `suffix` behind it.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    PathBuf::from(name)
}

/// Bytes of a database's file and of its write-ahead log.
pub(super) fn size_bytes(file: &Path) -> u64 {
    let bytes = |file: &Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
    bytes(file) + bytes(&beside(file, "-wal"))
}

/// That this process is the one that runs on a database. The system takes it back when the process ends, however it ends.
pub(super) struct Owner {
    _lock: File,
}

impl Owner {
    /// Takes it, if nobody has it.
    pub(super) fn take(file: &Path) -> Result<Self> {
        let path = beside(file, ".lock");
        create_private(&path)?;
        let failed = |error: io::Error| StoreError::Open { path: path.display().to_string(), why: error.to_string() };
        let lock = File::open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: file.display().to_string() }),
            // A file system without locks: as good as it was before there was one.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Self { _lock: lock }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// The directory of a file.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the disk, the quota or the file size limit leaves no room, found out by writing a little.
pub(super) fn is_out_of_room(folder: &Path) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let path = folder.join(".mergecast-room");
    let tried = File::create(&path).and_then(|mut file| file.write_all(&[0; PROBE_BYTES]));
    // A probe that cannot be removed is as good as one that was never there.
    let _ = fs::remove_file(&path);
    tried.is_err_and(|error| matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
}

#[cfg(test)]
mod tests {
    use super::super::{testing::*, *};
    use std::{fs, os::unix::fs::PermissionsExt};

    #[tokio::test]
    async fn files_are_private_and_errors_name_the_path() {
        let place = Place::new();
        let store = place.open().await;
        store.ping_write().await.unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let metadata = fs::metadata(format!("{}{suffix}", place.file().display())).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{suffix}");
        }

        let below_a_file = place.file().join("mergecast.db");
        let error = Store::open(StoreOptions::new(StorePath::File(below_a_file))).await.err().unwrap().to_string();
        let expected = format!("cannot open the database {}: ", place.file().display());
        assert!(error.starts_with(&expected), "{error}");

        let text = place.file().with_file_name("notes.txt");
        fs::write(&text, "not a database at all, but long enough to look like a file".repeat(100)).unwrap();
        let error = Store::open(StoreOptions::new(StorePath::File(text.clone()))).await.err().unwrap().to_string();
        assert_eq!(error, format!("cannot open the database {}: file is not a database", text.display()));
    }
}
