//! A repository's own policy, `.github/mergecast.yml` of the base branch. The file is untrusted: it is read within
//! budgets, it can name no host, and a mistake in it is told with its line instead of half obeyed.

mod check;
mod yaml;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::risk::{
    assessment::Mode,
    facts::{CoverageSource, Declared, Freeze},
    overrides::{OverridePolicy, Permission},
    policy::{Floors, Policy, PolicyError, PolicyOrigin, Threshold},
};

use check::Mistakes;
use yaml::{Node, Value};

/// Where the policy lives in a repository.
pub const PATH: &str = ".github/mergecast.yml";

/// Patterns in one list or table; each costs a look at every changed file.
const PATTERNS_MAX: usize = 200;
const SERVICES_MAX: usize = 200;
const FREEZES_MAX: usize = 100;
/// Most extra points for a sensitive path: four times the odds. There are none to take off: a change would become
/// safer by touching one more file.
const EXTRA_POINTS_MAX: f64 = 30.0;

/// All that a policy file says. The default is what holds without a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RepositoryPolicy {
    /// What is done with a score.
    pub policy: Policy,
    /// What enters the score.
    pub declared: Declared,
    /// What is known of each service besides its paths, which are in `declared`.
    pub services: BTreeMap<String, ServiceSettings>,
    /// Whether the check run `mergecast/owners` is wanted.
    pub owners_check: bool,
    /// Who may override a score, and for how long.
    pub overrides: OverridePolicy,
    /// Whether pull requests get a comment.
    pub comment: CommentPolicy,
    /// Where coverage is looked for.
    #[serde(default)]
    pub coverage: CoveragePolicy,
}

/// Where coverage is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveragePolicy {
    /// Sources in order: the first that knows the head commit is used, the others are compared with it.
    pub sources: Vec<CoverageSource>,
    /// Key of the project in SonarQube; without one it is `{owner}_{name}`, as SonarQube Cloud makes it.
    pub sonar_project: Option<String>,
}

impl Default for CoveragePolicy {
    fn default() -> Self {
        Self { sources: COVERAGE_SOURCES.iter().map(|(_, source)| *source).collect(), sonar_project: None }
    }
}

/// Sources of coverage by the names that a policy gives them, in the order without a policy.
const COVERAGE_SOURCES: [(&str, CoverageSource); 3] =
    [("upload", CoverageSource::Upload), ("codecov", CoverageSource::Codecov), ("sonar", CoverageSource::Sonar)];

/// Where to look for a service's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// Ids of its SLOs.
    pub slos: Vec<String>,
    /// Environment it is deployed to.
    pub env: Option<String>,
}

/// Whether pull requests get a comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentPolicy {
    /// Never.
    #[default]
    Off,
    /// One comment, edited whenever the level changes.
    OnLevelChange,
}

/// Reads a policy file.
///
/// # Errors
/// All mistakes that could be told apart (at most 20, and how many more), each with its line. Their messages hold text
/// of the file: untrusted.
pub fn parse_policy(text: &str) -> Result<RepositoryPolicy, Vec<PolicyError>> {
    const KEYS: &[&str] = &[
        "mode",
        "threshold",
        "services",
        "floors",
        "ignore",
        "owners_check",
        "override",
        "comment",
        "coverage",
        "sensitive_paths",
        "freezes",
    ];
    let root = yaml::parse(text).map_err(|error| vec![error])?;
    let mut mistakes = Mistakes::default();
    let mut read = RepositoryPolicy::default();
    read.policy.origin = PolicyOrigin { file: Some(PATH.to_owned()), errors: Vec::new(), digest: None };
    for (key, node) in mistakes.table("", &root, KEYS) {
        let at = key.text.as_str();
        // A key without a value says nothing.
        if node.value == Value::Null {
            continue;
        }
        match at {
            "mode" => {
                let modes = [("advisory", Mode::Advisory), ("enforce", Mode::Enforce)];
                set(&mut read.policy.mode, mistakes.choice(at, node, &modes));
            }
            "threshold" => set(&mut read.policy.threshold, threshold(&mut mistakes, node)),
            "services" => services(&mut mistakes, node, &mut read),
            "floors" => floors(&mut mistakes, node, &mut read.policy.floors),
            "ignore" => read.declared.ignore = mistakes.globs(at, node, PATTERNS_MAX),
            "owners_check" => set(&mut read.owners_check, mistakes.flag(at, node)),
            "override" => overrides(&mut mistakes, node, &mut read.overrides),
            "comment" => {
                let choices = [("off", CommentPolicy::Off), ("on_level_change", CommentPolicy::OnLevelChange)];
                set(&mut read.comment, mistakes.choice(at, node, &choices));
            }
            "coverage" => coverage(&mut mistakes, node, &mut read.coverage),
            "sensitive_paths" => read.declared.sensitive_paths = sensitive_paths(&mut mistakes, node),
            _ => read.declared.freezes = freezes(&mut mistakes, node),
        }
    }
    mistakes.into_result().map(|()| read)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn threshold(mistakes: &mut Mistakes, node: &Node) -> Option<Threshold> {
    match &node.value {
        Value::Map(_) => {
            let entries = mistakes.table("threshold", node, &["top"]);
            let (_, share) = entries.first()?;
            mistakes.share_bp("threshold.top", share).map(Threshold::TopShareBp)
        }
        Value::Number(_) => mistakes.score("threshold", node).map(Threshold::Score),
        other => {
            let kind = other.kind();
            let message = format!("threshold must be a score from 0 to 100 or {{ top: 5% }}, but is {kind}");
            mistakes.note(node.line, message);
            None
        }
    }
}

fn floors(mistakes: &mut Mistakes, node: &Node, floors: &mut Floors) {
    for (key, node) in mistakes.table("floors", node, &["destructive_migration", "active_incident", "budget_exhausted"])
    {
        let at = format!("floors.{}", key.text);
        let off = matches!(&node.value, Value::Flag(false) | Value::Null)
            || matches!(&node.value, Value::Text(text) if text == "off");
        let floor = match off {
            true => Some(None),
            false => mistakes.score(&at, node).map(Some),
        };
        let place = match key.text.as_str() {
            "destructive_migration" => &mut floors.destructive_migration,
            "active_incident" => &mut floors.active_incident,
            _ => &mut floors.budget_exhausted,
        };
        set(place, floor);
    }
}

fn services(mistakes: &mut Mistakes, node: &Node, read: &mut RepositoryPolicy) {
    let entries = mistakes.entries("services", node);
    if entries.len() > SERVICES_MAX {
        let message = format!("services has {} entries; at most {SERVICES_MAX} are allowed", entries.len());
        mistakes.note(node.line, message);
        return;
    }
    for (key, node) in entries {
        let Some(name) = mistakes.name("The service name", key.line, &key.text) else { continue };
        let mut settings = ServiceSettings::default();
        let mut paths = Vec::new();
        for (key, node) in mistakes.table(&format!("services.{name}"), node, &["paths", "slos", "env"]) {
            let at = format!("services.{name}.{}", key.text);
            match key.text.as_str() {
                "paths" => paths = mistakes.globs(&at, node, PATTERNS_MAX),
                "slos" => settings.slos = mistakes.names(&at, node, PATTERNS_MAX),
                _ => settings.env = mistakes.text(&at, node).and_then(|env| mistakes.name(&at, node.line, &env)),
            }
        }
        read.declared.services.insert(name.clone(), paths);
        read.services.insert(name, settings);
    }
}

fn overrides(mistakes: &mut Mistakes, node: &Node, overrides: &mut OverridePolicy) {
    for (key, node) in mistakes.table("override", node, &["who", "by_author", "expires"]) {
        match key.text.as_str() {
            "who" => {
                let who =
                    [("write", Permission::Write), ("maintain", Permission::Maintain), ("admin", Permission::Admin)];
                set(&mut overrides.who, mistakes.choice("override.who", node, &who));
            }
            "by_author" => set(&mut overrides.by_author, mistakes.flag("override.by_author", node)),
            _ => set(&mut overrides.expires_s, mistakes.span_s("override.expires", node)),
        }
    }
}

fn coverage(mistakes: &mut Mistakes, node: &Node, coverage: &mut CoveragePolicy) {
    for (key, node) in mistakes.table("coverage", node, &["sources", "sonar_project"]) {
        match key.text.as_str() {
            "sources" => coverage.sources = coverage_sources(mistakes, node),
            _ => {
                let name = mistakes.text("coverage.sonar_project", node);
                coverage.sonar_project =
                    name.and_then(|name| mistakes.name("coverage.sonar_project", node.line, &name));
            }
        }
    }
}

fn coverage_sources(mistakes: &mut Mistakes, node: &Node) -> Vec<CoverageSource> {
    let mut sources = Vec::new();
    for item in mistakes.list("coverage.sources", node, COVERAGE_SOURCES.len()) {
        let Some(source) = mistakes.choice("coverage.sources", item, &COVERAGE_SOURCES) else { continue };
        if sources.contains(&source) {
            mistakes.note(item.line, "coverage.sources names a source twice");
        } else {
            sources.push(source);
        }
    }
    sources
}

fn sensitive_paths(mistakes: &mut Mistakes, node: &Node) -> BTreeMap<String, f64> {
    let entries = mistakes.entries("sensitive_paths", node);
    if entries.len() > PATTERNS_MAX {
        let message = format!("sensitive_paths has {} entries; at most {PATTERNS_MAX} are allowed", entries.len());
        mistakes.note(node.line, message);
        return BTreeMap::new();
    }
    let mut points = BTreeMap::new();
    for (key, node) in entries {
        let pattern = mistakes.glob(key.line, &key.text);
        let at = format!("sensitive_paths {:?}", check::shortened(&key.text));
        let extra = mistakes.number(&at, node, 0.0, EXTRA_POINTS_MAX);
        if let (Some(pattern), Some(extra)) = (pattern, extra) {
            points.insert(pattern, extra);
        }
    }
    points
}

fn freezes(mistakes: &mut Mistakes, node: &Node) -> Vec<Freeze> {
    let mut freezes = Vec::new();
    for item in mistakes.list("freezes", node, FREEZES_MAX) {
        let (mut name, mut from, mut until) = (None, None, None);
        let entries = mistakes.table("freezes", item, &["name", "from", "until"]);
        let given = entries.len();
        for (key, node) in entries {
            match key.text.as_str() {
                "name" => name = mistakes.text("freezes.name", node),
                "from" => from = mistakes.instant("freezes.from", node),
                _ => until = mistakes.instant("freezes.until", node),
            }
        }
        match (name, from, until) {
            (Some(name), Some(from), Some(until)) if from < until => freezes.push(Freeze { name, from, until }),
            (_, Some(from), Some(until)) if from >= until => {
                mistakes.note(item.line, "A freeze must end after it begins");
            }
            _ if given < 3 => mistakes.note(item.line, "A freeze needs name, from and until"),
            // Each value's own mistake is noted already.
            _ => {}
        }
    }
    freezes
}

#[cfg(test)]
mod tests;
