//! Pull requests that are pieces of one change: each is scored with the lines of the others, so that splitting does not
//! pay. All that is needed stands in the database; GitHub is not asked.

use chrono::TimeDelta;

use super::{App, assess::pull_request_key, number};
use crate::{
    risk::{
        Model, assess,
        assessment::Level,
        diff::View,
        facts::{ChangeState, Facts, SeriesPart},
        policy::Policy,
        series::Piece,
    },
    store::{AssessmentRow, RecentPull, StoreError},
};

/// Pieces that are pushed within this time belong together.
const TOGETHER: TimeDelta = TimeDelta::hours(24);
/// What was pushed longer ago can belong to nothing that is pushed now, nor to what that belongs to.
const KEPT: TimeDelta = TimeDelta::hours(72);

/// The other pull requests of the series that an open one belongs to. What the facts say of this one is noted first, and
/// the others are scored again where that changes their level.
pub(super) async fn parts(app: &App, repository_id: i64, facts: &Facts) -> Result<Vec<SeriesPart>, StoreError> {
    let change = &facts.change;
    let (Some(pull), Some(piece), ChangeState::Open) = (change.pull_request, Piece::of(&View::of(facts)), change.state)
    else {
        return Ok(Vec::new());
    };
    let now = app.clock.now_ms();
    let mut own = RecentPull {
        repository_id,
        pull_request: number(pull),
        base_ref: change.base_ref.clone(),
        author: change.author.login.to_lowercase(),
        head_sha: change.head_sha.clone(),
        pushed_at: now,
        added: number(piece.added),
        deleted: number(piece.deleted),
        places: serde_json::to_string(&piece.reach).expect("names are plain data"),
        merged: false,
    };
    let before = app.store.recent_pull(repository_id, own.pull_request).await?;
    let is_new = app.store.save_recent_pull(&own, now - KEPT.num_milliseconds()).await?;
    if let Some(before) = before.as_ref().filter(|before| before.head_sha == own.head_sha) {
        own.pushed_at = before.pushed_at;
    }
    let before = before.as_ref().and_then(piece_of);
    let mut parts = Vec::new();
    for other in beside(app, &own).await? {
        let Some(theirs) = piece_of(&other) else { continue };
        let belongs = theirs.belongs_to(&piece);
        if belongs {
            parts.push(theirs.part(other.pull_request.unsigned_abs(), other.merged));
        }
        if is_new && (belongs || before.as_ref().is_some_and(|before| before.belongs_to(&theirs))) {
            tell(app, &other, pull, belongs.then(|| piece.part(pull, false))).await?;
        }
    }
    parts.sort_by_key(|part: &SeriesPart| part.number);
    Ok(parts)
}

/// A pull request is not open any more: merged, it counts on; closed, it never was.
pub(super) async fn ended(app: &App, repository_id: i64, pull: u64, state: ChangeState) -> Result<(), StoreError> {
    let id = number(pull);
    match state {
        ChangeState::Open => return Ok(()),
        ChangeState::Merged => return app.store.recent_pull_merged(repository_id, id).await,
        ChangeState::Closed => {}
    }
    let Some(own) = app.store.recent_pull(repository_id, id).await? else { return Ok(()) };
    app.store.forget_recent_pull(repository_id, id).await?;
    for other in beside(app, &own).await? {
        tell(app, &other, pull, None).await?;
    }
    Ok(())
}

/// Pull requests of the same author to the same branch that were pushed within a day of `own`.
async fn beside(app: &App, own: &RecentPull) -> Result<Vec<RecentPull>, StoreError> {
    let together = TOGETHER.num_milliseconds();
    let mut others = app.store.recent_pulls_beside(own, own.pushed_at - together).await?;
    others.retain(|other| other.pushed_at < own.pushed_at + together);
    Ok(others)
}

/// Nothing of one that an earlier version noted in another way: it is noted anew when it is scored.
fn piece_of(row: &RecentPull) -> Option<Piece> {
    let reach = serde_json::from_str(&row.places).ok()?;
    Some(Piece { reach, added: row.added.unsigned_abs(), deleted: row.deleted.unsigned_abs() })
}

/// Has an open pull request scored again if its level changes now that `part` is what `of` adds to its series: a few
/// points more are no reason to ask GitHub, and show at its next score.
async fn tell(app: &App, other: &RecentPull, of: u64, part: Option<SeriesPart>) -> Result<(), StoreError> {
    if other.merged {
        return Ok(());
    }
    let last = app.store.latest_assessment(other.repository_id, other.pull_request).await?;
    let model = app.champion().await?;
    if !last.is_some_and(|last| last.head_sha == other.head_sha && changes(&last, of, part, &model)) {
        return Ok(());
    }
    let key = pull_request_key(other.repository_id, other.pull_request);
    app.store.request_job_again(&key, app.clock.now_ms()).await?;
    app.jobs.notify_waiters();
    Ok(())
}

fn changes(last: &AssessmentRow, of: u64, part: Option<SeriesPart>, model: &Model) -> bool {
    let read = (serde_json::from_str::<Facts>(&last.facts), serde_json::from_str::<Policy>(&last.policy));
    let (Ok(mut facts), Ok(policy)) = read else { return false };
    facts.series.retain(|each| each.number != of);
    facts.series.extend(part);
    Level::of(assess(&facts, model, &policy).score) != Level::of(last.score)
}
