//! A proposed model in shadow: what it would have scored is stored beside each score, and shown to nobody who merges.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    outcome::recalibrate::shadow_score,
    risk::{Model, assessment::Assessment, facts::Facts},
    service::{App, champion},
    store::{ShadowRow, StoreError},
};

/// The proposed model that was asked for last.
#[derive(Default)]
pub(super) struct Shadow {
    last: Mutex<Option<Arc<Model>>>,
}

impl App {
    /// The model that is proposed to follow `champion`, if one is.
    async fn challenger(&self, champion: &str) -> Result<Option<Arc<Model>>, StoreError> {
        let Some(version) = self.store.open_proposal(champion).await? else { return Ok(None) };
        let last = self.learning.shadow.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if last.as_ref().is_some_and(|last| last.version == version) {
            return Ok(last);
        }
        let model = match champion::stored(&self.store, &version).await {
            Ok(model) => Arc::new(model),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the proposed model cannot be read");
                return Ok(None);
            }
        };
        *self.learning.shadow.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(model.clone());
        Ok(Some(model))
    }
}

/// Stores what a proposed model would have scored. An assessment is not held up by what nobody waits for: the log says so
/// if it cannot be stored.
pub(in crate::service) async fn beside(app: &App, id: &str, repository_id: i64, shown: &Shown<'_>) {
    let stored = async {
        let Some(model) = app.challenger(shown.model).await? else { return Ok(()) };
        let row = ShadowRow {
            assessment_id: id.to_owned(),
            repository_id,
            version: model.version.clone(),
            score: shadow_score(&model, shown.assessment, shown.facts),
        };
        app.store.save_shadow(&row).await
    };
    let stored: Result<(), StoreError> = stored.await;
    if let Err(error) = stored {
        tracing::warn!(%error, assessment.id = id, "the score of the proposed model could not be kept");
    }
}

/// A score as it is shown.
pub(in crate::service) struct Shown<'a> {
    /// Version of the model that made it.
    pub(in crate::service) model: &'a str,
    /// What it made.
    pub(in crate::service) assessment: &'a Assessment,
    /// What it was made of.
    pub(in crate::service) facts: &'a Facts,
}
