//! Coverage reports of a million lines in each format: how fast they are read and what memory that takes beside the text,
//! and the same for reports that are made to take much. Time is that of the one thread which does the work, as Linux counts
//! it, so that other work on the machine does not show.

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    process::{Command, Stdio},
    time::Duration,
};

use mergecast::coverage::{Format, parse};

const FILES: usize = 2_000;
const LINES: usize = 500;
/// Turns that are timed, after one that warms the caches.
const TURNS: usize = 5;
/// Before the name of the one report that a process of its own reads, to tell its memory.
const MEMORY: &str = "--memory-of";

/// How the text of a report is made.
type Made = fn() -> String;

/// A report: its name, how it is made, and its format; none if it has to be refused.
type Case = (&'static str, Box<dyn Fn() -> String>, Option<Format>);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != MEMORY).skip(1);
    if let Some(wanted) = arguments.next() {
        let (_, text, _) = cases().into_iter().find(|(name, ..)| *name == wanted).expect("a report has this name");
        return println!("{}", memory_beside(&text()));
    }
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{profile} build, {} lines in {FILES} files, medians of {TURNS} turns", FILES * LINES);
    for (name, text, format) in cases() {
        let text = text();
        let mut times: Vec<Duration> = (0..=TURNS).map(|_| timed(name, &text, format)).skip(1).collect();
        times.sort_unstable();
        let (time, megabytes) = (times[TURNS / 2].as_secs_f64(), text.len() as f64 / 1e6);
        println!(
            "{name}: {megabytes:.1} MB in {:.0} ms ({:.0} MB/s), {:.1} MB of memory beside it",
            time * 1e3,
            megabytes / time,
            memory_of(name) / 1e6
        );
    }
}

/// Reads a report once; where it has no format, it has to be refused.
fn timed(name: &str, text: &str, format: Option<Format>) -> Duration {
    let begun = spent();
    let read = black_box(parse(text.as_bytes()));
    let time = spent() - begun;
    match (read, format) {
        (Ok((found, report)), Some(format)) => {
            assert_eq!((found, report.files(), report.totals().lines), (format, FILES, (FILES * LINES) as u64));
        }
        (Err(_), None) => {}
        (read, _) => panic!("{name}: {:?}", read.map(|(format, _)| format)),
    }
    time
}

/// Time that this thread has had a processor.
fn spent() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of the thread");
    let nanoseconds = told.split(' ').next().and_then(|first| first.parse().ok()).expect("a number of nanoseconds");
    Duration::from_nanos(nanoseconds)
}

/// Bytes that reading a report takes at most beside its text, in a process that has read nothing before.
fn memory_of(name: &str) -> f64 {
    let program = std::env::current_exe().expect("this program has a path");
    let told = Command::new(program).args([MEMORY, name]).stderr(Stdio::inherit()).output().expect("it starts again");
    String::from_utf8_lossy(&told.stdout).trim().parse().expect("it tells a number")
}

/// The highest resident memory while a report is read, less what was resident before. Linux tells both.
fn memory_beside(text: &str) -> u64 {
    let resident = |what: &str| -> u64 {
        let status = fs::read_to_string("/proc/self/status").expect("Linux tells of the process");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("Linux tells of memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
    };
    // Has the highest mark begin anew.
    fs::write("/proc/self/clear_refs", "5").expect("the mark can be reset");
    let before = resident("VmRSS:");
    drop(black_box(parse(text.as_bytes())));
    resident("VmHWM:").saturating_sub(before)
}

/// A million lines in each format, and what is made to take much: a few bytes that stand for many lines, depth, files without
/// end.
fn cases() -> Vec<Case> {
    let honest = Format::ALL.map(|format| -> Case { (format.name(), Box::new(move || report(format)), Some(format)) });
    let hostile: [(&'static str, Made); 4] = [
        ("one range a thousand times", || String::from("mode: set\n") + &"a.go:1.1,1900000.1 1 1\n".repeat(1_000)),
        ("ranges of ten million lines", || {
            String::from("mode: set\n") + &(0..9).map(|n| format!("{n}.go:1.1,9999999.1 1 1\n")).collect::<String>()
        }),
        ("depth", || String::from("<report>") + &"<group>".repeat(5_000_000)),
        ("files", || (0..3_000_000).map(|n| format!("SF:{n}\n")).collect()),
    ];
    honest.into_iter().chain(hostile.map(|(name, text)| -> Case { (name, Box::new(text), None) })).collect()
}

fn path(file: usize) -> String {
    format!("src/area{}/module{file}", file % 40)
}

/// A report in which two of three lines ran.
fn report(format: Format) -> String {
    // In one piece, so that nothing of its making stays behind where memory is measured.
    let mut text = String::with_capacity(64 << 20);
    text.push_str(match format {
        Format::Lcov => "TN:\n",
        Format::Cobertura => {
            "<?xml version=\"1.0\"?>\n<coverage line-rate=\"0.6\"><packages><package name=\"p\"><classes>\n"
        }
        Format::Jacoco => "<?xml version=\"1.0\"?>\n<report name=\"r\">\n",
        Format::Clover => "<?xml version=\"1.0\"?>\n<coverage generated=\"1\"><project timestamp=\"1\">\n",
        Format::Go => "mode: count\n",
        Format::LlvmCov => "{\"type\":\"llvm.coverage.json.export\",\"version\":\"2.0.1\",\"data\":[{\"files\":[",
    });
    for file in 0..FILES {
        let path = path(file);
        let (begin, end) = match format {
            Format::Lcov => (format!("SF:{path}.rs\n"), "end_of_record\n"),
            Format::Cobertura => {
                (format!("<class name=\"c\" filename=\"{path}.py\" line-rate=\"0.6\"><lines>\n"), "</lines></class>\n")
            }
            Format::Jacoco => {
                let (package, name) = path.split_once('/').expect("a path has a folder");
                (
                    format!("<package name=\"{package}\"><sourcefile name=\"{name}.java\">\n"),
                    "</sourcefile></package>\n",
                )
            }
            Format::Clover => (format!("<file name=\"{path}.php\" path=\"{path}.php\">\n"), "</file>\n"),
            Format::Go => (String::new(), ""),
            Format::LlvmCov => {
                let comma = if file == 0 { "" } else { "," };
                (format!("{comma}{{\"filename\":\"{path}.c\",\"segments\":["), "]}")
            }
        };
        text.push_str(&begin);
        (1..=LINES).for_each(|line| one(&mut text, format, &path, line));
        text.push_str(end);
    }
    text.push_str(match format {
        Format::Cobertura => "</classes></package></packages></coverage>\n",
        Format::Jacoco => "</report>\n",
        Format::Clover => "</project></coverage>\n",
        Format::LlvmCov => "]}]}",
        Format::Lcov | Format::Go => "",
    });
    text
}

fn one(text: &mut String, format: Format, path: &str, line: usize) {
    let hits = usize::from(!line.is_multiple_of(3)) * line;
    let written = match format {
        Format::Lcov => writeln!(text, "DA:{line},{hits}"),
        Format::Cobertura => writeln!(text, "<line number=\"{line}\" hits=\"{hits}\"/>"),
        Format::Jacoco => writeln!(text, "<line nr=\"{line}\" mi=\"1\" ci=\"{hits}\" mb=\"0\" cb=\"0\"/>"),
        Format::Clover => writeln!(text, "<line num=\"{line}\" type=\"stmt\" count=\"{hits}\"/>"),
        Format::Go => writeln!(text, "{path}.go:{line}.1,{line}.20 1 {hits}"),
        Format::LlvmCov => {
            let comma = if line == 1 { "" } else { "," };
            write!(text, "{comma}[{line},1,{hits},true,true,false]")
        }
    };
    written.expect("a string takes all");
}
