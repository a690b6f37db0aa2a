//! An assessment in words. No decision is taken here; all text from outside is made harmless here.

pub mod backtest;
pub mod check_run;
pub mod comment;
pub mod dora;
pub mod histories;
pub mod incidents;
pub mod json;
pub mod markdown;
pub mod merge_group;
pub mod owners;
pub mod page;
pub mod recalibration;
pub mod sarif;
pub mod terminal;
pub mod when;

mod annotations;
#[cfg(test)]
mod hostile;
mod outside;
mod sentences;
#[cfg(test)]
mod stories;

use chrono::{DateTime, Utc};

use crate::risk::{
    assessment::{Assessment, Because, Contribution, Floor, WayDown},
    facts::{Asked, Facts, Lacking},
    policy::{Policy, PolicyError, PolicyOrigin},
};
use sentences::{
    Detail, Sentence, cause, evidence,
    figures::{Figure, age, at_least, count, counted, date, instant, none, plain_number, signed},
    group, name, prose, say,
    unknown::{self, Missing},
    verdict, ways,
};

/// Everything that a rendering needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Id of the assessment; ours, in lower-case hexadecimal and hyphens.
    pub id: &'a str,
    /// What was known.
    pub facts: &'a Facts,
    /// What was made of it.
    pub assessment: &'a Assessment,
    /// Version of the model that scored.
    pub model_version: &'a str,
    /// When the model's weights were made.
    pub model_fitted_at: DateTime<Utc>,
    /// Digest of the stored facts, in hexadecimal.
    pub facts_digest: &'a str,
    /// Score of the last commit of the same pull request, 0-100.
    pub previous_score: Option<u8>,
    /// Policy in force: where it came from and what is wrong with it.
    pub policy: &'a Policy,
    /// Address under which this Mergecast is reached, from its settings; without it nothing links to a page.
    pub public_url: Option<&'a str>,
    /// Address of the repository's pages at GitHub, from the settings and the repository's name.
    pub repository_url: Option<&'a str>,
    /// Whether slash-commands are answered below the change.
    pub commands: bool,
}

/// What every rendering says, in this order.
#[derive(Clone, Debug)]
struct Report {
    /// Score and level.
    headline: Sentence,
    /// What follows, the range, the step since the last commit, what the number means.
    verdict: Vec<Sentence>,
    /// Mistakes in the policy file.
    mistakes: Option<Mistakes>,
    /// What would lower the score.
    ways_down: Vec<Way>,
    /// The table that adds up.
    rows: Vec<Row>,
    /// Signals that were read and are worth no points.
    without_points: Sentence,
    /// What is not known.
    missing: Vec<Missing>,
    /// Where the facts came from and how old they are.
    sources: Vec<Sentence>,
}

/// Mistakes in the policy file.
#[derive(Clone, Debug)]
struct Mistakes {
    /// How many, and what stays in force.
    head: Sentence,
    /// One for each, as many as are shown.
    items: Vec<Sentence>,
    /// How many more there are.
    left_out: usize,
}

/// Something that would lower the score.
#[derive(Clone, Debug)]
struct Way {
    /// What to do.
    what: Sentence,
    /// What it takes off.
    points: Figure,
    /// The score after it.
    target: Figure,
}

/// A row of the table that adds up.
#[derive(Clone, Debug)]
struct Row {
    /// What it stands for in the sum.
    kind: RowKind,
    /// What it is called.
    label: Sentence,
    /// Points as shown.
    points: Figure,
    /// Points as a number, for a bar; the whole score for the total, 0 where a bar says nothing.
    amount: i32,
    /// What was read.
    reading: Sentence,
}

/// What a row stands for in the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKind {
    /// The typical change.
    Base,
    /// A signal.
    Signal,
    /// The cut at the ends of the scale.
    Clamp,
    /// The sum before floors.
    Sum,
    /// A floor.
    Floor,
    /// The score.
    Total,
}

impl Report {
    fn of(subject: &Subject<'_>, detail: Detail) -> Self {
        Self {
            headline: verdict::headline(subject),
            verdict: paragraphs(subject),
            mistakes: mistakes(&subject.policy.origin, detail),
            ways_down: subject.assessment.ways_down.iter().map(|way| way_down(way, detail)).collect(),
            rows: rows(subject, detail),
            without_points: without_points(subject, detail),
            missing: unknown::missing(subject, detail.items),
            sources: sources(subject),
        }
    }
}

/// Whether there is a score to speak of: of a part of the files there is.
pub fn is_scored(subject: &Subject<'_>) -> bool {
    let nothing = matches!(subject.assessment.verdict.because, Because::Empty | Because::TooLittleData);
    !nothing || !subject.facts.change.files.is_empty()
}

/// Whether the change is a range of a local repository: no pull request and no merge group, so no check run whose buttons
/// could be pressed.
fn is_local(subject: &Subject<'_>) -> bool {
    let change = &subject.facts.change;
    change.pull_request.is_none() && change.merge_group.is_none()
}

fn paragraphs(subject: &Subject<'_>) -> Vec<Sentence> {
    if !is_scored(subject) {
        return vec![verdict::consequence(subject)];
    }
    let standing = [group::members(subject), Some(verdict::range(subject)), verdict::since_last_commit(subject)];
    vec![
        verdict::consequence(subject),
        Sentence::joined(standing.into_iter().flatten(), ". "),
        Sentence::joined(
            [
                Some(verdict::scale(subject)),
                verdict::among(subject.assessment.standing),
                Some(verdict::rate(subject.assessment.probability)),
            ]
            .into_iter()
            .flatten(),
            ". ",
        ),
    ]
}

/// Most mistakes of a policy file that are shown.
const MISTAKES_MAX: usize = 5;

fn mistakes(origin: &PolicyOrigin, detail: Detail) -> Option<Mistakes> {
    let total = origin.errors.len();
    let stays =
        if origin.file.is_some() { "; the last good version stays in force" } else { "; the defaults are in force" };
    let shown = MISTAKES_MAX.min(detail.items * 2);
    let item = |error: &PolicyError| match error.line {
        Some(line) => say!["Line ", count(line), ": ", prose(&error.message)],
        None => say![prose(&error.message)],
    };
    (total > 0).then(|| Mistakes {
        head: say![
            counted(total as u64, "mistake", "mistakes"),
            " in the policy file ",
            name(policy_file(origin)),
            stays
        ],
        items: origin.errors.iter().take(shown).map(item).collect(),
        left_out: total.saturating_sub(shown),
    })
}

fn policy_file(origin: &PolicyOrigin) -> &str {
    origin.file.as_deref().unwrap_or(".github/mergecast.yml")
}

fn way_down(way: &WayDown, detail: Detail) -> Way {
    Way {
        what: ways::action(&way.action, detail.items),
        points: signed(-i32::from(way.points)),
        target: count(way.target_score),
    }
}

fn rows(subject: &Subject<'_>, detail: Detail) -> Vec<Row> {
    let assessment = subject.assessment;
    let total = |kind, label, points: i32| Row {
        kind,
        label: say![label],
        points: plain_number(points),
        amount: 0,
        reading: Sentence::default(),
    };
    let mut rows = vec![Row { amount: assessment.base, ..total(RowKind::Base, "Typical change", assessment.base) }];
    let counts = |one: &&Contribution| one.points != 0 || one.exempt_because.is_some();
    let mut signals: Vec<_> = assessment.contributions.iter().filter(counts).collect();
    signals.sort_by_key(|one| std::cmp::Reverse(one.points));
    rows.extend(signals.into_iter().map(|one| signal_row(one, detail)));
    if assessment.clamped != 0 {
        rows.push(Row {
            points: signed(assessment.clamped),
            amount: assessment.clamped,
            ..total(RowKind::Clamp, "Cut to the scale of 0 to 100", 0)
        });
    }
    if !assessment.floors.is_empty() {
        rows.push(total(RowKind::Sum, "Sum", verdict::sum(subject)));
        rows.extend(assessment.floors.iter().map(floor_row));
    }
    let score = i32::from(assessment.score);
    rows.push(Row { amount: score, ..total(RowKind::Total, "Score", score) });
    rows
}

fn signal_row(one: &Contribution, detail: Detail) -> Row {
    let reading = evidence::reading(one, detail);
    Row {
        kind: RowKind::Signal,
        label: say![one.signal.label],
        points: if one.exempt_because.is_some() { plain_number(0) } else { signed(one.points) },
        amount: one.points,
        reading: match one.exempt_because {
            Some(why) => say!["does not count: "].with(cause::exemption(why)).then("; read: ").with(reading),
            None => reading,
        },
    }
}

fn floor_row(floor: &Floor) -> Row {
    let effect = match (floor.applied, floor.exempt_because) {
        (_, Some(why)) => say!["does not apply: "].with(cause::exemption(why)),
        (true, None) => say!["a floor: the score is at least this, whatever the sum"],
        (false, None) => say!["a floor: already reached by the sum"],
    };
    Row {
        kind: RowKind::Floor,
        label: say!["Floor: ", cause::floor_in_words(floor.rule)],
        points: if floor.exempt_because.is_some() { none() } else { at_least(floor.at_least) },
        amount: 0,
        reading: effect,
    }
}

/// The signals that were read and are worth no points, with what is worth knowing of them.
fn without_points(subject: &Subject<'_>, detail: Detail) -> Sentence {
    let zero = subject
        .assessment
        .contributions
        .iter()
        .filter(|one| one.points == 0 && one.reading.is_ok() && one.exempt_because.is_none());
    let said = zero.map(|one| {
        let noted = evidence::note(one, detail);
        let label = say![one.signal.label];
        if noted.is_empty() { label } else { label.then(" (").with(noted).then(")") }
    });
    Sentence::joined(said, ", ")
}

fn sources(subject: &Subject<'_>) -> Vec<Sentence> {
    let mut at: Vec<(DateTime<Utc>, Vec<&'static str>)> = Vec::new();
    for one in &subject.assessment.sources {
        let Ok(as_of) = &one.state else { continue };
        let name = unknown::source(one.source);
        match at.iter_mut().find(|(known, _)| known == as_of) {
            Some((_, names)) => names.push(name),
            None => at.push((*as_of, vec![name])),
        }
    }
    let mut said: Vec<_> = at.into_iter().map(|(as_of, names)| source_line(subject, as_of, &names)).collect();
    said.extend(answers(subject).map(|told| say!["Datadog: "].with(told)));
    let origin = &subject.policy.origin;
    said.push(match &origin.file {
        Some(file) => say!["policy: ", name(file), " of the base branch"],
        None => say!["policy: the defaults, since no ", name(policy_file(origin)), " is in force"],
    });
    said.extend(subject.facts.lacking.as_ref().map(lacking));
    said.push(say![
        "model: ",
        name(subject.model_version),
        " (public data and documented priors as of ",
        date(subject.model_fitted_at),
        "; none of your outcomes yet)"
    ]);
    said.push(say![
        "commit ",
        name(&short(&subject.facts.change.head_sha)),
        ", assessment ",
        name(subject.id),
        ", facts ",
        name(&short(subject.facts_digest)),
        ": the same facts give the same score again"
    ]);
    said
}

/// What the installation has not granted, all of it, and the way to grant it.
fn lacking(lacking: &Lacking) -> Sentence {
    let granted = Sentence::joined(lacking.permissions.iter().map(|each| say![name(each)]), ", ");
    let said = say!["the installation has not granted "].with(granted);
    match &lacking.accept_at {
        Some(address) => said.then("; an owner can accept it at ").then(name(address)),
        None => said.then("; an owner of the account can accept it in the App's settings there"),
    }
}

/// How old each of Datadog's answers was, where not all were given for this score.
fn answers(subject: &Subject<'_>) -> Option<Sentence> {
    let told = &subject.facts.runtime.as_ref().ok()?.told;
    let ages: Vec<_> = told.iter().map(|told| (told.what, age(subject.facts.at - told.at))).collect();
    ages.iter().any(|(_, age)| age.is_some()).then_some(())?;
    let words = |(what, age): (Asked, Option<Figure>)| {
        let what = match what {
            Asked::Catalogue => "catalogue",
            Asked::Slos => "SLOs",
            Asked::Incidents => "incidents",
            Asked::Deployments => "deployments",
            Asked::TestRuns => "test runs",
        };
        match age {
            Some(age) => say![what, " ", age, " old"],
            None => say![what, " read for this score"],
        }
    };
    Some(Sentence::joined(ages.into_iter().map(words), ", "))
}

fn source_line(subject: &Subject<'_>, as_of: DateTime<Utc>, names: &[&'static str]) -> Sentence {
    let list = Sentence::joined(names.iter().map(|name| say![*name]), ", ");
    let line = list.then(": as of ").then(instant(as_of));
    match age(subject.facts.at - as_of) {
        Some(age) => line.then(", ").then(age).then(" old when scored"),
        None => line.then(", read for this score"),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
