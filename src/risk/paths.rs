//! What kind of file a path names, judged by the path alone, and which sensitive areas it belongs to.
//! A change may not become small by moving code: only names that tools write count as generated or vendored.

mod names;

use std::borrow::Cow;

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

/// A set of areas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas(u8);

impl Areas {
    /// Whether an area is among them.
    pub fn contains(self, area: Area) -> bool {
        self.0 & 1 << area as u8 != 0
    }

    /// The areas, in the order of [`Area::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Area> {
        Area::ALL.into_iter().filter(move |area| self.contains(*area))
    }

    /// Takes in the areas of another set.
    pub(super) fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    fn with(self, area: Area, is_in: bool) -> Self {
        Self(self.0 | u8::from(is_in) << area as u8)
    }
}

/// What kind of file `path` names. The first kind that claims it wins: migrations, then others' code before ours,
/// machine-written before hand-written, tests before what they test.
pub fn kind_of(path: &str) -> PathKind {
    let lower = match path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(path.to_ascii_lowercase()),
        false => Cow::Borrowed(path),
    };
    let at = Place::of(path, &lower);
    RULES.iter().find(|(claims, _)| claims(&at)).map_or(PathKind::Source, |(_, kind)| *kind)
}

/// Whether a path is of one kind.
type Claim = fn(&Place<'_>) -> bool;

/// Who claims a path, in this order.
const RULES: [(Claim, PathKind); 11] = [
    // A deployment runs a migration whatever the folders and the file around it are called.
    (is_migration, PathKind::Migration),
    (is_vendored, PathKind::Vendored),
    (is_lock, PathKind::Lock),
    (is_generated, PathKind::Generated),
    (is_ci, PathKind::Ci),
    (is_test, PathKind::Test),
    (is_manifest, PathKind::Manifest),
    (is_docs, PathKind::Docs),
    (is_infrastructure, PathKind::Infrastructure),
    (is_asset, PathKind::Asset),
    (is_config, PathKind::Config),
];

/// Whether the file's name ends in this extension (lower case, without the dot), in any case.
pub fn has_extension(path: &str, extension: &str) -> bool {
    parted(path, b'.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(extension))
}

/// The same for any of several extensions.
pub fn has_one_of(path: &str, extensions: &[&str]) -> bool {
    parted(path, b'.').is_some_and(|(_, found)| extensions.iter().any(|one| found.eq_ignore_ascii_case(one)))
}

/// What lies before and behind the last `at`, an ASCII character: [`str::rsplit_once`], several times as fast.
fn parted(text: &str, at: u8) -> Option<(&str, &str)> {
    let end = memchr::memrchr(at, text.as_bytes())?;
    Some((&text[..end], &text[end + 1..]))
}

/// Directory of a path, empty at the root.
pub fn directory_of(path: &str) -> &str {
    parted(path, b'/').map_or("", |(directory, _)| directory)
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
pub fn areas_of(path: &str, kind: PathKind) -> Areas {
    let none = Areas::default();
    match kind {
        PathKind::Ci => return none.with(Area::Ci, true),
        PathKind::Manifest => return none.with(Area::Dependencies, true),
        PathKind::Source | PathKind::Migration | PathKind::Config | PathKind::Infrastructure => {}
        _ => return none,
    }
    let (mut auth, mut payments, mut git) = (false, false, false);
    each_word(path, |word| {
        auth |= names::AUTH.contains(word);
        payments |= names::PAYMENT.contains(word);
        git |= word == "git" || word == "vcs";
    });
    none.with(Area::Infrastructure, kind == PathKind::Infrastructure)
        .with(Area::Auth, auth)
        // Version control has credentials of another kind of worth, and its checkout sells nothing.
        .with(Area::Payments, payments && !git)
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
    /// Lower-case names of the directories, from the root; none of a file at the root.
    directories: Vec<&'a str>,
    /// Lower-case file name.
    name: &'a str,
    /// Lower-case extension, empty when there is none.
    extension: &'a str,
    /// File name as written, up to the last dot.
    stem_as_written: &'a str,
}

impl<'a> Place<'a> {
    fn of(path: &'a str, lower: &'a str) -> Self {
        let mut directories = Vec::with_capacity(8);
        let mut rest = lower;
        while let Some(end) = memchr::memchr(b'/', rest.as_bytes()) {
            directories.push(&rest[..end]);
            rest = &rest[end + 1..];
        }
        let name = rest;
        // Lower-casing ASCII keeps every byte offset.
        let written = &path[path.len() - name.len()..];
        let stem_as_written = parted(written, b'.').map_or(written, |(stem, _)| stem);
        let extension = parted(name, b'.').map_or("", |(_, extension)| extension);
        Self { path: lower, directories, name, extension, stem_as_written }
    }

    fn below(&self, named: impl Fn(&str) -> bool) -> bool {
        self.directories.iter().any(|part| named(part))
    }

    fn top(&self) -> &'a str {
        self.directories.first().copied().unwrap_or_default()
    }

    /// The directory that holds the file.
    fn folder(&self) -> &'a str {
        self.directories.last().copied().unwrap_or_default()
    }

    /// Whether a directory is so `named` and no directory of program code encloses it: `vendor/x`, `web/vendor/x`,
    /// not `src/vendor/x`, where it is a word of the business.
    fn outside_code_below(&self, named: impl Fn(&str) -> bool) -> bool {
        self.directories
            .iter()
            .take_while(|part| !matches!(**part, "src" | "app" | "lib" | "internal" | "pkg" | "cmd"))
            .any(|part| named(part))
    }
}

/// Below folders that package managers fill; nobody's deployment runs the migrations there from that path.
fn is_downloaded(at: &Place<'_>) -> bool {
    at.below(|part| matches!(part, "node_modules" | "bower_components" | "jspm_packages"))
}

fn is_vendored(at: &Place<'_>) -> bool {
    is_downloaded(at)
        || at.below(|part| matches!(part, "third_party" | "third-party"))
        || at.outside_code_below(|part| matches!(part, "vendor" | "pods" | "carthage" | "thirdparty"))
        || at.path.starts_with(".yarn/")
}

fn is_lock(at: &Place<'_>) -> bool {
    names::LOCK_FILES.contains(at.name)
}

fn is_generated(at: &Place<'_>) -> bool {
    is_named_as_generated(at)
        || at.below(|part| matches!(part, "__generated__" | "generated"))
        || at.outside_code_below(|part| part == "dist") && matches!(at.extension, "js" | "mjs" | "cjs" | "css" | "map")
}

fn is_named_as_generated(at: &Place<'_>) -> bool {
    // Each of them begins at a dot or an underscore.
    memchr::memchr2_iter(b'.', b'_', at.name.as_bytes())
        .any(|begin| names::GENERATED_ENDINGS.contains(&at.name[begin..]))
        || at.name.contains(".generated.")
        || at.name.starts_with("zz_generated")
        || at.extension == "snap"
        || matches!(at.path, "db/schema.rb" | "db/structure.sql")
}

fn is_ci(at: &Place<'_>) -> bool {
    names::CI_FILES.contains(at.name)
        || at.path.starts_with('.') && names::CI_FOLDERS.iter().any(|folder| at.path.starts_with(*folder))
        || at.name.starts_with("jenkinsfile")
        || at.name == "action.yml"
        || at.name == "action.yaml"
}

fn is_below_tests(at: &Place<'_>) -> bool {
    at.below(|part| names::TEST_FOLDERS.contains(part))
}

fn is_test(at: &Place<'_>) -> bool {
    const STEM_ENDINGS: [&str; 7] = ["_test", "_tests", "_spec", "_unittest", ".test", ".spec", "-test"];
    const WRITTEN_ENDINGS: [&str; 6] = ["Test", "Tests", "TestCase", "Spec", "IT", "Fixture"];
    if is_below_tests(at) {
        return true;
    }
    let stem = parted(at.name, b'.').map_or(at.name, |(stem, _)| stem);
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
    names::MANIFEST_FILES.contains(at.name)
        || matches!(at.extension, "gemspec" | "csproj" | "fsproj" | "vbproj")
        || is_requirements(at)
}

/// pip's files: `requirements*.txt`, `constraints*.txt`, `requirements/*.txt`.
fn is_requirements(at: &Place<'_>) -> bool {
    matches!(at.extension, "txt" | "in")
        && (at.name.starts_with("requirements")
            || at.name.starts_with("constraints")
            || at.name.ends_with("requirements.txt")
            || at.folder() == "requirements")
}

fn is_migration(at: &Place<'_>) -> bool {
    // What is true of few paths is asked first.
    names::MIGRATION_EXTENSIONS.contains(at.extension)
        && is_placed_as_migration(at)
        && !is_below_tests(at)
        && !(is_downloaded(at) || is_lock(at) || is_named_as_generated(at) || is_ci(at) || is_manifest(at))
}

fn is_placed_as_migration(at: &Place<'_>) -> bool {
    let folder = at.folder();
    at.below(|part| matches!(part, "migrations" | "db_migrations" | "flyway"))
        || at.below(|part| matches!(part, "migrate" | "migration" | "versions" | "changelog"))
            && (at.path.contains("db/migrate/")
                || at.path.contains("db/migration/")
                || at.path.contains("alembic/versions/")
                || at.path.contains("db/changelog/"))
        || at.name.ends_with(".up.sql")
        || at.name.ends_with(".down.sql")
        || at.extension == "sql" && (is_flyway(at.name) || matches!(folder, "migration" | "migrate" | "deploy"))
        // TypeORM's default.
        || folder == "migration" && matches!(at.extension, "ts" | "js" | "mts" | "cts" | "mjs" | "cjs")
        || at.name.contains("changelog") && at.below(|part| matches!(part, "db" | "database" | "liquibase"))
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
    let stem = at.name.split('.').next().unwrap_or_default();
    matches!(at.extension, "md" | "mdx" | "markdown" | "rst" | "adoc" | "asciidoc" | "textile" | "rdoc")
        || matches!(at.top(), "docs" | "doc" | "documentation")
        || matches!(at.extension, "" | "txt") && names::DOCS_NAMES.contains(stem)
        || at.extension == "txt" && at.below(|part| matches!(part, "docs" | "doc"))
}

fn is_infrastructure(at: &Place<'_>) -> bool {
    matches!(at.extension, "tf" | "tfvars" | "hcl" | "bicep" | "dockerfile")
        || at.name.starts_with("dockerfile")
        || at.name.starts_with("docker-compose")
        || names::INFRASTRUCTURE_FILES.contains(at.name)
        // Below "src/deploy" lies code that deals with deployments, which is not a deployment's own description.
        || at.extension != "sql" && at.outside_code_below(|part| names::INFRASTRUCTURE_FOLDERS.contains(part))
}

fn is_asset(at: &Place<'_>) -> bool {
    names::ASSET_EXTENSIONS.contains(at.extension)
}

fn is_config(at: &Place<'_>) -> bool {
    names::CONFIG_EXTENSIONS.contains(at.extension) || names::CONFIG_FILES.contains(at.name) || at.name.starts_with('.')
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
        check(Migration, &["db/migrate/V2__drop_ab_test.sql", "db/migrate/1_drop_spec.rb", "migrations/test_2.py"]);
        check(
            Migration,
            &["apps/vendor/migrations/0004.py", "vendor/migrations/1.sql", "a/generated/migrations/1.sql"],
        );
        check(Test, &["spec/migrations/1_drop_spec.rb", "migrations/tests/1.sql"]);
        check(Vendored, &["node_modules/a/migrations/1.js", "vendor/x/migrate.go"]);
        check(Generated, &["Migrations/1.Designer.cs"]);
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
        let check = |path: &str, expected: &[Area]| {
            assert_eq!(areas_of(path, kind_of(path)).iter().collect::<Vec<_>>(), expected, "{path}")
        };
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
