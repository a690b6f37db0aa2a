//! Overrides through the front door: who may, on what, until when, and how all of it is shown.

use std::time::Duration;

use chrono::TimeDelta;
use mergecast::{
    github::sim::{Edits, Permission, PullHandle, PullSpec, SimRepository, Times, WebhookFault, WebhookFaultKind},
    service::Stored,
};

use crate::{
    commands::{said, say, scored},
    recovery::recovering,
    seen::{Seen, glance, inert, see},
    support::{Ctx, run_test, run_test_with, start},
};

const REFUSED: [&str; 2] = ["eyes", "-1"];
const ENFORCE: &str = "mode: enforce\nthreshold: 1\n";

/// As [`scored`], and held back.
pub(crate) async fn held(ctx: &Ctx, more: &str) -> (SimRepository, PullHandle) {
    ctx.repository().base_file(".github/mergecast.yml", format!("{ENFORCE}{more}"));
    let (shop, pull) = scored(ctx).await;
    assert_eq!(glance(ctx, &pull).await.conclusion(), "action_required");
    (shop, pull)
}

pub(crate) fn buttons(seen: &Seen) -> Vec<&str> {
    let last = seen.run.writes.last().expect("it was written");
    let actions = last.body["actions"].as_array().expect("buttons");
    actions.iter().filter_map(|one| one["identifier"].as_str()).collect()
}

pub(crate) fn in_force(seen: &Seen) -> bool {
    let shown = !seen.json["verdict"]["override"].is_null();
    assert_eq!(shown, seen.title().contains("overridden"), "{}", seen.title());
    assert_eq!(shown, seen.summary().contains("Overridden by"), "{}", seen.summary());
    assert_eq!(seen.conclusion(), if shown { "success" } else { "action_required" });
    shown
}

/// What the ledger says, in order.
fn ledger(ctx: &Ctx) -> Vec<String> {
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    let sql = "SELECT what || ' ' || COALESCE(login, '') FROM override_events ORDER BY at, override_id, ends";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|row| row.unwrap().trim().to_owned()).collect()
}

#[test]
fn an_override_passes_says_who_and_why_and_ends_by_itself() {
    run_test(async |ctx| {
        let (_, pull) = held(&ctx, "").await;
        let before = glance(&ctx, &pull).await;
        assert_eq!(buttons(&before), ["rescore", "acknowledge"]);
        assert!(before.summary().contains("/risk override <reason>"), "{}", before.summary());
        let said = say(&ctx, &pull, "nora", "/risk override The fix cannot wait for 30m").await;
        assert_eq!(said.reactions, ["eyes", "+1"]);
        let reply = format!(
            "Overridden by `nora` until 2026-03-03 10:30 UTC: The fix cannot wait. It was made at {} of 100 (threshold 1), \
             is for `{}` alone, and ends with the next push, when the base branch is changed, or with \
             `/risk override cancel`.\n",
            before.score(),
            &pull.head_sha()[..7],
        );
        assert_eq!(said.reply(), reply);
        let seen = glance(&ctx, &pull).await;
        assert!(in_force(&seen));
        assert_eq!(seen.score(), before.score(), "the score stays");
        assert_eq!(buttons(&seen), ["rescore"]);
        let shown = &seen.json["verdict"]["override"];
        assert_eq!((shown["by"].as_str(), shown["reason"].as_str()), (Some("nora"), Some("The fix cannot wait")));
        assert_eq!(shown["until"].as_str(), Some("2026-03-03T10:30:00Z"));
        assert_eq!(
            (shown["score"].as_i64(), shown["head_sha"].as_str()),
            (Some(seen.score()), Some(pull.head_sha().as_str()))
        );
        for words in ["Overridden by `nora` until 2026-03-03 10:30 UTC", "The fix cannot wait", "/risk override cancel"]
        {
            assert!(seen.summary().contains(words), "{words}: {}", seen.summary());
        }
        // Neither a score in between nor closing ends it; time does, to the second.
        pull.close();
        pull.reopen();
        ctx.clock.advance(Duration::from_secs(1_799));
        say(&ctx, &pull, "nora", "/risk rescore").await;
        assert!(in_force(&glance(&ctx, &pull).await));
        ctx.settle().await;
        let after = see(&ctx, &pull).await;
        assert!(!in_force(&after));
        assert_eq!(buttons(&after), ["rescore", "acknowledge"]);
        assert_eq!(ledger(&ctx), ["made nora", "expired"]);
        // Each of them comes out again from its facts.
        for row in ctx.store.recent(100).await.unwrap() {
            let row = ctx.store.assessment(&row.id).await.unwrap().unwrap();
            let links = mergecast::service::Links {
                public_url: Some("https://mergecast.example".to_owned()),
                github_url: Some("https://github.example".to_owned()),
            };
            assert!(Stored::load(&ctx.store, row, links).await.unwrap().is_same());
        }
        ctx
    });
}

#[test]
fn advisory_mode_says_what_enforcing_would_do_and_can_be_overridden_too() {
    run_test(async |ctx| {
        ctx.repository().base_file(".github/mergecast.yml", "threshold: 1\n");
        let (_, pull) = scored(&ctx).await;
        let seen = glance(&ctx, &pull).await;
        assert_eq!(seen.conclusion(), "neutral");
        assert!(seen.summary().contains("enforcing would have held this change back"), "{}", seen.summary());
        say(&ctx, &pull, "nora", "/risk override Seen and understood").await;
        assert_eq!(glance(&ctx, &pull).await.conclusion(), "success");
        ctx
    });
}

#[test]
fn a_push_or_another_base_ends_it_and_it_does_not_come_back() {
    run_test(async |ctx| {
        let (shop, pull) = held(&ctx, "").await;
        say(&ctx, &pull, "nora", "/risk override one").await;
        assert!(in_force(&glance(&ctx, &pull).await));
        pull.push(Edits::new().write("more.rs", "more\n"));
        assert!(!in_force(&glance(&ctx, &pull).await));
        say(&ctx, &pull, "nora", "/risk override two").await;
        say(&ctx, &pull, "max", "/risk override three").await;
        assert!(in_force(&glance(&ctx, &pull).await));
        shop.branch("next");
        pull.retarget("next");
        assert!(!in_force(&glance(&ctx, &pull).await));
        pull.retarget("main");
        assert!(!in_force(&glance(&ctx, &pull).await));
        // GitHub tells whole seconds: of one in which the base was changed it is not known what was seen.
        ctx.clock.advance(Duration::from_secs(1));
        say(&ctx, &pull, "max", "/risk override four").await;
        assert!(in_force(&glance(&ctx, &pull).await));
        let said = say(&ctx, &pull, "nora", "/risk override cancel").await;
        assert!(said.reply().contains("by `max` is taken back"), "{}", said.reply());
        assert!(!in_force(&glance(&ctx, &pull).await));
        let said = say(&ctx, &pull, "nora", "/risk override cancel").await;
        assert!(said.reply().contains("no override is in force"), "{}", said.reply());
        assert_eq!(said.reactions, REFUSED);
        let mut ends = ledger(&ctx);
        ends.retain(|entry| !entry.starts_with("made"));
        ends.sort();
        assert_eq!(ends, ["cancelled nora", "pushed", "replaced", "retargeted"]);
        ctx
    });
}

#[test]
fn one_that_replaces_a_longer_one_ends_in_its_own_time() {
    run_test(async |ctx| {
        let (_, pull) = held(&ctx, "").await;
        say(&ctx, &pull, "nora", "/risk override The fix cannot wait for 1h").await;
        ctx.clock.advance(Duration::from_secs(60));
        say(&ctx, &pull, "nora", "/risk override Nor can the next for 4h").await;
        // Past the end that the first would have had, and well before that of the second.
        ctx.clock.advance(Duration::from_secs(3_600));
        ctx.service().wake();
        ctx.rest().await;
        say(&ctx, &pull, "max", "/risk override Half an hour will do for 30m").await;
        assert!(in_force(&glance(&ctx, &pull).await));
        ctx.settle().await;
        assert!(!in_force(&glance(&ctx, &pull).await));
        // Writes of one repository may wait a second for one another.
        let late = ctx.clock.now() - start() - TimeDelta::seconds(60 + 3_600 + 1_800);
        assert!((TimeDelta::zero()..TimeDelta::seconds(5)).contains(&late), "{late}");
        assert_eq!(ledger(&ctx).last().map(String::as_str), Some("expired"));
        ctx
    });
}

#[test]
fn the_policy_says_who_may_and_for_how_long() {
    run_test(async |ctx| {
        let (shop, pull) = held(&ctx, "override: { who: maintain, expires: 1h }\n").await;
        let refused = async |who: &str, words: &str| {
            let said = say(&ctx, &pull, who, "/risk override I say so").await;
            assert_eq!(said.reactions, REFUSED, "{who}");
            assert!(said.reply().contains(words), "{who}: {}", said.reply());
        };
        refused("rita", "takes maintain permission").await;
        refused("nora", "takes maintain permission").await;
        shop.member("ada", Permission::Admin);
        refused("ada", "their own change").await;
        let said = say(&ctx, &pull, "max", "/risk override I say so for 2d").await;
        assert!(
            said.reply().contains("until 2026-03-03 11:00 UTC, the longest that the policy allows"),
            "{}",
            said.reply()
        );
        say(&ctx, &pull, "root", "/risk override cancel").await;
        ctx.clock.advance(Duration::from_secs(601));
        shop.base_file(".github/mergecast.yml", format!("{ENFORCE}override: {{ who: admin, by_author: true }}\n"));
        refused("max", "takes admin permission").await;
        let said = say(&ctx, &pull, "ada", "/risk override My own, and allowed").await;
        assert!(said.reply().contains("until 2026-03-03 14:10 UTC:"), "{}", said.reply());
        assert!(in_force(&glance(&ctx, &pull).await));
        ctx
    });
}

#[test]
fn only_what_was_seen_and_is_held_can_be_overridden() {
    run_test(async |ctx| {
        let (shop, pull) = held(&ctx, "").await;
        let refused = async |pull: &PullHandle, words: &str| {
            let said = say(&ctx, pull, "nora", "/risk override I say so").await;
            assert_eq!(said.reactions, REFUSED);
            assert!(said.reply().contains(words), "{words}: {}", said.reply());
        };
        // The commit is pushed while the command is on its way.
        ctx.sim.hold();
        let comment = pull.comment("nora", "/risk override What I saw is fine");
        ctx.clock.advance(Duration::from_secs(2));
        pull.push(Edits::new().write("evil.rs", "evil\n"));
        ctx.sim.release();
        ctx.rest().await;
        let reply = said(&pull, comment).reply().to_owned();
        assert!(reply.contains("Not overridden"), "{reply}");
        assert!(!in_force(&glance(&ctx, &pull).await));
        // The score came after the question.
        ctx.sim.hold();
        let late = shop.open(PullSpec::new("Late", "ada", Edits::new().write("late.rs", "late\n")));
        let early = late.comment("nora", "/risk override Whatever it is");
        ctx.clock.advance(Duration::from_secs(2));
        ctx.sim.release();
        ctx.rest().await;
        assert!(said(&late, early).reply().contains("Not overridden"));
        assert!(!in_force(&glance(&ctx, &late).await));
        pull.draft();
        ctx.rest().await;
        refused(&pull, "it is a draft").await;
        pull.ready();
        pull.close();
        ctx.rest().await;
        refused(&pull, "is not open").await;
        shop.base_file(".github/mergecast.yml", "mode: enforce\nthreshold: 100\n");
        say(&ctx, &late, "nora", "/risk rescore").await;
        refused(&late, "below the threshold of 100").await;
        assert_eq!(ledger(&ctx), Vec::<String>::new());
        ctx
    });
}

#[test]
fn what_was_asked_for_on_something_else_is_refused_though_it_comes_back() {
    run_test(async |ctx| {
        let (shop, pull) = held(&ctx, "").await;
        shop.branch("next");
        let seen = pull.head_sha();
        let there_and_back: [(&str, &dyn Fn()); 2] = [
            ("push", &|| {
                pull.push(Edits::new().write("evil.rs", "evil\n"));
                ctx.clock.advance(Duration::from_secs(2));
                pull.reset(&seen);
            }),
            ("base", &|| {
                pull.retarget("next");
                ctx.clock.advance(Duration::from_secs(2));
                pull.retarget("main");
            }),
        ];
        for (name, moves) in there_and_back {
            // The comment's webhook gets lost until all else is done.
            ctx.sim.webhook_fault(WebhookFault {
                event: Some("issue_comment".to_owned()),
                kind: WebhookFaultKind::Lost,
                times: Times::Next(1),
            });
            let comment = pull.comment("nora", "/risk override What I see is fine");
            ctx.clock.advance(Duration::from_secs(2));
            moves();
            ctx.rest().await;
            assert_eq!(pull.head_sha(), seen);
            let sent = ctx.sim.deliveries().into_iter().rfind(|one| one.event == "issue_comment").expect("a delivery");
            assert!(ctx.sim.redeliver(&sent.guid));
            ctx.rest().await;
            let said = said(&pull, comment);
            assert_eq!(said.reactions, REFUSED, "{name}");
            assert!(said.reply().contains("look at the new one"), "{name}: {}", said.reply());
            assert!(!in_force(&glance(&ctx, &pull).await), "{name}");
        }
        ctx
    });
}

#[test]
fn acknowledge_is_an_override_and_its_refusal_is_told() {
    run_test(async |ctx| {
        let (shop, pull) = held(&ctx, "").await;
        let ours = || pull.conversation().into_iter().filter(|one| one.by_app).collect::<Vec<_>>();
        for (who, words) in [("ada", "their own change"), ("rita", "takes write permission")] {
            let before = ours().len();
            assert!(pull.press_by(who, "acknowledge"));
            ctx.rest().await;
            let told = ours();
            assert_eq!(told.len(), before + 1, "{who}");
            let told = told.last().expect("one more");
            assert!(told.body.contains(words) && inert(told.body.split_once('\n').expect("a marker").1).is_empty());
            assert!(!in_force(&glance(&ctx, &pull).await), "{who}");
        }
        let before = ours();
        assert!(pull.press_by("nora", "acknowledge"));
        let seen = glance(&ctx, &pull).await;
        assert!(in_force(&seen));
        assert!(
            seen.summary().contains("Overridden by `nora`") && seen.summary().contains("Acknowledged in the check run")
        );
        assert_eq!(ours(), before, "the check run says it");
        assert!(!pull.press_by("nora", "acknowledge"), "the button is gone");
        pull.push(Edits::new().write("more.rs", "more\n"));
        assert!(!in_force(&glance(&ctx, &pull).await));
        // A fork's check run names no pull request.
        let spec = PullSpec {
            fork: Some("eve".to_owned()),
            ..PullSpec::new("Fork", "eve", Edits::new().write("f.rs", "f\n"))
        };
        let fork = shop.open(spec);
        ctx.rest().await;
        assert!(fork.press_by("nora", "acknowledge"));
        assert!(in_force(&glance(&ctx, &fork).await));
        assert!(fork.press_by("robot[bot]", "rescore"), "machines may press what changes nothing");
        ctx
    });
}

#[test]
fn a_press_that_comes_late_is_as_old_as_its_first_delivery() {
    run_test_with(recovering(), async |ctx| {
        let (_, pull) = held(&ctx, "").await;
        let event = Some("check_run".to_owned());
        ctx.sim.webhook_fault(WebhookFault { event, kind: WebhookFaultKind::Lost, times: Times::Next(1) });
        let pressed = ctx.clock.now();
        assert!(pull.press_by("nora", "acknowledge"));
        ctx.rest().await;
        assert!(!in_force(&glance(&ctx, &pull).await));
        // It is found in GitHub's log and asked for. The clock goes no further than that: the override would end.
        for _ in 0..10 {
            ctx.clock.advance(Duration::from_secs(660));
            ctx.service().wake();
            ctx.rest().await;
        }
        let seen = glance(&ctx, &pull).await;
        assert!(in_force(&seen));
        let until = (pressed + TimeDelta::hours(4)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        assert_eq!(seen.json["verdict"]["override"]["until"].as_str(), Some(&*until));
        ctx
    });
}

#[test]
fn a_hostile_reason_is_shown_inert() {
    run_test(async |ctx| {
        let (_, pull) = held(&ctx, "").await;
        let reason = "@acme/everyone ![x](https://evil.example/x.png) <img src=x onerror=alert(1)> | #1 ` `` \u{202e}gnp \
                      <!-- x --> **b** </td></tr> ghp_0123456789";
        let said = say(&ctx, &pull, "nora", &format!("/risk override {reason}\r\n\r\n@acme/everyone")).await;
        assert!(said.reply().contains("⟨U+202E⟩"), "{}", said.reply());
        // Looking at it holds summary and title to be inert.
        let seen = glance(&ctx, &pull).await;
        assert!(in_force(&seen) && !seen.title().contains("acme"));
        let id = seen.json["id"].as_str().expect("an id");
        let page = ctx.http.get(ctx.url(&format!("/assessments/{id}"))).send().await.unwrap();
        let page = String::from_utf8(page.bytes().await.unwrap().to_vec()).unwrap();
        assert!(page.contains("onerror") && !page.contains("<img") && !page.contains('\u{202e}'));
        ctx
    });
}
