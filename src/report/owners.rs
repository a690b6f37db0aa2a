//! Owners and their approvals in words: for the check run `mergecast/owners` and for `/risk owners`.
//!
//! Nobody is called: every name from outside stands in code.

use std::collections::BTreeSet;

use super::{
    annotations,
    check_run::{CheckRunText, RESCORE_BUTTON},
    markdown,
    sentences::{
        Detail, Sentence,
        figures::{count, counted, pull_request},
        list, name, say, unknown,
    },
};
use crate::{
    codeowners::Mistake,
    risk::{
        facts::{Facts, Opinion, OwnerRule, Unknown},
        owners::{self, Missing, OwnedFile, Standing, Verdict},
    },
};

/// Name of the check run, by which it can be required.
pub const NAME: &str = "mergecast/owners";

/// Most bytes of a summary.
const LENGTH_MAX: usize = 65_535;
/// Rows of the table at most.
const ROWS_MAX: usize = 200;
/// Lines and owners with something wrong that are named at most.
const NAMED_MAX: usize = 5;
/// Owners and people who know the files that are named at most.
const ASKED_MAX: usize = 10;

/// The check run for a pull request.
pub fn check_run(facts: &Facts, verdict: &Verdict) -> CheckRunText {
    let files = owners::files(facts).unwrap_or_default();
    let summary = within_limit(|detail| {
        let mut out = format!("**{}.** {}.\n", headline(verdict, files.len()), consequence(verdict, facts, detail));
        out.push_str(&not_listed(facts));
        if !files.is_empty() {
            out.push_str(&format!("\n{}", table(facts, &files, ROWS_MAX, detail)));
        }
        out.push_str(&ask(facts, &files, detail));
        out.push_str(&wrong_with_the_file(facts, detail));
        out.push_str(&asked_by_the_branch(facts));
        out
    });
    CheckRunText {
        title: headline(verdict, files.len()),
        summary,
        text: None,
        annotations: match verdict {
            Verdict::Missing(_) => annotations::owners(facts, &files),
            _ => Vec::new(),
        },
        buttons: vec![RESCORE_BUTTON],
    }
}

/// The check run of a commit that is the head of `other` too, for pull request `held`, whose owners have not approved.
pub fn shared(text: CheckRunText, held: u64, other: u64) -> CheckRunText {
    let words = format!(
        "**This is about #{held}.** The commit is the head of #{other} too, and GitHub keeps one check for both.\n\n"
    );
    let fits = words.len() + text.summary.len() <= LENGTH_MAX;
    CheckRunText { summary: if fits { words + &text.summary } else { text.summary }, ..text }
}

/// The check run of a merge group, from what the owners' approvals of its pull requests came to.
pub fn of_group(members: &[(u64, Option<Verdict>)]) -> CheckRunText {
    let missing = members.iter().filter(|(_, verdict)| matches!(verdict, Some(Verdict::Missing(_)))).count() as u64;
    let passed = |verdict: &Option<Verdict>| matches!(verdict, Some(Verdict::Approved | Verdict::NothingOwned));
    let title = match (missing, members.iter().all(|(_, verdict)| passed(verdict))) {
        (1.., _) => {
            say!["Owners have not approved ", counted(missing, "pull request", "pull requests"), " of the group"]
        }
        (0, true) if !members.is_empty() => say!["Owners have approved what they own in the merge group"],
        _ => say!["Not known whether the owners have approved the merge group"],
    };
    let title = title.plain(Detail::FULL);
    let mut summary = format!("**{title}.** As the pull requests of the group stood when they were queued.\n");
    if !members.is_empty() {
        summary.push_str("\n| Pull request | Owners |\n| :-- | :-- |\n");
    }
    for (number, verdict) in members.iter().take(ROWS_MAX) {
        let said = match verdict {
            Some(Verdict::Approved) => say!["approved"],
            Some(Verdict::NothingOwned) => say!["none to ask"],
            Some(Verdict::Missing(files)) => say!["not approved: ", counted(*files, "file", "files")],
            _ => say!["not known"],
        };
        let row = say!["| ", pull_request(*number), " | "].with(said).then(" |\n");
        summary.push_str(&row.markdown(Detail::FULL));
    }
    plain(title, summary)
}

/// The check run where the policy no longer wants one.
pub fn switched_off() -> CheckRunText {
    let summary = "**Switched off.** The repository's policy no longer asks for this check (`owners_check`).\n";
    plain("Switched off by the repository's policy".to_owned(), summary.to_owned())
}

/// The check run of a commit that will not be looked at: a newer one was pushed, or the pull request is closed.
pub fn ended() -> CheckRunText {
    let summary = "**Not looked at.** The commit is no longer the head of an open pull request.\n";
    plain("Not looked at: the commit is no longer an open head".to_owned(), summary.to_owned())
}

/// The check run of a merge group that is gone.
pub fn gone() -> CheckRunText {
    let summary = "**Not looked at.** The merge group is gone. Nothing waits for this check any more.\n";
    plain("Not looked at: the merge group is gone".to_owned(), summary.to_owned())
}

/// The check run after an internal failure; `reference` finds it in the log.
pub fn failure(reference: &str) -> CheckRunText {
    let summary = format!(
        "**Not known.** Something went wrong inside Mergecast. This says nothing about the change, and nothing is held \
         against it. **Re-score** tries again; the server's log has the details under {}.\n",
        markdown::code(reference)
    );
    plain("Not known: Mergecast failed, not the change".to_owned(), summary)
}

/// The answer to `/risk owners`.
pub(super) fn comment(facts: &Facts, most: usize, detail: Detail) -> String {
    let files = match owners::files(facts) {
        Ok(files) => files,
        Err(missing) => return format!("The owners are not known: {}.\n", unknown::why(&missing).markdown(detail)),
    };
    let file = facts.ownership.as_ref().ok().and_then(|ownership| ownership.file.as_deref());
    let Some(file) = file else {
        return "The base branch has no CODEOWNERS file, so that nobody owns the changed files.\n".to_owned();
    };
    let head = markdown::code(&short(&facts.change.head_sha));
    let most = if detail.items == 0 { 5 } else { most };
    let mut out = format!("By {} of the base branch, for {head}:\n\n", markdown::code(file));
    out.push_str(&table(facts, &files, most, detail));
    out.push_str(&ask(facts, &files, detail));
    out
}

fn plain(title: String, summary: String) -> CheckRunText {
    CheckRunText { title, summary, text: None, annotations: Vec::new(), buttons: vec![RESCORE_BUTTON] }
}

/// One line without anything from outside.
fn headline(verdict: &Verdict, owned: usize) -> String {
    let owned = owned as u64;
    let said = match verdict {
        Verdict::NothingOwned => say!["No changed file has an owner"],
        Verdict::Approved => say!["Owners have approved ", counted(owned, "owned file", "owned files")],
        Verdict::Missing(missing) => {
            say!["Owners have not approved ", count(*missing), " of ", counted(owned, "owned file", "owned files")]
        }
        Verdict::Unknown(_) => say!["Not known whether the owners have approved"],
        Verdict::Draft => say!["A draft: owners are asked once it is ready for review"],
        Verdict::NotOpen => say!["No longer open"],
    };
    said.plain(Detail::FULL)
}

/// What is said where GitHub's list of changed files is cut.
fn not_listed(facts: &Facts) -> String {
    let (seen, total) = (facts.change.files.len() as u64, facts.change.files_total);
    if seen >= total {
        return String::new();
    }
    let said = say![
        "GitHub lists ",
        count(seen),
        " of its ",
        count(total),
        " changed files; who owns the others is not known"
    ];
    format!("{}.\n", said.plain(Detail::FULL))
}

fn consequence(verdict: &Verdict, facts: &Facts, detail: Detail) -> String {
    let cut = (facts.change.files.len() as u64) < facts.change.files_total;
    let doubt = cut || owners::files(facts).is_ok_and(|files| files.iter().any(is_in_doubt));
    let said = match verdict {
        Verdict::NothingOwned => say!["Nobody has to approve it as an owner"],
        Verdict::Approved => say!["Each of them has the approval of one of its owners for what it holds now"],
        // Then something is left that is not known, which fails nothing and passes nothing.
        Verdict::Missing(_) if doubt => {
            say!["This fails until one owner of each that is missing has approved what it holds now"]
        }
        Verdict::Missing(_) => say!["This passes as soon as one owner of each has approved what it holds now"],
        Verdict::Unknown(reason) => {
            let why = unknown::why(reason);
            let way = unknown::way(reason);
            let way = if way.is_empty() { way } else { say![". What would tell: "].with(way) };
            say!["That is held against nobody: "].with(why).with(way)
        }
        Verdict::Draft => say!["Nothing is held against a draft"],
        Verdict::NotOpen => say!["Nothing is said anew of what is merged or closed"],
    };
    said.markdown(detail)
}

fn is_in_doubt(file: &OwnedFile<'_>) -> bool {
    matches!(file.standing, Standing::Unknown(_))
}

/// A row for each changed file, what lacks an approval first.
fn table(facts: &Facts, owned: &[OwnedFile<'_>], most: usize, detail: Detail) -> String {
    let mut rows: Vec<(u8, String)> =
        owned.iter().map(|file| (order(&file.standing), owned_row(file, detail))).collect();
    let paths: BTreeSet<&str> = owned.iter().map(|file| file.path).collect();
    let free = facts.change.files.iter().filter(|file| !paths.contains(file.path.as_str()));
    rows.extend(free.map(|file| (u8::MAX, row(&file.path, None, say!["not needed"], detail))));
    rows.sort_by_key(|(order, _)| *order);
    let left = (rows.len() as u64).max(facts.change.files_total).saturating_sub(most.min(rows.len()) as u64);
    let mut out = String::from("| File | Owners | Rule | Approved |\n| :-- | :-- | :-- | :-- |\n");
    out.extend(rows.into_iter().take(most).map(|(_, row)| row));
    if left > 0 {
        out.push_str(&format!("\nAnd {} more.\n", counted(left, "file", "files")));
    }
    out
}

fn order(standing: &Standing<'_>) -> u8 {
    match standing {
        Standing::Missing(_) => 0,
        Standing::Unknown(_) => 1,
        Standing::Approved(_) => 2,
    }
}

fn owned_row(file: &OwnedFile<'_>, detail: Detail) -> String {
    let approved = match &file.standing {
        Standing::Approved(opinion) => approved(opinion),
        Standing::Missing(missing) => lacking(missing, file.rule, detail),
        Standing::Unknown(reason) => not_known(reason),
    };
    row(file.path, Some(file.rule), approved, detail)
}

fn row(path: &str, rule: Option<&OwnerRule>, approved: Sentence, detail: Detail) -> String {
    let (owners, place) = match rule {
        None => (say!["nobody"], Sentence::default()),
        Some(rule) => (
            list(rule.owners.iter(), detail.items.max(1), "owners"),
            say!["line ", count(rule.line), ": ", name(&rule.pattern)],
        ),
    };
    let cells = [say![name(path)], owners, place, approved].map(|cell| markdown::cell(&cell.markdown(detail)));
    format!("| {} |\n", cells.join(" | "))
}

fn approved(opinion: &Opinion) -> Sentence {
    let said = say!["by ", name(&opinion.reviewer)];
    match &opinion.commit {
        Some(commit) => said.then(" at ").then(name(&short(commit))),
        None => said,
    }
}

fn lacking(missing: &Missing<'_>, rule: &OwnerRule, detail: Detail) -> Sentence {
    let stale = missing.stale.iter().take(detail.items.max(1));
    let stale = stale.map(|opinion| approved(opinion).then(", and the file changed since"));
    // Somebody has the account of an address, whoever that is.
    let handles = rule.owners.iter().all(|owner| owner.starts_with('@'));
    let nobody = (handles && missing.able.is_empty())
        .then(|| say!["nobody can give it: its owners are the author, or whom GitHub does not take as an owner"]);
    let more = Sentence::joined(stale.chain(nobody), "; ");
    let said = say!["**missing**"];
    if more.is_empty() { said } else { said.then(": ").with(more) }
}

fn not_known(reason: &Unknown) -> Sentence {
    say!["not known: "].with(unknown::why(reason))
}

/// Whom to ask: owners first, then those who know the files.
fn ask(facts: &Facts, files: &[OwnedFile<'_>], detail: Detail) -> String {
    let owners: Vec<String> = owners::to_ask(files).into_iter().map(str::to_owned).collect();
    let is_missing = files.iter().any(|file| matches!(file.standing, Standing::Missing(_)));
    if !is_missing {
        return String::new();
    }
    let mut out = match owners.is_empty() {
        true => "\nNone of its owners can be asked.".to_owned(),
        false => format!("\nWhom to ask: {}.", list(owners.iter(), ASKED_MAX, "owners").markdown(detail)),
    };
    let knowers: Vec<String> = facts
        .history
        .as_ref()
        .map(|history| history.knowers.iter().map(|knower| knower.name.clone()).collect())
        .unwrap_or_default();
    let others: Vec<String> = knowers.into_iter().filter(|knower| !owners.contains(knower)).take(ASKED_MAX).collect();
    if !others.is_empty() {
        let others = list(others.iter(), detail.items.max(1), "people").markdown(detail);
        let too = if owners.is_empty() { "" } else { " too" };
        out.push_str(&format!(" By history these know the files{too}: {others}."));
    }
    out + "\n"
}

/// What GitHub does not take of the file: lines, and owners.
fn wrong_with_the_file(facts: &Facts, detail: Detail) -> String {
    let Ok(ownership) = &facts.ownership else { return String::new() };
    let file = name(ownership.file.as_deref().unwrap_or_default());
    let mut out = String::new();
    let lines = &ownership.invalid_lines;
    if !lines.is_empty() {
        let shown = Sentence::joined(lines.iter().take(NAMED_MAX).map(|line| say![count(*line)]), ", ");
        let skipped = counted(lines.len() as u64, "invalid line", "invalid lines");
        let said = say!["GitHub skips ", skipped, " of ", file, ": "].with(shown);
        let said = if lines.len() > NAMED_MAX { said.then(" and more") } else { said };
        out.push_str(&format!("\n{}.\n", said.markdown(detail)));
        let told =
            ownership.mistakes.iter().take(NAMED_MAX).map(|one| format!("- {}\n", mistake(one).markdown(detail)));
        out.extend(std::iter::once("\n".to_owned()).filter(|_| !ownership.mistakes.is_empty()).chain(told));
    }
    if !ownership.unusable.is_empty() {
        let said = say!["GitHub does not take as owners, because they may not write or cannot be seen: "].with(list(
            ownership.unusable.iter(),
            NAMED_MAX,
            "owners",
        ));
        out.push_str(&format!("\n{}.\n", said.markdown(detail)));
    }
    out
}

fn mistake(one: &Mistake) -> Sentence {
    let said = say!["line ", count(one.line), ", column ", count(one.column), ": ", one.kind.name()];
    match &one.suggestion {
        Some(suggestion) => said.then("; ").then(name(suggestion)),
        None => said,
    }
}

/// What the branch itself asks of owners, which this check neither replaces nor repeats.
fn asked_by_the_branch(facts: &Facts) -> String {
    let rules = facts.review.as_ref().ok().and_then(|review| review.circumstances.rules.as_ref());
    match rules {
        Some(Ok(rules)) if rules.code_owners => {
            "\nGitHub's rules for the branch ask for owners' approvals, too.\n".to_owned()
        }
        Some(Ok(_)) => "\nGitHub's rules for the branch ask for no owner's approval.\n".to_owned(),
        _ => String::new(),
    }
}

fn short(sha: &str) -> String {
    sha.chars().take(7).collect()
}

/// The fullest rendering that fits.
fn within_limit(render: impl Fn(Detail) -> String) -> String {
    let fitting = Detail::STEPS.into_iter().map(&render).find(|text| text.len() <= LENGTH_MAX);
    fitting.unwrap_or_else(|| "This is too long for a check run; `/risk owners` tells the beginning.\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::stories::{all, keep};
    use super::*;

    #[test]
    fn a_check_run_reads_well() {
        let story = all().into_iter().find(|story| story.name == "owners-not-asked").unwrap();
        let text = check_run(&story.facts, &owners::verdict(&story.facts));
        assert_eq!(text.title, "Owners have not approved 3 of 3 owned files");
        keep("check_runs", "owners-not-asked-owners", &text.summary);
    }

    #[test]
    fn a_merge_group_says_what_its_members_came_to() {
        let check = |members: &[(u64, Option<Verdict>)], title: &str| {
            let text = of_group(members);
            assert_eq!(text.title, title);
            assert_eq!(text.summary.matches("\n| #").count(), members.len(), "{}", text.summary);
        };
        let unknown = "Not known whether the owners have approved the merge group";
        check(&[], unknown);
        check(&[(1, None), (2, Some(Verdict::Approved))], unknown);
        check(
            &[(1, Some(Verdict::NothingOwned)), (2, Some(Verdict::Approved))],
            "Owners have approved what they own in the merge group",
        );
        check(&[(1, None), (2, Some(Verdict::Missing(3)))], "Owners have not approved 1 pull request of the group");
    }
}
