//! Facts about a change from what landed on its base branch strictly before it. Figures are of files, directories and
//! words; of the author there is only how much of *these* files he or she has changed before.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Reason, Source, Unknown};

/// What the repository's history says of a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Lines of the landed changes were counted. They are not where only names of files are at hand, as in the mirrors that
    /// the App keeps.
    pub lines: bool,
    /// Changes that landed before.
    pub changes: u64,
    /// How many of those were rolled back, as far as known before this change.
    pub rolled_back: u64,
    /// Share of this repository's changes that is rolled back, 0-1: old ones count less (half-life 365 days), and 50
    /// changes' worth of 2 % stand in for what is not known yet.
    pub base_rate: f64,
    /// Share of this repository's changes that are fixes, 0-1, weighed alike; 20 % stand in for what is not known yet.
    pub fix_rate: f64,
    /// Changes that landed in the last 7 days.
    pub changes_7d: u64,
    /// Rollbacks in the last 7 days.
    pub rollbacks_7d: u64,
    /// How often changes to the touched files were rolled back.
    pub files: Rates,
    /// How often changes to files in the touched directories were; of those in directories further down nothing is meant.
    pub directories: Rates,
    /// How often changes to files with these extensions were.
    pub extensions: Rates,
    /// How often changes whose titles share words with this one's were.
    pub topics: Rates,
    /// The touched file with most rollbacks.
    pub worst_file: Option<Failures>,
    /// Touched files whose changes were rolled back, most rollbacks first, at most [`History::FAILED`]. Facts from before
    /// this was kept have `worst_file` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_files: Vec<Failures>,
    /// The touched directory with the highest rate of rollbacks.
    pub worst_directory: Option<Failures>,
    /// The extension of touched files with the highest rate of rollbacks; empty for files without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_extension: Option<Failures>,
    /// The word of the title with the highest rate of rollbacks.
    pub worst_word: Option<Failures>,
    /// Rollbacks of the touched file with most of them; old ones count less (half-life 180 days).
    pub rollbacks_recent: f64,
    /// Days since a change to any touched file was rolled back.
    pub rollback_days: Option<f64>,
    /// The change is that of several people, or of nobody who is known: whatever is told of its author here is of nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authorless: bool,
    /// Touched files that existed before.
    pub existing: u64,
    /// How many of those the author has changed before.
    pub familiar: u64,
    /// Those that the author has not, at most [`History::LISTED`]. Untrusted.
    pub unfamiliar: Vec<String>,
    /// The author's earlier changes to the touched files, each file counted.
    pub author_changes: u64,
    /// Touched directories.
    pub directories_touched: u64,
    /// How many of those hold files that the author has changed before.
    pub directories_familiar: u64,
    /// People who have changed any touched file before.
    pub developers: u64,
    /// People besides the author who have done so in the last 14 days.
    pub others_14d: u64,
    /// Whom one could ask who knows files that the author does not, most knowing first. On GitHub: people who may write.
    pub knowers: Vec<Knower>,
    /// Earlier changes to the touched file with most of them; old ones count less (half-life 180 days).
    pub churn: f64,
    /// Days since any touched file was last changed.
    pub change_days: Option<f64>,
    /// Files that usually change along and are not touched, surest first, at most [`History::LISTED`].
    pub missing: Vec<CoChange>,
    /// Changes of the last 24 hours by the same author in the same place.
    pub series: Series,
    /// The files of those, where lines were counted, each once, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series_files: Vec<SeriesFile>,
    /// How this repository's ripe changes came out, by the score that history and diff alone gave them, lowest first.
    pub outcomes: Vec<Outcomes>,
    /// Scores that history and diff alone gave the latest changes, as (score, changes), lowest first.
    pub recent: Vec<(u8, u64)>,
}

impl History {
    /// How many items the lists hold at most.
    pub const LISTED: usize = 10;
    /// How many files are told of by their rollbacks: more than a change that anybody reviews touches.
    pub const FAILED: usize = 200;

    /// Why nothing is known of how the author stands to the files, if that is so.
    pub fn without_author(&self) -> Option<Unknown> {
        self.authorless.then_some(Unknown { source: Source::History, reason: Reason::NotApplicable })
    }
}

/// Rates of rollback of several things that a change touches, each shrunk to the repository's own with the weight of 20
/// changes, as ln(rate / base rate): 0 is as usual, 0.69 twice as often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Mean over the things.
    pub mean: f64,
    /// The highest.
    pub highest: f64,
}

/// How often changes to one thing were rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// The file, directory or word. Untrusted.
    pub name: String,
    /// Earlier changes.
    pub changes: u64,
    /// How many of those were rolled back.
    pub rolled_back: u64,
}

/// Somebody who has changed touched files in the last 90 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knower {
    /// Login with `@`, or the git author's name in a local repository. Untrusted.
    pub name: String,
    /// A commit that they wrote, for as long as it is not known who they are on GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Which of the files that the author does not know, at most [`History::LISTED`]. Untrusted.
    pub files: Vec<String>,
    /// How many of them there are in all; 0 where only the list was kept.
    #[serde(default)]
    pub files_total: u64,
}

impl Knower {
    /// How many of the files that the author does not know they do.
    pub fn knows(&self) -> u64 {
        self.files_total.max(self.files.len() as u64)
    }
}

/// A file that usually changes along with a touched one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoChange {
    /// The file that is not touched. Untrusted.
    pub path: String,
    /// The touched one. Untrusted.
    pub with: String,
    /// In how many of the latest changes to `with` it changed along.
    pub together: u64,
    /// How many those are.
    pub of: u64,
}

/// Changes of the last 24 hours by the same author in the same directories, or to files that usually change along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// How many changes.
    pub changes: u64,
    /// Lines that they added outside of tests, docs and what machines write.
    pub added: u64,
    /// Lines that they deleted there.
    pub deleted: u64,
}

/// A part that a change could be taken apart into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its changed files, by their paths. Untrusted.
    pub files: Vec<String>,
    /// What the history says of a change of these files alone, without what it says of the repository's changes as a whole.
    pub history: History,
}

/// A file of another piece of the same series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesFile {
    /// Its path after that piece. Untrusted.
    pub path: String,
    /// Effective lines that were added and deleted in it.
    pub lines: u64,
}

/// A pull request that is part of the same series as the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesPart {
    /// Number.
    pub number: u64,
    /// Effective lines that it adds outside of tests and docs.
    pub added: u64,
    /// Effective lines that it deletes there.
    pub deleted: u64,
    /// It is on the base branch by now.
    pub merged: bool,
    /// Its files that count. Facts from before they were kept have none, and tell of its lines only.
    #[serde(default, skip_serializing_if = "no_files")]
    pub files: Arc<[SeriesFile]>,
}

fn no_files(files: &Arc<[SeriesFile]>) -> bool {
    files.is_empty()
}

/// How changes of one score came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The score, 0-100.
    pub score: u8,
    /// Changes with it.
    pub changes: u64,
    /// How many of those failed: were rolled back within 30 days, by git history, or failed in production.
    pub failed: u64,
}
