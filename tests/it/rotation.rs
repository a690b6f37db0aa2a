//! Secrets are changed while the App runs: no delivery is turned away, no request refused, and what cannot be used
//! changes nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mergecast::{
    codecov::sim::{SimCodecov, TOKEN as CODECOV},
    config::{Config, ConfigSources},
    datadog::{self, Datadog, Keys, Site},
    github::AppCredentials,
    service::{CoverageSettings, Operations, RemoteSettings, SecretSource, Secrets, Timing},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    logs,
    post::{Post, signature},
    program::Server,
    support::{Ctx, run_test},
    work::change,
};

const FILES: [&str; 3] = ["GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET", "GITHUB_WEBHOOK_SECRET_PREVIOUS"];

/// Where the App reads its secrets, as an operator has mounted them.
struct Mounted(PathBuf);

impl Mounted {
    fn write(&self, name: &str, secret: &str) {
        // As Kubernetes and careful people do it: a whole new file takes the place of the old one.
        std::fs::write(self.0.join("new"), secret).unwrap();
        std::fs::rename(self.0.join("new"), self.0.join(name)).unwrap();
    }

    /// The settings' own way to the secrets.
    fn source(&self, app_id: u64) -> SecretSource {
        let directory = self.0.clone();
        let read = move || {
            let env = |name: &str| match name.strip_suffix("_FILE") {
                Some(name) => directory.join(name).to_str().map(str::to_owned).filter(|_| FILES.contains(&name)),
                None => (name == "GITHUB_APP_ID").then(|| app_id.to_string()),
            };
            let config = Config::load(ConfigSources { file: None, flags: Vec::new(), env: &env })?;
            let app = config.github_app()?;
            let credentials = AppCredentials { app_id, client_id: None, private_key_pem: app.private_key };
            Ok(Secrets {
                credentials,
                webhook: app.webhook_secrets,
                datadog: None,
                coverage: CoverageSettings::default(),
            })
        };
        SecretSource { files: FILES.map(|name| self.0.join(name)).into(), read: Arc::new(read) }
    }
}

/// The service with its secrets in files, which it looks at all the time or only when asked.
async fn mount(ctx: &mut Ctx, look: Duration) -> Mounted {
    ctx.stop_service().await;
    let mounted = Mounted(ctx.directory.path().join("secrets"));
    std::fs::create_dir(&mounted.0).unwrap();
    let app = ctx.sim.app();
    mounted.write("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret());
    mounted.write("GITHUB_WEBHOOK_SECRET", app.webhook_secret.expose_secret());
    mounted.write("GITHUB_WEBHOOK_SECRET_PREVIOUS", "the one before that");
    let secrets = Some(mounted.source(app.app_id));
    ctx.setup.operations = Operations { secrets, ..Operations::default() };
    ctx.setup.timing = Timing { secrets: look, ..Timing::default() };
    ctx.start_service().await;
    mounted
}

/// The answer to a ping that is signed with `secret`.
async fn knock(ctx: &Ctx, id: &str, secret: &str) -> u16 {
    let post = Post::new(ctx, id, "ping", b"{}");
    Post { signature: Some(signature(secret, &post.body)), ..post }.status(ctx).await
}

/// Knocks until the answer is this one.
async fn until(ctx: &Ctx, secret: &str, expected: u16) {
    for n in 0..2_000 {
        if knock(ctx, &format!("{secret}-{expected}-{n}").replace(' ', "-"), secret).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the answer to {secret:?} does not become {expected}");
}

#[test]
fn secrets_are_changed_without_a_restart() {
    run_test(async |mut ctx| {
        let mounted = mount(&mut ctx, Duration::from_millis(5)).await;
        let shop = ctx.repository();
        ctx.check_run(&shop.open(change(0))).await;
        let old = ctx.sim.app();

        // Both are taken while GitHub and the files are changed one after the other, in whichever order.
        mounted.write("GITHUB_WEBHOOK_SECRET_PREVIOUS", old.webhook_secret.expose_secret());
        mounted.write("GITHUB_WEBHOOK_SECRET", "the new one");
        until(&ctx, "the new one", 202).await;
        assert_eq!(knock(&ctx, "old", old.webhook_secret.expose_secret()).await, 202);
        ctx.sim.change_webhook_secret("the new one");
        ctx.check_run(&shop.open(change(1))).await;
        mounted.write("GITHUB_WEBHOOK_SECRET_PREVIOUS", "nobody's");
        until(&ctx, old.webhook_secret.expose_secret(), 401).await;

        // The old key goes once the new one is in force; the token that it made is still good and is used on.
        let pem = ctx.sim.add_private_key().unwrap();
        mounted.write("GITHUB_PRIVATE_KEY", pem.expose_secret());
        mounted.write("GITHUB_WEBHOOK_SECRET_PREVIOUS", "a sign that the key was read too");
        until(&ctx, "a sign that the key was read too", 202).await;
        ctx.sim.delete_private_key(&old.private_key_pem);
        let mints = |ctx: &Ctx| ctx.sim.exchanges().iter().filter(|each| each.path.ends_with("access_tokens")).count();
        let before = mints(&ctx);
        ctx.check_run(&shop.open(change(2))).await;
        assert_eq!(mints(&ctx), before, "the token of the old key goes on");
        ctx.sim.expire_tokens();
        ctx.check_run(&shop.open(change(3))).await;
        assert_eq!(mints(&ctx), before + 1, "the new key makes a new one");
        ctx
    });
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_one_line() {
    let logs = logs::capture();
    run_test(async |mut ctx| {
        let mounted = mount(&mut ctx, Duration::from_secs(3_600)).await;
        let app = ctx.sim.app();
        let failures = || logs.lines().iter().filter(|line| line.contains("could not be read again")).count();
        let broken = [
            ("GITHUB_PRIVATE_KEY", "SENTINEL"),
            ("GITHUB_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\nU0VOVElORUw=\n-----END RSA PRIVATE KEY-----\n"),
            ("GITHUB_WEBHOOK_SECRET", ""),
        ];
        let good = |name| match name {
            "GITHUB_PRIVATE_KEY" => app.private_key_pem.clone(),
            _ => app.webhook_secret.clone(),
        };
        for (n, (name, secret)) in broken.into_iter().enumerate() {
            mounted.write(name, secret);
            ctx.service().reread_secrets();
            for _ in 0..5_000 {
                if failures() > n {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            assert_eq!(failures(), n + 1);
            assert_eq!(knock(&ctx, &format!("broken-{n}"), app.webhook_secret.expose_secret()).await, 202);
            ctx.sim.expire_tokens();
            ctx.check_run(&ctx.repository().open(change(n))).await;
            let good: SecretString = good(name);
            mounted.write(name, good.expose_secret());
        }
        let log = logs.lines().join("\n");
        assert!(!log.contains("SENTINEL") && !log.contains("U0VOVElORUw="), "no part of a secret is logged");
        ctx
    });
}

#[test]
fn a_key_of_datadogs_that_cannot_be_used_holds_nothing_else_up() {
    let key = |text: &str| SecretString::from(text.to_owned());
    run_test(async |mut ctx| {
        let mounted = mount(&mut ctx, Duration::from_millis(5)).await;
        let keys = Keys { api: key("good"), app: key("good") };
        let (nobody, site) = ("http://127.0.0.1:9".parse().unwrap(), Site::new("datadoghq.com"));
        let datadog = Datadog::new(&nobody, site, keys, ctx.clock.clone(), datadog::Options::default()).unwrap();
        ctx.stop_service().await;
        let SecretSource { files, read } = mounted.source(ctx.sim.app().app_id);
        let read = move || -> anyhow::Result<Secrets> {
            let datadog = Some(Keys { api: key("good"), app: key("two\nlines") });
            Ok(Secrets { datadog, ..read()? })
        };
        let secrets = Some(SecretSource { files, read: Arc::new(read) });
        ctx.setup.operations = Operations { secrets, datadog: Some(datadog), ..Operations::default() };
        ctx.start_service().await;
        mounted.write("GITHUB_WEBHOOK_SECRET_PREVIOUS", "the new one");
        until(&ctx, "the new one", 202).await;
        ctx
    });
}

#[test]
fn a_token_of_codecovs_is_changed_without_a_restart() {
    run_test(async |mut ctx| {
        let mounted = mount(&mut ctx, Duration::from_millis(5)).await;
        let codecov = SimCodecov::start().await.unwrap();
        let by = |token: &str| CoverageSettings {
            codecov: Some(RemoteSettings { url: codecov.url().clone(), token: token.into() }),
            ..CoverageSettings::default()
        };
        ctx.stop_service().await;
        let SecretSource { files, read } = mounted.source(ctx.sim.app().app_id);
        let coverage = by(CODECOV);
        let read = move || Ok(Secrets { coverage: coverage.clone(), ..read()? });
        let secrets = Some(SecretSource { files, read: Arc::new(read) });
        ctx.setup.operations = Operations { secrets, coverage: by("an old one"), ..Operations::default() };
        ctx.start_service().await;
        let pull = ctx.repository().open(change(1));
        let told = async || {
            ctx.check_run(&pull).await;
            let sources = ctx.assessment(&pull).await["sources"].clone();
            let of_coverage = sources.as_array().unwrap().iter().find(|one| one["name"] == "coverage").unwrap();
            of_coverage["detail"].as_str().unwrap().to_owned()
        };
        assert_eq!(told().await, "test coverage: access refused");
        mounted.write("GITHUB_WEBHOOK_SECRET_PREVIOUS", "the new one");
        until(&ctx, "the new one", 202).await;
        pull.status("codecov/patch", "success");
        assert_eq!(told().await, "test coverage: nothing for this commit yet");
        ctx
    });
}

#[test]
fn the_program_reads_its_secrets_again_on_a_hangup() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = mergecast::clock::Clock::system();
        let options = mergecast::github::sim::SimOptions::new(move || clock.now());
        let sim = mergecast::github::sim::Sim::start(options).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mounted = Mounted(directory.path().to_owned());
        let app = sim.app();
        mounted.write("key", app.private_key_pem.expose_secret());
        mounted.write("webhook", "from before");
        let file = |name: &str| directory.path().join(name).display().to_string();
        let (key, webhook) = (file("key"), file("webhook"));
        let files = [("GITHUB_PRIVATE_KEY_FILE", key.as_str()), ("GITHUB_WEBHOOK_SECRET_FILE", webhook.as_str())];
        let mut server = Server::spawn_with(&sim, directory.path(), &files);
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        mounted.write("webhook", app.webhook_secret.expose_secret());
        server.signal("HUP");
        let read = || server.log().contains("were read again and are in force");
        for _ in 0..4_000 {
            if read() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(read(), "{}", server.log());
        let pull = sim.repository("acme/shop").open(change(1));
        server.quiet(&sim).await;
        let runs = sim.check_runs(pull.repository(), &pull.head_sha());
        assert!(runs.iter().any(|run| run.status == "completed"), "{runs:?}");
        server.stop();
    });
}
