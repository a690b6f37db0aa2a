//! Rate limits of one installation: GitHub's answers close the gate, and a closed gate is asked before anything is sent.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderMap;

use super::error::Error;
use crate::clock::Clock;

/// First wait when GitHub says no time: its own rule is one minute at least, growing from there.
const UNSAID_WAIT: Duration = Duration::from_secs(60);
/// Longest wait that is believed; primary limits last an hour at most.
const MAX_WAIT: Duration = Duration::from_secs(2 * 3600);
/// Added to a reset: GitHub counts in whole seconds, and the clocks differ a little.
const RESET_MARGIN: Duration = Duration::from_secs(1);
/// Most that chance adds to a wait, so that replicas do not all come back at once.
const MAX_JITTER: Duration = Duration::from_secs(15);

/// A budget of GitHub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bucket {
    /// REST.
    Core,
    /// GraphQL.
    GraphQl,
}

/// What an answer says about limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RateHeaders {
    remaining: Option<u64>,
    reset: Option<DateTime<Utc>>,
    retry_after: Option<Duration>,
}

impl RateHeaders {
    pub(super) fn read(headers: &HeaderMap, now: DateTime<Utc>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let reset = text("x-ratelimit-reset").and_then(|t| t.parse().ok()).and_then(|s| DateTime::from_timestamp(s, 0));
        let retry_after = text("retry-after").and_then(|t| {
            let date = || DateTime::parse_from_rfc2822(t).ok().and_then(|at| (at.to_utc() - now).to_std().ok());
            t.parse().ok().map(Duration::from_secs).or_else(date)
        });
        Self { remaining: text("x-ratelimit-remaining").and_then(|t| t.parse().ok()), reset, retry_after }
    }

    /// Whether a refusal (403 or 429) is about limits and not about permissions. A secondary limit may come as a bare
    /// 403 that only its text tells apart; a permission may be missing on the very request that spends the budget.
    pub(super) fn is_limit(&self, status: u16, message: &str) -> bool {
        let said = ["rate limit", "abuse detection"].iter().any(|m| message.to_ascii_lowercase().contains(m));
        match status {
            429 => true,
            403 => said || self.retry_after.is_some() || (self.remaining == Some(0) && !names_permission(message)),
            _ => false,
        }
    }
}

fn names_permission(message: &str) -> bool {
    message.to_ascii_lowercase().contains("not accessible by integration")
}

/// The limits of one installation. Holds instants only; what passes is decided by the clock of the caller.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    core_until: Option<DateTime<Utc>>,
    graphql_until: Option<DateTime<Utc>>,
    secondary_until: Option<DateTime<Utc>>,
    /// Secondary limits in a row for which GitHub named no time.
    strikes: u32,
    /// When the writes of the last minute were sent.
    writes: VecDeque<DateTime<Utc>>,
}

impl Gate {
    /// Whether a call may be sent now.
    pub(super) fn check(&self, bucket: Bucket, now: DateTime<Utc>) -> Result<(), Error> {
        let state = self.lock();
        let primary = match bucket {
            Bucket::Core => state.core_until,
            Bucket::GraphQl => state.graphql_until,
        };
        let closed = |until: Option<DateTime<Utc>>, secondary| {
            until.filter(|u| *u > now).map_or(Ok(()), |until| Err(Error::RateLimited { until, secondary }))
        };
        closed(state.secondary_until, true).and(closed(primary, false))
    }

    /// Whether a write may be sent now, which then counts: at most `per_minute` of them.
    pub(super) fn check_write(&self, per_minute: Option<u32>, now: DateTime<Utc>) -> Result<(), Error> {
        let Some(most) = per_minute else { return Ok(()) };
        let mut state = self.lock();
        let minute_ago = now - TimeDelta::minutes(1);
        while state.writes.front().is_some_and(|at| *at <= minute_ago) {
            state.writes.pop_front();
        }
        if state.writes.len() < most as usize {
            state.writes.push_back(now);
            return Ok(());
        }
        let until = state.writes.front().map_or(now, |first| *first + TimeDelta::minutes(1));
        Err(Error::RateLimited { until, secondary: true })
    }

    /// Takes note of an answer that was not refused.
    pub(super) fn passed(&self, bucket: Bucket, rate: &RateHeaders, now: DateTime<Utc>) {
        let mut state = self.lock();
        // An answer to a call that was under way when the gate closed proves nothing.
        if state.secondary_until.is_none_or(|until| until <= now) {
            state.strikes = 0;
        }
        if let (Some(0), Some(reset)) = (rate.remaining, rate.reset) {
            state.close(bucket, bounded(reset + RESET_MARGIN, now));
        }
    }

    /// Takes note of a refusal over limits, and says until when.
    pub(super) fn refused(&self, bucket: Bucket, rate: &RateHeaders, clock: &Clock) -> Error {
        let now = clock.now();
        let mut state = self.lock();
        let reset = rate.reset.filter(|at| *at > now && rate.remaining == Some(0));
        if let (None, Some(reset)) = (rate.retry_after, reset) {
            let until = bounded(reset + RESET_MARGIN, now);
            state.close(bucket, until);
            return Error::RateLimited { until, secondary: false };
        }
        let closed = state.secondary_until.filter(|until| *until > now);
        let wait = match (rate.retry_after, closed) {
            (Some(wait), _) => wait,
            // One storm is one strike, however many calls were under way.
            (None, Some(until)) => return Error::RateLimited { until, secondary: true },
            (None, None) => {
                state.strikes += 1;
                UNSAID_WAIT * 2_u32.saturating_pow(state.strikes.min(8) - 1)
            }
        };
        let wait = wait.min(MAX_WAIT);
        let until = now + wait + clock.jitter((wait / 4).min(MAX_JITTER));
        let until = closed.map_or(until, |earlier| earlier.max(until));
        state.secondary_until = Some(until);
        Error::RateLimited { until, secondary: true }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the gate")
    }
}

impl State {
    fn close(&mut self, bucket: Bucket, until: DateTime<Utc>) {
        let slot = match bucket {
            Bucket::Core => &mut self.core_until,
            Bucket::GraphQl => &mut self.graphql_until,
        };
        *slot = Some(until);
    }
}

fn bounded(until: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    until.min(now + MAX_WAIT)
}
