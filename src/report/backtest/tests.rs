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
    insta::assert_snapshot!(text::render(&story().report(), PLAIN), @r"
    Backtest of acme/shop

    The top 20 % by score held 100 % of the changes that were later rolled back, 5.0 times chance (95 %
    interval 5.0 to 5.0 times).
    It stands on 11 failures among the last 30 % of 387 judged changes, so read the intervals, not the
    figures.

    What was judged
      History       400 changes, 2023-11-14 to 2024-03-26
      Scored        400, each from what came before it, by model test-1
      Failed means  rolled back by a later change of the main line within 30 days
      Reverts       45 found, 41 linked to what they undo, 4 not; 41 changes undone, 2 of them later
                    than that
      Judged        387, 39 failed (10 %), 2023-11-14 to 2024-03-23
      Left out      10 younger than 30 days at its end, 1 by bots, 1 reverts themselves, 1 without files
      Last 30 %     116, 11 failed (9.5 %), 2024-02-14 to 2024-03-23

    How well the score ranks
      Measure                             Last 30 %  All
      ROC AUC (0.5 is chance)  1.000 [1.000, 1.000]  1.000 [1.000, 1.000]
      Average precision        1.000 [1.000, 1.000]  1.000 [1.000, 1.000]
      PR lift (1 is chance)        10.5 [6.8, 23.2]  9.9 [7.7, 13.8]
      Recall, top 1 %           9.1 % [5.9 %, 20 %]  10 % [8 %, 14 %]
      Recall, top 5 %            55 % [35 %, 100 %]  49 % [38 %, 68 %]
      Recall, top 10 %          100 % [71 %, 100 %]  100 % [78 %, 100 %]
      Recall, top 20 %         100 % [100 %, 100 %]  100 % [100 %, 100 %]
      Recall, top 50 %         100 % [100 %, 100 %]  100 % [100 %, 100 %]
      Precision, top 1 %       100 % [100 %, 100 %]  100 % [100 %, 100 %]
      Precision, top 5 %        100 % [83 %, 100 %]  100 % [100 %, 100 %]
      Precision, top 10 %        92 % [42 %, 100 %]  100 % [72 %, 100 %]
      Precision, top 20 %         48 % [22 %, 74 %]  51 % [36 %, 65 %]
      Precision, top 50 %        19 % [8.6 %, 29 %]  20 % [14 %, 26 %]
      Recall at 20 % effort *    82 % [60 %, 100 %]  85 % [74 %, 97 %]
      Popt *                   0.949 [0.900, 0.984]  0.946 [0.923, 0.967]
      In brackets the 95 % interval over 1,000 draws of as many changes. Changes with the same score
      count as in no order.
      * Small changes are cheap to read whoever ranks them, so these two hardly tell scores apart.

    How well the stated rates hold (last 30 %)
      The stated rates hold as well as can be told from so many changes: the calibration error (ECE) is
      0.0276, where a perfect model would show 0.0162, and at most 0.0345 in 95 of 100 histories.
      Stated were 10 % on average, 9.5 % failed. Brier score 0.0013 [0.0008, 0.0018], skill over the
      base rate +98.5 % [+98.0 %, +98.6 %], log loss 0.0283 [0.0239, 0.0327].
      Stated  Failed  95 % interval (Wilson)  Failed of changes
      2 %        0 %             0 % to 24 %  0 of 12
      2 %        0 %             0 % to 24 %  0 of 12
      2 %        0 %             0 % to 24 %  0 of 12
      2 %        0 %             0 % to 24 %  0 of 12
      2 %        0 %             0 % to 24 %  0 of 12
      2 %        0 %             0 % to 24 %  0 of 12
      2 %        0 %             0 % to 26 %  0 of 11
      2 %        0 %             0 % to 26 %  0 of 11
      2 %        0 %             0 % to 26 %  0 of 11
      90 %     100 %           74 % to 100 %  11 of 11

    Against simpler scores
      Score                            ROC AUC  PR lift  Top 10 %  Top 20 %  Ours better by
      Mergecast           1.000 [1.000, 1.000]     10.5     100 %     100 %
      Size                0.501 [0.304, 0.691]      1.1      12 %      22 %  +0.499 [+0.309, +0.696], 100 % of draws
      LApredict           0.488 [0.293, 0.678]      1.0      14 %      22 %  +0.512 [+0.322, +0.707], 100 % of draws
      Kamei's 14 metrics  0.487 [0.282, 0.674]      1.3     9.1 %      18 %  +0.513 [+0.326, +0.718], 100 % of draws
      All four judge the same changes, the last 30 % in time. Size is lines added and deleted. LApredict
      (ISSTA 2021) and Kamei's 14 metrics (TSE 2013) are logistic models fitted on this repository's
      earlier changes whose outcome was known by then. Mergecast's weights are those that its model came
      with: if that was fitted on this very history, the comparison flatters it. The last column is the
      difference in ROC AUC, and how often ours is ahead. Kamei's metrics count an author's changes,
      here and nowhere else.

    Best catches
       60  2024-03-20 000000000000 Change number 380
             scored above 94.9 % of the judged changes; 4 lines; rolled back after 6 h
       60  2024-03-17 000000000000 Change number 370
             scored above 94.9 % of the judged changes; 7 lines; rolled back after 6 h
       60  2024-03-13 000000000000 Change number 360
             scored above 94.9 % of the judged changes; 3 lines; rolled back after 6 h
       60  2024-03-10 000000000000 Change number 350
             scored above 94.9 % of the judged changes; 2 lines; rolled back after 5 h
       60  2024-03-07 000000000000 Change number 340
             scored above 94.9 % of the judged changes; 5 lines; rolled back after 5 h

    How far this carries
      A rollback is one way of failing, and the one that git remembers. Failures that were mended by a
      further change are counted as clean here.
      Only git was read: reviews, checks, coverage, SLOs and incidents, which the App also reads, were
      unknown for every change.
      Changes that were held back by review never landed; nothing is known of them.
    ");
}

/// The story with a second head that states what came true: of ten changes three needed a fix.
fn fixed() -> Judged {
    let mut judged = story();
    for (place, change) in judged.changes.iter_mut().enumerate() {
        let needed = place % 10 < 3;
        change.fix_probability = Some(if needed { 0.8 } else { 0.1 });
        change.fixed = Some(needed);
    }
    judged
}

#[test]
fn the_second_head_is_reported_where_it_is_known_what_was_fixed() {
    let report = fixed().report();
    let (terminal, page) = (text::render(&report, PLAIN), html::render(&report));
    let section = terminal.split("\n\n").find(|part| part.contains("need of a fix\n")).unwrap();
    insta::assert_snapshot!(section, @r"
    Rolled back, or in need of a fix
      Measure                             Last 30 %  All
      Failed of changes                   33 of 116  117 of 387
      ROC AUC (0.5 is chance)  1.000 [1.000, 1.000]  1.000 [1.000, 1.000]
      PR lift (1 is chance)          3.5 [2.8, 4.8]  3.3 [2.8, 3.9]
      Recall, top 10 %            36 % [29 %, 50 %]  33 % [29 %, 39 %]
      Recall, top 20 %            70 % [55 %, 96 %]  66 % [57 %, 77 %]
      Failed here means rolled back, or in need of a fix within 30 days. Which changes were stands in a
      table beside the stream; a repository alone does not tell. Changes are ranked by the rate that the
      second head states, which is fix_probability in the CSV.
      The stated rates are off by more than chance; on the whole too high: the calibration error (ECE)
      is 0.1284, where a perfect model would show 0.0353, and at most 0.0681 in 95 of 100 histories.
      Stated were 30 % on average, 28 % failed. Brier score 0.0185 [0.0162, 0.0209], skill over the base
      rate +90.9 % [+90.1 %, +91.0 %], log loss 0.1389 [0.1297, 0.1480].
    ");
    assert!(page.contains("<h2 id=\"fixed\">Rolled back, or in need of a fix</h2>"));
    let json = serde_json::to_value(json::render(&report)).unwrap();
    assert_eq!(json["rolled_back_or_fixed"]["test"]["ranking"]["roc_auc"]["value"], 1.0);
    assert_eq!((&json["rolled_back_or_fixed"]["all"]["changes"], &json["ranked_by"]), (&387.into(), &"score".into()));
    let unknown = story().report();
    assert!(
        !text::render(&unknown, PLAIN).contains("need of a fix") && !html::render(&unknown).contains("id=\"fixed\"")
    );
    assert!(serde_json::to_value(json::render(&unknown)).unwrap()["rolled_back_or_fixed"].is_null());
}

/// Changes are counted in whole ones, and a group that shares its stated rate with the next is no exception.
#[test]
fn numbers_of_changes_are_whole_in_json() {
    let mut judged = story();
    judged.changes.iter_mut().for_each(|change| change.probability = Some(0.1));
    let json = serde_json::to_value(json::render(&judged.report())).unwrap();
    let bins = json["test"]["calibration"]["reliability"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["changes"].as_u64().unwrap()).sum::<u64>(), 116);
    assert!(bins.iter().all(|bin| bin["failed"].as_u64() == Some(1)), "1.1 of 12, or 1.04 of 11 each: {bins:?}");
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
    let stated = said(|judged| judged.rank_by = crate::outcome::backtest::RankBy::Probability);
    assert!(stated.starts_with("The top 20 % by stated probability held 100 %"), "{stated}");
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

/// What one failure more would turn is not stated: neither a ratio, nor "worse than chance", nor a comparison.
#[test]
fn too_few_failures_are_said_to_be_too_few() {
    let with = |failures: usize| {
        let mut judged = story();
        let failed = judged.changes.iter_mut().rev().filter(|one| one.label == Label::Failed);
        failed.skip(failures).for_each(|one| one.label = Label::Clean);
        judged.changes.iter_mut().for_each(|one| one.score = 100 - one.score);
        judged.report()
    };
    let few = with(4);
    insta::assert_snapshot!(words::headline(&few).join(" "), @"4 of 387 judged changes failed, 4 of them among the last 30 % in time: too few to judge a ranking on. It takes 5, lest one failure more turns every figure. A longer history would say more.");
    let json = serde_json::to_value(json::render(&few)).unwrap();
    assert!(json["test"]["ranking"].is_null() && json["test"]["calibration"].is_null());
    for compared in json["compared"].as_array().unwrap() {
        assert!(compared["roc_auc_difference"].is_null(), "{compared}");
    }
    for text in [text::render(&few, PLAIN), html::render(&few)] {
        assert!(!text.contains("worse than chance") && !text.contains("Against simpler scores"), "{text}");
    }
    assert!(words::headline(&with(5)).join(" ").contains("worse than chance"));
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
