//! What happened before the story: a real repository of half a year of work, from which the App reads its history as it
//! would from GitHub. The same each time but for its dates, which end with today.

use std::{
    fmt::Write as _,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};

use super::story::{APPS, REPOSITORY};

/// Changes that landed.
const CHANGES: usize = 360;
/// Between two of them: twelve hours. Seconds.
const PAUSE: i64 = 12 * 3_600;
/// Numbers of their pull requests, counted from here.
const FIRST_NUMBER: usize = 101;
/// Who knows which app: the first does most of it. The order is that of the apps.
const AUTHORS: [[&str; 3]; 4] =
    [["mia", "noah", "mia"], ["lin", "nora", "lin"], ["noah", "mia", "nora"], ["omar", "ada", "nora"]];
/// One in so many changes to payments was rolled back, by the next one.
const FAILING: usize = 11;

/// The repository as it was when the story began, and as it goes on.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// The base of its remote.
    pub(super) base: PathBuf,
    /// Its newest commit when the story began.
    pub(super) tip: String,
}

impl Past {
    /// All commits of the main line, oldest first, with when they were made, in seconds since 1970.
    pub(super) fn commits(&self) -> anyhow::Result<Vec<(String, i64)>> {
        let printed = git(&repository(&self.base), &["log", "--reverse", "--format=%H %ct", "main"], "")?;
        let commit = |line: &str| line.split_once(' ').and_then(|(sha, at)| Some((sha.to_owned(), at.parse().ok()?)));
        Ok(printed.lines().filter_map(commit).collect())
    }

    /// A commit more on the main line; gives its id.
    pub(super) fn land(
        &self,
        login: &str,
        message: &str,
        at: DateTime<Utc>,
        path: &str,
        text: &str,
    ) -> anyhow::Result<String> {
        let mut stream = String::new();
        commit(&mut stream, login, at.timestamp(), message);
        stream.push_str("from refs/heads/main^0\n");
        file(&mut stream, path, text);
        let repository = repository(&self.base);
        git(&repository, &["fast-import", "--quiet"], &stream)?;
        Ok(git(&repository, &["rev-parse", "main"], "")?.trim().to_owned())
    }
}

fn repository(base: &Path) -> PathBuf {
    base.join(format!("{REPOSITORY}.git"))
}

/// Makes the repository below `directory`.
pub(super) fn make(directory: &Path, now: DateTime<Utc>) -> anyhow::Result<Past> {
    let base = directory.join("remotes");
    let repository = repository(&base);
    fs::create_dir_all(&repository)?;
    git(&repository, &["init", "--quiet", "--bare", "--template=", "-b", "main"], "")?;
    git(&repository, &["config", "uploadpack.allowFilter", "true"], "")?;
    git(&repository, &["fast-import", "--quiet"], &changes(now))?;
    let tip = git(&repository, &["rev-parse", "main"], "")?;
    Ok(Past { base, tip: tip.trim().to_owned() })
}

/// All changes as `git fast-import` reads them.
fn changes(now: DateTime<Utc>) -> String {
    let mut stream = String::new();
    for place in 0..CHANGES {
        // A little beside the hour at which the story plays, so that none is of its day.
        let at = now.timestamp() - 86_400 - (CHANGES - place) as i64 * PAUSE;
        let (app, change) = (place % APPS.len(), place / APPS.len());
        // What is rolled back is what landed just before, the change to payments.
        let rolls_back = app == 1 && change % FAILING == 1;
        let (name, modules) = if rolls_back { APPS[0] } else { APPS[app] };
        let authors = if rolls_back { AUTHORS[0] } else { AUTHORS[app] };
        let (module, number) = (modules[change % modules.len()], FIRST_NUMBER + place);
        let message = if rolls_back {
            format!("Revert the latest change to {module} (#{number})\n\nReverts {REPOSITORY}#{}", number - 1)
        } else {
            format!("Tune {module} of {name}, step {change} (#{number})")
        };
        commit(&mut stream, authors[change % authors.len()], at, &message);
        let text = format!("export const step = {place};\n");
        file(&mut stream, &format!("apps/{name}/src/{module}.ts"), &text);
        // Payments are tested along, most of the time.
        if app == 0 && change % 5 != 0 {
            file(&mut stream, &format!("apps/{name}/test/{module}.test.ts"), &text);
        }
    }
    stream
}

fn commit(stream: &mut String, login: &str, at: i64, message: &str) {
    let length = message.len();
    let who = format!("{login} <{login}@users.noreply.github.com> {at} +0000");
    write!(stream, "commit refs/heads/main\ncommitter {who}\ndata {length}\n{message}\n").expect("texts take all");
}

fn file(stream: &mut String, path: &str, text: &str) {
    write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).expect("texts take all");
}

/// Runs git without anybody's settings; gives what it prints.
fn git(directory: &Path, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new("git")
        .current_dir(directory)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_DIR", ".")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("git cannot be started")?;
    child.stdin.take().context("git reads nothing")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "git {} failed", arguments[0]);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
