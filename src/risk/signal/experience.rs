//! Experience: how many of the touched files the author has changed before. Nothing else about a person is read.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p, share};
use crate::risk::{
    diff::View,
    facts::{History, ReviewVerdict},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "experience",
    label: "familiarity",
    unit: Unit::Ratio,
    why: "Code that the author sees for the first time holds surprises; a second reader who knows it helps.",
    terms: &[
        Term {
            id: "experience.unfamiliar",
            transform: "share of the touched files that neither the author nor an approving reviewer changed before; 0.5 where none existed",
        },
        Term { id: "experience.changes", transform: "ln(1 + the author's earlier changes to the touched files)" },
        Term {
            id: "experience.directories",
            transform: "share of the touched directories in which the author has changed nothing before",
        },
    ],
    measure,
};

/// People who are named to be asked.
const ASKED_MAX: usize = 3;
/// Share of unfamiliar files where there is no file to be familiar with.
const NONE_EXISTED: f64 = 0.5;

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    if let Some(unknown) = history.without_author() {
        return Err(unknown);
    }
    let known = history.familiar.saturating_add(read_by_those_who_know(view, history)).min(history.existing);
    let unfamiliar = if history.existing == 0 { NONE_EXISTED } else { 1.0 - share(known, history.existing) };
    let directories = 1.0 - share(history.directories_familiar, history.directories_touched.max(1));
    let mut evidence = vec![Evidence::Familiarity { files: history.existing, own: history.familiar, known }];
    let ask =
        |knower: &crate::risk::facts::Knower| Evidence::Knows { name: knower.name.clone(), files: knower.knows() };
    if known < history.existing {
        evidence.extend(history.knowers.iter().take(ASKED_MAX).map(ask));
    }
    Ok(Measure {
        value: 1.0 - unfamiliar,
        terms: vec![unfamiliar, ln1p(history.author_changes), directories],
        evidence,
    })
}

/// Files that the author does not know and that somebody who does has approved on the current head.
fn read_by_those_who_know(view: &View<'_>, history: &History) -> u64 {
    let Ok(review) = &view.facts.review else { return 0 };
    let head = &view.facts.change.head_sha;
    let approved = |name: &str| {
        let login = name.trim_start_matches('@');
        review.opinions.iter().any(|opinion| {
            opinion.verdict == ReviewVerdict::Approved
                && opinion.commit.as_ref() == Some(head)
                && opinion.reviewer.eq_ignore_ascii_case(login)
        })
    };
    let approving = || history.knowers.iter().filter(|knower| approved(&knower.name));
    let listed: std::collections::BTreeSet<&String> = approving().flat_map(|knower| &knower.files).collect();
    // Long lists are cut: what several know together is then at least what one of them does.
    approving().map(|knower| knower.knows()).fold(listed.len() as u64, u64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::Knower, stories::pull_request};

    #[test]
    fn counts_files_that_existed() {
        let check = |existing: u64, familiar: u64, expected: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.history = Ok(History { existing, familiar, ..History::default() });
            assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms[0], expected, "{existing} {familiar}");
        };
        check(4, 1, 0.75);
        check(4, 0, 1.0);
        check(4, 9, 0.0);
        check(0, 0, 0.5);
    }

    #[test]
    fn a_file_is_known_when_an_approving_reviewer_knows_it() {
        let mut facts = pull_request("x", Vec::new());
        let knower = |name: &str, files: &[&str]| Knower {
            name: name.to_owned(),
            commit: None,
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            files_total: 0,
        };
        let reviewer = facts.review.as_ref().unwrap().opinions[0].reviewer.clone();
        let knowers = vec![knower(&format!("@{reviewer}"), &["a", "b"]), knower("@nobody", &["b", "c"])];
        facts.history = Ok(History { existing: 4, familiar: 1, knowers, ..History::default() });
        assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms[0], 0.25);
        // More than are listed.
        let history = facts.history.as_mut().unwrap();
        (history.existing, history.knowers[0].files_total) = (42, 40);
        assert!(((SIGNAL.measure)(&View::of(&facts)).unwrap().terms[0] - 1.0 / 42.0).abs() < 1e-12);
        let history = facts.history.as_mut().unwrap();
        history.existing = 4;
        facts.change.head_sha = "another".to_owned();
        assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms[0], 0.75);
    }
}
