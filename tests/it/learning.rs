//! Learning from outcomes through the front door: what is noted when a pull request ends, a challenger from the command
//! line and from the work of a night, and a model that is put in force and taken back while the service runs.

mod year;

use std::{fs, time::Duration};

use assert_cmd::Command;
use chrono::TimeDelta;
use mergecast::{
    config::Learning,
    github::sim::{Edits, PullHandle, PullSpec, SimRepository},
    risk::{Model, assess, facts::Facts, policy::Policy},
    service::Timing,
    store::{AssessmentRow, FailureRow, OutcomeRow, StoredOutcome},
};
use serde_json::Value;

use crate::{
    seen::see,
    support::{Ctx, Setup, run_test, run_test_with},
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

/// With the work of nights, and what becomes of a better model.
fn nightly(learning: Learning) -> Setup {
    let mut setup = Setup::default();
    setup.timing.outage = Timing::default().outage;
    setup.operations.learning = learning;
    setup
}

/// Lets a night pass, and what is due in it be done.
async fn night(ctx: &Ctx) {
    ctx.clock.set(ctx.clock.now() + TimeDelta::days(1));
    ctx.service().wake();
    ctx.rest().await;
}

async fn get(ctx: &Ctx, path: &str) -> (u16, String) {
    let answer = ctx.http.get(ctx.url(path)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn post(ctx: &Ctx, path: &str, token: &str, body: &str) -> (u16, Value) {
    let asked = ctx.http.post(ctx.url(path)).header("content-type", "application/json").body(body.to_owned());
    let answer = asked.header("authorization", format!("Bearer {token}")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Changes of [`months`] whose outcome is known by now, and failures among them, each 90 % sure.
fn known(ctx: &Ctx, like: &AssessmentRow, changes: i64) -> (usize, f64) {
    let ripe = |place: &i64| like.at - (changes - place) * DAY_MS / 3 + 30 * DAY_MS <= ctx.clock.now_ms();
    let known: Vec<i64> = (0..changes).filter(ripe).collect();
    let failed = known.iter().filter(|place| fails(**place)).count();
    (known.len(), failed as f64 * 0.9)
}

/// What `GET /api/v1/learning` says, which is as it is described.
async fn learning(ctx: &Ctx) -> Value {
    let described: Value = serde_json::from_str(&get(ctx, "/api/v1/openapi.json").await.1).unwrap();
    let shape = jsonschema::validator_for(&described["components"]["schemas"]["Learning"]).unwrap();
    let (status, said) = get(ctx, "/api/v1/learning").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    let wrong: Vec<String> = shape.iter_errors(&said).map(|error| error.to_string()).collect();
    assert!(status == 200 && wrong.is_empty(), "{wrong:?} {said}");
    said
}

#[test]
fn a_night_proposes_a_model_that_runs_in_shadow_until_somebody_puts_it_in_force() {
    run_test_with(nightly(Learning::Propose), async |ctx| {
        let pull = open(&ctx.repository(), "Count the cart", "", Edits::new().write("src/cart.rs", "one\ntwo\n"));
        let seen = see(&ctx, &pull).await;
        let shipped = Model::baseline().version.as_str();
        let said = learning(&ctx).await;
        assert_eq!((&said["in_force"], &said["looks"][0]["verdict"]), (&shipped.into(), &"too_few".into()), "{said}");
        let like = ctx.store.assessment(seen.json["id"].as_str().unwrap()).await.unwrap().unwrap();
        months(&ctx, &like, 800).await;
        night(&ctx).await;
        let said = learning(&ctx).await;
        let (proposed, look) = (&said["proposals"][0], &said["looks"][0]);
        let (changes, failed) = known(&ctx, &like, 800);
        assert_eq!((&look["changes"], &look["failed"]), (&changes.into(), &(failed.round() as i64).into()), "{said}");
        assert_eq!((&look["verdict"], &proposed["open"]), (&"proposed".into(), &true.into()), "{said}");
        assert_eq!((&said["in_force"], &proposed["shadow"]), (&shipped.into(), &Value::Null));
        let version = proposed["version"].as_str().unwrap().to_owned();
        // The next night looks at rates alone: a challenger is fitted once a month.
        night(&ctx).await;
        let said = learning(&ctx).await;
        let latest = &said["looks"][0];
        assert_eq!((&latest["verdict"], said["proposals"].as_array().map(Vec::len)), (&Value::Null, Some(1)), "{said}");
        let (_, metrics) = get(&ctx, "/metrics").await;
        let (_, failed) = known(&ctx, &like, 800);
        assert!(metrics.contains(&format!("mergecast_outcomes{{label=\"failed\"}} {}\n", failed.round())), "{metrics}");

        // In shadow: the score that is shown is the shipped model's, and the other one stands beside it.
        let lines = "line\n".repeat(900);
        let large = open(&ctx.repository(), "Count the cart", "", Edits::new().write("src/cart.rs", lines));
        let before = see(&ctx, &large).await;
        assert_eq!(before.json["model"]["version"], shipped);
        let shadow = ctx.store.shadow(&version).await.unwrap();
        assert_eq!(shadow.assessments, 1, "{shadow:?}");
        assert_eq!(learning(&ctx).await["proposals"][0]["shadow"]["assessments"], 1);

        let (code, token, err) = run(&ctx, &["token", "create", "--models", "--label", "chat"]);
        assert_eq!(code, 0, "{err}");
        let (activate, back) = ("/api/v1/learning/activate", "/api/v1/learning/rollback");
        let wanted = format!("{{\"version\":\"{version}\"}}");
        assert_eq!(post(&ctx, activate, "mergecast_models_no", &wanted).await.0, 401);
        assert_eq!(post(&ctx, activate, token.trim(), "{}").await.0, 400);
        assert_eq!(post(&ctx, activate, token.trim(), "{\"version\":\"learned-0\"}").await.0, 404);
        assert_eq!(post(&ctx, back, token.trim(), "").await.0, 409, "nothing is to be taken back");
        let (status, said) = post(&ctx, activate, token.trim(), &wanted).await;
        assert_eq!((status, &said["in_force"], &said["before"]), (200, &version.as_str().into(), &shipped.into()));
        large.label("one");
        let learned = see(&ctx, &large).await;
        assert_eq!(learned.json["model"]["version"], version.as_str());
        assert!(learned.score() > before.score(), "large changes failed: {} {}", learned.score(), before.score());
        let (status, said) = post(&ctx, back, token.trim(), "").await;
        assert_eq!((status, &said["in_force"], &said["before"]), (200, &shipped.into(), &version.as_str().into()));
        large.label("two");
        let after = see(&ctx, &large).await;
        assert_eq!((after.score(), unaged(&after.json)), (before.score(), unaged(&before.json)));
        let said = learning(&ctx).await;
        assert_eq!(said["proposals"][0]["open"], false, "what was taken back is not proposed again");
        let by = |place: usize| said["moves"][place]["by"].as_str().unwrap().to_owned();
        assert!(by(0).ends_with(" chat") && by(1).ends_with(" chat") && said["moves"][0]["what"] == "rolled_back");

        let (status, record) = get(&ctx, "/api/v1/learning/report?days=400&threshold=40&repository=acme/shop").await;
        let record: Value = serde_json::from_str(&record).unwrap();
        assert_eq!((status, &record["schema"], &record["enough"]), (200, &"mergecast.record/1".into(), &true.into()));
        let failed = record["counts"]["failed"].as_f64().unwrap();
        assert!((failed - known(&ctx, &like, 800).1).abs() < 1e-6, "{failed}");
        let (status, page) = get(&ctx, "/learning?days=20&repository=acme/shop").await;
        assert!(status == 200 && page.contains("Not enough outcomes yet"), "{status} {page}");
        for query in ["days=0", "threshold=0", "threshold=101", "days=x", "unheard=1"] {
            assert_eq!(get(&ctx, &format!("/api/v1/learning/report?{query}")).await.0, 400, "{query}");
        }
        assert_eq!(get(&ctx, "/learning?repository=acme/unheard").await.0, 404);
        ctx
    });
}

/// Where it is configured so, what is better beyond noise is put in force by itself, and the ledger says why.
#[test]
fn a_night_puts_a_better_model_in_force_where_that_is_wanted() {
    run_test_with(nightly(Learning::Activate), async |ctx| {
        let pull = open(&ctx.repository(), "Count the cart", "", Edits::new().write("src/cart.rs", "one\ntwo\n"));
        let seen = see(&ctx, &pull).await;
        let like = ctx.store.assessment(seen.json["id"].as_str().unwrap()).await.unwrap().unwrap();
        months(&ctx, &like, 800).await;
        night(&ctx).await;
        let moves = ctx.store.model_moves().await.unwrap();
        let [activated] = moves.as_slice() else { panic!("{moves:?}") };
        assert_eq!(activated.made_by, "MERGECAST_LEARNING=activate");
        pull.label("one");
        let learned = see(&ctx, &pull).await;
        assert_eq!(learned.json["model"]["version"].as_str(), activated.after.as_deref());
        ctx
    });
}

/// Large changes fail no more than others now: what was learned is given up where that is wanted, and else it is advised.
#[test]
fn a_night_says_that_what_was_learned_no_longer_holds() {
    for setting in [Learning::Propose, Learning::Activate] {
        run_test_with(nightly(setting), async |ctx| {
            let pull = open(&ctx.repository(), "Count the cart", "", Edits::new().write("src/cart.rs", "one\ntwo\n"));
            let seen = see(&ctx, &pull).await;
            let like = ctx.store.assessment(seen.json["id"].as_str().unwrap()).await.unwrap().unwrap();
            months(&ctx, &like, 700).await;
            night(&ctx).await;
            let look = learning(&ctx).await["looks"][0].clone();
            assert_eq!(look["verdict"], "proposed");
            let version = look["proposed"].as_str().unwrap();
            if setting == Learning::Propose {
                assert!(calibrate(&ctx, &["--proposals"]).1.contains("failed; open\n"));
                assert_eq!(calibrate(&ctx, &["--activate", version]).0, 0);
            }
            ctx.clock.set(ctx.clock.now() + TimeDelta::days(300));
            let now = AssessmentRow { at: ctx.clock.now_ms(), ..like };
            stored(&ctx, &now, Months { changes: 1_200, first: 2_000, fails: |place| place % 16 == 7 }).await;
            night(&ctx).await;
            let said = learning(&ctx).await;
            assert_eq!(said["looks"][0]["verdict"], "back", "{said}");
            let (_, listed, _) = calibrate(&ctx, &["--proposals"]);
            let advised = listed.contains(&format!("back advised: {version} is no better"));
            if setting == Learning::Propose {
                assert_eq!((&said["in_force"], advised), (&version.into(), true), "{listed}");
            } else {
                let shipped = Model::baseline().version.as_str();
                assert_eq!((&said["in_force"], advised), (&shipped.into(), false), "{listed}");
                assert_eq!(said["moves"][0]["by"], "MERGECAST_LEARNING=activate");
            }
            ctx
        });
    }
}
