//! Whether a range undoes an earlier change: what its messages claim, and what the patches prove.

use std::collections::BTreeSet;

use super::{Error, Repository, diff, range::Entry};
use crate::risk::{
    facts::{FileChange, Known, Reason, Revert, Source, Unknown},
    patch,
    revert::{Claim, claim},
};

/// How far back on the base branch a change is looked for by its title or number.
const HISTORY_MAX: &str = "--max-count=5000";

/// What one commit says it undoes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Undone {
    /// As written.
    named: String,
    by: By,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Commit,
    /// The headline, quoted.
    Title,
    /// Number of a pull request.
    Number(u64),
}

/// A range claims to undo something if at least half of its commits, merges left out, do. It is proven if the patch of
/// the whole range is the inverse of the one change that is named, and that one is part of `base`.
pub(super) fn revert(
    repository: &Repository,
    base: &str,
    commits: &[Entry],
    commits_total: u64,
    files: &[FileChange],
) -> Known<Option<Revert>> {
    let own: Vec<&Entry> = commits.iter().filter(|commit| !commit.merge).collect();
    let claims: Vec<Undone> =
        own.iter().filter_map(|commit| undone(commit)).filter(|undone| !within(undone, commits)).collect();
    if claims.is_empty() || claims.len() * 2 < own.len() || commits_total > commits.len() as u64 {
        return Ok(None);
    }
    let total = claims.iter().collect::<BTreeSet<_>>().len() as u64;
    let newest = &claims[claims.len() - 1];
    let proven = match total {
        1 => prove(repository, newest, base, commits, files),
        // Several changes undone at once are not compared.
        total => Err(Unknown { source: Source::History, reason: Reason::Partial { seen: 1, total } }),
    };
    Ok(Some(Revert { of: newest.named.clone(), proven }))
}

fn undone(commit: &Entry) -> Option<Undone> {
    let claimed = claim(commit.headline(), &commit.message);
    if let Some(Claim::Commit(sha)) = &claimed {
        return Some(Undone { named: sha.clone(), by: By::Commit });
    }
    let quoted = commit.headline().strip_prefix("Revert \"").and_then(|rest| Some(rest.rsplit_once('"')?.0));
    if let Some(title) = quoted.filter(|title| !title.is_empty()) {
        return Some(Undone { named: title.to_owned(), by: By::Title });
    }
    let lower = commit.headline().to_ascii_lowercase();
    let backed_out =
        ["back out ", "backs out ", "backed out ", "backout "].iter().find_map(|words| lower.strip_prefix(words));
    if let Some(sha) =
        backed_out.and_then(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_sha(word)))
    {
        return Some(Undone { named: sha.to_owned(), by: By::Commit });
    }
    match claimed {
        Some(Claim::PullRequest(number)) => Some(Undone { named: format!("#{number}"), by: By::Number(number) }),
        _ => None,
    }
}

fn is_sha(word: &str) -> bool {
    (7..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Work that came and went within the range undoes nothing that was there before.
fn within(undone: &Undone, commits: &[Entry]) -> bool {
    match undone.by {
        By::Commit => commits.iter().any(|commit| commit.sha.starts_with(&undone.named)),
        By::Title => commits.iter().any(|commit| commit.headline() == undone.named),
        By::Number(_) => false,
    }
}

fn prove(repository: &Repository, undone: &Undone, base: &str, commits: &[Entry], files: &[FileChange]) -> Known<bool> {
    let unavailable = |why: &str| Unknown { source: Source::History, reason: Reason::Unavailable(why.to_owned()) };
    let absent = "the commit it names is not in this clone";
    let look = || -> Result<Known<bool>, Error> {
        let Some(sha) = find(repository, undone, commits)? else { return Ok(Err(unavailable(absent))) };
        // What never was on the base ran nowhere: to undo it brings back no state that is known to be good.
        if !is_ancestor(repository, &sha, base)? {
            return Ok(Ok(false));
        }
        let parent = match repository.commit(&format!("{sha}^1")) {
            Ok(parent) => parent,
            // A root commit is compared with nothing at all.
            Err(Error::UnknownRevision(_)) => repository.empty_tree()?,
            Err(error) => return Err(error),
        };
        let found = diff::files(&repository.git, &parent, &sha)?;
        let seen = found.files.len() as u64;
        if seen < found.total {
            let reason = Reason::Partial { seen, total: found.total };
            return Ok(Err(Unknown { source: Source::History, reason }));
        }
        Ok(patch::is_inverse(&found.files, files))
    };
    look().unwrap_or_else(|error| {
        Err(unavailable(match error {
            Error::UnknownRevision(_) => absent,
            Error::MissingObjects => "objects of that commit are not in this partial clone",
            _ => "git could not compare the two changes",
        }))
    })
}

fn is_ancestor(repository: &Repository, commit: &str, of: &str) -> Result<bool, Error> {
    match repository.git.run(&["merge-base", "--is-ancestor", commit, of]) {
        Ok(_) => Ok(true),
        // No is told by the exit status alone; whatever else goes wrong is complained of.
        Err(Error::Failed { complaint, .. }) if complaint.is_empty() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The commit that is undone.
fn find(repository: &Repository, undone: &Undone, commits: &[Entry]) -> Result<Option<String>, Error> {
    let wanted: Box<dyn Fn(&str) -> bool> = match undone.by {
        By::Commit => return repository.commit(&undone.named).map(Some),
        By::Title => Box::new(|headline| headline == undone.named),
        By::Number(number) => {
            let (squashed, merged) = (format!("(#{number})"), format!("Merge pull request #{number} "));
            Box::new(move |headline| headline.ends_with(&squashed) || headline.starts_with(&merged))
        }
    };
    let Some(oldest) = commits.first() else { return Ok(None) };
    let before = format!("{}^1", oldest.sha);
    let listed = repository.git.run(&[
        "log",
        "-z",
        "--no-show-signature",
        "--first-parent",
        HISTORY_MAX,
        "--format=tformat:%H %s",
        "--end-of-options",
        &before,
    ])?;
    let listed = String::from_utf8_lossy(&listed);
    let mut lines = listed.split('\0').filter_map(|line| line.split_once(' '));
    Ok(lines.find(|(_, headline)| wanted(headline)).map(|(sha, _)| sha.to_owned()))
}
