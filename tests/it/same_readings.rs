//! One change scored in three ways reads the same: by backtest, by `score` in a clone, and from a mirror without contents.

use std::{ops::ControlFlow, path::Path, process::Command};

use chrono::{DateTime, Utc};
use mergecast::{
    git::{Lines, Range, Repository, Wanted, mine},
    history::{Author, History},
    risk::{
        Model,
        facts::{Change, Facts},
        forecast,
        signal::{self, Reading},
    },
};

/// A main line with failures, renames, several authors and companions; what is scored is its last change.
fn repository(path: &Path) {
    git(path, 0, "Ada", &["init", "-q", "-b", "main", "."]);
    for day in 1..30_i64 {
        let author = ["Ada", "Grace", "Lin"][usize::try_from(day).unwrap() % 3];
        let pay = format!("fn pay() {{ step({day}); }}\n").repeat(usize::try_from(day % 4 + 1).unwrap());
        write(path, "src/pay.rs", &pay);
        if day % 5 != 0 {
            write(path, "docs/pay.md", &format!("Step {day}\n"));
        }
        if day == 12 {
            git(path, day, author, &["mv", "src/pay.rs", "src/payments.rs"]);
            write(path, "src/pay.rs", "mod payments;\n");
        }
        commit(path, day, author, &format!("Tune payments, step {day} (#{day})"));
        if day % 7 == 0 {
            git(path, day, "Lin", &["revert", "--no-edit", "HEAD"]);
        }
    }
    write(path, "src/pay.rs", "fn pay() { again(); }\nfn refund() {}\n");
    write(path, "src/new.rs", "fn new() {}\n");
    commit(path, 30, "Grace", "Try payments again (#30)");
}

fn write(path: &Path, name: &str, text: &str) {
    let file = path.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn commit(path: &Path, day: i64, author: &str, message: &str) {
    git(path, day, author, &["add", "-A"]);
    git(path, day, author, &["commit", "-q", "-m", message]);
}

fn git(path: &Path, day: i64, author: &str, arguments: &[&str]) {
    let date = format!("@{} +0000", 1_750_000_000 + day * 86_400);
    let output = Command::new("git")
        .current_dir(path)
        .args(["-c", &format!("user.name={author}"), "-c", "user.email=a@example.com"])
        .args(arguments)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The readings of a change before which `history` was.
fn readings(history: &History, change: &Change, author: Author, at: i64) -> Vec<Reading> {
    let said = history.about(change, author, at);
    let facts: Facts = forecast::landed(change.clone(), Ok(said), DateTime::from_timestamp_secs(at).unwrap());
    signal::read_all(&facts)
}

#[test]
fn a_change_reads_the_same_however_it_is_scored() {
    let (directory, mirrored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    repository(directory.path());
    let clone = Repository::open(directory.path()).unwrap();
    // By backtest: replayed from the beginning.
    let wanted = |tip: &str, lines| Wanted { tip: tip.to_owned(), after: None, lines, now: DateTime::<Utc>::MAX_UTC };
    let mut history = History::default();
    let changes: Vec<_> = clone.landed(&wanted("main", Lines::Counted)).unwrap().map(Result::unwrap).collect();
    let (last, before) = changes.split_last().unwrap();
    before.iter().for_each(|landed| drop(history.step(landed, Model::baseline())));
    let backtest = readings(&history, &last.change(), last.author, last.at);
    // By `score`: the range of the last commit, on the history that was mined up to its base.
    let mined = |repository: &Repository, lines: Lines| {
        let mut go_on = |_, _| ControlFlow::Continue(());
        mine(repository, &wanted("main~1", lines), Model::baseline(), None, &mut go_on).unwrap().history
    };
    let range = Range { base: Some("main~1".to_owned()), head: Some("main".to_owned()) };
    let local = clone.change(&range).unwrap().change;
    let author = Author::named(&local.author.login);
    let score = readings(&mined(&clone, Lines::Counted), &local, author, last.at);
    // Live: the same change, on the history of a mirror that has no contents.
    let source = format!("file://{}", directory.path().display());
    git(directory.path(), 30, "Ada", &["config", "uploadpack.allowFilter", "true"]);
    git(mirrored.path(), 30, "Ada", &["clone", "-q", "--bare", "--filter=blob:none", &source, "."]);
    let live = readings(&mined(&Repository::open(mirrored.path()).unwrap(), Lines::Skipped), &local, author, last.at);

    let mut compared = 0;
    for (index, signal) in signal::SIGNALS.iter().enumerate() {
        let (Ok(one), Ok(other)) = (&backtest[index], &score[index]) else { continue };
        assert_eq!((signal.id, &one.terms), (signal.id, &other.terms));
        // Lines of earlier changes are unknown there, and said to be.
        if let Ok(mirror) = &live[index] {
            assert_eq!((signal.id, mirror), (signal.id, other));
        }
        compared += 1;
    }
    let failed = signal::SIGNALS.iter().position(|signal| signal.id == "prior_defects").unwrap();
    assert!(backtest[failed].as_ref().unwrap().terms[1] > 0.0, "the history has failures");
    assert!(compared >= 19, "{compared} signals were read in both ways");
}
