//! The fourteen metrics of Kamei et al. (A large-scale empirical study of just-in-time quality assurance, TSE 2013),
//! from a state of their own that is fed with landed changes.
//!
//! They exist here for comparison only. Some of them count an author's changes: nothing else may read them, and they are
//! never stored or shown for a person.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::{
    history::{Author, Landed, LandedFile},
    risk::paths::directory_of,
};

/// How many metrics there are.
pub(super) const METRICS: usize = 14;

const DAY_S: f64 = 24.0 * 60.0 * 60.0;
const YEAR_S: f64 = 365.25 * DAY_S;

/// Latest changes of a file that are remembered.
const CHANGES_MAX: usize = 256;
/// A change of more files than this (a rename of everything, a formatter) says nothing about any of them.
const FILES_MAX: u64 = 500;

/// The history that the metrics are read from.
#[derive(Debug, Default)]
pub(super) struct Kamei {
    files: HashMap<String, FileState>,
    authors: HashMap<Author, AuthorState>,
    changes: u32,
}

#[derive(Debug, Default)]
struct FileState {
    /// Lines, as far as additions and deletions since the history's start tell.
    lines: u64,
    last_at: i64,
    authors: HashSet<Author>,
    changes: VecDeque<u32>,
}

#[derive(Debug, Default)]
struct AuthorState {
    at: Vec<i64>,
    by_subsystem: HashMap<String, u32>,
}

impl Kamei {
    /// The metrics of a change, from what came before it. Counts and sizes are log1p, as they are highly skewed:
    /// ns nd nf entropy la ld lt fix ndev age nuc exp rexp sexp.
    pub(super) fn metrics(&self, landed: &Landed) -> [f64; METRICS] {
        let paths = || landed.files.iter().map(|file| file.path.as_str());
        let subsystems: BTreeSet<&str> = paths().map(subsystem_of).collect();
        let directories: BTreeSet<&str> = paths().map(directory_of).collect();
        let known: Vec<&FileState> = landed.files.iter().filter_map(|file| self.before(file)).collect();
        let developers: HashSet<Author> = known.iter().flat_map(|file| &file.authors).copied().collect();
        let changes: HashSet<u32> = known.iter().flat_map(|file| &file.changes).copied().collect();
        let age_days = |file: &&FileState| landed.at.saturating_sub(file.last_at).max(0) as f64 / DAY_S;
        let author = self.authors.get(&landed.author);
        let times = author.map_or(&[][..], |author| &author.at);
        let recent = |at: &i64| 1.0 / (landed.at.saturating_sub(*at).max(0) as f64 / YEAR_S + 1.0);
        let here = |subsystem: &&str| author.and_then(|author| author.by_subsystem.get(*subsystem)).copied();
        [
            (subsystems.len() as f64).ln_1p(),
            (directories.len() as f64).ln_1p(),
            (landed.files_total as f64).ln_1p(),
            entropy(&landed.files),
            (landed.added as f64).ln_1p(),
            (landed.deleted as f64).ln_1p(),
            mean(known.iter().map(|file| file.lines as f64)).ln_1p(),
            f64::from(is_fix(&landed.title)),
            (developers.len() as f64).ln_1p(),
            mean(known.iter().map(age_days)).ln_1p(),
            (changes.len() as f64).ln_1p(),
            (times.len() as f64).ln_1p(),
            times.iter().map(recent).sum::<f64>().ln_1p(),
            subsystems.iter().filter_map(here).map(f64::from).sum::<f64>().ln_1p(),
        ]
    }

    /// Takes in the next change.
    pub(super) fn observe(&mut self, landed: &Landed) {
        let author = self.authors.entry(landed.author).or_default();
        author.at.push(landed.at);
        let subsystems: BTreeSet<&str> = landed.files.iter().map(|file| subsystem_of(&file.path)).collect();
        for subsystem in subsystems {
            *author.by_subsystem.entry(subsystem.to_owned()).or_default() += 1;
        }
        if landed.files_total <= FILES_MAX {
            for file in &landed.files {
                self.touch(file, landed);
            }
        }
        self.changes += 1;
    }

    fn touch(&mut self, file: &LandedFile, landed: &Landed) {
        let moved = file.previous_path.as_ref().and_then(|previous| self.files.remove(previous));
        if let Some(moved) = moved {
            self.files.insert(file.path.clone(), moved);
        }
        let state = self.files.entry(file.path.clone()).or_default();
        state.lines = (state.lines + file.added).saturating_sub(file.deleted);
        state.last_at = landed.at;
        state.authors.insert(landed.author);
        if state.changes.len() == CHANGES_MAX {
            state.changes.pop_front();
        }
        state.changes.push_back(self.changes);
    }

    /// A file as it stood before a change, which may rename it.
    fn before(&self, file: &LandedFile) -> Option<&FileState> {
        let previous = file.previous_path.as_ref().and_then(|previous| self.files.get(previous));
        previous.or_else(|| self.files.get(&file.path))
    }
}

/// The top-level directory of a path, empty at the root.
fn subsystem_of(path: &str) -> &str {
    path.split_once('/').map_or("", |(top, _)| top)
}

/// How evenly the changed lines are spread over the files, in bits (Hassan 2009).
fn entropy(files: &[LandedFile]) -> f64 {
    let lines = |file: &LandedFile| file.added.saturating_add(file.deleted) as f64;
    let total: f64 = files.iter().map(lines).sum();
    let shares = files.iter().map(|file| lines(file) / total).filter(|share| *share > 0.0);
    shares.map(|share| -share * share.log2()).sum()
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.sum::<f64>() / count
}

/// The words by which Kamei et al. find changes that fix something.
fn is_fix(title: &str) -> bool {
    const WORDS: [&str; 10] =
        ["fix", "fixes", "fixed", "bug", "bugs", "bugfix", "defect", "defects", "patch", "patches"];
    title.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::stories::landed;

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn metrics_come_from_before_the_change() {
        let mut kamei = Kamei::default();
        let mut observe = |day: i64, author: u64, files: &[(&str, u64, u64)], from: Option<&str>| {
            let mut change = landed(day * DAY, files);
            change.author = Author(author);
            change.files[0].previous_path = from.map(str::to_owned);
            kamei.observe(&change);
        };
        observe(0, 1, &[("api/old.rs", 100, 0)], None);
        observe(2, 2, &[("api/new.rs", 10, 30)], Some("api/old.rs"));
        observe(4, 1, &[("web/page/app.ts", 20, 0), ("README", 5, 0)], None);
        let mut change = landed(10 * DAY, &[("api/new.rs", 3, 1), ("web/page/app.ts", 4, 0), ("web/b.ts", 0, 0)]);
        change.title = "Login: fixes a crash".to_owned();
        let found = kamei.metrics(&change);
        let recent = |days: f64| 1.0 / (days / 365.25 + 1.0);
        let expected: [f64; METRICS] = [
            2_f64.ln_1p(),                        // ns: api, web
            3_f64.ln_1p(),                        // nd: api, web/page, web
            3_f64.ln_1p(),                        // nf
            1.0,                                  // entropy: four lines here, four there
            7_f64.ln_1p(),                        // la
            1_f64.ln_1p(),                        // ld
            50_f64.ln_1p(),                       // lt: 80 and 20 lines, the third file is new
            1.0,                                  // fix
            2_f64.ln_1p(),                        // ndev
            7_f64.ln_1p(),                        // age: 8 and 6 days
            3_f64.ln_1p(),                        // nuc
            2_f64.ln_1p(),                        // exp
            (recent(10.0) + recent(6.0)).ln_1p(), // rexp
            2_f64.ln_1p(),                        // sexp: once in api, once in web
        ];
        for (metric, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-12, "metric {metric} is {found}, not {expected}");
        }
        assert_eq!(found, kamei.metrics(&change), "asking changes nothing");
    }

    #[test]
    fn a_change_of_everything_moves_no_file() {
        let mut kamei = Kamei::default();
        let mut change = landed(0, &[("a.rs", 9, 0)]);
        change.files_total = 501;
        kamei.observe(&change);
        assert_eq!(kamei.metrics(&landed(DAY, &[("a.rs", 1, 0)]))[10], 0.0);
    }
}
