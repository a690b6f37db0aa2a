//! `mergecast setup` from outside: the real program, the simulated GitHub and a person with a browser between them.

pub(crate) mod browser;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use mergecast::github::sim::{Edits, PullSpec, Sim};
use secrecy::ExposeSecret;

use crate::{
    binary::{Ended, Program, github, mergecast, run},
    support::check_contracts,
};
use browser::Browser;

pub(crate) const PUBLIC: &str = "https://risk.example.com";

/// Set-up in `directory` with the simulated GitHub as an Enterprise Server.
pub(crate) fn command(sim: &Sim, directory: &Path, arguments: &[&str]) -> Command {
    let api = format!("{}/api/v3", sim.api_url());
    let mut command = mergecast(directory, &["setup", "--public-url", PUBLIC], &[("GITHUB_API_URL", &api)]);
    command.args(arguments);
    command
}

/// Starts it and waits for the address that it prints.
pub(crate) fn start(command: Command) -> (Program, String) {
    let mut program = Program::start(command);
    let url = program.hear(|line| Some(line.trim().to_owned()).filter(|line| line.starts_with("http://127.0.0.1:")));
    (program, url)
}

/// A test in a directory of its own.
pub(crate) fn with_github<F: Future<Output = ()>>(test: impl FnOnce(Sim, tempfile::TempDir) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let sim = github().await;
        test(sim.clone(), tempfile::tempdir().unwrap()).await;
        check_contracts(&sim);
    });
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap_or_default())).collect()
}

/// Names that the temporary directory and chance gave, made the same in every run.
fn steady(text: &str, sim: &Sim, directory: &Path) -> String {
    let text = text.replace(&directory.canonicalize().unwrap().display().to_string(), "DIR");
    let text = text.replace(&sim.api_url(), "https://GITHUB").replace(&sim.app().app_id.to_string(), "ID");
    let text = text.replace(&sim.app().client_id, "CLIENT");
    let differing = [(r"key=[0-9a-f]+", "key=KEY"), (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"), (r"-L \d+", "-L PORT")];
    differing
        .iter()
        .fold(text, |text, (pattern, name)| regex::Regex::new(pattern).unwrap().replace_all(&text, *name).into_owned())
}

#[test]
fn from_nothing_to_a_check_run() {
    with_github(|sim, directory| async move {
        let shop = sim.repository("acme/shop");
        let (program, url) = start(command(&sim, directory.path(), &["--org", "acme"]));
        let browser = Browser::default();
        let made = browser.consent(&url).await;
        assert_eq!(made.status, 200, "{}", made.html);
        assert!(made.html.contains("<bdi>mergecast-acme</bdi> stands"), "{}", made.html);
        let Ended { code, out, err } = program.end();
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        insta::assert_snapshot!(steady(&err, &sim, directory.path()), @r#"
        Open this page in a browser on this machine, within 60 minutes:

            http://127.0.0.1:PORT/?key=KEY

        GitHub then asks you to create the App "Mergecast acme" for acme, and sends you back here.
        No two Apps have the same name: if it is taken, change it there.
        From another machine, forward the port first: ssh -L PORT:127.0.0.1:PORT THIS-HOST

        The GitHub App mergecast-acme stands: https://GITHUB/apps/mergecast-acme
        wrote DIR/private-key.pem
        wrote DIR/client-secret
        wrote DIR/webhook-secret
        wrote DIR/mergecast.toml

        Next:
          1. start it:   mergecast serve
             GitHub has to reach it at https://risk.example.com/webhooks/github
          2. install it: https://GITHUB/apps/mergecast-acme/installations/new
          3. check it:   mergecast doctor
        "#);

        let app = sim.app();
        let written = files(directory.path());
        insta::assert_snapshot!(steady(&written["mergecast.toml"], &sim, directory.path()), @r#"
        # Written by `mergecast setup`. `mergecast doctor` checks it.
        public_url = "https://risk.example.com"

        [github]
        app_id = ID
        client_id = "CLIENT"
        private_key_file = "DIR/private-key.pem"
        webhook_secret_file = "DIR/webhook-secret"
        api_url = "https://GITHUB/api/v3"
        git_url = "https://GITHUB"
        "#);
        assert_eq!(written["private-key.pem"], app.private_key_pem.expose_secret());
        assert_eq!(written["webhook-secret"].trim_end(), app.webhook_secret.expose_secret());
        assert_eq!(written.len(), 4, "{:?}", written.keys());
        for name in written.keys() {
            let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }

        // The files are all that serve needs, and the App is a real one.
        let serve = [("MERGECAST_LISTEN", "127.0.0.1:0"), ("RUST_LOG", "info")];
        let mut server = Program::start(mergecast(directory.path(), &["serve", "--log-format", "json"], &serve));
        let address = server.hear(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            line["fields"]["address"].as_str().map(str::to_owned)
        });
        sim.resolve(PUBLIC, &format!("http://{address}"));
        let page = browser.get(&format!("{}/apps/mergecast-acme/installations/new", sim.api_url())).await;
        let installed = browser.submit(&page, &[("account", "acme")]).await;
        assert!(installed.html.contains("is installed on acme"), "{}", installed.html);
        let pull = shop.open(PullSpec::new("Add a discount", "nora", Edits::new().write("src/a.rs", "fn a() {}\n")));
        let run = completed(&sim, &pull.head_sha()).await;
        assert_eq!(run.as_deref(), Some("success"));
        assert_eq!(server.stop().code, 0);
    });
}

/// The conclusion of our check run, once it has one.
pub(crate) async fn completed(sim: &Sim, sha: &str) -> Option<String> {
    for _ in 0..3_000 {
        if let Some(run) = sim.check_runs("acme/shop", sha).into_iter().find(|run| run.status == "completed") {
            return run.conclusion;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the check run is not completed: {:?}", sim.deliveries());
}

#[test]
fn credentials_can_go_to_standard_output_instead() {
    with_github(|sim, directory| async move {
        // Not an Enterprise Server, but a person's own App, with the two addresses told.
        let env = [("GITHUB_API_URL", sim.api_url()), ("GITHUB_GIT_URL", sim.api_url())];
        let mut command = mergecast(directory.path(), &["setup", "--print", "--name", "My own"], &[]);
        command.envs(env).env("MERGECAST_PUBLIC_URL", PUBLIC);
        let (program, url) = start(command);
        assert_eq!(Browser::default().consent(&url).await.status, 200);
        let Ended { code, out, err } = program.end();
        assert_eq!(code, 0, "{err}");
        let app = sim.app();
        let found: BTreeMap<&str, &str> = out.lines().map(|line| line.split_once('=').unwrap()).collect();
        assert_eq!(found["GITHUB_APP_ID"], app.app_id.to_string());
        assert_eq!(found["GITHUB_WEBHOOK_SECRET"], app.webhook_secret.expose_secret());
        assert_eq!(
            found["GITHUB_PRIVATE_KEY"].replace("\\n", "\n").trim_end(),
            app.private_key_pem.expose_secret().trim_end()
        );
        assert_eq!(found["MERGECAST_PUBLIC_URL"], PUBLIC);
        assert_eq!(found["GITHUB_API_URL"], sim.api_url());
        assert!(files(directory.path()).is_empty());
        for secret in [app.webhook_secret, app.private_key_pem] {
            assert!(!err.contains(secret.expose_secret()), "talk holds a secret");
        }
    });
}

#[test]
fn only_the_browser_that_began_it_can_end_it() {
    with_github(|sim, directory| async move {
        let (program, url) = start(command(&sim, directory.path(), &[]));
        let browser = Browser::default();
        let (base, key) = url.split_once("/?key=").unwrap();
        for wrong in [format!("{base}/"), format!("{base}/?key={}", "0".repeat(key.len()))] {
            let page = browser.get(&wrong).await;
            assert_eq!(page.status, 403);
            assert!(!page.html.contains("state="), "{}", page.html);
        }
        let back = browser.go_to_github(&url).await;
        let forged = browser.get(&back.replace("state=", "state=f")).await;
        assert_eq!(forged.status, 403);
        assert!(forged.html.contains("did not begin on the page"), "{}", forged.html);
        let nothing = browser.get(&back.replace("code=", "kode=")).await;
        assert_eq!(nothing.status, 400);
        assert!(files(directory.path()).is_empty());
        // The right one still counts, once.
        let (one, other) = tokio::join!(browser.get(&back), browser.get(&back));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 410]);
        let Ended { code, err, .. } = program.end();
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("with a state that is not ours: refused"), "{err}");
    });
}

#[test]
fn a_code_that_is_spent_or_old_is_told() {
    with_github(|sim, directory| async move {
        let (program, url) = start(command(&sim, directory.path(), &[]));
        let browser = Browser::default();
        let back = browser.go_to_github(&url).await;
        let code = regex::Regex::new("code=([0-9a-f]+)").unwrap().captures(&back).unwrap()[1].to_owned();
        let exchange = format!("{}/app-manifests/{code}/conversions", sim.api_url());
        let first = browser.post(&exchange, &[]).await;
        assert_eq!(first.status, 201);
        let page = browser.get(&back).await;
        assert_eq!(page.status, 502);
        let Ended { code, err, .. } = program.end();
        assert_eq!(code, 1);
        let expected =
            "error: GitHub does not take the code: it was used already or is over an hour old\nhint: delete the App";
        assert!(err.contains(expected), "{err}");
        assert!(files(directory.path()).is_empty());
    });
}

#[test]
fn what_stands_there_is_never_lost() {
    with_github(|sim, directory| async move {
        let path = directory.path();
        fs::write(path.join("webhook-secret"), "the old one").unwrap();
        let refused = run(command(&sim, path, &[]));
        assert_eq!(refused.code, 1);
        let expected = "would be overwritten\nhint: choose another --dir, or --force";
        assert!(
            refused.err.starts_with("error: webhook-secret in ") && refused.err.contains(expected),
            "{}",
            refused.err
        );

        // Something that comes in the way meanwhile takes everything back.
        let (program, url) = start(command(&sim, path, &["--force"]));
        fs::create_dir(path.join("mergecast.toml.old")).unwrap();
        fs::write(path.join("mergecast.toml"), "workers = 2\n").unwrap();
        fs::write(path.join("mergecast.toml.old/x"), "").unwrap();
        assert_eq!(Browser::default().consent(&url).await.status, 502);
        let Ended { code, err, .. } = program.end();
        assert_eq!(code, 1);
        assert!(err.contains("was created, but its credentials could not be kept"), "{err}");
        let after = files(path);
        assert_eq!(after["webhook-secret"], "the old one");
        assert_eq!(after["mergecast.toml"], "workers = 2\n");
        assert_eq!(after.keys().collect::<Vec<_>>(), ["mergecast.toml", "mergecast.toml.old", "webhook-secret"]);

        // --force keeps the old ones.
        fs::remove_dir_all(path.join("mergecast.toml.old")).unwrap();
        let (program, url) = start(command(&sim, path, &["--force", "--name", "Another"]));
        assert_eq!(Browser::default().consent(&url).await.status, 200);
        assert_eq!(program.end().code, 0);
        let after = files(path);
        assert_eq!(after["webhook-secret.old"], "the old one");
        assert_eq!(after["mergecast.toml.old"], "workers = 2\n");
        assert_eq!(after["webhook-secret"].trim_end(), sim.app().webhook_secret.expose_secret());
    });
}

#[test]
fn what_cannot_work_is_found_out_before_anything_is_created() {
    with_github(|sim, directory| async move {
        let path = directory.path();
        let check = |command: Command, expected: &str| {
            let Ended { code, err, .. } = run(command);
            assert_eq!(code, 1, "{err}");
            assert!(err.contains(expected) && err.contains("\nhint: "), "{err}");
        };
        // No room: a limit on the size of files is what a full disk looks like.
        let mut limited = Command::new("sh");
        let full = command(&sim, path, &[]);
        limited.current_dir(path).env_clear().envs(full.get_envs().filter_map(|(k, v)| Some((k, v?))));
        limited
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(full.get_program())
            .args(full.get_args());
        check(limited, "cannot write into ");
        assert!(files(path).is_empty());
        let local = mergecast(path, &["setup", "--public-url", "http://localhost:8080"], &[]);
        check(local, "GitHub delivers no webhooks to http://localhost:8080/");
        check(mergecast(path, &["setup"], &[]), "MERGECAST_PUBLIC_URL is not set");
        check(command(&sim, path, &["--listen", "0.0.0.0:0"]), "is no loopback address");
        let unknown =
            mergecast(path, &["setup", "--public-url", PUBLIC], &[("GITHUB_API_URL", "https://proxy.example")]);
        check(unknown, "does not tell where GitHub's pages are");
        assert!(sim.exchanges().is_empty());
        let usage = run(command(&sim, path, &["--org", "a/b", "--print"]));
        assert_eq!(usage.code, 2, "{}", usage.err);
    });
}

#[test]
fn a_name_that_is_taken_is_chosen_anew_at_github() {
    with_github(|sim, directory| async move {
        let (program, url) = start(command(&sim, directory.path(), &["--name", "Mergecast"]));
        let browser = Browser::default();
        let form = browser.get(&url).await;
        let consent = browser.submit(&form, &[]).await;
        let taken = browser.submit(&consent, &[]).await;
        assert!(taken.status == 422 && taken.html.contains("Name is already in use"), "{}", taken.html);
        let back = browser.submit(&consent, &[("name", "Mergecast of mine")]).await;
        assert_eq!(browser.get(&back.location.unwrap()).await.status, 200);
        let Ended { code, err, .. } = program.end();
        assert_eq!(code, 0);
        assert!(err.contains("The GitHub App mergecast-of-mine stands"), "{err}");
    });
}
