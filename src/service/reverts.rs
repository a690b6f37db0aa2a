//! Whether a pull request undoes an earlier change: what it claims is proven by comparing the patches, not the titles.

use super::assess::Outcome;
use crate::{
    github::{CommitFiles, Error, Files, Installation, PullRequest, RepoName, Undone},
    risk::{
        facts::{ChangeState, FileChange, Known, Reason, Revert, Source, Unknown},
        patch::is_inverse,
        revert::{Claim, claim, takes_back},
    },
};

/// Whether what was found out about the same files still answers what `pull` claims; what could not be read then may be
/// readable now.
pub(super) fn still_holds(known: &Known<Option<Revert>>, pull: &PullRequest) -> bool {
    let settled = |proven: &Known<bool>| match proven {
        Ok(_) => true,
        Err(unknown) => matches!(unknown.reason, Reason::Partial { .. }),
    };
    match (known, claimed(pull)) {
        (Ok(None), None) => true,
        (Ok(Some(revert)), Some(claim)) => revert.of == claim.to_string() && settled(&revert.proven),
        _ => false,
    }
}

fn claimed(pull: &PullRequest) -> Option<Claim> {
    claim(&pull.title, &format!("{}\n{}", pull.body, pull.head_message))
}

/// Whether the proof is left to a score right after this one. Where the claim was not known ahead, a proof takes two
/// requests more; with the one for a new token they would exceed what a score may cost.
pub(super) fn is_put_off(pull: &PullRequest) -> bool {
    pull.token_fetched && pull.undone.is_none() && claimed(pull).is_some()
}

/// The claim of `pull`, if it makes one, and whether `files` are the exact inverse of what it names.
pub(super) async fn read(
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    files: &[FileChange],
) -> Result<Known<Option<Revert>>, Outcome> {
    let Some(claim) = claimed(pull) else { return Ok(Ok(None)) };
    if is_put_off(pull) {
        return Ok(Ok(Some(Revert { of: claim.to_string(), proven: unavailable("it is looked into next") })));
    }
    let proven = match prove(installation, repo, pull, files, &claim).await {
        Ok(proven) => proven,
        Err(Error::NotFound | Error::Gone | Error::Invalid { .. }) => unavailable("what it names was not found"),
        Err(Error::Forbidden { needs }) => Err(Unknown { source: Source::Diff, reason: Reason::Forbidden(needs) }),
        Err(error) => return Err(error.into()),
    };
    Ok(Ok(Some(Revert { of: claim.to_string(), proven })))
}

/// A commit of a fork can be read through the base repository too, so only what was merged counts as undone: a commit
/// must lie on the base branch, a pull request must have been merged into it. To undo what was itself a revert is to
/// land again what was taken back: no proof of anything.
async fn prove(
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    files: &[FileChange],
    claim: &Claim,
) -> Result<Known<bool>, Error> {
    let (undone, commit) = match claim {
        Claim::Commit(sha) => {
            let CommitFiles { sha, message, files } = installation.commit_files(repo, sha).await?;
            if takes_back("", &message) {
                return Ok(Ok(false));
            }
            (files, Some(sha))
        }
        Claim::PullRequest(number) => {
            let named = match &pull.undone {
                Some(Undone::PullRequest(named)) if named.number == *number => named.clone(),
                _ => installation.pull(repo, *number).await?,
            };
            let merged_here = named.state == ChangeState::Merged && named.base_ref == pull.base_ref;
            if !merged_here || takes_back(&named.title, &named.body) {
                return Ok(Ok(false));
            }
            (installation.files(repo, *number, named.changed_files, &[]).await?, None)
        }
    };
    match (inverse(&undone, files), commit) {
        (Ok(true), Some(sha)) => match &pull.undone {
            Some(Undone::Commit { sha: known, merged }) if *known == sha => Ok(Ok(*merged)),
            _ => installation.is_ancestor(repo, &sha, &pull.base_sha).await.map(Ok),
        },
        (inverse, _) => Ok(inverse),
    }
}

fn inverse(undone: &Files, files: &[FileChange]) -> Known<bool> {
    if undone.complete { is_inverse(&undone.files, files) } else { unavailable("GitHub did not give all of it") }
}

fn unavailable(what: &str) -> Known<bool> {
    Err(Unknown { source: Source::Diff, reason: Reason::Unavailable(what.to_owned()) })
}
