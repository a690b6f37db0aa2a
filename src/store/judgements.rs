//! What each look at the outcomes came to, and what a proposed model would have scored beside the one in force.

use super::{
    Result, Store,
    db::{Row, Val, limit},
};

/// A look at the outcomes: whether stated rates drift, and what a challenger came to where one was fitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgementRow {
    /// When, in milliseconds since 1970. One at each instant.
    pub made_at: i64,
    /// Version of the model in force.
    pub champion: String,
    /// Outcomes that were known.
    pub changes: i64,
    /// Failures among them.
    pub failed: i64,
    /// What became of the challenger, in a word; empty where none was fitted.
    pub verdict: String,
    /// Version that was proposed; empty where none was.
    pub proposed: String,
    /// Whether the latest rates are off by more than chance; `None` while that cannot be told.
    pub drifts: Option<bool>,
    /// Failures more than expected, in hundredths of a standard deviation; 0 while that cannot be told.
    pub level_z100: i64,
    /// Spiegelhalter's statistic, likewise.
    pub spread_z100: i64,
}

/// A score that a proposed model would have given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowRow {
    /// The assessment that it stands beside.
    pub assessment_id: String,
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The proposed version.
    pub version: String,
    /// 0-100, floors included.
    pub score: u8,
}

/// How a proposed model's scores compare with those that were shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowSeen {
    /// Assessments that it stood beside.
    pub assessments: i64,
    /// Those whose level would have been higher.
    pub higher: i64,
    /// Those whose level would have been lower.
    pub lower: i64,
    /// When the first of them was made, in milliseconds since 1970.
    pub since: Option<i64>,
}

impl Store {
    /// Keeps what a look came to; one of the same instant stays.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_judgement(&self, row: &JudgementRow) -> Result<()> {
        let args = vec![
            row.made_at.into(),
            (&row.champion).into(),
            row.changes.into(),
            row.failed.into(),
            (&row.verdict).into(),
            (&row.proposed).into(),
            row.drifts.map(i64::from).into(),
            row.level_z100.into(),
            row.spread_z100.into(),
        ];
        self.db.exec(SAVE, args).await.map(drop)
    }

    /// The latest looks, the newest first.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn judgements(&self, most: usize) -> Result<Vec<JudgementRow>> {
        let rows = self.db.query(LATEST, vec![limit(most)]).await?;
        rows.into_iter().map(judgement).collect()
    }

    /// When a challenger was fitted last on enough outcomes, in milliseconds since 1970.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn challenged_at(&self) -> Result<Option<i64>> {
        self.db.query_one(CHALLENGED, Vec::new()).await?.map_or(Ok(None), |mut row| row.take(0))
    }

    /// Version of the newest proposal against a model that was made since the ledger last moved: one from before was judged
    /// against what stood then, or was in force and taken back.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn open_proposal(&self, champion: &str) -> Result<Option<String>> {
        self.db.query_one(OPEN, vec![champion.into()]).await?.map(|mut row| row.take(0)).transpose()
    }

    /// Keeps a score beside its assessment; one that is there stays.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_shadow(&self, row: &ShadowRow) -> Result<()> {
        let args: Vec<Val> = vec![
            (&row.assessment_id).into(),
            row.repository_id.into(),
            (&row.version).into(),
            i64::from(row.score).into(),
        ];
        self.db.exec(SAVE_SHADOW, args).await.map(drop)
    }

    /// How a proposed model's scores compare with those that were shown.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn shadow(&self, version: &str) -> Result<ShadowSeen> {
        let mut seen = ShadowSeen::default();
        for mut row in self.db.query(SHADOW, vec![version.into()]).await? {
            let (shown, shadow, count, first): (i64, i64, i64, i64) =
                (row.take(0)?, row.take(1)?, row.take(2)?, row.take(3)?);
            seen.assessments += count;
            seen.higher += if shadow > shown { count } else { 0 };
            seen.lower += if shadow < shown { count } else { 0 };
            seen.since = Some(seen.since.map_or(first, |since| since.min(first)));
        }
        Ok(seen)
    }
}

fn judgement(mut row: Row) -> Result<JudgementRow> {
    Ok(JudgementRow {
        made_at: row.take(0)?,
        champion: row.take(1)?,
        changes: row.take(2)?,
        failed: row.take(3)?,
        verdict: row.take(4)?,
        proposed: row.take(5)?,
        drifts: row.take::<Option<i64>>(6)?.map(|drifts| drifts != 0),
        level_z100: row.take(7)?,
        spread_z100: row.take(8)?,
    })
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, LATEST, CHALLENGED, OPEN, SAVE_SHADOW, SHADOW];

const SAVE: &str = "\
INSERT INTO model_judgements \
  (made_at, champion, changes, failed, verdict, proposed, drifts, level_z100, spread_z100) \
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (made_at) DO NOTHING";

const LATEST: &str = "\
SELECT made_at, champion, changes, failed, verdict, proposed, drifts, level_z100, spread_z100 \
FROM model_judgements ORDER BY made_at DESC LIMIT $1";

const CHALLENGED: &str = "\
SELECT MAX(made_at) FROM model_judgements WHERE verdict NOT IN ('', 'too_few')";

const OPEN: &str = "\
SELECT version FROM model_proposals \
WHERE champion = $1 AND version NOT IN (SELECT version_after FROM model_moves) \
  AND made_at >= (SELECT COALESCE(MAX(at), 0) FROM model_moves) \
ORDER BY made_at DESC, version DESC LIMIT 1";

const SAVE_SHADOW: &str = "\
INSERT INTO shadow_scores (assessment_id, repository_id, version, score) VALUES ($1, $2, $3, $4) \
ON CONFLICT (assessment_id) DO NOTHING";

/// By level, of which there are four: 0-39, 40-69, 70-89, 90-100.
const SHADOW: &str = "\
SELECT CASE WHEN a.score < 40 THEN 0 WHEN a.score < 70 THEN 1 WHEN a.score < 90 THEN 2 ELSE 3 END AS shown, \
  CASE WHEN s.score < 40 THEN 0 WHEN s.score < 70 THEN 1 WHEN s.score < 90 THEN 2 ELSE 3 END AS shadow, \
  COUNT(*), MIN(a.at) \
FROM shadow_scores s JOIN assessments a ON a.id = s.assessment_id \
WHERE s.version = $1 GROUP BY 1, 2";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::{
        outcome::recalibrate::Verdict,
        store::{ModelMove, ModelProposal, Moving},
    };

    #[tokio::test]
    async fn looks_are_kept_and_the_newest_comes_first() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!((store.judgements(5).await, store.challenged_at().await), (Ok(Vec::new()), Ok(None)));
        let look = |made_at, verdict: &str, drifts| JudgementRow {
            made_at,
            champion: "v0".to_owned(),
            changes: 1_240,
            failed: 38,
            verdict: verdict.to_owned(),
            proposed: String::new(),
            drifts,
            level_z100: -123,
            spread_z100: 7,
        };
        let looks = [look(1, "too_few", None), look(2, "not_better", Some(false)), look(3, "", Some(true))];
        for row in &looks {
            store.save_judgement(row).await.unwrap();
            store.save_judgement(&look(row.made_at, "proposed", None)).await.unwrap();
        }
        assert_eq!(store.judgements(2).await, Ok(vec![looks[2].clone(), looks[1].clone()]));
        assert_eq!(store.challenged_at().await, Ok(Some(2)), "one with too little was no challenge");
        for (made_at, verdict) in (10..).zip(Verdict::ALL) {
            let row = look(made_at, verdict.word(), None);
            store.save_judgement(&row).await.unwrap();
            assert_eq!(store.judgements(1).await, Ok(vec![row]));
        }
    }

    #[tokio::test]
    async fn a_proposal_is_open_until_another_model_is_put_in_force() {
        let place = Place::new();
        let store = place.open().await;
        let propose = async |version: &str, champion: &str, made_at| {
            let proposal = ModelProposal {
                version: version.to_owned(),
                prior: "v0".to_owned(),
                champion: champion.to_owned(),
                made_at,
                changes: 1,
                failed: 1,
                said: String::new(),
            };
            store.propose_model("{}", &proposal).await.unwrap();
        };
        let put = async |version: Option<&str>, at: i64| {
            let moved = ModelMove {
                move_id: format!("m{at}"),
                what: if version.is_some() { Moving::Activated } else { Moving::RolledBack },
                at,
                made_by: "somebody".to_owned(),
                before: None,
                after: version.map(str::to_owned),
            };
            store.move_model(&moved).await.unwrap();
        };
        let open = async |champion: &str| store.open_proposal(champion).await.unwrap();
        for (version, champion, made_at) in [("v1", "v0", 1), ("v2", "v0", 2), ("v3", "other", 3)] {
            propose(version, champion, made_at).await;
        }
        assert_eq!(open("v0").await.as_deref(), Some("v2"), "the newest");
        put(Some("v2"), 4).await;
        assert_eq!((open("v0").await, open("v2").await), (None, None));
        put(None, 5).await;
        assert_eq!(open("v0").await, None, "neither what was in force nor what was passed over");
        propose("v4", "v0", 6).await;
        assert_eq!(open("v0").await.as_deref(), Some("v4"));
    }
}
