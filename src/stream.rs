//! The history of a main line as a file: one JSON object for each change, one a line, oldest first, plain or gzip.
//!
//! It is the format of public data sets of changes (`*.changes.jsonl.gz`). What a line holds besides is not read, and no
//! more than one line is kept in memory.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

use crate::history::{Author, Claim, Landed, LandedFile};

/// A change with its first 200 files takes some 40 KiB; a longer line is no change.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What a file begins with that gzip made.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What some programs write before UTF-8, and JSON does not know.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened.
    #[error("{}: {why}", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A line is no change, or cannot be read.
    #[error("{}:{line}: {why}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it. May quote it, with control characters escaped.
        why: String,
    },
}

/// A stream that is being read: an iterator of its changes. It ends after the first error.
pub struct Stream {
    file: PathBuf,
    input: Box<dyn BufRead>,
    text: Vec<u8>,
    line: u64,
    ended: bool,
    taken: Rc<Cell<u64>>,
    bytes: u64,
}

/// Opens a stream.
///
/// # Errors
/// The file cannot be opened.
pub fn open(file: &Path) -> Result<Stream, Error> {
    let failed = |why| Error::Open { file: file.to_owned(), why };
    let opened = File::open(file).map_err(failed)?;
    let bytes = opened.metadata().map_err(failed)?.len();
    let taken = Rc::new(Cell::new(0));
    let mut counted = BufReader::new(Counted { file: opened, taken: Rc::clone(&taken) });
    let packed = counted.fill_buf().map_err(failed)?.starts_with(&GZIP);
    let input: Box<dyn BufRead> =
        if packed { Box::new(BufReader::new(MultiGzDecoder::new(counted))) } else { Box::new(counted) };
    Ok(Stream { file: file.to_owned(), input, text: Vec::new(), line: 0, ended: false, taken, bytes })
}

impl Stream {
    /// How much of the file has been read, and how long it is, in bytes: for a progress bar. The file is read a piece
    /// ahead.
    pub fn progress(&self) -> (u64, u64) {
        (self.taken.get(), self.bytes)
    }

    /// Reads the next line that is not empty into `text`; false at the end.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            self.text.clear();
            self.line += 1;
            let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.text);
            let read = read.map_err(|error| error.to_string())?;
            if self.line == 1 && self.text.starts_with(BYTE_ORDER_MARK) {
                self.text.drain(..BYTE_ORDER_MARK.len());
            }
            if read as u64 == LINE_BYTES_MAX {
                return Err(format!("the line is longer than {} MiB", LINE_BYTES_MAX >> 20));
            }
            if read == 0 || !self.text.trim_ascii().is_empty() {
                return Ok(read > 0);
            }
        }
    }
}

impl Iterator for Stream {
    type Item = Result<Landed, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let change = self.advance().and_then(|more| if more { landed(&self.text).map(Some) } else { Ok(None) });
        self.ended = !matches!(change, Ok(Some(_)));
        match change {
            Ok(change) => change.map(Ok),
            Err(why) => Some(Err(Error::Line { file: self.file.clone(), line: self.line, why })),
        }
    }
}

/// A file that counts what was taken from it.
struct Counted {
    file: File,
    taken: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// One line, as far as it is read.
#[derive(Deserialize)]
struct Line {
    sha: String,
    ts: i64,
    author: String,
    pr: Option<u64>,
    title: String,
    bot: bool,
    revert: bool,
    reland: bool,
    merge: bool,
    reverts: Vec<String>,
    files: Vec<Row>,
    nf: u64,
    la: u64,
    ld: u64,
}

/// Path, added and deleted lines, and the path before a rename.
#[derive(Deserialize)]
struct Row(String, u64, u64, #[serde(default)] Option<String>);

fn landed(text: &[u8]) -> Result<Landed, String> {
    let line: Line = serde_json::from_slice(text).map_err(|error| {
        // Each line is a document of its own: its only line is the first.
        error.to_string().replace(" at line 1 column ", " at column ")
    })?;
    let author = u64::from_str_radix(&line.author, 16);
    let author = author.map_err(|_| format!("the author {:?} is not a hexadecimal number of 64 bits", line.author))?;
    let undoes: Result<Vec<Claim>, String> = line.reverts.iter().map(|sha| object_id(sha).map(Claim::Commit)).collect();
    let file =
        |Row(path, added, deleted, previous_path)| LandedFile { path, previous_path, removed: false, added, deleted };
    Ok(Landed {
        sha: object_id(&line.sha)?,
        at: line.ts,
        contact: None,
        written: None,
        lines: true,
        author: Author(author),
        pull_request: line.pr,
        revision: None,
        title: line.title,
        bot: line.bot,
        revert: line.revert,
        reland: line.reland,
        merge: line.merge,
        undoes: undoes?,
        files_total: line.nf.max(line.files.len() as u64),
        files: line.files.into_iter().map(file).collect(),
        added: line.la,
        deleted: line.ld,
    })
}

fn object_id(text: &str) -> Result<String, String> {
    let whole = (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { Ok(text.to_ascii_lowercase()) } else { Err(format!("{text:?} is no object id")) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const FIRST: &str = r#"{"sha": "886c4c8608be268b61249cd8e65dd210e6430e19", "ts": 1550015446, "author_ts": 1, "tz_min": -480,
        "author": "dcd9cc5e35", "pr": null, "title": "Add \"it\"", "body_len": 0, "bot": false, "revert": false,
        "reland": false, "merge": true, "reverts": [], "files": [["a", 1, 2], ["b", 3, 0, "old b"]], "nf": 3, "la": 9,
        "ld": 2}"#;
    const SECOND: &str = r#"{"sha":"F4119FAC9F64","ts":-5,"author":"ffffffffffffffff","pr":281,"title":"Revert it",
        "bot":true,"revert":true,"reland":true,"merge":false,"reverts":["886c4c8608be268b61249cd8e65dd210e6430e19"],
        "files":[],"nf":0,"la":0,"ld":0}"#;

    fn line(text: &str) -> String {
        text.replace('\n', " ") + "\n"
    }

    fn file_with(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn changes_are_read_from_plain_and_packed_lines() {
        let text = line(FIRST) + "\n" + &line(SECOND);
        // Files that were packed apart and put together are one file.
        let packed = [gzip(&line(FIRST)), gzip(&line(SECOND))].concat();
        let read = |bytes: &[u8]| -> Vec<Landed> {
            let file = file_with(bytes);
            let mut stream = open(file.path()).unwrap();
            let changes = stream.by_ref().map(Result::unwrap).collect();
            assert_eq!(stream.progress(), (bytes.len() as u64, bytes.len() as u64));
            changes
        };
        let changes = read(text.as_bytes());
        assert_eq!(changes, read(&packed));
        // Some editors put a mark before the text.
        assert_eq!(changes, read(&[BYTE_ORDER_MARK, text.as_bytes()].concat()));
        let file = |path: &str, added, deleted, previous: Option<&str>| LandedFile {
            removed: false,
            path: path.to_owned(),
            previous_path: previous.map(str::to_owned),
            added,
            deleted,
        };
        let first = Landed {
            contact: None,
            written: None,
            lines: true,
            sha: "886c4c8608be268b61249cd8e65dd210e6430e19".to_owned(),
            at: 1_550_015_446,
            author: Author(0xdc_d9cc_5e35),
            pull_request: None,
            revision: None,
            title: "Add \"it\"".to_owned(),
            bot: false,
            revert: false,
            reland: false,
            merge: true,
            undoes: Vec::new(),
            files: vec![file("a", 1, 2, None), file("b", 3, 0, Some("old b"))],
            files_total: 3,
            added: 9,
            deleted: 2,
        };
        assert_eq!(changes[0], first);
        let second = &changes[1];
        assert_eq!((second.sha.as_str(), second.at, second.author.0), ("f4119fac9f64", -5, u64::MAX));
        assert_eq!((second.pull_request, second.bot, second.revert, second.reland), (Some(281), true, true, true));
        assert_eq!(second.undoes, [Claim::Commit(first.sha)]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let check = |bytes: &[u8], expected: &str| {
            let file = file_with(bytes);
            let mut stream = open(file.path()).unwrap();
            let error = stream.find_map(Result::err).unwrap().to_string();
            assert_eq!(error.strip_prefix(&format!("{}:", file.path().display())), Some(expected));
            assert!(stream.next().is_none(), "nothing follows an error");
        };
        let bad = |from: &str, to: &str| (line(FIRST) + "\n" + &line(&SECOND.replace(from, to))).into_bytes();
        check(&bad("281", "-1"), "3: invalid value: integer `-1`, expected u64 at column 65");
        check(&bad("F4119FAC9F64", "HEAD"), "3: \"HEAD\" is no object id");
        check(&bad("886c4c86", "../../..\\n"), "3: \"../../..\\n08be268b61249cd8e65dd210e6430e19\" is no object id");
        check(&bad("ffffffffffffffff", "Grace"), "3: the author \"Grace\" is not a hexadecimal number of 64 bits");
        check(b"\xff\n", "1: expected value at column 1");
        let packed = gzip(&(line(FIRST) + &line(SECOND)));
        let cut = file_with(&packed[..packed.len() - 9]);
        let errors: Vec<Error> = open(cut.path()).unwrap().filter_map(Result::err).collect();
        assert!(matches!(errors.as_slice(), [Error::Line { .. }]), "a file that is cut off is no shorter history");
        assert!(matches!(open(Path::new("/nonexistent/stream")), Err(Error::Open { .. })));
    }
}
