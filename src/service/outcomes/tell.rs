//! What others are told, where the settings ask for it: a link on an incident at Datadog to the score that its cause had before
//! its merge, a comment on that pull request, and deployments and failures for DORA Metrics. Each once: its row is claimed before anything is sent.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::{
    super::{App, deployments::backfill},
    before_merge, comment, reckoned,
    round::PATIENCE,
};
use crate::{
    datadog::{Datadog, Error, IncidentLink, ToldDeployment, ToldFailure},
    deployment::{
        attribution::Attribution,
        incident::{Incident, Keeper},
        ledger::Deployment,
        reckoning::Reckoning,
        sighting::{Source, WitnessId},
    },
    report::incidents::{self, BeforeMerge},
    store::StoreError,
};

/// Incidents and deployments of so long are told of; what is older is nobody's news.
const TOLD: TimeDelta = TimeDelta::days(7);
/// What was told stays true for so long: people may name, and correct, incidents of this time.
const CORRECTED: TimeDelta = TimeDelta::days(90);
/// Between two looks at what there is to tell.
const EVERY: TimeDelta = TimeDelta::minutes(10);
/// How long a claim stands: longer than any exchange.
pub(super) const CLAIMED: TimeDelta = TimeDelta::minutes(5);
/// Until something is sent again that Datadog was not there for.
pub(super) const AGAIN: TimeDelta = TimeDelta::minutes(30);
/// Until something is sent again that was refused: somebody has to change a permission first.
const AFTER_REFUSAL: TimeDelta = TimeDelta::days(1);

/// What a pipeline tells DORA Metrics itself, it tells within so long.
const TOLD_BY_ITSELF: TimeDelta = TimeDelta::minutes(30);

const LINK: &str = "datadog.incident_link";
const DEPLOYMENT: &str = "datadog.deployment";
const FAILURE: &str = "datadog.failure";

/// What is told to whom; by default nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// Links on incidents at Datadog.
    pub incident_links: bool,
    /// A text box of incidents in which that is written where Datadog refuses links.
    pub incident_field: Option<String>,
    /// Deployments and failures for Datadog's DORA Metrics.
    pub dora_events: bool,
    /// Comments on pull requests.
    pub comments: bool,
}

/// Tells what there is to tell, now and again.
pub(super) async fn round(app: &App, now: DateTime<Utc>) -> Result<(), StoreError> {
    let wanted = &app.outcomes.telling;
    if *wanted == Telling::default() || !app.outcomes.told.is_due(now, EVERY) {
        return Ok(());
    }
    let from = now - TOLD;
    let reckoning = reckoned(&app.store, &app.rules().await?, from, now).await?;
    let before = before_merge(app, &reckoning, (now - CORRECTED, now)).await?;
    if wanted.comments {
        comment::round(app, &reckoning, &before, (from, now)).await?;
    }
    let Some(datadog) = &app.datadog else { return Ok(()) };
    let datadog = datadog.patient(PATIENCE);
    if wanted.incident_links {
        links(app, &datadog, (&reckoning, &before), (from, now)).await?;
    }
    if wanted.dora_events {
        deployments(app, &datadog, &reckoning, (from, now)).await?;
        failures(app, &datadog, &reckoning, (from, now)).await?;
    }
    Ok(())
}

/// Puts on each incident of Datadog's which change it is put down to.
async fn links(
    app: &App,
    datadog: &Datadog,
    (reckoning, before): (&Reckoning, &BeforeMerge),
    (from, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreError> {
    let attributions: BTreeMap<_, _> = reckoning.attributions.iter().map(|one| (&one.incident, one)).collect();
    let said = app.store.sent_subjects(LINK, now - CORRECTED).await?;
    let own = |one: &&Incident| {
        one.id.keeper == Keeper::Datadog && !one.test && (one.began_at >= from || said.contains(&one.id.id))
    };
    for incident in reckoning.incidents.iter().filter(own) {
        let Some(attribution) = attributions.get(&incident.id) else { continue };
        let said = match named(app, attribution, reckoning, before) {
            Some(said) => said,
            // What was said before and no longer holds is taken back.
            None if app.store.sending(LINK, &incident.id.id).await?.is_some() => taken_back(app),
            None => continue,
        };
        let Some((title, url)) = said else { continue };
        let digest = digest(&[&title, &url]);
        if !app.store.claim_sending(LINK, &incident.id.id, &digest, now, now + CLAIMED).await? {
            continue;
        }
        let known = app.store.sending(LINK, &incident.id.id).await?.and_then(|sending| sending.remote_id);
        let put = put(datadog, &incident.id.id, known.as_deref(), &title, &url).await;
        // Links are in preview; a field of its own is the organisation's to make.
        let put = match (put, &app.outcomes.telling.incident_field) {
            (Err(Error::Forbidden { .. } | Error::NotFound | Error::Invalid { .. }), Some(field)) => {
                let text = format!("{title}: {url}");
                datadog.set_incident_field(&incident.id.id, field, &text).await.map(|()| format!("field {field}"))
            }
            (put, _) => put,
        };
        settle(app, LINK, &incident.id.id, &digest, put, now).await?;
    }
    Ok(())
}

/// Title and address of the link: the change that an incident is put down to. `None` where it is put down to none that is
/// known; inside, where no link can be made.
fn named(
    app: &App,
    attribution: &Attribution,
    reckoning: &Reckoning,
    before: &BeforeMerge,
) -> Option<Option<(String, String)>> {
    let suspect = incidents::suspect(attribution, reckoning, before)?;
    let pull = |links: &super::Links| {
        let name = suspect.repository.split_once('/').map(|(_, name)| name)?;
        links.repository(name).map(|address| format!("{address}/pull/{}", suspect.number))
    };
    let page = |links: &super::Links| {
        let assessment = &suspect.before.as_ref()?.assessment;
        links.public_url.as_ref().map(|base| format!("{base}/assessments/{assessment}"))
    };
    let url = page(&app.links).or_else(|| pull(&app.links));
    Some(url.map(|url| (incidents::title(&suspect), url)))
}

fn taken_back(app: &App) -> Option<(String, String)> {
    let base = app.links.public_url.as_ref()?;
    Some((incidents::TAKEN_BACK.to_owned(), format!("{base}/api/v1/incidents")))
}

/// Puts a link on an incident: in the place of the one that is known to be ours, or that leads where this one does.
async fn put(datadog: &Datadog, incident: &str, known: Option<&str>, title: &str, url: &str) -> Result<String, Error> {
    let links = datadog.incident_links(incident).await?;
    let ours = links.into_iter().find(|link| Some(link.id.as_str()) == known || link.url == url);
    let Some(ours) = ours else { return datadog.add_incident_link(incident, title, url).await };
    if ours.title != title || ours.url != url {
        let link = IncidentLink { title: title.to_owned(), url: url.to_owned(), ..ours.clone() };
        datadog.change_incident_link(incident, &link).await?;
    }
    Ok(ours.id)
}

/// Tells DORA Metrics of deployments to production that it does not know.
async fn deployments(
    app: &App,
    datadog: &Datadog,
    reckoning: &Reckoning,
    (from, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreError> {
    // What Datadog knows by itself has to be read first.
    let Some(read) = app.store.backfill(backfill::DEPLOYMENTS).await? else { return Ok(()) };
    let until = now.min(read.reached - TOLD_BY_ITSELF);
    let is_news = |one: &&Deployment| {
        let known = one.witnesses.iter().any(|witness| witness.source == Source::DatadogDora);
        one.at.is_some_and(|at| from <= at && at <= until) && !known
    };
    for deployment in reckoning.ledger.live().filter(is_news) {
        // A witness that came later may have given it another name.
        if is_sent(app, DEPLOYMENT, &deployment.witnesses).await? {
            continue;
        }
        let Some(told) = told_deployment(deployment) else { continue };
        let subject = deployment.id.to_string();
        let digest = digest(&[&told.id]);
        if app.store.claim_sending(DEPLOYMENT, &subject, &digest, now, now + CLAIMED).await? {
            let sent = datadog.tell_deployment(&told).await;
            settle(app, DEPLOYMENT, &subject, &digest, sent, now).await?;
        }
    }
    Ok(())
}

async fn is_sent(app: &App, place: &str, witnesses: &[WitnessId]) -> Result<bool, StoreError> {
    for witness in witnesses {
        if app.store.sending(place, &witness.to_string()).await?.is_some_and(|sending| sending.sent_at.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn told_deployment(deployment: &Deployment) -> Option<ToldDeployment> {
    let at = deployment.at?;
    let git = deployment.repository.as_ref().zip(deployment.build.commit_sha.as_ref());
    Some(ToldDeployment {
        id: format!("{}{}", backfill::OWN, &digest(&[&deployment.id.to_string()])[..32]),
        service: deployment.service.clone(),
        started_at: deployment.started_at.unwrap_or(at).min(at),
        finished_at: at,
        env: deployment.env_told.clone().or_else(|| deployment.environment.as_ref().map(|one| one.name.clone())),
        team: deployment.team.clone(),
        version: deployment.build.version.clone(),
        git: git.map(|(repository, sha)| (format!("https://{repository}"), sha.clone())),
    })
}

/// Tells DORA Metrics of incidents that are over and that Datadog does not keep itself.
async fn failures(
    app: &App,
    datadog: &Datadog,
    reckoning: &Reckoning,
    (from, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreError> {
    let is_news = |one: &&Incident| one.id.keeper != Keeper::Datadog && !one.test && from <= one.began_at;
    for incident in reckoning.incidents.iter().filter(is_news) {
        let over = incident.time_to_restore().and_then(|_| incident.active.last()?.to);
        let team = incident.teams.first().cloned();
        if over.is_none() || (incident.services.is_empty() && team.is_none()) {
            continue;
        }
        let subject = serde_json::to_string(&incident.id).unwrap_or_default();
        let told = ToldFailure {
            id: own_id("failure", &subject),
            services: incident.services.iter().cloned().collect(),
            team,
            started_at: incident.began_at,
            finished_at: over,
            name: Some(incident.title.clone()).filter(|title| !title.is_empty()),
            severity: incident.severity.map(|severity| format!("SEV-{severity}")),
            env: incident.env.clone(),
        };
        let digest = digest(&[&told.id]);
        if app.store.claim_sending(FAILURE, &subject, &digest, now, now + CLAIMED).await? {
            let sent = datadog.tell_failure(&told).await;
            settle(app, FAILURE, &subject, &digest, sent, now).await?;
        }
    }
    Ok(())
}

/// An id that is the same whenever the same is told, so that Datadog knows it again.
fn own_id(kind: &str, subject: &str) -> String {
    format!("mergecast-{kind}-{}", &digest(&[subject])[..32])
}

pub(super) fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

/// Notes what came of a claim. What may have been sent is sent again in time: it is the same there.
async fn settle(
    app: &App,
    place: &'static str,
    subject: &str,
    digest: &str,
    sent: Result<String, Error>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    match sent {
        Ok(remote_id) => {
            tracing::info!(place, subject, "Datadog was told");
            app.store.sent(place, subject, digest, &remote_id, now).await
        }
        Err(error) => {
            tracing::warn!(place, subject, %error, "Datadog could not be told and is told later");
            let refused = matches!(
                error,
                Error::Forbidden { .. } | Error::Unauthorized | Error::NotFound | Error::Invalid { .. }
            );
            let again = if refused { AFTER_REFUSAL } else { AGAIN };
            app.store.unsent(place, subject, digest, now + again).await
        }
    }
}
