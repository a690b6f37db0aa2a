//! How far a version moves, in the words of semantic versioning, read leniently.

use semver::{Prerelease, Version};

/// How far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Repairs.
    Patch,
    /// Adds.
    Minor,
    /// May break.
    Major,
}

impl Step {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// The step between two versions or requirements; `None` when one of them is no version. Back and forth are as far.
pub(super) fn step(from: &str, to: &str) -> Option<Step> {
    let (from, to) = (parse(from)?, parse(to)?);
    // Below 1.0 the first number that is not 0 speaks of compatibility, as package managers take it.
    let major = from.major != to.major || from.major == 0 && from.minor != to.minor;
    Some(match (major, from.minor != to.minor || from.major == 0 && from.minor == 0 && from.patch != to.patch) {
        (true, _) => Step::Major,
        (false, true) => Step::Minor,
        (false, false) => Step::Patch,
    })
}

/// The step that a version alone suggests: `v2` and `2.0.0` begin a major one, `2.1.0` a minor one.
pub(super) fn step_to(to: &str) -> Option<Step> {
    let version = parse(to)?;
    Some(match (version.minor, version.patch) {
        (0, 0) => Step::Major,
        (_, 0) if version.major == 0 => Step::Major,
        (_, 0) => Step::Minor,
        _ => Step::Patch,
    })
}

/// Whether a text reads as a version or as a requirement of one.
pub(super) fn is_version(text: &str) -> bool {
    parse(text).is_some()
}

/// The last version that a requirement names, filled up to three numbers: `^1.2` is 1.2.0, `>=1 <3` is 3.0.0.
fn parse(text: &str) -> Option<Version> {
    /// Longer than any version in use; what is longer is no version.
    const LONGEST: usize = 100;
    if text.len() > LONGEST {
        return None;
    }
    let last = text.split([' ', ',', '|']).map(str::trim).rfind(|part| part.contains(|c: char| c.is_ascii_digit()))?;
    let bare = last.trim_start_matches(['^', '~', '>', '<', '=', '!', '*']);
    let bare = bare.strip_prefix(['v', 'V']).unwrap_or(bare);
    let bare = bare.split('+').next()?;
    let (numbers, pre) = bare.split_once('-').unwrap_or((bare, ""));
    let mut parts = [0_u64; 3];
    for (index, part) in numbers.split('.').enumerate() {
        match part.parse() {
            Ok(number) if index < 3 => parts[index] = number,
            // A fourth number, `x`, `*` or `Final` changes nothing about the step.
            _ if index > 0 => break,
            _ => return None,
        }
    }
    let [major, minor, patch] = parts;
    let pre = Prerelease::new(pre).unwrap_or(Prerelease::EMPTY);
    Some(Version { pre, ..Version::new(major, minor, patch) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        let check = |from: &str, to: &str, expected: Option<Step>| assert_eq!(step(from, to), expected, "{from} {to}");
        check("1.2.3", "2.0.0", Some(Step::Major));
        check("1.2.3", "1.3.0", Some(Step::Minor));
        check("1.2.3", "1.2.4", Some(Step::Patch));
        check("2.0.0", "1.9.0", Some(Step::Major));
        check("0.4.2", "0.5.0", Some(Step::Major));
        check("0.4.2", "0.4.3", Some(Step::Patch));
        check("0.0.2", "0.0.3", Some(Step::Minor));
        check("^1.2", "^1.4", Some(Step::Minor));
        check("v4", "v5", Some(Step::Major));
        check("~> 7.0.4", "~> 7.1", Some(Step::Minor));
        check(">=1.0,<2.0", ">=1.0,<3.0", Some(Step::Major));
        check("2024.01.05", "2024.02.01", Some(Step::Minor));
        check("1.2.3-rc.1", "1.2.3", Some(Step::Patch));
        check("1.2.3.4", "1.2.3.5", Some(Step::Patch));
        check("1.2.3+build", "1.2.4+build", Some(Step::Patch));
        check("5.3.9.Final", "5.4.0.Final", Some(Step::Minor));
        check("0a1b2c3", "4d5e6f7", None);
        check("", "1.0.0", None);
        check("99999999999999999999", "1", None);
        check("latest", "1.0.0", None);
    }

    #[test]
    fn a_version_alone() {
        let check = |to: &str, expected: Option<Step>| assert_eq!(step_to(to), expected, "{to}");
        check("v2", Some(Step::Major));
        check("2.1.0", Some(Step::Minor));
        check("2.1.3", Some(Step::Patch));
        check("0.3.0", Some(Step::Major));
        check("abcdef", None);
    }
}
