//! The comment on a pull request that an incident is put down to, where the settings ask for it: one, which is edited. It begins
//! with a hidden marker by which it is found again where the answer to its creation was lost.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{super::App, tell};
use crate::{
    deployment::{incident::Incident, reckoning::Reckoning},
    github::{CommentLook, Error, RepoName},
    report::incidents::{self, BeforeMerge, Caused, Suspect},
    store::StoreError,
};

/// What the store calls it.
const PLACE: &str = "github.outcome_comment";
/// What the comment begins with. Nobody sees it.
const MARKER: &str = "<!-- mergecast:outcome -->";
/// A comment of ours is not older than this, or it is left as it is: incidents may be named, and corrected, for so long.
const LOOKED_BACK: TimeDelta = TimeDelta::days(90);

/// Has each pull request say what was put down to it. What is older than `from` is nobody's news, but what was said before is
/// kept true.
pub(super) async fn round(
    app: &App,
    reckoning: &Reckoning,
    before: &BeforeMerge,
    (from, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreError> {
    let said = app.store.sent_subjects(PLACE, now - LOOKED_BACK).await?;
    let mut caused: BTreeMap<String, Vec<(Suspect, &Incident)>> =
        said.into_iter().map(|subject| (subject, Vec::new())).collect();
    let incidents: BTreeMap<_, _> = reckoning.incidents.iter().map(|one| (&one.id, one)).collect();
    for attribution in &reckoning.attributions {
        let incident = incidents.get(&attribution.incident).copied();
        let Some((incident, suspect)) = incident.zip(incidents::suspect(attribution, reckoning, before)) else {
            continue;
        };
        let subject = format!("{}#{}", suspect.repository, suspect.number);
        if incident.began_at >= from || caused.contains_key(&subject) {
            caused.entry(subject).or_default().push((suspect, incident));
        }
    }
    for (subject, caused) in caused {
        let pull = subject.rsplit_once('#').and_then(|(repository, number)| Some((repository, number.parse().ok()?)));
        let Some((repository, number)) = pull else { continue };
        let told: Vec<Caused<'_>> = caused
            .iter()
            .map(|(suspect, incident)| Caused {
                suspect,
                name: name(incident),
                title: &incident.title,
                began_at: incident.began_at,
            })
            .collect();
        say(app, (repository, number), &subject, &incidents::comment(&told), now).await?;
    }
    Ok(())
}

/// What people call an incident; ids of the API begin with whose they are.
fn name(incident: &Incident) -> &str {
    let id = incident.id.id.as_str();
    id.split_once('/').map_or(id, |(_, name)| name)
}

async fn say(
    app: &App,
    (repository, number): (&str, u64),
    subject: &str,
    text: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let name = repository.strip_prefix(app.links.host()).and_then(|rest| rest.strip_prefix('/'));
    let Some(name) = name.and_then(RepoName::parse) else { return Ok(()) };
    let Some(covered) = app.store.repository_named(&name.to_string()).await? else { return Ok(()) };
    let digest = tell::digest(&[text]);
    if !app.store.claim_sending(PLACE, subject, &digest, now, now + tell::CLAIMED).await? {
        return Ok(());
    }
    let known = app.store.sending(PLACE, subject).await?.and_then(|sending| sending.remote_id?.parse::<u64>().ok());
    match written(app, covered.installation_id.unsigned_abs(), (&name, number), known, text, now).await {
        Ok(id) => app.store.sent(PLACE, subject, &digest, &id.to_string(), now).await,
        Err(error) => {
            tracing::warn!(%error, subject, "what became of a pull request could not be said and is said later");
            app.store.unsent(PLACE, subject, &digest, now + tell::AGAIN).await
        }
    }
}

/// Writes the comment, or edits the one that is there.
async fn written(
    app: &App,
    installation_id: u64,
    (name, number): (&RepoName, u64),
    known: Option<u64>,
    text: &str,
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let installation = app.github.installation(installation_id);
    let look = CommentLook { app_id: app.app_id, marker: MARKER, since: now - LOOKED_BACK };
    let known = match known {
        Some(id) => Some(id),
        None => installation.find_comment(name, number, &look).await?,
    };
    let body = format!("{MARKER}\n{text}");
    match known {
        Some(id) => installation.update_comment(name, id, &body).await.map(|()| id),
        None => installation.create_comment(name, number, &body).await,
    }
}
