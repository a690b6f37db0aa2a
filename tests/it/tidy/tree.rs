//! Rules that read text and paths: words that do not belong here, sizes, names, files that nothing uses, migrations.

use super::tokens::Code;
use super::{File, Finding};

/// A file of this many lines above its tests fails; from 400 on it is time to split it.
const FILE_LINES: usize = 500;
/// A file opens with a doc comment of at most this many lines. `lib.rs` holds the architecture and may say more.
const OPENING_LINES: usize = 5;

/// Names that say nothing of what is inside.
const NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "manager", "misc"];

/// Places on one machine and package registries' hosts. In halves, so that this file does not hold them itself.
const WORDS: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/tmp/", "bash_jobs"),
    ("/tmp/", "plan"),
    ("/tmp/", "wt/"),
    ("registry.", "npmjs.org"),
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("deb.", "debian.org"),
    ("files.", "pythonhosted.org"),
    ("pypi", ".org"),
];

pub(super) fn words(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_lock = file.path.ends_with("package-lock.json");
    for (i, line) in file.text.lines().enumerate() {
        for (head, tail) in WORDS {
            if line.contains(&format!("{head}{tail}")) {
                let what = format!("{head}{tail} does not belong in the repository");
                found.push(file.finding(i + 1, what, "say it relative to the repository, or by package name"));
            }
        }
        if is_lock && line.contains("\"resolved\"") {
            let hint = "an .npmrc with omit-lockfile-registry-resolved=true beside it, then make the lock anew";
            found.push(file.finding(i + 1, "a lock that names hosts", hint));
        }
    }
    found
}

pub(super) fn size(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
    if lines < FILE_LINES {
        return Vec::new();
    }
    let hint = "split it along a noun of the field; from 400 lines on it is time";
    vec![file.finding(0, format!("{lines} lines above its tests, {FILE_LINES} or more"), hint)]
}

pub(super) fn opening(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
    match lines {
        0 => vec![file.finding(1, "no doc comment", "open the file with //! and what it is for, in one to five lines")],
        n if n > OPENING_LINES && file.path != "src/lib.rs" => {
            vec![file.finding(
                1,
                format!("a doc comment of {n} lines"),
                "say it in five lines; details go to the items",
            )]
        }
        _ => Vec::new(),
    }
}

pub(super) fn names(files: &[File]) -> Vec<Finding> {
    let empty = |file: &&File| {
        let parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        file.is_rust() && parts.into_iter().any(|part| NAMES.contains(&part))
    };
    let hint = "name it after the noun of the field that it holds";
    files.iter().filter(empty).map(|file| file.finding(0, "a name that says nothing", hint)).collect()
}

/// Each file has to be named by `mod` in the file above it.
pub(super) fn reachable(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some((folder, name)) = parent(&file.path) else { continue };
        let above = |candidate: &File| {
            let named = || Code::parse(&candidate.text).is_ok_and(|code| Code::of(code).modules.contains(&name));
            parents(&folder).contains(&candidate.path) && named()
        };
        if !files.iter().any(above) {
            let what = format!("nothing says mod {name}; this file is never compiled");
            found.push(file.finding(0, what, "name it in the module above, or delete it"));
        }
    }
    found
}

/// The folder whose module has to name this file, and by which name. None for roots of crates.
fn parent(path: &str) -> Option<(String, String)> {
    let below = ["src/", "tests/it/"].into_iter().find(|root| path.starts_with(root))?;
    let rest = path.strip_prefix(below)?.strip_suffix(".rs")?;
    let rest = rest.strip_suffix("/mod").unwrap_or(rest);
    if matches!(rest, "lib" | "main") {
        return None;
    }
    let (folder, name) = rest.rsplit_once('/').unwrap_or(("", rest));
    Some((format!("{below}{folder}"), name.to_owned()))
}

fn parents(folder: &str) -> Vec<String> {
    let folder = folder.trim_end_matches('/');
    match folder {
        "src" => vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()],
        "tests/it" => vec!["tests/it/main.rs".to_owned()],
        _ => vec![format!("{folder}.rs"), format!("{folder}/mod.rs")],
    }
}

/// `migrations/0001_name.sql`, numbered without gaps, each with sample rows that run after it.
pub(super) fn migrations(files: &[File]) -> Vec<Finding> {
    let mut migrations: Vec<&File> = files.iter().filter(|file| file.path.starts_with("migrations/")).collect();
    migrations.sort_by(|a, b| a.path.cmp(&b.path));
    let mut found = Vec::new();
    for (i, file) in migrations.into_iter().enumerate() {
        let name = file.path.trim_start_matches("migrations/");
        let expected = format!("{:04}_", i + 1);
        if !(name.starts_with(&expected) && name.ends_with(".sql")) {
            let what = format!("expected migrations/{expected}name.sql here");
            found.push(file.finding(0, what, "migrations are numbered from 0001 without gaps, forward only"));
        }
        let sample = format!("fixtures/migrations/{name}");
        if !files.iter().any(|file| file.path == sample) {
            found.push(file.finding(0, format!("no {sample}"), "add sample rows that run after this migration"));
        }
    }
    found
}

/// A module that is compiled for tests only: its file, or its folder with all that is in it.
pub(super) struct TestModule {
    stem: String,
}

impl TestModule {
    pub(super) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&self.stem).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

/// The modules that are declared under `#[cfg(test)]` without a body.
pub(super) fn test_modules(files: &[File]) -> Vec<TestModule> {
    let mut modules = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let own = file.path.trim_end_matches(".rs");
        let folder = match own.rsplit_once('/') {
            Some((folder, "mod" | "lib" | "main")) => folder,
            _ => own,
        };
        for declared in file.text.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap_or_default().trim();
            let name = line.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            modules.extend(name.map(|name| TestModule { stem: format!("{folder}/{name}") }));
        }
    }
    modules
}
