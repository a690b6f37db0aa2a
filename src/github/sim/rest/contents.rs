//! Routes of the repository itself: files, commits, comparisons, who may do what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::{Answer, Outcome, Paging};
use super::super::objects::{Commit, EntryKind};
use super::super::state::Repo;
use super::Call;
use super::pulls::{FILES_MAX, no_commit};

/// Largest file whose content GitHub puts into JSON, in bytes.
const JSON_CONTENT_MAX: usize = 1024 * 1024;
/// Entries of a directory that GitHub lists.
const ENTRIES_MAX: usize = 1_000;
/// Files of a comparison that GitHub lists.
const COMPARE_FILES_MAX: usize = 300;

impl Call<'_> {
    pub(super) fn repo(&self, repo: &str) -> Outcome {
        self.need("metadata", "read")?;
        Ok(Answer::ok(self.state.repo_shape(self.state.known(repo))))
    }

    pub(super) fn permission(&self, repo: &str, login: &str) -> Outcome {
        self.need("metadata", "read")?;
        let shape = self.state.permission_shape(self.state.known(repo), login);
        shape.map(Answer::ok).ok_or_else(|| Answer::error(404, format!("{login} is not a user")))
    }

    /// Rules of rulesets in force on a branch, which need not exist.
    pub(super) fn branch_rules(&self, repo: &str, branch: &str) -> Outcome {
        self.need("metadata", "read")?;
        let repo = self.state.known(repo);
        let rules = repo.review_rules.get(branch).into_iter().flatten();
        let shape = |(id, parameters): (usize, &Value)| {
            json!({
                "type": "pull_request",
                "parameters": parameters,
                "ruleset_source_type": "Repository",
                "ruleset_source": repo.full_name(),
                "ruleset_id": id,
            })
        };
        Ok(Answer::ok((1..).zip(rules).map(shape).collect()))
    }

    pub(super) fn contents(&self, repo: &str, path: &str) -> Outcome {
        self.need("contents", "read")?;
        let named = self.request.param("ref");
        let sha = self.find_ref(repo, named.unwrap_or("HEAD"));
        let repo = self.state.known(repo);
        let git_ref = named.unwrap_or(&repo.default_branch);
        let missing = || Answer::error(404, format!("No commit found for the ref {git_ref}"));
        let tree = self.state.objects.tree(&sha.ok_or_else(missing)?);
        let Some(entry) = tree.get(path) else { return self.directory(repo, git_ref, path, &tree) };
        let raw = self.request.header("accept").is_some_and(|a| a.contains(".raw"));
        if raw && entry.kind != EntryKind::Submodule {
            return Ok(Answer::raw("application/vnd.github.raw; charset=utf-8", entry.bytes.to_vec()));
        }
        let mut shape = self.state.content_shape(repo, git_ref, path, Some(entry), true);
        if entry.bytes.len() > JSON_CONTENT_MAX {
            (shape["content"], shape["encoding"]) = (json!(""), json!("none"));
        }
        Ok(Answer::ok(shape))
    }

    /// A blob of a branch's tip by its object id.
    pub(super) fn blob(&self, repo: &str, sha: &str) -> Outcome {
        self.need("contents", "read")?;
        let repo = self.state.known(repo);
        let trees: Vec<_> = repo.branches.values().map(|tip| self.state.objects.tree(tip)).collect();
        let entries = trees.iter().flat_map(|tree| tree.values());
        let entry = entries.into_iter().find(|entry| entry.sha == sha && entry.kind != EntryKind::Submodule);
        let entry = entry.ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(json!({
            "sha": entry.sha,
            "node_id": format!("B_{}", entry.sha),
            "size": entry.bytes.len(),
            "url": format!("{}/git/blobs/{}", self.state.repo_api(repo), entry.sha),
            "content": STANDARD.encode(&entry.bytes),
            "encoding": "base64",
        })))
    }

    fn directory(&self, repo: &Repo, git_ref: &str, path: &str, tree: &super::super::objects::Tree) -> Outcome {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut shapes: Vec<Value> = Vec::new();
        let mut last_dir = String::new();
        for (found, entry) in tree.range(prefix.clone()..).take_while(|(p, _)| p.starts_with(&prefix)) {
            match found[prefix.len()..].split_once('/') {
                None => shapes.push(self.state.content_shape(repo, git_ref, found, Some(entry), false)),
                Some((dir, _)) if dir != last_dir => {
                    last_dir = dir.to_owned();
                    shapes.push(self.state.content_shape(repo, git_ref, &format!("{prefix}{dir}"), None, false));
                }
                Some(_) => {}
            }
        }
        shapes.truncate(ENTRIES_MAX);
        if shapes.is_empty() { Err(Answer::not_found()) } else { Ok(Answer::ok(Value::Array(shapes))) }
    }

    /// A commit with its files, which are paged.
    pub(super) fn commit(&self, repo: &str, git_ref: &str) -> Outcome {
        self.need("contents", "read")?;
        let sha = self.find_ref(repo, git_ref).ok_or_else(|| no_commit(git_ref))?;
        let repo = self.state.known(repo);
        let commit = self.state.objects.get(&sha).ok_or_else(|| no_commit(git_ref))?;
        let files = self.state.commit_files(commit);
        let given = &files[..files.len().min(FILES_MAX)];
        // Without paging asked for, up to 300 files stand on the first page.
        let default = Paging { page: 1, per_page: COMPARE_FILES_MAX };
        let asked = self.request.param("per_page").or(self.request.param("page"));
        let paging = if asked.is_some() { Paging::of(self.request)? } else { default };
        let mut shape = self.state.commit_shape(repo, commit);
        let added: u64 = files.iter().map(|f| f.counts.added).sum();
        let deleted: u64 = files.iter().map(|f| f.counts.deleted).sum();
        shape["stats"] = json!({"additions": added, "deletions": deleted, "total": added + deleted});
        shape["files"] = paging.slice(given).iter().map(|f| self.state.file_shape(repo, &sha, f)).collect();
        Ok(self.linked(Answer::ok(shape), &paging, given.len()))
    }

    /// Merge-base comparison of two refs; `owner:branch` names a fork's branch.
    pub(super) fn compare(&self, repo: &str, basehead: &str) -> Outcome {
        self.need("contents", "read")?;
        let (base, head) = basehead.split_once("...").ok_or_else(Answer::not_found)?;
        let (base_sha, head_sha) = (self.compared(repo, base)?, self.compared(repo, head)?);
        let repo = self.state.known(repo);
        let objects = &self.state.objects;
        let merge_base = objects.merge_base(&base_sha, &head_sha);
        let (ahead, behind) = (objects.between(&base_sha, &head_sha), objects.between(&head_sha, &base_sha));
        let commit = |sha: &str| objects.get(sha).map(|c| self.state.commit_shape(repo, c));
        let files = self.state.files_between(&merge_base, &head_sha);
        let page = format!("{}/compare/{base_sha}...{head_sha}", self.state.repo_html(repo));
        let paging = Paging::of(self.request)?;
        let shown = if paging.page == 1 { files.len().min(COMPARE_FILES_MAX) } else { 0 };
        let list = |commits: &[std::sync::Arc<Commit>]| -> Vec<Value> {
            commits.iter().map(|c| self.state.commit_shape(repo, c)).collect()
        };
        let body = json!({
            "url": format!("{}/compare/{base_sha}...{head_sha}", self.state.repo_api(repo)),
            "html_url": page,
            "permalink_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "base_commit": commit(&base_sha),
            "merge_base_commit": commit(&merge_base),
            "status": objects.standing(&base_sha, &head_sha),
            "ahead_by": ahead.len(),
            "behind_by": behind.len(),
            "total_commits": ahead.len(),
            "commits": list(paging.slice(&ahead)),
            "files": files[..shown].iter().map(|f| self.state.file_shape(repo, &head_sha, f)).collect::<Vec<_>>(),
        });
        Ok(self.linked(Answer::ok(body), &paging, ahead.len()))
    }

    fn compared(&self, repo: &str, name: &str) -> Result<String, Answer> {
        let Some((owner, branch)) = name.split_once(':') else {
            return self.find_ref(repo, name).ok_or_else(Answer::not_found);
        };
        let known = self.state.known(repo);
        let fork = self.state.repo(&format!("{owner}/{}", known.name)).filter(|f| f.network == known.network);
        fork.and_then(|f| f.branches.get(branch).cloned()).ok_or_else(Answer::not_found)
    }
}
