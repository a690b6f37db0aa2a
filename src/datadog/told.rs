//! What Datadog says of deployments and incidents, in the words of the ledger.

use chrono::{DateTime, Utc};

use super::deployments::{Deployment, Event};
use super::incidents::{Incident, Severity};
use crate::deployment::incident::{Activity, IncidentId, Keeper, Span, Telling};
use crate::deployment::sighting::{Sighting, Source};

impl Deployment {
    /// What a deployment of DORA Metrics tells. It is there once it is over, and was asked for, so it is never late.
    pub fn sighting(&self) -> Sighting {
        Sighting {
            service: Some(self.service.clone()),
            env: self.env.clone(),
            version: self.version.clone(),
            commit_sha: self.commit_sha.clone(),
            repository: self.repository.clone(),
            started_at: Some(self.started_at),
            finished_at: self.finished_at,
            ..Sighting::new(Source::DatadogDora, self.id.as_str(), self.at())
        }
    }
}

impl Event {
    /// What an event tells whose tags are `deployment` and `service:NAME`; `None` of any other.
    pub fn sighting(&self) -> Option<Sighting> {
        let tag =
            |key: &str| self.tags.iter().find_map(|tag| Some(tag.strip_prefix(key)?.strip_prefix(':')?.to_owned()));
        let told = self.tags.iter().any(|tag| tag == "deployment");
        Some(Sighting {
            service: Some(tag("service").filter(|_| told)?),
            env: tag("env"),
            team: tag("team"),
            version: tag("version"),
            commit_sha: tag("git.commit.sha"),
            repository: tag("git.repository_url").or_else(|| tag("git.repository.id")),
            ..Sighting::new(Source::DatadogEvent, self.id.as_str(), self.at)
        })
    }
}

impl Incident {
    /// What an incident tells, as it was answered at `as_of`; `env_field` is the organisation's own field with the
    /// environment.
    pub fn telling(&self, as_of: DateTime<Utc>, env_field: &str) -> Telling {
        let spans = self.active.iter().map(|(from, to)| Span { from: *from, to: *to });
        let whole = || Some(Span { from: self.declared.or(self.created)?, to: Some(self.resolved?) });
        let activity = match (self.active.is_empty(), whole()) {
            (false, _) => Activity::Spans(spans.collect()),
            // The most that it can have been: it counts time in which it was stable.
            (true, Some(whole)) => Activity::Spans(vec![whole]),
            (true, None) => Activity::Untold,
        };
        Telling {
            title: self.title.clone(),
            services: self.services.iter().cloned().collect(),
            teams: self.teams.iter().cloned().collect(),
            env: self.field(env_field).first().cloned(),
            severity: match self.severity {
                Severity::Sev(number) => Some(number),
                Severity::Unknown => None,
            },
            began_at: self.began(as_of),
            detected_at: self.detected.or(self.declared).filter(|at| *at <= as_of),
            activity,
            test: self.is_test,
            ..Telling::new(IncidentId { keeper: Keeper::Datadog, id: self.id.clone() }, as_of)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::incidents::IncidentState;
    use super::*;
    use crate::deployment::incident::fold;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000 + minute * 60, 0).unwrap()
    }

    #[test]
    fn an_event_is_a_deployment_by_its_tags() {
        let event = |tags: &[&str]| Event {
            id: "1".into(),
            title: "Deployed".into(),
            at: at(0),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            source: "My Apps".into(),
            path: None,
        };
        let told = event(&["deployment", "service:pay", "version:1.2", "env:prod", "versions:9"]).sighting().unwrap();
        assert_eq!((told.service.as_deref(), told.version.as_deref()), (Some("pay"), Some("1.2")));
        assert_eq!((told.env.as_deref(), told.said_at), (Some("prod"), at(0)));
        assert!(event(&["service:pay", "version:1.2"]).sighting().is_none());
        assert!(event(&["deployment", "version:1.2"]).sighting().is_none());
    }

    #[test]
    fn an_incident_tells_its_time_in_active() {
        let incident =
            |active: Vec<(DateTime<Utc>, Option<DateTime<Utc>>)>, resolved: Option<DateTime<Utc>>| Incident {
                id: "i".into(),
                number: Some(7),
                title: "Refunds fail".into(),
                state: IncidentState::Active,
                severity: Severity::Sev(2),
                created: Some(at(0)),
                modified: None,
                declared: Some(at(1)),
                detected: None,
                resolved,
                customer_impact_start: Some(at(-5)),
                customer_impact_end: None,
                active,
                services: vec!["pay".into()],
                teams: Vec::new(),
                fields: vec![("env".into(), vec!["prod".into()])],
                is_test: false,
            };
        let minutes = |one: Incident| {
            let found = fold(&[one.telling(at(100), "env")]).remove(0);
            assert_eq!((found.began_at, found.detected_at, found.severity), (at(-5), Some(at(1)), Some(2)));
            assert_eq!(found.env.as_deref(), Some("prod"));
            found.time_to_restore().map(|took| took.num_minutes())
        };
        assert_eq!(minutes(incident(vec![(at(1), Some(at(11))), (at(30), Some(at(35)))], Some(at(40)))), Some(15));
        assert_eq!(minutes(incident(vec![(at(1), None)], None)), None);
        // Without spans the most that it can have been, and nothing while it goes on.
        assert_eq!(minutes(incident(Vec::new(), Some(at(40)))), Some(39));
        assert_eq!(minutes(incident(Vec::new(), None)), None);
    }
}
