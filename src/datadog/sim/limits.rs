//! Limits of the simulated organisation: so many calls in each period of the clock, told in headers as recorded.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};

/// The limits by name.
#[derive(Clone, Debug)]
pub(super) struct Limits(BTreeMap<&'static str, Limit>);

#[derive(Clone, Debug)]
struct Limit {
    calls: u32,
    period_s: i64,
    /// The running period, and what was taken of it.
    running: i64,
    taken: u32,
    /// When calls came within the last period, in milliseconds.
    recent: VecDeque<i64>,
    used: Used,
}

/// What was made of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Calls that were answered.
    pub calls: u32,
    /// Calls that were refused.
    pub refused: u32,
    /// Most calls within the length of a period, wherever it began.
    pub most: usize,
}

/// What an answer tells of a limit.
pub(super) struct Told {
    pub(super) headers: [(&'static str, String); 5],
    /// There is no room for this call.
    pub(super) spent: bool,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = [
            ("slo_history", 150, 10),
            ("slo_get_all", 1_000, 10),
            ("event_stream_api", 600, 60),
            ("query_timeseries", 1_600, 3_600),
        ];
        let limit = |(name, calls, period_s)| {
            (name, Limit { calls, period_s, running: 0, taken: 0, recent: VecDeque::new(), used: Used::default() })
        };
        Self(limits.map(limit).into())
    }
}

impl Limits {
    /// Counts a call against the limit of its path; most paths have none that is told.
    pub(super) fn take(&mut self, path: &str, now: DateTime<Utc>) -> Option<Told> {
        let name = Self::name(path)?;
        let limit = self.0.get_mut(name)?;
        let running = now.timestamp().div_euclid(limit.period_s);
        if limit.running != running {
            (limit.running, limit.taken) = (running, 0);
        }
        let spent = limit.taken >= limit.calls;
        limit.taken += u32::from(!spent);
        limit.note(now.timestamp_millis(), spent);
        let reset = (running + 1) * limit.period_s - now.timestamp();
        let headers = [
            ("x-ratelimit-limit", limit.calls.to_string()),
            ("x-ratelimit-name", name.to_owned()),
            ("x-ratelimit-period", limit.period_s.to_string()),
            ("x-ratelimit-remaining", (limit.calls - limit.taken).to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        Some(Told { headers, spent })
    }

    /// Lets a limit be another one from now on.
    pub(super) fn set(&mut self, name: &str, calls: u32, period: Duration) {
        if let Some(limit) = self.0.get_mut(name) {
            (limit.calls, limit.period_s) = (calls, period.as_secs().max(1) as i64);
            (limit.running, limit.taken) = (0, 0);
        }
    }

    /// What was made of a limit so far.
    pub(super) fn used(&self, name: &str) -> Used {
        self.0.get(name).map(|limit| limit.used).unwrap_or_default()
    }

    fn name(path: &str) -> Option<&'static str> {
        Some(match path {
            "/api/v1/slo" => "slo_get_all",
            "/api/v1/events" => "event_stream_api",
            "/api/v2/query/timeseries" => "query_timeseries",
            _ if path.starts_with("/api/v1/slo/") && path.ends_with("/history") => "slo_history",
            _ => return None,
        })
    }
}

impl Limit {
    fn note(&mut self, at_ms: i64, refused: bool) {
        let begin_ms = at_ms - self.period_s * 1_000;
        self.recent.push_back(at_ms);
        while self.recent.front().is_some_and(|earlier| *earlier <= begin_ms) {
            self.recent.pop_front();
        }
        let Used { calls, refused: before, most } = self.used;
        self.used = Used {
            calls: calls + u32::from(!refused),
            refused: before + u32::from(refused),
            most: most.max(self.recent.len()),
        };
    }
}
