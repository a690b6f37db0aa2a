//! The metrics for a terminal: figures with their sample, and their course as a row of bars. Readable without colour and in
//! ASCII.

use chrono::{DateTime, Utc};
use owo_colors::Style as Paint;

use super::ENOUGH;
use crate::{
    deployment::{
        dora::{Band, Dora, Scope, Share, Spread},
        overview::{Odd, OddKind, Overview},
    },
    report::{
        outside,
        sentences::figures,
        terminal::{Screen, Style},
    },
};

/// Services, teams or environments of which each has a line.
const LINES_MAX: usize = 40;
/// Longest name in a table, in characters.
const NAME_MAX: usize = 28;
/// Columns of the names of metrics, and of their figures.
const METRIC: usize = 26;
const FIGURE: usize = 22;

/// The name of what a scope is narrowed to.
type Name = fn(&Scope) -> &Option<String>;

/// The metrics as of `now`, ending with a line break. Holds no control character from outside.
pub fn render(overview: &Overview, now: DateTime<Utc>, style: Style) -> String {
    let mut screen = Screen::new(style);
    head(overview, &mut screen);
    if overview.whole.frequency.deployments == 0 {
        screen.line("", Paint::new());
        screen.wrapped("No deployment to production is known in this time, so there is no figure.", 0, Paint::new());
    } else {
        measured(overview, &mut screen);
        let tables: [(&str, &[Dora], Name); 3] = [
            ("Services", &overview.services, |scope| &scope.service),
            ("Teams", &overview.teams, |scope| &scope.team),
            ("Environments", &overview.environments, |scope| &scope.environment),
        ];
        for (heading, rows, name) in tables {
            // What is the whole again says nothing.
            if rows.len() > 1 {
                table(heading, rows, name, &mut screen);
            }
        }
    }
    odd(&overview.odd, now, &mut screen);
    screen.finish()
}

fn head(overview: &Overview, screen: &mut Screen) {
    let Scope { service, team, environment, from, to } = &overview.whole.scope;
    let named = |what: &str, name: &Option<String>| name.as_ref().map(|name| format!("{what} {}", shown(name)));
    let of: Vec<String> = [named("service", service), named("team", team), named("environment", environment)]
        .into_iter()
        .flatten()
        .collect();
    let of = if of.is_empty() { "all services".to_owned() } else { of.join(", ") };
    screen.wrapped(&format!("Deployments to production of {of}"), 0, Paint::new().bold());
    let days = (*to - *from).num_days();
    let span = format!("{} to {}, {days} days", figures::instant(*from), figures::instant(*to));
    screen.wrapped(&span, 0, Paint::new().dimmed());
}

/// One metric: its figure, how it went, and what it is made of.
struct Metric {
    name: &'static str,
    figure: String,
    course: Vec<Option<f64>>,
    about: String,
}

fn measured(overview: &Overview, screen: &mut Screen) {
    screen.line("", Paint::new());
    let style = screen.style();
    let metrics = metrics(overview);
    for metric in &metrics {
        let bars = if metric.course.len() > 1 { bars(&metric.course, style.unicode) } else { String::new() };
        let line = format!("{:<METRIC$}{:<FIGURE$}{bars}", metric.name, metric.figure);
        screen.line(line.trim_end(), Paint::new().bold());
        screen.wrapped(&metric.about, 2, Paint::new().dimmed());
    }
    screen.line("", Paint::new());
    if overview.course.len() > 1 {
        let none = if style.unicode { '·' } else { '.' };
        let days = overview.part_days;
        let said = format!("Each bar is {days} days, the last one ends with the window; {none} is no figure.");
        screen.wrapped(&said, 0, Paint::new());
    }
    if metrics.iter().any(|metric| metric.figure.starts_with('~')) {
        let said = format!("~ is a figure of fewer than {ENOUGH}: too few to rely on.");
        screen.wrapped(&said, 0, Paint::new());
    }
}

fn metrics(overview: &Overview) -> Vec<Metric> {
    let Overview { whole, course, .. } = overview;
    let metric = |name, figure, of: fn(&Dora) -> Option<f64>, about| Metric {
        name,
        figure,
        course: course.iter().map(of).collect(),
        about,
    };
    vec![
        metric(
            "Deployment frequency",
            frequency(whole),
            |one| Some(one.frequency.per_day),
            format!(
                "{} on {} of {} days",
                figures::counted(whole.frequency.deployments, "deployment", "deployments"),
                figures::count(whole.frequency.days_with),
                (whole.scope.to - whole.scope.from).num_days()
            ),
        ),
        metric(
            "Change lead time",
            median(&whole.lead_time.commits),
            |one| one.lead_time.commits.as_ref().map(|spread| spread.p50_s),
            lead_time(whole),
        ),
        metric("Change fail rate", rate(whole.change_fail.rate), |one| one.change_fail.rate.ratio(), fails(whole)),
        metric(
            "Recovery time",
            median(&whole.recovery.spread),
            |one| one.recovery.spread.as_ref().map(|spread| spread.p50_s),
            recovery(whole),
        ),
        metric(
            "Rework rate",
            rate(whole.rework),
            |one| one.rework.ratio(),
            format!("{} that remedy an earlier one", of(whole.rework)),
        ),
        metric(
            "Rollback rate",
            rate(whole.rollback),
            |one| one.rollback.ratio(),
            format!("{} that bring back an earlier build", of(whole.rollback)),
        ),
        metric(
            "Detection time",
            median(&whole.detection),
            |one| one.detection.as_ref().map(|spread| spread.p50_s),
            match &whole.detection {
                Some(spread) => format!("of {} with an incident", failed(spread.sample)),
                None => "no failed deployment had an incident".to_owned(),
            },
        ),
        metric(
            "Started by a program",
            rate(whole.automated),
            |one| one.automated.ratio(),
            format!("{} of which it is known", of(whole.automated)),
        ),
        metric(
            "Pipeline success",
            rate(whole.pipeline_success),
            |one| one.pipeline_success.ratio(),
            rollouts(whole.pipeline_success),
        ),
    ]
}

fn rollouts(share: Share) -> String {
    let all = figures::counted(share.of, "rollout", "rollouts");
    format!("{} of {all} to production went well", figures::count(share.count))
}

fn frequency(dora: &Dora) -> String {
    let band = match dora.frequency.band {
        None => "",
        Some(Band::Daily) => ", daily",
        Some(Band::Weekly) => ", weekly",
        Some(Band::Monthly) => ", monthly",
        Some(Band::Yearly) => ", yearly",
    };
    format!("{} a day{band}", hundredths(dora.frequency.per_day))
}

fn lead_time(dora: &Dora) -> String {
    let lead = &dora.lead_time;
    let mut said = match &lead.commits {
        Some(spread) => {
            let commits = figures::counted(spread.sample, "commit", "commits");
            format!("half of {commits} took at most this; p75 {}, p95 {}", span(spread.p75_s), span(spread.p95_s))
        }
        None => "what the deployments brought is not known".to_owned(),
    };
    let stages = [
        ("coding", &lead.coding),
        ("review", &lead.review),
        ("waiting", &lead.waiting),
        ("deploying", &lead.deploying),
    ];
    let told = stages.iter().filter_map(|(name, spread)| Some(format!("{name} {}", span(spread.as_ref()?.p50_s))));
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        said.push_str(&format!("; p50 of {}", told.join(", ")));
    }
    if lead.untold > 0 && lead.commits.is_some() {
        let untold = figures::counted(lead.untold, "deployment", "deployments");
        said.push_str(&format!("; what {untold} brought is not known"));
    }
    if lead.negative > 0 {
        let negative = figures::counted(lead.negative, "commit is", "commits are");
        said.push_str(&format!("; {negative} left out for times that cannot be"));
    }
    said
}

fn fails(dora: &Dora) -> String {
    let fail = &dora.change_fail;
    let mut said = format!("{} whose outcome is known", of(fail.rate));
    let by = [
        (fail.by_incident, "by incident"),
        (fail.by_burn, "by SLO burn"),
        (fail.by_rollback, "rolled back"),
        (fail.by_rollforward, "rolled forward"),
    ];
    let by: Vec<String> = by
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, how)| format!("{} {how}", figures::count(*count)))
        .collect();
    if !by.is_empty() {
        said.push_str(&format!(": {}", by.join(", ")));
    }
    if fail.pending > 0 {
        said.push_str(&format!("; {} not known yet and left out", figures::counted(fail.pending, "is", "are")));
    }
    if fail.failing > 0 {
        said.push_str(&format!(", {} of them failing", figures::count(fail.failing)));
    }
    said
}

fn recovery(dora: &Dora) -> String {
    let untold = match dora.recovery.untold {
        0 => String::new(),
        count => format!("; of {} it is not known or not over", figures::count(count)),
    };
    match &dora.recovery.spread {
        Some(spread) => {
            format!("half of {} took at most this; p90 {}{untold}", failed(spread.sample), span(spread.p90_s))
        }
        None => format!("no failed deployment is known to have recovered{untold}"),
    }
}

/// `3 failed deployments`.
fn failed(count: u64) -> String {
    figures::counted(count, "failed deployment", "failed deployments").to_string()
}

/// `3 of 40 deployments`.
fn of(share: Share) -> String {
    format!("{} of {}", figures::count(share.count), figures::counted(share.of, "deployment", "deployments"))
}

fn rate(share: Share) -> String {
    let Some(ratio) = share.ratio() else { return none() };
    let few = if share.of < ENOUGH { "~" } else { "" };
    format!("{few}{}", tenths_of_percent(ratio))
}

fn median(spread: &Option<Spread>) -> String {
    let Some(spread) = spread else { return none() };
    let few = if spread.sample < ENOUGH { "~" } else { "" };
    format!("{few}{}", span(spread.p50_s))
}

fn none() -> String {
    figures::none().to_string()
}

/// `7.1 %`, `12 %`.
fn tenths_of_percent(ratio: f64) -> String {
    format!("{} %", figures::decimal(ratio * 100.0))
}

/// `1.38`, `0.05`, `12`.
fn hundredths(number: f64) -> String {
    let shown = format!("{number:.2}");
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `45 s`, `12 min`, `5.2 h`, `3.4 days`.
fn span(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{} s", seconds.round()),
        90.0..5_400.0 => format!("{} min", (seconds / 60.0).round()),
        _ => figures::lasting(seconds / 3_600.0).to_string(),
    }
}

/// A bar for each value, as high as its share of the highest; what has no value is a dot.
fn bars(course: &[Option<f64>], unicode: bool) -> String {
    let (levels, none) =
        if unicode { (['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'], '·') } else { ascii() };
    let highest = course.iter().flatten().fold(0.0_f64, |highest, value| highest.max(*value));
    let bar = |value: &Option<f64>| {
        let Some(value) = value else { return none };
        let share = if highest > 0.0 { value / highest } else { 0.0 };
        levels[((share * 7.0).ceil() as usize).min(7)]
    };
    course.iter().map(bar).collect()
}

fn ascii() -> ([char; 8], char) {
    (['_', '-', '~', '=', '+', '*', '%', '#'], '.')
}

fn table(heading: &str, rows: &[Dora], name: Name, screen: &mut Screen) {
    screen.heading(heading);
    // The most deployed first: a long list is cut at its end.
    let mut rows: Vec<&Dora> = rows.iter().collect();
    rows.sort_by_key(|one| std::cmp::Reverse(one.frequency.deployments));
    let names: Vec<String> =
        rows.iter().take(LINES_MAX).map(|one| name(&one.scope).as_deref().map(shown).unwrap_or_default()).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let line = |name: &str, [deployed, lead, fail, recovery, rework]: [&str; 5]| {
        let columns = format!("{deployed:>12}  {lead:>11}  {fail:>9}  {recovery:>13}  {rework:>7}");
        format!("  {name:<widest$}{columns}")
    };
    let head = ["deployments", "lead time", "fail rate", "recovery time", "rework"];
    screen.line(&line("", head), Paint::new().dimmed());
    for (one, name) in rows.iter().zip(&names) {
        let figures = [
            figures::count(one.frequency.deployments).to_string(),
            median(&one.lead_time.commits),
            rate(one.change_fail.rate),
            median(&one.recovery.spread),
            rate(one.rework),
        ];
        screen.line(&line(name, figures.each_ref().map(String::as_str)), Paint::new());
    }
    if rows.len() > LINES_MAX {
        screen.wrapped(&format!("and {} more", rows.len() - LINES_MAX), 2, Paint::new());
    }
}

fn odd(odd: &[Odd], now: DateTime<Utc>, screen: &mut Screen) {
    if odd.is_empty() {
        return;
    }
    screen.heading("What is odd");
    for one in odd {
        let since = figures::age(now - one.since).map(|age| format!(", the oldest {age} ago")).unwrap_or_default();
        screen.wrapped(&format!("{} {}{since}", figures::count(one.count), words(one.kind)), 2, Paint::new());
    }
}

/// What follows a number of them.
fn words(kind: OddKind) -> &'static str {
    match kind {
        OddKind::Orphan => "of no known service: in no figure",
        OddKind::ReleaseAlone => "released, and not seen deployed: in no figure",
        OddKind::NoCommit => "without a commit: no lead time",
        OddKind::NoEnvironment => "without an environment: in no figure",
        OddKind::Duplicate => "told twice by a source: counted once",
        OddKind::EndsBeforeItBegins => "that end before they begin: these times are left out",
        OddKind::InTheFuture => "told of before they happened: these times are left out",
        OddKind::Late => "known late: figures of their days have changed since",
        OddKind::Partial => "that did not reach every cluster",
        OddKind::Disputed => "that one source saw fail and another one run: taken to run",
    }
}

fn shown(name: &str) -> String {
    outside::shorten(&outside::visible(name), NAME_MAX)
}
