//! Where a change stands among this repository's own changes: how many it is riskier than, and how those like it ended.

use super::{
    Model,
    assessment::{Failed, Probability, Standing},
    diff::View,
    facts::{Facts, History, Outcomes},
    forecast,
};

/// Fewer changes say nothing of a share.
const COMPARED_MIN: u64 = 50;
/// Changes of about the same score that a rate is read off, at least.
const ALIKE_MIN: u64 = 200;
/// Scores further away are not alike.
const ALIKE_WITHIN: u8 = 10;
/// Where fewer changes were rolled back, they say nothing of rates, nor of how well a score ranks.
pub(crate) const FAILURES_MIN: u64 = 5;

/// Where the facts' change stands by history and diff alone, as all changes that landed are scored; and how changes with
/// about its score ended: in production where enough of that is known, else by what was rolled back. Nothing where
/// neither is known, or too little of it. `score` is the change's own, floors included.
pub(super) fn standing(view: &View<'_>, model: &Model, score: u8) -> (Option<Standing>, Option<Probability>) {
    let facts = view.facts;
    let in_production = alike(&facts.in_production, score, Failed::InProduction);
    let Ok(history) = &facts.history else { return (None, in_production) };
    let landed = forecast::landed(as_landed(facts, history.lines), facts.history.clone(), facts.at);
    let score = forecast::forecast_of(&view.without_lines(&landed), model).score;
    (among(history, score), in_production.or_else(|| alike(&history.outcomes, score, Failed::RolledBack)))
}

/// The change as every landed change is known: what its lines say is left out, and where theirs were not counted, how
/// many it has.
fn as_landed(facts: &Facts, lines: bool) -> super::facts::Change {
    let mut change = facts.change.clone();
    for file in &mut change.files {
        if !lines {
            (file.added, file.deleted) = (0, 0);
        }
        file.patch = Err(super::facts::Unknown {
            source: super::facts::Source::Diff,
            reason: super::facts::Reason::NotApplicable,
        });
    }
    change
}

/// Share of the latest changes with a lower score; of those with the same score half.
fn among(history: &History, score: u8) -> Option<Standing> {
    let of = history.recent.iter().fold(0_u64, |sum, (_, changes)| sum.saturating_add(*changes));
    if of < COMPARED_MIN {
        return None;
    }
    let weighed = |(each, changes): &(u8, u64)| match each.cmp(&score) {
        std::cmp::Ordering::Less => *changes as f64,
        std::cmp::Ordering::Equal => *changes as f64 / 2.0,
        std::cmp::Ordering::Greater => 0.0,
    };
    let below: f64 = history.recent.iter().map(weighed).sum();
    Some(Standing { score, riskier_than: below / of as f64, of })
}

/// How changes with about the same score ended: as many scores on both sides as are needed for a sample.
fn alike(outcomes: &[Outcomes], score: u8, counts: Failed) -> Option<Probability> {
    let all = outcomes.iter().fold(0_u64, |sum, each| sum.saturating_add(each.failed));
    // A history without rollbacks may be one in which nobody says so; in production somebody watched.
    if counts == Failed::RolledBack && all < FAILURES_MIN {
        return None;
    }
    let within = |distance: u8| {
        let near = outcomes.iter().filter(move |each| each.score.abs_diff(score) <= distance);
        near.fold((0_u64, 0_u64), |(changes, failed), each| {
            (changes.saturating_add(each.changes), failed.saturating_add(each.failed))
        })
    };
    let (sample, failures) = (0..=ALIKE_WITHIN).map(within).find(|(changes, _)| *changes >= ALIKE_MIN)?;
    let failures = failures.min(sample);
    let (low, high) = wilson(failures, sample);
    Some(Probability { counts, value: failures as f64 / sample as f64, low, high, sample, failures })
}

/// 95 % interval of a share (Wilson 1927).
fn wilson(failures: u64, sample: u64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let (n, p) = (sample as f64, failures as f64 / sample as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    (((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::Source, policy::Policy, stories};

    /// Changes and failures by score.
    fn outcomes(known: &[(u8, u64, u64)]) -> Vec<Outcomes> {
        known.iter().map(|&(score, changes, failed)| Outcomes { score, changes, failed }).collect()
    }

    #[test]
    fn a_rate_is_read_off_the_nearest_scores() {
        let check = |known: &[(u8, u64, u64)], score: u8, expected: Option<(u64, u64)>| {
            let rate = alike(&outcomes(known), score, Failed::RolledBack).map(|rate| (rate.sample, rate.failures));
            assert_eq!(rate, expected, "{known:?} {score}");
        };
        let known = [(28, 150, 2), (30, 150, 3), (50, 60, 6), (90, 3, 3)];
        check(&known, 30, Some((300, 5)));
        check(&known, 29, Some((300, 5)));
        check(&known, 90, None);
        check(&[(30, 900, 4)], 30, None);
        check(&[(30, 900, 5)], 30, Some((900, 5)));
        check(&[], 30, None);
    }

    /// What failed in production is what people ask for; what was rolled back stands in for it as long as too little is known.
    #[test]
    fn production_goes_before_history() {
        let mut facts = stories::pull_request("Round prices", vec![stories::file("src/prices.rs", 40, 2)]);
        let rolled_back = outcomes(&[(20, 900, 9), (30, 900, 12), (40, 900, 20)]);
        facts.history = Ok(History { outcomes: rolled_back, ..History::default() });
        let rate = |facts: &Facts| {
            let assessment = crate::risk::assess(facts, Model::baseline(), &Policy::default());
            let rate = assessment.probability.map(|rate| (rate.counts, rate.sample, rate.failures));
            (assessment.score, rate)
        };
        let (score, before) = rate(&facts);
        assert!(matches!(before, Some((Failed::RolledBack, ..))), "{before:?}");
        facts.in_production = outcomes(&[(score, 199, 40), (score + 11, 900, 90)]);
        assert_eq!(rate(&facts), (score, before), "too few, and others are not alike");
        facts.in_production = outcomes(&[(score, 190, 40), (score - 1, 20, 2), (score + 11, 900, 90)]);
        let expected = Some((Failed::InProduction, 210, 42));
        assert_eq!(rate(&facts), (score, expected));
        // It needs no history.
        facts.history = stories::nothing(Source::History);
        let score = rate(&facts).0;
        facts.in_production = outcomes(&[(score, 210, 42)]);
        assert_eq!(rate(&facts), (score, expected));
    }

    #[test]
    fn equal_scores_count_half() {
        let mut history = History { recent: vec![(20, 60), (30, 20), (40, 20)], ..History::default() };
        assert_eq!(among(&history, 30).map(|standing| standing.riskier_than), Some(0.7));
        assert_eq!(among(&history, 99).map(|standing| standing.riskier_than), Some(1.0));
        history.recent.remove(0);
        assert_eq!(among(&history, 30), None);
    }

    #[test]
    fn intervals_are_those_of_wilson() {
        let (low, high) = wilson(38, 1240);
        assert!((low - 0.0224).abs() < 5e-5 && (high - 0.0418).abs() < 5e-5, "{low} {high}");
    }
}
