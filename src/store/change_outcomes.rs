//! What became of changes, a row for each assessment that a pull request was merged or closed with. Of failures the
//! surest one is kept; that a change took effect is noted once.

use super::{
    Result, Store,
    assessments::score,
    db::{Row, Statement, limit},
};

/// Changes that a rate is read off: the latest, as many as the correction of rates looks at.
const COUNTED: usize = 3_000;

/// What is known of a change after its last assessment. Instants are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The assessment that it was merged or closed with.
    pub assessment_id: String,
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The pull request.
    pub pull_request: i64,
    /// When it first took effect in production; `None` if it never did.
    pub effective_at: Option<i64>,
    /// When its window has passed; `None` if there is none.
    pub known_at: Option<i64>,
    /// Until when a failure would have been noticed; `None` if nobody watches.
    pub observed_until: Option<i64>,
    /// For how long the gate asked for action, in milliseconds; `None` if it never did.
    pub held_ms: Option<i64>,
    /// An override stood when it ended.
    pub overridden: bool,
    /// The surest failure that was put down to it.
    pub failure: Option<FailureRow>,
}

/// A failure that was put down to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRow {
    /// What shows it: `incident`, `rolled_back`, `slo_burn` or `fixed`.
    pub evidence: String,
    /// How sure it is that the change was the cause, 1-100 percent.
    pub certainty: i64,
    /// When it began.
    pub at: i64,
}

/// An outcome as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutcome {
    /// What is known.
    pub row: OutcomeRow,
    /// The pull request was merged or closed with another assessment later.
    pub superseded: bool,
    /// Deployments tell what became of it; else its merge does.
    pub deployed: bool,
}

impl Store {
    /// Notes how a pull request ended, and what that shows of the changes that it undoes, all or nothing. One that was
    /// closed may be merged later; one that took effect has.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is noted.
    pub async fn change_ended(&self, ended: &OutcomeRow, undone: &[(i64, FailureRow)]) -> Result<()> {
        let failures = undone.iter().map(|(pull_request, failure)| failed(ended.repository_id, *pull_request, failure));
        let mut statements: Vec<Statement> = failures.collect();
        statements.push((
            ENDED,
            vec![
                (&ended.assessment_id).into(),
                ended.repository_id.into(),
                ended.pull_request.into(),
                ended.effective_at.into(),
                ended.known_at.into(),
                ended.observed_until.into(),
                ended.held_ms.into(),
                i64::from(ended.overridden).into(),
            ],
        ));
        self.db.tx(statements).await.map(drop)
    }

    /// Notes what deployments tell of the change of a pull request, in place of what was noted before: when it first took effect
    /// in production, from when on its window of `window_ms` counts, and the surest failure that is put down to it. To be told
    /// again whenever that changes; from then on a merge and a proven revert say nothing of it any more. `false` if how the
    /// pull request ended was not noted, or it was deployed before `settled_before`: that stays as it is.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn change_fate(
        &self,
        (repository_id, pull_request): (i64, i64),
        (deployed_at, window_ms): (i64, i64),
        failure: Option<&FailureRow>,
        settled_before: i64,
    ) -> Result<bool> {
        let args = vec![
            repository_id.into(),
            pull_request.into(),
            deployed_at.into(),
            deployed_at.saturating_add(window_ms).into(),
            failure.map(|failure| &failure.evidence).into(),
            failure.map(|failure| failure.certainty).into(),
            failure.map(|failure| failure.at).into(),
            settled_before.into(),
        ];
        self.db.exec(FATE, args).await.map(|done| done.changed > 0)
    }

    /// Notes that a merged change is not in production yet: where deployments are reported, a merge is none.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn change_awaits_deployment(&self, repository_id: i64, pull_request: i64) -> Result<()> {
        self.db.exec(AWAITS, vec![repository_id.into(), pull_request.into()]).await.map(drop)
    }

    /// Puts a failure down to the change that a pull request brought, unless a surer one is known.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn change_failed(&self, repository_id: i64, pull_request: i64, failure: &FailureRow) -> Result<()> {
        let (sql, args) = failed(repository_id, pull_request, failure);
        self.db.exec(sql, args).await.map(drop)
    }

    /// How the pull request of an assessment ended, if it ended with this one.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn change_outcome(&self, assessment_id: &str) -> Result<Option<StoredOutcome>> {
        self.db.query_one(OF_ASSESSMENT, vec![assessment_id.into()]).await?.map(outcome).transpose()
    }

    /// Outcomes in the order of their assessments' ids, those after `after`; an empty page is the end.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn change_outcomes(&self, after: &str, most: usize) -> Result<Vec<StoredOutcome>> {
        let rows = self.db.query(PAGE, vec![after.into(), limit(most)]).await?;
        rows.into_iter().map(outcome).collect()
    }

    /// How the latest changes of a repository came out of which deployments tell, and of which that is known at `now`
    /// (milliseconds since 1970): the score that they were merged with, how many had it, and how many of those failed. One that
    /// failed with a certainty of half, since another went out with it, counts half; sums are rounded. The lowest score first.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn outcomes_by_score(&self, repository_id: i64, now: i64) -> Result<Vec<(u8, u64, u64)>> {
        let rows = self.db.query(BY_SCORE, vec![repository_id.into(), now.into(), limit(COUNTED)]).await?;
        let counted = |mut row: Row| Ok((score(row.take(0)?)?, count(row.take(1)?), (count(row.take(2)?) + 50) / 100));
        rows.into_iter().map(counted).collect()
    }

    /// When and with which conclusion a pull request was assessed, in the order of time.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn conclusions(&self, repository_id: i64, pull_request: i64) -> Result<Vec<(i64, String)>> {
        let rows = self.db.query(CONCLUSIONS, vec![repository_id.into(), pull_request.into()]).await?;
        rows.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn failed(repository_id: i64, pull_request: i64, failure: &FailureRow) -> Statement {
    let args = vec![
        repository_id.into(),
        pull_request.into(),
        (&failure.evidence).into(),
        failure.certainty.into(),
        failure.at.into(),
    ];
    (FAILED, args)
}

fn outcome(mut row: Row) -> Result<StoredOutcome> {
    let failure = match (row.take(8)?, row.take(9)?, row.take(10)?) {
        (Some(evidence), Some(certainty), Some(at)) => Some(FailureRow { evidence, certainty, at }),
        _ => None,
    };
    Ok(StoredOutcome {
        row: OutcomeRow {
            assessment_id: row.take(0)?,
            repository_id: row.take(1)?,
            pull_request: row.take(2)?,
            effective_at: row.take(3)?,
            known_at: row.take(4)?,
            observed_until: row.take(5)?,
            held_ms: row.take(6)?,
            overridden: row.take::<i64>(7)? != 0,
            failure,
        },
        superseded: row.take::<i64>(11)? != 0,
        deployed: row.take::<i64>(12)? != 0,
    })
}

pub(super) const STATEMENTS: &[&str] = &[ENDED, FATE, AWAITS, FAILED, OF_ASSESSMENT, PAGE, BY_SCORE, CONCLUSIONS];

/// The columns of an outcome, in the order in which they are read.
macro_rules! columns {
    () => {
        "\
SELECT o.assessment_id, o.repository_id, o.pull_request, o.effective_at, o.known_at, o.observed_until, o.held_ms, \
  o.overridden, o.evidence, o.certainty, o.failed_at, \
  (SELECT COUNT(*) FROM change_outcomes later WHERE later.repository_id = o.repository_id \
    AND later.pull_request = o.pull_request AND later.assessment_id > o.assessment_id), \
  CASE WHEN o.effective_by = 'deployment' THEN 1 ELSE 0 END \
FROM change_outcomes o"
    };
}

const ENDED: &str = "\
INSERT INTO change_outcomes \
  (assessment_id, repository_id, pull_request, effective_at, known_at, observed_until, held_ms, overridden) \
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
ON CONFLICT (assessment_id) DO UPDATE SET effective_at = excluded.effective_at, known_at = excluded.known_at, \
  observed_until = excluded.observed_until, held_ms = excluded.held_ms, overridden = excluded.overridden \
WHERE change_outcomes.effective_at IS NULL AND change_outcomes.effective_by = 'merge'";

const FATE: &str = "\
UPDATE change_outcomes SET effective_at = $3, known_at = $4, observed_until = $4, effective_by = 'deployment', \
  evidence = $5, certainty = $6, failed_at = $7 \
WHERE repository_id = $1 AND pull_request = $2 \
  AND (effective_by <> 'deployment' OR effective_at IS NULL OR effective_at >= $8)";

const AWAITS: &str = "\
UPDATE change_outcomes SET effective_at = NULL, known_at = NULL, observed_until = NULL, effective_by = 'deployment' \
WHERE repository_id = $1 AND pull_request = $2 AND effective_by = 'merge'";

const FAILED: &str = "\
UPDATE change_outcomes SET evidence = $3, certainty = $4, failed_at = $5 \
WHERE repository_id = $1 AND pull_request = $2 AND effective_at IS NOT NULL AND effective_by = 'merge' \
  AND (certainty IS NULL OR certainty < $4)";

const OF_ASSESSMENT: &str = concat!(columns!(), " WHERE o.assessment_id = $1");

const PAGE: &str = concat!(columns!(), " WHERE o.assessment_id > $1 ORDER BY o.assessment_id LIMIT $2");

const BY_SCORE: &str = "\
SELECT a.score, COUNT(*), SUM(COALESCE(o.certainty, 0)) \
FROM (SELECT assessment_id, repository_id, pull_request, certainty FROM change_outcomes \
  WHERE repository_id = $1 AND known_at <= $2 AND effective_by = 'deployment' ORDER BY known_at DESC LIMIT $3) o \
JOIN assessments a ON a.id = o.assessment_id \
WHERE NOT EXISTS (SELECT 1 FROM change_outcomes later WHERE later.repository_id = o.repository_id \
  AND later.pull_request = o.pull_request AND later.assessment_id > o.assessment_id) \
GROUP BY a.score ORDER BY a.score";

const CONCLUSIONS: &str = "\
SELECT at, conclusion FROM assessments WHERE repository_id = $1 AND pull_request = $2 ORDER BY at, id";

#[cfg(test)]
mod tests {
    use super::{
        super::{assessments::tests::row, testing::*},
        *,
    };

    fn merged(id: &str, pull_request: i64, at: Option<i64>) -> OutcomeRow {
        OutcomeRow {
            assessment_id: id.to_owned(),
            repository_id: 1,
            pull_request,
            effective_at: at,
            known_at: at.map(|at| at + 100),
            observed_until: at.map(|at| at + 100),
            held_ms: None,
            overridden: false,
            failure: None,
        }
    }

    #[tokio::test]
    async fn the_surest_failure_is_kept_and_taking_effect_is_final() {
        let place = Place::new();
        let store = place.open().await;
        let failure = |certainty| FailureRow { evidence: "rolled_back".to_owned(), certainty, at: 7 };
        store.change_ended(&merged("a1", 7, None), &[]).await.unwrap();
        // What never ran has not failed.
        store.change_failed(1, 7, &failure(100)).await.unwrap();
        let found = async |id: &str| store.change_outcome(id).await.unwrap().unwrap();
        assert_eq!(found("a1").await, StoredOutcome { row: merged("a1", 7, None), superseded: false, deployed: false });
        store.change_ended(&merged("a1", 7, Some(5)), &[]).await.unwrap();
        store.change_ended(&merged("a1", 7, Some(6)), &[]).await.unwrap();
        for (certainty, kept) in [(60, 60), (40, 60), (100, 100)] {
            store.change_ended(&merged("a2", 8, Some(9)), &[(7, failure(certainty))]).await.unwrap();
            let row = OutcomeRow { failure: Some(failure(kept)), ..merged("a1", 7, Some(5)) };
            assert_eq!(found("a1").await.row, row);
        }
        assert_eq!(found("a2").await.row, merged("a2", 8, Some(9)));
        assert_eq!(store.change_outcome("a3").await, Ok(None));
    }

    #[tokio::test]
    async fn where_deployments_are_reported_they_say_what_became_of_a_change() {
        let place = Place::new();
        let store = place.open().await;
        store.change_ended(&merged("a1", 7, Some(5)), &[]).await.unwrap();
        store.change_awaits_deployment(1, 7).await.unwrap();
        let found = async || store.change_outcome("a1").await.unwrap().unwrap().row;
        assert_eq!(found().await, merged("a1", 7, None), "merged, and not in production");
        // News of the merge that comes again does not put it there.
        store.change_ended(&merged("a1", 7, Some(5)), &[]).await.unwrap();
        assert_eq!(found().await, merged("a1", 7, None));
        let incident = FailureRow { evidence: "incident".to_owned(), certainty: 73, at: 44 };
        assert_eq!(store.change_fate((1, 7), (40, 100), Some(&incident), 0).await, Ok(true));
        let failed = OutcomeRow { failure: Some(incident), ..merged("a1", 7, Some(40)) };
        assert_eq!(found().await, failed);
        // A revert that is merged is for the deployments to tell.
        let revert = FailureRow { evidence: "rolled_back".to_owned(), certainty: 100, at: 60 };
        store.change_failed(1, 7, &revert).await.unwrap();
        assert_eq!(found().await, failed);
        // Somebody said that it was not this one.
        assert_eq!(store.change_fate((1, 7), (40, 100), None, 0).await, Ok(true));
        store.change_awaits_deployment(1, 7).await.unwrap();
        assert_eq!(found().await, merged("a1", 7, Some(40)));
        assert_eq!(store.change_fate((1, 8), (50, 100), None, 0).await, Ok(false), "how it ended is not known");
        // Another service deploys it when this is long settled.
        assert_eq!(store.change_fate((1, 7), (900, 100), None, 41).await, Ok(false));
        assert_eq!(found().await, merged("a1", 7, Some(40)));
    }

    #[tokio::test]
    async fn a_pull_request_that_ended_twice_counts_by_its_last_assessment() {
        let place = Place::new();
        let store = place.open().await;
        for row in [merged("a1", 7, None), merged("a2", 8, Some(1)), merged("a3", 7, Some(2))] {
            store.change_ended(&row, &[]).await.unwrap();
        }
        let page = store.change_outcomes("", 2).await.unwrap();
        let seen = |page: &[StoredOutcome]| {
            page.iter().map(|one| (one.row.assessment_id.clone(), one.superseded)).collect::<Vec<_>>()
        };
        assert_eq!(seen(&page), [("a1".to_owned(), true), ("a2".to_owned(), false)]);
        assert_eq!(seen(&store.change_outcomes("a2", 2).await.unwrap()), [("a3".to_owned(), false)]);
    }

    /// Only what deployments tell counts, once it is known, by the assessment that a pull request was merged with last.
    #[tokio::test]
    async fn outcomes_are_counted_by_the_score_that_changes_were_merged_with() {
        let place = Place::new();
        let store = place.open().await;
        let incident = |certainty| FailureRow { evidence: "incident".to_owned(), certainty, at: 44 };
        // Two went out together: 49 each.
        let told = [(1, 30, Some(49)), (2, 30, Some(98)), (3, 30, Some(49)), (4, 55, Some(73)), (5, 30, None)];
        for (pull_request, score, failure) in told {
            let id = format!("a{pull_request}");
            let row = row(&id, pull_request, 1, score);
            store.save_assessment(&row).await.unwrap();
            store.change_ended(&merged(&id, pull_request, Some(5)), &[]).await.unwrap();
            let failure = failure.map(incident);
            if pull_request < 5 {
                store.change_fate((1, pull_request), (40 * pull_request, 100), failure.as_ref(), 0).await.unwrap();
            }
        }
        assert_eq!(store.outcomes_by_score(1, 260).await, Ok(vec![(30, 3, 2), (55, 1, 1)]));
        assert_eq!(store.outcomes_by_score(1, 259).await, Ok(vec![(30, 3, 2)]), "the fourth is not known yet");
        assert_eq!(store.outcomes_by_score(2, 260).await, Ok(vec![]));
        // Merged again with another assessment, of which nothing is known.
        store.change_ended(&merged("a9", 4, None), &[]).await.unwrap();
        assert_eq!(store.outcomes_by_score(1, 260).await, Ok(vec![(30, 3, 2)]));
    }
}
