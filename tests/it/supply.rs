//! Dependencies against `deny.toml`: licences, sources, bans. What cargo-deny checks for every platform (`make deny`) is
//! checked here for this one, without a tool that takes minutes to build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// A package of the dependency tree.
#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
    /// Compiled into the program or needed to build it; else only tests use it.
    shipped: bool,
}

#[test]
fn dependencies_keep_the_rules() {
    let rules = rules();
    let packages = packages();
    assert!(packages.iter().filter(|package| package.shipped).count() > 100, "the tree was read");
    let found = [licences(&rules, &packages), sources(&rules, &packages), bans(&rules, &packages)].concat();
    let hint = "hint: another crate or version, or a line in deny.toml with its reason";
    assert!(found.is_empty(), "{} broken rules\n{}\n{hint}", found.len(), found.join("\n"));
}

#[test]
fn each_rule_bites() {
    let rules = toml::from_str(
        "licenses.allow = ['MIT']\nsources.allow-registry = ['https://good.example']\n\
         bans.deny = [{ crate = 'openssl' }]\nbans.skip = [{ crate = 'a@1' }, { crate = 'gone@3' }]",
    );
    let rules: toml::Table = rules.expect("the rules are TOML");
    let package = |name: &str, version: &str, licence: &str, source: &str, shipped| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.to_owned(),
        source: Some(source.to_owned()),
        shipped,
    };
    let good = "registry+https://good.example";
    let packages = [
        package("a", "1.2.0", "MIT", good, true),
        package("a", "2.0.0", "MIT OR X", good, true),
        package("b", "1.0.0", "MIT AND X", good, true),
        package("b", "1.1.0", "X", good, false),
        package("b", "2.0.0", "", good, true),
        package("openssl", "1.0.0", "MIT", "git+https://elsewhere.example", false),
    ];
    assert_eq!(licences(&rules, &packages), ["b 1.0.0 has the licence MIT AND X", "b 2.0.0 has the licence "]);
    assert_eq!(sources(&rules, &packages), ["openssl 1.0.0 comes from git+https://elsewhere.example"]);
    let banned = ["openssl is banned", "b has the versions 1.0.0, 2.0.0", "deny.toml skips gone@3, which is not there"];
    assert_eq!(bans(&rules, &packages), banned);
}

#[test]
fn licence_expressions_are_understood() {
    let check = |expression: &str, expected: bool| {
        let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception"];
        assert_eq!(Licence::parse(expression).is_some_and(|it| it.holds(&allowed)), expected, "{expression}");
    };
    check("MIT", true);
    check("X/MIT", true);
    check("X OR MIT AND X", false);
    check("(X OR MIT) AND MIT", true);
    check("MIT AND (X OR (Y AND MIT))", false);
    check("Apache-2.0", false);
    check("Apache-2.0 WITH LLVM-exception OR X", true);
    check("", false);
    check("(MIT", false);
    check("MIT MIT", false);
}

/// All packages of Cargo.lock; those that this platform's program is made of with their licences.
fn packages() -> Vec<Package> {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).expect("Cargo.lock is text");
    let lock: toml::Table = toml::from_str(&lock).expect("Cargo.lock is TOML");
    let shipped = shipped();
    let package = |package: &toml::Value| {
        let text = |field: &str| package.get(field).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let (name, version) = (text("name"), text("version"));
        let licence = shipped.get(&(name.clone(), version.clone()));
        let source = Some(text("source")).filter(|source| !source.is_empty());
        Package { name, version, licence: licence.cloned().unwrap_or_default(), source, shipped: licence.is_some() }
    };
    lock["package"].as_array().expect("Cargo.lock lists packages").iter().map(package).collect()
}

/// Name and version of what is compiled into the program or needed to build it, with the licence. No network is asked:
/// all of it was built for this test.
fn shipped() -> BTreeMap<(String, String), String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let package = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        // What was printed before is marked behind the licence.
        let licence = licence.strip_suffix(" (*)").unwrap_or(licence);
        Some(((name.to_owned(), version.to_owned()), licence.to_owned()))
    };
    tree.lines().filter_map(package).collect()
}

fn rules() -> toml::Table {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    toml::from_str(&fs::read_to_string(file).expect("deny.toml is text")).expect("deny.toml is TOML")
}

/// Texts of a list in the rules, or of one field of its tables.
fn texts<'a>(rules: &'a toml::Table, section: &str, list: &str) -> Vec<&'a str> {
    let items = rules[section][list].as_array().expect("deny.toml has the list");
    let text = |item: &'a toml::Value| item.as_str().or_else(|| item.get("crate")?.as_str());
    items.iter().map(|item| text(item).expect("an item is a text or names a crate")).collect()
}

fn licences(rules: &toml::Table, packages: &[Package]) -> Vec<String> {
    let allowed = texts(rules, "licenses", "allow");
    let good = |package: &&Package| Licence::parse(&package.licence).is_some_and(|licence| licence.holds(&allowed));
    let bad = packages.iter().filter(|package| package.shipped && !good(package));
    bad.map(|package| format!("{} {} has the licence {}", package.name, package.version, package.licence)).collect()
}

fn sources(rules: &toml::Table, packages: &[Package]) -> Vec<String> {
    let allowed = texts(rules, "sources", "allow-registry");
    let mut found = Vec::new();
    for package in packages {
        let Some(source) = &package.source else { continue };
        if !source.strip_prefix("registry+").is_some_and(|registry| allowed.contains(&registry)) {
            found.push(format!("{} {} comes from {source}", package.name, package.version));
        }
    }
    found
}

fn bans(rules: &toml::Table, packages: &[Package]) -> Vec<String> {
    let denied = texts(rules, "bans", "deny");
    let named = |package: &&Package| denied.contains(&package.name.as_str());
    let mut found: Vec<String> =
        packages.iter().filter(named).map(|package| format!("{} is banned", package.name)).collect();
    let skipped = texts(rules, "bans", "skip");
    let skips = |package: &Package, skip: &str| {
        let (name, version) = skip.split_once('@').expect("a skip names a version");
        name == package.name && format!("{}.", package.version).starts_with(&format!("{version}."))
    };
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages.iter().filter(|package| package.shipped) {
        if !skipped.iter().any(|skip| skips(package, skip)) {
            versions.entry(&package.name).or_default().insert(&package.version);
        }
    }
    for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        let versions: Vec<&str> = versions.into_iter().collect();
        found.push(format!("{name} has the versions {}", versions.join(", ")));
    }
    // A skip that outlives its reason hides the next one.
    let idle = skipped.iter().filter(|skip| !packages.iter().any(|package| skips(package, skip)));
    found.extend(idle.map(|skip| format!("deny.toml skips {skip}, which is not there")));
    found
}

/// An SPDX expression. AND binds before OR, as WITH before both.
enum Licence {
    Named(String),
    Any(Vec<Licence>),
    All(Vec<Licence>),
}

/// The words of an expression.
type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

impl Licence {
    fn parse(expression: &str) -> Option<Self> {
        // The older way to write OR is a slash; WITH ties two names into one.
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "\0");
        let mut words: Words<'_> = spaced.split_ascii_whitespace().collect::<Vec<_>>().into_iter().peekable();
        let licence = Self::any(&mut words)?;
        words.next().is_none().then_some(licence)
    }

    fn any(words: &mut Words<'_>) -> Option<Self> {
        let mut choices = vec![Self::all(words)?];
        while words.next_if_eq(&"OR").is_some() {
            choices.push(Self::all(words)?);
        }
        Some(Self::Any(choices))
    }

    fn all(words: &mut Words<'_>) -> Option<Self> {
        let mut parts = vec![Self::one(words)?];
        while words.next_if_eq(&"AND").is_some() {
            parts.push(Self::one(words)?);
        }
        Some(Self::All(parts))
    }

    fn one(words: &mut Words<'_>) -> Option<Self> {
        match words.next()? {
            "(" => {
                let inside = Self::any(words)?;
                (words.next()? == ")").then_some(inside)
            }
            ")" | "AND" | "OR" => None,
            name => Some(Self::Named(name.replace('\0', " WITH "))),
        }
    }

    fn holds(&self, allowed: &[&str]) -> bool {
        match self {
            Self::Named(name) => allowed.contains(&name.as_str()),
            Self::Any(choices) => choices.iter().any(|choice| choice.holds(allowed)),
            Self::All(parts) => parts.iter().all(|part| part.holds(allowed)),
        }
    }
}
