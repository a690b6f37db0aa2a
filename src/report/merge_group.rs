//! The check run of a merge group that is not scored as a whole: answered from what its pull requests scored by
//! themselves, or ended because the group is gone.

use super::{
    check_run::{CheckRunText, RESCORE_BUTTON},
    sentences::{
        Detail, Sentence,
        figures::{count, pull_request},
        group, prose, say,
    },
};
use crate::risk::assessment::{Conclusion, Level};

/// Most rows of the table.
const ROWS_MAX: usize = 50;
/// Most pull requests that a title names.
const NAMED_MAX: usize = 4;

/// A group answered from the scores of its pull requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Number and own score, in the order of the queue.
    pub members: Vec<(u64, Option<u8>)>,
    /// They were read from the queue; else the name of the group's branch is all there is to go by.
    pub certain: bool,
    /// Why the change was not scored as a whole. Untrusted.
    pub why: &'a str,
    /// What the check run concludes.
    pub conclusion: Conclusion,
    /// Those whose override lets the group through.
    pub overridden: Vec<u64>,
}

/// The check run for a group answered from the scores of its pull requests.
pub fn from_members(standing: &Standing<'_>) -> CheckRunText {
    let highest = standing.members.iter().filter_map(|(number, score)| Some((score.as_ref()?, number))).max();
    let of = say!["merge group of "].with(named(standing));
    let (title, head) = match highest {
        Some((score, number)) => {
            let level = Level::of(*score).word();
            let title = say![count(*score), " ", level, ", ", "highest score of one in a "].with(of);
            let head = say![
                "**",
                count(*score),
                " of 100: ",
                level,
                ".** The highest score that a pull request of this \
                merge group had by itself: ",
                pull_request(*number)
            ];
            (title, head)
        }
        None if standing.members.is_empty() => (
            say!["No score: the merge group could not be read"],
            say![
                "**No score.** Which pull requests are in this \
                merge group is not known"
            ],
        ),
        None => (
            say!["No score: nothing is known of the "].with(of),
            say![
                "**No score.** No pull request of this merge \
            group was scored at its present commit"
            ],
        ),
    };
    let why = say!["Their changes were not scored together: ", prose(standing.why)];
    let paragraphs = [head, why, followed(standing)];
    let mut summary: String = paragraphs.iter().map(|one| format!("{}.\n\n", one.markdown(Detail::FULL))).collect();
    summary.push_str(&table(standing));
    plain(title.plain(Detail::FULL), summary)
}

/// The check run of a group that was taken away before it was scored; `reason` is GitHub's word.
pub fn gone(reason: &str) -> CheckRunText {
    let why = match reason {
        "merged" => "it was merged",
        "invalidated" => "a pull request ahead of it left the merge queue, and another group stands in its place",
        "dequeued" => "its pull request left the merge queue",
        _ => "it is in its merge queue no longer",
    };
    let summary = format!(
        "**No score.** This merge group was gone before it was scored: {why}. Nothing waits for this check any more.\n"
    );
    plain("No score: the merge group is gone".to_owned(), summary)
}

fn plain(title: String, summary: String) -> CheckRunText {
    CheckRunText { title, summary, text: None, annotations: Vec::new(), buttons: vec![RESCORE_BUTTON] }
}

fn named(standing: &Standing<'_>) -> Sentence {
    group::numbers(standing.members.iter().map(|(number, _)| *number), NAMED_MAX)
}

fn followed(standing: &Standing<'_>) -> Sentence {
    match standing.conclusion {
        Conclusion::Success => say!["Passed: each of them was below its threshold"],
        Conclusion::ActionRequired => say!["Held back, as one of them is by itself"],
        Conclusion::Neutral if !standing.overridden.is_empty() => {
            say!["Let through by the override of "].with(group::numbers(standing.overridden.iter().copied(), NAMED_MAX))
        }
        Conclusion::Neutral if standing.certain => say!["Neither passed nor held back"],
        Conclusion::Neutral => say!["Neither passed nor held back: which pull requests are in it is not certain"],
    }
}

fn table(standing: &Standing<'_>) -> String {
    if standing.members.is_empty() {
        return String::new();
    }
    let mut out = String::from("| Pull request | Score by itself |\n| :-- | --: |\n");
    for (number, score) in standing.members.iter().take(ROWS_MAX) {
        let score = score.map_or_else(|| "not scored at this commit".to_owned(), |score| score.to_string());
        out.push_str(&format!("| #{number} | {score} |\n"));
    }
    if let Some(left) = standing.members.len().checked_sub(ROWS_MAX).filter(|left| *left > 0) {
        out.push_str(&format!("| and {left} more | |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(members: &[(u64, Option<u8>)]) -> Standing<'static> {
        Standing {
            members: members.to_vec(),
            certain: true,
            why: "GitHub is not available: it answered with status 502 <b>@team</b>",
            conclusion: Conclusion::Neutral,
            overridden: Vec::new(),
        }
    }

    #[test]
    fn the_highest_speaks_for_the_group_and_the_rest_is_named() {
        let text = from_members(&standing(&[(12, Some(31)), (15, Some(72)), (18, None)]));
        assert_eq!(text.title, "72 high, highest score of one in a merge group of #12, #15, #18");
        insta::assert_snapshot!(text.summary, @r"
        **72 of 100: high.** The highest score that a pull request of this merge group had by itself: #15.

        Their changes were not scored together: GitHub is not `available:` it answered with status 502 `<b>@team</b>`.

        Neither passed nor held back.

        | Pull request | Score by itself |
        | :-- | --: |
        | #12 | 31 |
        | #15 | 72 |
        | #18 | not scored at this commit |
        ");
    }

    #[test]
    fn without_a_score_it_says_why() {
        let check = |members: &[(u64, Option<u8>)], title: &str| {
            let text = from_members(&standing(members));
            assert_eq!(text.title, title);
            assert!(text.summary.contains("502"), "{}", text.summary);
        };
        check(&[], "No score: the merge group could not be read");
        check(&[(12, None)], "No score: nothing is known of the merge group of #12");
    }

    #[test]
    fn a_long_queue_fits() {
        let members: Vec<(u64, Option<u8>)> = (1..=500).map(|number| (number, Some(1))).collect();
        let text = from_members(&standing(&members));
        assert!(text.title.ends_with("#1, #2, #3, #4 and 496 more"), "{}", text.title);
        assert!(text.summary.len() < 4_000 && text.summary.contains("and 450 more"));
    }
}
