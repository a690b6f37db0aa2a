//! How the SLOs of services stand.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all};

use super::{DAY, HOUR, answered};
use crate::{
    config::repository::ServiceSettings,
    datadog::{Age, Datadog},
    risk::{
        facts::{Absence, Known, Reason, SloBurn, SloHealth, Source, TargetService, Unknown},
        runtime::nothing,
    },
    slo::{self, LOOKED_BACK_S, Objective, Slo, Unmeasured},
};

const SLOS: Age = Age::within(Duration::from_secs(900)).or_at_worst(DAY);
/// The 48 h in which a burn counts move slowly; five minutes make one call per SLO and refresh.
const BURN: Age = Age::within(Duration::from_secs(300)).or_at_worst(HOUR);
/// A budget of weeks moves more slowly still.
const BUDGET: Age = Age::within(Duration::from_secs(1_800)).or_at_worst(Duration::from_secs(6 * 3_600));
/// SLOs of one service that are looked at.
const SLOS_MAX: usize = 25;

/// What was read of the SLOs of services.
#[derive(Default)]
pub(super) struct Read {
    pub(super) health: Vec<SloHealth>,
    /// Why some may be missing.
    pub(super) unread: Vec<Unknown>,
    /// When all this was told.
    pub(super) as_of: Vec<DateTime<Utc>>,
}

/// The SLOs of services: those that carry its tag, and those that the policy names. One that cannot be read hides no other.
pub(super) async fn of_services(
    datadog: &Datadog,
    services: &[TargetService],
    settings: &BTreeMap<String, ServiceSettings>,
) -> Read {
    let of_each = services.iter().map(|service| {
        let named = settings.get(&service.name).map(|settings| settings.slos.as_slice()).unwrap_or_default();
        of_service(datadog, service, named)
    });
    let mut all = Read::default();
    for read in join_all(of_each).await {
        all.health.extend(read.health);
        all.unread.extend(read.unread);
        all.as_of.extend(read.as_of);
    }
    all
}

async fn of_service(datadog: &Datadog, service: &TargetService, named: &[String]) -> Read {
    let by_tag = answered(datadog.slos_of(&service.name, SLOS));
    let by_id = join_all(named.iter().map(|id| answered(datadog.slos_by_id(std::slice::from_ref(id), SLOS))));
    let (by_tag, by_id) = join(by_tag, by_id).await;
    let mut read = Read::default();
    let mut slos: Vec<Slo> = Vec::new();
    // Whoever names an SLO means it, whatever environment it is tagged with.
    for (id, answer) in named.iter().zip(by_id) {
        match answer {
            Ok(answer) => slos.extend(answer.value.iter().cloned()),
            Err(unknown) => read.unread.push(of_named(id, unknown)),
        }
    }
    match by_tag {
        Ok(answer) => {
            slos.extend(answer.value.iter().filter(|slo| is_of_env(slo, service.env.as_deref())).cloned());
        }
        Err(unknown) => read.unread.push(unknown),
    }
    slos.sort_by(|a, b| a.id.cmp(&b.id));
    slos.dedup_by(|a, b| a.id == b.id);
    let stands = slos.iter().enumerate().map(|(at, slo)| stand(datadog, service, slo, at));
    for (health, as_of) in join_all(stands).await.into_iter().flatten() {
        read.health.push(health);
        read.as_of.extend(as_of);
    }
    read
}

/// Why an SLO that the policy names is not known; one that does not exist would be a mistake there.
fn of_named(id: &str, unknown: Unknown) -> Unknown {
    match unknown.reason {
        Reason::Nothing(_) => {
            let reason = Reason::Unusable(format!("it knows no SLO {id}, which the policy file names"));
            Unknown { source: Source::Datadog, reason }
        }
        _ => unknown,
    }
}

/// An SLO without a tag for an environment is for all of them.
fn is_of_env(slo: &Slo, env: Option<&str>) -> bool {
    let mut envs = slo.tags.iter().filter_map(|tag| tag.strip_prefix("env:")).peekable();
    env.is_none() || envs.peek().is_none() || envs.any(|tag| Some(tag) == env)
}

/// How one SLO stands, and when that was told; nothing where it promises nothing that can be read.
async fn stand(
    datadog: &Datadog,
    service: &TargetService,
    slo: &Slo,
    at: usize,
) -> Option<(SloHealth, Vec<DateTime<Utc>>)> {
    let Objective { target, timeframe } = slo.primary()?;
    let mut health = SloHealth {
        service: service.name.clone(),
        id: slo.id.clone(),
        name: slo.name.clone(),
        url: datadog.site().slo_page(&slo.id).map(String::from),
        target,
        timeframe,
        burn: Err(too_many()),
        budget_left: Err(too_many()),
    };
    if at >= SLOS_MAX {
        return Some((health, Vec::new()));
    }
    let (burn, budget) = join(
        answered(datadog.slo_history(&slo.id, LOOKED_BACK_S, Some(target), BURN)),
        answered(datadog.slo_history(&slo.id, timeframe.span_s(), Some(target), BUDGET)),
    )
    .await;
    let as_of = [burn.as_ref().ok().map(|one| one.as_of), budget.as_ref().ok().map(|one| one.as_of)];
    health.budget_left = budget.and_then(|history| slo::left_of(&history.value, target).map_err(unmeasured));
    health.burn = burn.and_then(|history| burned(&history.value, &health));
    Some((health, as_of.into_iter().flatten().collect()))
}

fn burned(history: &slo::History, health: &SloHealth) -> Known<SloBurn> {
    let measured = slo::measure(history, health.target).map_err(unmeasured)?;
    let left = health.budget_left.as_ref().copied().unwrap_or(1.0);
    if let Some(one) = measured.disagreement {
        tracing::info!(slo = %health.id, ?one, "two ways of reckoning a burn rate come to different results");
    }
    Ok(SloBurn {
        highest: measured.highest,
        average: measured.average,
        hours_to_empty: slo::hours_to_empty(left, measured.highest.rate, health.timeframe),
        clearing: slo::clearing(history, health.target),
        disagreement: measured.disagreement,
    })
}

fn unmeasured(why: Unmeasured) -> Unknown {
    match why {
        Unmeasured::NoData => nothing(Absence::Data),
        Unmeasured::LowTraffic { .. } => nothing(Absence::Traffic),
    }
}

fn too_many() -> Unknown {
    let reason = Reason::Unusable(format!("more than {SLOS_MAX} SLOs of one service are not read"));
    Unknown { source: Source::Datadog, reason }
}
