//! Titles that Dependabot and Renovate write, and people after them: "Bump x from 1.0 to 2.0", "Update dependency x
//! to v2". Parsed as words, since titles are anybody's text.

use super::{
    Move,
    version::{self, Step},
};

/// What a title says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Titled {
    /// May be empty: a group, all locks.
    pub(super) moves: Vec<Move>,
}

/// Longest title that is read; GitHub allows 256 characters.
const LONGEST: usize = 300;

/// Reads a title; `None` when it does not speak of versions.
pub(super) fn read(title: &str) -> Option<Titled> {
    if title.len() > LONGEST {
        return None;
    }
    let (head, body) = match title.split_once(": ") {
        Some((head, body)) if head.split_whitespace().count() == 1 => (head.to_ascii_lowercase(), body),
        _ => (String::new(), title),
    };
    let development = head.contains("deps-dev") || head.contains("dev-deps");
    let words: Vec<&str> = body.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let verb = lower.first()?.as_str();
    let rest = &lower[1..];
    if verb == "lock" && rest.first().is_some_and(|word| word == "file") || verb == "lockfile" {
        return Some(Titled { moves: Vec::new() });
    }
    if !matches!(verb, "bump" | "bumps" | "update" | "upgrade" | "updates" | "pin") {
        return None;
    }
    let marked = marked_step(&lower);
    if rest.iter().any(|word| word == "dependencies" || word == "updates" || word == "group") && !has_versions(rest) {
        return Some(Titled { moves: group(rest, marked, development) });
    }
    one(&words, &lower, marked, development).map(|moved| Titled { moves: vec![moved] })
}

/// Renovate writes "(major)" behind titles that would be ambiguous.
fn marked_step(lower: &[String]) -> Option<Step> {
    lower.iter().find_map(|word| match word.as_str() {
        "(major)" | "[major]" => Some(Step::Major),
        "(minor)" | "[minor]" | "non-major" => Some(Step::Minor),
        "(patch)" | "[patch]" => Some(Step::Patch),
        _ => None,
    })
}

fn has_versions(lower: &[String]) -> bool {
    lower.windows(2).any(|pair| matches!(pair[0].as_str(), "to" | "from") && version::is_version(&pair[1]))
}

/// "Bump the npm group with 4 updates": the group's name stands for its packages.
fn group(rest: &[String], step: Option<Step>, development: bool) -> Vec<Move> {
    let name = rest.iter().position(|word| word == "group").and_then(|at| at.checked_sub(1)).map(|at| rest[at].clone());
    let development = development || name.as_deref().is_some_and(|name| name.contains("dev"));
    match (name, step) {
        (None, None) => Vec::new(),
        (name, step) => {
            let package = name.unwrap_or_else(|| "all".into());
            vec![Move { package, from: None, to: None, step, development }]
        }
    }
}

fn one(words: &[&str], lower: &[String], marked: Option<Step>, development: bool) -> Option<Move> {
    let behind = |keyword: &str| {
        let at = lower.iter().rposition(|word| word == keyword)?;
        let word = words.get(at + 1)?.trim_matches(['`', '"', '\'', ',']);
        version::is_version(word).then(|| word.to_owned())
    };
    let to = behind("to");
    let digest = lower.iter().any(|word| word == "digest");
    if to.is_none() && !digest {
        return None;
    }
    let from = behind("from");
    // "Update dependency x to v2", "Update x action to v4", "Update rust crate x to 1".
    const FILLERS: [&str; 10] =
        ["dependency", "module", "rust", "crate", "the", "requirement", "plugin", "docker", "package", "helm"];
    let package = words.iter().zip(lower).skip(1).find(|(_, lower)| !FILLERS.contains(&lower.as_str()))?;
    let package = package.0.trim_matches(['`', '"', '\'']).to_owned();
    let between = from.as_deref().zip(to.as_deref()).and_then(|(from, to)| version::step(from, to));
    let step = marked.or(between).or_else(|| to.as_deref().filter(|_| from.is_none()).and_then(version::step_to));
    Some(Move { package, from, to, step: step.filter(|_| !digest), development })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        let check = |title: &str, expected: &str| {
            let show = |moved: &Move| {
                let step = moved.step.map_or("?", Step::word);
                let from = moved.from.as_deref().unwrap_or("-");
                let to = moved.to.as_deref().unwrap_or("-");
                let development = if moved.development { " dev" } else { "" };
                format!("{} {from} {to} {step}{development}", moved.package)
            };
            let shown = read(title).map(|titled| titled.moves.iter().map(show).collect::<Vec<_>>().join("; "));
            assert_eq!(shown.as_deref().unwrap_or("none"), expected, "{title}");
        };
        check("Bump lodash from 4.17.20 to 4.17.21", "lodash 4.17.20 4.17.21 patch");
        check("build(deps): bump serde from 1.0.1 to 2.0.0 in /core", "serde 1.0.1 2.0.0 major");
        check("chore(deps-dev): bump jest from 28.1.0 to 29.0.0", "jest 28.1.0 29.0.0 major dev");
        check("Update rails requirement from ~> 7.0 to ~> 7.1", "none");
        check("Update dependency react to v18", "react - v18 major");
        check("fix(deps): update dependency axios to v1.6.2", "axios - v1.6.2 patch");
        check("chore(deps): update actions/checkout action to v4", "actions/checkout - v4 major");
        check("Update rust crate tokio to 1.35.0", "tokio - 1.35.0 minor");
        check("Update react monorepo to v18.2.0 (minor)", "react - v18.2.0 minor");
        check("Update all non-major dependencies", "all - - minor");
        check("Bump the npm group across 1 directory with 4 updates", "npm - - ?");
        check("Bump the dev-dependencies group with 2 updates", "dev-dependencies - - ? dev");
        check("Lock file maintenance", "");
        check("chore(deps): lock file maintenance", "");
        check("Update docker digest to 0a1b2c3", "digest - - ?");
        check("Update the readme", "none");
        check("Bump version", "none");
        check("Update parser to handle 2 inputs", "none");
        check("fix: bump into walls", "none");
        check("", "none");
        check(&"bump ".repeat(1_000), "none");
    }
}
