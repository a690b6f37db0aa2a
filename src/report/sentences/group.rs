//! Merge groups: which pull requests are in one, what each scored by itself, and what follows for the queue.

use super::{
    Sentence,
    figures::{count, pull_request},
    say,
    unknown::why,
};
use crate::{
    report::Subject,
    risk::merge_group::{GroupMember, MergeGroup},
};

/// Most pull requests that a title names.
const NAMED_MAX: usize = 4;
/// Most pull requests whose own scores are told.
const SCORES_MAX: usize = 20;

/// `merge group of #12, #15 and 3 more`.
pub(crate) fn named(group: &MergeGroup) -> Sentence {
    match &group.members {
        Ok(members) => say!["merge group of "].with(numbers(members.iter().map(|member| member.number), NAMED_MAX)),
        Err(_) => say!["merge group"],
    }
}

/// `#12, #15 and 3 more`.
pub(crate) fn numbers(members: impl ExactSizeIterator<Item = u64>, most: usize) -> Sentence {
    let total = members.len();
    let shown = Sentence::joined(members.take(most).map(|number| say![pull_request(number)]), ", ");
    if total > most { shown.then(" and ").then(count(total - most)).then(" more") } else { shown }
}

/// What is in the group, and what each of it scored by itself.
pub(crate) fn members(subject: &Subject<'_>) -> Option<Sentence> {
    let group = subject.facts.change.merge_group.as_ref()?;
    Some(match &group.members {
        Ok(members) if members.len() == 1 => say!["A merge group of one pull request, "]
            .with(own(group, &members[0]))
            .then(": scored from what is known of it"),
        Ok(members) => {
            let shown = Sentence::joined(members.iter().take(SCORES_MAX).map(|member| own(group, member)), ", ");
            let left = members.len().saturating_sub(SCORES_MAX);
            let shown = if left == 0 { shown } else { shown.then(" and ").then(count(left)).then(" more") };
            say!["All changes of a merge group together, those ahead in the queue included: "].with(shown)
        }
        Err(missing) => say!["All changes of a merge group together; which pull requests are in it is not known ("]
            .with(why(missing))
            .then(")"),
    })
}

fn own(group: &MergeGroup, member: &GroupMember) -> Sentence {
    let named = say![pull_request(member.number)];
    let revert = group.reverts.iter().any(|revert| revert.number == member.number);
    match &member.scored {
        Some(scored) => named.then(" (").then(count(scored.score)).then(if revert {
            " by itself, a proven revert)"
        } else {
            " by itself)"
        }),
        None => named.then(" (not scored by itself at this commit)"),
    }
}

/// What follows for a group at or above the threshold where the policy enforces.
pub(crate) fn held(group: &MergeGroup, threshold: u8) -> Sentence {
    let named = |all: &[u64]| numbers(all.iter().copied(), NAMED_MAX);
    let in_the_way = group.in_the_way(threshold);
    match (&group.members, group.overridden.as_slice()) {
        (Err(_), _) => {
            say![", but not held back: as its pull requests are not known, nor is whether one of them is overridden"]
        }
        (Ok(_), []) => say![
            ". Held back: the merge queue takes a pull request out. Queued again, it stands in another group, and is \
             judged with what is ahead of it then"
        ],
        (Ok(_), all) if in_the_way.is_empty() => say![", and let through by the override of "].with(named(all)),
        (Ok(_), all) => say![". Held back: the override of "]
            .with(named(all))
            .then(" counts for nothing else, and not known to be below the threshold by itself is ")
            .with(named(&in_the_way)),
    }
}

/// Why a group below the threshold is held back where the policy enforces.
pub(crate) fn held_for_one(group: &MergeGroup) -> Sentence {
    say![", but held back: by itself so is "]
        .with(numbers(group.held_by_themselves().into_iter(), NAMED_MAX))
        .then(", for what is judged with each pull request alone, such as reviews, owners and checks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::sentences::Detail,
        risk::facts::{Reason, Source, Unknown},
    };

    fn group(numbers: impl IntoIterator<Item = u64>) -> MergeGroup {
        let member = |number| GroupMember { number, head_sha: String::new(), scored: None };
        let members = Ok(numbers.into_iter().map(member).collect());
        MergeGroup {
            head_ref: String::new(),
            members,
            overridden: Vec::new(),
            reverts: Vec::new(),
            ways_back: Vec::new(),
        }
    }

    #[test]
    fn a_group_is_named_by_its_pull_requests() {
        let check = |group: &MergeGroup, expected: &str| assert_eq!(named(group).plain(Detail::FULL), expected);
        check(&group([12]), "merge group of #12");
        check(&group([12, 15, 18, 20]), "merge group of #12, #15, #18, #20");
        check(&group(1..=40), "merge group of #1, #2, #3, #4 and 36 more");
        let reason = Reason::Unavailable("down".to_owned());
        let unknown = Err(Unknown { source: Source::MergeQueue, reason });
        check(&MergeGroup { members: unknown, ..group([]) }, "merge group");
    }
}
