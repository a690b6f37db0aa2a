//! `POST /webhooks/pagerduty`: what is let in and how it is answered, and which incident comes of it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::{
    deployment::incident::{Incident, Mapped, fold},
    service::{Operations, PagerDutySettings},
};
use rusqlite::Connection;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    post::signature,
    sources::connect,
    support::{Ctx, Setup, run_test, run_test_with},
};

mod documented;

const SECRET: &str = "first-secret";

fn taking(env: Option<&str>) -> Setup {
    holding(&[SECRET], env)
}

fn holding(secrets: &[&str], env: Option<&str>) -> Setup {
    let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    let pagerduty = PagerDutySettings { secrets, env: env.map(str::to_owned) };
    Setup { operations: Operations { pagerduty, ..Operations::default() }, ..Setup::default() }
}

/// An event; a part that is `None` is left out.
struct Event {
    content_type: Option<&'static str>,
    signature: Option<String>,
    body: Vec<u8>,
}

/// One signature, as PagerDuty writes it.
fn signed(secret: &str, body: &[u8]) -> String {
    signature(secret, body).replace("sha256=", "v1=")
}

impl Event {
    fn new(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { content_type: Some("application/json"), signature: Some(signed(SECRET, &body)), body }
    }

    fn of(value: &Value) -> Self {
        Self::new(value.to_string())
    }

    async fn send(&self, ctx: &Ctx) -> (u16, Option<String>, Value) {
        let mut request = ctx.http.post(ctx.url("/webhooks/pagerduty")).body(self.body.clone());
        if let Some(kind) = self.content_type {
            request = request.header("content-type", kind);
        }
        if let Some(signature) = &self.signature {
            request = request.header("x-pagerduty-signature", signature);
        }
        let answer = request.send().await.unwrap();
        let (status, again) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
        let body = answer.bytes().await.unwrap();
        (
            status,
            again.map(|after| after.to_str().unwrap().to_owned()),
            serde_json::from_slice(&body).unwrap_or_default(),
        )
    }

    async fn status(&self, ctx: &Ctx) -> u16 {
        self.send(ctx).await.0
    }
}

/// An event as PagerDuty documents it, with these data.
fn event(id: &str, at: &str, data: &Value) -> Value {
    let person = json!({
        "html_url": "https://shop.pagerduty.com/users/PLH0001", "id": "PLH0001",
        "self": "https://api.pagerduty.com/users/PLH0001", "summary": "Somebody Unnamed", "type": "user_reference",
    });
    json!({"event": {
        "id": id, "event_type": "incident.triggered", "resource_type": "incident", "occurred_at": at, "agent": person,
        "client": {"name": "PagerDuty"}, "data": data,
    }})
}

/// How PagerDuty points at a resource, in `path` of its pages; some have no summary.
fn reference<'a>(path: &str, id: &str, kind: &str, name: impl Into<Option<&'a str>>) -> Value {
    json!({
        "html_url": format!("https://shop.pagerduty.com/{path}/{id}"), "id": id,
        "self": format!("https://api.pagerduty.com/{path}/{id}"), "summary": name.into(),
        "type": format!("{kind}_reference"),
    })
}

fn incident(status: &str, service: &str, team: &str) -> Value {
    json!({
        "id": "PINC001", "type": "incident", "self": "https://api.pagerduty.com/incidents/PINC001",
        "html_url": "https://shop.pagerduty.com/incidents/PINC001", "number": 2, "status": status,
        "incident_key": "d3640fbd41094207a1c11e58e46b1662", "created_at": "2026-03-03T09:00:00Z",
        "title": "Refunds fail", "service": reference("services", "PSVC001", "service", service),
        "assignees": [reference("users", "PUSR001", "user", "Somebody Else")],
        "escalation_policy": reference("escalation_policies", "PESC001", "escalation_policy", "Default"),
        "teams": [reference("teams", "PTEA001", "team", team)],
        "priority": reference("priorities", "PPRI001", "priority", "P1"),
        "urgency": "high", "conference_bridge": null, "resolve_reason": null,
    })
}

/// What the incidents come to that were told.
async fn incidents(ctx: &Ctx) -> Vec<Incident> {
    ctx.settle().await;
    fold(&ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap())
}

fn kept(ctx: &Ctx) -> i64 {
    let database = Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    database.query_row("SELECT COUNT(*) FROM inbox WHERE event = 'pagerduty'", [], |row| row.get(0)).unwrap()
}

#[test]
fn each_event_gets_its_status_and_is_kept_before() {
    run_test_with(taking(None), async |ctx| {
        let good =
            event("01BRB6ZP4M6T8ZG4X6BP63ZB9O", "2026-03-03T09:00:01Z", &incident("triggered", "Payments", "Money"));
        let with = |change: &dyn Fn(&mut Value)| {
            let mut value = good.clone();
            change(&mut value);
            Event::of(&value)
        };
        let two = |one: String, other: String| Event { signature: Some(format!("{one},{other}")), ..Event::of(&good) };
        let bytes = good.to_string().into_bytes();
        let cases = [
            ("no signature", Event { signature: None, ..Event::of(&good) }, 401),
            ("another secret", Event { signature: Some(signed("second-secret", &bytes)), ..Event::of(&good) }, 401),
            (
                "another version",
                Event { signature: Some(signed(SECRET, &bytes).replace("v1", "v2")), ..Event::of(&good) },
                401,
            ),
            ("another body", Event { body: b"{}".to_vec(), ..Event::of(&good) }, 401),
            ("a form", Event { content_type: Some("application/x-www-form-urlencoded"), ..Event::of(&good) }, 415),
            ("no type", Event { content_type: None, ..Event::of(&good) }, 415),
            ("nothing", Event::new(""), 400),
            ("no event", Event::new("{}"), 400),
            ("half of it", Event::new(&bytes[..bytes.len() - 1]), 400),
            ("no id", with(&|value| value["event"]["id"] = json!("")), 400),
            ("a strange id", with(&|value| value["event"]["id"] = json!("a b")), 400),
            ("an incident without an id", with(&|value| value["event"]["data"] = json!({"type": "incident"})), 400),
            ("a service", with(&|value| value["event"]["data"]["type"] = json!("service")), 200),
            // PagerDuty signs with both secrets while one of them is replaced.
            ("an incident", two(signed("second-secret", &bytes), signed(SECRET, &bytes)), 202),
            ("the same once more", Event::of(&good), 200),
            ("the same id, another body", with(&|value| value["event"]["data"]["title"] = json!("Other")), 200),
        ];
        let mut stored = 0;
        for (name, event, expected) in cases {
            let (status, again, answer) = event.send(&ctx).await;
            assert_eq!((status, again), (expected, None), "{name}: {answer}");
            assert!(status < 300 || answer["error"].is_string() && answer["hint"].is_string(), "{name}: {answer}");
            stored += i64::from(status == 202);
            assert_eq!(kept(&ctx), stored, "{name}");
        }
        let large = Event::new(vec![b' '; 1_048_577]);
        assert_eq!(large.status(&ctx).await, 413);
        let got = ctx.http.get(ctx.url("/webhooks/pagerduty")).send().await.unwrap();
        assert_eq!(got.status(), 405);
        ctx
    });
}

#[test]
fn without_a_secret_pagerduty_is_asked_to_come_again() {
    run_test(async |ctx| {
        let (status, again, answer) = Event::new("{}").send(&ctx).await;
        assert_eq!((status, again.as_deref()), (503, Some("30")));
        assert!(answer["hint"].as_str().unwrap().contains("PAGERDUTY_WEBHOOK_SECRET"), "{answer}");
        assert_eq!(kept(&ctx), 0);
        ctx
    });
}

#[test]
fn events_in_any_order_make_one_incident() {
    run_test_with(taking(Some("prod-eu")), async |ctx| {
        let note = json!({
            "incident": {"id": "PINC001", "summary": "Refunds fail", "type": "incident_reference"}, "id": "PNOT001",
            "content": "See src/refund.rs", "trimmed": false, "type": "incident_note",
        });
        let told = [
            ("E4", "2026-03-03T09:40:00Z", incident("resolved", "Payments", "Money")),
            ("E2", "2026-03-03T09:05:00Z", incident("acknowledged", "Payments", "Money")),
            ("E3", "2026-03-03T09:10:00Z", note),
            ("E1", "2026-03-03T09:00:01Z", incident("triggered", "Payments", "Money")),
        ];
        for _ in 0..2 {
            for (id, at, data) in &told {
                let status = Event::of(&event(id, at, data)).status(&ctx).await;
                assert!(status == 202 || status == 200);
            }
        }
        let found = incidents(&ctx).await;
        assert_eq!(found.len(), 1);
        let one = &found[0];
        assert_eq!(one.time_to_restore(), Some(TimeDelta::minutes(40)));
        assert_eq!(one.began_at, "2026-03-03T09:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!((one.severity, one.env.as_deref(), one.title.as_str()), (Some(1), Some("prod-eu"), "Refunds fail"));
        assert!(one.notes.contains("See src/refund.rs"));
        assert_eq!((one.services.len(), one.services.contains("Payments")), (1, true), "PagerDuty's own name");
        let stored = serde_json::to_string(&ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap()).unwrap();
        assert!(!stored.contains("Somebody"), "who was paged is not kept");
        ctx
    });
}

#[test]
fn the_catalogue_says_which_service_it_is() {
    run_test_with(taking(None), async |mut ctx| {
        let datadog = connect(&mut ctx, "datadoghq.com").await;
        datadog.define(json!({
            "schema-version": "v2.2", "dd-service": "payments-api", "team": "money",
            "integrations": {"pagerduty": {"service-url": "https://shop.pagerduty.com/service-directory/PSVC001"}},
        }));
        datadog.define(json!({"schema-version": "v2.2", "dd-service": "mail", "team": "letters"}));
        let tell = async |id: &str, service: &str, team: &str, incident_id: &str| {
            let mut data = incident("triggered", service, team);
            data["id"] = json!(incident_id);
            if incident_id != "PINC001" {
                data["service"]["html_url"] = json!("https://shop.pagerduty.com/services/POTHER1");
            }
            assert_eq!(Event::of(&event(id, "2026-03-03T09:00:01Z", &data)).status(&ctx).await, 202);
        };
        tell("E1", "Payments (all)", "Nobody", "PINC001").await;
        tell("E2", "Mail", "Nobody", "PINC002").await;
        tell("E3", "Postbox", "Letters", "PINC003").await;
        tell("E4", "Letters", "Nobody", "PINC004").await;
        tell("E5", "Postbox", "Nobody", "PINC005").await;
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        ctx.settle().await;
        let mut told = ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap();
        told.sort_by(|one, other| one.incident.cmp(&other.incident));
        let found: Vec<_> = told.iter().map(|one| (names(&one.services), names(&one.teams), one.mapped)).collect();
        let expected = [
            ("payments-api", "money", Mapped::ByAddress),
            ("mail", "letters", Mapped::ByServiceName),
            ("", "letters", Mapped::ByTeamName),
            ("", "letters", Mapped::ByServiceNamedAsTeam),
            ("Postbox", "Nobody", Mapped::ByOwnName),
        ];
        assert_eq!(found, expected.map(|(services, teams, by)| (services.to_owned(), teams.to_owned(), by)));
        ctx
    });
}
