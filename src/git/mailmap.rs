//! The `.mailmap` by which git names authors, as far as it decides what a history says of people.

use std::fs;

use sha2::{Digest, Sha256};

use super::{Repository, process::Git};

/// Object id of the `.mailmap` at `HEAD`, whether its content is here or not.
pub(super) fn named(git: &Git) -> Option<String> {
    let listed = git.run(&["ls-tree", "HEAD", "--", ".mailmap"]).ok()?;
    let listed = String::from_utf8_lossy(&listed);
    // A symbolic link would be read as what it says, not as what it leads to.
    let id = listed.strip_prefix("100644 blob ").or_else(|| listed.strip_prefix("100755 blob "))?;
    id.split_once('\t').map(|(id, _)| id.to_owned())
}

/// Whether an object is here.
pub(super) fn holds(git: &Git, id: &str) -> bool {
    git.run(&["cat-file", "-e", id]).is_ok()
}

impl Repository {
    /// What git names authors by, as a text that is another one once that changes: the file in the worktree, and in a bare
    /// repository that of `HEAD`.
    pub(super) fn mailmap(&self) -> Option<String> {
        if self.bare {
            return named(&self.git).filter(|id| holds(&self.git, id));
        }
        let text = fs::read(self.git.directory().join(".mailmap")).ok()?;
        Some(hex::encode(Sha256::digest(text)))
    }
}
