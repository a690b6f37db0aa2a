//! `mergecast score` and the command line from outside: the real binary on real repositories.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, process::Command as Process, sync::LazyLock};

use assert_cmd::Command;
use chrono::{DateTime, TimeDelta, Utc};

/// When everything in these repositories was committed: three days before the tests.
static DAYS_AGO: LazyLock<DateTime<Utc>> = LazyLock::new(|| Utc::now() - TimeDelta::days(3));

/// A repository with a base on `main` and a change on `topic`, which is checked out.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path();
    git(path, &["init", "-q", "-b", "main", "."]);
    write(path, ".github/CODEOWNERS", "* @acme/all\n/db/ @acme/data\nbad[line @x\n");
    write(path, "src/orders.rs", &"fn order() {}\n".repeat(30));
    commit(path, "Start");
    git(path, &["switch", "-q", "-c", "topic"]);
    write(path, "src/orders.rs", &"fn order(id: u64) {}\n".repeat(45));
    write(path, "db/migrations/0002_orders.sql", "ALTER TABLE orders DROP COLUMN note;\n");
    commit(path, "Drop the order's note");
    directory
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().expect("the path has a parent")).expect("the directory can be made");
    fs::write(path, text).expect("the file can be written");
}

fn commit(directory: &Path, message: &str) {
    git(directory, &["add", "-A"]);
    git(directory, &["commit", "-q", "-m", message]);
}

fn git(directory: &Path, arguments: &[&str]) {
    // What is told of a history hangs on how long ago it was.
    let days_ago = format!("@{} +0000", DAYS_AGO.timestamp());
    let output = Process::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(arguments)
        .env("GIT_AUTHOR_DATE", &days_ago)
        .env("GIT_COMMITTER_DATE", &days_ago)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The program with an environment of its own.
fn mergecast(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("LANG", "C.UTF-8")
        .env("HOME", directory)
        .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
        .args(arguments);
    command
}

/// Exit code, standard output and standard error.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = mergecast(directory, arguments).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (output.status.code().expect("the program ends by itself"), text(output.stdout), text(output.stderr))
}

/// The text without what differs from run to run: directory name, dates, ids, and the lines that break elsewhere on a
/// Wednesday than on a Friday.
fn steady(text: &str, directory: &Path) -> String {
    let name = directory.file_name().and_then(|name| name.to_str()).expect("temporary names are plain");
    let pattern = |pattern| regex::Regex::new(pattern).expect("the pattern is a constant");
    let text = text.replace(name, "REPOSITORY");
    let text = pattern(r"Read, and worth no points:[^.]*\.")
        .replace_all(&text, |found: &regex::Captures<'_>| found[0].split_whitespace().collect::<Vec<_>>().join(" "));
    let differing = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "DATE"),
        (r"[A-Z][a-z]+day \d\d:\d\d UTC", "WEEKDAY"),
        (r"assessment\s+[0-9a-f-]{36}", "assessment ID"),
        (r"facts\s+[0-9a-f]{12}", "facts DIGEST"),
        (r"commit [0-9a-f]{12}", "commit SHA"),
    ];
    differing
        .iter()
        .fold(text.into_owned(), |text, (differing, name)| pattern(differing).replace_all(&text, *name).into_owned())
}

#[test]
fn a_score_reads_like_this() {
    let directory = repository();
    let (code, out, err) = run(directory.path(), &["score"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(steady(&out, directory.path()), @r"
    REPOSITORY: Drop the order's note

    70 of 100: high
    ███████████████████████████████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
    At or above the threshold of 70 (the default until 50 changes are scored, 1 so far; then the
    riskiest 5 %). Advisory mode: nothing is blocked; enforcing would have held this change back.
    Range 70 to 100: 21 of 32 signals were read, the others could move the score within it.
    30 is a typical change of this repository, and every 15 points double the odds of breaking
    production, so the sum of 56 means 3.3 times the typical odds; a floor lifts it to 70. Not enough
    outcomes yet to state a rate.

    What would lower it
       −36 to 34  Move the schema migration into a change of its own: db/migrations/0002_orders.sql

    How the score adds up
      Typical change                              30  ███████████████
      kind of change                             +20  ██████████
          a removal, by its title; a schema migration, by its paths
      schema change                               +6  ███
          destroys data or breaks running code: DROP COLUMN orders.note (db/migrations/0002_orders.sql
          line 1)
      tests changed along                         +3  ██
          75 source lines changed, no test line along
      failures of this topic                      +2  █
          1x this repository's rate of rollbacks
      size                                        +1  █
          46 lines added, 30 deleted
      scatter                                     −1  ▒
          10 % of an even spread over the files; 99 % of the changed lines are in src/orders.rs
      earlier failures here                       −2  ▒
          no earlier change to these files was rolled back
      many hands                                  −3  ▒▒
          1 person has changed these files, 0 besides the author in the last 14 days
      Sum                                         56
      Floor: destructive or locking migration   ≥ 70
          a floor: the score is at least this, whatever the sum
      Score                                       70  ███████████████████████████████████
      Read, and worth no points: spread, sensitive areas, freeze (WEEKDAY, which by itself predicts nothing), dependency update, revert, re-land, failures in these directories, failures of these file types, rollbacks this week, familiarity, age of the files, usual companions missing, part of a series.

    What is not known (no points, but a range)
      review, owners' approval: only a pull request has this
      checks on the head: only a pull request has this
      age: only a pull request has this
      patch coverage: test coverage: not connected; would tell: coverage reports uploaded by CI, Codecov
      or SonarQube
      SLO burn rate, error budget left, open incidents, flaky tests, time since the last deployment,
      change fail rate of the service: Datadog: not connected; would tell: DD_API_KEY and DD_APP_KEY in
      the server's settings

    Sources
      changed files, CODEOWNERS, git history: as of DATE, read for this score
      policy: the defaults, since no .github/mergecast.yml is in force
      model: baseline-3 (public data and documented priors as of 2026-08-22; none of your outcomes yet)
      commit SHA, assessment ID, facts DIGEST: the same
      facts give the same score again
    ");
}

#[test]
fn each_format_is_data_alone() {
    let directory = repository();
    write(directory.path(), "untracked", "x");
    let score = |format: &str| {
        let (code, out, err) = run(directory.path(), &["score", "--format", format]);
        assert_eq!((code, err.as_str()), (0, "note: 1 file is not committed and not scored\n"));
        out
    };
    let json: serde_json::Value = serde_json::from_str(&score("json")).unwrap();
    assert_eq!(json["schema"], "mergecast.assessment/1");
    assert_eq!(json["pull_request"], serde_json::Value::Null);
    let points = |entry: &serde_json::Value| entry["points"].as_i64().unwrap();
    let sum: i64 = json["contributions"].as_array().unwrap().iter().map(points).sum();
    let below_floors = json["base"].as_i64().unwrap() + sum + json["clamped"].as_i64().unwrap();
    assert!(below_floors <= 70 && json["score"] == 70, "a dropped column lifts the score to 70: {json:#}");
    let sarif: serde_json::Value = serde_json::from_str(&score("sarif")).unwrap();
    assert_eq!(
        (&sarif["version"], &sarif["runs"][0]["tool"]["driver"]["name"]),
        (&"2.1.0".into(), &"Mergecast".into())
    );
    let markdown = score("markdown");
    assert!(markdown.starts_with("# Mergecast\n\n**70 of 100: high.**"));
    // There is no check run here, so nothing to press.
    assert!(!markdown.contains("Re-score") && !markdown.contains("/risk "), "{markdown}");
}

#[test]
fn coverage_reports_are_put_together_and_matched_to_the_files() {
    let directory = repository();
    // 45 lines of src/orders.rs were changed: the first 20 ran by one report, the next 10 by another.
    let part = |from: usize, to: usize, sum: usize| -> String {
        (1..=sum).map(|n| format!("DA:{n},{}\n", u8::from((from..=to).contains(&n)))).collect()
    };
    write(directory.path(), "one.info", &format!("SF:/home/ci/build/src/orders.rs\n{}", part(1, 20, 45)));
    write(directory.path(), "two.info", &format!("SF:src/orders.rs\n{}SF:../x.rs\nDA:1,1\n", part(21, 30, 45)));
    let (code, out, err) =
        run(directory.path(), &["score", "--format", "json", "--coverage", "one.info", "--coverage", "two.info"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("note: 1 file of the reports left out: the path leads upwards"), "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = json["contributions"].as_array().unwrap();
    let row = rows.iter().find(|row| row["signal"] == "patch_coverage").unwrap();
    let said = row["evidence"].to_string();
    assert!(said.contains("30 of 45 changed executable lines ran in tests"), "{said}");
    assert!(said.contains("not run: src/orders.rs lines 31 to 45"), "{said}");
    assert!(said.contains("from a file, 2 reports"), "{said}");
    for (file, expected) in [("none.info", "cannot read the coverage report none.info"), ("untold", "in none of the")] {
        write(directory.path(), "untold", "hello");
        let (code, out, err) = run(directory.path(), &["score", "--coverage", file]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(expected), "{err}");
    }
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let directory = repository();
    let check = |arguments: &[&str], code: i32, told: &str| {
        let (found, out, err) = run(directory.path(), arguments);
        assert_eq!((found, err.as_str()), (code, told), "{arguments:?}");
        // Failures leave standard output to those who can use it.
        assert_eq!(out.is_empty(), code == 1 || code == 2, "{arguments:?}");
    };
    check(&["score", "--fail-at", "71"], 0, "");
    check(&["score", "--fail-at", "70"], 3, "The score 70 is at or above --fail-at 70\n");
    check(
        &["score", "--base", "mian"],
        1,
        "error: \"mian\" names no commit in this repository\nhint: did you mean main?\n",
    );
    check(
        &["score", "--base=--output=x"],
        1,
        "error: \"--output=x\" names no commit in this repository\nhint: git branch --all lists the branches\n",
    );
    check(
        &["score", "--repo", "/nonexistent"],
        1,
        "error: /nonexistent is not in a git repository\nhint: go into a repository, or name one with --repo\n",
    );
    check(
        &["score", "--base", "HEAD"],
        0,
        "note: there is no commit that HEAD does not have already\nhint: name an earlier commit, for example --base HEAD~1\n",
    );
    for wrong in [&["score", "--fail-at", "101"][..], &["score", "--format", "xml"], &["scoer"], &["replay"], &[]] {
        assert_eq!(run(directory.path(), wrong).0, 2, "{wrong:?}");
    }
    assert!(!directory.path().join("x").exists());
    let no_git = mergecast(directory.path(), &["score"]).env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(no_git.status.code(), Some(1));
    let told = String::from_utf8(no_git.stderr).unwrap();
    assert_eq!(told, "error: Git is not installed, or not in PATH\nhint: install git 2.31 or newer\n");
}

#[test]
fn names_from_outside_reach_no_terminal_raw() {
    let directory = repository();
    let path = directory.path();
    for name in [&b"src/\x1b[31mred.rs"[..], b"src/b\xffd.rs", b"src/new\nline.rs", b"--output=x", b"src/|`@acme`.rs"] {
        fs::write(path.join(OsStr::from_bytes(name)), "fn f() {}\n".repeat(50)).unwrap();
    }
    commit(path, "\u{1b}]0;title\u{7}<img src=x> @acme/all\u{202e}");
    for format in ["text", "markdown", "json", "sarif"] {
        let (code, out, err) = run(path, &["score", "--format", format]);
        assert_eq!((code, err.as_str()), (0, ""), "{format}");
        let raw = out.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert!(raw.is_none() || format == "json" || format == "sarif", "{format}: {raw:?}");
    }
    assert!(!path.join("x").exists());
}

#[test]
fn the_base_and_not_the_change_sets_the_policy() {
    let directory = repository();
    let path = directory.path();
    write(path, ".github/mergecast.yml", "floors: { destructive_migration: off }\n");
    commit(path, "Switch the floor off");
    let score = |arguments: &[&str]| -> serde_json::Value {
        let (_, out, _) = run(path, &[&["score", "--format", "json"], arguments].concat());
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(score(&[])["score"], 70);
    git(path, &["switch", "-q", "main"]);
    write(path, ".github/mergecast.yml", "floors: { destructive_migration: 95 }\nmode: enforce\nthreshold: 90\n");
    commit(path, "Raise the floor");
    let raised = score(&["--head", "topic"]);
    assert_eq!((&raised["score"], &raised["verdict"]["conclusion"]), (&95.into(), &"action_required".into()));
    write(path, ".github/mergecast.yml", "flors: {}\n");
    commit(path, "Mistype");
    let mistaken = score(&["--head", "topic"]);
    assert_eq!(mistaken["score"], 70);
    assert_eq!(mistaken["policy"]["errors"][0]["line"], 1);
}

#[test]
fn people_are_who_the_mailmap_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    git(path, &["init", "-q", "-b", "main", "."]);
    write(path, "src/orders.rs", "fn order() {}\n");
    git(path, &["add", "-A"]);
    git(path, &["commit", "-q", "-m", "Start", "--author=A. King <king@example.com>"]);
    git(path, &["switch", "-q", "-c", "topic"]);
    write(path, "src/orders.rs", "fn order(id: u64) {}\n");
    commit(path, "Number orders");
    let familiar = || {
        let (_, out, err) = run(path, &["score", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
        let contributions = json["contributions"].as_array().unwrap();
        contributions.iter().find(|each| each["signal"] == "experience").unwrap()["value"].clone()
    };
    assert_eq!(familiar(), 0.0);
    // Not committed: as git reads it.
    write(path, ".mailmap", "A. King <king@example.com>\nA. King <king@example.com> <ada@example.com>\n");
    assert_eq!(familiar(), 1.0);
}

#[test]
fn settings_that_are_wrong_stop_the_server_before_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let check = |env: &[(&str, &str)], arguments: &[&str], told: &str| {
        let output = mergecast(directory.path(), arguments).envs(env.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), told);
    };
    check(
        &[("GITHUB_APP_ID", "7"), ("GITHUB_WEBHOOK_SECRET", "hunter2")],
        &["serve"],
        "error: The GitHub App's credentials are incomplete: GITHUB_PRIVATE_KEY not set\n\
         hint: set them in the environment or in mergecast.toml; a secret can also be given as a file, \
         for example GITHUB_PRIVATE_KEY_FILE=key.pem\n",
    );
    check(
        &[],
        &["serve", "--listen", "nowhere"],
        "error: --listen is \"nowhere\", which is not usable\n\
         hint: MERGECAST_LISTEN must be an address with a port, such as 127.0.0.1:8080 or [::]:8080\n",
    );
    write(directory.path(), "mergecast.toml", "databse = 'x'\n");
    check(
        &[],
        &["serve"],
        "error: mergecast.toml line 1 has the unknown key \"databse\"\nhint: did you mean database?\n",
    );
}

/// The threshold that is announced is there once the history has changes enough.
#[test]
fn the_riskiest_share_is_read_off_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    git(path, &["init", "-q", "-b", "main", "."]);
    let threshold = || {
        let (code, out, err) = run(path, &["score", "--base", "main", "--format", "json"]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["verdict"]["threshold"].clone()
    };
    for number in 0..49 {
        write(path, "src/orders.rs", &format!("fn order() -> u64 {{ {number} }}\n"));
        commit(path, "Count the orders");
    }
    assert_eq!((&threshold()["origin"], &threshold()["sample"]), (&"top_share_too_few".into(), &49.into()));
    write(path, "src/orders.rs", "fn order() {}\n");
    commit(path, "Count no more");
    assert_eq!((&threshold()["origin"], &threshold()["sample"]), (&"top_share".into(), &50.into()));
}
