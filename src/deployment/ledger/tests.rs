//! One real deployment is one row, whoever saw it and in which order.

use proptest::prelude::*;

use super::*;
use crate::deployment::stories::{api, deployed, ledger, minute};

/// How many rows, and of how many witnesses each.
fn rows(sightings: &[Sighting]) -> Vec<usize> {
    let ledger = ledger(sightings);
    let mut rows: Vec<&Deployment> = ledger.deployments.iter().collect();
    rows.sort_by_key(|row| row.at);
    rows.iter().map(|row| row.witnesses.len()).collect()
}

fn saw(source: Source, id: &str, at: i64, edit: impl FnOnce(&mut Sighting)) -> Sighting {
    let mut sighting = Sighting { ..deployed(id, at, "aaaaaaa1") };
    sighting.witness.source = source;
    edit(&mut sighting);
    sighting
}

fn plain(_: &mut Sighting) {}

fn oddities(ledger: &Ledger) -> Vec<&Oddity> {
    ledger.anomalies.iter().map(|anomaly| &anomaly.oddity).collect()
}

#[test]
fn one_deployment_seen_by_five_sources_is_one_row() {
    let all = [
        saw(Source::Api, "run-1", 0, plain),
        saw(Source::GithubDeployment, "7", 3, |one| one.env = Some("Production".into())),
        // Datadog knows the version only: then it has to be about the same time.
        saw(Source::DatadogDora, "d", 6, |one| {
            (one.commit_sha, one.version, one.started_at) = (None, Some("v1.4.0".into()), None);
            one.env = Some("prod".into());
        }),
        // That version is known by now; the first request met it later.
        saw(Source::DatadogEvent, "e", 40, |one| (one.commit_sha, one.version) = (None, Some("1.4.0".into()))),
        saw(Source::GithubRelease, "r", -300, |one| {
            (one.env, one.version, one.commit_sha) = (None, Some("v1.4.0".into()), None);
        }),
    ];
    let ledger = ledger(&all);
    let row = &ledger.deployments[0];
    let order = row.witnesses.iter().map(|witness| witness.source).collect::<Vec<_>>();
    assert_eq!(ledger.deployments.len(), 1, "{ledger:?}");
    use Source::{Api, DatadogDora, DatadogEvent, GithubDeployment, GithubRelease};
    assert_eq!(order, [Api, GithubDeployment, DatadogDora, DatadogEvent, GithubRelease]);
    assert_eq!((row.build.commit_sha.as_deref(), row.build.version.as_deref()), (Some("aaaaaaa1"), Some("v1.4.0")));
    assert_eq!((row.at, row.environment.as_ref().unwrap().name.as_str()), (Some(minute(0)), PRODUCTION));
    assert_eq!(oddities(&ledger), Vec::<&Oddity>::new());
    assert!(ledger.find(&all[4].witness).is_some() && ledger.find(&api("run-2")).is_none());
}

#[test]
fn what_differs_is_another_deployment() {
    let check = |edit: fn(&mut Sighting), at: i64, same: bool| {
        let found = rows(&[saw(Source::Api, "a", 0, plain), saw(Source::DatadogDora, "b", at, edit)]);
        assert_eq!(found, if same { vec![2] } else { vec![1, 1] }, "at {at}");
    };
    check(plain, 59, true);
    // From the end of one to the beginning of the other: 61 minutes and a second are too much.
    check(plain, 63, false);
    check(|one| one.commit_sha = Some("bbbbbbb1".into()), 0, false);
    check(|one| one.service = Some("cart".into()), 0, false);
    check(|one| one.env = Some("staging".into()), 0, false);
    check(|one| one.env = Some("preprod".into()), 0, false);
    check(|one| one.env = None, 30, true);
    // No common name for the build: then it has to be about the same time, in a known environment.
    check(|one| (one.commit_sha, one.version) = (None, Some("7".into())), 10, true);
    check(|one| (one.commit_sha, one.version) = (None, Some("7".into())), 14, false);
    check(|one| (one.commit_sha, one.version, one.env) = (None, Some("7".into()), None), 0, false);
}

#[test]
fn deployments_that_follow_closely_keep_their_own_witnesses() {
    // The same build twice, 20 minutes apart: each is seen by the witness nearest to it.
    let of = |source, id: &str, at| saw(source, id, at, plain);
    let all = [
        of(Source::Api, "a1", 0),
        of(Source::Api, "a2", 20),
        of(Source::DatadogDora, "d1", 4),
        of(Source::DatadogDora, "d2", 24),
    ];
    let ledger = ledger(&all);
    let witnesses: Vec<String> = ledger
        .deployments
        .iter()
        .map(|row| row.witnesses.iter().map(|witness| witness.id.as_str()).collect::<Vec<_>>().join("+"))
        .collect();
    assert_eq!(witnesses, ["a1+d1", "a2+d2"]);
}

#[test]
fn production_is_what_is_known_to_be() {
    let check = |name: &str, expected: (&str, bool)| {
        let environment = Settings::default().environment(name);
        assert_eq!((environment.name.as_str(), environment.production), expected);
    };
    check(" Prod ", (PRODUCTION, true));
    check("live", (PRODUCTION, true));
    check("prod-eu", ("prod-eu", true));
    for other in ["preprod", "pre-production", "non-prod", "prod2", "staging", "", "productionish"] {
        check(other, (other, false));
    }
    // GitHub's mark counts where it is set, and says nothing where it is not.
    let live = |edit: fn(&mut Sighting)| ledger(&[saw(Source::GithubDeployment, "1", 0, edit)]).live().count();
    assert_eq!(live(|one| (one.env, one.production) = (Some("blue".into()), true)), 1);
    assert_eq!(live(|one| (one.env, one.production) = (Some("blue".into()), false)), 0);
    assert_eq!(live(|one| (one.env, one.production) = (Some("prod".into()), false)), 1);
    assert_eq!(live(|one| one.env = None), 0);
    assert_eq!(live(|one| one.rollout = Rollout::Failed) + live(|one| one.rollout = Rollout::InProgress), 0);
}

#[test]
fn the_last_word_of_a_source_stands() {
    let status = |said: i64, rollout, finished: Option<i64>| {
        let mut one = saw(Source::GithubDeployment, "9", 0, plain);
        (one.said_at, one.rollout) = (minute(said), rollout);
        (one.started_at, one.finished_at) = (None, finished.map(minute));
        one
    };
    let created = Sighting { started_at: Some(minute(1)), ..status(1, Rollout::InProgress, None) };
    let mut all = vec![created, status(2, Rollout::Failed, Some(2)), status(9, Rollout::Succeeded, Some(9))];
    all.push(status(10, Rollout::InProgress, None));
    for _ in 0..all.len() {
        all.rotate_left(1);
        let row = &ledger(&all).deployments[0];
        assert_eq!((row.started_at, row.finished_at), (Some(minute(1)), Some(minute(9))));
        assert_eq!(row.rollout, Rollout::Succeeded);
    }
}

#[test]
fn what_is_odd_is_told_with_its_age() {
    let check = |sightings: &[Sighting], expected: &[Oddity]| {
        assert_eq!(oddities(&ledger(sightings)), expected.iter().collect::<Vec<_>>());
    };
    let mut release = saw(Source::GithubRelease, "r", 0, plain);
    check(&[release.clone()], &[Oddity::ReleaseAlone]);
    release.service = None;
    check(&[release], &[Oddity::Orphan]);
    let without = saw(Source::DatadogDora, "d", 0, |one| (one.commit_sha, one.version) = (None, Some("1".into())));
    check(&[without], &[Oddity::NoCommit]);
    check(&[saw(Source::Api, "a", 0, |one| one.env = None)], &[Oddity::NoEnvironment]);
    let again = WitnessId { source: Source::Api, id: "b".into() };
    let twice = [saw(Source::Api, "a", 0, plain), saw(Source::Api, "b", 0, plain)];
    check(&twice, &[Oddity::Duplicate(again)]);
    assert_eq!(rows(&twice), [2]);
    check(&[saw(Source::Api, "a", 0, |one| one.finished_at = Some(minute(-3)))], &[Oddity::EndsBeforeItBegins(60)]);
    let received = |at: i64| saw(Source::Api, "a", 0, move |one| one.received_at = Some(minute(at)));
    check(&[received(-4)], &[]);
    check(&[received(-6)], &[Oddity::InTheFuture(360)]);
    check(&[received(6 * 60)], &[]);
    check(&[received(6 * 60 + 1)], &[Oddity::Late(21_660)]);
    // Somebody else told in time, or nobody could have.
    check(&[received(6 * 60 + 1), saw(Source::DatadogDora, "d", 0, |one| one.received_at = Some(minute(1)))], &[]);
    let failed = saw(Source::DatadogDora, "d", 0, |one| one.rollout = Rollout::Failed);
    check(&[saw(Source::Api, "a", 0, plain), failed], &[Oddity::Disputed]);

    let ledger = ledger(&[saw(Source::Api, "a", 0, |one| one.env = None)]);
    assert_eq!(ledger.anomalies[0].age(minute(90)), TimeDelta::minutes(90));
    assert_eq!(ledger.anomalies[0].age(minute(-90)), TimeDelta::zero());
}

#[test]
fn times_that_cannot_be_are_kept_out_of_figures() {
    let backwards = |one: &mut Sighting| one.finished_at = Some(minute(-3));
    let row = |sightings: &[Sighting]| ledger(sightings).deployments[0].clone();
    // It happened, when it began; how long it took is not known.
    let one = row(&[saw(Source::Api, "a", 0, backwards)]);
    assert_eq!((one.at, one.started_at, one.finished_at), (Some(minute(-2)), None, None));
    assert!(one.is_live());
    // Another witness has it in order.
    let two = row(&[saw(Source::Api, "a", 0, backwards), saw(Source::DatadogDora, "d", 1, plain)]);
    assert_eq!((two.at, two.started_at), (Some(minute(1)), Some(minute(-1))));
    // Nobody knows when.
    let ahead = row(&[saw(Source::Api, "a", 600, |one| one.received_at = Some(minute(0)))]);
    assert!(ahead.at.is_none() && !ahead.is_live());
}

#[test]
fn a_rollout_over_clusters_is_one_deployment_and_told_while_some_are_missing() {
    let on = |id: &str, at: i64, cluster: &str, commit: &str| {
        let (cluster, commit) = (cluster.to_owned(), commit.to_owned());
        saw(Source::Api, id, at, move |one| (one.cluster, one.commit_sha) = (Some(cluster), Some(commit)))
    };
    let first = [on("1", 0, "eu", "aaaaaaa1"), on("2", 20, "us", "aaaaaaa1"), on("3", 40, "ap", "aaaaaaa1")];
    assert_eq!(rows(&first), [3]);
    let second = [on("4", 200, "eu", "bbbbbbb1"), on("5", 210, "us", "bbbbbbb1")];
    let all = ledger(&[&first[..], &second[..]].concat());
    assert_eq!(oddities(&all), [&Oddity::Partial(["ap".to_owned()].into())]);
    assert_eq!(all.anomalies[0].about, api("4"));
    // A month later the cluster is no longer expected.
    let day = 24 * 60;
    let later = on("6", 31 * day, "eu", "ccccccc1");
    assert_eq!(oddities(&ledger(&[&first[..], &[later]].concat())), Vec::<&Oddity>::new());
    // The same cluster again is another deployment.
    assert_eq!(rows(&[on("1", 0, "eu", "aaaaaaa1"), on("2", 20, "eu", "aaaaaaa1")]), [1, 1]);
}

#[test]
fn a_repository_of_one_service_names_it() {
    let mut settings = Settings::default();
    settings.services.insert("github.com/acme/pay".into(), ["pay".to_owned()].into());
    settings.services.insert("github.com/acme/mono".into(), ["a", "b"].map(str::to_owned).into());
    let of = |repository: &str| {
        let repository = repository.to_owned();
        let one = saw(Source::Api, "1", 0, move |one| (one.service, one.repository) = (None, Some(repository)));
        reconcile(&[one], &settings).deployments.first().map(|row| row.service.clone())
    };
    assert_eq!(of("git@github.com:Acme/pay.git"), Some("pay".to_owned()));
    assert_eq!(of("https://github.com/acme/mono"), None);
    assert_eq!(of("https://github.com/acme/other"), None);
}

prop_compose! {
    /// Few values, so that much of it meets.
    fn any_sighting()(
        source in 0..5_usize, id in 0..4_u8, said in 0..90_i64, at in prop::option::of(0..90_i64),
        finished in prop::option::of(0..90_i64), commit in 0..3_u8, version in 0..3_u8, env in 0..4_usize,
        service in 0..3_u8, cluster in 0..3_u8, rollout in 0..3_usize, received in prop::option::of(0..900_i64),
    ) -> Sighting {
        use Source::{Api, DatadogDora, DatadogEvent, GithubDeployment, GithubRelease};
        let source = [Api, GithubDeployment, DatadogDora, DatadogEvent, GithubRelease][source];
        let text = |number: u8, text: &str| (number > 0).then(|| format!("{text}{number}"));
        Sighting {
            service: text(service, "service"),
            env: ["", "prod", "staging", "production"].get(env).filter(|env| !env.is_empty()).map(|env| (*env).into()),
            commit_sha: text(commit, "aaaaaaa"),
            version: text(version, "v"),
            cluster: text(cluster, "cluster"),
            started_at: at.map(minute),
            finished_at: finished.map(minute),
            received_at: received.map(minute),
            rollout: [Rollout::InProgress, Rollout::Failed, Rollout::Succeeded][rollout],
            ..Sighting::new(source, id.to_string(), minute(said))
        }
    }
}

proptest! {
    /// Order, duplicates and what is sent again change nothing.
    #[test]
    fn the_ledger_is_a_function_of_the_set(
        (sent, shuffled) in prop::collection::vec(any_sighting(), 0..40).prop_flat_map(|sent| {
            let twice = [sent.clone(), sent[..sent.len() / 3].to_vec()].concat();
            (Just(sent), Just(twice).prop_shuffle())
        })
    ) {
        prop_assert_eq!(ledger(&sent), ledger(&shuffled));
    }

    /// Every record is in one row at most, and no row is without a record that is no release.
    #[test]
    fn every_witness_is_counted_once(sent in prop::collection::vec(any_sighting(), 0..40)) {
        let ledger = ledger(&sent);
        let told: BTreeSet<&WitnessId> = sent.iter().map(|one| &one.witness).collect();
        let mut seen: BTreeSet<&WitnessId> = BTreeSet::new();
        for row in &ledger.deployments {
            prop_assert!(row.id.source != Source::GithubRelease && row.witnesses.first() == Some(&row.id));
            for witness in &row.witnesses {
                prop_assert!(seen.insert(witness) && told.contains(witness));
            }
        }
        for anomaly in &ledger.anomalies {
            if matches!(anomaly.oddity, Oddity::Orphan | Oddity::ReleaseAlone) {
                prop_assert!(seen.insert(&anomaly.about));
            }
        }
        prop_assert_eq!(seen, told);
    }
}
