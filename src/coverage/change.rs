//! What a report says of a change: which of the lines that it adds can run, and which of those ran.
//!
//! Lines that hold no letter and no digit (a brace, an empty line) are not counted, and neither are comment lines in Go:
//! block formats give every line of a block. Tests, generated and vendored files are left out, as in the score.

use super::{Line, Placed, Totals};
use crate::risk::{
    facts::{CoveredFile, FileChange, FileStatus, LineBlock},
    patch::LineKind,
    paths::{PathKind, has_extension, kind_of},
    patterns::globs,
};

/// Touched files that are told of one by one.
pub(super) const FILES_TOLD: usize = 100;
/// Blocks of one file that are told.
const BLOCKS_TOLD: usize = 10;
/// Changed source files that are told as missing from the report.
pub(super) const ABSENT_TOLD: usize = 20;

/// What a report says of the changed files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Changed lines that tests can run.
    pub executable: u64,
    /// How many of those ran.
    pub covered: u64,
    /// Touched files that the report tells of, those with most changed lines that did not run first.
    pub files: Vec<CoveredFile>,
    /// Changed source files that the report does not know.
    pub absent: Vec<String>,
    /// Files that the report knows and whose changed lines are not given, so that nothing of them is counted.
    pub unread: u64,
}

/// Measures the changed files against the reports. `ignored` are globs of files that count for nothing.
pub fn measure(reports: &Placed, files: &[FileChange], ignored: &[String]) -> Measured {
    let ignored = globs(ignored.iter().map(String::as_str));
    let mut measured = Measured::default();
    for file in files.iter().filter(|file| counts(file) && !ignored.is_match(&file.path)) {
        let Some(lines) = reports.lines(&file.path) else {
            if kind_of(&file.path) == PathKind::Source && reports.know_type_of(&file.path) {
                measured.absent.push(file.path.clone());
            }
            continue;
        };
        measured.unread += u64::from(file.patch.is_err());
        let covered = of_file(file, lines);
        measured.executable += covered.executable;
        measured.covered += covered.covered;
        measured.files.push(covered);
    }
    least_run_first(&mut measured.files);
    measured.files.truncate(FILES_TOLD);
    measured.absent.truncate(ABSENT_TOLD);
    measured
}

/// Puts files with most changed lines that did not run first.
pub(super) fn least_run_first(files: &mut [CoveredFile]) {
    files.sort_by(|one, other| {
        let unrun = |file: &CoveredFile| file.executable.saturating_sub(file.covered);
        unrun(other).cmp(&unrun(one)).then_with(|| one.path.cmp(&other.path))
    });
}

/// Whether tests could run lines of the file.
pub(super) fn counts(file: &FileChange) -> bool {
    let gone = matches!(file.status, FileStatus::Removed | FileStatus::Unchanged);
    let kind = kind_of(&file.path);
    let left_out = matches!(kind, PathKind::Test | PathKind::Generated | PathKind::Vendored | PathKind::Lock);
    !gone && !left_out && !file.binary && !file.submodule
}

fn of_file(file: &FileChange, lines: &[Line]) -> CoveredFile {
    let whole = Totals::of(lines);
    let mut covered = CoveredFile {
        path: file.path.clone(),
        executable: 0,
        covered: 0,
        lines: whole.lines,
        lines_covered: whole.covered,
        uncovered: Vec::new(),
    };
    let Ok(patch) = &file.patch else { return covered };
    let is_go = has_extension(&file.path, "go");
    let mut open: Option<LineBlock> = None;
    let mut previous = 0;
    for line in patch.lines().filter(|line| line.kind == LineKind::Added) {
        if line.number != previous + 1 {
            covered.uncovered.extend(open.take());
        }
        previous = line.number;
        if !may_run(line.text, is_go) {
            continue;
        }
        let hits = u32::try_from(line.number).ok().and_then(|number| hits(lines, number));
        let Some(hits) = hits else { continue };
        covered.executable += 1;
        if hits > 0 {
            covered.covered += 1;
            covered.uncovered.extend(open.take());
            continue;
        }
        let block = open.get_or_insert(LineBlock { first: line.number, last: line.number, executable: 0 });
        block.last = line.number;
        block.executable += 1;
    }
    covered.uncovered.extend(open);
    covered.uncovered.sort_by_key(|block| (std::cmp::Reverse(block.executable), block.first));
    covered.uncovered.truncate(BLOCKS_TOLD);
    covered
}

fn may_run(text: &str, is_go: bool) -> bool {
    text.chars().any(char::is_alphanumeric) && !(is_go && text.trim_start().starts_with("//"))
}

fn hits(lines: &[Line], number: u32) -> Option<u32> {
    lines.binary_search_by_key(&number, |line| line.number).ok().map(|at| lines[at].hits)
}
