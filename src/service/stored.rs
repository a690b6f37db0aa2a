//! A stored assessment, computed again from its facts, policy and model: for pages, the API and `replay`.

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::Links;
use crate::{
    report::{self, Subject},
    risk::{Model, assess, assessment::Assessment, facts::Facts, policy::Policy},
    store::{AssessmentRow, Store},
};

/// Facts as they are stored.
pub(super) fn facts_text(facts: &Facts) -> String {
    serde_json::to_string(facts).expect("facts are plain data with text keys")
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// The assessment's JSON, byte for byte.
pub(super) fn document(subject: &Subject<'_>) -> String {
    serde_json::to_string(&report::json::render(subject)).expect("the document is plain data with text keys")
}

/// A stored assessment with all that a rendering of it needs.
pub struct Stored {
    row: AssessmentRow,
    facts: Facts,
    policy: Policy,
    model: Model,
    assessment: Assessment,
    previous_score: Option<u8>,
    links: Links,
    repository_url: Option<String>,
}

/// The facts behind a score are older than is kept; the score itself stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the facts of this assessment were forgotten after the time for which they are kept; its score stays")]
pub struct FactsForgotten;

impl Stored {
    /// Computes the assessment of `row` again with the model version that made it.
    ///
    /// # Errors
    /// [`FactsForgotten`], or when its facts, its policy or its model can not be read.
    pub async fn load(store: &Store, row: AssessmentRow, links: Links) -> anyhow::Result<Self> {
        if row.facts.is_empty() {
            return Err(FactsForgotten.into());
        }
        let body = store.model(&row.model_version).await?;
        let body = body.with_context(|| format!("model {} is not in the database", row.model_version))?;
        let model =
            Model::parse_stored(&body).with_context(|| format!("model {} cannot be read", row.model_version))?;
        let previous_score = match row.pull_request {
            Some(number) => store.previous_score(row.repository_id, number, &row.head_sha, row.at).await?,
            None => None,
        };
        let facts: Facts = serde_json::from_str(&row.facts).context("the stored facts cannot be read")?;
        let policy: Policy = serde_json::from_str(&row.policy).context("the stored policy cannot be read")?;
        let assessment = assess(&facts, &model, &policy);
        let repository_url = links.repository(&row.repository);
        Ok(Self { row, facts, policy, model, assessment, previous_score, links, repository_url })
    }

    /// The same change with other facts about it, judged by the same model and policy.
    pub(super) fn with(self, facts: Facts) -> Self {
        let assessment = assess(&facts, &self.model, &self.policy);
        Self { facts, assessment, ..self }
    }

    /// What a rendering needs.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.row.id,
            facts: &self.facts,
            assessment: &self.assessment,
            model_version: &self.model.version,
            model_fitted_at: self.model.fitted_at,
            facts_digest: &self.row.facts_digest,
            previous_score: self.previous_score,
            policy: &self.policy,
            public_url: self.links.public_url.as_deref(),
            repository_url: self.repository_url.as_deref(),
            commands: true,
        }
    }

    /// What it says.
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// The model that made it.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Whether the same bytes come out as when it was scored.
    pub fn is_same(&self) -> bool {
        digest(&document(&self.subject())) == self.row.document_digest
    }

    /// The row that it was computed from.
    pub fn row(&self) -> &AssessmentRow {
        &self.row
    }
}
