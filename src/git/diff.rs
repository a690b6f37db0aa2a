//! Two trees -> changed files with their patches, as GitHub would give them: renames at half likeness, the patch of a
//! file withheld beyond a limit.

use std::{
    io::{self, BufRead},
    iter::Peekable,
};

use super::{Error, process::Git};
use crate::risk::{
    facts::{FileChange, FileStatus, Known, Reason, Source, Unknown},
    patch::Patch,
};

/// GitHub lists no more changed files of a pull request; as many are kept of a change that landed, so that both read alike.
pub(super) const FILES_MAX: usize = 3_000;
/// GitHub withholds the patch of a file with more changed lines than about this.
const PATCH_LINES_MAX: u64 = 2_000;
/// A patch of few but very long lines is minified code; nobody reads it, and neither do we.
const PATCH_BYTES_MAX: usize = 1024 * 1024;
/// What the patches of a change may take up together.
const PATCHES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The changed files that are kept, and how many there are in all.
pub(super) struct Files {
    pub(super) files: Vec<FileChange>,
    pub(super) total: u64,
}

/// What differs between two commits or trees.
pub(super) fn files(git: &Git, from: &str, to: &str) -> Result<Files, Error> {
    let listed = git.run(&arguments(&["--raw", "--numstat", "-z", "-M50%", "--diff-algorithm=myers"], from, to))?;
    let mut entries = parse_listing(&listed)?;
    let total = entries.len() as u64;
    entries.truncate(FILES_MAX);
    let patches = patches(git, from, to, &entries)?;
    let files = entries.into_iter().zip(patches).map(|(entry, patch)| entry.into_change(patch)).collect();
    Ok(Files { files, total })
}

/// The same where contents are not in this clone: trees tell paths, and of moved files those that moved as they were. Lines
/// and patches are unknown.
pub(super) fn paths(git: &Git, from: &str, to: &str) -> Result<Files, Error> {
    let listed = git.run(&arguments(&["--raw", "-z", "-M100%"], from, to))?;
    let mut entries = parse_raw(&mut listed.split(|byte| *byte == 0).peekable())?;
    let total = entries.len() as u64;
    entries.truncate(FILES_MAX);
    let why = || Reason::Unavailable("its contents are not in this partial clone".to_owned());
    let unread = |entry: Entry| {
        let patch = Err(Unknown { source: Source::Diff, reason: why() });
        FileChange { binary: false, ..entry.into_change(patch) }
    };
    Ok(Files { files: entries.into_iter().map(unread).collect(), total })
}

/// How patches are asked for; each of the last two asks for patches by itself.
const PATCH: [&str; 5] = ["--patch", "-M50%", "--diff-algorithm=myers", "--unified=3", "--inter-hunk-context=0"];

fn arguments<'a>(format: &[&'a str], from: &'a str, to: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["diff-tree", "-r"];
    arguments.extend_from_slice(format);
    arguments.extend([
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--submodule=short",
        "--ignore-submodules=none",
        "--end-of-options",
        from,
        to,
    ]);
    arguments
}

/// One changed file without its patch.
struct Entry {
    path: String,
    previous_path: Option<String>,
    status: FileStatus,
    /// The type changed: git shows a deletion and an addition.
    retyped: bool,
    submodule: bool,
    /// Added and deleted lines; `None` for binary files.
    lines: Option<(u64, u64)>,
}

impl Entry {
    fn into_change(self, patch: Known<Patch>) -> FileChange {
        let (added, deleted) = self.lines.unwrap_or_default();
        FileChange {
            path: self.path,
            previous_path: self.previous_path,
            status: self.status,
            added,
            deleted,
            patch,
            binary: self.lines.is_none(),
            submodule: self.submodule,
        }
    }

    fn changed_lines(&self) -> u64 {
        self.lines.map_or(0, |(added, deleted)| added.saturating_add(deleted))
    }
}

const UNREADABLE: Error = Error::Answer("diff-tree");

/// Reads `--raw -z`: `:modes ids status NUL path NUL` for every file; a rename has two paths.
fn parse_raw<'a>(tokens: &mut Peekable<impl Iterator<Item = &'a [u8]>>) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    while let Some(header) = tokens.next_if(|token| token.first() == Some(&b':')) {
        let header = std::str::from_utf8(header).map_err(|_| UNREADABLE)?;
        let path = tokens.next().ok_or(UNREADABLE)?;
        let fields: Vec<&str> = header.trim_start_matches(':').split(' ').collect();
        let &[old_mode, new_mode, old_id, new_id, status] = fields.as_slice() else { return Err(UNREADABLE) };
        let moved = status.starts_with(['R', 'C']);
        let new_path = if moved { Some(tokens.next().ok_or(UNREADABLE)?) } else { None };
        entries.push(Entry {
            path: readable(new_path.unwrap_or(path)),
            previous_path: moved.then(|| readable(path)),
            status: status_of(status, old_id == new_id && old_mode != new_mode),
            retyped: status.starts_with('T'),
            submodule: old_mode == "160000" || new_mode == "160000",
            lines: None,
        });
    }
    Ok(entries)
}

/// Reads `--raw --numstat -z`: first what `--raw` tells of every file, then `added TAB deleted TAB path NUL`; a rename has
/// two paths.
fn parse_listing(listed: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut tokens = listed.split(|byte| *byte == 0).peekable();
    let mut entries = parse_raw(&mut tokens)?;
    for entry in &mut entries {
        let counts = tokens.next().ok_or(UNREADABLE)?;
        let mut fields = counts.splitn(3, |byte| *byte == b'\t');
        let (Some(added), Some(deleted), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(UNREADABLE);
        };
        // A rename leaves the path empty here; two tokens with both follow.
        if path.is_empty() {
            tokens.next();
            tokens.next();
        }
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<u64>().ok();
        entry.lines = number(added).zip(number(deleted));
    }
    Ok(entries)
}

fn status_of(letter: &str, mode_only: bool) -> FileStatus {
    match letter.as_bytes().first() {
        Some(b'A') => FileStatus::Added,
        Some(b'D') => FileStatus::Removed,
        Some(b'R') => FileStatus::Renamed,
        Some(b'C') => FileStatus::Copied,
        Some(b'T') => FileStatus::Changed,
        _ if mode_only => FileStatus::Changed,
        _ => FileStatus::Modified,
    }
}

/// A path as text. Bytes that are not UTF-8 become `\xNN`, and in such a path a backslash is doubled, so that two paths
/// of one change never read alike.
pub(super) fn readable(path: &[u8]) -> String {
    if let Ok(path) = std::str::from_utf8(path) {
        return path.to_owned();
    }
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The patch of each entry, in order. One process gives all; blocks that are too long are read past.
fn patches(git: &Git, from: &str, to: &str, entries: &[Entry]) -> Result<Vec<Known<Patch>>, Error> {
    let wanted = entries.iter().any(|entry| entry.changed_lines() > 0);
    if !wanted {
        return Ok(vec![Ok(Patch::default()); entries.len()]);
    }
    let (mut output, running) = git.start(&arguments(&PATCH, from, to))?;
    let mut collected = Vec::with_capacity(entries.len());
    let mut blocks = Blocks::default();
    let mut kept_bytes = 0;
    for entry in entries {
        let mut block =
            blocks.next(&mut output, PATCH_BYTES_MAX).map_err(Error::Io)?.ok_or(Error::Answer("diff-tree"))?;
        if entry.retyped {
            let second = blocks.next(&mut output, PATCH_BYTES_MAX).map_err(Error::Io)?;
            let second = second.ok_or(Error::Answer("diff-tree"))?;
            block.hunks.extend_from_slice(&second.hunks);
            block.cut |= second.cut;
        }
        let lines = entry.changed_lines();
        let withheld = block.cut || lines > PATCH_LINES_MAX || kept_bytes + block.hunks.len() > PATCHES_BYTES_MAX;
        collected.push(if withheld && entry.lines.is_some() {
            Err(Unknown { source: Source::Diff, reason: Reason::Partial { seen: 0, total: lines } })
        } else {
            kept_bytes += block.hunks.len();
            let text = String::from_utf8_lossy(&block.hunks);
            Ok(Patch(text.trim_end_matches('\n').into()))
        });
    }
    // Past the last file that is kept, the rest is not waited for.
    if blocks.next(&mut output, 0).map_err(Error::Io)?.is_none() {
        running.finish()?;
    }
    Ok(collected)
}

/// Splits the output at its `diff --git` lines. No line of a hunk can be mistaken for one: each has a sign before it.
#[derive(Default)]
struct Blocks {
    /// The `diff --git` line of the next block has been read.
    started: bool,
}

/// The hunks of one file.
struct Block {
    hunks: Vec<u8>,
    /// There was more than is kept.
    cut: bool,
}

impl Blocks {
    fn next(&mut self, output: &mut impl BufRead, most: usize) -> io::Result<Option<Block>> {
        let mut block = Block { hunks: Vec::new(), cut: false };
        let mut in_hunks = false;
        let mut line = Vec::new();
        loop {
            line.clear();
            let (read, cut) = read_line(output, &mut line, most.max(64))?;
            if read == 0 {
                return Ok(std::mem::take(&mut self.started).then_some(block));
            }
            if line.starts_with(b"diff --git ") {
                if std::mem::replace(&mut self.started, true) {
                    return Ok(Some(block));
                }
                continue;
            }
            in_hunks |= line.starts_with(b"@@ ");
            if in_hunks && !block.cut {
                block.cut = cut || block.hunks.len() + line.len() > most;
                if !block.cut {
                    block.hunks.extend_from_slice(&line);
                }
            }
        }
    }
}

/// Reads one line and keeps at most `most` bytes of it. Says how long it was, and whether it was cut.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, most: usize) -> io::Result<(usize, bool)> {
    let mut read = 0;
    loop {
        let available = input.fill_buf()?;
        let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let piece = &available[..end.unwrap_or(available.len())];
        let room = most.saturating_sub(line.len()).min(piece.len());
        line.extend_from_slice(&piece[..room]);
        let taken = piece.len();
        read += taken;
        input.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok((read, read > line.len()));
        }
    }
}
