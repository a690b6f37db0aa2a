//! The check run `mergecast/owners`, where a repository's policy asks for it: it fails while an owned changed file lacks an
//! owner's approval of what it holds now, and passes the moment it has it. What is not known fails nothing.

use super::{
    App,
    assess::Outcome,
    check_run::{Head, Said, Writer, say},
    twins,
};
use crate::{
    github::{Conclusion as GitHubConclusion, Installation, PullRequest, RepoName},
    report,
    risk::{
        assessment::Conclusion,
        facts::Facts,
        owners::{Verdict, verdict},
    },
    store::CheckRunState,
};

/// Has the run on the head of `pull` say what holds; `wanted` are its facts where the policy asks for the run, and
/// `assessment` is the one that they belong to.
pub(super) async fn answer(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    wanted: Option<&Facts>,
    assessment: &str,
) -> Result<(), Outcome> {
    let Some(head) = Head::of(pull).named(report::owners::NAME) else { return Ok(()) };
    let Some(facts) = wanted else { return switch_off(app, installation, repo, &head, assessment).await };
    let own = verdict(facts);
    let other = match own {
        Verdict::Missing(_) => None,
        _ => twins::lacking_owners(app, installation, repo, pull).await?,
    };
    let (text, conclusion, external_id) = match &other {
        Some((id, theirs)) => {
            let verdict = verdict(theirs);
            let text = report::owners::check_run(theirs, &verdict);
            let held = theirs.change.pull_request.unwrap_or_default();
            (report::owners::shared(text, held, pull.number), conclusion(&verdict), id.as_str())
        }
        None => (report::owners::check_run(facts, &own), conclusion(&own), assessment),
    };
    let listed = pull.own_check_runs.as_deref().ok();
    say(app, installation, repo, &head, listed, Said { text, conclusion, external_id }).await
}

/// Leaves nothing unfinished on a head that is no longer open.
pub(super) async fn end(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    head: &Head,
    assessment: &str,
) -> Result<(), Outcome> {
    let Some(head) = head.named(report::owners::NAME) else { return Ok(()) };
    let row = app.store.check_run(head.repository_id, &head.sha, head.name).await?;
    let Some(row) = row.filter(|row| row.state != CheckRunState::Completed) else { return Ok(()) };
    let shown = row.external_id.as_deref().unwrap_or(assessment);
    match Writer::find(app, installation, repo, &head, Some(&[]), shown).await? {
        Some(mut run) => run.complete(&report::owners::ended(), Conclusion::Neutral).await,
        None => Ok(app.store.forget_check_run(head.repository_id, &head.sha, head.name).await?),
    }
}

/// How the run ends.
pub(super) fn conclusion(verdict: &Verdict) -> GitHubConclusion {
    match verdict {
        Verdict::Approved | Verdict::NothingOwned => GitHubConclusion::Success,
        Verdict::Missing(_) => GitHubConclusion::Failure,
        Verdict::Unknown(_) | Verdict::Draft | Verdict::NotOpen => GitHubConclusion::Neutral,
    }
}

/// A run that a policy asked for and another asks for no more holds nothing back. One that was made for another pull
/// request with this head is left to that.
async fn switch_off(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    head: &Head,
    assessment: &str,
) -> Result<(), Outcome> {
    let row = app.store.check_run(head.repository_id, &head.sha, head.name).await?;
    if row.is_none_or(|row| row.pull_request != head.pull_request) {
        return Ok(());
    }
    if Writer::find(app, installation, repo, head, Some(&[]), assessment).await?.is_none() {
        return Ok(app.store.forget_check_run(head.repository_id, &head.sha, head.name).await?);
    }
    let (text, conclusion) = (report::owners::switched_off(), GitHubConclusion::Neutral);
    say(app, installation, repo, head, Some(&[]), Said { text, conclusion, external_id: assessment }).await
}
