//! A change that is opened in two pieces is not worth less than whole, however its files are dealt out.

use std::collections::BTreeMap;

use proptest::{collection::btree_map, prelude::*};

use super::*;
use crate::risk::{
    assess,
    diff::View,
    facts::{ChangeState, History as Said},
    forecast,
    policy::Policy,
    series::Piece,
};

/// Points by which the riskier piece may score lower than the whole. Size, spread and scatter are those of the whole in each
/// piece; what single files bring (their rollbacks, who has changed them) is read where they are, and the worst of one
/// kind may lie in one piece and the worst of another kind in the other.
const TOLERANCE: u8 = 6;

/// Days of history.
const DAYS: usize = 40;
const DAY_NOW: i64 = 45;

/// Files of one service, in four directories.
fn path(number: usize) -> String {
    format!("apps/pay/{}/{}.{}", ["api", "core", "core/tax", "web"][number % 4], number, ["rs", "ts"][number % 2])
}

/// Days on these files, in which the changes of `undone` are rolled back a day later. Lines are not counted, as
/// in a mirror.
fn past(touched: &[Vec<usize>], undone: &[bool]) -> History {
    let mut history = History::default();
    for (day, files) in (0..).zip(touched) {
        let files: Vec<String> = files.iter().map(|number| path(*number)).collect();
        let files: Vec<(&str, u64, u64)> = files.iter().map(|path| (path.as_str(), 0, 0)).collect();
        let change = Landed { lines: false, ..landed(day, 1 + day.unsigned_abs() % 4, "Change payments", &files) };
        history.observe(&change, None);
        if undone[usize::try_from(day).unwrap() % undone.len()] {
            let mut revert = undoing(landed(day, 2, "Revert \"Change payments\"", &files), &change);
            (revert.lines, revert.sha) = (false, format!("{day:040x}"));
            history.observe(&revert, None);
        }
    }
    history
}

type Files = BTreeMap<usize, (u64, u64)>;

/// An open pull request of these files.
fn opened(history: &History, files: &Files) -> Facts {
    let files: Vec<(String, u64, u64)> =
        files.iter().map(|(number, (added, deleted))| (path(*number), *added, *deleted)).collect();
    let files: Vec<(&str, u64, u64)> =
        files.iter().map(|(path, added, deleted)| (path.as_str(), *added, *deleted)).collect();
    let change = landed(DAY_NOW, 1, "Round payments", &files);
    let said: Said = history.about(&change.change(), change.author, change.at);
    let mut facts = forecast::landed(change.change(), Ok(said), change.landed_at());
    facts.change.state = ChangeState::Open;
    facts.declared.services.insert("pay".to_owned(), vec!["apps/pay/**".to_owned()]);
    facts
}

fn score(facts: &Facts) -> u8 {
    assess(facts, Model::baseline(), &Policy::default()).score
}

/// What a piece scores while the other one is open.
fn beside(piece: &Facts, other: &Facts) -> u8 {
    let (own, theirs) = (Piece::of(&View::of(piece)).unwrap(), Piece::of(&View::of(other)).unwrap());
    assert!(own.belongs_to(&theirs), "they are for one service");
    let mut facts = piece.clone();
    facts.series = vec![theirs.part(8, false)];
    score(&facts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn splitting_does_not_pay(
        touched in vec(vec(0..16_usize, 1..5), DAYS),
        undone in vec(prop::bool::weighted(0.2), DAYS),
        files in btree_map(0..20_usize, (0..400_u64, 0..200_u64), 2..10),
        dealt in vec(any::<bool>(), 10),
    ) {
        let history = past(&touched, &undone);
        let mut pieces = [Files::new(), Files::new()];
        for ((number, lines), first) in files.iter().zip(dealt) {
            pieces[usize::from(first)].insert(*number, *lines);
        }
        prop_assume!(pieces.iter().all(|piece| !piece.is_empty()));
        let [first, second] = pieces.map(|files| opened(&history, &files));
        let whole = score(&opened(&history, &files));
        let riskier = beside(&first, &second).max(beside(&second, &first));
        prop_assert!(riskier + TOLERANCE >= whole, "{riskier} in pieces, {whole} whole");
    }
}

#[test]
fn alone_a_piece_would_be_worth_less() {
    let history = past(&vec![vec![0, 1, 2, 3]; DAYS], &[false]);
    let files = |numbers: std::ops::Range<usize>, lines: u64| -> Files {
        numbers.map(|number| (number, (lines, lines / 2))).collect()
    };
    let (first, second) = (files(0..1, 10), files(1..16, 400));
    let whole = score(&opened(&history, &first.iter().chain(&second).map(|(n, lines)| (*n, *lines)).collect()));
    let (first, second) = (opened(&history, &first), opened(&history, &second));
    assert!(score(&first) + TOLERANCE < whole, "{} alone, {whole} whole", score(&first));
    let riskier = beside(&first, &second).max(beside(&second, &first));
    assert!(riskier.abs_diff(whole) <= TOLERANCE / 2, "{riskier} in pieces, {whole} whole");
}
