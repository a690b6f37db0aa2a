//! Changed files with their hunks, over REST: GraphQL has no patches. Why a patch is missing GitHub does not tell: too
//! many lines leave the counts (then the patch is unknown), binary content leaves none, and neither does an attribute
//! that switches diffs off. So only a known kind of binary file counts as binary, and any other file without lines and
//! counts is unknown. A binary file that is renamed and changed at once looks like a mere rename.

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

/// A commit and what it changed.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitFiles {
    /// Its whole id.
    pub sha: String,
    /// Its message. Untrusted.
    pub message: String,
    /// What it changed against its first parent.
    pub files: Files,
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

/// A changed file as every list of GitHub's gives it.
#[derive(Deserialize)]
pub(super) struct Entry {
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
    pub async fn commit_files(&self, repo: &RepoName, sha: &str) -> Result<CommitFiles, Error> {
        #[derive(Deserialize)]
        struct Commit {
            sha: String,
            #[serde(default)]
            commit: Message,
            #[serde(default)]
            files: Vec<Entry>,
        }
        #[derive(Deserialize, Default)]
        struct Message {
            #[serde(default)]
            message: String,
        }
        let hex = (MIN_SHA..=64).contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            return Err(Error::Invalid { message: "not a commit id".to_owned() });
        }
        let segments = ["repos", repo.owner(), repo.name(), "commits", sha];
        let mut next = Some(self.transport().url(segments, &[("per_page", "100")]));
        let (mut files, mut found, mut message) = (Vec::new(), String::new(), String::new());
        for _ in 1..=MAX_PAGES {
            let Some(url) = next.take() else { break };
            let answer = self.get(url).await?;
            let commit: Commit = answer.json()?;
            // A branch may be named like a commit id.
            if !commit.sha.to_ascii_lowercase().starts_with(&sha.to_ascii_lowercase()) {
                return Err(Error::NotFound);
            }
            (found, message) = (commit.sha, commit.commit.message);
            files.extend(commit.files.into_iter().map(Entry::into_file));
            next = answer.next_link().map(|l| self.transport().on_base(l)).transpose()?;
        }
        let complete = next.is_none() && files.len() < MAX_FILES;
        Ok(CommitFiles { sha: found, message, files: Files { files, complete, pages: Vec::new() } })
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
    pub(super) fn into_file(self) -> FileChange {
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
            patch: unknown.map_or_else(|| Ok(Patch(self.patch.unwrap_or_default().into())), Err),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::scripted::{SHA, Scripted, json, repo, with};
    use super::*;
    use crate::risk::facts::Known;

    fn entry(value: Value) -> FileChange {
        serde_json::from_value::<Entry>(value).unwrap().into_file()
    }

    fn page(from: usize, count: usize) -> Value {
        let file =
            |n| json!({"filename": format!("f{n}"), "status": "added", "additions": 1, "patch": "@@ -0,0 +1 @@\n+x"});
        (from..from + count).map(file).collect()
    }

    #[test]
    fn what_github_leaves_out_is_unknown_and_not_nothing() {
        let check = |value: Value, patch: Known<&str>, binary, submodule| {
            let file = entry(value.clone());
            let told = file.patch.as_ref().map(|p| &*p.0).map_err(|u| u.clone());
            assert_eq!((told, file.binary, file.submodule), (patch, binary, submodule), "{value}");
        };
        let unknown = |reason| Err(Unknown { source: Source::Diff, reason });
        let silent = || unknown(Reason::Unavailable("GitHub shows neither its lines nor their number".to_owned()));
        let hunk = "@@ -1 +1 @@\n-a\n+b";
        check(json!({"filename": "a.rs", "additions": 1, "deletions": 1, "patch": hunk}), Ok(hunk), false, false);
        // Too large to be shown.
        let large = json!({"filename": "a.rs", "status": "modified", "additions": 3000, "deletions": 10});
        check(large, unknown(Reason::Partial { seen: 0, total: 3010 }), false, false);
        check(json!({"filename": "x/Logo.PNG", "status": "modified", "sha": SHA}), Ok(""), true, false);
        check(json!({"filename": "logo.png", "status": "removed", "sha": SHA}), Ok(""), true, false);
        // An attribute can switch the diff of source code off.
        check(json!({"filename": "auth.rs", "status": "modified", "sha": SHA}), silent(), false, false);
        check(json!({"filename": "png", "status": "added", "sha": SHA}), silent(), false, false);
        check(json!({"filename": "empty.rs", "status": "added", "sha": EMPTY_BLOBS[0]}), Ok(""), false, false);
        check(json!({"filename": "b", "status": "renamed", "previous_filename": "a"}), Ok(""), false, false);
        check(json!({"filename": "logo.png", "status": "renamed", "previous_filename": "a.png"}), Ok(""), false, false);
        check(json!({"filename": "run.sh", "status": "changed"}), Ok(""), false, false);
        let moved = format!("@@ -1 +1 @@\n-Subproject commit {SHA}\n+Subproject commit {SHA}");
        check(json!({"filename": "lib", "additions": 1, "deletions": 1, "patch": moved}), Ok(&moved), false, true);
        let fake = format!("@@ -1 +1,2 @@\n-Subproject commit {SHA}\n+Subproject commit {SHA}\n+evil()");
        check(json!({"filename": "lib", "additions": 2, "deletions": 1, "patch": fake}), Ok(&fake), false, false);
    }

    #[tokio::test]
    async fn pages_are_followed_on_our_own_base() {
        let s = Scripted::start_below("/api/v3", |a| {
            let next = "<https://evil.test/api/v3/repositories/9/pulls/4/files?page=2>; rel=\"next\"";
            match a.target.as_str() {
                "/api/v3/repos/acme/shop/pulls/4/files?per_page=100&page=1" => {
                    Some(with(200, &[("link", next)], &page(0, 100)))
                }
                "/api/v3/repositories/9/pulls/4/files?page=2" => Some(json(200, &page(100, 30))),
                "/api/v3/app/installations/1/access_tokens" => None,
                other => panic!("{other}"),
            }
        })
        .await;
        let i = s.installation();
        let count = |files: &Files| (files.files.len(), files.complete);
        assert_eq!(count(&i.files(&repo(), 4, Some(130), &[]).await.unwrap()), (130, true));
        assert_eq!(count(&i.files(&repo(), 4, Some(131), &[]).await.unwrap()), (130, false));
        assert_eq!(count(&i.files(&repo(), 4, None, &[]).await.unwrap()), (130, true));
        s.asked();
        assert_eq!(count(&i.files(&repo(), 4, Some(100), &[]).await.unwrap()), (100, true));
        assert_eq!(count(&i.files(&repo(), 4, Some(0), &[]).await.unwrap()), (0, true));
        assert_eq!(s.asked().len(), 1);
    }

    #[tokio::test]
    async fn the_list_ends_at_three_thousand() {
        let s = Scripted::start(|a| {
            let n: usize = a.target.split_once("&page=")?.1.parse().ok()?;
            let next = format!("</repos/acme/shop/pulls/4/files?per_page=100&page={}>; rel=\"next\"", n + 1);
            Some(with(200, &[("link", &next)], &page(n * 100, 100)))
        })
        .await;
        let files = s.installation().files(&repo(), 4, None, &[]).await.unwrap();
        assert_eq!((files.files.len(), files.complete, s.asked().len()), (3000, false, 30));
        assert_eq!(Installation::files_routes(&repo(), 4, 9_999).len(), 30);
    }

    #[tokio::test]
    async fn what_did_not_change_is_taken_from_the_cache() {
        let s = Scripted::start(|a| {
            let known = a.headers.get("if-none-match").map(String::as_str);
            let n: usize = a.target.split_once("&page=")?.1.parse().ok()?;
            let etag = format!("W/\"{n}\"");
            if known == Some(&etag) {
                return Some(with(304, &[], &json!(null)));
            }
            let next =
                (n == 1).then_some(("link", "</repos/acme/shop/pulls/4/files?per_page=100&page=2>; rel=\"next\""));
            let headers: Vec<_> = next.into_iter().chain([("etag", etag.as_str())]).collect();
            Some(with(200, &headers, &page(n * 100, if n == 1 { 100 } else { 5 })))
        })
        .await;
        let i = s.installation();
        let first = i.files(&repo(), 4, Some(105), &[]).await.unwrap();
        let routes: Vec<_> = first.pages.iter().map(|p| p.route.clone()).collect();
        assert_eq!(routes, Installation::files_routes(&repo(), 4, 105));
        let again = i.files(&repo(), 4, Some(105), &first.pages).await.unwrap();
        assert_eq!(again, first);
        assert_eq!(s.asked().iter().filter(|a| a.headers.contains_key("if-none-match")).count(), 2);
    }

    #[tokio::test]
    async fn a_branch_named_like_a_commit_is_no_commit() {
        let s = Scripted::start(|a| {
            a.is("GET", "/repos/acme/shop/commits/deadbeef")
                .then(|| json(200, &json!({"sha": SHA, "files": page(0, 1)})))
                .or_else(|| {
                    a.target
                        .contains("/commits/0123456")
                        .then(|| json(200, &json!({"sha": SHA, "commit": {"message": "Fix"}, "files": page(0, 2)})))
                })
        })
        .await;
        let i = s.installation();
        assert_eq!(i.commit_files(&repo(), "deadbeef").await, Err(Error::NotFound));
        let found = i.commit_files(&repo(), "0123456").await.unwrap();
        assert_eq!((found.sha.as_str(), found.message.as_str()), (SHA, "Fix"));
        assert_eq!((found.files.files.len(), found.files.complete), (2, true));
        for bad in ["main", "../x", "abc", ""] {
            assert!(matches!(i.commit_files(&repo(), bad).await, Err(Error::Invalid { .. })), "{bad}");
        }
    }
}
