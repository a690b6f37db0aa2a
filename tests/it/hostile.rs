//! Outsiders: texts that want to be more than text, payloads that want to break the reader, settings that want to reach
//! further than they may. Whatever comes in, what goes out is inert, and the service goes on.

use std::time::Duration;

use mergecast::{
    github::sim::{DeliveryOutcome, Edits, Permission, PullHandle, PullSpec},
    report::terminal::{self, Style},
    service::Stored,
};
use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    promises::links,
    seen::{Seen, hides, see},
    support::{Ctx, Setup, run_test, run_test_with},
};

mod leaks;

const FRAGMENTS: [&str; 14] = [
    "@acme/everyone @nora",
    "acme/shop#1 #1 GH-1",
    "![x](https://evil.example/x.png)",
    "[click](https://evil.example)",
    "https://evil.example www.evil.example",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "</td></tr></table><details open><summary>x</summary>",
    "<!-- hidden -->",
    "` `` ``` ~~~",
    "| a | b |\n| - | - |",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    "\u{202e}fdp.exe\u{200b}\u{feff}",
    "\u{1b}[31mred\u{1b}[0m\u{1b}]8;;https://evil.example\u{7}",
    ":tada: $x$ **b** # h\r\n\r\n> [!WARNING]\n- [ ] t\n",
];

fn everything() -> String {
    FRAGMENTS.join(" ")
}

/// A name without a slash or a line end, for paths, logins and labels.
fn name(fragment: &str) -> String {
    fragment.replace(['/', '\n', '\r'], "_")
}

#[test]
fn texts_from_outside_are_inert_wherever_they_are_shown() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let team = "<b>";
        shop.member("nora", Permission::Write).team(team, &["tess"]);
        shop.base_file(
            "CODEOWNERS",
            "*.sql @acme/<b> @![x](https://evil.example/x.png) <img/src=x>@evil.example\n* @nora|@omar @`x`\n",
        );
        let hostile = everything().replace(['\n', '\r', '\u{1b}', '\u{7}'], " ");
        let freeze: String = hostile.chars().take(290).collect();
        let policy = json!({
            "freezes": [{"name": freeze, "from": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}],
            "sensitive_paths": {"**/*![x](https:*": 20, "**/*<img*": 3, "**/*": 9},
        });
        shop.base_file(".github/mergecast.yml", policy.to_string());
        for (n, fragment) in FRAGMENTS.iter().enumerate() {
            let name = name(fragment);
            let statement =
                format!("DROP TABLE \"{name}\";\nALTER TABLE {name} DROP COLUMN {name};\nDROP INDEX [{name}];\n");
            let edits = Edits::new()
                .write(format!("db/migrate/{n}_{name}.sql"), statement)
                .write(format!("src/{name}/a.rs"), "let value = 1;\n".repeat(60))
                .message(format!("{fragment}\n\nThis reverts commit 0123456."));
            let spec = PullSpec {
                branch: Some(format!("topic-{n}-{name}")),
                body: Some(everything()),
                labels: vec![name.chars().take(40).collect()],
                ..PullSpec::new(format!("Revert {fragment} #{n}1"), "ada", edits)
            };
            let pull = shop.open(spec);
            pull.check(fragment, "failure");
            pull.status(&name, "pending");
            pull.request_changes("nora");
            pull.ask(&format!("x{name}"), false);
            pull.ask_team(team, true);
            let seen = see(&ctx, &pull).await;
            assert!(!seen.run.annotations.is_empty());
            shown_elsewhere(&ctx, &pull, &seen).await;
        }
        // As reviewer and as author, where the report speaks of them.
        let login = name(&everything()).replace(' ', "");
        shop.member(&login, Permission::Write);
        let pull = shop.open(PullSpec::new(everything(), login.clone(), Edits::new().write("src/z.rs", "z\n")));
        pull.request_changes(&format!("{login}2"));
        let seen = see(&ctx, &pull).await;
        shown_elsewhere(&ctx, &pull, &seen).await;
        ctx
    });
}

#[test]
fn mistakes_in_a_policy_are_quoted_without_harm() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/a.rs", "let a = 1;\n")));
        see(&ctx, &pull).await;
        for fragment in FRAGMENTS {
            let quoted = serde_json::to_string(fragment).expect("text");
            for policy in [
                format!("{quoted}: 1\n"),
                format!("mode: {quoted}\n"),
                format!("threshold: {quoted}\nignore: [{quoted}, \"[\"]\n"),
                format!("services: {{ {quoted}: {{ paths: [{quoted}], {quoted}: 3 }} }}\n"),
                format!("freezes: [{{ name: {quoted}, from: {quoted} }}]\nsensitive_paths: {{ {quoted}: {quoted} }}\n"),
                format!("{fragment}\n"),
                format!("mode: !!{fragment} x\n"),
            ] {
                shop.base_file(".github/mergecast.yml", policy.as_str());
                assert!(pull.press("rescore"));
                let seen = see(&ctx, &pull).await;
                assert_eq!(seen.conclusion(), "success", "{policy}");
                shown_elsewhere(&ctx, &pull, &seen).await;
            }
        }
        ctx
    });
}

/// The page, the list and the terminal text of an assessment.
async fn shown_elsewhere(ctx: &Ctx, pull: &PullHandle, seen: &Seen) {
    for path in ["/".to_owned(), format!("/assessments/{}", seen.run.external_id)] {
        let answer = ctx.http.get(ctx.url(&path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        check_page(&answer.text().await.expect("a page"), pull.repository());
    }
    let row = ctx.store.assessment(&seen.run.external_id).await.expect("a row").expect("it is there");
    let stored = Stored::load(&ctx.store, row, links()).await.expect("it can be computed again");
    let colours = Regex::new("\x1b\\[[0-9;]*m").expect("a pattern");
    for unicode in [true, false] {
        let text = terminal::render(&stored.subject(), Style { color: false, width: 80, unicode });
        assert!(text.chars().all(|one| one == '\n' || !hides(one)), "{text:?}");
        assert!(unicode || text.is_ascii());
        let coloured = terminal::render(&stored.subject(), Style { color: true, width: 80, unicode });
        assert_eq!(colours.replace_all(&coloured, ""), text);
    }
}

fn check_page(html: &str, repository: &str) {
    let tag = Regex::new(r"<([^>]*)>").expect("a pattern");
    for found in tag.captures_iter(html) {
        let inside = &found[1];
        let name: String = inside.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let bad = ["script", "img", "iframe", "object", "embed", "form", "details", "base", "b", "td onload"];
        assert!(!bad.contains(&name.as_str()), "<{inside}>");
        assert!(!inside.contains(" on") && !inside.contains('\''), "<{inside}>");
    }
    let link = Regex::new(r#"(?:href|src|action)\s*=\s*"([^"]*)""#).expect("a pattern");
    for found in link.captures_iter(html) {
        let to = &found[1];
        let pull = format!("https://github.example/{repository}/pull/");
        assert!(to.starts_with('/') && !to.starts_with("//") || to.starts_with('#') || to.starts_with(&pull), "{to}");
    }
    assert!(html.chars().all(|one| one == '\n' || !hides(one)), "{html:?}");
}

/// Sends bytes, correctly signed, and gives the status that they were answered with.
async fn answered(ctx: &Ctx, event: &str, body: Vec<u8>) -> u16 {
    let id = ctx.sim.send_bytes(event, body);
    ctx.settle().await;
    let sent = ctx.sim.deliveries();
    match &sent.iter().find(|delivery| delivery.guid == id).expect("it was sent").outcome {
        DeliveryOutcome::Answered(status) => *status,
        other => panic!("{event}: {other:?}"),
    }
}

/// Announces a body of so many bytes and gives the first line of the answer, before any of them is sent.
async fn announced(ctx: &Ctx, bytes: usize) -> String {
    let mut stream = tokio::net::TcpStream::connect(ctx.service().address()).await.expect("a connection");
    let head = format!("POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 512];
    let read = stream.read(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn poisoned_payloads_get_a_clear_answer_and_nothing_stops() {
    let patient = |options: &mut mergecast::github::sim::SimOptions| options.hook_deadline = Duration::from_secs(60);
    run_test_with(Setup { may_bury: true, sim: patient, ..Setup::default() }, async |ctx| {
        let pull = ctx.repository().open(PullSpec::new("Count", "ada", Edits::new().write("src/a.rs", "let a = 1;\n")));
        see(&ctx, &pull).await;
        let good = ctx.sim.deliveries().into_iter().find(|sent| sent.event == "pull_request").expect("it").payload;
        let requests = ctx.sim.requests();
        let with = |pointer: &str, value: Value| {
            let mut payload = good.clone();
            *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
            payload.to_string().into_bytes()
        };
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let refused: Vec<Vec<u8>> = vec![
            vec![],
            b"null".to_vec(),
            b"[]".to_vec(),
            b"\"text\"".to_vec(),
            b"{".to_vec(),
            vec![0xff, 0xfe, 0x00],
            nested(100_000).into_bytes(),
            b"{\"action\":\"opened\",\"installation\":{\"id\":-1}}".to_vec(),
            b"{\"action\":\"opened\",\"installation\":{\"id\":1e400}}".to_vec(),
            b"{\"action\":5}".to_vec(),
            with("/installation/id", json!("one")),
        ];
        for body in refused {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answered(&ctx, "pull_request", body).await, 400, "{shown}");
        }
        let buried = ctx.store.inbox_counts().await.expect("counts").buried;
        let unreadable: Vec<Vec<u8>> = vec![
            b"{}".to_vec(),
            format!("{{\"action\":\"opened\",\"x\":{}}}", nested(100_000)).into_bytes(),
            format!("{{\"action\":\"opened\",\"pull_request\":{}}}", nested(100_000)).into_bytes(),
            b"{\"action\":\"opened\"}".to_vec(),
            with("/pull_request", json!([])),
            with("/pull_request/number", json!(-7)),
            with("/pull_request/number", json!(1e30)),
            with("/pull_request/head", json!(null)),
            with("/pull_request/head/sha", json!({"a": 1})),
            with("/repository", json!("acme/shop")),
            with("/repository/full_name", json!("../../../etc/passwd")),
            with("/repository/full_name", json!("acme/..")),
            with("/repository/full_name", json!("acme/shop/../../orgs/acme")),
            with("/repository/full_name", json!("acme/shop?x=1#")),
            with("/repository/full_name", json!("evil.example/a\r\nHost: x")),
            with("/repository/full_name", json!("")),
        ];
        let sent = unreadable.len() as i64;
        for body in unreadable {
            let status = answered(&ctx, "pull_request", body).await;
            assert!(status == 202 || status == 200, "{status}");
        }
        let counts = ctx.store.inbox_counts().await.expect("counts");
        assert!(counts.buried > buried && counts.buried <= buried + sent, "{} buried", counts.buried);
        assert_eq!(ctx.sim.requests(), requests, "none of it made a request to GitHub");

        assert_eq!(
            answered(&ctx, "pull_request", with("/pull_request/title", json!("x".repeat(24_000_000)))).await,
            202
        );
        assert_eq!(announced(&ctx, 25 * 1024 * 1024 + 1).await, "HTTP/1.1 413 Payload Too Large");
        assert_eq!(answered(&ctx, "no_such_event", b"{}".to_vec()).await, 200);
        assert_eq!(answered(&ctx, "\u{2603}", b"{}".to_vec()).await, 400);
        assert_eq!(answered(&ctx, &"x".repeat(5_000), b"{}".to_vec()).await, 200);
        ctx.sim.clear();
        pull.push(Edits::new().write("src/b.rs", "let b = 1;\n"));
        assert_eq!(see(&ctx, &pull).await.conclusion(), "success");
        ctx
    });
}

#[test]
fn a_codeowners_file_can_be_huge_or_hostile() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let edits = (0..60).fold(Edits::new(), |edits, n| {
            edits.write(format!("{}/deep/file{n}.rs", ["aaaaaaaa"; 12].join("/")), "let a = 1;\n")
        });
        let pull = shop.open(PullSpec::new("Count", "ada", edits));
        see(&ctx, &pull).await;
        let many: String = (0..40_000).map(|n| format!("/src/module{n}/**/x*.rs @nora\n")).collect();
        let stars = format!("{}a @nora\n", "**/a*a*a*a*a*/".repeat(12));
        let groups = "(a+)+$ @nora\n*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b @nora\n".repeat(500);
        let too_large = "/x @nora\n".repeat(3 * 1024 * 1024 / 9 + 9);
        let fallback = "* @nora\n";
        for (case, text, owned) in [
            ("many", format!("{fallback}{many}"), Some(60.0)),
            ("stars", format!("{fallback}{}", stars.repeat(300)), Some(60.0)),
            ("groups", format!("{fallback}{groups}"), Some(60.0)),
            ("one long line", format!("{fallback}/x {}\n", "@nora ".repeat(200_000)), Some(60.0)),
            ("too large", too_large, None),
            ("binary", format!("{fallback}\0\0\0"), None),
        ] {
            shop.base_file("CODEOWNERS", text);
            assert!(pull.press("rescore"));
            let seen = see(&ctx, &pull).await;
            assert_eq!(seen.value("owner_review"), owned, "{case}: {}", seen.words("owner_review"));
        }
        ctx
    });
}

#[test]
fn a_policy_can_neither_blow_up_nor_name_a_host() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/a.rs", "let a = 1;\n")));
        see(&ctx, &pull).await;
        let laughs: String = (1..12)
            .map(|n| {
                format!(
                    "l{n}: &l{n} [{}]\n",
                    format!("*l{}", n - 1).repeat(9).replace('*', ", *").trim_start_matches(", ")
                )
            })
            .collect();
        let host = "http://169.254.169.254/latest";
        let bombs = [
            ("aliases", format!("l0: &l0 [lol]\n{laughs}")),
            ("merge keys", "a: &a { b: 1 }\nc: { <<: *a }\n".to_owned()),
            ("depth", format!("ignore: {}{}\n", "[".repeat(50_000), "]".repeat(50_000))),
            ("block depth", (0..3_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
            ("a megabyte", format!("ignore: [\"{}\"]\n", "x".repeat(1_000_000))),
            ("many", format!("ignore: [{}]\n", "\"a/**\", ".repeat(7_000))),
            ("nested globs", format!("ignore: [\"{}\"]\n", "{a,".repeat(90))),
            ("two documents", "mode: enforce\n---\nmode: advisory\n".to_owned()),
            ("tag", "mode: !!python/object/apply:os.system [\"true\"]\n".to_owned()),
            ("binary", "mode: \0\n".to_owned()),
            ("host", format!("datadog: {{ site: {host} }}\n")),
            ("url", format!("api_url: {host}\n")),
            ("service", format!("services: {{ a: {{ paths: [\"**\"], url: \"{host}\" }} }}\n")),
            ("slo", format!("services: {{ a: {{ paths: [\"**\"], slos: [\"{host}?x=1\"] }} }}\n")),
        ];
        for (case, policy) in bombs {
            shop.base_file(".github/mergecast.yml", policy);
            assert!(pull.press("rescore"));
            let seen = see(&ctx, &pull).await;
            let errors = seen.json["policy"]["errors"].as_array().expect("a list");
            assert!(!errors.is_empty() && errors.len() <= 21, "{case}: {errors:?}");
            assert_eq!((seen.conclusion(), seen.json["policy"]["source"].is_null()), ("success", true), "{case}");
        }
        ctx
    });
}
