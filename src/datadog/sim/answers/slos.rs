//! SLOs, their history, and their burn over time.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    super::{
        Asked,
        timeline::{Phase, Timeline, Window},
        world::{SloRecord, World},
    },
    Answer, Outcome,
};
use crate::slo::Kind;

/// Length of a slice, as newer recordings have it whatever the window.
const INTERVAL: TimeDelta = TimeDelta::seconds(7_200);

pub(super) fn list(world: &World, asked: &Asked) -> Outcome {
    let (limit, offset) = (asked.number("limit", 1_000)?, asked.number("offset", 0)?);
    let ids: Vec<&str> = asked.param("ids").map(|ids| ids.split(',').collect()).unwrap_or_default();
    if (1..ids.len()).any(|at| ids[..at].contains(&ids[at])) {
        return Err(Answer::texts(400, "All items in parameter 'True' must be unique"));
    }
    let unknown: Vec<&str> = ids.iter().copied().filter(|id| !world.slos.contains_key(*id)).collect();
    if !unknown.is_empty() {
        return Err(Answer::texts(404, &format!("no SLOs found for ids: {unknown:?} not found")));
    }
    let tag = asked.param("tags_query");
    let fits = |(id, slo): &(&String, &SloRecord)| {
        (ids.is_empty() || ids.contains(&id.as_str())) && tag.is_none_or(|tag| slo.tags.iter().any(|own| own == tag))
    };
    let all: Vec<Value> = world.slos.iter().filter(fits).map(|(id, slo)| shape(id, slo)).collect();
    let page: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
    // The count of what fits is that of the page, as it was seen once.
    let counts = json!({"total_count": all.len(), "total_filtered_count": page.len()});
    Ok(Answer::new(json!({"data": page, "error": null, "metadata": {"page": counts}})))
}

fn shape(id: &str, slo: &SloRecord) -> Value {
    let goals: Vec<Value> = slo.goals.iter().map(|(timeframe, target)| goal(timeframe, *target)).collect();
    let (timeframe, target) = slo.goals.first().cloned().unwrap_or_default();
    let mut shape = json!({
        "id": id, "name": slo.name, "tags": slo.tags, "monitor_tags": [], "thresholds": goals, "type": word(slo.kind),
        "type_id": type_id(slo.kind), "description": "", "timeframe": timeframe, "target_threshold": target,
        "creator": {"name": null, "handle": "frog@example.com", "email": "frog@example.com"},
        "created_at": slo.created.timestamp(), "modified_at": slo.created.timestamp(),
    });
    match slo.kind {
        Kind::Metric => {
            let query = |what: &str| format!("sum:requests.{what}{{slo:{id}}}.as_count()");
            shape["query"] = json!({"numerator": query("good"), "denominator": query("all")});
        }
        Kind::TimeSlice => {
            let query =
                json!({"data_source": "metrics", "name": "query1", "query": format!("avg:latency{{slo:{id}}}")});
            let query = json!({"formulas": [{"formula": "query1"}], "queries": [query]});
            let slice = json!({"comparator": "<", "query": query, "threshold": 5, "query_interval_seconds": 300});
            shape["sli_specification"] = json!({"time_slice": slice});
        }
        Kind::Monitor => shape["monitor_ids"] = json!([112_445_445]),
    }
    shape
}

fn goal(timeframe: &str, target: f64) -> Value {
    json!({"timeframe": timeframe, "target": target, "target_display": format!("{target}")})
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Metric => "metric",
        Kind::TimeSlice => "time_slice",
        Kind::Monitor => "monitor",
    }
}

fn type_id(kind: Kind) -> u8 {
    match kind {
        Kind::Metric => 1,
        Kind::TimeSlice => 2,
        Kind::Monitor => 0,
    }
}

pub(super) fn history(world: &World, id: &str, asked: &Asked) -> Outcome {
    let window = window(asked)?;
    let target = match asked.param("target") {
        None => None,
        Some(text) => Some(
            text.parse::<f64>()
                .ok()
                .filter(|target| *target > 0.0 && *target < 100.0)
                .ok_or_else(|| Answer::texts(400, "Invalid value for parameter target"))?,
        ),
    };
    let Some(slo) = world.slos.get(id) else { return Err(Answer::texts(404, &format!("SLO ID: {id} not found"))) };
    let goals: Map<String, Value> =
        slo.goals.iter().map(|(timeframe, target)| (timeframe.clone(), goal(timeframe, *target))).collect();
    let mut data = json!({
        "thresholds": goals, "from_ts": window.0.timestamp(), "to_ts": window.1.timestamp(), "type": word(slo.kind),
        "type_id": type_id(slo.kind), "slo": shape(id, slo),
    });
    // What has not happened yet is not known to anybody.
    let known = (window.0, window.1.min(world.now()));
    let sli = sli(slo, known);
    let mut overall = json!({"precision": {}, "corrections": []});
    match (sli, slo.kind) {
        (Some(sli), _) => {
            overall["sli_value"] = json!(sli);
            overall["errors"] = Value::Null;
        }
        (None, Kind::Metric) => {
            overall["sli_value"] = Value::Null;
            overall["state"] = json!("no_data");
            let error = "The denominator is zero valued";
            overall["errors"] = json!([{"error_type": "ZERO_VALUED_DENOMINATOR", "error_message": error}]);
        }
        // Here the figure is not null but absent.
        (None, _) => {
            let error = "No results found for this monitor";
            overall["errors"] = json!([{"error_type": "NO_RESULTS", "error_message": error}]);
        }
    }
    if let (Some(sli), Some(target)) = (sli, target) {
        overall["error_budget_remaining"] = json!({"custom": 100.0 * (sli - target) / (100.0 - target)});
    }
    match slo.kind {
        Kind::Metric => {
            data["group_by"] = json!([]);
            data["series"] = series(slo, known, window);
        }
        _ => overall["history"] = transitions(slo, known),
    }
    data["overall"] = overall;
    Ok(Answer::new(json!({"data": data, "errors": null})))
}

fn window(asked: &Asked) -> Result<Window, Answer> {
    let seconds = |name: &str| {
        let text = asked.param(name).ok_or_else(|| Answer::texts(400, &format!("Missing parameter {name}")))?;
        text.parse::<i64>().map_err(|_| Answer::texts(400, &format!("Invalid value for parameter {name}")))
    };
    let (from, to) = (seconds("from_ts")?, seconds("to_ts")?);
    let wrong = || Answer::texts(400, &format!("The timeframe is incorrect: invalid from {from} or to {to} timestamp"));
    let at = |seconds| DateTime::from_timestamp(seconds, 0).ok_or_else(wrong);
    if from > to { Err(wrong()) } else { Ok((at(from)?, at(to)?)) }
}

/// Percent of good events or good time; monitors' figures have gone through 32 bits.
fn sli(slo: &SloRecord, window: Window) -> Option<f64> {
    if slo.kind == Kind::Metric {
        let events = slo.timeline.events(window);
        return (events.total > 0.0).then(|| 100.0 * events.good / events.total);
    }
    let time = slo.timeline.time(window);
    let heard = time.up + time.down;
    // For slices of time, silence counts as good.
    let all = if slo.kind == Kind::TimeSlice { heard + time.silent } else { heard };
    let sli = 100.0 * (1.0 - time.down as f64 / all as f64);
    (heard > 0).then_some(f64::from(sli as f32))
}

fn series(slo: &SloRecord, known: Window, asked: Window) -> Value {
    let slices: Vec<Window> = Timeline::slices(asked, INTERVAL);
    let events = slices.iter().map(|(begin, end)| slo.timeline.events(((*begin).max(known.0), (*end).min(known.1))));
    let (good, total): (Vec<f64>, Vec<f64>) = events.map(|events| (events.good, events.total)).unzip();
    let part = |values: &[f64], index: u8| {
        json!({
            "values": values, "sum": values.iter().sum::<f64>(), "count": values.len(),
            "metadata": {"unit": null, "query_index": index, "aggr": "sum", "metric": "requests", "tag_set": [],
                         "expression": "sum:requests{*}.as_count()", "scope": "*"},
        })
    };
    // Milliseconds come as floats.
    let times: Vec<f64> = slices.iter().map(|(begin, _)| begin.timestamp_millis() as f64).collect();
    json!({
        "res_type": "time_series", "resp_version": 2, "query": "", "from_date": asked.0.timestamp_millis(),
        "to_date": asked.1.timestamp_millis(), "message": "", "interval": INTERVAL.num_seconds(), "times": times,
        "numerator": part(&good, 0), "denominator": part(&total, 1),
    })
}

fn transitions(slo: &SloRecord, window: Window) -> Value {
    let state = |phase| match phase {
        Phase::Up | Phase::Traffic { .. } => json!(0),
        Phase::Down => json!(1),
        // Seen as a word where slices of time are counted.
        Phase::Silent if slo.kind == Kind::TimeSlice => json!("NO_DATA"),
        Phase::Silent => json!(2),
    };
    let all = slo.timeline.transitions(window);
    all.into_iter().map(|(at, phase)| json!([at.timestamp(), state(phase)])).collect()
}

/// The burn rate of one SLO in slices; an unknown SLO gives empty lists.
pub(super) fn timeseries(world: &World, asked: &Asked) -> Outcome {
    let data = &asked.body["data"];
    if data["type"] != "timeseries_request" {
        let words = "API input validation failed: Invalid type. Expected \"timeseries_request\".";
        return Err(Answer::texts(400, words));
    }
    let attributes = &data["attributes"];
    let instant = |name: &str| attributes[name].as_i64().and_then(DateTime::<Utc>::from_timestamp_millis);
    let (Some(from), Some(to)) = (instant("from"), instant("to")) else {
        return Err(Answer::texts(400, "API input validation failed: from and to are required."));
    };
    let query = &attributes["queries"][0];
    let slo = query["slo_id"].as_str().and_then(|id| world.slos.get(id));
    let slo = slo.filter(|slo| query["slo_query_type"] == word(slo.kind) && slo.kind != Kind::Monitor);
    let interval = attributes["interval"].as_i64().and_then(TimeDelta::try_milliseconds).unwrap_or(INTERVAL);
    let (mut times, mut rates) = (Vec::new(), Vec::new());
    if let Some(slo) = slo {
        let target = slo.goals.first().map_or(99.9, |(_, target)| *target);
        for (begin, end) in Timeline::slices((from, to), interval.max(TimeDelta::seconds(300))) {
            let sli = sli(slo, (begin.max(from), end.min(to)));
            times.push(begin.timestamp_millis());
            rates.push(sli.map(|sli| (100.0 - sli) / (100.0 - target)));
        }
    }
    let (series, values) = match slo {
        Some(_) => (json!([{"group_tags": [], "query_index": 0, "unit": null}]), json!([rates])),
        None => (json!([]), json!([])),
    };
    let attributes = json!({"series": series, "times": times, "values": values});
    Ok(Answer::json_api(json!({"data": {"id": "0", "type": "timeseries_response", "attributes": attributes}})))
}
