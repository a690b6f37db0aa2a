//! What reading a repository's history costs, beside what `git log` takes for the same commits in the same run: cold with
//! lines, cold with paths only, and from the file in which it is kept; and how much memory that took at most.
//!
//! `MERGECAST_REPOSITORY` names a clone; without it one of 10,000 commits is made, or of as many as `MERGECAST_COMMITS`
//! says. `MERGECAST_TURNS=1` is enough for the memory.

use std::{
    fmt::Write as _,
    io::Write as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mergecast::{
    git::{Fresh, Lines, Repository, Wanted, mine},
    risk::Model,
};

/// Commits of the repository that is made.
const COMMITS: usize = 10_000;
/// Its files, 40 to a directory.
const FILES: usize = 2_000;
/// Lines of each file.
const LINES: usize = 120;
/// Turns that are timed, after one that fills the caches of the disk.
const TURNS: usize = 5;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (commits, turns) = (number_in("MERGECAST_COMMITS", COMMITS)?, number_in("MERGECAST_TURNS", TURNS)?.max(1));
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = match std::env::var_os("MERGECAST_REPOSITORY") {
        Some(path) => PathBuf::from(path),
        None => made(&directory.path().join("repository"), commits)?,
    };
    let file = directory.path().join("history");
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{profile} build, medians of {turns} turns");
    println!("what | Mergecast | git log | ratio");
    let log = ["log", "--first-parent", "-M", "HEAD"];
    for (what, lines, format) in
        [("lines, cold", Lines::Counted, "--numstat"), ("paths, cold", Lines::Skipped, "--raw")]
    {
        let mut read = 0;
        let (ours, gits) = in_turns(
            turns,
            || mined(&path, lines, None).map(|fresh| read = changes(fresh)),
            || git(&path, &[&log[..], &[format]].concat()),
        )?;
        let ratio = ours.as_secs_f64() / gits.as_secs_f64();
        println!("{what}, {read} commits | {:.2} s | {:.2} s | {ratio:.2}", ours.as_secs_f64(), gits.as_secs_f64());
    }
    mined(&path, Lines::Counted, Some(&file))?;
    let bytes = file.metadata()?.len();
    let (warm, open) = in_turns(
        turns,
        || mined(&path, Lines::Counted, Some(&file)).map(|fresh| assert_eq!(fresh, Fresh::Unchanged)),
        || Ok(Repository::open(&path).map(drop)?),
    )?;
    println!("kept, {} KiB | {} ms | {} ms to find the repository |", bytes >> 10, warm.as_millis(), open.as_millis());
    if let Some(peak) = peak_memory() {
        println!("memory at most, git's own apart: {peak}");
    }
    Ok(())
}

fn number_in(variable: &str, usual: usize) -> Result<usize, Failure> {
    std::env::var(variable).map_or(Ok(usual), |text| Ok(text.parse()?))
}

/// The highest resident memory of this process so far, where the system tells it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().to_owned())
}

fn changes(fresh: Fresh) -> u64 {
    match fresh {
        Fresh::Unchanged => 0,
        Fresh::Continued(read) | Fresh::Anew(read) => read,
    }
}

/// Medians of both, run one after the other so that both meet the same load of the machine.
fn in_turns(
    turns: usize,
    mut ours: impl FnMut() -> Result<(), Failure>,
    mut others: impl FnMut() -> Result<(), Failure>,
) -> Result<(Duration, Duration), Failure> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for turn in 0..=turns {
        let started = Instant::now();
        ours()?;
        let between = Instant::now();
        others()?;
        if turn > 0 {
            first.push(between - started);
            second.push(between.elapsed());
        }
    }
    Ok((median(first), median(second)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// From the start, as a command would: find the repository, read it, take each change in.
fn mined(path: &Path, lines: Lines, file: Option<&Path>) -> Result<Fresh, Failure> {
    let repository = Repository::open(path)?;
    let wanted = Wanted { tip: "HEAD".to_owned(), after: None, lines };
    let mined = mine(&repository, &wanted, Model::baseline(), file, &mut |_, _| ControlFlow::Continue(()))?;
    match mined.unkept {
        Some(error) => Err(error.into()),
        None => Ok(mined.fresh),
    }
}

fn git(path: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let status = Command::new("git").current_dir(path).args(arguments).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("git {arguments:?}: {status}").into()) }
}

/// Makes a repository in which each commit changes a few lines of one to five files.
fn made(path: &Path, commits: usize) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(path)?;
    git(path, &["init", "--quiet", "--initial-branch=main"])?;
    let mut importer =
        Command::new("git").current_dir(path).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn()?;
    let mut input = std::io::BufWriter::new(importer.stdin.take().ok_or("no standard input")?);
    let mut random = fastrand::Rng::with_seed(7);
    let mut files: Vec<Vec<u32>> = (0..FILES).map(|_| (0..LINES).map(|_| random.u32(..)).collect()).collect();
    for number in 0..commits {
        let message = format!("Change {number} (#{number})\n\nIt had to be.");
        let author = number % 40;
        write!(
            input,
            "commit refs/heads/main\ncommitter A{author} <a{author}@example.com> {} +0000\n",
            1_700_000_000 + number * 600
        )?;
        writeln!(input, "data {}\n{message}", message.len())?;
        for _ in 0..random.usize(1..=5) {
            let file = random.usize(..FILES);
            for _ in 0..random.usize(1..=6) {
                files[file][random.usize(..LINES)] = random.u32(..);
            }
            let mut text = String::new();
            for line in &files[file] {
                writeln!(text, "    let value = compute({line});")?;
            }
            write!(input, "M 100644 inline src/d{}/f{file}.rs\ndata {}\n{text}\n", file / 40, text.len())?;
        }
    }
    input.flush()?;
    drop(input);
    let status = importer.wait()?;
    if status.success() { Ok(path.to_owned()) } else { Err(format!("fast-import: {status}").into()) }
}
