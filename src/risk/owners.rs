//! Which owner has to approve which changed file, and which approval covers what the file holds now.
//!
//! The rules are GitHub's (docs/owners.md cites them): any one owner of the line in force suffices; nobody approves a change
//! of their own; an owner who may not write, or a team that cannot be seen, satisfies nothing. An approval is of a commit:
//! it covers a file that holds at the head what it held at that commit. What cannot be told is unknown and never missing.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use super::facts::{
    AuthorKind, Change, ChangeState, Facts, Known, Opinion, OwnerRule, Ownership, Reason, ReviewVerdict, Source,
    Unknown,
};

/// A changed file that somebody owns.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedFile<'a> {
    /// Its path. Untrusted.
    pub path: &'a str,
    /// The path that it had before the change; the same, unless it was renamed. Untrusted.
    pub earlier: &'a str,
    /// The rule in force.
    pub rule: &'a Arc<OwnerRule>,
    /// How its owners stand to it.
    pub standing: Standing<'a>,
}

/// Whether an owner has approved a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing<'a> {
    /// One has, with this approval, and the file holds what it held then.
    Approved(&'a Opinion),
    /// None has.
    Missing(Missing<'a>),
    /// That cannot be told.
    Unknown(Unknown),
}

/// What is known of a file that no owner has approved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Missing<'a> {
    /// Owners' approvals of what the file held before.
    pub stale: Vec<&'a Opinion>,
    /// Owners who can be asked, as written.
    pub able: Rc<[&'a str]>,
}

/// What the owners' approvals of a whole change come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No changed file has an owner.
    NothingOwned,
    /// Every owned file is approved.
    Approved,
    /// This many owned files are not.
    Missing(u64),
    /// Nothing is known to be missing, but not everything is known.
    Unknown(Unknown),
    /// Not ready for review: owners are asked once it is.
    Draft,
    /// Closed or merged.
    NotOpen,
}

/// Every owned changed file, in the order of the change.
///
/// # Errors
/// Who owns what is not known.
pub fn files(facts: &Facts) -> Known<Vec<OwnedFile<'_>>> {
    let ownership = facts.ownership.as_ref().map_err(Clone::clone)?;
    let approvals = approvals(facts);
    // Changed files mostly come in the order of their paths, as the rules do: then the next rule is the file's.
    let mut rules = ownership.owned.iter().peekable();
    let mut owned = |path: &str| match rules.next_if(|(next, _)| *next == path) {
        Some((_, rule)) => Some(rule),
        None => ownership.owned.get(path),
    };
    let mut files = Vec::with_capacity(facts.change.files.len().min(ownership.owned.len()));
    let mut asked = Asked::default();
    for file in &facts.change.files {
        let Some(rule) = owned(&file.path).filter(|rule| !rule.owners.is_empty()) else { continue };
        let (path, earlier) = (file.path.as_str(), file.previous_path.as_deref().unwrap_or(&file.path));
        files.push(OwnedFile {
            path,
            earlier,
            rule,
            standing: standing(path, rule, ownership, &approvals, &mut asked, facts),
        });
    }
    Ok(files)
}

/// What the check of owners' approvals concludes.
pub fn verdict(facts: &Facts) -> Verdict {
    let change = &facts.change;
    if change.state != ChangeState::Open {
        return Verdict::NotOpen;
    }
    let files = match files(facts) {
        Ok(files) => files,
        Err(unknown) => return Verdict::Unknown(unknown),
    };
    let missing = files.iter().filter(|file| matches!(file.standing, Standing::Missing(_))).count() as u64;
    if missing > 0 {
        return if change.draft { Verdict::Draft } else { Verdict::Missing(missing) };
    }
    let doubt = files.iter().find_map(|file| match &file.standing {
        Standing::Unknown(unknown) => Some(unknown.clone()),
        _ => None,
    });
    // Files that were not given may have owners.
    match doubt.or_else(|| incomplete(change)) {
        Some(unknown) => Verdict::Unknown(unknown),
        None if files.is_empty() => Verdict::NothingOwned,
        None => Verdict::Approved,
    }
}

/// The fewest owners, more or less, whose approval settles every file that lacks one: each time the one with most of the
/// files that are left, among equals the first by name.
pub fn to_ask<'a>(files: &[OwnedFile<'a>]) -> Vec<&'a str> {
    // Files with the same owners are settled together.
    let mut open: BTreeMap<&[&'a str], usize> = BTreeMap::new();
    for file in files {
        if let Standing::Missing(missing) = &file.standing {
            *open.entry(&missing.able).or_default() += 1;
        }
    }
    let mut asked = Vec::new();
    loop {
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for (able, files) in &open {
            let each: BTreeSet<&str> = able.iter().copied().collect();
            each.into_iter().for_each(|owner| *wanted.entry(owner).or_default() += files);
        }
        let Some((owner, _)) = wanted.into_iter().min_by_key(|&(owner, files)| (Reverse(files), owner)) else {
            return asked;
        };
        open.retain(|able, _| !able.contains(&owner));
        asked.push(owner);
    }
}

/// Whether an approval by this owner, as written in CODEOWNERS, could be given and told: not by an e-mail address, whose
/// account nobody names, not by the author, and not by one whom GitHub does not take.
pub fn can_approve(facts: &Facts, owner: &str) -> bool {
    let unusable = facts.ownership.as_ref().is_ok_and(|ownership| ownership.unusable.contains(owner));
    let author = &facts.change.author.login;
    !unusable && owner.strip_prefix('@').is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case(author))
}

/// Whether an approval bears weight at GitHub: given by a person who may push, and not by the author.
pub fn may_approve(opinion: &Opinion, author: &str) -> bool {
    opinion.kind == AuthorKind::Human && opinion.can_write && !opinion.reviewer.eq_ignore_ascii_case(author)
}

fn incomplete(change: &Change) -> Option<Unknown> {
    let (seen, total) = (change.files.len() as u64, change.files_total);
    (seen < total).then_some(Unknown { source: Source::Diff, reason: Reason::Partial { seen, total } })
}

/// Approvals that can stand for an owner's: by a person who may push, not by the author, and where the branch asks for
/// the approval of the latest push, not by who pushed it.
fn approvals(facts: &Facts) -> Known<Vec<&Opinion>> {
    let review = facts.review.as_ref().map_err(Clone::clone)?;
    let circumstances = &review.circumstances;
    let others_only = matches!(&circumstances.rules, Some(Ok(rules)) if rules.last_push_by_others);
    let pushed = |opinion: &Opinion| {
        others_only && circumstances.last_pusher.as_ref().is_some_and(|who| who.eq_ignore_ascii_case(&opinion.reviewer))
    };
    Ok(review
        .opinions
        .iter()
        .filter(|opinion| opinion.verdict == ReviewVerdict::Approved)
        .filter(|opinion| may_approve(opinion, &facts.change.author.login) && !pushed(opinion))
        .collect())
}

/// Who of the owners of the file before can be asked: mostly they are this one's too.
#[derive(Default)]
struct Asked<'a> {
    owners: &'a [String],
    able: Rc<[&'a str]>,
}

impl<'a> Asked<'a> {
    fn of(&mut self, rule: &'a OwnerRule, facts: &Facts) -> Rc<[&'a str]> {
        if self.owners != rule.owners {
            let able = rule.owners.iter().map(String::as_str).filter(|owner| can_approve(facts, owner));
            *self = Self { owners: &rule.owners, able: able.collect() };
        }
        Rc::clone(&self.able)
    }
}

fn standing<'a>(
    path: &str,
    rule: &'a OwnerRule,
    ownership: &Ownership,
    approvals: &Known<Vec<&'a Opinion>>,
    asked: &mut Asked<'a>,
    facts: &'a Facts,
) -> Standing<'a> {
    let approvals = match approvals {
        Ok(approvals) => approvals,
        Err(unknown) => return Standing::Unknown(unknown.clone()),
    };
    let (mut stale, mut doubt) = (Vec::new(), None);
    for approval in approvals {
        match (is_owners(approval, rule, ownership), covers(approval, path, &facts.change)) {
            (Ok(true), Ok(true)) => return Standing::Approved(approval),
            (Ok(true), Ok(false)) => stale.push(*approval),
            (Ok(false), _) | (_, Ok(false)) => {}
            (Err(unknown), _) | (_, Err(unknown)) => doubt = doubt.or(Some(unknown)),
        }
    }
    match doubt {
        Some(unknown) => Standing::Unknown(unknown),
        None => Standing::Missing(Missing { stale, able: asked.of(rule, facts) }),
    }
}

/// Whether an approval is one of an owner of the rule.
fn is_owners(approval: &Opinion, rule: &OwnerRule, ownership: &Ownership) -> Known<bool> {
    let mut doubt = None;
    for owner in rule.owners.iter().filter(|owner| !ownership.unusable.contains(*owner)) {
        match is_owner(owner, approval) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(unknown) => doubt = doubt.or(Some(unknown)),
        }
    }
    doubt.map_or(Ok(false), Err)
}

/// Unknown where an approval might be the owner's: whose e-mail address it is nobody says, and team membership may be
/// hidden.
fn is_owner(owner: &str, approval: &Opinion) -> Known<bool> {
    let unknown = |why: &str| Unknown { source: Source::Codeowners, reason: Reason::Unusable(why.to_owned()) };
    match owner.strip_prefix('@') {
        None => Err(unknown("an owner is given by e-mail address")),
        Some(team) if team.contains('/') => {
            let is = |given: &String| given.trim_start_matches('@').eq_ignore_ascii_case(team);
            let teams = approval.on_behalf_of.as_ref().map_err(Clone::clone)?;
            if teams.iter().any(is) {
                return Ok(true);
            }
            let hidden = approval.teams_unknown.iter().any(is);
            if hidden { Err(unknown("who is in an owning team cannot be seen")) } else { Ok(false) }
        }
        Some(login) => Ok(approval.reviewer.eq_ignore_ascii_case(login)),
    }
}

/// Whether a file holds at the head what it held at the commit that was approved.
fn covers(approval: &Opinion, path: &str, change: &Change) -> Known<bool> {
    if approval.commit.as_deref() == Some(change.head_sha.as_str()) {
        return Ok(true);
    }
    match &approval.changed_since {
        // Facts that were gathered before this was asked.
        None => Ok(false),
        Some(Ok(_)) if approval.compared_until.as_deref().is_some_and(|until| path > until) => Err(Unknown {
            source: Source::Reviews,
            reason: Reason::Unusable("so many files are not compared with what was approved".to_owned()),
        }),
        Some(Ok(changed)) => Ok(!changed.iter().any(|each| each == path)),
        Some(Err(unknown)) => Err(unknown.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::ReviewRules,
        stories::{file, opinion, owned, pull_request},
    };

    const OLD: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn facts(rules: &[(&str, &[&str])], opinions: Vec<Opinion>) -> Facts {
        let mut facts = pull_request("x", vec![file("a.rs", 1, 0), file("b.rs", 1, 0)]);
        facts.ownership = owned(rules);
        facts.review.as_mut().unwrap().opinions = opinions;
        facts
    }

    fn approval(reviewer: &str) -> Opinion {
        opinion(reviewer, ReviewVerdict::Approved)
    }

    /// An approval of an earlier commit, since when these files changed.
    fn earlier(reviewer: &str, changed_since: Option<Known<Vec<String>>>) -> Opinion {
        Opinion { commit: Some(OLD.to_owned()), changed_since, ..approval(reviewer) }
    }

    /// One letter for each owned file: approved, missing, stale (missing, with an earlier approval), unknown.
    fn letters(facts: &Facts) -> String {
        let letter = |file: OwnedFile<'_>| match file.standing {
            Standing::Approved(_) => 'a',
            Standing::Missing(missing) if missing.stale.is_empty() => 'm',
            Standing::Missing(_) => 's',
            Standing::Unknown(_) => 'u',
        };
        files(facts).unwrap().into_iter().map(letter).collect()
    }

    #[test]
    fn an_approval_covers_what_has_not_changed_since() {
        let rules: &[(&str, &[&str])] = &[("a.rs", &["@grace"]), ("b.rs", &["@grace"])];
        let check = |opinion: Opinion, expected: &str| assert_eq!(letters(&facts(rules, vec![opinion])), expected);
        let unknown = || Unknown::not_connected(Source::Reviews);
        check(approval("grace"), "aa");
        check(earlier("grace", None), "ss");
        check(earlier("grace", Some(Ok(vec!["b.rs".to_owned()]))), "as");
        check(earlier("grace", Some(Ok(Vec::new()))), "aa");
        check(earlier("grace", Some(Err(unknown()))), "uu");
        let until = |path: &str| Opinion {
            compared_until: Some(path.to_owned()),
            ..earlier("grace", Some(Ok(vec!["a.rs".to_owned()])))
        };
        check(until("a.rs"), "su");
        check(until("b.rs"), "sa");
        // Whose it is not does not matter for its age.
        check(earlier("linus", Some(Err(unknown()))), "mm");
        let both = vec![earlier("grace", Some(Ok(vec!["b.rs".to_owned()]))), approval("linus")];
        assert_eq!(letters(&facts(&[("a.rs", &["@grace"]), ("b.rs", &["@grace", "@linus"])], both)), "aa");
    }

    #[test]
    fn who_cannot_satisfy_a_rule() {
        let check = |edit: &dyn Fn(&mut Facts), expected: &str, able: &[&str]| {
            let mut facts = facts(&[("a.rs", &["@grace", "@acme/core", "g@x.org"])], vec![approval("grace")]);
            edit(&mut facts);
            assert_eq!(letters(&facts), expected);
            if expected == "m" {
                assert_eq!(to_ask(&files(&facts).unwrap()).first(), able.first(), "{able:?}");
            }
        };
        fn first(facts: &mut Facts) -> &mut Opinion {
            &mut facts.review.as_mut().unwrap().opinions[0]
        }
        check(&|_| {}, "a", &[]);
        check(&|facts| first(facts).can_write = false, "m", &["@acme/core"]);
        check(&|facts| first(facts).kind = AuthorKind::Bot, "m", &["@acme/core"]);
        check(&|facts| facts.change.author.login = "Grace".to_owned(), "m", &["@acme/core"]);
        // Somebody else's approval may be that of the e-mail address, or of the team where it cannot be seen.
        check(&|facts| first(facts).reviewer = "linus".to_owned(), "u", &[]);
        let unusable = |facts: &mut Facts| {
            let ownership = facts.ownership.as_mut().unwrap();
            ownership.unusable = ["@grace", "g@x.org"].map(str::to_owned).into();
        };
        check(&unusable, "m", &["@acme/core"]);
        let in_team = |facts: &mut Facts| {
            unusable(facts);
            first(facts).on_behalf_of = Ok(vec!["acme/Core".to_owned()]);
        };
        check(&in_team, "a", &[]);
        let hidden = |facts: &mut Facts| {
            unusable(facts);
            first(facts).teams_unknown = vec!["acme/core".to_owned()];
        };
        check(&hidden, "u", &[]);
    }

    #[test]
    fn the_last_pusher_counts_unless_the_branch_says_otherwise() {
        let mut facts = facts(&[("a.rs", &["@grace"])], vec![approval("grace")]);
        facts.review.as_mut().unwrap().circumstances.last_pusher = Some("Grace".to_owned());
        assert_eq!(letters(&facts), "a");
        let rules = ReviewRules { last_push_by_others: true, ..ReviewRules::default() };
        facts.review.as_mut().unwrap().circumstances.rules = Some(Ok(rules));
        assert_eq!(letters(&facts), "m");
    }

    #[test]
    fn what_a_whole_change_comes_to() {
        let one: &[(&str, &[&str])] = &[("a.rs", &["@grace"])];
        let check = |edit: &dyn Fn(&mut Facts), expected: &str| {
            let mut facts = facts(one, vec![approval("grace")]);
            edit(&mut facts);
            let verdict = verdict(&facts);
            assert!(format!("{verdict:?}").starts_with(expected), "{verdict:?} instead of {expected}");
        };
        let nobody = |facts: &mut Facts| facts.review.as_mut().unwrap().opinions.clear();
        check(&|_| {}, "Approved");
        check(&|facts| facts.ownership = owned(&[]), "NothingOwned");
        check(&|facts| facts.ownership = owned(&[("a.rs", &[])]), "NothingOwned");
        check(&nobody, "Missing(1)");
        check(&|facts| facts.change.draft = true, "Approved");
        check(
            &|facts| {
                nobody(facts);
                facts.change.draft = true;
            },
            "Draft",
        );
        check(&|facts| facts.change.files_total = 3, "Unknown");
        check(&|facts| facts.ownership = Err(Unknown::not_connected(Source::Codeowners)), "Unknown");
        check(&|facts| facts.review = Err(Unknown::not_connected(Source::Reviews)), "Unknown");
        check(&|facts| facts.change.state = ChangeState::Merged, "NotOpen");
    }
}
