//! What test coverage says, in sentences.

use super::{
    Sentence,
    figures::{count, counted, decimal, instant, percent},
    list, name, say,
    unknown::{self, short},
};
use crate::risk::{
    facts::{
        BaseTotal, CoverageReport, CoverageSource, CoverageTotal, FlagCoverage, OwnCount, PassedOver, PullCoverage,
        Source, Unknown,
    },
    signal::{CoverageNote, Evidence},
};

/// The sentence of evidence from coverage; empty for other evidence.
pub(super) fn sentence(evidence: &Evidence, items: usize) -> Sentence {
    match evidence {
        Evidence::CoveredLines { executable, covered } => say![
            count(*covered),
            " of ",
            counted(*executable, "changed executable line", "changed executable lines"),
            " ran in tests"
        ],
        Evidence::FewLines => say!["fewer than 10 such lines, so that their share is not weighed"],
        Evidence::Coverage(note) => noted(note, items),
        _ => Sentence::default(),
    }
}

fn noted(note: &CoverageNote, items: usize) -> Sentence {
    match note {
        CoverageNote::Files { files, lines, covered } => say![
            percent(share(*covered, *lines)),
            " of ",
            counted(*files, "touched file", "touched files"),
            " (",
            counted(*lines, "line", "lines"),
            ")"
        ],
        CoverageNote::Absent(paths) => {
            let files = counted(paths.len() as u64, "changed source file", "changed source files");
            let said = say![files, " not in the report"];
            if items == 0 { said } else { said.then(": ").with(list(paths.iter(), items, "files")) }
        }
        CoverageNote::Total(total) => whole(total),
        CoverageNote::From(report) => from(report),
        CoverageNote::Ambiguous(files) => say![
            counted(*files, "file", "files"),
            " of the report left out, whose path fits several files of the repository"
        ],
        CoverageNote::Elsewhere(other) => say![
            source(other.source),
            " says otherwise: ",
            count(other.covered),
            " of ",
            counted(other.executable, "changed executable line", "changed executable lines")
        ],
        CoverageNote::PassedOver(PassedOver { source: passed, reason }) => {
            let unknown = Unknown { source: Source::Coverage, reason: reason.clone() };
            say!["passed over: "].with(unknown::told(source(*passed), &unknown))
        }
        CoverageNote::Carried(part) => {
            let said = say![name(&part.name), " is carried forward"];
            let said = match &part.commit {
                Some(commit) => said.then(" from ").then(name(short(commit))),
                None => said.then(" from an earlier commit"),
            };
            said.then(" and not used")
        }
        CoverageNote::Gate(words) => say![name(words)],
        CoverageNote::Unread(files) => say![
            "nothing counted of ",
            counted(*files, "changed file", "changed files"),
            " whose changed lines GitHub does not give"
        ],
        CoverageNote::Flags(flags) => by_flag(flags, items),
        CoverageNote::OwnCount(count) => own_count(count),
        CoverageNote::PullRequests(pulls) => of_pull_requests(pulls, items),
    }
}

fn by_flag(flags: &[FlagCoverage], items: usize) -> Sentence {
    let shown = flags.iter().take(items.max(1)).map(|flag| {
        let said = say![name(&flag.name), " ", percent(share(flag.covered, flag.lines))];
        if flag.carried { said.then(" (carried forward)") } else { said }
    });
    let left = flags.len() - shown.len();
    let said = say!["by flag: "].with(Sentence::joined(shown, ", "));
    if left > 0 { said.then(" and ").then(count(left)).then(" more") } else { said }
}

/// Codecov compares with a base of its own choice and counts lines of partly taken branches as not run: its figures may be
/// others, and are said to be its.
fn own_count(counts: &OwnCount) -> Sentence {
    let part = |&(lines, covered): &(u64, u64)| percent(share(covered, lines));
    let said = say!["by Codecov's own count "];
    let said = match &counts.patch {
        Some(patch) => said.then(part(patch)).then(" of ").then(counted(patch.0, "changed line", "changed lines")),
        None => said.then("not compared yet"),
    };
    let said = said.then(", ").then(part(&counts.head)).then(" of everything");
    match &counts.base {
        Some(base) => said.then(" against ").then(part(base)).then(" at its base"),
        None => said,
    }
}

fn of_pull_requests(pulls: &[PullCoverage], items: usize) -> Sentence {
    let shown = pulls.iter().take(items.max(1)).map(|pull| {
        // As code, so that GitHub makes no link of it.
        say![
            name(&format!("#{}", pull.number)),
            " (",
            source(pull.source),
            ", of commit ",
            name(short(&pull.commit)),
            ")"
        ]
    });
    let left = pulls.len() - shown.len();
    let said = say!["no report of the group's own commit; from those of its pull requests: "];
    let said = said.with(Sentence::joined(shown, ", "));
    if left > 0 { said.then(" and ").then(count(left)).then(" more") } else { said }
}

fn whole(total: &CoverageTotal) -> Sentence {
    let now = share(total.covered, total.lines);
    let said = say![percent(now), " of all ", counted(total.lines, "line", "lines")];
    let Some(BaseTotal { commit, lines, covered }) = total.base.as_ref().filter(|base| base.lines > 0) else {
        return said;
    };
    let points = (now - share(*covered, *lines)) * 100.0;
    let moved = match points {
        points if points.abs() < 0.05 => return said.then(", as at the merge base ").then(name(short(commit))),
        points if points > 0.0 => say![decimal(points), " points more"],
        points => say![decimal(-points), " points less"],
    };
    said.then(", ").with(moved).then(" than at the merge base ").then(name(short(commit)))
}

fn from(report: &CoverageReport) -> Sentence {
    let said = say![source(report.source)];
    let said = if report.reports > 1 { said.then(", ").then(count(report.reports)).then(" reports") } else { said };
    let said = match &report.commit {
        Some(commit) => said.then(", of commit ").then(name(short(commit))),
        None => said.then(", of whatever commit it was made on"),
    };
    match report.at {
        Some(at) => said.then(", ").then(instant(at)),
        None => said,
    }
}

fn source(source: CoverageSource) -> &'static str {
    match source {
        CoverageSource::Upload => "uploaded",
        CoverageSource::File => "from a file",
        CoverageSource::Codecov => "Codecov",
        CoverageSource::Sonar => "SonarQube",
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part.min(whole) as f64 / whole as f64 }
}
