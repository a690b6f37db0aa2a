//! Service levels: SLI, target, error budget and burn rate, by the definitions of Google's SRE workbook (chapters 2 and 5)
//! and of Datadog. Plain numbers in, plain numbers out; nothing is asked here, and what was not measured is no number.

mod forecast;
mod measure;
mod timeline;

pub use forecast::{Clearing, Untold, clearing};
pub use measure::{Disagreement, Measured, Way, agree, left_of, measure};
pub use timeline::{DayBurn, daily};

use serde::{Deserialize, Serialize};

/// Seconds of an hour.
pub const HOUR_S: i64 = 3_600;
/// Seconds of a day.
pub const DAY_S: i64 = 86_400;
/// How far back a burn rate is looked at.
pub const LOOKED_BACK_S: i64 = 48 * HOUR_S;
/// A burn rate counts once it holds for so long.
pub const SHORT_WINDOW_S: i64 = 2 * HOUR_S;
/// Above it a budget burns fast: one of 30 days is spent in 15.
pub const FAST: f64 = 2.0;
/// Steps of a burn rate of 1.
const RATE_STEPS: f64 = 1e9;

/// A span of time in seconds since 1970, from its first second to the first after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First second.
    pub from_s: i64,
    /// First second after it.
    pub to_s: i64,
}

impl Window {
    /// The `span_s` seconds before `to_s`.
    pub fn before(to_s: i64, span_s: i64) -> Self {
        Self { from_s: to_s.saturating_sub(span_s), to_s }
    }

    /// How long it is, in seconds; 0 where its end is not after its beginning.
    pub fn span_s(self) -> i64 {
        self.to_s.saturating_sub(self.from_s).max(0)
    }

    /// What both have in common; empty where that is nothing.
    pub fn overlap(self, other: Self) -> Self {
        let from_s = self.from_s.max(other.from_s);
        Self { from_s, to_s: self.to_s.min(other.to_s).max(from_s) }
    }
}

/// What an SLO promises, in per cent, between 0 and 100 without the ends: at 100 there is no budget to burn.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Target(f64);

impl Target {
    /// `None` for what is no target.
    pub fn new(percent: f64) -> Option<Self> {
        (percent > 0.0 && percent < 100.0).then_some(Self(percent))
    }

    /// In per cent.
    pub fn percent(self) -> f64 {
        self.0
    }

    /// The share that may be bad, above 0 and below 1.
    pub fn allowed(self) -> f64 {
        (100.0 - self.0) / 100.0
    }

    /// The burn rate of a total failure, which no burn rate exceeds.
    pub fn most_burn(self) -> f64 {
        1.0 / self.allowed()
    }
}

impl TryFrom<f64> for Target {
    type Error = &'static str;

    fn try_from(percent: f64) -> Result<Self, Self::Error> {
        Self::new(percent).ok_or("a target lies between 0 and 100 per cent")
    }
}

impl From<Target> for f64 {
    fn from(target: Target) -> Self {
        target.0
    }
}

/// The time over which a budget is counted, in whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timeframe {
    /// At least 1.
    pub days: u32,
}

impl Timeframe {
    /// Reads `7d`, `30d`, `90d`; `None` for anything else, such as `custom`.
    pub fn parse(text: &str) -> Option<Self> {
        let days = text.strip_suffix('d').filter(|days| days.bytes().all(|byte| byte.is_ascii_digit()))?;
        days.parse().ok().filter(|days| (1..=366).contains(days)).map(|days| Self { days })
    }

    /// In seconds.
    pub fn span_s(self) -> i64 {
        i64::from(self.days) * DAY_S
    }
}

/// What an SLI counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Good events of all events.
    Metric,
    /// Time in which no monitor (or none of its groups) alerts.
    Monitor,
    /// Slices of time in which a condition holds.
    TimeSlice,
}

/// One promise of an SLO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// How much of it has to be good.
    pub target: Target,
    /// The time over which that is counted.
    pub timeframe: Timeframe,
}

/// An SLO as its owner defined it. All text in it comes from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// Its id at Datadog.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it counts.
    pub kind: Kind,
    /// Its promises, the primary one first; none of it where the definition holds none that can be read.
    pub objectives: Vec<Objective>,
    /// Its tags, such as `service:web`.
    pub tags: Vec<String>,
    /// Names of its groups; any of them being down counts.
    pub groups: Vec<String>,
}

impl Slo {
    /// The promise that its owner looks at first.
    pub fn primary(&self) -> Option<Objective> {
        self.objectives.first().copied()
    }
}

/// What became of an SLI in one window, as its provider tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The window that was asked for.
    pub window: Window,
    /// The provider's own SLI over exactly the window, in per cent; `None` where it has no data.
    pub sli: Option<f64>,
    /// What the provider says is left of the budget of the target that was sent along, in per cent of it; negative when
    /// overspent.
    pub budget_left: Option<f64>,
    /// What the SLI is made of.
    pub parts: Parts,
}

/// What an SLI is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Parts {
    /// Counted events.
    Events(Series),
    /// Times at which the state became another; each holds until the next one. In order of time.
    States(Vec<Transition>),
}

/// Counted events in buckets of one width.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Width of a bucket in seconds: the provider chooses it.
    pub bucket_s: i64,
    /// The buckets that hold data, in order of time.
    pub buckets: Vec<Bucket>,
}

/// What happened in one bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its first second.
    pub from_s: i64,
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, in seconds since 1970. The first may lie before the window.
    pub at_s: i64,
    /// What it became.
    pub state: State,
}

/// State of a monitor or a time slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// As promised.
    Up,
    /// Not as promised.
    Down,
    /// Nothing is known; it does not count against the budget.
    NoData,
}

impl State {
    /// Datadog's 0, 1 and 2; `None` for numbers that it does not document.
    pub fn of_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Up),
            1 => Some(Self::Down),
            2 => Some(Self::NoData),
            _ => None,
        }
    }

    /// Some answers hold the word `NO_DATA` in place of a number.
    pub fn of_word(word: &str) -> Option<Self> {
        word.eq_ignore_ascii_case("NO_DATA").then_some(Self::NoData)
    }
}

/// How fast a budget is spent: 1 spends it in exactly its timeframe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// At least 0, at most [`Target::most_burn`].
    pub rate: f64,
    /// Over which time it was measured.
    pub over: Window,
}

/// Why a burn rate was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unmeasured {
    /// There was nothing to measure: no events, or no data.
    NoData,
    /// So few events that a single bad one would be a fast burn.
    LowTraffic {
        /// Events that there were.
        events: f64,
        /// Events that it takes.
        needed: f64,
    },
}

/// Burn rate of an SLI: `(100 - SLI) / (100 - target)`, both in per cent. `None` for what is no SLI.
pub fn burn_of_sli(sli_percent: f64, target: Target) -> Option<f64> {
    // Late events can make more good ones than there are in all.
    sli_percent.is_finite().then(|| burn_of_share((100.0 - sli_percent.clamp(0.0, 100.0)) / 100.0, target))
}

/// Burn rate of a share (0-1) that was bad, to nine decimals: what is exactly twice in decimal figures must not come out
/// above twice because 100 - 99.9 is not 0.1 in binary ones.
fn burn_of_share(bad: f64, target: Target) -> f64 {
    (bad / target.allowed() * RATE_STEPS).round() / RATE_STEPS
}

/// Burn rate from what is left of the budget after the window, in per cent of it: Datadog defines what is left as
/// `100 * (SLI - target) / (100 - target)`. `None` for what is no number.
pub fn burn_of_budget_left(left_percent: f64) -> Option<f64> {
    left_percent.is_finite().then(|| (1.0 - left_percent / 100.0).max(0.0))
}

/// Share of the budget that is left after a whole timeframe with this SLI: at most 1, negative when overspent.
pub fn budget_left(sli_percent: f64, target: Target) -> Option<f64> {
    burn_of_sli(sli_percent, target).map(|burn| 1.0 - burn)
}

/// Share of the budget of a timeframe that a burn spends in so many seconds.
pub fn spent(rate: f64, span_s: i64, timeframe: Timeframe) -> f64 {
    rate * span_s as f64 / timeframe.span_s() as f64
}

/// Hours until the rest of a budget is spent at this rate; `None` if it never is. Of a rolling timeframe it is the least:
/// what was spent at its beginning comes back meanwhile.
pub fn hours_to_empty(left: f64, rate: f64, timeframe: Timeframe) -> Option<f64> {
    let hours = left.max(0.0) * (timeframe.span_s() / HOUR_S) as f64 / rate;
    (rate > 0.0 && hours.is_finite()).then_some(hours)
}

/// The least number of events in which one bad one is no fast burn by itself: below it a burn rate says more about chance
/// than about the service.
pub fn events_needed(target: Target) -> f64 {
    events_spent_by_one(target) / FAST
}

/// The number of events of which a single bad one spends the whole budget.
fn events_spent_by_one(target: Target) -> f64 {
    // 100 - 99.9 is not 0.1 in binary figures: 1,000 events would come out as a little more.
    (1e6 / target.allowed()).round() / 1e6
}

#[cfg(test)]
mod tests;
