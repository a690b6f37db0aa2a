//! A report in the making: takes lines file by file, in whatever order, and holds its bounds all the while.

use indexmap::IndexMap;

use super::{LINE_MAX, Limits, Line, Refused, Report, path};

/// Lines of a file before its first clearing of doubles.
const SETTLE_FROM: usize = 4_096;

/// A report in the making.
pub(super) struct Draft {
    limits: Limits,
    files: IndexMap<String, Pending>,
    /// The file that lines belong to; `None` before the first and within one that is left out.
    open: Option<usize>,
    /// Lines of all files, doubles included.
    lines: usize,
    /// Lines that were taken so far.
    taken: u64,
    left_out: u64,
}

/// Lines of one file. Some reports give each line many times, so doubles go whenever the lines have doubled: that is
/// linear in all, and holds no more than twice of what stays.
#[derive(Default)]
struct Pending {
    lines: Vec<Line>,
    settle_at: usize,
}

impl Draft {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, files: IndexMap::new(), open: None, lines: 0, taken: 0, left_out: 0 }
    }

    /// The lines that follow are of this file.
    pub(super) fn open(&mut self, given: &str) -> Result<(), Refused> {
        let Some(path) = path::clean(given) else {
            self.open = None;
            self.left_out += 1;
            return Ok(());
        };
        if let Some(at) = self.files.get_index_of(&path) {
            self.open = Some(at);
            return Ok(());
        }
        if self.files.len() == self.limits.files {
            return Err(Refused::TooLarge { what: "files", limit: self.limits.files as u64 });
        }
        let pending = Pending { lines: Vec::new(), settle_at: SETTLE_FROM };
        self.open = Some(self.files.insert_full(path, pending).0);
        Ok(())
    }

    /// The lines that follow are of no file.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// A coverable line of the open file; outside of one it is nobody's. Line 0 is what tools write who do not know.
    pub(super) fn line(&mut self, number: u64, hits: u64) -> Result<(), Refused> {
        let Some(open) = self.open.filter(|_| number > 0) else { return Ok(()) };
        let number = u32::try_from(number).ok().filter(|number| *number <= LINE_MAX);
        let number = number.ok_or(Refused::TooLarge { what: "lines in one file", limit: u64::from(LINE_MAX) })?;
        let hits = u32::try_from(hits).unwrap_or(u32::MAX);
        self.taken += 1;
        if self.taken > self.limits.taken {
            return Err(Refused::TooLarge { what: "lines, doubles included", limit: self.limits.taken });
        }
        let pending = &mut self.files[open];
        // Most formats give a line in pieces one after the other.
        match pending.lines.last_mut() {
            Some(last) if last.number == number => {
                last.hits = last.hits.max(hits);
                return Ok(());
            }
            _ => pending.lines.push(Line { number, hits }),
        }
        self.lines += 1;
        if pending.lines.len() >= pending.settle_at {
            let before = pending.lines.len();
            settle(&mut pending.lines);
            pending.settle_at = SETTLE_FROM.max(pending.lines.len() * 2);
            self.lines -= before - pending.lines.len();
        }
        // Doubles that are still to go may be as many again.
        if self.lines > self.limits.lines * 2 {
            return Err(self.too_many_lines());
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Report, Refused> {
        let mut report = Report { left_out: self.left_out, ..Report::default() };
        let mut lines = 0;
        for (path, mut pending) in std::mem::take(&mut self.files) {
            settle(&mut pending.lines);
            pending.lines.shrink_to_fit();
            lines += pending.lines.len();
            if lines > self.limits.lines {
                return Err(self.too_many_lines());
            }
            report.files.insert(path, pending.lines);
        }
        if report.files.is_empty() { Err(Refused::NoFile) } else { Ok(report) }
    }

    fn too_many_lines(&self) -> Refused {
        Refused::TooLarge { what: "coverable lines", limit: self.limits.lines as u64 }
    }
}

/// Puts lines in order, one for each number, with the largest count.
pub(super) fn settle(lines: &mut Vec<Line>) {
    // What is in order already, as most of it is, costs one look.
    lines.sort();
    lines.dedup_by(|later, kept| {
        let same = later.number == kept.number;
        if same {
            kept.hits = kept.hits.max(later.hits);
        }
        same
    });
}
