//! Where the App is installed, as GitHub says when it is asked. An event only tells that there is something to ask about,
//! for events come in any order; and now and then it is asked without one, for events get lost.

use std::{collections::HashMap, time::Duration};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{App, assess::Outcome, heads, mirrors, number, turns::Kind};
use crate::{
    github::{self, InstallationInfo, InstalledRepository, Permissions, events_lacking},
    store::{CoveredRepository, InstallationRow, JobRequest},
};

/// Kind of the jobs that read an installation anew.
pub(super) const INSTALLATION: &str = "installation";

/// Time between two looks at the list of installations: one request for each hundred of them.
const EVERY: Duration = Duration::from_secs(3_600);
/// Time between two readings of what an installation covers, if no event tells of a change: one request for each
/// hundred repositories, and a token.
const LISTED_EVERY: TimeDelta = TimeDelta::hours(24);

/// An installation to be read anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InstallationJob {
    pub installation_id: u64,
}

/// The request to read an installation anew, due at `run_at` (unix ms).
pub(super) fn request(installation_id: u64, run_at: i64) -> JobRequest {
    JobRequest {
        key: format!("installation:{installation_id}"),
        kind: INSTALLATION.to_owned(),
        payload: serde_json::to_string(&InstallationJob { installation_id }).expect("a job is plain data"),
        run_at,
        replaces: true,
    }
}

/// Asks GitHub what has become of an installation, and for all that it covers.
pub(super) async fn refresh(app: &App, wanted: &InstallationJob) -> Result<(), Outcome> {
    let id = wanted.installation_id;
    // A token keeps the permissions that it was made with.
    app.github.forget(id).await;
    match app.github.installation_info(id).await {
        Ok(info) => keep(app, &info).await,
        Err(github::Error::NotFound | github::Error::Gone) => gone(app, number(id)).await,
        Err(error) => Err(error.into()),
    }
}

/// Asks where the App is installed, and has each installation read anew that is not as it is known, or was not read for
/// long. Only the job of an installation writes about it: one at a time, so that what was asked last is what is kept.
pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    // Before GitHub is asked: what is installed meanwhile is not missing from its list.
    let mut known: HashMap<i64, InstallationRow> =
        app.store.installations().await?.into_iter().map(|row| (row.installation_id, row)).collect();
    let listed = match app.github.installations().await {
        Ok(listed) => listed,
        Err(github::Error::RateLimited { until, .. }) => {
            tracing::info!(%until, "reading the installations waits for the App's rate limit");
            return Ok((until - app.clock.now()).to_std().unwrap_or_default().max(Duration::from_secs(1)));
        }
        Err(error) => return Err(error.into()),
    };
    let since = (app.clock.now() - LISTED_EVERY).timestamp_millis().max(app.resumed_at);
    let mut stale: Vec<u64> = Vec::new();
    for info in &listed {
        let as_known = known.remove(&number(info.id)).is_some_and(|row| {
            let InstallationRow { listed_at, .. } = row;
            let read = info.suspended_at.is_some() || listed_at.is_some_and(|at| at >= since);
            read && self::row(info) == InstallationRow { listed_at: None, ..row }
        });
        if !as_known {
            stale.push(info.id);
        }
    }
    // Those that are left are not on the list any more.
    stale.extend(known.keys().map(|id| id.unsigned_abs()));
    for id in stale {
        heads::room(app).await?;
        let now = app.clock.now_ms();
        app.store.request_job(&request(id, now), now).await?;
        app.jobs.notify_waiters();
    }
    Ok(app.clock.jitter(EVERY))
}

/// Keeps what GitHub says of an installation and of what it covers.
async fn keep(app: &App, info: &InstallationInfo) -> Result<(), Outcome> {
    let id = number(info.id);
    let before = app.store.installation(id).await?;
    let row = row(info);
    app.store.save_installation(&row).await?;
    tell(before.as_ref(), &row);
    if row.suspended_at.is_some() {
        app.github.forget(info.id).await;
        return Ok(());
    }
    let covered = match app.github.installation(info.id).repositories().await {
        Ok(covered) => covered,
        // It changed since it was listed; an event tells of it.
        Err(github::Error::Suspended | github::Error::NotFound) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let covered: Vec<_> = covered.iter().map(repository).collect();
    app.store.save_covered(id, &app.clock.new_id(), &covered, app.clock.now_ms()).await?;
    if before.is_some_and(|row| row.suspended_at.is_some()) {
        app.store.sweep_anew(id).await?;
    }
    mirrors::covered(app, id).await?;
    app.turns.soon(Kind::Heads, app.clock.now_ms());
    Ok(())
}

async fn gone(app: &App, id: i64) -> Result<(), Outcome> {
    app.store.installation_deleted(id, app.clock.now_ms()).await?;
    tracing::info!(
        installation.id = id,
        "the App was removed: work ends, and what is kept is erased in {} days",
        super::erase::KEPT_AFTER_REMOVAL.num_days()
    );
    Ok(())
}

fn row(info: &InstallationInfo) -> InstallationRow {
    InstallationRow {
        installation_id: number(info.id),
        account: info.account.clone(),
        organization: info.organization,
        permissions: serde_json::to_string(&info.permissions.0).expect("a map of texts"),
        events: serde_json::to_string(&info.events).expect("a list of texts"),
        suspended_at: info.suspended_at.map(|at| at.timestamp_millis()),
        deleted_at: None,
        listed_at: None,
    }
}

fn repository(each: &InstalledRepository) -> CoveredRepository {
    CoveredRepository { repository_id: number(each.id), repository: each.name.to_string(), archived: each.archived }
}

/// Says in the log, once for each change, what an installation lacks and whether it is at work.
fn tell(before: Option<&InstallationRow>, now: &InstallationRow) {
    let (id, account) = (now.installation_id, now.account.as_str());
    let lacked = before.map(lacking);
    let lacks = lacking(now);
    match (&lacked, lacks.is_empty()) {
        (Some(lacked), _) if *lacked == lacks => {}
        (None, true) => {}
        (_, true) => tracing::info!(installation.id = id, account, "the installation grants all that is asked for"),
        (_, false) => tracing::warn!(
            installation.id = id,
            account,
            lacks = lacks.join(", "),
            "the installation does not grant all that is asked for; an owner of the account can accept it"
        ),
    }
    match (before.is_some_and(|row| row.suspended_at.is_some()), now.suspended_at.is_some()) {
        (false, true) => tracing::info!(installation.id = id, account, "the installation is suspended: work ends"),
        (true, false) => tracing::info!(installation.id = id, account, "the installation is at work again"),
        _ => {}
    }
}

/// Permissions and events that an installation lacks, by name.
fn lacking(row: &InstallationRow) -> Vec<String> {
    let granted = Permissions(serde_json::from_str(&row.permissions).unwrap_or_default());
    let events: Vec<String> = serde_json::from_str(&row.events).unwrap_or_default();
    let permissions = granted.lacking().into_iter().map(|each| format!("permission {}: {}", each.name, each.access));
    permissions.chain(events_lacking(&events).into_iter().map(|name| format!("event {name}"))).collect()
}
