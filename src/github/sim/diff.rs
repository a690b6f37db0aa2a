//! The changed files between two trees, as GitHub's files endpoint lists them: renames found, patches withheld where
//! GitHub withholds them.

use std::collections::{HashMap, HashSet};

use super::hunks::{self, Counts};
use super::objects::{Entry, EntryKind, Tree};

/// One changed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileDiff {
    pub(super) path: String,
    pub(super) previous: Option<String>,
    /// In REST's spelling.
    pub(super) status: &'static str,
    pub(super) counts: Counts,
    /// Missing for binary files, changes without lines, and large diffs.
    pub(super) patch: Option<String>,
    /// The blob on the new side; on the old side for a removed file.
    pub(super) blob: String,
}

/// From this many changed lines on GitHub leaves the patch out.
pub(super) const PATCH_LINES_MAX: u64 = 2_000;
/// From this many bytes on GitHub leaves the patch out.
const PATCH_BYTES_MAX: usize = 500_000;
/// Pairs compared while looking for renames with changes; beyond that only exact renames are found, as in git.
const RENAME_PAIRS_MAX: usize = 160_000;
/// Share of common content, in percent, that makes two files one renamed file: git's default.
const RENAME_SIMILARITY: u64 = 50;

/// Every file that differs, by path.
pub(super) fn changes(base: &Tree, head: &Tree) -> Vec<FileDiff> {
    let mut removed: Vec<&String> = base.keys().filter(|p| !head.contains_key(*p)).collect();
    let added: Vec<&String> = head.keys().filter(|p| !base.contains_key(*p)).collect();
    let origin = renames(base, head, &mut removed, &added);
    let modified = head.iter().filter_map(|(path, new)| {
        let old = base.get(path)?;
        (old != new).then(|| file(path, None, Some(old), Some(new)))
    });
    let added = added.into_iter().map(|path| {
        let from = origin.get(path).copied();
        file(path, from, from.map(|f| &base[f]), Some(&head[path]))
    });
    let removed = removed.into_iter().map(|path| file(path, None, Some(&base[path]), None));
    let mut files: Vec<FileDiff> = modified.chain(added).chain(removed).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// New path to old path; what was moved is taken out of `removed`.
fn renames<'a>(
    base: &'a Tree,
    head: &Tree,
    removed: &mut Vec<&'a String>,
    added: &[&'a String],
) -> HashMap<&'a String, &'a String> {
    let mut origin = HashMap::new();
    let mut by_content: HashMap<&str, Vec<&String>> = HashMap::new();
    for path in removed.iter().rev().filter(|p| !base[**p].bytes.is_empty()) {
        by_content.entry(&base[*path].sha).or_default().push(path);
    }
    for path in added {
        if let Some(old) = by_content.get_mut(head[*path].sha.as_str()).and_then(Vec::pop) {
            origin.insert(*path, old);
        }
    }
    let moved: HashSet<&String> = origin.values().copied().collect();
    removed.retain(|path| !moved.contains(path));
    let rest: Vec<&String> = added.iter().filter(|p| !origin.contains_key(**p)).copied().collect();
    if rest.len().saturating_mul(removed.len()) > RENAME_PAIRS_MAX {
        return origin;
    }
    for path in rest {
        let best = removed.iter().enumerate().map(|(at, old)| (similarity(&base[*old], &head[path]), at)).max();
        if let Some((alike, at)) = best
            && alike >= RENAME_SIMILARITY
        {
            origin.insert(path, removed.remove(at));
        }
    }
    origin
}

/// Share of the larger file's bytes that stand in lines of both, in percent.
fn similarity(old: &Entry, new: &Entry) -> u64 {
    if old.kind == EntryKind::Submodule || new.kind == EntryKind::Submodule || old.is_binary() || new.is_binary() {
        return 0;
    }
    let larger = old.bytes.len().max(new.bytes.len()) as u64;
    let smaller = old.bytes.len().min(new.bytes.len()) as u64;
    if larger == 0 || smaller * 100 < larger * RENAME_SIMILARITY {
        return 0;
    }
    let mut lines: HashMap<&[u8], u64> = HashMap::new();
    for line in old.bytes.split_inclusive(|b| *b == b'\n') {
        *lines.entry(line).or_default() += 1;
    }
    let mut common = 0;
    for line in new.bytes.split_inclusive(|b| *b == b'\n') {
        if let Some(left) = lines.get_mut(line).filter(|left| **left > 0) {
            *left -= 1;
            common += line.len() as u64;
        }
    }
    common * 100 / larger
}

fn file(path: &str, from: Option<&String>, old: Option<&Entry>, new: Option<&Entry>) -> FileDiff {
    let shown = new.or(old).expect("a changed file has a side");
    let status = match (old, new) {
        (None, _) => "added",
        (_, None) => "removed",
        _ if from.is_some() => "renamed",
        (Some(o), Some(n)) if o.bytes == n.bytes => "changed",
        _ => "modified",
    };
    let (patch, counts) = if old.is_some_and(Entry::is_binary) || new.is_some_and(Entry::is_binary) {
        (None, Counts::default())
    } else {
        let (patch, counts) = hunks::unified(&text_of(old), &text_of(new));
        let withheld = counts.total() > PATCH_LINES_MAX || patch.len() > PATCH_BYTES_MAX || patch.is_empty();
        ((!withheld).then_some(patch), counts)
    };
    FileDiff { path: path.to_owned(), previous: from.cloned(), status, counts, patch, blob: shown.sha.clone() }
}

fn text_of(entry: Option<&Entry>) -> String {
    match entry {
        None => String::new(),
        Some(e) if e.kind == EntryKind::Submodule => format!("Subproject commit {}\n", e.text()),
        Some(e) => e.text(),
    }
}
