//! CODEOWNERS for a large repository: 5,000 rules on 10,000 paths, beside codeowners-rs on the same text and paths.
//!
//! Time is that of the one thread which does the work, as Linux counts it, so that other work on the machine does not show.
//! Each turn reads the text anew, as a change does.

use std::{fmt::Write as _, fs, hint::black_box, time::Duration};

use mergecast::codeowners::Codeowners;

const RULES: usize = 5_000;
const PATHS: usize = 10_000;
/// Turns that are timed, after one that warms the caches.
const TURNS: usize = 7;

fn main() {
    let (text, paths) = (rules(), paths());
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{profile} build, {RULES} rules ({} KiB) on {PATHS} paths, medians of {TURNS} turns", text.len() >> 10);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let (our_time, our_rules) = timed(|| mergecast(&text, &paths));
        let (their_time, their_rules) = timed(|| codeowners_rs(&text, &paths));
        assert_eq!(our_rules, their_rules, "the two disagree, so the comparison is of different work");
        if turn > 0 {
            ours.push(our_time);
            theirs.push(their_time);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("Mergecast: {:.1} ms", ours.as_secs_f64() * 1e3);
    println!("codeowners-rs: {:.1} ms", theirs.as_secs_f64() * 1e3);
    println!("ratio: {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());
}

/// Pattern of the rule in force for each path, empty where there is none.
fn mergecast(text: &str, paths: &[String]) -> Vec<String> {
    let rules = Codeowners::parse(text).matching_rules(paths).expect("the rules are not intertwined");
    rules.into_iter().map(|rule| rule.map_or_else(String::new, |rule| rule.pattern)).collect()
}

fn codeowners_rs(text: &str, paths: &[String]) -> Vec<String> {
    let rules = ::codeowners_rs::parse(text).into_ruleset();
    paths.iter().map(|path| rules.matching_rule(path).map_or_else(String::new, |rule| rule.pattern.clone())).collect()
}

/// As large files look: mostly directories, some names and extensions, a few wildcards in the middle.
fn rules() -> String {
    let mut text = String::from("* @acme/everyone\n");
    for n in 1..RULES {
        let (area, part, team) = (n % 40, n % 311, n % 97);
        let line = match n % 20 {
            0 => format!("*.ext{n}"),
            1 => format!("**/generated-{n}/"),
            2 => format!("/area{area}/*/config{part}.yml"),
            3 => format!("/area{area}/part{part}/**/*_test.go"),
            4 => format!("/area{area}/part{part}/*"),
            5 => format!("Makefile{n}"),
            _ => format!("/area{area}/part{part}/module{n}/"),
        };
        writeln!(text, "{line} @acme/team{team} @user{n}").expect("a string takes all");
    }
    text
}

fn paths() -> Vec<String> {
    let path = |n: usize| {
        let (area, part, module) = (n % 40, n * 7 % 311, n * 13 % RULES);
        match n % 4 {
            0 => format!("area{area}/part{part}/module{module}/src/file{n}.go"),
            1 => format!("area{area}/part{part}/file{n}.go"),
            2 => format!("area{area}/part{part}/deep/er/thing_test.go"),
            _ => format!("other/generated-{module}/file.ext{module}"),
        }
    };
    (0..PATHS).map(path).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = spent();
    let done = black_box(work());
    (spent() - begun, done)
}

/// Time that this thread has had a processor.
fn spent() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of the thread");
    let nanoseconds = told.split(' ').next().and_then(|first| first.parse().ok()).expect("a number of nanoseconds");
    Duration::from_nanos(nanoseconds)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
