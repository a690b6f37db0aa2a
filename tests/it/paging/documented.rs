//! Every kind of data that PagerDuty documents for version 3 of its webhooks, typed anew with names of ours, and the
//! vectors of its signature, of which every byte counts.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::{
    deployment::incident::{Incident, Span, fold},
    pagerduty::{Catalogue, Said, map, parse, telling},
};
use serde_json::{Value, json};

use super::{Event, event, holding, incident, incidents, kept, reference, taking};
use crate::support::run_test_with;

/// A body with its signature, which Python's `hmac` made.
struct Vector {
    secret: &'static str,
    body: String,
    digest: &'static str,
}

impl Vector {
    fn signature(&self) -> String {
        format!("v1={}", self.digest)
    }
}

/// The body is one line, without the breaks that are here.
const PRIORITY_UPDATED: &str = r#"{"event":{"id":"5ac64822-4adc-4fda-ade0-410becf0de4f",
    "event_type":"incident.priority_updated","resource_type":"incident","occurred_at":"2020-10-02T18:45:22.169Z",
    "agent":{"html_url":"https://acme.pagerduty.com/users/PLH1HKV","id":"PLH1HKV",
    "self":"https://api.pagerduty.com/users/PLH1HKV","summary":"Tenex Engineer","type":"user_reference"},
    "client":{"name":"PagerDuty"},"data":{"id":"PGR0VU2","type":"incident",
    "self":"https://api.pagerduty.com/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2",
    "number":2,"status":"triggered","incident_key":"d3640fbd41094207a1c11e58e46b1662",
    "created_at":"2020-04-09T15:16:27Z","reopened_at":"2020-10-02T18:45:22Z","title":"A little bump in the road",
    "service":{"html_url":"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH",
    "self":"https://api.pagerduty.com/services/PF9KMXH","summary":"API Service","type":"service_reference"},
    "assignees":[{"html_url":"https://acme.pagerduty.com/users/PTUXL6G","id":"PTUXL6G",
    "self":"https://api.pagerduty.com/users/PTUXL6G","summary":"User 123","type":"user_reference"}],
    "escalation_policy":{"html_url":"https://acme.pagerduty.com/escalation_policies/PUS0KTE","id":"PUS0KTE",
    "self":"https://api.pagerduty.com/escalation_policies/PUS0KTE","summary":"Default",
    "type":"escalation_policy_reference"},"teams":[{"html_url":"https://acme.pagerduty.com/teams/PFCVPS0",
    "id":"PFCVPS0","self":"https://api.pagerduty.com/teams/PFCVPS0","summary":"Engineering","type":"team_reference"}],
    "priority":{"html_url":"https://acme.pagerduty.com/account/incident_priorities","id":"PSO75BM",
    "self":"https://api.pagerduty.com/priorities/PSO75BM","summary":"P1","type":"priority_reference"},
    "urgency":"high","conference_bridge":{"conference_number":"+1 1234123412,,987654321#",
    "conference_url":"https://example.com"},"resolve_reason":null}}}"#;

const SERVICE_UPDATED: &str = r#"{"event":{"id":"01BRB6ZP4M6T8ZG4X6BP63ZB9O","event_type":"service.updated",
    "resource_type":"service","occurred_at":"2021-03-02T13:35:11.682Z","agent":null,"client":null,
    "data":{"html_url":"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH",
    "self":"https://api.pagerduty.com/services/PF9KMXH","summary":"testing service updates",
    "alert_creation":"create_alerts_and_incidents","teams":[{"html_url":"https://acme.pagerduty.com/teams/PFCVPS0",
    "id":"PFCVPS0","self":"https://api.pagerduty.com/teams/PFCVPS0","summary":"Engineering","type":"team_reference"}],
    "type":"service"}}}"#;

/// Not ASCII, and without the id that every event has.
const NOT_ASCII: &str = r#"{"event":{"event_type":"incident.triggered","data":{"title":"Störung – 支付"}}}"#;

fn vectors() -> [Vector; 5] {
    [
        ("first-secret", PRIORITY_UPDATED, "a0179a34f89130cdcd662062da47ecec40b9bde497885bc95f16bcc38a63587b"),
        ("first-secret", SERVICE_UPDATED, "370b2cd66a139a2a5d2fac08644a4f4f3181415839dd5537ee7de5025e403386"),
        ("second-secret", PRIORITY_UPDATED, "b58a2227a35578962771d17540163bf0ee87fcf7c422059a1352ffd4639d216f"),
        ("second-secret", SERVICE_UPDATED, "6123db25360f8fbbeb1b7eb8a54f5b3ff09bc26dd1b4ffcc81b69124acc7a4fa"),
        ("first-secret", NOT_ASCII, "1e58e5348c8e149449c92ff80b0a6c4ddffc5c89484dd98c519e29668a71b776"),
    ]
    .map(|(secret, body, digest)| Vector { secret, body: body.lines().map(str::trim).collect(), digest })
}

fn signed(body: &str, signature: String) -> Event {
    Event { signature: Some(signature), ..Event::new(body) }
}

/// 202 is stored; 200 was stored before, or tells nothing; 400 is signed well, and no event; 401 is signed by nobody.
#[test]
fn a_vector_fits_its_secret_and_its_bytes_alone() {
    let cases: [(&[&str], [u16; 5]); 3] = [
        (&["first-secret"], [202, 200, 401, 401, 400]),
        (&["second-secret"], [401, 401, 202, 200, 401]),
        (&["first-secret", "second-secret"], [202, 200, 200, 200, 400]),
    ];
    for (secrets, expected) in cases {
        run_test_with(holding(secrets, None), async |ctx| {
            let vectors = vectors();
            for (at, vector) in vectors.iter().enumerate() {
                let name = format!("vector {} of {} to {secrets:?}", at + 1, vector.secret);
                let sent = signed(&vector.body, vector.signature());
                assert_eq!(sent.status(&ctx).await, expected[at], "{name}");
                let spaced = vector.body.replacen("\":", "\": ", 1);
                let other_bytes = signed(&spaced, vector.signature());
                assert_eq!(other_bytes.status(&ctx).await, 401, "{name}, the same in other bytes");
            }
            // While a secret is replaced PagerDuty signs with both: whoever holds one of them lets it in.
            let [updated, service, updated_too, service_too, _] = &vectors;
            for (one, other) in [(updated, updated_too), (updated_too, updated), (service, service_too)] {
                let both = format!("{},{}", one.signature(), other.signature());
                assert_eq!(signed(&one.body, both.clone()).status(&ctx).await, 200, "{both} to {secrets:?}");
                let of_another = if one.body == service.body { &updated.body } else { &service.body };
                assert_eq!(signed(of_another, both.clone()).status(&ctx).await, 401, "{both} to {secrets:?}");
            }
            ctx
        });
    }
}

/// Not by the service, which would forget an incident of 2020 within minutes.
#[test]
fn the_documented_incident_stands_as_it_is_told() {
    let [updated, ..] = vectors();
    let notice = parse(updated.body.as_bytes()).unwrap();
    let Said::Incident(paged) = &notice.said else { panic!("an incident: {notice:?}") };
    let mapping = map(paged, None, &Catalogue::default(), Some("prod"));
    let found = fold(&[telling(&notice, &mapping).unwrap()]);
    let [one] = found.as_slice() else { panic!("one incident: {found:?}") };
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    assert_eq!((one.id.id.as_str(), one.title.as_str()), ("PGR0VU2", "A little bump in the road"));
    assert_eq!(one.services, BTreeSet::from(["API Service".to_owned()]));
    assert_eq!(one.teams, BTreeSet::from(["Engineering".to_owned()]));
    assert_eq!((one.env.as_deref(), one.severity, one.test), (Some("prod"), Some(1), false));
    assert_eq!(one.began_at, time("2020-04-09T15:16:27Z"));
    // It was resolved in between, which nobody told: what is known is that it is active since it was opened again.
    assert_eq!(one.active, [Span { from: time("2020-10-02T18:45:22Z"), to: None }]);
}

/// An event as PagerDuty documents it: those of services name nobody who did it.
fn documented(number: usize, minute: i64, kind: &str, data: &Value) -> Event {
    let mut value = event(&format!("01DOCUMENTED{number:014}"), &clock(minute), data);
    let resource = kind.split('.').next();
    value["event"]["event_type"] = json!(kind);
    value["event"]["resource_type"] = json!(resource);
    if resource == Some("service") {
        value["event"]["agent"] = Value::Null;
        value["event"]["client"] = Value::Null;
    }
    Event::of(&value)
}

fn opened() -> DateTime<Utc> {
    "2026-03-03T09:00:00Z".parse().unwrap()
}

fn clock(minute: i64) -> String {
    (opened() + TimeDelta::minutes(minute)).format("%FT%H:%M:%S%.3fZ").to_string()
}

/// Minutes from when it was opened in which it was active.
fn active(incident: &Incident) -> String {
    let minute = |at: DateTime<Utc>| (at - opened()).num_minutes().to_string();
    let span = |span: &Span| format!("{}-{}", minute(span.from), span.to.map(minute).unwrap_or_default());
    incident.active.iter().map(span).collect::<Vec<_>>().join(" ")
}

/// An incident with all that the documentation shows.
fn shown(status: &str, priority: Option<&str>, reopened: Option<i64>) -> Value {
    let mut data = incident(status, "Payments", "Money");
    data["incident_type"] = json!({"name": "major"});
    data["conference_bridge"] =
        json!({"conference_number": "+49 30 901820,,12345#", "conference_url": "https://meet.example/bridge"});
    data["priority"] = priority.map_or(Value::Null, |name| reference("priorities", "PPRI002", "priority", name));
    data["reopened_at"] = reopened.map_or(Value::Null, |minute| json!(clock(minute)));
    data
}

/// A kind of event and its data.
type Told = (&'static str, Value);

/// Events that tell nothing of when an incident did damage, or to what, though most of them are of one.
fn silent() -> Vec<Told> {
    [of_talk(), of_work(), of_fields_and_services()].into_iter().flatten().collect()
}

fn refunds(name: Option<&str>) -> Value {
    reference("incidents", "PINC001", "incident", name)
}

fn user() -> Value {
    reference("users", "PUSR002", "user", "Somebody Third")
}

fn of_talk() -> Vec<Told> {
    let bridge = json!({
        "incident": refunds(Some("Refunds fail")), "conference_numbers": [{"label": "", "number": "+49-30-901820"}],
        "conference_url": "https://meet.example/bridge", "type": "incident_conference_bridge",
    });
    let role = json!({
        "type": "incident_role_assignment",
        "incident_role_assignments": [{
            "assignee": user(), "id": "0b0c6d5e-5c3f-4a53-9f0e-6f2f5d3c1a77", "incident": refunds(None),
            "old_assignee": null, "role": {"id": "PROL001", "summary": "Commander", "type": "role_reference"},
            "status": "active", "type": "role_assignment_reference",
        }],
    });
    let update = json!({
        "incident": refunds(Some("Refunds fail")), "id": "PUPD001", "message": "We know the cause", "trimmed": false,
        "type": "incident_status_update",
    });
    let responder = json!({
        "incident": refunds(Some("Refunds fail")), "user": user(),
        "escalation_policy": reference("escalation_policies", "PESC002", "escalation_policy", "Databases"),
        "message": "Please have a look", "state": "pending", "type": "incident_responder",
    });
    vec![
        ("incident.conference_bridge.updated", bridge),
        ("incident.role.assigned", role),
        ("incident.status_update_published", update),
        ("incident.responder.added", responder),
    ]
}

fn of_work() -> Vec<Told> {
    let task = json!({
        "name": "Tell the shops", "description": "All that sell abroad", "id": "PTSK001", "summary": "Tell the shops",
        "type": "incident_task", "status": "todo", "assignees": [user()], "incident": refunds(None),
    });
    let trigger = "c7a2f1de-0d43-4b58-8a2b-52a7c3f0e9b1";
    let workflow = json!({
        "id": "PWFI001", "type": "incident_workflow_instance", "summary": "Gather the people",
        "incident_workflow": reference("incident_workflows", "PWFL001", "incident_workflow", "Gather"),
        "workflow_trigger": {
            "html_url": null, "id": trigger, "summary": "By hand", "type": "workflow_trigger_reference",
            "self": format!("https://api.pagerduty.com/incident_workflows/triggers/{trigger}"),
        },
        "incident": refunds(Some("Refunds fail")), "service": reference("services", "PSVC001", "service", "Payments"),
    });
    let invocation = json!({
        "id": "01INVOCATION", "self": "https://api.pagerduty.com/automation/invocations/01INVOCATION",
        "html_url": "https://shop.pagerduty.com/rundeck-actions/actions/01ACT/invocations/01INVOCATION/report",
        "incident": refunds(Some("Refunds fail")),
        "action": reference("rundeck-actions/actions", "01ACT", "action", "Restart"),
        "state": "created", "type": "incident_action_invocation",
    });
    vec![
        ("incident.task.created", task),
        ("incident.workflow.started", workflow),
        ("incident.action_invocation.created", invocation),
    ]
}

fn of_fields_and_services() -> Vec<Told> {
    let field = |name: &str, kind: &str, value: Value| {
        json!({
            "data_type": "string", "field_type": kind, "id": format!("PFLD-{name}"), "name": name,
            "type": "field_value", "value": value,
        })
    };
    let of_incidents = |name: &str, value: &str| {
        let mut field = field(name, "single_value", json!(value));
        field["namespace"] = json!("incidents");
        field
    };
    // What an organisation calls its fields is not known: the environment is the webhook's.
    let values = json!({
        "incident": refunds(None),
        "custom_fields": [of_incidents("environment", "staging"), of_incidents("region", "EU")],
        "changed_custom_fields": [of_incidents("environment", "test")], "type": "incident_field_values",
    });
    let service = json!({
        "html_url": "https://shop.pagerduty.com/services/PSVC001", "id": "PSVC001",
        "self": "https://api.pagerduty.com/services/PSVC001", "summary": "Payments",
        "alert_creation": "create_alerts_and_incidents", "teams": [reference("teams", "PTEA001", "team", "Money")],
        "type": "service",
    });
    let of_service = json!({
        "service": reference("services", "PSVC001", "service", None),
        "custom_fields": [
            field("regions", "multi_value", json!(["EU", "US"])), field("tier", "single_value", json!("gold")),
        ],
        "changed_custom_fields": [field("tier", "single_value", json!("silver"))], "type": "service_field_values",
    });
    vec![
        ("incident.custom_field_values.updated", values),
        ("service.updated", service),
        ("service.custom_field_values.updated", of_service),
    ]
}

/// The life of an incident, told by the events that Datadog subscribes to for its own import. After each all the silent
/// ones come too, and change nothing.
#[test]
fn each_documented_event_changes_what_it_tells() {
    let note = json!({
        "incident": reference("incidents", "PINC001", "incident", "Refunds fail"), "id": "PNOT001",
        "content": "It is src/refund.rs", "trimmed": false, "type": "incident_note",
    });
    let story = [
        ("incident.triggered", 0, shown("triggered", None, None), "0-", None),
        ("incident.acknowledged", 2, shown("acknowledged", None, None), "0-", None),
        ("incident.priority_updated", 3, shown("acknowledged", Some("P2"), None), "0-", Some(2)),
        ("incident.escalated", 4, shown("acknowledged", Some("P2"), None), "0-", Some(2)),
        ("incident.delegated", 5, shown("triggered", Some("P2"), None), "0-", Some(2)),
        ("incident.reassigned", 6, shown("triggered", Some("P2"), None), "0-", Some(2)),
        ("incident.annotated", 7, note, "0-", Some(2)),
        ("incident.unacknowledged", 8, shown("triggered", Some("SEV-1"), None), "0-", Some(1)),
        ("incident.resolved", 30, shown("resolved", Some("SEV-1"), None), "0-30", Some(1)),
        ("incident.reopened", 40, shown("triggered", Some("SEV-1"), Some(40)), "0-30 40-", Some(1)),
        // Nobody can tell whether it is worse without a priority: the last one stands.
        ("incident.resolved", 45, shown("resolved", None, Some(40)), "0-30 40-45", Some(1)),
    ];
    run_test_with(taking(Some("prod")), async |ctx| {
        for (at, (kind, minute, data, spans, severity)) in story.iter().enumerate() {
            assert_eq!(documented(at, *minute, kind, data).status(&ctx).await, 202, "{kind}");
            for (number, (kind, data)) in silent().iter().enumerate() {
                let (status, _, answer) = documented(100 * (at + 1) + number, *minute, kind, data).send(&ctx).await;
                assert_eq!((status, &answer["status"]), (200, &json!("ignored")), "{kind}");
            }
            assert_eq!(kept(&ctx), i64::try_from(at).unwrap() + 1, "{kind}");
            let found = incidents(&ctx).await;
            let [one] = found.as_slice() else { panic!("{kind}: one incident: {found:?}") };
            assert_eq!((active(one).as_str(), one.severity), (*spans, *severity), "{kind} at {minute}");
            assert_eq!((one.began_at, one.env.as_deref()), (opened(), Some("prod")), "{kind}");
            assert_eq!(one.services, BTreeSet::from(["Payments".to_owned()]), "{kind}");
            assert_eq!(one.teams, BTreeSet::from(["Money".to_owned()]), "{kind}");
            assert_eq!(one.notes.contains("It is src/refund.rs"), *minute >= 7, "{kind}");
        }
        let told = serde_json::to_string(&ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap()).unwrap();
        assert!(!told.contains("Somebody"), "who was paged is not kept");
        ctx
    });
}
