//! What the service logs, line by line, as JSON the way the program does. One subscriber for the process: tests look for
//! what only they can have written.

use std::{
    io::Write,
    sync::{Mutex, OnceLock, PoisonError},
};

use mergecast::{
    github::sim::{Fault, FaultKind, FaultOn, Permission, Times},
    report::check_run::NAME,
};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    post::Post,
    support::{Ctx, Setup, run_test_with},
    work::change,
};

/// The lines since the start of the process.
pub(crate) struct Logs(Mutex<Vec<u8>>);

/// Starts to capture, if that was not done before.
pub(crate) fn capture() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    let logs = LOGS.get_or_init(|| Logs(Mutex::default()));
    // A second call finds the subscriber in place.
    let _ = tracing_subscriber::fmt().json().with_span_list(false).with_writer(logs).try_init();
    logs
}

impl Logs {
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

impl Write for &Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// A repository that no other test has.
const OURS: &str = "logged/faulty";
/// Parts of the service that work on deliveries and jobs.
const WORK: [&str; 10] =
    ["worker", "route", "assess", "check_run", "gather", "approvals", "commands", "overrides", "merge_group", "sweep"];
/// What they say of themselves.
const OF_THE_SERVICE: [&str; 3] =
    ["deliveries could not be claimed", "no job could be claimed", "unfinished check runs could not be looked for"];

const TAKEN_UP: &str = "a check run was left unfinished; it is taken up again";

/// A line about something that went wrong.
struct Trouble(Value);

impl Trouble {
    /// A field of the line itself, or of the span that it was said in.
    fn field(&self, name: &str) -> Option<String> {
        let found = [&self.0["fields"][name], &self.0["span"][name]].into_iter().find(|value| !value.is_null())?;
        Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    }

    fn message(&self) -> String {
        self.field("message").unwrap_or_default()
    }

    fn is_about_work(&self) -> bool {
        let target = self.0["target"].as_str().unwrap_or_default();
        let part = target.strip_prefix("mergecast::service::").and_then(|path| path.split("::").next());
        part.is_some_and(|part| WORK.contains(&part)) && !OF_THE_SERVICE.contains(&self.message().as_str())
    }

    /// The work is named, with repository and pull request where it has them.
    fn check(&self) {
        let (line, job) = (&self.0, self.field("job.key"));
        assert!(job.is_some() || self.field("delivery.id").is_some(), "no delivery and no job: {line}");
        let kind = job.as_deref().and_then(|key| key.split(':').next()).unwrap_or("delivery");
        if kind != "installation" {
            assert!(self.field("repository").is_some(), "no repository: {line}");
        }
        if matches!(kind, "pr" | "commands" | "override") {
            assert!(self.field("pr.number").is_some(), "no pull request: {line}");
        }
    }
}

/// What was said of work that went wrong.
fn troubles(logs: &Logs) -> Vec<Trouble> {
    let lines = logs.lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let bad = lines.filter(|line| matches!(line["level"].as_str(), Some("WARN" | "ERROR"))).map(Trouble);
    bad.filter(Trouble::is_about_work).collect()
}

fn change_database(ctx: &Ctx, sql: &str) {
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
}

/// Lets go wrong what can: scores, a command, an override, a delivery, and a check run that is left.
async fn go_wrong(ctx: &mut Ctx, logs: &Logs) {
    let shop = ctx.sim.repository(OURS);
    shop.member("nora", Permission::Write).base_file(".github/mergecast.yml", "mode: enforce\nthreshold: 1\n");
    let kinds = [
        FaultKind::Status(500),
        FaultKind::Status(422),
        FaultKind::Timeout,
        FaultKind::Reset,
        FaultKind::Garbage,
        FaultKind::GraphqlErrors,
        FaultKind::AnswerLostAfterWrite,
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        ctx.sim.fault(Fault { on: FaultOn::any(), kind, times: Times::Next(2) });
        shop.open(change(n));
        ctx.settle().await;
        ctx.sim.heal();
    }
    let pull = shop.open(change(20));
    ctx.settle().await;
    let on = FaultOn::new("POST", "/repos/*/*/issues/*/comments");
    ctx.sim.fault(Fault { on, kind: FaultKind::Status(422), times: Times::Always });
    pull.comment("nora", "/risk help");
    ctx.settle().await;
    ctx.sim.heal();

    // The ledger cannot be read when an override's time is over.
    pull.comment("nora", "/risk override The fix cannot wait for 30m");
    ctx.rest().await;
    change_database(ctx, "UPDATE override_events SET score = -1 WHERE what = 'made'");
    let of_override = |one: &Trouble| one.field("job.key").is_some_and(|key| key.starts_with("override:"));
    for _ in 0..20 {
        ctx.step().await;
        if troubles(logs).iter().any(of_override) {
            break;
        }
    }
    change_database(ctx, "UPDATE override_events SET score = 40 WHERE what = 'made'");
    ctx.settle().await;

    let unreadable = json!({"action": "opened", "repository": {"id": shop.id(), "full_name": OURS}});
    let post = Post::new(ctx, "cannot-be-read", "pull_request", unreadable.to_string());
    assert_eq!(post.status(ctx).await, 202);
    ctx.settle().await;
    // Nobody is at work on a check run that stands unfinished: the next start finds it.
    let id = i64::try_from(shop.id()).unwrap();
    ctx.store.reopen_check_run(id, &pull.head_sha(), NAME).await.unwrap();
    ctx.stop_service().await;
    ctx.start_service().await;
    for _ in 0..5_000 {
        if troubles(logs).iter().any(|one| one.message() == TAKEN_UP) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    ctx.settle().await;
}

#[test]
fn a_failure_is_one_line_that_names_the_work() {
    let logs = capture();
    let setup = Setup { may_bury: true, deadline: std::time::Duration::from_secs(1), ..Setup::default() };
    run_test_with(setup, async |mut ctx| {
        go_wrong(&mut ctx, logs).await;
        ctx
    });
    let all = troubles(logs);
    all.iter().for_each(Trouble::check);
    let ours: Vec<&Trouble> = all.iter().filter(|one| one.field("repository").as_deref() == Some(OURS)).collect();
    for (kind, message) in [
        ("pr:", "the job is tried again"),
        ("pr:", "job buried"),
        ("commands:", "job buried"),
        ("override:", "the job is tried again"),
        ("pr:", TAKEN_UP),
    ] {
        let of_kind = |one: &&&Trouble| one.field("job.key").is_some_and(|key| key.starts_with(kind));
        assert!(ours.iter().filter(of_kind).any(|one| one.message() == message), "{kind} {message}");
    }
    let of_delivery = |one: &&Trouble| one.field("delivery.id").as_deref() == Some("cannot-be-read");
    assert_eq!(ours.iter().filter(|one| of_delivery(one)).count(), 1);
    let given_up: Vec<_> = ours.iter().filter(|one| one.field("command.key").is_some()).collect();
    assert!(matches!(given_up.as_slice(), [one] if one.message() == "job buried"), "a command is given up in one line");
    // Tries of one piece of work follow one another; none of them fails in two lines.
    let tries: Vec<_> = ours.iter().map(|one| (one.field("job.key"), one.field("attempt"))).collect();
    for key in tries.iter().filter_map(|(key, _)| key.as_ref()) {
        let of_key: Vec<_> = tries.iter().filter(|(other, _)| other.as_ref() == Some(key)).collect();
        assert!(of_key.windows(2).all(|two| two[0] != two[1]), "{key} failed once in two lines: {of_key:?}");
    }
}
