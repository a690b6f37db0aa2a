//! Lists of GitHub's folded into facts: reviews into standing opinions, contexts into checks.

use std::collections::{BTreeMap, BTreeSet};

use super::auth::Permissions;
use super::check_run::{CheckRun, CheckRunStatus};
use super::graphql::Refusals;
use super::wire::{
    Actor, CommitNode, Connection, Context, GitActor, HeadCommit, OpinionNode, OwnRun, PlainCommit, Pull, Remark,
    Reviewer, Suite,
};
use crate::risk::facts::{
    Author, AuthorKind, Checks, Circumstances, Known, Opinion, Reason, Review, ReviewVerdict, Source, Unknown,
};

/// Why a list is not known: refused (naming the first of `permissions` that the installation lacks), or cut.
pub(super) fn unknown(source: Source, reason: Reason, granted: &Permissions, permissions: &[&str]) -> Unknown {
    let lacking = || permissions.iter().find(|p| !granted.can_read(p)).map(|p| format!("{p}=read"));
    let reason = match reason {
        Reason::Forbidden(None) => Reason::Forbidden(lacking()),
        other => other,
    };
    Unknown { source, reason }
}

/// The account behind a GraphQL actor. Bots get the `[bot]` that git authors, REST and webhooks give them.
pub(super) fn author(actor: Option<&Actor>) -> Author {
    let Some(actor) = actor else {
        return Author { login: "ghost".to_owned(), kind: AuthorKind::Ghost };
    };
    if actor.kind != "Bot" {
        return Author { login: actor.login.clone(), kind: AuthorKind::Human };
    }
    Author { login: bot_login(&actor.login), kind: AuthorKind::Bot }
}

fn bot_login(login: &str) -> String {
    if login.ends_with("[bot]") { login.to_owned() } else { format!("{login}[bot]") }
}

/// The commit at which the head left the base branch: the one parent of its commits that is none of them. Every ancestor
/// that both branches have is one of that commit, too. `None` where there are several such parents, as after the base
/// branch was merged into the head, and where not every commit or parent was given.
pub(super) fn merge_base(commits: Option<&Connection<CommitNode<PlainCommit>>>, head: &str) -> Option<String> {
    let given = whole(commits?)?;
    let own: BTreeSet<&str> = given.iter().map(|node| node.commit.oid.as_str()).collect();
    let mut before = BTreeSet::new();
    for node in given {
        let parents = whole(node.commit.parents.as_ref()?)?;
        before.extend(parents.into_iter().map(|parent| parent.oid.as_str()).filter(|oid| !own.contains(oid)));
    }
    let mut before = before.into_iter().filter(|_| own.contains(head));
    match (before.next(), before.next()) {
        (Some(only), None) => Some(only.to_owned()),
        _ => None,
    }
}

/// All nodes of a list; `None` if some are not here.
fn whole<T>(list: &Connection<T>) -> Option<Vec<&T>> {
    let given: Vec<&T> = list.nodes.iter().flatten().collect();
    (given.len() as u64 == list.total()).then_some(given)
}

/// Reviews of a pull request. Folded here from the chronological list, not taken from `latestOpinionatedReviews`: how
/// that list treats a dismissed review over an older verdict is not documented, and this way it is a tested function.
/// The list is asked for without comments, so that hundreds of replies cost no further page.
pub(super) fn review(
    pull: &Pull,
    head: Option<&HeadCommit>,
    refusals: &Refusals,
    granted: &Permissions,
    with_teams: bool,
) -> Known<Review> {
    let refused = |reason| unknown(Source::Reviews, reason, granted, &["pull_requests"]);
    let Some(opinions) = &pull.opinions else {
        return Err(refused(refusals.under("opinions").unwrap_or_else(absent)));
    };
    if let Some(reason) = opinions.nodes.iter().any(Option::is_none).then(|| refusals.under("opinions")).flatten() {
        return Err(refused(reason));
    }
    if opinions.next().is_some() {
        return Err(refused(Reason::Partial { seen: opinions.nodes.len() as u64, total: opinions.total() }));
    }
    let teams_reason = if with_teams { refusals.under("onBehalfOf") } else { Some(Reason::Forbidden(None)) };
    let no_teams = teams_reason.map(|reason| unknown(Source::Reviews, reason, granted, &["members"]));
    let threads =
        pull.review_threads.as_ref().ok_or_else(|| refused(refusals.under("reviewThreads").unwrap_or_else(absent)))?;
    let latest = latest(opinions.nodes.iter().flatten());
    let bots = opinions.nodes.iter().flatten().filter(|review| author(review.author.as_ref()).kind == AuthorKind::Bot);
    let remarks = pull.comments.iter().flat_map(|list| list.nodes.iter().flatten());
    let openings =
        threads.nodes.iter().flatten().filter_map(|thread| thread.comments.as_ref()?.nodes.first()?.as_ref());
    let circumstances = Circumstances {
        threads: threads.total(),
        threads_aside: openings.filter(|remark| is_aside(remark, pull)).count() as u64,
        comments_aside: remarks.filter(|remark| is_aside(remark, pull)).count() as u64,
        dismissed: latest.iter().filter(|review| review.state == "DISMISSED").count() as u64,
        by_bots: bots.count() as u64,
        last_pusher: head.and_then(pusher),
        pushed_at: None,
        rules: None,
    };
    Ok(Review {
        opinions: standing(latest, no_teams.as_ref()),
        circumstances,
        comments: pull.comments.as_ref().map_or(0, Connection::total),
        unresolved_threads: threads.nodes.iter().flatten().filter(|t| !t.is_resolved).count() as u64,
        requested: requested(pull),
    })
}

/// Whether a remark is no look of another person at the change: by a bot, or by the author. Those whose author is not known
/// are taken for people's.
fn is_aside(remark: &Remark, pull: &Pull) -> bool {
    let Some(by) = remark.author.as_ref() else { return false };
    let by = author(Some(by));
    let is_own = |own: &Actor| author(Some(own)).login.eq_ignore_ascii_case(&by.login);
    by.kind == AuthorKind::Bot || pull.author.as_ref().is_some_and(is_own)
}

fn absent() -> Reason {
    Reason::Unavailable("GraphQL left this part out".to_owned())
}

/// Who is asked and has not answered. A team that may not be seen has no name and is left out.
fn requested(pull: &Pull) -> Vec<String> {
    let requests = pull.review_requests.iter().flat_map(|c| c.nodes.iter().flatten());
    let name = |r: &Reviewer| match r.kind.as_str() {
        "Bot" => r.login.as_deref().map(bot_login),
        _ => r.login.clone().or_else(|| r.combined_slug.clone()),
    };
    requests.filter_map(|r| r.requested_reviewer.as_ref().and_then(name)).collect()
}

/// Account behind the newest commit: who committed it or, where GitHub itself did, who wrote it. Who pushed it GitHub does
/// not say.
fn pusher(head: &HeadCommit) -> Option<String> {
    let login = |actor: &Option<GitActor>| Some(actor.as_ref()?.user.as_ref()?.login.clone());
    login(&head.committer).filter(|login| login != "web-flow").or_else(|| login(&head.author))
}

/// The last of approved, changes requested and dismissed of each reviewer. Reviewers are told apart by id; deleted
/// accounts have none, so each of their reviews stands alone.
fn latest<'a>(reviews: impl Iterator<Item = &'a OpinionNode>) -> Vec<&'a OpinionNode> {
    let mut reviews: Vec<_> = reviews.enumerate().collect();
    reviews.sort_by_key(|(place, r)| (r.submitted_at, *place));
    let mut last = BTreeMap::new();
    for (place, review) in reviews {
        let who = review.author.as_ref().map(|a| a.id.clone().unwrap_or_else(|| a.login.clone()));
        let key = who.map_or((Some(place), String::new()), |id| (None, id));
        last.insert(key, review);
    }
    last.into_values().collect()
}

/// What stands of the latest reviews: a dismissed one leaves none and brings no older one back.
fn standing(latest: Vec<&OpinionNode>, no_teams: Option<&Unknown>) -> Vec<Opinion> {
    let mut opinions: Vec<_> = latest.into_iter().filter_map(|r| opinion(r, no_teams)).collect();
    opinions.sort_by(|a, b| (a.at, &a.reviewer).cmp(&(b.at, &b.reviewer)));
    opinions
}

fn opinion(review: &OpinionNode, no_teams: Option<&Unknown>) -> Option<Opinion> {
    let verdict = match review.state.as_str() {
        "APPROVED" => ReviewVerdict::Approved,
        "CHANGES_REQUESTED" => ReviewVerdict::ChangesRequested,
        _ => return None,
    };
    let teams = review.on_behalf_of.as_ref();
    let slugs = || teams.map(|c| c.nodes.iter().flatten().map(|t| t.combined_slug.clone()).collect());
    let Author { login, kind } = author(review.author.as_ref());
    Some(Opinion {
        reviewer: login,
        kind,
        verdict,
        commit: review.commit.as_ref().map(|c| c.oid.clone()),
        at: review.submitted_at.unwrap_or_default(),
        can_write: review.author_can_push_to_repository,
        on_behalf_of: no_teams.map_or_else(|| Ok(slugs().unwrap_or_default()), |u| Err(u.clone())),
        teams_unknown: Vec::new(),
        changed_since: None,
        compared_until: None,
    })
}

/// How a single check stands.
enum Standing {
    Passed,
    Failed,
    Pending,
}

/// Checks on the head commit, those of App `app_id` left out. Any refused part makes all of it unknown: a check that
/// may not be seen may be the one that failed.
pub(super) fn checks(
    contexts: Option<&Connection<Context>>,
    refusals: &Refusals,
    granted: &Permissions,
    app_id: u64,
) -> Known<Checks> {
    let refused = |reason| unknown(Source::Checks, reason, granted, &["checks", "statuses"]);
    if let Some(reason) = refusals.under("statusCheckRollup") {
        return Err(refused(reason));
    }
    let mut checks = Checks { failed: Vec::new(), pending: Vec::new(), passed: 0 };
    let Some(contexts) = contexts else { return Ok(checks) };
    if contexts.next().is_some() {
        return Err(refused(Reason::Partial { seen: contexts.nodes.len() as u64, total: contexts.total() }));
    }
    for context in contexts.nodes.iter().flatten() {
        let (name, standing) = match context {
            Context::Run { check_suite, .. } if suite_app(check_suite.as_ref()) == Some(app_id) => continue,
            Context::Run { name, status, conclusion, .. } => (name, check_standing(status, conclusion.as_deref())),
            Context::Status { context, state } => (context, status_standing(state)),
            Context::Other => continue,
        };
        let list = match standing {
            Standing::Passed => {
                checks.passed += 1;
                continue;
            }
            Standing::Failed => &mut checks.failed,
            Standing::Pending => &mut checks.pending,
        };
        if !list.contains(name) {
            list.push(name.clone());
        }
    }
    Ok(checks)
}

fn suite_app(suite: Option<&super::wire::SuiteApp>) -> Option<u64> {
    suite?.app.as_ref()?.database_id
}

fn check_standing(status: &str, conclusion: Option<&str>) -> Standing {
    match (status, conclusion) {
        ("COMPLETED", Some("SUCCESS" | "NEUTRAL" | "SKIPPED")) => Standing::Passed,
        (
            "COMPLETED",
            Some("FAILURE" | "TIMED_OUT" | "CANCELLED" | "ACTION_REQUIRED" | "STARTUP_FAILURE" | "STALE"),
        ) => Standing::Failed,
        // Queued, waiting, requested …, and a conclusion that GitHub invents tomorrow: not known to have ended well.
        _ => Standing::Pending,
    }
}

fn status_standing(state: &str) -> Standing {
    match state {
        "SUCCESS" => Standing::Passed,
        "FAILURE" | "ERROR" => Standing::Failed,
        _ => Standing::Pending,
    }
}

/// Our own check runs on the head commit, newest first.
pub(super) fn own_runs(
    suites: Option<&Connection<Suite>>,
    refusals: &Refusals,
    granted: &Permissions,
    head_sha: &str,
) -> Known<Vec<CheckRun>> {
    let refused = |reason| unknown(Source::Checks, reason, granted, &["checks"]);
    if let Some(reason) = refusals.under("checkSuites") {
        return Err(refused(reason));
    }
    let runs = suites.iter().flat_map(|s| s.nodes.iter().flatten()).filter_map(|s| s.check_runs.as_ref());
    let runs = runs.flat_map(|c| c.nodes.iter().flatten());
    // GraphQL's integers have 32 bits and GitHub's ids are past that: such an id may come as null.
    let own: Option<Vec<_>> = runs.map(|run| own_run(run, head_sha)).collect();
    let mut own = own.ok_or_else(|| refused(Reason::Unavailable("GraphQL has no id for a check run".to_owned())))?;
    own.sort_by_key(|run| std::cmp::Reverse(run.id));
    Ok(own)
}

fn own_run(run: &OwnRun, head_sha: &str) -> Option<CheckRun> {
    Some(CheckRun {
        id: run.database_id?,
        name: run.name.clone(),
        head_sha: head_sha.to_owned(),
        status: CheckRunStatus::read(&run.status),
        conclusion: run.conclusion.as_ref().map(|c| c.to_ascii_lowercase()),
        external_id: run.external_id.clone().filter(|id| !id.is_empty()),
        started_at: run.started_at,
        completed_at: run.completed_at,
        annotations: None,
        html_url: None,
    })
}
