//! What shows that a deployment failed, and what only looks like it.

use super::*;
use crate::deployment::attribution::{self, attribute};
use crate::deployment::change::{Change, PullRequest, Shipped};
use crate::deployment::ledger::Settings;
use crate::deployment::sighting::Sighting;
use crate::deployment::stories::{api, change, deployed, incident, ledger, minute, taken_back};

/// Deploys these builds, a letter each, ten minutes apart, and says which deployment (by its place) each one remedies.
fn rolled_back(builds: &str) -> Vec<(usize, usize)> {
    let sightings: Vec<Sighting> = builds
        .chars()
        .enumerate()
        .map(|(place, build)| deployed(&place.to_string(), place as i64 * 10, &build.to_string().repeat(8)))
        .collect();
    found(&sightings, &Shipped::new(), &RollforwardRules::default())
}

fn found(sightings: &[Sighting], shipped: &Shipped, rules: &RollforwardRules) -> Vec<(usize, usize)> {
    let place = |id: &WitnessId| id.id.parse::<usize>().unwrap();
    let found = remedies(&ledger(sightings), shipped, rules);
    found.iter().map(|one| (place(&one.deployment), place(&one.failed))).collect()
}

#[test]
fn the_failed_one_is_the_first_after_the_one_that_is_brought_back() {
    let check = |builds: &str, expected: &[(usize, usize)]| assert_eq!(rolled_back(builds), expected, "{builds}");
    check("aba", &[(2, 1)]);
    // Datadog's example: back over two, the first of them is the one that failed.
    check("abca", &[(3, 1)]);
    check("abac", &[(2, 1)]);
    check("abaca", &[(2, 1), (4, 3)]);
    // The same again is no rollback.
    check("aab", &[]);
    check("aabaa", &[(3, 2)]);
    // What was rolled back goes out again, which is no rollback of the rollback; then it is rolled back again.
    check("abab", &[(2, 1)]);
    check("ababa", &[(2, 1), (4, 3)]);
    check("abcd", &[]);
}

#[test]
fn builds_that_ran_long_ago_are_not_brought_back() {
    let day = 24 * 60;
    let back = |days: i64| {
        let all = [("0", 0, "aaaaaaa1"), ("1", day, "bbbbbbb1"), ("2", days * day, "aaaaaaa1")];
        let all: Vec<Sighting> = all.iter().map(|(id, at, commit)| deployed(id, *at, commit)).collect();
        found(&all, &Shipped::new(), &RollforwardRules::default())
    };
    assert_eq!((back(90), back(91)), (vec![(2, 1)], vec![]));
    // A tag that is always the same tells nothing.
    let latest = |id: &str, at: i64| {
        let mut one = deployed(id, at, "");
        one.version = Some("latest".into());
        one
    };
    let always = [latest("0", 0), latest("1", 10), latest("2", 20)];
    assert!(found(&always, &Shipped::new(), &RollforwardRules::default()).is_empty());
}

fn shipped(changes: Vec<(&str, Vec<Change>)>) -> Shipped {
    changes.into_iter().map(|(id, changes)| (api(id), changes)).collect()
}

#[test]
fn reverts_and_hotfixes_remedy_by_rules() {
    let all = [("0", 0, "aaaaaaa1"), ("1", 10, "bbbbbbb1"), ("2", 20, "ccccccc1"), ("3", 30, "ddddddd1")];
    let all: Vec<Sighting> = all.iter().map(|(id, at, commit)| deployed(id, *at, commit)).collect();
    let brought = |edit: fn(&mut PullRequest)| {
        shipped(vec![
            ("1", vec![change(1, &[0], |_| ())]),
            ("2", vec![change(2, &[0], |_| ())]),
            ("3", vec![change(3, &[0], edit)]),
        ])
    };
    let check = |edit: fn(&mut PullRequest), rules: &RollforwardRules, expected: &[(usize, usize)]| {
        assert_eq!(found(&all, &brought(edit), rules), expected);
    };
    let rules = RollforwardRules::default();
    check(|_| (), &rules, &[]);
    // A revert fails the deployment that brought what it takes back; a hotfix the one before it.
    check(|pull| pull.takes_back = vec![taken_back(1, false)], &rules, &[(3, 1)]);
    check(|pull| pull.takes_back = vec![taken_back(9, true)], &rules, &[]);
    check(|pull| pull.labels = vec!["HotFix".into()], &rules, &[(3, 2)]);
    check(|pull| pull.branch = "hotfix/total".into(), &rules, &[(3, 2)]);
    check(|pull| pull.title = "Hotfix: total".into(), &rules, &[(3, 2)]);
    check(|pull| pull.title = "Document the hotfix process".into(), &rules, &[]);
    // The rules are the organisation's.
    let none = RollforwardRules { reverts: false, labels: Vec::new(), ..rules.clone() };
    check(|pull| pull.takes_back = vec![taken_back(1, true)], &none, &[]);
    check(|pull| pull.labels = vec!["hotfix".into()], &none, &[]);
    let own = RollforwardRules { labels: vec!["sev*".into(), "[".into()], ..none };
    check(|pull| pull.labels = vec!["SEV-1".into()], &own, &[(3, 2)]);
    let proven = RollforwardRules { reverts_proven_only: true, ..rules.clone() };
    check(|pull| pull.takes_back = vec![taken_back(1, false)], &proven, &[]);
    check(|pull| pull.takes_back = vec![taken_back(1, true)], &proven, &[(3, 1)]);
    let hasty = RollforwardRules { within: TimeDelta::minutes(19), ..rules };
    check(|pull| pull.takes_back = vec![taken_back(1, true)], &hasty, &[]);
}

#[test]
fn a_revert_in_the_deployment_that_brought_the_change_remedies_nothing() {
    let all = [deployed("0", 0, "aaaaaaa1"), deployed("1", 10, "bbbbbbb1")];
    let both = vec![change(1, &[0], |_| ()), change(2, &[0], |pull| pull.takes_back = vec![taken_back(1, true)])];
    assert!(found(&all, &shipped(vec![("1", both)]), &RollforwardRules::default()).is_empty());
}

#[test]
fn a_burn_counts_above_2_and_above_what_it_was() {
    let led = |before: Option<f64>, after: Option<f64>| {
        BurnWindow { deployment: api("0"), slo: "latency".into(), before, after }.led_to_burn()
    };
    assert!(led(Some(0.1), Some(2.1)));
    assert!(!led(Some(0.1), Some(2.0)));
    assert!(!led(Some(3.0), Some(3.0)) && led(Some(3.0), Some(3.1)));
    // Unknown is never a burn, and never none.
    assert!(!led(None, Some(9.0)) && !led(Some(0.1), None));
}

/// Deploys `a` at 0, `b` at 100 and, if asked for, `a` again; then looks at `b`.
fn outcome(incidents: &[Incident], back: Option<i64>, burn: Option<f64>, now: i64) -> Outcome {
    let mut all = vec![deployed("a", 0, "aaaaaaa1"), deployed("b", 100, "bbbbbbb1")];
    all.extend(back.map(|at| deployed("back", at, "aaaaaaa1")));
    let (ledger, shipped) = (ledger(&all), Shipped::new());
    let remedies = remedies(&ledger, &shipped, &RollforwardRules::default());
    let environments = Settings::default();
    let known = attribution::Known {
        ledger: &ledger,
        shipped: &shipped,
        remedies: &remedies,
        corrections: &[],
        environments: &environments,
    };
    let attributions = attribute(incidents, known, attribution::Settings::default());
    let burns = burn.map(|after| BurnWindow {
        deployment: api("b"),
        slo: "latency".into(),
        before: Some(0.5),
        after: Some(after),
    });
    let burns: Vec<BurnWindow> = burns.into_iter().collect();
    let all = outcomes(&ledger, incidents, &attributions, &remedies, &burns, Watch::default(), minute(now));
    all.into_iter().find(|one| one.deployment == api("b")).unwrap()
}

#[test]
fn an_outcome_is_known_once_its_time_has_passed() {
    // Four hours and a quarter, for failures and for their absence alike.
    let ripe = 100 + 4 * 60 + 15;
    let clean = |now: i64| outcome(&[], None, None, now).failed();
    assert_eq!((clean(ripe - 1), clean(ripe)), (None, Some(false)));
    let failing = outcome(&[incident("i", 110, Some(130))], None, None, ripe - 1);
    assert_eq!((failing.failed(), failing.evidence.len()), (None, 1));
    assert_eq!(outcome(&[incident("i", 110, Some(130))], None, None, ripe).failed(), Some(true));
    // A rollback that comes late makes it failed after all.
    assert_eq!(outcome(&[], Some(5_000), None, 5_001).failed(), Some(true));
    assert_eq!(outcome(&[], None, Some(2.5), ripe).failed(), Some(true));
    assert_eq!(outcome(&[], None, Some(1.5), ripe).failed(), Some(false));
}

#[test]
fn recovery_is_the_time_in_which_damage_was_done() {
    let took = |incidents: &[Incident], back: Option<i64>, burn: Option<f64>| {
        outcome(incidents, back, burn, 9_000).recovery.map(|took| took.num_minutes())
    };
    assert_eq!(took(&[incident("i", 110, Some(130))], None, None), Some(20));
    // Two incidents at one time are not twice the damage.
    assert_eq!(took(&[incident("i", 110, Some(130)), incident("j", 120, Some(150))], None, None), Some(40));
    assert_eq!(took(&[incident("i", 110, Some(130)), incident("j", 120, None)], None, None), None);
    // Incidents tell it better than the rollback, which tells it alone.
    assert_eq!(took(&[incident("i", 110, Some(130))], Some(140), None), Some(20));
    assert_eq!(took(&[], Some(140), None), Some(40));
    assert_eq!(took(&[], None, Some(9.0)), None);
    assert_eq!(outcome(&[incident("i", 110, Some(130))], None, None, 9_000).detection, Some(TimeDelta::minutes(13)));
}
