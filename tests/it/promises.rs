//! What every score promises: it adds up, its ways down come true, its remarks stand on changed lines, it is the same
//! when it is computed again, and the API says what its description says.

use std::{collections::BTreeMap, fmt};

use mergecast::{
    github::sim::{Edits, Permission, PullHandle, PullSpec, SimRepository},
    service::{Links, Stored},
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::{
    seen::{Seen, see},
    support::{Ctx, run_test},
};

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("let value_{n} = read({n});\n")).collect()
}

const PLACES: [&str; 10] = [
    "src/cart.rs",
    "tests/cart.rs",
    "docs/cart.md",
    "infra/main.tf",
    ".github/workflows/ci.yml",
    "package.json",
    "src/auth/token.rs",
    "src/payments/charge.py",
    "db/migrate/1_x.sql",
    "vendor/x/y.go",
];
const TITLES: [&str; 5] = ["fix: cart", "Add a cart", "Faster by default", "Enable it, refactor it", "chore: typo"];

/// Changes of many sizes, places, kinds and states of review, each the next mix.
fn varied(shop: &SimRepository, n: usize) -> PullHandle {
    let size = [0, 1, 3, 12, 60, 400, 2_400][n % 7];
    let files = [1, 2, 4, 9][n % 4];
    let edits = (0..files).fold(Edits::new(), |edits, k| {
        let text =
            if PLACES[(n + k) % 10].ends_with("sql") { "DROP TABLE t;\n".repeat(size) } else { lines(size / (k + 1)) };
        edits.write(PLACES[(n + k) % 10], text)
    });
    let draft = n % 11 == 3;
    let pull =
        shop.open(PullSpec { draft, ..PullSpec::new(TITLES[n % 5], ["ada", "dependabot[bot]"][n % 3 / 2], edits) });
    match n % 6 {
        1 => drop(pull.approve("nora")),
        2 => drop(pull.request_changes("nora")),
        3 => pull.check("build", "failure"),
        4 => pull.check_started("build"),
        _ => {}
    }
    pull
}

#[test]
fn thirty_varied_changes_add_up_and_are_the_same_when_computed_again() {
    run_test(async |mut ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file("CODEOWNERS", "/src/ @nora\n*.sql @omar\n");
        let pulls: Vec<PullHandle> = (0..30).map(|n| varied(&shop, n)).collect();
        let mut scores = Vec::new();
        for pull in &pulls {
            // `see` holds the sum in the JSON, the table and the limits.
            scores.push(see(&ctx, pull).await.score());
        }
        scores.sort_unstable();
        scores.dedup();
        assert!(scores.len() > 12, "the changes are varied: {scores:?}");
        let before = replayed(&ctx).await;
        assert!(before.len() >= 30);
        ctx.stop_service().await;
        ctx.start_service().await;
        assert_eq!(replayed(&ctx).await, before);
        ctx
    });
}

/// The document of every assessment that is stored, computed again and held to what it was.
async fn replayed(ctx: &Ctx) -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    for id in ctx.store.all_ids(None, 10_000).await.expect("ids") {
        let row = ctx.store.assessment(&id).await.expect("a row").expect("it is there");
        let stored = Stored::load(&ctx.store, row, links()).await.expect("it can be computed again");
        assert!(stored.is_same(), "{id} differs");
        let document = mergecast::report::json::render(&stored.subject());
        documents.insert(id, serde_json::to_string(&document).expect("JSON"));
    }
    documents
}

pub(crate) fn links() -> Links {
    Links {
        public_url: Some("https://mergecast.example".to_owned()),
        github_url: Some("https://github.example".to_owned()),
    }
}

#[test]
fn ways_down_come_true_to_the_point() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let open = |path: &str, size| shop.open(PullSpec::new("Count", "ada", Edits::new().write(path, lines(size))));
        let target =
            |seen: &Seen, action: &str| seen.way(action).unwrap_or_else(|| panic!("{action}: {}", seen.json)).1;

        let pull = open("src/a.rs", 20);
        let promised = target(&see(&ctx, &pull).await, "Have somebody with write access approve");
        pull.approve("nora");
        assert_eq!(see(&ctx, &pull).await.score(), promised);

        pull.request_changes("nora");
        let promised = target(&see(&ctx, &pull).await, "Settle the changes requested by nora");
        pull.approve("nora");
        assert_eq!(see(&ctx, &pull).await.score(), promised);

        let pull = open("src/b.rs", 20);
        pull.check("build", "failure");
        pull.check_started("lint");
        let promised = target(&see(&ctx, &pull).await, "Get these checks to pass");
        pull.check("build", "success");
        pull.check("lint", "success");
        assert_eq!(see(&ctx, &pull).await.score(), promised);

        // The promise is for a new test beside the source, half as long.
        for size in [200, 600] {
            let pull = open("src/pay/c.rs", size);
            let promised = target(&see(&ctx, &pull).await, "Change tests along");
            pull.push(Edits::new().write("src/pay/c_test.rs", "assert!(true);\n".repeat(size / 2)));
            assert_eq!(see(&ctx, &pull).await.score(), promised, "{size} lines");
        }
        ctx
    });
}

#[test]
fn remarks_stand_on_changed_lines_of_files_that_are_there_and_never_twice() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let long = lines(80);
        shop.base_files(Edits::new().write("src/long.rs", long.as_str()).write("src/gone.rs", lines(9)));
        shop.base_file("CODEOWNERS", "/src/ @nora\n/src/long.rs @omar\n");
        let shorter = long.rsplit_once("let value_78").expect("a line").0;
        let statements: String = (0..70).map(|n| format!("\nALTER TABLE t{n} DROP COLUMN c;\n")).collect();
        let edits = Edits::new()
            .write("src/long.rs", shorter)
            .remove("src/gone.rs")
            .write("migrations/1_drop.sql", statements.as_str());
        let pull = shop.open(PullSpec::new("Drop columns", "ada", edits));
        let seen = see(&ctx, &pull).await;
        let remarks = &seen.run.annotations;
        assert_eq!(remarks.len(), 50, "no more than can be read");
        let mut on_lines = 0;
        for remark in remarks {
            let (path, line) = (remark["path"].as_str().expect("a path"), remark["start_line"].as_u64().expect("it"));
            assert_eq!(remark["end_line"].as_u64(), Some(line));
            match path {
                "migrations/1_drop.sql" => {
                    let text = statements.lines().nth(line as usize - 1).expect("a line of the file");
                    assert!(text.contains("DROP COLUMN"), "{line}: {text}");
                    on_lines += 1;
                }
                // Its last two lines are taken away; the hunk shows three lines above them.
                "src/long.rs" => assert!((75..=78).contains(&line), "line {line} is not in the diff"),
                other => panic!("{other} is not on the head"),
            }
        }
        assert!(on_lines >= 40);
        assert_eq!(seen.value("schema_change"), Some(70.0));
        assert!(seen.summary().contains("only 50 of 70 statements named"), "{}", seen.summary());

        for _ in 0..2 {
            assert!(pull.rerequest());
            assert_eq!(see(&ctx, &pull).await.run.annotations, *remarks);
        }
        pull.approve("omar");
        assert_eq!(see(&ctx, &pull).await.run.annotations, *remarks);
        ctx
    });
}

#[test]
fn limits_hold_for_three_thousand_files_of_long_paths() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let deep = ["a-rather-long-name-of-a-directory"; 7].join("/");
        let rules: String = (0..200).map(|n| format!("/{deep}/{n:04}* @owner-{n} @acme/team-{n}\n")).collect();
        shop.base_file("CODEOWNERS", rules);
        let edits = (0..3_000).fold(Edits::new(), |edits, n| {
            let ending = ["sql", "rs", "tf"][n % 3];
            edits.write(format!("{deep}/{:04}|`{n}`.{ending}", n % 300), "DROP TABLE a;\n")
        });
        let pull = shop.open(PullSpec::new("Move everything", "ada", edits));
        (0..120).for_each(|n| pull.status(&format!("{}/{n}", "check".repeat(40)), "failure"));
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.value("diffusion"), Some(3_000.0));
        assert_eq!(seen.run.annotations.len(), 50);
        ctx
    });
}

/// An object's keys in the order in which they stand.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Keys;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

async fn get(ctx: &Ctx, path: &str) -> (u16, reqwest::header::HeaderMap, String) {
    let answer = ctx.http.get(ctx.url(path)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.expect("a body"))
}

fn drop_and_more() -> Edits {
    Edits::new().write("db/migrate/1.sql", "DROP TABLE t;\n").write("src/a.rs", lines(3))
}

/// The document's keys as they are promised, in this order; `schema` and `clamped` are ours besides.
const PROMISED: &str = "id, at, repository, pull_request, head_sha, base_sha, merge_group, score, level, range, base, \
    contributions, floors, probability, ways_down, verdict, services, sources, model, policy, facts_digest";
const PROMISED_WITHIN: [(&str, &str); 9] = [
    ("/range", "low, high"),
    ("/contributions/0", "signal, points, value, unit, status, reason, evidence"),
    ("/floors/0", "rule, at_least, applied, exempt_because"),
    ("/ways_down/0", "action, points, target_score"),
    ("/verdict", "mode, threshold, conclusion, override"),
    ("/sources/0", "name, status, as_of, detail"),
    ("/model", "version, fitted_at"),
    ("/policy", "source, errors"),
    ("/policy/errors/0", "line, message"),
];

#[test]
fn the_api_says_what_its_description_says() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file(".github/mergecast.yml", "mode: never\n");
        let pull = shop.open(PullSpec::new("Drop", "ada", drop_and_more()));
        let seen = see(&ctx, &pull).await;
        let (status, headers, by_sha) =
            get(&ctx, &format!("/api/v1/assessments/acme/shop/by-sha/{}", pull.head_sha())).await;
        assert_eq!((status, headers["content-type"].as_bytes()), (200, &b"application/json"[..]));
        let (_, _, by_number) = get(&ctx, &format!("/api/v1/assessments/acme/shop/{}", pull.number())).await;
        assert_eq!(by_sha, by_number);

        let Keys(keys) = serde_json::from_str(&by_sha).expect("an object");
        let ours: Vec<&str> =
            keys.iter().map(String::as_str).filter(|key| !["schema", "clamped"].contains(key)).collect();
        assert_eq!(ours.join(", "), PROMISED);
        for (at, promised) in PROMISED_WITHIN {
            let object = seen.json.pointer(at).and_then(Value::as_object).unwrap_or_else(|| panic!("{at}"));
            for key in promised.split(", ") {
                assert!(object.contains_key(key), "{at} has no {key}");
            }
        }
        let (_, _, description) = get(&ctx, "/api/v1/openapi.json").await;
        let description: Value = serde_json::from_str(&description).expect("JSON");
        let shape = &description["components"]["schemas"]["Assessment"];
        let validator = jsonschema::validator_for(shape).expect("a schema");
        assert!(validator.is_valid(&seen.json));
        for required in shape["required"].as_array().expect("a list") {
            assert!(keys.iter().any(|key| required == key), "{required}");
        }
        for key in &keys {
            assert!(!shape["properties"][key].is_null(), "{key} is not described");
        }
        ctx
    });
}

#[test]
fn pages_are_guarded_and_what_is_not_there_says_so_in_json() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(PullSpec::new("Count", "ada", Edits::new().write("src/a.rs", lines(3))));
        let seen = see(&ctx, &pull).await;
        for path in ["/", &format!("/assessments/{}", seen.run.external_id)] {
            let (status, headers, body) = get(&ctx, path).await;
            assert_eq!(status, 200, "{path}");
            let policy = headers["content-security-policy"].to_str().expect("text");
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert!(headers["content-type"].to_str().expect("text").starts_with("text/html"), "{path}");
            assert!(body.contains("Count") && !body.contains("<script"));
        }
        let unknown = "0".repeat(40);
        for (path, expected) in [
            ("/nothing", 404),
            ("/assessments/nothing", 404),
            ("/api/v1/nothing", 404),
            ("/api/v1/assessments/acme/shop/4711", 404),
            ("/api/v1/assessments/acme/other/1", 404),
            ("/api/v1/assessments/acme/shop/-1", 404),
            ("/api/v1/assessments/acme/shop/one", 400),
            ("/api/v1/assessments/acme/shop/99999999999999999999", 400),
            (&format!("/api/v1/assessments/acme/shop/by-sha/{unknown}"), 404),
            ("/api/v1/assessments/acme/shop/by-sha/%27%20OR%201=1", 404),
            ("/api/v1/assessments/%ff/shop/1", 400),
            ("/webhooks/github", 405),
        ] {
            let (status, headers, body) = get(&ctx, path).await;
            assert_eq!(status, expected, "{path}: {body}");
            let json: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path} answers {body:?}"));
            assert!(json["error"].is_string() && json["hint"].is_string(), "{path}: {body}");
            assert_eq!(headers["content-type"], "application/json", "{path}");
        }
        ctx
    });
}
