//! What became of each pull request that went out: when it first ran in production, and what failed of the deployments that
//! brought it. Of a deployment that brought several, each is one of so many that may have done it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::attribution::{Attribution, Evidence as Why, Sure};
use super::change::{Change, ChangeId};
use super::failures::{BURN_WINDOW, Evidence, Outcome, ROLLED_FORWARD_WITHIN, RemedyKind};
use super::ledger::Deployment;
use super::reckoning::Reckoning;

/// How often a cause that is called possible is the right one, in percent; measured on the simulated years (docs/outcomes.md).
const POSSIBLE: u8 = 73;
/// The same of one that is likely.
const LIKELY: u8 = 98;
/// Of what a person said, or what was taken back shows, no doubt is left.
const CERTAIN: u8 = 100;

/// What became of a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// When it first took effect in production.
    pub deployed_at: DateTime<Utc>,
    /// What failed, the surest first.
    pub failures: Vec<Failure>,
}

/// A failure that may have been the pull request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failure {
    /// How sure it is that it was, in percent, 1-100.
    pub certainty: u8,
    /// What shows it.
    pub by: By,
    /// When it began.
    pub at: DateTime<Utc>,
}

/// What shows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// An incident that is put down to its deployment.
    Incident,
    /// Its deployment was rolled back, or it was taken back or mended in a hurry.
    RolledBack,
    /// An SLO burned after its deployment.
    SloBurn,
}

/// Whatever fails a change shows within so long after its deployment: what is taken back or mended later counts for nothing.
/// Until then nothing may be learned of it: what fails is known early and what does not only late.
pub const WATCHED: TimeDelta = ROLLED_FORWARD_WITHIN;

/// Pull requests by repository (`host/owner/name`) and number, each with what became of it by the first deployment that brought
/// it.
pub fn fates(reckoning: &Reckoning) -> BTreeMap<(String, u64), Fate> {
    let outcomes: BTreeMap<_, &Outcome> = reckoning.outcomes.iter().map(|one| (&one.deployment, one)).collect();
    let mut deployments: Vec<&Deployment> = reckoning.ledger.live().collect();
    deployments.sort_by_key(|one| (one.at, &one.id));
    let mut fates = BTreeMap::new();
    for deployment in deployments {
        let changes = deployment.witnesses.iter().find_map(|witness| reckoning.shipped.get(witness));
        let outcome = outcomes.get(&deployment.id);
        let Some(((changes, outcome), (repository, at))) =
            changes.zip(outcome).zip(deployment.repository.as_ref().zip(deployment.at))
        else {
            continue;
        };
        for change in changes {
            let ChangeId::PullRequest(number) = change.id else { continue };
            let failures = || failures(reckoning, (deployment, at), outcome, (changes, number));
            fates.entry((repository.clone(), number)).or_insert_with(|| Fate { deployed_at: at, failures: failures() });
        }
    }
    fates
}

fn failures(
    reckoning: &Reckoning,
    (deployment, at): (&Deployment, DateTime<Utc>),
    outcome: &Outcome,
    (changes, number): (&[Change], u64),
) -> Vec<Failure> {
    let taken_back = |number: u64| {
        reckoning.remedies.iter().any(|remedy| {
            remedy.failed == deployment.id
                && matches!(remedy.kind, RemedyKind::Revert { taken_back, .. } if taken_back == number)
        })
    };
    let numbers: Vec<u64> = changes.iter().filter_map(pull_request).collect();
    // Where one of them was taken back, it was that one.
    let share = match (numbers.iter().any(|one| taken_back(*one)), taken_back(number)) {
        (true, true) => 1,
        (true, false) => return Vec::new(),
        (false, _) => u8::try_from(changes.len().max(1)).unwrap_or(u8::MAX),
    };
    let mut failures: Vec<Failure> = outcome
        .evidence
        .iter()
        .filter_map(|evidence| {
            let (certainty, by, at) = match evidence {
                Evidence::Incident(id) => {
                    let attribution = reckoning.attributions.iter().find(|one| one.incident == *id)?;
                    let began = reckoning.incidents.iter().find(|one| one.id == *id)?.began_at;
                    let own = attribution.candidates.iter().find(|one| one.deployment == deployment.id);
                    let named = own.is_some_and(|own| {
                        own.evidence.iter().any(|why| matches!(why, Why::File(path) if files(changes, number, path)))
                    });
                    let sure = sure(attribution.sure?);
                    let share = if named { 1 } else { by_people(attribution, deployment, changes, number, share)? };
                    (sure / share, By::Incident, began.max(at))
                }
                Evidence::RolledBack(by) | Evidence::RolledForward(by) => {
                    let at = reckoning.ledger.find(by)?.at?;
                    (CERTAIN / share, By::RolledBack, at)
                }
                Evidence::Burn(_) => (LIKELY / share, By::SloBurn, at + BURN_WINDOW),
            };
            Some(Failure { certainty: certainty.max(1), by, at })
        })
        .collect();
    failures.sort_by(|a, b| (b.certainty, a.by, a.at).cmp(&(a.certainty, b.by, b.at)));
    failures
}

/// Among how many changes an incident is shared by what people said of pull requests: one that they named did it alone, and one
/// that they ruled out did not.
fn by_people(
    attribution: &Attribution,
    deployment: &Deployment,
    changes: &[Change],
    number: u64,
    share: u8,
) -> Option<u8> {
    if let Some(named) = attribution.named.filter(|_| attribution.cause.as_ref() == Some(&deployment.id)) {
        return (named == number).then_some(1);
    }
    let repository = deployment.repository.as_deref().unwrap_or_default().to_lowercase();
    let ruled_out = |number: u64| attribution.ruled_out.contains(&(repository.clone(), number));
    let others = changes.iter().filter_map(pull_request).filter(|one| ruled_out(*one)).count();
    (!ruled_out(number)).then(|| share.saturating_sub(u8::try_from(others).unwrap_or(u8::MAX)).max(1))
}

fn pull_request(change: &Change) -> Option<u64> {
    match change.id {
        ChangeId::PullRequest(number) => Some(number),
        ChangeId::Commit(_) => None,
    }
}

/// Whether a pull request changed a file.
fn files(changes: &[Change], number: u64, path: &str) -> bool {
    changes.iter().any(|change| change.id == ChangeId::PullRequest(number) && change.files.contains(path))
}

fn sure(sure: Sure) -> u8 {
    match sure {
        Sure::Possible => POSSIBLE,
        Sure::Likely => LIKELY,
        Sure::Proven | Sure::Corrected => CERTAIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::attribution::{Correction, Target, Verdict};
    use crate::deployment::change::Shipped;
    use crate::deployment::reckoning::{Rules, Told, reckon};
    use crate::deployment::stories::{api, change, deployed, minute, taken_back, telling};

    type Short = BTreeMap<u64, (i64, Vec<(u8, By)>)>;

    fn told(of_third: Change) -> Short {
        corrected(of_third, None)
    }

    fn corrected(of_third: Change, verdict: Option<Verdict>) -> Short {
        let plain = |number| change(number, &[0], |_| ());
        let shipped = Shipped::from([
            (api("2"), vec![plain(1), plain(2)]),
            (api("3"), vec![of_third]),
            (api("4"), vec![plain(1)]),
        ]);
        let day = 24 * 60;
        let sightings = vec![
            deployed("1", 0, "aaaaaaa"),
            deployed("2", 60, "bbbbbbb"),
            deployed("3", day, "ccccccc"),
            deployed("4", 2 * day, "ddddddd"),
        ];
        let tellings = vec![telling("i", 90, Some(100))];
        let incident = tellings[0].incident.clone();
        let said = |verdict| Correction { at: minute(100), id: "1".to_owned(), incident, verdict };
        let corrections = verdict.map(said).into_iter().collect();
        let told = Told { sightings, tellings, shipped, corrections, ..Told::default() };
        let reckoning = reckon(told, &Rules::default(), minute(3 * day));
        let short = |(key, fate): ((String, u64), Fate)| {
            assert_eq!(key.0, "github.com/acme/pay");
            let failures = fate.failures.iter().map(|one| (one.certainty, one.by)).collect();
            (key.1, ((fate.deployed_at - minute(0)).num_minutes(), failures))
        };
        fates(&reckoning).into_iter().map(short).collect()
    }

    #[test]
    fn a_failure_is_shared_by_what_went_out_together() {
        // The newest of two deployments, which is possible, and one of two.
        let found = told(change(3, &[0], |_| ()));
        assert_eq!(found[&1], (60, vec![(36, By::Incident)]));
        assert_eq!((&found[&2].1, &found[&3]), (&vec![(36, By::Incident)], &(24 * 60, Vec::new())));
    }

    #[test]
    fn a_person_says_which_of_them_did_it() {
        let first = || Target::PullRequest { repository: "github.com/acme/pay".to_owned(), number: 1 };
        let found = corrected(change(3, &[0], |_| ()), Some(Verdict::Attribute(first())));
        assert_eq!((&found[&1].1, &found[&2].1), (&vec![(100, By::Incident)], &Vec::new()));
        let found = corrected(change(3, &[0], |_| ()), Some(Verdict::Unattribute(first())));
        assert_eq!((&found[&1].1, &found[&2].1), (&Vec::new(), &vec![(73, By::Incident)]));
    }

    #[test]
    fn what_was_taken_back_did_it_alone() {
        let found = told(change(3, &[0], |pull| pull.takes_back = vec![taken_back(2, true)]));
        assert_eq!(found[&1].1, []);
        assert!(found[&2].1.contains(&(100, By::RolledBack)), "{found:?}");
        assert!(found[&2].1.iter().any(|(certainty, by)| *by == By::Incident && *certainty > 50), "{found:?}");
    }
}
