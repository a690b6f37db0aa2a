//! `POST /webhooks/github`: what is let in, what is turned away and how, and that what is taken is safe first.

use rusqlite::Connection;

use crate::{
    post::{Post, signature},
    support::{Ctx, Setup, run_test, run_test_with},
};

const OPENED: &[u8] = br#"{"action":"opened","number":1}"#;

/// The database's file, seen by somebody else.
fn database(ctx: &Ctx) -> Connection {
    Connection::open(ctx.directory.path().join("mergecast.db")).unwrap()
}

/// Deliveries in the database's file with this id.
fn rows(ctx: &Ctx, id: &str) -> i64 {
    database(ctx).query_row("SELECT COUNT(*) FROM inbox WHERE delivery_id = $1", [id], |row| row.get(0)).unwrap()
}

fn all_rows(ctx: &Ctx) -> i64 {
    database(ctx).query_row("SELECT COUNT(*) FROM inbox", [], |row| row.get(0)).unwrap()
}

fn form(json: &[u8]) -> Vec<u8> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", std::str::from_utf8(json).unwrap());
    form.finish().into_bytes()
}

/// GitHub's published vector: a secret, a body and their signature.
const VECTOR: (&str, &[u8], &str) = (
    "It's a Secret to Everybody",
    b"Hello, World!",
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
);

#[test]
fn the_published_signature_is_taken_and_no_other() {
    let (secret, body, published) = VECTOR;
    run_test_with(Setup { other_secret: Some(secret), ..Setup::default() }, async |ctx| {
        assert_eq!(signature(secret, body), published);
        let mut post = Post::new(&ctx, "vector", "ping", body);
        post.signature = Some(published.to_owned());
        // The signature is good, and what it signs is no delivery.
        assert_eq!(post.status(&ctx).await, 400);
        for at in 7..published.len() {
            let mut forged = published.to_owned().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            post.signature = Some(String::from_utf8(forged).unwrap());
            assert_eq!(post.status(&ctx).await, 401, "digit {at}");
        }
        ctx
    });
}

#[test]
fn whoever_cannot_sign_learns_nothing_and_leaves_nothing() {
    run_test(async |ctx| {
        let good = signature("simulated-secret-1", OPENED);
        let digits = good.strip_prefix("sha256=").unwrap();
        let wrong = [
            None,
            Some(String::new()),
            Some("sha256=".to_owned()),
            Some(digits.to_owned()),
            Some(format!("sha1={digits}")),
            Some(format!("SHA256={digits}")),
            Some(format!("sha256={}", &digits[..62])),
            Some(format!("sha256={}", &digits[..63])),
            Some(format!("sha256={digits}00")),
            Some(format!("sha256= {digits}")),
            Some(format!("sha256={}", "z".repeat(64))),
            Some(format!("sha256={}", "0".repeat(64))),
            Some(signature("", OPENED)),
            Some(signature("simulated-secret-2", OPENED)),
            Some(signature("simulated-secret-1", b"another body")),
        ];
        for signature in wrong {
            let post = Post { signature: signature.clone(), ..Post::new(&ctx, "forged", "pull_request", OPENED) };
            let (status, _, answer) = post.send(&ctx).await;
            assert_eq!(status, 401, "{signature:?}");
            // What would be wrong besides makes no difference: nothing of it is looked at.
            for body in [&b"{"[..], b"", b"[]", b"\xff\xfe"] {
                let malformed = Post { body: body.to_vec(), id: None, event: None, ..post.clone() };
                let (status, _, same) = malformed.send(&ctx).await;
                assert_eq!((status, &same), (401, &answer), "{signature:?} over {body:?}");
            }
        }
        assert_eq!(all_rows(&ctx), 0);
        assert_eq!(Post::new(&ctx, "good", "ping", OPENED).status(&ctx).await, 202);
        ctx
    });
}

#[test]
fn during_a_rotation_both_secrets_sign() {
    run_test_with(Setup { other_secret: Some("the one before"), ..Setup::default() }, async |ctx| {
        let mut post = Post::new(&ctx, "new", "ping", b"{}");
        assert_eq!(post.status(&ctx).await, 202);
        post.id = Some("old".to_owned());
        post.signature = Some(signature("the one before", &post.body));
        assert_eq!(post.status(&ctx).await, 202);
        post.id = Some("neither".to_owned());
        post.signature = Some(signature("the one after", &post.body));
        assert_eq!(post.status(&ctx).await, 401);
        ctx
    });
}

#[test]
fn each_delivery_gets_its_status() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        let of = |id: &str, event: &str, body: &[u8]| Post::new(&ctx, id, event, body);
        let typed = |kind: Option<&str>, body: &[u8], id: &str| Post {
            content_type: kind.map(str::to_owned),
            ..Post::new(&ctx, id, "ping", body)
        };
        let form_type = Some("application/x-www-form-urlencoded");
        let long = "a".repeat(65);
        let cases = [
            ("a delivery", of("1", "ping", OPENED), 202),
            ("the same once more", of("1", "ping", OPENED), 200),
            ("the same id, another body", of("1", "push", b"{}"), 200),
            ("an unknown event", of("2", "sponsorship", br#"{"action":"created"}"#), 200),
            ("an unknown action", of("3", "pull_request", br#"{"action":"enshrined"}"#), 202),
            ("no action", of("4", "push", b"{}"), 202),
            ("a ping", of("5", "ping", br#"{"zen":"Design for failure."}"#), 202),
            ("a charset", typed(Some("application/json; charset=utf-8"), OPENED, "6"), 202),
            ("a type in capitals", typed(Some("Application/JSON"), OPENED, "7"), 202),
            ("a form", typed(form_type, &form(OPENED), "8"), 202),
            ("a form once more", typed(form_type, &form(OPENED), "8"), 200),
            ("JSON that claims to be a form", typed(form_type, OPENED, "9"), 400),
            ("a form that claims to be JSON", typed(Some("application/json"), &form(OPENED), "10"), 400),
            ("a form without a payload", typed(form_type, b"load=%7B%7D", "11"), 400),
            ("a form with half a payload", typed(form_type, &form(&OPENED[..9]), "12"), 400),
            ("half a payload", of("13", "pull_request", &OPENED[..9]), 400),
            ("nothing", of("14", "pull_request", b""), 400),
            ("a number", of("15", "pull_request", b"1"), 400),
            ("null", of("16", "pull_request", b"null"), 400),
            ("a list", of("17", "pull_request", b"[]"), 400),
            ("a list of as many as there are fields", of("18", "pull_request", b"[null,null]"), 400),
            ("two objects", of("19", "pull_request", b"{}{}"), 400),
            ("an action that is a number", of("20", "pull_request", br#"{"action":7}"#), 400),
            ("not UTF-8", of("21", "pull_request", b"{\"action\":\"\xff\"}"), 400),
            ("a nest", of("22", "pull_request", &[b"{\"a\":".repeat(9_000), b"1".to_vec()].concat()), 400),
            ("an unknown event that is no JSON", of("23", "sponsorship", b"{"), 400),
            ("no event", Post { event: None, ..of("24", "", OPENED) }, 400),
            ("an empty event", of("25", "", OPENED), 400),
            ("no id", Post { id: None, ..of("", "pull_request", OPENED) }, 400),
            ("an empty id", of("", "pull_request", OPENED), 400),
            ("a long id", of(&long, "pull_request", OPENED), 400),
            ("an id of two words", of("a b", "pull_request", OPENED), 400),
            ("text", typed(Some("text/plain"), OPENED, "26"), 415),
            ("no type", typed(None, OPENED, "27"), 415),
            ("a multipart form", typed(Some("multipart/form-data; boundary=x"), OPENED, "28"), 415),
        ];
        let mut stored = 0;
        for (name, post, expected) in cases {
            let (status, retry_after, answer) = post.send(&ctx).await;
            assert_eq!(status, expected, "{name}: {answer}");
            assert!(status < 300 || answer["error"].is_string() && answer["hint"].is_string(), "{name}: {answer}");
            assert_eq!(retry_after, None, "{name}");
            // What is acknowledged as stored is in the file before the answer; what is refused never is.
            stored += i64::from(status == 202);
            assert_eq!(all_rows(&ctx), stored, "{name}");
        }
        let bodies = "SELECT body FROM inbox WHERE delivery_id IN ('1', '8')";
        let same: Vec<Vec<u8>> = database(&ctx)
            .prepare(bodies)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(same, [OPENED, OPENED]);
        ctx
    });
}

#[test]
fn an_unknown_action_is_kept_and_nothing_follows() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.open(mergecast::github::sim::PullSpec::new("Wait", "ada", mergecast::github::sim::Edits::new()));
        ctx.settle().await;
        let opened = ctx.sim.deliveries().into_iter().find(|each| each.event == "pull_request").unwrap();
        let (requests, jobs) = (ctx.sim.requests(), ctx.store.job_counts().await.unwrap());
        let mut payload = opened.payload;
        payload["action"] = "enshrined".into();
        let post = Post::new(&ctx, "unknown-action", "pull_request", payload.to_string());
        assert_eq!(post.status(&ctx).await, 202);
        ctx.settle().await;
        let state: String = database(&ctx)
            .query_row("SELECT state FROM inbox WHERE delivery_id = 'unknown-action'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(state, "ignored");
        assert_eq!(ctx.sim.requests(), requests);
        assert_eq!(ctx.store.job_counts().await.unwrap(), jobs);
        ctx
    });
}

#[test]
fn what_was_given_up_is_taken_up_again_when_it_is_redelivered() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        let post = Post::new(&ctx, "unreadable", "pull_request", OPENED);
        for _ in 0..2 {
            assert_eq!(post.status(&ctx).await, 202);
            ctx.settle().await;
            assert_eq!(ctx.store.inbox_counts().await.unwrap().buried, 1);
        }
        assert_eq!(all_rows(&ctx), 1);
        ctx
    });
}

#[test]
fn sixty_four_at_once_are_one_delivery() {
    run_test(async |ctx| {
        let post = Post::new(&ctx, "one", "ping", b"{}");
        let answers = futures_util::future::join_all((0..64).map(|_| post.status(&ctx))).await;
        let of = |status: u16| answers.iter().filter(|each| **each == status).count();
        assert_eq!((of(202), of(200)), (1, 63), "{answers:?}");
        assert_eq!(rows(&ctx, "one"), 1);
        ctx
    });
}

#[test]
fn a_delivery_is_kept_when_it_is_acknowledged() {
    run_test(async |mut ctx| {
        for n in 0..50 {
            let id = format!("kept-{n}");
            assert_eq!(Post::new(&ctx, &id, "ping", b"{}").status(&ctx).await, 202);
            assert_eq!(rows(&ctx, &id), 1, "acknowledged before it was durable");
        }
        ctx.stop_service().await;
        ctx.start_service().await;
        // It was acknowledged, so it stays known.
        assert_eq!(Post::new(&ctx, "kept-7", "ping", b"{}").status(&ctx).await, 200);
        ctx
    });
}

#[test]
fn the_route_takes_posts_alone() {
    run_test(async |ctx| {
        for method in [reqwest::Method::GET, reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
            let answer = ctx.http.request(method.clone(), ctx.url("/webhooks/github")).send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method}");
            assert_eq!(answer.headers()["allow"], "POST", "{method}");
        }
        assert_eq!(ctx.http.post(ctx.url("/webhooks/gitlab")).send().await.unwrap().status(), 404);
        ctx
    });
}
