//! Users, teams, apps and installations as JSON.

use serde_json::{Value, json};

use super::super::pulls::Reviewer;
use super::super::state::{AppRecord, InstallationRecord, Repo, State, Team, User, UserKind};
use super::{encode_path, node_id, time};

/// GitHub's schemas of some webhooks do not know that an app can be subscribed to this.
const UNKNOWN_EVENT: &str = "merge_group";

impl State {
    /// An account, or null if it was deleted.
    pub(in super::super) fn user_shape(&self, login: &str) -> Value {
        match self.users.get(&login.to_lowercase()) {
            Some(user) if !user.ghost => self.account_shape(user),
            _ => Value::Null,
        }
    }

    /// The account in places where GitHub shows its placeholder for deleted accounts instead of null.
    pub(in super::super) fn sender_shape(&self, login: &str) -> Value {
        match self.user_shape(login) {
            Value::Null => {
                let ghost = User {
                    id: 10_137,
                    login: "ghost".to_owned(),
                    kind: UserKind::User,
                    ghost: false,
                    created_at: self.app.created_at,
                };
                self.account_shape(&ghost)
            }
            user => user,
        }
    }

    fn account_shape(&self, user: &User) -> Value {
        let (prefix, kind) = match user.kind {
            UserKind::User => ("U", "User"),
            UserKind::Bot => ("BOT", "Bot"),
            UserKind::Organization => ("O", "Organization"),
        };
        let name = encode_path(&user.login);
        let api = format!("{}/users/{name}", self.base);
        json!({
            "login": user.login,
            "id": user.id,
            "node_id": node_id(prefix, user.id),
            "avatar_url": format!("{}/avatars/{}", self.base, user.id),
            "gravatar_id": "",
            "url": api,
            "html_url": format!("{}/{name}", self.base),
            "followers_url": format!("{api}/followers"),
            "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"),
            "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"),
            "organizations_url": format!("{api}/orgs"),
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": kind,
            "user_view_type": "public",
            "site_admin": false,
        })
    }

    /// Name and e-mail address that a person's commits carry.
    pub(in super::super) fn git_identity(&self, login: &str) -> (String, String) {
        let plain: String = login.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        (login.to_owned(), format!("{plain}@users.noreply.example.com"))
    }

    pub(in super::super) fn team_shape(&self, repo: &Repo, team: &Team) -> Value {
        let org = self.users.get(&repo.owner.to_lowercase()).map_or(0, |u| u.id);
        let api = format!("{}/organizations/{org}/team/{}", self.base, team.id);
        json!({
            "id": team.id,
            "node_id": node_id("T", team.id),
            "name": team.slug,
            "slug": team.slug,
            "description": "",
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": if team.permission.coarse() == "read" { "pull" } else { "push" },
            "url": api,
            "html_url": format!("{}/orgs/{}/teams/{}", self.base, repo.owner, team.slug),
            "members_url": format!("{api}/members{{/member}}"),
            "repositories_url": format!("{api}/repos"),
            "type": "organization",
            "organization_id": org,
            "parent": null,
        })
    }

    /// Requested people and requested teams.
    pub(in super::super) fn requested_shapes(&self, repo: &Repo, reviewers: &[&Reviewer]) -> (Vec<Value>, Vec<Value>) {
        let people = reviewers.iter().filter_map(|r| match r {
            Reviewer::User(login) => Some(self.user_shape(login)).filter(|u| !u.is_null()),
            Reviewer::Team(_) => None,
        });
        let teams = reviewers.iter().filter_map(|r| match r {
            Reviewer::Team(slug) => repo.teams.get(slug).map(|t| self.team_shape(repo, t)),
            Reviewer::User(_) => None,
        });
        (people.collect(), teams.collect())
    }

    pub(in super::super) fn app_shape(&self, app: &AppRecord) -> Value {
        json!({
            "id": app.id,
            "client_id": app.client_id,
            "slug": app.slug,
            "node_id": node_id("A", app.id),
            "owner": self.sender_shape(&app.owner),
            "name": app.name,
            "description": "",
            "external_url": format!("{}/apps/{}/home", self.base, app.slug),
            "html_url": format!("{}/apps/{}", self.base, app.slug),
            "created_at": time(app.created_at),
            "updated_at": time(app.created_at),
            "permissions": app.permissions,
            "events": app.events.iter().filter(|event| *event != UNKNOWN_EVENT).collect::<Vec<_>>(),
        })
    }

    pub(in super::super) fn app_shape_by_id(&self, id: u64) -> Value {
        self.app_by_id(id).map_or(Value::Null, |app| self.app_shape(app))
    }

    pub(in super::super) fn installation_shape(&self, installation: &InstallationRecord) -> Value {
        let account = self.sender_shape(&installation.account);
        let InstallationRecord { id, suspended_at, .. } = installation;
        json!({
            "id": id,
            "client_id": self.app.client_id,
            "target_id": account["id"],
            "target_type": account["type"],
            "account": account,
            "repository_selection": installation.selection(),
            "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", self.base),
            "repositories_url": format!("{}/installation/repositories", self.base),
            "html_url": format!("{}/organizations/{}/settings/installations/{id}", self.base, installation.account),
            "app_id": self.app.id,
            "app_slug": self.app.slug,
            "permissions": installation.permissions,
            "events": installation.events,
            "created_at": time(installation.created_at),
            "updated_at": time(installation.created_at),
            "single_file_name": null,
            "has_multiple_single_files": false,
            "single_file_paths": [],
            "suspended_by": suspended_at.map(|_| self.sender_shape("octocat")),
            "suspended_at": suspended_at.map(time),
        })
    }

    pub(in super::super) fn permission_shape(&self, repo: &Repo, login: &str) -> Option<Value> {
        let user = self.users.get(&login.to_lowercase()).filter(|u| !u.ghost)?;
        let permission = repo.permission_of(login);
        // Everybody may read a public repository; "none" is the answer for strangers to a private one.
        let public = if repo.private { "none" } else { "read" };
        let role = permission.map_or(public, |p| p.role());
        let mut shape = self.account_shape(user);
        shape["role_name"] = json!(role);
        shape["permissions"] = json!({
            "pull": role != "none",
            "triage": !matches!(role, "none" | "read"),
            "push": matches!(role, "write" | "maintain" | "admin"),
            "maintain": matches!(role, "maintain" | "admin"),
            "admin": role == "admin",
        });
        let coarse = permission.map_or(public, |p| p.coarse());
        Some(json!({"permission": coarse, "role_name": role, "user": shape}))
    }
}
