//! Test runs summed up, flaky tests, and coverage of a pull request.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    super::{
        Asked,
        search::Query,
        world::{RunRecord, World},
    },
    Answer, Outcome,
};

/// What the sum over all values of a group is called.
const TOTAL: &str = "$facet_total";

pub(super) fn aggregate(world: &World, asked: &Asked) -> Outcome {
    let filter = &asked.body["filter"];
    let query = Query::parse(filter["query"].as_str().unwrap_or("*")).map_err(|words| Answer::texts(400, &words))?;
    let now = world.now();
    let (from, to) = (time(&filter["from"], now)?, time(&filter["to"], now)?);
    let groups: Vec<Group> = asked.body["group_by"].as_array().into_iter().flatten().map(Group::read).collect();
    if groups.iter().any(|group| group.facet == "@test.is_flaky") && !world.groups_by_flaky {
        return Err(Answer::texts(400, "Cannot group by @test.is_flaky"));
    }
    let fits =
        |run: &&RunRecord| (from..=to).contains(&run.at) && query.fits(|key| value(run, key).into_iter().collect());
    let runs: Vec<&RunRecord> = world.runs.iter().filter(fits).collect();
    let computes = asked.body["compute"].as_array().cloned().unwrap_or_default();
    let mut buckets = Vec::new();
    collect(&runs, &groups, &Map::new(), &computes, &mut buckets);
    let meta = json!({"elapsed": 43, "request_id": "simulated", "status": "done"});
    Ok(Answer::new(json!({"data": {"buckets": buckets}, "meta": meta})))
}

struct Group {
    facet: String,
    limit: usize,
    missing: Option<String>,
    total: bool,
    by_count: bool,
}

impl Group {
    fn read(group: &Value) -> Self {
        Self {
            facet: group["facet"].as_str().unwrap_or_default().to_owned(),
            limit: group["limit"].as_u64().unwrap_or(10) as usize,
            missing: group["missing"].as_str().map(str::to_owned),
            total: group["total"] == true,
            by_count: group["sort"]["type"] == "measure" && group["sort"]["order"] == "desc",
        }
    }
}

/// One bucket for each combination of values, and one more for the sum where it is wanted.
fn collect(
    runs: &[&RunRecord],
    groups: &[Group],
    by: &Map<String, Value>,
    computes: &[Value],
    buckets: &mut Vec<Value>,
) {
    let Some((group, rest)) = groups.split_first() else {
        if !runs.is_empty() || by.is_empty() {
            buckets.push(json!({"by": by, "computes": computed(runs, computes)}));
        }
        return;
    };
    let mut values: BTreeMap<String, Vec<&RunRecord>> = BTreeMap::new();
    for run in runs {
        if let Some(value) = value(run, &group.facet).or_else(|| group.missing.clone()) {
            values.entry(value).or_default().push(run);
        }
    }
    let mut values: Vec<(String, Vec<&RunRecord>)> = values.into_iter().collect();
    if group.by_count {
        values.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.len()));
    }
    values.truncate(group.limit);
    if group.total {
        values.push((TOTAL.to_owned(), runs.to_vec()));
    }
    for (value, runs) in values {
        let mut by = by.clone();
        by.insert(group.facet.clone(), json!(value));
        collect(&runs, rest, &by, computes, buckets);
    }
}

fn computed(runs: &[&RunRecord], computes: &[Value]) -> Map<String, Value> {
    let compute = |(at, compute): (usize, &Value)| {
        let value = match compute["aggregation"].as_str() {
            Some("cardinality") => runs.iter().map(|run| run.run).collect::<BTreeSet<u64>>().len(),
            _ => runs.len(),
        };
        (format!("c{at}"), json!(value))
    };
    computes.iter().enumerate().map(compute).collect()
}

/// What a test of a run has under a facet; whether it was flaky is only there when it was.
fn value(run: &RunRecord, facet: &str) -> Option<String> {
    Some(match facet {
        "@git.repository.id_v2" => run.repository.clone(),
        "@ci.pipeline.name" => run.pipeline.clone(),
        "@test.suite" => run.suite.clone(),
        "@test.is_flaky" => return run.flaky.then(|| "true".to_owned()),
        "test_level" => "test".to_owned(),
        _ => return None,
    })
}

/// `now`, `now-14d`, `now-15m`.
fn time(text: &Value, now: DateTime<Utc>) -> Result<DateTime<Utc>, Answer> {
    let text = text.as_str().unwrap_or("now");
    let Some(back) = text.strip_prefix("now-") else {
        return if text == "now" { Ok(now) } else { Err(Answer::texts(400, "invalid time")) };
    };
    let (number, unit) = back.split_at(back.len().saturating_sub(1));
    let number: i64 = number.parse().map_err(|_| Answer::texts(400, "invalid time"))?;
    match unit {
        "d" => Ok(now - TimeDelta::days(number)),
        "h" => Ok(now - TimeDelta::hours(number)),
        "m" => Ok(now - TimeDelta::minutes(number)),
        _ => Err(Answer::texts(400, "invalid time")),
    }
}

/// Flaky tests, by what their runs were.
pub(super) fn flaky(world: &World, asked: &Asked) -> Outcome {
    let attributes = &asked.body["data"]["attributes"];
    let query = attributes["filter"]["query"].as_str().unwrap_or("*");
    let query = Query::parse(query).map_err(|words| Answer::texts(400, &words))?;
    let mut tests: BTreeMap<(String, String), Vec<&RunRecord>> = BTreeMap::new();
    for run in world.runs.iter().filter(|run| {
        query.fits(|key| match key {
            "flaky_test_state" => vec!["active".to_owned()],
            key => value(run, key).into_iter().collect(),
        })
    }) {
        tests.entry((run.suite.clone(), run.test.clone())).or_default().push(run);
    }
    let flakes = |runs: &[&RunRecord]| runs.iter().filter(|run| run.flaky).count();
    let mut tests: Vec<_> = tests.into_iter().filter(|(_, runs)| flakes(runs) > 0).collect();
    let share = |runs: &[&RunRecord]| flakes(runs) as f64 * 100.0 / runs.len() as f64;
    tests.sort_by(|(_, a), (_, b)| share(b).total_cmp(&share(a)));
    let page = &attributes["page"];
    let (limit, from) = (page["limit"].as_u64().unwrap_or(10) as usize, page["cursor"].as_str().unwrap_or("0"));
    let from: usize = from.parse().map_err(|_| Answer::texts(400, "invalid cursor"))?;
    let shape = |((suite, name), runs): &((String, String), Vec<&RunRecord>)| {
        let last = runs.iter().filter(|run| run.flaky).map(|run| run.at.timestamp()).max();
        let first = runs.iter().filter(|run| run.flaky).map(|run| run.at.timestamp()).min();
        json!({"type": "flaky_test", "id": format!("{suite}/{name}"), "attributes": {
            "name": name, "suite": suite, "module": "it", "flaky_state": "active", "codeowners": [],
            "first_flaked_ts": first, "last_flaked_ts": last, "pipeline_stats": null,
            "test_stats": {"failure_rate_pct": share(runs)},
        }})
    };
    let data: Vec<Value> = tests.iter().skip(from).take(limit).map(shape).collect();
    let next = (from + limit < tests.len()).then(|| (from + limit).to_string());
    Ok(Answer::new(json!({"data": data, "meta": {"pagination": {"next_page": next}}})))
}

pub(super) fn coverage(world: &World, asked: &Asked) -> Outcome {
    let data = &asked.body["data"];
    let (repository, number) =
        (data["attributes"]["repository_url"].as_str(), data["attributes"]["pr_number"].as_u64());
    let (Some(repository), Some(number)) = (repository, number) else {
        return Err(Answer::texts(400, "repository_url and pr_number are required"));
    };
    let repository = repository.trim_start_matches("https://").to_owned();
    let Some((total, patch)) = world.coverage.get(&(repository, number)) else {
        return Err(Answer::texts(404, "Not found"));
    };
    let attributes = json!({
        "total_coverage": total, "patch_coverage": patch, "services": null, "codeowners": null,
        "evaluated_flags_count": 0, "evaluated_reports_count": 1,
    });
    Ok(Answer::new(
        json!({"data": {"id": "c2ltdWxhdGVk", "type": "ci_app_coverage_summary", "attributes": attributes}}),
    ))
}
