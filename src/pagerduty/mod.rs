//! PagerDuty's webhooks (version 3): whether one is PagerDuty's, what it says of an incident, and which service that is.
//!
//! Nothing is asked of PagerDuty, and who was paged is not read.

mod mapping;
mod payload;
mod signature;

pub use mapping::{Alert, Catalogue, CataloguedService, Mapping, map};
pub use payload::{Malformed, Notice, PagedIncident, Said, parse, telling};
pub use signature::verify;
