//! Each rule bites on a small piece of bad code and leaves its good neighbour alone.

use super::{File, Finding, code, findings, tree};

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// The findings of all rules but the one on openings, which small snippets have none of.
#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let mut found = code::findings(&file(path, text), false);
    found.extend(tree::words(&file(path, text)));
    same(&found, expected);
}

/// `line: what`, for each finding in order.
#[track_caller]
fn same(found: &[Finding], expected: &[&str]) {
    let found: Vec<String> = found.iter().map(|f| format!("{}: {}", f.line, f.what)).collect();
    assert_eq!(found, expected);
}

#[test]
fn layers_hold_in_every_spelling() {
    check("src/risk/mod.rs", "use crate::slo::Budget;", &[]);
    check("src/risk/mod.rs", "use crate::store::Store;", &["1: risk uses store, which is not below it"]);
    check("src/risk/mod.rs", "use crate::{slo, report::page};", &["1: risk uses report, which is not below it"]);
    check("src/risk/score.rs", "\nfn f() { crate::service::run() }", &["2: risk uses service, which is not below it"]);
    check("src/risk/score.rs", "use super::super::config;", &["1: risk uses config, which is not below it"]);
    check("src/risk/score.rs", "use super::policy;", &[]);
    check("src/slo.rs", "use super::risk;", &["1: slo uses risk, which is not below it"]);
    check("src/slo.rs", "mod inner { use super::risk; }", &[]);
    check("src/github/client.rs", "use crate::store::Store;", &["1: github uses store, which is not below it"]);
    check("src/store/mod.rs", "use crate::clock::Clock;", &[]);
    check("src/git.rs", "use crate::config::Config;", &["1: git uses config, which is not below it"]);
    check("src/new.rs", "", &["0: the module new has no place in the layers"]);
    check("src/lib.rs", "pub use crate::service::run;", &[]);
    check("src/risk/mod.rs", "#[cfg(test)]\nmod tests { use crate::report; }", &[]);
    check("src/risk/mod.rs", "// crate::store\nconst A: &str = \"crate::store\";", &[]);
}

#[test]
fn several_outside_systems_meet_in_few_places() {
    let both = "use crate::github;\nuse crate::datadog;";
    check("src/service/worker.rs", both, &["2: sees several outside systems: github, datadog"]);
    check("src/service/gather.rs", both, &[]);
    check("src/cli/doctor.rs", both, &[]);
    check("src/service/assess.rs", "use crate::{github, store};", &[]);
}

#[test]
fn the_pure_layer_touches_nothing() {
    let pure = |what: &str| format!("1: {what} in the pure layer");
    check("src/risk/a.rs", "use std::{fmt, fs::File};", &[&pure("std::fs::File")]);
    check("src/report/a.rs", "fn f() { std::env::var(\"A\"); }", &[&pure("std::env::var")]);
    check("src/report/a.rs", "async fn f() {}", &[&pure("async")]);
    check("src/report/a.rs", "fn f(a: A) { tracing::info!(\"a\") }", &[&pure("tracing::info")]);
    check("src/command.rs", "use std::time::Instant;", &[&pure("std::time::Instant")]);
    check(
        "src/risk/a.rs",
        "use std::time::Duration; use chrono::Utc; fn f(at: DateTime<Utc>, log: L) { a.log(2.0); x.rand; log }",
        &[],
    );
    check("src/github/a.rs", "use std::fs; async fn f() { tokio::spawn(g()).await; }", &[]);
}

#[test]
fn only_the_clock_asks_for_time_and_chance() {
    check("src/service/a.rs", "fn f() { chrono::Utc::now() }", &["1: chrono::Utc::now outside src/clock.rs"]);
    check("src/service/a.rs", "fn f() { SystemTime::now() }", &["1: SystemTime::now outside src/clock.rs"]);
    check("src/service/a.rs", "fn f() { fastrand::u8(..) }", &["1: fastrand::u8 outside src/clock.rs"]);
    check("src/store/a.rs", "fn f() { uuid::Uuid::now_v7() }", &["1: uuid::Uuid::now_v7 outside src/clock.rs"]);
    check("src/clock.rs", "fn f() { chrono::Utc::now(); fastrand::u8(..) }", &[]);
    check("src/github/sim/faults.rs", "use fastrand::Rng;", &[]);
    check("src/github/sim/faults.rs", "fn f() { Utc::now() }", &["1: Utc::now outside src/clock.rs"]);
    check("src/service/a.rs", "#[cfg(test)]\nfn f() { Utc::now() }\n", &[]);
}

#[test]
fn calls_attributes_and_sql_keep_to_their_places() {
    check("src/git.rs", "fn f() { a.unwrap() }", &["1: unwrap outside tests"]);
    check("src/git.rs", "fn f() { a.unwrap_or(1); unwrap(); }\n#[cfg(test)]\nmod tests { fn f() { a.unwrap() } }", &[]);
    check("src/git.rs", "fn f() { println!(\"a\") }", &["1: println! outside src/cli"]);
    check("src/cli/score.rs", "fn f() { println!(\"a\"); eprintln!(\"a\") }", &[]);
    check("src/git.rs", "fn f() { todo!() }", &["1: todo!"]);
    check("tests/it/a.rs", "fn f() { dbg!(1); a.unwrap() }", &["1: dbg!"]);
    check("src/git.rs", "#[allow(dead_code)]\nfn f() {}", &["1: #[allow]"]);
    check("src/git.rs", "#![allow(dead_code)]", &["1: #[allow]"]);
    check("src/git.rs", "#[expect(dead_code, reason = \"why\")]\nfn f() {}", &[]);
    check("tests/it/a.rs", "#[test]\n#[ignore]\nfn f() {}", &["2: #[ignore]"]);
    check("tests/it/a.rs", "#[test]\n#[should_panic(expected = \"a\")]\nfn f() {}", &["2: #[should_panic]"]);
    check("src/service/a.rs", "use rusqlite::Connection;", &["1: rusqlite outside src/store"]);
    check("src/service/a.rs", "const A: &str = \"SELECT a FROM b\";", &["1: SQL outside src/store"]);
    check("src/store/a.rs", "const A: &str = \"SELECT a FROM b\"; use rusqlite::Connection;", &[]);
    check("src/service/a.rs", "const A: &str = \"Select a reviewer\";", &[]);
}

#[test]
fn functions_and_files_have_a_size() {
    let function = |lines: usize| format!("fn long() {{\n{}}}", "    f();\n".repeat(lines - 2));
    check("src/git.rs", &function(69), &[]);
    check("src/git.rs", &function(70), &["1: long has 70 lines, 70 or more"]);
    check("src/git.rs", &format!("impl A {{\n{}\n}}", function(80)), &["2: long has 80 lines, 70 or more"]);
    check("src/git.rs", &format!("#[test]\n{}", function(80)), &[]);
    check("src/git.rs", &format!("#[tokio::test]\nasync {}", function(80)), &[]);

    same(&tree::size(&file("src/a.rs", &"\n".repeat(499))), &[]);
    same(&tree::size(&file("src/a.rs", &"\n".repeat(500))), &["0: 500 lines above its tests, 500 or more"]);
    let tests = format!("{}#[cfg(test)]\n{}", "\n".repeat(300), "\n".repeat(900));
    same(&tree::size(&file("src/a.rs", &tests)), &[]);
}

#[test]
fn each_file_says_what_it_is_for() {
    same(&tree::opening(&file("src/a.rs", "//! A.\nfn f() {}")), &[]);
    same(&tree::opening(&file("src/a.rs", "fn f() {}")), &["1: no doc comment"]);
    same(&tree::opening(&file("src/a.rs", &"//! A.\n".repeat(6))), &["1: a doc comment of 6 lines"]);
    same(&tree::opening(&file("src/lib.rs", &"//! A.\n".repeat(20))), &[]);
}

#[test]
fn words_of_one_machine_stay_out() {
    let path = ["/wo", "rk/main"].concat();
    check(
        "README.md.rs",
        &format!("// see {path}"),
        &[&format!("1: {} does not belong in the repository", &path[..6])],
    );
    let lock = file("tests/a/package-lock.json", "{\n\"resolved\": \"h\" }");
    same(&tree::words(&lock), &["2: a lock that names hosts"]);
    same(&tree::words(&file("README.md", "The network and the framework; docs/workflow/a.md")), &[]);
}

#[test]
fn names_mean_something_and_every_file_is_compiled() {
    let opening = "//! A.\n";
    let sources = |paths: &[(&str, &str)]| {
        paths.iter().map(|(path, text)| file(path, &format!("{opening}{text}"))).collect::<Vec<_>>()
    };
    same(
        &tree::names(&sources(&[("src/risk/utils.rs", ""), ("src/git.rs", ""), ("src/types/a.rs", "")])),
        &["0: a name that says nothing", "0: a name that says nothing"],
    );
    let tree_of = [
        ("src/lib.rs", "mod risk;"),
        ("src/risk/mod.rs", "mod score;"),
        ("src/risk/score.rs", ""),
        ("src/risk/lost.rs", ""),
    ];
    same(&tree::reachable(&sources(&tree_of)), &["0: nothing says mod lost; this file is never compiled"]);
    let tests =
        [("tests/it/main.rs", "mod a;"), ("tests/it/a.rs", "mod b;"), ("tests/it/a/b.rs", ""), ("tests/it/c.rs", "")];
    same(&tree::reachable(&sources(&tests)), &["0: nothing says mod c; this file is never compiled"]);
}

#[test]
fn migrations_are_numbered_and_sampled() {
    let at = |paths: &[&str]| paths.iter().map(|path| file(path, "")).collect::<Vec<_>>();
    let whole = ["migrations/0001_inbox.sql", "fixtures/migrations/0001_inbox.sql"];
    same(&tree::migrations(&at(&whole)), &[]);
    same(&tree::migrations(&at(&whole[..1])), &["0: no fixtures/migrations/0001_inbox.sql"]);
    let gap = [
        "migrations/0001_inbox.sql",
        "migrations/0003_x.sql",
        "fixtures/migrations/0001_inbox.sql",
        "fixtures/migrations/0003_x.sql",
    ];
    same(&tree::migrations(&at(&gap)), &["0: expected migrations/0002_name.sql here"]);
}

#[test]
fn a_finding_names_place_rule_and_way_out() {
    let found = findings(&[file("src/git.rs", "fn f() { a.unwrap() }")]);
    let lines: Vec<String> = found.iter().map(Finding::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    src/git.rs:1: no doc comment
        hint: open the file with //! and what it is for, in one to five lines
    src/git.rs:1: unwrap outside tests
        hint: use ?, or expect("the invariant that holds")
    src/git.rs: nothing says mod git; this file is never compiled
        hint: name it in the module above, or delete it
    "#);
}

#[test]
fn a_module_declared_for_tests_may_do_what_tests_may() {
    let parent = file("src/git/mod.rs", "//! Git.\n#[cfg(test)]\nmod tests;\nmod log;\n");
    let modules = tree::test_modules(&[parent]);
    let held = |path: &str| modules.iter().any(|module| module.holds(path));
    assert!(held("src/git/tests.rs") && held("src/git/tests/hostile.rs"));
    assert!(!held("src/git/log.rs") && !held("src/git/tests_of_log.rs"));
}
