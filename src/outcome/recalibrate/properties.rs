//! What recalibration promises, on simulated years with a known truth. Each states its figures when it fails, and
//! `--no-capture` shows them anyway.

use super::{
    simulation::{Gate, WINDOW, World, YEAR, rows},
    *,
};

/// Standard deviation of the hidden weights around the champion's, log-odds for a standard deviation of a term.
const HIDDEN: f64 = 0.15;
/// The same for how often changes fail.
const LEVEL: f64 = 0.5;
/// Simulated years over which intervals are counted.
const SEEDS: u64 = 30;

fn fit(world: &World, rows: &[Assessed]) -> Challenger {
    let rows: Vec<&Assessed> = rows.iter().collect();
    challenge(&rows, Lineage::first(&world.champion), YEAR, "challenger").unwrap()
}

/// Mean and standard error.
fn mean(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    (mean, (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}

/// Mean gap between a rate and the true one.
fn error(world: &World, rows: &[Assessed], rate: impl Fn(&Assessed) -> f64) -> f64 {
    rows.iter().map(|row| (rate(row) - world.rate(row)).abs()).sum::<f64>() / rows.len() as f64
}

/// Shown by 1: hidden weights are found again, their intervals cover at the nominal rate, and rates that were off are off
/// by less than half as much on a year that was not seen.
#[test]
fn hidden_weights_are_recovered_within_their_intervals() {
    let (mut covered, mut weights, mut before, mut after) = (0_u32, 0_u32, 0.0, 0.0);
    let (mut strayed, mut left) = (0.0, 0.0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed, HIDDEN, LEVEL);
        let year = rows(world.year(2_000, Gate::Open));
        let found = fit(&world, &year);
        for moved in &found.moved {
            let truth = world.weight(&moved.id);
            weights += 1;
            covered += u32::from((moved.low..=moved.high).contains(&truth));
            strayed += ((moved.from - truth) * moved.spread).powi(2);
            left += ((moved.to - truth) * moved.spread).powi(2);
        }
        let platt = judge::platt_at(&year.iter().collect::<Vec<_>>(), &found.model, YEAR);
        let unseen = rows(world.year(300, Gate::Open));
        before += error(&world, &unseen, |row| sigmoid(log_odds(&world.champion, &row.terms)));
        after += error(&world, &unseen, |row| platt.probability(log_odds(&found.model, &row.terms)));
    }
    let coverage = f64::from(covered) / f64::from(weights);
    println!("{covered} of {weights} intervals cover ({coverage:.3}); squared error {left:.2} of {strayed:.2}");
    println!("error of the rates {:.4} before, {:.4} after", before / SEEDS as f64, after / SEEDS as f64);
    // Of 240 intervals 228 should cover; 3 standard deviations are 10.
    assert_eq!(weights, 240);
    assert!((0.91..=0.99).contains(&coverage), "{coverage}");
    assert!(left < strayed / 4.0, "{left} of {strayed}");
    assert!(after < before / 2.0, "{after} of {before}");
}

/// With no signal in the data the weights stay at the prior, and hardly ever is anything proposed. What is proposed has
/// a lower log loss on the latest part, always.
#[test]
fn without_a_signal_nothing_moves() {
    let (mut proposed, mut farthest) = (0, 0.0_f64);
    for seed in 100..110 {
        let mut world = World::new(seed, 0.0, 0.0);
        let year = rows(world.year(1_000, Gate::Open));
        let judgement = judge(&year, Lineage::first(&world.champion), YEAR, "challenger").unwrap();
        let moved = judgement.challenger.moved.iter().map(|moved| ((moved.to - moved.from) * moved.spread).abs());
        farthest = farthest.max(moved.fold(0.0, f64::max));
        proposed += u32::from(judgement.verdict == Verdict::Proposed);
    }
    println!("{proposed} of 10 proposed; the farthest weight moved by {farthest:.3} for a standard deviation");
    assert!(proposed <= 1, "{proposed}");
    assert!(farthest < 0.15, "{farthest}");
}

/// Changes that fail ten times as often as where the shipped model was fitted, and that are larger: neither is a signal, and
/// the typical change keeps its score.
#[test]
fn a_level_far_off_leaves_scores_where_they_are() {
    // Three standard deviations from where the model was fitted.
    let apart = [("churn.added", 5.4), ("diffusion.subsystems", 1.2), ("prior_defects.rate", 1.5), ("age.days", 4.8)];
    for seed in 11..15 {
        let mut world = World::new(seed, 0.0, 0.0);
        let mut year = rows(world.year(500, Gate::Open));
        for (id, by) in apart {
            let place = world.champion.terms().iter().position(|weight| weight.id == id).unwrap();
            year.iter_mut().for_each(|row| row.terms[place] += by);
        }
        let mut shipped = world.champion.clone();
        shipped.intercept -= 2.3;
        let judgement = judge(&year, Lineage::first(&shipped), YEAR, "challenger").unwrap();
        let (before, after) = judgement.mean_score.unwrap();
        println!("mean score {before:.1} before, {after:.1} after; {:?}", judgement.verdict);
        // Were the level held near the shipped one, weights would make up for it: 62 instead of 48.
        assert!((after - before).abs() < 4.0, "{before} {after}");
        assert!(judgement.challenger.model.intercept > shipped.intercept + 1.5, "the level is the intercept's");
        assert_ne!(judgement.verdict, Verdict::Proposed, "a level alone is no reason to change weights");
    }
}

/// A strong signal is proposed, and no proposal ever has a worse log loss on the latest part.
#[test]
fn what_is_proposed_is_better_on_what_it_has_not_seen() {
    let mut proposed = 0;
    for seed in 200..205 {
        let mut world = World::new(seed, 0.2, 0.0);
        let year = rows(world.year(2_000, Gate::Open));
        let judgement = judge(&year, Lineage::first(&world.champion), YEAR, "challenger").unwrap();
        assert_eq!((judgement.trial.folds.len(), judgement.thresholds.len()), (5, THRESHOLDS.len()));
        if judgement.verdict == Verdict::Proposed {
            proposed += 1;
            let latest = judgement.trial.folds.last().unwrap();
            assert!(latest.challenger.log_loss < latest.prior.log_loss, "{latest:?}");
            assert!(judgement.trial.learning.unwrap().difference.high < 0.0, "{:?}", judgement.trial);
            let unseen = rows(world.year(300, Gate::Open));
            let loss = |model: &Model| error(&world, &unseen, |row| sigmoid(log_odds(model, &row.terms)));
            let (after, before) = (loss(&judgement.challenger.model), loss(&world.champion));
            assert!(after < before, "{after} is not below {before}");
        }
    }
    println!("{proposed} of 5 proposed");
    assert!(proposed >= 2, "{proposed}");
}

/// Outcomes count once: fitting again on the same ones, from where they have led to, leads nowhere else.
#[test]
fn the_same_outcomes_do_not_count_twice() {
    let mut world = World::new(5, HIDDEN, LEVEL);
    let year = rows(world.year(1_000, Gate::Open));
    let first = fit(&world, &year).model;
    let lineage = Lineage { prior: &world.champion, champion: &first };
    let second = challenge(&year.iter().collect::<Vec<_>>(), lineage, YEAR, "second").unwrap().model;
    for (before, after) in first.terms().iter().zip(second.terms()) {
        assert!((before.weight - after.weight).abs() < 2e-3, "{} {}", before.weight, after.weight);
    }
    assert!((first.intercept - second.intercept).abs() < 2e-3);
}

/// A second year, after the first.
fn later(mut rows: Vec<Assessed>) -> Vec<Assessed> {
    for row in &mut rows {
        row.at += YEAR;
        row.known_at = row.known_at.map(|known| known + YEAR);
    }
    rows
}

/// The model that is proposed after a year of strong signals.
fn learned(world: &mut World) -> (Vec<Assessed>, Model) {
    let year = rows(world.year(2_000, Gate::Open));
    let judgement = judge(&year, Lineage::first(&world.champion), YEAR, "learned").unwrap();
    assert_eq!(judgement.verdict, Verdict::Proposed);
    (year, judgement.challenger.model)
}

/// Where the world has changed, a model that was learned is renewed by one that was fitted on more; though not soon.
#[test]
fn what_was_learned_is_renewed() {
    let mut world = World::new(203, 0.2, 0.0);
    let (mut known, champion) = learned(&mut world);
    let prior = world.champion.clone();
    let lineage = Lineage { prior: &prior, champion: &champion };
    let soon = judge(&known, lineage, YEAR + YEAR / 5, "renewed").unwrap();
    assert_eq!(soon.verdict, Verdict::TooSoon);
    assert_eq!(soon.trial.renewed_from, Some(YEAR + RENEWED_AFTER_DAYS * 24 * 60 * 60));
    let mut changed = World::new(209, 0.2, 0.0);
    known.extend(later(rows(changed.year(2_000, Gate::Open))));
    let renewed = judge(&known, lineage, 2 * YEAR, "renewed").unwrap();
    assert_eq!(renewed.verdict, Verdict::Proposed, "{:?}", renewed.trial);
    let renewal = renewed.trial.renewal.unwrap();
    assert!(renewal.difference.high < 0.0, "better than what was learned, on {} changes: {renewal:?}", renewal.changes);
}

/// Where what was learned no longer holds, the model that no outcome has moved is better again, and that is said.
#[test]
fn what_no_longer_holds_leads_back() {
    let mut world = World::new(203, 0.2, 0.0);
    let (mut known, champion) = learned(&mut world);
    let mut changed = World::new(4, 0.0, 0.0);
    assert_eq!(changed.champion.terms(), world.champion.terms());
    known.extend(later(rows(changed.year(1_500, Gate::Open))));
    let lineage = Lineage { prior: &world.champion, champion: &champion };
    let judgement = judge(&known, lineage, 2 * YEAR, "renewed").unwrap();
    assert_eq!(judgement.verdict, Verdict::Back, "{:?}", judgement.trial);
}

#[test]
fn few_outcomes_claim_nothing() {
    let mut world = World::new(7, HIDDEN, LEVEL);
    let year = rows(world.year(150, Gate::Open));
    let failed = year.iter().filter(|row| row.label != Label::Clean).count() as u64;
    let few = NoChallenger::TooFew(TooFew { changes: 150, failed });
    assert_eq!(judge(&year, Lineage::first(&world.champion), YEAR, "challenger"), Err(few));
    // Many changes, but what is known of them is not ripe.
    let year = rows(world.year(2_000, Gate::Open));
    let early = judge(&year, Lineage::first(&world.champion), 0, "challenger");
    assert!(matches!(early, Err(NoChallenger::TooFew(TooFew { changes: 0, .. }))));
}

/// Shown by 4: where half of the high scores are held, labels stay honest and rates unbiased; reading held changes as
/// clean, which they are not, is far off.
#[test]
fn holding_changes_does_not_bias_what_is_learned() {
    let (mut honest, mut naive, mut held) = (Vec::new(), Vec::new(), 0);
    for seed in 300..312 {
        let mut world = World::new(seed, 0.0, 0.0);
        let year = world.year(2_000, Gate::Half(40));
        let censored = |(row, _): &&(Assessed, Fate)| row.label == Label::Censored(Censored::Held);
        assert_eq!(year.iter().filter(censored).count(), year.iter().filter(|(_, fate)| fate.held).count());
        held += year.iter().filter(censored).count();
        let year = rows(year);
        let as_clean: Vec<Assessed> = year
            .iter()
            .map(|row| match row.label {
                Label::Censored(_) => Assessed { label: Label::Clean, known_at: Some(row.at + WINDOW), ..row.clone() },
                Label::Failed(_) | Label::Clean => row.clone(),
            })
            .collect();
        // The bias of rates for high scores, held ones too: their truth is known here.
        let bias = |rows: &[Assessed]| {
            let found = fit(&world, rows);
            let platt = judge::platt_at(&rows.iter().collect::<Vec<_>>(), &found.model, YEAR);
            let high = year.iter().filter(|row| row.score >= 40);
            let gaps = high.map(|row| platt.probability(log_odds(&found.model, &row.terms)) - world.rate(row));
            mean(&gaps.collect::<Vec<_>>()).0
        };
        honest.push(bias(&year));
        naive.push(bias(&as_clean));
    }
    let ((honest, honest_se), (naive, naive_se)) = (mean(&honest), mean(&naive));
    println!(
        "{held} held; bias {honest:+.4} ± {:.4}; held as clean {naive:+.4} ± {:.4}",
        1.96 * honest_se,
        1.96 * naive_se
    );
    assert!(honest.abs() < 3.0 * honest_se.max(0.002), "{honest} ± {honest_se}");
    assert!(naive + 1.96 * naive_se < -0.03, "{naive} ± {naive_se}");
}
