//! What GitHub knows of owners: which it does not take, and who is in a team, child teams included.

use super::super::state::{Permission, Repo, Team, User, UserKind, key};
use super::connection::Connection;
use super::nodes::Node;
use super::values::Arguments;
use super::{Found, Refused, Resolved, Run, scalar};

/// An owner of the default branch's CODEOWNERS file whom GitHub does not take.
#[derive(Clone, Debug)]
pub(in super::super) struct UnknownOwner {
    line: usize,
    column: usize,
    owner: String,
    source: String,
    path: &'static str,
}

impl UnknownOwner {
    pub(super) fn field<'s>(&self, name: &str) -> Found<'s> {
        match name {
            "kind" => scalar("Unknown owner"),
            "line" => scalar(self.line),
            "column" => scalar(self.column),
            "path" => scalar(self.path),
            "source" => scalar(&self.source),
            "suggestion" => scalar(format!("make sure {} exists and has write access to the repository", self.owner)),
            "message" => scalar(format!("Unknown owner on line {}", self.line)),
            _ => Err(Refused::Undefined),
        }
    }
}

impl<'s> Run<'s> {
    pub(super) fn codeowners(&self, repo: &'s Repo) -> Found<'s> {
        self.need("contents")?;
        let Some((path, text)) = self.state.codeowners_file(repo, &repo.default_branch) else {
            return scalar(serde_json::Value::Null);
        };
        Ok(Resolved::Node(Node::Codeowners(unknown_owners(repo, path, &text))))
    }

    pub(super) fn organization(&self, login: &str) -> Found<'s> {
        let found = self.state.users.get(&key(login)).filter(|user| user.kind == UserKind::Organization);
        let missing =
            || Refused::Null("NOT_FOUND", format!("Could not resolve to an Organization with the login of '{login}'."));
        found.map(|user| Resolved::Node(Node::User(user))).ok_or_else(missing)
    }

    /// A team by its slug; null if there is none.
    pub(super) fn team_of(&self, organization: &'s User, arguments: &Arguments) -> Found<'s> {
        self.need("members")?;
        let slug = arguments.text("slug").unwrap_or_default();
        let own = |repo: &&Repo| repo.owner.eq_ignore_ascii_case(&organization.login);
        let found = self.state.repos.values().filter(own).find_map(|repo| {
            let team = repo.teams.values().find(|team| team.slug.eq_ignore_ascii_case(slug))?;
            Some(Node::Team(repo, team))
        });
        Ok(found.into())
    }

    pub(super) fn team_members(&self, team: &'s Team, arguments: &Arguments) -> Found<'s> {
        self.need("members")?;
        let query = arguments.text("query").unwrap_or_default().to_lowercase();
        let all = arguments.get("membership").as_str() != Some("IMMEDIATE");
        let inherited = team.inherited.iter().filter(|_| all);
        let found = team.members.iter().chain(inherited).filter(|login| login.contains(&query));
        let users = found.filter_map(|login| self.state.users.get(login)).map(Node::User);
        Connection::page("TeamMemberConnection", users.collect(), arguments)
    }
}

fn unknown_owners(repo: &Repo, path: &'static str, text: &str) -> Vec<UnknownOwner> {
    let mut unknown = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let rule = line.split('#').next().unwrap_or_default();
        let owners = rule.split_whitespace().skip(1).filter(|owner| owner.starts_with('@') && !is_taken(repo, owner));
        unknown.extend(owners.map(|owner| UnknownOwner {
            line: number,
            column: owner.as_ptr() as usize - line.as_ptr() as usize + 1,
            owner: owner.to_owned(),
            source: line.to_owned(),
            path,
        }));
    }
    unknown
}

/// People with write access, and teams of the organization with write access.
fn is_taken(repo: &Repo, owner: &str) -> bool {
    match owner.trim_start_matches('@').split_once('/') {
        None => repo.may_write(owner.trim_start_matches('@')),
        Some((organization, slug)) => {
            let team = repo.teams.values().find(|team| team.slug.eq_ignore_ascii_case(slug));
            organization.eq_ignore_ascii_case(&repo.owner)
                && team.is_some_and(|team| team.permission >= Permission::Write)
        }
    }
}
