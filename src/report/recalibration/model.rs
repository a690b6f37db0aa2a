//! A model as a table that a person can check by hand: what each term is computed from, what it weighs, what a unit of it
//! adds to the score, and where the weight comes from.

use owo_colors::Style as Paint;

use crate::{
    report::{
        backtest::{
            text::table,
            words::{self, Table, date},
        },
        terminal::{Screen, Style},
    },
    risk::{Model, Weight, signal::SIGNALS},
};

const READING: [&str; 4] = [
    "score = base + the sum of 15 · weight · (x − mean) / ln 2 over all terms, each signal held to 100 points, the sum \
     rounded to whole points, and held to 0-100. So 15 points are twice the odds.",
    "Points for a unit: what the score gains when x grows by 1. From 10th to 90th: what it gains between these percentiles \
     of x, within which four of five changes lie.",
    "A term that is unknown counts as its mean and adds nothing; then the score is shown with the range that its \
     percentiles allow.",
    "Rate of a typical change: 1 / (1 + exp(−intercept)). A repository's own share of failures moves rates and no score.",
];

/// The table, ending with a line break. Text of the model may be untrusted.
pub fn render(model: &Model, style: Style) -> String {
    let mut screen = Screen::new(style);
    let title = format!("Model {}, made on {}", words::shown(&model.version), date(model.fitted_at.timestamp()));
    screen.wrapped(&title, 0, Paint::new().bold());
    screen.line("", Paint::new());
    let head = format!("base {} points; intercept {:.4}; {} terms", model.base, model.intercept, model.terms().len());
    screen.wrapped(&head, 0, Paint::new());
    screen.heading("Terms");
    table(&terms(model), &mut screen);
    screen.heading("What x is, and where its weight comes from");
    let mut weights = model.terms().iter();
    for signal in SIGNALS {
        screen.wrapped(&format!("{}: {}", signal.label, signal.why), 2, Paint::new());
        for (term, weight) in signal.terms.iter().zip(weights.by_ref()) {
            let said = format!("{} = {}. {}.", term.id, term.transform, words::shown(&weight.source));
            screen.wrapped(&said, 4, Paint::new().dimmed());
        }
    }
    screen.heading("How to read it");
    for sentence in READING {
        screen.wrapped(sentence, 2, Paint::new());
    }
    screen.finish()
}

fn terms(model: &Model) -> Table {
    let points = |log_odds: f64| match format!("{:+.1}", 15.0 * log_odds / std::f64::consts::LN_2) {
        nothing if nothing.ends_with("0.0") && nothing.len() == 4 => "0.0".to_owned(),
        points => points.replace('-', "−"),
    };
    let four = |number: f64| format!("{number:.4}").replace('-', "−");
    let row = |weight: &Weight| {
        vec![
            words::shown(&weight.id),
            four(weight.weight),
            four(weight.mean),
            points(weight.weight),
            points(weight.weight * (weight.p90 - weight.p10)),
            origin(&weight.source),
        ]
    };
    let head = ["Term", "Weight", "Mean", "For a unit", "10th to 90th", "From"].map(str::to_owned).into();
    Table { head, rows: model.terms().iter().map(row).collect() }
}

/// In a few words, where a weight comes from; with how many outcomes moved it, where they did.
fn origin(source: &str) -> String {
    let moved = source.split_once("moved by ").and_then(|(_, rest)| rest.split_once(" outcomes"));
    if let Some((outcomes, _)) = moved {
        return format!("{} outcomes of yours", words::shown(outcomes));
    }
    match source {
        public if public.starts_with("Logistic regression") => "public data",
        tied if tied.starts_with("The weight of ") => "another term",
        _ => "prior",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_checked_by_hand() {
        let mut terms = Model::baseline().terms().to_vec();
        terms[0].source = "0.05 in baseline-3; moved by 1,240 outcomes, about 38 of them failures".to_owned();
        let model = Model::baseline().clone();
        let model = model.clone().with("learned-1".to_owned(), model.fitted_at, terms).unwrap();
        let said = render(&model, Style { color: false, width: 120, unicode: true });
        let row = |id: &str| {
            let row = said.lines().find(|line| line.split_whitespace().next() == Some(id)).unwrap();
            row.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        let first = &model.terms()[0];
        let points = |units: f64| format!("{:+.1}", 15.0 * first.weight * units / std::f64::consts::LN_2);
        let expected = format!(
            "{:.4} {:.4} {} {} 1,240 outcomes of yours",
            first.weight,
            first.mean,
            points(1.0),
            points(first.p90 - first.p10)
        );
        assert_eq!(row("churn.added"), expected);
        assert!(row("series.added").ends_with(" another term"), "{said}");
        assert!(row("burn_rate.above_2x").ends_with(" prior"), "{said}");
        assert!(!said.contains("−0.0 "), "{said}");
    }
}
