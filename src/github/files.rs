//! Changed files with their hunks, over REST: GraphQL has no patches.
//!
//! What GitHub does not tell: why a patch is missing. Too many lines (the counts are there: the patch is unknown) and
//! binary content (no counts) can be told apart, but an attribute that switches diffs off looks like binary content.
//! So only a known kind of binary file counts as one; any other file without lines and counts is unknown. A binary
//! file that is renamed and changed at once looks like a mere rename.

use reqwest::header::ETAG;
use serde::Deserialize;
use url::Url;

use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;
use super::rate::Bucket;
use super::transport::{Answer, Call};
use crate::risk::facts::{FileChange, FileStatus, Reason, Source, Unknown};
use crate::risk::patch::Patch;

/// GitHub's most.
const PER_PAGE: usize = 100;
/// GitHub lists 3,000 files at most.
const MAX_FILES: usize = 3_000;
const MAX_PAGES: usize = MAX_FILES / PER_PAGE;
/// Shortest part of a commit id that is asked for.
const MIN_SHA: usize = 7;
/// Object ids of an empty file, in both of git's formats.
const EMPTY_BLOBS: [&str; 2] =
    ["e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"];
/// Endings of files that are binary by their kind.
const BINARY_ENDINGS: &[&str] = &[
    "7z", "a", "aac", "avi", "avif", "bin", "bmp", "br", "bz2", "class", "dat", "db", "dll", "dmg", "doc", "docx",
    "dylib", "ear", "eot", "exe", "flac", "gif", "gz", "heic", "icns", "ico", "iso", "jar", "jpeg", "jpg", "jks",
    "keystore", "lib", "m4a", "mo", "mov", "mp3", "mp4", "npy", "npz", "o", "obj", "ogg", "onnx", "otf", "p12",
    "parquet", "pdf", "pickle", "pkl", "png", "ppt", "pptx", "psd", "pt", "pyc", "rar", "so", "sqlite", "sqlite3",
    "tar", "tgz", "tif", "tiff", "ttf", "war", "wasm", "wav", "webm", "webp", "whl", "woff", "woff2", "xls", "xlsx",
    "xz", "zip", "zst",
];

/// Changed files, as many as GitHub gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    /// In GitHub's order (by path).
    pub files: Vec<FileChange>,
    /// Nothing is missing.
    pub complete: bool,
    /// The answers they were read from, to be kept for the next time.
    pub pages: Vec<CachedPage>,
}

/// An answer that can be revalidated without spending the hourly limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedPage {
    /// Path and query below the API's base; the same for the same page of the same list.
    pub route: String,
    /// GitHub's `ETag`.
    pub etag: String,
    /// The JSON text.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Entry {
    filename: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    additions: u64,
    #[serde(default)]
    deletions: u64,
    sha: Option<String>,
    patch: Option<String>,
    previous_filename: Option<String>,
}

impl Installation {
    /// Changed files of a pull request, 100 a call. Stops at `expected` files; `None` reads to the end of the list.
    /// Pages in `cached` (found by [`CachedPage::route`]) are revalidated.
    pub async fn files(
        &self,
        repo: &RepoName,
        number: u64,
        expected: Option<u64>,
        cached: &[CachedPage],
    ) -> Result<Files, Error> {
        let (mut files, mut pages) = (Vec::new(), Vec::new());
        let enough = |files: &[FileChange]| expected.is_some_and(|e| files.len() as u64 >= e);
        let mut next = Some(self.files_url(repo, number, 1)).filter(|_| !enough(&files));
        for page in 1..=MAX_PAGES {
            let Some(url) = next.take() else { break };
            let route = files_route(repo, number, page);
            let known = cached.iter().find(|c| c.route == route);
            let call = Call { etag: known.map(|k| k.etag.clone()), ..Call::get(url) };
            let answer = self.call(Bucket::Core, &call).await?;
            let link = answer.next_link().map(|l| self.transport().on_base(l)).transpose()?;
            let not_modified = answer.status == 304;
            let kept = keep(answer, route, known)?;
            let entries: Vec<Entry> = parse(&kept.body)?;
            // An answer "not modified" need not say where the next page is.
            let unsaid = not_modified && link.is_none() && entries.len() >= PER_PAGE;
            files.extend(entries.into_iter().map(Entry::into_file));
            pages.extend(Some(kept).filter(|k| !k.etag.is_empty()));
            let more = link.or_else(|| unsaid.then(|| self.files_url(repo, number, page + 1)));
            next = more.filter(|_| !enough(&files));
        }
        let ended = next.is_none() && files.len() < MAX_FILES;
        let complete = expected.map_or(ended, |_| enough(&files));
        Ok(Files { files, complete, pages })
    }

    /// The routes of the pages that [`Installation::files`] would read: keys for looking up cached ones.
    pub fn files_routes(repo: &RepoName, number: u64, expected: u64) -> Vec<String> {
        let pages = usize::try_from(expected).unwrap_or(MAX_FILES).div_ceil(PER_PAGE).min(MAX_PAGES);
        (1..=pages).map(|page| files_route(repo, number, page)).collect()
    }

    /// Changed files of a commit (against its first parent). `sha` may be cut short, to 7 characters at least.
    /// The id of the commit that was found stands first.
    pub async fn commit_files(&self, repo: &RepoName, sha: &str) -> Result<(String, Files), Error> {
        #[derive(Deserialize)]
        struct Commit {
            sha: String,
            #[serde(default)]
            files: Vec<Entry>,
        }
        let hex = (MIN_SHA..=64).contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            return Err(Error::Invalid { message: "not a commit id".to_owned() });
        }
        let segments = ["repos", repo.owner(), repo.name(), "commits", sha];
        let mut next = Some(self.transport().url(segments, &[("per_page", "100")]));
        let (mut files, mut found) = (Vec::new(), String::new());
        for _ in 1..=MAX_PAGES {
            let Some(url) = next.take() else { break };
            let answer = self.get(url).await?;
            let commit: Commit = answer.json()?;
            // A branch may be named like a commit id.
            if !commit.sha.to_ascii_lowercase().starts_with(&sha.to_ascii_lowercase()) {
                return Err(Error::NotFound);
            }
            found = commit.sha;
            files.extend(commit.files.into_iter().map(Entry::into_file));
            next = answer.next_link().map(|l| self.transport().on_base(l)).transpose()?;
        }
        let complete = next.is_none() && files.len() < MAX_FILES;
        Ok((found, Files { files, complete, pages: Vec::new() }))
    }

    fn files_url(&self, repo: &RepoName, number: u64, page: usize) -> Url {
        let segments = ["repos", repo.owner(), repo.name(), "pulls", &number.to_string(), "files"];
        self.transport().url(segments, &[("per_page", "100"), ("page", &page.to_string())])
    }
}

/// Key of a page, whatever address GitHub's `Link` gave it.
fn files_route(repo: &RepoName, number: u64, page: usize) -> String {
    format!("/repos/{repo}/pulls/{number}/files?per_page={PER_PAGE}&page={page}")
}

fn keep(answer: Answer, route: String, known: Option<&CachedPage>) -> Result<CachedPage, Error> {
    if answer.status != 304 {
        let etag = answer.header(ETAG.as_str()).unwrap_or_default().to_owned();
        return Ok(CachedPage { route, etag, body: answer.body });
    }
    known.cloned().ok_or_else(|| Error::contract("\"not modified\" to a question that was not asked"))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::contract("a list of files that is none"))
}

impl Entry {
    fn into_file(self) -> FileChange {
        let submodule = self.patch.as_deref().is_some_and(is_submodule);
        let counted = self.additions + self.deletions;
        let status = self.file_status();
        let binary = self.patch.is_none() && counted == 0 && self.is_binary(status);
        let silent = self.patch.is_none() && counted == 0 && !binary && !self.is_unchanged(status);
        let reason = match (&self.patch, counted) {
            (None, 1..) => Some(Reason::Partial { seen: 0, total: counted }),
            _ if silent => Some(Reason::Unavailable("GitHub shows neither its lines nor their number".to_owned())),
            _ => None,
        };
        let unknown = reason.map(|reason| Unknown { source: Source::Diff, reason });
        FileChange {
            patch: unknown.map_or_else(|| Ok(Patch(self.patch.unwrap_or_default())), Err),
            path: self.filename,
            previous_path: self.previous_filename,
            status,
            added: self.additions,
            deleted: self.deletions,
            binary,
            submodule,
        }
    }

    fn file_status(&self) -> FileStatus {
        match self.status.as_str() {
            "added" => FileStatus::Added,
            "removed" => FileStatus::Removed,
            "renamed" => FileStatus::Renamed,
            "copied" => FileStatus::Copied,
            "changed" => FileStatus::Changed,
            "unchanged" => FileStatus::Unchanged,
            _ => FileStatus::Modified,
        }
    }

    /// Without lines because there are none to show: moved, its mode changed, or empty.
    fn is_unchanged(&self, status: FileStatus) -> bool {
        match status {
            FileStatus::Renamed | FileStatus::Copied | FileStatus::Changed | FileStatus::Unchanged => true,
            FileStatus::Added | FileStatus::Removed | FileStatus::Modified => self.is_empty_blob(),
        }
    }

    fn is_empty_blob(&self) -> bool {
        self.sha.as_deref().is_some_and(|sha| EMPTY_BLOBS.contains(&sha))
    }

    fn is_binary(&self, status: FileStatus) -> bool {
        let name = self.filename.rsplit('/').next().unwrap_or_default();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        !self.is_unchanged(status) && ending.is_some_and(|e| BINARY_ENDINGS.contains(&e.as_str()))
    }
}

/// Git shows a submodule as a file of one line that names the commit.
fn is_submodule(patch: &str) -> bool {
    let mut lines = patch.lines();
    let one_line = lines.next().is_some_and(|l| matches!(l, "@@ -1 +1 @@" | "@@ -0,0 +1 @@" | "@@ -1 +0,0 @@"));
    let names_commit = |line: &str| {
        let commit = line.strip_prefix(['-', '+']).and_then(|l| l.strip_prefix("Subproject commit "));
        commit.is_some_and(|c| matches!(c.len(), 40 | 64) && c.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let lines: Vec<_> = lines.collect();
    one_line && matches!(lines.len(), 1 | 2) && lines.into_iter().all(names_commit)
}
