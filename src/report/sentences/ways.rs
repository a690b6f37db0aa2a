//! What would lower the score, in words.

use super::{
    Sentence,
    figures::{count, counted, instant},
    list, name, say,
};
use crate::risk::assessment::{Action, SplitPart};

/// What to do.
pub(crate) fn action(action: &Action, items: usize) -> Sentence {
    match action {
        Action::OwnerApproval { files, owners } => say!["Have the owners approve the newest commit: "]
            .with(list(owners.iter(), items, "owners"))
            .then(" for ")
            .with(list(files.iter(), items, "files")),
        Action::Approval => say!["Have somebody with write access approve the newest commit"],
        Action::KnowerApproval { name: who, files } => {
            say!["Have ", name(who), " approve the newest commit, who knows "].with(list(files.iter(), items, "files"))
        }
        Action::ResolveChangesRequested { reviewers } => {
            say!["Settle the changes requested by "].with(list(reviewers.iter(), items, "reviewers"))
        }
        Action::PassChecks { checks } => say!["Get these checks to pass: "].with(list(checks.iter(), items, "checks")),
        Action::AddTests => say!["Change tests along with the source"],
        Action::CoverLines { lines, files } => {
            let said = say!["Test the ", counted(*lines, "changed line", "changed lines"), " that no test ran"];
            if files.is_empty() { said } else { said.then(": ").with(list(files.iter(), items, "files")) }
        }
        Action::SplitOffMigration { files } => {
            say!["Move the schema migration into a change of its own: "].with(list(files.iter(), items, "files"))
        }
        Action::Split { parts } => {
            let said = parts.iter().map(|part| split_part(part, items.div_ceil(parts.len())));
            say!["Take it apart, each part by itself: "].with(Sentence::joined(said, "; "))
        }
        Action::WaitForFreezeEnd { until } => say!["Merge after the freeze, from ", instant(*until), " on"],
        Action::WaitForBurn { until } => {
            let said = say!["Wait until the error budget burns below twice its pace"];
            match until {
                Some(until) => said.then(": by ").then(instant(*until)).then(", if nothing else goes wrong"),
                None => said,
            }
        }
        Action::WaitForBake { until } => {
            say!["Merge once the last deployment has proven itself, from ", instant(*until), " on"]
        }
    }
}

fn split_part(part: &SplitPart, items: usize) -> Sentence {
    let files = match items {
        0 => say![counted(part.files.len() as u64, "file", "files")],
        _ => list(part.files.iter(), items, "files"),
    };
    files.then(" would score ").then(count(part.score))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sentences::Detail;

    #[test]
    fn a_split_names_the_files_of_each_part_and_what_it_would_score() {
        let part =
            |files: &[&str], score| SplitPart { files: files.iter().map(|file| (*file).to_owned()).collect(), score };
        let split = Action::Split {
            parts: vec![
                part(&["api/charge.rs", "api/refund.rs", "api/tests/refund.rs"], 41),
                part(&["web/`login`.ts\u{202e}"], 28),
            ],
        };
        let plain = |items: usize| action(&split, items).plain(Detail::FULL);
        insta::assert_snapshot!(plain(4), @"Take it apart, each part by itself: api/charge.rs, api/refund.rs and 1 more would score 41; web/`login`.ts⟨U+202E⟩ would score 28");
        insta::assert_snapshot!(plain(0), @"Take it apart, each part by itself: 3 files would score 41; 1 file would score 28");
        let markdown = action(&split, 4).markdown(Detail::FULL);
        assert!(markdown.contains("`api/charge.rs`, `api/refund.rs` and 1 more would score 41; ``"), "{markdown}");
    }
}
