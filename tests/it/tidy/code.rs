//! Rules that read Rust: which module may use which, what the pure layer may not touch, calls and attributes that are out.

use super::tokens::{Code, PathUse, without_tests};
use super::{File, Finding};

/// A function is shorter than this.
const FUNCTION_LINES: usize = 70;

const PURE: &[&str] =
    &["slo", "codeowners", "command", "catalog", "coverage", "risk", "history", "deployment", "outcome", "report"];
const EDGES: &[&str] = &["github", "datadog", "pagerduty", "codecov", "sonar", "git", "store", "stream"];
const OUTSIDE: &[&str] = &["github", "datadog", "pagerduty", "codecov", "sonar", "git"];
/// Where several outside systems may meet: gathering, observing and the wiring of the whole.
const MEETING: &[&str] = &["src/service/gather", "src/service/observe", "src/service/mod.rs"];

/// What the pure layer may not name: input, output, waiting, environment, clock, chance, logs.
const IMPURE: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "net"],
    &["std", "env"],
    &["std", "io"],
    &["std", "process"],
    &["std", "thread"],
    &["SystemTime"],
    &["std", "time", "Instant"],
    &["Instant", "now"],
    &["Utc", "now"],
    &["Local", "now"],
    &["tokio"],
    &["reqwest"],
    &["axum"],
    &["hyper"],
    &["rusqlite"],
    &["tracing"],
    &["log"],
    &["rand"],
    &["fastrand"],
    &["async"],
    &["await"],
];

/// The system's clock and chance; only `src/clock.rs` asks them.
const CLOCK: &[&[&str]] = &[
    &["SystemTime", "now"],
    &["Utc", "now"],
    &["Local", "now"],
    &["Uuid", "now_v7"],
    &["Uuid", "new_v4"],
    &["rand"],
    &["fastrand"],
    &["getrandom"],
];

/// `only_for_tests`: the file belongs to a module that is declared under `#[cfg(test)]`.
pub(super) fn findings(file: &File, only_for_tests: bool) -> Vec<Finding> {
    let tokens = match Code::parse(&file.text) {
        Ok(tokens) => tokens,
        Err(error) => return vec![file.finding(1, error, "cargo check says more")],
    };
    let mut found = Vec::new();
    let all = Code::of(tokens.clone());
    found.extend(attributes(file, &all));
    found.extend(leftovers(file, &all));
    if only_for_tests {
        return found;
    }
    found.extend(functions(file, &all));
    if file.path.starts_with("src/") {
        let shipped = Code::of(without_tests(tokens));
        found.extend(layers(file, &shipped));
        found.extend(purity(file, &shipped));
        found.extend(clock(file, &shipped));
        found.extend(calls(file, &shipped));
        found.extend(sql(file, &shipped));
    }
    found
}

/// The modules that a module may use; none if it has no place in the layers.
fn allowed(module: &str) -> Option<Vec<&'static str>> {
    let rest: Vec<&'static str> = match module {
        "slo" | "codeowners" | "command" | "clock" | "remote" => vec![],
        "risk" => vec!["slo", "codeowners"],
        "catalog" | "coverage" => vec!["risk", "slo", "codeowners"],
        "history" => vec!["risk", "slo", "codeowners"],
        "deployment" => vec!["catalog", "risk", "slo", "codeowners"],
        "outcome" => vec!["history", "risk", "slo", "codeowners"],
        "report" => vec!["outcome", "deployment", "history", "risk", "slo", "codeowners"],
        "config" => PURE.to_vec(),
        "github" | "datadog" | "pagerduty" | "codecov" | "sonar" | "git" | "store" | "stream" => {
            [PURE, &["clock", "remote"]].concat()
        }
        "service" => [PURE, EDGES, &["clock", "config", "remote"]].concat(),
        "cli" => [PURE, EDGES, &["clock", "config", "remote", "service"]].concat(),
        _ => return None,
    };
    Some(rest)
}

fn layers(file: &File, code: &Code) -> Vec<Finding> {
    let Some(module) = file.module() else { return Vec::new() };
    let Some(allowed) = allowed(module) else {
        let hint = "give it a place in tests/it/tidy/code.rs and in the list in src/lib.rs";
        return vec![file.finding(0, format!("the module {module} has no place in the layers"), hint)];
    };
    let mut found = Vec::new();
    let mut outside: Vec<&str> = Vec::new();
    for path in &code.paths {
        let Some(used) = root_module(file, path) else { continue };
        if used != module && !allowed.contains(&used) && self::allowed(used).is_some() {
            let what = format!("{module} uses {used}, which is not below it");
            found.push(file.finding(path.line, what, "pass what it needs in as plain data from the layer above"));
        }
        if let Some(system) = OUTSIDE.iter().find(|system| **system == used)
            && !outside.contains(system)
        {
            outside.push(system);
            if outside.len() > 1 && module == "service" && !MEETING.iter().any(|place| file.path.starts_with(place)) {
                let what = format!("sees several outside systems: {}", outside.join(", "));
                found.push(file.finding(path.line, what, "let gather.rs or observe.rs bring them together"));
            }
        }
    }
    found
}

/// The module below the crate's root that a path leads to, written as `crate::…` or as enough `super::…`.
fn root_module<'a>(file: &File, path: &'a PathUse) -> Option<&'a str> {
    let first = path.segments.first()?;
    if first == "crate" {
        return path.segments.get(1).map(String::as_str);
    }
    let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
    let below = file.path.strip_prefix("src/")?;
    let own = below.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").count();
    (supers > 0 && supers >= own + path.depth).then(|| path.segments.get(supers)).flatten().map(String::as_str)
}

fn purity(file: &File, code: &Code) -> Vec<Finding> {
    if !file.module().is_some_and(|module| PURE.contains(&module)) {
        return Vec::new();
    }
    let impure = code.paths.iter().filter(|path| IMPURE.iter().any(|name| names(path, name)));
    let hint = "the pure layer takes plain data; fetch it in an edge and pass it in";
    impure
        .map(|path| file.finding(path.line, format!("{} in the pure layer", path.segments.join("::")), hint))
        .collect()
}

fn clock(file: &File, code: &Code) -> Vec<Finding> {
    // The simulators draw their faults from a seed, so that a run can be repeated.
    let seeded = ["src/github/sim", "src/datadog/sim"].iter().any(|at| file.path.starts_with(at));
    if file.module() == Some("clock") {
        return Vec::new();
    }
    let asks = |path: &&PathUse| CLOCK.iter().any(|name| names(path, name) && !(seeded && *name == ["fastrand"]));
    let hint = "take the time and ids from crate::clock, so that tests can hold them still";
    let line =
        |path: &PathUse| file.finding(path.line, format!("{} outside src/clock.rs", path.segments.join("::")), hint);
    code.paths.iter().filter(asks).map(line).collect()
}

fn calls(file: &File, code: &Code) -> Vec<Finding> {
    let talks = file.module() == Some("cli") || file.path == "src/main.rs";
    let mut found = Vec::new();
    for path in &code.paths {
        let word = path.segments.last().map_or("", String::as_str);
        if path.dotted && word == "unwrap" {
            let hint = "use ?, or expect(\"the invariant that holds\")";
            found.push(file.finding(path.line, "unwrap outside tests", hint));
        }
        if path.bang && !talks && matches!(word, "print" | "println" | "eprint" | "eprintln") {
            let hint = "return the text to src/cli, or log it with tracing";
            found.push(file.finding(path.line, format!("{word}! outside src/cli"), hint));
        }
    }
    found
}

fn sql(file: &File, code: &Code) -> Vec<Finding> {
    if file.module() == Some("store") {
        return Vec::new();
    }
    let hint = "SQL is a constant in src/store; give the store a function for it";
    let driver = code.paths.iter().filter(|path| path.segments.first().is_some_and(|first| first == "rusqlite"));
    let driver = driver.map(|path| file.finding(path.line, "rusqlite outside src/store", hint));
    let is_query = |text: &str| {
        let text = text.trim_start_matches(['r', '#', '"', ' ', '\n', '\\']);
        (text.starts_with("SELECT ") && text.contains(" FROM ")) || text.starts_with("INSERT INTO ")
    };
    // These hold SQL of other people's changes.
    let judge =
        ["src/risk/signal/schema_change", "src/github/sim", "src/cli/demo"].iter().any(|at| file.path.starts_with(at));
    let texts = code.literals.iter().filter(|(text, _)| !judge && is_query(text));
    driver.chain(texts.map(|(_, line)| file.finding(*line, "SQL outside src/store", hint))).collect()
}

fn attributes(file: &File, code: &Code) -> Vec<Finding> {
    let rule = |(word, line): &(String, usize)| match word.as_str() {
        "allow" => Some(file.finding(
            *line,
            "#[allow]",
            "write #[expect(lint, reason = \"why\")], which fails once it is not needed",
        )),
        "ignore" => Some(file.finding(
            *line,
            "#[ignore]",
            "a test runs or goes; what needs more than cargo test says what it left out",
        )),
        "should_panic" => Some(file.finding(*line, "#[should_panic]", "return an error and assert which one")),
        _ => None,
    };
    code.attributes.iter().filter_map(rule).collect()
}

fn functions(file: &File, code: &Code) -> Vec<Finding> {
    let long = code.functions.iter().filter(|function| !function.is_test && function.lines >= FUNCTION_LINES);
    let hint = "one function holds the match, its arms call straight-line functions";
    long.map(|f| file.finding(f.line, format!("{} has {} lines, {FUNCTION_LINES} or more", f.name, f.lines), hint))
        .collect()
}

fn leftovers(file: &File, code: &Code) -> Vec<Finding> {
    let is_leftover =
        |path: &&PathUse| path.bang && matches!(path.segments[0].as_str(), "todo" | "unimplemented" | "dbg");
    let line = |path: &PathUse| file.finding(path.line, format!("{}!", path.segments[0]), "finish it or take it out");
    code.paths.iter().filter(is_leftover).map(line).collect()
}

/// Whether the path names this: one word at its head or as a type in it, two words anywhere in it side by side.
fn names(path: &PathUse, name: &[&str]) -> bool {
    if path.dotted && name != ["await"] {
        return false;
    }
    match name {
        [word] if word.starts_with(char::is_uppercase) => path.segments.iter().any(|segment| segment == word),
        ["async" | "await"] => path.segments[0] == name[0],
        // A crate's name leads somewhere; alone it is a variable.
        [word] => path.segments[0] == *word && path.segments.len() > 1,
        _ => path.segments.windows(name.len()).any(|window| window == name),
    }
}
