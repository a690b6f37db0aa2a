//! Slash-commands through the front door: a comment in, one reply out; what is not one, or not allowed, does nothing.

mod waiting;

use std::time::Duration;

use mergecast::{
    github::sim::{
        Edits, Fault, FaultKind, FaultOn, Permission, PullHandle, PullSpec, SimComment, SimRepository, Times,
        WebhookFault, WebhookFaultKind,
    },
    service::Timing,
};
use serde_json::json;

use crate::{
    seen::{glance, inert, see},
    support::{Ctx, Setup, run_test, run_test_with},
};

/// A repository with people of every kind, and a scored pull request of Ada's.
pub(crate) async fn scored(ctx: &Ctx) -> (SimRepository, PullHandle) {
    let shop = ctx.repository();
    shop.member("ada", Permission::Write)
        .member("nora", Permission::Write)
        .member("max", Permission::Maintain)
        .member("root", Permission::Admin)
        .member("tia", Permission::Triage)
        .member("rita", Permission::Read)
        .base_file("CODEOWNERS", "/src/ @nora\n/docs/\n");
    let edits =
        Edits::new().write("src/cart.rs", "let cart = 1;\n").write("docs/cart.md", "cart\n").write("x.rs", "x\n");
    let pull = shop.open(PullSpec::new("Count the cart", "ada", edits));
    ctx.rest().await;
    (shop, pull)
}

/// What became of a comment.
pub(crate) struct Said {
    /// How it was reacted to.
    pub(crate) reactions: Vec<String>,
    /// What was answered, without the marker.
    pub(crate) replies: Vec<String>,
}

impl Said {
    /// The one reply.
    pub(crate) fn reply(&self) -> &str {
        assert_eq!(self.replies.len(), 1, "{:?}", self.replies);
        &self.replies[0]
    }

    fn nothing(&self) -> bool {
        self.reactions.is_empty() && self.replies.is_empty()
    }
}

/// Our comments that answer this one.
fn replies(pull: &PullHandle, comment: u64) -> Vec<SimComment> {
    let marker = format!("<!-- mergecast:comment:{comment} -->\n");
    pull.conversation().into_iter().filter(|one| one.by_app && one.body.starts_with(&marker)).collect()
}

pub(crate) fn said(pull: &PullHandle, comment: u64) -> Said {
    let own = pull.conversation().into_iter().find(|one| one.id == comment).expect("the comment");
    let text = |one: SimComment| one.body.split_once('\n').expect("a marker").1.to_owned();
    Said { reactions: own.reactions, replies: replies(pull, comment).into_iter().map(text).collect() }
}

/// Somebody comments, and all that follows at once happens.
pub(crate) async fn say(ctx: &Ctx, pull: &PullHandle, who: &str, text: &str) -> Said {
    let comment = pull.comment(who, text);
    ctx.rest().await;
    let said = said(pull, comment);
    for reply in &said.replies {
        assert!(inert(reply).is_empty(), "{reply}");
    }
    said
}

const FOLLOWED: [&str; 2] = ["eyes", "+1"];
const REFUSED: [&str; 2] = ["eyes", "-1"];

#[test]
fn every_command_gets_one_reply_and_two_reactions() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        let check = async |who: &str, text: &str, reactions: [&str; 2], expected: &[&str]| {
            let said = say(&ctx, &pull, who, text).await;
            assert_eq!(said.reactions, reactions, "{text}");
            for words in expected {
                assert!(said.reply().contains(words), "{text}: {words} is not in {}", said.reply());
            }
        };
        check("rita", "/risk", FOLLOWED, &["`/risk override <reason> [for 4h]`", "`/risk help`"]).await;
        check("rita", "/RISK Help", FOLLOWED, &["Who may"]).await;
        check("rita", "/risk explain", FOLLOWED, &["**Score**", "Not known: ", "| Size |"]).await;
        check("tia", "/risk explain churn", FOLLOWED, &["**Size**", "Computed: x is ", "points"]).await;
        check("tia", "/risk explain Owners' approval", FOLLOWED, &["Read: ", "`@nora`"]).await;
        check("tia", "/risk explain burn-rate", FOLLOWED, &["Not known, from ", "What would tell"]).await;
        check("rita", "/risk explain churm", REFUSED, &["no such signal", "Perhaps `churn`?"]).await;
        check(
            "rita",
            "/risk owners",
            FOLLOWED,
            &[
                "| `src/cart.rs` | `@nora` | line 1: `/src/` | **missing** |",
                "| `docs/cart.md` | nobody |",
                "| `x.rs` | nobody |",
            ],
        )
        .await;
        ctx.clock.advance(Duration::from_secs(601));
        check("nora", "/risk feedback wrong Nothing here can fail, @team", FOLLOWED, &["Thank you"]).await;
        check("nora", "/risk when", FOLLOWED, &["Now", "Datadog: not connected"]).await;
        check("nora", "/risk hotfix INC-1", REFUSED, &["`DD_API_KEY`", "Datadog"]).await;
        check("nora", "/risk attribute INC-1", REFUSED, &["after its deployment"]).await;
        check("nora", "/risk unattribute INC-1", REFUSED, &["after its deployment"]).await;
        check("nora", "/risk rescroe", REFUSED, &["no such command", "Perhaps `/risk rescore`?"]).await;
        check("nora", "/risk feedback perhaps", REFUSED, &["`/risk feedback right|wrong <why>`"]).await;
        ctx
    });
}

#[test]
fn feedback_is_kept_with_the_assessment_and_without_a_name() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        let id = ctx.assessment(&pull).await["id"].as_str().expect("an id").to_owned();
        say(&ctx, &pull, "nora", "/risk feedback wrong Nothing here can fail").await;
        let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
        let sql = "SELECT assessment_id, opinion, why FROM feedback";
        let kept = database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        assert_eq!(kept, (id, "wrong".to_owned(), "Nothing here can fail".to_owned()));
        let columns = database.prepare("SELECT * FROM feedback").unwrap();
        let columns: Vec<&str> = columns.column_names().collect();
        assert!(!columns.iter().any(|name| name.contains("login") || name.contains("actor")), "{columns:?}");
        ctx
    });
}

#[test]
fn a_rescore_is_answered_at_once_and_edited_with_its_outcome() {
    run_test(async |ctx| {
        let (shop, pull) = scored(&ctx).await;
        let before = glance(&ctx, &pull).await;
        shop.base_file(".github/mergecast.yml", "mode: enforce\nthreshold: 1\n");
        let mark = ctx.sim.requests();
        let said = say(&ctx, &pull, "nora", "/risk rescore").await;
        let after = glance(&ctx, &pull).await;
        assert_eq!((before.conclusion(), after.conclusion()), ("success", "action_required"));
        assert_eq!(said.reactions, FOLLOWED);
        let outcome = format!("Scored again for `{}`: {} of 100", &pull.head_sha()[..7], after.score());
        assert!(said.reply().contains(&outcome), "{}", said.reply());
        let comments: Vec<_> = ctx.sim.exchanges_since(mark);
        let writes: Vec<(&str, &str)> = comments
            .iter()
            .filter(|each| {
                each.path.contains("/comments") && each.method != "GET" && !each.path.ends_with("/reactions")
            })
            .map(|each| (each.method.as_str(), each.request_body["body"].as_str().expect("a text")))
            .collect();
        assert!(
            matches!(writes.as_slice(), [("POST", first), ("PATCH", last)]
            if first.contains("being read anew") && last.contains("Scored again")),
            "{writes:?}"
        );
        // The same score again is written again, too.
        let written = after.run.writes.len();
        let said = say(&ctx, &pull, "nora", "/risk rescore").await;
        assert!(said.reply().contains("Scored again"), "{}", said.reply());
        assert!(glance(&ctx, &pull).await.run.writes.len() > written);
        ctx
    });
}

#[test]
fn a_rescore_leaves_alone_what_is_final() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        let old = (pull.head_sha(), glance(&ctx, &pull).await.run);
        // A commit is pushed whose webhook comes after the command.
        ctx.sim.webhook_fault(WebhookFault {
            event: Some("pull_request".to_owned()),
            kind: WebhookFaultKind::Reordered,
            times: Times::Next(1),
        });
        pull.push(Edits::new().write("z.rs", "z\n"));
        let said = say(&ctx, &pull, "nora", "/risk rescore").await;
        assert!(said.reply().contains(&format!("Scored again for `{}`", &pull.head_sha()[..7])), "{}", said.reply());
        let runs = ctx.sim.check_runs(pull.repository(), &old.0);
        assert_eq!(runs.into_iter().find(|run| run.id == old.1.id), Some(old.1), "the old head keeps what it says");
        pull.close();
        ctx.rest().await;
        let last = glance(&ctx, &pull).await;
        let said = say(&ctx, &pull, "nora", "/risk rescore").await;
        assert_eq!(said.reactions, REFUSED);
        assert!(said.reply().contains("is not open"), "{}", said.reply());
        let after = glance(&ctx, &pull).await;
        assert_eq!((after.run, &after.json["id"]), (last.run, &last.json["id"]), "the last word stays");
        ctx
    });
}

#[test]
fn who_may_not_is_told_who_may_and_strangers_are_told_nothing() {
    run_test(async |ctx| {
        let (shop, pull) = scored(&ctx).await;
        shop.private();
        let before = glance(&ctx, &pull).await.run;
        for who in ["rita", "tia"] {
            for text in ["/risk rescore", "/risk feedback wrong it is", "/risk override cancel", "/risk override now"] {
                let said = say(&ctx, &pull, who, text).await;
                assert_eq!(said.reactions, REFUSED, "{who}: {text}");
                assert!(said.reply().contains("write permission"), "{who}: {text}: {}", said.reply());
            }
            ctx.clock.advance(Duration::from_secs(601));
        }
        let mark = ctx.sim.requests();
        for text in ["/risk help", "/risk rescore", "/risk override let me in", "/risk nonsense"] {
            assert!(say(&ctx, &pull, "mallory", text).await.nothing(), "{text}");
        }
        let asked = ctx.sim.exchanges_since(mark);
        assert!(asked.iter().all(|each| each.method == "GET" && each.path.ends_with("/permission")), "{asked:#?}");
        // What counts is what somebody may do when the command is followed.
        ctx.sim.hold();
        let comment = pull.comment("nora", "/risk rescore");
        shop.member("nora", Permission::Read);
        ctx.sim.release();
        ctx.rest().await;
        assert_eq!(said(&pull, comment).reactions, REFUSED);
        assert_eq!(glance(&ctx, &pull).await.run, before, "nothing was written");
        ctx
    });
}

#[test]
fn a_name_that_changed_hands_speaks_for_nobody() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        let comment = pull.comment("nora", "Looks fine");
        ctx.rest().await;
        let sent = ctx.sim.deliveries().into_iter().rfind(|one| one.event == "issue_comment").expect("a delivery");
        let mut payload = sent.payload;
        payload["comment"]["body"] = json!("/risk rescore");
        let mark = ctx.sim.requests();
        for (user, sender) in [(1, 1), (1, 2)] {
            payload["comment"]["user"]["id"] = json!(user);
            payload["sender"]["id"] = json!(sender);
            ctx.sim.send("issue_comment", payload.clone());
            ctx.rest().await;
        }
        assert!(said(&pull, comment).nothing());
        assert_eq!(ctx.sim.exchanges_since(mark).len(), 1, "the permission was asked for once");
        ctx
    });
}

#[test]
fn what_is_no_command_costs_no_request() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        let mark = ctx.sim.requests();
        let edited = pull.comment("nora", "Fine");
        pull.edit_comment(edited, "nora", "/risk override edited in");
        pull.edit_comment(edited, "mallory", "/risk override edited in by another");
        let deleted = pull.comment("nora", "Going");
        pull.delete_comment(deleted, "nora");
        for text in [
            "> /risk override quoted",
            "```\n/risk override code\n```",
            "    /risk override code",
            "<!--\n/risk override hidden\n-->",
            "Please\n/risk override second line",
            " /risk override indented",
            "\u{200b}/risk override invisible",
            "/riskoverride",
            "`/risk override`",
        ] {
            pull.comment("nora", text);
        }
        for bot in ["dependabot[bot]", "mergecast[bot]"] {
            pull.comment(bot, "/risk override by a machine");
        }
        ctx.rest().await;
        assert_eq!(ctx.sim.requests(), mark, "{:#?}", ctx.sim.exchanges_since(mark));
        assert!(pull.conversation().iter().all(|one| one.reactions.is_empty()));
        ctx
    });
}

#[test]
fn a_thousand_commands_a_minute_are_a_few() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        let mark = ctx.sim.requests();
        let comments: Vec<u64> =
            (0..1_000).map(|n| pull.comment("nora", &format!("/risk explain churn {n}"))).collect();
        ctx.rest().await;
        let answered = comments.iter().filter(|one| !said(&pull, **one).nothing()).count();
        assert_eq!(answered, 10);
        let cost = ctx.sim.exchanges_since(mark).len();
        assert!(cost <= 10 * 4, "{cost} requests");
        // Somebody else on another pull request is heard, and a while later so is Nora.
        let other = ctx.repository().open(PullSpec::new("More", "ada", Edits::new().write("y.rs", "y\n")));
        ctx.rest().await;
        assert_eq!(say(&ctx, &other, "max", "/risk").await.reactions, FOLLOWED);
        assert!(say(&ctx, &other, "nora", "/risk").await.nothing());
        ctx.clock.advance(Duration::from_secs(601));
        assert_eq!(say(&ctx, &pull, "nora", "/risk").await.reactions, FOLLOWED);
        ctx
    });
}

#[test]
fn many_people_together_meet_the_limit_of_the_repository() {
    run_test(async |ctx| {
        let (shop, first) = scored(&ctx).await;
        let open = |n| shop.open(PullSpec::new("More", "ada", Edits::new().write(format!("y{n}.rs"), "y\n")));
        let pulls: Vec<PullHandle> = std::iter::once(first).chain((0..4).map(open)).collect();
        ctx.rest().await;
        let mut comments = Vec::new();
        for n in 0..60 {
            let pull = &pulls[n % pulls.len()];
            comments.push((pull, pull.comment(&format!("person{n}"), "/risk help")));
        }
        ctx.rest().await;
        let answered = comments.iter().filter(|(pull, one)| !said(pull, *one).nothing()).count();
        assert_eq!(answered, 20);
        ctx
    });
}

#[test]
fn a_crowd_cannot_silence_those_who_may_write() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        assert_eq!(say(&ctx, &pull, "nora", "/risk").await.reactions, FOLLOWED);
        // The author's own, and those of one reader.
        let filler: Vec<u64> = (0..10).map(|_| pull.comment("rita", "/risk x")).collect();
        ctx.rest().await;
        assert!(filler.iter().all(|one| !said(&pull, *one).nothing()));
        assert_eq!(say(&ctx, &pull, "max", "/risk").await.reactions, FOLLOWED, "one reader silences nobody");
        let mark = ctx.sim.requests();
        let crowd: Vec<u64> = (0..1_000).map(|n| pull.comment(&format!("person{n}"), "/risk help")).collect();
        ctx.settle().await;
        assert!(crowd.iter().all(|one| said(&pull, *one).nothing()), "the readers' share was spent");
        let cost = ctx.sim.exchanges_since(mark);
        assert!(
            cost.len() <= 100 && cost.iter().all(|each| each.method == "GET"),
            "{} requests: {:?}",
            cost.len(),
            cost.iter().map(|each| format!("{} {}", each.method, each.path)).collect::<Vec<_>>()
        );
        // Nor those who never gave a command: GitHub says who was invited.
        ctx.repository().member("omar", Permission::Write);
        for who in ["nora", "max", "omar"] {
            let comment = pull.comment(who, "/risk");
            ctx.settle().await;
            assert_eq!(said(&pull, comment).reactions, FOLLOWED, "{who}");
        }
        ctx
    });
}

fn fault(method: &str, path: &str, kind: FaultKind) -> Fault {
    Fault { on: FaultOn::new(method, path), kind, times: Times::Next(1) }
}

const COMMENTS: &str = "/repos/*/*/issues/*/comments";
const COMMENT: &str = "/repos/*/*/issues/comments/*";
const REACTIONS: &str = "/repos/*/*/issues/comments/*/reactions";

#[test]
fn whatever_is_lost_on_the_way_there_is_one_reply() {
    let faults = [
        ("POST", COMMENTS, FaultKind::AnswerLostAfterWrite),
        ("POST", COMMENTS, FaultKind::DoneAfterReset(Duration::from_millis(50))),
        ("POST", COMMENTS, FaultKind::Reset),
        ("POST", COMMENTS, FaultKind::Status(502)),
        ("POST", COMMENTS, FaultKind::Garbage),
        ("POST", COMMENTS, FaultKind::SecondaryLimit { retry_after: Some(5) }),
        ("POST", REACTIONS, FaultKind::AnswerLostAfterWrite),
        ("POST", REACTIONS, FaultKind::Status(500)),
        // A replica that does not know the comment yet.
        ("POST", REACTIONS, FaultKind::Status(404)),
        ("POST", COMMENTS, FaultKind::Status(404)),
        ("PATCH", COMMENT, FaultKind::AnswerLostAfterWrite),
        ("PATCH", COMMENT, FaultKind::Reset),
        ("GET", "/repos/*/*/collaborators/*/permission", FaultKind::Status(503)),
    ];
    let timing = Timing { answer_lost: Duration::from_millis(200), ..Timing::default() };
    run_test_with(Setup { timing, ..Setup::default() }, async |ctx| {
        let (_, pull) = scored(&ctx).await;
        for (n, (method, path, kind)) in faults.into_iter().enumerate() {
            let name = format!("{method} {path} {kind:?}");
            ctx.sim.fault(fault(method, path, kind.clone()));
            let comment = pull.comment(&format!("person{n}"), "/risk");
            let outcome = pull.comment("nora", "/risk rescore");
            ctx.rest().await;
            if let FaultKind::DoneAfterReset(later) = kind {
                // The simulated GitHub works on in real time, which the manual clock does not know.
                tokio::time::sleep(later * 2).await;
            }
            ctx.settle().await;
            ctx.sim.heal();
            for (one, words) in [(comment, "Who may"), (outcome, "Scored again")] {
                let said = said(&pull, one);
                assert_eq!(said.reactions, FOLLOWED, "{name}");
                assert!(said.reply().contains(words), "{name}: {}", said.reply());
            }
            ctx.clock.advance(Duration::from_secs(601));
        }
        ctx
    });
}

#[test]
fn a_restart_in_between_answers_once() {
    run_test(async |mut ctx| {
        let (_, pull) = scored(&ctx).await;
        ctx.sim.fault(Fault { times: Times::Always, ..fault("POST", COMMENTS, FaultKind::Status(502)) });
        let comment = pull.comment("rita", "/risk");
        ctx.sim.settle().await;
        ctx.rest().await;
        ctx.stop_service().await;
        ctx.sim.heal();
        ctx.start_service().await;
        // The same delivery again, as after an outage.
        let sent = ctx.sim.deliveries().into_iter().rfind(|one| one.event == "issue_comment").expect("a delivery");
        assert!(ctx.sim.redeliver(&sent.guid));
        ctx.settle().await;
        assert!(said(&pull, comment).reply().contains("Who may"));
        ctx
    });
}

#[test]
fn without_the_permission_nothing_is_answered_and_everything_is_scored() {
    let setup = Setup {
        sim: |options| {
            options.permissions.insert("pull_requests".to_owned(), "read".to_owned());
        },
        ..Setup::default()
    };
    let logs = crate::logs::capture();
    run_test_with(setup, async |ctx| {
        let (_, pull) = scored(&ctx).await;
        assert!(say(&ctx, &pull, "nora", "/risk rescore").await.nothing());
        let seen = see(&ctx, &pull).await;
        assert!(!seen.summary().contains("/risk"), "{}", seen.summary());
        let warned = logs.lines().into_iter().find(|line| line.contains("a command cannot be answered"));
        assert!(warned.is_some_and(|line| line.contains("pull_requests=write") && line.contains("WARN")));
        pull.push(Edits::new().write("z.rs", "z\n"));
        see(&ctx, &pull).await;
        ctx
    });
}

#[test]
fn a_comment_that_is_gone_and_a_locked_conversation_are_left_alone() {
    run_test(async |ctx| {
        let (_, pull) = scored(&ctx).await;
        ctx.sim.hold();
        let comment = pull.comment("nora", "/risk rescore");
        pull.delete_comment(comment, "nora");
        ctx.sim.release();
        ctx.settle().await;
        assert!(replies(&pull, comment).is_empty());
        pull.lock();
        assert!(say(&ctx, &pull, "nora", "/risk override because").await.nothing());
        assert!(glance(&ctx, &pull).await.json["verdict"]["override"].is_null());
        ctx
    });
}

#[test]
fn nothing_that_was_written_comes_back() {
    run_test(async |ctx| {
        let (shop, pull) = scored(&ctx).await;
        shop.base_file(".github/mergecast.yml", "mode: enforce\nthreshold: 1\n");
        say(&ctx, &pull, "nora", "/risk rescore").await;
        for text in [
            "/risk @everyone ![x](https://evil.example/x.png)",
            "/risk explain <img src=x onerror=alert(1)> @acme/everyone",
            "/risk hotfix [click](https://evil.example)",
            "/risk feedback maybe @acme/everyone",
            "/risk feedback wrong ghp_SENTINEL @acme/everyone",
            "/risk override",
            "/risk help | @nora |",
        ] {
            let said = say(&ctx, &pull, "nora", text).await;
            for raw in ["@everyone", "@acme", "evil.example", "onerror", "SENTINEL", "maybe"] {
                assert!(!said.reply().contains(raw), "{text}: {}", said.reply());
            }
        }
        ctx
    });
}
