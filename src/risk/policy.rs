//! Score and repository policy -> verdict. The policy file is read elsewhere; here it is plain data with defaults.

use serde::{Deserialize, Serialize};

use super::{
    assessment::{Because, Conclusion, Mode, ThresholdInForce, ThresholdOrigin, Verdict},
    facts::{ChangeState, Facts},
    overrides::Override,
    signal::{Reading, SIGNALS},
};

/// What a repository wants done with a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Advisory unless the repository says otherwise.
    pub mode: Mode,
    /// From which score on a change is held back.
    pub threshold: Threshold,
    /// Floors, `None` when switched off.
    pub floors: Floors,
    /// Where the policy came from, for the report.
    pub origin: PolicyOrigin,
}

/// A threshold as the policy states it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A score, 0-100.
    Score(u8),
    /// The riskiest share of this repository's changes, in hundredths of a per cent (5 % = 500).
    TopShareBp(u32),
}

/// Least scores by rule; `None` switches a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floors {
    /// A migration destroys data or takes a lock that blocks writers.
    pub destructive_migration: Option<u8>,
    /// The target service has an open incident of high severity.
    pub active_incident: Option<u8>,
    /// The target service has spent its error budget.
    pub budget_exhausted: Option<u8>,
}

/// Where a policy came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyOrigin {
    /// `Some` path of the file in force; `None` when the defaults are.
    pub file: Option<String>,
    /// Mistakes in the newest version of the file, for which the last good one (or the defaults) stays in force.
    pub errors: Vec<PolicyError>,
    /// Digest of all that the repository's policy says, mistakes included; `None` where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyError {
    /// 1-based line, where it is known.
    pub line: Option<u64>,
    /// What is wrong and what would be right. Holds text from the file: untrusted.
    pub message: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Advisory,
            threshold: Threshold::TopShareBp(500),
            floors: Floors::default(),
            origin: PolicyOrigin { file: None, errors: Vec::new(), digest: None },
        }
    }
}

impl Default for Floors {
    fn default() -> Self {
        Self { destructive_migration: Some(70), active_incident: Some(80), budget_exhausted: Some(80) }
    }
}

/// Scores that must be there before a share of them means something.
const SCORES_NEEDED: usize = 50;
/// Stands in for a share while too few changes have been scored.
const DEFAULT_THRESHOLD: u8 = 70;
/// A threshold given as a share never falls below it: a low score is not held back, however rare.
const LEAST_THRESHOLD: u8 = 40;
/// All changes, in hundredths of a per cent.
const ALL_BP: u64 = 10_000;

/// What the check run concludes from a score. `readings` are in the order of `SIGNALS`.
pub(super) fn decide(policy: &Policy, facts: &Facts, readings: &[Reading], score: u8) -> Verdict {
    let threshold = in_force(policy.threshold, &facts.recent_scores);
    let because = match unjudged(facts) {
        Some(because) => because,
        None if score < threshold.score && policy.mode == Mode::Enforce && is_held_for_one(facts) => {
            Because::HeldMember
        }
        None if score < threshold.score && is_partly_read(facts, readings) => Because::TooLittleData,
        None if score < threshold.score => Because::BelowThreshold,
        None => Because::AtOrAboveThreshold,
    };
    let change = &facts.change;
    let holds = |one: &&Override| one.holds(&change.head_sha, &change.base_ref, facts.at);
    let overridden = facts.overridden.as_ref().filter(|_| because == Because::AtOrAboveThreshold).filter(holds);
    let conclusion = match (because, policy.mode) {
        (Because::BelowThreshold, _) => Conclusion::Success,
        (Because::AtOrAboveThreshold, _) if overridden.is_some() => Conclusion::Success,
        (Because::HeldMember, _) => Conclusion::ActionRequired,
        (Because::AtOrAboveThreshold, Mode::Enforce) if may_hold(facts, threshold.score) => Conclusion::ActionRequired,
        _ => Conclusion::Neutral,
    };
    Verdict { mode: policy.mode, threshold, conclusion, because, overridden: overridden.cloned() }
}

/// Whether a pull request of a merge group is held back by itself, whatever the group scores.
fn is_held_for_one(facts: &Facts) -> bool {
    facts.change.merge_group.as_ref().is_some_and(|group| !group.held_by_themselves().is_empty())
}

/// Whether a change at or above the threshold is held back. A merge group is not while its pull requests are not known:
/// one of them may be overridden, and an outage never blocks. The overrides in it let it through where all its other
/// pull requests are below the threshold by themselves.
fn may_hold(facts: &Facts, threshold: u8) -> bool {
    facts.change.merge_group.as_ref().is_none_or(|group| {
        group.members.is_ok() && (group.overridden.is_empty() || !group.in_the_way(threshold).is_empty())
    })
}

/// Why a change is scored but not judged, if it is not.
fn unjudged(facts: &Facts) -> Option<Because> {
    let change = &facts.change;
    match change.state {
        ChangeState::Closed | ChangeState::Merged => Some(Because::NotOpen),
        ChangeState::Open if change.draft => Some(Because::Draft),
        ChangeState::Open if change.files.is_empty() && change.files_total == 0 => Some(Because::Empty),
        ChangeState::Open if change.files.is_empty() => Some(Because::TooLittleData),
        ChangeState::Open => None,
    }
}

/// Whether what was not read could hold the worst: a low score of the rest is no promise for the whole then.
fn is_partly_read(facts: &Facts, readings: &[Reading]) -> bool {
    let mut schema = SIGNALS.iter().zip(readings).filter(|(signal, _)| signal.id == "schema_change");
    (facts.change.files.len() as u64) < facts.change.files_total || schema.any(|(_, reading)| reading.is_err())
}

/// The score from which on a change is held back. `recent` are the latest scores in any order.
fn in_force(threshold: Threshold, recent: &[u8]) -> ThresholdInForce {
    let share_bp = match threshold {
        Threshold::Score(score) => return ThresholdInForce { score, origin: ThresholdOrigin::Fixed },
        Threshold::TopShareBp(share_bp) => share_bp,
    };
    let sample = u32::try_from(recent.len()).unwrap_or(u32::MAX);
    if recent.len() < SCORES_NEEDED {
        let origin = ThresholdOrigin::TopShareTooFew { share_bp, sample, needed: SCORES_NEEDED as u32 };
        return ThresholdInForce { score: DEFAULT_THRESHOLD, origin };
    }
    let least = least_of_top(share_bp, recent);
    let origin = ThresholdOrigin::TopShare { share_bp, sample, raised: least < LEAST_THRESHOLD };
    ThresholdInForce { score: least.clamp(LEAST_THRESHOLD, 100), origin }
}

/// The lowest score among the riskiest share, the number of which is rounded up; changes that share that score are as
/// risky and belong to it. The end of the scale when the share is nothing.
fn least_of_top(share_bp: u32, recent: &[u8]) -> u8 {
    let mut sorted = recent.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let held = (sorted.len() as u64 * u64::from(share_bp)).div_ceil(ALL_BP).min(sorted.len() as u64);
    let last = usize::try_from(held).unwrap_or(usize::MAX).checked_sub(1);
    last.and_then(|last| sorted.get(last)).copied().unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{FileChange, Source, Unknown},
        merge_group::MergeGroup,
        stories::{file, pull_request},
    };

    #[test]
    fn a_share_is_read_off_the_latest_scores() {
        let check = |share_bp: u32, recent: &[u8], expected: u8| {
            let threshold = in_force(Threshold::TopShareBp(share_bp), recent);
            assert_eq!(threshold.score, expected, "{share_bp} of {recent:?}");
        };
        let one_to_100: Vec<u8> = (1..=100).collect();
        check(500, &one_to_100, 96);
        check(501, &one_to_100, 95);
        check(1, &one_to_100, 100);
        check(0, &one_to_100, 100);
        check(10_000, &one_to_100, 40);
        check(u32::MAX, &one_to_100, 40);
        check(500, &[30; 500], 40);
        check(500, &[[30; 90], [70; 90]].concat(), 70);
        check(500, &[255; 50], 100);
        check(500, &one_to_100[..50], 48);
        check(500, &one_to_100[51..], 70);
        check(500, &[], 70);
    }

    #[test]
    fn concludes() {
        let check = |edit: fn(&mut Facts), mode: Mode, score: u8, conclusion: Conclusion, because: Because| {
            let mut facts = pull_request("fix: cart", vec![file("src/cart.rs", 3, 1)]);
            edit(&mut facts);
            let policy = Policy { mode, threshold: Threshold::Score(70), ..Policy::default() };
            let readings = crate::risk::signal::read_all(&facts);
            let verdict = decide(&policy, &facts, &readings, score);
            assert_eq!((verdict.conclusion, verdict.because), (conclusion, because), "{mode:?} {score}");
        };
        let (advisory, enforce) = (Mode::Advisory, Mode::Enforce);
        check(|_| (), enforce, 69, Conclusion::Success, Because::BelowThreshold);
        check(|_| (), enforce, 70, Conclusion::ActionRequired, Because::AtOrAboveThreshold);
        check(|_| (), advisory, 69, Conclusion::Success, Because::BelowThreshold);
        check(|_| (), advisory, 70, Conclusion::Neutral, Because::AtOrAboveThreshold);
        check(|facts| facts.change.draft = true, enforce, 99, Conclusion::Neutral, Because::Draft);
        check(
            |facts| (facts.change.state, facts.change.draft) = (ChangeState::Merged, true),
            enforce,
            99,
            Conclusion::Neutral,
            Because::NotOpen,
        );
        check(
            |facts| (facts.change.files, facts.change.files_total) = (Vec::new(), 0),
            enforce,
            10,
            Conclusion::Neutral,
            Because::Empty,
        );
        check(|facts| facts.change.files.clear(), enforce, 99, Conclusion::Neutral, Because::TooLittleData);
        // A file that was not given could drop a table.
        check(|facts| facts.change.files_total = 3_001, enforce, 69, Conclusion::Neutral, Because::TooLittleData);
        let known_to_be_high = (Conclusion::ActionRequired, Because::AtOrAboveThreshold);
        check(|facts| facts.change.files_total = 3_001, enforce, 70, known_to_be_high.0, known_to_be_high.1);
        let unread_migration = |facts: &mut Facts| {
            let patch = Err(Unknown::not_connected(Source::Diff));
            facts.change.files = vec![FileChange { patch, ..file("migrations/0001_init.sql", 3, 0) }];
        };
        check(unread_migration, advisory, 69, Conclusion::Neutral, Because::TooLittleData);
        check(|facts| in_group(facts, &[]), enforce, 69, Conclusion::Success, Because::BelowThreshold);
        check(|facts| in_group(facts, &[]), enforce, 70, known_to_be_high.0, known_to_be_high.1);
        check(|facts| in_group(facts, &[12]), enforce, 70, Conclusion::Neutral, Because::AtOrAboveThreshold);
        let unknown_group = |facts: &mut Facts| {
            in_group(facts, &[]);
            let members = Err(Unknown::not_connected(Source::MergeQueue));
            facts.change.merge_group.as_mut().unwrap().members = members;
        };
        check(unknown_group, enforce, 69, Conclusion::Success, Because::BelowThreshold);
        check(unknown_group, enforce, 70, Conclusion::Neutral, Because::AtOrAboveThreshold);
    }

    /// Makes a merge group of the change, let through by the overrides of these pull requests.
    fn in_group(facts: &mut Facts, overridden: &[u64]) {
        let (head_ref, members) = (String::new(), Ok(Vec::new()));
        facts.change.merge_group = Some(MergeGroup {
            head_ref,
            members,
            overridden: overridden.to_vec(),
            reverts: Vec::new(),
            ways_back: Vec::new(),
        });
    }

    #[test]
    fn too_few_scores_are_said_to_be_too_few() {
        let origin = in_force(Threshold::TopShareBp(500), &[1; 49]).origin;
        assert_eq!(origin, ThresholdOrigin::TopShareTooFew { share_bp: 500, sample: 49, needed: 50 });
        for (recent, raised) in [([39; 50], true), ([40; 50], false)] {
            let origin = ThresholdOrigin::TopShare { share_bp: 500, sample: 50, raised };
            assert_eq!(in_force(Threshold::TopShareBp(500), &recent), ThresholdInForce { score: 40, origin });
        }
        assert_eq!(in_force(Threshold::Score(12), &[]), ThresholdInForce { score: 12, origin: ThresholdOrigin::Fixed });
    }
}
