//! Rate limits of one installation: GitHub's answers close the gate, and a closed gate is asked before anything is sent.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

use super::error::Error;
use super::measure;
use super::writes::Writes;
use crate::clock::Clock;

/// The shortest wait, also where GitHub says 0 s: an answer must not be followed by the same request at once.
const LEAST_WAIT: Duration = Duration::from_secs(1);
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
    limit: Option<u64>,
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
        let count = |name: &str| text(name).and_then(|t| t.parse().ok());
        let (limit, remaining) = (count("x-ratelimit-limit"), count("x-ratelimit-remaining"));
        Self { limit, remaining, reset, retry_after }
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
    /// Until when what is left is kept for what people wait for: more than half is spent.
    core_kept_until: Option<DateTime<Utc>>,
    graphql_kept_until: Option<DateTime<Utc>>,
    secondary_until: Option<DateTime<Utc>>,
    /// Secondary limits in a row for which GitHub named no time.
    strikes: u32,
    writes: Writes,
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
        let sent = self.lock().writes.send(most as usize, now);
        sent.map_err(|until| Error::RateLimited { until, secondary: true })
    }

    /// Counts a write for which a place was reserved.
    pub(super) fn reserved_write(&self, now: DateTime<Utc>) {
        self.lock().writes.send_reserved(now);
    }

    /// Reserves places for the writes of `who`, and gives how many there are; an error says when to ask again.
    pub(super) fn reserve(
        &self,
        who: &str,
        places: usize,
        per_minute: Option<u32>,
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        self.check(Bucket::Core, now)?;
        let Some(most) = per_minute else { return Ok(0) };
        let reserved = self.lock().writes.reserve(who, places, most as usize, now);
        reserved.map_err(|until| Error::RateLimited { until, secondary: true })
    }

    /// Gives places back that were not used.
    pub(super) fn release(&self, places: usize) {
        self.lock().writes.release(places);
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
        if let (Some(limit), Some(remaining), Some(reset)) = (rate.limit, rate.remaining, rate.reset) {
            let kept_until = (remaining < limit / 2).then(|| bounded(reset + RESET_MARGIN, now));
            match bucket {
                Bucket::Core => state.core_kept_until = kept_until,
                Bucket::GraphQl => state.graphql_kept_until = kept_until,
            }
        }
    }

    /// Until when work that nobody waits for is to leave the limits alone: they are closed, or more than half spent,
    /// be it what GitHub counts or the writes of this minute.
    pub(super) fn kept_until(&self, per_minute: Option<u32>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let state = self.lock();
        let all = [
            state.core_until,
            state.graphql_until,
            state.secondary_until,
            state.core_kept_until,
            state.graphql_kept_until,
            per_minute.and_then(|most| state.writes.kept_until(most as usize, now)),
        ];
        all.into_iter().flatten().filter(|until| *until > now).max()
    }

    /// Takes note of a refusal over limits, and says until when.
    pub(super) fn refused(&self, bucket: Bucket, rate: &RateHeaders, clock: &Clock) -> Error {
        let now = clock.now();
        let mut state = self.lock();
        let reset = rate.reset.filter(|at| *at > now && rate.remaining == Some(0));
        if let (None, Some(reset)) = (rate.retry_after, reset) {
            let until = bounded(reset + RESET_MARGIN, now);
            state.close(bucket, until);
            measure::limited("primary");
            return Error::RateLimited { until, secondary: false };
        }
        measure::limited("secondary");
        let closed = state.secondary_until.filter(|until| *until > now);
        let wait = match (rate.retry_after, closed) {
            (Some(wait), _) => wait.max(LEAST_WAIT),
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn headers(list: &[(&'static str, String)]) -> RateHeaders {
        let map = list.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
        RateHeaders::read(&map, now())
    }

    /// Seconds from `now` until the gate opens.
    fn wait(error: &Error) -> i64 {
        let Error::RateLimited { until, .. } = error else { panic!("{error:?}") };
        (*until - now()).num_seconds()
    }

    #[test]
    fn a_refusal_is_a_limit_or_a_permission() {
        let check = |status, list: &[(&'static str, &str)], message: &str, expected| {
            let list: Vec<_> = list.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            assert_eq!(headers(&list).is_limit(status, message), expected, "{status} {list:?} {message}");
        };
        check(429, &[], "", true);
        check(403, &[("retry-after", "30")], "", true);
        check(403, &[("x-ratelimit-remaining", "0")], "", true);
        check(403, &[], "You have exceeded a secondary rate limit.", true);
        check(403, &[("x-ratelimit-remaining", "4000")], "You have triggered an abuse detection mechanism", true);
        check(403, &[("x-ratelimit-remaining", "4000")], "Resource not accessible by integration", false);
        check(403, &[("x-ratelimit-remaining", "0")], "Resource not accessible by integration", false);
        check(404, &[("x-ratelimit-remaining", "0")], "", false);
    }

    #[test]
    fn waits_are_what_github_says_or_grow() {
        let clock = Clock::manual(now());
        let reset = ("x-ratelimit-reset", (now().timestamp() + 600).to_string());
        let gate = Gate::default();
        let refused = |list: &[(&'static str, String)]| wait(&gate.refused(Bucket::Core, &headers(list), &clock));
        // A primary limit closes its own bucket until the reset.
        assert_eq!(refused(&[("x-ratelimit-remaining", "0".into()), reset]), 601);
        assert_eq!(wait(&gate.check(Bucket::Core, now()).unwrap_err()), 601);
        assert_eq!(gate.check(Bucket::GraphQl, now()), Ok(()));
        // A secondary limit closes all; what chance adds is at most a quarter.
        let said = refused(&[("retry-after", "40".into())]);
        assert!((40..=50).contains(&said), "{said}");
        assert_eq!(wait(&gate.check(Bucket::GraphQl, now()).unwrap_err()), said);
        // Further refusals of calls that were under way change nothing.
        assert_eq!(refused(&[]), said);
        assert_eq!(refused(&[("retry-after", "1".into())]), said);
    }

    #[test]
    fn unsaid_waits_double_until_a_call_passes() {
        let clock = Clock::manual(now());
        let gate = Gate::default();
        let none = RateHeaders::default();
        for least in [60, 120, 240] {
            let Error::RateLimited { until, secondary } = gate.refused(Bucket::GraphQl, &none, &clock) else {
                panic!()
            };
            assert!(secondary);
            let wait = (until - clock.now()).num_seconds();
            assert!((least..=least + 15).contains(&wait), "{wait} for {least}");
            // An answer to a call that was under way does not make it forget.
            gate.passed(Bucket::GraphQl, &none, clock.now());
            clock.advance(Duration::from_secs(wait as u64 + 1));
            assert_eq!(gate.check(Bucket::Core, clock.now()), Ok(()));
        }
        gate.passed(Bucket::Core, &none, clock.now());
        let Error::RateLimited { until, .. } = gate.refused(Bucket::Core, &none, &clock) else { panic!() };
        assert!((until - clock.now()).num_seconds() <= 75);
    }

    #[test]
    fn a_spent_budget_closes_before_it_is_refused() {
        let gate = Gate::default();
        let last = headers(&[
            ("x-ratelimit-remaining", "0".into()),
            ("x-ratelimit-reset", (now().timestamp() + 90).to_string()),
        ]);
        gate.passed(Bucket::GraphQl, &last, now());
        assert_eq!(wait(&gate.check(Bucket::GraphQl, now()).unwrap_err()), 91);
        assert_eq!(gate.check(Bucket::Core, now()), Ok(()));
        assert_eq!(gate.check(Bucket::GraphQl, now() + TimeDelta::seconds(91)), Ok(()));
    }

    #[test]
    fn writes_of_a_minute_are_bounded() {
        let gate = Gate::default();
        for second in 0..3 {
            assert_eq!(gate.check_write(Some(3), now() + TimeDelta::seconds(second)), Ok(()));
        }
        assert_eq!(wait(&gate.check_write(Some(3), now() + TimeDelta::seconds(3)).unwrap_err()), 60);
        assert_eq!(gate.check_write(Some(3), now() + TimeDelta::seconds(60)), Ok(()));
        assert!(gate.check_write(Some(3), now() + TimeDelta::seconds(60)).is_err());
        assert_eq!(gate.check_write(None, now()), Ok(()));
    }

    #[test]
    fn a_retry_after_may_be_a_date() {
        let list = headers(&[("retry-after", (now() + TimeDelta::seconds(20)).to_rfc2822())]);
        assert_eq!(list.retry_after, Some(Duration::from_secs(20)));
        let absurd = headers(&[("retry-after", "99999999999".into())]);
        let until = wait(&Gate::default().refused(Bucket::Core, &absurd, &Clock::manual(now())));
        assert!(until <= 7_215, "{until}");
    }
}
