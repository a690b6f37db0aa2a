//! Coverage -> facts: each source in the order of the policy. The first that knows the head commit is used, and what the
//! others say differently is noted. A report of another commit is named, never used.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, PoisonError},
    time::Duration,
};

use chrono::DateTime;
use futures_util::future::join_all;

use super::super::{App, CoverageSettings, mirrors};
use crate::{
    codecov::Codecov,
    config::repository::CoveragePolicy,
    coverage::{Measured, Placed, Report, Totals, Tree, measure},
    github::RepoName,
    remote::RemoteError,
    risk::facts::{
        BaseTotal, Change, Coverage, CoverageReport, CoverageSource, CoverageTotal, Known, OtherCoverage, PassedOver,
        Reason, Source, Unknown,
    },
    sonar::{Analysis, Sonar},
    store::StoreError,
};

/// How long a score waits for another system.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Sources that differ by less count lines in different ways, or a line of branches as one or the other.
const AGREE_WITHIN: f64 = 0.05;

/// The other systems that are connected.
#[derive(Default)]
pub(in super::super) struct Remotes {
    codecov: Option<Codecov>,
    sonar: Option<Sonar>,
}

impl Remotes {
    pub(in super::super) fn new(settings: &CoverageSettings) -> Result<Self, RemoteError> {
        let codecov = settings.codecov.as_ref().map(|one| Codecov::new(&one.url, one.token.clone())).transpose()?;
        let sonar = settings.sonar.as_ref().map(|one| Sonar::new(&one.url, one.token.clone())).transpose()?;
        Ok(Self { codecov, sonar })
    }

    /// Those of now.
    fn of(app: &App) -> Arc<Self> {
        Arc::clone(&app.remotes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What coverage is asked about.
pub(in super::super) struct Wanted<'a> {
    pub(in super::super) repository_id: i64,
    pub(in super::super) repository: &'a RepoName,
    pub(in super::super) change: &'a Change,
    pub(in super::super) ignored: &'a [String],
    pub(in super::super) policy: &'a CoveragePolicy,
    /// How long another system may take.
    pub(in super::super) patience: Duration,
}

/// What one source says.
enum Answer {
    /// It is not connected, or has never had anything of this repository.
    Silent,
    /// It has nothing usable now.
    Unknown(Reason),
    /// It knows the head commit.
    Known(Box<Coverage>),
}

/// Coverage of a change, as far as it is known.
pub(in super::super) async fn coverage(app: &App, wanted: &Wanted<'_>) -> Result<Known<Coverage>, StoreError> {
    let ask = |source: &CoverageSource| {
        let source = *source;
        async move {
            let answer = match source {
                CoverageSource::Upload => uploaded(app, wanted).await?,
                CoverageSource::Codecov => in_time(wanted, codecov(app, wanted)).await,
                CoverageSource::Sonar => in_time(wanted, sonar(app, wanted)).await,
                CoverageSource::File => Answer::Silent,
            };
            Ok((source, answer))
        }
    };
    let answers: Result<Vec<(CoverageSource, Answer)>, StoreError> =
        join_all(wanted.policy.sources.iter().map(ask)).await.into_iter().collect();
    Ok(chosen(answers?))
}

/// The first source that knows the commit, with what the others say or why they do not; else why the first that says
/// something does not.
fn chosen(answers: Vec<(CoverageSource, Answer)>) -> Known<Coverage> {
    let mut chosen: Option<Coverage> = None;
    let mut passed_over = Vec::new();
    for (source, answer) in answers {
        match (answer, &mut chosen) {
            (Answer::Known(coverage), None) => chosen = Some(*coverage),
            (Answer::Known(other), Some(first)) => first.others.extend(otherwise(first, &other)),
            (Answer::Unknown(reason), _) => passed_over.push(PassedOver { source, reason }),
            (Answer::Silent, _) => {}
        }
    }
    match chosen {
        Some(chosen) => Ok(Coverage { passed_over, ..chosen }),
        None => {
            let reason = passed_over.into_iter().next().map_or(Reason::NotConnected, |first| first.reason);
            Err(Unknown { source: Source::Coverage, reason })
        }
    }
}

/// What another source says, where that is not the same.
fn otherwise(first: &Coverage, other: &Coverage) -> Option<OtherCoverage> {
    let share = |one: &Coverage| {
        if one.executable == 0 { 1.0 } else { one.covered.min(one.executable) as f64 / one.executable as f64 }
    };
    let source = other.report.as_ref()?.source;
    ((share(first) - share(other)).abs() > AGREE_WITHIN).then_some(OtherCoverage {
        source,
        executable: other.executable,
        covered: other.covered,
    })
}

async fn in_time(wanted: &Wanted<'_>, answer: impl Future<Output = Result<Answer, RemoteError>>) -> Answer {
    match tokio::time::timeout(wanted.patience, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::warn!(%error, "coverage could not be read from another system");
            let reason = match error {
                RemoteError::Forbidden | RemoteError::Unauthorized => Reason::Forbidden(None),
                other => Reason::Unavailable(other.to_string()),
            };
            Answer::Unknown(reason)
        }
        Err(_) => Answer::Unknown(Reason::Unavailable("it did not answer in time".to_owned())),
    }
}

/// What CI uploaded for the head commit.
async fn uploaded(app: &App, wanted: &Wanted<'_>) -> Result<Answer, StoreError> {
    let (id, head) = (wanted.repository_id, &wanted.change.head_sha);
    let rows = app.store.coverage_of(id, head).await?;
    let Some(newest) = rows.iter().map(|row| row.received_at).max() else {
        let other = app.store.newest_coverage(id).await?;
        return Ok(other.map_or(Answer::Silent, |newest| Answer::Unknown(Reason::Awaited { newest: Some(newest) })));
    };
    let too_large = || Answer::Unknown(Reason::Unusable("the stored reports are too large together".to_owned()));
    let (tree, is_whole) = tree(app, wanted).await;
    let Some(placed) = placed(app, id, head, &tree).await? else { return Ok(too_large()) };
    let totals = if is_whole { Some(placed.totals()) } else { unplaced(app, id, head).await? };
    let Some(totals) = totals else { return Ok(too_large()) };
    let flags: BTreeSet<&String> = rows.iter().map(|row| &row.flag).collect();
    let base = base_total(app, wanted, &flags, (&tree, is_whole)).await?;
    let ambiguous = placed.ambiguous;
    let (files, ignored) = (wanted.change.files.clone(), wanted.ignored.to_vec());
    let work = move || measure(&placed, &files, &ignored);
    let measured = tokio::task::spawn_blocking(work).await.unwrap_or_default();
    Ok(Answer::Known(Box::new(Coverage {
        report: Some(CoverageReport {
            source: CoverageSource::Upload,
            commit: Some(head.clone()),
            reports: rows.len() as u64,
            at: DateTime::from_timestamp_millis(newest),
        }),
        total: Some(CoverageTotal { lines: totals.lines, covered: totals.covered, base }),
        ambiguous,
        ..of_lines(measured, wanted.change)
    })))
}

/// The files of the repository: those of the base, where its mirror has it, with those of the change. Without a mirror the
/// changed files are all that is known of it; whether that is so is said beside it.
async fn tree(app: &App, wanted: &Wanted<'_>) -> (Arc<Tree>, bool) {
    let base = mirrors::files(app, wanted.repository_id, &wanted.change.base_sha).await;
    let is_whole = base.is_some();
    let changed: Vec<String> = wanted.change.files.iter().map(|file| file.path.clone()).collect();
    let work = move || Tree::of(base.unwrap_or_default().into_iter().chain(changed));
    (Arc::new(tokio::task::spawn_blocking(work).await.unwrap_or_default()), is_whole)
}

/// All reports of a commit by the files that they mean; `None` if that is more than is held.
async fn placed(app: &App, repository_id: i64, sha: &str, tree: &Arc<Tree>) -> Result<Option<Placed>, StoreError> {
    let mut all = Placed::default();
    for row in app.store.coverage_of(repository_id, sha).await? {
        let Some(body) = app.store.coverage_body(&row).await? else { continue };
        let (tree, so_far) = (Arc::clone(tree), std::mem::take(&mut all));
        let work = move || -> Result<Option<Placed>, StoreError> {
            let mut all = so_far;
            let report = Report::unpack(&body).map_err(|_| StoreError::Unreadable("a coverage report"))?;
            Ok(all.take(&tree, &report).is_ok().then_some(all))
        };
        let taken = tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Unreadable("a coverage report"))?;
        match taken? {
            Some(taken) => all = taken,
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// Lines of all files that the reports of a commit tell of, by their own paths: without the repository's files nobody can say
/// which are of two. `None` if they are more than is held.
async fn unplaced(app: &App, repository_id: i64, sha: &str) -> Result<Option<Totals>, StoreError> {
    let mut all = Report::default();
    for row in app.store.coverage_of(repository_id, sha).await? {
        let Some(body) = app.store.coverage_body(&row).await? else { continue };
        let report = Report::unpack(&body).map_err(|_| StoreError::Unreadable("a coverage report"))?;
        if all.merge(report).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(all.totals()))
}

/// All lines at the merge base, where its reports have the same parts: with others the two would not compare. The tip of the
/// base branch may hold what the change does not.
async fn base_total(
    app: &App,
    wanted: &Wanted<'_>,
    flags: &BTreeSet<&String>,
    (tree, is_whole): (&Arc<Tree>, bool),
) -> Result<Option<BaseTotal>, StoreError> {
    let Some(base) = &wanted.change.merge_base_sha else { return Ok(None) };
    let id = wanted.repository_id;
    let rows = app.store.coverage_of(id, base).await?;
    if rows.is_empty() || rows.iter().map(|row| &row.flag).collect::<BTreeSet<_>>() != *flags {
        return Ok(None);
    }
    let totals = match is_whole {
        true => placed(app, id, base, tree).await?.map(|placed| placed.totals()),
        false => unplaced(app, id, base).await?,
    };
    Ok(totals.map(|totals| BaseTotal { commit: base.clone(), lines: totals.lines, covered: totals.covered }))
}

fn of_lines(measured: Measured, change: &Change) -> Coverage {
    let Measured { executable, covered, files, absent, unread } = measured;
    let unread = unread + change.files_total.saturating_sub(change.files.len() as u64);
    Coverage { executable, covered, files, absent, unread, ..Coverage::default() }
}

async fn codecov(app: &App, wanted: &Wanted<'_>) -> Result<Answer, RemoteError> {
    let remotes = Remotes::of(app);
    let Some(codecov) = &remotes.codecov else { return Ok(Answer::Silent) };
    let repo = (wanted.repository.owner(), wanted.repository.name());
    let Change { head_sha, merge_base_sha, files, pull_request, .. } = wanted.change;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let Some(found) = codecov.commit(repo, head_sha, &paths, *pull_request).await? else {
        return Ok(Answer::Unknown(Reason::Awaited { newest: None }));
    };
    let total = match found.totals {
        Some(Totals { lines, covered }) => {
            let base = match merge_base_sha {
                Some(commit) => codecov.totals(repo, commit).await?.map(|base| (commit.clone(), base)),
                None => None,
            };
            let base = base.map(|(commit, Totals { lines, covered })| BaseTotal { commit, lines, covered });
            Some(CoverageTotal { lines, covered, base })
        }
        None => None,
    };
    // Codecov has matched the paths to the repository's already.
    let tree = Tree::of(files.iter().map(|file| file.path.clone()));
    let mut placed = Placed::default();
    placed.take(&tree, &found.report).map_err(|_| RemoteError::Contract)?;
    let measured = measure(&placed, files, wanted.ignored);
    Ok(Answer::Known(Box::new(Coverage {
        report: Some(CoverageReport {
            source: CoverageSource::Codecov,
            commit: Some(head_sha.clone()),
            reports: found.uploads,
            at: None,
        }),
        total,
        carried: found.carried,
        flags: found.flags,
        own_count: found.own_count,
        ..of_lines(measured, wanted.change)
    })))
}

async fn sonar(app: &App, wanted: &Wanted<'_>) -> Result<Answer, RemoteError> {
    let remotes = Remotes::of(app);
    let (Some(sonar), Some(pull)) = (&remotes.sonar, wanted.change.pull_request) else { return Ok(Answer::Silent) };
    let by_name = || format!("{}_{}", wanted.repository.owner(), wanted.repository.name());
    let project = wanted.policy.sonar_project.clone().unwrap_or_else(by_name);
    let head = &wanted.change.head_sha;
    let measures = match sonar.pull_request(&project, pull, head).await? {
        Analysis::Head(measures) => measures,
        Analysis::Other(newest) => return Ok(Answer::Unknown(Reason::Awaited { newest: Some(newest) })),
        Analysis::None => return Ok(Answer::Unknown(Reason::Awaited { newest: None })),
    };
    Ok(Answer::Known(Box::new(Coverage {
        executable: measures.new.lines,
        covered: measures.new.covered,
        report: Some(CoverageReport {
            source: CoverageSource::Sonar,
            commit: Some(head.clone()),
            reports: 1,
            at: None,
        }),
        total: measures.all.map(|all| CoverageTotal { lines: all.lines, covered: all.covered, base: None }),
        gate: measures.gate.map(|gate| format!("SonarQube quality gate {gate}")),
        ..Coverage::default()
    })))
}
