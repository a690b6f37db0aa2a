//! The seam to the reading of mirrors: from a mirrored branch to its history, from a commit to its files.

use std::{fs, ops::ControlFlow, path::Path};

use super::histories::Loaded;
use crate::{
    deployment::{change::COMMITS_MAX, graph::GraphCommit},
    git::{
        Lines, Wanted, mine,
        mirror::{BranchName, Mirror, MirrorError},
    },
    risk::Model,
};

/// Paths of all files at a commit that the mirror in this directory has.
pub(super) fn files(directory: &Path, commit: &str) -> Option<Vec<String>> {
    let mirror = Mirror::at(directory.to_owned());
    mirror.contains(commit).then(|| mirror.repository().ok()?.files(commit).ok()).flatten()
}

/// Commits that are read of a graph: merges among them do not count later.
const GRAPH_MAX: usize = 2 * COMMITS_MAX;

/// Commits that `sha` has and `before` has not, where the mirror in this directory has both.
pub(super) fn between(directory: &Path, name: &str, before: &str, sha: &str) -> Option<Vec<GraphCommit>> {
    let repository = Mirror::at(directory.to_owned()).repository().ok()?.called(name);
    match repository.between(before, sha, GRAPH_MAX) {
        Ok(commits) => Some(commits),
        // It is fetched from time to time, and has no branch that was deleted.
        Err(error) => {
            tracing::debug!(%error, "what a deployment brought is not known to the mirror");
            None
        }
    }
}

/// The whole id of a commit that the mirror in this directory has.
pub(super) fn commit(directory: &Path, sha: &str) -> Option<String> {
    Mirror::at(directory.to_owned()).repository().ok()?.commit(sha).ok()
}

/// Reads the history of a branch up to its tip, going on from what `file` holds of it, and keeps it there. `name` is what
/// the repository calls itself, without its owner; `model` scores each change. `told` hears of the share that is done, 0-100.
pub(super) fn history(
    mirror: &Mirror,
    model: &Model,
    branch: &BranchName,
    file: &Path,
    name: &str,
    told: &dyn Fn(u8),
    stopped: &dyn Fn() -> bool,
) -> Result<Loaded, MirrorError> {
    let tip = mirror.tip(branch).ok_or_else(|| MirrorError::Corrupt("a branch is gone".to_owned()))?;
    let mut progress = |done: u64, total: u64| {
        told(u8::try_from(done * 100 / total.max(1)).unwrap_or(100));
        if stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // Contents are not there to be counted.
    let wanted = Wanted { tip: tip.clone(), after: None, lines: Lines::Skipped };
    let mined = mine(&mirror.repository()?.called(name), &wanted, model, Some(file), &mut progress)?;
    if let Some(error) = mined.unkept {
        tracing::warn!(%error, "a history could not be kept; after the next start it is read again");
    }
    let bytes = fs::metadata(file).map_or(0, |file| file.len());
    Ok(Loaded { history: mined.history, model: model.version.clone(), tip, mailmap: mirror.mailmap(), bytes })
}
