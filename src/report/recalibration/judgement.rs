//! A challenger and how it did against the champion, for a terminal.

use owo_colors::Style as Paint;

use super::{days, none, share};
use crate::{
    outcome::recalibrate::{AtThreshold, FlipTo, Fold, HOLDOUT_FAILED_MIN, Judgement, Moved, Verdict},
    report::{
        backtest::{
            text::table,
            words::{self, Table, date, percent, signed, three},
        },
        sentences::figures::{count, counted, decimal, signed as signed_points},
        terminal::{Screen, Style},
    },
};

/// Weights and flips that are named; the rest is counted.
const NAMED: usize = 10;

/// The judgement, ending with a line break. `champion` is the version in force; it may be untrusted.
pub fn render(judgement: &Judgement, champion: &str, style: Style) -> String {
    let mut screen = Screen::new(style);
    let (version, champion) = (words::shown(&judgement.challenger.model.version), words::shown(champion));
    screen.wrapped(&format!("{version} against {champion}"), 0, Paint::new().bold());
    screen.line("", Paint::new());
    for sentence in headline(judgement) {
        screen.wrapped(&sentence, 0, Paint::new());
    }
    screen.heading("On changes that it was not fitted on");
    table(&folds(judgement), &mut screen);
    screen.wrapped(FOLDS, 2, Paint::new().dimmed());
    if !judgement.thresholds.is_empty() {
        screen.heading("By threshold, on the latest part");
        table(&thresholds(&judgement.thresholds), &mut screen);
    }
    screen.heading("What moved");
    table(&moved(&judgement.challenger.moved), &mut screen);
    screen.wrapped(MOVED, 2, Paint::new().dimmed());
    flipped(judgement, &mut screen);
    screen.finish()
}

const FOLDS: &str = "At each origin both stand as they would have stood then, rates corrected by outcomes known by then. Difference \
                     of the log loss with its 95 % interval; below 0 the challenger is better. The last row decides.";

const MOVED: &str = "Weights in log-odds for a unit, with the 95 % interval. Told by outcomes: the share of the certainty that comes \
                     from them; the rest is the prior's. No step moves a term by more than 15 points across its usual range.";

fn headline(judgement: &Judgement) -> Vec<String> {
    let challenger = &judgement.challenger;
    let fitted = format!(
        "Fitted on {} with a known outcome, {} of them failures; weights may stray from the prior by {} for a standard \
         deviation, as the sample tells.",
        counted(challenger.changes, "change", "changes"),
        decimal(challenger.failed),
        two(challenger.strength),
    );
    let said = match judgement.verdict {
        Verdict::Proposed => {
            "PROPOSED: on the latest part its rates are better beyond noise, and it ranks no worse.".to_owned()
        }
        Verdict::TooFew => format!(
            "Not proposed: the latest part holds fewer than {HOLDOUT_FAILED_MIN} failures, which decides nothing."
        ),
        Verdict::NotBetter => "Not proposed: on the latest part its rates are not better beyond noise.".to_owned(),
        Verdict::RanksWorse => "Not proposed: its rates are better, but it ranks changes worse.".to_owned(),
    };
    vec![said, fitted]
}

fn folds(judgement: &Judgement) -> Table {
    let row = |fold: &Fold| {
        let both = |read: fn(&crate::outcome::recalibrate::Losses) -> Option<f64>| {
            let shown = |number: Option<f64>| number.map_or_else(none, four);
            format!("{} → {}", shown(read(&fold.champion)), shown(read(&fold.challenger)))
        };
        vec![
            days(fold.from, fold.until),
            count(fold.trained).to_string(),
            format!("{} of {}", count(fold.failed), count(fold.changes)),
            both(|losses| Some(losses.log_loss)),
            difference(fold),
            both(|losses| Some(losses.brier)),
            both(|losses| Some(losses.ece)),
            both(|losses| losses.roc_auc),
        ]
    };
    let head = ["Assessed", "Fitted on", "Failed", "Log loss", "Difference", "Brier", "ECE", "ROC AUC"];
    let rows = judgement.folds.iter().chain(&judgement.holdout).map(row).collect();
    Table { head: head.map(str::to_owned).into(), rows }
}

fn difference(fold: &Fold) -> String {
    let figure = |number: f64| format!("{number:+.4}").replace('-', "−");
    format!("{} [{}, {}]", figure(fold.difference.value), figure(fold.difference.low), figure(fold.difference.high))
}

fn thresholds(all: &[AtThreshold]) -> Table {
    let row = |at: &AtThreshold| {
        vec![
            at.threshold.to_string(),
            count(at.champion.above).to_string(),
            share(at.champion.precision()),
            share(at.champion.recall()),
            count(at.challenger.above).to_string(),
            share(at.challenger.precision()),
            share(at.challenger.recall()),
        ]
    };
    let head = ["From", "Champion above", "Precision", "Recall", "Challenger above", "Precision", "Recall"];
    Table { head: head.map(str::to_owned).into(), rows: all.iter().map(row).collect() }
}

fn moved(all: &[Moved]) -> Table {
    let row = |one: &Moved| {
        vec![
            one.id.clone(),
            three(one.from),
            format!("{} [{}, {}]", three(one.to), three(one.low), three(one.high)).replace('-', "−"),
            signed(one.to - one.from),
            format!("{} of {}", decimal(one.failed), count(one.known)),
            percent(one.informed),
        ]
    };
    let head = ["Term", "Before", "After", "By", "Failed, where it told", "Told by outcomes"];
    Table { head: head.map(str::to_owned).into(), rows: all.iter().take(NAMED).map(row).collect() }
}

fn flipped(judgement: &Judgement, screen: &mut Screen) {
    screen.heading("Changes that would have had another level");
    let flips = &judgement.flipped;
    if flips.is_empty() {
        return screen.wrapped("None in the latest part.", 2, Paint::new());
    }
    let way = |way: FlipTo| flips.iter().filter(move |flip| flip.way() == way);
    let failed = |wanted: FlipTo| way(wanted).filter(|flip| flip.failed == Some(true)).count();
    let open = flips.iter().filter(|flip| flip.failed.is_none()).count();
    screen.wrapped(
        &format!(
            "{} in the latest part: {} to a higher level, {} of which failed; {} to a lower one, {} of which failed; of {} the \
             outcome is not known.",
            counted(flips.len() as u64, "change", "changes"),
            count(way(FlipTo::Higher).count() as u64),
            count(failed(FlipTo::Higher) as u64),
            count(way(FlipTo::Lower).count() as u64),
            count(failed(FlipTo::Lower) as u64),
            count(open as u64),
        ),
        2,
        Paint::new(),
    );
    for flip in flips.iter().take(NAMED) {
        let outcome = match flip.failed {
            Some(true) => "failed",
            Some(false) => "clean",
            None => "not known",
        };
        let head = format!("{:>3} → {:<3}", flip.from, flip.to);
        let by = signed_points(i32::from(flip.to) - i32::from(flip.from));
        screen.hanging(&head, &format!("{} {}, {by}, {outcome}", date(flip.at), words::shown(&flip.id)), Paint::new());
    }
}

fn two(number: f64) -> String {
    format!("{number:.2}")
}

fn four(number: f64) -> String {
    format!("{number:.4}")
}
