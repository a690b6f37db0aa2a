//! Incidents and what they are put down to, as JSON, `mergecast.incidents/1`. Evidence is data; no person is in it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{markdown, outside, sentences::figures};
use crate::deployment::{
    attribution::{Attribution, Candidate, Evidence, Sure},
    change::{Change, ChangeId},
    failures::RemedyKind,
    incident::Incident,
    ledger::Deployment,
    reckoning::Reckoning,
    sighting::WitnessId,
};

/// Longest title of an incident in a comment, in characters.
const TITLE_MAX: usize = 100;

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
            "candidates": attribution.map(|one| one.candidates.iter().map(candidate).collect::<Vec<_>>()).unwrap_or_default(),
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

/// Of the pull requests that the cause brought, the one that a person named, or that was taken back since, or changed a file that the incident names,
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
        .filter(|(number, _)| !attribution.ruled_out.contains(&(repository.clone(), *number)))
        .collect();
    let of = pulls.len();
    let known = |number: u64| before.get(&(repository.clone(), number));
    let (number, _) = pulls.into_iter().max_by_key(|(number, change)| {
        let score = known(*number).map(|before| before.score);
        let is_said = attribution.named == Some(*number);
        (is_said, taken_back.contains(number), is_named(change), score, std::cmp::Reverse(*number))
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

/// An incident that a pull request is put down as the cause of.
#[derive(Clone, Copy, Debug)]
pub struct Caused<'a> {
    /// The pull request.
    pub suspect: &'a Suspect,
    /// What people call the incident: its number at Datadog, else its id. Untrusted.
    pub name: &'a str,
    /// Title of the incident. Untrusted.
    pub title: &'a str,
    /// When it began.
    pub began_at: DateTime<Utc>,
}

/// What a comment on a pull request says that incidents were put down to, in Markdown; of none, that it was taken back.
pub fn comment(caused: &[Caused<'_>]) -> String {
    let Some(first) = caused.first() else {
        return "An incident was put down to this change after it was deployed. That was corrected: none is any more.\n"
            .to_owned();
    };
    let mut out = "After it was deployed, this change is put down as the cause of:\n\n".to_owned();
    for one in caused {
        let sure = match one.suspect.sure {
            Sure::Possible => "possibly",
            Sure::Likely => "likely",
            Sure::Proven => "proven by what was taken back",
            Sure::Corrected => "a person said so",
        };
        let name = markdown::code_within(one.name, TITLE_MAX);
        let title = match one.title.trim() {
            "" => String::new(),
            title => format!(" {}", markdown::code_within(title, TITLE_MAX)),
        };
        out.push_str(&format!("- {name}{title}, which began on {} ({sure})\n", figures::instant(one.began_at)));
    }
    match &first.suspect.before {
        None => out.push_str("\nIt was not scored before its merge."),
        Some(before) => {
            let flagged = match before.flagged {
                Some(true) => " and was flagged",
                Some(false) => " and was not flagged",
                None => "",
            };
            out.push_str(&format!("\nBefore its merge it scored {} ({}){flagged}.", before.score, before.level));
        }
    }
    let command = markdown::code_within(&format!("/risk unattribute {}", first.name), TITLE_MAX);
    out.push_str(&format!(" If this change was not it, {command} says so.\n"));
    out
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::deployment::{
        change::{PullRequest, Shipped, TakenBack},
        incident::{IncidentId, Keeper, Telling},
        reckoning::{Rules, Told, reckon},
        sighting::{Sighting, Source},
    };

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn deployed(id: &str, minute: i64) -> Sighting {
        Sighting {
            service: Some("pay".into()),
            env: Some("prod".into()),
            commit_sha: Some(format!("{id:a<40}")),
            repository: Some("https://github.com/acme/shop".into()),
            finished_at: Some(at(minute)),
            ..Sighting::new(Source::Api, id, at(minute))
        }
    }

    fn change(number: u64, file: &str, takes_back: &[u64]) -> Change {
        let takes_back = takes_back.iter().map(|number| TakenBack { number: *number, proven: true }).collect();
        let pull = PullRequest {
            number,
            title: format!("Change {number}"),
            labels: Vec::new(),
            branch: String::new(),
            authored_at: Vec::new(),
            opened_at: None,
            merged_at: None,
            takes_back,
        };
        let files = [file.to_owned()].into();
        Change { id: ChangeId::PullRequest(number), pull_request: Some(pull), authored_at: vec![at(-9)], files }
    }

    fn before(scores: &[(u64, u8)]) -> BeforeMerge {
        let known = |(number, score): &(u64, u8)| {
            let known = Before {
                assessment: format!("assessment-{number}"),
                score: *score,
                level: "high".into(),
                flagged: Some(*score >= 70),
            };
            (("github.com/acme/shop".to_owned(), *number), known)
        };
        scores.iter().map(known).collect()
    }

    /// The link on the one incident, which began half an hour after three changes were deployed.
    fn linked(note: &str, more: Vec<(Sighting, Change)>, scores: &[(u64, u8)]) -> (u64, String) {
        let mut sightings = vec![deployed("1", 0)];
        let first = [(1, "src/cart.rs"), (2, "src/refund.rs"), (3, "src/mail.rs")];
        let first = first.into_iter().map(|(number, file)| change(number, file, &[])).collect();
        let mut shipped = Shipped::from([(sightings[0].witness.clone(), first)]);
        for (sighting, change) in more {
            shipped.insert(sighting.witness.clone(), vec![change]);
            sightings.push(sighting);
        }
        let incident = IncidentId { keeper: Keeper::Datadog, id: "i".into() };
        let telling = Telling {
            note: note.to_owned(),
            services: ["pay".to_owned()].into(),
            began_at: Some(at(30)),
            ..Telling::new(incident, at(30))
        };
        let told = Told { sightings, tellings: vec![telling], shipped, ..Told::default() };
        let reckoning = reckon(told, &Rules::default(), at(600));
        let suspect = suspect(&reckoning.attributions[0], &reckoning, &before(scores)).unwrap();
        (suspect.number, title(&suspect))
    }

    #[test]
    fn the_change_that_is_named_is_the_one_that_was_taken_back_or_named_or_scored_highest() {
        let scores = [(1, 20), (2, 35), (3, 72)];
        let of = " (of 3 changes), which scored";
        assert_eq!(
            linked("", Vec::new(), &scores),
            (3, format!("Mergecast: likely caused by acme/shop#3{of} 72 (high) before its merge and was flagged"))
        );
        assert_eq!(
            linked("panicked at src/refund.rs:7", Vec::new(), &scores),
            (2, format!("Mergecast: likely caused by acme/shop#2{of} 35 (high) before its merge and was not flagged"))
        );
        let revert = || vec![(deployed("2", 90), change(4, "src/cart.rs", &[1]))];
        assert_eq!(
            linked("", revert(), &scores[1..]),
            (1, "Mergecast: caused by acme/shop#1 (of 3 changes), which was not scored before its merge".to_owned())
        );
    }

    #[test]
    fn a_comment_holds_nothing_that_is_alive() {
        let known = Before { assessment: "a".into(), score: 72, level: "high".into(), flagged: Some(true) };
        let suspect = Suspect {
            repository: "github.com/acme/shop".into(),
            number: 3,
            of: 1,
            before: Some(known),
            sure: Sure::Likely,
        };
        let title = "Refunds `fail` @acme/all\n<img src=x> #1 \u{202e}";
        let said = comment(&[Caused { suspect: &suspect, name: "IR-7", title, began_at: at(30) }]);
        assert!(said.contains(", which began on 2026-06-01 00:30 UTC (likely)\n"), "{said}");
        assert!(said.contains("Before its merge it scored 72 (high) and was flagged."), "{said}");
        // What the title holds stands in code, on one line, with nothing hidden.
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("Refunds")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("- `IR-7` `") && lines[0].contains("<img src=x>"), "{said}");
        assert!(!said.contains('\u{202e}'), "{said}");
        assert!(said.ends_with("If this change was not it, `/risk unattribute IR-7` says so.\n"), "{said}");
        assert!(comment(&[]).contains("That was corrected"));
    }
}
