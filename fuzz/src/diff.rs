//! What has to hold for every diff, from its hunks to the check run. Input: a path, a line feed, the file's patch.

use chrono::DateTime;
use mergecast::{
    report::{
        Subject,
        check_run::{ANNOTATIONS_MAX, CheckRunText, render},
    },
    risk::{
        Model, assess,
        assessment::Assessment,
        facts::{
            Author, AuthorKind, Change, ChangeState, Declared, Facts, FileChange, FileStatus, Known, Source, Unknown,
        },
        patch::{LineKind, Patch, Piece, is_inverse},
        policy::Policy,
    },
};

/// GitHub's limits.
const TITLE_CHARS: usize = 255;
const TEXT_CHARS: usize = 65_535;
const MESSAGE_BYTES: usize = 64 * 1024;
const BUTTONS_MAX: usize = 3;

pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, patch) = text.split_once('\n').unwrap_or((&text, ""));
    let patch = Patch(patch.into());
    pieces(&patch);
    inverse(&patch);
    let file = modified(path, &patch);
    let facts = facts(file);
    let assessment = assess(&facts, Model::baseline(), &Policy::default());
    assert_eq!(assessment, assess(&facts, Model::baseline(), &Policy::default()), "the same facts, the same score");
    adds_up(&assessment);
    fits_a_check_run(&facts, &assessment);
}

/// A patch is read in one pass: at most one piece for each of its lines, each a part of its line.
fn pieces(patch: &Patch) {
    let mut lines = patch.0.split('\n');
    let (mut new, mut old) = (0, 0);
    for piece in patch.pieces() {
        let whole = |text: &&str| match piece {
            Piece::Hunk(heading) => text.starts_with("@@ -") && text.ends_with(heading),
            Piece::Line(line) => text.get(1..).unwrap_or_default() == line.text,
        };
        assert!(lines.any(|line| whole(&line)), "{piece:?} stands in no further line");
        match piece {
            Piece::Hunk(_) => (new, old) = (0, 0),
            Piece::Line(line) => {
                let last = if line.kind == LineKind::Deleted { &mut old } else { &mut new };
                assert!(line.number > *last || line.number == u64::MAX, "{line:?} after line {last}");
                *last = line.number;
            }
        }
    }
}

/// Whatever the patch, turning it round is its inverse, and that works both ways.
fn inverse(patch: &Patch) {
    let done = modified("a", patch);
    let back = modified("a", &turned(patch));
    let there = is_inverse(std::slice::from_ref(&done), std::slice::from_ref(&back));
    let again = is_inverse(std::slice::from_ref(&back), std::slice::from_ref(&done));
    assert_eq!(there, again, "one takes back the other, but not the other way round");
    // That a file ends without a line feed is marked on a line of its own, which `turned` leaves out.
    if done.added + done.deleted > 0 && !patch.0.contains("\n\\") {
        assert_eq!(there, Ok(true), "a patch turned round is not its inverse");
    }
}

/// The same hunks, well formed, with both sides exchanged.
fn turned(patch: &Patch) -> Patch {
    let mut hunks: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for piece in patch.pieces() {
        let Piece::Line(line) = piece else {
            hunks.push((0, 0, Vec::new()));
            continue;
        };
        let Some((old, new, lines)) = hunks.last_mut() else { continue };
        let sign = match line.kind {
            LineKind::Context => ' ',
            LineKind::Added => '-',
            LineKind::Deleted => '+',
        };
        *old += usize::from(sign != '+');
        *new += usize::from(sign != '-');
        lines.push(format!("{sign}{}", line.text));
    }
    let hunk = |(old, new, lines): (usize, usize, Vec<String>)| {
        let lines: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        format!("@@ -1,{old} +1,{new} @@\n{lines}")
    };
    Patch(hunks.into_iter().map(hunk).collect::<String>().into())
}

fn modified(path: &str, patch: &Patch) -> FileChange {
    let count = |kind| patch.lines().filter(|line| line.kind == kind).count() as u64;
    FileChange {
        path: path.to_owned(),
        previous_path: None,
        status: FileStatus::Modified,
        added: count(LineKind::Added),
        deleted: count(LineKind::Deleted),
        patch: Ok(patch.clone()),
        binary: false,
        submodule: false,
    }
}

/// A pull request of one file of which nothing else is known.
fn facts(file: FileChange) -> Facts {
    fn unknown<T>(source: Source) -> Known<T> {
        Err(Unknown::not_connected(source))
    }
    Facts {
        at: DateTime::UNIX_EPOCH,
        repository: "acme/shop".to_owned(),
        change: Change {
            pull_request: Some(1),
            title: file.path.clone(),
            author: Author { login: "mona".to_owned(), kind: AuthorKind::Human },
            head_sha: "1".repeat(40),
            base_sha: "2".repeat(40),
            merge_base_sha: None,
            base_ref: "main".to_owned(),
            from_fork: false,
            draft: false,
            state: ChangeState::Open,
            created_at: Some(DateTime::UNIX_EPOCH),
            labels: Vec::new(),
            commits: Vec::new(),
            commits_total: 0,
            files: vec![file],
            files_total: 1,
            revert: Ok(None),
            merge_group: None,
        },
        review: unknown(Source::Reviews),
        ownership: unknown(Source::Codeowners),
        checks: unknown(Source::Checks),
        declared: Declared::default(),
        history: unknown(Source::History),
        coverage: unknown(Source::Coverage),
        services: Vec::new(),
        remediation: None,
        runtime: unknown(Source::Datadog),
        recent_scores: Vec::new(),
        in_production: Vec::new(),
        overridden: None,
        series: Vec::new(),
        parts: Vec::new(),
        lacking: None,
    }
}

fn adds_up(assessment: &Assessment) {
    let points: i32 = assessment.contributions.iter().map(|row| row.points).sum();
    let sum = assessment.base + points + assessment.clamped;
    let lift = assessment.floors.iter().filter(|floor| floor.applied).map(|floor| i32::from(floor.at_least)).max();
    assert!((0..=100).contains(&sum), "{sum} is off the scale");
    assert_eq!(i32::from(assessment.score), sum.max(lift.unwrap_or(0)), "the points do not add up");
    assert!(assessment.range.low <= assessment.score && assessment.score <= assessment.range.high);
    assert!(assessment.ways_down.iter().all(|way| way.target_score + way.points == assessment.score));
}

fn fits_a_check_run(facts: &Facts, assessment: &Assessment) {
    let model = Model::baseline();
    let CheckRunText { title, summary, text, annotations, buttons } = render(&Subject {
        id: "00000000-0000-7000-8000-000000000000",
        facts,
        assessment,
        model_version: "baseline",
        model_fitted_at: model.fitted_at,
        facts_digest: "00",
        previous_score: None,
        policy: &Policy::default(),
        public_url: Some("https://mergecast.example/"),
        repository_url: Some("https://github.example/acme/shop"),
        commands: true,
    });
    assert!(buttons.len() <= BUTTONS_MAX);
    assert!(title.chars().count() <= TITLE_CHARS && !title.contains('\n'), "{title:?}");
    assert!(summary.chars().count() <= TEXT_CHARS && text.is_none_or(|text| text.chars().count() <= TEXT_CHARS));
    assert!(annotations.len() <= ANNOTATIONS_MAX);
    for annotation in annotations {
        assert_eq!(annotation.path, facts.change.files[0].path, "an annotation on a file that did not change");
        assert!(0 < annotation.start_line && annotation.start_line <= annotation.end_line, "{annotation:?}");
        assert!(annotation.title.chars().count() <= TITLE_CHARS && annotation.message.len() <= MESSAGE_BYTES);
    }
}
