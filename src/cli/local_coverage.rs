//! `score --coverage`: report files, put together and compared with the files of the head commit.

use std::{fs::File, io::Read, path::PathBuf};

use anyhow::{Context, bail};

use crate::{
    coverage::{self, Placed, REPORT_BYTES_MAX, Report, Tree, measure},
    git::Repository,
    risk::facts::{Change, Coverage, CoverageReport, CoverageSource, CoverageTotal},
    service::coverage::{inflate, is_gzip},
};

/// Coverage of the change by the reports in `files`, and what a person should know of how they were read.
///
/// # Errors
/// A file cannot be read, or is no report; which, and why.
pub(super) fn of(
    files: &[PathBuf],
    repository: &Repository,
    change: &Change,
    ignored: &[String],
) -> anyhow::Result<(Coverage, Vec<String>)> {
    let tree = Tree::of(repository.files(&change.head_sha).context("the files of the head commit cannot be listed")?);
    let mut all = Placed::default();
    for file in files {
        let report = read(file)?;
        all.take(&tree, &report).with_context(|| format!("{} is one report too many", file.display()))?;
    }
    let measured = measure(&all, &change.files, ignored);
    let mut notes = Vec::new();
    if all.left_out() > 0 {
        notes.push(format!("{} left out: the path leads upwards or cannot be a path", files_of(all.left_out())));
    }
    if all.ambiguous > 0 {
        let names = all.ambiguous_paths.join(", ");
        notes.push(format!("{} left out: which file is meant cannot be told: {names}", files_of(all.ambiguous)));
    }
    if all.files() == 0 {
        notes.push("no path in the reports is a file of the repository".to_owned());
    }
    let totals = all.totals();
    let report = CoverageReport { source: CoverageSource::File, commit: None, reports: files.len() as u64, at: None };
    let coverage = Coverage {
        executable: measured.executable,
        covered: measured.covered,
        report: Some(report),
        files: measured.files,
        absent: measured.absent,
        ambiguous: all.ambiguous,
        unread: measured.unread + change.files_total.saturating_sub(change.files.len() as u64),
        total: Some(CoverageTotal { lines: totals.lines, covered: totals.covered, base: None }),
        ..Coverage::default()
    };
    Ok((coverage, notes))
}

fn files_of(count: u64) -> String {
    if count == 1 { "1 file of the reports".to_owned() } else { format!("{count} files of the reports") }
}

fn read(file: &PathBuf) -> anyhow::Result<Report> {
    let named = || format!("cannot read the coverage report {}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(named)?;
    opened.take(REPORT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(named)?;
    if is_gzip(&bytes) {
        bytes = inflate(&bytes).with_context(named)?;
    }
    match coverage::parse(&bytes) {
        Ok((_, report)) => Ok(report),
        Err(refused) => bail!("{}: {refused}\nhint: docs/coverage.md says which commands write which report", named()),
    }
}
