//! What kind of file a path names, judged by the path alone, and which sensitive areas it belongs to.
//! A change may not become small by moving code: only names that tools write count as generated or vendored.

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathKind {
    /// Program code; also whatever no other kind claims.
    Source,
    /// Tests and what only tests read.
    Test,
    /// Documentation.
    Docs,
    /// Written by a tool from other files of the repository.
    Generated,
    /// Copied in from elsewhere.
    Vendored,
    /// Exact versions of dependencies, written by a package manager.
    Lock,
    /// Names the dependencies.
    Manifest,
    /// Continuous integration.
    Ci,
    /// Changes a database schema or its data.
    Migration,
    /// Describes machines, containers or deployments.
    Infrastructure,
    /// Settings and build files.
    Config,
    /// Images, fonts, archives and the like.
    Asset,
}

/// A part of a system where mistakes cost more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Machines, containers, deployments.
    Infrastructure,
    /// Who may do what, and secrets.
    Auth,
    /// Money.
    Payments,
    /// Continuous integration.
    Ci,
    /// Dependency manifests.
    Dependencies,
}

impl Area {
    /// All areas, in the order of the signal's terms.
    pub const ALL: [Self; 5] = [Self::Infrastructure, Self::Auth, Self::Payments, Self::Ci, Self::Dependencies];

    /// Lower-case word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Auth => "auth",
            Self::Payments => "payments",
            Self::Ci => "ci",
            Self::Dependencies => "dependencies",
        }
    }
}

/// What kind of file `path` names. The first kind that claims it wins: others' code before ours, machine-written
/// before hand-written, tests before what they test.
pub fn kind_of(path: &str) -> PathKind {
    let lower = path.to_ascii_lowercase();
    let at = Place::of(path, &lower);
    RULES.iter().find(|(claims, _)| claims(&at)).map_or(PathKind::Source, |(_, kind)| *kind)
}

/// Who claims a path, in this order.
const RULES: [(fn(&Place<'_>) -> bool, PathKind); 11] = [
    (is_vendored, PathKind::Vendored),
    (is_lock, PathKind::Lock),
    (is_generated, PathKind::Generated),
    (is_ci, PathKind::Ci),
    (is_test, PathKind::Test),
    (is_manifest, PathKind::Manifest),
    (is_migration, PathKind::Migration),
    (is_docs, PathKind::Docs),
    (is_infrastructure, PathKind::Infrastructure),
    (is_asset, PathKind::Asset),
    (is_config, PathKind::Config),
];

/// Whether the file's name ends in this extension (lower case, without the dot), in any case.
pub fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(extension))
}

/// Directory of a path, empty at the root.
pub fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The part of the system that a path belongs to: its top-level directory, or two levels in monorepos, whose
/// top-level directory (`packages/`, `services/`) only says that many parts lie below it.
pub fn subsystem_of(path: &str) -> &str {
    const COLLECTIONS: [&str; 9] =
        ["packages", "apps", "crates", "services", "libs", "modules", "plugins", "components", "projects"];
    let directory = directory_of(path);
    let mut parts = directory.splitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some(top), Some(second)) if COLLECTIONS.contains(&top) => &directory[..top.len() + 1 + second.len()],
        (Some(top), _) => top,
        (None, _) => "",
    }
}

/// Sensitive areas of a file, by its kind and by the words in its path. Tests, docs and what machines write are in none.
pub fn areas_of(path: &str, kind: PathKind) -> Vec<Area> {
    match kind {
        PathKind::Ci => return vec![Area::Ci],
        PathKind::Manifest => return vec![Area::Dependencies],
        PathKind::Source | PathKind::Migration | PathKind::Config | PathKind::Infrastructure => {}
        _ => return Vec::new(),
    }
    let (mut auth, mut payments, mut git) = (false, false, false);
    each_word(path, |word| {
        auth |= is_auth_word(word);
        payments |= is_payment_word(word);
        git |= word == "git" || word == "vcs";
    });
    let mut areas = Vec::new();
    if kind == PathKind::Infrastructure {
        areas.push(Area::Infrastructure);
    }
    if auth {
        areas.push(Area::Auth);
    }
    // Version control has credentials of another kind of worth, and its checkout sells nothing.
    if payments && !git {
        areas.push(Area::Payments);
    }
    areas
}

/// "token", "session" and "policy" are left out: tokenizers, debug sessions and retry policies far outnumber the others.
fn is_auth_word(word: &str) -> bool {
    matches!(
        word,
        "auth"
            | "authn"
            | "authz"
            | "authentication"
            | "authenticator"
            | "authorization"
            | "authorisation"
            | "authorizer"
            | "oauth"
            | "oauth2"
            | "oidc"
            | "saml"
            | "sso"
            | "login"
            | "signin"
            | "logout"
            | "password"
            | "passwords"
            | "passwd"
            | "credential"
            | "credentials"
            | "jwt"
            | "permission"
            | "permissions"
            | "rbac"
            | "acl"
            | "iam"
            | "secret"
            | "secrets"
            | "crypto"
            | "encryption"
            | "security"
            | "mfa"
            | "2fa"
            | "totp"
            | "webauthn"
            | "csrf"
            | "impersonation"
    )
}

/// "subscription" and "transaction" are left out: message queues and databases have more of them than shops.
fn is_payment_word(word: &str) -> bool {
    matches!(
        word,
        "payment"
            | "payments"
            | "billing"
            | "invoice"
            | "invoices"
            | "invoicing"
            | "checkout"
            | "stripe"
            | "paypal"
            | "braintree"
            | "adyen"
            | "refund"
            | "refunds"
            | "payout"
            | "payouts"
            | "wallet"
    )
}

/// Calls `each` with the lower-case words of a path: runs of letters and digits, parted where camel case starts a new one.
fn each_word(path: &str, mut each: impl FnMut(&str)) {
    /// Longer than any word looked for; the rest of a longer one is dropped with it.
    const LONGEST: usize = 24;
    let mut word = String::with_capacity(LONGEST);
    let bytes = path.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        let before = index.checked_sub(1).map_or(b'/', |index| bytes[index]);
        let after = bytes.get(index + 1).copied().unwrap_or(b'/');
        let starts = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || before.is_ascii_uppercase() && after.is_ascii_lowercase());
        if starts || !byte.is_ascii_alphanumeric() {
            // "OAuth" is one word although its second letter starts like another.
            if word != "o" || !starts {
                each(&word);
                word.clear();
            }
        }
        if byte.is_ascii_alphanumeric() && word.len() < LONGEST {
            word.push(byte.to_ascii_lowercase().into());
        }
    }
    each(&word);
}

/// A path taken apart once.
struct Place<'a> {
    /// Lower-case path.
    path: &'a str,
    /// Lower-case directories.
    directory: &'a str,
    /// Lower-case file name.
    name: &'a str,
    /// Lower-case extension, empty when there is none.
    extension: &'a str,
    /// File name as written, up to the last dot.
    stem_as_written: &'a str,
}

impl<'a> Place<'a> {
    fn of(path: &'a str, lower: &'a str) -> Self {
        let (directory, name) = lower.rsplit_once('/').unwrap_or(("", lower));
        // Lower-casing ASCII keeps every byte offset.
        let written = &path[path.len() - name.len()..];
        let stem_as_written = written.rsplit_once('.').map_or(written, |(stem, _)| stem);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        Self { path: lower, directory, name, extension, stem_as_written }
    }

    fn below(&self, names: &[&str]) -> bool {
        self.directory.split('/').any(|part| names.contains(&part))
    }

    fn top(&self) -> &'a str {
        self.directory.split('/').next().unwrap_or_default()
    }

    /// Whether one of `names` is a directory that no directory of program code encloses: `vendor/x`, `web/vendor/x`,
    /// not `src/vendor/x`, where it is a word of the business.
    fn outside_code_below(&self, names: &[&str]) -> bool {
        self.directory
            .split('/')
            .take_while(|part| !matches!(*part, "src" | "app" | "lib" | "internal" | "pkg" | "cmd"))
            .any(|part| names.contains(&part))
    }
}

fn is_vendored(at: &Place<'_>) -> bool {
    at.below(&["node_modules", "bower_components", "third_party", "third-party", "jspm_packages"])
        || at.outside_code_below(&["vendor", "pods", "carthage", "thirdparty"])
        || at.path.starts_with(".yarn/")
}

fn is_lock(at: &Place<'_>) -> bool {
    matches!(
        at.name,
        "cargo.lock"
            | "package-lock.json"
            | "npm-shrinkwrap.json"
            | "yarn.lock"
            | "pnpm-lock.yaml"
            | "bun.lock"
            | "bun.lockb"
            | "deno.lock"
            | "poetry.lock"
            | "pipfile.lock"
            | "uv.lock"
            | "pdm.lock"
            | "pixi.lock"
            | "conda-lock.yml"
            | "gemfile.lock"
            | "composer.lock"
            | "symfony.lock"
            | "go.sum"
            | "go.work.sum"
            | "mix.lock"
            | "rebar.lock"
            | "pubspec.lock"
            | "packages.lock.json"
            | "paket.lock"
            | "podfile.lock"
            | "package.resolved"
            | "cartfile.resolved"
            | "gradle.lockfile"
            | "buildscript-gradle.lockfile"
            | "flake.lock"
            | "conan.lock"
            | "chart.lock"
            | ".terraform.lock.hcl"
            | "module.bazel.lock"
            | "stack.yaml.lock"
            | "shard.lock"
    )
}

fn is_generated(at: &Place<'_>) -> bool {
    const ENDINGS: [&str; 24] = [
        ".pb.go",
        ".pb.gw.go",
        "_pb2.py",
        "_pb2.pyi",
        "_pb2_grpc.py",
        ".pb.cc",
        ".pb.h",
        ".pb.swift",
        "_pb.js",
        "_pb.d.ts",
        "_pb.ts",
        ".pbobjc.h",
        ".pbobjc.m",
        ".g.dart",
        ".freezed.dart",
        ".gen.go",
        ".gen.ts",
        "_generated.go",
        ".designer.cs",
        ".g.cs",
        ".min.js",
        ".min.css",
        ".js.map",
        ".css.map",
    ];
    ENDINGS.iter().any(|ending| at.name.ends_with(ending))
        || at.name.contains(".generated.")
        || at.name.starts_with("zz_generated")
        || at.extension == "snap"
        || matches!(at.path, "db/schema.rb" | "db/structure.sql")
        || at.below(&["__generated__", "generated"]) && !at.below(&["migrations"])
        || at.outside_code_below(&["dist"]) && matches!(at.extension, "js" | "mjs" | "cjs" | "css" | "map")
}

fn is_ci(at: &Place<'_>) -> bool {
    const FILES: [&str; 13] = [
        ".gitlab-ci.yml",
        ".travis.yml",
        "azure-pipelines.yml",
        "azure-pipelines.yaml",
        "bitbucket-pipelines.yml",
        "appveyor.yml",
        ".appveyor.yml",
        ".drone.yml",
        ".cirrus.yml",
        "cloudbuild.yaml",
        "cloudbuild.yml",
        "buildspec.yml",
        "codemagic.yaml",
    ];
    const FOLDERS: [&str; 9] = [
        ".github/workflows/",
        ".github/actions/",
        ".circleci/",
        ".buildkite/",
        ".gitlab/",
        ".woodpecker/",
        ".tekton/",
        ".ci/",
        ".teamcity/",
    ];
    FILES.contains(&at.name)
        || FOLDERS.iter().any(|folder| at.path.starts_with(folder))
        || at.name.starts_with("jenkinsfile")
        || at.name == "action.yml"
        || at.name == "action.yaml"
}

fn is_test(at: &Place<'_>) -> bool {
    const FOLDERS: [&str; 16] = [
        "test",
        "tests",
        "__tests__",
        "spec",
        "specs",
        "testdata",
        "test-data",
        "test_data",
        "e2e",
        "__mocks__",
        "__fixtures__",
        "fixtures",
        "cypress",
        "integration-tests",
        "integration_tests",
        "__snapshots__",
    ];
    const STEM_ENDINGS: [&str; 7] = ["_test", "_tests", "_spec", "_unittest", ".test", ".spec", "-test"];
    const WRITTEN_ENDINGS: [&str; 6] = ["Test", "Tests", "TestCase", "Spec", "IT", "Fixture"];
    if at.below(&FOLDERS) {
        return true;
    }
    let stem = at.name.rsplit_once('.').map_or(at.name, |(stem, _)| stem);
    STEM_ENDINGS.iter().any(|ending| stem.ends_with(ending))
        || stem.starts_with("test_") && at.extension == "py"
        || matches!(at.name, "conftest.py" | "tests.py" | "tests.rs")
        || matches!(at.extension, "bats" | "feature")
        || matches!(at.extension, "java" | "kt" | "cs" | "php" | "scala" | "swift" | "groovy" | "fs")
            && WRITTEN_ENDINGS.iter().any(|ending| {
                // A word of its own: "OrderTest" and "OrderIT", not "EXIT".
                let rest = at.stem_as_written.strip_suffix(ending);
                rest.is_some_and(|rest| rest.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit()))
            })
}

fn is_manifest(at: &Place<'_>) -> bool {
    matches!(
        at.name,
        "cargo.toml"
            | "package.json"
            | "pnpm-workspace.yaml"
            | "bower.json"
            | "deno.json"
            | "deno.jsonc"
            | "go.mod"
            | "go.work"
            | "pyproject.toml"
            | "setup.py"
            | "setup.cfg"
            | "pipfile"
            | "environment.yml"
            | "environment.yaml"
            | "gemfile"
            | "pom.xml"
            | "build.gradle"
            | "build.gradle.kts"
            | "settings.gradle"
            | "settings.gradle.kts"
            | "libs.versions.toml"
            | "build.sbt"
            | "composer.json"
            | "mix.exs"
            | "rebar.config"
            | "pubspec.yaml"
            | "packages.config"
            | "directory.packages.props"
            | "package.swift"
            | "podfile"
            | "cartfile"
            | "conanfile.txt"
            | "conanfile.py"
            | "vcpkg.json"
            | "module.bazel"
            | "chart.yaml"
            | "shard.yml"
    ) || matches!(at.extension, "gemspec" | "csproj" | "fsproj" | "vbproj")
        || is_requirements(at)
}

/// pip's files: `requirements*.txt`, `constraints*.txt`, `requirements/*.txt`.
fn is_requirements(at: &Place<'_>) -> bool {
    matches!(at.extension, "txt" | "in")
        && (at.name.starts_with("requirements")
            || at.name.starts_with("constraints")
            || at.name.ends_with("requirements.txt")
            || at.directory.rsplit('/').next() == Some("requirements"))
}

fn is_migration(at: &Place<'_>) -> bool {
    let readable = matches!(
        at.extension,
        "sql"
            | "rb"
            | "py"
            | "php"
            | "js"
            | "ts"
            | "mjs"
            | "cjs"
            | "mts"
            | "cts"
            | "xml"
            | "yaml"
            | "yml"
            | "json"
            | "ex"
            | "exs"
            | "cs"
            | "go"
            | "java"
            | "kt"
            | "groovy"
            | "rs"
    );
    if !readable {
        return false;
    }
    let folder = at.directory.rsplit('/').next().unwrap_or_default();
    at.below(&["migrations", "db_migrations", "flyway"])
        || at.path.contains("db/migrate/")
        || at.path.contains("db/migration/")
        || at.path.contains("alembic/versions/")
        || at.path.contains("db/changelog/")
        || at.name.ends_with(".up.sql")
        || at.name.ends_with(".down.sql")
        || at.extension == "sql" && (is_flyway(at.name) || matches!(folder, "migration" | "migrate"))
        || at.name.contains("changelog") && matches!(at.extension, "xml" | "yaml" | "yml" | "json" | "sql")
}

/// `V12__add_x.sql`, `R__views.sql`, `U12__undo.sql`.
fn is_flyway(name: &str) -> bool {
    name.split_once("__").is_some_and(|(version, _)| {
        let mut letters = version.chars();
        matches!(letters.next(), Some('v' | 'u' | 'r' | 'b'))
            && letters.all(|c| c.is_ascii_digit() || ".-_".contains(c))
    })
}

fn is_docs(at: &Place<'_>) -> bool {
    const NAMES: [&str; 10] = [
        "readme",
        "changelog",
        "changes",
        "license",
        "licence",
        "notice",
        "authors",
        "contributing",
        "code_of_conduct",
        "security",
    ];
    let stem = at.name.split('.').next().unwrap_or_default();
    matches!(at.extension, "md" | "mdx" | "markdown" | "rst" | "adoc" | "asciidoc" | "textile" | "rdoc")
        || matches!(at.top(), "docs" | "doc" | "documentation")
        || matches!(at.extension, "" | "txt") && NAMES.contains(&stem)
        || at.extension == "txt" && at.below(&["docs", "doc"])
}

fn is_infrastructure(at: &Place<'_>) -> bool {
    const FOLDERS: [&str; 14] = [
        "k8s",
        "kubernetes",
        "helm",
        "charts",
        "terraform",
        "ansible",
        "deploy",
        "deployment",
        "infra",
        "infrastructure",
        "kustomize",
        "argocd",
        "pulumi",
        ".ebextensions",
    ];
    const FILES: [&str; 16] = [
        "compose.yml",
        "compose.yaml",
        "procfile",
        "serverless.yml",
        "serverless.yaml",
        "fly.toml",
        "app.yaml",
        "cdk.json",
        "pulumi.yaml",
        "skaffold.yaml",
        "nginx.conf",
        "vagrantfile",
        "wrangler.toml",
        "vercel.json",
        "netlify.toml",
        "render.yaml",
    ];
    matches!(at.extension, "tf" | "tfvars" | "hcl" | "bicep" | "dockerfile")
        || at.name.starts_with("dockerfile")
        || at.name.starts_with("docker-compose")
        || FILES.contains(&at.name)
        // Below "src/deploy" lies code that deals with deployments, which is not a deployment's own description.
        || at.outside_code_below(&FOLDERS)
}

fn is_asset(at: &Place<'_>) -> bool {
    matches!(
        at.extension,
        "png"
            | "jpg"
            | "jpeg"
            | "gif"
            | "webp"
            | "svg"
            | "ico"
            | "bmp"
            | "avif"
            | "woff"
            | "woff2"
            | "ttf"
            | "otf"
            | "eot"
            | "mp3"
            | "mp4"
            | "webm"
            | "wav"
            | "ogg"
            | "mov"
            | "pdf"
            | "zip"
            | "gz"
            | "tar"
            | "jar"
    )
}

fn is_config(at: &Place<'_>) -> bool {
    matches!(
        at.extension,
        "yml"
            | "yaml"
            | "toml"
            | "ini"
            | "json"
            | "jsonc"
            | "json5"
            | "cfg"
            | "conf"
            | "env"
            | "properties"
            | "lock"
            | "cmake"
            | "mk"
            | "bazel"
            | "bzl"
            | "editorconfig"
            | "plist"
    ) || matches!(
        at.name,
        "makefile" | "cmakelists.txt" | "build" | "workspace" | "codeowners" | "justfile" | "rakefile"
    ) || at.name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathKind::*;

    #[test]
    fn kinds() {
        let check = |expected: PathKind, paths: &[&str]| {
            for path in paths {
                assert_eq!(kind_of(path), expected, "{path}");
            }
        };
        check(Source, &["src/main.rs", "app/models/user.rb", "a", "", "/", "weird/é/ü.go", "cmd/migrate/main.go"]);
        check(
            Source,
            &["src/vendor/service.ts", "app/vendors/page.tsx", "src/Latest.java", "src/EXIT.java", "src/contest.py"],
        );
        check(Source, &["src/docs/handler.rs", "src/deploy/rollout.go", "lib/fixtures.rs", "prompts/testing.txt"]);
        check(Test, &["tests/it/main.rs", "pkg/x_test.go", "src/a.test.ts", "spec/models/user_spec.rb", "test_x.py"]);
        check(Test, &["src/OrderTest.java", "src/OrderIT.java", "tests/migrations/0001.sql", "a/conftest.py"]);
        check(Docs, &["README.md", "docs/conf.py", "LICENSE", "CHANGES.txt", "src/notes.rst", "SECURITY.md"]);
        check(
            Generated,
            &["api/x.pb.go", "x_pb2.py", "web/app.min.js", "src/__generated__/q.ts", "dist/index.js", "db/schema.rb"],
        );
        check(Generated, &["src/__snapshots__/a.snap", "Form1.Designer.cs", "k8s/zz_generated.deepcopy.go"]);
        check(Vendored, &["vendor/x/y.go", "web/node_modules/a/i.js", "third_party/zlib/inflate.c", "svc/vendor/a.go"]);
        check(Lock, &["Cargo.lock", "web/yarn.lock", "go.sum", "infra/.terraform.lock.hcl"]);
        check(
            Manifest,
            &["Cargo.toml", "web/package.json", "requirements-dev.txt", "requirements/base.txt", "A.csproj"],
        );
        check(Ci, &[".github/workflows/ci.yml", "Jenkinsfile", ".gitlab-ci.yml", ".circleci/config.yml"]);
        check(Migration, &["db/migrate/2024_add.rb", "shop/migrations/0002_x.py", "V2__drop.sql", "x/1_a.up.sql"]);
        check(Migration, &["prisma/migrations/2024/migration.sql", "alembic/versions/ab.py", "db/changelog/1.xml"]);
        check(
            Infrastructure,
            &["main.tf", "Dockerfile", "deploy/app.yaml", "charts/x/values.yaml", "docker-compose.yml"],
        );
        check(Asset, &["logo.svg", "web/font.woff2"]);
        check(
            Config,
            &["config.yaml", ".eslintrc", "Makefile", "CMakeLists.txt", "tsconfig.json", ".github/CODEOWNERS"],
        );
    }

    #[test]
    fn areas() {
        let check = |path: &str, expected: &[Area]| assert_eq!(areas_of(path, kind_of(path)), expected, "{path}");
        check("src/auth/login.rs", &[Area::Auth]);
        check("src/OAuthClient.java", &[Area::Auth]);
        check("src/JWTVerifier.java", &[Area::Auth]);
        check("src/userPermissions.ts", &[Area::Auth]);
        check("src/authors/list.rs", &[]);
        check("src/tokenizer.rs", &[]);
        check("tests/auth/login.rs", &[]);
        check("docs/auth.md", &[]);
        check("src/billing/refund.rs", &[Area::Payments]);
        check("src/auth/stripe.rs", &[Area::Auth, Area::Payments]);
        check("src/git/checkout.rs", &[]);
        check("main.tf", &[Area::Infrastructure]);
        check("terraform/iam/roles.tf", &[Area::Infrastructure, Area::Auth]);
        check(".github/workflows/ci.yml", &[Area::Ci]);
        check("web/package.json", &[Area::Dependencies]);
        check("Cargo.lock", &[]);
        check("", &[]);
    }

    #[test]
    fn subsystems() {
        let check = |path: &str, expected: &str| assert_eq!(subsystem_of(path), expected, "{path}");
        check("a.rs", "");
        check("src/risk/a.rs", "src");
        check("packages/web/src/a.ts", "packages/web");
        check("packages/README.md", "packages");
        check("services/pay/a.go", "services/pay");
    }
}
