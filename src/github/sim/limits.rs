//! Budgets per hour, as `x-ratelimit-*` headers tell them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::SimOptions;
use super::answer::Answer;
use super::auth::Caller;
use super::state::State;

/// What is left of an hour's requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) resets_at: DateTime<Utc>,
}

impl Budget {
    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    pub(super) fn spent(&self) -> bool {
        self.remaining() == 0
    }

    pub(super) fn headers(&self, resource: &'static str, answer: Answer) -> Answer {
        answer
            .with("x-ratelimit-limit", self.limit.to_string())
            .with("x-ratelimit-remaining", self.remaining().to_string())
            .with("x-ratelimit-used", self.used.to_string())
            .with("x-ratelimit-reset", self.resets_at.timestamp().to_string())
            .with("x-ratelimit-resource", resource)
    }

    pub(super) fn shape(&self) -> Value {
        json!({
            "limit": self.limit,
            "used": self.used,
            "remaining": self.remaining(),
            "reset": self.resets_at.timestamp(),
        })
    }
}

/// Who pays.
fn payer(caller: Option<&Caller>) -> String {
    match caller.and_then(Caller::installation) {
        Some(id) => format!("installation {id}"),
        None => "app".to_owned(),
    }
}

impl State {
    /// The running hour's budget of a caller; a new hour starts with the first request after the reset.
    pub(super) fn budget(
        &mut self,
        options: &SimOptions,
        caller: Option<&Caller>,
        resource: &'static str,
    ) -> &mut Budget {
        let now = self.now();
        let limit = if resource == "graphql" { options.graphql_limit } else { options.core_limit };
        let fresh = Budget { limit, used: 0, resets_at: now + TimeDelta::hours(1) };
        let budget = self.budgets.entry((payer(caller), resource)).or_insert(fresh);
        if budget.resets_at <= now {
            *budget = fresh;
        }
        budget
    }
}

/// The answer to a request beyond the budget.
pub(super) fn exceeded(caller: Option<&Caller>, graphql: bool) -> Answer {
    let message = match caller.and_then(Caller::installation) {
        Some(id) => format!("API rate limit exceeded for installation ID {id}."),
        None => "API rate limit exceeded.".to_owned(),
    };
    if graphql { graphql_error("RATE_LIMITED", &message) } else { Answer::error(403, message) }
}

/// The answer to going too fast; GraphQL words it as a 200.
pub(super) fn secondary(retry_after: Option<u64>, graphql: bool) -> Answer {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let answer = if graphql { graphql_error("RATE_LIMITED", message) } else { Answer::error(403, message) };
    match retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

pub(super) fn graphql_error(kind: &str, message: &str) -> Answer {
    Answer::ok(json!({"data": null, "errors": [{"type": kind, "message": message}]}))
}

impl super::Sim {
    /// Leaves an account's installation this many requests (`core`) or points (`graphql`) of the running hour, which
    /// ends `reset_in_s` seconds from now.
    pub fn leave(&self, account: &str, resource: &str, remaining: u64, reset_in_s: i64) {
        let resource = if resource == "graphql" { "graphql" } else { "core" };
        self.act(|state| {
            let Some(id) = state.installation_of(account).map(|i| i.id) else { return };
            let options = &self.shared.options;
            let limit = if resource == "graphql" { options.graphql_limit } else { options.core_limit };
            let used = limit.saturating_sub(remaining);
            let resets_at = state.now() + TimeDelta::seconds(reset_in_s);
            state.budgets.insert((format!("installation {id}"), resource), Budget { limit, used, resets_at });
        });
    }
}
