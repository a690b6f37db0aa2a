//! SLOs: which there are, how they stood over a window, and their burn rate over time. Nothing is reckoned here: the
//! figures are Datadog's, and what they are made of stands beside them.

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
use crate::slo::{Bucket, History, Kind, Objective, Parts, Series, Slo, State, Target, Timeframe, Transition, Window};

/// SLOs on a page.
const PAGE: usize = 1_000;
/// Pages that are read; 20,000 SLOs.
const PAGES_MAX: usize = 20;

/// A burn rate at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnPoint {
    /// First instant of the slice.
    pub start: DateTime<Utc>,
    /// Burn rate over it; `None` is no data.
    pub rate: Option<f64>,
}

impl Datadog {
    /// The SLOs that carry the tag `service:NAME`. Kinds of SLOs that nothing is known of are left out.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn slos_of(&self, service: &str, age: Age) -> Result<Cached<Vec<Slo>>, Error> {
        let tag = format!("service:{service}");
        let key = format!("slos {tag}");
        self.cached(key, age, |datadog| async move { datadog.read_slos(&[("tags_query", tag)]).await }).await
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

    /// How an SLO stood over the last `span_s` seconds: one call for each SLO, span and `age`, whoever asks. `target` is
    /// what the budget that is left is reckoned with; without one there is none.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn slo_history(
        &self,
        slo_id: &str,
        span_s: i64,
        target: Option<Target>,
        age: Age,
    ) -> Result<Cached<History>, Error> {
        let id = slo_id.to_owned();
        let key = format!("history {span_s} {:?} {id}", target.map(Target::percent));
        self.cached(key, age, move |datadog| async move {
            let window = Window::before(datadog.clock().now().timestamp(), span_s);
            datadog.read_history(&id, window, target).await
        })
        .await
    }

    /// How an SLO stood in a window.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn slo_history_in(
        &self,
        slo_id: &str,
        window: Window,
        target: Option<Target>,
        age: Age,
    ) -> Result<Cached<History>, Error> {
        let id = slo_id.to_owned();
        let key = format!("history {}-{} {:?} {id}", window.from_s, window.to_s, target.map(Target::percent));
        self.cached(key, age, move |datadog| async move { datadog.read_history(&id, window, target).await }).await
    }

    /// The burn rate in each slice of the last `span_s` seconds. Empty for an SLO that Datadog does not know or cannot
    /// query so, which monitor SLOs are. It may choose longer slices than are wished.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn burn_rates(
        &self,
        slo: &Slo,
        span_s: i64,
        slice: TimeDelta,
        age: Age,
    ) -> Result<Cached<Vec<BurnPoint>>, Error> {
        let (id, kind) = (slo.id.clone(), slo.kind);
        let key = format!("burn {span_s} {} {id}", slice.num_seconds());
        self.cached(key, age, move |datadog| async move {
            let kind = match kind {
                Kind::Metric => "metric",
                Kind::TimeSlice => "time_slice",
                Kind::Monitor => return Ok(Vec::new()),
            };
            let to = datadog.clock().now();
            let answer: TimeseriesAnswer =
                datadog.ask(&burn_call(&id, kind, (to - TimeDelta::seconds(span_s), to), slice)).await?;
            Ok(answer.points())
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
            slos.extend(answer.data.into_iter().flatten().filter_map(SloBody::slo));
            // What the answer says of totals was seen wrong.
            if read < PAGE {
                return Ok(slos);
            }
        }
        Err(Error::contract("more pages of SLOs than are read"))
    }

    async fn read_history(&self, id: &str, window: Window, target: Option<Target>) -> Result<History, Error> {
        let call = Call::new(Endpoint::SloHistory).name(id);
        let call = call.query("from_ts", window.from_s).query("to_ts", window.to_s);
        let call = match target {
            Some(target) => call.query("target", target.percent()),
            None => call,
        };
        self.ask::<HistoryAnswer>(&call).await?.history(window)
    }
}

/// The SLOs of an answer to the question for them.
///
/// # Errors
/// [`Error::Contract`] for what is no such answer.
pub fn parse_slos(body: &[u8]) -> Result<Vec<Slo>, Error> {
    let answer: SlosAnswer = wire::json(body)?;
    Ok(answer.data.into_iter().flatten().filter_map(SloBody::slo).collect())
}

/// How an SLO stood in a window, from the answer to that question.
///
/// # Errors
/// [`Error::Contract`] for what is no such answer.
pub fn parse_history(body: &[u8], window: Window) -> Result<History, Error> {
    wire::json::<HistoryAnswer>(body)?.history(window)
}

/// The question for the burn rate of an SLO over time.
pub(super) fn burn_call(id: &str, kind: &str, (from, to): (DateTime<Utc>, DateTime<Utc>), slice: TimeDelta) -> Call {
    let query = json!({
        "data_source": "slo", "name": "a", "slo_id": id, "measure": "burn_rate", "slo_query_type": kind,
        "group_mode": "overall", "additional_query_filters": "*",
    });
    Call::new(Endpoint::Timeseries).body(json!({"data": {"type": "timeseries_request", "attributes": {
        "from": from.timestamp_millis(), "to": to.timestamp_millis(), "interval": slice.num_milliseconds(),
        "formulas": [{"formula": "a"}], "queries": [query],
    }}}))
}

#[derive(Deserialize)]
struct SlosAnswer {
    #[serde(default, deserialize_with = "wire::rows")]
    data: Vec<Option<SloBody>>,
}

#[derive(Deserialize)]
struct SloBody {
    id: String,
    #[serde(default, deserialize_with = "wire::text")]
    name: String,
    #[serde(default, rename = "type", deserialize_with = "wire::text")]
    kind: String,
    #[serde(default, deserialize_with = "wire::readable")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::readable")]
    thresholds: Vec<Threshold>,
    #[serde(default, deserialize_with = "wire::lenient")]
    timeframe: Option<String>,
    #[serde(default, deserialize_with = "wire::number")]
    target_threshold: Option<f64>,
    #[serde(default, deserialize_with = "wire::readable")]
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct Threshold {
    #[serde(default, deserialize_with = "wire::text")]
    timeframe: String,
    #[serde(default, deserialize_with = "wire::number")]
    target: Option<f64>,
}

impl SloBody {
    fn slo(self) -> Option<Slo> {
        let kind = match self.kind.as_str() {
            "metric" => Kind::Metric,
            "monitor" => Kind::Monitor,
            "time_slice" => Kind::TimeSlice,
            // A kind that came later.
            _ => return None,
        };
        let objective = |timeframe: &str, target: Option<f64>| {
            Some(Objective { target: Target::new(target?)?, timeframe: Timeframe::parse(timeframe)? })
        };
        let primary = self.timeframe.as_deref().and_then(|timeframe| objective(timeframe, self.target_threshold));
        let mut objectives: Vec<Objective> =
            self.thresholds.iter().filter_map(|one| objective(&one.timeframe, one.target)).collect();
        if let Some(primary) = primary {
            objectives.retain(|one| one.timeframe != primary.timeframe);
            objectives.insert(0, primary);
        }
        Some(Slo { id: self.id, name: self.name, kind, objectives, tags: self.tags, groups: self.groups })
    }
}

#[derive(Deserialize)]
struct HistoryAnswer {
    data: Option<HistoryBody>,
    #[serde(default)]
    errors: Value,
}

impl HistoryAnswer {
    fn history(self, window: Window) -> Result<History, Error> {
        let data = self.data.ok_or_else(|| Error::contract("a history without data"))?;
        let errored = wire::is_errored(&self.errors) || wire::is_errored(&data.errors);
        Ok(data.history(window, errored))
    }
}

#[derive(Deserialize)]
struct HistoryBody {
    #[serde(default)]
    errors: Value,
    overall: Option<Overall>,
    /// Only SLOs that count events have it.
    #[serde(default, deserialize_with = "wire::lenient")]
    series: Option<SeriesBody>,
}

#[derive(Default, Deserialize)]
struct Overall {
    /// Null or absent where there is no data, never 0.
    #[serde(default, deserialize_with = "wire::lenient")]
    sli_value: Option<f64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    error_budget_remaining: Option<BTreeMap<String, Option<f64>>>,
    #[serde(default, deserialize_with = "wire::list")]
    history: Vec<Vec<Value>>,
    #[serde(default)]
    errors: Value,
    #[serde(default, deserialize_with = "wire::text")]
    state: String,
}

impl Overall {
    /// What stands beside an error, or beside the word that there is no data, is no figure.
    fn is_void(&self) -> bool {
        wire::is_errored(&self.errors) || self.state == "no_data"
    }
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
}

impl HistoryBody {
    fn history(self, window: Window, errored: bool) -> History {
        let overall = self.overall.unwrap_or_default();
        let void = errored || overall.is_void();
        let Overall { sli_value, error_budget_remaining, history, .. } = overall;
        let budget = error_budget_remaining.as_ref().and_then(|budget| budget.get("custom").copied().flatten());
        let (sli_value, budget) = if void { (None, None) } else { (sli_value, budget) };
        let parts = match self.series {
            Some(series) => Parts::Events(series.series()),
            None => Parts::States(history.iter().filter_map(|pair| transition(pair)).collect()),
        };
        History { window, sli: sli_value, budget_left: budget, parts }
    }
}

impl SeriesBody {
    fn series(self) -> Series {
        let values = self.numerator.values.into_iter().zip(self.denominator.values);
        let bucket = |(ms, (good, total)): (f64, (Option<f64>, Option<f64>))| {
            Some(Bucket { from_s: (ms / 1_000.0) as i64, good: good?, total: total? })
        };
        Series {
            bucket_s: self.interval as i64,
            buckets: self.times.into_iter().zip(values).filter_map(bucket).collect(),
        }
    }
}

fn transition(pair: &[Value]) -> Option<Transition> {
    let [at, state, ..] = pair else { return None };
    let state = match state {
        Value::String(word) => State::of_word(word),
        state => state.as_f64().and_then(|number| State::of_number(number as i64)),
    };
    // A state that came later is neither good nor bad.
    Some(Transition { at_s: at.as_f64()? as i64, state: state.unwrap_or(State::NoData) })
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

impl TimeseriesAnswer {
    fn points(self) -> Vec<BurnPoint> {
        let TimeseriesBody { times, values } = self.data.map(|data| data.attributes).unwrap_or_default();
        // One formula was asked for.
        let rates = values.into_iter().next().unwrap_or_default();
        let point = |(ms, rate)| Some(BurnPoint { start: DateTime::from_timestamp_millis(ms)?, rate });
        times.into_iter().zip(rates).filter_map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beside_an_error_is_none() {
        let sli = |body: &str| {
            let window = Window { from_s: 0, to_s: 10 };
            let history = parse_history(body.as_bytes(), window).unwrap();
            assert_eq!(history.sli.is_some(), history.budget_left.is_some());
            history.sli
        };
        let left = r#""error_budget_remaining": {"custom": 5}"#;
        let overall = |more: &str| format!(r#"{{"data": {{"overall": {{"sli_value": 0, {left}{more}}}}}}}"#);
        assert_eq!(sli(&overall("")), Some(0.0));
        assert_eq!(sli(&overall(r#", "errors": null, "state": "ok""#)), Some(0.0));
        assert_eq!(sli(&overall(r#", "errors": [{"error_type": "ZERO_VALUED_DENOMINATOR"}]"#)), None);
        assert_eq!(sli(&overall(r#", "state": "no_data""#)), None);
        let beside =
            |errors: &str| format!(r#"{{"data": {{"overall": {{"sli_value": 0, {left}}}}}, "errors": {errors}}}"#);
        assert_eq!((sli(&beside("[]")), sli(&beside(r#"[{"error": "x"}]"#))), (Some(0.0), None));
    }

    #[test]
    fn an_odd_row_costs_no_other() {
        let slos = parse_slos(
            br#"{"data": [{"id": 7}, null, {"id": "a", "name": null, "type": "metric", "tags": ["service:pay", 3],
                "thresholds": [{"timeframe": "7d", "target": "99.5"}, {"timeframe": 7}]}]}"#,
        );
        let slo = slos.unwrap().pop().unwrap();
        assert_eq!((slo.id.as_str(), slo.tags.as_slice()), ("a", ["service:pay".to_owned()].as_slice()));
        assert_eq!(slo.primary().map(|one| one.target.percent()), Some(99.5));
    }
}
