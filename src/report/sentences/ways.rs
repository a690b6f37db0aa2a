//! What would lower the score, in words.

use super::{
    Sentence,
    figures::{counted, instant},
    list, name, say,
};
use crate::risk::assessment::Action;

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
        Action::ChangeCompanions { files } => {
            say!["Change along what usually changes along: "].with(list(files.iter(), items, "files"))
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
