//! Mirrors of repositories and the histories read off them: made, followed, repaired, erased, and never in anybody's way.

pub(crate) mod http;
pub(crate) mod remote;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mergecast::{
    github::sim::{Edits, PullHandle, PullSpec},
    service::{KEPT_AFTER_REMOVAL, MirrorSettings},
};

use crate::{
    logs,
    support::{Ctx, Setup, run_test, run_test_with},
};
use http::{GitServer, Mode};
use remote::{Remote, git};

pub(crate) fn data(ctx: &Ctx) -> PathBuf {
    ctx.directory.path().join("data")
}

pub(crate) fn base(ctx: &Ctx) -> PathBuf {
    ctx.directory.path().join("remotes")
}

/// Starts the service anew with mirrors of what lies at `url`.
async fn mirrored_from(ctx: &mut Ctx, url: &str) {
    ctx.stop_service().await;
    ctx.setup.operations.mirrors = Some(MirrorSettings::new(data(ctx), url.parse().unwrap()));
    ctx.start_service().await;
}

/// A repository with three commits, of which the service makes mirrors.
pub(crate) async fn mirrored(ctx: &mut Ctx) -> Remote {
    let remote = Remote::new(&base(ctx));
    let url = format!("file://{}", base(ctx).display());
    mirrored_from(ctx, &url).await;
    fill(ctx, &remote);
    remote
}

pub(crate) fn fill(ctx: &Ctx, remote: &Remote) {
    for path in ["src/cart.rs", "src/sum.rs", "docs/cart.md"] {
        let sha = remote.commit("main", "octocat", path);
        ctx.repository().base_files(Edits::new().write(path, "one\n").message("Change it").id(sha));
    }
}

fn open(ctx: &Ctx, title: &str) -> PullHandle {
    ctx.repository().open(PullSpec::new(title, "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n")))
}

fn mirror(ctx: &Ctx) -> PathBuf {
    data(ctx).join(format!("mirrors/{}.git", ctx.repository().id()))
}

/// What an assessment says of git history: its status, and why where it is not known.
async fn history(ctx: &Ctx, pull: &PullHandle) -> (String, String) {
    let json = ctx.assessment(pull).await;
    let sources = json["sources"].as_array().unwrap();
    let source = sources.iter().find(|source| source["name"] == "history").unwrap();
    let text = |field: &str| source[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("detail"))
}

fn known() -> (String, String) {
    ("ok".to_owned(), String::new())
}

/// How many changes the history of `main` holds, and up to which commit.
async fn read(ctx: &Ctx) -> (i64, String) {
    let id = i64::try_from(ctx.repository().id()).unwrap();
    let row = ctx.store.mirror(id).await.unwrap().expect("a mirror");
    assert_eq!(row.failure, None);
    (row.changes.unwrap_or(0), ctx.store.history_tip(id, "main").await.unwrap().unwrap_or_default())
}

async fn failure(ctx: &Ctx) -> String {
    let id = i64::try_from(ctx.repository().id()).unwrap();
    ctx.store.mirror(id).await.unwrap().and_then(|row| row.failure).unwrap_or_default()
}

/// Lets time pass and whatever is due then happen.
async fn later(ctx: &Ctx, wait: Duration) {
    ctx.clock.advance(wait);
    ctx.service().wake();
    // Repeated tries do not count as work that is left.
    tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            ctx.settle().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if ctx.store.mirrors_due(ctx.clock.now_ms(), 1).await.unwrap().is_empty() {
                return ctx.settle().await;
            }
        }
    })
    .await
    .expect("mirrors come to rest");
}

async fn page(ctx: &Ctx, path: &str) -> String {
    ctx.http.get(ctx.url(path)).send().await.unwrap().text().await.unwrap()
}

#[test]
fn an_installation_is_mirrored_and_its_changes_are_scored_with_their_history() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        ctx.sim.announce_installation("acme");
        ctx.settle().await;
        let tip = remote.git(&["rev-parse", "main"]);
        assert_eq!(read(&ctx).await, (3, tip));
        let kinds = git(&mirror(&ctx), &["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]);
        assert!(!kinds.contains("blob"), "{kinds}");
        let pull = open(&ctx, "Count the cart");
        let run = ctx.check_run(&pull).await;
        assert_eq!(history(&ctx, &pull).await, known());
        assert!(!run.summary.unwrap_or_default().contains("git history: not connected"));
        // The mirror follows what is pushed, and so does the history.
        let pushed = remote.push(&ctx.repository(), "ada", "src/cart.rs");
        ctx.settle().await;
        assert_eq!(read(&ctx).await, (4, pushed));
        let shown = page(&ctx, "/histories").await;
        assert!(shown.contains("ready, 4 changes up to 2026-03-03 10:00 UTC"), "{shown}");
        let metrics = page(&ctx, "/metrics").await;
        assert!(metrics.contains("mergecast_mirrors{state=\"ready\"} 1"), "{metrics}");
        assert!(metrics.contains("mergecast_mirror_fetches_total{result=\"ok\"}"), "{metrics}");
        ctx
    });
}

#[test]
fn a_score_does_not_wait_for_a_long_fetch_and_is_made_again_after_it() {
    run_test(async |mut ctx| {
        let remote = Remote::new(&base(&ctx));
        let server = GitServer::start(base(&ctx)).await;
        let url = server.url.clone();
        mirrored_from(&mut ctx, &url).await;
        fill(&ctx, &remote);
        server.hold(true);
        let pull = open(&ctx, "Count the cart");
        completed(&ctx, &pull).await;
        let (status, detail) = history(&ctx, &pull).await;
        assert_eq!(status, "unknown");
        assert!(detail.starts_with("history still loading (") && detail.ends_with(" %)"), "{detail}");
        assert!(page(&ctx, "/histories").await.contains("loading, "));
        // Further scores do not wait at all.
        let second = open(&ctx, "Count it again");
        completed(&ctx, &second).await;
        assert_eq!(history(&ctx, &second).await.0, "unknown");
        server.hold(false);
        ctx.settle().await;
        for pull in [&pull, &second] {
            ctx.check_run(pull).await;
            assert_eq!(history(&ctx, pull).await, known());
        }
        ctx
    });
}

/// Waits until the head of a pull request has a completed run, while other work may go on.
async fn completed(ctx: &Ctx, pull: &PullHandle) {
    for _ in 0..2_500 {
        let runs = ctx.sim.check_runs(pull.repository(), &pull.head_sha());
        if runs.iter().any(|run| run.status == "completed") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    panic!("no completed run on #{}", pull.number());
}

/// How many tokens were made for git; each reads the contents of one repository.
fn tokens(ctx: &Ctx) -> usize {
    let made = ctx.sim.exchanges().into_iter().filter(|each| each.request_body["repository_ids"].is_array());
    made.inspect(|each| {
        let asked = serde_json::json!({
            "repository_ids": [ctx.repository().id()],
            "permissions": { "contents": "read" },
        });
        assert_eq!(each.request_body, asked);
    })
    .count()
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_token_is_in_no_file_no_process_list_and_no_log() {
    run_test(async |mut ctx| {
        let logs = logs::capture();
        let remote = Remote::new(&base(&ctx));
        let server = GitServer::start(base(&ctx)).await;
        let url = server.url.clone();
        mirrored_from(&mut ctx, &url).await;
        fill(&ctx, &remote);
        server.hold(true);
        open(&ctx, "Count the cart");
        server.transfer().await;
        // As it was sent, and as GitHub made it.
        let sent = server.asked()[0].authorization.clone().unwrap();
        let sent = sent.strip_prefix("Basic ").unwrap().to_owned();
        let token = String::from_utf8(STANDARD.decode(&sent).unwrap()).unwrap();
        let token = token.strip_prefix("x-access-token:").unwrap().to_owned();
        assert!(token.starts_with("ghs_"));
        let secret = |text: &[u8]| {
            let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
            has(&token) || has(&sent)
        };
        // A git is at work on the mirror just now, with helpers of its own.
        let working = working_in(&mirror(&ctx));
        assert!(working.len() >= 2, "{working:?}");
        for process in fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            assert!(!secret(&arguments), "{}", String::from_utf8_lossy(&arguments));
        }
        let found = files(&data(&ctx));
        assert!(found.iter().any(|path| path.ends_with("config")));
        for path in &found {
            // A file may be renamed while it is looked at.
            assert!(!secret(&fs::read(path).unwrap_or_default()), "{}", path.display());
        }
        server.hold(false);
        ctx.settle().await;
        assert!(files(&data(&ctx)).iter().all(|path| !secret(&fs::read(path).unwrap())));
        assert!(!logs.lines().iter().any(|line| secret(line.as_bytes())));
        let asked = server.asked();
        assert!(asked.iter().all(|each| each.authorization.as_deref() == Some(&*format!("Basic {sent}"))), "{asked:?}");
        // One token serves until it ends.
        remote.push(&ctx.repository(), "ada", "src/cart.rs");
        ctx.settle().await;
        assert_eq!(tokens(&ctx), 1);
        ctx
    });
}

/// Command lines of the processes that work in a directory.
fn working_in(directory: &Path) -> Vec<String> {
    let directory = fs::canonicalize(directory).unwrap_or_default();
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let here = processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == directory));
    here.map(|process| String::from_utf8_lossy(&fs::read(process.join("cmdline")).unwrap_or_default()).into_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn a_refused_token_is_replaced_once_and_a_redirect_is_not_followed() {
    run_test(async |mut ctx| {
        let remote = Remote::new(&base(&ctx));
        let (server, elsewhere) = (GitServer::start(base(&ctx)).await, GitServer::start(base(&ctx)).await);
        let url = server.url.clone();
        mirrored_from(&mut ctx, &url).await;
        fill(&ctx, &remote);
        server.mode(Mode::Once(401));
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        assert_eq!(history(&ctx, &pull).await, known());
        assert_eq!(tokens(&ctx), 2);
        server.mode(Mode::Redirect(elsewhere.url.clone()));
        remote.push(&ctx.repository(), "ada", "src/cart.rs");
        ctx.settle().await;
        assert_eq!(failure(&ctx).await, "the remote sends elsewhere: the repository has another name or place");
        assert!(elsewhere.asked().is_empty(), "the token would have gone along");
        // What was read before still answers, and the next try mends it.
        let stale = open(&ctx, "Count it again");
        ctx.check_run(&stale).await;
        assert_eq!(history(&ctx, &stale).await, known());
        server.mode(Mode::Serve);
        later(&ctx, Duration::from_secs(61)).await;
        assert_eq!(read(&ctx).await.0, 4);
        ctx
    });
}

#[test]
fn a_remote_that_is_down_is_named_and_asked_again_by_itself() {
    run_test(async |mut ctx| {
        let mut remote = mirrored(&mut ctx).await;
        remote.rename("elsewhere/shop");
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        let (status, detail) = history(&ctx, &pull).await;
        assert_eq!(status, "unknown");
        assert!(detail.contains("the remote knows no such repository, or hides it"), "{detail}");
        assert!(page(&ctx, "/histories").await.contains("failed, and tried again by itself: <bdi>the remote knows"));
        remote.rename("acme/shop");
        later(&ctx, Duration::from_secs(61)).await;
        ctx.check_run(&pull).await;
        assert_eq!(history(&ctx, &pull).await, known());
        ctx
    });
}

#[test]
fn a_force_push_begins_the_history_anew() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        remote.git(&["update-ref", "refs/heads/main", "main~2"]);
        let forced = remote.push(&ctx.repository(), "ada", "src/new.rs");
        ctx.settle().await;
        assert_eq!(read(&ctx).await, (2, forced));
        // Its base commit is in no branch any more; that does not lead to scores without end.
        let mark = ctx.sim.requests();
        pull.label("later");
        ctx.settle().await;
        assert_eq!(history(&ctx, &pull).await, known());
        assert!(ctx.sim.exchanges_since(mark).len() < 8, "{}", ctx.sim.exchanges_since(mark).len());
        ctx
    });
}

#[test]
fn names_and_owners_change_and_the_mirror_stays() {
    run_test(async |mut ctx| {
        let mut remote = mirrored(&mut ctx).await;
        ctx.sim.announce_installation("acme");
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        let (before, place) = (read(&ctx).await, mirror(&ctx));
        let store = ctx.repository().rename("store");
        remote.rename("acme/store");
        let pushed = remote.push(&store, "ada", "src/cart.rs");
        later(&ctx, Duration::from_secs(120)).await;
        let id = i64::try_from(store.id()).unwrap();
        let row = ctx.store.mirror(id).await.unwrap().unwrap();
        assert_eq!((row.repository.as_str(), row.changes, row.failure), ("acme/store", Some(before.0 + 1), None));
        assert_eq!(ctx.store.history_tip(id, "main").await.unwrap(), Some(pushed));
        assert!(place.is_dir(), "by its id");
        assert_eq!(fs::read_dir(data(&ctx).join("mirrors")).unwrap().count(), 2, "the mirror and its histories");
        ctx
    });
}

#[test]
fn another_default_branch_and_release_branches_are_mirrored_when_they_are_needed() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        let shop = ctx.repository();
        let release = remote.commit("release/1", "octocat", "src/cart.rs");
        shop.branch("release/1");
        shop.push_to("release/1", Edits::new().write("src/cart.rs", "1\n").id(&release));
        ctx.settle().await;
        let spec = PullSpec::new("Back-port", "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n"));
        let pull = shop.open(PullSpec { base: Some("release/1".to_owned()), ..spec });
        ctx.check_run(&pull).await;
        assert_eq!(history(&ctx, &pull).await, known());
        let id = i64::try_from(shop.id()).unwrap();
        assert_eq!(ctx.store.mirrored_branches(id).await.unwrap().len(), 2);
        // A branch that the remote does not have.
        shop.branch("gone");
        let spec = PullSpec::new("Nowhere", "ada", Edits::new().write("src/cart.rs", "let cart = 2;\n"));
        let pull = shop.open(PullSpec { base: Some("gone".to_owned()), ..spec });
        ctx.check_run(&pull).await;
        let (status, detail) = history(&ctx, &pull).await;
        assert_eq!(status, "unknown");
        assert!(detail.contains("the base branch is not at the remote"), "{detail}");
        ctx
    });
}

#[test]
fn hostile_names_of_branches_reach_no_command_and_no_path() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        let shop = ctx.repository();
        let tip = remote.git(&["rev-parse", "main"]);
        for name in
            ["$(touch${IFS}owned)", "a;touch owned", "--upload-pack=touch owned", "../../../owned", "x\u{202e}y"]
        {
            let fits = !name.contains([' ', '-']) && !name.contains("..");
            if fits {
                remote.git(&["update-ref", &format!("refs/heads/{name}"), &tip]);
            }
            shop.branch(name);
            let spec = PullSpec::new(
                "Base of an odd name",
                "ada",
                Edits::new().write(format!("src/{}.rs", name.len()), "1\n"),
            );
            let pull = shop.open(PullSpec { base: Some(name.to_owned()), ..spec });
            ctx.check_run(&pull).await;
            let (status, detail) = history(&ctx, &pull).await;
            assert_eq!(status == "ok", fits, "{name}: {detail}");
        }
        assert!(!files(ctx.directory.path()).iter().any(|path| path.ends_with("owned")));
        assert!(!Path::new("owned").exists());
        ctx
    });
}

#[test]
fn a_damaged_mirror_and_a_deleted_directory_cost_time_only() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        for path in files(&mirror(&ctx).join("objects/pack")) {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "rubbish".repeat(100)).unwrap();
        }
        let pushed = remote.push(&ctx.repository(), "ada", "src/cart.rs");
        ctx.settle().await;
        assert_eq!(read(&ctx).await, (4, pushed.clone()));
        ctx.stop_service().await;
        fs::remove_dir_all(data(&ctx)).unwrap();
        ctx.start_service().await;
        let after = open(&ctx, "Count it again");
        ctx.check_run(&after).await;
        assert_eq!(history(&ctx, &after).await, known());
        assert_eq!(read(&ctx).await, (4, pushed.clone()));
        // A directory that nothing is known of goes at the next start.
        fs::create_dir_all(data(&ctx).join("mirrors/987654.git/objects")).unwrap();
        fs::create_dir_all(data(&ctx).join("mirrors/somebody's")).unwrap();
        ctx.stop_service().await;
        ctx.start_service().await;
        let again = open(&ctx, "Count it once more");
        ctx.check_run(&again).await;
        assert_eq!(history(&ctx, &again).await, known());
        assert!(!data(&ctx).join("mirrors/987654.git").exists() && data(&ctx).join("mirrors/somebody's").exists());
        ctx
    });
}

#[test]
fn a_removed_repository_takes_its_mirror_along_when_its_time_is_over() {
    let setup = Setup { timing: mergecast::service::Timing::default(), ..Setup::default() };
    run_test_with(setup, async |mut ctx| {
        mirrored(&mut ctx).await;
        ctx.sim.announce_installation("acme");
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        let place = mirror(&ctx);
        assert!(place.is_dir());
        ctx.sim.uninstall("acme");
        ctx.settle().await;
        later(&ctx, (KEPT_AFTER_REMOVAL - chrono::TimeDelta::hours(2)).to_std().unwrap()).await;
        assert!(place.is_dir(), "it may yet come back");
        later(&ctx, Duration::from_secs(5 * 3_600)).await;
        assert!(!place.exists());
        assert_eq!(fs::read_dir(data(&ctx).join("mirrors")).unwrap().count(), 0);
        ctx
    });
}

#[test]
fn the_service_stops_at_once_while_a_fetch_runs_and_takes_its_git_along() {
    run_test(async |mut ctx| {
        let remote = Remote::new(&base(&ctx));
        let server = GitServer::start(base(&ctx)).await;
        let url = server.url.clone();
        mirrored_from(&mut ctx, &url).await;
        fill(&ctx, &remote);
        server.hold(true);
        let pull = open(&ctx, "Count the cart");
        completed(&ctx, &pull).await;
        server.transfer().await;
        assert!(!working_in(&mirror(&ctx)).is_empty());
        let begun = Instant::now();
        ctx.stop_service().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(working_in(&mirror(&ctx)), Vec::<String>::new());
        // The next start goes on, and the score that was made meanwhile is mended.
        server.hold(false);
        ctx.start_service().await;
        ctx.check_run(&pull).await;
        assert_eq!(history(&ctx, &pull).await, known());
        ctx
    });
}

#[test]
fn who_wrote_the_head_commit_is_asked_about_and_kept_nowhere() {
    run_test(async |mut ctx| {
        mirrored(&mut ctx).await;
        let pull = open(&ctx, "Count the cart");
        ctx.check_run(&pull).await;
        let name = "/data/repository/pullRequest/headCommit/nodes/0/commit/author/name";
        let mut answers = ctx.sim.exchanges().into_iter().rev().map(|each| each.response_body);
        let name = answers.find_map(|answer| answer.pointer(name).cloned()).unwrap();
        let name = name.as_str().expect("GitHub names the author").to_owned();
        assert!(!ctx.assessment(&pull).await.to_string().contains(&format!("\"{name}\"")) || name == "ada", "{name}");
        ctx
    });
}
