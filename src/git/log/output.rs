//! What `diff-tree --stdin -z` prints: for each commit its message and then its files, as `--numstat` or as `--raw`.

use std::io::{self, BufRead};

use super::FILES_MAX;
use crate::git::{Error, diff::readable};

/// Begins a commit, so that no file can be taken for one: those begin with a digit, `-` or `:`.
const MARK: u8 = 1;
/// The format that [`Records`] reads. The author is as `.mailmap` has it.
pub(super) const FORMAT: &str = "--format=tformat:%x01%H%x00%ct%x00%aN%x00%aE%x00%B";
/// More of a message than anybody writes, and more of a path than a system takes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
const UNREADABLE: Error = Error::Answer("diff-tree");

/// One commit with the files in which it differs from the other that was named.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) sha: String,
    pub(super) at: i64,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) message: String,
    /// The first files, or all.
    pub(super) files: Vec<Entry>,
    pub(super) files_total: u64,
    pub(super) added: u64,
    pub(super) deleted: u64,
}

/// One changed file.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) previous_path: Option<String>,
    pub(super) added: u64,
    pub(super) deleted: u64,
    /// Object ids of the contents that are compared: none of what is not there, and of submodules. Only of `--raw`.
    pub(super) blobs: Vec<String>,
}

/// Reads one record after the other.
pub(super) struct Records<R> {
    input: R,
    token: Vec<u8>,
    files_max: usize,
}

impl<R: BufRead> Records<R> {
    /// Keeps the first [`FILES_MAX`] files of a commit.
    pub(super) fn new(input: R) -> Self {
        Self { input, token: Vec::new(), files_max: FILES_MAX }
    }

    /// Keeps all files of a commit.
    pub(super) fn whole(input: R) -> Self {
        Self { files_max: usize::MAX, ..Self::new(input) }
    }

    /// The next commit, and whether the output ended with it. A commit at the end may be cut off where git died.
    pub(super) fn next(&mut self) -> Result<Option<(Record, bool)>, Error> {
        if !self.read()? {
            return Ok(None);
        }
        if self.token.first() != Some(&MARK) {
            return Err(UNREADABLE);
        }
        let mut record = Record { sha: text(&self.token[1..]), ..Record::default() };
        let mut fields = [const { String::new() }; 4];
        for field in &mut fields {
            if !self.read()? {
                return Ok(Some((record, true)));
            }
            *field = text(&self.token);
        }
        let [at, name, email, message] = fields;
        // A time that is no number is that of a broken commit: the beginning of time, as git shows it.
        (record.at, record.name, record.email, record.message) = (at.parse().unwrap_or(0), name, email, message);
        loop {
            match self.input.fill_buf().map_err(Error::Io)?.first() {
                None => return Ok(Some((record, true))),
                Some(&MARK) => return Ok(Some((record, false))),
                Some(b'\n') => self.input.consume(1),
                Some(_) => match self.entry()? {
                    Some(entry) => self.keep(&mut record, entry),
                    None => return Ok(Some((record, true))),
                },
            }
        }
    }

    fn keep(&self, record: &mut Record, entry: Entry) {
        record.files_total += 1;
        record.added = record.added.saturating_add(entry.added);
        record.deleted = record.deleted.saturating_add(entry.deleted);
        if record.files.len() < self.files_max {
            record.files.push(entry);
        }
    }

    /// One file; none where the output is cut off.
    fn entry(&mut self) -> Result<Option<Entry>, Error> {
        if !self.read()? {
            return Ok(None);
        }
        let mut entry = Entry::default();
        let moved = if self.token.first() == Some(&b':') {
            let Some((blobs, moved)) = raw(&text(&self.token[1..])) else { return Err(UNREADABLE) };
            entry.blobs = blobs;
            if !self.read()? {
                return Ok(None);
            }
            entry.path = readable(&self.token);
            moved.then(|| std::mem::take(&mut entry.path))
        } else {
            let mut fields = self.token.splitn(3, |byte| *byte == b'\t');
            let (Some(added), Some(deleted), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                return Err(UNREADABLE);
            };
            // Binary files have `-` here.
            (entry.added, entry.deleted) = (number(added), number(deleted));
            entry.path = readable(path);
            if path.is_empty() {
                // A rename leaves the path empty; two tokens with both follow.
                if !self.read()? {
                    return Ok(None);
                }
                Some(readable(&self.token))
            } else {
                None
            }
        };
        if let Some(previous) = moved {
            if !self.read()? {
                return Ok(None);
            }
            entry.path = readable(&self.token);
            entry.previous_path = Some(previous);
        }
        Ok(Some(entry))
    }

    /// Reads up to the next NUL; false where there is none any more.
    fn read(&mut self) -> Result<bool, Error> {
        self.token.clear();
        read_token(&mut self.input, &mut self.token).map_err(Error::Io)
    }
}

/// Reads one token and keeps at most [`TOKEN_BYTES_MAX`] of it. False if the input ends before its end.
fn read_token(input: &mut impl BufRead, token: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(false);
        }
        let end = available.iter().position(|byte| *byte == 0);
        let piece = &available[..end.unwrap_or(available.len())];
        let room = (TOKEN_BYTES_MAX - token.len()).min(piece.len());
        token.extend_from_slice(&piece[..room]);
        let taken = piece.len() + usize::from(end.is_some());
        input.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// `100644 100755 id id M`: the ids of contents, and whether two paths follow.
fn raw(header: &str) -> Option<(Vec<String>, bool)> {
    let fields: Vec<&str> = header.split(' ').collect();
    let &[old_mode, new_mode, old_id, new_id, status] = fields.as_slice() else { return None };
    let sides = [(old_mode, old_id), (new_mode, new_id)];
    // A submodule's commit is in another repository, and what is not there has the mode 0.
    let blobs = sides.into_iter().filter(|(mode, _)| *mode != "160000" && *mode != "000000");
    Some((blobs.map(|(_, id)| id.to_owned()).collect(), status.starts_with(['R', 'C'])))
}

fn number(field: &[u8]) -> u64 {
    std::str::from_utf8(field).ok().and_then(|field| field.parse().ok()).unwrap_or(0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
