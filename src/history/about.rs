//! What the history says of a change.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Author, DAY, FILES_MAX, HALF_LIFE, History, PRESENT, distinct, extension_of,
    file::FileHistory,
    group::{Group, Thing},
    on_calendar,
    past::Touched,
    rates, words,
};
use crate::risk::{
    facts::{self, Change, CoChange, Failures, Knower, Series, SeriesFile},
    paths::{self, PathKind},
};

/// Others' changes of this time may collide with the change. Seconds.
const COLLISION: i64 = 14 * DAY;
/// Who has changed a file within this time still knows it. Seconds.
const REMEMBERED: i64 = 90 * DAY;
/// Changes within this time belong together if the same author makes them in the same place. Seconds.
const SERIES: i64 = DAY;
/// People that come into question to be asked. Many more than are named: those who know most may have left, or may not approve.
const KNOWERS_MAX: usize = 20;

impl History {
    /// What the history says of a change by `author` that would land at `at` (unix seconds).
    pub fn about(&self, change: &Change, author: Author, at: i64) -> facts::History {
        let at = self.time.not_before(on_calendar(at));
        let base_rate = self.base_rate(at);
        let before: BTreeSet<&str> =
            change.files.iter().map(|file| file.previous_path.as_deref().unwrap_or(&file.path)).collect();
        let touched: Vec<usize> = before.iter().filter_map(|path| self.number(path)).collect();
        let author = self.people.get(author);
        let directories = distinct(before.iter().map(|path| paths::directory_of(path)));
        let extensions = distinct(before.iter().map(|path| extension_of(path)));
        let words = words::words_of(&change.title);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let log_rate = |thing: Option<&Thing>| thing.map_or(0.0, |thing| thing.record.log_rate(at, base_rate));
        let of = |group: &Group, names: &mut dyn Iterator<Item = &str>| {
            rates(&names.map(|name| log_rate(group.get(name))).collect::<Vec<_>>())
        };
        let files: Vec<f64> =
            before.iter().map(|path| self.file(path).map_or(0.0, |f| f.record.log_rate(at, base_rate))).collect();
        let known = |number: &&usize| author.is_some_and(|author| self.files[**number].authors.times(author) > 0);
        let unfamiliar: Vec<usize> = touched.iter().filter(|number| !known(number)).copied().collect();
        let histories = || touched.iter().map(|number| &self.files[*number]);
        let days = |seconds: i64| (at - seconds).max(0) as f64 / DAY as f64;
        let faded = |file: &FileHistory| file.record.faded(at, HALF_LIFE);
        let familiar_directory = |name: &&&str| {
            author.is_some_and(|author| self.directories.get(name).is_some_and(|d| d.authors.times(author) > 0))
        };
        let missing = self.missing(&touched);
        let (series, series_files) = self.series(change, &before, &missing, author, at);
        facts::History {
            lines: self.lines,
            changes: u64::from(self.changes()),
            rolled_back: self.rolled_back,
            base_rate,
            fix_rate: self.fix_rate(at),
            changes_7d: count_since(&self.latest, at - PRESENT),
            rollbacks_7d: count_since(&self.rollbacks, at - PRESENT),
            files: rates(&files),
            directories: of(&self.directories, &mut directories.iter().copied()),
            extensions: of(&self.extensions, &mut extensions.iter().copied()),
            topics: of(&self.words, &mut words.iter().copied()),
            worst_file: self.worst_file(&touched),
            failed_files: self.failed_files(&touched),
            worst_directory: worst(&self.directories, directories.iter().copied(), at, base_rate),
            worst_extension: worst(&self.extensions, extensions.iter().copied(), at, base_rate),
            worst_word: worst(&self.words, words.iter().copied(), at, base_rate),
            rollbacks_recent: histories().map(|file| faded(file).failures).fold(0.0, f64::max),
            rollback_days: histories().filter_map(|file| file.failed_at).max().map(days),
            authorless: false,
            existing: touched.len() as u64,
            familiar: (touched.len() - unfamiliar.len()) as u64,
            unfamiliar: self.listed(&unfamiliar),
            author_changes: author
                .map_or(0, |author| histories().map(|file| u64::from(file.authors.times(author))).sum()),
            directories_touched: directories.len() as u64,
            directories_familiar: directories.iter().filter(familiar_directory).count() as u64,
            developers: distinct_people(histories().flat_map(|file| file.authors.all())),
            others_14d: distinct_people(
                self.since(&touched, at - COLLISION).map(|(_, other)| other).filter(|other| Some(*other) != author),
            ),
            knowers: self.knowers(&unfamiliar, author, at),
            churn: histories().map(|file| faded(file).changes).fold(0.0, f64::max),
            change_days: histories().filter_map(|file| file.changed_at).max().map(days),
            missing,
            series,
            series_files,
            outcomes: self.standing.outcomes(),
            recent: self.standing.recent(),
        }
    }

    /// What the history says of each part of a change as if it were made by itself. What holds for the repository as a
    /// whole, and whom to ask, stands beside the whole change.
    pub fn about_parts(&self, change: &Change, parts: Vec<Vec<String>>, author: Author, at: i64) -> Vec<facts::Part> {
        let of = |files: Vec<String>| {
            let among: BTreeSet<&str> = files.iter().map(String::as_str).collect();
            let mut part = Change { files_total: files.len() as u64, ..change.clone() };
            part.files.retain(|file| among.contains(file.path.as_str()));
            let said = self.about(&part, author, at);
            let history = facts::History { outcomes: Vec::new(), recent: Vec::new(), knowers: Vec::new(), ..said };
            facts::Part { files, history }
        };
        parts.into_iter().map(of).collect()
    }

    /// Number of the file at a path.
    fn number(&self, path: &str) -> Option<usize> {
        self.here[self.paths.get(path)?].map(|number| number as usize)
    }

    fn file(&self, path: &str) -> Option<&FileHistory> {
        self.number(path).map(|number| &self.files[number])
    }

    /// Path of a file.
    pub(super) fn path(&self, number: usize) -> &str {
        self.paths.name(self.files[number].path as usize)
    }

    /// The latest changes to files since an instant, as file and author.
    fn since<'a>(&'a self, files: &'a [usize], since: i64) -> impl Iterator<Item = (usize, u32)> + 'a {
        files.iter().flat_map(move |number| {
            let latest = self.files[*number].latest.iter().map(|place| self.pasts.get(*place));
            latest.filter(move |past| past.at >= since).map(|past| (*number, past.author))
        })
    }

    fn worst_file(&self, touched: &[usize]) -> Option<Failures> {
        let failed = touched.iter().filter(|number| self.files[**number].record.failures > 0);
        // Most rollbacks first; of as many, in the fewest changes.
        let worst = failed.max_by_key(|number| {
            let record = self.files[**number].record;
            (record.failures, std::cmp::Reverse(record.changes))
        })?;
        let record = self.files[*worst].record;
        Some(failures(self.path(*worst), record.changes, record.failures))
    }

    /// Those whose changes were rolled back, most rollbacks first.
    fn failed_files(&self, touched: &[usize]) -> Vec<Failures> {
        let failed = touched.iter().map(|number| (*number, self.files[*number].record));
        let mut failed: Vec<_> = failed.filter(|(_, record)| record.failures > 0).collect();
        failed.sort_by_key(|(number, record)| (std::cmp::Reverse(record.failures), self.path(*number)));
        failed.truncate(facts::History::FAILED);
        failed.iter().map(|(number, r)| failures(self.path(*number), r.changes, r.failures)).collect()
    }

    fn listed(&self, files: &[usize]) -> Vec<String> {
        let mut paths: Vec<String> = files.iter().map(|number| self.path(*number).to_owned()).collect();
        paths.sort_unstable();
        paths.truncate(facts::History::LISTED);
        paths
    }

    /// Who knows files that the author does not: those who know most of them first.
    fn knowers(&self, unfamiliar: &[usize], author: Option<u32>, at: i64) -> Vec<Knower> {
        let mut known: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        for (number, other) in self.since(unfamiliar, at - REMEMBERED).filter(|(_, other)| Some(*other) != author) {
            if self.people.contact(other).is_some() {
                known.entry(other).or_default().insert(number);
            }
        }
        let mut known: Vec<(u32, BTreeSet<usize>)> = known.into_iter().collect();
        known.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
        let named = |(person, files): (u32, BTreeSet<usize>)| {
            let files: Vec<usize> = files.into_iter().collect();
            let commit = self.people.commit(person).map(str::to_owned);
            Some(Knower {
                name: self.people.contact(person)?.to_owned(),
                commit,
                files: self.listed(&files),
                files_total: files.len() as u64,
            })
        };
        known.into_iter().filter_map(named).take(KNOWERS_MAX).collect()
    }

    /// What the author has landed in the last day in the same directories, or in files that usually change with the touched
    /// ones, with its files: a change does not get smaller by being made in pieces.
    fn series(
        &self,
        change: &Change,
        before: &BTreeSet<&str>,
        missing: &[CoChange],
        author: Option<u32>,
        at: i64,
    ) -> (Series, Vec<SeriesFile>) {
        let mut series = Series::default();
        let Some(author) = author.filter(|_| change.files_total <= FILES_MAX) else { return (series, Vec::new()) };
        let directories: BTreeSet<&str> = before.iter().map(|path| paths::directory_of(path)).collect();
        let companions: BTreeSet<&str> = missing.iter().map(|companion| companion.path.as_str()).collect();
        let path = |touched: &Touched| self.paths.name(touched.path as usize);
        let beside = |touched: &Touched| {
            let path = path(touched);
            counts(path) && directories.contains(paths::directory_of(path)) || companions.contains(path)
        };
        let mut files: BTreeMap<&str, u64> = BTreeMap::new();
        // Clocks differ: twice the time is looked back over, so that one that is behind hides nothing.
        let near = self.pasts.newest_first().take_while(|past| past.at >= at - 2 * SERIES);
        for past in near.filter(|past| past.author == author && past.at >= at - SERIES && past.counted) {
            if !past.files.iter().any(beside) {
                continue;
            }
            series.changes += 1;
            series.added += u64::from(past.lines.0);
            series.deleted += u64::from(past.lines.1);
            for (touched, lines) in past.files.iter().zip(&past.lines_in).filter(|(touched, _)| counts(path(touched))) {
                *files.entry(path(touched)).or_default() += u64::from(*lines);
            }
        }
        let file = |(path, lines): (&str, u64)| SeriesFile { path: path.to_owned(), lines };
        (series, if self.lines { files.into_iter().map(file).collect() } else { Vec::new() })
    }
}

/// Whether a file counts for size and spread, as far as its path tells.
fn counts(path: &str) -> bool {
    !matches!(paths::kind_of(path), PathKind::Generated | PathKind::Vendored | PathKind::Lock)
}

/// How many instants are not before another.
fn count_since(instants: &VecDeque<i64>, since: i64) -> u64 {
    let (first, second) = instants.as_slices();
    let count = |part: &[i64]| part.iter().filter(|instant| **instant >= since).count() as u64;
    count(first) + count(second)
}

fn distinct_people(people: impl Iterator<Item = u32>) -> u64 {
    let mut people: Vec<u32> = people.collect();
    people.sort_unstable();
    people.dedup();
    people.len() as u64
}

/// The thing with the highest rate of rollbacks, if any was rolled back.
fn worst<'a>(group: &Group, names: impl Iterator<Item = &'a str>, at: i64, base: f64) -> Option<Failures> {
    let failed = names.filter_map(|name| Some((name, group.get(name)?.record))).filter(|(_, r)| r.failures > 0);
    let (name, record) = failed.max_by(|(_, a), (_, b)| a.log_rate(at, base).total_cmp(&b.log_rate(at, base)))?;
    Some(failures(name, record.changes, record.failures))
}

fn failures(name: &str, changes: u32, rolled_back: u32) -> Failures {
    Failures { name: name.to_owned(), changes: changes.into(), rolled_back: rolled_back.into() }
}
