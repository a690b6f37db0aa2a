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
mod time;
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
use past::{Past, Pasts, Touched};
use people::People;
use record::{BASE_HALF_LIFE, DAY, HALF_LIFE, Record};
use standing::Standing;
use time::Time;

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
    /// When it counts as landed, unix seconds: by its own date, as far as that can be believed.
    pub at: i64,
}

/// What is known of a main line up to its tip. Memory grows with the number of files and of changes, not with lines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    tip: Option<String>,
    time: Time,
    /// The first change with its score, until the second shows whether its date can be believed.
    first: Option<Box<(Landed, Option<u8>)>>,
    pasts: Pasts,
    people: People,
    paths: Names,
    /// Which file is at a path, or was when it was removed; by the numbers of `paths`.
    here: Vec<Option<u32>>,
    files: Vec<FileHistory>,
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
        self.reconsider(landed);
        let at = self.time.of(on_calendar(landed.at), landed.author);
        let change = landed.change();
        let history = self.about(&change, landed.author, at);
        let facts = forecast::landed(change, Ok(history), landed.landed_at());
        let forecast = forecast::forecast(&facts, model);
        let undone = self.observe(landed, Some(forecast.score));
        Step { facts, forecast, undone, at }
    }

    /// Takes in the next change of the main line, with the score that [`about`](Self::about) led to, where there is one.
    /// Gives the places of the earlier changes that it undoes.
    pub fn observe(&mut self, landed: &Landed, score: Option<u8>) -> Vec<Place> {
        self.reconsider(landed);
        let place = self.pasts.len();
        if place == 0 {
            self.first = Some(Box::new((landed.clone(), score)));
        }
        let at = self.time.take(on_calendar(landed.at), landed.author);
        let author = self.people.number(landed);
        self.lines = landed.lines;
        self.standing.ripen(at, self.pasts.list());
        self.whole.change(at, BASE_HALF_LIFE);
        let counted = !landed.bot && !landed.revert && landed.files_total > 0;
        self.fixes.change(at, BASE_HALF_LIFE);
        if counted && is_fix(&landed.title) {
            self.fixes.failure(at, BASE_HALF_LIFE);
        }
        let keeps_files = landed.files_total <= FILES_MAX;
        let files = if keeps_files { self.change_files(landed, at, author, place) } else { Vec::new() };
        let words = self.change_words(landed, at);
        let lines = lines_of(landed);
        let score = score.filter(|_| counted);
        let lines_in = if keeps_files { lines_by_file(landed) } else { Box::default() };
        let files = files.into();
        let past =
            Past { at, author, files, lines_in, failed: Vec::new(), words, lines, undone_at: None, score, counted };
        // Named before it has a name itself: nothing undoes itself.
        let undone = self.pasts.named(&landed.undoes);
        self.pasts.push(landed, past);
        self.standing.landed(score);
        for each in &undone {
            self.undo(*each, place, at);
        }
        self.latest.push_back(at);
        forget(&mut self.latest, at - PRESENT);
        forget(&mut self.rollbacks, at - PRESENT);
        self.tip = Some(landed.sha.clone());
        undone
    }

    /// Takes the first change in again if the second shows that its clock was far ahead: there was no time before it that
    /// could have told.
    fn reconsider(&mut self, second: &Landed) {
        let Some(first) = self.first.take() else { return };
        let at = on_calendar(second.at);
        if on_calendar(first.0.at) - at > time::LEAP {
            let (landed, score) = *first;
            *self = Self::default();
            self.observe(&Landed { at, ..landed }, score);
            self.first = None;
        }
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

    fn change_files(&mut self, landed: &Landed, at: i64, author: u32, place: Place) -> Vec<Touched> {
        let touched = self.find_files(&landed.files);
        for (file, touched) in landed.files.iter().zip(&touched) {
            let known = &mut self.files[touched.file as usize];
            known.record.change(at, HALF_LIFE);
            known.changed_at = Some(at);
            known.authors.add(author);
            known.add_latest(place);
            known.removed = file.removed;
        }
        let paths: Vec<&str> = landed.files.iter().map(|file| file.path.as_str()).collect();
        for directory in distinct(paths.iter().map(|path| paths::directory_of(path))) {
            self.directories.change(directory, at, Some(author));
        }
        for extension in distinct(paths.iter().map(|path| extension_of(path))) {
            self.extensions.change(extension, at, None);
        }
        touched
    }

    /// The files that a change touches. One that it renames stays the same file, and one that comes to a path that another
    /// has left is a new one.
    fn find_files(&mut self, files: &[LandedFile]) -> Vec<Touched> {
        // All are taken from where they were before any is put where it is now: two may change places.
        let moved: Vec<Option<u32>> = files
            .iter()
            .map(|file| {
                let from = self.paths.get(file.previous_path.as_deref()?)?;
                self.here[from].take()
            })
            .collect();
        let mut touched = Vec::with_capacity(files.len());
        for (file, moved) in files.iter().zip(moved) {
            let path = self.paths.number(&file.path);
            if self.here.len() <= path {
                self.here.resize(path + 1, None);
            }
            let file = moved.or(self.here[path]).unwrap_or_else(|| {
                self.files.push(FileHistory::default());
                narrow(self.files.len() - 1)
            });
            self.here[path] = Some(file);
            let path = narrow(path);
            self.files[file as usize].path = path;
            touched.push(Touched { path, file });
        }
        touched
    }

    fn change_words(&mut self, landed: &Landed, at: i64) -> Box<[u32]> {
        // The title of a revert is that of what it undoes: it was counted once.
        if landed.revert {
            return Box::default();
        }
        words::words_of(&landed.title).iter().map(|word| narrow(self.words.change(word, at, None))).collect()
    }

    /// What was a change is a failure since `at`, when the change at `by` took it back. A change fails once; each of its
    /// files does when it is taken back first.
    fn undo(&mut self, place: Place, by: Place, at: i64) {
        let takes = distinct_files(&self.pasts.get(by).files);
        let past = self.pasts.get_mut(place);
        let first = past.undone_at.is_none();
        past.undone_at.get_or_insert(at);
        // One that touches none of them was too large to say which, or was resolved by hand elsewhere.
        let whole = first && !past.files.iter().any(|each| takes.contains(&each.file));
        let (before, now) = past.fail(|file| whole || takes.contains(&file));
        if first {
            self.rolled_back += 1;
            self.whole.failure(at, BASE_HALF_LIFE);
            self.rollbacks.push_back(at);
            let words = past.words.clone();
            words.iter().for_each(|word| self.words.failure_of(*word as usize, at));
        }
        for each in &now {
            let file = &mut self.files[each.file as usize];
            file.record.failure(at, HALF_LIFE);
            file.failed_at = Some(at);
        }
        let paths = |touched: &[Touched]| -> Vec<&str> {
            touched.iter().map(|each| self.paths.name(each.path as usize)).collect()
        };
        let (before, now) = (paths(&before), paths(&now));
        let newly = |part: fn(&str) -> &str| {
            let failed = distinct(before.iter().map(|path| part(path)));
            distinct(now.iter().map(|path| part(path))).into_iter().filter(move |each| !failed.contains(each))
        };
        newly(paths::directory_of).for_each(|directory| self.directories.failure(directory, at));
        newly(extension_of).for_each(|extension| self.extensions.failure(extension, at));
    }
}

/// An instant that can be reckoned with. Anybody can write any time into a commit.
pub(crate) fn on_calendar(at: i64) -> i64 {
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

fn distinct_files(touched: &[Touched]) -> BTreeSet<u32> {
    touched.iter().map(|each| each.file).collect()
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

fn lines_by_file(landed: &Landed) -> Box<[u32]> {
    let lines = |file: &LandedFile| u32::try_from(file.added.saturating_add(file.deleted)).unwrap_or(u32::MAX);
    landed.files.iter().map(lines).collect()
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
