//! What a webhook says: the incident as it stands, or a note that somebody wrote to it. People in it are not read.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::mapping::Mapping;
use crate::deployment::incident::{Activity, IncidentId, Keeper, Telling};

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The event's id.
    pub id: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Of what.
    pub said: Said,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// How an incident stands.
    Incident(PagedIncident),
    /// What somebody wrote to one.
    Note {
        /// Id of the incident.
        incident: String,
        /// What was written. Untrusted.
        text: String,
    },
    /// Something that tells nothing of when an incident did damage, or to what.
    Nothing,
}

/// An incident, as PagerDuty has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagedIncident {
    /// Its id.
    pub id: String,
    /// Title. Untrusted.
    pub title: String,
    /// It is triggered or acknowledged, and not resolved.
    pub active: bool,
    /// When it was opened.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was opened again, after it had been resolved; the last time.
    #[serde(default)]
    pub reopened_at: Option<DateTime<Utc>>,
    /// Name of PagerDuty's service. Untrusted.
    pub service: String,
    /// Address of PagerDuty's service. Untrusted.
    pub service_url: Option<String>,
    /// Names of teams. Untrusted.
    pub teams: Vec<String>,
    /// 0 for the worst to 5, by the number in its priority's name; `None` without one.
    pub severity: Option<u8>,
}

/// The payload is no event of PagerDuty's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not understood: {0}")]
pub struct Malformed(&'static str);

/// Reads the body of a webhook.
///
/// # Errors
/// It is not what every event holds.
pub fn parse(body: &[u8]) -> Result<Notice, Malformed> {
    let Envelope { event } = serde_json::from_slice(body).map_err(|_| Malformed("no event"))?;
    let kind = event.data.get("type").and_then(Value::as_str).unwrap_or_default();
    let said = match kind {
        "incident" => {
            let body: IncidentBody =
                serde_json::from_value(event.data).map_err(|_| Malformed("an incident without its id"))?;
            Said::Incident(body.incident())
        }
        "incident_note" => {
            let body: NoteBody = serde_json::from_value(event.data).map_err(|_| Malformed("a note of no incident"))?;
            Said::Note { incident: body.incident.id, text: body.content.unwrap_or_default() }
        }
        _ => Said::Nothing,
    };
    Ok(Notice { id: event.id, occurred_at: event.occurred_at, said })
}

/// What a notice tells of an incident; `mapping` says of which service. `None` where it tells nothing.
pub fn telling(notice: &Notice, mapping: &Mapping) -> Option<Telling> {
    let id = |id: &str| IncidentId { keeper: Keeper::Pagerduty, id: id.to_owned() };
    match &notice.said {
        Said::Incident(paged) => {
            // That it was opened, or opened again, is told by every later event too, so that one that was lost is not
            // missed. Of one that was opened again it is not told how long it had been resolved: what was before is not
            // counted from here.
            let opened = paged.reopened_at.or(paged.created_at).map(|at| (at, true));
            let turns = opened.into_iter().chain([(notice.occurred_at, paged.active)]);
            Some(Telling {
                title: paged.title.clone(),
                services: mapping.services.clone(),
                teams: mapping.teams.clone(),
                env: mapping.env.clone(),
                mapped: mapping.by,
                severity: paged.severity,
                began_at: paged.created_at,
                detected_at: paged.created_at,
                activity: Activity::Turns(turns.collect()),
                ..Telling::new(id(&paged.id), notice.occurred_at)
            })
        }
        Said::Note { incident, text } => {
            Some(Telling { note: text.clone(), ..Telling::new(id(incident), notice.occurred_at) })
        }
        Said::Nothing => None,
    }
}

#[derive(Deserialize)]
struct Envelope {
    event: EventBody,
}

#[derive(Deserialize)]
struct EventBody {
    id: String,
    occurred_at: DateTime<Utc>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct IncidentBody {
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient")]
    reopened_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient")]
    service: Option<Reference>,
    #[serde(default, deserialize_with = "lenient")]
    teams: Option<Vec<Reference>>,
    #[serde(default, deserialize_with = "lenient")]
    priority: Option<Reference>,
}

#[derive(Deserialize)]
struct NoteBody {
    incident: Identified,
    #[serde(default, deserialize_with = "lenient")]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

#[derive(Default, Deserialize)]
struct Reference {
    summary: Option<String>,
    html_url: Option<String>,
}

impl IncidentBody {
    fn incident(self) -> PagedIncident {
        let service = self.service.unwrap_or_default();
        PagedIncident {
            id: self.id,
            title: self.title.unwrap_or_default(),
            active: self.status.is_none_or(|status| status != "resolved"),
            created_at: self.created_at,
            reopened_at: self.reopened_at,
            service: service.summary.unwrap_or_default(),
            service_url: service.html_url,
            teams: self.teams.unwrap_or_default().into_iter().filter_map(|team| team.summary).collect(),
            severity: self.priority.and_then(|priority| severity(&priority.summary?)),
        }
    }
}

/// `P1` is 1, `SEV-2` is 2; a name without a single digit from 0 to 5 says nothing that can be compared.
fn severity(priority: &str) -> Option<u8> {
    let mut digits = priority.bytes().filter(u8::is_ascii_digit);
    let digit = digits.next()? - b'0';
    (digits.next().is_none() && digit <= 5).then_some(digit)
}

/// A value that a wrong type makes absent, so that one odd field does not cost the whole incident.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;
    use crate::deployment::incident::{Mapped, fold};

    fn event(at: &str, data: Value) -> Vec<u8> {
        let agent = json!({"id": "PUSER01", "summary": "Somebody", "type": "user_reference"});
        json!({"event": {
            "id": format!("event-{at}"), "event_type": "incident.any", "resource_type": "incident",
            "occurred_at": format!("2026-03-04T{at}Z"), "agent": agent, "client": null, "data": data,
        }})
        .to_string()
        .into_bytes()
    }

    fn incident(status: &str) -> Value {
        json!({
            "id": "PINC001", "type": "incident", "number": 12, "status": status, "title": "Refunds fail",
            "created_at": "2026-03-04T10:00:00Z", "html_url": "https://shop.pagerduty.com/incidents/PINC001",
            "service": {"id": "PSVC001", "summary": "Payments", "html_url": "https://shop.pagerduty.com/services/PSVC001"},
            "teams": [{"id": "PTEAM01", "summary": "Checkout"}], "priority": {"summary": "P2"}, "urgency": "high",
            "assignees": [{"id": "PUSER02", "summary": "Somebody else"}], "resolve_reason": null,
        })
    }

    fn mapping() -> Mapping {
        Mapping { services: ["pay".to_owned()].into(), teams: BTreeSet::new(), env: None, by: Mapped::ByServiceName }
    }

    fn told(events: &[Vec<u8>]) -> Vec<crate::deployment::incident::Incident> {
        let tellings = events.iter().filter_map(|event| telling(&parse(event).unwrap(), &mapping()));
        fold(&tellings.collect::<Vec<_>>())
    }

    #[test]
    fn events_of_an_incident_make_one() {
        let note = json!({"type": "incident_note", "id": "PNOTE01", "content": "See refund.rs", "trimmed": false,
            "incident": {"id": "PINC001", "summary": "Refunds fail"}});
        let mut events = vec![
            event("10:00:01", incident("triggered")),
            event("10:05:00", incident("acknowledged")),
            event("10:06:00", note),
            event("10:30:00", incident("resolved")),
            event("11:00:00", incident("triggered")),
            event("11:10:00", incident("resolved")),
        ];
        for _ in 0..events.len() {
            events.rotate_left(1);
            let found = told(&[events.clone(), events[..2].to_vec()].concat());
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].time_to_restore(), Some(TimeDelta::minutes(40)));
            assert_eq!((found[0].severity, found[0].title.as_str()), (Some(2), "Refunds fail"));
            assert!(found[0].notes.contains("See refund.rs") && found[0].services.contains("pay"));
        }
        // Of one whose first events were lost its end tells the beginning.
        assert_eq!(told(&events[3..4]).len(), 1);
        let end = event("10:30:00", incident("resolved"));
        assert_eq!(told(&[end])[0].time_to_restore(), Some(TimeDelta::minutes(30)));
    }

    #[test]
    fn an_event_that_was_lost_is_told_by_a_later_one() {
        let reopened = |status: &str| {
            let mut data = incident(status);
            data["reopened_at"] = json!("2026-03-04T11:00:00Z");
            data
        };
        let events = [
            event("10:00:01", incident("triggered")),
            event("10:30:00", incident("resolved")),
            event("11:00:00", reopened("triggered")),
            event("11:10:00", reopened("resolved")),
        ];
        let without = |lost: &[usize]| {
            let kept = events.iter().enumerate().filter(|(at, _)| !lost.contains(at)).map(|(_, event)| event.clone());
            told(&kept.collect::<Vec<_>>())[0].time_to_restore()
        };
        let minutes = |minutes: i64| Some(TimeDelta::minutes(minutes));
        for lost in [&[][..], &[0], &[2], &[0, 2]] {
            assert_eq!(without(lost), minutes(40), "without {lost:?}");
        }
        // Nobody else tells when it was resolved first: of its first time nothing is known, rather than all until today.
        assert_eq!(without(&[0, 1]), minutes(10));
        assert_eq!(without(&[3]), None);
    }

    #[test]
    fn odd_fields_cost_only_themselves() {
        let mut data = incident("triggered");
        for field in ["title", "service", "teams", "priority", "created_at", "reopened_at"] {
            data[field] = json!(7);
        }
        let Said::Incident(paged) = parse(&event("10:00:01", data)).unwrap().said else { panic!("an incident") };
        assert_eq!((paged.id.as_str(), paged.title.as_str(), paged.service.as_str()), ("PINC001", "", ""));
        assert_eq!((paged.severity, paged.created_at, paged.active), (None, None, true));
        let other = parse(&event("10:00:01", json!({"type": "service", "id": "PSVC001"}))).unwrap();
        assert_eq!((other.said.clone(), telling(&other, &mapping())), (Said::Nothing, None));
        let refused: [&[u8]; 4] = [b"", b"{}", b"{\"event\":{}}", b"[1]"];
        assert!(refused.iter().all(|body| parse(body).is_err()));
        assert!(parse(&event("10:00:01", json!({"type": "incident"}))).is_err());
    }

    #[test]
    fn a_priority_is_a_severity_by_its_number() {
        let names = ["P1", "SEV-2", "Sev 0", "P5", "P6", "P10", "High", ""];
        assert_eq!(names.map(severity), [Some(1), Some(2), Some(0), Some(5), None, None, None, None]);
    }
}
