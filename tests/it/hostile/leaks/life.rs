//! Everything else that an App lives through, each part with its failures: commands, overrides, merge queues, mirrors,
//! uploads, the systems that know of coverage, and Datadog.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use mergecast::{
    codecov::sim::{SimCodecov, TOKEN as CODECOV},
    datadog::sim::{self as datadog, SimDatadog},
    github::sim::{Edits, Fault, FaultKind, FaultOn, Permission, PullSpec, SimRepository, Times, oidc::SimIssuer},
    report::check_run::NAME,
    service::{CoverageSettings, MirrorSettings, RemoteSettings},
    sonar::sim::{SimSonar, TOKEN as SONAR},
};
use serde_json::json;

use crate::{
    coverage::{Put, lcov, token},
    mirrors::{
        base, data, fill,
        http::{GitServer, Mode},
        remote::Remote,
    },
    services::connect,
    support::Ctx,
};

pub(super) const POLICY: &str = "mode: enforce\nthreshold: 1\ncoverage: { sources: [codecov, sonar, upload] }\n";
const AUDIENCE: &str = "https://mergecast.example";

/// The systems around the App.
pub(super) struct Around {
    issuer: SimIssuer,
    codecov: SimCodecov,
    sonar: SimSonar,
    datadog: SimDatadog,
    git: GitServer,
    remote: Remote,
}

impl Around {
    /// Starts them, and the service anew, connected to each.
    pub(super) async fn of(ctx: &mut Ctx) -> Self {
        let remote = Remote::new(&base(ctx));
        let datadog = connect(ctx).await;
        let around = Self {
            datadog,
            issuer: SimIssuer::start().await.unwrap(),
            codecov: SimCodecov::start().await.unwrap(),
            sonar: SimSonar::start().await.unwrap(),
            git: GitServer::start(base(ctx)).await,
            remote,
        };
        ctx.stop_service().await;
        let operations = &mut ctx.setup.operations;
        operations.coverage = CoverageSettings {
            oidc: Some((around.issuer.url().clone(), AUDIENCE.to_owned())),
            codecov: Some(RemoteSettings { url: around.codecov.url().clone(), token: CODECOV.into() }),
            sonar: Some(RemoteSettings { url: around.sonar.url().clone(), token: SONAR.into() }),
        };
        ctx.setup.operations.mirrors = Some(MirrorSettings::new(data(ctx), around.git.url.parse().unwrap()));
        ctx.start_service().await;
        fill(ctx, &around.remote);
        around
    }

    /// Secrets that came up meanwhile: what git was let in with, as it was sent and as GitHub made it.
    pub(super) fn secrets(&self) -> Vec<String> {
        let sent: Vec<String> = self.git.asked().into_iter().filter_map(|asked| asked.authorization).collect();
        assert!(!sent.is_empty(), "git was let in with a token");
        let basic = sent.iter().filter_map(|one| one.strip_prefix("Basic ")).map(str::to_owned);
        let plain = |one: String| {
            let token = String::from_utf8(STANDARD.decode(&one).unwrap()).unwrap();
            [one, token.strip_prefix("x-access-token:").unwrap().to_owned()]
        };
        basic.flat_map(plain).collect()
    }

    /// Lives through it; gives what was answered.
    pub(super) async fn live(&self, ctx: &mut Ctx, shop: &SimRepository) -> String {
        let mut shown = self.uploads(ctx, shop).await;
        shown.push_str(&self.health(ctx, shop).await);
        shown.push_str(&commands(ctx, shop).await);
        self.git.mode(Mode::Once(500));
        self.remote.commit("main", "octocat", "src/late.rs");
        shop.push_base(Edits::new().write("src/late.rs", "late\n"));
        ctx.settle().await;
        queues(ctx, shop).await;
        shown
    }

    /// A service that burns and has an incident, while Datadog fails in every way.
    async fn health(&self, ctx: &Ctx, shop: &SimRepository) -> String {
        use datadog::{FaultKind, Times};
        self.datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(2), 9.0);
        self.datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        let edits = Edits::new().write("apps/payments/src/voucher.ts", "pay();\n");
        let pull = shop.open(PullSpec::new("Pay by voucher", "ada", edits));
        ctx.settle().await;
        let kinds = [401, 403, 404, 418, 500].map(FaultKind::Status).into_iter().chain([
            FaultKind::Empty(403),
            FaultKind::RateLimited { reset: Some(1) },
            FaultKind::Cut,
            FaultKind::Half,
            FaultKind::Slow(Duration::from_millis(5)),
            FaultKind::Garbage,
            FaultKind::Nonsense,
            FaultKind::Redirect,
        ]);
        let mut shown = String::new();
        for kind in kinds {
            self.datadog.fault(datadog::Fault { path: String::new(), kind, times: Times::Next(9) });
            ctx.clock.set(ctx.clock.now() + TimeDelta::hours(13));
            pull.comment("nora", "/risk when");
            ctx.settle().await;
            let sources = ctx.http.get(ctx.url("/api/v1/sources")).send().await.expect("an answer");
            shown.push_str(&sources.text().await.expect("a body"));
            self.datadog.heal();
        }
        assert!(shown.contains("datadoghq.com"), "{shown}");
        format!("{shown}{:?}", pull.conversation())
    }

    /// Reports with every kind of token, good and bad, and other systems that fail.
    async fn uploads(&self, ctx: &Ctx, shop: &SimRepository) -> String {
        token(ctx).await;
        let pull = shop.open(PullSpec::new("Add steps", "ada", Edits::new().write("src/steps.rs", "step();\n")));
        ctx.settle().await;
        let now = ctx.clock.now().timestamp();
        let claims = json!({
            "iss": self.issuer.url().as_str().trim_end_matches('/'), "aud": AUDIENCE, "exp": now + 300,
            "repository": "acme/shop", "repository_id": shop.id().to_string(),
        });
        let workflow = self.issuer.sign(&claims);
        let mut shown = String::new();
        let forged = format!("{}x", super::UPLOAD);
        for (token, expected) in [
            (super::UPLOAD, 201),
            (&workflow, 200),
            (&forged, 401),
            (&self.issuer.sign_symmetric(&claims), 401),
            (CODECOV, 401),
        ] {
            let (status, told) = Put::of(&pull, lcov(1, 1)).by(Some(token)).send(ctx).await;
            assert_eq!(status.as_u16(), expected, "{told}");
            shown.push_str(&told.to_string());
        }
        let (_, told) = Put::of(&pull, "no report").send(ctx).await;
        shown.push_str(&told.to_string());
        for status in [401, 403, 429, 500, 503] {
            self.codecov.fail(Some(status));
            pull.status("codecov/patch", if status % 2 == 0 { "success" } else { "failure" });
            ctx.settle().await;
        }
        self.codecov.fail(None);
        self.issuer.fail(true);
        shown
    }
}

/// Every command, by those who may and by those who may not, while GitHub fails now and then; an override in force.
async fn commands(ctx: &Ctx, shop: &SimRepository) -> String {
    // Others have given as many commands as they may in a while.
    shop.member("omar", Permission::Write);
    let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/cart.rs", "let cart = 2;\n")));
    ctx.settle().await;
    let reply = || FaultOn::new("POST", "/repos/*/*/issues/*/comments");
    for (n, text) in [
        "/risk",
        "/risk explain churn",
        "/risk owners",
        "/risk rescore",
        "/risk feedback wrong Nothing here can fail",
        "/risk hotfix INC-1",
        "/risk override The fix cannot wait for 30m",
        "/risk override cancel",
        "/risk override Once more",
    ]
    .into_iter()
    .enumerate()
    {
        let kinds = [FaultKind::Status(502), FaultKind::AnswerLostAfterWrite, FaultKind::Status(422)];
        ctx.sim.fault(Fault { on: reply(), kind: kinds[n % 3].clone(), times: Times::Next(u32::from(n < 6)) });
        ctx.sim.expire_tokens();
        pull.comment(["omar", "eve"][usize::from(n == 1)], text);
        ctx.rest().await;
        ctx.step().await;
        ctx.sim.heal();
    }
    let said = pull.conversation();
    assert!(said.iter().filter(|one| one.by_app).count() >= 3, "{said:?}");
    format!("{said:?}")
}

/// A group whose score fails, and one that is answered.
async fn queues(ctx: &Ctx, shop: &SimRepository) {
    shop.merge_queue(&[NAME]);
    for kind in [FaultKind::Status(500), FaultKind::Garbage] {
        let edits = Edits::new().write(format!("src/{kind:?}.rs"), "let queued = 1;\n");
        let pull = shop.open(PullSpec::new("Queue it", "max", edits));
        ctx.settle().await;
        ctx.sim.fault(Fault { on: FaultOn::any(), kind, times: Times::Next(2) });
        ctx.sim.expire_tokens();
        pull.enqueue();
        ctx.settle().await;
        ctx.sim.heal();
    }
}
