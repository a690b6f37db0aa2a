//! The metrics as people and programs read them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    deployment::{
        change::{Change, ChangeId, Shipped},
        dora::Scope,
        incident::{Activity, IncidentId, Keeper, Span, Telling},
        overview::{Overview, overview},
        reckoning::{Rules, Told, reckon},
        sighting::{Sighting, Source, WitnessId},
    },
    report::terminal::Style,
};

const PLAIN: Style = Style { color: false, width: 100, unicode: true };

/// A Monday.
fn hour(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_272_000, 0).unwrap() + TimeDelta::hours(hour)
}

fn deployed(number: i64, service: &str, team: &str, at: i64, build: i64) -> Sighting {
    let text = |text: &str| Some(text.to_owned());
    Sighting {
        service: text(service),
        env: text("production"),
        team: text(team),
        commit_sha: Some(format!("{build:040x}")),
        started_at: Some(hour(at) - TimeDelta::minutes(6)),
        finished_at: Some(hour(at)),
        automated: Some(number % 8 != 0),
        ..Sighting::new(Source::Api, number.to_string(), hour(at))
    }
}

fn brought(shipped: &mut Shipped, number: i64, at: i64, commits: i64) {
    let files = BTreeSet::from([format!("src/part{number}.rs")]);
    let written = (1..=commits).map(|commit| hour(at) - TimeDelta::hours(5 * commit + number % 7)).collect();
    let change =
        Change { id: ChangeId::PullRequest(number.unsigned_abs()), pull_request: None, authored_at: written, files };
    shipped.insert(WitnessId { source: Source::Api, id: number.to_string() }, vec![change]);
}

fn incident(number: i64, service: &str, began: DateTime<Utc>, minutes: i64) -> Telling {
    let id = IncidentId { keeper: Keeper::Datadog, id: format!("incident-{number}") };
    let span = Span { from: began, to: Some(began + TimeDelta::minutes(minutes)) };
    Telling {
        services: [service.to_owned()].into(),
        began_at: Some(began),
        detected_at: Some(began + TimeDelta::minutes(4)),
        activity: Activity::Spans(vec![span]),
        ..Telling::new(id, began + TimeDelta::minutes(minutes))
    }
}

/// Eight weeks: a service that is deployed every day and fails every ninth time, once rolled back; one that is deployed
/// once a week; one whose name is meant to do harm.
fn weeks() -> (Told, Scope) {
    let mut told = Told::default();
    for day in 0..56 {
        let at = day * 24 + 10;
        // The build of the day before is brought back on day 28.
        let build = if day == 28 { 26 } else { day };
        told.sightings.push(deployed(day, "payments-api", "money", at, build));
        brought(&mut told.shipped, day, at, 1 + day % 3);
        if day % 9 == 0 {
            told.tellings.push(incident(day, "payments-api", hour(at) + TimeDelta::minutes(20), 30 + day));
        }
    }
    for week in 0..8 {
        told.sightings.push(deployed(100 + week, "cart", "shop", week * 168 + 14, 1_000 + week));
    }
    told.sightings.push(deployed(200, "evil\u{1b}[31m\u{202e}<img src=x>", "shop", 300, 2_000));
    let mut orphan = deployed(300, "cart", "shop", 200, 3_000);
    orphan.service = None;
    told.sightings.push(orphan);
    (told, Scope::all(hour(0), hour(56 * 24)))
}

fn seen(told: Told, scope: &Scope) -> (Overview, DateTime<Utc>) {
    let now = scope.to + TimeDelta::hours(1);
    (overview(&reckon(told, &Rules::default(), now), scope), now)
}

#[test]
fn eight_weeks_as_a_person_reads_them() {
    let (told, scope) = weeks();
    let (overview, now) = seen(told, &scope);
    insta::assert_snapshot!(text(&overview, now, PLAIN), @"
Deployments to production of all services
2026-06-01 00:00 UTC to 2026-07-27 00:00 UTC, 56 days

Deployment frequency      1.16 a day, daily     ████████
  65 deployments on 56 of 56 days
Change lead time          11 h                  ████████
  half of 111 commits took at most this; p75 14.5 h, p95 19 h; what 9 deployments brought is not
  known
Change fail rate          10.8 %                ████▁███
  7 of 65 deployments whose outcome is known: 7 by incident, 1 rolled back
Recovery time             ~57 min               ▄▅▅▆·▇██
  half of 7 failed deployments took at most this; p90 79 min
Rework rate               1.5 %                 ▁▁▁▁█▁▁▁
  1 of 65 deployments that remedy an earlier one
Rollback rate             1.5 %                 ▁▁▁▁█▁▁▁
  1 of 65 deployments that bring back an earlier build
Detection time            ~30 min               ████·███
  of 7 failed deployments with an incident
Started by a program      86.2 %                █▇██▇███
  56 of 65 deployments of which it is known
Pipeline success          100 %                 ████████
  65 of 65 rollouts to production went well

Each bar is 7 days, the last one ends with the window; · is no figure.
~ is a figure of fewer than 10: too few to rely on.

Services
                               deployments    lead time  fail rate  recovery time   rework
  payments-api                          56         11 h     12.5 %        ~57 min    1.8 %
  cart                                   8            –       ~0 %              –     ~0 %
  evil␛[31m⟨U+202E⟩<img src=x>           1            –       ~0 %              –     ~0 %

Teams
           deployments    lead time  fail rate  recovery time   rework
  money             56         11 h     12.5 %        ~57 min    1.8 %
  shop               9            –       ~0 %              –     ~0 %

What is odd
  1 of no known service: in no figure, the oldest 47 days ago");
}

#[test]
fn no_character_from_outside_reaches_a_terminal() {
    let (told, mut scope) = weeks();
    let plain = |scope: &Scope, style: Style| {
        let (overview, now) = seen(told.clone(), scope);
        text(&overview, now, style)
    };
    let shown = plain(&scope, PLAIN);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()) && !shown.contains('\u{202e}'));
    let ascii = plain(&scope, Style { unicode: false, ..PLAIN });
    assert!(ascii.is_ascii() && ascii.contains('#'), "{ascii}");
    scope.service = Some("\u{1b}[2J".to_owned());
    let nothing = plain(&scope, PLAIN);
    assert!(!nothing.contains('\u{1b}') && nothing.contains("No deployment to production is known"));
}

#[test]
fn few_and_none_are_said() {
    let (mut told, scope) = weeks();
    told.sightings.truncate(6);
    let (overview, now) = seen(told, &scope);
    let shown = text(&overview, now, PLAIN);
    assert!(shown.contains("~16.7 %") && shown.contains("fewer than 10: too few to rely on"), "{shown}");
    let document = json(&overview, now);
    let fail = &document["metrics"]["change_fail_rate"];
    assert_eq!((&fail["count"], &fail["of"], &fail["enough"]), (&1.into(), &6.into(), &false.into()));
    let (overview, now) = seen(Told::default(), &scope);
    let document = json(&overview, now);
    let metrics = &document["metrics"];
    assert!(metrics["change_fail_rate"]["ratio"].is_null() && metrics["change_lead_time"]["commits"].is_null());
    assert_eq!(
        (&metrics["deployment_frequency"]["deployments"], &document["services"]),
        (&0.into(), &serde_json::json!([]))
    );
}

/// The document and what it is made of name no person.
#[test]
fn the_document_knows_nobody() {
    let (told, scope) = weeks();
    let (overview, now) = seen(told, &scope);
    let document = json(&overview, now);
    assert_eq!(document["schema"], "mergecast.dora/1");
    assert_eq!(document["course"]["parts"].as_array().map(Vec::len), Some(8));
    let text = document.to_string();
    for word in ["author", "login", "email", "user", "actor", "creator", "sender"] {
        assert!(!text.contains(&format!("\"{word}\"")), "{word}");
    }
}
