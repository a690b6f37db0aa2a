//! The record of a few changes by hand, and of a simulated year.

use super::{
    super::{
        Failure,
        simulation::{Gate, World, YEAR, rows},
    },
    *,
};

const NOW: i64 = 1_000_000;

fn change(at: i64, score: u8, label: Label) -> Assessed {
    Assessed {
        id: at.to_string(),
        at,
        known_at: Some(at + 100),
        terms: vec![f64::NAN; Model::baseline().terms().len() + 2].into(),
        score,
        floor: 0,
        stated: Some(0.125),
        label,
        overridden: false,
        deployed: true,
        held_s: None,
    }
}

fn failed(by: Evidence, after_s: i64) -> Label {
    Label::Failed(Failure { by, certainty: 1.0, after_s })
}

fn read(rows: &[Assessed]) -> Record {
    record(rows, Model::baseline(), Platt::IDENTITY, Asked { since: 0, now: NOW, threshold: 70 })
}

#[test]
fn shares_count_what_is_known_and_nothing_else() {
    let mut rows: Vec<Assessed> = (0..30).map(|at| change(at, 70, Label::Clean)).collect();
    rows[0].label = failed(Evidence::Incident, FOLLOWS_WITHIN_S);
    rows[1].label = failed(Evidence::SloBurn, 60);
    // A failure, but none that followed: later, or of another kind.
    rows[2].label = failed(Evidence::Incident, FOLLOWS_WITHIN_S + 1);
    rows[3].label = failed(Evidence::RolledBack, 60);
    rows[4].label = Label::Censored(Censored::Held);
    rows[4].held_s = Some(7_200);
    rows[5].known_at = Some(NOW + 1);
    rows[6].score = 69;
    rows[7].at = -1;
    // One of two that went out together: an incident followed both, and each is half of a failure.
    rows[8].label = Label::Failed(Failure { by: Evidence::Incident, certainty: 0.5, after_s: 60 });
    (rows[9].overridden, rows[3].overridden, rows[5].overridden) = (true, true, true);
    let found = read(&rows);
    let censored = BTreeMap::from([(Censored::Held, 1), (Censored::Unripe, 1)]);
    assert_eq!(found.counts, Counts { assessed: 29, failed: 4.5, clean: 22.5, censored });
    assert_eq!((found.followed.found, found.followed.of), (3.0, 26.0));
    assert_eq!(found.followed.share.map(|share| share.value), Some(3.0 / 26.0));
    // One below the threshold is too few to state a share of.
    assert_eq!(found.followed_below, Share { found: 0.0, of: 1.0, share: None });
    assert_eq!((found.overrides.found, found.overrides.of, found.overrides_open), (1.0, 2.0, 1));
    let gate = found.enforcing[3];
    assert_eq!((gate.threshold, gate.held, gate.added_h), (70, 28, Some(56.0)));
    assert_eq!((gate.caught.found, gate.caught.of), (4.5, 4.5));
    assert_eq!((gate.in_vain.found, gate.in_vain.of), (21.5, 26.0));
    assert_eq!(found.distribution[7], (21.5, 4.5));
    assert!(found.worth.is_empty() && found.drift.alarm().is_none(), "{found:?}");
}

/// 400 deployments of two changes each, of which 40 failed: rates that say so are found right.
#[test]
fn failures_that_are_shared_count_as_stated() {
    let shared = |place: i64| match place / 2 % 10 {
        0 => Label::Failed(Failure { by: Evidence::Incident, certainty: 0.49, after_s: 60 }),
        _ => Label::Clean,
    };
    let mut rows: Vec<Assessed> = (0..800).map(|at| change(at, 75, shared(at))).collect();
    rows.iter_mut().for_each(|row| row.stated = Some(0.049));
    let found = read(&rows);
    assert_eq!((found.counts.known(), found.followed.found), (800, 80.0));
    assert!((found.counts.failed - 39.2).abs() < 1e-9, "{:?}", found.counts);
    let calibration = found.calibration.unwrap();
    assert!((calibration.observed - 0.049).abs() < 1e-9 && calibration.ece < 1e-9, "{calibration:?}");
    assert_eq!(found.drift.alarm(), Some(false));
}

#[test]
fn drift_is_told_from_chance() {
    // 120 changes at a rate of an eighth are a window.
    let window = |failures: i64| {
        (0..120).map(move |place| if place < failures { failed(Evidence::Incident, 1) } else { Label::Clean })
    };
    let labels = window(15).chain(window(15)).chain(window(28));
    let rows: Vec<Assessed> = (0..).zip(labels).map(|(at, label)| change(at, 30, label)).collect();
    let drift = read(&rows).drift;
    assert_eq!(drift.windows.iter().map(Window::alarms).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(drift.alarm(), Some(true));
    // (28 − 15) / √(120 · 1/8 · 7/8)
    assert!((drift.windows[2].level_z - 3.588).abs() < 1e-3, "{drift:?}");
    assert_eq!(read(&rows[..359]).drift.windows.len(), 2, "what is not a window yet waits");
}

#[test]
fn signals_that_tell_are_worth_their_points_and_others_are_not() {
    let mut world = World::new(11, 0.0, 0.0);
    let mut year = rows(world.year(6_000, Gate::Open));
    let worthy = |rows: &[Assessed], signal: &str| {
        let known: Vec<Known<'_>> =
            rows.iter().filter_map(|row| Some(Known { row, outcome: row.outcome(YEAR)? })).collect();
        let found = worth::worth(&known, &world.champion, Platt::IDENTITY);
        found.iter().find(|worth| worth.signal == signal).map(Worth::worthy)
    };
    assert_eq!(worthy(&year, "burn_rate"), Some(Worthy::Earned));
    assert_eq!(worthy(&year, "patch_coverage"), None, "what is never known has no worth");
    // The same points, given to the changes that do not need them.
    let place = world.champion.terms().iter().position(|weight| weight.id == "burn_rate.above_2x").unwrap();
    for row in &mut year {
        row.terms[place] = 1.0 - row.terms[place];
    }
    assert_eq!(worthy(&year, "burn_rate"), Some(Worthy::Misled));
}
