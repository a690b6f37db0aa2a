//! Model versions, saved once and never overwritten; which were proposed; and the ledger of which is in force.

use super::{
    Result, Store, StoreError,
    db::{Row, Val},
};

/// A challenger that did better beyond noise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelProposal {
    /// Its version; the weights are kept under it.
    pub version: String,
    /// Version of the model that no outcome had moved.
    pub prior: String,
    /// Version that was in force.
    pub champion: String,
    /// When it was made, in milliseconds since 1970.
    pub made_at: i64,
    /// Outcomes that it was fitted on.
    pub changes: i64,
    /// Failures among them.
    pub failed: i64,
    /// The judgement in words.
    pub said: String,
}

/// What was done about the model in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// A version was put in force.
    Activated,
    /// The last one was taken out of force.
    RolledBack,
}

/// An entry of the ledger. A version of `None` is the model that the program ships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMove {
    /// UUID version 7: the order of the ledger.
    pub move_id: String,
    /// What was done.
    pub what: Moving,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who did it, as far as is known.
    pub made_by: String,
    /// Version in force before.
    pub before: Option<String>,
    /// Version in force from then on.
    pub after: Option<String>,
}

impl Store {
    /// Keeps a model under its version; `false` if another one is kept under it already, which then stays.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_model(&self, version: &str, body: &str, now: i64) -> Result<bool> {
        let insert = self.db.exec(SAVE, vec![version.into(), body.into(), now.into()]).await?;
        if insert.changed == 1 {
            return Ok(true);
        }
        let kept = self.model(version).await?.ok_or(StoreError::Unreadable("a model"))?;
        Ok(kept == body)
    }

    /// Keeps a model with the proposal to put it in force; `false` if another one is kept under its version already.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn propose_model(&self, body: &str, proposal: &ModelProposal) -> Result<bool> {
        let ModelProposal { version, prior, champion, made_at, changes, failed, said } = proposal;
        if !self.save_model(version, body, *made_at).await? {
            return Ok(false);
        }
        let args = vec![
            version.into(),
            prior.into(),
            champion.into(),
            (*made_at).into(),
            (*changes).into(),
            (*failed).into(),
            said.into(),
        ];
        self.db.exec(PROPOSE, args).await.map(|done| done.changed == 1)
    }

    /// What was proposed, the newest last.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn model_proposals(&self) -> Result<Vec<ModelProposal>> {
        self.db.query(PROPOSALS, Vec::new()).await?.into_iter().map(proposal).collect()
    }

    /// The proposal of a version.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn model_proposal(&self, version: &str) -> Result<Option<ModelProposal>> {
        self.db.query_one(PROPOSAL, vec![version.into()]).await?.map(proposal).transpose()
    }

    /// Version of the model in force; `None` for the one that the program ships.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn model_in_force(&self) -> Result<Option<String>> {
        let Some(mut row) = self.db.query_one(IN_FORCE, Vec::new()).await? else { return Ok(None) };
        Ok(shipped_is_none(row.take(0)?))
    }

    /// Adds to the ledger; `false` if another version than `before` is in force by now.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn move_model(&self, entry: &ModelMove) -> Result<bool> {
        let what = match entry.what {
            Moving::Activated => "activated",
            Moving::RolledBack => "rolled_back",
        };
        let version = |version: &Option<String>| Val::from(version.as_deref().unwrap_or_default());
        let args = vec![
            (&entry.move_id).into(),
            what.into(),
            entry.at.into(),
            (&entry.made_by).into(),
            version(&entry.before),
            version(&entry.after),
        ];
        self.db.exec(MOVE, args).await.map(|done| done.changed == 1)
    }

    /// The ledger, in the order of time.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn model_moves(&self) -> Result<Vec<ModelMove>> {
        self.db.query(MOVES, Vec::new()).await?.into_iter().map(moved).collect()
    }

    /// The model of this version, as it was saved.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn model(&self, version: &str) -> Result<Option<String>> {
        self.db.query_one(BY_VERSION, vec![version.into()]).await?.map(|mut row| row.take(0)).transpose()
    }
}

fn proposal(mut row: Row) -> Result<ModelProposal> {
    Ok(ModelProposal {
        version: row.take(0)?,
        prior: row.take(1)?,
        champion: row.take(2)?,
        made_at: row.take(3)?,
        changes: row.take(4)?,
        failed: row.take(5)?,
        said: row.take(6)?,
    })
}

fn moved(mut row: Row) -> Result<ModelMove> {
    Ok(ModelMove {
        move_id: row.take(0)?,
        what: match row.take::<String>(1)?.as_str() {
            "activated" => Moving::Activated,
            "rolled_back" => Moving::RolledBack,
            _ => return Err(StoreError::Unreadable("a move of the model")),
        },
        at: row.take(2)?,
        made_by: row.take(3)?,
        before: shipped_is_none(row.take(4)?),
        after: shipped_is_none(row.take(5)?),
    })
}

fn shipped_is_none(version: String) -> Option<String> {
    Some(version).filter(|version| !version.is_empty())
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, BY_VERSION, PROPOSE, PROPOSALS, PROPOSAL, IN_FORCE, MOVE, MOVES];

const SAVE: &str = "\
INSERT INTO models (version, body, stored_at) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING";

const BY_VERSION: &str = "\
SELECT body FROM models WHERE version = $1";

const PROPOSE: &str = "\
INSERT INTO model_proposals (version, prior, champion, made_at, changes, failed, said) \
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (version) DO NOTHING";

const PROPOSALS: &str = "\
SELECT version, prior, champion, made_at, changes, failed, said FROM model_proposals ORDER BY made_at, version";

const PROPOSAL: &str = "\
SELECT version, prior, champion, made_at, changes, failed, said FROM model_proposals WHERE version = $1";

const IN_FORCE: &str = "\
SELECT version_after FROM model_moves ORDER BY move_id DESC LIMIT 1";

const MOVE: &str = "\
INSERT INTO model_moves (move_id, what, at, made_by, version_before, version_after) \
SELECT $1, $2, $3, $4, $5, $6 \
WHERE COALESCE((SELECT version_after FROM model_moves ORDER BY move_id DESC LIMIT 1), '') = $5";

const MOVES: &str = "\
SELECT move_id, what, at, made_by, version_before, version_after FROM model_moves ORDER BY move_id";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn the_ledger_says_what_is_in_force_and_takes_only_what_follows() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.model_in_force().await, Ok(None));
        let entry = |id: &str, what, before: Option<&str>, after: Option<&str>| ModelMove {
            move_id: id.to_owned(),
            what,
            at: 5,
            made_by: "command line".to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let first = entry("m1", Moving::Activated, None, Some("v1"));
        assert_eq!(store.move_model(&first).await, Ok(true));
        assert_eq!(store.model_in_force().await, Ok(Some("v1".to_owned())));
        // Somebody else was faster.
        assert_eq!(store.move_model(&entry("m2", Moving::Activated, None, Some("v2"))).await, Ok(false));
        let back = entry("m3", Moving::RolledBack, Some("v1"), None);
        assert_eq!(store.move_model(&back).await, Ok(true));
        assert_eq!(store.model_in_force().await, Ok(None));
        assert_eq!(store.model_moves().await, Ok(vec![first, back]));
    }

    #[tokio::test]
    async fn a_proposal_is_kept_with_its_model() {
        let place = Place::new();
        let store = place.open().await;
        let proposal = ModelProposal {
            version: "v2".to_owned(),
            prior: "v0".to_owned(),
            champion: "v1".to_owned(),
            made_at: 5,
            changes: 1_240,
            failed: 38,
            said: "better".to_owned(),
        };
        assert_eq!(store.propose_model("{}", &proposal).await, Ok(true));
        assert_eq!(store.propose_model("{\"other\":1}", &proposal).await, Ok(false));
        assert_eq!(store.model("v2").await, Ok(Some("{}".to_owned())));
        assert_eq!(store.model_proposal("v2").await, Ok(Some(proposal.clone())));
        assert_eq!(store.model_proposals().await, Ok(vec![proposal]));
        assert_eq!(store.model_proposal("v1").await, Ok(None));
    }

    #[tokio::test]
    async fn a_version_is_written_once() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.model("v1").await, Ok(None));
        assert_eq!(store.save_model("v1", "{}", 1).await, Ok(true));
        assert_eq!(store.save_model("v1", "{}", 2).await, Ok(true));
        assert_eq!(store.save_model("v1", "{\"other\":1}", 3).await, Ok(false));
        assert_eq!(store.model("v1").await, Ok(Some("{}".to_owned())));
    }
}
