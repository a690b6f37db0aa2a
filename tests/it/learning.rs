//! Learning from outcomes through the front door: what is noted when a pull request ends, a challenger from the command
//! line, and a model that is put in force and taken back while the service runs.

mod nights;
mod year;

use std::{fs, time::Duration};

use assert_cmd::Command;
use mergecast::{
    github::sim::{Edits, PullHandle, PullSpec, SimRepository},
    risk::{Model, assess, facts::Facts, policy::Policy},
    store::{AssessmentRow, FailureRow, OutcomeRow, StoredOutcome},
};
use serde_json::Value;

use crate::{
    seen::see,
    support::{Ctx, run_test},
};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Exit code, standard output and standard error of `mergecast calibrate` on the database of the running service.
fn calibrate(ctx: &Ctx, arguments: &[&str]) -> (i32, String, String) {
    run(ctx, &[&["calibrate"][..], arguments].concat())
}

fn run(ctx: &Ctx, arguments: &[&str]) -> (i32, String, String) {
    let database = ctx.directory.path().join("mergecast.db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.current_dir(ctx.directory.path()).env_clear().env("LANG", "C.UTF-8");
    command.env("MERGECAST_DATABASE", format!("sqlite://{}", database.display())).args(arguments);
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (output.status.code().expect("the program ends by itself"), text(output.stdout), text(output.stderr))
}

fn open(shop: &SimRepository, title: &str, body: &str, edits: Edits) -> PullHandle {
    shop.open(PullSpec { body: Some(body.to_owned()), ..PullSpec::new(title, "ada", edits) })
}

/// What is noted of a pull request.
async fn outcome(ctx: &Ctx, pull: &PullHandle) -> Option<StoredOutcome> {
    let all = ctx.store.change_outcomes("", 100).await.unwrap();
    all.into_iter().find(|one| one.row.pull_request == i64::try_from(pull.number()).unwrap())
}

#[test]
fn what_became_of_a_pull_request_is_noted_with_the_assessment_it_ended_with() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_files(Edits::new().write("src/cart.rs", "one\ntwo\nthree\n"));
        let by_number = open(&shop, "Count", "", Edits::new().write("src/cart.rs", "one\n2\nthree\n"));
        let first = see(&ctx, &by_number).await;
        by_number.merge();
        ctx.settle().await;
        let merged = outcome(&ctx, &by_number).await.unwrap();
        assert_eq!(merged.row.assessment_id, first.json["id"].as_str().unwrap(), "the one at merge");
        let effective = merged.row.effective_at.unwrap();
        assert_eq!(merged.row.known_at, Some(effective + 30 * DAY_MS));
        assert_eq!((merged.row.held_ms, merged.row.overridden, &merged.row.failure), (None, false, &None));

        // A revert that only says so undoes nothing; a proven one does, once it is merged.
        let body = format!("Reverts acme/shop#{}", by_number.number());
        let claims = open(&shop, "Revert \"Count\"", &body, Edits::new().write("src/cart.rs", "one\nTWO\nthree\n"));
        see(&ctx, &claims).await;
        claims.close();
        ctx.settle().await;
        let closed = outcome(&ctx, &claims).await.unwrap();
        assert_eq!((closed.row.effective_at, closed.row.known_at), (None, None));
        let undo = open(&shop, "Revert \"Count\"", &body, Edits::new().write("src/cart.rs", "one\ntwo\nthree\n"));
        see(&ctx, &undo).await;
        assert_eq!(outcome(&ctx, &by_number).await.unwrap().row.failure, None, "it is not merged yet");
        ctx.clock.advance(Duration::from_secs(3_600));
        undo.merge();
        ctx.settle().await;
        let undone = outcome(&ctx, &undo).await.unwrap();
        let failure =
            FailureRow { evidence: "rolled_back".to_owned(), certainty: 100, at: undone.row.effective_at.unwrap() };
        let row = OutcomeRow { failure: Some(failure), ..merged.row.clone() };
        assert_eq!(outcome(&ctx, &by_number).await.unwrap().row, row);
        assert_eq!(undone.row.failure, None);
        // News after the end changes nothing.
        ctx.clock.advance(Duration::from_secs(3_600));
        by_number.comment("ada", "Sorry");
        ctx.settle().await;
        assert_eq!(outcome(&ctx, &by_number).await.unwrap().row, row);
        ctx
    });
}

/// The baseline with other weights, as it would be stored.
fn other_model(version: &str, factor: f64) -> String {
    let mut model = serde_json::to_value(Model::baseline()).unwrap();
    model["version"] = version.into();
    for term in model["terms"].as_array_mut().unwrap() {
        term["weight"] = (term["weight"].as_f64().unwrap() * factor).into();
    }
    Model::parse(&model.to_string()).unwrap();
    model.to_string()
}

/// Contributions, without how old the pull request was: time goes on in this test.
fn unaged(assessment: &Value) -> Vec<Value> {
    let mut rows = assessment["contributions"].as_array().unwrap().clone();
    for row in rows.iter_mut().filter(|row| row["signal"] == "pull_request_age") {
        row["value"] = Value::Null;
    }
    rows
}

/// Shown by 3: a rollback restores earlier scores to the byte, and both are in the ledger.
#[test]
fn a_rollback_restores_scores_to_the_byte() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "Enable the cart", "", Edits::new().write("src/cart.rs", "one\ntwo\n"));
        let before = see(&ctx, &pull).await;
        ctx.store.save_model("learned-1", &other_model("learned-1", 2.0), 1).await.unwrap();
        let (code, _, err) = calibrate(&ctx, &["--activate", "learned-1", "--by", "Nora"]);
        assert_eq!(code, 0, "{err}");
        // The same facts, scored anew: a label that says nothing leads to it.
        pull.label("one");
        let learned = see(&ctx, &pull).await;
        assert_eq!(learned.json["model"]["version"], "learned-1");
        assert_ne!(learned.json["contributions"], before.json["contributions"]);
        let (code, _, err) = calibrate(&ctx, &["--rollback"]);
        assert_eq!(
            (code, err.lines().next()),
            (
                0,
                Some(&*format!(
                    "{} is in force again; learned-1 is kept and can be activated",
                    Model::baseline().version
                ))
            )
        );
        pull.label("two");
        let after = see(&ctx, &pull).await;
        for part in ["score", "level", "range", "base", "floors", "probability", "ways_down", "model"] {
            assert_eq!(after.json[part], before.json[part], "{part}");
        }
        assert_eq!(unaged(&after.json), unaged(&before.json));
        // The first score, asked for again, has the bytes that it had, and so has every stored one, by the model that made it.
        let (code, out, err) = run(&ctx, &["replay", "--all"]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.ends_with("assessments replayed, 0 differ\n"), "{out}");
        let (code, out, _) = calibrate(&ctx, &["--proposals"]);
        let lines: Vec<&str> = out.lines().collect();
        let shipped = Model::baseline().version.as_str();
        assert_eq!((code, lines.len(), lines[0]), (0, 3, &*format!("In force: {shipped}")), "{out}");
        assert!(lines[1].ends_with(&format!("activated learned-1, in place of {shipped}, by Nora")), "{out}");
        assert!(
            lines[2].ends_with(&format!("rolled back to {shipped}, in place of learned-1, by command line")),
            "{out}"
        );
        let refused = |arguments: &[&str], says: &str| {
            let (code, out, err) = calibrate(&ctx, arguments);
            assert!(code == 1 && out.is_empty() && err.contains(says), "{arguments:?}: {code} {out} {err}");
        };
        refused(&["--rollback"], "there is nothing to take back");
        refused(&["--activate", "learned-2"], "no model has the version \"learned-2\"");
        refused(&["--activate", shipped], "is in force already");
        refused(&["--activate", "learned-1", "--by", ""], "1 to 100 printable characters");
        refused(&["--repo", "acme/unheard"], "covers no repository named \"acme/unheard\"");
        ctx
    });
}

/// What became of changes, three a day until now.
struct Months {
    changes: i64,
    /// The first pull request's number.
    first: i64,
    fails: fn(i64) -> bool,
}

/// Stores what became of changes over ten months that differ from a scored one in their lines only: every third is large,
/// and of the large ones half failed, far more than the shipped model says. Gives the score of a large one.
async fn months(ctx: &Ctx, like: &AssessmentRow, changes: i64) -> u8 {
    stored(ctx, like, Months { changes, first: 1_000, fails }).await
}

async fn stored(ctx: &Ctx, like: &AssessmentRow, Months { changes, first, fails }: Months) -> u8 {
    let facts: Facts = serde_json::from_str(&like.facts).unwrap();
    let policy: Policy = serde_json::from_str(&like.policy).unwrap();
    let of_lines = |added: u64| {
        let mut facts = facts.clone();
        facts.change.files[0].added = added;
        let score = assess(&facts, Model::baseline(), &policy).score;
        AssessmentRow { score, facts: serde_json::to_string(&facts).unwrap(), ..like.clone() }
    };
    let (large, small) = (of_lines(900), of_lines(3));
    let mut stored = tokio::task::JoinSet::new();
    for place in 0..changes {
        let pull_request = first + place;
        let id = format!("{}{pull_request:04}", &like.id[..32]);
        let at = like.at - (changes - place) * DAY_MS / 3;
        let kind = if place % 3 == 0 { &large } else { &small };
        let row = AssessmentRow { id: id.clone(), pull_request: Some(pull_request), at, ..kind.clone() };
        let overridden = place % 50 == 0;
        let outcome = OutcomeRow {
            assessment_id: id,
            repository_id: like.repository_id,
            pull_request,
            effective_at: Some(at),
            known_at: Some(at + 30 * DAY_MS),
            observed_until: Some(at + 30 * DAY_MS),
            held_ms: overridden.then_some(3_600_000),
            overridden,
            failure: None,
        };
        let (store, repository_id) = (ctx.store.clone(), like.repository_id);
        stored.spawn(async move {
            store.save_assessment(&row).await.unwrap();
            store.change_ended(&outcome, &[]).await.unwrap();
            let failure = FailureRow { evidence: "incident".to_owned(), certainty: 90, at: at + 60_000 };
            let failure = fails(place).then_some(&failure);
            store.change_fate((repository_id, pull_request), (at, 30 * DAY_MS), failure, 0).await.unwrap();
        });
    }
    stored.join_all().await;
    large.score
}

fn fails(place: i64) -> bool {
    place % 6 == 0 || place % 40 == 1
}

#[test]
fn a_challenger_is_proposed_put_in_force_and_reported() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "Count the cart", "", Edits::new().write("src/cart.rs", "one\ntwo\n"));
        let seen = see(&ctx, &pull).await;
        let (code, out, _) = calibrate(&ctx, &[]);
        assert_eq!(code, 0);
        assert!(out.starts_with("Nothing is claimed from so little: 0 outcomes are known"), "{out}");
        let like = ctx.store.assessment(seen.json["id"].as_str().unwrap()).await.unwrap().unwrap();
        let high = months(&ctx, &like, 900).await.to_string();

        let (code, dry, err) = calibrate(&ctx, &["--dry-run"]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(
            dry.contains("PROPOSED") && dry.contains("Fitted on 900 changes") && dry.contains("churn.added"),
            "{dry}"
        );
        let (_, one, err) = calibrate(&ctx, &["--repo", "acme/shop"]);
        assert!(one.contains("PROPOSED") && err.is_empty(), "{err}");
        assert!(ctx.store.model_proposals().await.unwrap().is_empty(), "neither keeps anything");
        let (code, _, err) = calibrate(&ctx, &[]);
        let proposals = ctx.store.model_proposals().await.unwrap();
        assert_eq!((code, proposals.len()), (0, 1), "{err}");
        let version = proposals[0].version.as_str();
        assert!(err.contains(&format!("`mergecast calibrate --activate {version}`")), "{err}");
        assert!(proposals[0].said.contains("PROPOSED") && proposals[0].prior == Model::baseline().version);
        assert_eq!(ctx.store.model_in_force().await, Ok(None), "it is put in force by a person");
        assert_eq!(calibrate(&ctx, &["--activate", version]).0, 0);

        let (code, text, _) = calibrate(&ctx, &["report", "--since", "2025-01-01", "--threshold", &high]);
        assert_eq!(code, 0);
        let followed = format!("Of the changes scored {high} or more, ");
        for part in [followed.as_str(), "18 overrides judged so far", "Held in vain", version] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let page = ctx.directory.path().join("record.html");
        let arguments = ["report", "--since", "2025-01-01", "--format", "json", "--html", "record.html"];
        let (code, json, _) = calibrate(&ctx, &arguments);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((code, &json["schema"], &json["enough"]), (0, &"mergecast.record/1".into(), &true.into()));
        let failed = (0..900).filter(|place| fails(*place)).count();
        assert_eq!(failed, 173);
        assert_eq!((&json["counts"]["failed"], &json["counts"]["clean"]), (&155.7.into(), &744.3.into()), "90 % sure");
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains("default-src 'none'") && page.contains(version) && !page.contains("<script"), "{page}");
        let (_, none, _) = calibrate(&ctx, &["report", "--since", "2026-11-01"]);
        assert!(none.contains("Not enough outcomes yet") && !none.contains('%'), "{none}");
        ctx
    });
}

/// The rate beside a score is that of production once enough of that is known, and is judged as such.
#[test]
fn a_rate_is_that_of_production_where_deployments_are_told_of() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "Count the cart", "", Edits::new().write("src/cart.rs", "one\ntwo\n"));
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.json["probability"], Value::Null);
        let like = ctx.store.assessment(seen.json["id"].as_str().unwrap()).await.unwrap().unwrap();
        let changes = 400;
        months(&ctx, &like, changes).await;
        let (mut small, mut failed) = (0, 0);
        for place in 0..changes {
            let at = like.at - (changes - place) * DAY_MS / 3;
            let fails = fails(place);
            let incident = FailureRow { evidence: "incident".to_owned(), certainty: 98, at: at + 60_000 };
            let (pull, took_effect) = ((like.repository_id, 1_000 + place), (at, 7 * DAY_MS));
            assert!(ctx.store.change_fate(pull, took_effect, fails.then_some(&incident), 0).await.unwrap());
            if place % 3 != 0 && at + 7 * DAY_MS <= ctx.clock.now_ms() {
                (small, failed) = (small + 1, failed + i32::from(fails));
            }
        }
        pull.push(Edits::new().write("src/cart.rs", "one\n2\n"));
        let seen = see(&ctx, &pull).await;
        let rate = &seen.json["probability"];
        assert_eq!(
            (&rate["counts"], &rate["sample"], &rate["failures"]),
            (&"in_production".into(), &small.into(), &failed.into())
        );
        assert!(
            seen.summary().contains("that were merged with about its score failed in production"),
            "{}",
            seen.summary()
        );
        ctx
    });
}
