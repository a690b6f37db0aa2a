//! A mined history in a file. It is a cache: what cannot be read, or was written by another version of the engine, is
//! as good as absent.

mod fingerprint;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use flate2::Crc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, Lines, Repository};
use crate::{history::History, risk::Model};
use fingerprint::FINGERPRINT;

/// Begins each file.
const MAGIC: &[u8; 18] = b"mergecast history\n";
/// The layout of the file; the history in it has its own fingerprint.
const FORMAT: u32 = 2;
const HEAD_BYTES: usize = MAGIC.len() + 4 + fingerprint::BYTES + 4;
/// Bases of one clone whose histories are kept, those that were read last.
const KEPT_MAX: usize = 8;
/// A history that was not read for so long before another was kept is forgotten, whichever clone it was of.
const UNUSED: Duration = Duration::from_secs(180 * 86_400);

/// A history and what is needed to continue it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Object id of the commit that was taken in last.
    pub(super) tip: String,
    pub(super) lines: Lines,
    /// Version of the model that scored the changes.
    pub(super) model: String,
    /// Was cut off at its beginning, as the clone was.
    pub(super) shallow: bool,
    /// What named its authors.
    pub(super) mailmap: Option<String>,
    pub(super) history: History,
}

impl Kept {
    /// Whether one can go on with it.
    pub(super) fn fits(&self, lines: Lines, model: &Model, shallow: bool, mailmap: Option<&str>) -> bool {
        self.lines == lines
            && self.model == model.version
            && self.shallow == shallow
            && self.mailmap.as_deref() == mailmap
    }
}

/// Reads a kept history; none if there is none that this program can go on with.
pub(super) fn load(file: &Path) -> Option<Kept> {
    let bytes = fs::read(file).ok()?;
    let (head, payload) = bytes.split_at_checked(HEAD_BYTES)?;
    (head == head_of(payload)).then(|| postcard::from_bytes(payload).ok()).flatten()
}

/// Keeps a history. Who reads the file sees the old one or the new one, never a part.
pub(super) fn save(file: &Path, kept: &Kept) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let payload = postcard::to_allocvec(kept).map_err(io::Error::other)?;
    // Only its owner may read it, as for all temporary files. It may be lost with the power, so nobody waits for the disk.
    let mut written = tempfile::Builder::new().prefix(".history-").tempfile_in(folder)?;
    written.write_all(&head_of(&payload))?;
    written.write_all(&payload)?;
    written.persist(file).map(drop).map_err(|error| error.error)
}

fn head_of(payload: &[u8]) -> [u8; HEAD_BYTES] {
    let mut crc = Crc::new();
    crc.update(payload);
    let parts: [&[u8]; 4] = [MAGIC, &FORMAT.to_le_bytes(), &*FINGERPRINT, &crc.sum().to_le_bytes()];
    let (mut head, mut at) = ([0; HEAD_BYTES], 0);
    for part in parts {
        head[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    head
}

/// Where the history of a base of a clone is kept: in the user's cache directory, never in the repository. Worktrees of one
/// repository share it; bases have a file each, as one cannot be continued from another. `base` is what it is called.
/// None where the system names no such directory.
///
/// # Errors
/// git fails.
pub fn cache_file(repository: &Repository, base: &str) -> Result<Option<PathBuf>, Error> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let Some(cache) = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache"))) else {
        return Ok(None);
    };
    let common = repository.git.run(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    // Another repository at the same place later is told by its commits: the tip that is kept is not among them.
    let clone = hex::encode(&Sha256::digest(common.trim_ascii_end())[..16]);
    let base = hex::encode(&Sha256::digest(base)[..8]);
    Ok(Some(cache.join("mergecast/history").join(format!("{clone}-{base}"))))
}

/// Deletes what lies beside a history that was kept just now ([`cache_file`]) and is hardly needed any more: of the same clone
/// all but the newest, and what nobody read for months. What cannot be deleted stays.
pub fn forget_others(file: &Path) {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else { return };
    let clone = name.split_once('-').map_or(name, |(clone, _)| clone);
    let written = |path: &Path| fs::metadata(path).ok()?.modified().ok();
    let Some(now) = written(file) else { return };
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut others: Vec<(SystemTime, PathBuf)> =
        entries.filter(|path| path != file).filter_map(|path| Some((written(&path)?, path))).collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    let mut same = 1;
    for (at, path) in others {
        let own = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(clone));
        same += usize::from(own);
        if now.duration_since(at).is_ok_and(|age| age > UNUSED) || own && same > KEPT_MAX {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn few_bases_of_a_clone_are_kept_and_nothing_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let file = |name: &str, days: u64| {
            let path = folder.path().join(name);
            File::create(&path).unwrap().set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
            path
        };
        for base in 0..9_u64 {
            file(&format!("aa-{base}"), base + 1);
        }
        for (name, days) in [("bb-1", 179), ("bb-2", 181), (".history-killed", 200)] {
            file(name, days);
        }
        forget_others(&file("aa-now", 0));
        let mut left: Vec<String> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, ["aa-0", "aa-1", "aa-2", "aa-3", "aa-4", "aa-5", "aa-6", "aa-now", "bb-1"]);
    }
}
