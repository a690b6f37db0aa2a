//! The charts of a backtest: what the score finds, whether rates hold, how scores are spread, how it went over time.

use super::{
    chart::{Chart, Key, Line, Scale, Shape, round_steps},
    words::{self, Table, date, percent, three},
};
use crate::outcome::{
    backtest::{Report, SCORE_BIN, ScoreBin, Window},
    evaluate::{Bin, Calibration, Estimate},
    rivals::Rival,
};

const FIFTHS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// All charts that the report has numbers for.
pub(super) fn charts(report: &Report) -> Vec<Chart> {
    let calibration = report.test.evaluation.calibration.as_ref();
    let some = [
        gain(report),
        calibration.map(reliability),
        spread(&report.distribution, SCORE_BIN, "Scores on the last 30 % in time"),
        over_time(&report.windows),
    ];
    some.into_iter().flatten().collect()
}

fn strings<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn key(class: &'static str, shape: Shape, label: &str) -> Key {
    Key { class, shape, label: label.to_owned() }
}

/// Share of the failed changes among the riskiest ones, by how many of them are looked at.
fn gain(report: &Report) -> Option<Chart> {
    let ours = report.test.gain.as_ref().filter(|_| report.test.evaluation.ranking.is_some())?;
    let rivals: Vec<(&'static str, &'static str, &Vec<f64>)> = report
        .compared
        .iter()
        .filter(|compared| compared.rival != Rival::LaPredict)
        .filter_map(|compared| Some((class(compared.rival), words::name(compared.rival), compared.gain.as_ref()?)))
        .collect();
    let scale = Scale { x_end: 1.0, y_end: 1.0 };
    let curve = |gain: &[f64]| {
        scale.points(gain.iter().zip(0_u32..).map(|(found, percent)| (f64::from(percent) / 100.0, *found)))
    };
    let mut lines = vec![Line { class: "chance", points: scale.points([(0.0, 0.0), (1.0, 1.0)].into_iter()) }];
    lines.extend(rivals.iter().rev().map(|(class, _, gain)| Line { class, points: curve(gain) }));
    lines.push(Line { class: "ours", points: curve(ours) });
    let mut legend = vec![key("ours", Shape::Line, "Mergecast")];
    legend.extend(rivals.iter().map(|(class, name, _)| key(class, Shape::Line, name)));
    legend.push(key("chance", Shape::Line, "chance"));
    let head = std::iter::once("Riskiest").chain(["Mergecast"]).chain(rivals.iter().map(|rival| rival.1));
    let row = |at: usize| {
        let found = std::iter::once(ours[at]).chain(rivals.iter().map(|(_, _, gain)| gain[at])).map(percent);
        std::iter::once(format!("{at} %")).chain(found).collect()
    };
    Some(Chart {
        id: "gain",
        title: "What the riskiest changes hold",
        description: format!(
            "Share of the failed changes found by looking at the riskiest changes first, on the last 30 % in time: {} \
             among the riskiest 10 %, {} among 20 %, {} among 50 %. By chance it would be 10, 20 and 50 %.",
            percent(ours[10]),
            percent(ours[20]),
            percent(ours[50])
        ),
        x: scale.x_axis("Riskiest changes", &FIFTHS, percent),
        y: scale.y_axis("Failed changes among them", &FIFTHS, percent),
        lines,
        bars: Vec::new(),
        whiskers: Vec::new(),
        marks: Vec::new(),
        legend,
        table: Table {
            head: head.map(str::to_owned).collect(),
            rows: [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90].map(row).into(),
        },
    })
}

fn class(rival: Rival) -> &'static str {
    match rival {
        Rival::Size => "size",
        Rival::LaPredict => "lapredict",
        Rival::Kamei => "kamei",
    }
}

/// Stated rates and what came of them.
pub(in crate::report) fn reliability(calibration: &Calibration) -> Chart {
    let most = |read: fn(&Bin) -> f64| round_steps(calibration.reliability.iter().map(read).fold(0.0, f64::max));
    // Stated rates often lie close together: they have a scale of their own, on which the line stays the line.
    let (x_steps, y_steps) = (most(|bin| bin.stated), most(|bin| bin.high.max(bin.stated)));
    let end = |steps: &[f64]| steps.last().copied().unwrap_or(1.0);
    let scale = Scale { x_end: end(&x_steps), y_end: end(&y_steps) };
    let exact = scale.x_end.min(scale.y_end);
    let whiskers = calibration.reliability.iter().map(|bin| scale.whisker("ours", bin.stated, bin.low, bin.high));
    let marks = calibration.reliability.iter().map(|bin| scale.mark("ours", false, bin.stated, bin.observed()));
    let holding = calibration.reliability.iter().filter(|bin| bin.low <= bin.stated && bin.stated <= bin.high).count();
    Chart {
        id: "reliability",
        title: "Whether the stated rates hold",
        description: format!(
            "For {} groups of as many changes each, from the lowest stated rate to the highest, the share that failed with \
             its 95 % interval. In {holding} of them the interval holds the stated rate.",
            calibration.reliability.len()
        ),
        x: scale.x_axis("Stated rate", &x_steps, percent),
        y: scale.y_axis("Failed", &y_steps, percent),
        lines: vec![Line { class: "chance", points: scale.points([(0.0, 0.0), (exact, exact)].into_iter()) }],
        bars: Vec::new(),
        whiskers: whiskers.collect(),
        marks: marks.collect(),
        legend: vec![
            key("ours", Shape::Disc, "a tenth of the changes, with 95 % interval"),
            key("chance", Shape::Line, "exactly as stated"),
        ],
        table: words::reliability(calibration),
    }
}

/// Scores of changes that failed beside those of changes that did not, in bins of `points`. `which` begins the description.
pub(in crate::report) fn spread(bins: &[ScoreBin], points: u8, which: &str) -> Option<Chart> {
    let (clean, failed) = bins.iter().fold((0, 0), |sum, bin| (sum.0 + bin.clean, sum.1 + bin.failed));
    if clean == 0 || failed == 0 {
        return None;
    }
    let shares: Vec<(f64, f64)> =
        bins.iter().map(|bin| (bin.clean as f64 / clean as f64, bin.failed as f64 / failed as f64)).collect();
    let most = shares.iter().map(|(clean, failed)| clean.max(*failed)).fold(0.0, f64::max);
    let steps = round_steps(most);
    let scale = Scale { x_end: 100.0, y_end: steps.last().copied().unwrap_or(1.0) };
    let width = f64::from(points);
    let starts: Vec<f64> = (0..bins.len()).map(|place| place as f64 * width).collect();
    let pair = |(start, (clean, failed)): (&f64, &(f64, f64))| {
        let middle = start + width / 2.0;
        [scale.bar("clean", start + 0.4, middle, *clean), scale.bar("failed", middle, start + width - 0.4, *failed)]
    };
    let row = |(place, bin): (usize, &ScoreBin)| {
        let start = place * usize::from(points);
        let end = if place + 1 == bins.len() { 100 } else { start + usize::from(points) - 1 };
        (bin.clean + bin.failed > 0)
            .then(|| vec![format!("{start} to {end}"), bin.clean.to_string(), bin.failed.to_string()])
    };
    let all = |count: fn(&ScoreBin) -> u64| bins.iter().map(count).collect::<Vec<u64>>();
    Some(Chart {
        id: "distribution",
        title: "How scores are spread",
        description: format!(
            "{which}, in bins of {points} points. Half of the changes that did not fail score below {}, half of those that \
             failed below {}.",
            median(&all(|bin| bin.clean), points),
            median(&all(|bin| bin.failed), points)
        ),
        x: scale.x_axis("Score", &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0], |score| format!("{score:.0}")),
        y: scale.y_axis("Share of each kind", &steps, percent),
        lines: Vec::new(),
        bars: starts.iter().zip(&shares).flat_map(pair).collect(),
        whiskers: Vec::new(),
        marks: Vec::new(),
        legend: vec![
            key("clean", Shape::Bar, &format!("{} that did not fail", words::whole(clean))),
            key("failed", Shape::Bar, &format!("{} that failed", words::whole(failed))),
        ],
        table: Table {
            head: strings(["Score", "Did not fail", "Failed"]),
            rows: bins.iter().enumerate().filter_map(|(place, bin)| row((place, bin))).collect(),
        },
    })
}

/// Upper end of the bin that holds the middle one.
fn median(counts: &[u64], points: u8) -> u64 {
    let half = counts.iter().sum::<u64>().div_ceil(2);
    let mut below = 0;
    let place = counts.iter().position(|count| {
        below += count;
        below >= half
    });
    (place.unwrap_or(0) as u64 + 1) * u64::from(points)
}

/// How the score did in one time after another.
fn over_time(windows: &[Window]) -> Option<Chart> {
    if windows.is_empty() {
        return None;
    }
    let scale = Scale { x_end: windows.len() as f64, y_end: 1.0 };
    let middle = |place: usize| place as f64 + 0.5;
    let points = |read: fn(&Window) -> Option<Estimate>| {
        windows.iter().enumerate().filter_map(move |(place, window)| Some((place, read(window)?)))
    };
    let auc = || points(|window| window.roc_auc);
    let recall = || points(|window| window.recall);
    let line = |class, points: &mut dyn Iterator<Item = (usize, Estimate)>| Line {
        class,
        points: scale.points(points.map(|(place, estimate)| (middle(place), estimate.value))),
    };
    let start = |window: &Window| window.span.between.map(|(from, _)| date(from)).unwrap_or_default();
    let month =
        |place: f64| windows.get(place as usize).map(|w| start(w).chars().take(7).collect()).unwrap_or_default();
    let every = windows.len().div_ceil(4);
    let ticks: Vec<f64> = (0..windows.len()).step_by(every).map(middle).collect();
    let row = |window: &Window| {
        let cell = |estimate: Option<Estimate>, form: fn(f64) -> String| {
            let shown = |e: Estimate| format!("{} [{}, {}]", form(e.value), form(e.low), form(e.high));
            estimate.map_or_else(|| "–".to_owned(), shown)
        };
        let failed = format!("{} of {}", window.failed, words::whole(window.span.changes));
        vec![start(window), failed, cell(window.roc_auc, three), cell(window.recall, percent)]
    };
    let better = auc().filter(|(_, estimate)| estimate.value > 0.5).count();
    Some(Chart {
        id: "time",
        title: "How it went over time",
        description: format!(
            "All judged changes in {} windows of equal count. In {better} of them the score ranks better than chance.",
            windows.len()
        ),
        x: scale.x_axis("Window beginning", &ticks, month),
        y: scale.y_axis("ROC AUC, recall", &FIFTHS, |value| format!("{value:.1}")),
        lines: vec![
            Line { class: "chance", points: scale.points([(0.0, 0.5), (scale.x_end, 0.5)].into_iter()) },
            line("size", &mut recall()),
            line("ours", &mut auc()),
        ],
        bars: Vec::new(),
        whiskers: auc().map(|(place, e)| scale.whisker("ours", middle(place), e.low, e.high)).collect(),
        marks: recall()
            .map(|(place, e)| scale.mark("size", true, middle(place), e.value))
            .chain(auc().map(|(place, e)| scale.mark("ours", false, middle(place), e.value)))
            .collect(),
        legend: vec![
            key("ours", Shape::Disc, "ROC AUC, with 95 % interval"),
            key("size", Shape::Square, "recall in the top 20 %"),
            key("chance", Shape::Line, "ROC AUC of chance"),
        ],
        table: Table {
            head: strings(["From", "Failed", "ROC AUC", "Recall, top 20 %"]),
            rows: windows.iter().map(row).collect(),
        },
    })
}
