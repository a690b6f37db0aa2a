//! Short words for deployments and incidents, for tests.

use chrono::{DateTime, TimeDelta, Utc};

use super::change::{Change, ChangeId, PullRequest, TakenBack};
use super::incident::{Activity, Incident, IncidentId, Keeper, Span, Telling, fold};
use super::ledger::{Ledger, Settings, reconcile};
use super::sighting::{Sighting, Source, WitnessId};

/// A minute of a Monday.
pub(super) fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_272_000, 0).unwrap() + TimeDelta::minutes(minute)
}

/// The pipeline says that a build went to production, and took effect at that minute.
pub(super) fn deployed(id: &str, at: i64, commit: &str) -> Sighting {
    Sighting {
        service: Some("pay".into()),
        env: Some("prod".into()),
        commit_sha: Some(commit.into()),
        started_at: Some(minute(at - 2)),
        finished_at: Some(minute(at)),
        repository: Some("https://github.com/acme/pay".into()),
        ..Sighting::new(Source::Api, id, minute(at))
    }
}

pub(super) fn ledger(sightings: &[Sighting]) -> Ledger {
    reconcile(sightings, &Settings::default())
}

pub(super) fn api(id: &str) -> WitnessId {
    WitnessId { source: Source::Api, id: id.into() }
}

/// An incident of the service `pay` that was active between two minutes.
pub(super) fn incident(id: &str, from: i64, to: Option<i64>) -> Incident {
    fold(&[telling(id, from, to)]).remove(0)
}

pub(super) fn telling(id: &str, from: i64, to: Option<i64>) -> Telling {
    let incident = IncidentId { keeper: Keeper::Datadog, id: id.into() };
    Telling {
        services: ["pay".to_owned()].into(),
        began_at: Some(minute(from)),
        detected_at: Some(minute(from + 1)),
        activity: Activity::Spans(vec![Span { from: minute(from), to: to.map(minute) }]),
        ..Telling::new(incident, minute(to.unwrap_or(from)))
    }
}

/// A pull request whose commits were written at these minutes.
pub(super) fn change(number: u64, written: &[i64], edit: impl FnOnce(&mut PullRequest)) -> Change {
    let written: Vec<DateTime<Utc>> = written.iter().copied().map(minute).collect();
    let mut pull = PullRequest {
        number,
        title: format!("Change {number}"),
        labels: Vec::new(),
        branch: format!("topic-{number}"),
        authored_at: written.clone(),
        opened_at: None,
        merged_at: None,
        takes_back: Vec::new(),
    };
    edit(&mut pull);
    let files = [format!("src/part{number}.rs")].into();
    Change { id: ChangeId::PullRequest(number), pull_request: Some(pull), authored_at: written, files }
}

pub(super) fn taken_back(number: u64, proven: bool) -> TakenBack {
    TakenBack { number, proven }
}
