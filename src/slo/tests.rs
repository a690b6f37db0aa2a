//! Worked numbers from Datadog's documentation, properties that hold for any history, and boundaries.

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp()
}

fn target(percent: f64) -> Target {
    Target::new(percent).unwrap()
}

/// A history of which nothing but its parts is told, with the SLI that they come to.
fn history(window: Window, parts: Parts) -> History {
    let bare = History { window, sli: None, budget_left: None, parts };
    let counts = timeline::counts(&bare);
    let sli = (counts.total > 0.0).then(|| 100.0 * (1.0 - counts.bad / counts.total));
    History { sli, ..bare }
}

/// Up, but for these spans of seconds.
fn down(window: Window, spans: &[(i64, i64)]) -> History {
    let mut states = vec![Transition { at_s: -DAY_S, state: State::Up }];
    for (from_s, span_s) in spans {
        states.push(Transition { at_s: *from_s, state: State::Down });
        states.push(Transition { at_s: from_s + span_s, state: State::Up });
    }
    history(window, Parts::States(states))
}

/// Events in buckets: good and bad.
fn events(window: Window, bucket_s: i64, counts: &[(f64, f64)]) -> History {
    let bucket = |(number, (good, bad)): (usize, &(f64, f64))| Bucket {
        from_s: window.from_s + number as i64 * bucket_s,
        good: *good,
        total: good + bad,
    };
    let buckets = counts.iter().enumerate().map(bucket).collect();
    history(window, Parts::Events(Series { bucket_s, buckets }))
}

/// Datadog's documented history of a monitor SLO: when it went down in 30 days of 2019, and for how many seconds.
const DOCUMENTED: [(&str, i64); 13] = [
    ("2019-09-23T09:41:07Z", 1_080),
    ("2019-09-24T07:29:07Z", 300),
    ("2019-09-24T17:17:07Z", 60),
    ("2019-09-24T20:05:07Z", 840),
    ("2019-09-26T13:28:07Z", 540),
    ("2019-09-26T13:57:07Z", 180),
    ("2019-09-26T18:58:07Z", 4_860),
    ("2019-09-27T13:57:07Z", 3_060),
    ("2019-09-30T00:06:07Z", 4_020),
    ("2019-10-11T12:26:07Z", 300),
    ("2019-10-14T14:02:07Z", 7_980),
    ("2019-10-15T09:56:07Z", 1_320),
    ("2019-10-17T15:52:07Z", 180),
];

fn documented(window: Window) -> History {
    let spans: Vec<(i64, i64)> = DOCUMENTED.iter().map(|(from, span_s)| (at(from), *span_s)).collect();
    down(window, &spans)
}

/// Figures of documents have five or six digits.
fn close(one: f64, other: f64) {
    assert!((one - other).abs() < 5e-6 * other.abs().max(1.0), "{one} is not {other}");
}

#[test]
fn thirty_documented_days_of_a_monitor() {
    let window = Window::before(1_571_329_541, 2_592_000);
    let reported = 99.046_295_166_015_62;
    let history = History { sli: Some(reported), ..documented(window) };
    assert_eq!(timeline::counts(&history).bad, 24_720.0);
    let measured = measure(&history, target(98.0)).unwrap();
    close(measured.average.rate, 0.476_852);
    assert_eq!(measured.disagreement, None);
    close(budget_left(reported, target(98.0)).unwrap(), 0.523_148);
    let days = daily(&history, target(98.0)).unwrap();
    assert_eq!(days.len(), 31);
    let bad: Vec<String> = days
        .iter()
        .filter(|day| day.rate != Some(0.0))
        .map(|day| {
            let date = DateTime::from_timestamp(day.over.from_s, 0).unwrap().date_naive();
            let date = date.signed_duration_since(NaiveDate::from_ymd_opt(2019, 9, 1).unwrap()).num_days();
            format!("{date} {:.3}", day.rate.unwrap())
        })
        .collect();
    // Days since 1 September.
    assert_eq!(
        bad,
        ["22 0.625", "23 0.694", "25 3.229", "26 1.771", "29 2.326", "40 0.174", "43 4.618", "44 0.764", "46 0.152"]
    );
}

#[test]
fn a_documented_deployment_and_what_came_after_it() {
    let deployed_s = at("2019-10-14T14:00:00Z");
    let before = documented(Window::before(deployed_s, LOOKED_BACK_S));
    let measured = measure(&before, target(98.0)).unwrap();
    assert_eq!((measured.average.rate, measured.highest.rate), (0.0, 0.0));
    let after = documented(Window { from_s: deployed_s, to_s: deployed_s + SHORT_WINDOW_S });
    close(after.sli.unwrap(), 1.763_889);
    let measured = measure(&after, target(98.0)).unwrap();
    close(measured.average.rate, 49.118_056);
    assert!(measured.average.rate < target(98.0).most_burn());
}

#[test]
fn a_recorded_metric_is_summed_before_it_is_divided() {
    let window = Window { from_s: 0, to_s: 7 * DAY_S };
    let (good, total) = (458_420_286_000.0, 2_633_484_600_000.0);
    // Bucket ratios of 100 % and nearly 0 %: their mean would be another number.
    let history = events(window, DAY_S, &[(1_000_000.0, 0.0), (good - 1_000_000.0, total - good)]);
    close(history.sli.unwrap(), 17.407_365_359_189_875);
    close(measure(&history, target(15.0)).unwrap().average.rate, 0.971_678);
}

#[test]
fn what_a_rate_means_for_a_budget() {
    let month = Timeframe::parse("30d").unwrap();
    let hours = |rate: f64| hours_to_empty(1.0, rate, month).unwrap();
    close(hours(2.0), 15.0 * 24.0);
    close(hours(14.4), 50.0);
    close(hours(360.0), 2.0);
    close(spent(14.4, HOUR_S, month), 0.02);
    close(hours_to_empty(0.5, 4.2, month).unwrap(), 85.714_286);
    assert_eq!(hours_to_empty(1.0, 0.0, month), None);
    assert_eq!(hours_to_empty(-0.3, 3.0, month), Some(0.0));
    assert_eq!(["custom", "d", "0d", "+7d", "7"].map(Timeframe::parse), [None; 5]);
    close(burn_of_budget_left(52.315).unwrap(), 0.47685);
    assert_eq!([0.0, 100.0, -1.0, f64::NAN].map(|percent| Target::new(percent).is_some()), [false; 4]);
    assert_eq!(burn_of_sli(f64::NAN, target(99.0)), None);
}

#[test]
fn nothing_to_measure_is_not_a_rate_of_zero() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let check = |history: &History, expected: Unmeasured| {
        assert_eq!(measure(history, target(99.9)), Err(expected));
    };
    check(&history(window, Parts::States(Vec::new())), Unmeasured::NoData);
    let unseen = vec![Transition { at_s: -5, state: State::NoData }];
    check(&history(window, Parts::States(unseen)), Unmeasured::NoData);
    check(&events(window, HOUR_S, &[]), Unmeasured::NoData);
    check(&events(window, HOUR_S, &[(0.0, 0.0)]), Unmeasured::NoData);
    check(&History { sli: Some(f64::NAN), ..events(window, HOUR_S, &[(9e9, 1.0)]) }, Unmeasured::NoData);
    // One bad event of 499 would be a burn above 2x by itself.
    let Err(Unmeasured::LowTraffic { events: 499.0, needed }) =
        measure(&events(window, HOUR_S, &[(498.0, 1.0)]), target(99.9))
    else {
        panic!("499 events tell of chance")
    };
    close(needed, 500.0);
    assert!(measure(&events(window, HOUR_S, &[(500.0, 1.0)]), target(99.9)).is_ok());
}

#[test]
fn twice_is_not_above_twice() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let highest = |history: &History| measure(history, target(99.0)).unwrap().highest.rate;
    // 2 % of 2 h are 144 s.
    let (exact, above) = (down(window, &[(50_000, 144)]), down(window, &[(50_000, 145)]));
    close(highest(&exact), 2.0);
    assert!(highest(&above) > FAST);
    assert_eq!(
        (clearing(&exact, target(99.0)), clearing(&above, target(99.0)) == Clearing::Clear),
        (Clearing::Clear, false)
    );
    // Bit for bit, by events, by seconds and by the SLI alone, at targets that binary figures do not hold.
    for percent in [90.0_f64, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99] {
        let bad = (2e6 * (100.0 - percent) / 100.0).round();
        let rates = |bad: f64| {
            let history = events(window, 2 * HOUR_S, &[(1e6, 0.0), (1e6 - bad, bad), (1e6, 0.0)]);
            let sli = 100.0 * (1e6 - bad) / 1e6;
            let alone = History { sli: Some(sli), ..history.clone() };
            let measured = [history, alone].map(|one| measure(&one, target(percent)).unwrap());
            [measured[0].highest.rate, measured[1].average.rate]
        };
        assert_eq!(rates(bad), [FAST; 2], "{percent}");
        assert!(rates(bad + 1.0).iter().all(|rate| *rate > FAST), "{percent}");
        assert_eq!(budget_left(percent, target(percent)), Some(0.0));
    }
}

#[test]
fn what_ended_48_hours_ago_is_over() {
    let window = Window { from_s: 1_000_000, to_s: 1_000_000 + LOOKED_BACK_S };
    let highest = |history: &History| measure(history, target(99.0)).unwrap().highest.rate;
    assert_eq!(highest(&down(window, &[(window.from_s - 600, 600)])), 0.0);
    close(highest(&down(window, &[(window.from_s - 600, 601)])), 1.0 / 72.0);
    close(highest(&down(window, &[(window.to_s - 72, 500)])), 1.0);
    // A bucket that ends where the window begins is left out, one that reaches into it is not.
    let early = |from_s: i64| {
        let bad = Bucket { from_s, good: 0.0, total: 1_000.0 };
        let good = Bucket { from_s: window.from_s + DAY_S, good: 1e6, total: 1e6 };
        highest(&history(window, Parts::Events(Series { bucket_s: HOUR_S, buckets: vec![bad, good] })))
    };
    assert_eq!(early(window.from_s - HOUR_S), 0.0);
    close(early(window.from_s - HOUR_S + 1), 100.0);
}

#[test]
fn the_highest_window_is_found_where_it_is() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    // Two outages an hour apart make one bad window; each alone is half of it.
    let twice = down(window, &[(90_000, 72), (93_600, 72), (150_000, 100)]);
    let found = measure(&twice, target(99.0)).unwrap().highest;
    close(found.rate, 2.0);
    assert!(found.over.from_s <= 90_000 && found.over.to_s >= 93_672 && found.over.span_s() == SHORT_WINDOW_S);
    // A bucket that is wider than 2 h is taken whole: ten minutes of failure in a day are thinned by the rest.
    let wide = events(window, DAY_S, &[(99_000.0, 1_000.0), (100_000.0, 0.0)]);
    let found = measure(&wide, target(99.5)).unwrap().highest;
    close(found.rate, 2.0);
    assert_eq!(found.over, Window { from_s: 0, to_s: DAY_S });
    // Narrow ones are put together until they cover 2 h and hold enough events.
    let night = [(40.0, 1.0), (9.0, 0.0), (1_000.0, 0.0), (1_000.0, 4.0), (1_000.0, 0.0)];
    let found = measure(&events(window, HOUR_S, &night), target(99.9)).unwrap().highest;
    close(found.rate, 4.0 / 2_004.0 / 0.001);
}

#[test]
fn ways_that_come_to_something_else_are_told_and_not_trusted() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let parts = down(window, &[(50_000, 3_600)]);
    let sound = measure(&parts, target(99.0)).unwrap();
    assert!(sound.highest.rate > 49.0 && sound.disagreement.is_none());
    // The provider has corrected the outage away.
    let corrected = measure(&History { sli: Some(100.0), ..parts.clone() }, target(99.0)).unwrap();
    assert_eq!((corrected.highest.rate, corrected.disagreement.unwrap().way), (0.0, Way::Parts));
    let left = |percent: f64| History { budget_left: Some(percent), ..parts.clone() };
    let by_left = 100.0 * (1.0 - sound.average.rate);
    assert_eq!(measure(&left(by_left), target(99.0)).unwrap(), sound);
    let other = measure(&left(0.0), target(99.0)).unwrap();
    assert_eq!(other.disagreement.unwrap().way, Way::BudgetLeft);
    assert_eq!(other.highest, sound.highest);
}

#[test]
fn a_burn_that_is_over_leaves_the_window_when_it_can_be_told() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let over = down(window, &[(100_000, 720)]);
    // 2 h that begin later than this hold at most 144 s of it.
    let last_s = 100_720 - 144;
    let expected_s = last_s + LOOKED_BACK_S;
    assert_eq!(clearing(&over, target(99.0)), Clearing::Over { earliest_s: expected_s, latest_s: expected_s });
    // Half an hour ago: what the forecast says is what is measured when it is due.
    let fresh = down(window, &[(window.to_s - 3_600, 1_800)]);
    let Clearing::Over { latest_s, .. } = clearing(&fresh, target(99.0)) else { panic!("it is over") };
    for (now_s, fast) in [(latest_s - 2, true), (latest_s, false)] {
        let then = down(Window::before(now_s, LOOKED_BACK_S), &[(window.to_s - 3_600, 1_800)]);
        assert_eq!(measure(&then, target(99.0)).unwrap().highest.rate > FAST, fast, "{now_s}");
    }
    let mut counts = vec![(10_000.0, 0.0); 48];
    counts[20] = (9_000.0, 1_000.0);
    let hour = clearing(&events(window, HOUR_S, &counts), target(99.0));
    let (earliest_s, latest_s) = (20 * HOUR_S + LOOKED_BACK_S, 21 * HOUR_S + LOOKED_BACK_S);
    assert_eq!(hour, Clearing::Over { earliest_s, latest_s });
}

#[test]
fn a_burn_that_goes_on_is_only_forecast_where_it_falls() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let of = |bad: &dyn Fn(f64) -> f64| {
        let hour = |hour: i32| (1e6 - bad(f64::from(47 - hour)), bad(f64::from(47 - hour)));
        let counts: Vec<(f64, f64)> = (0..48).map(hour).collect();
        clearing(&events(window, HOUR_S, &counts), target(99.9))
    };
    assert_eq!(of(&|_| 5_000.0), Clearing::Untold(Untold::GoesOn));
    assert_eq!(of(&|ago| 100_000.0 - 2_000.0 * ago.min(40.0)), Clearing::Untold(Untold::GoesOn));
    // It halves every hour and was at 8x half an hour ago: 2x is an hour and a half away.
    let Clearing::Falling { at_s, earliest_s, latest_s } = of(&|ago| 8_000.0 * 2_f64.powf(ago.min(6.0))) else {
        panic!("it falls")
    };
    let after_s = at_s - LOOKED_BACK_S - window.to_s;
    assert!((5_390..5_410).contains(&after_s) && earliest_s <= at_s && at_s <= latest_s, "{after_s}");
    let uneven = [9.0, 1.2, 7.0, 1.5, 8.0, 6.0];
    assert!(matches!(of(&|ago| 1e3 * uneven[(ago as usize).min(5)]), Clearing::Untold(_)));
    let coarse = events(window, DAY_S, &[(1e6, 0.0), (1e6, 1e5)]);
    assert_eq!(clearing(&coarse, target(99.0)), Clearing::Untold(Untold::TooCoarse));
}

#[test]
fn a_single_bad_event_spends_no_budget() {
    let window = Window { from_s: 0, to_s: 30 * DAY_S };
    let left = |good: f64, bad: f64| left_of(&events(window, DAY_S, &[(good, bad)]), target(99.9));
    let low = |events| Err(Unmeasured::LowTraffic { events, needed: 1_000.0 });
    assert_eq!((left(9.0, 1.0), left(999.0, 1.0)), (low(10.0), low(1_000.0)));
    assert!(left(1_000.0, 1.0).unwrap() > 0.0);
    close(left(1_998.0, 2.0).unwrap(), 0.0);
    assert_eq!(left_of(&events(window, DAY_S, &[]), target(99.9)), Err(Unmeasured::NoData));
    // Time has no traffic that could be low.
    assert!(left_of(&down(window, &[(0, DAY_S)]), target(99.0)).unwrap() < 0.0);
    assert_eq!(events_needed(target(99.9)), 500.0);
}

#[test]
fn a_burn_without_a_shape_is_not_forecast() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let nothing = History { window, sli: Some(99.0), budget_left: None, parts: Parts::States(Vec::new()) };
    let other = History { sli: Some(99.0), ..down(window, &[]) };
    for history in [nothing, other] {
        let measured = measure(&history, target(99.9)).unwrap();
        close(measured.highest.rate, 10.0);
        assert_eq!((measured.shaped, measured.highest.over), (false, window));
        assert_eq!(clearing(&history, target(99.9)), Clearing::Untold(Untold::Shapeless));
    }
}

#[test]
fn a_metric_that_fell_silent_tells_of_the_past() {
    let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
    let mut counts = vec![(10_000.0, 0.0); 17];
    counts.push((9_000.0, 1_000.0));
    let silent = events(window, HOUR_S, &counts);
    let (earliest_s, latest_s) = (17 * HOUR_S + LOOKED_BACK_S, 18 * HOUR_S + LOOKED_BACK_S);
    assert_eq!(clearing(&silent, target(99.9)), Clearing::Over { earliest_s, latest_s });
}

#[test]
fn downtime_is_summed_up_within_any_window() {
    let window = Window { from_s: 0, to_s: 1_000 };
    let spans = [(100, 50), (200, 10), (300, 100), (990, 10)];
    let History { parts: Parts::States(states), .. } = down(window, &spans) else { panic!("states") };
    let downtime = timeline::Downtime::of(&states, window);
    for from_s in (0..=1_000).step_by(7) {
        for to_s in (from_s..=1_000).step_by(11) {
            let over = Window { from_s, to_s };
            let naive: i64 =
                spans.iter().map(|(at, s)| Window { from_s: *at, to_s: at + s }.overlap(over).span_s()).sum();
            assert_eq!(downtime.seconds(over), naive, "{over:?}");
        }
    }
}

/// Hours of events, few of them bad.
fn hours() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let count = |most: u32| (0..most).prop_map(f64::from);
    proptest::collection::vec((count(100_000), count(2_000)), 1..=72)
}

proptest! {
    #[test]
    fn days_average_to_the_whole(counts in hours(), from_h in 0..24_i64) {
        let from_s = from_h * HOUR_S;
        let window = Window { from_s, to_s: from_s + counts.len() as i64 * HOUR_S };
        let history = events(window, HOUR_S, &counts);
        let spans: Vec<(i64, i64)> =
            counts.iter().enumerate().map(|(i, (_, bad))| (from_s + i as i64 * HOUR_S, *bad as i64)).collect();
        for history in [history, down(window, &spans)] {
            let days = daily(&history, target(99.5)).unwrap();
            let weight: f64 = days.iter().map(|day| day.weight).sum();
            let Some(sli) = history.sli else { prop_assert!(weight == 0.0); continue };
            let mean = days.iter().map(|day| day.weight * day.rate.unwrap_or(0.0)).sum::<f64>() / weight;
            prop_assert!((mean - burn_of_sli(sli, target(99.5)).unwrap()).abs() < 1e-6);
        }
    }

    #[test]
    fn both_ways_agree(sli in 0.0..100.0_f64, percent in 1.0..99.999_f64) {
        let target = target(percent);
        let left = 100.0 * (sli - percent) / (100.0 - percent);
        let (one, other) = (burn_of_sli(sli, target).unwrap(), burn_of_budget_left(left).unwrap());
        prop_assert!((one - other).abs() <= 1e-9 * one.max(1.0), "{one} {other}");
        prop_assert!(one <= target.most_burn() * (1.0 + 1e-9));
    }

    #[test]
    fn more_of_the_same_traffic_burns_alike(counts in hours(), times in 2..1_000_i32) {
        let window = Window { from_s: 0, to_s: counts.len() as i64 * HOUR_S };
        let many: Vec<(f64, f64)> = counts.iter().map(|(g, b)| (g * f64::from(times), b * f64::from(times))).collect();
        // Targets of which a single event is enough, so that both have enough.
        let burn = |counts: &[(f64, f64)]| measure(&events(window, HOUR_S, counts), target(40.0));
        match (burn(&counts), burn(&many)) {
            (Ok(one), Ok(other)) => {
                // Rates are rounded to nine decimals: to neighbouring ones at most.
                prop_assert!((one.average.rate - other.average.rate).abs() < 1.5e-9);
                prop_assert!((one.highest.rate - other.highest.rate).abs() < 1.5e-9);
                prop_assert!(one.disagreement.is_none() && other.disagreement.is_none());
            }
            (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
        }
    }

    #[test]
    fn no_window_burns_more_than_the_highest(
        spans in proptest::collection::vec((0..LOOKED_BACK_S, 1..9_000_i64), 0..8),
        looked in proptest::collection::vec(0..LOOKED_BACK_S - SHORT_WINDOW_S, 20),
    ) {
        let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
        let mut spans = spans;
        spans.sort_unstable();
        let mut free_s = 0;
        spans.retain_mut(|(from_s, span_s)| {
            let fits = *from_s >= free_s;
            free_s = free_s.max(*from_s + *span_s + 1);
            fits
        });
        let history = down(window, &spans);
        let measured = measure(&history, target(99.0)).unwrap();
        prop_assert!(measured.highest.rate >= measured.average.rate - 1e-9);
        for from_s in looked {
            let over = Window { from_s, to_s: from_s + SHORT_WINDOW_S };
            let seconds: i64 = spans.iter().map(|(from_s, span_s)| {
                Window { from_s: *from_s, to_s: from_s + span_s }.overlap(over).span_s()
            }).sum();
            prop_assert!(seconds as f64 / 7_200.0 / 0.01 <= measured.highest.rate + 1e-9);
        }
    }

    #[test]
    fn hostile_histories_give_numbers(
        bucket_s in prop_oneof![Just(0), Just(-5), 1..200_000_i64],
        buckets in proptest::collection::vec((any::<i32>(), any::<f64>(), any::<f64>()), 0..20),
        states in proptest::collection::vec((any::<i32>(), 0..3_i64), 0..20),
        sli in prop::option::of(any::<f64>()),
        percent in 0.001..99.9999_f64,
    ) {
        let window = Window { from_s: 0, to_s: LOOKED_BACK_S };
        let bucket = |(from_s, good, total): (i32, f64, f64)| Bucket { from_s: from_s.into(), good, total };
        let series = Series { bucket_s, buckets: buckets.into_iter().map(bucket).collect() };
        let state = |(at_s, number): (i32, i64)| Transition { at_s: at_s.into(), state: State::of_number(number).unwrap() };
        let states = states.into_iter().map(state).collect();
        for parts in [Parts::Events(series), Parts::States(states)] {
            let history = History { window, sli, budget_left: sli, parts };
            if let Ok(measured) = measure(&history, target(percent)) {
                prop_assert!(measured.average.rate.is_finite() && measured.highest.rate.is_finite());
                prop_assert!(measured.highest.rate >= measured.average.rate);
            }
            let _ = (daily(&history, target(percent)), clearing(&history, target(percent)));
        }
    }
}
