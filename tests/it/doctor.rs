//! `mergecast doctor` from outside: the real program against the simulated GitHub; each fault gives its own line.

use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::PathBuf,
    process::Command,
};

use chrono::TimeDelta;
use mergecast::{
    clock::Clock,
    github::{
        EVENTS, PERMISSIONS,
        sim::{Edits, PullSpec, Sim, SimOptions},
    },
    store::{DeliveryState, NewDelivery, Store, StoreOptions, StorePath},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{
    binary::{Ended, Program, mergecast, run},
    support::check_contracts,
};

mod datadog;

/// A server that runs on a simulated GitHub, and everything as it should be.
struct Ward {
    sim: Sim,
    directory: tempfile::TempDir,
    serve: Option<Program>,
    settings: PathBuf,
    public_url: String,
}

impl Ward {
    /// With GitHub's clock this much ahead of ours.
    async fn open_with_clock(ahead: TimeDelta) -> Self {
        let clock = Clock::system();
        let sim = Sim::start(SimOptions::new(move || clock.now() + ahead)).await.unwrap();
        // What is asked for, and nothing more, as the App's manifest has it.
        sim.change_app(|app| {
            app.permissions = PERMISSIONS.iter().map(|one| (one.name.to_owned(), one.access.to_owned())).collect();
            app.events = EVENTS.iter().filter(|event| event.subscribed).map(|event| event.name.to_owned()).collect();
        });
        sim.repository("acme/shop");
        let directory = tempfile::tempdir().unwrap();
        let app = sim.app();
        let secret = |name: &str, text: &SecretString| {
            let path = directory.path().join(name);
            fs::write(&path, text.expose_secret()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        secret("private-key.pem", &app.private_key_pem);
        secret("webhook-secret", &app.webhook_secret);
        let settings = directory.path().join("mergecast.toml");
        fs::write(
            &settings,
            format!(
                "[github]\napp_id = {}\nclient_id = \"{}\"\nprivate_key_file = \"private-key.pem\"\n\
                 webhook_secret_file = \"webhook-secret\"\napi_url = \"{}\"\ngit_url = \"https://github.example\"\n",
                app.app_id,
                app.client_id,
                sim.api_url()
            ),
        )
        .unwrap();
        let mut ward = Self { sim, directory, serve: None, settings, public_url: String::new() };
        ward.serve().await;
        ward
    }

    async fn serve(&mut self) {
        // Repositories are on this machine; links lead elsewhere.
        let remotes = self.directory.path().join("remotes");
        let made = Command::new("git").args(["init", "--quiet", "--bare"]).arg(remotes.join("acme/shop.git")).status();
        assert!(made.unwrap().success());
        let remotes = format!("file://{}", remotes.display());
        let env = [("MERGECAST_LISTEN", "127.0.0.1:0"), ("RUST_LOG", "info"), ("GITHUB_GIT_URL", remotes.as_str())];
        let mut serve = Program::start(mergecast(self.directory.path(), &["serve", "--log-format", "json"], &env));
        let address = serve.hear(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["fields"]["address"].as_str().map(str::to_owned)
        });
        self.public_url = format!("http://{address}");
        self.sim.deliver_to(&format!("{}/webhooks/github", self.public_url));
        self.serve = Some(serve);
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("mergecast.db")
    }

    fn command(&self, arguments: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = mergecast(self.directory.path(), &["doctor"], &[("MERGECAST_PUBLIC_URL", &self.public_url)]);
        command.args(arguments).envs(env.iter().copied());
        command
    }

    /// The list, without what differs from run to run.
    fn list(&self, env: &[(&str, &str)]) -> (i32, String) {
        let Ended { code, out, err } = run(self.command(&[], env));
        assert_eq!(err, "");
        for secret in [self.sim.app().private_key_pem, self.sim.app().webhook_secret] {
            let secret = secret.expose_secret();
            assert!(secret.is_empty() || !out.contains(secret), "a secret is shown");
        }
        let steady = [
            (r"127\.0\.0\.1:\d+", "HOST"),
            (r"\d+ [GM]B free", "N GB free"),
            (r"version \d+\.\d+", "version N"),
            (r"\d{4} of 5000 (requests|GraphQL points)", "N of 5000 requests"),
            (r"schema \d+", "schema N"),
            (r"latest \d+ arrived", "latest N arrived"),
            (r"\d ready, \d loading, 0 MB at \./data/mirrors(, the last fetch [-: \d]+ UTC)?", "N mirrors"),
            (r"installations/\d+", "installations/ID"),
        ];
        let out = steady.iter().fold(out, |text, (pattern, name)| {
            regex::Regex::new(pattern).unwrap().replace_all(&text, *name).into_owned()
        });
        (code, out)
    }

    /// The one line that is not ok, with its fix; everything else is.
    fn fault(&self, env: &[(&str, &str)]) -> (i32, String) {
        let (code, list) = self.list(env);
        let wrong: Vec<&str> =
            list.lines().filter(|line| !line.starts_with("ok ")).take_while(|line| !line.is_empty()).collect();
        (code, wrong.join("\n"))
    }

    fn end(mut self) {
        if let Some(serve) = self.serve.take() {
            assert_eq!(serve.stop().code, 0);
        }
        check_contracts(&self.sim);
    }
}

fn with_ward<F: Future<Output = Ward>>(ahead: TimeDelta, test: impl FnOnce(Ward) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { test(Ward::open_with_clock(ahead).await).await.end() });
}

/// The list with its columns closed up, for comparing.
#[track_caller]
fn check((code, found): (i32, String), expected_code: i32, expected: &str) {
    let closed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!((code, closed(&found)), (expected_code, closed(expected)));
}

#[test]
fn a_healthy_app_is_all_green_while_it_serves() {
    with_ward(TimeDelta::zero(), |ward| async move {
        ward.sim.repository("acme/shop").open(PullSpec::new("Add", "nora", Edits::new().write("a.rs", "fn a() {}\n")));
        ward.sim.settle().await;
        let keys = [("PAGERDUTY_WEBHOOK_SECRET", "hunter2")];
        let (code, list) = ward.list(&keys);
        insta::assert_snapshot!(list, @r"
        ok      settings       read from mergecast.toml and the environment
        ok      credentials    App 424242, private key and webhook secret are set
        ok      secrets        their 2 files are readable to their owner only
        ok      GitHub         takes the credentials: App mergecast (424242) of octo-org
        ok      clock          agrees with GitHub's
        ok      permissions    the App asks for all that it needs
        ok      events         the App is subscribed to all that it reads
        ok      webhook        GitHub sends to http://HOST/webhooks/github
        ok      deliveries     the latest N arrived
        ok      installations  acme grants all that the App needs
        ok      rate budget    the tightest is acme with N of 5000 requests left this hour
        ok      public URL     http://HOST/healthz answers
        ok      database       sqlite://mergecast.db is sound and can be written, schema N
        ok      work           nothing was given up
        ok      disk           N GB free at .
        ok      git            version N
        ok      mirrors        N mirrors
        ok      Datadog        off: burn rates, incidents, deployments and flaky tests do not enter the score
        ok      integrations   PagerDuty: set, but not used in this version

        19 ok, 0 warnings, 0 broken
        ");
        assert_eq!(code, 0);
        let Ended { code, out, .. } = run(ward.command(&["--json"], &keys));
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &json["schema"], &json["state"]), (0, &"mergecast.doctor/1".into(), &"ok".into()));
        assert!(json["checks"].as_array().unwrap().iter().all(|check| check["fix"].is_null()), "{out}");
        assert!(!out.contains("hunter2"));
        ward
    });
}

#[test]
fn each_fault_at_github_has_its_line() {
    with_ward(TimeDelta::zero(), |ward| async move {
        let good = ward.sim.app();
        ward.sim.change_app(|app| drop(app.permissions.remove("members")));
        check(
            ward.fault(&[]),
            0,
            "warn permissions the App does not ask for members: read (the teams that code owners \
            and reviewers belong to) fix: set members to read at https://github.example/organizations/octo-org/settings/apps/mergecast/permissions, \
            then accept it where the App is installed",
        );
        ward.sim.change_app(|app| {
            app.permissions.insert("members".to_owned(), "read".to_owned());
            app.events.retain(|event| event != "pull_request");
        });
        check(
            ward.fault(&[]),
            1,
            "broken events the App is not subscribed to pull_request (score the pull request) \
            fix: subscribe it at https://github.example/organizations/octo-org/settings/apps/mergecast/permissions",
        );
        ward.sim.change_app(|app| app.events.push("pull_request".to_owned()));

        let elsewhere = "https://old.example/webhooks/github".to_owned();
        ward.sim.change_app(|app| app.hook_url = Some(elsewhere.clone()));
        check(
            ward.fault(&[]),
            1,
            "broken webhook GitHub sends to https://old.example/webhooks/github, but this server is at \
            http://HOST/webhooks/github fix: set the webhook URL at https://github.example/organizations/octo-org/settings/apps/mergecast, \
            or correct MERGECAST_PUBLIC_URL",
        );
        ward.sim.deliver_to(&format!("{}/webhooks/github", ward.public_url));
        ward.sim.change_app(|app| app.hook_verified = false);
        check(
            ward.fault(&[]),
            0,
            "warn webhook GitHub does not check this server's certificate fix: enable SSL verification \
            at https://github.example/organizations/octo-org/settings/apps/mergecast",
        );
        ward.sim
            .change_app(|app| (app.hook_verified, app.webhook_secret) = (true, "not-the-one-that-serve-has".into()));
        ward.sim.repository("acme/shop").open(PullSpec::new("Add", "nora", Edits::new().write("a.rs", "fn a() {}\n")));
        ward.sim.settle().await;
        let (code, found) = ward.fault(&[]);
        assert_eq!(code, 1);
        let expected = "did not arrive; the newest of them: Invalid HTTP Response: 401";
        assert!(found.starts_with("broken  deliveries") && found.contains(expected), "{found}");
        assert!(
            found.contains("fix: the webhook secret differs: set the same one as GITHUB_WEBHOOK_SECRET and at"),
            "{found}"
        );
        ward.sim.change_app(|app| app.webhook_secret = "".into());
        let (_, found) = ward.fault(&[]);
        assert!(found.contains("GitHub has no secret to sign with"), "{found}");
        ward.sim.change_app(|app| app.webhook_secret = good.webhook_secret.clone());
        ward
    });
}

#[test]
fn each_fault_of_an_installation_has_its_line() {
    with_ward(TimeDelta::zero(), |ward| async move {
        let mut granted = ward.sim.app_settings().permissions;
        granted.insert("checks".to_owned(), "read".to_owned());
        ward.sim.grant("acme", granted);
        ward.sim.settle().await;
        check(
            ward.fault(&[]),
            1,
            "broken installations acme does not grant checks: write (the check run, its re-run and its \
            buttons) fix: an owner of acme accepts what the App asks for at \
            https://github.example/organizations/acme/settings/installations/ID",
        );
        ward.sim.grant("acme", ward.sim.app_settings().permissions);
        ward.sim.suspend("acme", true);
        ward.sim.settle().await;
        check(
            ward.fault(&[]),
            0,
            "warn installations acme has suspended the App: nothing is scored there fix: an owner of acme \
            lifts that at https://github.example/organizations/acme/settings/installations/ID",
        );
        ward.sim.suspend("acme", false);
        ward.sim.leave("acme", "core", 120, 1_800);
        let (code, found) = ward.fault(&[]);
        // The App at work may have used one or two of them meanwhile.
        let left = found.strip_prefix("warn    rate budget    the tightest is acme with ");
        let left = left.and_then(|rest| rest.split_once(" of 5000 requests")).map(|(left, _)| left.parse::<u64>());
        assert!(code == 0 && matches!(left, Some(Ok(100..=120))), "{found}");
        ward.sim.leave("acme", "core", 4_000, 1_800);
        ward.sim.uninstall("acme");
        ward.sim.settle().await;
        check(
            ward.fault(&[]),
            0,
            "warn installations the App is installed nowhere, so there is nothing to score fix: install \
            it at http://HOST/apps/mergecast/installations/new",
        );
        ward
    });
}

#[test]
fn each_fault_of_the_settings_has_its_line() {
    with_ward(TimeDelta::zero(), |ward| async move {
        let path = ward.directory.path();
        let good = fs::read_to_string(&ward.settings).unwrap();
        fs::set_permissions(path.join("private-key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        check(
            ward.fault(&[]),
            0,
            "warn secrets private-key.pem holds a secret and has mode 0644: others on this machine can \
            use it fix: chmod 600 private-key.pem",
        );
        fs::set_permissions(path.join("private-key.pem"), fs::Permissions::from_mode(0o600)).unwrap();

        let other = Sim::start(SimOptions::new(|| Clock::system().now())).await.unwrap().app().private_key_pem;
        check(
            ward.fault(&[("GITHUB_PRIVATE_KEY", other.expose_secret())]),
            1,
            "broken GitHub GitHub refuses the App's \
            credentials fix: compare GITHUB_APP_ID and GITHUB_CLIENT_ID with the App's page, and generate a new private key there",
        );
        let nonsense = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
        let (code, found) = ward.fault(&[("GITHUB_PRIVATE_KEY", nonsense)]);
        assert!(code == 1 && found.contains("is not an RSA key in PEM") && found.contains("fix: generate"), "{found}");
        let (code, found) = ward.fault(&[("GITHUB_APP_ID", "7")]);
        assert!(code == 1 && found.contains("but GITHUB_APP_ID is 7"), "{found}");
        let (code, found) = ward.fault(&[("GITHUB_API_URL", "http://127.0.0.1:9")]);
        assert!(code == 1 && found.contains("fix: see whether http://HOST/ can be reached"), "{found}");
        let (code, found) = ward.fault(&[("MERGECAST_PUBLIC_URL", "http://127.0.0.1:9")]);
        assert!(code == 1 && found.contains("http://HOST/healthz cannot be reached from here"), "{found}");

        fs::write(&ward.settings, format!("listn = 'x'\n{good}")).unwrap();
        check(
            ward.fault(&[]),
            1,
            "broken settings mergecast.toml line 1 has the unknown key \"listn\" fix: did you mean listen?",
        );
        fs::write(&ward.settings, "").unwrap();
        check(
            ward.fault(&[]),
            1,
            "broken credentials no GitHub App is set up yet fix: create one: mergecast setup --public-url \
            https://HOST (with --org ORG for an organisation's)",
        );
        fs::write(&ward.settings, good).unwrap();
        ward
    });
}

#[test]
fn a_clock_that_goes_wrong_is_told() {
    with_ward(TimeDelta::seconds(45), |ward| async move {
        let (code, found) = ward.fault(&[]);
        let pattern =
            regex::Regex::new(r"^warn    clock          this machine's clock is 4[3-7] s behind GitHub's\n +fix: let")
                .unwrap();
        assert!(code == 0 && pattern.is_match(&found), "{found}");
        ward
    });
    with_ward(TimeDelta::minutes(-20), |ward| async move {
        let (code, found) = ward.fault(&[]);
        assert_eq!(code, 1);
        assert!(found.contains("s ahead of GitHub's, for which it refuses the login"), "{found}");
        ward
    });
}

#[test]
fn each_fault_of_the_database_has_its_line() {
    with_ward(TimeDelta::zero(), |mut ward| async move {
        assert_eq!(ward.serve.take().unwrap().stop().code, 0);
        let store = Store::open(StoreOptions::new(StorePath::File(ward.database()))).await.unwrap();
        let delivery = NewDelivery {
            delivery_id: "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
            event: "pull_request".to_owned(),
            action: Some("opened".to_owned()),
            installation_id: Some(1),
            received_at: 1,
            body: b"{}".to_vec(),
            state: DeliveryState::Queued,
        };
        store.accept(&delivery).await.unwrap();
        store.bury_delivery(&delivery.delivery_id, 2, "a field\nis missing").await.unwrap();
        store.close().await;
        let unreachable = "warn public URL http://HOST/healthz cannot be reached from here fix: start serve, and see name, proxy \
            and certificate; a proxy that lets only /webhooks/github pass, or a network that does not lead back to this machine, \
            is no fault";
        let expected = format!(
            "{unreachable} warn work 1 delivery given up; the latest: pull_request: a field is missing fix: \
            mend the reason, then have it tried again: a push, or Re-run on the check; mergecast redeliver for deliveries of the last three days"
        );
        check(ward.fault(&[]), 0, &expected);

        // How SQLite's format says that a file must not be written.
        let file = fs::OpenOptions::new().write(true).open(ward.database()).unwrap();
        file.write_all_at(&[3], 18).unwrap();
        let (code, found) = ward.fault(&[]);
        assert!(
            code == 1 && found.contains("broken  database       sqlite://mergecast.db cannot be written: "),
            "{found}"
        );
        file.write_all_at(&[2], 18).unwrap();
        fs::write(ward.database(), "no database ".repeat(1_000)).unwrap();
        let (code, found) = ward.fault(&[]);
        assert!(code == 1 && found.contains("mergecast.db: file is not a database"), "{found}");
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", ward.database().display()));
        }
        check(ward.fault(&[]), 0, unreachable);
        assert!(!ward.database().exists(), "doctor made a database");
        ward
    });
}

#[test]
fn on_a_new_machine_it_says_how_to_begin() {
    let directory = tempfile::tempdir().unwrap();
    let Ended { code, out, err } = run(mergecast(directory.path(), &["doctor"], &[]));
    assert_eq!((code, err.as_str()), (1, ""));
    let free = regex::Regex::new(r"\d+ [GM]B free|version \d+\.\d+").unwrap();
    insta::assert_snapshot!(free.replace_all(&out, "N"), @r"
    ok      settings     read from the environment; there is no mergecast.toml here
    broken  credentials  no GitHub App is set up yet
                         fix: create one: mergecast setup --public-url https://HOST (with --org ORG for an organisation's)
    warn    public URL   not set: check runs cannot link to their pages
                         fix: set MERGECAST_PUBLIC_URL to the address under which people reach this server
    ok      database     there is none at sqlite://mergecast.db yet; serve makes it
    ok      disk         N at .
    ok      git          N
    ok      mirrors      ./data/mirrors can be written
    ok      Datadog      off: burn rates, incidents, deployments and flaky tests do not enter the score

    6 ok, 1 warning, 1 broken
    ");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
