//! Files as they stand: in the worktree, and the list of those that are tracked.

use std::{
    fs,
    io::{ErrorKind, Read},
};

use super::{Error, Repository};

/// Nothing that is read here for what it says is larger.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

impl Repository {
    /// Text of a file as it stands in the worktree, committed or not; `None` where there is no such regular file, and in
    /// a bare repository. Bytes that are not UTF-8 are replaced; beyond 16 MiB nothing is read.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn worktree_file(&self, path: &str) -> Result<Option<String>, Error> {
        if self.bare {
            return Ok(None);
        }
        let place = self.git.directory().join(path);
        // A link is what it names only to those who follow it; the hosting side sees a link.
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(Error::Io(error)),
        }
        let mut bytes = Vec::new();
        fs::File::open(&place).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes)).map_err(Error::Io)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Paths of all files at a revision, in git's order. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// The revision is unknown, or git fails.
    pub fn paths(&self, revision: &str) -> Result<Vec<String>, Error> {
        let commit = self.commit(revision)?;
        let listed = self.git.run(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", &commit])?;
        let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }
}
