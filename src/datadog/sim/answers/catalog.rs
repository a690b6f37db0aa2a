//! The catalogue: service definitions as they were written, and entities with their schemas beside them.

use serde_json::{Value, json};

use super::{
    super::{Asked, world::World},
    Answer, Outcome,
};

/// Most definitions and entities on a page.
const PAGE_MAX: usize = 100;

pub(super) fn definitions(world: &World, asked: &Asked) -> Outcome {
    let (size, page) = (asked.number("page[size]", 10)?, asked.number("page[number]", 0)?);
    let size = size.min(PAGE_MAX);
    let shape = |(name, schema): (&String, &Value)| {
        let meta = json!({
            "last-modified-time": "2026-01-01T00:00:00Z", "github-html-url": "", "ingestion-source": "api",
            "origin": "unknown", "origin-detail": "", "warnings": [],
            "ingested-schema-version": schema["schema-version"],
        });
        json!({"type": "service-definition", "id": name, "attributes": {"meta": meta, "schema": schema}})
    };
    let data: Vec<Value> = world.definitions.iter().skip(page * size).take(size).map(shape).collect();
    Ok(Answer::new(json!({ "data": data })))
}

pub(super) fn entities(world: &World, asked: &Asked) -> Outcome {
    let (limit, offset) = (asked.number("page[limit]", PAGE_MAX)?, asked.number("page[offset]", 0)?);
    let limit = limit.min(PAGE_MAX);
    let kind = asked.param("filter[kind]");
    let fits = |(_, schema): &(&String, &Value)| kind.is_none_or(|kind| schema["kind"] == kind);
    let found: Vec<(&String, &Value)> = world.entities.iter().filter(fits).collect();
    let page: Vec<&(&String, &Value)> = found.iter().skip(offset).take(limit).collect();
    let entity = |(name, schema): &&(&String, &Value)| {
        let attributes = json!({
            "apiVersion": schema["apiVersion"], "kind": schema["kind"], "name": name, "namespace": "default",
            "displayName": name, "owner": schema["metadata"]["owner"].as_str().unwrap_or_default(),
        });
        json!({"id": name, "type": "entity", "attributes": attributes})
    };
    let included: Vec<Value> = match asked.param("include") {
        Some("schema") => page
            .iter()
            .map(|(name, schema)| json!({"id": name, "type": "schema", "attributes": {"schema": schema}}))
            .collect(),
        _ => Vec::new(),
    };
    let data: Vec<Value> = page.iter().map(entity).collect();
    // Paths without a host.
    let link = |offset: usize| format!("/api/v2/catalog/entity?page%5Blimit%5D={limit}&page%5Boffset%5D={offset}");
    let mut links = json!({"self": link(offset)});
    if offset + limit < found.len() {
        links["next"] = json!(link(offset + limit));
    }
    // The count is that of the page.
    let meta = json!({"count": data.len(), "includeCount": included.len()});
    Ok(Answer::json_api(json!({"data": data, "included": included, "meta": meta, "links": links})))
}
