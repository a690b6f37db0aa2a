//! Replayed histories for a terminal: what learning did to the order of changes and to the stated rates.

use owo_colors::Style as Paint;

use super::none;
use crate::{
    outcome::{
        evaluate::{Calibration, Evaluation},
        recalibrate::replay::{Part, Report, Way},
    },
    report::{
        backtest::{
            text::table,
            words::{Table, date, percent, signed, three},
        },
        outside,
        sentences::figures::count,
        terminal::{Screen, Style},
    },
};

/// What is printed of several replays, ending with a line break. Holds no control character from outside.
pub fn render(reports: &[Report], model: &str, style: Style) -> String {
    let mut screen = Screen::new(style);
    let title = format!("{} replayed as if live, starting from {}", histories(reports.len()), outside::visible(model));
    screen.wrapped(&title, 0, Paint::new().bold());
    screen.line("", Paint::new());
    for sentence in ABOUT {
        screen.wrapped(sentence, 0, Paint::new());
    }
    for (heading, part) in PARTS {
        screen.heading(&format!("Rolled back within 30 days, {heading}"));
        table(&rollbacks(reports, part), &mut screen);
        if let Some(fixes) = fixes(reports, part) {
            screen.heading(&format!("Fixed or rolled back within 30 days, {heading}"));
            table(&fixes, &mut screen);
        }
    }
    screen.heading("How to read it");
    for sentence in LEGEND {
        screen.wrapped(sentence, 2, Paint::new());
    }
    screen.finish()
}

type OfPart = fn(&Report) -> &Part;

const PARTS: [(&str, OfPart); 2] =
    [("last 30 % in time", |report| &report.test), ("all changes", |report| &report.all)];

const ABOUT: [&str; 2] = [
    "Each night the stated rates followed the outcomes that had become known, 30 days after a change; every month a \
     challenger was fitted to them and judged.",
    "Each change was scored and rated by what was in force when it landed.",
];

const LEGEND: [&str; 4] = [
    "AUC: area under the ROC curve of the scores, 0.5 is chance. ECE: expected calibration error of the stated rates. \
     Floor: the error that exactly right rates would show by chance.",
    "Shipped: nothing is learned. Better: what was proposed is in force, as soon as it was. Every: all challengers \
     are, judged or not.",
    "In brackets the 95 % interval of the difference to shipped, over paired draws.",
    "If the model was fitted on these very histories, its own figures flatter it.",
];

fn histories(number: usize) -> String {
    format!("{} {}", count(number), if number == 1 { "history" } else { "histories" })
}

fn rollbacks(reports: &[Report], part: OfPart) -> Table {
    let auc = |part: &Part, way: Way| part.ways[way as usize].ranking.map(|ranking| ranking.roc_auc.value);
    let ece = |part: &Part, way: Way| part.ways[way as usize].calibration.as_ref().map(|found| found.ece);
    let shown = |figure: Option<f64>| figure.map_or_else(none, three);
    let against = |part: &Part, way: Way| match part.better[way as usize] {
        Some(found) => format!("{} [{}, {}]", signed(found.auc.value), signed(found.auc.low), signed(found.auc.high)),
        None => none(),
    };
    let row = |report: &Report| {
        let part = part(report);
        let judged = &part.ways[Way::Nothing as usize];
        vec![
            outside::visible(&report.repository),
            date(part.from),
            count(judged.changes).to_string(),
            count(judged.failed).to_string(),
            shown(auc(part, Way::Nothing)),
            against(part, Way::Better),
            against(part, Way::Every),
            report.arms[Way::Better as usize].versions.to_string(),
            shown(ece(part, Way::Nothing)),
            shown(ece(part, Way::Rates)),
            shown(ece(part, Way::Better)),
            floor(judged),
        ]
    };
    let mut rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    if reports.len() > 1 {
        let mean = |read: &dyn Fn(&Part) -> Option<f64>| mean(reports.iter().map(|report| read(part(report))));
        let better_by =
            |way: Way| mean(&|part| part.better[way as usize].map(|found| found.auc.value)).map_or_else(none, signed);
        let mut last = vec!["mean".to_owned(), String::new(), String::new(), String::new()];
        last.extend([shown(mean(&|part| auc(part, Way::Nothing))), better_by(Way::Better), better_by(Way::Every)]);
        last.push(String::new());
        last.extend([Way::Nothing, Way::Rates, Way::Better].map(|way| shown(mean(&|part| ece(part, way)))));
        last.push(String::new());
        rows.push(last);
    }
    let head = [
        "History",
        "From",
        "Changes",
        "Failed",
        "AUC shipped",
        "Better",
        "Every",
        "Versions",
        "ECE shipped",
        "Rates",
        "Better",
        "Floor",
    ];
    Table { head: head.map(str::to_owned).into(), rows }
}

fn fixes(reports: &[Report], part: OfPart) -> Option<Table> {
    let row = |report: &Report| {
        let fix = part(report).fix.as_ref()?;
        let ece = |of: &Evaluation| of.calibration.as_ref().map_or_else(none, |found| three(found.ece));
        let auc = |of: &Evaluation| of.ranking.map_or_else(none, |ranking| three(ranking.roc_auc.value));
        Some(vec![
            outside::visible(&report.repository),
            count(fix.stated.changes).to_string(),
            format!("{} ({})", count(fix.stated.failed), percent(fix.stated.base_rate())),
            auc(&fix.stated),
            auc(&fix.followed),
            ece(&fix.stated),
            ece(&fix.followed),
            floor(&fix.followed),
        ])
    };
    let mut rows: Vec<Vec<String>> = reports.iter().filter_map(row).collect();
    if rows.is_empty() {
        return None;
    }
    if rows.len() > 1 {
        let of = |read: &dyn Fn(&Evaluation) -> Option<f64>, followed: bool| {
            let fixes = reports.iter().map(|report| part(report).fix.as_ref());
            let mean =
                mean(fixes.map(|fix| fix.and_then(|fix| read(if followed { &fix.followed } else { &fix.stated }))));
            mean.map_or_else(none, three)
        };
        let auc = |of: &Evaluation| of.ranking.map(|ranking| ranking.roc_auc.value);
        let ece = |of: &Evaluation| of.calibration.as_ref().map(|found: &Calibration| found.ece);
        let figures = [of(&auc, false), of(&auc, true), of(&ece, false), of(&ece, true)];
        let mut last = vec!["mean".to_owned(), String::new(), String::new()];
        last.extend(figures);
        last.push(String::new());
        rows.push(last);
    }
    let head = ["History", "Changes", "Failed", "AUC stated", "Followed", "ECE stated", "Followed", "Floor"];
    Some(Table { head: head.map(str::to_owned).into(), rows })
}

fn floor(of: &Evaluation) -> String {
    of.calibration.as_ref().map_or_else(none, |found| three(found.noise_floor.mean))
}

/// Mean of what there is.
fn mean(numbers: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.flatten().collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}
