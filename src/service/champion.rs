//! The model in force. Another process may put another one in force at any time, so that each score asks which it is; its
//! weights are read once.

use std::sync::{Arc, Mutex, PoisonError};

use super::App;
use crate::{
    risk::Model,
    store::{Store, StoreError},
};

/// The model that was in force when it was asked for last.
pub(super) struct Champion {
    last: Mutex<Arc<Model>>,
}

impl Default for Champion {
    fn default() -> Self {
        Self { last: Mutex::new(Arc::new(Model::baseline().clone())) }
    }
}

impl App {
    /// The model to score with.
    ///
    /// One that cannot be read holds up no score: what scored before goes on, and the log says so.
    pub(super) async fn champion(&self) -> Result<Arc<Model>, StoreError> {
        let last = self.champion.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let version = self.store.model_in_force().await?;
        let version = version.as_deref().unwrap_or(&Model::baseline().version);
        if last.version == version {
            return Ok(last);
        }
        let model = match in_force(&self.store).await {
            Ok(model) => Arc::new(model),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the model in force cannot be read; {} scores",
                    last.version
                );
                return Ok(last);
            }
        };
        tracing::info!(model = %model.version, before = %last.version, "another model is in force");
        *self.champion.last.lock().unwrap_or_else(PoisonError::into_inner) = model.clone();
        Ok(model)
    }
}

/// Keeps the model that the program ships, so that what it scores can be computed again when it ships another.
pub(super) async fn keep_shipped(store: &Store, now: i64) -> Result<(), StoreError> {
    let model = Model::baseline();
    let body = serde_json::to_string(model).expect("a model is plain data");
    store.save_model(&model.version, &body, now).await.map(drop)
}

/// The model in force.
///
/// # Errors
/// When the database or the model cannot be read.
pub async fn in_force(store: &Store) -> anyhow::Result<Model> {
    match store.model_in_force().await? {
        Some(version) => stored(store, &version).await,
        None => Ok(Model::baseline().clone()),
    }
}

/// A model by its version; the one that the program ships need not be in the database.
///
/// # Errors
/// When there is none of this version, or it or the database cannot be read.
pub async fn stored(store: &Store, version: &str) -> anyhow::Result<Model> {
    use anyhow::Context;
    match store.model(version).await? {
        Some(body) => Model::parse_stored(&body).with_context(|| format!("model {version:?} cannot be read")),
        None if version == Model::baseline().version => Ok(Model::baseline().clone()),
        None => anyhow::bail!("no model has the version {version:?}"),
    }
}
