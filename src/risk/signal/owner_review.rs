//! Owner review: whether the owners of the changed files, by CODEOWNERS, have approved the current head.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, review, share};
use crate::risk::{
    diff::View,
    facts::{Known, Opinion, OwnerRule, Reason, ReviewVerdict, Source, Unknown},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "owner_review",
    label: "owners' approval",
    unit: Unit::Count,
    why: "Owners know what else depends on their files.",
    terms: &[Term {
        id: "owner_review.missing_share",
        transform: "share of the owned changed files without an owner's approval of the current head; 0 when none is owned",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let ownership = view.facts.ownership.as_ref().map_err(Clone::clone)?;
    let owned: Vec<(&str, &OwnerRule)> = view
        .facts
        .change
        .files
        .iter()
        .filter_map(|file| ownership.owned.get(&file.path).map(|rule| (file.path.as_str(), rule)))
        .filter(|(_, rule)| !rule.owners.is_empty())
        .collect();
    if owned.is_empty() {
        // Files that were not given may have owners.
        return view.incomplete().map_or_else(|| Measure::single(0.0, 0.0, Vec::new()), Err);
    }
    let approvals = approvals(view)?;
    let (mut missing, mut undecided) = (Vec::new(), Vec::new());
    let mut unknown = None;
    for (path, rule) in &owned {
        match settled(rule, &approvals) {
            Ok(true) => {}
            Ok(false) => missing.push(Evidence::OwnerMissing {
                path: (*path).to_owned(),
                owners: rule.owners.clone(),
                line: rule.line,
            }),
            Err(reason) => {
                undecided.push(Evidence::OwnerUnknown { path: (*path).to_owned(), owners: rule.owners.clone() });
                unknown = unknown.or(Some(reason));
            }
        }
    }
    // What is certainly missing is a lower bound, whatever else is in doubt; a bound of nothing would say nothing.
    if let Some(unknown) = unknown.or_else(|| view.incomplete()).filter(|_| missing.is_empty()) {
        return Err(unknown);
    }
    let count = missing.len() as u64;
    missing.append(&mut undecided);
    Measure::single(count as f64, share(count, owned.len() as u64), missing)
}

/// Approvals that can stand for an owner's: current, by a person who may push, not by the author.
fn approvals<'a>(view: &View<'a>) -> Known<Vec<&'a Opinion>> {
    let review = view.facts.review.as_ref().map_err(Clone::clone)?;
    let change = &view.facts.change;
    Ok(review
        .opinions
        .iter()
        .filter(|opinion| opinion.verdict == ReviewVerdict::Approved)
        .filter(|opinion| review::counts(opinion, change) && review::is_current(opinion, change))
        .collect())
}

/// Whether one of a file's owners is among the approvals. Unknown where an approval might be an owner's: whose
/// e-mail address it is nobody says, and team membership may be hidden.
fn settled(rule: &OwnerRule, approvals: &[&Opinion]) -> Known<bool> {
    let mut unknown = None;
    for approval in approvals {
        for owner in &rule.owners {
            match is_owner(owner, approval) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(reason) => unknown = unknown.or(Some(reason)),
            }
        }
    }
    unknown.map_or(Ok(false), Err)
}

fn is_owner(owner: &str, approval: &Opinion) -> Known<bool> {
    match owner.strip_prefix('@') {
        None => Err(Unknown {
            source: Source::Codeowners,
            reason: Reason::Unavailable("an owner is given by e-mail address".into()),
        }),
        Some(team) if team.contains('/') => {
            let teams = approval.on_behalf_of.as_ref().map_err(Clone::clone)?;
            Ok(teams.iter().any(|given| given.trim_start_matches('@').eq_ignore_ascii_case(team)))
        }
        Some(login) => Ok(approval.reviewer.eq_ignore_ascii_case(login)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{AuthorKind, Facts},
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
        let owners = |owner: &str| vec![owner.to_owned()];
        let missing = Evidence::OwnerMissing { path: "a.rs".into(), owners: owners("@linus"), line: 1 };
        let undecided = Evidence::OwnerUnknown { path: "b.rs".into(), owners: owners("g@x.org") };
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
}
