//! The metrics as JSON, `mergecast.dora/1`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::ENOUGH;
use crate::deployment::{
    dora::{ChangeFail, Dora, LeadTime, Scope, Share, Spread},
    overview::{Odd, Overview},
};

/// The document, as of `now`.
pub fn render(overview: &Overview, now: DateTime<Utc>) -> Value {
    let named = |all: &[Dora], name: fn(&Scope) -> &Option<String>| -> Vec<Value> {
        all.iter().map(|one| json!({"name": name(&one.scope), "metrics": metrics(one)})).collect()
    };
    let part = |one: &Dora| json!({"from": one.scope.from, "to": one.scope.to, "metrics": metrics(one)});
    let odd = |one: &Odd| {
        let about: Vec<String> = one.about.iter().map(ToString::to_string).collect();
        json!({"kind": one.kind, "count": one.count, "since": one.since, "about": about})
    };
    let Scope { service, team, environment, from, to } = &overview.whole.scope;
    json!({
        "schema": "mergecast.dora/1",
        "as_of": now,
        "scope": {"service": service, "team": team, "environment": environment, "from": from, "to": to},
        "minimum_sample": ENOUGH,
        "metrics": metrics(&overview.whole),
        "course": {
            "part_days": overview.part_days,
            "parts": overview.course.iter().map(part).collect::<Vec<_>>(),
        },
        "services": named(&overview.services, |scope| &scope.service),
        "teams": named(&overview.teams, |scope| &scope.team),
        "environments": named(&overview.environments, |scope| &scope.environment),
        "anomalies": overview.odd.iter().map(odd).collect::<Vec<_>>(),
    })
}

fn metrics(dora: &Dora) -> Value {
    let frequency = &dora.frequency;
    json!({
        "deployment_frequency": {
            "deployments": frequency.deployments,
            "per_day": frequency.per_day,
            "days_with": frequency.days_with,
            "band": frequency.band,
        },
        "change_lead_time": lead_time(&dora.lead_time),
        "change_fail_rate": change_fail(&dora.change_fail),
        "failed_deployment_recovery_time": {
            "recovered": spread(&dora.recovery.spread),
            "untold": dora.recovery.untold,
        },
        "rework_rate": share(dora.rework),
        "rollback_rate": share(dora.rollback),
        "automated_share": share(dora.automated),
        "pipeline_success": share(dora.pipeline_success),
        "detection_time": spread(&dora.detection),
    })
}

fn lead_time(lead_time: &LeadTime) -> Value {
    json!({
        "commits": spread(&lead_time.commits),
        "negative": lead_time.negative,
        "untold": lead_time.untold,
        "stages": {
            "coding": spread(&lead_time.coding),
            "review": spread(&lead_time.review),
            "waiting": spread(&lead_time.waiting),
            "deploying": spread(&lead_time.deploying),
        },
    })
}

fn change_fail(fail: &ChangeFail) -> Value {
    let mut value = share(fail.rate);
    value["pending"] = json!(fail.pending);
    value["failing"] = json!(fail.failing);
    value["by"] = json!({
        "incident": fail.by_incident,
        "slo_burn": fail.by_burn,
        "rollback": fail.by_rollback,
        "rollforward": fail.by_rollforward,
    });
    value
}

fn share(share: Share) -> Value {
    json!({"count": share.count, "of": share.of, "ratio": share.ratio(), "enough": share.of >= ENOUGH})
}

/// `null` of nothing.
fn spread(spread: &Option<Spread>) -> Value {
    let Some(Spread { sample, p50_s, p75_s, p90_s, p95_s }) = spread else { return Value::Null };
    json!({
        "sample": sample, "p50_s": p50_s, "p75_s": p75_s, "p90_s": p90_s, "p95_s": p95_s,
        "enough": *sample >= ENOUGH,
    })
}
