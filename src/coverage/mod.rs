//! Coverage reports: which lines of which files tests can run, and how often they ran.
//!
//! Text in, plain data out. A report comes from outside and may be hostile: what it costs is bounded before it is
//! counted, it expands no entities, and the paths in it are names to compare, which nothing ever opens.

mod change;
mod clover;
mod cobertura;
mod draft;
mod go;
mod group;
mod jacoco;
mod lcov;
mod llvm;
mod markup;
mod packed;
mod path;
mod placed;
mod tree;

use std::{collections::BTreeMap, fmt};

pub use change::{Measured, measure};
pub use group::{Apart, Together};
pub use packed::Damaged;
pub use placed::Placed;
pub use tree::{Fitted, Tree};

use draft::Draft;

/// Largest report, in bytes after decompression. A line costs some 10 bytes in LCOV and some 60 in JaCoCo's XML, so that
/// this is more than a million lines in any format.
pub const REPORT_BYTES_MAX: usize = 64 << 20;
/// Coverable lines of one report, all files together; 16 MB of memory.
pub const LINES_MAX: usize = 2_000_000;
/// Files of one report.
pub const FILES_MAX: usize = 100_000;
/// Highest line number; a source file of more lines is no source file.
pub const LINE_MAX: u32 = 10_000_000;

/// How much of a report is taken.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: usize,
    lines: usize,
    files: usize,
    /// Lines, doubles included: a few bytes of a report can stand for many lines, and do so again and again.
    taken: u64,
}

impl Limits {
    const USUAL: Self =
        Self { bytes: REPORT_BYTES_MAX, lines: LINES_MAX, files: FILES_MAX, taken: 8 * LINES_MAX as u64 };
}

/// A form of report that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `geninfo`, c8, nyc, `llvm-cov export -format=lcov`.
    Lcov,
    /// Cobertura's XML, which coverage.py, gcovr, Coverlet and many others write.
    Cobertura,
    /// JaCoCo's XML.
    Jacoco,
    /// Clover's XML, which PHPUnit and Istanbul write.
    Clover,
    /// What `go test -coverprofile` writes.
    Go,
    /// `llvm-cov export`.
    LlvmCov,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Lcov, Self::Cobertura, Self::Jacoco, Self::Clover, Self::Go, Self::LlvmCov];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lcov => "LCOV",
            Self::Cobertura => "Cobertura XML",
            Self::Jacoco => "JaCoCo XML",
            Self::Clover => "Clover XML",
            Self::Go => "Go coverprofile",
            Self::LlvmCov => "llvm-cov JSON",
        }
    }
}

/// One coverable line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// 1-based.
    pub number: u32,
    /// How often it ran, at most `u32::MAX`.
    pub hits: u32,
}

/// Coverable lines that were counted, and those of them that ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Coverable lines.
    pub lines: u64,
    /// Those that ran.
    pub covered: u64,
}

/// The coverable lines of each file, by the path that the report gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Paths without a leading slash, `/`-separated, without `.` and `..`; the lines of each in order, one for a number.
    files: BTreeMap<String, Vec<Line>>,
    /// Files that were left out because of their path.
    left_out: u64,
}

/// Why a report is not taken. No text of the report is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing is in it.
    Empty,
    /// It is not UTF-8.
    Encoding,
    /// It is in none of the formats.
    Unknown,
    /// It cannot be read as what it seems to be.
    Malformed {
        /// What it seems to be.
        format: Format,
        /// 1-based line of the report; `None` where that is not known.
        line: Option<u64>,
        /// What is wrong.
        what: &'static str,
    },
    /// It holds more than is taken.
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How much is taken.
        limit: u64,
    },
    /// It has no file whose path can be used.
    NoFile,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("the report is empty"),
            Self::Encoding => formatter.write_str("the report is not UTF-8"),
            Self::Unknown => {
                formatter.write_str("the report is in none of the formats ")?;
                Format::ALL.iter().enumerate().try_for_each(|(at, format)| {
                    formatter.write_str(if at == 0 { "" } else { ", " })?;
                    formatter.write_str(format.name())
                })
            }
            Self::Malformed { format, line: Some(line), what } => {
                write!(formatter, "the report is not {} after all: {what}, in line {line}", format.name())
            }
            Self::Malformed { format, line: None, what } => {
                write!(formatter, "the report is not {} after all: {what}", format.name())
            }
            Self::TooLarge { what, limit } => {
                write!(formatter, "the report has too many {what}; at most {limit} are taken")
            }
            Self::NoFile => formatter.write_str("the report names no file by a path that can be one of a repository"),
        }
    }
}

impl std::error::Error for Refused {}

/// Reads a report; the format is found in its content.
///
/// # Errors
/// Why it is not taken.
pub fn parse(bytes: &[u8]) -> Result<(Format, Report), Refused> {
    parse_within(bytes, Limits::USUAL)
}

fn parse_within(bytes: &[u8], limits: Limits) -> Result<(Format, Report), Refused> {
    if bytes.len() > limits.bytes {
        return Err(Refused::TooLarge { what: "bytes", limit: limits.bytes as u64 });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::Encoding)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Err(Refused::Empty);
    }
    let format = detect(text)?;
    let mut draft = Draft::new(limits);
    match format {
        Format::Lcov => lcov::read(text, &mut draft)?,
        Format::Cobertura => cobertura::read(text, &mut draft)?,
        Format::Jacoco => jacoco::read(text, &mut draft)?,
        Format::Clover => clover::read(text, &mut draft)?,
        Format::Go => go::read(text, &mut draft)?,
        Format::LlvmCov => llvm::read(text, &mut draft)?,
    }
    Ok((format, draft.finish()?))
}

/// The first lines tell the formats apart.
fn detect(text: &str) -> Result<Format, Refused> {
    /// Lines that may stand before the first that says what the report is, such as comments.
    const LOOKED_AT: usize = 100;
    let start = text.trim_ascii_start();
    match start.as_bytes().first() {
        Some(b'<') => return markup::detect(start),
        Some(b'{') => return Ok(Format::LlvmCov),
        _ => {}
    }
    let lines = start.lines().take(LOOKED_AT).map(str::trim_ascii_end);
    lines
        .filter_map(|line| match line {
            _ if line.starts_with("mode: ") => Some(Format::Go),
            _ if line.starts_with("SF:") || line.starts_with("TN:") => Some(Format::Lcov),
            _ => None,
        })
        .next()
        .ok_or(Refused::Unknown)
}

impl Report {
    /// A report of files whose lines are known, say from another system's answers. Files whose paths cannot be used are
    /// left out.
    ///
    /// # Errors
    /// There is more of it than is taken.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, Vec<Line>)>) -> Result<Self, Refused> {
        let mut draft = Draft::new(Limits::USUAL);
        for (path, lines) in files {
            draft.open(path)?;
            lines.into_iter().try_for_each(|line| draft.line(u64::from(line.number), u64::from(line.hits)))?;
        }
        match draft.finish() {
            Err(Refused::NoFile) => Ok(Self::default()),
            finished => finished,
        }
    }

    /// Takes in another report: of a line that is in both, the larger count holds, so that a report which is taken in
    /// twice changes nothing.
    ///
    /// # Errors
    /// Together they hold more than is taken.
    pub fn merge(&mut self, other: Self) -> Result<(), Refused> {
        for (path, lines) in other.files {
            match self.files.entry(path) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(lines);
                }
                std::collections::btree_map::Entry::Occupied(mut place) => {
                    place.get_mut().extend(lines);
                    draft::settle(place.get_mut());
                }
            }
        }
        self.left_out = self.left_out.saturating_add(other.left_out);
        if self.files.len() > FILES_MAX {
            return Err(Refused::TooLarge { what: "files", limit: FILES_MAX as u64 });
        }
        if self.totals().lines > LINES_MAX as u64 {
            return Err(Refused::TooLarge { what: "coverable lines", limit: LINES_MAX as u64 });
        }
        Ok(())
    }

    /// Lines of all files.
    pub fn totals(&self) -> Totals {
        self.files.values().fold(Totals::default(), |sum, lines| sum.plus(Totals::of(lines)))
    }

    /// How many files it has.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Files that were left out because their path leads upwards, is too long or holds control characters.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Paths as the report gives them.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Coverable lines of a file, in order.
    pub fn lines(&self, path: &str) -> Option<&[Line]> {
        self.files.get(path).map(Vec::as_slice)
    }
}

impl Totals {
    fn of(lines: &[Line]) -> Self {
        Self { lines: lines.len() as u64, covered: lines.iter().filter(|line| line.hits > 0).count() as u64 }
    }

    fn plus(self, other: Self) -> Self {
        Self { lines: self.lines + other.lines, covered: self.covered + other.covered }
    }
}

#[cfg(test)]
mod tests;
