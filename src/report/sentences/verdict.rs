//! The verdict in words: where the score stands, what that means and what follows.

use super::{
    Sentence,
    figures::{Figure, count, counted, decimal, instant, odds, percent, signed},
    group, name, prose, say,
};
use crate::{
    report::{Subject, is_scored},
    risk::{
        assessment::{Because, Failed, Mode, Probability, Standing, ThresholdInForce, ThresholdOrigin},
        overrides::Override,
    },
};

/// `72 of 100: high`.
pub(crate) fn headline(subject: &Subject<'_>) -> Sentence {
    match subject.assessment.verdict.because {
        Because::Empty => say!["Nothing to score: no file is changed"],
        Because::TooLittleData if !is_scored(subject) => say!["Not scored: the changed files could not be read"],
        _ => say![count(subject.assessment.score), " of 100: ", subject.assessment.level.word()],
    }
}

/// What the score leads to.
pub(crate) fn consequence(subject: &Subject<'_>) -> Sentence {
    let verdict = &subject.assessment.verdict;
    let threshold = || threshold_in_force(verdict.threshold);
    let group = subject.facts.change.merge_group.as_ref();
    if let Some(terms) = &verdict.overridden {
        return overridden(terms).then(". The score is still at or above ").with(threshold());
    }
    match (verdict.because, verdict.mode) {
        (Because::BelowThreshold, _) => say!["Below "].with(threshold()),
        (Because::AtOrAboveThreshold, Mode::Advisory) => {
            say!["At or above "].with(threshold()).then(". Advisory mode: nothing is blocked; enforcing would have held this change back")
        }
        (Because::AtOrAboveThreshold, Mode::Enforce) => say!["At or above "].with(threshold()).with(match group {
            Some(group) => group::held(group, verdict.threshold.score),
            None => say![
                ". Held back until the score is lower: the author and the reviewers can do what is listed below, and \
                 whoever may merge into the base branch can change the threshold in its policy file"
            ],
        }),
        (Because::HeldMember, _) => say!["Below "].with(threshold()).with(group.map(group::held_for_one).unwrap_or_default()),
        (Because::Draft, _) => {
            say!["A draft: shown for information, not held against "].with(threshold()).then("; scored again when it is ready for review")
        }
        (Because::NotOpen, _) => say!["No longer open: shown for the record"],
        (Because::Empty, _) => say!["Nothing is held against it; a push with changes is scored"],
        (Because::TooLittleData, _) if is_scored(subject) => say!["Below "].with(threshold()).then(
            ", but what could not be read may hold more: neither passed nor held back; a smaller change is read in full",
        ),
        (Because::TooLittleData, _) => {
            say!["Nothing is held against it; Re-score reads the change again"]
        }
    }
}

/// Who lets it pass, why and until when.
fn overridden(terms: &Override) -> Sentence {
    say!["Overridden by ", name(&terms.by), " until ", instant(terms.until), ", or until the next push, at a score of "]
        .then(count(terms.score))
        .then(": ")
        .then(prose(&terms.reason))
}

/// The threshold and where it comes from.
pub(crate) fn threshold_in_force(threshold: ThresholdInForce) -> Sentence {
    let share = |basis_points: u32| percent(f64::from(basis_points) / 10_000.0);
    let head = say!["the threshold of ", count(threshold.score)];
    match threshold.origin {
        ThresholdOrigin::Fixed => head.then(" (set by the policy)"),
        ThresholdOrigin::TopShare { share_bp, sample, raised } => head
            .then(" (the riskiest ")
            .then(share(share_bp))
            .then(" of this repository's last ")
            .then(counted(sample.into(), "change", "changes"))
            .with(if raised { say![", but never below ", count(threshold.score)] } else { Sentence::default() })
            .then(")"),
        ThresholdOrigin::TopShareTooFew { share_bp, sample, needed } => head
            .then(" (the default until ")
            .then(count(needed))
            .then(" changes are scored, ")
            .then(count(sample))
            .then(" so far; then the riskiest ")
            .then(share(share_bp))
            .then(")"),
    }
}

/// The range that unknown readings leave, and how much was read.
pub(crate) fn range(subject: &Subject<'_>) -> Sentence {
    let assessment = subject.assessment;
    let total = assessment.contributions.len();
    let known = assessment.contributions.iter().filter(|contribution| contribution.reading.is_ok()).count();
    let read = say![count(known), " of ", count(total), " signals were read"];
    if assessment.range.low == assessment.range.high {
        return if known == total { read } else { read.then("; the others cannot move the score") };
    }
    say!["Range ", count(assessment.range.low), " to ", count(assessment.range.high), ": "]
        .with(read)
        .then(", the others could move the score within it")
}

/// The step from the last commit's score, `+11`; `None` where there is none to compare with.
pub(crate) fn step(subject: &Subject<'_>) -> Option<Figure> {
    let previous = i32::from(subject.previous_score?);
    Some(signed(i32::from(subject.assessment.score) - previous))
}

/// The step from the last commit's score as a sentence.
pub(crate) fn since_last_commit(subject: &Subject<'_>) -> Option<Sentence> {
    let previous = subject.previous_score?;
    if previous == subject.assessment.score {
        return Some(say!["The commit scored before it had the same score"]);
    }
    Some(say![step(subject)?, " since the commit scored before it, which had ", count(previous)])
}

/// What the number means.
pub(crate) fn scale(subject: &Subject<'_>) -> Sentence {
    let assessment = subject.assessment;
    let (base, sum, score) = (assessment.base, sum(subject), i32::from(assessment.score));
    let head = say![
        count(base.unsigned_abs()),
        " is a typical change of this repository, and every 15 points double the odds of breaking production"
    ];
    let times = |points: i32| match points {
        0 => say!["means the typical odds"],
        _ if odds(points) == decimal(1.0) => say!["means about the typical odds"],
        _ => say!["means ", odds(points), " times the typical odds"],
    };
    if assessment.floors.iter().any(|floor| floor.applied) {
        let sum = say![", so the sum of ", count(sum.unsigned_abs()), " "].with(times(sum - base));
        return head.with(sum).then("; a floor lifts it to ").then(count(assessment.score));
    }
    head.with(say![", so ", count(assessment.score), " "]).with(times(score - base))
}

/// Base, points and clamp: the score before floors.
pub(crate) fn sum(subject: &Subject<'_>) -> i32 {
    let points: i32 = subject.assessment.contributions.iter().map(|contribution| contribution.points).sum();
    subject.assessment.base + points + subject.assessment.clamped
}

/// Where the change stands among the latest of this repository.
pub(crate) fn among(standing: Option<Standing>) -> Option<Sentence> {
    let Standing { riskier_than, of, .. } = standing?;
    Some(say![
        "By history and diff alone it is riskier than ",
        percent(riskier_than),
        " of the last ",
        counted(of, "change", "changes")
    ])
}

/// How often such changes failed.
pub(crate) fn rate(probability: Option<Probability>) -> Sentence {
    let Some(Probability { counts, value, low, high, sample, failures }) = probability else {
        return say!["Not enough outcomes yet to state a rate"];
    };
    let (what, which) = match counts {
        Failed::InProduction => ("that were merged with about its score failed in production", "failed"),
        Failed::RolledBack => {
            ("with about its score by history and diff were rolled back within 30 days", "rolled back")
        }
    };
    say![
        "About ",
        decimal(value * 100.0),
        " in 100 changes ",
        what,
        " (95 % interval ",
        percent(low),
        " to ",
        percent(high),
        "; ",
        counted(sample, "change", "changes"),
        ", ",
        count(failures),
        " ",
        which,
        ")",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_what_counts_as_failed() {
        let rate = |counts| {
            let found = Probability { counts, value: 0.125, low: 0.1, high: 0.15, sample: 400, failures: 50 };
            super::rate(Some(found)).plain(super::super::Detail::FULL)
        };
        assert_eq!(
            rate(Failed::InProduction),
            "About 12.5 in 100 changes that were merged with about its score failed in production (95 % interval 10 % to 15 %; \
             400 changes, 50 failed)"
        );
        assert!(rate(Failed::RolledBack).ends_with("by history and diff were rolled back within 30 days (95 % interval 10 % to 15 %; 400 changes, 50 rolled back)"));
    }

    #[test]
    fn a_threshold_that_was_raised_says_so() {
        let words = |raised| {
            let origin = ThresholdOrigin::TopShare { share_bp: 500, sample: 60, raised };
            threshold_in_force(ThresholdInForce { score: 40, origin }).plain(super::super::Detail::FULL)
        };
        let plain = "the threshold of 40 (the riskiest 5 % of this repository's last 60 changes";
        assert_eq!(words(false), format!("{plain})"));
        assert_eq!(words(true), format!("{plain}, but never below 40)"));
    }
}
