//! 500 pull requests opened at once, with a GitHub that takes 100 ms for every answer: none refused, all scored, and how
//! long that takes without GitHub's limit on content. What its 80 writes a minute make of that is measured on fewer of
//! them, and computed for all.

use std::time::{Duration, Instant};

use mergecast::{
    clock::Clock,
    github::{
        AppCredentials, GitHub, Options, Urls,
        sim::{DeliveryOutcome, Edits, Fault, FaultKind, FaultOn, PullSpec, Sim, SimOptions, Times},
    },
    service::{Links, Operations, Service, Settings, Timing},
    store::{Store, StoreOptions, StorePath},
};

/// Pull requests; `MERGECAST_PULLS` sets another number.
const PULLS: usize = 500;
/// Of these, how many are measured with the limit in force: two minutes and a half of writes.
const PULLS_LIMITED: usize = 100;
/// Writes that a score takes: its check run is created and completed.
const WRITES: usize = 2;
/// What GitHub takes for an answer.
const LATENCY: Duration = Duration::from_millis(100);
/// Changes assessed at a time: as many as GitHub's latency wants, since a worker only waits for it.
const WORKERS: usize = 16;
/// Writes under way at once where GitHub's advice to send them one by one does not hold.
const WRITES_AT_ONCE: usize = 8;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let pulls = std::env::var("MERGECAST_PULLS").map_or(Ok(PULLS), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("content limit | pull requests | refused | all accepted | all assessed | all check runs complete");
    let unlimited = Options { writes_per_minute: None, writes_at_once: WRITES_AT_ONCE, ..Options::default() };
    runtime.block_on(burst("off", pulls, unlimited))?;
    let limited = Options::default();
    let Some(a_minute) = limited.writes_per_minute.map(|most| most as usize) else { return Ok(()) };
    runtime.block_on(burst(&format!("{a_minute} a minute"), pulls.min(PULLS_LIMITED), limited))?;
    println!(
        "computed: with {a_minute} writes a minute, {pulls} pull requests of {WRITES} writes each take {} minutes at least",
        whole_minutes(pulls, a_minute)
    );
    Ok(())
}

/// Minutes until the last write may be sent, if the first ones of each minute are sent at once.
fn whole_minutes(pulls: usize, a_minute: usize) -> usize {
    (pulls * WRITES).saturating_sub(1) / a_minute
}

async fn burst(limit: &str, pulls: usize, options: Options) -> Result<(), Failure> {
    let clock = Clock::system();
    let sim_clock = clock.clone();
    let sim = Sim::start(SimOptions {
        record: false,
        // The budget of an Enterprise organisation; it is not what is measured.
        core_limit: 15_000,
        graphql_limit: 15_000,
        deliveries_at_once: 32,
        ..SimOptions::new(move || sim_clock.now())
    })
    .await?;
    let app = sim.app();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = Store::open(StoreOptions::new(StorePath::File(directory.path().join("mergecast.db")))).await?;
    let credentials =
        AppCredentials { app_id: app.app_id, client_id: Some(app.client_id), private_key_pem: app.private_key_pem };
    let service = Service::start(Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        store: store.clone(),
        github: GitHub::new(credentials, Urls::new(sim.api_url().parse()?)?, clock.clone(), options)?,
        app_id: app.app_id,
        webhook_secrets: vec![app.webhook_secret],
        links: Links::default(),
        workers: WORKERS,
        clock,
        timing: Timing::default(),
        operations: Operations::default(),
    })
    .await?;
    sim.deliver_to(&format!("http://{}/webhooks/github", service.address()));
    sim.fault(Fault { on: FaultOn::any(), kind: FaultKind::Slow(LATENCY), times: Times::Always });
    let shop = sim.repository("acme/shop");
    sim.hold();
    for n in 0..pulls {
        let edits = Edits::new().write(format!("src/part{n}.rs"), format!("fn part{n}() {{}}\n"));
        shop.open(PullSpec::new(format!("Change part {n}"), "ada", edits));
    }
    let begun = Instant::now();
    sim.release();
    let accepted = until(async || Ok(accepted(&sim) >= pulls), begun).await?;
    let assessed = until(async || Ok(store.recent(pulls).await?.len() >= pulls), begun).await?;
    let complete = until(
        async || Ok(service.is_idle().await? && sim.is_settled() && store.unfinished_check_runs().await?.is_empty()),
        begun,
    )
    .await?;
    let taken = |outcome: &DeliveryOutcome| matches!(outcome, DeliveryOutcome::Answered(200..=299));
    let refused = sim.deliveries().iter().filter(|each| !taken(&each.outcome)).count();
    println!("{limit} | {pulls} | {refused} | {accepted:.1?} | {assessed:.1?} | {complete:.1?}");
    service.stop().await;
    sim.stop();
    Ok(())
}

/// Opened pull requests whose webhook was answered with 202.
fn accepted(sim: &Sim) -> usize {
    let opened = |each: &&mergecast::github::sim::Delivery| {
        each.action.as_deref() == Some("opened") && each.outcome == DeliveryOutcome::Answered(202)
    };
    sim.deliveries().iter().filter(opened).count()
}

/// The time since `begun` at which this holds.
async fn until(holds: impl AsyncFn() -> Result<bool, Failure>, begun: Instant) -> Result<Duration, Failure> {
    while !holds().await? {
        if begun.elapsed() > Duration::from_secs(3_600) {
            return Err("it does not end within an hour".into());
        }
        // Seldom: what is looked at is large.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(begun.elapsed())
}
