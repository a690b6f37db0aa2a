//! A year in which changes fail by weights that the service was not told: pull requests are opened, scored, merged, deployed
//! and blamed for incidents through the doors that the service has, and it learns what those weights are.
//!
//! `MERGECAST_LEARNING_CHANGES` sets how many changes (210 unless set), `MERGECAST_LEARNING_SEED` the randomness.

use std::time::Duration;

use chrono::TimeDelta;
use fastrand::Rng;
use mergecast::{
    config::Learning,
    github::sim::{Edits, Permission, PullHandle, PullSpec},
    outcome::recalibrate::{Assessed, Lineage, challenge, log_odds, rates, terms_of_assessment},
    risk::{Model, assess, facts::Facts, policy::Policy},
    service::Lesson,
};
use serde_json::json;

use super::nights::nightly;
use crate::{
    coverage::token,
    mirrors::{mirrored, remote::Remote},
    outcomes::brought::{deploy, post},
    support::{Ctx, run_test_with},
};

/// Terms with a hidden weight, and about how far they spread over the changes of this year.
const HIDDEN: [(&str, f64); 8] = [
    ("churn.added", 1.5),
    ("diffusion.subsystems", 0.4),
    ("change_kind.feature", 0.45),
    ("change_kind.fix", 0.45),
    ("review.unapproved", 0.5),
    ("experience.unfamiliar", 0.4),
    ("sensitive_paths.payments", 0.35),
    ("entropy.normalised", 0.4),
];
/// Standard deviation of hidden weights around the shipped ones, log-odds for a standard deviation of the term.
const STRAYS: f64 = 0.2;
/// About one in five changes fails, so that a small year holds enough.
const INTERCEPT: f64 = -1.6;
const DIRECTORIES: [&str; 6] = ["cart", "payments", "search", "mail", "stock", "web"];
/// Pull requests that are open at the same time.
const BATCH: u64 = 30;
const AUTHORS: [&str; 9] = ["ada", "bob", "carol", "dan", "eve", "finn", "gus", "hal", "ida"];
const TITLES: [&str; 5] = ["feat: offer", "fix: mend", "refactor: tidy", "feat: show", "chore: move"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Standard normal (Box and Muller 1958).
fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// What is so, and nobody tells.
fn truth(rng: &mut Rng) -> Model {
    let mut model = serde_json::to_value(Model::baseline()).unwrap();
    model["version"] = "truth".into();
    model["intercept"] = INTERCEPT.into();
    for term in model["terms"].as_array_mut().unwrap() {
        let Some((_, spread)) = HIDDEN.iter().find(|(id, _)| term["id"] == *id) else { continue };
        let weight = term["weight"].as_f64().unwrap();
        let range = (term["p90"].as_f64().unwrap() - term["p10"].as_f64().unwrap()).max(1.0);
        // No farther than one step of learning may go, and on the side of nothing that is known.
        let step = std::f64::consts::LN_2 / range;
        let strayed = weight + (STRAYS / spread * normal(rng)).clamp(-step, step);
        term["weight"] = if weight > 0.0 { strayed.max(0.0) } else { strayed.min(0.0) }.into();
    }
    Model::parse(&model.to_string()).unwrap()
}

/// A pull request of its own kind and size. Gives a path that it changes.
fn open(ctx: &Ctx, place: u64, rng: &mut Rng) -> (PullHandle, String) {
    let files = rng.usize(1..=4);
    let lines = (3.0 + 1.4 * normal(rng)).exp().clamp(1.0, 900.0) as usize;
    let mut paths: Vec<String> = (0..files)
        .map(|_| format!("{}/part_{}.rs", DIRECTORIES[rng.usize(..DIRECTORIES.len())], rng.usize(..12)))
        .collect();
    paths.sort();
    paths.dedup();
    let mut edits = Edits::new();
    for (file, path) in paths.iter().enumerate() {
        let lines = if file == 0 { lines } else { 1 + lines / 4 };
        edits = edits.write(path, format!("let step_{place} = pay({file});\n").repeat(lines));
    }
    let title = format!("{} part {place}", TITLES[rng.usize(..TITLES.len())]);
    let pull = ctx.repository().open(PullSpec::new(title, AUTHORS[rng.usize(..AUTHORS.len())], edits));
    if rng.bool() {
        pull.approve("nora");
    }
    (pull, paths.swap_remove(0))
}

/// The squash of a pull request, at the remote and at GitHub.
fn merge(ctx: &Ctx, remote: &Remote, pull: &PullHandle, path: &str) -> String {
    let message = format!("Land it (#{})", pull.number());
    let text = format!("{message}\n");
    let sha = remote.land("main", "ada", &message, path, &text);
    ctx.repository().push_base(Edits::new().write(path, text).message(&message).by("ada").id(&sha));
    pull.merge();
    sha
}

/// The true probability that a change fails, of the assessment that it was merged with.
async fn risk(ctx: &Ctx, pull: &PullHandle, truth: &Model) -> f64 {
    let id = ctx.assessment(pull).await["id"].as_str().unwrap().to_owned();
    let row = ctx.store.assessment(&id).await.unwrap().unwrap();
    let facts: Facts = serde_json::from_str(&row.facts).unwrap();
    let policy: Policy = serde_json::from_str(&row.policy).unwrap();
    let terms = terms_of_assessment(&assess(&facts, Model::baseline(), &policy), &facts);
    sigmoid(log_odds(truth, &terms))
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Lets time pass, and what is due by then be done.
async fn later(ctx: &Ctx, minutes: i64) {
    ctx.rest().await;
    ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(minutes));
    ctx.service().wake();
    ctx.rest().await;
}

/// Lives through the year; gives how many changes failed.
///
/// Thirty pull requests are open at a time, and go out one by one, five hours apart.
async fn live(ctx: &Ctx, remote: &Remote, truth: &Model, changes: u64, rng: &mut Rng) -> u64 {
    let mut failed = 0;
    for batch in 0..changes.div_ceil(BATCH) {
        let places = batch * BATCH..changes.min((batch + 1) * BATCH);
        let opened: Vec<_> = places.map(|place| open(ctx, place, rng)).collect();
        later(ctx, 30).await;
        let mut merged = Vec::new();
        for (pull, path) in opened {
            let risk = risk(ctx, &pull, truth).await;
            merged.push((merge(ctx, remote, &pull, &path), path, risk));
        }
        ctx.rest().await;
        for (sha, path, risk) in merged {
            ctx.clock.advance(Duration::from_hours(5));
            deploy(ctx, &sha).await;
            if rng.f64() < risk {
                failed += 1;
                let began = ctx.clock.now() + TimeDelta::minutes(rng.i64(5..200));
                ctx.clock.advance(Duration::from_hours(4));
                let told = json!({
                    "id": format!("inc-{failed}"), "title": "Requests fail", "note": format!("panic at {path}:7"),
                    "services": ["shop"], "started_at": began, "finished_at": ctx.clock.now(),
                });
                post(ctx, "/api/v1/incidents", &told).await;
            }
        }
        later(ctx, 60).await;
    }
    failed
}

/// Which of the hidden weights, and of those that stayed as they are, lie within their intervals; and how far rates are off
/// before and after, on all changes whose terms are known.
struct Found {
    covered: usize,
    intervals: usize,
    before: f64,
    after: f64,
}

fn found(lesson: &Lesson, truth: &Model) -> Found {
    let (rows, now) = (&lesson.teaching, lesson.now.timestamp());
    let shipped = Model::baseline();
    let learned = challenge(&rows.iter().collect::<Vec<_>>(), Lineage::first(shipped), now, "found").unwrap();
    let (mut covered, mut intervals) = (0, 0);
    for moved in &learned.moved {
        let Some(own) = truth.terms().iter().find(|weight| weight.id == moved.id) else { continue };
        let inside = (moved.low..=moved.high).contains(&own.weight);
        (covered, intervals) = (covered + usize::from(inside), intervals + 1);
        if HIDDEN.iter().any(|(id, _)| *id == moved.id) || !inside {
            let (id, from, to) = (&moved.id, moved.from, moved.to);
            println!("{id}: {from:.3} to {to:.3} [{:.3}, {:.3}], in truth {:.3}", moved.low, moved.high, own.weight);
        }
    }
    let error = |rate: &dyn Fn(&Assessed) -> f64| {
        let gaps = rows.iter().map(|row| (rate(row) - sigmoid(log_odds(truth, &row.terms))).abs());
        gaps.sum::<f64>() / rows.len() as f64
    };
    let platt = rates(rows, &learned.model, now);
    Found {
        covered,
        intervals,
        before: error(&|row| sigmoid(log_odds(shipped, &row.terms))),
        after: error(&|row| platt.probability(log_odds(&learned.model, &row.terms))),
    }
}

#[test]
fn hidden_weights_are_learned_through_the_whole_service() {
    let (changes, seed) = (number("MERGECAST_LEARNING_CHANGES", 210), number("MERGECAST_LEARNING_SEED", 1));
    run_test_with(nightly(Learning::Activate), async move |mut ctx| {
        let mut rng = Rng::with_seed(seed);
        let truth = truth(&mut rng);
        let remote = mirrored(&mut ctx).await;
        ctx.repository().member("nora", Permission::Write);
        // Only what was heard of is covered.
        let heard = open(&ctx, changes, &mut rng).0;
        later(&ctx, 30).await;
        heard.close();
        token(&ctx).await;
        let failed = live(&ctx, &remote, &truth, changes, &mut rng).await;
        later(&ctx, 8 * 24 * 60).await;
        later(&ctx, 61).await;

        let lesson = Lesson::read(&ctx.store, None, ctx.clock.now()).await.unwrap();
        let outcomes: Vec<f64> = lesson.teaching.iter().filter_map(|row| row.outcome(lesson.now.timestamp())).collect();
        assert_eq!(outcomes.len() as u64, changes, "each change was deployed and watched");
        assert_eq!(outcomes.iter().filter(|failed| **failed > 0.0).count() as u64, failed);
        assert_eq!(lesson.prior, *Model::baseline());
        let Found { covered, intervals, before, after } = found(&lesson, &truth);
        println!("{changes} changes, {failed} failed; {covered} of {intervals} intervals hold the truth");
        println!("rates are off by {before:.4} as shipped, by {after:.4} as learned");
        for entry in ctx.store.model_moves().await.unwrap() {
            println!("{:?} {:?} by {}", entry.what, entry.after, entry.made_by);
        }
        // Of 60 intervals 57 should hold it; 3 standard deviations are 5.
        assert!(covered * 100 >= intervals * 86, "{covered} of {intervals}");
        assert!(after < before / 2.0, "{after} of {before}");
        ctx
    });
}
