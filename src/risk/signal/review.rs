//! Review: who has looked at the commit that would be merged, and with what result.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{
    diff::View,
    facts::{Change, Opinion, Review, ReviewVerdict},
    owners,
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
            transform: "1 when approved, over 400 effective lines, without another person's comment or thread",
        },
    ],
    measure,
};

/// SmartBear's study at Cisco: reviewers find ever less beyond some 400 lines at a time.
const LINES_AT_A_TIME: u64 = 400;
/// The same study finds that beyond 500 lines an hour defects are passed over. Three times as fast is told, where there
/// are so many lines that it says something.
const LINES_A_MINUTE: u64 = 25;
const LINES_TOLD: u64 = 100;

fn measure(view: &View<'_>) -> Reading {
    let review = view.facts.review.as_ref().map_err(Clone::clone)?;
    let change = &view.facts.change;
    let is = |verdict: ReviewVerdict| {
        review.opinions.iter().filter(move |opinion| opinion.verdict == verdict && counts(opinion, change))
    };
    let approvals = is(ReviewVerdict::Approved).count() as u64;
    let of_head: Vec<&Opinion> = is(ReviewVerdict::Approved).filter(|opinion| is_current(opinion, change)).collect();
    let by_pusher = of_head.iter().filter(|opinion| is_pusher(opinion, review)).count() as u64;
    let current = of_head.len() as u64 - by_pusher;
    let changes_requested = is(ReviewVerdict::ChangesRequested).count() as u64;
    let shallow = current > 0 && is_silent(review) && view.diff().lines() > LINES_AT_A_TIME;
    let mut evidence = vec![Evidence::Reviews {
        approvals_current: current,
        approvals_stale: approvals - of_head.len() as u64,
        changes_requested,
        unresolved_threads: review.unresolved_threads,
    }];
    evidence.extend(aside(review, by_pusher));
    evidence.extend(pace(of_head.into_iter().filter(|opinion| !is_pusher(opinion, review)), view));
    let terms = vec![flag(current == 0), flag(changes_requested > 0), flag(shallow)];
    Ok(Measure { value: current as f64, terms, evidence })
}

/// Whether the account behind the newest commit approves its own work.
fn is_pusher(opinion: &Opinion, review: &Review) -> bool {
    let pusher = review.circumstances.last_pusher.as_ref();
    pusher.is_some_and(|pusher| pusher.eq_ignore_ascii_case(&opinion.reviewer))
}

/// Whether nobody but the author and bots has remarked on the change. A thread that was resolved was a remark.
fn is_silent(review: &Review) -> bool {
    let circumstances = &review.circumstances;
    // Facts that were gathered before all threads were counted have the unresolved ones.
    let threads = circumstances.threads.max(review.unresolved_threads);
    review.comments <= circumstances.comments_aside && threads <= circumstances.threads_aside
}

/// What is not counted, and what the branch asks for, where there is something to tell.
fn aside(review: &Review, by_pusher: u64) -> Option<Evidence> {
    let circumstances = &review.circumstances;
    let needed = circumstances.rules.as_ref().and_then(|rules| rules.as_ref().ok()).map_or(0, |rules| rules.approvals);
    let (by_bots, dismissed) = (circumstances.by_bots, circumstances.dismissed);
    let any = by_bots + dismissed + by_pusher + needed > 0;
    any.then_some(Evidence::ReviewsAside { by_bots, dismissed, by_pusher, needed })
}

/// Within how many minutes of the last push before it the most careful of the approvals was given, if that was very soon for
/// so many lines. A commit is made before it is pushed, so where its push is not known the time is shorter still.
fn pace<'a>(approvals: impl Iterator<Item = &'a Opinion>, view: &View<'_>) -> Option<Evidence> {
    let change = &view.facts.change;
    let committed = change.commits.iter().find(|commit| commit.sha == change.head_sha)?.committed_at;
    let pushed = view.facts.review.as_ref().ok()?.circumstances.pushed_at;
    let took = |opinion: &Opinion| opinion.at - pushed.filter(|at| *at <= opinion.at).unwrap_or(committed);
    let slowest = approvals.map(took).max()?;
    let minutes = u64::try_from(slowest.num_seconds()).unwrap_or(0).div_ceil(60).max(1);
    let lines = view.diff().lines();
    let soon = lines >= LINES_TOLD && lines > LINES_A_MINUTE.saturating_mul(minutes);
    soon.then_some(Evidence::ReviewPace { minutes, lines })
}

/// Whether a review carries weight: given by a person who may push, and not by the author.
pub(in crate::risk) fn counts(opinion: &Opinion, change: &Change) -> bool {
    owners::may_approve(opinion, &change.author.login)
}

/// Whether a review is of the commit that would be merged.
pub(super) fn is_current(opinion: &Opinion, change: &Change) -> bool {
    opinion.commit.as_deref() == Some(change.head_sha.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{AuthorKind, Facts, Source, Unknown},
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
        let check = |comments: (u64, u64), threads: (u64, u64, u64), expected: f64| {
            let mut facts = facts.clone();
            let review = facts.review.as_mut().unwrap();
            (review.comments, review.circumstances.comments_aside) = comments;
            (review.unresolved_threads, review.circumstances.threads, review.circumstances.threads_aside) = threads;
            assert_eq!(terms(&facts), [0.0, 0.0, expected], "{comments:?} {threads:?}");
        };
        check((1, 0), (0, 0, 0), 0.0);
        // Of bots and the author.
        check((2, 2), (0, 0, 0), 1.0);
        check((3, 2), (0, 0, 0), 0.0);
        check((2, 2), (1, 2, 2), 1.0);
        // Resolved since.
        check((0, 0), (0, 5, 0), 0.0);
        check((0, 0), (0, 5, 4), 0.0);
        // Facts of before.
        check((0, 0), (1, 0, 0), 0.0);
        let unknown = Unknown::not_connected(Source::Reviews);
        facts.review = Err(unknown.clone());
        assert_eq!((SIGNAL.measure)(&View::of(&facts)), Err(unknown));
    }

    #[test]
    fn a_quick_approval_of_much_is_told() {
        let check = |lines: u64, minutes: i64, expected: Option<u64>| {
            let mut facts = pull_request("x", vec![file("src/a.rs", lines, 0)]);
            facts.change.commits[0].committed_at -= chrono::TimeDelta::minutes(minutes);
            let evidence = (SIGNAL.measure)(&View::of(&facts)).unwrap().evidence;
            let told = evidence.iter().find_map(|each| match each {
                Evidence::ReviewPace { minutes, lines: told } if *told == lines => Some(*minutes),
                _ => None,
            });
            assert_eq!(told, expected, "{lines} lines in {minutes} minutes");
        };
        check(900, 2, Some(2));
        check(900, 35, Some(35));
        check(900, 36, None);
        check(99, 0, None);
        // A clock that runs ahead.
        check(900, -10, Some(1));
    }

    #[test]
    fn the_last_push_before_an_approval_is_what_it_is_timed_by() {
        let check = |pushed_s: i64, expected: Option<u64>| {
            let mut facts = pull_request("x", vec![file("src/a.rs", 900, 0)]);
            facts.change.commits[0].committed_at -= chrono::TimeDelta::hours(5);
            let review = facts.review.as_mut().unwrap();
            review.circumstances.pushed_at = Some(review.opinions[0].at - chrono::TimeDelta::seconds(pushed_s));
            let evidence = (SIGNAL.measure)(&View::of(&facts)).unwrap().evidence;
            let told = evidence.iter().find_map(|each| match each {
                Evidence::ReviewPace { minutes, .. } => Some(*minutes),
                _ => None,
            });
            assert_eq!(told, expected, "{pushed_s} s");
        };
        check(120, Some(2));
        check(121, Some(3));
        check(36 * 60, None);
        // The head was pushed anew after it was approved.
        check(-60, None);
    }

    #[test]
    fn what_is_not_counted_is_told() {
        let mut facts = pull_request("x", vec![file("src/a.rs", 30, 0)]);
        let review = facts.review.as_mut().unwrap();
        review.circumstances.last_pusher = Some("Grace".into());
        (review.circumstances.by_bots, review.circumstances.dismissed) = (2, 1);
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert_eq!(measure.terms, [1.0, 0.0, 0.0], "who is behind the newest commit does not approve it");
        let aside = Evidence::ReviewsAside { by_bots: 2, dismissed: 1, by_pusher: 1, needed: 0 };
        assert_eq!(measure.evidence[1], aside);
    }
}
