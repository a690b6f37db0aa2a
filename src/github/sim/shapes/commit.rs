//! Commits, changed files, directory entries and statuses as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::checks::Status;
use super::super::diff::FileDiff;
use super::super::objects::{Commit, Entry, EntryKind};
use super::super::state::{Repo, State};
use super::{encode_path, node_id, time};

impl State {
    /// A commit as lists show it; `full` adds the sums.
    pub(in super::super) fn commit_shape(&self, repo: &Repo, commit: &Commit) -> Value {
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let (name, email) = self.git_identity(&commit.author);
        let person = json!({"name": name, "email": email, "date": time(commit.at)});
        let sha = &commit.sha;
        let parents = commit
            .parents
            .iter()
            .map(|p| json!({"sha": p, "url": format!("{api}/commits/{p}"), "html_url": format!("{html}/commit/{p}")}));
        json!({
            "sha": sha,
            "node_id": node_id("C", u64::from_str_radix(&sha[..15], 16).unwrap_or_default()),
            "commit": {
                "author": person,
                "committer": person,
                "message": commit.message,
                "tree": {"sha": commit.tree_sha, "url": format!("{api}/git/trees/{}", commit.tree_sha)},
                "url": format!("{api}/git/commits/{sha}"),
                "comment_count": 0,
                "verification": {
                    "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null,
                },
            },
            "url": format!("{api}/commits/{sha}"),
            "html_url": format!("{html}/commit/{sha}"),
            "comments_url": format!("{api}/commits/{sha}/comments"),
            "author": self.user_shape(&commit.author),
            "committer": self.user_shape(&commit.author),
            "parents": parents.collect::<Vec<_>>(),
        })
    }

    /// The short form of a commit in suites and merge groups.
    pub(in super::super) fn simple_commit_shape(&self, commit: &Commit) -> Value {
        let (name, email) = self.git_identity(&commit.author);
        let person = json!({"name": name, "email": email});
        json!({
            "id": commit.sha,
            "tree_id": commit.tree_sha,
            "message": commit.message,
            "timestamp": time(commit.at),
            "author": person,
            "committer": person,
        })
    }

    /// The form of a commit in `push`, with the paths it touched.
    pub(in super::super) fn pushed_commit_shape(&self, repo: &Repo, commit: &Commit) -> Value {
        let mut shape = self.simple_commit_shape(commit);
        shape["url"] = json!(format!("{}/commit/{}", self.repo_html(repo), commit.sha));
        shape["distinct"] = json!(true);
        for role in ["author", "committer"] {
            shape[role]["username"] = json!(commit.author);
        }
        let files = self.commit_files(commit);
        let with = |wanted: &[&str]| -> Vec<&str> {
            files.iter().filter(|f| wanted.contains(&f.status)).map(|f| f.path.as_str()).take(3_000).collect()
        };
        shape["added"] = json!(with(&["added", "renamed"]));
        shape["modified"] = json!(with(&["modified", "changed"]));
        let gone = files.iter().filter_map(|f| match f.status {
            "removed" => Some(&f.path),
            _ => f.previous.as_ref(),
        });
        shape["removed"] = json!(gone.take(3_000).collect::<Vec<_>>());
        shape
    }

    pub(in super::super) fn file_shape(&self, repo: &Repo, head: &str, file: &FileDiff) -> Value {
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let path = encode_path(&file.path);
        let mut shape = json!({
            "sha": file.blob,
            "filename": file.path,
            "status": file.status,
            "additions": file.counts.added,
            "deletions": file.counts.deleted,
            "changes": file.counts.total(),
            "blob_url": format!("{html}/blob/{head}/{path}"),
            "raw_url": format!("{html}/raw/{head}/{path}"),
            "contents_url": format!("{api}/contents/{path}?ref={head}"),
        });
        if let Some(patch) = &file.patch {
            shape["patch"] = json!(patch);
        }
        if let Some(previous) = &file.previous {
            shape["previous_filename"] = json!(previous);
        }
        shape
    }

    /// An entry of a directory; `with_content` for a file asked for by itself.
    pub(in super::super) fn content_shape(
        &self,
        repo: &Repo,
        git_ref: &str,
        path: &str,
        entry: Option<&Entry>,
        with_content: bool,
    ) -> Value {
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let encoded = encode_path(path);
        let own = format!("{api}/contents/{encoded}?ref={}", encode_path(git_ref));
        let (kind, sha, size) = match entry {
            None => ("dir", super::super::objects::oid(&[path.as_bytes()]), 0),
            // Directory listings of this API version call a submodule a file.
            Some(e) if e.kind == EntryKind::Submodule && !with_content => ("file", e.sha.clone(), 0),
            Some(e) if e.kind == EntryKind::Submodule => ("submodule", e.sha.clone(), 0),
            Some(e) => ("file", e.sha.clone(), e.bytes.len()),
        };
        let git = format!("{api}/git/{}/{sha}", if entry.is_some() { "blobs" } else { "trees" });
        let page = format!("{html}/blob/{}/{encoded}", encode_path(git_ref));
        let mut shape = json!({
            "name": path.rsplit('/').next().unwrap_or(path),
            "path": path,
            "sha": sha,
            "size": size,
            "url": own,
            "html_url": page,
            "git_url": git,
            "download_url": (kind == "file").then(|| format!("{html}/raw/{}/{encoded}", encode_path(git_ref))),
            "type": kind,
            "_links": {"self": own, "git": git, "html": page},
        });
        if let Some(entry) = entry.filter(|_| with_content && kind == "file") {
            shape["encoding"] = json!("base64");
            shape["content"] = json!(lines_of_60(&STANDARD.encode(&entry.bytes)));
        } else if kind == "submodule" {
            shape["submodule_git_url"] = json!(format!("{html}-submodule.git"));
        }
        shape
    }

    pub(in super::super) fn status_shape(&self, repo: &Repo, status: &Status) -> Value {
        json!({
            "url": format!("{}/statuses/{}", self.repo_api(repo), status.sha),
            "avatar_url": format!("{}/avatars/{}", self.base, status.id),
            "id": status.id,
            "node_id": node_id("SC", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": time(status.at),
            "updated_at": time(status.at),
        })
    }
}

/// GitHub breaks base64 into lines of 60 characters.
fn lines_of_60(base64: &str) -> String {
    let mut lines = String::with_capacity(base64.len() + base64.len() / 60 + 1);
    for line in base64.as_bytes().chunks(60) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push('\n');
    }
    lines
}
