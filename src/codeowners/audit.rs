//! Ownership health: what a CODEOWNERS file no longer says as it is meant, each with the edit that mends it.
//!
//! What it is told is all it knows: paths, and who changed them lately. Whether an account exists, may write or is in a
//! team only the hosting side knows; of that nothing is claimed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Codeowners, Rule, TooComplex, edit::Edit};

/// A path that nobody owns and that changed so often lately is worth an owner.
const HOT_CHANGES: u64 = 5;
/// Most of them that are told, those with most changes.
const HOT_MAX: usize = 10;
/// Fewer changes to a rule's files say nothing of who makes them.
const DRIFT_CHANGES: u64 = 10;
/// Owners who made a smaller share of the changes to their files have drifted away from them.
const DRIFT_SHARE: f64 = 0.2;
/// A rule that is in force for so many files owns everything and so nothing: at least this share of all, and this many.
const BROAD_SHARE: f64 = 0.5;
const BROAD_FILES: usize = 50;
/// Directories that a broad rule is taken apart into.
const BROAD_PARTS: usize = 3;
/// Rules that hide one another deeper than this are not told apart.
const LAYERS_MAX: usize = 64;

/// One change and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Who made it.
    pub by: Person,
    /// Paths that it changed.
    pub paths: Vec<String>,
}

/// Somebody as git knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// Name. Untrusted.
    pub name: String,
    /// E-mail address. Untrusted.
    pub email: String,
}

/// What an audit looks at.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Text of the file.
    pub text: &'a str,
    /// Every path of the repository.
    pub paths: &'a [String],
    /// The latest changes, in any order.
    pub lately: &'a [Touch],
    /// Everybody who ever changed anything, as far as git knows.
    pub ever: &'a BTreeSet<Person>,
}

/// Something that is not as it is meant to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The rule that it is about; `None` for paths that no rule gives owners.
    pub rule: Option<Rule>,
    /// The edit that mends it; `None` where nobody is known who could be named.
    pub edit: Option<Edit>,
}

/// What kind of thing is not as it is meant to be.
#[derive(Clone, Debug, PartialEq)]
pub enum FindingKind {
    /// A path that changes often and that nobody owns.
    UnownedHot {
        /// The path. Untrusted.
        path: String,
        /// Latest changes to it.
        changes: u64,
    },
    /// The pattern matches no file.
    MatchesNothing,
    /// Every file that the pattern matches is taken by a later line.
    Hidden,
    /// An owner who never changed anything here, as far as git knows.
    Ghost {
        /// As written. Untrusted.
        owner: String,
    },
    /// In force for most of the repository.
    Broad {
        /// Files for which it is in force.
        files: u64,
        /// Files in all.
        of: u64,
    },
    /// The owners hardly change what they own.
    Drift {
        /// Latest changes to the rule's files by owners.
        by_owners: u64,
        /// Latest changes to them in all.
        changes: u64,
    },
}

/// All findings in the order of the kinds, then of the file; and how many owners are teams, of whom nothing is known.
///
/// # Errors
/// Matching would take more than a fixed amount of work.
pub fn audit(subject: &Subject<'_>) -> Result<(Vec<Finding>, usize), TooComplex> {
    let file = Codeowners::parse(subject.text);
    let in_force = file.matching_rules(subject.paths)?;
    let rules: Vec<Rule> = file.rules().collect();
    let mut files: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for (path, rule) in subject.paths.iter().zip(&in_force) {
        files.entry(rule.as_ref().map_or(0, |rule| rule.line)).or_default().push(path);
    }
    let touched = touched(&file, subject)?;
    let audit = Audit { subject, rules: &rules, files: &files, touched: &touched };
    let mut findings = audit.unowned();
    findings.extend(audit.idle(&file)?);
    findings.extend(audit.ghosts());
    findings.extend(audit.broad());
    findings.extend(audit.drift());
    let owners: BTreeSet<&str> = rules.iter().flat_map(|rule| rule.owners.iter().map(String::as_str)).collect();
    let teams = owners.iter().filter(|owner| is_team(owner)).count();
    Ok((findings, teams))
}

/// For each rule in force (0 for none that gives owners) the latest changes to its files.
type Touched<'a> = BTreeMap<u64, Vec<&'a Touch>>;

fn touched<'a>(file: &Codeowners, subject: &Subject<'a>) -> Result<Touched<'a>, TooComplex> {
    let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
    let paths: BTreeSet<&str> =
        subject.lately.iter().flat_map(|touch| touch.paths.iter().map(String::as_str)).collect();
    let paths: Vec<&str> = paths.into_iter().collect();
    for (path, rule) in paths.iter().zip(file.matching_rules(&paths)?) {
        lines.insert(path, rule.map_or(0, |rule| rule.line));
    }
    let mut touched = Touched::new();
    for touch in subject.lately {
        let own: BTreeSet<u64> = touch.paths.iter().filter_map(|path| lines.get(path.as_str()).copied()).collect();
        own.into_iter().for_each(|line| touched.entry(line).or_default().push(touch));
    }
    Ok(touched)
}

struct Audit<'a> {
    subject: &'a Subject<'a>,
    rules: &'a [Rule],
    /// Files by the line that is in force for them, 0 for none.
    files: &'a BTreeMap<u64, Vec<&'a str>>,
    touched: &'a Touched<'a>,
}

impl Audit<'_> {
    fn unowned(&self) -> Vec<Finding> {
        let without = |rule: &&Rule| rule.owners.is_empty();
        let lines = std::iter::once(0).chain(self.rules.iter().filter(without).map(|rule| rule.line));
        let unowned: BTreeSet<&str> =
            lines.flat_map(|line| self.files.get(&line).into_iter().flatten().copied()).collect();
        let mut changes: BTreeMap<&str, Vec<&Touch>> = BTreeMap::new();
        for touch in self.subject.lately {
            for path in touch.paths.iter().filter_map(|path| unowned.get(path.as_str())) {
                changes.entry(path).or_default().push(touch);
            }
        }
        let mut hot: Vec<_> = changes.into_iter().filter(|(_, touches)| touches.len() as u64 >= HOT_CHANGES).collect();
        hot.sort_by_key(|(path, touches)| (Reverse(touches.len()), *path));
        let finding = |(path, touches): (&str, Vec<&Touch>)| {
            let edit = most_active(&touches, &[]).map(|owner| Edit::append(self.subject.text, &line_for(path, &owner)));
            let kind = FindingKind::UnownedHot { path: path.to_owned(), changes: touches.len() as u64 };
            Finding { kind, rule: None, edit }
        };
        hot.into_iter().take(HOT_MAX).map(finding).collect()
    }

    /// Rules that are in force for no file: those that match none, and those that later lines hide.
    fn idle(&self, file: &Codeowners) -> Result<Vec<Finding>, TooComplex> {
        let idle: BTreeSet<u64> =
            self.rules.iter().map(|rule| rule.line).filter(|line| !self.files.contains_key(line)).collect();
        let hidden = self.hidden(file, idle.clone())?;
        let rules = self.rules.iter().filter(|rule| idle.contains(&rule.line));
        Ok(rules
            .map(|rule| Finding {
                kind: if hidden.contains(&rule.line) { FindingKind::Hidden } else { FindingKind::MatchesNothing },
                rule: Some(rule.clone()),
                edit: Some(Edit::remove(rule.line)),
            })
            .collect())
    }

    /// Which of the rules match anything at all: what is found is taken away, until nothing more is.
    fn hidden(&self, file: &Codeowners, mut left: BTreeSet<u64>) -> Result<BTreeSet<u64>, TooComplex> {
        let mut hidden = BTreeSet::new();
        for _ in 0..LAYERS_MAX {
            let found = file.only(&left).matching_rules(self.subject.paths)?;
            let found: BTreeSet<u64> = found.into_iter().flatten().map(|rule| rule.line).collect();
            if found.is_empty() {
                break;
            }
            left.retain(|line| !found.contains(line));
            hidden.extend(found);
        }
        Ok(hidden)
    }

    fn ghosts(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in self.rules.iter().filter(|rule| self.files.contains_key(&rule.line)) {
            let ghosts = rule.owners.iter().filter(|owner| !is_team(owner) && !self.is_known(owner));
            findings.extend(ghosts.map(|ghost| Finding {
                kind: FindingKind::Ghost { owner: ghost.clone() },
                rule: Some(rule.clone()),
                edit: Some(self.without(rule, ghost)),
            }));
        }
        findings
    }

    fn is_known(&self, owner: &str) -> bool {
        self.subject.ever.iter().any(|person| is(person, owner))
    }

    /// The rule without one owner; whoever changes its files most takes the place of the last one.
    fn without(&self, rule: &Rule, ghost: &str) -> Edit {
        let mut owners: Vec<String> = rule.owners.iter().filter(|owner| *owner != ghost).cloned().collect();
        if owners.is_empty() {
            owners.extend(most_active(self.touches(rule), &rule.owners));
        }
        match owners.is_empty() {
            true => Edit::remove(rule.line),
            false => Edit::owners(self.subject.text, rule, &owners),
        }
    }

    fn touches(&self, rule: &Rule) -> &[&Touch] {
        self.touched.get(&rule.line).map_or(&[], Vec::as_slice)
    }

    fn broad(&self) -> Vec<Finding> {
        let of = self.subject.paths.len();
        let is_broad = |files: usize| files >= BROAD_FILES && files as f64 >= BROAD_SHARE * of as f64;
        let mut findings = Vec::new();
        for rule in self.rules.iter().filter(|rule| !rule.owners.is_empty()) {
            let files = self.files.get(&rule.line).map_or(&[][..], Vec::as_slice);
            if is_broad(files.len()) {
                findings.push(Finding {
                    kind: FindingKind::Broad { files: files.len() as u64, of: of as u64 },
                    rule: Some(rule.clone()),
                    edit: self.taken_apart(rule, files),
                });
            }
        }
        findings
    }

    /// Lines behind a broad rule for those of its directories that change most, each given to whoever changes it most. A line
    /// takes nothing from another rule, and not all from this one.
    fn taken_apart(&self, rule: &Rule, files: &[&str]) -> Option<Edit> {
        let shared = shared_directory(files);
        // Its directory right below the shared one; also of a path that lies elsewhere, which then is none of these.
        let next = |path: &&'_ str| -> Option<String> {
            let rest = if shared.is_empty() { path } else { path.strip_prefix(shared)?.strip_prefix('/')? };
            let (name, _) = rest.split_once('/')?;
            Some(path[..path.len() - rest.len() + name.len()].to_owned())
        };
        let mut directories: BTreeMap<String, usize> = BTreeMap::new();
        files.iter().filter_map(next).for_each(|directory| *directories.entry(directory).or_default() += 1);
        directories.retain(|_, own| *own < files.len());
        // The line would come behind those rules.
        let others = self.files.iter().filter(|(line, _)| **line < rule.line).flat_map(|(_, files)| files);
        others.filter_map(next).for_each(|directory| _ = directories.remove(&directory));
        let mut parts: Vec<(usize, String, String)> = Vec::new();
        for directory in directories.into_keys() {
            let below = |path: &String| path.strip_prefix(&directory).is_some_and(|rest| rest.starts_with('/'));
            let touches: Vec<&Touch> =
                self.touches(rule).iter().copied().filter(|touch| touch.paths.iter().any(below)).collect();
            if let Some(owner) = most_active(&touches, &rule.owners) {
                parts.push((touches.len(), directory, owner));
            }
        }
        parts.sort_by(|(a, one, _), (b, other, _)| b.cmp(a).then_with(|| one.cmp(other)));
        let lines: Vec<String> = parts
            .iter()
            .take(BROAD_PARTS)
            .map(|(_, directory, owner)| line_for(&format!("{directory}/"), owner))
            .collect();
        (!lines.is_empty()).then(|| Edit::after(rule.line, &lines))
    }

    fn drift(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in self.rules.iter().filter(|rule| !rule.owners.is_empty()) {
            // Who is in a team is not known, and of a ghost that is told already.
            if rule.owners.iter().any(|owner| is_team(owner)) || !rule.owners.iter().any(|owner| self.is_known(owner)) {
                continue;
            }
            let touches = self.touches(rule);
            let own = touches.iter().filter(|touch| rule.owners.iter().any(|owner| is(&touch.by, owner))).count();
            if (touches.len() as u64) < DRIFT_CHANGES || own as f64 >= DRIFT_SHARE * touches.len() as f64 {
                continue;
            }
            let joined = |owner: String| {
                let owners: Vec<String> = rule.owners.iter().cloned().chain([owner]).collect();
                Edit::owners(self.subject.text, rule, &owners)
            };
            findings.push(Finding {
                kind: FindingKind::Drift { by_owners: own as u64, changes: touches.len() as u64 },
                rule: Some(rule.clone()),
                edit: most_active(touches, &rule.owners).map(joined),
            });
        }
        findings
    }
}

/// The longest directory that all of these lie below; empty at the root.
fn shared_directory<'a>(files: &[&'a str]) -> &'a str {
    let directory = |path: &'a str| path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut shared = files.first().map_or("", |path| directory(path));
    while !shared.is_empty()
        && !files.iter().all(|path| path.strip_prefix(shared).is_some_and(|rest| rest.starts_with('/')))
    {
        shared = directory(shared);
    }
    shared
}

fn is_team(owner: &str) -> bool {
    owner.starts_with('@') && owner.contains('/')
}

/// Whether git's person is this owner: by e-mail address; by the login in an address that GitHub gives out, or what stands
/// before the `@` of any; by the name, or what logins are made of it. A guess, as git knows no logins.
fn is(person: &Person, owner: &str) -> bool {
    let Some(login) = owner.strip_prefix('@') else { return person.email.eq_ignore_ascii_case(owner) };
    let login = plain(login);
    let local = person.email.split('@').next().unwrap_or_default();
    let local = plain(local.rsplit('+').next().unwrap_or(local));
    let words: Vec<String> = person.name.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return local == login };
    let initial = |word: &str| word.chars().take(1).collect::<String>();
    let made = [words.concat(), format!("{first}{}", initial(last)), format!("{}{last}", initial(first))];
    local == login || made.contains(&login)
}

/// Letters and digits in lower case.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Who made most of the changes and is none of `except`, as an owner is written: login where GitHub's address tells it,
/// else e-mail address. Nobody whose name or address could not stand in the file.
fn most_active(touches: &[&Touch], except: &[String]) -> Option<String> {
    let mut counts: BTreeMap<&Person, usize> = BTreeMap::new();
    for touch in touches.iter().filter(|touch| !except.iter().any(|owner| is(&touch.by, owner))) {
        *counts.entry(&touch.by).or_default() += 1;
    }
    let mut people: Vec<(&Person, usize)> = counts.into_iter().collect();
    people.sort_by_key(|(person, count)| (Reverse(*count), *person));
    people.into_iter().find_map(|(person, _)| as_owner(person))
}

fn as_owner(person: &Person) -> Option<String> {
    const GIVEN_OUT: &str = "@users.noreply.github.com";
    let owner = match person.email.strip_suffix(GIVEN_OUT) {
        Some(local) => format!("@{}", local.rsplit('+').next().unwrap_or(local)),
        None => person.email.clone(),
    };
    let bot = owner.ends_with("[bot]");
    (!bot && super::pattern::is_owner(&owner)).then_some(owner)
}

/// A line that gives exactly this path (a directory if it ends in a slash) to an owner.
fn line_for(path: &str, owner: &str) -> String {
    let mut pattern = String::from("/");
    for c in path.chars() {
        match c {
            // Nothing escapes it.
            '#' => pattern.push('?'),
            ' ' | '\t' | '*' | '?' | '[' | ']' | '\\' => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    format!("{pattern} {owner}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        Person { name: name.to_owned(), email: format!("{name}@x.example") }
    }

    fn touches(number: usize, by: &str, paths: &[&str]) -> Vec<Touch> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        vec![Touch { by: person(by), paths }; number]
    }

    /// Each finding as a word, its line, and the file after its edit.
    fn found(text: &str, paths: &[&str], lately: &[Touch]) -> Vec<String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let ever: BTreeSet<Person> = lately.iter().map(|touch| touch.by.clone()).chain([person("grace")]).collect();
        let subject = Subject { text, paths: &paths, lately, ever: &ever };
        let (findings, _) = audit(&subject).unwrap();
        let told = |finding: &Finding| {
            let line = finding.rule.as_ref().map_or(0, |rule| rule.line);
            let after = finding.edit.as_ref().map(|edit| edit.applied(text)).unwrap_or_default();
            format!("{line} {:?} => {after:?}", finding.kind)
        };
        findings.iter().map(told).collect()
    }

    #[test]
    fn people_are_recognised_by_what_logins_are_made_of() {
        let check = |name: &str, email: &str, owner: &str, expected: bool| {
            let person = Person { name: name.to_owned(), email: email.to_owned() };
            assert_eq!(is(&person, owner), expected, "{name} <{email}> as {owner}");
        };
        check("Grace Hopper", "x@y.example", "@GraceHopper", true);
        check("Grace Hopper", "x@y.example", "@grace-hopper", true);
        check("Grace Hopper", "x@y.example", "@graceh", true);
        check("Grace Hopper", "x@y.example", "@ghopper", true);
        check("Grace Hopper", "x@y.example", "@grace", false);
        check("G", "7+Amazing@users.noreply.github.com", "@amazing", true);
        check("", "amazing@y.example", "@amazing", true);
        check("", "amazing@y.example", "AMAZING@y.example", true);
        check("", "", "@x", false);
    }

    #[test]
    fn rules_that_do_nothing() {
        let text = "# head\n*.rs @grace\n/gone/ @grace\n/src/ @grace\n";
        assert_eq!(
            found(text, &["src/a.rs"], &[]),
            [
                "2 Hidden => \"# head\\n/gone/ @grace\\n/src/ @grace\\n\"",
                "3 MatchesNothing => \"# head\\n*.rs @grace\\n/src/ @grace\\n\"",
            ]
        );
    }

    #[test]
    fn hot_paths_get_an_owner() {
        let mut lately = touches(6, "linus", &["lib/my file.rs", "src/a.rs"]);
        lately.extend(touches(2, "ada", &["lib/my file.rs"]));
        lately.extend(touches(4, "ada", &["lib/cold.rs"]));
        let paths = ["src/a.rs", "lib/my file.rs", "lib/cold.rs"];
        assert_eq!(
            found("/src/ @grace @linus", &paths, &lately),
            ["0 UnownedHot { path: \"lib/my file.rs\", changes: 8 } => \
              \"/src/ @grace @linus\\n/lib/my\\\\ file.rs linus@x.example\\n\""]
        );
        let text = "* @grace @linus\n/lib/\n";
        let hot = found(text, &paths, &lately);
        assert!(hot[0].starts_with("0 UnownedHot") && hot.len() == 1, "{hot:?}");
    }

    #[test]
    fn owners_who_are_not_there() {
        let lately = touches(3, "ada", &["src/a.rs"]);
        assert_eq!(
            found("/src/ @grace @gone # why\n", &["src/a.rs"], &lately),
            ["1 Ghost { owner: \"@gone\" } => \"/src/ @grace # why\\n\""]
        );
        assert_eq!(
            found("/src/ @gone\n", &["src/a.rs"], &lately),
            ["1 Ghost { owner: \"@gone\" } => \"/src/ ada@x.example\\n\""]
        );
        assert_eq!(found("/src/ @gone\n", &["src/a.rs"], &[]), ["1 Ghost { owner: \"@gone\" } => \"\""]);
        // Teams and those who were here once.
        assert_eq!(found("/src/ @acme/core @grace\n", &["src/a.rs"], &lately), Vec::<String>::new());
    }

    #[test]
    fn owners_who_have_drifted_away() {
        let mut lately = touches(9, "ada", &["src/a.rs"]);
        lately.extend(touches(1, "grace", &["src/a.rs"]));
        assert_eq!(
            found("/src/ @grace\n", &["src/a.rs"], &lately),
            ["1 Drift { by_owners: 1, changes: 10 } => \"/src/ @grace ada@x.example\\n\""]
        );
        lately.extend(touches(2, "grace", &["src/a.rs"]));
        assert_eq!(found("/src/ @grace\n", &["src/a.rs"], &lately), Vec::<String>::new());
        assert_eq!(
            found("/src/ @grace @acme/x\n", &["src/a.rs"], &touches(20, "ada", &["src/a.rs"])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_rule_for_everything_is_taken_apart() {
        let paths: Vec<String> = (0..60).map(|n| format!("part{}/file{n}.rs", n % 2)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let mut lately = touches(2, "ada", &["part1/file1.rs"]);
        lately.extend(touches(3, "grace", &["part0/file0.rs"]));
        assert_eq!(
            found("* @grace\n", &paths, &lately),
            ["1 Broad { files: 60, of: 60 } => \"* @grace\\n/part1/ ada@x.example\\n\""]
        );
    }

    #[test]
    fn taking_apart_takes_nothing_from_others_and_not_all() {
        // Below its own directory, not the directory itself.
        let below: Vec<String> = (0..60).map(|n| format!("src/part{}/file{n}.rs", n % 2)).collect();
        let below: Vec<&str> = below.iter().map(String::as_str).collect();
        let lately = touches(2, "ada", &["src/part1/file1.rs"]);
        assert_eq!(
            found("/src/ @grace\n", &below, &lately),
            ["1 Broad { files: 60, of: 60 } => \"/src/ @grace\\n/src/part1/ ada@x.example\\n\""]
        );
        // A line for src/ would come behind that of src/native/.
        let mixed: Vec<String> = (0..60).map(|n| format!("{}/a{n}.py", if n < 50 { "src" } else { "lib" })).collect();
        let mixed: Vec<&str> = mixed.iter().map(String::as_str).chain(["src/native/x.c"]).collect();
        let lately = touches(2, "ada", &["src/a1.py"]);
        let text = "/src/native/ @linus\n*.py @grace\n";
        assert_eq!(found(text, &mixed, &lately).last().unwrap(), r#"2 Broad { files: 60, of: 61 } => """#);
    }
}
