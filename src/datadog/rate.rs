//! The organisation's rate limits. All calls of one client share them, and so do other programs with the same keys: a
//! burst is let through, what is beyond it is spaced evenly, and half of each limit is left to others.
//!
//! Holds instants only; what has passed is decided by the clock of the caller.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderMap;

use super::{
    endpoint::{Endpoint, Limit},
    error::Error,
};

/// Of a limit, this part passes at once.
const BURST: u32 = 4;
/// Of a limit, this part passes in each period after that. With the burst that is three quarters in the worst period.
const STEADY: u32 = 2;
/// Wait after a refusal that names no time; it doubles. The official client waits as long.
const UNSAID_WAIT: Duration = Duration::from_secs(4);
/// Names of limits that are told apart; Datadog has fewer.
const NAMES_MAX: usize = 64;
/// Longest name of a limit that is believed.
const NAME_MAX: usize = 100;
/// Longest wait that is believed; the longest period is an hour.
const WAIT_MAX: Duration = Duration::from_secs(2 * 3_600);

/// What an answer says about limits. Names of headers come in any case, which `HeaderMap` does not tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateHeaders {
    limit: Option<u32>,
    period: Option<Duration>,
    pub(super) remaining: Option<u32>,
    /// Until the limit is whole again.
    pub(super) reset: Option<Duration>,
}

impl RateHeaders {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let number = |name: &str| {
            let text = headers.get(name).and_then(|value| value.to_str().ok())?;
            text.trim().parse::<u32>().ok()
        };
        let seconds = |name: &str| number(name).map(|seconds| Duration::from_secs(seconds.into()).min(WAIT_MAX));
        Self {
            limit: number("x-ratelimit-limit"),
            period: seconds("x-ratelimit-period"),
            remaining: number("x-ratelimit-remaining"),
            reset: seconds("x-ratelimit-reset"),
        }
    }
}

/// The limits of one organisation.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<Budgets>);

/// Each endpoint has a limit of its own until an answer names the one that it counts against.
#[derive(Debug, Default)]
struct Budgets {
    named: HashMap<String, Budget>,
    names: HashMap<Endpoint, String>,
}

impl Budgets {
    fn name(&self, endpoint: Endpoint) -> &str {
        self.names.get(&endpoint).map_or(endpoint.template(), String::as_str)
    }

    fn get_mut(&mut self, endpoint: Endpoint) -> Option<&mut Budget> {
        let name = self.names.get(&endpoint).map_or(endpoint.template(), String::as_str);
        self.named.get_mut(name)
    }
}

#[derive(Clone, Debug)]
struct Budget {
    limit: Limit,
    /// When the calls that have a place already are through at the steady pace.
    through: DateTime<Utc>,
    closed_until: Option<DateTime<Utc>>,
    /// Refusals in a row that named no time.
    strikes: u32,
}

impl Budget {
    /// Between two calls at the steady pace.
    fn pace(&self) -> TimeDelta {
        let calls = (self.limit.calls / STEADY).max(1);
        TimeDelta::from_std(self.limit.period / calls).unwrap_or(TimeDelta::zero())
    }

    fn burst(&self) -> TimeDelta {
        self.pace() * i32::try_from((self.limit.calls / BURST).max(1) - 1).unwrap_or(0)
    }
}

impl Limits {
    /// Takes a place for one call and says when it may be sent.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if that is longer than `patience` from now; then no place is taken.
    pub(super) fn place(
        &self,
        endpoint: Endpoint,
        now: DateTime<Utc>,
        patience: Duration,
    ) -> Result<DateTime<Utc>, Error> {
        let mut budgets = self.lock();
        let name = budgets.name(endpoint).to_owned();
        let budget = budgets.named.entry(name).or_insert_with(|| Budget {
            limit: endpoint.limit(),
            through: now,
            closed_until: None,
            strikes: 0,
        });
        let open = budget.closed_until.filter(|until| *until > now).unwrap_or(now);
        let through = budget.through.max(open);
        let start = (through - budget.burst()).max(open);
        if start - now > TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX) {
            return Err(Error::RateLimited { until: start });
        }
        budget.through = through + budget.pace();
        Ok(start)
    }

    /// Gives a place back that was taken and not used: what comes later moves up.
    pub(super) fn give_back(&self, endpoint: Endpoint) {
        if let Some(budget) = self.lock().get_mut(endpoint) {
            budget.through -= budget.pace();
        }
    }

    /// Whether a limit is spent.
    pub(super) fn is_closed(&self, endpoint: Endpoint, now: DateTime<Utc>) -> bool {
        self.lock().get_mut(endpoint).and_then(|budget| budget.closed_until).is_some_and(|until| now < until)
    }

    /// Takes note of an answer that was not refused.
    pub(super) fn passed(&self, endpoint: Endpoint, said: RateHeaders, now: DateTime<Utc>) {
        let mut budgets = self.lock();
        let Some(budget) = budgets.get_mut(endpoint) else { return };
        budget.strikes = 0;
        if let (Some(calls @ 1..), Some(period)) = (said.limit, said.period.filter(|period| !period.is_zero())) {
            budget.limit = Limit { calls, period };
        }
        if let (Some(0), Some(reset)) = (said.remaining, said.reset) {
            budget.close(now + reset);
        }
    }

    /// Takes note of a refusal over limits, and says until when.
    pub(super) fn refused(&self, endpoint: Endpoint, said: RateHeaders, now: DateTime<Utc>) -> Error {
        let mut budgets = self.lock();
        let Some(budget) = budgets.get_mut(endpoint) else { return Error::RateLimited { until: now + UNSAID_WAIT } };
        let wait = match (said.reset, budget.closed_until.filter(|until| *until > now)) {
            // The same call must not follow at once, whatever the header says.
            (Some(reset), _) => reset.max(Duration::from_secs(1)),
            // Calls that were under way when the limit closed: one storm is one strike.
            (None, Some(until)) => return Error::RateLimited { until },
            (None, None) => {
                budget.strikes += 1;
                UNSAID_WAIT * 2_u32.saturating_pow(budget.strikes.min(8) - 1)
            }
        };
        budget.close(now + wait.min(WAIT_MAX));
        Error::RateLimited { until: budget.closed_until.unwrap_or(now) }
    }

    /// An answer says which limit the endpoint counts against: those of one name share it.
    pub(super) fn learn(&self, endpoint: Endpoint, headers: &HeaderMap) {
        let told = headers.get("x-ratelimit-name").and_then(|value| value.to_str().ok()).map(str::trim);
        let Some(told) = told.filter(|told| !told.is_empty() && told.len() <= NAME_MAX) else { return };
        let mut budgets = self.lock();
        if budgets.name(endpoint) == told || budgets.named.len() >= NAMES_MAX {
            return;
        }
        let before = budgets.name(endpoint).to_owned();
        if let Some(own) = budgets.named.get(&before).cloned() {
            let shared = budgets.named.entry(told.to_owned()).or_insert(own.clone());
            shared.through = shared.through.max(own.through);
            shared.closed_until = shared.closed_until.max(own.closed_until);
        }
        budgets.names.insert(endpoint, told.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Budgets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    fn close(&mut self, until: DateTime<Utc>) {
        self.closed_until = Some(self.closed_until.map_or(until, |earlier| earlier.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
    }

    fn headers(list: &[(&'static str, &'static str)]) -> RateHeaders {
        let parsed = list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        RateHeaders::read(&parsed.collect())
    }

    /// Milliseconds from `at(0)` at which each of so many calls that come at once may be sent.
    fn starts(limits: &Limits, endpoint: Endpoint, calls: usize) -> Vec<i64> {
        let place = |_| limits.place(endpoint, at(0), WAIT_MAX).unwrap();
        (0..calls).map(place).map(|start| (start - at(0)).num_milliseconds()).collect()
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_spaced() {
        let starts = starts(&Limits::default(), Endpoint::SloHistory, 1_200);
        assert_eq!(starts.iter().filter(|ms| **ms == 0).count(), 37);
        assert!(starts.windows(2).all(|pair| pair[0] <= pair[1]));
        // No window of 10 s, wherever it begins, holds more than three quarters of the 150.
        for begin in &starts {
            let within = starts.iter().filter(|ms| (*begin..begin + 10_000).contains(*ms)).count();
            assert!(within <= 112, "{within} from {begin} ms on");
        }
        assert_eq!(starts.last().unwrap() / 1_000, 155);
    }

    #[test]
    fn endpoints_that_count_against_one_limit_share_it() {
        let limits = Limits::default();
        let place = |endpoint| limits.place(endpoint, at(0), Duration::ZERO);
        assert_eq!((place(Endpoint::Slos), place(Endpoint::SloHistory)), (Ok(at(0)), Ok(at(0))));
        let name: HeaderMap =
            [("x-ratelimit-name", "slo")].iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        limits.learn(Endpoint::Slos, &name);
        limits.learn(Endpoint::SloHistory, &name);
        let spent = headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "3")]);
        limits.passed(Endpoint::Slos, spent, at(0));
        assert_eq!(place(Endpoint::SloHistory), Err(Error::RateLimited { until: at(3_000) }));
        assert_eq!(place(Endpoint::Events), Ok(at(0)));
    }

    #[test]
    fn places_that_are_given_back_are_taken_by_others() {
        let limits = Limits::default();
        assert_eq!(starts(&limits, Endpoint::SloHistory, 337).last(), Some(&39_999));
        (0..301).for_each(|_| limits.give_back(Endpoint::SloHistory));
        assert_eq!(starts(&limits, Endpoint::SloHistory, 1), [0]);
        assert!(!limits.is_closed(Endpoint::SloHistory, at(0)));
        let spent = headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "3")]);
        limits.passed(Endpoint::SloHistory, spent, at(0));
        assert_eq!([0, 2_999, 3_000].map(|ms| limits.is_closed(Endpoint::SloHistory, at(ms))), [true, true, false]);
    }

    #[test]
    fn headers_close_and_correct_a_limit() {
        let limits = Limits::default();
        let place = |ms| limits.place(Endpoint::Slos, at(ms), Duration::ZERO);
        assert_eq!(place(0), Ok(at(0)));
        let said = headers(&[
            ("X-RateLimit-Limit", "4"),
            ("x-ratelimit-period", "10"),
            ("X-Ratelimit-Remaining", "0"),
            ("X-RATELIMIT-RESET", "7"),
        ]);
        limits.passed(Endpoint::Slos, said, at(0));
        assert_eq!(place(1), Err(Error::RateLimited { until: at(7_000) }));
        // Of 4 in 10 s: one at once, then one each 5 s.
        assert_eq!(place(7_000), Ok(at(7_000)));
        assert_eq!(place(7_001), Err(Error::RateLimited { until: at(12_000) }));
        // Another limit is another budget.
        assert_eq!(limits.place(Endpoint::Events, at(1), Duration::ZERO), Ok(at(1)));
    }

    #[test]
    fn a_refusal_waits_as_it_says_or_longer_each_time() {
        let limits = Limits::default();
        let refused = |ms, said| {
            let _ = limits.place(Endpoint::Events, at(ms), WAIT_MAX);
            let Error::RateLimited { until } = limits.refused(Endpoint::Events, said, at(ms)) else { panic!() };
            (until - at(ms)).num_milliseconds()
        };
        assert_eq!(refused(0, headers(&[("x-ratelimit-reset", "3")])), 3_000);
        // The other calls of the same storm change nothing.
        assert_eq!(refused(1_000, RateHeaders::default()), 2_000);
        assert_eq!(refused(3_000, headers(&[("x-ratelimit-reset", "0")])), 1_000);
        assert_eq!(refused(10_000, RateHeaders::default()), 4_000);
        assert_eq!(refused(20_000, RateHeaders::default()), 8_000);
        limits.passed(Endpoint::Events, RateHeaders::default(), at(30_000));
        assert_eq!(refused(40_000, RateHeaders::default()), 4_000);
        assert_eq!(refused(90_000, headers(&[("x-ratelimit-reset", "999999999")])), 7_200_000);
        assert_eq!(headers(&[("x-ratelimit-reset", "soon")]), RateHeaders::default());
    }
}
