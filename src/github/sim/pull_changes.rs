//! What the verbs on pull requests do to the state: pushes, reviews, comments, merges, checks of other apps.

use serde_json::{Value, json};

use super::checks::{Run, Status};
use super::objects::{Edits, NewCommit};
use super::pulls::{Comment, Pull, PullState, Review, Reviewer, Thread};
use super::state::State;

impl State {
    /// For numbers that a handle holds.
    pub(super) fn pull_mut(&mut self, repo: &str, number: u64) -> &mut Pull {
        self.known_mut(repo).pulls.get_mut(&number).expect("a handle's pull request exists")
    }

    pub(super) fn push_pull(&mut self, full_name: &str, number: u64, edits: &Edits, forced: bool) -> String {
        let pull = self.pull_mut(full_name, number);
        let (head_repo, head_ref) = (pull.head_repo.clone(), pull.head_ref.clone());
        let (before, author, base_ref) = (pull.head_sha.clone(), pull.author.clone(), pull.base_ref.clone());
        // A deleted fork takes no pushes.
        let Some(head_repo) = head_repo else { return before };
        // What was queued is no longer what would be merged.
        self.dequeue(full_name, number, "UNKNOWN_REMOVAL_REASON");
        let base_tip = self.known(full_name).branches.get(&base_ref).cloned().unwrap_or_default();
        if forced {
            self.known_mut(&head_repo).branches.insert(head_ref.clone(), base_tip);
        }
        self.commit_to(&head_repo, &head_ref, edits, &author);
        self.head_moved(full_name, number)
    }

    /// Sets the head to a commit that is there, as a forced push of it does.
    pub(super) fn reset_pull(&mut self, full_name: &str, number: u64, sha: &str) {
        let pull = self.pull_mut(full_name, number);
        let (head_repo, head_ref) = (pull.head_repo.clone(), pull.head_ref.clone());
        let Some(head_repo) = head_repo else { return };
        self.dequeue(full_name, number, "UNKNOWN_REMOVAL_REASON");
        self.known_mut(&head_repo).branches.insert(head_ref, sha.to_owned());
        self.head_moved(full_name, number);
    }

    /// The head branch of a pull request points to another commit than the pull request has it.
    fn head_moved(&mut self, full_name: &str, number: u64) -> String {
        let pull = self.pull_mut(full_name, number);
        let (head_repo, head_ref) = (pull.head_repo.clone().unwrap_or_default(), pull.head_ref.clone());
        let (before, author, base_ref) = (pull.head_sha.clone(), pull.author.clone(), pull.base_ref.clone());
        let base_tip = self.known(full_name).branches.get(&base_ref).cloned().unwrap_or_default();
        let after = self.known(&head_repo).branches.get(&head_ref).cloned().unwrap_or_default();
        let now = self.now();
        let pull = self.pull_mut(full_name, number);
        (pull.head_sha, pull.base_sha, pull.updated_at) = (after.clone(), base_tip, now);
        pull.mergeable_asked.set(false);
        let open = pull.open();
        if head_repo == full_name {
            self.pushed(&head_repo, &head_ref, &before, &after, &author);
        }
        if open {
            let moved = json!({"before": before, "after": after});
            self.send_pull("synchronize", full_name, number, &author, moved);
        }
        after
    }

    pub(super) fn review(
        &mut self,
        full_name: &str,
        number: u64,
        login: &str,
        verdict: &'static str,
        body: &str,
        teams: Option<Vec<String>>,
    ) -> u64 {
        self.person(login);
        let (id, thread, submitted_at) = (self.new_id(), self.new_id(), self.now());
        let (repo, pull) = self.pull(full_name, number).expect("a handle's pull request exists");
        let on_behalf_of = teams.unwrap_or_else(|| self.teams_spoken_for(repo, pull, login));
        let commit = pull.head_sha.clone();
        let pull = self.pull_mut(full_name, number);
        if verdict == "COMMENTED" {
            pull.threads.push(Thread { id: thread, author: login.to_owned(), resolved: false, outdated: false });
        } else {
            let met = |r: &Reviewer| match r {
                Reviewer::User(asked) => asked.eq_ignore_ascii_case(login),
                Reviewer::Team(slug) => on_behalf_of.contains(slug),
            };
            pull.requests.retain(|r| !met(&r.reviewer));
        }
        let author = login.to_owned();
        pull.reviews.push(Review {
            id,
            author,
            state: verdict,
            body: body.to_owned(),
            commit,
            submitted_at,
            on_behalf_of,
        });
        pull.updated_at = submitted_at;
        self.send_review("submitted", full_name, number, id, login);
        id
    }

    pub(super) fn comment(&mut self, repo: &str, number: u64, login: &str, text: &str, by_app: bool) -> u64 {
        self.person(login);
        let (id, now) = (self.new_id(), self.now());
        let (author, body) = (login.to_owned(), text.to_owned());
        let comment = Comment { id, author, body, created_at: now, updated_at: now, by_app, reactions: Vec::new() };
        self.pull_mut(repo, number).comments.push(comment);
        self.send_comment("created", repo, number, id, login, Value::Null);
        id
    }

    pub(super) fn merge(&mut self, full_name: &str, number: u64, by: &str) -> String {
        let now = self.now();
        let (repo, pull) = self.pull(full_name, number).expect("a handle's pull request exists");
        let (network, base_ref, head) = (repo.network, pull.base_ref.clone(), pull.head_sha.clone());
        let base = repo.branches.get(&base_ref).cloned().unwrap_or_default();
        let message = format!("Merge pull request #{number}\n\n{}", pull.title);
        let tree = self.merged_tree(repo, pull, &base);
        let (parents, author) = (vec![base.clone(), head], by.to_owned());
        let sha = self.objects.commit(NewCommit { network, parents, tree, message, author, at: now, id: None });
        self.known_mut(full_name).branches.insert(base_ref.clone(), sha.clone());
        let pull = self.pull_mut(full_name, number);
        (pull.state, pull.closed_at, pull.updated_at) = (PullState::Merged, Some(now), now);
        (pull.merged_by, pull.merge_commit, pull.base_sha) = (Some(by.to_owned()), Some(sha.clone()), base.clone());
        self.send_pull("closed", full_name, number, by, json!({}));
        self.pushed(full_name, &base_ref, &base, &sha, by);
        sha
    }

    pub(super) fn report_check(
        &mut self,
        full_name: &str,
        sha: &str,
        app_slug: &str,
        name: &str,
        conclusion: Option<&str>,
    ) {
        let (repo, app, now) = (self.known(full_name).id, self.other_app(app_slug), self.now());
        let suite = self.suite_for(repo, app, sha, None);
        let running = self.runs_on(repo, sha).filter(|r| r.app == app && r.name == name && r.status != "completed");
        let (id, fresh) = match running.last() {
            Some(run) => (run.id, false),
            None => (self.new_id(), true),
        };
        let run = self.runs.entry(id).or_insert_with(|| Run::new(id, repo, suite, app, sha, name, now));
        run.status = if conclusion.is_some() { "completed" } else { "in_progress" }.to_owned();
        run.conclusion = conclusion.map(str::to_owned);
        run.completed_at = conclusion.map(|_| now);
        if fresh {
            self.send_run("created", id, app_slug, json!({}));
        }
        if conclusion.is_some() {
            self.send_run("completed", id, app_slug, json!({}));
        }
        if self.settle_suite(suite) {
            self.send_suite("completed", suite, app_slug);
        }
        self.settle_queues(repo);
    }

    pub(super) fn set_status(&mut self, full_name: &str, sha: &str, context: &str, state: &str) {
        let (id, repo, at) = (self.new_id(), self.known(full_name).id, self.now());
        let (sha, context, state) = (sha.to_owned(), context.to_owned(), state.to_owned());
        self.statuses.push(Status { id, repo, sha, context, state, description: None, target_url: None, at });
        self.send_status(full_name, id);
    }
}
