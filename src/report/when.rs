//! The reply to `/risk when`: what waiting would change, by when, and what nobody can say.

use chrono::TimeDelta;

use super::{
    Subject,
    comment::{DETAIL, standing, within_limit},
    is_scored,
    sentences::{
        Detail, Sentence,
        figures::{age, count, counted, instant, signed, times},
        health, link, name, say, unknown,
    },
};
use crate::{
    risk::{
        assessment::{Action, FloorRule, WayDown},
        facts::SloHealth,
    },
    slo::FAST,
};

/// Answers of Datadog that are older are told with their age: it was asked just now, and did not answer.
const OLD: TimeDelta = TimeDelta::minutes(35);
/// SLOs that are told one by one.
const SLOS_MAX: usize = 5;

/// What waiting would change.
pub fn render(subject: &Subject<'_>) -> String {
    within_limit(|detail| {
        let mut out = format!("Now {}.\n", standing(subject).markdown(detail));
        if !is_scored(subject) {
            return out;
        }
        let said = lines(subject);
        if said.is_empty() {
            out.push_str("\nNothing that is known would change by waiting.\n");
        }
        for line in said {
            out.push_str(&format!("\n- {}.", line.markdown(detail)));
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    })
}

fn lines(subject: &Subject<'_>) -> Vec<Sentence> {
    let facts = subject.facts;
    let mut said = Vec::new();
    match &facts.runtime {
        Err(missing) => said.push(say!["What Datadog could say is not known: "].with(unknown::why(missing))),
        Ok(runtime) => {
            let fast = |slo: &&SloHealth| slo.burn.as_ref().is_ok_and(|burn| burn.highest.rate > FAST);
            said.extend(runtime.slos.iter().filter(fast).take(SLOS_MAX).map(burn));
            if let Err(missing) = &runtime.burn_rate {
                said.push(say!["The burn rate is not known: "].with(unknown::why(missing)));
            }
            let old = runtime.as_of.map(|as_of| facts.at - as_of).filter(|age| *age > OLD).and_then(age);
            said.extend(old.map(|age| say!["Datadog does not answer now; what it said is ", age, " old"]));
        }
    }
    said.extend(subject.assessment.ways_down.iter().filter_map(waits));
    said.extend(subject.assessment.floors.iter().filter(|floor| floor.applied).filter_map(|floor| match floor.rule {
        FloorRule::ActiveIncident => Some(say![
            "An incident holds the score at ",
            count(floor.at_least),
            "; nobody can say when it ends, and the score is made again by itself when it does. A change that mends it: ",
            name("/risk hotfix <incident>")
        ]),
        FloorRule::BudgetExhausted => Some(say![
            "The error budget is spent, which holds the score at ",
            count(floor.at_least),
            " until enough of what spent it has left its timeframe"
        ]),
        FloorRule::DestructiveMigration => None,
    }));
    said
}

fn burn(slo: &SloHealth) -> Sentence {
    let Ok(burn) = &slo.burn else { return Sentence::default() };
    let days = counted(slo.timeframe.days.into(), "day", "days");
    say![name(&slo.service), ", ", link(&slo.name, slo.url.as_deref()), " (", days, "), burned at "]
        .then(times(burn.highest.rate))
        .then(": ")
        .with(health::clearing(burn.clearing))
}

/// What an action that is nothing but waiting takes off.
fn waits(way: &WayDown) -> Option<Sentence> {
    let by = |until| say!["from ", instant(until), " on: "];
    let what = match &way.action {
        Action::WaitForBurn { until } => say!["Once no burn counts any more"]
            .with(until.map_or_else(|| say![", whenever that is: "], |until| say![", "].with(by(until)))),
        Action::WaitForBake { until } => say!["Once the last deployment has proven itself, "].with(by(*until)),
        Action::WaitForFreezeEnd { until } => say!["After the freeze, "].with(by(*until)),
        _ => return None,
    };
    let points = signed(-i32::from(way.points));
    Some(what.then(points).then(" points, a score of ").then(count(way.target_score)))
}

/// The change was linked to the incident that it mends.
pub fn linked(incident: &str) -> String {
    let said = say![
        "Linked to the incident ",
        name(incident),
        ": while it is open, floors for incidents and spent budgets do "
    ];
    said.then("not apply to this change. Everything is being read anew; the check run will say what holds")
        .markdown(DETAIL)
        + ".\n"
}

/// The incident that was named holds no change back, so that there is nothing to be let through.
pub fn holds_nothing_back(incident: &str) -> String {
    let said = say![
        "Nothing was done: the incident ",
        name(incident),
        " holds no change back, as only active ones of SEV-2 or worse do"
    ];
    said.markdown(DETAIL) + ".\n"
}

/// No incident of that name is open on the services of the change.
pub fn no_such_incident(open: &[String]) -> String {
    let said = say!["Nothing was done: no incident of that name is open on the services that this change is for"];
    let said = match open {
        [] => said,
        open => said
            .then(". Open are ")
            .with(Sentence::joined(open.iter().take(DETAIL.items).map(|one| say![name(one)]), ", ")),
    };
    said.markdown(DETAIL) + ".\n"
}

/// Which incidents are open is not known, and why.
pub fn incidents_unknown(missing: &crate::risk::facts::Unknown) -> String {
    let way = unknown::way(missing);
    let way = if way.is_empty() { way } else { say![". What would tell: "].with(way) };
    let said =
        say!["Nothing was done: whether that incident is open is not known ("].with(unknown::why(missing)).then(")");
    said.with(way)
        .then(". ")
        .then(name("/risk override <reason>"))
        .then(" lets an urgent fix pass")
        .markdown(Detail::FULL)
        + ".\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{
            comment::explain_signal,
            stories::{all, keep},
        },
        risk::Model,
    };

    #[test]
    fn what_waiting_changes_reads_well() {
        let stories = all();
        let replies = ["burning-service", "friday-migration", "everything-unknown", "empty"].map(|name| {
            let story = stories.iter().find(|story| story.name == name).unwrap();
            format!("{name}\n\n{}", render(&story.subject()))
        });
        keep("comments", "when", &replies.join("\n---\n\n"));
    }

    #[test]
    fn a_service_reads_well() {
        let stories = all();
        let story = stories.iter().find(|story| story.name == "burning-service").unwrap();
        let explained = ["burn_rate", "error_budget", "open_incidents", "flaky_tests", "change_fail_rate"]
            .map(|signal| explain_signal(&story.subject(), Model::baseline(), signal));
        let short = [linked("Checkout is @down"), no_such_incident(&["a | b".to_owned()]), no_such_incident(&[])];
        keep("comments", "burning-service", &explained.into_iter().chain(short).collect::<Vec<_>>().join("\n---\n\n"));
    }

    #[test]
    fn an_incident_that_holds_nothing_back_is_told_as_such() {
        let told = holds_nothing_back("Slow @search");
        assert!(told.starts_with("Nothing was done: the incident `Slow @search` holds no change back"), "{told}");
    }
}
