//! A simulated year with a known truth, through ledger, attribution and metrics. `year/world.rs` draws it from a seed,
//! `year/told.rs` tells it as sources do.

mod kept;
mod told;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use mergecast::deployment::attribution::{self, Attribution, Correction, Sure, Target, Verdict, attribute};
use mergecast::deployment::change::ChangeId;
use mergecast::deployment::dora::{Dora, Record, Scope, Share, Spread, dora};
use mergecast::deployment::failures::{Outcome, Remedy, RollforwardRules, Watch, outcomes, remedies};
use mergecast::deployment::incident::{Incident, fold};
use mergecast::deployment::ledger::{Ledger, Oddity, reconcile};
use mergecast::deployment::sighting::Source;
use serde::Serialize;

use told::{Told, commit, first, number_of, settings, told};
use world::{Deployed, SERVICES, World, year};

const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// All that comes out of what was told.
#[derive(Serialize)]
struct Found {
    ledger: Ledger,
    incidents: Vec<Incident>,
    remedies: Vec<Remedy>,
    attributions: Vec<Attribution>,
    outcomes: Vec<Outcome>,
    metrics: Vec<Dora>,
}

fn found(world: &World, told: &Told, corrections: &[Correction]) -> Found {
    let environments = settings();
    let ledger = reconcile(&told.sightings, &environments);
    let incidents = fold(&told.tellings);
    let remedies = remedies(&ledger, &told.shipped, &RollforwardRules::default());
    let known = attribution::Known {
        ledger: &ledger,
        shipped: &told.shipped,
        remedies: &remedies,
        corrections,
        environments: &environments,
    };
    let attributions = attribute(&incidents, known, attribution::Settings::default());
    let now = world.to + TimeDelta::days(30);
    let outcomes = outcomes(&ledger, &incidents, &attributions, &remedies, &told.burns, Watch::default(), now);
    let record = Record { ledger: &ledger, shipped: &told.shipped, outcomes: &outcomes, remedies: &remedies };
    let metrics = scopes(world).iter().map(|scope| dora(record, scope)).collect();
    Found { ledger, incidents, remedies, attributions, outcomes, metrics }
}

/// The whole, each service, each team, each quarter.
fn scopes(world: &World) -> Vec<Scope> {
    let all = Scope::all(world.from, world.to);
    let services = SERVICES.iter().map(|one| Scope { service: Some(one.name.into()), ..all.clone() });
    let teams = ["money", "shop", "core"].map(|team| Scope { team: Some(team.into()), ..all.clone() });
    let quarters = (0..4).map(|quarter| {
        let day = |number: i64| world.from + TimeDelta::days(number);
        Scope::all(day(91 * quarter), day(91 * (quarter + 1)))
    });
    [all.clone()].into_iter().chain(services).chain(teams).chain(quarters).collect()
}

/// Of each incident what a person who knows the truth would say, where something else was found.
fn corrections(world: &World, attributions: &[Attribution]) -> Vec<Correction> {
    let wrong = attributions.iter().filter(|one| cause(one) != truth(world, one));
    let said = wrong.map(|one| Correction {
        at: world.to,
        id: one.incident.id.clone(),
        incident: one.incident.clone(),
        verdict: match truth(world, one) {
            Some(number) => Verdict::Attribute(Target::Deployment(first(world, number))),
            None => Verdict::NoDeployment,
        },
    });
    said.collect()
}

fn cause(one: &Attribution) -> Option<usize> {
    one.cause.as_ref().map(number_of)
}

fn truth(world: &World, one: &Attribution) -> Option<usize> {
    world.happened[one.incident.id.strip_prefix("incident-").unwrap().parse::<usize>().unwrap()].cause
}

#[test]
fn every_deployment_is_one_row_with_its_own_witnesses() {
    for seed in SEEDS {
        let world = year(seed);
        let told = told(&world, seed);
        let ledger = reconcile(&told.sightings, &settings());
        let mut rows: Vec<_> = ledger.live().map(|row| (number_of(&row.id), row)).collect();
        rows.sort_by_key(|(number, _)| *number);
        let twice: Vec<_> = rows.windows(2).filter(|pair| pair[0].0 == pair[1].0).collect();
        assert_eq!(rows.len(), world.deployed.len(), "seed {seed}: {twice:?}");
        for ((number, row), (expected, deployed)) in rows.iter().zip(world.deployed.iter().enumerate()) {
            let service = &SERVICES[deployed.service];
            assert_eq!((*number, row.at, row.service.as_str()), (expected, Some(deployed.at), service.name));
            let knows_commit = !service.by_version || service.sources[0] == Source::GithubDeployment;
            let sha = knows_commit.then(|| commit(deployed.build));
            assert_eq!(row.build.commit_sha, sha, "{row:?}");
            let of_its_build = |number: usize| world.deployed[number].build == deployed.build;
            for witness in &row.witnesses {
                let own = number_of(witness) == expected;
                // A release is of the build, and may be given to where it was brought back.
                let fits = own || (witness.source == Source::GithubRelease && of_its_build(number_of(witness)));
                assert!(fits && !witness.id.starts_with("staging"), "{witness:?} in {row:?}");
            }
        }
        let odd = |is: fn(&Oddity) -> bool| ledger.anomalies.iter().filter(|one| is(&one.oddity)).count();
        assert_eq!(odd(|one| matches!(one, Oddity::ReleaseAlone)), told.released_alone);
        assert_eq!(odd(|one| matches!(one, Oddity::Duplicate(_))), told.repeated);
        assert_eq!(odd(|one| matches!(one, Oddity::EndsBeforeItBegins(_))), told.backwards);
        assert_eq!(odd(|one| matches!(one, Oddity::Partial(_))), told.partial);
        assert_eq!(odd(|one| matches!(one, Oddity::Orphan | Oddity::NoEnvironment | Oddity::InTheFuture(_))), 0);
    }
}

/// How causes that were found compare with the truth.
#[derive(Debug, Default)]
struct Judged {
    right: u64,
    /// A cause was found where there was another one, or none.
    wrong: u64,
    /// There was a cause, and another one or none was found.
    missed: u64,
    of_sure: BTreeMap<Sure, (u64, u64)>,
}

fn judge(world: &World, attributions: &[Attribution]) -> Judged {
    let mut judged = Judged::default();
    for one in attributions {
        let (found, truth) = (cause(one), truth(world, one));
        let right = found.is_some() && found == truth;
        judged.right += u64::from(right);
        judged.wrong += u64::from(found.is_some() && !right);
        judged.missed += u64::from(truth.is_some() && !right);
        if let Some(sure) = one.sure.filter(|_| found.is_some()) {
            let (rights, all) = judged.of_sure.entry(sure).or_default();
            *rights += u64::from(right);
            *all += 1;
        }
    }
    judged
}

/// Precision is the share of causes found that are right, recall that of true causes that were found.
#[test]
fn incidents_are_put_down_to_what_caused_them() {
    let mut all = Judged::default();
    for seed in SEEDS {
        let world = year(seed);
        let judged = judge(&world, &found(&world, &told(&world, seed), &[]).attributions);
        (all.right, all.wrong, all.missed) =
            (all.right + judged.right, all.wrong + judged.wrong, all.missed + judged.missed);
        for (sure, (right, of)) in judged.of_sure {
            let sum = all.of_sure.entry(sure).or_default();
            *sum = (sum.0 + right, sum.1 + of);
        }
    }
    let precision = all.right as f64 / (all.right + all.wrong) as f64;
    let recall = all.right as f64 / (all.right + all.missed) as f64;
    println!("precision {precision:.3}, recall {recall:.3}, {all:?}");
    assert!(precision >= 0.95 && recall >= 0.96, "precision {precision:.3}, recall {recall:.3}, {all:?}");
    let share = |sure: Sure| all.of_sure.get(&sure).map_or(0.0, |(right, of)| *right as f64 / *of as f64);
    assert!(share(Sure::Proven) >= 0.97 && share(Sure::Proven) > share(Sure::Possible), "{all:?}");
}

/// Deployments of a scope, as they were.
fn truly<'a>(world: &'a World, scope: &'a Scope) -> impl Iterator<Item = (usize, &'a Deployed)> {
    world.deployed.iter().enumerate().filter(|(_, one)| scope_holds(scope, one.service, one.at))
}

fn scope_holds(scope: &Scope, service: usize, at: DateTime<Utc>) -> bool {
    let service = &SERVICES[service];
    scope.service.as_deref().is_none_or(|name| name == service.name)
        && scope.team.as_deref().is_none_or(|name| name == service.team)
        && scope.from <= at
        && at < scope.to
}

/// Lead times of the commits of each deployment, in seconds, by the truth.
fn lead_times(world: &World) -> Vec<Vec<i64>> {
    let mut ran: HashSet<(usize, &ChangeId)> = HashSet::new();
    let of = |one: &'_ Deployed, written: &DateTime<Utc>| (one.at - *written).num_seconds();
    let mut all = Vec::new();
    for one in &world.deployed {
        let changes = one.changes.iter().flatten().filter(|change| ran.insert((one.service, &change.id)));
        all.push(changes.flat_map(|change| &change.authored_at).map(|written| of(one, written)).collect());
    }
    all
}

fn spread(seconds: impl Iterator<Item = i64>) -> Option<Spread> {
    Spread::of(seconds.map(TimeDelta::seconds))
}

#[test]
fn metrics_are_those_of_the_truth() {
    for seed in SEEDS {
        let world = year(seed);
        let told = told(&world, seed);
        let before = found(&world, &told, &[]);
        // Where the cause that was found is not the true one, a person has said so.
        let after = found(&world, &told, &corrections(&world, &before.attributions));
        assert_eq!(judge(&world, &after.attributions).wrong + judge(&world, &after.attributions).missed, 0);
        let lead_times = lead_times(&world);
        for (metrics, scope) in after.metrics.iter().zip(scopes(&world)) {
            let all: Vec<(usize, &Deployed)> = truly(&world, &scope).collect();
            let of = all.len() as u64;
            let count = |is: fn(&Deployed) -> bool| all.iter().filter(|(_, one)| is(one)).count() as u64;
            let share = |is: fn(&Deployed) -> bool| Share { count: count(is), of };
            assert_eq!(metrics.frequency.deployments, of);
            assert_eq!(metrics.change_fail.rate, share(|one| one.failed), "seed {seed} {scope:?}");
            assert_eq!((metrics.rework, metrics.rollback), (share(|one| one.remedy), share(|one| one.rollback)));
            assert_eq!(metrics.automated, share(|one| one.automated));
            let broken = told.broken.iter().filter(|(service, at)| scope_holds(&scope, *service, *at)).count() as u64;
            assert_eq!(metrics.pipeline_success, Share { count: of, of: of + broken });
            let failed = || all.iter().map(|(_, one)| *one).filter(|one| one.failed);
            let recovery = failed().filter_map(|one| one.recovery).map(|took| took.num_seconds());
            assert_eq!(metrics.recovery.spread, spread(recovery), "seed {seed} {scope:?}");
            assert_eq!(metrics.recovery.untold, failed().filter(|one| one.recovery.is_none()).count() as u64);
            let detection = failed().filter_map(|one| one.detection).map(|took| took.num_seconds());
            assert_eq!(metrics.detection, spread(detection));
            let commits: Vec<i64> = all.iter().flat_map(|(number, _)| &lead_times[*number]).copied().collect();
            assert_eq!(metrics.lead_time.commits, spread(commits.iter().copied().filter(|took| *took >= 0)));
            assert_eq!(metrics.lead_time.negative, commits.iter().filter(|took| **took < 0).count() as u64);
        }
        // Without anybody's help the change fail rate is nearly right: a wrong cause is mostly another deployment that failed.
        let (told, truly) = (before.metrics[0].change_fail.rate, after.metrics[0].change_fail.rate);
        println!("seed {seed}: {} failed deployments without a correction, {} in truth", told.count, truly.count);
        assert!(told.of == truly.of && told.count.abs_diff(truly.count) * 20 <= truly.count, "{told:?} {truly:?}");
        // What does not rest on causes is right so, too.
        for (before, after) in before.metrics.iter().zip(&after.metrics) {
            assert_eq!((&before.frequency, &before.lead_time), (&after.frequency, &after.lead_time));
            assert_eq!((before.rework, before.rollback), (after.rework, after.rollback));
        }
    }
}

/// The same year in another order, all of it twice, a tenth sent again later on.
fn again(told: &Told, seed: u64) -> Told {
    let mut rng = Rng::with_seed(seed);
    let mut sightings = [&told.sightings[..], &told.sightings[..]].concat();
    let mut tellings = [&told.tellings[..], &told.tellings[..]].concat();
    for number in 0..told.sightings.len() / 10 {
        let mut one = told.sightings[number * 10].clone();
        one.received_at = one.received_at.map(|at| at + TimeDelta::days(rng.i64(0..40)));
        sightings.push(one);
    }
    tellings.extend(told.tellings.iter().step_by(10).cloned());
    rng.shuffle(&mut sightings);
    rng.shuffle(&mut tellings);
    let mut burns = [&told.burns[..], &told.burns[..]].concat();
    rng.shuffle(&mut burns);
    Told { sightings, tellings, burns, shipped: told.shipped.clone(), ..Told::default() }
}

#[test]
fn shuffled_doubled_and_sent_again_it_is_the_same_to_the_byte() {
    for seed in SEEDS {
        let world = year(seed);
        let told = told(&world, seed);
        let mut said = corrections(&world, &found(&world, &told, &[]).attributions);
        let bytes = |told: &Told, said: &[Correction]| serde_json::to_string(&found(&world, told, said)).unwrap();
        let once = bytes(&told, &said);
        said.reverse();
        said.extend(said.clone());
        assert!(once == bytes(&again(&told, seed), &said), "seed {seed}");
        // The generator as well says the same each time.
        assert!(once == bytes(&self::told(&year(seed), seed), &said[..said.len() / 2]), "seed {seed}");
    }
}

/// In order, and shuffled, doubled and sent again: what the database gives back comes to the same.
#[test]
fn through_the_database_it_is_the_same_to_the_byte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seed = SEEDS[0];
    let world = year(seed);
    let told = told(&world, seed);
    let said = corrections(&world, &found(&world, &told, &[]).attributions);
    let bytes = |told: &Told, said: &[Correction]| serde_json::to_string(&found(&world, told, said)).unwrap();
    let once = bytes(&told, &said);
    for told in [&told, &again(&told, seed)] {
        let (kept, said) = runtime.block_on(kept::kept(told, &said));
        assert!(once == bytes(&kept, &said));
    }
}

/// The world is worth the name: all that makes it hard is in it.
#[test]
fn the_year_holds_what_makes_it_hard() {
    for seed in SEEDS {
        let world = year(seed);
        let told = told(&world, seed);
        let causes: BTreeSet<usize> = world.happened.iter().filter_map(|one| one.cause).collect();
        let overtaken = world.happened.iter().filter(|one| {
            let Some(cause) = one.cause else { return false };
            let (failed, next) = (&world.deployed[cause], world.deployed.get(cause + 1));
            next.is_some_and(|next| next.service == failed.service && next.at < one.active[0].from)
        });
        let counts = [
            (world.deployed.len(), 1_500),
            (told.sightings.len(), 6_000),
            (causes.len(), 100),
            (overtaken.count(), 8),
            (world.happened.iter().filter(|one| one.cause.is_none()).count(), 48),
            (world.deployed.iter().filter(|one| one.rollback).count(), 50),
            (world.deployed.iter().filter(|one| one.failed && one.recovery.is_none()).count(), 2),
            (told.repeated.min(told.released_alone).min(told.backwards).min(told.partial), 1),
        ];
        for (place, (count, at_least)) in counts.into_iter().enumerate() {
            assert!(count >= at_least, "seed {seed}, {place}: {count} of {at_least}");
        }
    }
}
