//! A backtest as JSON, `mergecast.backtest/1`. Every measure is `{value, low, high}`, a 95 % interval, or null where it
//! cannot be judged; shares and rates are 0-1, times RFC 3339 in UTC.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::words::{instant, name};
use crate::{
    outcome::{
        backtest::{self, Compared, Counts, Named, RankBy, Report, SCORE_BIN, ScoreBin, Window},
        evaluate::{self, SHARES},
        labels::HORIZON_DAYS,
    },
    report::outside,
};

/// The name and version of this shape.
pub const SCHEMA: &str = "mergecast.backtest/1";

/// A backtest as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    schema: &'static str,
    repository: String,
    model: String,
    lines_known: bool,
    history: Span,
    label: Label,
    counts: Outcomes,
    reverts: Reverts,
    headline: Vec<String>,
    ranked_by: &'static str,
    test: Part,
    all: Part,
    rolled_back_or_fixed: Option<Fixed>,
    compared: Vec<Rival>,
    distribution: Vec<Bar>,
    windows: Vec<Period>,
    catches: Vec<Failure>,
    misses: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Span {
    changes: u64,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Label {
    failed: &'static str,
    within_days: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Outcomes {
    scored: u64,
    judged: u64,
    failed: u64,
    clean: u64,
    left_out: LeftOut,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct LeftOut {
    unripe: u64,
    bots: u64,
    reverts: u64,
    empty: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Reverts {
    found: u64,
    linked: u64,
    undone: u64,
    undone_late: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Part {
    #[serde(flatten)]
    span: Span,
    #[serde(flatten)]
    measures: Measures,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Fixed {
    test: Part,
    all: Part,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Measures {
    failed: u64,
    base_rate: f64,
    ranking: Option<Ranking>,
    effort: Option<Effort>,
    calibration: Option<Calibration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Ranking {
    roc_auc: Estimate,
    average_precision: Estimate,
    pr_lift: Estimate,
    top: Vec<Top>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Top {
    share: f64,
    recall: Estimate,
    precision: Estimate,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Effort {
    recall_at_20_percent: Estimate,
    popt: Estimate,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Calibration {
    changes: u64,
    stated: f64,
    observed: f64,
    brier: Estimate,
    brier_skill: Estimate,
    log_loss: Estimate,
    ece: f64,
    ece_noise_floor: NoiseFloor,
    reliability: Vec<Bin>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct NoiseFloor {
    mean: f64,
    p95: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Bin {
    changes: u64,
    failed: u64,
    stated: f64,
    observed: f64,
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Rival {
    score: &'static str,
    measures: Option<Measures>,
    roc_auc_difference: Option<Estimate>,
    ours_better_in_share_of_draws: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Bar {
    from_score: u8,
    clean: u64,
    failed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Period {
    #[serde(flatten)]
    span: Span,
    failed: u64,
    roc_auc: Option<Estimate>,
    recall_top_20_percent: Option<Estimate>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Failure {
    sha: String,
    at: DateTime<Utc>,
    title: String,
    score: u8,
    scored_above: f64,
    lines: Option<u64>,
    rolled_back_after_s: i64,
}

/// The document of a report. Text from outside is data in it; hidden characters are shown.
pub fn render(report: &Report) -> Document {
    let Counts { scored, failed, clean, unripe, bots, reverts, empty } = report.counts;
    Document {
        schema: SCHEMA,
        repository: outside::visible(&report.repository),
        model: outside::visible(&report.model),
        lines_known: report.lines,
        history: span(report.history),
        label: Label { failed: "rolled back by a later change of the main line", within_days: HORIZON_DAYS },
        counts: Outcomes {
            scored,
            judged: report.counts.judged(),
            failed,
            clean,
            left_out: LeftOut { unripe, bots, reverts, empty },
        },
        reverts: Reverts {
            found: report.reverts.found,
            linked: report.reverts.linked,
            undone: report.reverts.undone,
            undone_late: report.reverts.late,
        },
        headline: super::words::headline(report),
        ranked_by: match report.rank_by {
            RankBy::Score => "score",
            RankBy::Probability => "probability",
        },
        test: part(&report.test),
        all: part(&report.all),
        rolled_back_or_fixed: report
            .fixed
            .as_ref()
            .map(|fixed| Fixed { test: part(&fixed.test), all: part(&fixed.all) }),
        compared: report.compared.iter().map(rival).collect(),
        distribution: bars(&report.distribution),
        windows: report.windows.iter().map(period).collect(),
        catches: report.catches.iter().map(failure).collect(),
        misses: report.misses.iter().map(failure).collect(),
    }
}

fn span(span: backtest::Span) -> Span {
    let (from, to) = span.between.map(|(from, to)| (instant(from), instant(to))).unzip();
    Span { changes: span.changes, from, to }
}

fn part(part: &backtest::Part) -> Part {
    Part { span: span(part.span), measures: measures(&part.evaluation) }
}

fn measures(evaluation: &evaluate::Evaluation) -> Measures {
    Measures {
        failed: evaluation.failed,
        base_rate: evaluation.base_rate(),
        ranking: evaluation.ranking.map(ranking),
        effort: evaluation
            .effort
            .map(|effort| Effort { recall_at_20_percent: estimate(effort.recall), popt: estimate(effort.popt) }),
        calibration: evaluation.calibration.as_ref().map(calibration),
    }
}

fn estimate(evaluate::Estimate { value, low, high }: evaluate::Estimate) -> Estimate {
    Estimate { value, low, high }
}

fn ranking(ranking: evaluate::Ranking<evaluate::Estimate>) -> Ranking {
    let top = ranking.top.iter().zip(SHARES).map(|(top, share)| Top {
        share,
        recall: estimate(top.recall),
        precision: estimate(top.precision),
    });
    Ranking {
        roc_auc: estimate(ranking.roc_auc),
        average_precision: estimate(ranking.average_precision),
        pr_lift: estimate(ranking.pr_lift),
        top: top.collect(),
    }
}

fn calibration(calibration: &evaluate::Calibration) -> Calibration {
    let bin = |bin: &evaluate::Bin| Bin {
        changes: bin.changes.round() as u64,
        failed: bin.failed.round() as u64,
        stated: bin.stated,
        observed: bin.observed(),
        low: bin.low,
        high: bin.high,
    };
    Calibration {
        changes: calibration.changes,
        stated: calibration.stated,
        observed: calibration.observed,
        brier: estimate(calibration.brier),
        brier_skill: estimate(calibration.brier_skill),
        log_loss: estimate(calibration.log_loss),
        ece: calibration.ece,
        ece_noise_floor: NoiseFloor { mean: calibration.noise_floor.mean, p95: calibration.noise_floor.p95 },
        reliability: calibration.reliability.iter().map(bin).collect(),
    }
}

fn rival(compared: &Compared) -> Rival {
    Rival {
        score: name(compared.rival),
        measures: compared.evaluation.as_ref().map(measures),
        roc_auc_difference: compared.difference.map(|difference| estimate(difference.auc)),
        ours_better_in_share_of_draws: compared.difference.map(|difference| difference.better),
    }
}

fn bars(bins: &[ScoreBin]) -> Vec<Bar> {
    let starts = (0..=100).step_by(usize::from(SCORE_BIN));
    bins.iter().zip(starts).map(|(bin, from_score)| Bar { from_score, clean: bin.clean, failed: bin.failed }).collect()
}

fn period(window: &Window) -> Period {
    Period {
        span: span(window.span),
        failed: window.failed,
        roc_auc: window.roc_auc.map(estimate),
        recall_top_20_percent: window.recall.map(estimate),
    }
}

fn failure(named: &Named) -> Failure {
    Failure {
        sha: outside::visible(&named.sha),
        at: instant(named.at),
        title: outside::visible(&named.title),
        score: named.score,
        scored_above: named.above,
        lines: named.lines,
        rolled_back_after_s: named.undone_after_s,
    }
}
