//! Adapters -> facts: asks each source, turns what it says into plain data, and notes what it did not say.

pub(super) mod coverage;
pub(super) mod datadog;
pub(super) mod outcomes;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{App, approvals, assess::Outcome, mirrors, number, people, reverts, series, stored::digest};
use crate::{
    codeowners::Codeowners,
    config::repository::{RepositoryPolicy, parse_policy},
    github::{CachedPage, Files, Installation, OwnerPlace, Permissions, PullRequest, RepoName, TextFile},
    risk::{
        facts::{
            Change, ChangeState, Coverage, Declared, Facts, FileChange, History, Known, Lacking, OpenIncident,
            Outcomes, OwnerRule, Ownership, Part, Reason, Revert, Runtime, Source, TargetService, Unknown,
        },
        overrides::Override,
        parts,
        policy::{Policy, PolicyError},
        runtime::as_far_as_told,
    },
    store::{AssessmentRow, NO_SERVICE, PolicyRow, RECENT_SCORES_LIMIT, StoreError},
};

/// Lines of CODEOWNERS that GitHub skips which are kept with what is wrong: as many as a check run names.
const MISTAKES_KEPT: usize = 5;

/// What is known of a pull request, and what is wanted for it.
pub(super) struct Gathered {
    pub facts: Facts,
    pub policy: Policy,
    /// The check run of owners' approvals is wanted.
    pub owners_check: bool,
}

/// All facts about a pull request, and the policy in force for it. `cold`: its check run was made just now, which cost a
/// request.
pub(super) async fn facts(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    last: Option<&AssessmentRow>,
    overridden: Option<Override>,
    cold: bool,
) -> Result<Gathered, Outcome> {
    let policy = policy(app, number(pull.repository_id), &pull.repository, &pull.base_ref, &pull.policy).await?;
    let (files, revert) = files(app, installation, repo, pull, last).await?;
    let (id, pull_number) = (number(pull.repository_id), number(pull.number));
    let at = app.clock.now();
    let change = change(pull, files, revert);
    let ownership = ownership(pull, &change.files);
    let review =
        approvals::review(app, installation, repo, pull, &ownership, last, people::left(installation, pull, cold))
            .await?;
    let (mut history, parts) = history(app, pull, &change, &policy.declared, at).await?;
    if let Ok(history) = &mut history {
        let left = people::left(installation, pull, cold);
        let asking = people::Asking { app, installation, repo, repository_id: id, left };
        history.knowers = asking.who(std::mem::take(&mut history.knowers), &pull.author.login).await;
    }
    let coverage = coverage(app, pull, &change, &policy).await?;
    let pushed = last.is_none_or(|last| last.head_sha != pull.head_sha);
    let before = services_before(app, last, pull);
    let asked = Asked { repository: &pull.repository, change: &change, policy: &policy, before: &before, pushed };
    let (services, runtime) = health(app, asked, at).await;
    keep_services(app, id, &change, &services).await?;
    let mut facts = Facts {
        at,
        repository: pull.repository.to_string(),
        review,
        ownership,
        checks: pull.checks.clone(),
        declared: policy.declared,
        history,
        coverage,
        services,
        runtime,
        remediation: app.store.remediation(id, pull_number).await?,
        change,
        recent_scores: app.store.recent_scores(id, pull_number, RECENT_SCORES_LIMIT).await?,
        in_production: in_production(app, id, at).await?,
        overridden,
        series: Vec::new(),
        parts,
        lacking: lacking(app, installation, &pull.permissions).await?,
    };
    facts.series = series::parts(app, id, &facts).await?;
    Ok(Gathered { facts, policy: policy.policy, owners_check: policy.owners_check })
}

/// How changes came out in production that were merged with a score.
pub(super) async fn in_production(app: &App, repository: i64, at: DateTime<Utc>) -> Result<Vec<Outcomes>, StoreError> {
    let known = app.store.outcomes_by_score(repository, at.timestamp_millis()).await?;
    Ok(known.into_iter().map(|(score, changes, failed)| Outcomes { score, changes, failed }).collect())
}

/// A change whose services are asked about.
pub(super) struct Asked<'a> {
    pub repository: &'a RepoName,
    pub change: &'a Change,
    pub policy: &'a RepositoryPolicy,
    /// The services that its files had before.
    pub before: &'a [TargetService],
    /// Its head was not scored before.
    pub pushed: bool,
}

/// The services of a change, and how they fare.
pub(super) async fn health(app: &App, asked: Asked<'_>, at: DateTime<Utc>) -> (Vec<TargetService>, Known<Runtime>) {
    let Asked { repository, change, policy, before, pushed } = asked;
    let full_name = repository.to_string();
    let wanted = datadog::Wanted { host: app.links.host(), full_name: &full_name, change, policy, before, pushed };
    datadog::health(app.datadog.as_ref(), &wanted, at).await
}

/// The facts of a change that was scored, but for its services and their health, which are those of now; what Datadog does
/// not answer now is as it was then.
pub(super) async fn as_of_now(app: &App, repository_id: i64, scored: &Facts) -> Result<Facts, StoreError> {
    let policy = last_good(app, repository_id, &scored.change.base_ref, Vec::new()).await?;
    let now = app.clock.now();
    let wanted = datadog::Wanted {
        host: app.links.host(),
        full_name: &scored.repository,
        change: &scored.change,
        policy: &policy,
        before: &scored.services,
        pushed: false,
    };
    let (services, runtime) = datadog::health(app.datadog.as_ref(), &wanted, now).await;
    let names = |services: &[TargetService]| services.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let runtime = match (&scored.runtime, runtime) {
        (Ok(before), Ok(runtime)) if names(&scored.services) == names(&services) => {
            Ok(as_far_as_told(before, runtime, now))
        }
        (_, runtime) => runtime,
    };
    Ok(Facts { services, runtime, ..scored.clone() })
}

/// The services that the files of a pull request had when its head was scored last.
fn services_before(app: &App, last: Option<&AssessmentRow>, pull: &PullRequest) -> Vec<TargetService> {
    let last = last.filter(|last| app.datadog.is_some() && last.head_sha == pull.head_sha);
    let facts = last.and_then(|last| serde_json::from_str::<Facts>(&last.facts).ok());
    facts.map(|facts| facts.services).unwrap_or_default()
}

/// Incidents that are open now on the services of a change.
pub(super) async fn open_incidents(app: &App, facts: &Facts) -> Known<Vec<OpenIncident>> {
    let Some(datadog) = &app.datadog else { return Err(Unknown::not_connected(Source::Datadog)) };
    datadog::open_incidents(datadog, &facts.services, app.clock.now()).await
}

/// Keeps which services an open pull request is for, so that a change in their health finds it. With Datadog one that is for
/// none is kept as well: the catalogue may not have been answered, or may come to say more.
async fn keep_services(
    app: &App,
    repository_id: i64,
    change: &Change,
    services: &[TargetService],
) -> Result<(), StoreError> {
    let Some(pull) = change.pull_request else { return Ok(()) };
    let open = change.state == ChangeState::Open;
    let mut names: Vec<&str> = services.iter().filter(|_| open).map(|service| service.name.as_str()).collect();
    if open && names.is_empty() && app.datadog.is_some() {
        names.push(NO_SERVICE);
    }
    app.store.save_services(repository_id, number(pull), &names).await
}

/// What the history of the base branch says of the change, and of the parts that it could be taken apart into.
async fn history(
    app: &App,
    pull: &PullRequest,
    change: &Change,
    declared: &Declared,
    at: DateTime<Utc>,
) -> Result<(Known<History>, Vec<Part>), StoreError> {
    let wanted = mirrors::Wanted {
        repository_id: number(pull.repository_id),
        pull_request: number(pull.number),
        name: pull.repository.name(),
        branch: &pull.base_ref,
        base_sha: &pull.base_sha,
        author: pull.head_author.as_ref().map_or(mirrors::Whose::Untold, mirrors::Whose::One),
        landed: pull.state == ChangeState::Merged,
    };
    mirrors::history(app, &wanted, change, parts::parts(change, declared), at).await
}

/// Coverage of the head commit.
async fn coverage(
    app: &App,
    pull: &PullRequest,
    change: &Change,
    policy: &RepositoryPolicy,
) -> Result<Known<Coverage>, StoreError> {
    let wanted = coverage::Wanted {
        repository_id: number(pull.repository_id),
        repository: &pull.repository,
        change,
        ignored: &policy.declared.ignore,
        policy: &policy.coverage,
        patience: coverage::PATIENCE,
    };
    coverage::coverage(app, &wanted).await
}

fn change(pull: &PullRequest, files: Vec<FileChange>, revert: Known<Option<Revert>>) -> Change {
    Change {
        pull_request: Some(pull.number),
        merge_group: None,
        title: pull.title.clone(),
        author: pull.author.clone(),
        head_sha: pull.head_sha.clone(),
        base_sha: pull.base_sha.clone(),
        merge_base_sha: pull.merge_base_sha.clone(),
        base_ref: pull.base_ref.clone(),
        from_fork: pull.from_fork,
        draft: pull.draft,
        state: pull.state,
        created_at: Some(pull.created_at),
        labels: pull.labels.clone(),
        commits: pull.commits.clone(),
        commits_total: pull.commits_total,
        files,
        files_total: pull.files_total,
        revert,
    }
}

/// The changed files, and what they undo. The files cannot have changed where head and base are those of the last
/// assessment; what is said to be undone can.
async fn files(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    last: Option<&AssessmentRow>,
) -> Result<(Vec<FileChange>, Known<Option<Revert>>), Outcome> {
    let known = last
        .filter(|last| last.head_sha == pull.head_sha && last.base_sha == pull.base_sha)
        .and_then(|last| serde_json::from_str::<Facts>(&last.facts).ok())
        .filter(|facts| facts.change.files.len() as u64 == pull.files_total);
    let (files, revert) = match known {
        Some(facts) => (facts.change.files, Some(facts.change.revert)),
        None => (revalidated(app, installation, repo, pull).await?.files, None),
    };
    let revert = match revert.filter(|revert| reverts::still_holds(revert, pull)) {
        Some(revert) => revert,
        None => reverts::read(installation, repo, pull, &files).await?,
    };
    Ok((files, revert))
}

/// The files as GitHub lists them; pages that were read before cost nothing of the rate limit if they are unchanged.
async fn revalidated(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
) -> Result<Files, Outcome> {
    let id = number(installation.id());
    let mut cached = Vec::new();
    for route in Installation::files_routes(repo, pull.number, pull.files_total) {
        if let Some((etag, body)) = app.store.cached(id, &route).await? {
            cached.push(CachedPage { route, etag, body });
        }
    }
    let read = installation.files(repo, pull.number, Some(pull.files_total), &cached).await?;
    for page in read.pages.iter().filter(|page| !cached.contains(page)) {
        app.store.save_cached(id, &page.route, &page.etag, &page.body, app.clock.now_ms()).await?;
    }
    Ok(read)
}

/// The permissions that are missing, and where an owner can grant them.
async fn lacking(app: &App, installation: &Installation, granted: &Permissions) -> Result<Option<Lacking>, Outcome> {
    let permissions: Vec<String> =
        granted.lacking().iter().map(|each| format!("{}: {}", each.name, each.access)).collect();
    if permissions.is_empty() {
        return Ok(None);
    }
    let row = app.store.installation(number(installation.id())).await?;
    let accept_at = row.and_then(|row| {
        let account = RepoName::new(&row.account, "any").filter(|_| row.organization);
        let settings = match account {
            Some(account) => format!("/organizations/{}", account.owner()),
            None if row.organization => return None,
            None => String::new(),
        };
        let base = app.links.github_url.as_deref()?;
        Some(format!("{base}{settings}/settings/installations/{}", installation.id()))
    });
    Ok(Some(Lacking { permissions, accept_at }))
}

fn ownership(pull: &PullRequest, files: &[FileChange]) -> Known<Ownership> {
    let Some(file) = pull.codeowners.clone()? else {
        return Ok(Ownership::default());
    };
    let parsed = Codeowners::parse(&file.text);
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let rules = parsed.owner_rules(&paths).map_err(|_| Unknown {
        source: Source::Codeowners,
        reason: Reason::Unusable("its patterns are too intertwined to be matched".to_owned()),
    })?;
    let owned = paths.iter().zip(rules).filter_map(|(path, rule)| {
        let rule = rule?;
        let rule = OwnerRule { line: rule.line, pattern: rule.pattern, owners: rule.owners };
        Some(((*path).to_owned(), Arc::new(rule)))
    });
    Ok(Ownership {
        file: Some(file.path),
        owned: owned.collect(),
        invalid_lines: parsed.mistakes().iter().map(|mistake| mistake.line).collect(),
        mistakes: parsed.mistakes().iter().take(MISTAKES_KEPT).cloned().collect(),
        unusable: pull.unusable_owners.iter().filter_map(|place| owner_at(&file.text, *place)).collect(),
    })
}

/// The owner that stands at a place of a CODEOWNERS file.
fn owner_at(text: &str, place: OwnerPlace) -> Option<String> {
    let before = |number: u64| usize::try_from(number.checked_sub(1)?).ok();
    let line = text.lines().nth(before(place.line)?)?;
    let rest: String = line.chars().skip(before(place.column)?).collect();
    let owner = rest.split([' ', '\t', '#']).next().filter(|owner| !owner.is_empty())?;
    Some(owner.to_owned())
}

/// The policy of the base branch; where its newest version has mistakes, the last good one with them listed.
pub(super) async fn policy(
    app: &App,
    repository_id: i64,
    repository: &RepoName,
    base_ref: &str,
    file: &Known<Option<TextFile>>,
) -> Result<RepositoryPolicy, StoreError> {
    let mut policy = in_force(app, repository_id, repository, base_ref, file).await?;
    policy.policy.origin.digest = Some(digest(&serde_json::to_string(&policy).expect("a policy is plain data")));
    Ok(policy)
}

async fn in_force(
    app: &App,
    repository_id: i64,
    repository: &RepoName,
    base_ref: &str,
    file: &Known<Option<TextFile>>,
) -> Result<RepositoryPolicy, StoreError> {
    let file = match file {
        Ok(Some(file)) => file,
        Ok(None) => {
            app.store.forget_policy(repository_id, base_ref).await?;
            return Ok(RepositoryPolicy::default());
        }
        Err(unknown) => {
            let message = match &unknown.reason {
                Reason::Unavailable(what) => format!("The file could not be read from GitHub: {what}"),
                Reason::Unusable(what) => format!("The file cannot be used: {what}"),
                _ => "The file could not be read from GitHub".to_owned(),
            };
            return last_good(app, repository_id, base_ref, vec![PolicyError { line: None, message }]).await;
        }
    };
    match parse_policy(&file.text) {
        Ok(policy) => {
            let row = PolicyRow {
                repository_id,
                base_ref: base_ref.to_owned(),
                repository: repository.to_string(),
                blob_sha: file.oid.clone(),
                body: serde_json::to_string(&policy).expect("a policy is plain data"),
                stored_at: app.clock.now_ms(),
            };
            app.store.save_policy(&row).await?;
            Ok(policy)
        }
        Err(errors) => last_good(app, repository_id, base_ref, errors).await,
    }
}

async fn last_good(
    app: &App,
    repository_id: i64,
    base_ref: &str,
    errors: Vec<PolicyError>,
) -> Result<RepositoryPolicy, StoreError> {
    let row = app.store.last_good_policy(repository_id, base_ref).await?;
    let good = row.and_then(|row| serde_json::from_str::<RepositoryPolicy>(&row.body).ok());
    let mut policy = good.unwrap_or_default();
    policy.policy.origin.errors = errors;
    Ok(policy)
}
