//! The catalogue of services: service definitions of every schema version, and entities of version 3. Both say the same
//! of a service, in other places; what is told here is what they say, and what follows from it is decided elsewhere.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// Definitions and entities on a page, the most that Datadog gives.
const PAGE: usize = 100;
/// Pages that are read; 10,000 services.
const PAGES_MAX: usize = 100;
/// The extension in which people say which files belong to a service.
const DORA: &str = "datadoghq.com/dora-metrics";

/// A service, as the catalogue describes it. All texts are untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogService {
    /// Its name, by which everything else at Datadog refers to it.
    pub name: String,
    /// Version of the schema that it was written in: `v1` to `v2.2`, or `v3`.
    pub schema: String,
    /// Team that owns it.
    pub owner: Option<String>,
    /// Globs from a repository's root, where people gave them for DORA Metrics. They name no repository.
    pub source_patterns: Vec<String>,
    /// Links, those to repositories among them.
    pub links: Vec<CatalogLink>,
    /// Repositories and globs in them; only entities have these.
    pub code_locations: Vec<CodeLocation>,
    /// Its address at PagerDuty.
    pub pagerduty_url: Option<String>,
}

/// A link of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogLink {
    /// What it is called.
    pub name: String,
    /// `repo`, `runbook`, `doc`, or another word.
    pub kind: String,
    /// Where it leads.
    pub url: String,
}

/// A place where a service's code is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeLocation {
    /// Address of the repository.
    pub repository: String,
    /// Globs from its root; none is the whole repository.
    pub paths: Vec<String>,
}

impl Datadog {
    /// Services by their definitions, sorted by name.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn service_definitions(&self, age: Age) -> Result<Cached<Vec<CatalogService>>, Error> {
        let ask = |datadog: Self| async move { datadog.read_definitions().await };
        self.cached("service definitions".to_owned(), age, ask).await
    }

    /// Services by their entities, with those that only APM has seen if `discovered`, sorted by name.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn service_entities(&self, discovered: bool, age: Age) -> Result<Cached<Vec<CatalogService>>, Error> {
        let ask = move |datadog: Self| async move { datadog.read_entities(discovered).await };
        self.cached(format!("service entities {discovered}"), age, ask).await
    }

    async fn read_definitions(&self) -> Result<Vec<CatalogService>, Error> {
        let mut services = Vec::new();
        for page in 0..PAGES_MAX {
            let call = Call::new(Endpoint::ServiceDefinitions);
            let answer: Definitions = self.ask(&call.query("page[size]", PAGE).query("page[number]", page)).await?;
            let read = answer.data.len();
            services.extend(answer.services());
            if read < PAGE {
                services.sort_by(|a: &CatalogService, b| a.name.cmp(&b.name));
                return Ok(services);
            }
        }
        Err(Error::contract("more pages of service definitions than are read"))
    }

    async fn read_entities(&self, discovered: bool) -> Result<Vec<CatalogService>, Error> {
        let mut services: BTreeMap<String, CatalogService> = BTreeMap::new();
        for page in 0..PAGES_MAX {
            let call = Call::new(Endpoint::Entities).query("filter[kind]", "service").query("include", "schema");
            let call = if discovered { call.query("includeDiscovered", true) } else { call };
            let answer: Entities =
                self.ask(&call.query("page[limit]", PAGE).query("page[offset]", page * PAGE)).await?;
            let read = answer.data.len();
            // `meta.count` counts the page, and the link to the next one has no host.
            let next = answer.links.as_ref().and_then(|links| links.next.as_deref());
            let more = next.is_some_and(|next| !next.is_empty());
            answer.note(&mut services);
            if read == 0 || !more {
                return Ok(services.into_values().collect());
            }
        }
        Err(Error::contract("more pages of entities than are read"))
    }
}

/// The services of an answer to the question for their definitions.
///
/// # Errors
/// [`Error::Contract`] for what is no such answer.
pub fn parse_definitions(body: &[u8]) -> Result<Vec<CatalogService>, Error> {
    Ok(wire::json::<Definitions>(body)?.services().collect())
}

/// The services of an answer to the question for their entities, sorted by name.
///
/// # Errors
/// [`Error::Contract`] for what is no such answer.
pub fn parse_entities(body: &[u8]) -> Result<Vec<CatalogService>, Error> {
    let mut services = BTreeMap::new();
    wire::json::<Entities>(body)?.note(&mut services);
    Ok(services.into_values().collect())
}

#[derive(Deserialize)]
struct Definitions {
    #[serde(default, deserialize_with = "wire::list")]
    data: Vec<DefinitionData>,
}

impl Definitions {
    fn services(self) -> impl Iterator<Item = CatalogService> {
        self.data.into_iter().filter_map(|one| one.attributes?.schema).filter_map(definition)
    }
}

#[derive(Deserialize)]
struct DefinitionData {
    attributes: Option<DefinitionAttributes>,
}

#[derive(Deserialize)]
struct DefinitionAttributes {
    schema: Option<Value>,
}

#[derive(Deserialize)]
struct Entities {
    #[serde(default, deserialize_with = "wire::list")]
    data: Vec<EntityData>,
    #[serde(default, deserialize_with = "wire::list")]
    included: Vec<Included>,
    #[serde(default, deserialize_with = "wire::lenient")]
    links: Option<Links>,
}

impl Entities {
    /// Adds its services. Of one without a schema that is what the catalogue itself says of it.
    fn note(self, services: &mut BTreeMap<String, CatalogService>) {
        let named = self.data.into_iter().filter_map(|one| one.attributes).filter(|one| !one.name.is_empty());
        for entity in named {
            let (name, owner) = (entity.name, entity.owner);
            let schema = entity.api_version.unwrap_or_default();
            let service = CatalogService { name: name.clone(), schema, owner, ..CatalogService::default() };
            services.entry(name).or_insert(service);
        }
        for service in self.included.into_iter().filter_map(|one| entity(one.attributes?.schema?)) {
            services.insert(service.name.clone(), service);
        }
    }
}

#[derive(Deserialize)]
struct Links {
    next: Option<String>,
}

#[derive(Deserialize)]
struct EntityData {
    attributes: Option<EntityAttributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntityAttributes {
    #[serde(default, deserialize_with = "wire::text")]
    name: String,
    #[serde(default, deserialize_with = "wire::lenient")]
    owner: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    api_version: Option<String>,
}

#[derive(Deserialize)]
struct Included {
    attributes: Option<IncludedAttributes>,
}

#[derive(Deserialize)]
struct IncludedAttributes {
    schema: Option<Value>,
}

/// A definition of any version: what a version does not have is not there. People write these by hand, so what is of
/// another type than it should be is passed over and costs nothing else.
fn definition(schema: Value) -> Option<CatalogService> {
    let text = |path: &str| text(&schema, path);
    // Version 1 has it one level down.
    let name = text("/dd-service").or_else(|| text("/info/dd-service"))?;
    let mut links = links(&schema, "/links", None);
    links.extend(self::links(&schema, "/repos", Some("repo")));
    links.extend(self::links(&schema, "/external-resources", None));
    Some(CatalogService {
        name,
        schema: text("/schema-version").unwrap_or_default(),
        owner: text("/team").or_else(|| text("/dd-team")).or_else(|| text("/org/team")),
        source_patterns: source_patterns(&schema),
        links,
        code_locations: Vec::new(),
        pagerduty_url: text("/integrations/pagerduty/service-url").or_else(|| text("/integrations/pagerduty")),
    })
}

fn entity(schema: Value) -> Option<CatalogService> {
    let text = |path: &str| text(&schema, path);
    if text("/kind").is_some_and(|kind| kind != "service") {
        return None;
    }
    let location = |location: &Value| {
        let repository = self::text(location, "/repositoryURL")?;
        Some(CodeLocation { repository, paths: texts(location, "/paths") })
    };
    Some(CatalogService {
        name: text("/metadata/name")?,
        schema: text("/apiVersion").unwrap_or_default(),
        owner: text("/metadata/owner"),
        source_patterns: source_patterns(&schema),
        links: links(&schema, "/metadata/links", None),
        code_locations: items(&schema, "/datadog/codeLocations").iter().filter_map(location).collect(),
        pagerduty_url: text("/integrations/pagerduty/serviceURL"),
    })
}

/// The key has a slash, which a JSON pointer escapes.
fn source_patterns(schema: &Value) -> Vec<String> {
    let dora = schema.get("extensions").and_then(|extensions| extensions.get(DORA));
    dora.map(|dora| texts(dora, "/source_patterns")).unwrap_or_default()
}

fn links(schema: &Value, path: &str, kind: Option<&str>) -> Vec<CatalogLink> {
    let link = |link: &Value| {
        let kind = kind.map(str::to_owned).or_else(|| text(link, "/type")).unwrap_or_default();
        Some(CatalogLink { name: text(link, "/name").unwrap_or_default(), kind, url: text(link, "/url")? })
    };
    items(schema, path).iter().filter_map(link).collect()
}

fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, path: &str) -> Vec<String> {
    items(value, path).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
