//! The search for incidents, facets and all.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    super::{
        Asked,
        search::Query,
        world::{IncidentRecord, World},
    },
    Answer, Outcome,
};
use crate::datadog::IncidentState;

/// Most incidents on a page.
const PAGE_MAX: usize = 100;
const STATES: [IncidentState; 4] =
    [IncidentState::Active, IncidentState::Stable, IncidentState::Resolved, IncidentState::Completed];
const SEVERITIES: [&str; 6] = ["UNKNOWN", "SEV-1", "SEV-2", "SEV-3", "SEV-4", "SEV-5"];

pub(super) fn search(world: &World, asked: &Asked) -> Outcome {
    let Some(query) = asked.param("query") else { return Err(Answer::texts(400, "Missing parameter query")) };
    let query = Query::parse(query).map_err(|words| Answer::texts(400, &words))?;
    let (size, offset) = (asked.number("page[size]", 10)?, asked.number("page[offset]", 0)?);
    if size > PAGE_MAX {
        return Err(Answer::texts(400, "page[size] must be at most 100"));
    }
    // The index lags behind.
    let known = world.now() - world.lag;
    let mut found: Vec<&IncidentRecord> =
        world.incidents.iter().filter(|one| one.created <= known && fits(&query, one)).collect();
    match asked.param("sort") {
        None | Some("created") => found.sort_by_key(|incident| incident.created),
        Some("-created") => found.sort_by_key(|incident| std::cmp::Reverse(incident.created)),
        Some(_) => return Err(Answer::texts(400, "sort must be created or -created")),
    }
    let page: Vec<&IncidentRecord> = found.iter().skip(offset).take(size).copied().collect();
    let incidents: Vec<Value> = page.iter().map(|incident| json!({"data": shape(incident)})).collect();
    // The document says users, and what stands there is the incidents once more, without their fields.
    let included: Vec<Value> = page.iter().map(|incident| again(incident)).collect();
    let attributes = json!({"total": found.len(), "facets": facets(&found), "incidents": incidents});
    let pagination = json!({"offset": offset, "next_offset": offset + size, "size": size});
    Ok(Answer::new(json!({
        "data": {"type": "incidents_search_results", "attributes": attributes},
        "included": included,
        "meta": {"pagination": pagination},
    })))
}

fn fits(query: &Query, incident: &IncidentRecord) -> bool {
    query.fits(|key| match key {
        "state" => vec![word(incident.state()).to_owned()],
        "severity" => vec![incident.severity.clone()],
        "services" => incident.services.clone(),
        _ => Vec::new(),
    })
}

fn word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Active => "active",
        IncidentState::Stable => "stable",
        IncidentState::Resolved => "resolved",
        IncidentState::Completed | IncidentState::Other => "completed",
    }
}

fn id(incident: &IncidentRecord) -> String {
    format!("00000000-0000-4000-8000-{:012}", incident.number)
}

/// Whole seconds, as a search gives them.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn shape(incident: &IncidentRecord) -> Value {
    let created = time(incident.created);
    let state = word(incident.state());
    let services = if incident.services.is_empty() { Value::Null } else { json!(incident.services) };
    let mut fields = json!({
        "severity": {"type": "dropdown", "value": incident.severity},
        "state": {"type": "dropdown", "value": state},
        "detection_method": {"type": "dropdown", "value": "unknown"},
        "root_cause": {"type": "textbox", "value": null},
        "summary": {"type": "textbox", "value": null},
        "slug": {"type": "textbox", "value": format!("IR-{}", incident.number)},
        "teams": {"type": "autocomplete", "value": null},
        "services": {"type": "autocomplete", "value": services},
    });
    if !incident.envs.is_empty() {
        fields["env"] = json!({"type": "multiselect", "value": incident.envs});
    }
    // Not 0 would be a time; while there is none yet, it is 0.
    let to_resolve = incident.resolved.map_or(0, |resolved| (resolved - incident.created).num_seconds());
    let attributes = json!({
        "public_id": incident.number, "title": incident.title, "created": created, "declared": created,
        "detected": created, "modified": created, "resolved": incident.resolved.map(time), "state": state,
        "severity": incident.severity, "customer_impacted": incident.customer_impact.is_some(),
        "customer_impact_start": incident.customer_impact.map(time), "customer_impact_end": null,
        "customer_impact_scope": "", "customer_impact_duration": 0, "time_to_detect": 0,
        "time_to_internal_response": 0, "time_to_repair": 0, "time_to_resolve": to_resolve, "archived": null,
        "is_test": false, "visibility": "organization", "case_id": null, "notification_handles": null,
        "creation_idempotency_key": null, "non_datadog_creator": null, "fields": fields,
        "field_analytics": {"state": analytics(incident)},
        "incident_type_uuid": "00000000-0000-4000-8000-00000000000f",
    });
    json!({"type": "incidents", "id": id(incident), "attributes": attributes, "relationships": {}})
}

/// Spans of each state. A span occurs twice now and then, and the duration of an open one is 0.
fn analytics(incident: &IncidentRecord) -> Value {
    let mut states = BTreeMap::new();
    for state in STATES {
        let spans = incident.spans(state);
        let Some(first) = spans.first() else { continue };
        let closed = spans.iter().filter_map(|(begin, end)| end.map(|end| (end - *begin).num_seconds()));
        let span = |(begin, end): &(DateTime<Utc>, Option<DateTime<Utc>>)| json!({"start": begin.timestamp(), "end": end.map(|end| end.timestamp())});
        let shown: Vec<Value> = spans.iter().chain([first]).map(span).collect();
        states.insert(word(state), json!({"duration": closed.sum::<i64>(), "spans": shown}));
    }
    json!(states)
}

fn again(incident: &IncidentRecord) -> Value {
    let attributes = json!({"public_id": incident.number, "title": incident.title, "customer_impacted": false});
    json!({"type": "incidents", "id": id(incident), "attributes": attributes})
}

fn facets(found: &[&IncidentRecord]) -> Value {
    let count = |fits: &dyn Fn(&IncidentRecord) -> bool| found.iter().filter(|incident| fits(incident)).count();
    let states = STATES.map(|state| json!({"name": word(state), "count": count(&|one| one.state() == state)}));
    let severity = |name: &str| json!({"name": name, "count": count(&|one| one.severity == name)});
    let none = json!({"min": null, "max": null});
    json!({
        "state": states, "severity": SEVERITIES.map(severity), "responder": [], "created_by": [], "commander": [],
        "last_modified_by": [], "impact": [], "postmortem": [], "customer_impacted": [],
        "fields": [{"name": "services", "facets": []}, {"name": "teams", "facets": []}],
        "time_to_repair": [{"name": "time_to_repair", "aggregates": none}],
        "time_to_resolve": [{"name": "time_to_resolve", "aggregates": none}],
    })
}
