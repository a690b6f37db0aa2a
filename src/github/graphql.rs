//! GraphQL answers: data and errors side by side, and which part of the data each error explains.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::Error;
use super::rate::{Bucket, Gate, RateHeaders};
use super::transport::{Answer, clip};
use crate::clock::Clock;
use crate::risk::facts::Reason;

/// The data of an answer, with what was refused of it.
pub(super) struct Partial<T> {
    pub(super) data: T,
    pub(super) refusals: Refusals,
}

/// The errors that came beside data.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<GraphQlError>);

#[derive(Debug, Deserialize)]
struct GraphQlError {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Vec<Value>,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Debug, Deserialize)]
struct Extensions {
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<GraphQlError>,
}

impl Refusals {
    /// Why the part under the response key `field` may be missing: the first error whose path goes through it.
    pub(super) fn under(&self, field: &str) -> Option<Reason> {
        let through = |e: &&GraphQlError| e.path.iter().any(|step| step.as_str() == Some(field));
        self.0.iter().find(through).map(GraphQlError::reason)
    }

    /// Adds those of a further page.
    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    fn kind(&self, kind: &str) -> bool {
        self.0.iter().any(|e| e.kind.as_deref() == Some(kind))
    }

    /// The error of an answer that lacks what it is about.
    pub(super) fn as_error(&self) -> Error {
        if self.kind("FORBIDDEN") {
            return Error::Forbidden { needs: None };
        }
        if self.kind("NOT_FOUND") {
            return Error::NotFound;
        }
        let query_fault = |e: &&GraphQlError| e.extensions.as_ref().is_some_and(|x| x.code.is_some());
        match self.0.iter().find(query_fault) {
            Some(fault) => Error::contract(format!("GraphQL refuses the query: {}", clip(&fault.message))),
            None if self.0.is_empty() => Error::NotFound,
            None => Error::unavailable("GraphQL answered with an error"),
        }
    }
}

impl GraphQlError {
    fn reason(&self) -> Reason {
        match self.kind.as_deref() {
            Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => Reason::Forbidden(None),
            _ => Reason::Unavailable("GraphQL answered this part with an error".to_owned()),
        }
    }

    fn is_limit(&self) -> bool {
        let limit_kind = matches!(self.kind.as_deref(), Some("RATE_LIMITED" | "RATE_LIMIT"));
        limit_kind || (self.path.is_empty() && self.message.to_ascii_lowercase().contains("rate limit"))
    }
}

/// Reads an answer of status 200. A limit may hide in it, and then counts at the gate like one of REST.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer, gate: &Gate, clock: &Clock) -> Result<Partial<T>, Error> {
    let body: Body<'_> = answer.json()?;
    let rate = RateHeaders::read(&answer.headers, clock.now());
    if body.errors.iter().any(GraphQlError::is_limit) {
        return Err(gate.refused(Bucket::GraphQl, &rate, clock));
    }
    gate.passed(Bucket::GraphQl, &rate, clock.now());
    let refusals = Refusals(body.errors);
    let Some(data) = body.data.filter(|d| d.get() != "null") else {
        let error = refusals.as_error();
        // Without data and without a reason there is nothing that "not found" could be about.
        return Err(if refusals.0.is_empty() {
            Error::contract("GraphQL gave neither data nor errors")
        } else {
            error
        });
    };
    let data = serde_json::from_str(data.get()).map_err(|e| {
        Error::contract(format!("GraphQL data, {:?} at line {} column {}", e.classify(), e.line(), e.column()))
    })?;
    Ok(Partial { data, refusals })
}
