//! Sentences, figures and tables that the text and the page share.

use chrono::{DateTime, Utc};

use crate::{
    outcome::{
        backtest::{Compared, Counts, Fixed, Named, Part, RankBy, Report, Span},
        evaluate::{Bin, Calibration, Estimate, Evaluation, SHARES},
        labels::HORIZON_DAYS,
        rivals::Rival,
    },
    report::{
        outside,
        sentences::figures::{self, count, counted},
    },
    risk::FAILURES_MIN,
};

/// Fewer failures than this say little about any ranking.
const FEW_FAILURES: u64 = 30;

/// Place of the top fifth among [`SHARES`].
const TOP_FIFTH: usize = 3;

/// A table: one heading for each column, the first of them for the rows' names.
pub(in crate::report) struct Table {
    pub(in crate::report) head: Vec<String>,
    pub(in crate::report) rows: Vec<Vec<String>>,
}

/// What came out, in one or two sentences.
pub(super) fn headline(report: &Report) -> Vec<String> {
    let judged = report.counts.judged();
    let Some(ranking) = &report.test.evaluation.ranking else { return unjudged(report) };
    let top = ranking.top[TOP_FIFTH];
    let mut said = vec![format!(
        "The top {} by {} held {} of the changes that were later rolled back, {} times chance (95 % interval {} to {} \
         times).",
        percent(SHARES[TOP_FIFTH]),
        match report.rank_by {
            RankBy::Score => "score",
            RankBy::Probability => "stated probability",
        },
        percent(top.recall.value),
        times(top.recall.value / SHARES[TOP_FIFTH]),
        times(top.recall.low / SHARES[TOP_FIFTH]),
        times(top.recall.high / SHARES[TOP_FIFTH]),
    )];
    if ranking.roc_auc.low <= 0.5 && ranking.roc_auc.high >= 0.5 {
        said.push(format!(
            "That may be chance: the interval of the ROC AUC, {} to {}, holds 0.5.",
            three(ranking.roc_auc.low),
            three(ranking.roc_auc.high),
        ));
    } else if ranking.roc_auc.high < 0.5 {
        said.push("The score ranks worse than chance here; do not act on it in this repository.".to_owned());
    }
    if report.test.evaluation.failed < FEW_FAILURES {
        said.push(format!(
            "It stands on {} among the last 30 % of {} judged changes, so read the intervals, not the figures.",
            counted(report.test.evaluation.failed, "failure", "failures"),
            count(judged),
        ));
    }
    said
}

/// Why no ranking can be judged, and what to do about it.
fn unjudged(report: &Report) -> Vec<String> {
    let Counts { failed, .. } = report.counts;
    let (judged, reverts) = (report.counts.judged(), report.reverts);
    let mut said = Vec::new();
    if judged == 0 {
        said.push(format!(
            "No change could be judged: none is older than {HORIZON_DAYS} days, written by a person, no revert, and \
             changes a file."
        ));
        said.push("Take a longer history: an earlier --since, or a clone that is not cut off.".to_owned());
        return said;
    }
    if failed > 0 {
        said.push(format!(
            "{} of {} judged changes failed, {} of them among the last 30 % in time: too few to judge a ranking on. It \
             takes {FAILURES_MIN}, lest one failure more turns every figure.",
            count(failed),
            count(judged),
            count(report.test.evaluation.failed),
        ));
        said.push(match report.all.evaluation.ranking {
            Some(_) => "The figures for all changes are below; a longer history would say more.".to_owned(),
            None => "A longer history would say more.".to_owned(),
        });
        return said;
    }
    said.push(format!(
        "None of {} was rolled back within {HORIZON_DAYS} days, so no ranking can be judged here: every order of \
         changes is as right as any other.",
        counted(judged, "judged change", "judged changes")
    ));
    said.push(match (reverts.found, reverts.linked) {
        (0, _) => "No change in this history says that it is a revert. Either nothing failed, or failures are mended \
                   by further changes, which leave no mark that could be counted."
            .to_owned(),
        (found, 0) => format!(
            "{}, but none names a change of this history: they undo parts, or something older, or do not say what.",
            counted(found, "change says that it is a revert", "changes say that they are reverts")
        ),
        (_, linked) => format!(
            "{}, but of nothing that is judged, or after more than {HORIZON_DAYS} days.",
            counted(linked, "revert was linked", "reverts were linked")
        ),
    });
    said.push(
        "What to do: take the whole history instead of a part; roll back with git revert or GitHub's button, which \
         name the commit; and let the App learn from deployments and incidents, which see failures that git does not."
            .to_owned(),
    );
    said
}

/// What was read, what was judged and by what, as name and text.
pub(super) fn judged(report: &Report) -> Vec<(&'static str, String)> {
    let Counts { scored, unripe, bots, reverts, empty, .. } = report.counts;
    let linked = report.reverts;
    let left_out = [
        (unripe, "younger than 30 days at its end"),
        (bots, "by bots"),
        (reverts, "reverts themselves"),
        (empty, "without files"),
    ];
    let left_out: Vec<String> = left_out
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    let late =
        if linked.late > 0 { format!(", {} of them later than that", count(linked.late)) } else { String::new() };
    let mut rows = vec![
        ("History", format!("{}{}", counted(report.history.changes, "change", "changes"), between(report.history))),
        ("Scored", format!("{}, each from what came before it, by model {}", count(scored), shown(&report.model))),
        ("Failed means", format!("rolled back by a later change of the main line within {HORIZON_DAYS} days")),
        (
            "Reverts",
            format!(
                "{} found, {} linked to what they undo, {} not; {} undone{late}",
                count(linked.found),
                count(linked.linked),
                count(linked.found - linked.linked),
                counted(linked.undone, "change", "changes"),
            ),
        ),
        ("Judged", format!("{}{}", part(&report.all), between(report.all.span))),
        ("Left out", if left_out.is_empty() { "none".to_owned() } else { left_out.join(", ") }),
        ("Last 30 %", format!("{}{}", part(&report.test), between(report.test.span))),
    ];
    if !report.lines {
        let unknown = "unknown, since contents are not in this clone: scores do without them, and so do all measures";
        rows.push(("Lines", unknown.to_owned()));
    }
    if report.rank_by == RankBy::Probability {
        rows.push(("Ranked by", "the stated probability, not the score in whole points".to_owned()));
    }
    rows
}

fn part(part: &Part) -> String {
    let Evaluation { changes, failed, .. } = part.evaluation;
    format!("{}, {} failed ({})", count(changes), count(failed), percent(part.evaluation.base_rate()))
}

fn between(span: Span) -> String {
    span.between.map(|(from, to)| format!(", {} to {}", date(from), date(to))).unwrap_or_default()
}

/// All measures of the ranking; none where neither part can be judged.
pub(super) fn ranking(report: &Report) -> Option<Table> {
    let parts = [&report.test.evaluation, &report.all.evaluation];
    report.all.evaluation.ranking.as_ref()?;
    let row = |name: String, read: &dyn Fn(&Evaluation) -> Option<String>| {
        let cell = |part: &&Evaluation| read(part).unwrap_or_else(|| "–".to_owned());
        std::iter::once(name).chain(parts.iter().map(cell)).collect::<Vec<_>>()
    };
    let mut rows = vec![
        row("ROC AUC (0.5 is chance)".into(), &|part| Some(interval(part.ranking?.roc_auc, three))),
        row("Average precision".into(), &|part| Some(interval(part.ranking?.average_precision, three))),
        row("PR lift (1 is chance)".into(), &|part| Some(interval(part.ranking?.pr_lift, times))),
    ];
    for (place, share) in SHARES.into_iter().enumerate() {
        let name = format!("Recall, top {}", percent(share));
        rows.push(row(name, &|part| Some(interval(part.ranking?.top[place].recall, percent))));
    }
    for (place, share) in SHARES.into_iter().enumerate() {
        let name = format!("Precision, top {}", percent(share));
        rows.push(row(name, &|part| Some(interval(part.ranking?.top[place].precision, percent))));
    }
    if report.lines {
        rows.push(row("Recall at 20 % effort *".into(), &|part| Some(interval(part.effort?.recall, percent))));
        rows.push(row("Popt *".into(), &|part| Some(interval(part.effort?.popt, three))));
    }
    let head = ["Measure", "Last 30 %", "All"].map(str::to_owned).into();
    Some(Table { head, rows })
}

/// How the second head does; none where it is not known which changes needed a fix.
pub(super) fn fixed(report: &Report) -> Option<Table> {
    let Fixed { all, test } = report.fixed.as_ref()?;
    let parts = [test, all];
    let row = |name: &str, read: &dyn Fn(&Part) -> Option<String>| {
        let cell = |part: &&Part| read(part).unwrap_or_else(|| "–".to_owned());
        std::iter::once(name.to_owned()).chain(parts.iter().map(cell)).collect::<Vec<_>>()
    };
    let ranking = |part: &Part| part.evaluation.ranking;
    let rows = vec![
        row("Failed of changes", &|part| {
            Some(format!("{} of {}", count(part.evaluation.failed), count(part.evaluation.changes)))
        }),
        row("ROC AUC (0.5 is chance)", &|part| Some(interval(ranking(part)?.roc_auc, three))),
        row("PR lift (1 is chance)", &|part| Some(interval(ranking(part)?.pr_lift, times))),
        row("Recall, top 10 %", &|part| Some(interval(ranking(part)?.top[2].recall, percent))),
        row("Recall, top 20 %", &|part| Some(interval(ranking(part)?.top[TOP_FIFTH].recall, percent))),
    ];
    Some(Table { head: ["Measure", "Last 30 %", "All"].map(str::to_owned).into(), rows })
}

/// What the second head is.
pub(super) const FIXED: &str = "Failed here means rolled back, or in need of a fix within 30 days. Which changes were \
                                stands in a table beside the stream; a repository alone does not tell. Changes are \
                                ranked by the rate that the second head states, which is fix_probability in the CSV.";

/// What the star in the table of measures means; nothing where no measure has one.
pub(super) fn effort(report: &Report) -> Option<&'static str> {
    report.lines.then_some(EFFORT)
}

const EFFORT: &str = "* Small changes are cheap to read whoever ranks them, so these two hardly tell scores apart.";

/// How intervals were made.
pub(super) const INTERVALS: &str = "In brackets the 95 % interval over 1,000 draws of as many changes. Changes with the \
                                    same score count as in no order.";

/// Ours beside simpler scores; none where nothing can be compared.
pub(super) fn comparison(report: &Report) -> Option<Table> {
    let ours = report.test.evaluation.ranking.as_ref().filter(|_| !report.compared.is_empty())?;
    let figures = |name: &str, evaluation: &Evaluation, difference: String| {
        let ranking = evaluation.ranking.as_ref()?;
        Some(vec![
            name.to_owned(),
            interval(ranking.roc_auc, three),
            times(ranking.pr_lift.value),
            percent(ranking.top[2].recall.value),
            percent(ranking.top[TOP_FIFTH].recall.value),
            difference,
        ])
    };
    let mut rows = vec![figures("Mergecast", &report.test.evaluation, String::new())?];
    debug_assert!(ours.roc_auc.value.is_finite(), "a ranking has an area");
    for Compared { rival, evaluation, difference, .. } in &report.compared {
        let better = difference.map(|difference| {
            let Estimate { value, low, high } = difference.auc;
            let (value, low, high) = (signed(value), signed(low), signed(high));
            format!("{value} [{low}, {high}], {} of draws", percent(difference.better))
        });
        let row = evaluation.as_ref().and_then(|found| figures(name(*rival), found, better.unwrap_or_default()));
        rows.push(row.unwrap_or_else(|| {
            let unfitted = "too few failures before to fit it".to_owned();
            let dash = || "–".to_owned();
            vec![name(*rival).to_owned(), dash(), dash(), dash(), dash(), unfitted]
        }));
    }
    let head = ["Score", "ROC AUC", "PR lift", "Top 10 %", "Top 20 %", "Ours better by"];
    Some(Table { head: head.map(str::to_owned).into(), rows })
}

/// What the rivals are.
pub(super) const RIVALS: &str = "All four judge the same changes, the last 30 % in time. Size is lines added and deleted. LApredict (ISSTA 2021) and \
     Kamei's 14 metrics (TSE 2013) are logistic models fitted on this repository's earlier changes whose outcome was known \
     by then. Mergecast's weights are those that its model came with: if that was fitted on this very history, the \
     comparison flatters it. The last column is the difference in ROC AUC, and how often ours is ahead. Kamei's metrics \
     count an author's changes, here and nowhere else.";

/// What the rival is called.
pub(super) fn name(rival: Rival) -> &'static str {
    match rival {
        Rival::Size => "Size",
        Rival::LaPredict => "LApredict",
        Rival::Kamei => "Kamei's 14 metrics",
    }
}

/// How well probabilities hold, in sentences.
pub(in crate::report) fn calibration(calibration: &Calibration) -> Vec<String> {
    let floor = calibration.noise_floor;
    let verdict = if calibration.ece <= floor.p95 {
        "The stated rates hold as well as can be told from so many changes"
    } else if calibration.stated > calibration.observed {
        "The stated rates are off by more than chance; on the whole too high"
    } else {
        "The stated rates are off by more than chance; on the whole too low"
    };
    let skill = calibration.brier_skill;
    vec![
        format!(
            "{verdict}: the calibration error (ECE) is {}, where a perfect model would show {}, and at most {} in 95 of \
             100 histories.",
            four(calibration.ece),
            four(floor.mean),
            four(floor.p95),
        ),
        format!(
            "Stated were {} on average, {} failed. Brier score {}, skill over the base rate {} [{}, {}], log loss {}.",
            percent(calibration.stated),
            percent(calibration.observed),
            interval(calibration.brier, four),
            signed_percent(skill.value),
            signed_percent(skill.low),
            signed_percent(skill.high),
            interval(calibration.log_loss, four),
        ),
    ]
}

/// Said where the model states no probability.
pub(in crate::report) const NO_PROBABILITIES: &str =
    "No rate is stated for these changes, or too few of them failed to judge it.";

/// Stated and observed rates by tenths.
pub(in crate::report) fn reliability(calibration: &Calibration) -> Table {
    let head = ["Stated", "Failed", "95 % interval (Wilson)", "Failed of changes"].map(str::to_owned).into();
    let row = |bin: &Bin| {
        vec![
            percent(bin.stated),
            percent(bin.observed()),
            format!("{} to {}", percent(bin.low), percent(bin.high)),
            format!("{} of {}", figures::decimal(bin.failed), count(bin.changes.round() as u64)),
        ]
    };
    Table { head, rows: calibration.reliability.iter().map(row).collect() }
}

/// A failed change by name, and what is worth knowing of it.
pub(super) struct Line {
    pub(super) score: String,
    pub(super) date: String,
    pub(super) sha: String,
    pub(super) title: String,
    pub(super) about: String,
}

/// Most characters of a title.
const TITLE_MAX: usize = 100;

/// A failed change by name; control characters of its title are shown as pictures.
pub(super) fn line(named: &Named) -> Line {
    let lines = named.lines.map(|lines| format!("{}; ", counted(lines, "line", "lines"))).unwrap_or_default();
    let about = format!(
        "scored above {} of the judged changes; {lines}rolled back {}",
        at_least(named.above),
        after(named.undone_after_s),
    );
    Line {
        score: named.score.to_string(),
        date: date(named.at),
        sha: outside::visible(&named.sha.chars().take(12).collect::<String>()),
        title: if named.title.trim().is_empty() { "(no title)".to_owned() } else { shorten(&named.title) },
        about,
    }
}

/// A share in tenths of a per cent, never rounded up to all.
fn at_least(share: f64) -> String {
    format!("{} %", figures::decimal((share * 1_000.0).floor() / 10.0))
}

fn after(seconds: i64) -> String {
    match figures::age(chrono::TimeDelta::seconds(seconds)) {
        Some(age) => format!("after {age}"),
        None => "at once".to_owned(),
    }
}

/// How far the figures carry.
pub(super) const LIMITS: [&str; 3] = [
    "A rollback is one way of failing, and the one that git remembers. Failures that were mended by a further change are \
     counted as clean here.",
    "Only git was read: reviews, checks, coverage, SLOs and incidents, which the App also reads, were unknown for every \
     change.",
    "Changes that were held back by review never landed; nothing is known of them.",
];

/// Text from outside on one line.
pub(in crate::report) fn shown(text: &str) -> String {
    outside::visible(text)
}

fn shorten(title: &str) -> String {
    outside::shorten(&outside::visible(title), TITLE_MAX)
}

/// `2026-03-06`.
pub(in crate::report) fn date(at: i64) -> String {
    figures::date(instant(at)).to_string()
}

/// A time in unix seconds; the epoch if it is beyond the calendar.
pub(in crate::report) fn instant(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or_default()
}

/// `0.583 [0.510, 0.660]`.
pub(in crate::report) fn interval(estimate: Estimate, form: fn(f64) -> String) -> String {
    format!("{} [{}, {}]", form(estimate.value), form(estimate.low), form(estimate.high))
}

pub(in crate::report) fn three(number: f64) -> String {
    format!("{number:.3}")
}

pub(in crate::report) fn four(number: f64) -> String {
    format!("{number:.4}")
}

pub(in crate::report) fn times(number: f64) -> String {
    format!("{number:.1}")
}

/// `38 %`, `3.7 %`, `0.42 %`: at least two digits that count.
pub(in crate::report) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent.abs() {
        9.95.. => 0,
        0.995.. => 1,
        _ => 2,
    };
    let shown = format!("{percent:.digits$}");
    let shown = if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.') } else { &shown };
    format!("{} %", if shown == "-0" { "0" } else { shown })
}

pub(in crate::report) fn signed(number: f64) -> String {
    format!("{number:+.3}").replace('-', "−")
}

fn signed_percent(share: f64) -> String {
    format!("{:+.1} %", share * 100.0).replace('-', "−")
}

/// `1,240`.
pub(super) fn whole(number: u64) -> String {
    count(number).to_string()
}
