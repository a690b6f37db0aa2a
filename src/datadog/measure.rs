//! What is asked of Datadog, counted and timed by call and outcome, and what is left of its limits.

use std::time::Duration;

use super::{endpoint::Endpoint, error::Error, rate::RateHeaders};

/// Takes note of one exchange, whatever became of it.
pub(super) fn exchanged(endpoint: Endpoint, outcome: Result<(), &Error>, took: Duration) {
    let outcome = match outcome {
        Ok(()) => "ok",
        Err(Error::RateLimited { .. }) => "rate_limited",
        Err(Error::Unauthorized) => "unauthorized",
        Err(Error::Forbidden { .. }) => "forbidden",
        Err(Error::NotFound) => "not_found",
        Err(Error::Invalid { .. } | Error::Settings { .. }) => "invalid",
        Err(Error::Unavailable { .. }) => "unavailable",
        Err(Error::Contract { .. }) => "not_understood",
    };
    let name = endpoint.template();
    metrics::counter!("mergecast_datadog_requests_total", "endpoint" => name, "outcome" => outcome).increment(1);
    metrics::histogram!("mergecast_datadog_request_seconds", "endpoint" => name).record(took.as_secs_f64());
}

/// Takes note of what an answer says is left of a limit.
pub(super) fn remaining(endpoint: Endpoint, said: RateHeaders) {
    if let Some(left) = said.remaining {
        let gauge = metrics::gauge!("mergecast_datadog_rate_limit_remaining", "endpoint" => endpoint.template());
        gauge.set(f64::from(left));
    }
}
