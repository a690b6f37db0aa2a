//! What has to hold for every comment. Input: the comment.

use mergecast::command::{Command, LINE_MAX, Mistake, PREFIX, REASON_MAX, commands, read};

/// Bytes of debug output for each character of the line: most are written as they are, some as `\u{10ffff}`.
const GROWTH: usize = 12;
/// Names of types and fields.
const FRAME: usize = 512;

pub(crate) fn check(data: &[u8]) {
    let comment = String::from_utf8_lossy(data);
    let found = read(&comment);
    assert_eq!(found.is_some(), begins_with_a_command(&comment), "the prefix, then a blank or the end");
    let first = comment.split(['\n', '\r']).next().unwrap_or_default();
    assert_eq!(found, read(first), "only the first line counts");
    for before in ["> ", "    ", "\n", "`", "```\n", "<!-- ", "\u{200b}", "\u{feff}"] {
        assert_eq!(read(&format!("{before}{comment}")), None, "a command behind {before:?}");
    }
    match found {
        Some(Ok(command)) => meant(first, &command),
        Some(Err(mistake)) => tells_nothing(first, &mistake),
        None => {}
    }
}

fn begins_with_a_command(comment: &str) -> bool {
    let Some((head, rest)) = comment.split_at_checked(PREFIX.len()) else { return false };
    head.eq_ignore_ascii_case(PREFIX) && rest.chars().next().is_none_or(char::is_whitespace)
}

/// What is followed is short, can be stored, and has a reason where one is needed.
fn meant(line: &str, command: &Command) {
    assert!(line.chars().count() <= PREFIX.len() + LINE_MAX);
    assert!(format!("{command:?}").len() <= GROWTH * line.chars().count() + FRAME);
    let stored = serde_json::to_string(command).expect("a command is plain data");
    assert_eq!(&serde_json::from_str::<Command>(&stored).expect("what was stored is read"), command);
    if let Command::Override(args) = command
        && let Some(wanted) = args.wanted()
    {
        assert!((1..=REASON_MAX).contains(&wanted.reason.chars().count()), "{wanted:?}");
        assert!(wanted.span_s.is_none_or(|span| span > 0));
    }
}

/// A mistake is told in words of ours.
fn tells_nothing(line: &str, mistake: &Mistake) {
    let usages: Vec<String> = commands().into_iter().map(|command| command.usage).collect();
    match mistake {
        Mistake::TooLong => assert!(line.chars().count() > LINE_MAX),
        Mistake::Usage { usage } => assert!(usage == PREFIX || usages.contains(usage), "{usage:?}"),
        Mistake::Unknown { nearest } => {
            let known = |name: &String| usages.iter().any(|usage| usage.starts_with(name.as_str()));
            assert!(nearest.as_ref().is_none_or(known), "{nearest:?}");
        }
    }
}
