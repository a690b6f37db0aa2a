//! How right scores have been, for a terminal.

use owo_colors::Style as Paint;

use super::{
    because, days, none, share,
    versions::{self, Version},
};
use crate::{
    outcome::{
        evaluate::wilson,
        recalibrate::{
            Caught,
            record::{ALARM_Z, Counts, Drift, Enforcing, Record, SHARE_MIN, Share, Window, Worth, Worthy},
        },
    },
    report::{
        backtest::{
            text::table,
            words::{self, Table, percent},
        },
        sentences::figures::{count, counted, decimal},
        terminal::{Screen, Style},
    },
    risk::signal::SIGNALS,
};

/// The record, ending with a line break. `model` is the version in force; it may be untrusted.
pub fn render(record: &Record, model: &str, versions: &[Version], style: Style) -> String {
    let mut screen = Screen::new(style);
    let asked = record.asked;
    let title = format!("How right scores have been, {}", days(asked.since, asked.now));
    screen.wrapped(&title, 0, Paint::new().bold());
    screen.line("", Paint::new());
    for sentence in headline(record) {
        screen.wrapped(&sentence, 0, Paint::new());
    }
    screen.heading("What became of the changes");
    for (name, text) in counts(&record.counts) {
        screen.hanging(&format!("{name:<12}"), &text, Paint::new());
    }
    screen.hanging(&format!("{:<12}", "Model"), &words::shown(model), Paint::new());
    if record.counts.known() < SHARE_MIN {
        return screen.finish();
    }
    screen.heading("How well the stated rates hold");
    match &record.calibration {
        None => screen.wrapped(words::NO_PROBABILITIES, 2, Paint::new()),
        Some(calibration) => {
            for sentence in words::calibration(calibration) {
                screen.wrapped(&sentence, 2, Paint::new());
            }
            table(&words::reliability(calibration), &mut screen);
        }
    }
    for sentence in drift(&record.drift) {
        screen.wrapped(&sentence, 2, Paint::new());
    }
    screen.heading("Changes by score");
    table(&scores(record), &mut screen);
    screen.heading("Precision and recall by threshold");
    table(&thresholds(&record.thresholds), &mut screen);
    screen.heading("What enforcing at a threshold would have done");
    table(&enforcing(&record.enforcing), &mut screen);
    screen.wrapped(ENFORCING, 2, Paint::new().dimmed());
    if !record.worth.is_empty() {
        screen.heading("Which signals earned their points");
        table(&worth(&record.worth), &mut screen);
        screen.wrapped(WORTH, 2, Paint::new().dimmed());
    }
    if record.overrides.of > 0.0 || record.overrides_open > 0 {
        screen.heading("Overrides, judged");
        table(&overrides(record), &mut screen);
        screen.wrapped(OVERRIDES, 2, Paint::new().dimmed());
    }
    if !versions.is_empty() {
        screen.heading("Which model was in force");
        table(&versions::table(versions), &mut screen);
        screen.wrapped(versions::VERSIONS, 2, Paint::new().dimmed());
    }
    screen.heading("How far this carries");
    for limit in LIMITS {
        screen.wrapped(limit, 2, Paint::new());
    }
    screen.finish()
}

pub(super) const SCORES: &str = "Changes whose outcome is known. Intervals are Wilson's, 95 %.";

pub(super) const THRESHOLDS: &str =
    "Of those at or above a score, the share that failed; and of those that failed, the share at or above it.";

pub(super) const WINDOWS: &str = "Each window has as many expected failures as the others. z: failures more than expected, in standard deviations; \
                                  Spiegelhalter's z tells whether the Brier score is worse than right rates would have it.";

pub(super) const ENFORCING: &str = "Had everything at or above the threshold been held until somebody looked. A held change is caught if it \
                         failed, and held in vain if it did not; whether looking would have found the fault is not known. Hours \
                         are as many as held changes really waited on average.";

pub(super) const WORTH: &str = "Gain: how much higher the log loss would be, in thousandths a change, were the signal always at its average. \
                     Intervals hold for all signals at once in 95 of 100 cases.";

pub(super) const OVERRIDES: &str = "An override turned out right if the change did not fail within its window.";

pub(super) const LIMITS: [&str; 4] = [
    "A failure that is doubtful, or shared by changes that were deployed together, counts in part.",
    "Changes that were held and never deployed have no outcome; they are counted and take no part in any rate.",
    "Acting on a score changes what becomes of a change: where high scores are looked at longer, fewer of them fail, and \
     the score looks worse than it is.",
    "These figures are about changes, and are no measure of the people who made them.",
];

pub(super) fn headline(record: &Record) -> Vec<String> {
    let known = record.counts.known();
    if known < SHARE_MIN {
        return vec![format!(
            "Not enough outcomes yet: {} known, and it takes {SHARE_MIN} to state any share. Until then scores and rates \
             are those of the shipped model, which was fitted on public repositories.",
            counted(known, "outcome is", "outcomes are"),
        )];
    }
    let threshold = record.asked.threshold;
    let mut said = vec![match record.followed.of + record.followed_below.of {
        // A merge says nothing of production.
        0.0 => "Whether SLO breaches or incidents followed is not known: no deployment of these changes was told of."
            .to_owned(),
        _ => format!(
            "{} {} followed by an SLO breach or an incident within 4 h of deployment; of those below, {}.",
            followed(&format!("Of the changes scored {threshold} or more"), record.followed),
            if record.followed.share.is_some() { "were" } else { "can be said to have been" },
            below(record.followed_below),
        ),
    }];
    let Share { found, of, .. } = record.overrides;
    if of > 0.0 || record.overrides_open > 0 {
        // Of too few no share is stated.
        let right = record.overrides.share.map_or_else(String::new, |found| format!(" ({})", share(Some(found))));
        said.push(format!(
            "{} judged so far: {} turned out right{right}, {} failed; {} not known yet.",
            counted(of as u64, "override", "overrides"),
            decimal(found),
            decimal(of - found),
            count(record.overrides_open),
        ));
    }
    said
}

fn followed(whom: &str, part: Share) -> String {
    match part.share {
        Some(_) => format!("{whom}, {} ({} of {})", share(part.share), decimal(part.found), decimal(part.of)),
        None => {
            format!(
                "{whom} only {} known, too few to state what share",
                counted(part.of as u64, "outcome is", "outcomes are")
            )
        }
    }
}

fn below(part: Share) -> String {
    match part.share {
        Some(_) => format!("{} ({} of {})", share(part.share), decimal(part.found), decimal(part.of)),
        None => "too few are known".to_owned(),
    }
}

pub(super) fn counts(counts: &Counts) -> Vec<(&'static str, String)> {
    let known = counts.known();
    let censored: Vec<String> =
        counts.censored.iter().map(|(why, changes)| format!("{} {}", count(*changes), because(*why).1)).collect();
    let (low, high) = wilson(counts.failed, known as f64);
    let failed = if known < SHARE_MIN {
        decimal(counts.failed).to_string()
    } else {
        format!(
            "{}, {} [{}, {}] of those known",
            decimal(counts.failed),
            percent(counts.failed / known as f64),
            percent(low),
            percent(high)
        )
    };
    vec![
        ("Assessed", counted(counts.assessed, "change", "changes").to_string()),
        ("Failed", failed),
        ("Clean", decimal(counts.clean).to_string()),
        ("No outcome", if censored.is_empty() { "none".to_owned() } else { censored.join(", ") }),
    ]
}

pub(super) fn drift(drift: &Drift) -> Vec<String> {
    let Some(last) = drift.windows.last() else {
        return vec!["Whether rates drift cannot be told yet: too few failures are expected.".to_owned()];
    };
    let figures = format!(
        "in the latest {} ({}), {} were expected to fail and {} did (z {:.1}; Spiegelhalter's z {:.1}; alarm from {ALARM_Z})",
        counted(last.changes, "change", "changes"),
        days(last.from, last.until),
        decimal(last.expected),
        decimal(last.failed),
        last.level_z,
        last.spread_z,
    );
    let figures = figures.replace("z -", "z −");
    vec![if last.alarms() { format!("DRIFT: {figures}.") } else { format!("No drift: {figures}.") }]
}

pub(super) fn scores(record: &Record) -> Table {
    let row = |(bin, (clean, failed)): (usize, &(f64, f64))| {
        let known = (clean + failed).round() as u64;
        let (low, high) = wilson(*failed, known as f64);
        let rate = |known: u64| format!("{} [{}, {}]", percent(failed / known as f64), percent(low), percent(high));
        let end = if bin == 9 { 100 } else { bin * 10 + 9 };
        vec![
            format!("{}-{end}", bin * 10),
            count(known).to_string(),
            decimal(*failed).to_string(),
            if known < SHARE_MIN { none() } else { rate(known) },
        ]
    };
    let rows = record.distribution.iter().enumerate().filter(|(_, (clean, failed))| clean + failed > 0.0).map(row);
    let head = ["Score", "Known", "Failed", "Share that failed"].map(str::to_owned).into();
    Table { head, rows: rows.collect() }
}

pub(super) fn thresholds(all: &[(u8, Caught)]) -> Table {
    let of = |found: f64, of: f64| {
        let part = Share::new(found, of);
        let bare = format!("{} of {}", decimal(found), decimal(of));
        if part.share.is_some() { format!("{bare}: {}", share(part.share)) } else { bare }
    };
    let row = |(from, caught): &(u8, Caught)| {
        let Caught { above, failed_above, failed } = *caught;
        vec![from.to_string(), count(above).to_string(), of(failed_above, above as f64), of(failed_above, failed)]
    };
    let head = ["From", "At or above", "Failed of these", "Of all that failed"].map(str::to_owned).into();
    Table { head, rows: all.iter().map(row).collect() }
}

pub(super) fn windows(all: &[Window]) -> Table {
    let row = |window: &Window| {
        let z = |z: f64| format!("{z:+.1}").replace('-', "−");
        vec![
            days(window.from, window.until),
            count(window.changes).to_string(),
            decimal(window.expected).to_string(),
            decimal(window.failed).to_string(),
            z(window.level_z),
            z(window.spread_z),
            if window.alarms() { "drift".to_owned() } else { "none".to_owned() },
        ]
    };
    let head = ["Assessed", "Changes", "Expected", "Failed", "z", "Spiegelhalter's z", "Alarm"];
    Table { head: head.map(str::to_owned).into(), rows: all.iter().map(row).collect() }
}

pub(super) fn enforcing(gates: &[Enforcing]) -> Table {
    let row = |gate: &Enforcing| {
        let of = |part: Share| format!("{} of {}", decimal(part.found), decimal(part.of));
        let share_of =
            |part: Share| if part.share.is_some() { format!("{}: {}", of(part), share(part.share)) } else { of(part) };
        vec![
            gate.threshold.to_string(),
            count(gate.held).to_string(),
            share_of(gate.caught),
            share_of(gate.in_vain),
            gate.added_h.map_or_else(none, |hours| format!("{} h", count(hours.round() as u64))),
        ]
    };
    let head = ["From", "Held", "Failures caught", "Held in vain", "Added"].map(str::to_owned).into();
    Table { head, rows: gates.iter().map(row).collect() }
}

pub(super) fn overrides(record: &Record) -> Table {
    let Share { found, of, share: right } = record.overrides;
    let row = |what: &str, number: f64, of: String| vec![what.to_owned(), decimal(number).to_string(), of];
    let rows = vec![
        row("turned out right", found, share(right)),
        row("failed", of - found, none()),
        row("not known yet", record.overrides_open as f64, none()),
    ];
    let head = ["Overrides that", "Changes", "Share of those known"].map(str::to_owned).into();
    Table { head, rows }
}

pub(super) fn worth(worth: &[Worth]) -> Table {
    let row = |one: &Worth| {
        let label = SIGNALS.iter().find(|signal| signal.id == one.signal).map_or(one.signal, |signal| signal.label);
        let said = match one.worthy() {
            Worthy::Earned => "earned",
            Worthy::Unclear => "cannot be told from chance",
            Worthy::Misled => "misled",
        };
        let figure = |number: f64| format!("{number:+.2}").replace('-', "−");
        vec![
            label.to_owned(),
            count(one.known).to_string(),
            decimal(one.points).to_string(),
            format!("{} [{}, {}]", figure(one.gain.value), figure(one.gain.low), figure(one.gain.high)),
            said.to_owned(),
        ]
    };
    let head = ["Signal", "Changes", "Points, mean", "Gain", "Its points"].map(str::to_owned).into();
    Table { head, rows: worth.iter().map(row).collect() }
}
