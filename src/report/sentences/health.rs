//! What was read of the services that a change is for, in sentences.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Sentence,
    figures::{age, count, counted, instant, lasting, of_target, percent, times},
    link, list, name, say,
};
use crate::{
    risk::{
        facts::{OpenIncident, SloBurn, SloHealth},
        signal::Health,
    },
    slo::{Clearing, Disagreement, SHORT_WINDOW_S, Untold, Way},
};

/// The sentence of something that was read of a service.
pub(super) fn sentence(health: &Health, items: usize) -> Sentence {
    match health {
        Health::Burn(slo) => slo.burn.as_ref().map_or_else(|_| Sentence::default(), |burn| burned(slo, burn)),
        Health::OtherSlos { fast, of, unread } => {
            let unread = match unread {
                0 => Sentence::default(),
                _ => say![", ", count(*unread), " could not be measured"],
            };
            say!["of ", counted(*of, "other SLO", "other SLOs"), " ", count(*fast), " above twice the pace"]
                .with(unread)
        }
        Health::Budget(slo) => budget(slo),
        Health::Incident(incident) => open(incident, items),
        Health::Flaky { pipeline, few } => {
            let said = say![
                count(pipeline.flaky_runs),
                " of ",
                counted(pipeline.runs, "run", "runs"),
                " of ",
                name(&pipeline.pipeline),
                " in the last 14 days had a flaky test"
            ];
            if *few { said.then("; too few to be weighed") } else { said }
        }
        Health::Suites(suites) => {
            let suite = |one: &crate::risk::facts::FlakySuite| {
                say![name(&one.suite), " (", counted(one.flakes, "flake", "flakes"), ")"]
            };
            say!["most in "].with(Sentence::joined(suites.iter().take(items.max(1)).map(suite), ", "))
        }
        Health::Deployed(deployment) => {
            let version = deployment.version.as_ref();
            let version = version.map_or_else(Sentence::default, |version| say![" (version ", name(version), ")"]);
            say![name(&deployment.service), " was deployed ", instant(deployment.at)].with(version)
        }
        Health::ChangeFailRate { rate, few } => {
            let said = say![
                count(rate.failed),
                " of ",
                counted(rate.deployments, "deployment", "deployments"),
                " of ",
                name(&rate.service),
                " in the last 90 days were followed by an incident within a day"
            ];
            if *few { said.then("; too few to be weighed") } else { said }
        }
    }
}

/// Whose error budget burns how fast, for the title; without a name that is not plain.
pub(super) fn burning(slo: &SloHealth) -> Option<String> {
    let rate = slo.burn.as_ref().ok()?.highest.rate;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // GitHub takes GH-12 for a number of a pull request.
    let is_number = slo.service.contains("GH-");
    let is_plain = !slo.service.is_empty() && slo.service.len() <= 40 && slo.service.bytes().all(plain) && !is_number;
    let service = if is_plain { format!("{} ", slo.service) } else { String::new() };
    Some(format!("{service}burning {}", times(rate)))
}

fn burned(slo: &SloHealth, burn: &SloBurn) -> Sentence {
    let over = burn.highest.over;
    let span = age(TimeDelta::seconds(over.span_s()));
    let head = say![name(&slo.service), ": ", link(&slo.name, slo.url.as_deref()), " (", of_target(slo.target)]
        .then(" over ")
        .then(counted(slo.timeframe.days.into(), "day", "days"))
        .then(") burned at ")
        .then(times(burn.highest.rate))
        .then(" its pace");
    let whole = over == burn.average.over;
    let window = match span {
        Some(span) if whole => say![" over the last ", span, ", which is the least that its worst 2 h can be"],
        Some(span) => say![" in the worst ", span, " of the last 48 h"],
        None => Sentence::default(),
    };
    let coarse = if over.span_s() > SHORT_WINDOW_S && !whole {
        say![", as narrow as Datadog's buckets or the traffic allow,"]
    } else {
        Sentence::default()
    };
    let when = match (at(over.from_s), at(over.to_s)) {
        (Some(from), Some(to)) if burn.highest.rate > 0.0 => say![" (", instant(from), " to ", instant(to), ")"],
        _ => Sentence::default(),
    };
    let lasts = burn.hours_to_empty.filter(|_| burn.highest.rate > 1.0).map_or_else(Sentence::default, |hours| {
        let of = if slo.budget_left.is_ok() { "; what is left of the budget lasts " } else { "; a full budget lasts " };
        say![of, lasting(hours), " at that rate"]
    });
    let parts = [
        head.with(window)
            .with(coarse)
            .with(when)
            .then(", ")
            .then(times(burn.average.rate))
            .then(" over all 48 h")
            .with(lasts),
        burn.disagreement.map_or_else(Sentence::default, disagreement),
    ];
    Sentence::joined(parts, "; ")
}

fn disagreement(one: Disagreement) -> Sentence {
    let way = match one.way {
        Way::BudgetLeft => " by what it says is left of the budget",
        Way::Parts => " by the events or states that it gives, so that the 48 h stand in for the worst 2 h",
    };
    say![
        "over the 48 h Datadog's own figures disagree: ",
        times(one.by_sli),
        " by the SLI, ",
        times(one.otherwise),
        way
    ]
}

fn budget(slo: &SloHealth) -> Sentence {
    let Ok(left) = slo.budget_left else { return Sentence::default() };
    let whose = say![name(&slo.service), ": ", link(&slo.name, slo.url.as_deref())];
    let over = counted(slo.timeframe.days.into(), "day", "days");
    match left <= 0.0 {
        true => whose.then(" has spent ").then(percent(1.0 - left)).then(" of its error budget of ").then(over),
        false => whose.then(" has ").then(percent(left)).then(" of its error budget of ").then(over).then(" left"),
    }
}

fn open(incident: &OpenIncident, items: usize) -> Sentence {
    let severity = match incident.severity {
        Some(severity) => say!["SEV-", count(severity)],
        None => say!["of unknown severity"],
    };
    let title = link(&incident.title, incident.url.as_deref());
    let number = incident.number.map_or_else(Sentence::default, |number| say!["incident ", count(number), ", "]);
    let since = incident.since.map_or_else(Sentence::default, |since| say![", since ", instant(since)]);
    let services = list(incident.services.iter(), items, "services");
    let state = if incident.active { "active" } else { "stable, not over" };
    number.with(severity).then(", ").then(state).with(since).then(": ").then(title).then(" on ").with(services)
}

/// When a burn will have left the window that is looked at.
pub(crate) fn clearing(clearing: Clearing) -> Sentence {
    let stamp = |seconds: i64| at(seconds).map_or_else(Sentence::default, |at| say![instant(at)]);
    match clearing {
        Clearing::Clear => say!["no 2 h of the last 48 h burned faster than twice the pace"],
        Clearing::Over { earliest_s, latest_s } if earliest_s == latest_s => {
            say!["the burn is over and leaves the 48 h that count at "]
                .with(stamp(latest_s))
                .then(", if nothing else goes wrong")
        }
        Clearing::Over { earliest_s, latest_s } => say!["the burn is over and leaves the 48 h that count between "]
            .with(stamp(earliest_s))
            .then(" and ")
            .with(stamp(latest_s))
            .then(", as its events come in buckets, if nothing else goes wrong"),
        Clearing::Falling { at_s, earliest_s, latest_s } => {
            say!["it still burns and falls; at this pace it leaves the 48 h that count at about "]
                .with(stamp(at_s))
                .then(" (95 % interval ")
                .with(stamp(earliest_s))
                .then(" to ")
                .with(stamp(latest_s))
                .then(")")
        }
        Clearing::Untold(Untold::GoesOn) => {
            say!["it goes on burning and does not clearly fall, so nobody can say when it will be over"]
        }
        Clearing::Untold(Untold::TooUneven) => {
            say!["it falls, but too unevenly to say when it will be over"]
        }
        Clearing::Untold(Untold::Shapeless) => {
            say![
                "Datadog does not tell what it is made of, or that does not add up, so nobody can say when it will be over"
            ]
        }
        Clearing::Untold(Untold::TooCoarse) => {
            say!["Datadog's buckets are too wide, or too few hold data, to say when it will be over"]
        }
    }
}

fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}
