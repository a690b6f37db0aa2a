//! Deployments as DORA Metrics lists them, and the event stream.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    super::{
        Asked,
        search::Query,
        world::{DeploymentRecord, EventRecord, World},
    },
    Answer, Outcome,
};

/// Most deployments and events in an answer.
const PAGE: usize = 1_000;

pub(super) fn list(world: &World, asked: &Asked) -> Outcome {
    let bad = |detail: &str| Answer::objects(400, "Bad Request", detail);
    let data = &asked.body["data"];
    let kind = data["type"].as_str().unwrap_or_default();
    if kind != "dora_deployments_list_request" {
        // The document calls the type optional.
        return Err(bad(&format!("got type {kind:?} expected one of \"dora_deployments_list_request\"")));
    }
    let attributes = &data["attributes"];
    let instant = |name: &str| match attributes[name].as_str() {
        None => Ok(None),
        Some(text) => DateTime::parse_from_rfc3339(text)
            .map(|at| Some(at.to_utc()))
            .map_err(|_| bad(&format!("{name} is no RFC 3339 time"))),
    };
    let (from, to) =
        (instant("from")?.unwrap_or(DateTime::<Utc>::MIN_UTC), instant("to")?.unwrap_or_else(|| world.now()));
    let limit = attributes["limit"].as_u64().unwrap_or(10);
    if !(1..=PAGE as u64).contains(&limit) {
        return Err(bad("limit must be between 1 and 1000"));
    }
    let query = Query::parse(attributes["query"].as_str().unwrap_or("*")).map_err(|words| bad(&words))?;
    let fits = |deployment: &&DeploymentRecord| {
        (from..=to).contains(&deployment.window.1)
            && query.fits(|key| match key {
                "service" => vec![deployment.service.clone()],
                "env" => vec![deployment.env.clone()],
                _ => Vec::new(),
            })
    };
    let mut found: Vec<&DeploymentRecord> = world.deployments.iter().filter(fits).collect();
    found.sort_by_key(|deployment| deployment.window.1);
    match attributes["sort"].as_str().unwrap_or("-finished_at") {
        "finished_at" => {}
        "-finished_at" => found.reverse(),
        other => return Err(bad(&format!("cannot sort by {other}"))),
    }
    let data: Vec<Value> = found.into_iter().take(limit as usize).map(shape).collect();
    Ok(Answer::json_api(json!({ "data": data })))
}

fn shape(deployment: &DeploymentRecord) -> Value {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut attributes = json!({
        "service": deployment.service, "env": deployment.env, "started_at": time(deployment.window.0),
        "finished_at": time(deployment.window.1),
    });
    if let Some(version) = &deployment.version {
        attributes["version"] = json!(version);
    }
    if let Some((repository, commit)) = &deployment.git {
        attributes["git"] = json!({"repository_id": repository, "commit_sha": commit});
    }
    json!({"id": deployment.id, "type": "dora_deployment", "attributes": attributes})
}

pub(super) fn events(world: &World, asked: &Asked) -> Outcome {
    let instant = |name: &str| {
        let seconds = asked.param(name).and_then(|text| text.parse::<i64>().ok());
        seconds.ok_or_else(|| Answer::texts(400, &format!("Invalid or missing parameter {name}")))
    };
    let (start, end) = (instant("start")?, instant("end")?);
    if start > end {
        // Its own words, the wrong way round.
        return Err(Answer::texts(400, "start param must be greater than end param"));
    }
    let paged = asked.param("unaggregated") == Some("true") || asked.param("exclude_aggregate") == Some("true");
    let page = if paged { asked.number("page", 0)? } else { 0 };
    let tags: Vec<&str> = asked.param("tags").map(|tags| tags.split(',').collect()).unwrap_or_default();
    let fits = |event: &&EventRecord| {
        (start..=end).contains(&event.at.timestamp()) && tags.iter().all(|tag| event.tags.iter().any(|own| own == tag))
    };
    let mut found: Vec<&EventRecord> = world.events.iter().filter(fits).collect();
    found.sort_by_key(|event| std::cmp::Reverse(event.at));
    let events: Vec<Value> = found.into_iter().skip(page * PAGE).take(PAGE).map(event).collect();
    Ok(Answer::new(json!({ "events": events })))
}

fn event(event: &EventRecord) -> Value {
    let id = event.id.to_string();
    json!({
        "id": event.id, "id_str": id, "title": event.title, "text": "", "date_happened": event.at.timestamp(),
        "tags": event.tags, "alert_type": "info", "priority": "normal", "host": null, "device_name": null,
        "source": "My Apps", "url": format!("/event/event?event_id={id}"), "resource": format!("/api/v1/events/{id}"),
        "is_aggregate": false, "comments": [], "monitor_id": null, "monitor_groups": [], "monitor_group_status": null,
    })
}
