//! Slash-commands: one enum is the grammar, the validation and the help. What somebody wrote is never given back: a
//! mistake is told in words of ours alone.

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use serde::{Deserialize, Serialize};

/// What a command begins with.
pub const PREFIX: &str = "/risk";

/// Longest command line, in characters.
pub const LINE_MAX: usize = 500;
/// Longest reason, in characters: it is shown in one line.
pub const REASON_MAX: usize = 300;

#[derive(Parser)]
#[command(
    name = "/risk",
    no_binary_name = true,
    disable_help_flag = true,
    disable_help_subcommand = true,
    disable_version_flag = true
)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
}

/// A command, as it was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// List the commands; the same as `/risk` alone
    Help,
    /// Say how the score adds up, or what one signal read and how it is computed
    Explain {
        /// A signal by its name.
        #[arg(value_name = "signal")]
        signal: Vec<String>,
    },
    /// Read everything anew and score again
    Rescore,
    /// Let this commit pass in spite of its score, for a while; the reason is recorded
    #[command(
        override_usage = "/risk override <reason> [for 4h]",
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true
    )]
    Override(OverrideArgs),
    /// Say for each changed file who owns it and whose approval is missing
    Owners,
    /// Say whether the score was right; it is kept with the assessment, without your name
    #[command(override_usage = "/risk feedback right|wrong <why>")]
    Feedback {
        /// Whether the score was right.
        #[arg(value_enum, ignore_case = true)]
        opinion: Opinion,
        /// Why.
        #[arg(required = true, allow_hyphen_values = true, trailing_var_arg = true)]
        why: Vec<String>,
    },
    /// Say when merging would be safer
    When,
    /// Link this change to the incident that it mends
    Hotfix {
        /// The incident.
        #[arg(value_name = "incident")]
        incident: String,
    },
    /// Say that this change caused an incident
    Attribute {
        /// The incident.
        #[arg(value_name = "incident")]
        incident: String,
    },
    /// Say that this change did not cause an incident
    Unattribute {
        /// The incident.
        #[arg(value_name = "incident")]
        incident: String,
    },
}

/// What is to be overridden, or that it is not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct OverrideArgs {
    #[command(subcommand)]
    cancel: Option<Cancel>,
    /// Why, and perhaps for how long.
    #[arg(required = true, allow_hyphen_values = true, trailing_var_arg = true)]
    reason: Vec<String>,
}

/// The end of an override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
enum Cancel {
    /// Take the override back
    #[command(override_usage = "/risk override cancel")]
    Cancel,
}

/// Whether a score was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// It was.
    Right,
    /// It was not.
    Wrong,
}

impl Opinion {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
        }
    }
}

/// An override that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Why, at most [`REASON_MAX`] characters. Untrusted.
    pub reason: String,
    /// For how many seconds; `None` for as long as the policy allows.
    pub span_s: Option<u64>,
}

impl OverrideArgs {
    /// An override for a reason of ours, as a button asks for it.
    pub fn because(reason: &str) -> Self {
        Self { cancel: None, reason: vec![reason.to_owned()] }
    }

    /// What is wanted; `None` to take an override back.
    pub fn wanted(&self) -> Option<Wanted> {
        if self.cancel.is_some() {
            return None;
        }
        let (words, span_s) = match self.reason.as_slice() {
            [words @ .., last_but_one, last] if last_but_one.eq_ignore_ascii_case("for") => match seconds(last) {
                Some(seconds) => (words, Some(seconds)),
                None => (self.reason.as_slice(), None),
            },
            words => (words, None),
        };
        Some(Wanted { reason: words.join(" "), span_s })
    }
}

/// Seconds of a span such as `30m`, `4h` or `2d`; none for nothing and for what nobody lives to see.
fn seconds(span: &str) -> Option<u64> {
    let (number, unit) = span.split_at_checked(span.len().checked_sub(1)?)?;
    let unit_s: u64 = match unit {
        "m" | "M" => 60,
        "h" | "H" => 3_600,
        "d" | "D" => 86_400,
        _ => return None,
    };
    let digits = !number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| digits)? * unit_s;
    (seconds > 0).then_some(seconds)
}

/// What somebody must be allowed to do for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Read the repository.
    Read,
    /// Write to the repository.
    Write,
    /// What the repository's policy says.
    Policy,
}

impl Needs {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Policy => "what the policy says, write by default; not the author",
        }
    }
}

impl Command {
    /// What it takes to give it.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Help | Self::Explain { .. } | Self::Owners | Self::When => Needs::Read,
            Self::Override(args) if args.cancel.is_none() => Needs::Policy,
            Self::Override(_)
            | Self::Rescore
            | Self::Feedback { .. }
            | Self::Hotfix { .. }
            | Self::Attribute { .. }
            | Self::Unattribute { .. } => Needs::Write,
        }
    }
}

/// A command as the help tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// How it is written.
    pub usage: String,
    /// What it does.
    pub about: String,
    /// What it takes to give it.
    pub needs: Needs,
}

/// All commands, in the order in which they are told.
pub fn commands() -> Vec<Described> {
    let mut all = Vec::new();
    for command in grammar().get_subcommands() {
        all.push(described(command, ""));
        all.extend(command.get_subcommands().map(|below| described(below, command.get_name())));
    }
    all
}

fn described(command: &clap::Command, above: &str) -> Described {
    let needs = match (above, command.get_name()) {
        ("", "help" | "explain" | "owners" | "when") => Needs::Read,
        ("", "override") => Needs::Policy,
        _ => Needs::Write,
    };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    Described { usage: usage(command.clone()), about, needs }
}

/// `/risk explain [signal]`
fn usage(command: clap::Command) -> String {
    let name = format!("{PREFIX} {}", command.get_name());
    let text = command.bin_name(name).render_usage().to_string();
    let text = text.trim_start_matches("Usage:").trim();
    text.replace("...", "")
}

fn grammar() -> clap::Command {
    let mut grammar = Line::command();
    grammar.build();
    grammar
}

/// Why a command cannot be followed, in words of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mistake {
    /// There is no such command.
    Unknown {
        /// The one that was perhaps meant.
        nearest: Option<String>,
    },
    /// It is not written as it must be.
    Usage {
        /// How it is written.
        usage: String,
    },
    /// It is longer than a command may be.
    TooLong,
}

/// The command in a comment; `None` when there is none.
///
/// A command is the first line of a comment, from its very first character on. Nothing can stand before it that would
/// make it a quotation, code or an HTML comment, and nothing invisible either.
pub fn read(comment: &str) -> Option<Result<Command, Mistake>> {
    let head = comment.get(..PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(PREFIX))?;
    let line = comment[head.len()..].split(['\n', '\r']).next().unwrap_or_default();
    if !line.chars().next().is_none_or(char::is_whitespace) {
        return None;
    }
    if line.chars().count() > LINE_MAX {
        return Some(Err(Mistake::TooLong));
    }
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    // Commands are read in any case; reasons keep theirs.
    match words.as_mut_slice() {
        [] => return Some(Ok(Command::Help)),
        [name, cancel] if name.eq_ignore_ascii_case("override") && cancel.eq_ignore_ascii_case("cancel") => {
            (name.make_ascii_lowercase(), cancel.make_ascii_lowercase()).0
        }
        [name, ..] => name.make_ascii_lowercase(),
    }
    Some(parse(&words))
}

fn parse(words: &[String]) -> Result<Command, Mistake> {
    let command = match Line::try_parse_from(words) {
        Ok(line) => line.command.unwrap_or(Command::Help),
        Err(error) => return Err(mistake(words, &error)),
    };
    let fits = match &command {
        Command::Override(args) => {
            args.wanted().is_none_or(|wanted| !wanted.reason.is_empty() && wanted.reason.chars().count() <= REASON_MAX)
        }
        Command::Feedback { why, .. } => why.join(" ").chars().count() <= REASON_MAX,
        _ => true,
    };
    if fits { Ok(command) } else { Err(misused(&words[0])) }
}

fn mistake(words: &[String], error: &clap::Error) -> Mistake {
    let name = words.first().map_or("", String::as_str);
    if grammar().find_subcommand(name).is_some() {
        return misused(name);
    }
    // clap suggests names of its own grammar only.
    let nearest = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        Some(ContextValue::Strings(names)) => names.last().cloned(),
        _ => None,
    };
    Mistake::Unknown { nearest: nearest.map(|name| format!("{PREFIX} {name}")) }
}

fn misused(name: &str) -> Mistake {
    let usage = grammar().find_subcommand(name).cloned().map(usage);
    Mistake::Usage { usage: usage.unwrap_or_else(|| PREFIX.to_owned()) }
}

#[cfg(test)]
mod tests {
    use comrak::{
        Arena, Options,
        nodes::{AstNode, NodeValue},
        parse_document,
    };
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn wanted(comment: &str) -> Option<Wanted> {
        match read(comment) {
            Some(Ok(Command::Override(args))) => args.wanted(),
            other => panic!("{comment}: {other:?}"),
        }
    }

    #[test]
    fn every_command_is_read_in_any_case() {
        let check = |comment: &str, expected: Command| {
            assert_eq!(read(comment), Some(Ok(expected)), "{comment}");
            let shouted = comment.replacen("/risk", "/RISK", 1);
            assert!(matches!(read(&shouted), Some(Ok(_))), "{shouted}");
        };
        let incident = || "INC-12".to_owned();
        check("/risk", Command::Help);
        check("/risk   \t ", Command::Help);
        check("/risk help", Command::Help);
        check("/risk HELP\nand more", Command::Help);
        check("/risk explain", Command::Explain { signal: vec![] });
        check("/risk Explain churn", Command::Explain { signal: vec!["churn".to_owned()] });
        check(
            "/risk explain kind of change",
            Command::Explain { signal: ["kind", "of", "change"].map(str::to_owned).to_vec() },
        );
        check("/risk rescore\r\n\r\nplease", Command::Rescore);
        check("/risk\u{a0}owners", Command::Owners);
        check("/risk when", Command::When);
        check("/risk hotfix INC-12", Command::Hotfix { incident: incident() });
        check("/risk attribute INC-12", Command::Attribute { incident: incident() });
        check("/risk unattribute INC-12", Command::Unattribute { incident: incident() });
        let why = vec!["--flaky".to_owned(), "@team".to_owned()];
        check("/risk feedback Wrong --flaky @team", Command::Feedback { opinion: Opinion::Wrong, why });
        assert_eq!(wanted("/risk override CANCEL"), None);
        assert_eq!(wanted("/risk override cancel  "), None);
    }

    #[test]
    fn a_reason_is_kept_as_it_was_and_a_span_is_taken_off_its_end() {
        let check = |text: &str, reason: &str, span_s: Option<u64>| {
            let expected = Wanted { reason: reason.to_owned(), span_s };
            assert_eq!(wanted(&format!("/risk override {text}")), Some(expected), "{text}");
        };
        check("The fix  cannot wait", "The fix cannot wait", None);
        check("Fix for 4h", "Fix", Some(14_400));
        check("Fix FOR 30M", "Fix", Some(1_800));
        check("Fix for 2d", "Fix", Some(172_800));
        check("Waiting for them for 1h", "Waiting for them", Some(3_600));
        check("Waiting for them", "Waiting for them", None);
        check("Fix for 0h", "Fix for 0h", None);
        check("Fix for 4h30", "Fix for 4h30", None);
        check("Fix for 9999999h", "Fix for 9999999h", None);
        check("-- --force `x` @all", "--force `x` @all", None);
        check("Fix for é", "Fix for é", None);
        check("help", "help", None);
        check("\u{202e}gnp", "\u{202e}gnp", None);
    }

    #[test]
    fn mistakes_are_told_in_our_own_words() {
        let check = |comment: &str, expected: Mistake| assert_eq!(read(comment), Some(Err(expected)), "{comment}");
        let unknown = |nearest: Option<&str>| Mistake::Unknown { nearest: nearest.map(str::to_owned) };
        check("/risk recsore", unknown(Some("/risk rescore")));
        check("/risk owner", unknown(Some("/risk owners")));
        check("/risk @everyone <img src=x>", unknown(None));
        check("/risk over\u{200b}ride because", unknown(Some("/risk override")));
        check("/risk --help", unknown(None));
        check("/risk --version", unknown(None));
        check("/risk -- rescore", unknown(None));
        let usage = |usage: &str| Mistake::Usage { usage: usage.to_owned() };
        check("/risk override", usage("/risk override <reason> [for 4h]"));
        check("/risk override for 4h", usage("/risk override <reason> [for 4h]"));
        check("/risk override cancel that one", usage("/risk override <reason> [for 4h]"));
        check(&format!("/risk override {}", "x".repeat(301)), usage("/risk override <reason> [for 4h]"));
        check("/risk feedback", usage("/risk feedback right|wrong <why>"));
        check("/risk feedback maybe so", usage("/risk feedback right|wrong <why>"));
        check("/risk feedback wrong", usage("/risk feedback right|wrong <why>"));
        check("/risk hotfix", usage("/risk hotfix <incident>"));
        check("/risk hotfix a b", usage("/risk hotfix <incident>"));
        check("/risk rescore now", usage("/risk rescore"));
        check("/risk explain --all", usage("/risk explain [signal]"));
        check(&format!("/risk {}", "é".repeat(500)), Mistake::TooLong);
        check(&format!("/risk {}", "a ".repeat(1_000_000)), Mistake::TooLong);
    }

    #[test]
    fn what_only_looks_like_a_command_is_none() {
        for comment in [
            "",
            "/",
            "/ris",
            "/riskier",
            "/risk:help",
            "/risk/help",
            "//risk help",
            " /risk help",
            "\t/risk help",
            "\n/risk help",
            "\r\n/risk help",
            "\u{feff}/risk help",
            "\u{200b}/risk help",
            "/\u{200b}risk help",
            "/risk\u{200b} help",
            "/risk\u{301} help",
            "／risk help",
            "/ｒisk help",
            "/riѕk help",
            "/rısk help",
            "Please /risk help",
            "Please\n/risk override because",
            "> /risk override because",
            "    /risk override because",
            "`/risk help`",
            "```\n/risk override because\n```",
            "~~~ /risk\n/risk override because",
            "<!-- /risk override because -->",
            "<!--\n/risk override because\n-->",
            "<pre>\n/risk help\n</pre>",
            "* /risk help",
            "[/risk help](x)",
        ] {
            assert_eq!(read(comment), None, "{comment:?}");
        }
    }

    #[test]
    fn the_help_is_the_grammar() {
        let lines: Vec<String> =
            commands().iter().map(|one| format!("{} ({})", one.usage, one.needs.words())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        /risk help (read)
        /risk explain [signal] (read)
        /risk rescore (write)
        /risk override <reason> [for 4h] (what the policy says, write by default; not the author)
        /risk override cancel (write)
        /risk owners (read)
        /risk feedback right|wrong <why> (write)
        /risk when (read)
        /risk hotfix <incident> (write)
        /risk attribute <incident> (write)
        /risk unattribute <incident> (write)
        ");
        for one in commands() {
            assert!(!one.about.is_empty() && !one.about.contains('|'), "{one:?}");
            let written = one.usage.replace("right|wrong", "right").replace(['<', '>', '[', ']'], "");
            let Some(Ok(command)) = read(&written) else { panic!("{written} is not as the help says") };
            assert_eq!(command.needs(), one.needs, "{written}");
        }
    }

    fn comment() -> impl Strategy<Value = String> {
        let pieces = [
            "/risk",
            "/RISK ",
            "/risk help",
            "/risk override x for 4h",
            " ",
            "    ",
            "\t",
            "\n",
            "\r\n",
            "\n\n",
            "> ",
            "```",
            "~~~",
            "<!--",
            "-->",
            "* ",
            "1. ",
            "|",
            "---",
            "===",
            "`",
            "<pre>",
            "</pre>",
            "[^1]: ",
            "x",
            "\u{200b}",
            "\u{feff}",
            "# ",
            "\\",
            "&nbsp;",
            "![",
            "](",
        ];
        let piece = prop_oneof![6 => select(pieces.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
        vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Markdown is the judge: whatever is taken for a command is text that everybody sees as such.
        #[test]
        fn a_command_is_never_quoted_code_or_hidden(comment in comment()) {
            if read(&comment).is_some() {
                let arena = Arena::new();
                let mut options = Options::default();
                (options.extension.table, options.extension.footnotes) = (true, true);
                let root = parse_document(&arena, &comment, &options);
                let first = root.first_child().expect("it is not blank");
                prop_assert_eq!(first.data.borrow().sourcepos.start.line, 1);
                let plain = matches!(
                    first.data.borrow().value,
                    NodeValue::Paragraph | NodeValue::Heading(_) | NodeValue::Table(_)
                );
                prop_assert!(plain, "{:?} in {comment:?}", first.data.borrow().value);
                let shown = first_text(first).to_ascii_lowercase();
                prop_assert!(shown.starts_with("/risk"), "{shown:?} in {comment:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_without_harm(comment in "(?s)/risk[ \t].{0,700}") {
            let ours = commands();
            let is_ours = |mistake: &Mistake| match mistake {
                Mistake::Usage { usage } => ours.iter().any(|one| one.usage == *usage),
                Mistake::Unknown { nearest: Some(name) } => ours.iter().any(|one| one.usage.starts_with(name.as_str())),
                Mistake::Unknown { nearest: None } | Mistake::TooLong => true,
            };
            match read(&comment).expect("it begins like one") {
                Err(mistake) => prop_assert!(is_ours(&mistake), "{mistake:?}"),
                Ok(command) => {
                    let kept = serde_json::to_string(&command).unwrap();
                    prop_assert_eq!(serde_json::from_str::<Command>(&kept).unwrap(), command);
                }
            }
        }
    }

    fn first_text<'a>(node: &'a AstNode<'a>) -> String {
        let text = node.descendants().find_map(|node| match &node.data.borrow().value {
            NodeValue::Text(text) => Some(text.to_string()),
            _ => None,
        });
        text.unwrap_or_default()
    }
}
