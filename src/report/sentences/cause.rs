//! Causes in a few words, for the title. They hold no text from outside.

use super::{
    Sentence,
    evidence::{area_in_words, kind_in_words},
    figures::{Figure, age_in_days, count, counted, decimal},
    health, say,
};
use crate::risk::{
    assessment::{Assessment, Contribution, Exemption, Floor, FloorRule, Level},
    signal::{Evidence, Health, Measure, SchemaEffect},
};

/// Least points that make a cause worth a place in the title.
const WORTH_NAMING: i32 = 3;

/// The causes of a score: the floor that set it, then what raised it most. For a low score what moved it most, either way.
pub(crate) fn causes(assessment: &Assessment) -> Vec<String> {
    let is_low = assessment.level == Level::Low;
    let floors: Vec<_> = assessment.floors.iter().filter(|floor| floor.applied).collect();
    let is_said = |contribution: &Contribution| floors.iter().any(|floor| behind(floor.rule, contribution).is_some());
    let weight = |points: i32| if is_low { points.abs() } else { points };
    let mut moving: Vec<_> = assessment.contributions.iter().filter(|one| weight(one.points) >= WORTH_NAMING).collect();
    moving.retain(|contribution| !is_said(contribution));
    moving.sort_by_key(|contribution| std::cmp::Reverse(weight(contribution.points)));
    let moved = moving.into_iter().filter_map(|contribution| match contribution.points {
        1.. => raised(contribution),
        _ => Some(lowered(contribution)),
    });
    let mut causes: Vec<_> = floors.iter().map(|floor| lifted(floor, assessment)).chain(moved).collect();
    let mut seen = std::collections::BTreeSet::new();
    causes.retain(|cause| seen.insert(cause.clone()));
    causes
}

/// `destructive migration (at least 70)`.
fn lifted(floor: &Floor, assessment: &Assessment) -> String {
    let known = assessment.contributions.iter().find_map(|contribution| behind(floor.rule, contribution));
    format!("{} (at least {})", known.unwrap_or_else(|| floor_in_words(floor.rule)), floor.at_least)
}

/// What a contribution calls the cause of a floor; `None` where it is not the one behind it.
fn behind(rule: FloorRule, contribution: &Contribution) -> Option<&'static str> {
    let measure = contribution.reading.as_ref().ok()?;
    match (rule, telling(measure)?) {
        (FloorRule::DestructiveMigration, Evidence::Schema { .. }) => Some(schema(&measure.evidence)),
        (FloorRule::ActiveIncident, Evidence::Incidents(_) | Evidence::Health(Health::Incident(_)))
        | (FloorRule::BudgetExhausted, Evidence::Health(Health::Budget(_))) => Some(floor_in_words(rule)),
        _ => None,
    }
}

/// A floor's rule as a noun phrase.
pub(crate) fn floor_in_words(rule: FloorRule) -> &'static str {
    match rule {
        FloorRule::DestructiveMigration => "destructive or locking migration",
        FloorRule::ActiveIncident => "incident open",
        FloorRule::BudgetExhausted => "error budget spent",
    }
}

/// Why a floor does not apply, or points do not count.
pub(crate) fn exemption(exemption: Exemption) -> Sentence {
    say![match exemption {
        Exemption::ProvenRevert => "a proven revert is the way back",
        Exemption::ProvenRevertInGroup => {
            "only a proven revert in the group triggers it, and that is the way back"
        }
        Exemption::WaysBackInGroup => {
            "every pull request in the group is a proven revert or mends an incident that is open"
        }
        Exemption::Hotfix => "the change mends an incident that is open",
    }]
}

/// Why a floor does not apply, in the JSON.
pub(crate) fn exemption_id(exemption: Exemption) -> &'static str {
    match exemption {
        Exemption::ProvenRevert => "proven_revert",
        Exemption::ProvenRevertInGroup => "proven_revert_in_group",
        Exemption::WaysBackInGroup => "ways_back_in_group",
        Exemption::Hotfix => "hotfix",
    }
}

/// Why a contribution raises the score; `None` where it does so by what is not there, such as a kind that nothing names.
fn raised(contribution: &Contribution) -> Option<String> {
    let measure = contribution.reading.as_ref().ok()?;
    let label = || (measure.value != 0.0).then(|| contribution.signal.label.to_owned());
    raised_by(measure).or_else(label)
}

/// Why a measure raises the score; `None` where the signal's own name says it best.
fn raised_by(measure: &Measure) -> Option<String> {
    let evidence = &measure.evidence;
    let text = |figure: Figure, words: &str| Some(format!("{figure}{words}"));
    match telling(measure)? {
        Evidence::Lines { added, deleted, .. } => text(counted(added.saturating_add(*deleted), "line", "lines"), ""),
        Evidence::Spread { files, .. } => text(counted(*files, "file", "files"), ""),
        Evidence::LargestFile { .. } => Some("evenly spread".to_owned()),
        Evidence::TestsAlong { test: 0, .. } => Some("no tests along".to_owned()),
        Evidence::Kind { .. } => Some(kinds(evidence)),
        Evidence::Schema { .. } => Some(schema(evidence).to_owned()),
        Evidence::Sensitive { .. } => Some(areas(evidence)),
        Evidence::Reviews { approvals_current, approvals_stale, changes_requested, .. } => {
            Some(review(*approvals_current, *approvals_stale, *changes_requested).to_owned())
        }
        Evidence::OwnerMissing { .. } => Some("owners have not approved".to_owned()),
        Evidence::ChecksFailed(names) => text(counted(names.len() as u64, "check", "checks"), " failed"),
        Evidence::ChecksPending(names) => text(counted(names.len() as u64, "check", "checks"), " not finished"),
        Evidence::OpenFor { days } => text(age_in_days(*days), " open"),
        Evidence::Frozen { .. } => Some("freeze in force".to_owned()),
        Evidence::Dependency { step, .. } => Some(format!("{step} dependency update")),
        Evidence::Undoes { proven: false, .. } => Some("unproven revert".to_owned()),
        Evidence::RolledBack { failures, .. } => text(count(failures.rolled_back), " rolled back before"),
        Evidence::RollbacksOfLate { rollbacks, .. } => text(counted(*rollbacks, "rollback", "rollbacks"), " this week"),
        Evidence::Familiarity { .. } => Some("files new to the author".to_owned()),
        Evidence::Developers { people, .. } => text(count(*people), " people change these files"),
        Evidence::LastChanged { .. } => Some("files change often".to_owned()),
        Evidence::CoChange(_) => Some("usual companions untouched".to_owned()),
        Evidence::Series(_) | Evidence::SeriesParts(_) => Some("part of a series".to_owned()),
        Evidence::Relands => Some("a re-land".to_owned()),
        Evidence::CoveredLines { executable, covered } => {
            text(count(executable.saturating_sub(*covered)), " changed lines untested")
        }
        Evidence::Burn { rate } => Some(format!("burning {}x", decimal(*rate))),
        Evidence::Incidents(_) | Evidence::Health(Health::Incident(_)) => Some("incident open".to_owned()),
        Evidence::Health(Health::Burn(slo)) => health::burning(slo),
        Evidence::Health(Health::Budget(_)) => Some("error budget spent".to_owned()),
        Evidence::Health(Health::Flaky { .. }) => Some("flaky tests".to_owned()),
        Evidence::Health(Health::Deployed(_)) => Some("last deployment still fresh".to_owned()),
        Evidence::Health(Health::ChangeFailRate { .. }) => Some("deployments fail often".to_owned()),
        _ => None,
    }
}

/// The evidence that says most: the first one, apart from how much could be looked at.
fn telling(measure: &Measure) -> Option<&Evidence> {
    measure.evidence.iter().find(|evidence| !matches!(evidence, Evidence::Partly { .. }))
}

fn lowered(contribution: &Contribution) -> String {
    let evidence = contribution.reading.as_ref().ok().and_then(telling);
    match evidence {
        Some(Evidence::Lines { .. }) => "few lines".to_owned(),
        Some(Evidence::Spread { .. }) => "few files".to_owned(),
        Some(Evidence::LargestFile { .. }) => "in few places".to_owned(),
        Some(Evidence::TestsAlong { .. }) => "tests along".to_owned(),
        Some(Evidence::Kind { .. }) => {
            contribution.reading.as_ref().map_or_else(|_| String::new(), |one| kinds(&one.evidence))
        }
        Some(Evidence::Reviews { .. }) => "approved".to_owned(),
        Some(Evidence::Dependency { step, .. }) => format!("{step} dependency update"),
        Some(Evidence::Undoes { proven: true, .. }) => "proven revert".to_owned(),
        Some(Evidence::CoveredLines { .. }) => "changed lines tested".to_owned(),
        Some(Evidence::NeverRolledBack { .. } | Evidence::RolledBack { .. }) => "few failures here".to_owned(),
        Some(Evidence::Familiarity { .. }) => "files known to the author".to_owned(),
        Some(Evidence::Developers { .. }) => "few people".to_owned(),
        _ => contribution.signal.label.to_owned(),
    }
}

fn kinds(evidence: &[Evidence]) -> String {
    let kind = |one: &Evidence| match one {
        Evidence::Kind { kind, .. } => Some(kind_in_words(kind)),
        _ => None,
    };
    evidence.iter().filter_map(kind).collect::<Vec<_>>().join(" and ")
}

fn schema(evidence: &[Evidence]) -> &'static str {
    let has = |wanted| evidence.iter().any(|one| matches!(one, Evidence::Schema { effect, .. } if *effect == wanted));
    if has(SchemaEffect::Destructive) {
        "destructive migration"
    } else if has(SchemaEffect::Locking) {
        "locking migration"
    } else {
        "schema change"
    }
}

fn areas(evidence: &[Evidence]) -> String {
    let mut known: Vec<&str> = Vec::new();
    for one in evidence {
        let Evidence::Sensitive { area, .. } = one else { continue };
        let words = area_in_words(area).unwrap_or("sensitive paths");
        if !known.contains(&words) {
            known.push(words);
        }
    }
    format!("touches {}", known.join(" and "))
}

fn review(current: u64, stale: u64, changes_requested: u64) -> &'static str {
    match (current, stale, changes_requested) {
        (_, _, 1..) => "changes requested",
        (0, 1.., _) => "approval outdated",
        (0, 0, _) => "no approval yet",
        _ => "brief review for its size",
    }
}
