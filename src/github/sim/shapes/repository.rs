//! Repositories as JSON.

use serde_json::{Value, json};

use super::super::state::{Repo, State};
use super::{encode_path, node_id, time};

/// Fields that hold an API address, with what follows the repository's own.
const URLS: [(&str, &str); 36] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// Features that are always on or always off.
const FLAGS: [(&str, bool); 10] = [
    ("has_issues", true),
    ("has_projects", true),
    ("has_wiki", true),
    ("has_pages", false),
    ("has_downloads", true),
    ("has_discussions", false),
    ("is_template", false),
    ("disabled", false),
    ("allow_forking", true),
    ("web_commit_signoff_required", false),
];
/// What nobody sets or counts here.
const NULLS: [&str; 5] = ["description", "mirror_url", "homepage", "language", "license"];
const ZEROS: [&str; 4] = ["stargazers_count", "watchers", "watchers_count", "subscribers_count"];

impl State {
    /// Address of a repository in the API.
    pub(in super::super) fn repo_api(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.base, encode_path(&repo.full_name()))
    }

    /// Address of a repository for people.
    pub(in super::super) fn repo_html(&self, repo: &Repo) -> String {
        format!("{}/{}", self.base, encode_path(&repo.full_name()))
    }

    /// A repository with everything that any of GitHub's repository schemas requires.
    pub(in super::super) fn repo_shape(&self, repo: &Repo) -> Value {
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let open = repo.pulls.values().filter(|p| p.open()).count();
        let forks = self.repos.values().filter(|r| r.network == repo.network && r.id != repo.id).count();
        let mut shape = json!({
            "id": repo.id,
            "node_id": node_id("R", repo.id),
            "name": repo.name,
            "full_name": repo.full_name(),
            "owner": self.sender_shape(&repo.owner),
            "private": repo.private,
            "visibility": if repo.private { "private" } else { "public" },
            "html_url": html,
            "url": api,
            "fork": repo.fork_of.is_some(),
            "git_url": format!("{}.git", html.replacen("http:", "git:", 1)),
            "ssh_url": format!("git@github.example.com:{}.git", repo.full_name()),
            "clone_url": format!("{html}.git"),
            "svn_url": html,
            "forks": forks,
            "forks_count": forks,
            "network_count": forks,
            "size": 1,
            "default_branch": repo.default_branch,
            "open_issues": open,
            "open_issues_count": open,
            "topics": [],
            "archived": repo.archived,
            "custom_properties": {},
        });
        for (field, rest) in URLS {
            shape[field] = json!(format!("{api}{rest}"));
        }
        FLAGS.iter().for_each(|(field, on)| shape[field] = json!(on));
        NULLS.iter().for_each(|field| shape[field] = Value::Null);
        ZEROS.iter().for_each(|field| shape[field] = json!(0));
        for (field, at) in
            [("pushed_at", repo.pushed_at), ("created_at", repo.created_at), ("updated_at", repo.pushed_at)]
        {
            shape[field] = json!(time(at));
        }
        shape
    }

    /// The three fields by which lists of pull requests name a repository.
    pub(in super::super) fn repo_stub(&self, repo: &Repo) -> Value {
        json!({"id": repo.id, "url": self.repo_api(repo), "name": repo.name})
    }
}
