//! The metrics, and the mistakes that others are known for.

use super::*;
use crate::deployment::attribution::{self, attribute};
use crate::deployment::change::Change;
use crate::deployment::failures::{RollforwardRules, Watch, outcomes, remedies};
use crate::deployment::incident::Incident;
use crate::deployment::ledger::{Settings, reconcile};
use crate::deployment::sighting::{Rollout, Sighting};
use crate::deployment::stories::{api, change, deployed, incident, minute, taken_back};

const DAY: i64 = 24 * 60;

/// What there is, and when it is looked at.
#[derive(Default)]
struct Story {
    deployed: Vec<Sighting>,
    shipped: Shipped,
    incidents: Vec<Incident>,
}

impl Story {
    /// Deployments of a new build each, at these minutes, called by them.
    fn at(minutes: impl IntoIterator<Item = i64>) -> Self {
        let one = |at: i64| deployed(&at.to_string(), at, &format!("{:08x}", 0xaaa_0000 + at));
        Self { deployed: minutes.into_iter().map(one).collect(), ..Self::default() }
    }

    fn edit(mut self, edit: impl FnMut(&mut Sighting)) -> Self {
        self.deployed.iter_mut().for_each(edit);
        self
    }

    fn brought(mut self, id: &str, changes: Vec<Change>) -> Self {
        self.shipped.insert(api(id), changes);
        self
    }

    fn dora(&self, edit: impl FnOnce(&mut Scope)) -> Dora {
        let environments = Settings::default();
        let ledger = reconcile(&self.deployed, &environments);
        let remedies = remedies(&ledger, &self.shipped, &RollforwardRules::default());
        let known = attribution::Known {
            ledger: &ledger,
            shipped: &self.shipped,
            remedies: &remedies,
            corrections: &[],
            environments: &environments,
        };
        let attributions = attribute(&self.incidents, known, attribution::Settings::default());
        let now = minute(28 * DAY);
        let outcomes = outcomes(&ledger, &self.incidents, &attributions, &remedies, &[], Watch::default(), now);
        let mut scope = Scope::all(minute(0), now);
        edit(&mut scope);
        let record = Record { ledger: &ledger, shipped: &self.shipped, outcomes: &outcomes, remedies: &remedies };
        dora(record, &scope)
    }
}

fn all(_: &mut Scope) {}

#[test]
fn one_incident_fails_one_deployment() {
    // Four deployments within the hour before it. Counting it on each would come to 100 %.
    let mut story = Story::at([0, 10, 20, 30]);
    story.incidents = vec![incident("i", 40, Some(60))];
    let figures = story.dora(all);
    assert_eq!(figures.change_fail.rate, Share { count: 1, of: 4 });
    assert_eq!(figures.change_fail.rate.ratio(), Some(0.25));
    assert_eq!((figures.recovery.spread.unwrap().p50_s, figures.recovery.untold), (1_200.0, 0));
}

#[test]
fn many_incidents_of_one_deployment_are_one_failure() {
    // Incidents over deployments would come to 150 %.
    let mut story = Story::at([0, 3 * DAY]);
    story.incidents = ["i", "j", "k"].map(|id| incident(id, 10, Some(40))).into();
    let figures = story.dora(all);
    assert_eq!((figures.change_fail.rate, figures.change_fail.by_incident), (Share { count: 1, of: 2 }, 1));
    // Nor is the time counted three times.
    assert_eq!(figures.recovery.spread.unwrap().p50_s, 1_800.0);
}

#[test]
fn a_squash_merge_keeps_the_times_of_its_commits() {
    // Written at 0, 60 and 120, squashed at 1,000, deployed at 1,100. By the squashed commit it would be 100 minutes.
    let story = Story::at([1_100]).brought(
        "1100",
        vec![change(1, &[0, 60, 120], |pull| {
            (pull.opened_at, pull.merged_at) = (Some(minute(100)), Some(minute(1_000)));
        })],
    );
    let lead_time = story.dora(all).lead_time;
    let commits = lead_time.commits.unwrap();
    assert_eq!((commits.sample, commits.p50_s, commits.p95_s), (3, 1_040.0 * 60.0, 1_094.0 * 60.0));
    let stage = |spread: Option<Spread>| spread.unwrap().p50_s / 60.0;
    let stages = [lead_time.coding, lead_time.review, lead_time.waiting, lead_time.deploying].map(stage);
    assert_eq!(stages, [100.0, 900.0, 98.0, 2.0]);
}

#[test]
fn an_incident_is_never_put_down_to_a_later_deployment() {
    // The one that mends it comes 5 minutes after it began, and the cause 200 minutes before.
    let mut story = Story::at([0, 205]);
    story.incidents = vec![incident("i", 200, Some(240))];
    let figures = story.dora(all);
    assert_eq!(figures.change_fail.rate, Share { count: 1, of: 2 });
    let mut alone = Story::at([205]);
    alone.incidents = story.incidents;
    assert_eq!(alone.dora(all).change_fail.rate, Share { count: 0, of: 1 });
}

#[test]
fn a_weekend_is_no_infrequent_team() {
    // Five deployments on each of the four weeks' working days; minute 0 is a Monday.
    let working = (0..28).filter(|day| day % 7 < 5).map(|day| day * DAY + 600);
    let story = Story::at(working);
    let month = story.dora(all).frequency;
    assert_eq!((month.deployments, month.days_with, month.band), (20, 20, Some(Band::Daily)));
    let weekend = story.dora(|scope| (scope.from, scope.to) = (minute(5 * DAY), minute(7 * DAY)));
    assert_eq!((weekend.frequency.per_day, weekend.frequency.band), (0.0, None));
    let none = (weekend.change_fail.rate.ratio(), weekend.recovery.spread, weekend.lead_time.commits);
    assert_eq!(none, (None, None, None));
}

#[test]
fn staging_is_not_production() {
    let mut story = Story::at([0, 10, 20, 30]);
    for (one, env) in story.deployed.iter_mut().zip(["prod", "staging", "preprod", ""]) {
        one.env = Some(env.to_owned());
    }
    story.incidents = vec![incident("i", 35, Some(40))];
    let figures = story.dora(all);
    assert_eq!((figures.frequency.deployments, figures.change_fail.rate), (1, Share { count: 1, of: 1 }));
    // Not even when it is asked for.
    assert_eq!(story.dora(|scope| scope.environment = Some("staging".into())).frequency.deployments, 0);
    // What failed to roll out changed nothing in production.
    let broken = story.edit(|one| one.rollout = Rollout::Failed).dora(all);
    assert_eq!((broken.frequency.deployments, broken.change_fail.rate.of), (0, 0));
}

#[test]
fn what_is_pending_is_left_out_whichever_way_it_goes() {
    // One that is long over, and two of the last hour, one of which is failing already.
    let last = 28 * DAY - 60;
    let mut story = Story::at([0, last, last + 30]);
    story.incidents = vec![incident("i", last + 10, None)];
    let figures = story.dora(all).change_fail;
    assert_eq!((figures.rate, figures.pending, figures.failing), (Share { count: 0, of: 1 }, 2, 1));
}

#[test]
fn a_commit_has_one_lead_time() {
    // Change 1 is rolled back and brought again with change 2: its lead time is that of the first time.
    let first = |one: &mut Sighting| {
        if one.witness.id == "200" {
            one.commit_sha = Some(format!("{:08x}", 0xaaa_0000));
        }
    };
    let story = Story::at([0, 100, 200, 300]).edit(first);
    let both = vec![change(1, &[40], |_| ()), change(2, &[260], |_| ())];
    let story = story.brought("100", vec![change(1, &[40], |_| ())]).brought("200", Vec::new()).brought("300", both);
    let figures = story.dora(all);
    let commits = figures.lead_time.commits.unwrap();
    assert_eq!((commits.sample, commits.p50_s), (2, 50.0 * 60.0));
    // Of the first deployment nobody knows what it brought.
    assert_eq!(figures.lead_time.untold, 1);
    assert_eq!((figures.rollback, figures.rework), (Share { count: 1, of: 4 }, Share { count: 1, of: 4 }));
    assert_eq!(figures.change_fail.rate, Share { count: 1, of: 4 });
    // In another service it is deployed for the first time.
    let twice = Story::at([0, 100]).brought("0", vec![change(1, &[-10], |_| ())]);
    let mut twice = twice.brought("100", vec![change(1, &[-10], |_| ())]);
    twice.deployed[1].service = Some("cart".into());
    assert_eq!(twice.dora(all).lead_time.commits.unwrap().sample, 2);
}

#[test]
fn negative_times_are_left_out_and_counted() {
    let story = Story::at([100]).brought("100", vec![change(1, &[90, 130], |pull| pull.merged_at = Some(minute(99)))]);
    let lead_time = story.dora(all).lead_time;
    assert_eq!((lead_time.commits.unwrap().sample, lead_time.negative), (1, 1));
    // It began before the pull request was merged.
    assert_eq!((lead_time.waiting, lead_time.deploying.unwrap().p50_s), (None, 120.0));
}

#[test]
fn a_scope_holds_its_own_alone() {
    let mut story = Story::at([0, 10, 20]);
    story.deployed[1].service = Some("cart".into());
    story.deployed[1].team = Some("shop".into());
    story.deployed[2].env = Some("prod-eu".into());
    story.deployed[0].automated = Some(true);
    story.deployed[1].automated = Some(false);
    let count = |edit: fn(&mut Scope)| story.dora(edit).frequency.deployments;
    assert_eq!(count(all), 3);
    assert_eq!(count(|scope| scope.service = Some("cart".into())), 1);
    assert_eq!(count(|scope| scope.team = Some("shop".into())), 1);
    assert_eq!(count(|scope| scope.environment = Some("prod-eu".into())), 1);
    assert_eq!(count(|scope| scope.to = minute(20)), 2);
    assert_eq!(count(|scope| scope.from = minute(1)), 2);
    assert_eq!(story.dora(all).automated, Share { count: 1, of: 2 });
}

#[test]
fn roll_forwards_are_rework() {
    let reverts = change(2, &[150], |pull| pull.takes_back = vec![taken_back(1, true)]);
    let story = Story::at([0, 100, 200]).brought("100", vec![change(1, &[40], |_| ())]).brought("200", vec![reverts]);
    let figures = story.dora(all);
    assert_eq!((figures.rework, figures.rollback.count), (Share { count: 1, of: 3 }, 0));
    let fail = figures.change_fail;
    assert_eq!((fail.rate, fail.by_rollforward, fail.by_incident), (Share { count: 1, of: 3 }, 1, 0));
    // Nobody declared an incident: until the deployment that took it back.
    assert_eq!(figures.recovery.spread.unwrap().p50_s, 6_000.0);
}

#[test]
fn percentiles_lie_in_proportion() {
    let spread = Spread::of([40, 10, 20, 30, 50].map(TimeDelta::seconds)).unwrap();
    assert_eq!((spread.p50_s, spread.p75_s, spread.p90_s, spread.p95_s), (30.0, 40.0, 46.0, 48.0));
    assert_eq!(Spread::of([]), None);
}

/// The figures as they are stored hold no name but those of the scope: nothing in them can be about a person.
#[test]
fn no_figure_is_about_a_person() {
    let story = Story::at([0]).brought("0", vec![change(1, &[-10], |_| ())]);
    let text = serde_json::to_string(&story.dora(all)).unwrap();
    let record = serde_json::to_string(&(&story.shipped.values().collect::<Vec<_>>(), &story.deployed)).unwrap();
    for word in ["author\"", "login", "email", "user", "actor", "creator", "sender"] {
        assert!(!text.contains(word) && !record.contains(word), "{word}");
    }
}
