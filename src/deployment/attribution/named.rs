//! Files that an incident names, in its title or in a stack trace among its notes.

use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::incident::Incident;

/// More of title and notes is not read.
const READ_BYTES: usize = 64 * 1024;
/// Shorter words name no file.
const WORD_CHARS_MIN: usize = 4;

/// What an incident names.
pub(super) struct Names<'a> {
    /// Words with a slash, and those without one that are the name of a file of one candidate only: `mod.rs` alone tells
    /// nothing when everybody changed one.
    words: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    /// `files` holds the changed files of each candidate.
    pub(super) fn of<'b>(incident: &'a Incident, files: impl Iterator<Item = impl Iterator<Item = &'b str>>) -> Self {
        let mut left = READ_BYTES;
        let mut words = BTreeSet::new();
        for text in std::iter::once(&incident.title).chain(&incident.notes) {
            let mut end = text.len().min(left);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            left -= end;
            words.extend(text[..end].split(is_between).map(bare).filter(|word| is_file(word)));
        }
        if words.is_empty() {
            return Self { words };
        }
        let mut owners: BTreeMap<String, usize> = BTreeMap::new();
        for files in files {
            let names: BTreeSet<&str> = files.map(file_name).collect();
            for name in names.into_iter().filter(|name| words.contains(name)) {
                *owners.entry(name.to_owned()).or_default() += 1;
            }
        }
        words.retain(|word| word.contains('/') || owners.get(*word) == Some(&1));
        Self { words }
    }

    /// Those of the files that are named.
    pub(super) fn among<'b>(&self, files: impl Iterator<Item = &'b str>) -> impl Iterator<Item = &'b str> {
        // A stack trace may name a file from the root of the machine; a name without a directory would end too many of those.
        let holds = |word: &str, file: &str| is_end(file, word) || (file.contains('/') && is_end(word, file));
        files.filter(move |file| self.words.iter().any(|word| holds(word, file)))
    }
}

/// Whether `end` is the end of a path, from a directory on.
fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || "()[]{}<>\"'`,;|=".contains(c)
}

/// A word without the line and column behind it, and without what a sentence puts around it.
fn bare(word: &str) -> &str {
    let path = word.split_once(':').map_or(word, |(path, _)| path);
    path.trim_matches(['.', '/', '!', '?', '*'])
}

/// A name with an ending of one to six letters or digits, as files of code have.
fn is_file(word: &str) -> bool {
    let ending =
        file_name(word).rsplit_once('.').map_or("", |(name, ending)| if name.is_empty() { "" } else { ending });
    let is_ending = (1..=6).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_ending && ending.bytes().any(|byte| byte.is_ascii_alphabetic()) && word.chars().count() >= WORD_CHARS_MIN
}
