//! Histories small enough to be judged by hand.

use super::*;
use crate::outcome::{labels::Because, rivals::Rival, stories::landed};

const DAY: i64 = 24 * 60 * 60;

/// 400 changes, three a day, of which every tenth failed. Failed ones score 60, others 20 to 39; some are left out. The
/// model states what came true.
pub(crate) fn story() -> Judged {
    let mut reader = Reader::default();
    let change = |place: u32| {
        let failed = place.is_multiple_of(10);
        let at = 1_700_000_000 + i64::from(place) * DAY / 3;
        let mut landed = landed(at, &[("src/a.rs", u64::from(place % 7), u64::from(place % 3))]);
        landed.sha = format!("{place:040x}");
        landed.title = format!("Change number {place}");
        Change {
            sha: landed.sha.clone(),
            dated: at,
            at,
            title: landed.title.clone(),
            lines: Some(landed.added + landed.deleted),
            score: if failed { 60 } else { 20 + (place % 20) as u8 },
            probability: Some(if failed { 0.9 } else { 0.02 }),
            fix_probability: None,
            fixed: None,
            label: match place {
                390.. => Label::Unripe,
                3 => Label::LeftOut(Because::Bot),
                4 => Label::LeftOut(Because::Revert),
                5 => Label::LeftOut(Because::Empty),
                _ if failed => Label::Failed,
                _ => Label::Clean,
            },
            undone_after_s: failed.then_some(i64::from(place + 1) * 60),
            traits: reader.read(&landed),
        }
    };
    let changes: Vec<Change> = (0..400).map(change).collect();
    Judged {
        repository: "acme/shop".to_owned(),
        model: "test-1".to_owned(),
        rank_by: RankBy::Score,
        reverts: Reverts { found: 45, linked: 41, undone: 41, late: 2 },
        history: Span::of(changes.len(), changes.first().zip(changes.last()).map(|(a, b)| (a.at, b.at))),
        changes,
    }
}

#[test]
fn a_score_that_knows_is_told_so() {
    let report = story().report();
    let counts = Counts { scored: 400, failed: 39, clean: 348, unripe: 10, bots: 1, reverts: 1, empty: 1 };
    assert_eq!(report.counts, counts);
    assert_eq!(counts.judged(), 387);
    // The last 30 % of 387 judged changes are those after the first 271.
    assert_eq!((report.all.span.changes, report.test.span.changes), (387, 116));
    let ranking = report.test.evaluation.ranking.unwrap();
    assert_eq!(ranking.roc_auc.value, 1.0);
    assert_eq!(ranking.top[3].recall.value, 1.0);
    let gain = report.test.gain.as_ref().unwrap();
    assert_eq!((gain[0], gain[10], gain[100]), (0.0, 1.0, 1.0));
    let bin = |score: usize| report.distribution[score / usize::from(SCORE_BIN)];
    assert_eq!((bin(60).failed, bin(60).clean, bin(20).failed), (report.test.evaluation.failed, 0, 0));
    let counted: u64 = report.distribution.iter().map(|bin| bin.failed + bin.clean).sum();
    assert_eq!(counted, 116);
    // 39 failures are three windows of equal count.
    let windows: Vec<u64> = report.windows.iter().map(|window| window.span.changes).collect();
    assert_eq!(windows, [129, 129, 129]);
    assert_eq!(report, story().report(), "the same history gives the same report");
}

/// The second head is ranked by the rate that it states, over the changes of which it is known how they came out.
#[test]
fn the_second_head_is_judged_by_its_own_label() {
    let mut judged = story();
    assert_eq!(judged.report().fixed, None);
    for (place, change) in judged.changes.iter_mut().enumerate() {
        let needed = place % 10 < 3;
        change.fix_probability = Some(if needed { 0.4 } else { 0.1 });
        change.fixed = (place % 4 > 0).then(|| needed || change.label == Label::Failed);
    }
    let first = judged.report();
    let fixed = first.fixed.as_ref().unwrap();
    let known = |from: usize, to: usize| {
        let counts = |change: &&Change| change.label.failed().is_some() && change.fixed.is_some();
        judged.changes[from..to].iter().filter(counts).count() as u64
    };
    assert_eq!((fixed.all.span.changes, fixed.test.span.changes), (known(0, 400), known(274, 400)));
    assert_eq!(fixed.test.evaluation.ranking.unwrap().roc_auc.value, 1.0);
    assert_eq!(Report { fixed: None, ..first.clone() }, Report { fixed: None, ..story().report() });
}

#[test]
fn ranked_by_probability_ties_are_few_and_the_rest_stands() {
    let mut judged = story();
    // The score says little, the stated rate knows.
    judged.changes.iter_mut().for_each(|change| change.score = 30);
    let auc = |judged: &Judged| judged.report().test.evaluation.ranking.unwrap().roc_auc.value;
    assert_eq!(auc(&judged), 0.5);
    judged.rank_by = RankBy::Probability;
    assert_eq!(auc(&judged), 1.0);
}

#[test]
fn rivals_meet_the_same_changes() {
    let report = story().report();
    assert_eq!(report.compared.iter().map(|compared| compared.rival).collect::<Vec<_>>(), Rival::ALL);
    for compared in &report.compared {
        let evaluation = compared.evaluation.as_ref().unwrap();
        assert_eq!((evaluation.changes, evaluation.failed), (116, report.test.evaluation.failed));
        assert_eq!(evaluation.calibration.is_some(), compared.rival != Rival::Size);
        let (ours, theirs) = (report.test.evaluation.ranking.unwrap(), evaluation.ranking.unwrap());
        let difference = compared.difference.unwrap();
        assert!((difference.auc.value - (ours.roc_auc.value - theirs.roc_auc.value)).abs() < 1e-12);
        assert!(difference.auc.low > 0.0 && difference.better > 0.99, "{difference:?}");
    }
}

/// What a rival is fitted on ends 30 days before the comparison begins, whatever the outcome.
#[test]
fn rivals_do_not_see_what_was_not_known() {
    let mut judged = story();
    let first = judged.report().test.span.between.unwrap().0;
    let before = judged.report().compared;
    for change in &mut judged.changes {
        let too_late = change.at < first && change.at + 30 * DAY > first;
        if too_late && change.label.failed().is_some() {
            change.label = if change.label == Label::Failed { Label::Clean } else { Label::Failed };
        }
    }
    assert_eq!(judged.report().compared, before);
    // Without a failure in the past there is nothing to fit.
    judged.changes.iter_mut().filter(|change| change.at < first && change.label == Label::Failed).for_each(|change| {
        change.label = Label::Clean;
    });
    let fitted: Vec<bool> = judged.report().compared.iter().map(|compared| compared.evaluation.is_some()).collect();
    assert_eq!(fitted, [true, false, false]);
}

#[test]
fn what_scored_high_is_a_catch_and_what_scored_low_a_miss() {
    let mut judged = story();
    judged.changes[70].score = 3;
    judged.changes[380].score = 99;
    let report = judged.report();
    let names = |named: &[Named]| named.iter().map(|named| named.title.clone()).collect::<Vec<_>>();
    let titles = |numbers: &[u32]| numbers.iter().map(|number| format!("Change number {number}")).collect::<Vec<_>>();
    assert_eq!(names(&report.catches), titles(&[380, 370, 360, 350, 340]));
    assert_eq!(names(&report.misses), titles(&[70]));
    let miss = &report.misses[0];
    assert_eq!((miss.score, miss.undone_after_s), (3, 71 * 60));
    assert!(miss.above < 0.01 && report.catches[0].above > 0.99);
    // A failure below the middle is no catch, however few there are.
    for change in judged.changes.iter_mut().filter(|change| change.label == Label::Failed && change.score != 3) {
        change.label = Label::Clean;
    }
    let few = judged.report();
    assert_eq!((names(&few.catches), names(&few.misses)), (Vec::new(), titles(&[70])));
    // Where all score the same, nothing is either.
    judged.changes.iter_mut().for_each(|change| change.score = 30);
    let even = judged.report();
    assert_eq!((even.catches.len(), even.misses.len()), (0, 0));
}

#[test]
fn the_newest_are_judged_and_all_is_history() {
    let model = Model::baseline();
    let replay = |since: Option<i64>, limit: Option<usize>| {
        let since = since.and_then(|since| DateTime::from_timestamp(since, 0));
        let mut backtest = Backtest::new("acme/shop", model, since);
        (0..50).for_each(|place| backtest.take(&landed(place * DAY, &[("a.rs", 1, 0)])));
        backtest.judged(limit)
    };
    let days = |judged: &Judged| judged.changes.iter().map(|change| change.at / DAY).collect::<Vec<_>>();
    assert_eq!(days(&replay(None, None)), (0..50).collect::<Vec<_>>());
    // The last 30 days cannot be judged, and do not count against the limit.
    let late = replay(Some(10 * DAY), Some(5));
    assert_eq!(days(&late), (15..50).collect::<Vec<_>>());
    assert_eq!(late.history, Span { changes: 50, between: Some((0, 49 * DAY)) });
    assert_eq!((late.report().counts.clean, late.report().counts.unripe), (5, 30));
    assert_eq!(days(&replay(None, Some(20))), (0..50).collect::<Vec<_>>());
    assert_eq!(days(&replay(None, Some(21))), (0..50).collect::<Vec<_>>());
    assert_eq!(days(&replay(None, Some(1))), (19..50).collect::<Vec<_>>());
}

#[test]
fn a_history_without_a_change_is_a_report_too() {
    let report = Backtest::new("acme/shop", Model::baseline(), None).judged(None).report();
    assert_eq!((report.counts, report.all.gain, report.compared), (Counts::default(), None, Vec::new()));
}
