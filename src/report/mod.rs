//! An assessment in words. No decision is taken here; all text from outside is made harmless here.

pub mod check_run;
pub mod json;
pub mod markdown;
pub mod page;
pub mod sarif;
pub mod terminal;

use chrono::{DateTime, Utc};

use crate::risk::{assessment::Assessment, facts::Facts};

/// Everything that a rendering needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Id of the assessment; ours, in lower-case hexadecimal and hyphens.
    pub id: &'a str,
    /// What was known.
    pub facts: &'a Facts,
    /// What was made of it.
    pub assessment: &'a Assessment,
    /// Version of the model that scored.
    pub model_version: &'a str,
    /// When the model was fitted to outcomes; `None` for documented priors.
    pub model_fitted_at: Option<DateTime<Utc>>,
    /// Digest of the stored facts, in hexadecimal.
    pub facts_digest: &'a str,
    /// Score of the last commit of the same pull request, 0-100.
    pub previous_score: Option<u8>,
    /// Policy in force: where it came from and what is wrong with it.
    pub policy: &'a crate::risk::policy::Policy,
    /// Address under which this Mergecast is reached, from its settings; without it nothing links to a page.
    pub public_url: Option<&'a str>,
    /// Address of the repository's pages at GitHub, from the settings and the repository's name.
    pub repository_url: Option<&'a str>,
}
