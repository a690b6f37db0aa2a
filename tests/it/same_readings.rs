//! One change scored in three ways reads the same: by backtest, by `score` in a clone, and from a mirror as the App keeps
//! it. Where they differ, it stands here by name and with its reason; a difference more, or one less, fails.

use std::{collections::BTreeSet, ops::ControlFlow, path::Path, process::Command, time::Duration};

use chrono::DateTime;
use mergecast::{
    git::{
        Lines, Range, Repository, Wanted, mine,
        mirror::{BranchName, Mirror, Remote, Watch},
    },
    history::{Author, History, Landed},
    risk::{
        Model,
        facts::{Change, Facts},
        forecast,
        signal::{self, Reading},
    },
};

/// Readings of a local range that a backtest has otherwise where a migration, or white space, is changed: a history keeps
/// numbers of lines, not the lines.
const BY_CONTENT: [&str; 4] = ["churn", "entropy", "test_churn", "schema_change"];
/// Readings that a mirror lacks after a change of the same author within a day: it has no contents, so that nobody has
/// counted the lines of what landed.
const BY_LINES: [&str; 1] = ["series"];
/// Besides, readings of a file that was moved and edited at once: without contents only one that moved as it was is
/// followed, so that in a mirror its past begins there. Here that leaves out rollbacks, and changes of its author.
const BY_LIKENESS: [&str; 3] = ["prior_defects", "experience", "series"];

/// A main line with failures, files that are moved as they are and with edits, several authors and companions. What is scored
/// are its last three changes.
fn repository(path: &Path) {
    git(path, 0, "Ada", &["init", "-q", "-b", "main", "."]);
    let long = |name: &str, day: i64| format!("fn {name}() {{ step({day}); }}\n") + &"// as it was\n".repeat(20);
    for day in 1..30_i64 {
        let author = ["Ada", "Grace", "Lin"][usize::try_from(day).unwrap() % 3];
        let (sum, tax) =
            (if day < 12 { "src/sum.rs" } else { "src/total.rs" }, if day < 15 { "src/tax.rs" } else { "src/levy.rs" });
        match day {
            12 => git(path, day, author, &["mv", "src/sum.rs", sum]),
            15 => git(path, day, author, &["mv", "src/tax.rs", tax]),
            _ => write(path, sum, &long("sum", day)),
        }
        write(path, tax, &long("tax", day));
        write(path, "src/pay.rs", &long("pay", day));
        if day % 5 != 0 {
            write(path, "docs/pay.md", &format!("Step {day}\n"));
        }
        commit(path, day, author, &format!("Tune payments, step {day} (#{day})"));
        if day % 7 == 0 {
            git(path, day, "Lin", &["revert", "--no-edit", "HEAD"]);
        }
    }
    write(path, "src/pay.rs", "fn pay() { again(); }\nfn refund() {}\n");
    write(path, "src/total.rs", &long("sum", 30));
    write(path, "src/new.rs", &long("new", 30));
    commit(path, 30, "Lin", "Try payments again (#30)");
    git(path, 31, "Lin", &["mv", "src/pay.rs", "src/paying.rs"]);
    write(path, "src/paying.rs", "fn pay() { again(); }\nfn refund() {}\nfn all() {}\n");
    write(path, "src/levy.rs", &long("levy", 31));
    commit(path, 31, "Lin", "Levy less (#31)");
    let respaced = long("new", 30).replace("{ step(30); }", "{step( 30 );}").replace("as it was", "as it is");
    write(path, "src/new.rs", &respaced);
    write(path, "db/migrations/0001_levies.sql", "CREATE TABLE levies (id BIGINT PRIMARY KEY);\n");
    commit(path, 40, "Grace", "Keep levies (#32)");
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

/// The signals that two ways do not read alike: other terms, or known in one way only.
fn differing(one: &[Reading], other: &[Reading]) -> BTreeSet<&'static str> {
    let alike = |one: &Reading, other: &Reading| match (one, other) {
        (Ok(one), Ok(other)) => one.terms.iter().map(|term| term.to_bits()).eq(other.terms.iter().map(|t| t.to_bits())),
        (Err(_), Err(_)) => true,
        _ => false,
    };
    let differ = signal::SIGNALS.iter().zip(one.iter().zip(other)).filter(|(_, (one, other))| !alike(one, other));
    differ.map(|(signal, _)| signal.id).collect()
}

fn wanted(tip: &str, lines: Lines) -> Wanted {
    Wanted { tip: tip.to_owned(), after: None, lines }
}

fn mined(repository: &Repository, tip: &str, lines: Lines) -> History {
    mine(repository, &wanted(tip, lines), Model::baseline(), None, &mut |_, _| ControlFlow::Continue(()))
        .unwrap()
        .history
}

/// Fetched as the App fetches it.
fn mirror(source: &Path, directory: &Path) -> Repository {
    let remotes = directory.join("remotes");
    std::fs::create_dir_all(remotes.join("acme")).unwrap();
    let bare = remotes.join("acme/shop.git");
    git(source, 31, "Ada", &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    git(&bare, 31, "Ada", &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", remotes.display());
    let remote = Remote::new(&url.parse().unwrap(), "acme", "shop", None).unwrap();
    let mirror = Mirror::at(directory.join("mirror.git"));
    let watch = Watch { stopped: &|| false, progress: &|_| {}, deadline: Duration::from_secs(60) };
    let fetched = mirror.fetch(&remote, &BTreeSet::from([BranchName::new("main").unwrap()]), &watch).unwrap();
    assert_eq!(fetched.tips.len(), 1);
    mirror.repository().unwrap()
}

#[test]
fn a_change_reads_the_same_however_it_is_scored() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    repository(directory.path());
    let clone = Repository::open(directory.path()).unwrap();
    let mirror = mirror(directory.path(), other.path());
    let changes: Vec<Landed> = clone.landed(&wanted("main", Lines::Counted)).unwrap().map(Result::unwrap).collect();
    let moved = |landed: &Landed| landed.files.iter().filter(|file| file.previous_path.is_some()).count();
    assert_eq!(changes.iter().map(moved).sum::<usize>(), 3, "git sees each rename");
    let scored = [(3, &[][..], &BY_LINES[..]), (2, &[][..], &BY_LIKENESS[..]), (1, &BY_CONTENT[..], &[][..])];
    for (back, by_content, by_mirror) in scored {
        let (before, [last, ..]) = changes.split_at(changes.len() - back) else { panic!("there is a change") };
        // By backtest: replayed from the beginning.
        let mut history = History::default();
        before.iter().for_each(|landed| drop(history.step(landed, Model::baseline())));
        let backtest = readings(&history, &last.change(), last.author, last.at);
        // By `score`: the range of the commit, on the history that was mined up to its base, as of when it landed.
        let base = format!("main~{back}");
        let range = Range { base: Some(base.clone()), head: Some(last.sha.clone()) };
        let local = clone.change(&range).unwrap();
        assert_eq!(local.landed_at.map(|at| at.timestamp()), Some(last.at));
        let author = Author::named(&local.change.author.login);
        let score = readings(&mined(&clone, &base, Lines::Counted), &local.change, author, last.at);
        // Live: the same change on the history of the mirror.
        let live = readings(&mined(&mirror, &base, Lines::Skipped), &local.change, author, last.at);

        let listed = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(differing(&backtest, &score), listed(by_content), "backtest and score of {}", last.title);
        assert_eq!(differing(&score, &live), listed(by_mirror), "score and mirror of {}", last.title);
        let known = live.iter().filter(|reading| reading.is_ok()).count();
        assert!(known >= 19, "{known} signals were read");
        let failed = signal::SIGNALS.iter().position(|signal| signal.id == "prior_defects").unwrap();
        let has_failed = backtest[failed].as_ref().unwrap().terms[1] > 0.0;
        assert_eq!(has_failed, back > 1, "what the last change touches has not failed before, the rest has");
    }
}
