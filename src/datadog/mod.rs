//! Datadog, by its public API: SLOs and their history, the catalogue of services, incidents, deployments, test runs.
//!
//! One client for an organisation. It reads and changes nothing at Datadog. docs/datadog.md says which calls it makes and
//! what they rest on.

mod breaker;
mod cache;
mod catalog;
mod client;
mod coverage;
mod deployments;
mod endpoint;
mod error;
mod incidents;
mod measure;
mod rate;
pub mod sim;
mod site;
mod slos;
mod sources;
mod test_runs;
mod wire;

pub use cache::{Age, Cached};
pub use catalog::{CatalogLink, CatalogService, CodeLocation, parse_definitions, parse_entities};
pub use client::{Datadog, Keys, Options};
pub use coverage::PullRequestCoverage;
pub use deployments::{Deployment, Event, parse_deployments};
pub use error::Error;
pub use incidents::{Incident, IncidentState, Severity, parse_incidents};
pub use site::Site;
pub use slos::{BurnPoint, parse_history, parse_slos};
pub use sources::{Access, Checklist, DatadogSource, KeyCheck, SourceCheck};
pub use test_runs::{FlakyRate, FlakySuite, FlakyTest};
