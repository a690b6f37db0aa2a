//! Floors: rules that lift a score to at least a stated number. They are never mixed into the sum.

use super::{
    assessment::{Exemption, Floor, FloorRule},
    policy::Floors,
    signal::{Reading, SIGNALS},
};

/// The floors that are switched on and triggered, in a fixed order. `score` is the sum before them.
pub(super) fn triggered(floors: &Floors, readings: &[Reading], score: u8) -> Vec<Floor> {
    let exempt_because = is_set(readings, "revert.proven").then_some(Exemption::ProvenRevert);
    let rules = [
        (FloorRule::DestructiveMigration, floors.destructive_migration),
        (FloorRule::ActiveIncident, floors.active_incident),
        (FloorRule::BudgetExhausted, floors.budget_exhausted),
    ];
    rules
        .into_iter()
        .filter(|(rule, _)| triggers(*rule).iter().any(|term| is_set(readings, term)))
        .filter_map(|(rule, at_least)| Some((rule, at_least?.min(100))))
        .map(|(rule, at_least)| Floor {
            rule,
            at_least,
            applied: exempt_because.is_none() && score < at_least,
            exempt_because,
        })
        .collect()
}

/// The least score that the floors allow; 0 when there is none.
pub(super) fn lift(floors: &[Floor]) -> u8 {
    floors.iter().filter(|floor| floor.exempt_because.is_none()).map(|floor| floor.at_least).max().unwrap_or(0)
}

/// The flags of which one is enough.
fn triggers(rule: FloorRule) -> &'static [&'static str] {
    match rule {
        FloorRule::DestructiveMigration => &["schema_change.destructive", "schema_change.locking"],
        FloorRule::ActiveIncident => &["open_incidents.open"],
        FloorRule::BudgetExhausted => &["error_budget.exhausted"],
    }
}

/// Whether a flag is known to be set.
pub(super) fn is_set(readings: &[Reading], term: &str) -> bool {
    self::term(readings, term).is_some_and(|x| x > 0.0)
}

/// The value of a term by its name; `None` while its signal is unknown.
fn term(readings: &[Reading], id: &str) -> Option<f64> {
    SIGNALS.iter().zip(readings).find_map(|(signal, reading)| {
        let at = signal.terms.iter().position(|term| term.id == id)?;
        reading.as_ref().ok()?.terms.get(at).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_terms_that_exist() {
        let rules = [FloorRule::DestructiveMigration, FloorRule::ActiveIncident, FloorRule::BudgetExhausted];
        let named = rules.into_iter().flat_map(triggers).copied();
        for id in named.chain(["revert.proven", "burn_rate.above_2x", "test_churn.untested", "schema_change.any"]) {
            assert!(SIGNALS.iter().flat_map(|signal| signal.terms).any(|term| term.id == id), "{id}");
        }
    }
}
