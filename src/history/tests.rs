//! The engine as a whole: what it says is what came strictly before.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::risk::facts;

mod splitting;

const T0: i64 = 1_700_000_000;

fn landed(place: i64, author: u64, title: &str, files: &[(&str, u64, u64)]) -> Landed {
    Landed {
        // The first digits are what tells ids apart.
        sha: format!("{:08x}{:032x}", place + 0xabc_0000, 0),
        at: T0 + place * DAY,
        author: Author(author),
        contact: Some(format!("@dev{author}")),
        lines: true,
        title: title.to_owned(),
        files: files
            .iter()
            .map(|(path, added, deleted)| LandedFile {
                path: (*path).to_owned(),
                previous_path: None,
                removed: *added == 0 && *deleted == 99,
                added: *added,
                deleted: *deleted,
            })
            .collect(),
        files_total: files.len() as u64,
        added: files.iter().map(|file| file.1).sum(),
        deleted: files.iter().map(|file| file.2).sum(),
        ..Landed::default()
    }
}

fn undoing(mut revert: Landed, of: &Landed) -> Landed {
    revert.revert = true;
    revert.undoes = vec![Claim::Commit(of.sha.clone())];
    revert
}

fn history(changes: &[Landed]) -> History {
    let mut history = History::default();
    changes.iter().for_each(|change| {
        history.observe(change, Some(30));
    });
    history
}

/// What a history says of a change to these files by author 1, on day `day`.
fn about(changes: &[Landed], day: i64, title: &str, files: &[(&str, u64, u64)]) -> facts::History {
    let change = landed(day, 1, title, files);
    history(changes).about(&change.change(), change.author, change.at)
}

#[test]
fn files_carry_their_failures_and_those_who_know_them() {
    let pay = [("src/pay.rs", 10, 2)];
    let bad = landed(2, 2, "Round payments", &pay);
    let changes = [
        landed(0, 1, "Add payments", &pay),
        landed(1, 2, "Add cart", &[("src/cart.rs", 5, 0)]),
        bad.clone(),
        undoing(landed(3, 3, "Revert \"Round payments\"", &pay), &bad),
    ];
    let said =
        about(&changes, 4, "Round payments again", &[("src/pay.rs", 1, 1), ("src/cart.rs", 1, 0), ("new.rs", 1, 0)]);
    assert_eq!((said.changes, said.rolled_back, said.rollbacks_7d), (4, 1, 1));
    let worst = said.worst_file.unwrap();
    assert_eq!((worst.name.as_str(), worst.changes, worst.rolled_back), ("src/pay.rs", 3, 1));
    assert!(said.files.mean > 0.0 && said.files.highest > said.files.mean);
    assert_eq!(said.worst_word.unwrap().name, "round");
    assert_eq!((said.existing, said.familiar, said.author_changes), (2, 1, 1));
    assert_eq!(said.unfamiliar, ["src/cart.rs"]);
    assert_eq!((said.knowers[0].name.as_str(), said.knowers.len()), ("@dev2", 1));
    assert_eq!((said.developers, said.others_14d), (3, 2));
    assert_eq!((said.rollback_days, said.change_days), (Some(1.0), Some(1.0)));
    let elsewhere = about(&changes, 4, "Write docs", &[("docs/a.md", 1, 0)]);
    assert_eq!((elsewhere.files, elsewhere.worst_file, elsewhere.knowers), (Rates::default(), None, Vec::new()));
}

#[test]
fn a_renamed_file_keeps_its_past_and_failures_find_it() {
    let bad = landed(0, 2, "Add a", &[("a.rs", 9, 0)]);
    let mut moved = landed(1, 3, "Move a", &[("lib/a.rs", 0, 0)]);
    moved.files[0].previous_path = Some("a.rs".to_owned());
    let changes = [bad.clone(), moved, undoing(landed(2, 3, "Revert \"Add a\"", &[("lib/a.rs", 0, 9)]), &bad)];
    let said = about(&changes, 3, "x", &[("lib/a.rs", 1, 0)]);
    let worst = said.worst_file.unwrap();
    assert_eq!((worst.changes, worst.rolled_back, said.developers), (3, 1, 2));
    assert_eq!(about(&changes, 3, "x", &[("a.rs", 1, 0)]).existing, 0);
}

#[test]
fn a_failure_finds_the_file_and_not_its_name() {
    let bad = landed(0, 2, "Change a", &[("a.rs", 9, 0)]);
    let mut moved = landed(1, 3, "Move a", &[("b.rs", 0, 0)]);
    moved.files[0].previous_path = Some("a.rs".to_owned());
    let other = landed(2, 3, "Add another a", &[("a.rs", 9, 0)]);
    let changes = [bad.clone(), moved, other, undoing(landed(3, 3, "Revert \"Change a\"", &[("b.rs", 0, 9)]), &bad)];
    let worst =
        |path| about(&changes, 4, "x", &[(path, 1, 0)]).worst_file.map(|worst| (worst.changes, worst.rolled_back));
    assert_eq!((worst("b.rs"), worst("a.rs")), (Some((3, 1)), None));
    let failed = about(&changes, 4, "x", &[("a.rs", 1, 0), ("b.rs", 1, 0)]).failed_files;
    assert_eq!(failed.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["b.rs"]);
    // Two that change places in one change keep their pasts.
    let mut swap = landed(4, 3, "Swap", &[("a.rs", 0, 0), ("b.rs", 0, 0)]);
    (swap.files[0].previous_path, swap.files[1].previous_path) = (Some("b.rs".to_owned()), Some("a.rs".to_owned()));
    let changes = [&changes[..], &[swap]].concat();
    let worst =
        |path| about(&changes, 5, "x", &[(path, 1, 0)]).worst_file.map(|worst| (worst.changes, worst.rolled_back));
    assert_eq!((worst("a.rs"), worst("b.rs")), (Some((4, 1)), None));
    assert_eq!(about(&changes, 5, "x", &[("b.rs", 1, 0)]).developers, 1);
}

#[test]
fn a_change_fails_once_and_each_file_when_it_is_taken_back() {
    let bad = landed(0, 2, "Tune joins", &[("src/a.rs", 1, 0), ("src/b.rs", 1, 0), ("web/c.ts", 1, 0)]);
    let part = undoing(landed(1, 2, "Revert \"Tune joins\" in part", &[("src/a.rs", 0, 1)]), &bad);
    let whole = undoing(landed(2, 2, "Revert \"Tune joins\"", &[("src/b.rs", 0, 1), ("web/c.ts", 0, 1)]), &bad);
    let again = undoing(landed(3, 2, "Revert \"Tune joins\" again", &[("src/a.rs", 1, 1), ("web/c.ts", 0, 1)]), &bad);
    let changes = [bad, part, whole, again];
    let failed = |changes: &[Landed], path| {
        let said = about(changes, 5, "joins", &[(path, 1, 0)]);
        let count = |worst: Option<facts::Failures>| worst.map_or(0, |worst| worst.rolled_back);
        (
            said.rolled_back,
            said.rollbacks_7d,
            count(said.worst_file),
            count(said.worst_directory),
            count(said.worst_word),
        )
    };
    assert_eq!(failed(&changes[..2], "src/a.rs"), (1, 1, 1, 1, 1));
    assert_eq!(failed(&changes[..2], "src/b.rs"), (1, 1, 0, 1, 1));
    assert_eq!(failed(&changes[..2], "web/c.ts"), (1, 1, 0, 0, 1));
    for path in ["src/a.rs", "src/b.rs", "web/c.ts"] {
        assert_eq!(failed(&changes, path), (1, 1, 1, 1, 1), "{path}");
    }
    let base = |changes: &[Landed]| history(changes).base_rate(T0 + 5 * DAY);
    let mut unlinked = changes.to_vec();
    unlinked[2..].iter_mut().for_each(|revert| revert.undoes.clear());
    assert_eq!(base(&changes), base(&unlinked));
    // One that names no file of it took back all.
    let blind = undoing(landed(1, 2, "Revert \"Tune joins\"", &[("other.rs", 0, 1)]), &changes[0]);
    assert_eq!(failed(&[changes[0].clone(), blind], "web/c.ts"), (1, 1, 1, 1, 1));
}

#[test]
fn companions_are_missed_until_they_are_gone() {
    let both = [("api.rs", 4, 1), ("api.md", 2, 1)];
    let mut changes: Vec<Landed> = (0..6).map(|day| landed(day, 2, "Change the interface", &both)).collect();
    let missing = about(&changes, 9, "x", &[("api.rs", 1, 0)]).missing;
    assert_eq!(missing, [facts::CoChange { path: "api.md".into(), with: "api.rs".into(), together: 6, of: 6 }]);
    assert_eq!(about(&changes, 9, "x", &both).missing, []);
    changes.push(landed(7, 2, "Drop the docs", &[("api.md", 0, 99)]));
    assert_eq!(about(&changes, 9, "x", &[("api.rs", 1, 0)]).missing, []);
}

#[test]
fn a_change_in_pieces_is_counted_whole() {
    let piece = |hour: i64, author: u64, path: &str| {
        let mut piece = landed(3, author, "Part", &[(path, 100, 10), ("tests/a.rs", 50, 0)]);
        piece.at += hour * 3_600;
        piece.sha = format!("{:040x}", hour + i64::try_from(author).unwrap() * 100);
        piece
    };
    let mut changes = vec![landed(0, 1, "Long ago", &[("src/a.rs", 900, 0)])];
    changes.extend([
        piece(1, 1, "src/a.rs"),
        piece(2, 1, "src/b.rs"),
        piece(3, 1, "web/c.ts"),
        piece(4, 2, "src/a.rs"),
    ]);
    let about = |changes: &[Landed], path: &str| {
        let said = about(changes, 4, "Part", &[(path, 1, 0)]);
        let files: Vec<_> = said.series_files.iter().map(|file| (file.path.clone(), file.lines)).collect();
        (said.series, files)
    };
    let file = |path: &str, lines: u64| (path.to_owned(), lines);
    let series = |changes: u64| facts::Series { changes, added: changes * 100, deleted: changes * 10 };
    let whole = vec![file("src/a.rs", 110), file("src/b.rs", 110), file("tests/a.rs", 100)];
    assert_eq!(about(&changes, "src/z.rs"), (series(2), whole));
    assert_eq!(about(&changes, "src/deep/z.rs").0, series(0));
    assert_eq!(about(&changes, "web/z.ts").0, series(1));
    assert_eq!(about(&changes, "api/z.rs"), (series(0), Vec::new()));
    // A file that usually changes along is changed beside.
    let both = [("api/a.rs", 1, 0), ("web/c.ts", 1, 0)];
    changes.splice(1..1, (0..6).map(|hour| Landed { at: T0 + hour, ..landed(0, 2, "Both", &both) }));
    assert_eq!(about(&changes, "api/a.rs").0, series(1));
}

#[test]
fn changes_ripen_in_thirty_days() {
    let bad = landed(1, 2, "b", &[("b.rs", 1, 0)]);
    let late = landed(2, 2, "c", &[("c.rs", 1, 0)]);
    let mut changes = vec![
        landed(0, 2, "a", &[("a.rs", 1, 0)]),
        bad.clone(),
        late.clone(),
        undoing(landed(5, 2, "Revert \"b\"", &[("b.rs", 0, 1)]), &bad),
        undoing(landed(33, 2, "Revert \"c\"", &[("c.rs", 0, 1)]), &late),
        landed(20, 2, "clock behind", &[("a.rs", 1, 0)]),
    ];
    let said = about(&changes, 40, "x", &[]);
    assert_eq!(said.outcomes, [facts::Outcomes { score: 30, changes: 3, failed: 1 }]);
    assert_eq!(said.recent, [(30, 4)]);
    changes.truncate(4);
    assert_eq!(about(&changes, 10, "x", &[]).outcomes, []);
}

#[test]
fn a_clock_that_is_far_off_stops_nothing() {
    let mut changes: Vec<Landed> = (0..4).map(|day| landed(day, 2, "Add a", &[("a.rs", 1, 0)])).collect();
    (changes[0].at, changes[1].at, changes[2].at) = (i64::MIN, i64::MAX, i64::MAX - 1);
    let undone = changes[1].clone();
    changes.push(undoing(landed(5, 2, "Revert \"Add a\"", &[("a.rs", 0, 1)]), &undone));
    for at in [i64::MIN, 0, i64::MAX] {
        let said = history(&changes).about(&changes[3].change(), Author(1), at);
        assert!(said.base_rate.is_finite() && said.files.mean.is_finite() && said.rolled_back == 1, "{said:?}");
    }
}

fn any_changes() -> impl Strategy<Value = Vec<Landed>> {
    let path = select(vec!["src/a.rs", "src/b.rs", "web/c.ts", "docs/d.md", "Makefile"]);
    let files = vec((path, 0..90_u64, 0..40_u64), 0..4);
    let change = (
        -9..40_i64,
        0..4_u64,
        select(vec!["Add cache", "Fix cache", "Tune joins"]),
        files,
        any::<prop::sample::Index>(),
        0..9_u8,
    );
    vec(change, 1..40).prop_map(|drawn| {
        let mut changes: Vec<Landed> = Vec::new();
        for (index, (hours, author, title, files, earlier, kind)) in (0..).zip(drawn) {
            let mut next = landed(index, author, title, &files);
            next.at += hours * 3_600;
            if kind == 0 && !changes.is_empty() {
                next = undoing(next, &changes[earlier.index(changes.len())]);
            } else if kind == 1 && !next.files.is_empty() {
                next.files[0].previous_path = Some("src/a.rs".to_owned());
            }
            changes.push(next);
        }
        changes
    })
}

proptest! {
    /// Whatever lands later, a change that landed was forecast from what came before it.
    #[test]
    fn the_future_changes_no_reading(changes in any_changes(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(changes.len());
        let steps = |changes: &[Landed]| -> Vec<Step> {
            let mut history = History::default();
            changes.iter().map(|change| history.step(change, Model::baseline())).collect()
        };
        for (whole, cut) in steps(&changes).iter().zip(steps(&changes[..=cut])) {
            prop_assert_eq!(&whole.facts, &cut.facts);
            prop_assert_eq!(whole.forecast, cut.forecast);
        }
    }

    /// A history that was written down and read again goes on as if it had not been.
    #[test]
    fn survives_being_written_down(changes in any_changes(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(changes.len());
        let (mut straight, mut resumed) = (history(&changes[..cut]), history(&changes[..cut]));
        resumed = serde_json::from_str(&serde_json::to_string(&resumed).unwrap()).unwrap();
        for change in &changes[cut..] {
            let (one, other) = (straight.step(change, Model::baseline()), resumed.step(change, Model::baseline()));
            prop_assert_eq!(one.facts, other.facts);
            prop_assert_eq!(one.undone, other.undone);
        }
    }

    /// What is told of the past stays within what there was.
    #[test]
    fn figures_are_sane(changes in any_changes()) {
        let mut history = History::default();
        for change in &changes {
            let said = history.step(change, Model::baseline()).facts.history.unwrap();
            prop_assert!(said.familiar <= said.existing && said.directories_familiar <= said.directories_touched);
            prop_assert!(said.base_rate > 0.0 && said.base_rate < 1.0 && said.fix_rate > 0.0 && said.fix_rate < 1.0);
            let worst = [&said.worst_file, &said.worst_directory, &said.worst_word].into_iter().flatten();
            for worst in worst {
                prop_assert!(worst.rolled_back <= worst.changes, "{:?}", worst);
            }
            prop_assert!(said.rolled_back <= said.changes && said.files.mean <= said.files.highest + 1e-12);
            let numbers = [said.files.mean, said.topics.mean, said.churn, said.rollbacks_recent];
            prop_assert!(numbers.iter().all(|number| number.is_finite()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// One date that is years ahead, wherever it stands, tells nothing: another such date reads the same, and nothing else
    /// of the history is older for it than a month. A history that is in order is read as it is dated.
    #[test]
    fn a_date_far_ahead_moves_nothing(changes in any_changes(), at in any::<prop::sample::Index>(), years in 1..90_i64) {
        let at = at.index(changes.len());
        let mut ordered = changes.clone();
        ordered.sort_by_key(|change| change.at);
        let read = |changes: &[Landed]| -> Vec<Step> {
            let mut history = History::default();
            changes.iter().map(|change| history.step(change, Model::baseline())).collect()
        };
        for (step, change) in read(&ordered).iter().zip(&ordered) {
            prop_assert_eq!(step.at, change.at);
        }
        let dated = |years: i64| {
            let mut changes = ordered.clone();
            changes[at].at += years * 365 * DAY + 40 * DAY;
            read(&changes)
        };
        let plain = read(&ordered);
        for (place, (one, other)) in dated(years).iter().zip(dated(95)).enumerate() {
            // The first has nothing before it that could tell: the second does.
            if place > 0 || at > 0 {
                prop_assert_eq!(one.at, other.at);
                prop_assert!(place == at || place == 0 || one.at == plain[place].at, "{} {}", place, at);
            }
            if place != at {
                prop_assert_eq!(&one.facts.history, &other.facts.history);
                prop_assert_eq!(one.forecast, other.forecast);
            }
        }
    }
}
