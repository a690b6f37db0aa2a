//! The first-parent history of a branch as the changes that landed on it, oldest first.
//!
//! git compares the commits, in as many processes as there are processors; each is told the commits one a line, with the
//! parent that counts, so that a merge is compared with its first parent whatever git would do with it.

mod missing;
mod output;
mod undone;
mod worker;

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::mpsc::Receiver,
    thread::{self, available_parallelism},
    vec,
};

use serde::{Deserialize, Serialize};

use super::{Error, Repository, diff::FILES_MAX};
use crate::history::Landed;
use undone::Undone;
use worker::Worker;

/// Changes that one process reads before it is the turn of the next. Few, so that none waits long for another. Within a
/// turn the newest is read first: packs hold older contents as differences from newer ones.
const TURN: usize = 128;
/// More processes would wait for the disk.
const PROCESSES_MAX: usize = 4;

/// Whether lines are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lines {
    /// Added and deleted lines of each file. git reads the content of every changed file.
    Counted,
    /// Paths only: all lines are 0. Several times as fast; files that were moved and changed are still followed where
    /// their content is at hand.
    Skipped,
}

/// Which part of a history is read.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Revision at its end.
    pub tip: String,
    /// Object id of the change that was seen last; `None` reads all.
    pub after: Option<String>,
    /// Whether lines are counted.
    pub lines: Lines,
}

/// One commit of the main line, as git is asked about it.
struct Step {
    sha: String,
    /// Its first parent; a root has none.
    parent: Option<String>,
    /// Tip of the branch that it merged, if it merged one.
    merged: Option<String>,
    /// Has more than one parent.
    merge: bool,
}

impl Step {
    /// The same commit without the branch that it merged.
    fn alone(&self) -> Self {
        Self { sha: self.sha.clone(), parent: self.parent.clone(), merged: None, merge: self.merge }
    }
}

/// A history that is being read: an iterator of its changes. Dropping it ends the reading; it ends after the first error.
pub struct Log {
    tip: String,
    total: u64,
    turns: Vec<Receiver<Result<Vec<Landed>, Error>>>,
    next: usize,
    batch: vec::IntoIter<Landed>,
    undone: Undone,
    ended: bool,
}

impl Repository {
    /// Reads the first-parent history up to `wanted.tip`, oldest change first. In a shallow clone the commit at which
    /// the history is cut off is left out, because what it changed cannot be told.
    ///
    /// # Errors
    /// The tip is unknown, `wanted.after` is not on its first-parent history ([`Error::NotOnMainLine`]), or git fails.
    pub fn landed(&self, wanted: &Wanted) -> Result<Log, Error> {
        let tip = self.commit(&wanted.tip)?;
        let steps = self.steps(&tip, wanted.after.as_deref())?;
        let total = steps.len() as u64;
        let processes = available_parallelism().map_or(1, usize::from).min(PROCESSES_MAX);
        let mut shares: Vec<Vec<Step>> = (0..processes).map(|_| Vec::new()).collect();
        let mut steps = steps.into_iter();
        for turn in 0.. {
            let share = &mut shares[turn % processes];
            let before = share.len();
            let turn: Vec<Step> = steps.by_ref().take(TURN).collect();
            share.extend(turn.into_iter().rev());
            if share.len() == before {
                break;
            }
        }
        let empty_tree = self.empty_tree()?;
        let name = self.remote_name();
        let shares = shares.into_iter().filter(|share| !share.is_empty());
        let turns = shares.map(|share| {
            let (worker, turns) = Worker::new(self.git.clone(), share, wanted.lines, empty_tree.clone(), name.clone());
            thread::spawn(move || worker.run());
            turns
        });
        Ok(Log {
            turns: turns.collect(),
            undone: Undone::new(self.git.clone(), tip.clone()),
            tip,
            total,
            next: 0,
            batch: Vec::new().into_iter(),
            ended: false,
        })
    }

    /// The commits of the main line, oldest first.
    fn steps(&self, tip: &str, after: Option<&str>) -> Result<Vec<Step>, Error> {
        let absent = |commit: &str| Error::NotOnMainLine(commit.to_owned());
        let mut arguments = vec!["rev-list", "--first-parent", "--parents", tip];
        let excluded = match after {
            Some(after) => {
                let seen = self.commit(after).map_err(|error| match error {
                    Error::UnknownRevision(_) => absent(after),
                    other => other,
                })?;
                if seen == tip {
                    return Ok(Vec::new());
                }
                Some((format!("^{seen}"), seen))
            }
            None => None,
        };
        arguments.extend(excluded.as_ref().map(|(excluded, _)| excluded.as_str()));
        let listed = self.git.run(&arguments)?;
        let listed = String::from_utf8(listed).map_err(|_| Error::Answer("rev-list"))?;
        let mut steps: Vec<Step> = listed.lines().filter_map(step).collect();
        steps.reverse();
        let oldest = steps.first().and_then(|step| step.parent.as_deref());
        if let Some((_, seen)) = &excluded
            && oldest != Some(seen)
        {
            // What was not left at `seen` came from elsewhere.
            return Err(absent(seen));
        }
        if self.shallow {
            let cut = self.cut_off()?;
            steps.retain(|step| !cut.contains(&step.sha));
        }
        Ok(steps)
    }

    /// The commits at which a shallow clone is cut off: they have parents, but not here.
    fn cut_off(&self) -> Result<HashSet<String>, Error> {
        let path = self.git.run(&["rev-parse", "--path-format=absolute", "--git-path", "shallow"])?;
        let path = String::from_utf8_lossy(&path);
        let listed = fs::read_to_string(Path::new(path.trim_end_matches('\n'))).map_err(Error::Io)?;
        Ok(listed.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// Name of the repository where it came from, without its owner: what its own pull requests call it.
    pub(super) fn remote_name(&self) -> Option<String> {
        if let Some(name) = &self.called {
            return Some(name.clone());
        }
        let url = self.git.config("remote.origin.url")?;
        let last = url.trim_end_matches('/').rsplit(['/', ':', '\\']).next()?;
        let name = last.strip_suffix(".git").unwrap_or(last);
        (!name.is_empty()).then(|| name.to_owned())
    }
}

/// One line of `rev-list --parents`.
fn step(line: &str) -> Option<Step> {
    let mut ids = line.split(' ').map(str::to_owned);
    let (sha, parent, second) = (ids.next()?, ids.next(), ids.next());
    let merge = second.is_some();
    // A merge of several branches has several authors; its own counts.
    let merged = second.filter(|_| ids.next().is_none());
    Some(Step { sha, parent, merged, merge })
}

impl Log {
    /// How many changes there are in all, from the first that was asked for.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Object id of the commit at the end.
    pub fn tip(&self) -> &str {
        &self.tip
    }

    fn advance(&mut self) -> Result<Option<Landed>, Error> {
        let mut landed = match self.batch.next() {
            Some(landed) => landed,
            None => {
                let Some(turn) = self.turns.get(self.next) else { return Ok(None) };
                // Whose share is at its end was the last in turn.
                let Ok(batch) = turn.recv() else { return Ok(None) };
                self.next = (self.next + 1) % self.turns.len();
                self.batch = batch?.into_iter();
                match self.batch.next() {
                    Some(landed) => landed,
                    None => return Ok(None),
                }
            }
        };
        self.undone.resolve(&mut landed)?;
        Ok(Some(landed))
    }
}

impl Iterator for Log {
    type Item = Result<Landed, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let change = self.advance().transpose();
        self.ended = !matches!(change, Some(Ok(_)));
        change
    }
}

#[cfg(test)]
mod tests;
