//! Coverage of a merge group whose own commit has no report: that of its pull requests, added up where that is right.
//!
//! It is right where each pull request's coverage is known for the head that the queue took, and no two of them change the
//! same source file: then every changed line was run, or not, as its own report says. Line numbers are those of the pull
//! request's head and not of the group's, so that no blocks of lines are told.

use std::collections::BTreeSet;

use super::change::{ABSENT_TOLD, FILES_TOLD, counts, least_run_first};
use crate::risk::{
    facts::{Coverage, Facts, FileChange, PullCoverage, Reason, Source, Unknown},
    paths::{PathKind, kind_of},
};

/// The sum so far.
#[derive(Debug, Default)]
pub struct Together {
    sum: Coverage,
    changed: BTreeSet<String>,
}

/// Why there is no sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apart {
    /// The coverage of this pull request is not known, for this reason.
    Unknown(u64, Reason),
    /// This one changes a source file that another one changes too.
    Overlaps(u64),
}

impl Together {
    /// Adds the pull request that these facts are of, as it was assessed at the head that the queue took. One that changes
    /// no source file adds nothing, whatever is known of it.
    ///
    /// # Errors
    /// There is no sum.
    pub fn add(&mut self, number: u64, facts: &Facts) -> Result<(), Apart> {
        let change = &facts.change;
        let sources: BTreeSet<&str> = change.files.iter().filter(|file| may_run(file)).flat_map(names).collect();
        let given = change.files.len() as u64;
        if given < change.files_total {
            return Err(Apart::Unknown(number, Reason::Partial { seen: given, total: change.files_total }));
        }
        if sources.is_empty() {
            return Ok(());
        }
        let coverage = facts.coverage.as_ref().map_err(|unknown| Apart::Unknown(number, unknown.reason.clone()))?;
        let report = coverage.report.as_ref().and_then(|report| Some((report.source, report.commit.clone()?)));
        let of_head = report.filter(|(_, commit)| *commit == change.head_sha);
        let (source, commit) = of_head.ok_or(Apart::Unknown(number, Reason::Awaited { newest: None }))?;
        if sources.iter().any(|path| self.changed.contains(*path)) {
            return Err(Apart::Overlaps(number));
        }
        self.changed.extend(sources.into_iter().map(str::to_owned));
        let sum = &mut self.sum;
        sum.executable += coverage.executable;
        sum.covered += coverage.covered;
        sum.ambiguous += coverage.ambiguous;
        sum.unread += coverage.unread;
        sum.files.extend(coverage.files.iter().cloned().map(|mut file| {
            file.uncovered.clear();
            file
        }));
        sum.absent.extend(coverage.absent.iter().cloned());
        sum.carried.extend(coverage.carried.iter().cloned());
        sum.pull_requests.push(PullCoverage { number, source, commit });
        Ok(())
    }

    /// What it comes to; `None` where no pull request changes a source file.
    pub fn sum(self) -> Option<Coverage> {
        let mut sum = self.sum;
        least_run_first(&mut sum.files);
        sum.files.truncate(FILES_TOLD);
        sum.absent.truncate(ABSENT_TOLD);
        (!sum.pull_requests.is_empty()).then_some(sum)
    }
}

impl Apart {
    /// The same as what is not known of the group; `own` is why its own commit's coverage is not.
    pub fn of_group(self, own: Unknown) -> Unknown {
        let why = match self {
            // Nothing is connected: there is no more to say.
            Self::Unknown(_, Reason::NotConnected) if own.reason == Reason::NotConnected => return own,
            Self::Unknown(number, _) => {
                format!("no report of the group's own commit, and none of the head of #{number}")
            }
            Self::Overlaps(number) => format!(
                "no report of the group's own commit, and #{number} changes files that another of its pull requests changes too"
            ),
        };
        Unknown { source: Source::Coverage, reason: Reason::Unusable(why) }
    }
}

fn may_run(file: &FileChange) -> bool {
    counts(file) && kind_of(&file.path) == PathKind::Source
}

fn names(file: &FileChange) -> impl Iterator<Item = &str> {
    std::iter::once(file.path.as_str()).chain(file.previous_path.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{CoverageReport, CoverageSource, CoveredFile, LineBlock},
        stories::{file, pull_request},
    };

    fn covered(path: &str, executable: u64, covered: u64) -> CoveredFile {
        let uncovered = vec![LineBlock { first: 1, last: 9, executable: 9 }];
        CoveredFile { path: path.to_owned(), executable, covered, lines: 100, lines_covered: 50, uncovered }
    }

    /// A pull request that changes one file, of whose changed lines so many ran.
    fn pull(path: &str, executable: u64, ran: u64) -> Facts {
        let mut facts = pull_request("x", vec![file(path, 40, 0)]);
        let commit = Some(facts.change.head_sha.clone());
        facts.coverage = Ok(Coverage {
            executable,
            covered: ran,
            report: Some(CoverageReport { source: CoverageSource::Upload, commit, reports: 1, at: None }),
            files: vec![covered(path, executable, ran)],
            ..Coverage::default()
        });
        facts
    }

    fn added(pulls: &[Facts]) -> Result<Option<Coverage>, Apart> {
        let mut together = Together::default();
        pulls.iter().enumerate().try_for_each(|(at, facts)| together.add(at as u64 + 1, facts))?;
        Ok(together.sum())
    }

    #[test]
    fn what_each_ran_is_what_all_ran_without_the_places() {
        let sum = added(&[pull("src/a.rs", 20, 15), pull("src/b.rs", 30, 5)]).unwrap().unwrap();
        assert_eq!((sum.executable, sum.covered, sum.report), (50, 20, None));
        let files: Vec<_> = sum.files.iter().map(|file| (file.path.as_str(), file.uncovered.len())).collect();
        assert_eq!(files, [("src/b.rs", 0), ("src/a.rs", 0)]);
        assert_eq!(sum.pull_requests.iter().map(|pull| pull.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn where_one_is_missing_or_two_meet_there_is_no_sum() {
        let unknown = |edit: &dyn Fn(&mut Facts), expected: Apart| {
            let mut facts = pull("src/b.rs", 30, 5);
            edit(&mut facts);
            assert_eq!(added(&[pull("src/a.rs", 20, 15), facts]), Err(expected));
        };
        let awaited = || Reason::Awaited { newest: None };
        unknown(&|facts| facts.change.head_sha = "f".repeat(40), Apart::Unknown(2, awaited()));
        unknown(&|facts| facts.coverage.as_mut().unwrap().report = None, Apart::Unknown(2, awaited()));
        unknown(&|facts| facts.change.files_total = 9, Apart::Unknown(2, Reason::Partial { seen: 1, total: 9 }));
        let other = Unknown { source: Source::Coverage, reason: awaited() };
        unknown(&|facts| facts.coverage = Err(other.clone()), Apart::Unknown(2, awaited()));
        unknown(&|facts| facts.change.files[0].path = "src/a.rs".to_owned(), Apart::Overlaps(2));
        unknown(&|facts| facts.change.files[0].previous_path = Some("src/a.rs".to_owned()), Apart::Overlaps(2));
    }

    #[test]
    fn what_tests_cannot_run_asks_for_no_report() {
        let mut docs = pull_request("x", vec![file("docs/a.md", 40, 0)]);
        docs.coverage = Err(Unknown::not_connected(Source::Coverage));
        let sum = added(&[docs.clone(), pull("src/a.rs", 20, 15)]).unwrap().unwrap();
        assert_eq!((sum.executable, sum.pull_requests.len()), (20, 1));
        assert_eq!(added(&[docs.clone()]), Ok(None));
        docs.change.files = vec![file("src/b.rs", 1, 0)];
        let Err(apart) = added(&[docs]) else { panic!("it changes a source file") };
        let own = Unknown::not_connected(Source::Coverage);
        assert_eq!(apart.of_group(own.clone()), own);
    }
}
