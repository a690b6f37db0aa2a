//! Taking a change apart: each part scored by itself as it would be beside the others, so that being made in pieces is
//! worth nothing where the pieces stay one series.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::risk::{
    assessment::{Action, SplitPart, WayDown},
    diff::View,
    facts::{ChangeState, Facts, Knower, Part},
    floors,
    model::Model,
    policy::Policy,
    score,
    series::Piece,
    signal::SIGNALS,
};

/// Points that it has to save: taking a change apart is work.
const POINTS_MIN: u8 = 5;

/// The split into the parts that the facts tell of, if the riskiest of them scores so much lower.
pub(super) fn way(view: &View<'_>, model: &Model, policy: &Policy, score: u8) -> Option<WayDown> {
    let scores = changes(view)?.into_iter().map(|part| scored(&view.with_files_of(&part), model, policy));
    let mut parts: Vec<SplitPart> = view
        .facts
        .parts
        .iter()
        .zip(scores)
        .map(|(part, score)| SplitPart { files: part.files.clone(), score })
        .collect();
    parts.sort_by_key(|part| Reverse(part.score));
    let target_score = parts.first()?.score;
    let points = score.checked_sub(target_score).filter(|points| *points >= POINTS_MIN)?;
    Some(WayDown { action: Action::Split { parts }, points, target_score })
}

fn scored(view: &View<'_>, model: &Model, policy: &Policy) -> u8 {
    let readings = SIGNALS.iter().map(|signal| (signal.measure)(view)).collect::<Vec<_>>();
    score::score(model, policy, &readings, floors::exemptions(view, &readings)).score
}

/// The facts of each part, in the order of the parts, with those others as its series that lie where it does. None where
/// there are no parts, or not those of this change.
fn changes(view: &View<'_>) -> Option<Vec<Facts>> {
    let facts = view.facts;
    if facts.change.state != ChangeState::Open || facts.parts.len() < 2 {
        return None;
    }
    let alone: Vec<Facts> = facts.parts.iter().map(|part| change(facts, part)).collect();
    let files: usize = alone.iter().map(|part| part.change.files.len()).sum();
    if files != facts.change.files.len() || facts.change.files_total != files as u64 {
        return None;
    }
    let pieces: Vec<Option<Piece>> = alone.iter().map(|part| Piece::of(&view.with_files_of(part))).collect();
    let beside = |(at, mut facts): (usize, Facts)| {
        let Some(own) = &pieces[at] else { return facts };
        let others =
            pieces.iter().enumerate().filter(|(other, _)| *other != at).filter_map(|(_, other)| other.as_ref());
        // It has no number yet.
        facts.series.extend(others.filter(|other| other.belongs_to(own)).map(|other| other.part(0, false)));
        facts
    };
    Some(alone.into_iter().enumerate().map(beside).collect())
}

/// What would be known of one part, all else equal: reviews, checks and coverage stay those of the whole.
fn change(facts: &Facts, part: &Part) -> Facts {
    let files: BTreeSet<&str> = part.files.iter().map(String::as_str).collect();
    let among = |path: &str| files.contains(path);
    let mut own = Facts { parts: Vec::new(), ..facts.clone() };
    own.change.files.retain(|file| among(&file.path));
    own.change.files_total = own.change.files.len() as u64;
    own.history = facts.history.clone().map(|whole| {
        let mut history = part.history.clone();
        history.knowers = whole.knowers.into_iter().filter_map(|knower| knows(knower, &among)).collect();
        history
    });
    // What is listed of a service's files may be cut; then it stays the service of each part.
    own.services.retain(|service| {
        service.files_total > service.files.len() as u64 || service.files.iter().any(|file| among(&file.path))
    });
    own
}

/// Somebody who knows files of the whole, as far as those are among the part's.
fn knows(mut knower: Knower, among: &impl Fn(&str) -> bool) -> Option<Knower> {
    knower.files.retain(|file| among(file));
    knower.files_total = 0;
    (!knower.files.is_empty()).then_some(knower)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::risk::{
        assess,
        assessment::Assessment,
        facts::{History, Rates},
        parts::parts,
        stories::{any_facts, file, pull_request},
    };

    fn part(files: &[&str], history: History) -> Part {
        Part { files: files.iter().map(|path| (*path).to_owned()).collect(), history }
    }

    /// A change of two services: a hot one, and one that logs people in and has never failed.
    fn two_services() -> Facts {
        let hot = History {
            existing: 2,
            rollbacks_recent: 3.0,
            rollback_days: Some(5.0),
            files: Rates { mean: 0.6, highest: 1.2 },
            ..History::default()
        };
        let cool = History { existing: 2, familiar: 2, ..History::default() };
        let whole = History { existing: 4, ..hot.clone() };
        let paths = ["api/pay/charge.rs", "api/pay/refund.rs", "web/auth/login.ts", "web/auth/logout.ts"];
        let mut facts = pull_request("Refund at once", paths.iter().map(|path| file(path, 120, 40)).collect());
        facts.history = Ok(whole);
        facts.parts = vec![part(&paths[..2], hot), part(&paths[2..], cool)];
        facts
    }

    fn split(facts: &Facts) -> Option<WayDown> {
        let ways = assess(facts, Model::baseline(), &Policy::default()).ways_down;
        ways.into_iter().find(|way| matches!(way.action, Action::Split { .. }))
    }

    #[test]
    fn what_lies_apart_is_worth_taking_apart() {
        let facts = two_services();
        let asked: Vec<Vec<String>> = facts.parts.iter().map(|part| part.files.clone()).collect();
        assert_eq!(parts(&facts.change, &facts.declared), asked, "these are the parts that history is asked about");
        let score = |facts: &Facts| assess(facts, Model::baseline(), &Policy::default()).score;
        let way = split(&facts).unwrap();
        assert_eq!(score(&facts) - way.target_score, way.points);
        let Action::Split { parts } = way.action else { panic!("it is a split") };
        // Each part scores what the whole program makes of it.
        let alone: Vec<u8> = changes(&View::of(&facts)).unwrap().iter().map(score).collect();
        assert_eq!(parts.iter().map(|part| part.score).collect::<Vec<_>>(), alone);
        assert!(alone[0] > alone[1] && parts[0].files == asked[0] && way.target_score == alone[0]);
    }

    #[test]
    fn pieces_of_one_series_are_as_large_as_the_whole() {
        let mut facts = two_services();
        facts.declared.services.insert("shop".into(), vec!["**".into()]);
        assert_eq!(parts(&facts.change, &facts.declared), Vec::<Vec<String>>::new(), "one service is not taken apart");
        let size = |assessment: &Assessment| -> i32 {
            let of = ["churn", "diffusion", "entropy", "series"];
            assessment.contributions.iter().filter(|row| of.contains(&row.signal.id)).map(|row| row.points).sum()
        };
        let assessed = |facts: &Facts| assess(facts, Model::baseline(), &Policy::default());
        for part in changes(&View::of(&facts)).unwrap() {
            assert!(size(&assessed(&part)).abs_diff(size(&assessed(&facts))) <= 1);
        }
    }

    proptest! {
        #[test]
        fn keeps_its_word(mut facts in any_facts(), histories in vec(any_facts(), 4)) {
            let apart = parts(&facts.change, &facts.declared).into_iter().zip(histories);
            let histories = apart.map(|(files, other)| (files, other.history.unwrap_or_default()));
            facts.parts = histories.map(|(files, history)| Part { files, history }).collect();
            if let Some(way) = split(&facts) {
                let assessed = |facts: &Facts| assess(facts, Model::baseline(), &Policy::default()).score;
                let riskiest = changes(&View::of(&facts)).unwrap().iter().map(assessed).max();
                prop_assert_eq!(riskiest, Some(way.target_score));
                prop_assert!(way.points >= POINTS_MIN && assessed(&facts) - way.points == way.target_score);
            }
        }
    }

    #[test]
    fn parts_of_another_change_promise_nothing() {
        let mut facts = two_services();
        facts.parts[1].files.pop();
        assert_eq!(split(&facts), None);
        facts = two_services();
        facts.change.state = ChangeState::Merged;
        assert_eq!(split(&facts), None);
    }
}
