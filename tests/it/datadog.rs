//! The Datadog client from outside: against recordings of the real one, and against the simulated one in health and in
//! every kind of trouble.

mod recordings;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use mergecast::{
    clock::Clock,
    datadog::{
        Access, Age, Datadog, DatadogSource, Error, FlakyRate, IncidentState, KeyCheck, Keys, Options, Severity, Site,
        sim::{Fault, FaultKind, SimDatadog, SimDeployment, SimSlo, Times},
    },
    slo::{Kind, Parts, State, Target, Window, measure},
};
use serde_json::json;

use crate::contracts::datadog::check;

const REPOSITORY: &str = "github.com/acme/shop";

fn noon() -> DateTime<Utc> {
    "2026-03-03T12:00:00Z".parse().unwrap()
}

/// A client of a simulated Datadog, both on one clock that stands still until it is moved.
struct Desk {
    clock: Clock,
    sim: SimDatadog,
    datadog: Datadog,
}

impl Desk {
    async fn open() -> Self {
        Self::with(Options { patience: Duration::from_secs(5), ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let clock = Clock::manual(noon());
        let theirs = clock.clone();
        let sim = SimDatadog::start(move || theirs.now()).await.unwrap();
        let datadog = Datadog::new(sim.url(), Site::new("datadoghq.com"), sim.keys(), clock.clone(), options).unwrap();
        Self { clock, sim, datadog }
    }

    /// Everything that was said was as Datadog documents it.
    fn close(self) {
        check(&self.sim);
    }
}

fn target(percent: f64) -> Target {
    Target::new(percent).unwrap()
}

#[tokio::test]
async fn slos_are_read_with_what_they_lived_through() {
    let desk = Desk::open().await;
    let (sim, now) = (&desk.sim, noon());
    sim.slo(SimSlo::metric("pay", "payments-api", 99.9));
    sim.slo(SimSlo::metric("web", "web", 99.0).kind(Kind::Monitor));
    sim.slo(
        SimSlo {
            goals: vec![("7d".to_owned(), 95.0), ("30d".to_owned(), 99.0)],
            ..SimSlo::metric("slice", "web", 1.0)
        }
        .kind(Kind::TimeSlice),
    );
    let slos = desk.datadog.slos_of("web", Age::NOW).await.unwrap().value;
    assert_eq!(
        slos.iter().map(|slo| (slo.id.as_str(), slo.kind)).collect::<Vec<_>>(),
        [("slice", Kind::TimeSlice), ("web", Kind::Monitor)]
    );
    assert_eq!(slos[0].primary().map(|goal| (goal.target.percent(), goal.timeframe.days)), Some((95.0, 7)));
    assert_eq!(desk.datadog.slos_by_id(&["pay".to_owned(), "pay".to_owned()], Age::NOW).await.unwrap().value.len(), 1);
    assert_eq!(desk.datadog.slos_by_id(&["no".to_owned()], Age::NOW).await, Err(Error::NotFound));

    // 4.2x for the last 6 of 48 hours; the two ways of reckoning agree.
    sim.burn("pay", now - TimeDelta::days(40), 0.0);
    sim.burn("pay", now - TimeDelta::hours(6), 4.2);
    let history = desk.datadog.slo_history("pay", 48 * 3_600, Some(target(99.9)), Age::NOW).await.unwrap().value;
    let measured = measure(&history, target(99.9)).unwrap();
    assert!((measured.highest.rate - 4.2).abs() < 1e-9, "{measured:?}");
    assert!((measured.average.rate - 4.2 / 8.0).abs() < 1e-9, "{measured:?}");
    assert_eq!(measured.disagreement, None);
    let Parts::Events(series) = &history.parts else { panic!("{history:?}") };
    assert_eq!((series.bucket_s, series.buckets.len()), (7_200, 24));
    let pay = desk.datadog.slos_by_id(&["pay".to_owned()], Age::NOW).await.unwrap().value;
    let rates = desk.datadog.burn_rates(&pay[0], 86_400, TimeDelta::hours(1), Age::NOW).await.unwrap().value;
    let burning =
        |rate: f64| rates.iter().filter(|point| point.rate.is_some_and(|one| (one - rate).abs() < 1e-9)).count();
    assert_eq!((burning(0.0), burning(4.2), rates[18].start), (18, 6, now - TimeDelta::hours(6)));
    let silent = desk.datadog.burn_rates(&slos[0], 86_400, TimeDelta::hours(12), Age::NOW).await.unwrap().value;
    assert_eq!(silent.iter().map(|point| point.rate).collect::<Vec<_>>(), [None, None]);

    // No data is no figure, in both of the ways in which Datadog leaves it out; corrected time does not count.
    sim.silence("pay", now - TimeDelta::hours(1));
    for id in ["pay", "web"] {
        let silent = desk.datadog.slo_history(id, 1_800, Some(target(99.0)), Age::NOW).await.unwrap().value;
        assert_eq!((silent.sli, silent.budget_left), (None, None), "{id}");
    }
    sim.up("slice", now - TimeDelta::hours(4));
    sim.down("slice", now - TimeDelta::hours(3));
    sim.silence("slice", now - TimeDelta::hours(2));
    let slices = desk.datadog.slo_history("slice", 4 * 3_600, None, Age::NOW).await.unwrap().value;
    let Parts::States(states) = &slices.parts else { panic!("{slices:?}") };
    assert_eq!(states.iter().map(|one| one.state).collect::<Vec<_>>(), [State::Up, State::Down, State::NoData]);
    assert_eq!(slices.sli, Some(75.0), "silence counts as good");
    sim.correct("slice", now - TimeDelta::hours(3), now - TimeDelta::hours(2));
    let corrected = desk.datadog.slo_history("slice", 4 * 3_600, None, Age::NOW).await.unwrap().value;
    assert_eq!(corrected.sli, Some(100.0));
    desk.close();
}

/// The worked numbers of a documented history, through HTTP: 24,720 s down of 30 days at 98 %, and the two hours after a
/// deployment in which it was down for 7,073 s.
#[tokio::test]
async fn documented_numbers_come_out_of_the_wire() {
    let desk = Desk::open().await;
    let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
    desk.sim.slo(SimSlo::metric("documented", "foo", 98.0).kind(Kind::Monitor));
    desk.sim.up("documented", at(1_564_151_047));
    let down = [
        (1_569_231_667, 1_080),
        (1_569_310_147, 300),
        (1_569_345_427, 60),
        (1_569_355_507, 840),
        (1_569_504_487, 540),
        (1_569_506_227, 180),
        (1_569_524_287, 4_860),
        (1_569_592_627, 3_060),
        (1_569_801_967, 4_020),
        (1_570_796_767, 300),
        (1_571_061_727, 7_980),
        (1_571_133_367, 1_320),
        (1_571_327_527, 180),
    ];
    for (from, seconds) in down {
        desk.sim.down("documented", at(from));
        desk.sim.up("documented", at(from + seconds));
    }
    let burn = async |window| {
        let asked = desk.datadog.slo_history_in("documented", window, Some(target(98.0)), Age::NOW).await;
        let history = asked.unwrap().value;
        (history.sli.unwrap(), measure(&history, target(98.0)).unwrap().average.rate)
    };
    let (sli, rate) = burn(Window::before(1_571_329_541, 2_592_000)).await;
    assert_eq!((sli, (rate * 1e5).round()), (99.046_295_166_015_62, 47_685.0));
    let (sli, rate) = burn(Window { from_s: 1_571_061_600, to_s: 1_571_068_800 }).await;
    assert_eq!(((sli * 1e4).round(), (rate * 1e3).round()), (17_639.0, 49_118.0));
    assert_eq!(burn(Window::before(1_571_061_600, 172_800)).await.1, 0.0);
    desk.close();
}

#[tokio::test]
async fn lists_are_read_to_their_ends() {
    let desk = Desk::open().await;
    let (sim, now) = (&desk.sim, noon());
    for n in 0..1_001 {
        sim.slo(SimSlo::metric(&format!("{n:04}"), "web", 99.0));
        sim.event("Deployed", &["service:web", "deployment"], now - TimeDelta::seconds(n));
        let deployment =
            SimDeployment { service: "web".to_owned(), env: "prod".to_owned(), ..SimDeployment::default() };
        // Several end in one second.
        sim.deploy(deployment, now - TimeDelta::seconds(n / 3));
    }
    for n in 0..101 {
        sim.service(&format!("{n:03}"), REPOSITORY, &["src/**"]);
        let schema = json!({
            "apiVersion": "v3", "kind": "service", "metadata": {"name": format!("{n:03}"), "owner": "core"},
            "datadog": {"codeLocations": [{"repositoryURL": "https://github.com/acme/shop", "paths": ["src/**"]}]},
        });
        sim.entity(schema);
        sim.open_incident(&format!("{n:03}"), "SEV-2", &["web"]);
        desk.clock.advance(Duration::from_secs(1));
    }
    let now = desk.clock.now();
    assert_eq!(desk.datadog.slos(Age::NOW).await.unwrap().value.len(), 1_001);
    let since = now - TimeDelta::hours(1);
    let deployments = desk.datadog.deployments(Some("web"), since, now, Age::NOW).await.unwrap().value;
    assert_eq!(deployments.len(), 1_001);
    assert!(deployments.is_sorted_by_key(|deployment| deployment.at()));
    let tags = ["deployment".to_owned(), "service:web".to_owned()];
    let events = desk.datadog.events(&tags, since, now, Age::NOW).await.unwrap().value;
    assert_eq!((events.len(), events[0].id.len()), (1_001, 19));
    let definitions = desk.datadog.service_definitions(Age::NOW).await.unwrap().value;
    assert_eq!((definitions.len(), definitions[100].source_patterns.as_slice()), (101, &["src/**".to_owned()][..]));
    let entities = desk.datadog.service_entities(false, Age::NOW).await.unwrap().value;
    assert_eq!((entities.len(), entities[100].code_locations[0].paths.as_slice()), (101, &["src/**".to_owned()][..]));
    let incidents = desk.datadog.open_incidents(Age::NOW).await.unwrap().value;
    assert_eq!((incidents.len(), incidents[0].title.as_str()), (101, "100"));
    let newest = desk.datadog.incidents_since(now - TimeDelta::seconds(10), Age::NOW).await.unwrap().value;
    assert_eq!(newest.len(), 10);
    desk.close();
}

#[tokio::test]
async fn incidents_tell_their_state_and_since_when() {
    let desk = Desk::open().await;
    let number = desk.sim.open_incident("Cards fail", "SEV-1", &["payments-api", "web"]);
    desk.sim.lag(TimeDelta::seconds(30));
    assert!(desk.datadog.open_incidents(Age::NOW).await.unwrap().value.is_empty(), "the index lags");
    desk.clock.advance(Duration::from_secs(60));
    desk.sim.customers_feel(number, noon() - TimeDelta::minutes(20));
    let open = desk.datadog.open_incidents(Age::NOW).await.unwrap().value;
    let incident = &open[0];
    assert_eq!(
        (incident.number, incident.state, incident.severity),
        (Some(number), IncidentState::Active, Severity::Sev(1))
    );
    assert_eq!(incident.services, ["payments-api", "web"]);
    assert_eq!(incident.began(desk.clock.now()), Some(noon() - TimeDelta::minutes(20)));
    assert_eq!(incident.active, [(noon(), None)], "a span that is given twice is one");
    desk.sim.move_incident(number, IncidentState::Resolved);
    desk.clock.advance(Duration::from_secs(60));
    assert!(desk.datadog.open_incidents(Age::NOW).await.unwrap().value.is_empty());
    let all = desk.datadog.incidents_since(noon() - TimeDelta::days(90), Age::NOW).await.unwrap().value;
    assert_eq!(all[0].active, [(noon(), Some(noon() + TimeDelta::seconds(60)))]);
    assert_eq!(all[0].resolved, Some(noon() + TimeDelta::seconds(60)));
    desk.close();
}

#[tokio::test]
async fn flaky_rates_are_counted_in_one_question_or_in_two() {
    let desk = Desk::open().await;
    let (sim, datadog) = (&desk.sim, &desk.datadog);
    for run in 0..20 {
        let at = noon() - TimeDelta::hours(run);
        sim.test_run(
            REPOSITORY,
            "ci",
            at,
            &[("cart", "adds", run < 3), ("cart", "removes", run == 0), ("pay", "pays", run == 9)],
        );
        sim.test_run(REPOSITORY, "nightly", at, &[("pay", "pays", false)]);
        sim.test_run("github.com/acme/other", "ci", at, &[("x", "y", true)]);
    }
    sim.test_run(REPOSITORY, "ci", noon() - TimeDelta::days(15), &[("old", "old", true)]);
    let expected = [("ci", 20, 4), ("nightly", 20, 0)].map(|(pipeline, runs, flaky_runs)| FlakyRate {
        pipeline: pipeline.to_owned(),
        runs,
        flaky_runs,
    });
    for together in [true, false] {
        sim.groups_by_flaky(together);
        assert_eq!(*datadog.flaky_rates(REPOSITORY, Age::NOW).await.unwrap().value, expected, "{together}");
    }
    let suites = datadog.flakiest_suites(REPOSITORY, 5, Age::NOW).await.unwrap().value;
    assert_eq!(
        suites.iter().map(|one| (one.suite.as_str(), one.flakes, one.runs)).collect::<Vec<_>>(),
        [("cart", 4, 3), ("pay", 1, 1)]
    );
    let tests = datadog.flaky_tests(REPOSITORY, 2, Age::NOW).await.unwrap().value;
    assert_eq!(tests.len(), 2);
    // No repository's name breaks out of the question.
    assert!(datadog.flaky_rates("a\" OR @x:\"", Age::NOW).await.unwrap().value.is_empty());
    assert_eq!(datadog.pull_request_coverage(REPOSITORY, 7, Age::NOW).await.unwrap().value.as_ref(), &None);
    sim.covered(REPOSITORY, 7, 80.5, 61.0);
    let coverage = datadog.pull_request_coverage(REPOSITORY, 7, Age::NOW).await.unwrap();
    assert_eq!(coverage.value.as_ref().as_ref().map(|one| (one.total, one.patch)), Some((Some(80.5), Some(61.0))));
    desk.close();
}

#[tokio::test]
async fn every_trouble_is_told_and_passes_by_itself() {
    let options = Options { deadline: Duration::from_millis(300), patience: Duration::from_secs(2), tries: 1 };
    let desk = Desk::with(options).await;
    desk.sim.slo(SimSlo::metric("pay", "payments-api", 99.9));
    let unavailable = |error: &Error| matches!(error, Error::Unavailable { .. });
    type Told = fn(&Error) -> bool;
    let troubles: [(FaultKind, Told); 12] = [
        (FaultKind::Status(500), unavailable),
        (FaultKind::Status(503), unavailable),
        (FaultKind::Empty(502), unavailable),
        (FaultKind::Cut, unavailable),
        (FaultKind::Half, unavailable),
        (FaultKind::Timeout, unavailable),
        (FaultKind::Slow(Duration::from_secs(5)), unavailable),
        (FaultKind::Garbage, unavailable),
        (FaultKind::Nonsense, |error| matches!(error, Error::Contract { .. })),
        (FaultKind::Redirect, |error| matches!(error, Error::Contract { .. })),
        (FaultKind::RateLimited { reset: Some(9) }, |error| {
            *error == Error::RateLimited { until: noon() + TimeDelta::seconds(9) }
        }),
        (FaultKind::Status(418), |error| matches!(error, Error::Invalid { .. })),
    ];
    for (kind, fits) in troubles {
        desk.sim.fault(Fault { path: "/api/v1/slo".to_owned(), kind: kind.clone(), times: Times::Next(1) });
        let error = desk.datadog.slos(Age::NOW).await.unwrap_err();
        assert!(fits(&error), "{kind:?} gave {error:?}");
        let words = format!("{error} {error:?} {:?}", desk.datadog);
        assert!(!words.contains("sim-api-key") && !words.contains("sim-app-key"), "{words}");
        if let FaultKind::RateLimited { .. } = kind {
            let asked = desk.sim.asked();
            assert!(matches!(desk.datadog.slos(Age::NOW).await, Err(Error::RateLimited { .. })));
            assert_eq!(desk.sim.asked(), asked, "a closed limit is not knocked at");
            desk.clock.advance(Duration::from_secs(9));
        }
        assert_eq!(desk.datadog.slos(Age::NOW).await.unwrap().value.len(), 1, "after {kind:?}");
    }
    desk.close();
}

#[tokio::test]
async fn trouble_is_tried_again_within_bounds() {
    let desk = Desk::with(Options { tries: 3, patience: Duration::from_secs(20), ..Options::default() }).await;
    let (sim, clock) = (&desk.sim, &desk.clock);
    let fault = |kind, times| sim.fault(Fault { path: String::new(), kind, times: Times::Next(times) });
    // The clock moves while the client waits on it.
    let ask = async || {
        let before = clock.now();
        let answer = tokio::select! {
            answer = desk.datadog.slos(Age::NOW) => answer.map(|_| ()),
            () = async { loop { clock.advance(Duration::from_millis(100)); tokio::task::yield_now().await; } } => unreachable!(),
        };
        (answer, clock.now() - before)
    };
    fault(FaultKind::Status(503), 2);
    let (answer, _) = ask().await;
    assert_eq!((answer, sim.asked()), (Ok(()), 3));
    fault(FaultKind::RateLimited { reset: Some(7) }, 1);
    let (answer, waited) = ask().await;
    assert_eq!((answer, sim.asked()), (Ok(()), 5));
    assert!(waited >= TimeDelta::seconds(7), "{waited}");
    fault(FaultKind::Cut, 3);
    let (answer, _) = ask().await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    assert_eq!(sim.asked(), 8);
    // What will not pass is not repeated.
    sim.permit("slos_read", false);
    assert_eq!(ask().await.0, Err(Error::Forbidden { needs: Some("slos_read") }));
    assert_eq!(sim.asked(), 9);
    desk.close();
}

#[tokio::test]
async fn many_who_ask_are_one_request_and_the_age_is_told() {
    let desk = Desk::open().await;
    desk.sim.slo(SimSlo::metric("pay", "payments-api", 99.9));
    desk.sim.burn("pay", noon() - TimeDelta::days(3), 1.0);
    let five_minutes = Age::within(Duration::from_secs(300)).or_at_worst(Duration::from_secs(3_600));
    let ask = || desk.datadog.slo_history("pay", 172_800, Some(target(99.9)), five_minutes);
    let all = join_all((0..50).map(|_| ask())).await;
    assert!(all.iter().all(|one| one.as_ref().is_ok_and(|cached| cached.as_of == noon() && cached.stale.is_none())));
    assert_eq!(desk.sim.asked(), 1);
    desk.clock.advance(Duration::from_secs(301));
    desk.sim.fault(Fault { path: String::new(), kind: FaultKind::Status(418), times: Times::Always });
    let stale = ask().await.unwrap();
    assert_eq!((stale.as_of, stale.stale.is_some()), (noon(), true));
    desk.sim.heal();
    // What failed just now is not asked again at once.
    assert!(ask().await.unwrap().stale.is_some());
    desk.clock.advance(Duration::from_secs(31));
    assert_eq!(ask().await.unwrap().as_of, desk.clock.now());
    desk.close();
}

#[tokio::test]
async fn keys_are_told_apart_and_each_source_is_tried() {
    let desk = Desk::open().await;
    let (sim, datadog) = (&desk.sim, &desk.datadog);
    let good = KeyCheck { api: Ok(()), app: Ok(()) };
    assert_eq!(datadog.check_keys().await, good);
    // Where the newer call is not there yet, the older ones say the same.
    sim.without("/api/v2/validate_keys");
    assert_eq!(datadog.check_keys().await, good);
    let keys = |api: &str, app: &str| Keys { api: api.to_owned().into(), app: app.to_owned().into() };
    sim.take_keys("a-good-api-key", "a-good-app-key");
    datadog.replace_keys(keys("a-good-api-key", "wrong")).unwrap();
    assert_eq!(datadog.check_keys().await, KeyCheck { api: Ok(()), app: Err(Error::Unauthorized) });
    datadog.replace_keys(keys("wrong", "a-good-app-key")).unwrap();
    assert_eq!(datadog.check_keys().await, KeyCheck { api: Err(Error::Unauthorized), app: Err(Error::Unauthorized) });
    assert_eq!(datadog.slos(Age::NOW).await, Err(Error::Unauthorized));
    assert!(matches!(datadog.replace_keys(keys("two\nlines", "x")), Err(Error::Settings { .. })));
    datadog.replace_keys(keys("a-good-api-key", "a-good-app-key\n")).unwrap();

    let all = datadog.check_sources().await;
    assert!(all.iter().all(|one| one.access == Access::Available), "{all:?}");
    for source in DatadogSource::ALL {
        sim.permit(source.permission(), false);
        let lacking: Vec<_> =
            datadog.check_sources().await.into_iter().filter(|one| one.access != Access::Available).collect();
        assert_eq!(
            lacking.iter().map(|one| (one.source, &one.access)).collect::<Vec<_>>(),
            [(source, &Access::Forbidden)]
        );
        sim.permit(source.permission(), true);
    }
    let government = Datadog::new(
        sim.url(),
        Site::new("ddog-gov.com"),
        keys("a-good-api-key", "a-good-app-key"),
        desk.clock.clone(),
        Options::default(),
    )
    .unwrap();
    let asked = sim.asked();
    let dora = government.check_sources().await.into_iter().find(|one| one.source == DatadogSource::Dora).unwrap();
    assert_eq!((dora.access, sim.asked() - asked), (Access::NotOnThisSite, 7));
    desk.close();
}
