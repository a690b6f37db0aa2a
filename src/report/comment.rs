//! Replies to slash-commands: short, in Markdown, with nothing from outside that is alive and nobody called.

use super::{
    Report, RowKind, Subject, capitalised, is_scored, markdown,
    sentences::{
        Detail, Sentence, cause, evidence,
        figures::{count, instant, signed},
        name, prose, say, unknown,
        verdict::threshold_in_force,
    },
};
use crate::risk::{
    Model,
    assessment::{Assessment, Contribution},
    overrides::{Override, Permission, Refusal},
    signal::{Measure, SIGNALS},
};

/// Longest reply, in bytes; GitHub takes more, but nobody reads it.
const LENGTH_MAX: usize = 12_000;
/// Rows of a table at most.
const ROWS_MAX: usize = 30;
/// How much is said of names.
pub(super) const DETAIL: Detail = Detail { items: 5, characters: 100 };

/// A command as the help lists it; all text is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpRow {
    /// How it is written.
    pub usage: String,
    /// What it does.
    pub about: String,
    /// Who may give it.
    pub needs: &'static str,
}

/// The list of commands.
pub fn help(rows: &[HelpRow]) -> String {
    let mut out = String::from("| Command | What it does | Who may |\n| :-- | :-- | :-- |\n");
    for row in rows {
        let usage = markdown::cell(&markdown::code(&row.usage));
        out.push_str(&format!("| {usage} | {} | {} |\n", row.about, row.needs));
    }
    out.push_str("\nA command is the first line of a new comment, from its first character on.\n");
    out
}

/// There is no such command; perhaps `nearest`, which is ours, was meant.
pub fn no_such_command(nearest: Option<&str>, rows: &[HelpRow]) -> String {
    let meant = nearest.map(|nearest| format!(" Perhaps {}?", markdown::code(nearest))).unwrap_or_default();
    format!("There is no such command.{meant}\n\n{}", help(rows))
}

/// The command is not written as `usage`, which is ours, says.
pub fn misused(usage: &str) -> String {
    format!("Nothing was done. It is written {}; a reason has at most 300 characters.\n", markdown::code(usage))
}

/// The command is longer than it may be.
pub fn too_long(most: usize) -> String {
    format!("Nothing was done: a command has at most {} characters.\n", count(most))
}

/// Who gave the command may not.
pub fn needs_write() -> String {
    "Nothing was done: this takes write permission on the repository.\n".to_owned()
}

/// The pull request has no assessment yet.
pub fn not_scored() -> String {
    "This pull request has not been scored yet; the check run will say when it is.\n".to_owned()
}

/// What a command needs that this version cannot have.
pub fn needs_outcomes() -> String {
    "Nothing was done: this version of Mergecast does not yet keep what became of a change after its deployment. \
     `/risk hotfix <incident>` links a change to an incident that it mends.\n"
        .to_owned()
}

/// It is being scored again.
pub fn scoring() -> String {
    "Everything is being read anew; this comment will say what came of it.\n".to_owned()
}

/// It is no longer open, so that what was said of it last stays.
pub fn not_open() -> String {
    "Nothing was done: the pull request is not open, and what its check run said last stays.\n".to_owned()
}

/// It was scored again.
pub fn scored(subject: &Subject<'_>) -> String {
    let head = markdown::code(&short(&subject.facts.change.head_sha));
    format!("Scored again for {head}: {}.\n", standing(subject).markdown(DETAIL))
}

/// It could not be scored again.
pub fn scoring_failed() -> String {
    "It could not be scored: Mergecast failed, not the change. The check run has the reference for the log.\n"
        .to_owned()
}

/// The opinion was kept.
pub fn thanks(assessment: &str) -> String {
    format!(
        "Thank you. It is kept with the assessment {}, without your name, for when the model is judged.\n",
        markdown::code(assessment)
    )
}

pub(super) fn standing(subject: &Subject<'_>) -> Sentence {
    if !is_scored(subject) {
        return say!["the changed files could not be read, or there are none"];
    }
    let assessment = subject.assessment;
    say![count(assessment.score), " of 100, ", assessment.level.word()]
        .then(" (threshold ")
        .then(count(assessment.verdict.threshold.score))
        .then(")")
}

/// How the score adds up.
pub fn explain(subject: &Subject<'_>) -> String {
    within_limit(|detail| {
        let report = Report::of(subject, detail);
        let head = markdown::code(&short(&subject.facts.change.head_sha));
        let mut out = format!("{}, for {head}.\n", capitalised(&standing(subject).markdown(detail)));
        if !is_scored(subject) {
            return out;
        }
        out.push_str("\n| | Points | What was read |\n| :-- | --: | :-- |\n");
        for row in &report.rows {
            let label = capitalised(&markdown::cell(&row.label.markdown(detail)));
            let bold = if matches!(row.kind, RowKind::Sum | RowKind::Total) { "**" } else { "" };
            let reading = markdown::cell(&row.reading.markdown(detail));
            out.push_str(&format!("| {bold}{label}{bold} | {bold}{}{bold} | {reading} |\n", row.points));
        }
        let unknown = subject.assessment.contributions.iter().filter(|one| one.reading.is_err());
        let unknown = Sentence::joined(unknown.map(|one| say![one.signal.label]), ", ");
        if !unknown.is_empty() {
            let (low, high) = (subject.assessment.range.low, subject.assessment.range.high);
            let unknown = unknown.markdown(detail);
            let effect = match low == high {
                true => "They cannot move the score".to_owned(),
                false => format!("With them the score could be {low} to {high}"),
            };
            out.push_str(&format!("\nNot known: {unknown}. {effect}.\n"));
        }
        out.push_str("\n`/risk explain` with a signal's name tells how that signal is computed.\n");
        out
    })
}

/// What one signal read, what that is worth and why; `signal` is its id.
pub fn explain_signal(subject: &Subject<'_>, model: &Model, signal: &str) -> String {
    let contributions = subject.assessment.contributions.iter();
    let Some(one) = contributions.into_iter().find(|one| one.signal.id == signal) else {
        return no_such_signal(None);
    };
    within_limit(|detail| {
        let label = capitalised(one.signal.label);
        let points = if one.reading.is_ok() { signed(one.points).to_string() } else { "no".to_owned() };
        let head = markdown::code(&short(&subject.facts.change.head_sha));
        let mut out = format!("**{label}**: {points} points for {head}. {}\n\n", one.signal.why);
        out.push_str(&match &one.reading {
            Ok(measure) => read(one, measure, detail),
            Err(missing) => {
                let (why, way) = (unknown::why(missing), unknown::way(missing));
                let way = if way.is_empty() { way } else { say![". What would tell: "].with(way) };
                let source = unknown::source(missing.source);
                format!("- Not known, from {source}: {}\n", why.with(way).markdown(detail))
            }
        });
        if let Some(why) = one.exempt_because {
            out.push_str(&format!("- Does not count: {}\n", cause::exemption(why).markdown(detail)));
        }
        out.push_str(&computed(one, model));
        out
    })
}

fn read(one: &Contribution, measure: &Measure, detail: Detail) -> String {
    let mut said = evidence::sentences(measure, detail.items);
    if said.is_empty() {
        said.push(evidence::reading(one, detail));
    }
    said.iter().map(|sentence| format!("- Read: {}\n", sentence.markdown(detail))).collect()
}

fn computed(one: &Contribution, model: &Model) -> String {
    let mut out = String::new();
    for (position, term) in one.signal.terms.iter().enumerate() {
        let Some(weight) = model.terms().iter().find(|weight| weight.id == term.id) else { continue };
        let each = fraction(15.0 * weight.weight / std::f64::consts::LN_2);
        let x = one.reading.as_ref().ok().and_then(|measure| measure.terms.get(position));
        let here = x.map(|x| format!("x is {} here, ", fraction(*x))).unwrap_or_default();
        out.push_str(&format!(
            "- Computed: {here}{} in a typical change, and each 1 of it is worth {each} points; x is {}. {}\n",
            fraction(weight.mean),
            markdown::code_within(term.transform, 400),
            weight.source.replace('*', "×"),
        ));
    }
    out
}

/// With at most two decimals.
fn fraction(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}

/// There is no such signal; perhaps `nearest`, which is ours, was meant.
pub fn no_such_signal(nearest: Option<&str>) -> String {
    let meant = nearest.map(|nearest| format!(" Perhaps {}?", markdown::code(nearest))).unwrap_or_default();
    let names: Vec<String> = SIGNALS.iter().map(|signal| markdown::code(signal.id)).collect();
    format!("There is no such signal.{meant}\n\nThe signals are {}.\n", names.join(", "))
}

/// For each changed file its owners and whether their approval is missing.
pub fn owners(subject: &Subject<'_>) -> String {
    within_limit(|detail| super::owners::comment(subject.facts, ROWS_MAX, detail))
}

/// The override was made.
pub fn overridden(terms: &Override, cut: bool, assessment: &Assessment) -> String {
    let cut = if cut { say![", the longest that the policy allows"] } else { Sentence::default() };
    say!["Overridden by ", name(&terms.by), " until ", instant(terms.until)]
        .with(cut)
        .then(": ")
        .then(prose(&terms.reason))
        .then(". It was made at ")
        .then(count(terms.score))
        .then(" of 100 (threshold ")
        .then(count(assessment.verdict.threshold.score))
        .then("), is for ")
        .then(name(&short(&terms.head_sha)))
        .then(" alone, and ends with the next push, when the base branch is changed, or with ")
        .then(name("/risk override cancel"))
        .markdown(DETAIL)
        + ".\n"
}

/// The override was taken back.
pub fn cancelled(terms: &Override) -> String {
    say!["The override by ", name(&terms.by), " is taken back; the check run will say what holds now"].markdown(DETAIL)
        + ".\n"
}

/// There is no override to take back.
pub fn nothing_to_cancel() -> String {
    "Nothing was done: no override is in force.\n".to_owned()
}

/// Why the override was not made.
pub fn refused(refusal: Refusal, assessment: Option<&Assessment>) -> String {
    let who = |needs: Permission| match needs {
        Permission::Write => "write",
        Permission::Maintain => "maintain",
        Permission::Admin => "admin",
    };
    let why = match refusal {
        Refusal::Role { needs } => {
            say!["overriding takes ", who(needs), " permission on this repository, by its policy"]
        }
        Refusal::Author { needs } => say![
            "nobody overrides the score of their own change here; somebody else with ",
            who(needs),
            " permission may, and ",
            name("override.by_author"),
            " in the policy file could allow it"
        ],
        Refusal::NotOpen => say!["the pull request is not open"],
        Refusal::NotScored => {
            say!["the pull request has not been scored yet; try again when its check run is complete"]
        }
        Refusal::Moved => say![
            "the score shown is not for the commit and the base branch of now; look at the new one, then ask again"
        ],
        Refusal::Unseen => say![
            "this commit was scored only after you asked, so you could not have seen its score; look at it, then ask again"
        ],
        Refusal::Late => say!["you asked so long ago that it would be over by now; ask again if it still holds"],
        Refusal::NotHeld => match assessment {
            Some(assessment) => say!["nothing is held against it: "].with(not_held(assessment)),
            None => say!["nothing is held against it"],
        },
    };
    format!("Not overridden: {}.\n", why.markdown(DETAIL))
}

fn not_held(assessment: &Assessment) -> Sentence {
    use crate::risk::assessment::Because;
    match assessment.verdict.because {
        Because::Draft => say!["it is a draft"],
        Because::BelowThreshold => {
            say![count(assessment.score), " of 100 is below "].with(threshold_in_force(assessment.verdict.threshold))
        }
        _ => say!["it was not judged"],
    }
}

fn short(sha: &str) -> String {
    sha.chars().take(7).collect()
}

/// The fullest rendering that fits.
pub(super) fn within_limit(render: impl Fn(Detail) -> String) -> String {
    let fitting = Detail::STEPS.into_iter().map(&render).find(|text| text.len() <= LENGTH_MAX);
    fitting.unwrap_or_else(|| "This is too long for a comment; the check run has it.\n".to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::stories::{all, keep};
    use super::*;

    fn terms() -> Override {
        let made_at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Override {
            id: "comment:1".to_owned(),
            by: "nora".to_owned(),
            reason: "The fix cannot wait, see @acme/oncall".to_owned(),
            made_at,
            until: made_at + TimeDelta::hours(4),
            head_sha: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned(),
            base_ref: "main".to_owned(),
            score: 72,
        }
    }

    #[test]
    fn replies_read_well() {
        for name in ["owners-not-asked", "friday-migration", "hostile-text", "everything-unknown", "files-unreadable"] {
            let story = all().into_iter().find(|story| story.name == name).unwrap();
            let subject = story.subject();
            let signals = ["churn", "owner_review", "schema_change", "burn_rate"];
            let explained = signals.map(|signal| explain_signal(&subject, Model::baseline(), signal));
            let replies = [explain(&subject), owners(&subject), scored(&subject)];
            keep("comments", name, &replies.into_iter().chain(explained).collect::<Vec<_>>().join("\n---\n\n"));
        }
    }

    #[test]
    fn short_replies_read_well() {
        let story = all().into_iter().find(|story| story.name == "small-and-safe").unwrap();
        let assessment = &story.assessment;
        let refusals = [
            Refusal::Role { needs: Permission::Maintain },
            Refusal::Author { needs: Permission::Write },
            Refusal::NotOpen,
            Refusal::NotScored,
            Refusal::Moved,
            Refusal::Unseen,
            Refusal::Late,
            Refusal::NotHeld,
        ];
        let rows = [HelpRow {
            usage: "/risk feedback right|wrong <why>".to_owned(),
            about: "Say whether the score was right".to_owned(),
            needs: "write",
        }];
        let mut replies = vec![
            help(&rows),
            not_open(),
            no_such_command(Some("/risk rescore"), &rows),
            no_such_signal(Some("churn")),
            misused("/risk override <reason> [for 4h]"),
            too_long(500),
            needs_write(),
            not_scored(),
            needs_outcomes(),
            scoring(),
            scoring_failed(),
            thanks("019a90d2-7c1e-7b5a-9d3e-52f1c3a4b5d6"),
            overridden(&terms(), false, assessment),
            overridden(&terms(), true, assessment),
            cancelled(&terms()),
            nothing_to_cancel(),
        ];
        replies.extend(refusals.map(|refusal| refused(refusal, Some(assessment))));
        keep("comments", "short", &replies.join("\n---\n\n"));
    }
}
