//! Floors: rules that lift a score to at least a stated number. They are never mixed into the sum.

use std::{borrow::Borrow, collections::HashSet};

use super::{
    assessment::{Exemption, Floor, FloorRule},
    diff::View,
    facts::{Reason, Source},
    policy::Floors,
    runtime,
    signal::{self, Reading, SIGNALS},
};

/// Why floors that a change triggers do not apply to it, besides the proven revert that it may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exemptions {
    migrations: Option<Exemption>,
    /// Of the floors that stand for the service's trouble.
    trouble: Option<Exemption>,
}

impl Exemptions {
    fn of(self, rule: FloorRule) -> Option<Exemption> {
        match rule {
            FloorRule::DestructiveMigration => self.migrations,
            FloorRule::ActiveIncident | FloorRule::BudgetExhausted => self.trouble,
        }
    }
}

/// Why floors do not apply to a change.
pub(super) fn exemptions(view: &View<'_>, readings: &[Reading]) -> Exemptions {
    let facts = view.facts;
    let mended = facts.runtime.as_ref().is_ok_and(|known| runtime::is_mended(known, facts.remediation.as_ref()));
    let trouble = mended.then_some(Exemption::Hotfix).or_else(|| of_ways_back(view));
    Exemptions { migrations: exemption(view, readings), trouble }
}

/// Why the floors for trouble do not apply to a merge group: they would not to any of its pull requests by itself.
fn of_ways_back(view: &View<'_>) -> Option<Exemption> {
    let group = view.facts.change.merge_group.as_ref()?;
    let (members, runtime) = (group.members.as_ref().ok()?, view.facts.runtime.as_ref().ok()?);
    let is_way_back = |number: u64| {
        let own = group.ways_back.iter().find(|one| one.number == number);
        own.is_some_and(|own| own.remediation.is_none() || runtime::is_mended(runtime, own.remediation.as_ref()))
    };
    let all = !members.is_empty() && members.iter().all(|member| is_way_back(member.number));
    all.then_some(Exemption::WaysBackInGroup)
}

/// Why the floor of migrations does not apply to a merge group that triggers it: it would not without the files of the
/// proven reverts in it. Where that cannot be told, it applies.
fn exemption(view: &View<'_>, readings: &[Reading]) -> Option<Exemption> {
    let group = view.facts.change.merge_group.as_ref().filter(|group| !group.reverts.is_empty())?;
    if !triggers(FloorRule::DestructiveMigration).iter().any(|term| is_set(readings, term)) {
        return None;
    }
    let reverted: HashSet<&String> = group.reverts.iter().flat_map(|revert| &revert.files).collect();
    let mut rest = view.facts.clone();
    rest.change.files.retain(|file| !reverted.contains(&file.path));
    let left_out = (view.facts.change.files.len() - rest.change.files.len()) as u64;
    rest.change.files_total = rest.change.files_total.saturating_sub(left_out);
    let read_all = signal::read_all(&rest);
    let known = !is_open(&read_all, "schema_change.destructive");
    let harmless = !triggers(FloorRule::DestructiveMigration).iter().any(|term| is_set(&read_all, term));
    (known && harmless).then_some(Exemption::ProvenRevertInGroup)
}

/// The floors that are switched on and triggered, in a fixed order. `score` is the sum before them.
pub(super) fn triggered(
    floors: &Floors,
    readings: &[impl Borrow<Reading>],
    score: u8,
    exemptions: Exemptions,
) -> Vec<Floor> {
    let proven = proven(readings);
    let exempt = |rule| proven.or(exemptions.of(rule));
    rules(floors)
        .into_iter()
        .filter(|(rule, _)| triggers(*rule).iter().any(|term| is_set(readings, term)))
        .filter_map(|(rule, at_least)| Some((rule, at_least?.min(100))))
        .map(|(rule, at_least)| Floor {
            rule,
            at_least,
            applied: exempt(rule).is_none() && score < at_least,
            exempt_because: exempt(rule),
        })
        .collect()
}

/// Why the trouble of its service adds nothing to a change: it is the way back, and to hold it makes the trouble last.
pub(super) fn relieved(readings: &[impl Borrow<Reading>], exemptions: Exemptions) -> Option<Exemption> {
    proven(readings).or(exemptions.trouble)
}

fn proven(readings: &[impl Borrow<Reading>]) -> Option<Exemption> {
    is_set(readings, "revert.proven").then_some(Exemption::ProvenRevert)
}

/// The least score that the floors allow; 0 when there is none.
pub(super) fn lift(floors: &[Floor]) -> u8 {
    floors.iter().filter(|floor| floor.exempt_because.is_none()).map(|floor| floor.at_least).max().unwrap_or(0)
}

/// The least score that floors could yet demand, once what is unknown is known; 0 when there is none. A source that is
/// not connected, refuses access, does not apply or has nothing of the kind is left out: it stays silent for every change
/// alike, and its floor would end every range at the same score and say nothing of this change.
pub(super) fn possible(floors: &Floors, readings: &[impl Borrow<Reading>], exemptions: Exemptions) -> u8 {
    if proven(readings).is_some() {
        return 0;
    }
    let open = |rule: FloorRule| triggers(rule).iter().any(|term| is_open(readings, term));
    rules(floors)
        .into_iter()
        .filter(|(rule, _)| open(*rule) && exemptions.of(*rule).is_none())
        .filter_map(|(_, at_least)| at_least)
        .max()
        .unwrap_or(0)
        .min(100)
}

fn rules(floors: &Floors) -> [(FloorRule, Option<u8>); 3] {
    [
        (FloorRule::DestructiveMigration, floors.destructive_migration),
        (FloorRule::ActiveIncident, floors.active_incident),
        (FloorRule::BudgetExhausted, floors.budget_exhausted),
    ]
}

/// Whether a flag is unknown although its source was asked.
fn is_open(readings: &[impl Borrow<Reading>], term: &str) -> bool {
    let of_signal = SIGNALS.iter().zip(readings).find(|(signal, _)| signal.terms.iter().any(|one| one.id == term));
    let unknown = of_signal.and_then(|(_, reading)| reading.borrow().as_ref().err());
    // What is refused stays so until somebody grants it, for every change alike.
    let silent = |reason: &Reason| {
        matches!(reason, Reason::NotConnected | Reason::NotApplicable | Reason::Nothing(_) | Reason::Forbidden(_))
    };
    // There is no change without a diff, whatever keeps it back.
    unknown.is_some_and(|unknown| unknown.source == Source::Diff || !silent(&unknown.reason))
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
pub(super) fn is_set(readings: &[impl Borrow<Reading>], term: &str) -> bool {
    self::term(readings, term).is_some_and(|x| x > 0.0)
}

/// The value of a term by its name; `None` while its signal is unknown.
fn term(readings: &[impl Borrow<Reading>], id: &str) -> Option<f64> {
    SIGNALS.iter().zip(readings).find_map(|(signal, reading)| {
        let at = signal.terms.iter().position(|term| term.id == id)?;
        reading.borrow().as_ref().ok()?.terms.get(at).copied()
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
    #[test]
    fn a_group_of_nothing_but_ways_back_is_let_through() {
        use crate::risk::{
            facts::{OpenIncident, Remediation, Runtime},
            merge_group::{GroupMember, MergeGroup, WayBack},
            signal::read_all,
            stories::{file, healthy, pull_request},
        };
        let incident = OpenIncident {
            id: "a".into(),
            number: Some(7),
            title: "Checkout is down".into(),
            severity: Some(1),
            active: true,
            since: None,
            url: None,
            services: vec!["pay".into()],
        };
        let mut facts = pull_request("x", vec![file("src/a.rs", 3, 0)]);
        let titles = Ok(vec![incident.title.clone()]);
        facts.runtime = Ok(Runtime { open_incidents: titles, incidents: vec![incident], ..healthy() });
        let at = facts.at;
        let mends = |name: &str| Some(Remediation { incident: name.into(), by: "nora".into(), at });
        let member = |number| GroupMember { number, head_sha: String::new(), scored: None };
        let mut exempt = |ways_back: Vec<(u64, Option<Remediation>)>| {
            let way = |(number, remediation)| WayBack { number, remediation };
            facts.change.merge_group = Some(MergeGroup {
                head_ref: String::new(),
                members: Ok(vec![member(1), member(2)]),
                overridden: Vec::new(),
                reverts: Vec::new(),
                ways_back: ways_back.into_iter().map(way).collect(),
            });
            let readings = read_all(&facts);
            let floors = triggered(&Floors::default(), &readings, 30, exemptions(&View::of(&facts), &readings));
            floors.iter().map(|floor| floor.exempt_because).collect::<Vec<_>>()
        };
        assert_eq!(exempt(vec![(1, None), (2, mends("IR-7"))]), [Some(Exemption::WaysBackInGroup)]);
        assert_eq!(exempt(vec![(1, None), (2, mends("IR-8"))]), [None], "that one is over");
        assert_eq!(exempt(vec![(1, None)]), [None], "the other one is a feature");
    }

    #[test]
    fn what_was_asked_and_not_answered_could_still_lift() {
        use crate::risk::{
            facts::Unknown,
            signal::read_all,
            stories::{file, healthy, pull_request},
        };
        let mut facts = pull_request("x", vec![file("src/a.rs", 3, 0)]);
        let least = |facts: &_| possible(&Floors::default(), &read_all(facts), Exemptions::default());
        assert_eq!(least(&facts), 0);
        facts.change.files_total = 3_001;
        assert_eq!(least(&facts), 70);
        let off = Floors { destructive_migration: None, ..Floors::default() };
        assert_eq!(possible(&off, &read_all(&facts), Exemptions::default()), 0);
        let silent = Unknown { source: Source::Datadog, reason: Reason::Unavailable("a timeout".into()) };
        let incidents = |unknown| Ok(crate::risk::facts::Runtime { open_incidents: Err(unknown), ..healthy() });
        facts.runtime = incidents(silent);
        assert_eq!(least(&facts), 80);
        // Nobody has granted it: every range would end there.
        facts.runtime = incidents(Unknown { source: Source::Datadog, reason: Reason::Forbidden(None) });
        assert_eq!(least(&facts), 70);
    }
}
