//! Verbs on pull requests and their checks.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Sim;
use super::objects::Edits;
use super::pulls::{Comment, Pull, PullState, Review, ReviewRequest, Reviewer, Thread};
use super::verbs::PullSpec;

/// A comment in the conversation of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimComment {
    /// GitHub's id.
    pub id: u64,
    /// Login of who wrote it.
    pub author: String,
    /// Its text.
    pub body: String,
    /// Written by our app.
    pub by_app: bool,
    /// What it was reacted with.
    pub reactions: Vec<String>,
}

/// A pull request of the simulated GitHub.
#[derive(Clone)]
pub struct PullHandle {
    pub(super) sim: Sim,
    pub(super) repo: String,
    pub(super) number: u64,
}

impl PullHandle {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// `owner/name` of the repository it would be merged into.
    pub fn repository(&self) -> &str {
        &self.repo
    }

    /// The newest commit.
    pub fn head_sha(&self) -> String {
        self.read(|p| p.head_sha.clone())
    }

    /// Pushes a commit to the head branch, whose SHA is returned; `synchronize` follows.
    pub fn push(&self, edits: impl Into<Edits>) -> String {
        let edits = edits.into();
        self.sim.act(|state| state.push_pull(&self.repo, self.number, &edits, false))
    }

    /// The head is set to a commit that is there, such as one that was pushed over.
    pub fn reset(&self, sha: &str) {
        self.sim.act(|state| state.reset_pull(&self.repo, self.number, sha));
    }

    /// Replaces the commits of the head branch by one on top of the base branch, as after a rebase.
    pub fn force_push(&self, edits: impl Into<Edits>) -> String {
        let edits = edits.into();
        self.sim.act(|state| state.push_pull(&self.repo, self.number, &edits, true))
    }

    /// An approval of the current head. It speaks for those teams of the reviewer that were asked or own code.
    pub fn approve(&self, login: &str) -> u64 {
        self.review(login, "APPROVED", "")
    }

    /// An approval on behalf of exactly these teams.
    pub fn approve_for(&self, login: &str, teams: &[&str]) -> u64 {
        let teams = teams.iter().map(|t| (*t).to_owned()).collect();
        self.sim.act(|state| state.review(&self.repo, self.number, login, "APPROVED", "", Some(teams)))
    }

    /// A review that asks for changes.
    pub fn request_changes(&self, login: &str) -> u64 {
        self.review(login, "CHANGES_REQUESTED", "Please change this")
    }

    /// A review with remarks and no verdict; it opens a review thread.
    pub fn review_comment(&self, login: &str, text: &str) -> u64 {
        self.review(login, "COMMENTED", text)
    }

    fn review(&self, login: &str, verdict: &'static str, body: &str) -> u64 {
        self.sim.act(|state| state.review(&self.repo, self.number, login, verdict, body, None))
    }

    /// Dismisses the latest verdict of a reviewer.
    pub fn dismiss(&self, login: &str) {
        self.sim.act(|state| {
            let reviews = &mut state.pull_mut(&self.repo, self.number).reviews;
            let mine = |r: &&mut Review| r.author.eq_ignore_ascii_case(login) && r.state != "COMMENTED";
            if let Some(review) = reviews.iter_mut().rev().find(mine) {
                review.state = "DISMISSED";
                let id = review.id;
                state.send_review("dismissed", &self.repo, self.number, id, "octocat");
            }
        });
    }

    /// A comment in the conversation; returns its id.
    pub fn comment(&self, login: &str, text: &str) -> u64 {
        self.sim.act(|state| state.comment(&self.repo, self.number, login, text, false))
    }

    /// Changes a comment's text.
    pub fn edit_comment(&self, comment: u64, by: &str, text: &str) {
        self.sim.act(|state| {
            state.person(by);
            let now = state.now();
            let pull = state.pull_mut(&self.repo, self.number);
            let Some(found) = pull.comments.iter_mut().find(|c| c.id == comment) else { return };
            let before = std::mem::replace(&mut found.body, text.to_owned());
            found.updated_at = now;
            let changes = json!({"changes": {"body": {"from": before}}});
            state.send_comment("edited", &self.repo, self.number, comment, by, changes);
        });
    }

    /// Somebody deletes a comment.
    pub fn delete_comment(&self, comment: u64, by: &str) {
        self.sim.act(|state| {
            state.person(by);
            state.send_comment("deleted", &self.repo, self.number, comment, by, json!({}));
            state.pull_mut(&self.repo, self.number).comments.retain(|c| c.id != comment);
        });
    }

    /// The conversation, oldest first.
    pub fn conversation(&self) -> Vec<SimComment> {
        let reactions = |c: &Comment| c.reactions.iter().map(|r| r.content.clone()).collect();
        let shown = |c: &Comment| SimComment {
            id: c.id,
            author: c.author.clone(),
            body: c.body.clone(),
            by_app: c.by_app,
            reactions: reactions(c),
        };
        self.read(|p| p.comments.iter().map(shown).collect())
    }

    /// Locks the conversation: nobody without write access comments or reacts, and no app does.
    pub fn lock(&self) {
        self.sim.act(|state| state.pull_mut(&self.repo, self.number).locked = true);
    }

    /// Adds a label.
    pub fn label(&self, name: &str) {
        self.sim.act(|state| {
            state.ensure_label(&self.repo, name);
            let pull = state.pull_mut(&self.repo, self.number);
            if !pull.labels.iter().any(|l| l == name) {
                pull.labels.push(name.to_owned());
                state.send_labeled("labeled", &self.repo, self.number, name);
            }
        });
    }

    /// Takes a label off.
    pub fn unlabel(&self, name: &str) {
        self.sim.act(|state| {
            state.pull_mut(&self.repo, self.number).labels.retain(|l| l != name);
            state.send_labeled("unlabeled", &self.repo, self.number, name);
        });
    }

    /// Asks a person for a review.
    pub fn ask(&self, login: &str, as_code_owner: bool) {
        self.request(Reviewer::User(login.to_owned()), as_code_owner);
    }

    /// Asks a team for a review.
    pub fn ask_team(&self, slug: &str, as_code_owner: bool) {
        self.request(Reviewer::Team(slug.to_owned()), as_code_owner);
    }

    fn request(&self, reviewer: Reviewer, as_code_owner: bool) {
        self.sim.act(|state| {
            if let Reviewer::User(login) = &reviewer {
                state.person(login);
            }
            let id = state.new_id();
            let request = ReviewRequest { id, reviewer: reviewer.clone(), as_code_owner };
            state.pull_mut(&self.repo, self.number).requests.push(request);
            state.send_review_requested(&self.repo, self.number, &reviewer);
        });
    }

    /// A review thread by `login` in the given state, without a webhook.
    pub fn thread(&self, login: &str, resolved: bool, outdated: bool) {
        self.sim.act(|state| {
            state.person(login);
            let (id, author) = (state.new_id(), login.to_owned());
            state.pull_mut(&self.repo, self.number).threads.push(Thread { id, author, resolved, outdated });
        });
    }

    /// Marks it ready for review.
    pub fn ready(&self) {
        self.change("ready_for_review", |p, _| p.draft = false);
    }

    /// Makes it a draft again.
    pub fn draft(&self) {
        self.change("converted_to_draft", |p, _| p.draft = true);
    }

    /// Closes it without merging.
    pub fn close(&self) {
        self.dequeue();
        self.change("closed", |p, now| (p.state, p.closed_at) = (PullState::Closed, Some(now)));
    }

    /// Opens it again.
    pub fn reopen(&self) {
        self.change("reopened", |p, _| (p.state, p.closed_at) = (PullState::Open, None));
    }

    fn change(&self, action: &str, change: impl FnOnce(&mut Pull, DateTime<Utc>)) {
        self.sim.act(|state| {
            let now = state.now();
            let pull = state.pull_mut(&self.repo, self.number);
            change(pull, now);
            pull.updated_at = now;
            let author = pull.author.clone();
            state.send_pull(action, &self.repo, self.number, &author, json!({}));
        });
    }

    /// Merges it with a merge commit, whose SHA is returned.
    pub fn merge(&self) -> String {
        self.sim.act(|state| state.merge(&self.repo, self.number, "octocat"))
    }

    /// Changes the title.
    pub fn retitle(&self, title: &str) {
        self.sim.act(|state| {
            let pull = state.pull_mut(&self.repo, self.number);
            let from = std::mem::replace(&mut pull.title, title.to_owned());
            let author = pull.author.clone();
            let changes = json!({"changes": {"title": {"from": from}}});
            state.send_pull("edited", &self.repo, self.number, &author, changes);
        });
    }

    /// Changes the description.
    pub fn describe(&self, body: &str) {
        self.sim.act(|state| {
            let pull = state.pull_mut(&self.repo, self.number);
            let from = pull.body.replace(body.to_owned()).unwrap_or_default();
            let author = pull.author.clone();
            let changes = json!({"changes": {"body": {"from": from}}});
            state.send_pull("edited", &self.repo, self.number, &author, changes);
        });
    }

    /// Somebody opens another pull request for the same head commit; its files are those of this one.
    pub fn twin(&self, spec: PullSpec) -> Self {
        let number = self.sim.act(|state| state.open_twin(&self.repo, self.number, &spec));
        Self { sim: self.sim.clone(), repo: self.repo.clone(), number }
    }

    /// Changes the branch it would be merged into; the branch is made if it is not there.
    pub fn retarget(&self, base: &str) {
        self.dequeue();
        self.sim.act(|state| {
            let now = state.now();
            let repo = state.known_mut(&self.repo);
            let tip = repo.branches.get(&repo.default_branch).cloned().unwrap_or_default();
            let sha = repo.branches.entry(base.to_owned()).or_insert(tip).clone();
            let pull = state.pull_mut(&self.repo, self.number);
            let from_ref = std::mem::replace(&mut pull.base_ref, base.to_owned());
            let from_sha = std::mem::replace(&mut pull.base_sha, sha);
            pull.mergeable_asked.set(false);
            pull.updated_at = now;
            let author = pull.author.clone();
            let changes = json!({"changes": {"base": {"ref": {"from": from_ref}, "sha": {"from": from_sha}}}});
            state.send_pull("edited", &self.repo, self.number, &author, changes);
        });
    }

    /// Deletes the fork that holds the head.
    pub fn delete_fork(&self) {
        self.sim.act(|state| {
            if let Some(fork) = state.pull_mut(&self.repo, self.number).head_repo.take() {
                state.repos.remove(&super::state::key(&fork));
            }
        });
    }

    /// GitHub Actions completes a check on the head.
    pub fn check(&self, name: &str, conclusion: &str) {
        self.check_by("github-actions", name, Some(conclusion));
    }

    /// GitHub Actions starts a check on the head.
    pub fn check_started(&self, name: &str) {
        self.check_by("github-actions", name, None);
    }

    /// Another app starts a check on the head (no conclusion) or completes it.
    pub fn check_by(&self, app_slug: &str, name: &str, conclusion: Option<&str>) {
        let sha = self.head_sha();
        self.sim.act(|state| state.report_check(&self.repo, &sha, app_slug, name, conclusion));
    }

    /// Sets a commit status on the head: `pending`, `success`, `failure` or `error`.
    pub fn status(&self, context: &str, state: &str) {
        let sha = self.head_sha();
        self.sim.act(|s| s.set_status(&self.repo, &sha, context, state));
    }

    /// Somebody presses "Re-run" on our newest check run of the head; false if there is none.
    pub fn rerequest(&self) -> bool {
        let sha = self.head_sha();
        self.sim.act(|state| state.rerequest_ours(&self.repo, &sha))
    }

    /// Somebody presses the button with this identifier on our newest check run of the head; false if it has none.
    pub fn press(&self, identifier: &str) -> bool {
        self.press_by("octocat", identifier)
    }

    /// As [`Self::press`], by a person of one's choice.
    pub fn press_by(&self, login: &str, identifier: &str) -> bool {
        let sha = self.head_sha();
        self.sim.act(|state| {
            state.person(login);
            state.press_ours(&self.repo, &sha, login, identifier)
        })
    }

    /// Somebody presses "Re-run all checks" on the head; false if our app has no suite there.
    pub fn rerequest_suite(&self) -> bool {
        let sha = self.head_sha();
        self.sim.act(|state| {
            let (repo, app) = (state.known(&self.repo).id, state.app.id);
            let ours = state.suites.values_mut().find(|s| s.repo == repo && s.app == app && s.head_sha == sha);
            let Some(suite) = ours else { return false };
            (suite.status, suite.conclusion) = ("queued".to_owned(), None);
            let id = suite.id;
            state.send_suite("rerequested", id, "octocat");
            true
        })
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Pull) -> T) -> T {
        look(self.sim.shared.state().pull_mut(&self.repo, self.number))
    }
}
