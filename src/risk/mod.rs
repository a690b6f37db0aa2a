//! How risky is this change? Facts in, assessment out; nothing here fetches, waits, fails or knows the time.

pub mod assessment;
pub mod diff;
pub mod facts;
mod floors;
pub mod forecast;
pub mod merge_group;
mod model;
pub mod overrides;
pub mod owners;
pub mod parts;
pub mod patch;
pub mod paths;
pub(crate) mod patterns;
pub mod policy;
pub mod revert;
pub mod runtime;
mod score;
pub mod series;
pub mod signal;
mod standing;
#[cfg(test)]
pub(crate) mod stories;
mod ways_down;

pub use self::model::{Head, Model, ModelError, Offset, Weight};
pub(crate) use self::standing::FAILURES_MIN;

use self::{
    assessment::{Assessment, Level, SourceState},
    diff::View,
    facts::{Facts, Known, Source, Unknown},
    policy::Policy,
    score::Scored,
    signal::SIGNALS,
};

/// The explained score of a change and what follows from it: the one door.
///
/// The same facts, model and policy give the same assessment, on every machine and at any time.
pub fn assess(facts: &Facts, model: &Model, policy: &Policy) -> Assessment {
    let view = View::of(facts);
    let readings = SIGNALS.iter().map(|signal| (signal.measure)(&view)).collect::<Vec<_>>();
    let scored = score::score(model, policy, &readings, floors::exemptions(&view, &readings));
    let ways_down = ways_down::ways_down(&view, model, policy, &readings, scored.score);
    let (standing, probability) = standing::standing(&view, model, scored.score);
    let verdict = policy::decide(policy, facts, &readings, scored.score);
    let Scored { score, range, points, exempt, clamped, floors } = scored;
    Assessment {
        score,
        level: Level::of(score),
        range,
        base: model.base,
        contributions: score::contributions(points, exempt, readings),
        clamped,
        floors,
        probability,
        standing,
        ways_down,
        verdict,
        sources: sources(facts),
    }
}

/// The score, without floors, that a model gives a change of which the terms were kept, in the order of
/// [`Model::terms`]; what is not a number is unknown. The same as [`assess`] gives for the facts behind them.
pub fn score_of_terms(model: &Model, terms: &[f64]) -> u8 {
    score::of_terms(model, terms)
}

/// How each source answered, in a fixed order.
fn sources(facts: &Facts) -> Vec<SourceState> {
    let seen = facts.change.files.len() as u64;
    let diff = if seen < facts.change.files_total {
        Err(Unknown { source: Source::Diff, reason: facts::Reason::Partial { seen, total: facts.change.files_total } })
    } else {
        Ok(())
    };
    let states = [
        (Source::Diff, diff),
        (Source::Reviews, whole(&facts.review)),
        (Source::Codeowners, whole(&facts.ownership)),
        (Source::Checks, whole(&facts.checks)),
        (Source::History, whole(&facts.history)),
        (Source::Coverage, whole(&facts.coverage)),
        (Source::Datadog, datadog(facts)),
    ];
    let answered = facts.runtime.as_ref().ok().and_then(|runtime| runtime.as_of);
    let at = |source| if source == Source::Datadog { answered.unwrap_or(facts.at) } else { facts.at };
    states.into_iter().map(|(source, state)| SourceState { source, state: state.map(|()| at(source)) }).collect()
}

/// Whether a source gave what it was asked for.
fn whole<T>(known: &Known<T>) -> Known<()> {
    known.as_ref().map(|_| ()).map_err(Clone::clone)
}

/// Datadog gives several figures: it has answered when one of them is known.
fn datadog(facts: &Facts) -> Known<()> {
    let runtime = facts.runtime.as_ref().map_err(Clone::clone)?;
    whole(&runtime.burn_rate)
        .or_else(|_| whole(&runtime.budget_left))
        .or_else(|_| whole(&runtime.open_incidents))
        .or_else(|_| whole(&runtime.flaky_rate))
        .or_else(|_| whole(&runtime.hours_since_deployment))
        .or_else(|_| whole(&runtime.change_fail_rate))
        .map_err(|_| runtime.burn_rate.as_ref().err().cloned().expect("the first figure is unknown, as all are"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        stories::{any_facts, pull_request, stories},
        *,
    };

    /// A change of weights changes this table: look at each line before accepting it.
    #[test]
    fn scores_of_typical_changes() {
        let line = |(name, facts): (&str, Facts)| {
            let assessment = assess(&facts, Model::baseline(), &Policy::default());
            let rows = assessment.contributions.iter().filter(|row| row.points != 0);
            let rows: Vec<String> = rows.map(|row| format!("{} {:+}", row.signal.id, row.points)).collect();
            let Assessment { score, range, verdict, .. } = &assessment;
            let range = format!("{}-{}", range.low, range.high);
            format!("{name:22} {score:3} {range:7} {:15} {}", verdict.conclusion.word(), rows.join(", "))
        };
        let table: Vec<String> = stories().into_iter().map(line).collect();
        insta::assert_snapshot!(table.join("\n"), @r#"
        documentation           11 0-73    success         churn -4, entropy -1, test_churn -1, change_kind -14, pull_request_age +1
        small tested fix        28 5-91    success         churn -1, entropy +1, test_churn -1, change_kind -2, pull_request_age +1
        small, nobody asked     38 15-100  success         churn -1, entropy +1, test_churn -1, change_kind +2, review +6, pull_request_age +1
        feature without tests   38 15-100  success         churn +2, diffusion -1, entropy -1, test_churn +4, change_kind +3, pull_request_age +1
        large and spread        46 22-100  success         churn +5, diffusion +1, entropy +1, test_churn +6, change_kind +2, pull_request_age +1
        destructive migration   70 70-100  neutral         churn +1, test_churn -1, change_kind +20, schema_change +6, pull_request_age +1
        dependency patch        22 0-85    success         churn -4, diffusion -1, entropy -2, test_churn -1, change_kind +2, pull_request_age +1, dependency_update -3
        dependency major        33 10-96   success         churn -4, diffusion -1, entropy -2, test_churn -1, change_kind +2, pull_request_age +1, dependency_update +8
        proven revert           42 19-85   success         churn +1, test_churn -1, change_kind +20, schema_change +6, pull_request_age +1, revert -15
        owners not asked        48 25-100  success         churn -1, entropy +1, test_churn -1, change_kind +3, review +6, owner_review +9, pull_request_age +1
        failing checks          40 16-100  success         churn -1, entropy -1, test_churn -1, change_kind -3, sensitive_paths +5, checks +10, pull_request_age +1
        burning service         43 20-84   success         churn -1, entropy +1, test_churn -1, change_kind -2, pull_request_age +1, burn_rate +15
        open incident           80 80-80   neutral         churn -1, entropy +1, test_churn -1, change_kind -2, pull_request_age +1, open_incidents +10
        hot files, new author   68 68-73   success         entropy +1, test_churn -1, change_kind +15, pull_request_age +1, prior_defects +5, directory_defects +1, file_type_defects +1, topic_defects +5, repository_defects +2, experience +2, developers +1, age -1, series +2, patch_coverage +4
        frozen                  38 15-100  success         churn -1, entropy +1, test_churn -1, change_kind -2, pull_request_age +1, change_window +10
        local range             31 8-100   success         churn -1, entropy +1, test_churn -1, change_kind +2
        three thousand files    58 35-100  success         churn +12, diffusion +2, entropy +1, test_churn +10, change_kind +2, pull_request_age +1
        empty                   26 2-88    neutral         churn -4, diffusion -1, entropy -1, test_churn -1, change_kind +2, pull_request_age +1
        "#);
    }

    proptest! {
        #[test]
        fn hostile_facts_add_up(facts in any_facts()) {
            let assessment = assess(&facts, Model::baseline(), &Policy::default());
            let points = assessment.contributions.iter().map(|row| row.points);
            let before = assessment.base + points.sum::<i32>() + assessment.clamped;
            let lift = assessment.floors.iter().filter(|floor| floor.applied).map(|floor| floor.at_least);
            let score = before.max(i32::from(lift.max().unwrap_or(0)));
            prop_assert_eq!(score, i32::from(assessment.score));
            prop_assert!((0..=100).contains(&before));
            prop_assert!(assessment.range.low <= assessment.score && assessment.score <= assessment.range.high);
            prop_assert_eq!(assessment, assess(&facts, Model::baseline(), &Policy::default()));
        }
    }

    #[test]
    fn floors_lift_unless_a_revert_is_proven() {
        let floors = |name: &str| {
            let (_, facts) = stories().into_iter().find(|story| story.0 == name).unwrap();
            let assessment = assess(&facts, Model::baseline(), &Policy::default());
            (assessment.score, assessment.floors)
        };
        let (score, lifted) = floors("destructive migration");
        assert_eq!((score, lifted[0].applied, lifted[0].exempt_because), (70, true, None));
        assert_eq!(floors("open incident").0, 80);
        let (score, exempt) = floors("proven revert");
        assert!(score < 50 && !exempt[0].applied && exempt[0].exempt_because.is_some(), "{score} {exempt:?}");
    }

    #[test]
    fn a_source_that_gave_a_part_says_which() {
        let mut facts = pull_request("Large", Vec::new());
        facts.change.files_total = 3_200;
        let sources = sources(&facts);
        let diff = sources[0].state.as_ref().unwrap_err();
        assert_eq!(diff.reason, facts::Reason::Partial { seen: 0, total: 3_200 });
        assert_eq!(sources[1].state, Ok(facts.at));
        assert!(sources.iter().filter(|source| source.state.is_err()).count() == 4);
    }
}
