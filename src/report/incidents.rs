//! Incidents and what they are put down to, as JSON, `mergecast.incidents/1`. Evidence is data; no person is in it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::outside;
use crate::deployment::{
    attribution::{Attribution, Candidate, Evidence, Sure},
    change::{Change, ChangeId},
    failures::RemedyKind,
    incident::Incident,
    ledger::Deployment,
    reckoning::Reckoning,
    sighting::WitnessId,
};

/// A pull request before it was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its last assessment.
    pub assessment: String,
    /// Its score, 0-100.
    pub score: u8,
    /// The score in a word.
    pub level: String,
    /// Whether it was held up for review; `None` where the facts behind it are forgotten.
    pub flagged: Option<bool>,
}

/// What is known of pull requests before their merge, by repository (`host/owner/name`) and number.
pub type BeforeMerge = BTreeMap<(String, u64), Before>;

/// The document, as of `now`: incidents that began in the window, newest first.
pub fn json(
    reckoning: &Reckoning,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    before: &BeforeMerge,
    now: DateTime<Utc>,
) -> Value {
    let deployments: BTreeMap<&WitnessId, &Deployment> =
        reckoning.ledger.deployments.iter().map(|deployment| (&deployment.id, deployment)).collect();
    let attributions: BTreeMap<_, &Attribution> =
        reckoning.attributions.iter().map(|attribution| (&attribution.incident, attribution)).collect();
    let mut shown: Vec<&Incident> = reckoning
        .incidents
        .iter()
        .filter(|incident| !incident.test && from <= incident.began_at && incident.began_at < to)
        .collect();
    shown.sort_by_key(|incident| std::cmp::Reverse((incident.began_at, &incident.id)));
    let candidate = |one: &Candidate| {
        let deployment = deployments.get(&one.deployment);
        json!({
            "deployment": one.deployment.to_string(),
            "service": deployment.map(|deployment| &deployment.service),
            "environment": deployment.and_then(|deployment| deployment.environment.as_ref()).map(|one| &one.name),
            "at": deployment.and_then(|deployment| deployment.at),
            "evidence": one.evidence.iter().map(evidence).collect::<Vec<_>>(),
            "pull_requests": deployment.map(|one| pulls(one, reckoning, before)).unwrap_or_default(),
        })
    };
    let incident = |one: &&Incident| {
        let attribution = attributions.get(&one.id);
        json!({
            "keeper": one.id.keeper,
            "id": one.id.id,
            "title": one.title,
            "services": one.services,
            "teams": one.teams,
            "env": one.env,
            "severity": one.severity,
            "began_at": one.began_at,
            "detected_at": one.detected_at,
            "active": one.active,
            "time_to_restore_s": one.time_to_restore().map(|took| took.num_seconds()),
            "cause": attribution.and_then(|one| one.cause.as_ref()).map(ToString::to_string),
            "sure": attribution.and_then(|one| one.sure),
            "candidates": attribution.map(|one| one.candidates.iter().map(candidate).collect::<Vec<_>>()),
        })
    };
    json!({
        "schema": "mergecast.incidents/1",
        "as_of": now,
        "from": from,
        "to": to,
        "incidents": shown.iter().map(incident).collect::<Vec<_>>(),
    })
}

/// Pull requests that a deployment brought, by number.
fn pulls(deployment: &Deployment, reckoning: &Reckoning, before: &BeforeMerge) -> Vec<Value> {
    let Some(repository) = &deployment.repository else { return Vec::new() };
    let changes = deployment.witnesses.iter().find_map(|witness| reckoning.shipped.get(witness));
    let numbers = changes.into_iter().flatten().filter_map(|change| match change.id {
        ChangeId::PullRequest(number) => Some((number, change.pull_request.as_ref())),
        ChangeId::Commit(_) => None,
    });
    let pull = |(number, pull): (u64, Option<&crate::deployment::change::PullRequest>)| {
        let known = before.get(&(repository.clone(), number));
        json!({
            "repository": repository,
            "number": number,
            "title": pull.map(|pull| &pull.title),
            "before_merge": known.map(|one| json!({
                "assessment": one.assessment, "score": one.score, "level": one.level, "flagged": one.flagged,
            })),
        })
    };
    numbers.map(pull).collect()
}

fn evidence(evidence: &Evidence) -> Value {
    match evidence {
        Evidence::Said => json!({"kind": "said"}),
        Evidence::Remedied { by, proof } => json!({"kind": "remedied", "by": by.to_string(), "proof": proof}),
        Evidence::File(path) => json!({"kind": "file", "path": path}),
        Evidence::SameService => json!({"kind": "same_service"}),
        Evidence::SameTeam => json!({"kind": "same_team"}),
        Evidence::InProgress => json!({"kind": "in_progress"}),
        Evidence::Since { seconds, share_of_window } => {
            json!({"kind": "since", "seconds": seconds, "share_of_window": share_of_window})
        }
    }
}

/// What stands on an incident whose cause was corrected to none that is known.
pub const TAKEN_BACK: &str = "Mergecast: no change is known any more that caused this";

/// The pull request that an incident is put down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Repository, `host/owner/name`.
    pub repository: String,
    /// Its number.
    pub number: u64,
    /// How many the deployment brought.
    pub of: usize,
    /// What was said of it before it was merged.
    pub before: Option<Before>,
    /// How sure the deployment is the cause.
    pub sure: Sure,
}

/// Of the pull requests that the cause brought, the one that was taken back since, or changed a file that the incident names,
/// or scored highest. `None` without a cause, or where it is not known what the cause brought.
pub fn suspect(attribution: &Attribution, reckoning: &Reckoning, before: &BeforeMerge) -> Option<Suspect> {
    let (cause, sure) = (attribution.cause.as_ref()?, attribution.sure?);
    let deployment = reckoning.ledger.find(cause)?;
    let repository = deployment.repository.as_ref()?;
    let candidate = attribution.candidates.iter().find(|one| one.deployment == *cause)?;
    let changes = deployment.witnesses.iter().find_map(|witness| reckoning.shipped.get(witness))?;
    let taken_back: BTreeSet<u64> = reckoning
        .remedies
        .iter()
        .filter(|remedy| remedy.failed == *cause)
        .filter_map(|remedy| match remedy.kind {
            RemedyKind::Revert { taken_back, .. } => Some(taken_back),
            RemedyKind::Rollback(_) | RemedyKind::Hotfix(_) => None,
        })
        .collect();
    let is_named = |change: &Change| {
        candidate.evidence.iter().any(|one| matches!(one, Evidence::File(path) if change.files.contains(path)))
    };
    let pulls: Vec<(u64, &Change)> = changes
        .iter()
        .filter_map(|change| match change.id {
            ChangeId::PullRequest(number) => Some((number, change)),
            ChangeId::Commit(_) => None,
        })
        .collect();
    let of = pulls.len();
    let known = |number: u64| before.get(&(repository.clone(), number));
    let (number, _) = pulls.into_iter().max_by_key(|(number, change)| {
        let score = known(*number).map(|before| before.score);
        (taken_back.contains(number), is_named(change), score, std::cmp::Reverse(*number))
    })?;
    Some(Suspect { repository: repository.clone(), number, of, before: known(number).cloned(), sure })
}

/// What a link to it is called: `Mergecast: likely caused by acme/shop#12, which scored 72 (high) before its merge and was
/// flagged`.
pub fn title(suspect: &Suspect) -> String {
    let sure = match suspect.sure {
        Sure::Possible => "possibly caused",
        Sure::Likely => "likely caused",
        Sure::Proven | Sure::Corrected => "caused",
    };
    let name = suspect.repository.split_once('/').map_or(suspect.repository.as_str(), |(_, name)| name);
    let pull = format!("{}#{}", outside::visible(name), suspect.number);
    let of = match suspect.of {
        ..=1 => String::new(),
        of => format!(" (of {of} changes)"),
    };
    let scored = match &suspect.before {
        None => ", which was not scored before its merge".to_owned(),
        Some(before) => {
            let flagged = match before.flagged {
                Some(true) => " and was flagged",
                Some(false) => " and was not flagged",
                None => "",
            };
            format!(", which scored {} ({}) before its merge{flagged}", before.score, before.level)
        }
    };
    format!("Mergecast: {sure} by {pull}{of}{scored}")
}
