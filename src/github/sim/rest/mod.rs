//! The REST routes: which part of the state answers, and with which permission.

mod app;
mod check_rules;
mod checks;
mod contents;
mod issues;
mod pulls;

pub(super) use pulls::COMMITS_MAX;

use super::Shared;
use super::answer::{Answer, Outcome, Paging, Request};
use super::auth::Caller;
use super::checks::Run;
use super::pulls::Pull;
use super::state::{Repo, State};

/// One call: who asks for what, and the state under its lock.
struct Call<'a> {
    shared: &'a Shared,
    state: &'a mut State,
    caller: &'a Caller,
    request: &'a Request,
}

/// Whether a path belongs to the API rather than to the pages.
pub(super) fn is_api(segments: &[String]) -> bool {
    let first = segments.first().map(String::as_str);
    // An organisation's settings are pages; below its number lie its teams.
    let settings = first == Some("organizations") && segments.get(2).is_some_and(|part| part == "settings");
    !settings
        && matches!(
            first,
            Some(
                "app"
                    | "app-manifests"
                    | "repos"
                    | "repositories"
                    | "graphql"
                    | "rate_limit"
                    | "installation"
                    | "orgs"
                    | "organizations"
                    | "users"
                    | "meta"
            )
        )
}

/// Requests that cost nothing of the primary budget.
pub(super) fn is_free(request: &Request) -> bool {
    request.segments == ["rate_limit"]
}

/// Finds and runs the handler.
pub(super) fn route(shared: &Shared, caller: &Caller, request: &Request) -> Outcome {
    let mut state = shared.state();
    let mut call = Call { shared, state: &mut state, caller, request };
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["repos", owner, name, rest @ ..] => {
            let full_name = call.repository(owner, name)?;
            call.in_repository(&full_name, rest)
        }
        // Where a moved repository's old addresses lead.
        ["repositories", id, rest @ ..] => {
            let repo = id.parse().ok().and_then(|id| call.state.repo_by_id(id)).ok_or_else(Answer::not_found)?;
            let full_name = call.repository(&repo.owner, &repo.name)?;
            call.in_repository(&full_name, rest)
        }
        rest => call.outside(rest),
    }
}

impl Call<'_> {
    fn outside(&mut self, path: &[&str]) -> Outcome {
        match (self.request.method.as_str(), path) {
            ("GET", ["app"]) => self.app(),
            ("GET", ["app", "installations"]) => self.installations(),
            ("GET", ["app", "installations", id]) => self.installation(id),
            ("POST", ["app", "installations", id, "access_tokens"]) => self.access_token(id),
            ("GET", ["app", "hook", "config"]) => self.hook_config(),
            ("GET", ["app", "hook", "deliveries"]) => self.deliveries(),
            ("GET", ["app", "hook", "deliveries", id]) => self.delivery(id),
            ("POST", ["app", "hook", "deliveries", id, "attempts"]) => self.redeliver(id),
            ("GET", ["installation", "repositories"]) => self.repositories(),
            ("DELETE", ["installation", "token"]) => self.revoke_token(),
            ("GET", ["rate_limit"]) => self.rate_limit(),
            _ => Err(Answer::not_found()),
        }
    }

    fn in_repository(&mut self, repo: &str, path: &[&str]) -> Outcome {
        let method = self.request.method.as_str();
        if self.request.is_write() && self.state.known(repo).archived {
            return Err(Answer::error(403, "Repository was archived so is read-only."));
        }
        match (method, path) {
            ("GET", []) => self.repo(repo),
            ("GET", ["installation"]) => self.installation_of(repo),
            ("GET", ["pulls"]) => self.pulls(repo),
            ("GET", ["pulls", n]) => self.pull(repo, n),
            ("GET", ["pulls", n, "files"]) => self.pull_files(repo, n),
            ("GET", ["pulls", n, "commits"]) => self.pull_commits(repo, n),
            ("GET", ["pulls", n, "reviews"]) => self.pull_reviews(repo, n),
            ("POST", ["check-runs"]) => self.create_run(repo),
            ("GET", ["check-runs", id]) => self.run(repo, id),
            ("PATCH", ["check-runs", id]) => self.update_run(repo, id),
            ("GET", ["check-runs", id, "annotations"]) => self.annotations(repo, id),
            ("POST", ["check-runs", id, "rerequest"]) => self.rerequest_run(repo, id),
            ("GET", ["check-suites", id]) => self.suite(repo, id),
            ("GET", ["check-suites", id, "check-runs"]) => self.suite_runs(repo, id),
            ("GET", ["commits", sha, "pulls"]) => self.commit_pulls(repo, sha),
            ("GET", ["commits", git_ref @ .., "check-runs"]) => self.commit_runs(repo, &git_ref.join("/")),
            ("GET", ["commits", git_ref @ .., "check-suites"]) => self.commit_suites(repo, &git_ref.join("/")),
            ("GET", ["commits", git_ref @ .., "status"]) => self.combined_status(repo, &git_ref.join("/")),
            ("GET", ["commits", git_ref @ ..]) if !git_ref.is_empty() => self.commit(repo, &git_ref.join("/")),
            ("GET", ["compare", basehead @ ..]) if !basehead.is_empty() => self.compare(repo, &basehead.join("/")),
            ("GET", ["contents", path @ ..]) => self.contents(repo, &path.join("/")),
            ("GET", ["git", "blobs", sha]) => self.blob(repo, sha),
            ("GET", ["rules", "branches", branch @ ..]) => self.branch_rules(repo, &branch.join("/")),
            ("GET", ["collaborators", login, "permission"]) => self.permission(repo, login),
            ("GET", ["issues", n, "comments"]) => self.comments(repo, n),
            ("POST", ["issues", n, "comments"]) => self.create_comment(repo, n),
            ("GET", ["issues", "comments", id]) => self.comment(repo, id),
            ("PATCH", ["issues", "comments", id]) => self.update_comment(repo, id),
            ("GET", ["issues", "comments", id, "reactions"]) => self.reactions(repo, id),
            ("POST", ["issues", "comments", id, "reactions"]) => self.react(repo, id),
            _ => Err(Answer::not_found()),
        }
    }

    /// Full name of a repository that the caller may see.
    fn repository(&self, owner: &str, name: &str) -> Result<String, Answer> {
        let repo = self.state.visible(self.caller, owner, name).ok_or_else(Answer::not_found)?;
        let same = repo.owner.eq_ignore_ascii_case(owner) && repo.name.eq_ignore_ascii_case(name);
        if same { Ok(repo.full_name()) } else { Err(self.moved(repo)) }
    }

    /// The way from an old name: a read is moved permanently, for anything else the method stays what it was.
    fn moved(&self, repo: &Repo) -> Answer {
        let rest = self.request.path.split_once("/repos/").and_then(|(_, rest)| rest.splitn(3, '/').nth(2));
        let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
        let query = &self.request.query_text;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let url = format!("{}/repositories/{}{rest}{query}", self.state.base, repo.id);
        let (status, message) =
            if self.request.method == "GET" { (301, "Moved Permanently") } else { (307, "Temporary Redirect") };
        let mut answer = Answer::error(status, message).with("location", url.clone());
        answer.body["url"] = serde_json::json!(url);
        answer
    }

    /// Refuses a caller that lacks a permission, naming it.
    fn need(&self, permission: &str, level: &str) -> Result<(), Answer> {
        if self.caller.may(permission, level) { Ok(()) } else { Err(Answer::lacks(permission, level)) }
    }

    fn app_only(&self) -> Result<(), Answer> {
        match self.caller {
            Caller::App => Ok(()),
            Caller::Installation(_) => Err(Answer::error(401, "A JSON web token could not be decoded")),
        }
    }

    fn find_pull(&self, repo: &str, number: &str) -> Result<(&Repo, &Pull), Answer> {
        let number = number.parse().map_err(|_| Answer::not_found())?;
        self.state.pull(repo, number).ok_or_else(Answer::not_found)
    }

    fn find_run(&self, repo: &str, id: &str) -> Result<(&Repo, &Run), Answer> {
        let repo = self.state.known(repo);
        let id: u64 = id.parse().map_err(|_| Answer::not_found())?;
        let run = self.state.runs.get(&id).filter(|r| r.repo == repo.id);
        run.map(|run| (repo, run)).ok_or_else(Answer::not_found)
    }

    /// The SHA that a branch, tag or SHA names.
    fn find_ref(&self, repo: &str, git_ref: &str) -> Option<String> {
        let repo = self.state.known(repo);
        let branch = git_ref.strip_prefix("refs/heads/").or(git_ref.strip_prefix("heads/")).unwrap_or(git_ref);
        let tip = if git_ref == "HEAD" { repo.branches.get(&repo.default_branch) } else { repo.branches.get(branch) };
        tip.cloned().or_else(|| self.state.objects.find(repo.network, git_ref).map(|c| c.sha.clone()))
    }

    /// One page of a list, with its `Link` header.
    fn page<T>(&self, items: &[T], shape: impl Fn(&T) -> serde_json::Value) -> Outcome {
        let paging = Paging::of(self.request)?;
        let body = paging.slice(items).iter().map(shape).collect();
        Ok(self.linked(Answer::ok(body), &paging, items.len()))
    }

    fn linked(&self, answer: Answer, paging: &Paging, total: usize) -> Answer {
        match paging.link(&self.state.base, self.request, total) {
            Some(link) => answer.with("link", link),
            None => answer,
        }
    }
}
