//! What a person reads of a backtest, and what keeps a page harmless.

use super::*;
use crate::{
    outcome::{
        backtest::{Judged, story},
        labels::Label,
    },
    report::terminal::Style,
};

const PLAIN: Style = Style { color: false, width: 100, unicode: true };

fn hostile() -> Judged {
    let mut judged = story();
    judged.repository = "<script>alert(1)</script>\u{1b}[31m".to_owned();
    for change in &mut judged.changes {
        change.title = "</style><img src=x onerror=alert(1)>\u{1b}]0;x\u{7}\u{202e}\n\"'&".to_owned();
        change.sha = "<b>\u{1b}".to_owned();
    }
    judged
}

#[test]
fn a_report_reads_like_this() {
    insta::assert_snapshot!(text::render(&story().report(), PLAIN), @"");
}

#[test]
fn names_from_outside_become_neither_markup_nor_commands() {
    let report = hostile().report();
    let page = html::render(&report);
    assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("<b>"));
    assert!(page.contains("&#60;img src=x") || page.contains("&lt;img src=x"), "the title is shown as text");
    let json = serde_json::to_string(&json::render(&report)).unwrap();
    for text in [&page, &text::render(&report, PLAIN), &csv::render(&hostile()), &json] {
        let raw = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(raw, None);
    }
    assert!(text::render(&report, Style { unicode: false, ..PLAIN }).is_ascii());
}

#[test]
fn the_page_needs_nothing_else() {
    let page = html::render(&story().report());
    for foreign in ["http:", "https:", "//", "url(", "@import", "<script", "<link", " on", "javascript:"] {
        let found = page.match_indices(foreign).map(|(at, _)| &page[at.saturating_sub(20)..(at + 30).min(page.len())]);
        let found: Vec<&str> = found.filter(|around| foreign != " on" || around.contains('=')).collect();
        assert!(found.is_empty(), "{foreign} in {found:?}");
    }
    for needed in ["default-src 'none'", "role=\"img\"", "<desc id=\"gain-desc\">", "<desc id=\"time-desc\">"] {
        assert!(page.contains(needed), "{needed} is missing");
    }
    assert_eq!(page.matches("<svg class=\"chart\"").count(), page.matches("<summary>").count());
}

#[test]
fn a_history_without_failures_is_told_what_that_means() {
    let said = |edit: fn(&mut Judged)| {
        let mut judged = story();
        edit(&mut judged);
        words::headline(&judged.report()).join(" ")
    };
    let clean = |judged: &mut Judged| {
        judged.changes.iter_mut().filter(|one| one.label == Label::Failed).for_each(|one| one.label = Label::Clean);
    };
    assert!(
        said(|_| ())
            .starts_with("The top 20 % by score held 100 % of the changes that were later rolled back, 5.0 times")
    );
    let cleaned = {
        let mut judged = story();
        clean(&mut judged);
        judged.reverts = crate::outcome::labels::Reverts::default();
        judged
    };
    let told = words::headline(&cleaned.report()).join(" ");
    assert!(told.starts_with("None of 387 judged changes was rolled back within 30 days, so no ranking can be judged"));
    assert!(
        told.contains("No change in this history says that it is a revert") && told.contains("What to do"),
        "{told}"
    );
    let page = html::render(&cleaned.report());
    assert!(page.contains("no ranking can be judged") && !page.contains("<svg"));
    let young = said(|judged| judged.changes.iter_mut().for_each(|one| one.label = Label::Unripe));
    assert!(young.starts_with("No change could be judged"), "{young}");
    let blind = said(|judged| judged.changes.iter_mut().for_each(|one| one.score = 30));
    assert!(blind.contains("1.0 times chance") && blind.contains("That may be chance"), "{blind}");
    let wrong = said(|judged| judged.changes.iter_mut().for_each(|one| one.score = 100 - one.score));
    assert!(wrong.contains("worse than chance"), "{wrong}");
}

#[test]
fn figures_read_well() {
    let check = |share: f64, expected: &str| assert_eq!(words::percent(share), expected);
    check(0.0, "0 %");
    check(0.0042, "0.42 %");
    check(0.01, "1 %");
    check(0.0369, "3.7 %");
    check(0.0996, "10 %");
    check(0.5, "50 %");
    check(1.0, "100 %");
    check(0.200_000_01, "20 %");
}

#[test]
fn the_table_of_changes_has_the_promised_columns() {
    let table = csv::render(&story());
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("sha,time,score,probability,fix_probability,label"));
    let zero = "0".repeat(39);
    assert_eq!(lines.next(), Some(format!("{zero}0,2023-11-14T22:13:20Z,60,0.9,,1").as_str()));
    assert_eq!(lines.next(), Some(format!("{zero}1,2023-11-15T06:13:20Z,21,0.02,,0").as_str()));
    assert!(table.lines().nth(4).unwrap().ends_with(",23,0.02,,"), "a bot's change is scored and has no label");
    assert_eq!(table.lines().count(), 401);
}
