//! Incidents, whoever tells of them: folded by id, with the time in which each was active.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::witness::believable;

/// Who keeps an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// Datadog's incidents.
    Datadog,
    /// PagerDuty.
    Pagerduty,
    /// Whoever calls the API.
    Api,
}

/// An incident at its keeper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId {
    /// Who keeps it.
    pub keeper: Keeper,
    /// Its id there. Untrusted.
    pub id: String,
}

/// A span of time; an open one has no end yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First instant.
    pub from: DateTime<Utc>,
    /// First instant after it.
    pub to: Option<DateTime<Utc>>,
}

/// What is told of when an incident did damage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// All of it, as its keeper has it at that time.
    Spans(Vec<Span>),
    /// Instants at which it was active (`true`), or was so no longer. All that is told of an incident is put together.
    Turns(Vec<(DateTime<Utc>, bool)>),
    /// Nothing.
    Untold,
}

/// How it was found out which service, team and environment an incident is on; the first in this order is believed most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mapped {
    /// Its keeper says so.
    #[default]
    Said,
    /// It began with an alert of a monitor that says so.
    ByMonitor,
    /// The catalogue knows the keeper's service by its address.
    ByAddress,
    /// A service in the catalogue has the same name.
    ByServiceName,
    /// A team in the catalogue has the same name.
    ByTeamName,
    /// A team in the catalogue is called as the keeper's service is.
    ByServiceNamedAsTeam,
    /// The catalogue knows none of the names; the keeper's own stand.
    ByOwnName,
}

/// What a keeper said of an incident at one time. All text is untrusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Telling {
    /// Which incident.
    pub incident: IncidentId,
    /// When it was said, by the keeper's clock.
    pub said_at: DateTime<Utc>,
    /// Title.
    pub title: String,
    /// What is written to it besides: notes, a stack trace.
    pub note: String,
    /// Services that it is on.
    pub services: BTreeSet<String>,
    /// Teams that it is on.
    pub teams: BTreeSet<String>,
    /// Environment.
    pub env: Option<String>,
    /// How services, teams and environment are known.
    pub mapped: Mapped,
    /// 0 for the worst to 5; `None` while nobody has said.
    pub severity: Option<u8>,
    /// When the damage began, as far as that is known.
    pub began_at: Option<DateTime<Utc>>,
    /// When somebody or something noticed.
    pub detected_at: Option<DateTime<Utc>>,
    /// When it was active.
    pub activity: Activity,
    /// It is an exercise.
    pub test: bool,
}

impl Telling {
    /// An incident of which nothing is told but that it is there.
    pub fn new(incident: IncidentId, said_at: DateTime<Utc>) -> Self {
        Self {
            incident,
            said_at,
            title: String::new(),
            note: String::new(),
            services: BTreeSet::new(),
            teams: BTreeSet::new(),
            env: None,
            mapped: Mapped::Said,
            severity: None,
            began_at: None,
            detected_at: None,
            activity: Activity::Untold,
            test: false,
        }
    }
}

/// An incident. All text is untrusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Which one.
    pub id: IncidentId,
    /// Title.
    pub title: String,
    /// All that was written to it.
    pub notes: BTreeSet<String>,
    /// Services that it is on.
    pub services: BTreeSet<String>,
    /// Teams that it is on.
    pub teams: BTreeSet<String>,
    /// Environment; `None` where nobody tells, which is taken to be production.
    pub env: Option<String>,
    /// 0 for the worst to 5; `None` while nobody has said.
    pub severity: Option<u8>,
    /// When the damage began: as it was told last by who tells all that there is, else the earliest that was told, else when it
    /// was active first.
    pub began_at: DateTime<Utc>,
    /// When it was noticed.
    pub detected_at: Option<DateTime<Utc>>,
    /// When it was active, oldest first, without overlaps; only the last can be open.
    pub active: Vec<Span>,
    /// It is an exercise, which counts for nothing.
    pub test: bool,
}

impl Incident {
    /// How long it was active; `None` while it is, and where nobody tells. Time in which it was stable does not count.
    pub fn time_to_restore(&self) -> Option<TimeDelta> {
        active_time(&self.active)
    }

    /// Whether it is on a service. Names are compared without case.
    pub fn is_on(&self, service: &str) -> bool {
        self.services.contains(service) || self.services.iter().any(|one| one.to_lowercase() == service.to_lowercase())
    }
}

/// How long spans without overlaps are together; `None` if one is open, or there is none.
pub fn active_time(spans: &[Span]) -> Option<TimeDelta> {
    if spans.is_empty() {
        return None;
    }
    spans.iter().try_fold(TimeDelta::zero(), |sum, span| sum.checked_add(&(span.to? - span.from)))
}

/// Spans in order, those that overlap or touch made one; those that end before they begin, or lie where no time is meant,
/// are left out.
pub fn united(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let can_be = |span: &Span| {
        let ends = span.to.is_none_or(|to| to >= span.from && believable(to).is_some());
        ends && believable(span.from).is_some()
    };
    let mut spans: Vec<Span> = spans.into_iter().filter(can_be).collect();
    spans.sort_unstable();
    let mut united: Vec<Span> = Vec::new();
    for span in spans {
        match united.last_mut() {
            Some(last) if last.to.is_none_or(|to| span.from <= to) => {
                last.to = last.to.zip(span.to).map(|(one, other)| one.max(other));
            }
            _ => united.push(span),
        }
    }
    united
}

/// Folds what was told: of each incident the last word stands. Whatever was told twice or in another order comes to the
/// same. Incidents come out in order of their ids.
pub fn fold<'a>(tellings: impl IntoIterator<Item = &'a Telling>) -> Vec<Incident> {
    let mut told: BTreeMap<&IncidentId, Vec<&Telling>> = BTreeMap::new();
    for telling in tellings {
        told.entry(&telling.incident).or_default().push(telling);
    }
    told.into_values().map(last_word).collect()
}

fn last_word(mut told: Vec<&Telling>) -> Incident {
    told.sort_by(|a, b| (a.said_at, a).cmp(&(b.said_at, b)));
    let last = told[told.len() - 1];
    let active = activity(&told);
    // The surest mapping stands, though the last telling may hold less: who resolves by hand sends no monitor along.
    let names = |one: &Telling| !(one.services.is_empty() && one.teams.is_empty() && one.env.is_none());
    let mapped = told.iter().rev().filter(|one| names(one)).min_by_key(|one| one.mapped).unwrap_or(&last);
    // Who tells all that there is corrects what was told before; of turns each is one part, and the first was the beginning.
    let whole = |one: &&&Telling| matches!(one.activity, Activity::Spans(_));
    let by_last = |of: fn(&Telling) -> Option<DateTime<Utc>>| {
        let last = told.iter().rev().find(whole).and_then(|one| of(one));
        let earliest = || told.iter().filter_map(|one| believable(of(one)?)).min();
        last.and_then(believable).or_else(earliest)
    };
    Incident {
        id: last.incident.clone(),
        title: told.iter().rev().map(|one| one.title.trim()).find(|title| !title.is_empty()).unwrap_or("").to_owned(),
        notes: told.iter().map(|one| one.note.trim()).filter(|note| !note.is_empty()).map(str::to_owned).collect(),
        services: mapped.services.clone(),
        teams: mapped.teams.clone(),
        env: mapped.env.clone(),
        severity: told.iter().rev().find_map(|one| one.severity),
        began_at: by_last(|one| one.began_at)
            .or_else(|| Some(active.first()?.from))
            .or_else(|| believable(told[0].said_at))
            .unwrap_or_default(),
        detected_at: by_last(|one| one.detected_at),
        active,
        test: last.test,
    }
}

/// The last that was told as a whole; else what comes out of all turns together.
fn activity(told: &[&Telling]) -> Vec<Span> {
    let whole = told.iter().rev().find_map(|one| match &one.activity {
        Activity::Spans(spans) => Some(spans),
        Activity::Turns(_) | Activity::Untold => None,
    });
    if let Some(spans) = whole {
        return united(spans.iter().copied());
    }
    let turns = told.iter().flat_map(|one| match &one.activity {
        Activity::Turns(turns) => turns.as_slice(),
        Activity::Spans(_) | Activity::Untold => &[],
    });
    let mut spans: Vec<Span> = Vec::new();
    for (at, active) in turns.copied().collect::<BTreeSet<_>>() {
        match spans.last_mut().filter(|last| last.to.is_none()) {
            Some(open) if !active => open.to = Some(at),
            None if active => spans.push(Span { from: at, to: None }),
            // It is already so.
            _ => {}
        }
    }
    united(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_750_000_000 + minute * 60, 0).unwrap()
    }

    fn telling(said: i64, activity: Activity) -> Telling {
        let incident = IncidentId { keeper: Keeper::Pagerduty, id: "P1".into() };
        Telling { activity, ..Telling::new(incident, at(said)) }
    }

    fn span(from: i64, to: Option<i64>) -> Span {
        Span { from: at(from), to: to.map(at) }
    }

    #[test]
    fn time_to_restore_is_the_time_in_active() {
        let check = |spans: Vec<Span>, minutes: Option<i64>| {
            let incident = fold(&[telling(0, Activity::Spans(spans))]).remove(0);
            assert_eq!(incident.time_to_restore(), minutes.map(TimeDelta::minutes));
        };
        // Twice the same, and stable in between.
        check(vec![span(0, Some(10)), span(0, Some(10)), span(30, Some(35))], Some(15));
        check(vec![span(0, Some(20)), span(10, Some(30)), span(12, Some(13))], Some(30));
        // It is hidden while it is active, or may be.
        check(vec![span(0, Some(10)), span(30, None)], None);
        check(vec![span(0, None), span(5, Some(10))], None);
        check(vec![], None);
        // Ends before it begins: no time at all, rather than a negative one.
        check(vec![span(10, Some(5)), span(20, Some(21))], Some(1));
    }

    #[test]
    fn turns_make_spans_whatever_their_order() {
        let turn = |minute: i64, active: bool| telling(minute, Activity::Turns(vec![(at(minute), active)]));
        let mut told = vec![turn(0, true), turn(4, true), turn(10, false), turn(30, true), turn(35, false)];
        let expected = [span(0, Some(10)), span(30, Some(35))];
        for _ in 0..told.len() {
            told.rotate_left(1);
            told.push(told[0].clone());
            assert_eq!(fold(&told).remove(0).active, expected);
        }
        // The end alone, as after a restart: nothing is known of how long.
        assert_eq!(fold(&[turn(10, false)]).remove(0).time_to_restore(), None);
    }

    #[test]
    fn a_mapping_from_when_it_was_triggered_outlives_its_end() {
        let mapped = |said: i64, service: &str, mapped: Mapped| {
            let services = BTreeSet::from([service.to_owned()]);
            Telling { services, mapped, ..telling(said, Activity::Untold) }
        };
        let told = [mapped(0, "pay", Mapped::ByMonitor), mapped(9, "Payments (prod)", Mapped::ByOwnName)];
        assert_eq!(fold(&told).remove(0).services, BTreeSet::from(["pay".to_owned()]));
        // Of two that are as sure, the later one.
        let told = [mapped(0, "pay", Mapped::Said), mapped(9, "cart", Mapped::Said)];
        assert_eq!(fold(&told).remove(0).services, BTreeSet::from(["cart".to_owned()]));
    }
}
