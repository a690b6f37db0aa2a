//! What owners' approvals hang on and the pull request itself does not tell, in one GraphQL call for each hundred files:
//! whether they are at the head what they were at a commit that was approved, and who is in an owning team, child teams
//! included.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::graphql::{Partial, Refusals};
use super::installation::Installation;
use super::name::RepoName;
use crate::risk::facts::{Known, Reason, Source, Unknown};

/// Files that are compared in one call; each is read once for each commit. GitHub lists changed files by the hundred too, so
/// that a change which needs a second call has cost more than one for its files.
const FILES_MAX: usize = 100;
/// Such calls at most: a thousand files.
const BATCHES_MAX: usize = 10;
/// Commits that are compared with the head.
const COMMITS_MAX: usize = 8;
/// Memberships that are asked for.
const MEMBERS_MAX: usize = 40;
/// Members that a search for one login may give: others whose names hold it come along.
const FOUND_MAX: usize = 20;

/// What is to be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnersAsk {
    /// The head commit.
    pub head_sha: String,
    /// Earlier commits that were approved.
    pub commits: BTreeSet<String>,
    /// Files whose content matters.
    pub paths: BTreeSet<String>,
    /// Teams (`org/team`) and logins: whether the one holds the other.
    pub members: BTreeSet<(String, String)>,
}

/// What was found out. What is not in it was not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnersTold {
    /// For each commit the files that the head holds otherwise.
    pub changed: BTreeMap<String, Known<Vec<String>>>,
    /// The last file, in the order of the bytes of their paths, that was compared; those after it were not.
    pub compared_until: Option<String>,
    /// Whether a team holds a login.
    pub members: BTreeMap<(String, String), Known<bool>>,
}

impl OwnersAsk {
    /// Nothing is to be found out.
    pub fn is_empty(&self) -> bool {
        (self.commits.is_empty() || self.paths.is_empty()) && self.members.is_empty()
    }
}

/// A query with its variables. Text from outside is only ever a variable.
#[derive(Default)]
struct Query {
    declared: String,
    repository: String,
    teams: String,
    fragment: String,
    variables: Value,
}

impl Query {
    fn files(&mut self, repo: &RepoName, ask: &OwnersAsk, paths: &[&String]) {
        if paths.is_empty() {
            return;
        }
        self.declare("owner", "String!", repo.owner());
        self.declare("name", "String!", repo.name());
        for (at, path) in paths.iter().enumerate() {
            self.declare(&format!("p{at}"), "String!", path);
            let _ = write!(self.fragment, " f{at}: file(path: $p{at}) {{ oid mode }}");
        }
        let commits = std::iter::once(&ask.head_sha).chain(ask.commits.iter().take(COMMITS_MAX));
        for (at, commit) in commits.enumerate() {
            self.declare(&format!("c{at}"), "GitObjectID!", commit);
            let _ = write!(self.repository, " c{at}: object(oid: $c{at}) {{ ...Files }}");
        }
    }

    fn members(&mut self, ask: &OwnersAsk) {
        for (at, (team, login)) in ask.members.iter().take(MEMBERS_MAX).enumerate() {
            self.member(at, team, login);
        }
    }

    fn member(&mut self, at: usize, team: &str, login: &str) {
        let (organisation, slug) = team.split_once('/').unwrap_or((team, ""));
        self.declare(&format!("o{at}"), "String!", organisation);
        self.declare(&format!("t{at}"), "String!", slug);
        self.declare(&format!("l{at}"), "String!", login);
        let _ = write!(
            self.teams,
            " m{at}: organization(login: $o{at}) {{ team(slug: $t{at}) {{ \
             members(first: {FOUND_MAX}, query: $l{at}, membership: ALL) {{ nodes {{ login }} }} }} }}"
        );
    }

    fn declare(&mut self, name: &str, kind: &str, value: &str) {
        let _ = write!(self.declared, " ${name}: {kind}");
        self.variables[name] = json!(value);
    }

    fn text(&self) -> String {
        let mut text = format!("query Owners({}) {{", self.declared.trim_start());
        if !self.repository.is_empty() {
            let _ = write!(text, " repository(owner: $owner, name: $name) {{{} }}", self.repository);
        }
        let _ = write!(text, "{} }}", self.teams);
        if !self.fragment.is_empty() {
            let _ = write!(text, " fragment Files on Commit {{{} }}", self.fragment);
        }
        text
    }
}

/// A file of a commit; equal ones are the same content.
#[derive(Deserialize, PartialEq, Eq)]
struct Entry {
    oid: String,
    mode: u32,
}

#[derive(Deserialize)]
struct Organisation {
    team: Option<Team>,
}

#[derive(Deserialize)]
struct Team {
    members: Option<Members>,
}

#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    nodes: Vec<Option<Member>>,
}

#[derive(Deserialize)]
struct Member {
    login: String,
}

impl Installation {
    /// Asks for all of it, in one call where there are no more than a hundred files. What GitHub refuses or does not have is
    /// unknown, with the reason.
    pub async fn owners(&self, repo: &RepoName, ask: &OwnersAsk) -> Result<OwnersTold, Error> {
        let paths = ask.paths.iter().filter(|_| !ask.commits.is_empty());
        let compared: Vec<&String> = paths.take(BATCHES_MAX * FILES_MAX).collect();
        let mut told =
            OwnersTold { compared_until: compared.last().map(|path| (*path).clone()), ..OwnersTold::default() };
        let mut batches = compared.chunks(FILES_MAX);
        let first = batches.next().unwrap_or_default();
        let mut query = Query::default();
        query.files(repo, ask, first);
        query.members(ask);
        let Partial { data, refusals } = self.graphql::<Value>(&query.text(), &query.variables).await?;
        for (at, pair) in ask.members.iter().enumerate() {
            let member = if at < MEMBERS_MAX { is_member(&data, at, &pair.1, &refusals) } else { Err(too_many()) };
            told.members.insert(pair.clone(), member);
        }
        told.compare(ask, first, &data);
        for batch in batches {
            let mut query = Query::default();
            query.files(repo, ask, batch);
            let Partial { data, .. } = self.graphql::<Value>(&query.text(), &query.variables).await?;
            told.compare(ask, batch, &data);
        }
        Ok(told)
    }
}

impl OwnersTold {
    /// Adds which of these files the head holds otherwise than each commit.
    fn compare(&mut self, ask: &OwnersAsk, paths: &[&String], data: &Value) {
        if paths.is_empty() {
            return;
        }
        let head = files(data, 0);
        for (at, commit) in ask.commits.iter().enumerate() {
            let found = if at < COMMITS_MAX { changed(paths, &head, &files(data, at + 1)) } else { Err(too_many()) };
            match (self.changed.get_mut(commit), found) {
                (Some(Ok(all)), Ok(more)) => all.extend(more),
                (Some(Err(_)), _) => {}
                (_, found) => _ = self.changed.insert(commit.clone(), found),
            }
        }
    }
}

/// The files of one commit by the numbers of their paths; `None` if GitHub does not have the commit.
fn files(data: &Value, commit: usize) -> Option<BTreeMap<String, Option<Entry>>> {
    let found = &data["repository"][format!("c{commit}")];
    if found.is_null() { None } else { serde_json::from_value(found.clone()).ok() }
}

type Files = Option<BTreeMap<String, Option<Entry>>>;

fn changed(paths: &[&String], head: &Files, then: &Files) -> Known<Vec<String>> {
    let (Some(head), Some(then)) = (head, then) else {
        return Err(unknown("GitHub no longer has the commit that was approved"));
    };
    let name = |at: usize| format!("f{at}");
    let differs = |at: usize| head.get(&name(at)) != then.get(&name(at));
    let changed = paths.iter().enumerate().filter(|(at, _)| differs(*at));
    Ok(changed.map(|(_, path)| (*path).clone()).collect())
}

fn is_member(data: &Value, at: usize, login: &str, refusals: &Refusals) -> Known<bool> {
    let alias = format!("m{at}");
    let refused = || match refusals.under(&alias) {
        Some(Reason::Forbidden(_)) => {
            Unknown { source: Source::Reviews, reason: Reason::Forbidden(Some("members=read".to_owned())) }
        }
        _ => unknown("a team that owns files cannot be seen"),
    };
    let organisation: Option<Organisation> = serde_json::from_value(data[&alias].clone()).ok();
    let members = organisation.and_then(|found| found.team?.members).ok_or_else(refused)?;
    let listed = members.nodes.iter().flatten().any(|member| member.login.eq_ignore_ascii_case(login));
    // A search that gives its most may have left the one out.
    if !listed && members.nodes.len() >= FOUND_MAX {
        Err(unknown("too many members have such a name"))
    } else {
        Ok(listed)
    }
}

fn unknown(why: &str) -> Unknown {
    Unknown { source: Source::Reviews, reason: Reason::Unavailable(why.to_owned()) }
}

fn too_many() -> Unknown {
    unknown("too much would have to be asked")
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{SHA, Scripted, json, repo};
    use super::*;

    const OLD: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn ask() -> OwnersAsk {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        OwnersAsk {
            head_sha: SHA.to_owned(),
            commits: texts(&[OLD]),
            paths: texts(&["a\"{}.rs", "b.rs", "gone.rs"]),
            members: [("acme/core".to_owned(), "grace".to_owned())].into(),
        }
    }

    async fn told(data: Value, errors: Value) -> (OwnersTold, String, Value) {
        let body = json!({"data": data, "errors": errors});
        let s = Scripted::start(move |a| a.is("POST", "/graphql").then(|| json(200, &body))).await;
        let told = s.installation().owners(&repo(), &ask()).await.unwrap();
        let sent: Value = serde_json::from_str(&s.asked().remove(0).body).unwrap();
        (told, sent["query"].as_str().unwrap().to_owned(), sent["variables"].clone())
    }

    #[tokio::test]
    async fn contents_are_compared_and_members_found() {
        let file = |oid: &str| json!({"oid": oid, "mode": 33188});
        let data = json!({
            "repository": {
                "c0": {"f0": file("1"), "f1": file("2"), "f2": null},
                "c1": {"f0": file("1"), "f1": file("3"), "f2": file("4")},
            },
            "m0": {"team": {"members": {"nodes": [{"login": "gracehopper"}, {"login": "Grace"}]}}},
        });
        let (told, query, variables) = told(data, json!([])).await;
        assert_eq!(told.changed[OLD], Ok(vec!["b.rs".to_owned(), "gone.rs".to_owned()]));
        assert_eq!(told.members[&("acme/core".to_owned(), "grace".to_owned())], Ok(true));
        assert!(!query.contains("a\"{}") && variables["p0"] == "a\"{}.rs", "{query}");
        assert!(query.contains("membership: ALL"), "{query}");
    }

    #[tokio::test]
    async fn files_are_asked_for_by_the_hundred_and_none_is_changed_unseen() {
        let paths: BTreeSet<String> = (0..1_050).map(|n| format!("f{n:04}.rs")).collect();
        let ask = OwnersAsk { paths, ..ask() };
        // The head holds every file otherwise than the commit that was approved.
        let s = Scripted::start(move |asked| {
            let sent: Value = serde_json::from_str(&asked.body).ok().filter(|_| asked.is("POST", "/graphql"))?;
            let here = (0..FILES_MAX).filter(|at| sent["variables"][format!("p{at}")].is_string());
            let at =
                |oid: &str| here.clone().map(|at| (format!("f{at}"), json!({"oid": oid, "mode": 33188}))).collect();
            let (head, then): (BTreeMap<_, _>, BTreeMap<_, _>) = (at("1"), at("2"));
            let member = json!({"team": {"members": {"nodes": [{"login": "grace"}]}}});
            let data = json!({"repository": {"c0": head, "c1": then}, "m0": member});
            Some(json(200, &json!({"data": data})))
        })
        .await;
        let told = s.installation().owners(&repo(), &ask).await.unwrap();
        let asked = s.asked();
        assert_eq!(asked.len(), BATCHES_MAX);
        assert_eq!(asked.iter().filter(|each| each.body.contains("organization(")).count(), 1, "members once");
        let changed = told.changed[OLD].clone().unwrap();
        assert!(changed.iter().eq(ask.paths.iter().take(1_000)), "{} are told as changed", changed.len());
        assert_eq!(told.compared_until.as_deref(), Some("f0999.rs"));
    }

    #[tokio::test]
    async fn what_is_gone_or_hidden_is_unknown() {
        let data =
            json!({"repository": {"c0": {"f0": null, "f1": null, "f2": null}, "c1": null}, "m0": {"team": null}});
        let (told, ..) = told(data.clone(), json!([])).await;
        let pair = ("acme/core".to_owned(), "grace".to_owned());
        assert!(told.changed[OLD].is_err() && told.members[&pair].is_err());
        let forbidden = json!([{"type": "FORBIDDEN", "message": "no", "path": ["m0", "team"]}]);
        let (told, ..) = self::told(data, forbidden).await;
        let reason = &told.members[&pair].as_ref().unwrap_err().reason;
        assert_eq!(*reason, Reason::Forbidden(Some("members=read".to_owned())));
    }
}
