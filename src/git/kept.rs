//! A mined history in a file. It is a cache: what cannot be read, or was written by another version of the engine, is
//! as good as absent.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use flate2::Crc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, Lines, Repository};
use crate::{history::History, risk::Model};

/// Begins each file.
const MAGIC: &[u8; 18] = b"mergecast history\n";
/// The layout of the file; the history in it has its own fingerprint.
const FORMAT: u32 = 2;
const FINGERPRINT_BYTES: usize = 32;
const HEAD_BYTES: usize = MAGIC.len() + FINGERPRINT_BYTES + 4;
/// What decides what a kept history holds and means. An edit there makes histories be mined anew.
const SOURCES: &[(&str, &str)] = &[
    ("about.rs", include_str!("../history/about.rs")),
    ("file.rs", include_str!("../history/file.rs")),
    ("group.rs", include_str!("../history/group.rs")),
    ("landed.rs", include_str!("../history/landed.rs")),
    ("message.rs", include_str!("../history/message.rs")),
    ("mod.rs", include_str!("../history/mod.rs")),
    ("names.rs", include_str!("../history/names.rs")),
    ("past.rs", include_str!("../history/past.rs")),
    ("people.rs", include_str!("../history/people.rs")),
    ("record.rs", include_str!("../history/record.rs")),
    ("standing.rs", include_str!("../history/standing.rs")),
    ("together.rs", include_str!("../history/together.rs")),
    ("words.rs", include_str!("../history/words.rs")),
];

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

/// Version of the program and of the engine's code: what they write, they can read.
static FINGERPRINT: LazyLock<[u8; FINGERPRINT_BYTES]> = LazyLock::new(|| {
    let mut digest = Sha256::new_with_prefix(FORMAT.to_le_bytes());
    digest.update(env!("CARGO_PKG_VERSION"));
    for (name, text) in SOURCES {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(name);
        digest.update(text);
    }
    digest.finalize().into()
});

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
    let mut head = [0; HEAD_BYTES];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[MAGIC.len()..HEAD_BYTES - 4].copy_from_slice(&*FINGERPRINT);
    head[HEAD_BYTES - 4..].copy_from_slice(&crc.sum().to_le_bytes());
    head
}

/// Where the history of a clone is kept: in the user's cache directory, never in the repository. Worktrees of one
/// repository share it. None where the system names no such directory.
///
/// # Errors
/// git fails.
pub fn cache_file(repository: &Repository) -> Result<Option<PathBuf>, Error> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let Some(cache) = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache"))) else {
        return Ok(None);
    };
    let common = repository.git.run(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    // Another repository at the same place later is told by its commits: the tip that is kept is not among them.
    let name = hex::encode(&Sha256::digest(common.trim_ascii_end())[..16]);
    Ok(Some(cache.join("mergecast/history").join(name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_fingerprint_covers_the_whole_engine() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/history");
        let mut found = BTreeSet::new();
        let mut folders = vec![folder.clone()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                    found.insert(path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let listed: BTreeSet<String> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, found, "list each source of the engine in SOURCES, so that a change there is noticed");
    }
}
