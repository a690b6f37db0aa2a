//! What happened to a repository's main line before a change: which files, directories and kinds of change failed, who
//! knows which files, what changes together. One engine for live scoring, `score` and `backtest`.
//!
//! It is told of each landed change in order and answers for a change with what came strictly before it. It never reads
//! git, a file or the clock, and never keeps a figure about a person: authors are numbers that are met at files.

mod about;
mod file;
mod group;
mod landed;
pub mod message;
mod names;
mod past;
mod people;
mod record;
mod standing;
mod together;
mod words;

pub use landed::{Author, Claim, Landed, LandedFile};

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::risk::{
    Model,
    facts::{Facts, Rates},
    forecast::{self, Forecast},
    paths::{self, PathKind},
};
use file::FileHistory;
use group::Group;
use names::Names;
use past::{Past, Pasts};
use people::People;
use record::{BASE_HALF_LIFE, DAY, HALF_LIFE, Record};
use standing::Standing;

/// Place of a change in the order in which changes landed, from 0.
pub type Place = u32;

/// A change of more files says nothing of single files: it moves a whole tree, or formats it.
const FILES_MAX: u64 = 500;
/// Share of changes that is rolled back where nothing is known: the usual one of public repositories, rounded up.
const USUAL_RATE: f64 = 0.02;
/// Share of changes that are fixes where nothing is known.
const USUAL_FIXES: f64 = 0.2;
/// How many changes' worth of evidence the usual shares have.
const USUAL_STRENGTH: f64 = 50.0;
/// The repository's present state is told by this time. Seconds.
const PRESENT: i64 = 7 * DAY;
/// The calendar's end, in the year 9999: a clock beyond it, or before 1970, is as good as at the end. Unix seconds.
const TIME_MAX: i64 = 253_402_300_799;
/// A rollback within this time makes a change a failed one; after it, a change is ripe. Seconds.
pub const RIPE_AFTER: i64 = 30 * DAY;

/// What one landed change was: as it stood before it landed, and what it did.
#[derive(Clone, Debug)]
pub struct Step {
    /// Facts, strictly before it landed.
    pub facts: Facts,
    /// What history and diff alone made of it.
    pub forecast: Forecast,
    /// Places of the earlier changes that it undoes.
    pub undone: Vec<Place>,
}

/// What is known of a main line up to its tip. Memory grows with the number of files and of changes, not with lines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    tip: Option<String>,
    pasts: Pasts,
    people: People,
    paths: Names,
    /// By the numbers of `paths`.
    files: Vec<FileHistory>,
    /// Under which number a file that was renamed goes on.
    moved: Vec<Option<u32>>,
    directories: Group,
    extensions: Group,
    words: Group,
    whole: Record,
    /// Changes, and as failures those that are fixes.
    fixes: Record,
    /// When the latest rollbacks were, oldest first; of the last 7 days.
    rollbacks: VecDeque<i64>,
    /// When the latest changes landed, oldest first; of the last 7 days.
    latest: VecDeque<i64>,
    rolled_back: u64,
    /// Lines of the changes were counted.
    lines: bool,
    standing: Standing,
}

impl History {
    /// Scores the next change of the main line as it stood before it landed, and takes it in.
    pub fn step(&mut self, landed: &Landed, model: &Model) -> Step {
        let change = landed.change();
        let history = self.about(&change, landed.author, landed.at);
        let facts = forecast::landed(change, Ok(history), landed.landed_at());
        let forecast = forecast::forecast(&facts, model);
        let undone = self.observe(landed, Some(forecast.score));
        Step { facts, forecast, undone }
    }

    /// Takes in the next change of the main line, with the score that [`about`](Self::about) led to, where there is one.
    /// Gives the places of the earlier changes that it undoes.
    pub fn observe(&mut self, landed: &Landed, score: Option<u8>) -> Vec<Place> {
        let (at, place) = (on_calendar(landed.at), self.pasts.len());
        let author = self.people.number(landed);
        self.lines = landed.lines;
        self.standing.ripen(at, self.pasts.list());
        self.whole.change(at, BASE_HALF_LIFE);
        let counted = !landed.bot && !landed.revert && landed.files_total > 0;
        self.fixes.change(at, BASE_HALF_LIFE);
        if counted && is_fix(&landed.title) {
            self.fixes.failure(at, BASE_HALF_LIFE);
        }
        let files = if landed.files_total <= FILES_MAX { self.change_files(landed, author, place) } else { Vec::new() };
        let words = self.change_words(landed);
        let lines = lines_of(landed);
        let score = score.filter(|_| counted);
        let past = Past { at, author, files: files.into(), words, lines, undone_at: None, score, counted };
        // Named before it has a name itself: nothing undoes itself.
        let undone = self.pasts.named(&landed.undoes);
        self.pasts.push(landed, past);
        self.standing.landed(score);
        for each in &undone {
            self.undo(*each, at);
        }
        self.latest.push_back(at);
        forget(&mut self.latest, at - PRESENT);
        forget(&mut self.rollbacks, at - PRESENT);
        self.tip = Some(landed.sha.clone());
        undone
    }

    /// Object id of the change that was taken in last.
    pub fn tip(&self) -> Option<&str> {
        self.tip.as_deref()
    }

    /// How many changes were taken in.
    pub fn changes(&self) -> Place {
        self.pasts.len()
    }

    /// The repository's share of changes that is rolled back, at an instant.
    fn base_rate(&self, at: i64) -> f64 {
        usual(self.whole, at, USUAL_RATE)
    }

    fn fix_rate(&self, at: i64) -> f64 {
        usual(self.fixes, at, USUAL_FIXES)
    }

    fn change_files(&mut self, landed: &Landed, author: u32, place: Place) -> Vec<u32> {
        let at = on_calendar(landed.at);
        let mut numbers = Vec::with_capacity(landed.files.len());
        for file in &landed.files {
            let number = self.number_of(file);
            let known = &mut self.files[number];
            known.record.change(at, HALF_LIFE);
            known.changed_at = Some(known.changed_at.unwrap_or(at).max(at));
            known.authors.add(author);
            known.add_latest(place);
            known.removed = file.removed;
            numbers.push(narrow(number));
        }
        let paths: Vec<&str> = landed.files.iter().map(|file| file.path.as_str()).collect();
        for directory in distinct(paths.iter().map(|path| paths::directory_of(path))) {
            self.directories.change(directory, at, Some(author));
        }
        for extension in distinct(paths.iter().map(|path| extension_of(path))) {
            self.extensions.change(extension, at, None);
        }
        numbers
    }

    /// The number under which a file goes on; what was known of it under another name goes along.
    fn number_of(&mut self, file: &LandedFile) -> usize {
        let number = self.paths.number(&file.path);
        if self.files.len() <= number {
            self.files.resize_with(number + 1, FileHistory::default);
            self.moved.resize(number + 1, None);
        }
        // It is there again, whatever became of the one that bore the name before.
        self.moved[number] = None;
        let from = file.previous_path.as_deref().and_then(|path| self.paths.get(path)).filter(|from| *from != number);
        if let Some(from) = from.filter(|from| self.files[*from].existed()) {
            self.files[number] = std::mem::take(&mut self.files[from]);
            self.moved[from] = Some(narrow(number));
        }
        number
    }

    fn change_words(&mut self, landed: &Landed) -> Box<[u32]> {
        // The title of a revert is that of what it undoes: it was counted once.
        if landed.revert {
            return Box::default();
        }
        let at = on_calendar(landed.at);
        words::words_of(&landed.title).iter().map(|word| narrow(self.words.change(word, at, None))).collect()
    }

    /// What was a change is a failure since `at`.
    fn undo(&mut self, place: Place, at: i64) {
        let past = self.pasts.get_mut(place);
        let first = past.undone_at.is_none();
        past.undone_at.get_or_insert(at);
        let (files, words) = (past.files.clone(), past.words.clone());
        self.rolled_back += u64::from(first);
        self.whole.failure(at, BASE_HALF_LIFE);
        self.rollbacks.push_back(at);
        let (mut directories, mut extensions) = (BTreeSet::new(), BTreeSet::new());
        for number in files.iter().map(|number| *number as usize) {
            let path = self.paths.name(number);
            directories.insert(paths::directory_of(path));
            extensions.insert(extension_of(path));
            let file = &mut self.files[follow(&self.moved, number)];
            file.record.failure(at, HALF_LIFE);
            file.failed_at = Some(file.failed_at.unwrap_or(at).max(at));
        }
        directories.into_iter().for_each(|directory| self.directories.failure(directory, at));
        extensions.into_iter().for_each(|extension| self.extensions.failure(extension, at));
        words.iter().for_each(|word| self.words.failure_of(*word as usize, at));
    }
}

/// An instant that can be reckoned with. Anybody can write any time into a commit.
fn on_calendar(at: i64) -> i64 {
    at.clamp(0, TIME_MAX)
}

/// Drops what lies before an instant. Clocks differ, so that one may hide behind a newer one for a while.
fn forget(instants: &mut VecDeque<i64>, before: i64) {
    while instants.front().is_some_and(|instant| *instant < before) {
        instants.pop_front();
    }
}

/// A share of changes, shrunk to what is usual.
fn usual(record: Record, at: i64, share: f64) -> f64 {
    let faded = record.faded(at, BASE_HALF_LIFE);
    (faded.failures + USUAL_STRENGTH * share) / (faded.changes + USUAL_STRENGTH)
}

/// Where a file is found that was renamed, perhaps several times.
fn follow(moved: &[Option<u32>], mut number: usize) -> usize {
    // Renames in a circle end where they began.
    for _ in 0..moved.len() {
        match moved[number] {
            Some(next) => number = next as usize,
            None => break,
        }
    }
    number
}

/// Whether a title speaks of a repair.
fn is_fix(title: &str) -> bool {
    title.split(|letter: char| !letter.is_alphanumeric()).any(|word| {
        ["fix", "fixes", "fixed", "bug", "bugfix", "hotfix", "crash", "crashes", "regression"]
            .iter()
            .any(|fix| word.eq_ignore_ascii_case(fix))
    })
}

/// Lines added and deleted outside of tests, docs and what machines write.
fn lines_of(landed: &Landed) -> (u32, u32) {
    let weighed = |file: &&LandedFile| {
        use PathKind::{Docs, Generated, Lock, Test, Vendored};
        !matches!(paths::kind_of(&file.path), Test | Docs | Generated | Vendored | Lock)
    };
    let sum = |of: fn(&LandedFile) -> u64| {
        let lines = landed.files.iter().filter(weighed).fold(0_u64, |sum, file| sum.saturating_add(of(file)));
        u32::try_from(lines).unwrap_or(u32::MAX)
    };
    (sum(|file| file.added), sum(|file| file.deleted))
}

/// Extension of a path in lower case as far as it is ASCII already; empty where there is none.
fn extension_of(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    // `.gitignore` is a name.
    name.char_indices().skip(1).filter(|(_, letter)| *letter == '.').last().map_or("", |(at, _)| &name[at + 1..])
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.collect()
}

/// Mean and highest of rates; as usual where there is none.
fn rates(log_rates: &[f64]) -> Rates {
    let Some(highest) = log_rates.iter().copied().reduce(f64::max) else { return Rates::default() };
    Rates { mean: log_rates.iter().sum::<f64>() / log_rates.len() as f64, highest }
}

/// Numbers of files, words and people stay far below four thousand millions.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
