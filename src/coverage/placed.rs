//! The reports of one commit, put together by the files of the repository that they mean. Each is fitted to the tree by
//! itself: two packages of a repository may call different files by one name.

use std::collections::BTreeSet;

use super::{Line, Refused, Report, Totals, Tree};

/// Lines by the repository's own paths.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    report: Report,
    /// Extensions of all paths that the reports have, those of no file among them.
    types: BTreeSet<String>,
    /// Paths that fit several files, or several of which fit one.
    pub ambiguous: u64,
    /// The first of those.
    pub ambiguous_paths: Vec<String>,
}

impl Placed {
    /// Takes in a report. Of a line that several tell of, the larger count holds.
    ///
    /// # Errors
    /// Together they hold more than is taken.
    pub fn take(&mut self, tree: &Tree, report: &Report) -> Result<(), Refused> {
        let fitted = tree.fit(report.paths());
        self.ambiguous += fitted.ambiguous;
        self.ambiguous_paths.extend(fitted.ambiguous_paths);
        self.ambiguous_paths.truncate(super::tree::TOLD);
        self.types.extend(report.paths().filter_map(extension).map(str::to_owned));
        let mut files = Report { left_out: report.left_out, ..Report::default() };
        for (file, paths) in fitted.by_file {
            let mut lines: Vec<Line> = Vec::new();
            paths.iter().filter_map(|path| report.lines(path)).for_each(|own| lines.extend_from_slice(own));
            super::draft::settle(&mut lines);
            files.files.insert(file, lines);
        }
        self.report.merge(files)
    }

    /// Lines of all files of the repository that the reports know.
    pub fn totals(&self) -> Totals {
        self.report.totals()
    }

    /// How many files of the repository the reports know.
    pub fn files(&self) -> usize {
        self.report.files()
    }

    /// Files that were left out because of their path.
    pub fn left_out(&self) -> u64 {
        self.report.left_out()
    }

    /// Coverable lines of a file of the repository.
    pub(super) fn lines(&self, file: &str) -> Option<&[Line]> {
        self.report.lines(file)
    }

    /// Whether the reports tell of files of this type at all: then one that they do not know is news.
    pub(super) fn know_type_of(&self, file: &str) -> bool {
        extension(file).is_some_and(|wanted| self.types.contains(wanted))
    }
}

fn extension(path: &str) -> Option<&str> {
    path.rsplit_once('/').map_or(path, |(_, name)| name).rsplit_once('.').map(|(_, end)| end)
}
