//! The backfill from Datadog: two years of 200 services, within the limits, and on from where it was after a kill.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::{
    datadog::{
        Datadog, Options, Site,
        sim::{Fault, FaultKind, SimDatadog, SimDeployment, Times},
    },
    deployment::sighting::{Sighting, Source},
    service::{Operations, Timing},
};

use crate::support::{Ctx, Setup, run_test_with, start};

const SERVICES: i64 = 200;
/// Deployments of each service, one a week.
const WEEKS: i64 = 104;
const LIST: &str = "/api/v2/dora/deployments";

/// Waits until what is under way has ended, then has the clock reach the next round.
async fn round(ctx: &Ctx) {
    ctx.rest().await;
    ctx.clock.set(ctx.clock.now() + TimeDelta::seconds(5));
    ctx.service().wake();
    ctx.rest().await;
}

async fn connect(ctx: &mut Ctx) -> SimDatadog {
    let clock = ctx.clock.clone();
    let datadog = SimDatadog::start(move || clock.now()).await.unwrap();
    let options = Options { tries: 1, ..Options::default() };
    let site = Site::new("datadoghq.com");
    let client = Datadog::new(datadog.url(), site, datadog.keys(), ctx.clock.clone(), options).unwrap();
    ctx.setup.operations = Operations { datadog: Some(client), reads_deployments: true, ..Operations::default() };
    datadog
}

/// A deployment of each service each week, at its own minute.
fn live(datadog: &SimDatadog) {
    for week in 0..WEEKS {
        for service in 0..SERVICES {
            let finished = start() - TimeDelta::weeks(WEEKS - week) + TimeDelta::minutes(service * 41);
            let deployment = SimDeployment {
                service: format!("service-{service}"),
                env: "prod".to_owned(),
                version: Some(format!("1.{week}")),
                git: None,
            };
            datadog.deploy(deployment, finished);
        }
    }
}

async fn kept(ctx: &Ctx, source: Source) -> Vec<Sighting> {
    let all = ctx.store.sightings(DateTime::<Utc>::MIN_UTC).await.unwrap();
    all.into_iter().filter(|one| one.witness.source == source).collect()
}

#[test]
fn two_years_of_200_services_are_read_once_whatever_comes_between() {
    let setup = Setup { timing: Timing::default(), ..Setup::default() };
    run_test_with(setup, async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        live(&datadog);
        let wanted = (SERVICES * WEEKS) as usize;
        // Other programs use the same limit; half of it is left to them.
        datadog.limit("dora_deployments", 8, Duration::from_secs(60));
        let calls = || datadog.exchanges().iter().filter(|one| one.path == LIST).count();
        ctx.stop_service().await;
        ctx.start_service().await;
        while kept(&ctx, Source::DatadogDora).await.len() < wanted / 3 {
            round(&ctx).await;
        }
        let before = (calls(), kept(&ctx, Source::DatadogDora).await.len());
        assert!(before.1 < wanted, "it is under way");
        // It ends in the middle of its work, and Datadog does not answer when it is back.
        ctx.stop_service().await;
        datadog.fault(Fault { path: LIST.to_owned(), kind: FaultKind::Status(503), times: Times::Always });
        ctx.start_service().await;
        round(&ctx).await;
        datadog.heal();
        let (mut last, mut rounds) = (0, 0);
        loop {
            ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(5));
            round(&ctx).await;
            let reached = ctx.store.backfill("datadog.deployments").await.unwrap().unwrap();
            let part = (reached.reached - reached.began).num_seconds();
            assert!(part >= last, "it goes on, and never back");
            (last, rounds) = (part, rounds + 1);
            if ctx.clock.now() - reached.reached < TimeDelta::minutes(10) {
                break;
            }
            assert!(rounds < 500, "it does not end: {reached:?}");
        }
        assert_eq!(kept(&ctx, Source::DatadogDora).await.len(), wanted);
        // A thousand to each answer, an hour of overlap, a day after the restart; then the day's again every five minutes.
        let answers = wanted.div_ceil(1_000);
        let used = datadog.used("dora_deployments");
        assert!(calls() <= answers + answers / 5 + rounds, "{} calls for {answers} answers, {rounds} rounds", calls());
        assert_eq!(used.refused, 0, "{used:?}");
        assert!(used.most <= 6, "{used:?}");
        ctx
    });
}

#[test]
fn events_tell_of_deployments_where_dora_metrics_are_not_used() {
    let setup = Setup { timing: Timing::default(), ..Setup::default() };
    run_test_with(setup, async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let day = |days: i64| start() - TimeDelta::days(days);
        for days in [700, 20, 1] {
            datadog.event("Deployed", &["deployment", "service:pay", "version:1.2", "env:prod"], day(days));
        }
        datadog.event("Deployed", &["service:pay", "version:1.2"], day(3));
        datadog.event("Deployed", &["deployment", "version:1.2"], day(3));
        ctx.stop_service().await;
        ctx.start_service().await;
        for _ in 0..40 {
            round(&ctx).await;
        }
        assert_eq!(kept(&ctx, Source::DatadogEvent).await.len(), 3);
        // One that is told late is found as well.
        datadog.event(
            "Deployed",
            &["deployment", "service:pay", "version:1.3"],
            ctx.clock.now() - TimeDelta::hours(17),
        );
        ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(35));
        round(&ctx).await;
        let kept = kept(&ctx, Source::DatadogEvent).await;
        assert_eq!(kept.len(), 4);
        let [.., newest] = kept.as_slice() else { panic!("{kept:?}") };
        assert_eq!((newest.service.as_deref(), newest.version.as_deref()), (Some("pay"), Some("1.3")));
        ctx
    });
}
