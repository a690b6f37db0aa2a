//! What history and diff alone say of a change: the same for a change that landed years ago and for one that is open.

use chrono::{DateTime, Utc};

use super::{
    Model,
    diff::View,
    facts::{Change, Declared, Facts, History, Known, Reason, Source, Unknown},
    floors,
    policy::Policy,
    score,
    signal::SIGNALS,
};

/// A score and the rates behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// 0-100, without floors.
    pub score: u8,
    /// Estimated share of such changes that is rolled back within 30 days, 0-1.
    pub probability: f64,
    /// Estimated share that is rolled back or needs a fix within 30 days, 0-1.
    pub fix_probability: f64,
}

/// Scores a change by its history and diff. Only what [`landed`] keeps should be known of it.
pub fn forecast(facts: &Facts, model: &Model) -> Forecast {
    forecast_of(&View::of(facts), model)
}

/// The same for facts that were looked at.
pub(super) fn forecast_of(view: &View<'_>, model: &Model) -> Forecast {
    let readings = SIGNALS.iter().map(|signal| (signal.measure)(view)).collect::<Vec<_>>();
    let shares = view.facts.history.as_ref().ok().map(|history| (history.base_rate, history.fix_rate));
    let (rolled_back, fixed) = model.log_odds(&readings, shares);
    let score = score::score(model, &Policy::default(), &readings, floors::Exemptions::default()).score;
    Forecast { score, probability: sigmoid(rolled_back), fix_probability: sigmoid(fixed) }
}

/// Facts about a change of which nothing but diff and history is known, as of one that landed long ago.
pub fn landed(change: Change, history: Known<History>, at: DateTime<Utc>) -> Facts {
    let not = |source| Unknown { source, reason: Reason::NotApplicable };
    Facts {
        at,
        repository: String::new(),
        change,
        review: Err(not(Source::Reviews)),
        ownership: Err(not(Source::Codeowners)),
        checks: Err(not(Source::Checks)),
        declared: Declared::default(),
        history,
        coverage: Err(not(Source::Coverage)),
        services: Vec::new(),
        runtime: Err(not(Source::Datadog)),
        remediation: None,
        recent_scores: Vec::new(),
        in_production: Vec::new(),
        overridden: None,
        series: Vec::new(),
        parts: Vec::new(),
        lacking: None,
    }
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
