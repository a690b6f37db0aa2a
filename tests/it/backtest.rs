//! `mergecast backtest` from outside: the real binary on a generated stream and on a real repository.

use std::{fmt::Write as _, fs, io::Write as _, path::Path, process::Command as Process};

use assert_cmd::Command;
use serde_json::{Value, json};

const DAY: u64 = 24 * 60 * 60;
const START: u64 = 1_700_000_000;

/// Exit code, standard output and standard error.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LANG", "C.UTF-8").env("HOME", directory).arg("backtest").args(arguments);
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (output.status.code().expect("the program ends by itself"), text(output.stdout), text(output.stderr))
}

/// Object ids differ from their first digits on, as real ones do.
pub(crate) fn sha(place: u64) -> String {
    format!("{:08x}{:032x}", (place + 1) * 0x0101_0101 % 0xffff_fff1, place + 1)
}

/// One change a day. Each tenth, which touches the ledger, is rolled back two days later; each 25th is by a bot.
pub(crate) fn stream(changes: u64) -> String {
    let mut text = String::new();
    for place in 0..changes {
        let undoes = place >= 2 && (place - 2).is_multiple_of(10);
        let (path, lines) =
            if place.is_multiple_of(10) || undoes { ("pay/ledger.rs", 40) } else { ("docs/guide.md", 3) };
        let undone = if undoes { vec![sha(place - 2)] } else { Vec::new() };
        let change = json!({
            "sha": sha(place), "ts": START + place * DAY, "author_ts": START + place * DAY, "tz_min": 0,
            "author": format!("{:x}", place % 5), "pr": place, "title": format!("Change {place}"), "body_len": 0,
            "bot": place % 25 == 7, "revert": undoes, "reland": false, "merge": false, "reverts": undone,
            "files": [[path, lines, 1]], "nf": 1, "la": lines, "ld": 1,
        });
        writeln!(text, "{change}").unwrap();
    }
    text
}

pub(crate) fn with_stream(changes: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("shop.changes.jsonl"), stream(changes)).unwrap();
    directory
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

#[test]
fn a_stream_is_scored_and_judged() {
    let directory = with_stream(230);
    let path = directory.path();
    let arguments = ["--stream", "shop.changes.jsonl", "--csv", "out.csv", "--html", "out.html", "--format", "json"];
    let (code, out, err) = run(path, &arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    let report = parsed(&out);
    assert_eq!(report["schema"], "mergecast.backtest/1");
    assert_eq!(report["repository"], "shop");
    // 230 changes: 23 reverts, 9 by bots of which one is a revert too, 30 younger than 30 days with 3 reverts and a bot.
    let table = fs::read_to_string(path.join("out.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(table.lines().next(), Some("sha,time,score,probability,fix_probability,label"));
    assert_eq!(rows.len(), 230);
    let labelled = |label: &str| rows.iter().filter(|row| row[5] == label).count() as u64;
    assert_eq!(
        (&report["counts"]["failed"], &report["counts"]["clean"]),
        (&labelled("1").into(), &labelled("0").into())
    );
    assert_eq!(labelled("1"), 20, "each tenth of the first 200 failed");
    for (place, row) in rows.iter().enumerate() {
        assert_eq!((row.len(), row[0]), (6, sha(place as u64).as_str()));
        assert!(row[2].parse::<u8>().is_ok_and(|score| score <= 100), "{row:?}");
        assert!(
            [3, 4].iter().all(|&at| row[at].is_empty() || row[at].parse().is_ok_and(|p: f64| (0.0..=1.0).contains(&p)))
        );
        let (young, revert, bot) = (place >= 200, place >= 2 && (place - 2).is_multiple_of(10), place % 25 == 7);
        let expected = if young || revert || bot {
            ""
        } else if place.is_multiple_of(10) {
            "1"
        } else {
            "0"
        };
        assert_eq!(row[5], expected, "change {place}");
    }
    assert_eq!(rows[0][1], "2023-11-14T22:13:20Z");
    assert_eq!(report["reverts"], json!({"found": 23, "linked": 23, "undone": 23, "undone_late": 0}));
    // The ledger fails and is larger: a score that ranks it above the guide finds every failure.
    let auc = report["test"]["ranking"]["roc_auc"]["value"].as_f64().unwrap();
    assert!(auc > 0.9, "{auc}");
    assert!(fs::read_to_string(path.join("out.html")).unwrap().starts_with("<!doctype html>"));
    assert_eq!(run(path, &arguments).1, out, "the same history gives the same report");
}

/// What needed a fix is read from the table beside the stream, and the second head is judged by it; ranked by what is
/// stated, hardly two changes are equal.
#[test]
fn the_second_head_is_judged_where_a_table_says_what_was_fixed() {
    let directory = with_stream(230);
    let path = directory.path();
    let table: String = (0..230).map(|place| format!("{},{},7\n", sha(place), u8::from(place % 10 < 3))).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(format!("sha,fail30,other\n{table}").as_bytes()).unwrap();
    fs::write(path.join("shop.features.csv.gz"), packed.finish().unwrap()).unwrap();
    let report = |arguments: &[&str]| {
        let all = [&["--stream", "shop.changes.jsonl.gz", "--format", "json"], arguments].concat();
        let (code, out, err) = run(path, &all);
        assert_eq!((code, err.as_str()), (0, ""));
        parsed(&out)
    };
    fs::rename(path.join("shop.changes.jsonl"), path.join("shop.changes.jsonl.gz")).unwrap();
    let by_score = report(&[]);
    let fixed = &by_score["rolled_back_or_fixed"];
    assert_eq!(fixed["all"]["changes"], by_score["all"]["changes"]);
    assert!(fixed["all"]["failed"].as_u64() > by_score["all"]["failed"].as_u64());
    assert!(fixed["test"]["ranking"]["roc_auc"]["value"].is_number());
    let by_probability = report(&["--rank-by", "probability"]);
    assert_eq!((&by_score["ranked_by"], &by_probability["ranked_by"]), (&"score".into(), &"probability".into()));
    assert_eq!(by_probability["rolled_back_or_fixed"], *fixed);
}

#[test]
fn a_part_is_judged_on_the_history_of_the_whole() {
    let directory = with_stream(230);
    let rows = |arguments: &[&str]| {
        let csv = directory.path().join("part.csv");
        let all = [&["--stream", "shop.changes.jsonl", "--csv", "part.csv"], arguments].concat();
        let (code, _, err) = run(directory.path(), &all);
        assert_eq!((code, err.as_str()), (0, ""));
        fs::read_to_string(csv).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let whole = rows(&[]);
    let judged = |rows: &[String]| rows.iter().filter(|row| !row.ends_with(',')).count();
    let last = rows(&["--limit", "60"]);
    assert_eq!((judged(&last), last.as_slice()), (60, &whole[230 - last.len()..]));
    assert!(!last[0].ends_with(','), "it begins with a judged change: {}", last[0]);
    let since = "2024-03-01";
    let later: Vec<String> = whole.iter().filter(|row| row.split(',').nth(1).unwrap() >= since).cloned().collect();
    assert!(later.len() > 50 && later.len() < 200);
    assert_eq!(rows(&["--since", since]), later);
    let few = rows(&["--since", "2024-03-01T00:00:00Z", "--limit", "10"]);
    assert_eq!((judged(&few), few.as_slice()), (10, &whole[230 - few.len()..]));
    assert_eq!(rows(&["--since", since, "--limit", "100000"]), later);
}

#[test]
fn a_history_without_reverts_is_told_what_that_means() {
    let directory = tempfile::tempdir().unwrap();
    let quiet: String = stream(100)
        .lines()
        .filter(|line| !line.contains("\"revert\":true"))
        .fold(String::new(), |all, line| all + line + "\n");
    fs::write(directory.path().join("quiet.jsonl"), quiet).unwrap();
    let (code, out, err) = run(directory.path(), &["--stream", "quiet.jsonl"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let model = regex::Regex::new(r"by model \S+").unwrap();
    insta::assert_snapshot!(model.replace(&out, "by model MODEL"), @r"
    Backtest of quiet

    None of 61 judged changes was rolled back within 30 days, so no ranking can be judged here: every
    order of changes is as right as any other.
    No change in this history says that it is a revert. Either nothing failed, or failures are mended by
    further changes, which leave no mark that could be counted.
    What to do: take the whole history instead of a part; roll back with git revert or GitHub's button,
    which name the commit; and let the App learn from deployments and incidents, which see failures that
    git does not.

    What was judged
      History       90 changes, 2023-11-14 to 2024-02-21
      Scored        90, each from what came before it, by model MODEL
      Failed means  rolled back by a later change of the main line within 30 days
      Reverts       0 found, 0 linked to what they undo, 0 not; 0 changes undone
      Judged        61, 0 failed (0 %), 2023-11-14 to 2024-01-22
      Left out      27 younger than 30 days at its end, 2 by bots
      Last 30 %     18, 0 failed (0 %), 2024-01-02 to 2024-01-22

    How far this carries
      A rollback is one way of failing, and the one that git remembers. Failures that were mended by a
      further change are counted as clean here.
      Only git was read: reviews, checks, coverage, SLOs and incidents, which the App also reads, were
      unknown for every change.
      Changes that were held back by review never landed; nothing is known of them.
    ");
}

#[test]
fn how_it_ends_says_what_went_wrong() {
    let directory = with_stream(3);
    let path = directory.path();
    fs::write(path.join("bad.jsonl"), stream(2) + "{\"sha\": 7}\n").unwrap();
    fs::write(path.join("model.json"), "{}").unwrap();
    let usage = |arguments: &[&str]| {
        let (code, out, err) = run(path, arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        err
    };
    assert!(usage(&[]).contains("<--repo <DIR>|--stream <FILE>>"));
    assert!(usage(&["--repo", ".", "--stream", "shop.changes.jsonl"]).contains("cannot be used with"));
    assert!(usage(&["--repo", ".", "--since", "yesterday"]).contains("2026-03-01"));
    usage(&["--repo", ".", "--limit", "0"]);
    usage(&["--repo", ".", "--format", "xml"]);
    let failed = |arguments: &[&str], told: &str| {
        let (code, out, err) = run(path, arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.starts_with(told), "{err}");
    };
    failed(&["--stream", "bad.jsonl"], "error: bad.jsonl:3: ");
    failed(&["--stream", "missing.jsonl"], "error: missing.jsonl: ");
    failed(&["--repo", "/nonexistent"], "error: /nonexistent is not in a git repository\nhint: ");
    failed(&["--stream", "shop.changes.jsonl", "--model", "model.json"], "error: model.json: the model cannot be read");
    failed(&["--stream", "shop.changes.jsonl", "--csv", "missing/out.csv"], "error: missing/out.csv cannot be written");
}

/// A commit of `path`, `day` days after the start.
fn commit(directory: &Path, day: u64, path: &str, text: &str, message: &str) -> String {
    let file = directory.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    git(directory, day, &["add", "-A"]);
    git(directory, day, &["commit", "-q", "-m", message]);
    git(directory, day, &["rev-parse", "HEAD"])
}

fn git(directory: &Path, day: u64, arguments: &[&str]) -> String {
    let date = format!("{} +0000", START + day * DAY);
    let output = Process::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(arguments)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_repository_is_judged_by_its_reverts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    git(path, 0, &["init", "-q", "-b", "main", "shop"]);
    let shop = path.join("shop");
    let mut failed = Vec::new();
    for day in 0..40 {
        if day % 8 == 5 {
            let text = format!("fn ledger() -> u64 {{ {day} }}\n").repeat(30);
            failed.push(commit(&shop, day, &format!("pay/ledger_{day}.rs"), &text, "Round the ledger\u{1b}[31m up"));
            git(&shop, day + 1, &["revert", "--no-edit", "HEAD"]);
        } else {
            commit(&shop, day, "docs/guide.md", &format!("Day {day}\n"), "Write the guide");
        }
    }
    commit(&shop, 80, "docs/guide.md", "Later\n", "Write the guide");
    git(path, 80, &["clone", "-q", "--bare", "shop", "bare.git"]);
    let judge = |repo: &str| {
        let (code, out, err) = run(path, &["--repo", repo, "--csv", "out.csv", "--format", "json"]);
        assert_eq!((code, err.as_str()), (0, ""), "{repo}");
        (parsed(&out), fs::read_to_string(path.join("out.csv")).unwrap())
    };
    let (report, table) = judge("shop");
    let labelled = |label: &str| -> Vec<String> {
        let rows = table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        rows.filter(|row| row[5] == label).map(|row| row[0].to_owned()).collect()
    };
    assert_eq!(labelled("1"), failed);
    assert_eq!(labelled("0").len(), 35);
    assert_eq!(report["repository"], "shop");
    assert_eq!(report["reverts"], json!({"found": 5, "linked": 5, "undone": 5, "undone_late": 0}));
    assert_eq!(report["counts"]["left_out"], json!({"unripe": 1, "bots": 0, "reverts": 5, "empty": 0}));
    let (bare, same_table) = judge("bare.git");
    assert_eq!((&bare["counts"], &bare["test"], same_table), (&report["counts"], &report["test"], table));
    // The title's escape sequence reaches no terminal.
    let (_, out, _) = run(path, &["--repo", "shop"]);
    assert!(out.contains("Round the ledger␛[31m up") && !out.contains('\u{1b}'), "{out}");
}

/// A pause is as long as the commits say: what is rolled back after it was rolled back too late, and each change has its
/// own date, the last one too.
#[test]
fn a_pause_is_as_long_as_the_commits_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    git(path, 0, &["init", "-q", "-b", "main"]);
    for (day, text) in [(0, "One\n"), (1, "Two\n")] {
        commit(path, day, "guide.md", text, "Write the guide");
    }
    git(path, 202, &["revert", "--no-edit", "HEAD"]);
    commit(path, 300, "guide.md", "Three\n", "Write the guide");
    let judge = |arguments: &[&str]| {
        let all = [&["--repo", ".", "--csv", "out.csv", "--format", "json"], arguments].concat();
        let (code, out, err) = run(path, &all);
        assert_eq!((code, err.as_str()), (0, ""));
        (parsed(&out), fs::read_to_string(path.join("out.csv")).unwrap())
    };
    let (report, table) = judge(&[]);
    let column = |at: usize| table.lines().skip(1).map(|line| line.split(',').nth(at).unwrap()).collect::<Vec<_>>();
    assert_eq!(column(5), ["0", "0", "", ""]);
    let dates = git(path, 0, &["log", "--reverse", "--date=format:%Y-%m-%dT%H:%M:%SZ", "--format=%cd"]);
    assert_eq!(column(1), dates.lines().collect::<Vec<_>>());
    assert_eq!(report["reverts"], json!({"found": 1, "linked": 1, "undone": 1, "undone_late": 1}));
    assert_eq!(report["history"]["to"], column(1)[3]);
    let rest: Vec<&str> = table.lines().skip(3).collect();
    assert_eq!(judge(&["--since", "2024-05-01"]).1.lines().skip(1).collect::<Vec<_>>(), rest);
}

/// A clone without contents is told so, and nothing that stands on lines is stated of it.
#[test]
fn a_clone_without_contents_has_no_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    git(path, 0, &["init", "-q", "-b", "main", "shop"]);
    let shop = path.join("shop");
    for day in 0..120 {
        if day % 4 == 1 {
            let text = format!("fn ledger() -> u64 {{ {day} }}\n").repeat(30);
            commit(&shop, day, "pay/ledger.rs", &text, "Round the ledger up");
            git(&shop, day + 1, &["revert", "--no-edit", "HEAD"]);
        } else {
            commit(&shop, day, "docs/guide.md", &format!("Day {day}\n"), "Write the guide");
        }
    }
    git(&shop, 0, &["config", "uploadpack.allowFilter", "true"]);
    let address = format!("file://{}", shop.display());
    git(path, 0, &["clone", "-q", "--filter=blob:none", &address, "partial"]);
    let judge = |repo: &str| run(path, &["--repo", repo, "--html", "out.html", "--format", "json"]);
    let (whole, (code, out, err)) = (judge("shop"), judge("partial"));
    assert_eq!(code, 0, "{err}");
    assert!(err.starts_with("note: this clone is partial and lacks contents, so lines are unknown"), "{err}");
    let (whole, partial) = (parsed(&whole.1), parsed(&out));
    assert_eq!((&whole["lines_known"], &partial["lines_known"]), (&true.into(), &false.into()));
    assert_eq!((&whole["counts"], &whole["reverts"]), (&partial["counts"], &partial["reverts"]));
    assert!(whole["test"]["effort"].is_object() && partial["test"]["effort"].is_null());
    assert!(partial["test"]["ranking"].is_object(), "paths rank too: {partial}");
    assert_eq!(partial["compared"], json!([]));
    let named = ["catches", "misses"].iter().flat_map(|kind| partial[kind].as_array().unwrap()).collect::<Vec<_>>();
    assert!(!named.is_empty() && named.iter().all(|change| change["lines"].is_null()), "{named:?}");
    let page = fs::read_to_string(path.join("out.html")).unwrap();
    assert!(!page.contains("Popt") && !page.contains("0 lines") && page.contains("contents are not in this clone"));
}

/// Nothing to read is told as what it is: no commit at all, or a HEAD that names a branch which is not there.
#[test]
fn a_repository_without_a_head_says_which() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    git(path, 0, &["init", "-q", "-b", "trunk"]);
    let both = |told: &str| {
        for (name, arguments) in [("backtest", &["backtest", "--repo", "."][..]), ("score", &["score"][..])] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
            command.current_dir(path).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            let output = command.env("HOME", path).args(arguments).output().unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && err.starts_with(told), "{name}: {err}");
        }
    };
    both("error: The repository has no commit yet\nhint: commit something first");
    commit(path, 0, "guide.md", "One\n", "Write the guide");
    git(path, 0, &["symbolic-ref", "HEAD", "refs/heads/gone"]);
    both("error: HEAD names the branch \"gone\", which does not exist\nhint: git branch --all lists");
}
