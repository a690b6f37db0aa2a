//! SLOs: which there are, how they stood over a window, and their burn rate over time.
//!
//! Percentages are 0-100, as Datadog has them. No arithmetic is done here: `sli` is what Datadog says, and the good and
//! total events or the transitions behind it stand beside.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// SLOs on a page.
const PAGE: usize = 1_000;
/// Pages that are read; 20,000 SLOs.
const PAGES_MAX: usize = 20;

/// What an SLO counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SloKind {
    /// Good events among all.
    Metric,
    /// Time in which no monitor alerts.
    Monitor,
    /// Slices of time in which a condition holds.
    TimeSlice,
    /// Something that came later.
    Other,
}

impl SloKind {
    fn of(word: &str) -> Self {
        match word {
            "metric" => Self::Metric,
            "monitor" => Self::Monitor,
            "time_slice" => Self::TimeSlice,
            _ => Self::Other,
        }
    }

    /// What Datadog calls it in a query; none that it can query.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Metric => Some("metric"),
            Self::TimeSlice => Some("time_slice"),
            Self::Monitor | Self::Other => None,
        }
    }
}

/// A goal over a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// `7d`, `30d`, `90d`, or what came later.
    pub timeframe: String,
    /// The share of good events or good time that is wanted, percent, above 0 and below 100.
    pub target: f64,
    /// The share below which people want a warning, percent.
    pub warning: Option<f64>,
}

impl Threshold {
    /// The length of its period, if it is a number of days.
    pub fn period(&self) -> Option<TimeDelta> {
        let days: i64 = self.timeframe.strip_suffix('d')?.parse().ok()?;
        TimeDelta::try_days(days).filter(|period| *period > TimeDelta::zero())
    }
}

/// A service level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// Datadog's id.
    pub id: String,
    /// Name. Untrusted.
    pub name: String,
    /// What it counts.
    pub kind: SloKind,
    /// Tags, such as `service:web`. Untrusted.
    pub tags: Vec<String>,
    /// Its goals, the primary one first; those without a usable target are left out.
    pub thresholds: Vec<Threshold>,
    /// Groups that a monitor SLO is narrowed to. Untrusted.
    pub groups: Vec<String>,
}

impl Slo {
    /// The goal that it is judged by.
    pub fn primary(&self) -> Option<&Threshold> {
        self.thresholds.first()
    }
}

/// How an SLO stood over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct SloHistory {
    /// The SLO.
    pub slo_id: String,
    /// What it counts.
    pub kind: SloKind,
    /// First instant of the window.
    pub from: DateTime<Utc>,
    /// First instant after it.
    pub to: DateTime<Utc>,
    /// Good events or good time in the window, percent. `None` is no data, never zero.
    pub sli: Option<f64>,
    /// Budget left for the target that was asked with, percent, negative when overspent.
    pub budget_left: Option<f64>,
    /// Why there is no figure, in Datadog's words, such as `ZERO_VALUED_DENOMINATOR`. Untrusted.
    pub errors: Vec<String>,
    /// When the state changed, for SLOs that count time; the first may lie before the window.
    pub transitions: Vec<Transition>,
    /// Events by slices of time, for SLOs that count events.
    pub series: Option<Series>,
    /// The same for each group of a monitor SLO.
    pub groups: Vec<GroupHistory>,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: DateTime<Utc>,
    /// The state from then on.
    pub state: SliState,
}

/// The state of an SLO that counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliState {
    /// Good time.
    Up,
    /// Bad time.
    Down,
    /// Datadog does not know.
    NoData,
}

/// Events by slices of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Length of a slice, as Datadog chose it. The first slice may begin before the window.
    pub interval: TimeDelta,
    /// The slices, oldest first.
    pub buckets: Vec<Bucket>,
    /// Good events in the window.
    pub good: f64,
    /// All events in the window.
    pub total: f64,
}

/// One slice of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its first instant.
    pub start: DateTime<Utc>,
    /// Good events in it.
    pub good: f64,
    /// All events in it.
    pub total: f64,
}

/// How one group of a monitor SLO stood.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupHistory {
    /// Its tags. Untrusted.
    pub name: String,
    /// Good time in the window, percent.
    pub sli: Option<f64>,
    /// When its state changed.
    pub transitions: Vec<Transition>,
}

/// A burn rate at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnPoint {
    /// First instant of the slice.
    pub start: DateTime<Utc>,
    /// Burn rate over it; `None` is no data.
    pub rate: Option<f64>,
}

impl Datadog {
    /// The SLOs that carry the tag `service:NAME`.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn slos_of(&self, service: &str, age: Age) -> Result<Cached<Vec<Slo>>, Error> {
        let tag = format!("service:{service}");
        self.cached(
            format!("slos {tag}"),
            age,
            |datadog| async move { datadog.read_slos(&[("tags_query", tag)]).await },
        )
        .await
    }

    /// All SLOs.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn slos(&self, age: Age) -> Result<Cached<Vec<Slo>>, Error> {
        self.cached("slos".to_owned(), age, |datadog| async move { datadog.read_slos(&[]).await }).await
    }

    /// The SLOs with these ids. Datadog refuses all if it does not know one.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn slos_by_id(&self, ids: &[String], age: Age) -> Result<Cached<Vec<Slo>>, Error> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        // It refuses an id that is given twice.
        ids.dedup();
        let ids = ids.join(",");
        self.cached(format!("slos {ids}"), age, |datadog| async move { datadog.read_slos(&[("ids", ids)]).await }).await
    }

    /// How an SLO stood over the last while: one call for each window and `age`, whoever asks. `target` is what the budget
    /// is reckoned with, percent; without a usable one there is no budget.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn slo_history(
        &self,
        slo_id: &str,
        window: TimeDelta,
        target: Option<f64>,
        age: Age,
    ) -> Result<Cached<SloHistory>, Error> {
        let id = slo_id.to_owned();
        let key = format!("history {} {} {id}", window.num_seconds(), target.unwrap_or_default());
        self.cached(key, age, move |datadog| async move {
            let to = datadog.clock().now();
            datadog.read_history(&id, to - window, to, target).await
        })
        .await
    }

    /// How an SLO stood between two instants, in whole seconds.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn slo_history_between(
        &self,
        slo_id: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        target: Option<f64>,
        age: Age,
    ) -> Result<Cached<SloHistory>, Error> {
        let id = slo_id.to_owned();
        let key = format!("history {}-{} {} {id}", from.timestamp(), to.timestamp(), target.unwrap_or_default());
        self.cached(key, age, move |datadog| async move { datadog.read_history(&id, from, to, target).await }).await
    }

    /// The burn rate in each slice of the last while. Empty for an SLO that Datadog does not know or cannot query so,
    /// which monitor SLOs are.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn burn_rates(
        &self,
        slo: &Slo,
        window: TimeDelta,
        interval: TimeDelta,
        age: Age,
    ) -> Result<Cached<Vec<BurnPoint>>, Error> {
        let (id, kind) = (slo.id.clone(), slo.kind.word());
        let key = format!("burn {} {} {id}", window.num_seconds(), interval.num_seconds());
        self.cached(key, age, move |datadog| async move {
            let Some(kind) = kind else { return Ok(Vec::new()) };
            let to = datadog.clock().now();
            datadog.read_burn(&id, kind, (to - window, to), interval).await
        })
        .await
    }

    async fn read_slos(&self, filter: &[(&'static str, String)]) -> Result<Vec<Slo>, Error> {
        let mut slos = Vec::new();
        for page in 0..PAGES_MAX {
            let call = Call::new(Endpoint::Slos).query("limit", PAGE).query("offset", page * PAGE);
            let call = filter.iter().fold(call, |call, (name, value)| call.query(name, value));
            let answer: SlosAnswer = self.ask(&call).await?;
            let read = answer.data.len();
            slos.extend(answer.data.into_iter().map(Slo::from));
            // What the answer says of totals was seen wrong.
            if read < PAGE {
                return Ok(slos);
            }
        }
        Err(Error::contract("more pages of SLOs than there can be"))
    }

    async fn read_history(
        &self,
        id: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        target: Option<f64>,
    ) -> Result<SloHistory, Error> {
        let call = Call::new(Endpoint::SloHistory).name(id);
        let call = call.query("from_ts", from.timestamp()).query("to_ts", to.timestamp());
        let call = match target.filter(|target| *target > 0.0 && *target < 100.0) {
            Some(target) => call.query("target", target),
            None => call,
        };
        let answer: HistoryAnswer = self.ask(&call).await?;
        let data = answer.data.ok_or_else(|| Error::contract("a history without data"))?;
        Ok(data.history(id, from, to))
    }

    async fn read_burn(
        &self,
        id: &str,
        kind: &str,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        interval: TimeDelta,
    ) -> Result<Vec<BurnPoint>, Error> {
        let body = json!({"data": {"type": "timeseries_request", "attributes": {
            "from": from.timestamp_millis(),
            "to": to.timestamp_millis(),
            "interval": interval.num_milliseconds(),
            "formulas": [{"formula": "a"}],
            "queries": [{
                "data_source": "slo", "name": "a", "slo_id": id, "measure": "burn_rate", "slo_query_type": kind,
                "group_mode": "overall", "additional_query_filters": "*",
            }],
        }}});
        let answer: TimeseriesAnswer = self.ask(&Call::new(Endpoint::Timeseries).body(body)).await?;
        let attributes = answer.data.map(|data| data.attributes).unwrap_or_default();
        let rates = attributes.values.into_iter().next().unwrap_or_default();
        let points = attributes.times.into_iter().zip(rates);
        Ok(points.filter_map(|(ms, rate)| Some(BurnPoint { start: from_ms(ms as f64)?, rate })).collect())
    }
}

#[derive(Deserialize)]
struct SlosAnswer {
    #[serde(default, deserialize_with = "wire::list")]
    data: Vec<SloBody>,
}

#[derive(Deserialize)]
struct SloBody {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "wire::list")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::list")]
    thresholds: Vec<ThresholdBody>,
    timeframe: Option<String>,
    target_threshold: Option<f64>,
    warning_threshold: Option<f64>,
    #[serde(default, deserialize_with = "wire::list")]
    groups: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct ThresholdBody {
    #[serde(default)]
    timeframe: String,
    target: Option<f64>,
    warning: Option<f64>,
}

impl From<SloBody> for Slo {
    fn from(body: SloBody) -> Self {
        let SloBody { id, name, kind, tags, thresholds, timeframe, target_threshold, warning_threshold, groups } = body;
        let usable = |target: &f64| *target > 0.0 && *target < 100.0;
        let first = timeframe.as_deref();
        let mut goals: Vec<Threshold> = thresholds
            .into_iter()
            .filter_map(|ThresholdBody { timeframe, target, warning }| {
                Some(Threshold { timeframe, target: target.filter(usable)?, warning })
            })
            .collect();
        if let (Some(timeframe), Some(target)) = (first, target_threshold.filter(usable))
            && !goals.iter().any(|goal| goal.timeframe == timeframe)
        {
            goals.push(Threshold { timeframe: timeframe.to_owned(), target, warning: warning_threshold });
        }
        goals.sort_by_key(|goal| first != Some(goal.timeframe.as_str()));
        Self { id, name, kind: SloKind::of(&kind), tags, thresholds: goals, groups }
    }
}

#[derive(Deserialize)]
struct HistoryAnswer {
    data: Option<HistoryBody>,
}

#[derive(Deserialize)]
struct HistoryBody {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "wire::lenient")]
    from_ts: Option<f64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    to_ts: Option<f64>,
    overall: Option<SliBody>,
    #[serde(default, deserialize_with = "wire::lenient")]
    series: Option<SeriesBody>,
    #[serde(default, deserialize_with = "wire::list")]
    groups: Vec<SliBody>,
    #[serde(default, deserialize_with = "wire::list")]
    monitors: Vec<SliBody>,
}

#[derive(Default, Deserialize)]
struct SliBody {
    #[serde(default, deserialize_with = "wire::lenient")]
    sli_value: Option<f64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    error_budget_remaining: Option<BTreeMap<String, Option<f64>>>,
    #[serde(default, deserialize_with = "wire::list")]
    errors: Vec<SliError>,
    #[serde(default, deserialize_with = "wire::list")]
    history: Vec<Vec<Value>>,
    #[serde(default, deserialize_with = "wire::lenient")]
    group: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct SliError {
    error_type: Option<String>,
}

#[derive(Deserialize)]
struct SeriesBody {
    interval: f64,
    #[serde(default, deserialize_with = "wire::list")]
    times: Vec<f64>,
    numerator: EventsBody,
    denominator: EventsBody,
}

#[derive(Deserialize)]
struct EventsBody {
    #[serde(default, deserialize_with = "wire::list")]
    values: Vec<Option<f64>>,
    sum: f64,
}

#[derive(Deserialize)]
struct TimeseriesAnswer {
    data: Option<TimeseriesData>,
}

#[derive(Deserialize)]
struct TimeseriesData {
    #[serde(default)]
    attributes: TimeseriesBody,
}

#[derive(Default, Deserialize)]
struct TimeseriesBody {
    #[serde(default, deserialize_with = "wire::list")]
    times: Vec<i64>,
    #[serde(default, deserialize_with = "wire::list")]
    values: Vec<Vec<Option<f64>>>,
}

impl HistoryBody {
    /// The window is what Datadog says it answered for, which ought to be what it was asked.
    fn history(self, id: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> SloHistory {
        let said = |seconds: Option<f64>, asked| seconds.and_then(|s| from_ms(s * 1_000.0)).unwrap_or(asked);
        let overall = self.overall.unwrap_or_default();
        let budget = overall.error_budget_remaining.as_ref();
        SloHistory {
            slo_id: id.to_owned(),
            kind: SloKind::of(&self.kind),
            from: said(self.from_ts, from),
            to: said(self.to_ts, to),
            sli: overall.sli_value,
            budget_left: budget.and_then(|budget| budget.get("custom").copied().flatten()),
            errors: overall
                .errors
                .into_iter()
                .filter_map(|error| error.error_type)
                .map(|word| wire::clip(&word))
                .collect(),
            transitions: transitions(&overall.history),
            series: self.series.map(SeriesBody::series),
            groups: self.groups.into_iter().chain(self.monitors).map(SliBody::group).collect(),
        }
    }
}

impl SliBody {
    fn group(self) -> GroupHistory {
        let name = self.group.or(self.name).unwrap_or_default();
        GroupHistory { name, sli: self.sli_value, transitions: transitions(&self.history) }
    }
}

impl SeriesBody {
    fn series(self) -> Series {
        let event = |body: &EventsBody, at: usize| body.values.get(at).copied().flatten().unwrap_or(0.0);
        let bucket = |(at, ms): (usize, &f64)| {
            let (good, total) = (event(&self.numerator, at), event(&self.denominator, at));
            Some(Bucket { start: from_ms(*ms)?, good, total })
        };
        Series {
            interval: TimeDelta::try_milliseconds((self.interval * 1_000.0) as i64).unwrap_or_default(),
            buckets: self.times.iter().enumerate().filter_map(bucket).collect(),
            good: self.numerator.sum,
            total: self.denominator.sum,
        }
    }
}

fn transitions(history: &[Vec<Value>]) -> Vec<Transition> {
    let transition = |pair: &Vec<Value>| {
        let [at, state, ..] = pair.as_slice() else { return None };
        let state = match (state.as_f64(), state.as_str()) {
            (Some(0.0), _) => SliState::Up,
            (Some(1.0), _) => SliState::Down,
            // 2, the word `NO_DATA`, and whatever comes later: not known, which is neither good nor bad.
            _ => SliState::NoData,
        };
        Some(Transition { at: from_ms(at.as_f64()? * 1_000.0)?, state })
    };
    history.iter().filter_map(transition).collect()
}

/// Milliseconds since 1970, which come as integers and as floats.
fn from_ms(ms: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms as i64).filter(|_| ms.is_finite())
}
