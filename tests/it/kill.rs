//! The real program is killed at random instants, under load and while GitHub misbehaves. Then nothing that it
//! acknowledged is lost, no check run is doubled, and none is left unfinished.
//!
//! `MERGECAST_KILLS` sets how often (2 unless set), `MERGECAST_KILL_SEED` the randomness.

mod load;
mod proof;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use mergecast::{
    clock::Clock,
    github::sim::{DeliveryOutcome, Fault, FaultKind, FaultOn, Sim, SimOptions, Times, WebhookFault, WebhookFaultKind},
};

use crate::program::Server;
use load::Load;

/// What is wrong with GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It answers with errors and limits.
    Errors,
    /// Connections break, answers are lost after the work is done, or come late.
    Network,
    /// Webhooks come twice, late, in another order, or not at all.
    Webhooks,
}

#[test]
fn nothing_is_lost_doubled_or_stuck_under_errors() {
    kill(Mode::Errors);
}

#[test]
fn nothing_is_lost_doubled_or_stuck_on_a_bad_network() {
    kill(Mode::Network);
}

#[test]
fn nothing_is_lost_doubled_or_stuck_with_unruly_webhooks() {
    kill(Mode::Webhooks);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn kill(mode: Mode) {
    let (kills, seed) = (setting("MERGECAST_KILLS", 2), setting("MERGECAST_KILL_SEED", 11) + mode as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut run = Run::start(mode, seed, kills > 10).await;
        for _ in 0..kills {
            run.life().await;
        }
        let killing = run.began.elapsed();
        run.end().await;
        let (acknowledged, redelivered) = (run.acknowledged().count(), run.redelivered);
        eprintln!(
            "{mode:?}: {} kills ({} while starting, {} just after a write to a check run), {} deliveries of which \
             {acknowledged} acknowledged, {redelivered} redeliveries, {} pull requests, {} heads, {} commands, \
             {} merge groups, {} requests to GitHub; lost 0, doubled 0, stuck 0, unanswered queues 0; killing took \
             {killing:.0?}, all {:.0?} (seed {seed})",
            run.kills,
            run.kills_while_starting,
            run.kills_after_a_write,
            run.deliveries.len(),
            run.load.pulls(),
            run.load.heads().count(),
            run.load.commands().count(),
            run.load.groups().count(),
            run.sim.requests(),
            run.began.elapsed(),
        );
    });
}

/// A delivery as GitHub's log has it.
#[derive(Debug, Default)]
struct Sent {
    event: String,
    acknowledged: bool,
}

/// The world that the program is killed in.
struct Run {
    mode: Mode,
    long: bool,
    began: Instant,
    sim: Sim,
    directory: tempfile::TempDir,
    rng: fastrand::Rng,
    load: Load,
    /// By delivery id.
    deliveries: BTreeMap<String, Sent>,
    redelivered: usize,
    kills: u32,
    kills_while_starting: u32,
    kills_after_a_write: u32,
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            eprintln!("database and log are kept in {}", self.directory.path().display());
        }
    }
}

/// When a life ends.
enum Death {
    /// So long after the start, before anything is answered.
    Starting(Duration),
    /// So long after the program listens.
    Random(Duration),
    /// Right after GitHub has done that many writes to check runs.
    Writes(usize),
}

impl Run {
    async fn start(mode: Mode, seed: u64, long: bool) -> Self {
        let clock = Clock::system();
        let mut options = SimOptions::new(move || clock.now());
        options.seed = seed;
        options.deliveries_at_once = 8;
        // Limits have tests of their own.
        (options.core_limit, options.graphql_limit) = (10_000_000, 10_000_000);
        let sim = Sim::start(options).await.unwrap();
        let load = Load::new(&sim, seed);
        Self {
            mode,
            long,
            began: Instant::now(),
            directory: tempfile::tempdir().unwrap(),
            rng: fastrand::Rng::with_seed(seed),
            load,
            sim,
            deliveries: BTreeMap::new(),
            redelivered: 0,
            kills: 0,
            kills_while_starting: 0,
            kills_after_a_write: 0,
        }
    }

    /// From a start of the program to its death.
    async fn life(&mut self) {
        self.misbehave();
        let death = self.death();
        let mut server = Server::spawn(&self.sim, self.directory.path());
        if let Death::Starting(after) = death {
            self.sim.release();
            tokio::time::sleep(after).await;
            self.kills_while_starting += 1;
        } else {
            let address = server.listening().await;
            self.sim.deliver_to(&format!("http://{address}/webhooks/github"));
            self.sim.release();
            self.work_until(&death).await;
        }
        server.kill();
        self.kills += 1;
        for _ in 0..self.rng.u32(0..3) {
            self.load.act();
        }
        self.collect().await;
    }

    fn death(&mut self) -> Death {
        match self.rng.u32(0..16) {
            0 | 1 => Death::Starting(Duration::from_millis(self.rng.u64(0..120))),
            // Long enough for what waits for a lost answer.
            2 if self.long => Death::Random(Duration::from_secs(15)),
            2..=8 => Death::Random(Duration::from_millis(self.rng.u64(50..2_500))),
            _ => Death::Writes(self.rng.usize(1..8)),
        }
    }

    /// Lets people work on their pull requests until the program is to die.
    async fn work_until(&mut self, death: &Death) {
        let (limit, writes) = match death {
            Death::Starting(after) | Death::Random(after) => (*after, usize::MAX),
            Death::Writes(writes) => (Duration::from_secs(4), *writes),
        };
        let (start, mut next) = (Instant::now(), Instant::now());
        let (mut mark, mut written) = (self.sim.requests(), 0);
        while start.elapsed() < limit {
            if Instant::now() >= next {
                self.load.act();
                next = Instant::now() + Duration::from_millis(self.rng.u64(20..300));
            }
            if writes < usize::MAX {
                for exchange in self.sim.exchanges_since(mark) {
                    mark = mark.max(exchange.number);
                    written += usize::from(exchange.method != "GET" && exchange.path.contains("/check-runs"));
                }
                if written >= writes {
                    self.kills_after_a_write += 1;
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Notes what became of the deliveries and sends again, as an operator would, what was not taken.
    async fn collect(&mut self) {
        self.sim.hold();
        self.sim.settle().await;
        for attempt in self.sim.deliveries() {
            let sent = self.deliveries.entry(attempt.guid).or_default();
            sent.event = attempt.event;
            sent.acknowledged |= matches!(attempt.outcome, DeliveryOutcome::Answered(200..=299));
        }
        for (id, _) in self.deliveries.iter().filter(|(_, sent)| !sent.acknowledged) {
            self.redelivered += usize::from(self.sim.redeliver(id));
        }
        self.sim.clear();
    }

    fn acknowledged(&self) -> impl Iterator<Item = (&str, &str)> {
        let taken = self.deliveries.iter().filter(|(_, sent)| sent.acknowledged);
        taken.map(|(id, sent)| (id.as_str(), sent.event.as_str()))
    }

    fn misbehave(&self) {
        let fault = |on: FaultOn, kind, share| {
            self.sim.fault(Fault { on, kind, times: Times::Probability(share) });
        };
        let webhook = |kind, share| {
            self.sim.webhook_fault(WebhookFault { event: None, kind, times: Times::Probability(share) });
        };
        let create = || FaultOn::new("POST", "/repos/*/*/check-runs");
        let update = || FaultOn::new("PATCH", "/repos/*/*/check-runs/*");
        let reply = || FaultOn::new("POST", "/repos/*/*/issues/*/comments");
        match self.mode {
            Mode::Errors => {
                fault(FaultOn::any(), FaultKind::Status(500), 0.02);
                fault(FaultOn::any(), FaultKind::Status(502), 0.02);
                fault(FaultOn::any(), FaultKind::SecondaryLimit { retry_after: Some(1) }, 0.01);
                fault(FaultOn::any(), FaultKind::Garbage, 0.005);
                fault(FaultOn::graphql(), FaultKind::GraphqlErrors, 0.02);
                if self.long {
                    // A limit that names no time is waited for at least a minute.
                    fault(FaultOn::any(), FaultKind::Status(429), 0.001);
                }
            }
            Mode::Network => {
                fault(create(), FaultKind::AnswerLostAfterWrite, 0.08);
                fault(update(), FaultKind::AnswerLostAfterWrite, 0.08);
                fault(reply(), FaultKind::AnswerLostAfterWrite, 0.15);
                fault(reply(), FaultKind::Slow(Duration::from_secs(7)), 0.05);
                fault(create(), FaultKind::Slow(Duration::from_secs(7)), 0.05);
                fault(update(), FaultKind::Slow(Duration::from_secs(7)), 0.05);
                fault(FaultOn::any(), FaultKind::Reset, 0.02);
                fault(FaultOn::any(), FaultKind::Slow(Duration::from_millis(200)), 0.2);
                fault(FaultOn::any(), FaultKind::Timeout, 0.002);
            }
            Mode::Webhooks => {
                webhook(WebhookFaultKind::Duplicated, 0.15);
                webhook(WebhookFaultKind::Reordered, 0.15);
                webhook(WebhookFaultKind::Delayed(Duration::from_millis(400)), 0.15);
                webhook(WebhookFaultKind::Lost, 0.05);
            }
        }
    }

    /// GitHub recovers and the program lives; the work ends, and everything is looked at. Scored anew, nothing differs.
    async fn end(&mut self) {
        self.sim.heal();
        self.rest().await;
        self.load.note_groups();
        let before = proof::check(self).await;
        self.load.press_all();
        self.rest().await;
        let after = proof::check(self).await;
        proof::same(&before, &after);
    }

    /// Runs the program until nothing is left to do, then stops it as an operator would.
    async fn rest(&mut self) {
        let mut server = Server::spawn(&self.sim, self.directory.path());
        let address = server.listening().await;
        self.sim.deliver_to(&format!("http://{address}/webhooks/github"));
        loop {
            self.sim.release();
            server.quiet(&self.sim).await;
            self.collect().await;
            self.sim.release();
            if self.deliveries.values().all(|sent| sent.acknowledged) {
                break;
            }
        }
        server.quiet(&self.sim).await;
        self.collect().await;
        server.stop();
    }
}
