//! The names that tell kinds of files and sensitive areas apart. Lower case; one table for each question.

use std::sync::LazyLock;

use rustc_hash::FxHashSet;

/// Words looked up as a whole. They are ours, so that nobody can make them collide.
pub(super) type Words = LazyLock<FxHashSet<&'static str>>;

fn words(text: &'static str) -> FxHashSet<&'static str> {
    text.split_ascii_whitespace().collect()
}

/// "token", "session" and "policy" are left out: tokenizers, debug sessions and retry policies far outnumber the others.
pub(super) static AUTH: Words = LazyLock::new(|| {
    words(
        "auth authn authz authentication authenticator authorization authorisation authorizer oauth oauth2 \
         oidc saml sso login signin logout password passwords passwd credential credentials jwt permission \
         permissions rbac acl iam secret secrets crypto encryption security mfa 2fa totp webauthn csrf \
         impersonation",
    )
});

/// "subscription" and "transaction" are left out: message queues and databases have more of them than shops.
pub(super) static PAYMENT: Words = LazyLock::new(|| {
    words(
        "payment payments billing invoice invoices invoicing checkout stripe paypal braintree adyen refund \
         refunds payout payouts wallet",
    )
});

pub(super) static LOCK_FILES: Words = LazyLock::new(|| {
    words(
        "cargo.lock package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb \
         deno.lock poetry.lock pipfile.lock uv.lock pdm.lock pixi.lock conda-lock.yml gemfile.lock \
         composer.lock symfony.lock go.sum go.work.sum mix.lock rebar.lock pubspec.lock packages.lock.json \
         paket.lock podfile.lock package.resolved cartfile.resolved gradle.lockfile \
         buildscript-gradle.lockfile flake.lock conan.lock chart.lock .terraform.lock.hcl module.bazel.lock \
         stack.yaml.lock shard.lock",
    )
});

pub(super) static GENERATED_ENDINGS: Words = LazyLock::new(|| {
    words(
        ".pb.go .pb.gw.go _pb2.py _pb2.pyi _pb2_grpc.py .pb.cc .pb.h .pb.swift _pb.js _pb.d.ts _pb.ts \
         .pbobjc.h .pbobjc.m .g.dart .freezed.dart .gen.go .gen.ts _generated.go .designer.cs .g.cs .min.js \
         .min.css .js.map .css.map",
    )
});

pub(super) static CI_FILES: Words = LazyLock::new(|| {
    words(
        ".gitlab-ci.yml .travis.yml azure-pipelines.yml azure-pipelines.yaml bitbucket-pipelines.yml \
         appveyor.yml .appveyor.yml .drone.yml .cirrus.yml cloudbuild.yaml cloudbuild.yml buildspec.yml \
         codemagic.yaml",
    )
});

pub(super) static CI_FOLDERS: Words = LazyLock::new(|| {
    words(
        ".github/workflows/ .github/actions/ .circleci/ .buildkite/ .gitlab/ .woodpecker/ .tekton/ .ci/ \
         .teamcity/",
    )
});

pub(super) static TEST_FOLDERS: Words = LazyLock::new(|| {
    words(
        "test tests __tests__ spec specs testdata test-data test_data e2e __mocks__ __fixtures__ fixtures \
         cypress integration-tests integration_tests __snapshots__",
    )
});

pub(super) static DOCS_NAMES: Words = LazyLock::new(|| {
    words("readme changelog changes license licence notice authors contributing code_of_conduct security")
});

pub(super) static INFRASTRUCTURE_FOLDERS: Words = LazyLock::new(|| {
    words(
        "k8s kubernetes helm charts terraform ansible deploy deployment infra infrastructure kustomize argocd \
         pulumi .ebextensions",
    )
});

pub(super) static INFRASTRUCTURE_FILES: Words = LazyLock::new(|| {
    words(
        "compose.yml compose.yaml procfile serverless.yml serverless.yaml fly.toml app.yaml cdk.json \
         pulumi.yaml skaffold.yaml nginx.conf vagrantfile wrangler.toml vercel.json netlify.toml render.yaml",
    )
});

pub(super) static MANIFEST_FILES: Words = LazyLock::new(|| {
    words(
        "cargo.toml package.json pnpm-workspace.yaml bower.json deno.json deno.jsonc go.mod go.work \
         pyproject.toml setup.py setup.cfg pipfile environment.yml environment.yaml gemfile pom.xml \
         build.gradle build.gradle.kts settings.gradle settings.gradle.kts libs.versions.toml build.sbt \
         composer.json mix.exs rebar.config pubspec.yaml packages.config directory.packages.props \
         package.swift podfile cartfile conanfile.txt conanfile.py vcpkg.json module.bazel chart.yaml \
         shard.yml",
    )
});

pub(super) static MIGRATION_EXTENSIONS: Words =
    LazyLock::new(|| words("sql rb py php js ts mjs cjs mts cts xml yaml yml json ex exs cs go java kt groovy rs"));

pub(super) static ASSET_EXTENSIONS: Words = LazyLock::new(|| {
    words(
        "png jpg jpeg gif webp svg ico bmp avif woff woff2 ttf otf eot mp3 mp4 webm wav ogg mov pdf zip gz \
         tar jar",
    )
});

pub(super) static CONFIG_EXTENSIONS: Words = LazyLock::new(|| {
    words(
        "yml yaml toml ini json jsonc json5 cfg conf env properties lock cmake mk bazel bzl editorconfig \
         plist",
    )
});

pub(super) static CONFIG_FILES: Words =
    LazyLock::new(|| words("makefile cmakelists.txt build workspace codeowners justfile rakefile"));
