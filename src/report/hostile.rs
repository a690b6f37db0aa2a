//! Properties for tests: whatever text comes from outside, no rendering says more than we wrote, or longer than allowed.

use std::sync::{Arc, LazyLock};

use comrak::{Arena, Options, nodes::NodeValue, parse_document};
use proptest::{collection::vec, prelude::*, sample::select};
use regex::Regex;

use super::{
    Report, check_run, comment, is_scored, json, markdown, outside, page, sarif,
    sentences::Detail,
    stories::{Story, all},
    terminal,
};
use crate::risk::{
    Model,
    facts::{
        BaseTotal, CarriedCoverage, ChangeFailRate, CoverageReport, CoverageSource, CoverageTotal, CoveredFile, Facts,
        FileChange, FileStatus, FlagCoverage, FlakyPipeline, FlakySuite, Known, LatestDeployment, LineBlock,
        OpenIncident, OwnerRule, PullCoverage, Reason, SloBurn, SloHealth, Unknown,
    },
    overrides::Override,
    signal::SIGNALS,
};
use crate::slo::{Burn, Clearing, Disagreement, Target, Timeframe, Way, Window};

const FRAGMENTS: [&str; 48] = [
    "@acme/team",
    "@x",
    "a@b.example",
    "#1",
    "GH-12",
    "acme/shop#3",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    "http://evil.example/x",
    "https://evil.example",
    "www.evil.example",
    "mailto:a@b.example",
    "javascript:alert(1)",
    "![i](https://evil.example/i.png)",
    "[l](//evil.example)",
    "[[wiki|link]]",
    "[^1]",
    "[^1]: note",
    "^[inline note]",
    "<b onload=x>",
    "</td></tr></table>",
    "<!--",
    "-->",
    "<script>",
    "<details><summary>",
    "&lt;",
    "&#64;x",
    "|",
    "\\|",
    "\\",
    "`",
    "``",
    "```",
    "~~~",
    "$x$",
    "$`x`$",
    "$$",
    ":tada:",
    "# h",
    "- [ ] t",
    "> [!WARNING]",
    "1. one",
    "---",
    "**b** __u__ ~~s~~ ==h== ||s||",
    "\n",
    "\r\n\r\n",
    "\u{202e}\u{200b}\u{1b}[2J\u{0}\u{9b}31m",
    "\"'><x y=\"z\">",
    " ",
];

fn hostile() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![4 => select(&FRAGMENTS[..]).prop_map(str::to_owned), 1 => any::<String>()];
    vec(fragment, 0..7).prop_map(|fragments| fragments.concat())
}

static STORIES: LazyLock<Vec<Story>> = LazyLock::new(all);

/// A story in which each text from outside is one of `texts`.
fn poisoned(story: usize, texts: &[String]) -> Story {
    let mut turn = texts.iter().cycle().cloned();
    let mut next = || turn.next().unwrap_or_default();
    let story = &STORIES[story % STORIES.len()];
    let mut facts = story.facts.clone();
    facts.repository = next();
    facts.change.title = next();
    facts.change.author.login = next();
    facts.change.head_sha = next();
    let mut ownership = facts.ownership.clone();
    for file in &mut facts.change.files {
        let path = format!("{}{}", next(), file.path.rsplit('/').next().unwrap_or_default());
        if let Ok(ownership) = &mut ownership {
            let owners = vec![next(), next()];
            ownership.owned.insert(path.clone(), Arc::new(OwnerRule { line: 3, pattern: next(), owners }));
            ownership.file = Some(next());
        }
        file.path = path;
    }
    facts.ownership = ownership;
    if let Ok(checks) = &mut facts.checks {
        checks.failed = vec![next(), next()];
        checks.pending = vec![next()];
    }
    if let Ok(review) = &mut facts.review {
        review.requested = vec![next()];
        review.opinions.iter_mut().for_each(|opinion| opinion.reviewer = next());
    }
    if let Ok(Some(revert)) = &mut facts.change.revert {
        revert.of = next();
    }
    facts.declared.freezes.iter_mut().for_each(|freeze| freeze.name = next());
    if let Ok(runtime) = &mut facts.runtime {
        runtime.open_incidents = Ok(vec![next()]);
        runtime.slos = vec![slo(next(), next(), next())];
        runtime.burn_rate = Ok(4.2);
        runtime.budget_left = Ok(-0.3);
        let services = vec![next(), next()];
        let incident = OpenIncident {
            id: next(),
            number: Some(7),
            title: next(),
            severity: Some(1),
            active: true,
            since: Some(facts.at),
            url: Some(next()),
            services,
        };
        runtime.incidents = vec![incident];
        runtime.deployed = Some(LatestDeployment { service: next(), at: facts.at, version: Some(next()) });
        runtime.flaky = Some(FlakyPipeline { pipeline: next(), runs: 9, flaky_runs: 3 });
        runtime.flaky_suites = vec![FlakySuite { suite: next(), flakes: 4 }];
        runtime.change_fail_rate = Ok(ChangeFailRate { service: next(), deployments: 30, failed: 9 });
        poison(&mut runtime.flaky_rate, next());
    }
    poison(&mut facts.coverage, next());
    if let Ok(coverage) = &mut facts.coverage {
        let block = LineBlock { first: 3, last: 9, executable: 7 };
        let (path, lines) = (next(), 40);
        coverage.files.push(CoveredFile {
            path,
            executable: 7,
            covered: 0,
            lines,
            lines_covered: 3,
            uncovered: vec![block],
        });
        let source = CoverageSource::Upload;
        coverage.report = Some(CoverageReport { source, commit: Some(next()), reports: 2, at: Some(facts.at) });
        coverage.absent = vec![next()];
        coverage.carried = vec![CarriedCoverage { name: next(), commit: Some(next()) }];
        coverage.gate = Some(next());
        coverage.flags = vec![FlagCoverage { name: next(), lines: 9, covered: 3, carried: true }];
        coverage.pull_requests = vec![PullCoverage { number: 7, source, commit: next() }];
        let base = Some(BaseTotal { commit: next(), lines: 9, covered: 3 });
        coverage.total = Some(CoverageTotal { lines: 9, covered: 2, base });
    }
    facts.overridden = Some(Override {
        id: next(),
        by: next(),
        reason: next(),
        made_at: facts.at,
        until: facts.at + chrono::TimeDelta::hours(1),
        head_sha: facts.change.head_sha.clone(),
        base_ref: facts.change.base_ref.clone(),
        score: 70,
    });
    let mut story = Story::new(&story.name, facts);
    story.policy.origin.errors.iter_mut().for_each(|error| error.message = next());
    story
}

/// An SLO that burns at 4.2x and has overspent, with two ways that disagree.
fn slo(service: String, name: String, url: String) -> SloHealth {
    let over = Window { from_s: 1_800_000_000, to_s: 1_800_007_200 };
    let disagreement = Some(Disagreement { by_sli: 1.1, otherwise: 0.2, way: Way::Parts });
    let burn = SloBurn {
        highest: Burn { rate: 4.2, over },
        average: Burn { rate: 1.1, over },
        hours_to_empty: Some(171.4),
        clearing: Clearing::Over { earliest_s: over.to_s, latest_s: over.to_s + 7_200 },
        disagreement,
    };
    SloHealth {
        service,
        id: "abc".to_owned(),
        name,
        url: Some(url),
        target: Target::new(99.95).expect("below 100"),
        timeframe: Timeframe { days: 30 },
        burn: Ok(burn),
        budget_left: Ok(-0.3),
    }
}

fn poison<T>(known: &mut Known<T>, text: String) {
    if let Err(Unknown { reason, .. }) = known {
        *reason = Reason::Unavailable(text);
    }
}

fn all_extensions() -> Options<'static> {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.strikethrough = true;
    extension.table = true;
    extension.autolink = true;
    extension.tasklist = true;
    extension.superscript = true;
    extension.subscript = true;
    extension.footnotes = true;
    extension.inline_footnotes = true;
    extension.description_lists = true;
    extension.multiline_block_quotes = true;
    extension.alerts = true;
    extension.math_dollars = true;
    extension.math_code = true;
    extension.underline = true;
    extension.spoiler = true;
    extension.highlight = true;
    extension.insert = true;
    options.parse.relaxed_autolinks = true;
    options.parse.relaxed_tasklist_matching = true;
    options.parse.tasklist_in_table = true;
    options
}

/// What GitHub would make of `markdown`: its words outside code, how many rows its tables have, and where it links to.
fn parsed(markdown: &str) -> (String, usize, Vec<String>) {
    let arena = Arena::new();
    let (mut words, mut rows, mut links) = (String::new(), 0, Vec::new());
    for node in parse_document(&arena, markdown, &all_extensions()).descendants() {
        match &node.data.borrow().value {
            NodeValue::Text(text) => words.push_str(text),
            NodeValue::Code(_) => words.push('\u{1}'),
            NodeValue::SoftBreak => words.push(' '),
            NodeValue::TableRow(_) => rows += 1,
            NodeValue::Link(link) => links.push(link.url.clone()),
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::Heading(_)
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::Strong
            | NodeValue::Table(_)
            | NodeValue::TableCell => {}
            other => panic!("{other:?} in {markdown}"),
        }
    }
    (words, rows, links)
}

/// Words that GitHub leaves alone; code stands in them as one control character.
fn assert_inert(words: &str) {
    static ACTIVE: LazyLock<Regex> = LazyLock::new(|| {
        let active = r"[@#<>&|$`\\\[\]*_~^]|://|www\.|\bGH-|:[a-z0-9+_-]+:|\b[0-9a-fA-F]{7,40}\b";
        Regex::new(active).expect("the pattern is a constant")
    });
    assert!(!ACTIVE.is_match(words), "{words}");
    assert!(words.chars().all(|one| one == '\u{1}' || !one.is_control()), "{words:?}");
}

proptest! {
    #[test]
    fn outside_text_is_inert_in_markdown(text in hostile()) {
        for markdown in [format!("x {}", markdown::text(&text)), format!("x {}", markdown::code(&text))] {
            let (words, _, links) = parsed(&markdown);
            assert_inert(&words);
            prop_assert!(links.is_empty());
            let row = format!("| a | b |\n| - | - |\n| {} | z |\n", markdown::cell(&markdown));
            let (cells, rows, links) = parsed(&row);
            prop_assert_eq!(rows, 2);
            prop_assert!(links.is_empty() && cells.starts_with("ab") && cells.ends_with('z'), "{}", cells);
            prop_assert_eq!(&cells[2..cells.len() - 1], words, "{}", row);
        }
    }

    #[test]
    fn outside_text_survives_as_code(text in "[a-z`| \\\\/]{1,30}") {
        let expected = text.clone();
        // Renderers differ on a backslash before a pipe, though not on the pipe.
        prop_assume!(!text.trim().is_empty() && !text.contains("\\|"));
        let row = format!("| a |\n| - |\n| {} |\n", markdown::cell(&markdown::code(&text)));
        let arena = Arena::new();
        let root = parse_document(&arena, &row, &all_extensions());
        let code = root.descendants().find_map(|node| match &node.data.borrow().value {
            NodeValue::Code(code) => Some(code.literal.clone()),
            _ => None,
        });
        prop_assert_eq!(code, Some(expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_rendering_is_led_astray(story in 0_usize..64, texts in vec(hostile(), 1..9)) {
        let story = poisoned(story, &texts);
        assert_markdown(&story);
        assert_replies(&story);
        assert_page(&story);
        assert_terminal(&story);
        let data = serde_json::to_string(&json::render(&story.subject())).unwrap();
        prop_assert!(data.starts_with(r#"{"schema":"mergecast.assessment/1","id":"#), "no schema first");
        let uris = sarif::render(&story.subject()).to_string();
        prop_assert!(!uris.contains(r#""uri":"http:"#) && !uris.contains(r#""uri":"//"#));
    }
}

fn assert_markdown(story: &Story) {
    let subject = story.subject();
    let run = check_run::render(&subject);
    let (words, rows, links) = parsed(&run.summary);
    assert_inert(&words);
    assert_eq!(links, [page::url(&subject).unwrap()]);
    let report = Report::of(&subject, Detail::FULL);
    let with_head = |rows: usize| if rows == 0 { 0 } else { rows + 1 };
    let scored = if is_scored(&subject) { with_head(report.ways_down.len()) + with_head(report.rows.len()) } else { 0 };
    let missing = if run.summary.contains("### What is not known") { with_head(report.missing.len()) } else { 0 };
    assert_eq!(rows, scored + missing, "{}", run.summary);
    assert_inert(&run.title);
    let (words, _, links) = parsed(&run.text.unwrap_or_default());
    assert_inert(&words);
    assert!(links.is_empty());
    for annotation in run.annotations {
        assert_inert(&annotation.title);
        assert_inert(&parsed(&annotation.message).0);
    }
}

/// Replies to commands say no more than we wrote either.
fn assert_replies(story: &Story) {
    let subject = story.subject();
    let mut replies = vec![comment::explain(&subject), comment::owners(&subject), comment::scored(&subject)];
    replies.extend(SIGNALS.iter().map(|signal| comment::explain_signal(&subject, Model::baseline(), signal.id)));
    if let Some(terms) = &story.facts.overridden {
        replies.push(comment::overridden(terms, true, &story.assessment));
        replies.push(comment::cancelled(terms));
    }
    for reply in replies {
        let (words, _, links) = parsed(&reply);
        assert_inert(&words);
        assert!(links.is_empty() && reply.len() <= 12_000, "{reply}");
    }
}

fn assert_page(story: &Story) {
    static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"<[^>]*>"#).expect("the pattern is a constant"));
    static LINK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(?:href|src)="([^"]*)""#).expect("the pattern is a constant"));
    let tags = |html: &str| TAG.find_iter(html).map(|tag| tag.as_str().to_owned()).collect::<Vec<_>>();
    let html = page::assessment(&story.subject());
    let known =
        tags(include_str!("templates/assessment.html")).into_iter().chain(tags(include_str!("templates/layout.html")));
    let names: std::collections::BTreeSet<_> = known.map(|tag| name_of(&tag)).collect();
    for tag in tags(&html) {
        assert!(names.contains(&name_of(&tag)), "{tag}");
        let quotes = tag.matches('"').count();
        assert!(quotes % 2 == 0 && !tag.contains('\'') && !tag.contains(" on"), "{tag}");
    }
    for link in LINK.captures_iter(&html) {
        let ours = ["/", "#main", page::CSS_PATH, "https://github.example/acme/shop/pull/"];
        assert!(ours.contains(&&link[1]) || link[1].starts_with(ours[3]), "{}", &link[1]);
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(html.lines().all(|line| outside::visible(line) == line), "{html:?}");
}

fn name_of(tag: &str) -> String {
    tag.trim_start_matches(['<', '/']).chars().take_while(|one| one.is_ascii_alphanumeric() || *one == '!').collect()
}

fn assert_terminal(story: &Story) {
    static COLOUR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("\x1b\\[[0-9;]*m").expect("the pattern is a constant"));
    let style = terminal::Style { color: true, width: 72, unicode: true };
    let colourful = terminal::render(&story.subject(), style);
    let plain = terminal::render(&story.subject(), terminal::Style { color: false, ..style });
    assert_eq!(COLOUR.replace_all(&colourful, ""), plain);
    assert!(plain.lines().all(|line| outside::visible(line) == line), "{plain:?}");
    assert!(plain.lines().all(|line| line.chars().count() <= 72), "{plain}");
    let ascii = terminal::render(&story.subject(), terminal::Style { color: false, width: 50, unicode: false });
    assert!(ascii.is_ascii());
}

#[test]
fn limits_hold_for_3000_files_of_4000_characters() {
    for (letter, ending, files) in
        [("`", "rs", 3_000), ("a", "sql", 200), ("|", "sql", 200), ("\u{1f600}", "sql", 200), ("\u{202e}", "sql", 200)]
    {
        let story = Story::new("hostile-text", enormous(letter, ending, files));
        assert!(comment::owners(&story.subject()).len() <= 12_000);
        let run = check_run::render(&story.subject());
        assert!(run.title.chars().count() <= 255, "{}", run.title);
        assert!(run.summary.len() <= 65_535, "{} bytes for {letter}", run.summary.len());
        assert!(run.text.unwrap_or_default().len() <= 65_535);
        assert!(run.annotations.len() <= check_run::ANNOTATIONS_MAX && !run.annotations.is_empty());
        for annotation in run.annotations {
            assert!(annotation.message.len() <= 64_000 && annotation.title.chars().count() <= 255);
            assert!(annotation.start_line >= 1 && annotation.end_line >= annotation.start_line);
            let on_head = |file: &FileChange| file.path == annotation.path && file.status != FileStatus::Removed;
            assert!(story.facts.change.files.iter().any(on_head));
        }
    }
}

#[test]
fn buttons_fit() {
    let pressed: Vec<_> = all().iter().flat_map(|story| check_run::render(&story.subject()).buttons).collect();
    assert!(pressed.iter().any(|button| button.identifier == check_run::ACKNOWLEDGE));
    for button in pressed {
        let lengths = [button.label, button.description, button.identifier].map(|text| text.chars().count());
        assert!(lengths[0] <= 20 && lengths[1] <= 40 && lengths[2] <= 20, "{lengths:?}");
    }
    assert!(all().iter().all(|story| check_run::render(&story.subject()).buttons.len() <= 3));
}

fn enormous(letter: &str, ending: &str, files: usize) -> Facts {
    let hostile = STORIES.iter().find(|story| story.name == "hostile-text").expect("the story is among the fixtures");
    let mut facts = hostile.facts.clone();
    let migration = facts.change.files[0].clone();
    let long = letter.repeat(4_000);
    let Ok(ownership) = &mut facts.ownership else { panic!("the story has owners") };
    facts.change.files = (0..files)
        .map(|number| {
            let status = if number % 7 == 0 { FileStatus::Removed } else { FileStatus::Added };
            let path = format!("src/auth/{number}/{long}.{ending}");
            let owners = vec![long.clone(); 12];
            let rule = OwnerRule { line: number as u64, pattern: long.clone(), owners };
            ownership.owned.insert(path.clone(), Arc::new(rule));
            FileChange { path, status, ..migration.clone() }
        })
        .collect();
    facts.change.files_total = files as u64 + 1_200;
    if let Ok(checks) = &mut facts.checks {
        checks.failed = vec![long.clone(); 500];
    }
    facts.change.title = long;
    // Globs over so many long paths are slow without optimisation, and are not what is tried here.
    facts.declared.sensitive_paths.clear();
    facts
}
