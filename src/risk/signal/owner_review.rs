//! Owner review: whether the owners of the changed files, by CODEOWNERS, have approved what the files hold now.

use std::{collections::HashMap, sync::Arc};

use super::{Evidence, Measure, Reading, Signal, Term, Unit};
use crate::risk::{
    diff::View,
    facts::{Facts, Failures},
    owners::{self, Standing},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "owner_review",
    label: "owners' approval",
    unit: Unit::Count,
    why: "Owners know what else depends on their files.",
    terms: &[Term {
        id: "owner_review.missing_share",
        transform: "share of the owned changed files without an owner's approval of what they hold now, one whose changes were rolled back once counting twice, more often three times; 0 when none is owned",
    }],
    measure,
};

/// How much a file counts at most against one whose changes were never rolled back: where changes failed before, an owner's
/// look is worth more. Two rollbacks say enough.
const HEAT_MAX: u64 = 3;

fn measure(view: &View<'_>) -> Reading {
    let files = owners::files(view.facts)?;
    if files.is_empty() {
        // Files that were not given may have owners.
        return view.incomplete().map_or_else(|| Measure::single(0.0, 0.0, Vec::new()), Err);
    }
    let heat_of = heat(view.facts);
    let (mut missing, mut undecided) = (Vec::with_capacity(files.len()), Vec::new());
    let (mut unknown, mut heat, mut open) = (None, 0, 0);
    for file in &files {
        let weight = heat_of.get(file.earlier).copied().unwrap_or(1);
        heat += weight;
        match &file.standing {
            Standing::Approved(_) => {}
            Standing::Missing(_) => {
                open += weight;
                missing.push(Evidence::OwnerMissing { path: file.path.to_owned(), rule: Arc::clone(file.rule) });
            }
            Standing::Unknown(reason) => {
                undecided.push(Evidence::OwnerUnknown { path: file.path.to_owned(), rule: Arc::clone(file.rule) });
                unknown = unknown.or_else(|| Some(reason.clone()));
            }
        }
    }
    // What is certainly missing is a lower bound, whatever else is in doubt; a bound of nothing would say nothing.
    if let Some(unknown) = unknown.or_else(|| view.incomplete()).filter(|_| missing.is_empty()) {
        return Err(unknown);
    }
    let count = missing.len() as u64;
    missing.append(&mut undecided);
    Measure::single(count as f64, open as f64 / heat as f64, missing)
}

/// How much each changed file counts whose changes were rolled back, by the name that it had before.
fn heat(facts: &Facts) -> HashMap<&str, u64> {
    let Ok(history) = &facts.history else { return HashMap::new() };
    if history.failed_files.is_empty() {
        // Facts from before each file's rollbacks were kept.
        let worst = history.worst_file.iter().filter(|worst| worst.rolled_back > 0);
        return worst.map(|worst| (worst.name.as_str(), HEAT_MAX)).collect();
    }
    let weight = |failed: &Failures| failed.rolled_back.saturating_add(1).min(HEAT_MAX);
    history.failed_files.iter().map(|failed| (failed.name.as_str(), weight(failed))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{AuthorKind, History, Known, Opinion, Reason, ReviewVerdict, Source, Unknown},
        stories::{file, opinion, owned, pull_request},
    };

    fn facts(rules: &[(&str, &[&str])], opinions: Vec<Opinion>) -> Facts {
        let mut facts = pull_request("x", vec![file("a.rs", 1, 0), file("b.rs", 1, 0), file("c.rs", 1, 0)]);
        facts.ownership = owned(rules);
        facts.review.as_mut().unwrap().opinions = opinions;
        facts
    }

    fn approval(reviewer: &str, teams: Known<&[&str]>) -> Opinion {
        let teams = teams.map(|teams| teams.iter().map(|team| (*team).to_owned()).collect());
        Opinion { on_behalf_of: teams, ..opinion(reviewer, ReviewVerdict::Approved) }
    }

    /// Share without approval, or `None` for unknown.
    fn share_of(facts: &Facts) -> Option<f64> {
        (SIGNAL.measure)(&View::of(facts)).ok().map(|measure| measure.terms[0])
    }

    #[test]
    fn owners_approve_their_files() {
        let hidden = || Err(Unknown { source: Source::Reviews, reason: Reason::Forbidden(None) });
        let check = |rules: &[(&str, &[&str])], opinions: Vec<Opinion>, expected: Option<f64>| {
            assert_eq!(share_of(&facts(rules, opinions.clone())), expected, "{rules:?} {opinions:?}");
        };
        check(&[], vec![], Some(0.0));
        check(&[("a.rs", &[])], vec![], Some(0.0));
        check(&[("elsewhere.rs", &["@grace"])], vec![], Some(0.0));
        check(&[("a.rs", &["@grace"]), ("b.rs", &["@linus"])], vec![approval("Grace", Ok(&[]))], Some(0.5));
        check(&[("a.rs", &["@linus", "@grace"])], vec![approval("grace", Ok(&[]))], Some(0.0));
        check(&[("a.rs", &["@acme/core"])], vec![approval("grace", Ok(&["acme/Core"]))], Some(0.0));
        check(&[("a.rs", &["@acme/core"])], vec![approval("grace", Ok(&["acme/web"]))], Some(1.0));
        // Nobody has approved: whoever owns it has not.
        check(&[("a.rs", &["@acme/core"]), ("b.rs", &["g@x.org"])], vec![], Some(1.0));
        check(&[("a.rs", &["@acme/core"])], vec![approval("grace", hidden())], None);
        check(&[("a.rs", &["g@x.org"])], vec![approval("grace", Ok(&[]))], None);
        // Settled otherwise.
        check(&[("a.rs", &["@acme/core", "@grace"])], vec![approval("grace", hidden())], Some(0.0));
        check(&[("a.rs", &["g@x.org", "@linus"])], vec![approval("linus", Ok(&[]))], Some(0.0));
        let two = vec![approval("a", hidden()), approval("b", Ok(&["acme/core"]))];
        check(&[("a.rs", &["@acme/core"])], two, Some(0.0));
    }

    #[test]
    fn one_doubtful_file_leaves_the_certain_ones() {
        let rules: &[(&str, &[&str])] = &[("a.rs", &["@linus"]), ("b.rs", &["g@x.org"]), ("c.rs", &["@grace"])];
        let measure = (SIGNAL.measure)(&View::of(&facts(rules, vec![approval("grace", Ok(&[]))]))).unwrap();
        assert_eq!((measure.value, measure.terms), (1.0, vec![1.0 / 3.0]));
        let ownership = owned(rules).unwrap();
        let missing = Evidence::OwnerMissing { path: "a.rs".into(), rule: Arc::clone(&ownership.owned["a.rs"]) };
        let undecided = Evidence::OwnerUnknown { path: "b.rs".into(), rule: Arc::clone(&ownership.owned["b.rs"]) };
        assert_eq!(measure.evidence, [missing, undecided]);
    }

    #[test]
    fn only_standing_approvals_by_others_count() {
        let check = |change: &dyn Fn(&mut Opinion)| {
            let mut approval = approval("grace", Ok(&[]));
            change(&mut approval);
            let mut facts = facts(&[("a.rs", &["@grace"])], vec![approval]);
            assert_eq!(share_of(&facts), Some(1.0), "{:?}", facts.review);
            facts.ownership = Err(Unknown::not_connected(Source::Codeowners));
            assert_eq!(share_of(&facts), None);
        };
        check(&|opinion| opinion.commit = Some("b".repeat(40)));
        check(&|opinion| opinion.kind = AuthorKind::Bot);
        check(&|opinion| opinion.can_write = false);
        check(&|opinion| opinion.verdict = ReviewVerdict::ChangesRequested);
        let mut own = facts(&[("a.rs", &["@grace"])], vec![approval("grace", Ok(&[]))]);
        own.change.author.login = "Grace".into();
        assert_eq!(share_of(&own), Some(1.0));
    }

    #[test]
    fn reviews_matter_only_where_files_are_owned() {
        let mut facts = facts(&[], vec![]);
        facts.review = Err(Unknown::not_connected(Source::Reviews));
        assert_eq!(share_of(&facts), Some(0.0));
        facts.ownership = owned(&[("a.rs", &["@grace"])]);
        assert_eq!(share_of(&facts), None);
    }

    #[test]
    fn files_count_by_their_rollbacks() {
        let rules: &[(&str, &[&str])] = &[("a.rs", &["@linus"]), ("b.rs", &["@grace"])];
        let failed = |name: &str, rolled_back| Failures { name: name.to_owned(), changes: 9, rolled_back };
        let check = |files: &[(&str, u64)], expected: f64| {
            let mut facts = facts(rules, vec![approval("grace", Ok(&[]))]);
            facts.change.files[0].previous_path = Some("old.rs".to_owned());
            let failed_files: Vec<_> = files.iter().map(|&(name, rollbacks)| failed(name, rollbacks)).collect();
            let worst_file = failed_files.first().cloned();
            facts.history = Ok(History { worst_file, failed_files, ..History::default() });
            assert_eq!(share_of(&facts), Some(expected), "{files:?}");
        };
        check(&[], 0.5);
        check(&[("old.rs", 1)], 2.0 / 3.0);
        check(&[("old.rs", 2)], 0.75);
        check(&[("old.rs", 9)], 0.75);
        check(&[("b.rs", 2), ("old.rs", 1)], 0.4);
        check(&[("c.rs", 2), ("a.rs", 2)], 0.5);
        // Facts from before: the file with most rollbacks alone is known, and counts three times.
        let old = |name: &str, rolled_back: u64, expected: f64| {
            let mut facts = facts(rules, vec![approval("grace", Ok(&[]))]);
            facts.history = Ok(History { worst_file: Some(failed(name, rolled_back)), ..History::default() });
            assert_eq!(share_of(&facts), Some(expected), "{name}");
        };
        old("a.rs", 1, 0.75);
        old("b.rs", 2, 0.25);
        old("a.rs", 0, 0.5);
        old("c.rs", 2, 0.5);
    }
}
