//! A challenger and how it did against the champion, for a terminal.

use owo_colors::Style as Paint;

use super::{days, none, share};
use crate::{
    outcome::{
        evaluate::Estimate,
        recalibrate::{
            AtThreshold, Comparison, DECIDING_FAILED_MIN, FlipTo, Fold, Judgement, Lineage, Losses, Moved, Verdict,
        },
    },
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

/// The versions that stand against each other, as they are shown: they may be untrusted.
struct Names {
    prior: String,
    champion: String,
    challenger: String,
}

/// The judgement, ending with a line break.
pub fn render(judgement: &Judgement, lineage: Lineage<'_>, style: Style) -> String {
    let names = Names {
        prior: words::shown(&lineage.prior.version),
        champion: words::shown(&lineage.champion.version),
        challenger: words::shown(&judgement.challenger.model.version),
    };
    let mut screen = Screen::new(style);
    screen.wrapped(&format!("{} against {}", names.challenger, names.champion), 0, Paint::new().bold());
    screen.line("", Paint::new());
    for sentence in headline(judgement, &names) {
        screen.wrapped(&sentence, 0, Paint::new());
    }
    screen.heading("On changes that it was not fitted on");
    table(&folds(&judgement.trial.folds), &mut screen);
    screen.wrapped(&format!("{} → challenger. {FOLDS}", names.prior), 2, Paint::new().dimmed());
    let comparisons = comparisons(judgement, &names);
    if !comparisons.rows.is_empty() {
        screen.heading("What decides");
        table(&comparisons, &mut screen);
        screen.wrapped(DECIDES, 2, Paint::new().dimmed());
    }
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

const FOLDS: &str = "At the beginning of each part both stand as they would have stood then, rates corrected by outcomes known by \
                     then. Difference of the log loss with its 95 % interval; below 0 the challenger is better.";

const DECIDES: &str = "All of these are changes that neither of the two was fitted on. The whole interval of the first row must \
                       lie below 0, the ROC AUC may be lower by .005 at most, and neither the latest part nor the second row \
                       may speak against it. What holds fewer than 20 failures decides nothing.";

const MOVED: &str = "Weights in log-odds for a unit, with the 95 % interval. Told by outcomes: the share of the certainty that comes \
                     from them; the rest is the prior's. No step moves a term by more than 15 points across its usual range.";

fn headline(judgement: &Judgement, names: &Names) -> Vec<String> {
    let challenger = &judgement.challenger;
    let fitted = format!(
        "Fitted on {} with a known outcome, {} of them failures; weights may stray from the prior by {} for a standard \
         deviation, as the sample tells.",
        counted(challenger.changes, "change", "changes"),
        decimal(challenger.failed),
        two(challenger.strength),
    );
    vec![verdict(judgement, names), fitted]
}

fn verdict(judgement: &Judgement, names: &Names) -> String {
    let Names { prior, champion, .. } = names;
    let trial = &judgement.trial;
    match judgement.verdict {
        Verdict::Proposed if trial.standing.is_some() => format!(
            "PROPOSED, in place of {champion}: what outcomes teach here is better than {prior} beyond noise, and this is fitted \
             on the latest of them."
        ),
        Verdict::Proposed => {
            format!(
                "PROPOSED: over all parts its rates are better than those of {prior} beyond noise, and it ranks no worse."
            )
        }
        Verdict::TooFew => {
            format!(
                "Not proposed: all parts together hold fewer than {DECIDING_FAILED_MIN} failures, or as few that did not fail, which decides nothing."
            )
        }
        Verdict::NotBetter if trial.learning.is_some_and(|found| found.difference.high >= 0.0) => {
            format!("Not proposed: over all parts its rates are not better than those of {prior} beyond noise.")
        }
        Verdict::NotBetter if trial.folds.last().is_none_or(|fold| fold.difference.value >= 0.0) => {
            format!("Not proposed: on the latest part its rates are no better than those of {prior}.")
        }
        Verdict::NotBetter => {
            format!("Not proposed: since {champion} was learned, its rates are no better than that one's.")
        }
        Verdict::RanksWorse => "Not proposed: its rates are better, but it ranks changes worse.".to_owned(),
        Verdict::TooSoon => format!(
            "Not proposed: {champion} was learned not long ago; it is renewed from {} on.",
            trial.renewed_from.map_or_else(none, date)
        ),
        Verdict::Back => format!(
            "BACK: on changes that {champion} has not learned from it is no better than {prior}, which no outcome has moved."
        ),
    }
}

fn folds(folds: &[Fold]) -> Table {
    let row = |fold: &Fold| {
        let both = |read: fn(&Losses) -> Option<f64>| {
            let shown = |number: Option<f64>| number.map_or_else(none, four);
            format!("{} → {}", shown(read(&fold.prior)), shown(read(&fold.challenger)))
        };
        vec![
            days(fold.from, fold.until),
            count(fold.trained).to_string(),
            format!("{} of {}", count(fold.failed), count(fold.changes)),
            both(|losses| Some(losses.log_loss)),
            difference(&fold.difference),
            both(|losses| Some(losses.brier)),
            both(|losses| Some(losses.ece)),
            both(|losses| losses.roc_auc),
        ]
    };
    let head = ["Assessed", "Fitted on", "Failed", "Log loss", "Difference", "Brier", "ECE", "ROC AUC"];
    Table { head: head.map(str::to_owned).into(), rows: folds.iter().map(row).collect() }
}

fn comparisons(judgement: &Judgement, names: &Names) -> Table {
    let Names { prior, champion, challenger } = names;
    let trial = &judgement.trial;
    let all = [
        (format!("{challenger} against {prior}, all parts"), &trial.learning),
        (format!("{challenger} against {champion}, since that was learned"), &trial.renewal),
        (format!("{champion} against {prior}, since it was learned"), &trial.standing),
    ];
    let row = |(what, found): (String, &Option<Comparison>)| {
        let found = found.as_ref()?;
        let auc = found.roc_auc.map_or_else(none, signed);
        let failed = format!("{} of {}", count(found.failed), count(found.changes));
        Some(vec![what, failed, difference(&found.difference), auc])
    };
    let head = ["", "Failed", "Log loss", "ROC AUC"];
    Table { head: head.map(str::to_owned).into(), rows: all.into_iter().filter_map(row).collect() }
}

fn difference(found: &Estimate) -> String {
    let figure = |number: f64| format!("{number:+.4}").replace('-', "−");
    format!("{} [{}, {}]", figure(found.value), figure(found.low), figure(found.high))
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
    if let Some((before, after)) = judgement.mean_score {
        let said = format!("Mean score of the latest part: {} before, {} after.", decimal(before), decimal(after));
        screen.wrapped(&said, 2, Paint::new());
    }
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
