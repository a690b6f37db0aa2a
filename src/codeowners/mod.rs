//! CODEOWNERS as GitHub reads it: the last line that matches a path wins whole; a line without owners makes it unowned.
//!
//! Plain text in, rules and mistakes out; nothing here reads a file or knows who is in a team. Matching is bounded work
//! whatever the file holds.

pub mod audit;
pub mod edit;
mod index;
mod pattern;

use std::{collections::BTreeSet, ops::Range};

use serde::{Deserialize, Serialize};

use index::Index;
use pattern::{Counts, Fault};

/// Places of the file in order of precedence; the first that exists is in force.
pub const PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// GitHub does not load a file of this size or more.
pub const BYTES_MAX: usize = 3 * 1024 * 1024;

/// Mistakes that are kept; a file of nothing but mistakes is no reason to hold it several times over.
const MISTAKES_MAX: usize = 1_000;

/// A parsed CODEOWNERS file.
#[derive(Debug)]
pub struct Codeowners {
    text: String,
    lines: Vec<ValidLine>,
    mistakes: Vec<Mistake>,
    too_large: bool,
}

/// Where a valid line's pattern and owners stand in the text. Rules are taken apart when they are needed: of a large
/// file, a change needs few.
#[derive(Clone, Debug)]
struct ValidLine {
    number: u32,
    pattern: Range<u32>,
    end: u32,
}

/// One valid line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// 1-based line.
    pub line: u64,
    /// Pattern as written. Untrusted.
    pub pattern: String,
    /// `@user`, `@org/team` or an e-mail address, as written; none makes the files unowned. Untrusted.
    pub owners: Vec<String>,
}

/// A line that GitHub skips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// 1-based line.
    pub line: u64,
    /// 1-based column, in characters, where the mistake starts.
    pub column: u64,
    /// What is wrong.
    pub kind: MistakeKind,
    /// The line as written, at most 200 characters of it. Untrusted.
    pub source: String,
    /// What to write instead, where that is clear. Untrusted: it may hold a part of the line.
    pub suggestion: Option<String>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MistakeKind {
    /// The pattern cannot be used.
    InvalidPattern,
    /// An owner is neither `@user` nor `@org/team` nor an e-mail address.
    InvalidOwner,
}

impl MistakeKind {
    /// The name that GitHub has for it, as in the answers of `GET /repos/{owner}/{repo}/codeowners/errors`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidPattern => "Invalid pattern",
            Self::InvalidOwner => "Invalid owner",
        }
    }
}

/// The patterns are so intertwined that matching them would take too long; nothing is known of the paths' owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

impl Codeowners {
    /// Reads the text of a file. Invalid lines are skipped and told by [`Codeowners::mistakes`]; a file that is too
    /// large has no rules at all, as at GitHub.
    pub fn parse(text: &str) -> Self {
        let too_large = text.len() >= BYTES_MAX;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = if too_large { "" } else { text };
        let (mut lines, mut mistakes) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (number, line) in (1..).zip(text.split('\n')) {
            let end = start + line.len() as u32;
            let mistake = |fault: Fault| Mistake {
                line: u64::from(number),
                column: fault.column,
                kind: fault.kind,
                source: line.trim().chars().take(200).collect(),
                suggestion: fault.suggestion,
            };
            match pattern::check_line(line.strip_suffix('\r').unwrap_or(line)) {
                Ok(None) => {}
                Ok(Some(Counts { pattern, fault })) => {
                    let pattern = start + pattern.start as u32..start + pattern.end as u32;
                    lines.push(ValidLine { number, pattern, end });
                    mistakes.extend(fault.map(mistake));
                }
                Err(fault) => mistakes.push(mistake(fault)),
            }
            mistakes.truncate(MISTAKES_MAX);
            start = end + 1;
        }
        Self { text: text.to_owned(), lines, mistakes, too_large }
    }

    /// All valid rules, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        self.lines.iter().map(|line| self.rule(line))
    }

    /// Lines that GitHub finds wrong, in the order of the file, the first 1,000. It skips them; brackets that are not
    /// escaped stand for themselves here.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// The file is too large for GitHub and counts as absent.
    pub fn too_large(&self) -> bool {
        self.too_large
    }

    /// For each path the rule in force, also one without owners; `None` where no rule matches. Paths are
    /// `/`-separated and relative to the repository's root. Ask for all paths of a change at once: that is fast.
    ///
    /// # Errors
    /// Matching would take more than a fixed amount of work.
    pub fn matching_rules<S: AsRef<str>>(&self, paths: &[S]) -> Result<Vec<Option<Rule>>, TooComplex> {
        let mut index = Index::for_paths(paths.iter().map(AsRef::as_ref));
        for line in &self.lines {
            index.add(self.slice(&line.pattern));
        }
        let mut matcher = index.matcher();
        paths
            .iter()
            .map(|path| {
                let number = matcher.last_match(path.as_ref())?;
                Ok(number.map(|number| self.rule(&self.lines[number])))
            })
            .collect()
    }

    /// As [`Codeowners::matching_rules`], but only rules that name owners.
    ///
    /// # Errors
    /// Matching would take more than a fixed amount of work.
    pub fn owner_rules<S: AsRef<str>>(&self, paths: &[S]) -> Result<Vec<Option<Rule>>, TooComplex> {
        let rules = self.matching_rules(paths)?;
        Ok(rules.into_iter().map(|rule| rule.filter(|rule| !rule.owners.is_empty())).collect())
    }

    /// The rule that gives `path` its owners; `None` when it is unowned.
    ///
    /// # Errors
    /// Matching would take more than a fixed amount of work.
    pub fn owner_rule(&self, path: &str) -> Result<Option<Rule>, TooComplex> {
        Ok(self.owner_rules(&[path])?.pop().flatten())
    }

    /// The same file with these lines alone (1-based).
    fn only(&self, lines: &BTreeSet<u64>) -> Self {
        let kept = |line: &&ValidLine| lines.contains(&u64::from(line.number));
        let lines = self.lines.iter().filter(kept).cloned().collect();
        Self { text: self.text.clone(), lines, mistakes: Vec::new(), too_large: self.too_large }
    }

    fn rule(&self, line: &ValidLine) -> Rule {
        let owners = pattern::owners(self.slice(&(line.pattern.end..line.end)));
        Rule {
            line: u64::from(line.number),
            pattern: self.slice(&line.pattern).to_owned(),
            owners: owners.map(str::to_owned).collect(),
        }
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }
}

#[cfg(test)]
mod tests;
