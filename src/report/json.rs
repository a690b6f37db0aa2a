//! The assessment as JSON, `mergecast.assessment/1`: keys in the order of the documentation, sentences without markup.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    Subject, outside,
    sentences::{Detail, cause, evidence, say, unknown, ways},
};
use crate::risk::{
    assessment::{Because, Contribution, Failed, Floor, Mode, ThresholdOrigin, Verdict as Concluded},
    facts::{Reason, Says, ServiceFile, Source, TargetService},
    merge_group::{GroupMember, MergeGroup},
    overrides::Override,
    policy::PolicyOrigin,
    signal::Unit,
};

/// The name and version of this shape.
pub const SCHEMA: &str = "mergecast.assessment/1";

/// Most items of one piece of evidence that are named.
const DETAIL: Detail = Detail { items: 20, characters: 4_096 };

/// An assessment as JSON. Base, points and clamp add up to the score before floors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    schema: &'static str,
    id: String,
    at: DateTime<Utc>,
    repository: String,
    pull_request: Option<u64>,
    head_sha: String,
    base_sha: String,
    merge_group: Option<Group>,
    score: u8,
    level: &'static str,
    range: Range,
    base: i32,
    contributions: Vec<Entry>,
    clamped: i32,
    floors: Vec<FloorEntry>,
    probability: Option<Probability>,
    ways_down: Vec<Way>,
    verdict: Verdict,
    services: Vec<Service>,
    sources: Vec<SourceEntry>,
    model: ModelEntry,
    policy: PolicyEntry,
    facts_digest: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Group {
    head_ref: String,
    members: Option<Vec<Member>>,
    reason: Option<String>,
    overridden: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Member {
    pull_request: u64,
    head_sha: String,
    assessment: Option<String>,
    score: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Range {
    low: u8,
    high: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Entry {
    signal: &'static str,
    points: i32,
    value: Option<f64>,
    unit: &'static str,
    status: &'static str,
    reason: Option<String>,
    evidence: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct FloorEntry {
    rule: &'static str,
    at_least: u8,
    applied: bool,
    exempt_because: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Probability {
    value: f64,
    low: f64,
    high: f64,
    sample: u64,
    failures: u64,
    /// `in_production`; left out where what was rolled back within 30 days counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Way {
    action: String,
    points: u8,
    target_score: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Verdict {
    mode: &'static str,
    threshold: Threshold,
    conclusion: &'static str,
    because: &'static str,
    #[serde(rename = "override")]
    overridden: Option<OverrideEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct OverrideEntry {
    by: String,
    reason: String,
    made_at: DateTime<Utc>,
    until: DateTime<Utc>,
    head_sha: String,
    score: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Threshold {
    score: u8,
    origin: &'static str,
    top_share: Option<f64>,
    sample: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Service {
    name: String,
    env: Option<String>,
    files_total: u64,
    files: Vec<ServiceFileEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ServiceFileEntry {
    path: String,
    pattern: String,
    says: Says,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct SourceEntry {
    name: Source,
    status: &'static str,
    as_of: Option<DateTime<Utc>>,
    detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ModelEntry {
    version: String,
    fitted_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct PolicyEntry {
    source: Option<String>,
    errors: Vec<PolicyMistake>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct PolicyMistake {
    line: Option<u64>,
    message: String,
}

/// The assessment as JSON.
pub fn render(subject: &Subject<'_>) -> Document {
    let (assessment, change) = (subject.assessment, &subject.facts.change);
    Document {
        schema: SCHEMA,
        id: subject.id.to_owned(),
        at: subject.facts.at,
        repository: subject.facts.repository.clone(),
        pull_request: change.pull_request,
        head_sha: change.head_sha.clone(),
        base_sha: change.base_sha.clone(),
        merge_group: change.merge_group.as_ref().map(group),
        score: assessment.score,
        level: assessment.level.word(),
        range: Range { low: assessment.range.low, high: assessment.range.high },
        base: assessment.base,
        contributions: assessment.contributions.iter().map(entry).collect(),
        clamped: assessment.clamped,
        floors: assessment.floors.iter().map(floor).collect(),
        probability: assessment.probability.map(|one| Probability {
            value: one.value,
            low: one.low,
            high: one.high,
            sample: one.sample,
            failures: one.failures,
            counts: (one.counts == Failed::InProduction).then_some("in_production"),
        }),
        ways_down: assessment.ways_down.iter().map(way).collect(),
        verdict: verdict(&assessment.verdict),
        services: subject.facts.services.iter().map(service).collect(),
        sources: assessment.sources.iter().map(|one| source(subject, one)).collect(),
        model: ModelEntry { version: subject.model_version.to_owned(), fitted_at: subject.model_fitted_at },
        policy: policy(&subject.policy.origin),
        facts_digest: subject.facts_digest.to_owned(),
    }
}

fn group(group: &MergeGroup) -> Group {
    let member = |member: &GroupMember| Member {
        pull_request: member.number,
        head_sha: member.head_sha.clone(),
        assessment: member.scored.as_ref().map(|scored| scored.assessment.clone()),
        score: member.scored.as_ref().map(|scored| scored.score),
    };
    Group {
        head_ref: super::outside::visible(&group.head_ref),
        members: group.members.as_ref().ok().map(|members| members.iter().map(member).collect()),
        reason: group.members.as_ref().err().map(|missing| unknown::why(missing).plain(DETAIL)),
        overridden: group.overridden.clone(),
    }
}

fn entry(contribution: &Contribution) -> Entry {
    let signal = contribution.signal;
    let (value, status, reason, evidence) = match &contribution.reading {
        Ok(measure) => {
            let said = evidence::sentences(measure, DETAIL.items);
            let exempt = contribution.exempt_because.map(|why| say!["does not count: "].with(cause::exemption(why)));
            (
                Some(measure.value),
                "known",
                exempt.map(|why| why.plain(DETAIL)),
                said.iter().map(|one| one.plain(DETAIL)).collect(),
            )
        }
        Err(missing) => (None, "unknown", Some(unknown::why(missing).plain(DETAIL)), Vec::new()),
    };
    Entry { signal: signal.id, points: contribution.points, value, unit: unit(signal.unit), status, reason, evidence }
}

fn floor(floor: &Floor) -> FloorEntry {
    FloorEntry {
        rule: floor.rule.id(),
        at_least: floor.at_least,
        applied: floor.applied,
        exempt_because: floor.exempt_because.map(cause::exemption_id),
    }
}

fn way(way: &crate::risk::assessment::WayDown) -> Way {
    Way {
        action: ways::action(&way.action, DETAIL.items).plain(DETAIL),
        points: way.points,
        target_score: way.target_score,
    }
}

fn verdict(verdict: &Concluded) -> Verdict {
    let (origin, top_share, sample) = match verdict.threshold.origin {
        ThresholdOrigin::Fixed => ("fixed", None, None),
        ThresholdOrigin::TopShare { share_bp, sample, .. } => ("top_share", Some(share_bp), Some(sample)),
        ThresholdOrigin::TopShareTooFew { share_bp, sample, .. } => ("top_share_too_few", Some(share_bp), Some(sample)),
    };
    let top_share = top_share.map(|basis_points| f64::from(basis_points) / 10_000.0);
    Verdict {
        mode: match verdict.mode {
            Mode::Advisory => "advisory",
            Mode::Enforce => "enforce",
        },
        threshold: Threshold { score: verdict.threshold.score, origin, top_share, sample },
        conclusion: verdict.conclusion.word(),
        because: match verdict.because {
            Because::BelowThreshold => "below_threshold",
            Because::AtOrAboveThreshold => "at_or_above_threshold",
            Because::HeldMember => "held_member",
            Because::Draft => "draft",
            Because::NotOpen => "not_open",
            Because::Empty => "empty",
            Because::TooLittleData => "too_little_data",
        },
        overridden: verdict.overridden.as_ref().map(overridden),
    }
}

fn overridden(terms: &Override) -> OverrideEntry {
    OverrideEntry {
        by: outside::visible(&terms.by),
        reason: outside::visible(&terms.reason),
        made_at: terms.made_at,
        until: terms.until,
        head_sha: terms.head_sha.clone(),
        score: terms.score,
    }
}

fn service(target: &TargetService) -> Service {
    let file = |file: &ServiceFile| ServiceFileEntry {
        path: outside::visible(&file.path),
        pattern: outside::visible(&file.pattern),
        says: file.says,
    };
    Service {
        name: outside::visible(&target.name),
        env: target.env.as_deref().map(outside::visible),
        files_total: target.files_total,
        files: target.files.iter().map(file).collect(),
    }
}

fn source(subject: &Subject<'_>, state: &crate::risk::assessment::SourceState) -> SourceEntry {
    let (status, as_of, detail) = match &state.state {
        Ok(as_of) => {
            let told = (state.source == Source::Datadog).then(|| super::answers(subject)).flatten();
            ("ok", Some(*as_of), told.map(|told| told.plain(DETAIL)))
        }
        Err(missing) => {
            let off = matches!(missing.reason, Reason::NotConnected | Reason::NotApplicable | Reason::Nothing(_));
            (if off { "off" } else { "unknown" }, None, Some(unknown::why(missing).plain(DETAIL)))
        }
    };
    SourceEntry { name: state.source, status, as_of, detail }
}

fn policy(origin: &PolicyOrigin) -> PolicyEntry {
    let mistake = |error: &crate::risk::policy::PolicyError| PolicyMistake {
        line: error.line,
        message: super::outside::visible(&error.message),
    };
    PolicyEntry { source: origin.file.clone(), errors: origin.errors.iter().map(mistake).collect() }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Lines => "lines",
        Unit::Count => "count",
        Unit::Ratio => "ratio",
        Unit::Days => "days",
        Unit::Hours => "hours",
        Unit::Times => "times",
        Unit::Flag => "flag",
    }
}
