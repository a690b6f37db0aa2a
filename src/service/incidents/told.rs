//! An incident as its keeper tells it over the API, read within bounds and put into our words.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;

use super::Wrong;
use crate::{
    deployment::incident::{Activity, IncidentId, Keeper, Span, Telling},
    service::deployments::{instant, maybe_instant},
};

/// Longest name, in characters.
const NAME_MAX: usize = 200;
/// Longest note, in characters: a stack trace.
const NOTE_MAX: usize = 20_000;
/// Services and teams at most.
const NAMES_MAX: usize = 50;

/// What is told of an incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    services: BTreeSet<String>,
    #[serde(default)]
    teams: BTreeSet<String>,
    env: Option<String>,
    severity: Option<u8>,
    #[serde(deserialize_with = "instant")]
    started_at: DateTime<Utc>,
    #[serde(default, deserialize_with = "maybe_instant")]
    detected_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "maybe_instant")]
    finished_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "maybe_instant")]
    updated_at: Option<DateTime<Utc>>,
    #[serde(default)]
    test: bool,
}

impl Told {
    /// What it tells; `scope` is whose ids they are. It is said when it was updated, else at the latest time that it holds:
    /// said once more it is the same, and the end is a later word than the beginning.
    pub(super) fn telling(self, scope: &str) -> Result<Telling, Wrong> {
        self.check()?;
        let latest = [Some(self.started_at), self.detected_at, self.finished_at].into_iter().flatten().max();
        let id = IncidentId { keeper: Keeper::Api, id: format!("{scope}/{}", self.id) };
        let said_at = self.updated_at.or(latest).unwrap_or(self.started_at);
        Ok(Telling {
            title: self.title,
            note: self.note,
            services: self.services,
            teams: self.teams,
            env: self.env,
            severity: self.severity,
            began_at: Some(self.started_at),
            detected_at: self.detected_at,
            activity: Activity::Spans(vec![Span { from: self.started_at, to: self.finished_at }]),
            test: self.test,
            ..Telling::new(id, said_at)
        })
    }

    fn check(&self) -> Result<(), Wrong> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if !(1..=128).contains(&self.id.len()) || !self.id.chars().all(plain) {
            return Err(Wrong::Field("id", "has 1 to 128 letters, digits, dots, dashes, colons and underscores"));
        }
        if self.services.len() > NAMES_MAX || self.teams.len() > NAMES_MAX {
            return Err(Wrong::Field("services or teams", "are more than 50"));
        }
        let names =
            self.services.iter().map(|name| ("services", name)).chain(self.teams.iter().map(|name| ("teams", name)));
        for (name, text) in names.chain(self.env.as_ref().map(|env| ("env", env))) {
            if text.trim().is_empty() || text.chars().count() > NAME_MAX || text.chars().any(char::is_control) {
                return Err(Wrong::Field(name, "is empty, too long, or holds control characters"));
            }
        }
        if self.title.chars().count() > NAME_MAX || self.note.chars().count() > NOTE_MAX {
            return Err(Wrong::Field("title or note", "is too long"));
        }
        if self.severity.is_some_and(|severity| severity > 5) {
            return Err(Wrong::Field("severity", "is 0 for the worst to 5"));
        }
        let times = [Some(self.started_at), self.detected_at, self.finished_at, self.updated_at];
        if times.into_iter().flatten().any(|at| !(1970..=2200).contains(&at.year())) {
            return Err(Wrong::Field("a time", "is none that can be meant"));
        }
        if self.finished_at.is_some_and(|to| to < self.started_at) {
            return Err(Wrong::Field("finished_at", "is before started_at"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::deployment::incident::fold;

    fn telling(json: &str) -> Result<Telling, String> {
        let told: Told = serde_json::from_str(json).map_err(|error| error.to_string())?;
        told.telling("repository-7").map_err(|error| error.to_string())
    }

    #[test]
    fn an_incident_is_told_in_our_words() {
        let began =
            r#"{"id": "INC-7", "title": "Refunds fail", "services": ["pay"], "severity": 2, "started_at": 1780272000}"#;
        let ended = began.replace("\"started_at\"", "\"finished_at\": \"2026-06-01T00:30:00Z\", \"started_at\"");
        for order in [[began, &ended], [&ended, began]] {
            let told: Vec<Telling> = order.iter().map(|json| telling(json).unwrap()).collect();
            let found = fold(&told).remove(0);
            assert_eq!(found.id.id, "repository-7/INC-7");
            assert_eq!((found.time_to_restore(), found.severity), (Some(TimeDelta::minutes(30)), Some(2)));
        }
        assert_eq!(telling(began), telling(began), "said once more it is the same");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |more: &str, word: &str| {
            let json = format!(r#"{{"id": "7", "started_at": 1780272000{more}}}"#);
            assert!(telling(&json).unwrap_err().contains(word), "{more}");
        };
        check(r#", "who": "ada""#, "unknown field");
        check(r#", "severity": 6"#, "severity");
        check(r#", "services": [""]"#, "services");
        check(r#", "env": "a\nb""#, "env");
        check(r#", "finished_at": 1780271999"#, "finished_at");
        check(r#", "detected_at": "soon""#, "RFC 3339");
        check(&format!(r#", "title": "{}""#, "x".repeat(201)), "too long");
        assert!(
            telling(r#"{"started_at": 1780272000}"#).is_err() && telling(r#"{"id": "a/b", "started_at": 1}"#).is_err()
        );
    }
}
