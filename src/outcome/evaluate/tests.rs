//! Known small cases, and what must hold of any scores.

use proptest::{collection::vec, prelude::*};

use super::*;

fn examples(rows: &[(f64, bool)]) -> Vec<Example> {
    rows.iter().map(|&(score, failed)| Example { score, probability: None, lines: 1, failed }).collect()
}

fn ranking(rows: &[(f64, bool)]) -> Ranking<f64> {
    let (scores, failed): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
    Ranking::of(&Ties::descending(&scores, &failed).all())
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn a_small_ranking_by_hand() {
    // In descending order: failed, clean, failed and clean with the same score, clean.
    let rows = [(9.0, true), (7.0, false), (5.0, true), (5.0, false), (1.0, false)];
    let ranking = ranking(&rows);
    // Of six pairs the failed one stands higher in four, and one is a tie.
    close(ranking.roc_auc, 4.5 / 6.0);
    // Precision is 1/1 at the first failure and 2/4 at the second, whose tie is taken whole.
    close(ranking.average_precision, (1.0 + 0.5) / 2.0);
    close(ranking.pr_lift, 0.75 / 0.4);
    // The top half of five is two changes, as Python rounds 2.5; the top tenth is one.
    let top = |place: usize| (ranking.top[place].recall, ranking.top[place].precision);
    assert_eq!(top(4), (0.5, 0.5));
    assert_eq!(top(2), (0.5, 1.0));
}

#[test]
fn a_cut_through_equal_scores_is_the_mean_over_their_orders() {
    let rows: Vec<(f64, bool)> = (0..20).map(|place| (1.0, place < 5)).collect();
    let ranking = ranking(&rows);
    close(ranking.roc_auc, 0.5);
    close(ranking.pr_lift, 1.0);
    for (top, share) in ranking.top.iter().zip(SHARES) {
        let taken = (share * 20.0).max(1.0);
        close(top.recall, taken / 20.0);
        close(top.precision, 0.25);
    }
}

#[test]
fn gain_runs_from_nothing_to_all() {
    let curve = gain(&[4.0, 3.0, 3.0, 1.0], &[true, true, false, false]).unwrap();
    assert_eq!(curve.len(), 101);
    for (percent, expected) in [(0, 0.0), (25, 0.5), (50, 0.75), (75, 1.0), (100, 1.0)] {
        close(curve[percent], expected);
    }
    assert_eq!(gain(&[1.0], &[false]), None);
}

#[test]
fn effort_by_hand() {
    let of = |rows: &[(f64, u64, bool)]| {
        let example = |&(score, lines, failed)| Example { score, probability: None, lines, failed };
        Walk::of(&rows.iter().map(example).collect::<Vec<_>>()).map(|walk| walk.measure(None))
    };
    // A fifth of 100 lines holds the first change and not the second.
    let best = of(&[(90.0, 15, true), (50.0, 25, true), (1.0, 60, false)]).unwrap();
    close(best.recall, 0.5);
    close(best.popt, 1.0);
    close(of(&[(1.0, 15, true), (50.0, 25, true), (90.0, 60, false)]).unwrap().recall, 0.0);
    // Two changes with the same score for each line: half of their lines fit.
    close(of(&[(4.0, 20, true), (4.0, 20, false), (1.0, 60, true)]).unwrap().recall, 0.25);
    assert_eq!(of(&[(1.0, 0, true), (1.0, 0, false)]), None);
}

#[test]
fn calibration_by_hand() {
    // Ten bins of two changes; in the upper five one of two fails, and 0.3 is stated everywhere above, 0.1 below.
    let example = |place: usize| Example {
        score: 0.0,
        probability: Some(if place < 10 { 0.1 } else { 0.3 }),
        lines: 1,
        failed: place >= 10 && place.is_multiple_of(2),
    };
    let all: Vec<Example> = (0..20).map(example).collect();
    let found = evaluate(&all).calibration.unwrap();
    close(found.ece, (0.1 + 0.2) / 2.0);
    close(found.stated, 0.2);
    close(found.observed, 0.25);
    close(found.brier.value, (10.0 * 0.01 + 5.0 * 0.49 + 5.0 * 0.09) / 20.0);
    close(found.brier_skill.value, 1.0 - found.brier.value / (0.25 * 0.75));
    assert_eq!(found.reliability.len(), BINS_EXPECTED);
    assert!(found.reliability.iter().all(|bin| bin.changes == 2.0));
    // Twenty outcomes say little: a perfect model would show an error as large.
    assert!(found.noise_floor.p95 > 0.15 && found.noise_floor.mean < found.noise_floor.p95, "{found:?}");
}

const BINS_EXPECTED: usize = 10;

#[test]
fn certain_and_right_is_without_error() {
    let example = |failed| Example { score: 1.0, probability: Some(f64::from(failed)), lines: 1, failed };
    let all: Vec<Example> = (0..50).map(|place| example(place % 5 == 0)).collect();
    let found = evaluate(&all).calibration.unwrap();
    assert!(found.ece < 1e-5 && found.noise_floor.p95 < 1e-5 && found.brier_skill.value > 0.9999, "{found:?}");
    let off: Vec<Example> = all.iter().map(|one| Example { probability: Some(0.6), ..*one }).collect();
    let found = evaluate(&off).calibration.unwrap();
    close(found.ece, 0.4);
    assert!(found.ece > found.noise_floor.p95 && found.brier_skill.high < 0.0);
}

#[test]
fn what_cannot_be_judged_is_not() {
    for rows in [&[][..], &[(1.0, true), (2.0, true)], &[(1.0, false)]] {
        let found = evaluate(&examples(rows));
        assert!(found.ranking.is_none() && found.effort.is_none() && found.calibration.is_none(), "{found:?}");
    }
    assert_eq!(difference(&[1.0], &[2.0], &[true]), None);
}

#[test]
fn four_failures_say_nothing_and_five_do() {
    let judged = |failures: usize, of: usize| {
        let example =
            |place: usize| Example { score: place as f64, probability: Some(0.2), lines: 1, failed: place < failures };
        let all: Vec<Example> = (0..of).map(example).collect();
        let (scores, failed): (Vec<f64>, Vec<bool>) = all.iter().map(|one| (one.score, one.failed)).unzip();
        let found = evaluate(&all);
        assert_eq!((found.changes, found.failed), (of as u64, failures as u64));
        let figures = [found.ranking.is_some(), found.effort.is_some(), found.calibration.is_some()];
        [figures[0], figures[1], figures[2], difference(&scores, &scores, &failed).is_some()]
    };
    assert_eq!((judged(4, 90), judged(5, 90)), ([false; 4], [true; 4]));
    assert_eq!((judged(86, 90), judged(85, 90)), ([false; 4], [true; 4]));
}

#[test]
fn wilsons_interval_is_the_published_one() {
    // Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    let check = |found: f64, of: f64, low: f64, high: f64| {
        let (a, b) = wilson(found, of);
        assert!((a - low).abs() < 5e-5 && (b - high).abs() < 5e-5, "{a} {b}");
    };
    check(81.0, 263.0, 0.2553, 0.3662);
    check(15.0, 148.0, 0.0624, 0.1605);
    check(0.0, 20.0, 0.0, 0.1611);
    check(1.0, 29.0, 0.0061, 0.1718);
    assert_eq!(wilson(0.0, 0.0), (0.0, 1.0));
}

#[test]
fn a_better_score_is_seen_to_be_better() {
    let failed: Vec<bool> = (0..200).map(|place| place % 4 == 0).collect();
    let good: Vec<f64> = (0..200).map(|place| f64::from(place % 4 == 0) * 2.0 + f64::from(place % 3)).collect();
    let blind: Vec<f64> = (0..200).map(|place| f64::from(place * 7 % 11)).collect();
    let found = difference(&good, &blind, &failed).unwrap();
    assert!(found.auc.low > 0.0 && found.better > 0.99, "{found:?}");
    let same = difference(&good, &good, &failed).unwrap();
    assert_eq!((same.auc, same.better), (Estimate { value: 0.0, low: 0.0, high: 0.0 }, 0.5));
}

#[test]
fn intervals_hold_the_value_and_narrow_with_the_sample() {
    let of = |size: usize| {
        let rows: Vec<(f64, bool)> =
            (0..size).map(|place| ((place * 37 % 101) as f64, place * 37 % 101 > 70)).collect();
        let noisy: Vec<(f64, bool)> =
            rows.iter().enumerate().map(|(place, row)| (row.0, row.1 ^ (place % 5 == 0))).collect();
        evaluate(&examples(&noisy)).ranking.unwrap().roc_auc
    };
    let (small, large) = (of(101), of(1_616));
    for found in [small, large] {
        assert!(found.low < found.value && found.value < found.high, "{found:?}");
    }
    let narrower = (small.high - small.low) / (large.high - large.low);
    assert!((3.0..5.3).contains(&narrower), "16 times the sample should narrow it 4 times, not {narrower}");
}

/// At least five failed and five did not; few scores, so that there are ties.
fn any_rows() -> impl Strategy<Value = Vec<(f64, bool)>> {
    let row = || (0..12_u32, any::<bool>()).prop_map(|(score, failed)| (f64::from(score), failed));
    (vec(row(), 1..60), 0..12_u32, 0..12_u32).prop_map(|(mut rows, failed, clean)| {
        rows.extend([(f64::from(failed), true), (f64::from(clean), false)].repeat(5));
        rows
    })
}

proptest! {
    // Each case draws a thousand samples.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn measures_stay_on_their_scales(rows in any_rows(), lines in vec(0..400_u64, 70)) {
        let all: Vec<Example> = rows
            .iter()
            .zip(lines)
            .map(|(&(score, failed), lines)| Example { score, probability: Some(score / 12.0), lines, failed })
            .collect();
        let found = evaluate(&all);
        let unit = |estimate: Estimate| {
            estimate.low <= estimate.high && (-1e-9..=1.0 + 1e-9).contains(&estimate.low) && estimate.high <= 1.0 + 1e-9
        };
        let ranking = found.ranking.expect("each outcome is there");
        prop_assert!(unit(ranking.roc_auc) && unit(ranking.average_precision));
        prop_assert!(ranking.top.iter().all(|top| unit(top.recall) && unit(top.precision)));
        prop_assert!(found.effort.is_none_or(|effort| unit(effort.recall) && unit(effort.popt)));
        let calibration = found.calibration.expect("each outcome is there");
        let counted: f64 = calibration.reliability.iter().map(|bin| bin.changes).sum();
        prop_assert!((counted - all.len() as f64).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&calibration.ece));
    }
}

proptest! {
    #[test]
    fn only_the_order_of_scores_counts(rows in any_rows()) {
        let stretched: Vec<(f64, bool)> = rows.iter().map(|row| ((row.0 / 3.0).exp() - 40.0, row.1)).collect();
        prop_assert_eq!(ranking(&rows), ranking(&stretched));
        let turned: Vec<(f64, bool)> = rows.iter().map(|row| (-row.0, row.1)).collect();
        prop_assert!((ranking(&rows).roc_auc + ranking(&turned).roc_auc - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_changes_does_not_count(rows in any_rows(), by in 0..60_usize) {
        let mut shuffled = rows.clone();
        shuffled.rotate_left(by % rows.len());
        shuffled.reverse();
        let (a, b) = (ranking(&rows), ranking(&shuffled));
        prop_assert!((a.roc_auc - b.roc_auc).abs() < 1e-12 && (a.pr_lift - b.pr_lift).abs() < 1e-9);
        prop_assert!(a.top.iter().zip(b.top).all(|(a, b)| (a.recall - b.recall).abs() < 1e-12));
    }

    /// A draw with weights is the same as writing each change down as often as it was drawn.
    #[test]
    fn a_draw_is_a_sample_with_copies(rows in any_rows(), seed in vec(0..4_u32, 70)) {
        let mut drawn: Vec<u32> = seed.into_iter().take(rows.len()).collect();
        for outcome in [true, false] {
            let some = rows.iter().position(|row| row.1 == outcome).expect("each outcome is there");
            drawn[some] += 1;
        }
        let copies: Vec<(f64, bool)> =
            rows.iter().zip(&drawn).flat_map(|(row, times)| std::iter::repeat_n(*row, *times as usize)).collect();
        let (scores, failed): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
        prop_assert_eq!(Ranking::of(&Ties::descending(&scores, &failed).drawn(&drawn)), ranking(&copies));
    }
}
