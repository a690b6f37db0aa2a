//! What the work of a night makes of outcomes: it proposes, puts in force where that is wanted, and says what no longer holds.

use chrono::TimeDelta;
use mergecast::{config::Learning, github::sim::Edits, risk::Model, service::Timing, store::AssessmentRow};
use serde_json::Value;

use super::{DAY_MS, Months, calibrate, fails, months, open, run, stored, unaged};
use crate::{
    seen::see,
    support::{Ctx, Setup, run_test_with},
};

/// With the work of nights, and what becomes of a better model.
pub(super) fn nightly(learning: Learning) -> Setup {
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
        // A person takes it back: what comes next is proposed, and not put in force over their decision.
        assert_eq!(calibrate(&ctx, &["--rollback"]).0, 0);
        ctx.clock.set(ctx.clock.now() + TimeDelta::days(31));
        night(&ctx).await;
        let said = learning(&ctx).await;
        assert_eq!(said["looks"][0]["verdict"], "proposed", "{said}");
        assert_eq!(
            (&said["in_force"], said["moves"].as_array().map(Vec::len)),
            (&Model::baseline().version.as_str().into(), Some(2))
        );
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
