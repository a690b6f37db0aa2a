//! Overrides through the front door, whatever happens in whatever order: random pushes, commands and restarts, webhooks
//! lost, doubled, late and racing, and after each step a small model of what is promised. While a webhook is missing,
//! safety alone is asked for: nothing is granted to somebody who may not, nor for another commit than was looked at, nor
//! for longer than allowed. Once all have come, what is in force is exactly what the model says.
//! `MERGECAST_OVERRIDE_CASES` sets how many sequences there are.

mod ledger;
mod model;

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use mergecast::github::sim::{
    Delivery, DeliveryOutcome, Edits, PullHandle, SimComment, Times, WebhookFault, WebhookFaultKind,
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    commands::said,
    overrides::{buttons, held, in_force},
    seen::glance,
    support::{Ctx, run_test},
};
use ledger::Row;
use model::{Asked, EXPIRES, Model, Person, Told};

/// Sequences of steps; some 1.5 s each on an unoptimised build.
const CASES: u32 = 16;
/// Steps of a sequence: fewer commands than a person may give in ten minutes.
const STEPS: std::ops::RangeInclusive<usize> = 4..=10;
/// Time between two steps, so that GitHub's whole seconds tell them apart.
const STEP: Duration = Duration::from_secs(2);
/// What is due within this time belongs to the step: bursts that are waited for, writes that wait for one another.
const SOON_MS: i64 = 60_000;

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    /// A commit is pushed.
    Push,
    /// The head is set back to the commit before, and the new one is gone.
    Back,
    /// The base branch is changed.
    Retarget,
    /// Closed, or opened again.
    Toggle,
    /// `/risk override`, for so many minutes.
    Override { who: Person, minutes: Option<i64> },
    /// `/risk override cancel`.
    Cancel { who: Person },
    /// The button.
    Press { who: Person },
    /// A comment is edited into an override.
    Edit,
    /// `/risk rescore`.
    Rescore,
    /// So many minutes pass.
    Wait { minutes: u64 },
    /// The service is stopped and started.
    Restart,
}

/// How the webhook of it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Once, at once.
    Once,
    /// Twice, at once.
    Twice,
    /// Lost; GitHub is asked for it again so many steps later.
    Late(u8),
    /// The service is down, and is given it when it is back.
    Down,
    /// The service is stopped as soon as it has taken it.
    Cut,
    /// Along with the one of the next step.
    Held,
}

fn step() -> impl Strategy<Value = (Act, Fate)> {
    let who = prop_oneof![
        5 => Just(Person::Nora),
        2 => Just(Person::Max),
        1 => Just(Person::Ada),
        1 => Just(Person::Rita),
        1 => Just(Person::Eve),
    ];
    let minutes = prop_oneof![2 => Just(None), 2 => Just(Some(30)), 1 => Just(Some(240))];
    let act = prop_oneof![
        3 => Just(Act::Push),
        2 => Just(Act::Back),
        2 => Just(Act::Retarget),
        2 => Just(Act::Toggle),
        8 => (who.clone(), minutes).prop_map(|(who, minutes)| Act::Override { who, minutes }),
        3 => who.clone().prop_map(|who| Act::Cancel { who }),
        3 => who.prop_map(|who| Act::Press { who }),
        2 => Just(Act::Edit),
        1 => Just(Act::Rescore),
        3 => prop_oneof![Just(20), Just(60), Just(180)].prop_map(|minutes| Act::Wait { minutes }),
        1 => Just(Act::Restart),
    ];
    let fate = prop_oneof![
        8 => Just(Fate::Once),
        2 => Just(Fate::Twice),
        3 => (1..3_u8).prop_map(Fate::Late),
        1 => Just(Fate::Down),
        2 => Just(Fate::Cut),
        2 => Just(Fate::Held),
    ];
    (act, fate)
}

#[test]
fn overrides_keep_what_is_promised_whatever_happens() {
    let cases = std::env::var("MERGECAST_OVERRIDE_CASES").map_or(CASES, |text| text.parse().expect("a number"));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let met = RefCell::new(Vec::new());
    let outcome = runner.run(&vec(step(), STEPS), |steps| {
        met.borrow_mut().extend(play(steps));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // Else the sequences tell nothing.
    let met = met.into_inner();
    for what in ["made", "cancelled", "pushed", "retargeted", "expired", "replaced", "refused", "edited", "doubled"] {
        assert!(met.iter().any(|one| one == what), "no sequence of {cases} led to {what:?}");
    }
}

/// Plays a sequence; gives what came about.
fn play(steps: Vec<(Act, Fate)>) -> Vec<String> {
    let met = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let gained = met.clone();
    run_test(async move |ctx| {
        let (shop, pull) = held(&ctx, &format!("override: {{ expires: {EXPIRES} }}\n")).await;
        shop.branch("next");
        let model = Model::new(pull.head_sha());
        let (ledger, late, crowd, met) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut world = World { ctx, pull, model, ledger, late, crowd, pushed: 0, met };
        for (act, fate) in steps {
            world.step(&act, fate).await;
        }
        world.end().await;
        *gained.lock().unwrap() = world.met;
        world.ctx
    });
    std::mem::take(&mut *met.lock().unwrap())
}

/// A webhook that has not come yet.
struct Late {
    steps: u8,
    guids: Vec<String>,
    told: Told,
}

struct World {
    ctx: Ctx,
    pull: PullHandle,
    model: Model,
    /// The ledger as it was after the last step.
    ledger: Vec<Row>,
    late: Vec<Late>,
    /// What is on its way at the same time.
    crowd: Vec<Told>,
    pushed: u32,
    /// What came about, to see that something did.
    met: Vec<String>,
}

impl World {
    async fn step(&mut self, act: &Act, fate: Fate) {
        self.ctx.clock.advance(STEP);
        let joined = !self.crowd.is_empty();
        // A press is timed by its arrival, for want of anything else that tells; so it arrives at once.
        let fate = match (fate, act) {
            _ if joined => Fate::Once,
            (Fate::Late(_) | Fate::Down | Fate::Held, Act::Press { .. } | Act::Wait { .. } | Act::Restart) => {
                Fate::Once
            }
            _ => fate,
        };
        let mark = self.ctx.sim.deliveries().len();
        let calm = self.late.is_empty() && !joined;
        match fate {
            Fate::Once | Fate::Cut => {}
            Fate::Twice => self.webhook_fault(act, WebhookFaultKind::Duplicated),
            Fate::Late(_) => self.webhook_fault(act, WebhookFaultKind::Lost),
            Fate::Down => self.ctx.stop_service().await,
            Fate::Held => self.ctx.sim.hold(),
        }
        let told = self.act(act, calm).await;
        if fate == Fate::Held {
            self.crowd.extend(told);
            return;
        }
        self.ctx.sim.release();
        self.ctx.sim.settle().await;
        self.ctx.sim.heal();
        match fate {
            Fate::Cut => self.restart().await,
            Fate::Down => {
                self.ctx.start_service().await;
                self.missed(mark).iter().for_each(|guid| assert!(self.ctx.sim.redeliver(guid)));
            }
            _ => {}
        }
        self.quiet().await;
        match (fate, told) {
            (Fate::Late(steps), Some(told)) => self.late.push(Late { steps, guids: self.missed(mark), told }),
            (_, told) => self.crowd.extend(told),
        }
        if fate == Fate::Twice && self.ctx.sim.deliveries()[mark..].iter().any(|one| one.redelivery) {
            self.met.push("doubled".to_owned());
        }
        let told = std::mem::take(&mut self.crowd);
        self.arrived(told, mark, calm);
        self.check().await;
        self.come_late(1).await;
    }

    /// What was lost comes, where it is time.
    async fn come_late(&mut self, steps: u8) {
        self.late.iter_mut().for_each(|late| late.steps = late.steps.saturating_sub(steps));
        while let Some(at) = self.late.iter().position(|late| late.steps == 0) {
            let Late { guids, told, .. } = self.late.remove(at);
            let mark = self.ctx.sim.deliveries().len();
            guids.iter().for_each(|guid| assert!(self.ctx.sim.redeliver(guid)));
            self.quiet().await;
            self.arrived(vec![told], mark, false);
            self.check().await;
        }
    }

    /// The last webhooks come, and nothing is left unknown.
    async fn end(&mut self) {
        self.step(&Act::Wait { minutes: 20 }, Fate::Once).await;
        self.come_late(u8::MAX).await;
        assert!(self.late.is_empty() && self.crowd.is_empty());
        let is_open = self.model.is_open;
        if !is_open {
            self.step(&Act::Toggle, Fate::Once).await;
        }
    }

    /// Lets it happen at GitHub; gives what its webhook tells, `None` where nothing happened that has one.
    async fn act(&mut self, act: &Act, calm: bool) -> Option<Told> {
        let now_s = self.ctx.clock.now().timestamp();
        match act {
            // A closed pull request tells of no push.
            Act::Push | Act::Back | Act::Retarget if !self.model.is_open => return None,
            Act::Push => {
                self.pushed += 1;
                let head = self.pull.push(Edits::new().write("src/cart.rs", format!("let cart = {};\n", self.pushed)));
                return Some(self.model.moved(now_s, head));
            }
            Act::Back => {
                let before = self.model.earlier_head()?;
                self.pull.reset(&before);
                return Some(self.model.moved(now_s, before));
            }
            Act::Retarget => {
                let base = if self.model.base == "main" { "next" } else { "main" };
                self.pull.retarget(base);
                return Some(self.model.retargeted(now_s, base));
            }
            Act::Toggle => {
                if self.model.is_open {
                    self.pull.close()
                } else {
                    self.pull.reopen()
                }
                self.model.is_open = !self.model.is_open;
            }
            Act::Override { who, minutes } => {
                let span = minutes.map_or(String::new(), |minutes| format!(" for {minutes}m"));
                let comment = self.pull.comment(who.login(), &format!("/risk override The fix cannot wait{span}"));
                return Some(self.model.asked(now_s, format!("comment:{comment}"), *who, minutes.map(|m| m * 60)));
            }
            Act::Cancel { who } => {
                self.pull.comment(who.login(), "/risk override cancel");
                return Some(Told::Cancelled(*who));
            }
            Act::Press { who } => {
                let pressed = self.pull.press_by(who.login(), "acknowledge");
                let stands = ledger::standing(&self.ledger).is_some();
                assert!(!calm || pressed != stands || !self.model.is_open, "a button where there is something to do");
                return pressed.then_some(Told::Pressed(*who, self.model.now(now_s)));
            }
            Act::Edit => {
                let people = |one: &SimComment| !one.by_app;
                let newest = self.pull.conversation().into_iter().rfind(people).map(|one| one.id);
                let comment = newest.unwrap_or_else(|| self.pull.comment("nora", "Let me look at it"));
                self.pull.edit_comment(comment, "nora", "/risk override Edited in");
                self.met.push("edited".to_owned());
            }
            Act::Rescore => drop(self.pull.comment("root", "/risk rescore")),
            Act::Wait { minutes } => {
                self.ctx.clock.advance(Duration::from_secs(minutes * 60));
                self.ctx.service().wake();
                return None;
            }
            Act::Restart => {
                self.restart().await;
                return None;
            }
        }
        Some(Told::Other)
    }

    async fn restart(&mut self) {
        self.ctx.stop_service().await;
        self.ctx.start_service().await;
    }

    fn webhook_fault(&self, act: &Act, kind: WebhookFaultKind) {
        let event = match act {
            Act::Push | Act::Back | Act::Retarget | Act::Toggle => "pull_request",
            Act::Press { .. } => "check_run",
            _ => "issue_comment",
        };
        self.ctx.sim.webhook_fault(WebhookFault { event: Some(event.to_owned()), kind, times: Times::Next(1) });
    }

    /// Deliveries since `mark` that nobody took.
    fn missed(&self, mark: usize) -> Vec<String> {
        let sent = self.ctx.sim.deliveries();
        let taken = |one: &Delivery| matches!(one.outcome, DeliveryOutcome::Answered(200..=299));
        let came: BTreeSet<&str> = sent.iter().filter(|one| taken(one)).map(|one| one.guid.as_str()).collect();
        let mut missed: Vec<String> = sent[mark..].iter().map(|one| one.guid.clone()).collect();
        missed.retain(|guid| !came.contains(guid.as_str()));
        missed.dedup();
        missed
    }

    /// Waits until nothing is done and nothing is due soon.
    async fn quiet(&self) {
        loop {
            self.ctx.rest().await;
            let soon = self.ctx.clock.now_ms() + SOON_MS;
            match self.ctx.store.next_due().await.unwrap() {
                Some(due) if due <= soon => {
                    self.ctx.clock.set(chrono::DateTime::from_timestamp_millis(due).unwrap());
                    self.ctx.service().wake();
                }
                _ => return,
            }
        }
    }

    /// The service was told, and has done what follows.
    fn arrived(&mut self, told: Vec<Told>, mark: usize, calm: bool) {
        let now_s = self.ctx.clock.now().timestamp();
        let standing = ledger::standing(&self.ledger).map(|row| row.id.clone());
        let pressed =
            self.ctx.sim.deliveries().into_iter().skip(mark).rfind(|one| {
                one.event == "check_run" && one.payload["requested_action"]["identifier"] == "acknowledge"
            });
        let button = pressed.map(|one| format!("button:{}", one.guid));
        self.model.arrived(told, now_s, calm, standing, button);
    }

    /// What is promised holds now.
    async fn check(&mut self) {
        let now = self.ctx.clock.now_ms();
        let before = std::mem::replace(&mut self.ledger, ledger::read(&self.ctx));
        assert!(self.ledger.starts_with(&before), "the ledger is only added to: {before:#?}\n{:#?}", self.ledger);
        self.met.extend(self.ledger[before.len()..].iter().map(|row| row.what.clone()));
        let refused = self.model.check_ledger(&self.ledger, now);
        self.met.extend(refused.then(|| "refused".to_owned()));
        for comment in self.model.asks().filter_map(Asked::comment) {
            assert!(said(&self.pull, comment).replies.len() <= 1, "one reply for a command");
        }
        let standing = ledger::standing(&self.ledger);
        if !self.late.is_empty() {
            // A green check run on the head is one that somebody answers for, on that very commit.
            let runs = self.ctx.sim.check_runs(self.pull.repository(), &self.pull.head_sha());
            let green = runs.iter().any(|run| run.conclusion.as_deref() == Some("success"));
            assert!(!green || standing.is_some_and(|row| row.head == self.pull.head_sha()) || !self.model.is_open);
            return;
        }
        self.model.check_standing(standing, &self.ledger, now);
        if !self.model.is_open {
            return;
        }
        let seen = glance(&self.ctx, &self.pull).await;
        assert_eq!(in_force(&seen), standing.is_some(), "{}\n{:#?}", seen.title(), self.ledger);
        assert_eq!(buttons(&seen).contains(&"acknowledge"), standing.is_none());
        let shown = &seen.json["verdict"]["override"];
        if let Some(row) = standing {
            assert_eq!(shown["by"].as_str(), row.login.as_deref());
            assert_eq!(shown["head_sha"].as_str(), Some(self.pull.head_sha().as_str()));
            assert_eq!(Some(row.reason.as_str()), shown["reason"].as_str());
            assert_eq!((Some(row.base.as_str()), Some(row.score)), (Some(self.model.base), Some(seen.score())));
        }
    }
}
