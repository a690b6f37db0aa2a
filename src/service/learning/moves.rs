//! Which model is in force: putting one there and taking it back, each a row of a ledger that is only added to.

use crate::{
    clock::Clock,
    outcome::recalibrate::{Turn, succession},
    risk::Model,
    service::champion,
    store::{ModelMove, Moving, Store, StoreError},
};

/// Longest name in the ledger, in characters.
pub(super) const NAME_MAX: usize = 100;

/// Why another model was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no such model, or it cannot be read.
    #[error("{0:#}")]
    NoModel(anyhow::Error),
    /// It is in force.
    #[error("{0} is in force already")]
    InForce(String),
    /// Nothing was put in force that could be taken back.
    #[error("The model that the program ships is in force; there is nothing to take back")]
    NothingBefore,
    /// Somebody else was faster.
    #[error("Somebody else has just put another model in force\nhint: look at `mergecast calibrate --proposals` again")]
    Raced,
    /// Nobody is called so.
    #[error("The name must have 1 to {NAME_MAX} printable characters")]
    Name,
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a stored model in force; gives the version that was. Scores that are made from then on are made with it; those made
/// before stay.
///
/// # Errors
/// See [`MoveError`].
pub async fn activate(store: &Store, clock: &Clock, version: &str, by: &str) -> Result<String, MoveError> {
    // One that cannot be read would be no model to score with.
    let model = champion::stored(store, version).await.map_err(|error| match error.downcast() {
        Ok(failed) => MoveError::Store(failed),
        Err(error) => MoveError::NoModel(error),
    })?;
    let before = store.model_in_force().await?;
    let version_before = named(before.as_deref()).to_owned();
    if version_before == model.version {
        return Err(MoveError::InForce(model.version));
    }
    note(store, clock, Moving::Activated, before, Some(model.version), by).await?;
    Ok(version_before)
}

/// Puts the model in force again that was before the last activation which still holds; gives the version that was, and the
/// one that is.
///
/// # Errors
/// See [`MoveError`].
pub async fn roll_back(store: &Store, clock: &Clock, by: &str) -> Result<(String, String), MoveError> {
    let moves = store.model_moves().await?;
    let turns = moves.iter().map(|entry| match (entry.what, &entry.after) {
        (Moving::Activated, Some(version)) => Turn::Activated(version),
        (Moving::Activated, None) | (Moving::RolledBack, _) => Turn::RolledBack,
    });
    let versions = succession(turns);
    let Some((last, earlier)) = versions.split_last() else { return Err(MoveError::NothingBefore) };
    let after = earlier.last().map(|version| (*version).to_owned());
    let now = named(after.as_deref()).to_owned();
    note(store, clock, Moving::RolledBack, Some((*last).to_owned()), after, by).await?;
    Ok(((*last).to_owned(), now))
}

fn named(version: Option<&str>) -> &str {
    version.unwrap_or(&Model::baseline().version)
}

async fn note(
    store: &Store,
    clock: &Clock,
    what: Moving,
    before: Option<String>,
    after: Option<String>,
    by: &str,
) -> Result<(), MoveError> {
    if by.is_empty() || by.chars().count() > NAME_MAX || by.chars().any(char::is_control) {
        return Err(MoveError::Name);
    }
    let (move_id, at, made_by) = (clock.new_id(), clock.now_ms(), by.to_owned());
    if store.move_model(&ModelMove { move_id, what, at, made_by, before, after }).await? {
        Ok(())
    } else {
        Err(MoveError::Raced)
    }
}
