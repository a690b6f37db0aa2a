//! The list that comes out: one finding a line, its way out below it.

use std::{fmt::Display, io::Write};

use owo_colors::{OwoColorize, Style as Paint};
use serde::Serialize;

use crate::cli::{output::Terminal, printable};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// The App works, but not as well as it could, or not for long.
    Warn,
    /// The App does not work.
    Broken,
}

/// What one check found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    /// How it is.
    pub(super) state: State,
    says: String,
    fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, says: impl Display) -> Self {
        Self { check, state: State::Ok, says: one_line(says), fix: None }
    }

    pub(super) fn warn(check: &'static str, says: impl Display, fix: impl Display) -> Self {
        Self { check, state: State::Warn, says: one_line(says), fix: Some(one_line(fix)) }
    }

    pub(super) fn broken(check: &'static str, says: impl Display, fix: impl Display) -> Self {
        Self { state: State::Broken, ..Self::warn(check, says, fix) }
    }
}

/// Names and words from GitHub cannot break out of their line.
fn one_line(text: impl Display) -> String {
    printable(&text.to_string()).replace('\n', " ")
}

/// For people; readable without colour.
pub(super) fn text(findings: &[Finding], terminal: &mut Terminal) -> anyhow::Result<()> {
    let color = Terminal::style(terminal).color;
    let paint = |paint: Paint| if color { paint } else { Paint::new() };
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let out = terminal.out();
    for Finding { check, state, says, fix } in findings {
        let (word, style) = match state {
            State::Ok => ("ok    ", Paint::new().green()),
            State::Warn => ("warn  ", Paint::new().yellow().bold()),
            State::Broken => ("broken", Paint::new().red().bold()),
        };
        writeln!(out, "{}  {check:width$}  {says}", word.style(paint(style)))?;
        if let Some(fix) = fix {
            writeln!(out, "        {:width$}  {}", "", format_args!("fix: {fix}").style(paint(Paint::new().dimmed())))?;
        }
    }
    writeln!(out, "\n{}", sum(findings))?;
    out.flush()?;
    Ok(())
}

fn sum(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let warnings = match count(State::Warn) {
        1 => "1 warning".to_owned(),
        more => format!("{more} warnings"),
    };
    format!("{} ok, {warnings}, {} broken", count(State::Ok), count(State::Broken))
}

/// For programs.
pub(super) fn json(findings: &[Finding], terminal: &mut Terminal) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct List<'a> {
        schema: &'static str,
        state: State,
        checks: &'a [Finding],
    }
    let state = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    let list = List { schema: "mergecast.doctor/1", state, checks: findings };
    writeln!(terminal.out(), "{}", serde_json::to_string_pretty(&list)?)?;
    Ok(())
}
