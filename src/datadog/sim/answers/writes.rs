//! What is written: links on incidents, and deployments and failures for DORA Metrics.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    super::{
        Asked,
        world::{DeploymentRecord, FailureRecord, IncidentRecord, LinkRecord, World},
    },
    Answer, Outcome, incidents,
};

/// Links on an incident; `filter[attachment_type]` takes one kind.
pub(super) fn links(world: &World, id: &str, asked: &Asked) -> Outcome {
    if asked.param("filter[attachment_type]").is_some_and(|kind| kind != "link" && kind != "postmortem") {
        return Err(Answer::texts(400, "filter[attachment_type] must be postmortem or link"));
    }
    let incident = known(&world.incidents, id)?;
    let data: Vec<Value> = incident.links.iter().map(|link| shape(incident, link)).collect();
    Ok(Answer::new(json!({ "data": data })))
}

pub(super) fn add_link(world: &mut World, id: &str, asked: &Asked) -> Outcome {
    let (title, url) = attachment(asked, true)?;
    let (number, now) = (world.next_id(), world.now());
    let incident = known_mut(&mut world.incidents, id)?;
    incident.links.push(LinkRecord { id: format!("00000000-0000-4000-9000-{number:012}"), title, url, modified: now });
    let link = incident.links.last().map(|link| shape(incident, link));
    Ok(Answer { status: 201, ..Answer::new(json!({ "data": link })) })
}

pub(super) fn change_link(world: &mut World, id: &str, link: &str, asked: &Asked) -> Outcome {
    let (title, url) = attachment(asked, false)?;
    let now = world.now();
    let incident = known_mut(&mut world.incidents, id)?;
    let Some(found) = incident.links.iter_mut().find(|one| one.id == link) else {
        return Err(Answer::texts(404, "Not found"));
    };
    *found = LinkRecord { id: found.id.clone(), title, url, modified: now };
    let changed = found.clone();
    Ok(Answer::new(json!({ "data": shape(incident, &changed) })))
}

/// Only a text box can be written so.
pub(super) fn set_field(world: &mut World, id: &str, asked: &Asked) -> Outcome {
    let incident = known_mut(&mut world.incidents, id)?;
    let data = &asked.body["data"];
    let fields = data["attributes"]["fields"].as_object().filter(|_| data["type"] == "incidents" && data["id"] == id);
    for (name, field) in fields.ok_or_else(|| Answer::texts(400, "an incident is written as one"))? {
        let text = field["value"].as_str().filter(|_| field["type"] == "textbox");
        let text = text.ok_or_else(|| Answer::texts(400, "the field is no text box"))?;
        incident.fields.insert(name.clone(), text.to_owned());
    }
    let attributes = json!({"title": incident.title});
    Ok(Answer::new(json!({"data": {"id": id, "type": "incidents", "attributes": attributes}})))
}

/// Title and address; a new one says which kind it is.
fn attachment(asked: &Asked, new: bool) -> Result<(String, String), Answer> {
    let data = &asked.body["data"];
    let attributes = &data["attributes"];
    let kind = attributes["attachment_type"].as_str();
    if data["type"] != "incident_attachments" || (new && kind != Some("link")) {
        return Err(Answer::texts(400, "attachment_type must be postmortem or link"));
    }
    let text = |name: &str| attributes["attachment"][name].as_str().map(str::to_owned);
    text("title").zip(text("documentUrl")).ok_or_else(|| Answer::texts(400, "attachment needs title and documentUrl"))
}

fn known<'a>(incidents: &'a [IncidentRecord], id: &str) -> Result<&'a IncidentRecord, Answer> {
    incidents.iter().find(|one| incidents::id(one) == id).ok_or_else(|| Answer::texts(404, "Not found"))
}

fn known_mut<'a>(incidents: &'a mut [IncidentRecord], id: &str) -> Result<&'a mut IncidentRecord, Answer> {
    incidents.iter_mut().find(|one| incidents::id(one) == id).ok_or_else(|| Answer::texts(404, "Not found"))
}

fn shape(incident: &IncidentRecord, link: &LinkRecord) -> Value {
    json!({
        "type": "incident_attachments", "id": link.id,
        "attributes": {
            "attachment_type": "link", "attachment": {"title": link.title, "documentUrl": link.url},
            "modified": link.modified.to_rfc3339_opts(SecondsFormat::Micros, false),
        },
        "relationships": {
            "incident": {"data": {"type": "incidents", "id": incidents::id(incident)}},
            "last_modified_by_user": {"data": {"type": "users", "id": "00000000-0000-4000-8000-000000000001"}},
        },
    })
}

pub(super) fn deployment(world: &mut World, asked: &Asked) -> Outcome {
    let attributes = &asked.body["data"]["attributes"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (service, started, finished) =
        (text(&attributes["service"]), time(&attributes["started_at"]), time(&attributes["finished_at"]));
    let (Some(service), Some(started), Some(finished)) = (service, started, finished) else {
        return Err(Answer::objects(400, "Bad Request", "service, started_at and finished_at are needed"));
    };
    let id = own_id(world, attributes)?;
    if !world.deployments.iter().any(|one| one.id == id) {
        let git = &attributes["git"];
        let bare = |url: String| url.split_once("://").map_or(url.clone(), |(_, rest)| rest.to_owned());
        world.deployments.push(DeploymentRecord {
            id: id.clone(),
            service,
            env: text(&attributes["env"]).unwrap_or_default(),
            window: (started, finished),
            version: text(&attributes["version"]),
            git: text(&git["repository_url"]).map(bare).zip(text(&git["commit_sha"])),
        });
    }
    Ok(Answer { status: 202, ..Answer::new(json!({"data": {"id": id, "type": "dora_deployment"}})) })
}

pub(super) fn failure(world: &mut World, asked: &Asked) -> Outcome {
    let attributes = &asked.body["data"]["attributes"];
    let services: Vec<String> =
        attributes["services"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let Some(started) = time(&attributes["started_at"]) else {
        return Err(Answer::objects(400, "Bad Request", "started_at is needed"));
    };
    if services.is_empty() && attributes["team"].as_str().is_none() {
        return Err(Answer::objects(400, "Bad Request", "services or team are needed"));
    }
    let id = own_id(world, attributes)?;
    world.failures.retain(|one| one.id != id);
    world.failures.push(FailureRecord {
        id: id.clone(),
        services,
        started,
        finished: time(&attributes["finished_at"]),
    });
    Ok(Answer { status: 202, ..Answer::new(json!({"data": {"id": id, "type": "dora_failure"}})) })
}

/// The id that the caller gives, or a new one.
fn own_id(world: &mut World, attributes: &Value) -> Result<String, Answer> {
    let Some(id) = attributes["id"].as_str() else { return Ok(format!("dora-{:016}", world.next_id())) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if !(16..=128).contains(&id.len()) || !id.chars().all(plain) {
        return Err(Answer::objects(400, "Bad Request", "id must have 16 to 128 of A-Za-z0-9-_.:"));
    }
    Ok(id.to_owned())
}

/// Nanoseconds since 1970.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    value.as_i64().map(DateTime::from_timestamp_nanos)
}
