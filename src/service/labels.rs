//! What became of assessed changes: noted when a pull request ends, read when something is to be learned from it.
//!
//! Where no deployment tells more, a change takes effect when it is merged, and what fails it is a proven revert within the
//! time that the shipped model was fitted on. Where deployments are told of, `outcomes::teach` says what became of it.

use std::{collections::HashMap, sync::Arc};

use super::{App, assess::Outcome, champion, number};
use crate::{
    github::{Installation, PullRequest, RepoName},
    history::RIPE_AFTER,
    outcome::recalibrate::{Assessed, Evidence, Fate, terms_of_assessment},
    risk::{
        Model, assess,
        assessment::{Assessment, Conclusion, Failed},
        facts::{AuthorKind, ChangeState, Facts, Revert},
        policy::Policy,
    },
    store::{AssessmentRow, FailureRow, OutcomeRow, Store, StoreError, StoredOutcome},
};

/// Hexadecimal digits of a whole object id, at the least.
const WHOLE_SHA: usize = 40;
/// Outcomes read at a time.
const PAGE: usize = 200;

/// Notes how a pull request ended that was merged or closed with `last`, and that it undid another where that is proven.
/// Nothing is noted of an assessment that was made of another commit or after the end: it was not the one at merge.
pub(super) async fn ended(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    last: &AssessmentRow,
) -> Result<(), Outcome> {
    let known = app.store.change_outcome(&last.id).await?;
    let settled = known.is_some_and(|known| known.row.effective_at.is_some() || pull.state == ChangeState::Closed);
    if settled || last.head_sha != pull.head_sha {
        return Ok(());
    }
    let Ok(facts) = serde_json::from_str::<Facts>(&last.facts) else { return Ok(()) };
    if facts.change.state != ChangeState::Open {
        return Ok(());
    }
    // The first news after the end: what is noted once is not moved by later ones.
    let ended_at = pull.updated_at.timestamp_millis().max(last.at);
    let effective_at = (pull.state == ChangeState::Merged).then_some(ended_at);
    let known_at = effective_at.map(|at| at.saturating_add(RIPE_AFTER * 1_000));
    let conclusions = app.store.conclusions(last.repository_id, number(pull.number)).await?;
    let row = OutcomeRow {
        assessment_id: last.id.clone(),
        repository_id: last.repository_id,
        pull_request: number(pull.number),
        effective_at,
        known_at,
        observed_until: known_at,
        held_ms: held_ms(&conclusions, ended_at),
        overridden: facts.overridden.is_some(),
        failure: None,
    };
    let undone = match effective_at {
        Some(at) => undone(installation, repo, &facts, at).await?,
        None => Vec::new(),
    };
    app.store.change_ended(&row, &undone).await?;
    // Where deployments are told of, a merge is none.
    if row.effective_at.is_some() && app.store.is_deployed_from(row.repository_id).await? {
        app.store.change_awaits_deployment(row.repository_id, row.pull_request).await?;
    }
    Ok(())
}

/// The pull requests that a change undoes, as the failures that this shows.
async fn undone(
    installation: &Installation,
    repo: &RepoName,
    facts: &Facts,
    at: i64,
) -> Result<Vec<(i64, FailureRow)>, Outcome> {
    let Ok(Some(Revert { of, proven: Ok(true) })) = &facts.change.revert else { return Ok(Vec::new()) };
    let pulls: Vec<i64> = match of.strip_prefix('#') {
        Some(pull) => pull.parse().into_iter().collect(),
        // The beginning of an id names no commit for sure.
        None if of.len() < WHOLE_SHA => Vec::new(),
        None => {
            let named = installation.pulls_of_commit(repo, of).await?;
            let merged = named.into_iter().filter(|pull| pull.state == ChangeState::Merged);
            merged.filter(|pull| pull.base_ref == facts.change.base_ref).map(|pull| number(pull.number)).collect()
        }
    };
    let failure = FailureRow { evidence: ROLLED_BACK.to_owned(), certainty: 100, at };
    Ok(pulls.into_iter().map(|pull| (pull, failure.clone())).collect())
}

/// How long the gate asked for action until the end; `None` if it never did.
fn held_ms(conclusions: &[(i64, String)], end: i64) -> Option<i64> {
    let next = conclusions.iter().skip(1).map(|(at, _)| *at).chain(std::iter::once(end));
    let spans = conclusions.iter().zip(next).filter(|((_, said), _)| said == Conclusion::ActionRequired.word());
    spans.map(|((from, _), until)| until.saturating_sub(*from).max(0)).reduce(|sum, span| sum.saturating_add(span))
}

const INCIDENT: &str = "incident";
const ROLLED_BACK: &str = "rolled_back";
const SLO_BURN: &str = "slo_burn";
const FIXED: &str = "fixed";

/// Outcomes with what the model saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcomes {
    /// Of all changes, in the order of assessment.
    pub assessed: Vec<Assessed>,
    /// Whether each takes part in fitting: it is a person's own change. Bots, reverts and changes of no file do not.
    pub teaches: Vec<bool>,
    /// Those whose facts were forgotten, or cannot be read by this version.
    pub unreadable: u64,
}

impl Outcomes {
    /// Those that take part in fitting.
    pub fn teaching(self) -> Vec<Assessed> {
        self.assessed.into_iter().zip(self.teaches).filter_map(|(one, teaches)| teaches.then_some(one)).collect()
    }
}

/// Reads what became of assessed changes, of one repository or of all. `now` is in unix seconds.
///
/// # Errors
/// Whatever the database fails with.
pub async fn outcomes(store: &Store, repository: Option<i64>, now: i64) -> Result<Outcomes, StoreError> {
    let (mut found, mut unreadable, mut after) = (Vec::new(), 0, String::new());
    let mut models: HashMap<String, Option<Arc<Model>>> = HashMap::new();
    loop {
        let page = store.change_outcomes(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.row.assessment_id);
        for outcome in page {
            if repository.is_some_and(|wanted| wanted != outcome.row.repository_id) {
                continue;
            }
            let Some(row) = store.assessment(&outcome.row.assessment_id).await? else { continue };
            let read = (serde_json::from_str::<Facts>(&row.facts), serde_json::from_str::<Policy>(&row.policy));
            let model = match models.get(&row.model_version) {
                Some(known) => known.clone(),
                None => {
                    let model = champion::stored(store, &row.model_version).await.ok().map(Arc::new);
                    models.insert(row.model_version.clone(), model.clone());
                    model
                }
            };
            let (Ok(facts), Ok(policy), Some(model)) = (read.0, read.1, model) else {
                unreadable += 1;
                continue;
            };
            let stood = assess(&facts, &model, &policy);
            found.push((assessed(&row, &facts, &stood, &outcome, now), teaches(&facts)));
        }
    }
    found.sort_by_key(|(one, _)| one.at);
    let (assessed, teaches) = found.into_iter().unzip();
    Ok(Outcomes { assessed, teaches, unreadable })
}

fn teaches(facts: &Facts) -> bool {
    let change = &facts.change;
    change.author.kind == AuthorKind::Human && change.files_total > 0 && !matches!(change.revert, Ok(Some(_)))
}

fn assessed(row: &AssessmentRow, facts: &Facts, stood: &Assessment, outcome: &StoredOutcome, now: i64) -> Assessed {
    let known = &outcome.row;
    let seconds = |ms: i64| ms.div_euclid(1_000);
    let fate = Fate {
        superseded: outcome.superseded,
        held: known.held_ms.is_some(),
        deployed_at: known.effective_at.map(seconds),
        observed_until: known.observed_until.map(seconds),
        failures: known.failure.iter().filter_map(failure).collect(),
    };
    let window =
        known.known_at.zip(known.effective_at).map_or(RIPE_AFTER, |(end, start)| seconds(end) - seconds(start));
    // A rate is judged by what it spoke of.
    let counts = if outcome.deployed { Failed::InProduction } else { Failed::RolledBack };
    Assessed {
        id: row.id.clone(),
        at: seconds(row.at),
        known_at: fate.known_at(window).filter(|_| !outcome.superseded),
        terms: terms_of_assessment(stood, facts),
        score: row.score,
        // Rules lift a score as they did, whatever the weights are.
        floor: stood.lift(),
        stated: stood.probability.filter(|rate| rate.counts == counts).map(|rate| rate.value),
        label: fate.label(window, now),
        deployed: outcome.deployed,
        overridden: known.overridden,
        held_s: known.held_ms.map(|ms| seconds(ms).unsigned_abs()),
    }
}

/// A failure as the label reads it; nothing of a kind that a later version wrote.
fn failure(row: &FailureRow) -> Option<(Evidence, f64, i64)> {
    let evidence = match row.evidence.as_str() {
        INCIDENT => Evidence::Incident,
        ROLLED_BACK => Evidence::RolledBack,
        SLO_BURN => Evidence::SloBurn,
        FIXED => Evidence::Fixed,
        _ => return None,
    };
    Some((evidence, row.certainty as f64 / 100.0, row.at.div_euclid(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_under_the_gate_adds_up() {
        let check = |conclusions: &[(i64, &str)], expected: Option<i64>| {
            let conclusions: Vec<_> = conclusions.iter().map(|(at, said)| (*at, (*said).to_owned())).collect();
            assert_eq!(held_ms(&conclusions, 100), expected, "{conclusions:?}");
        };
        check(&[], None);
        check(&[(10, "neutral"), (20, "success")], None);
        check(&[(10, "action_required")], Some(90));
        check(&[(10, "action_required"), (15, "neutral"), (40, "action_required"), (60, "neutral")], Some(25));
        // Clocks differ: what seems to begin after the end took no time.
        check(&[(110, "action_required")], Some(0));
    }
}
