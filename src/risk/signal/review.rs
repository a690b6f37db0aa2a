//! Review: who has looked at the commit that would be merged, and with what result.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{
    diff::View,
    facts::{AuthorKind, Change, Opinion, ReviewVerdict},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "review",
    label: "review",
    unit: Unit::Count,
    why: "Nobody else has looked at a change that is not approved, or not with care at a large one without a remark.",
    terms: &[
        Term {
            id: "review.unapproved",
            transform: "1 without an approval of the current head by a person who may push",
        },
        Term { id: "review.changes_requested", transform: "1 when somebody who may push wants changes" },
        Term {
            id: "review.shallow",
            transform: "1 when approved, over 400 effective lines, without a comment or an open thread",
        },
    ],
    measure,
};

/// SmartBear's study at Cisco: reviewers find ever less beyond some 400 lines at a time.
const LINES_AT_A_TIME: u64 = 400;

fn measure(view: &View<'_>) -> Reading {
    let review = view.facts.review.as_ref().map_err(Clone::clone)?;
    let change = &view.facts.change;
    let is = |verdict: ReviewVerdict| {
        review.opinions.iter().filter(move |opinion| opinion.verdict == verdict && counts(opinion, change))
    };
    let approvals = is(ReviewVerdict::Approved).count() as u64;
    let current = is(ReviewVerdict::Approved).filter(|opinion| is_current(opinion, change)).count() as u64;
    let changes_requested = is(ReviewVerdict::ChangesRequested).count() as u64;
    let silent = review.comments == 0 && review.unresolved_threads == 0;
    let shallow = current > 0 && silent && view.diff().lines() > LINES_AT_A_TIME;
    let evidence = vec![Evidence::Reviews {
        approvals_current: current,
        approvals_stale: approvals - current,
        changes_requested,
        unresolved_threads: review.unresolved_threads,
    }];
    let terms = vec![flag(current == 0), flag(changes_requested > 0), flag(shallow)];
    Ok(Measure { value: current as f64, terms, evidence })
}

/// Whether a review carries weight: given by a person who may push, and not by the author.
pub(in crate::risk) fn counts(opinion: &Opinion, change: &Change) -> bool {
    opinion.kind == AuthorKind::Human
        && opinion.can_write
        && !opinion.reviewer.eq_ignore_ascii_case(&change.author.login)
}

/// Whether a review is of the commit that would be merged.
pub(super) fn is_current(opinion: &Opinion, change: &Change) -> bool {
    opinion.commit.as_deref() == Some(change.head_sha.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Facts, Source, Unknown},
        stories::{file, opinion, pull_request},
    };

    fn terms(facts: &Facts) -> Vec<f64> {
        (SIGNAL.measure)(&View::of(facts)).unwrap().terms
    }

    #[test]
    fn whose_review_counts() {
        let check = |change: &dyn Fn(&mut Opinion), expected: [f64; 3]| {
            let mut facts = pull_request("x", vec![file("src/a.rs", 30, 0)]);
            let mut approval = opinion("grace", ReviewVerdict::Approved);
            change(&mut approval);
            facts.review.as_mut().unwrap().opinions = vec![approval];
            assert_eq!(terms(&facts), expected, "{:?}", facts.review);
        };
        let (approved, unapproved) = ([0.0; 3], [1.0, 0.0, 0.0]);
        let author = pull_request("x", Vec::new()).change.author.login.to_uppercase();
        check(&|_| {}, approved);
        check(&|opinion| opinion.commit = Some("b".repeat(40)), unapproved);
        check(&|opinion| opinion.commit = None, unapproved);
        check(&|opinion| opinion.can_write = false, unapproved);
        check(&|opinion| opinion.kind = AuthorKind::Bot, unapproved);
        check(&|opinion| opinion.kind = AuthorKind::Ghost, unapproved);
        check(&|opinion| opinion.reviewer = author.clone(), unapproved);
        check(&|opinion| opinion.verdict = ReviewVerdict::ChangesRequested, [1.0, 1.0, 0.0]);
        let stale_request = |opinion: &mut Opinion| {
            opinion.verdict = ReviewVerdict::ChangesRequested;
            opinion.commit = None;
        };
        check(&stale_request, [1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_large_change_approved_in_silence_is_shallow() {
        let mut facts = pull_request("x", vec![file("src/a.rs", 300, 101)]);
        let review = facts.review.as_mut().unwrap();
        review.opinions = vec![opinion("grace", ReviewVerdict::Approved)];
        (review.comments, review.unresolved_threads) = (0, 0);
        assert_eq!(terms(&facts), [0.0, 0.0, 1.0]);
        facts.review.as_mut().unwrap().comments = 1;
        assert_eq!(terms(&facts), [0.0, 0.0, 0.0]);
        let unknown = Unknown::not_connected(Source::Reviews);
        facts.review = Err(unknown.clone());
        assert_eq!((SIGNAL.measure)(&View::of(&facts)), Err(unknown));
    }
}
