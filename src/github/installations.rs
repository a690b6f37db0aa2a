//! Where the App is installed and what each installation covers: GitHub's own lists, read whole, page after page.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use super::auth::Permissions;
use super::client::GitHub;
use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;
use super::transport::{Answer, Transport};
use super::{EVENTS, PERMISSIONS, Permission};

/// Items on a page: GitHub's most.
const PER_PAGE: &str = "100";
/// Most pages of one list, which is 20,000 items: a list without end is a fault on the other side.
const PAGES_MAX: usize = 200;

/// An installation as GitHub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationInfo {
    /// Id.
    pub id: u64,
    /// Login of the organisation or person that installed the App; empty for an account that is gone. Untrusted.
    pub account: String,
    /// It is an organisation's: its settings stand elsewhere than a person's.
    pub organization: bool,
    /// What it grants, which may be less than what the App asks for by now.
    pub permissions: Permissions,
    /// Events that it is subscribed to.
    pub events: Vec<String>,
    /// Since when it is suspended.
    pub suspended_at: Option<DateTime<Utc>>,
    /// Which repositories of the account it covers.
    pub repository_selection: RepositorySelection,
}

/// Which repositories of its account an installation covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepositorySelection {
    /// All of them, those to come included.
    #[default]
    All,
    /// Those that were chosen.
    Selected,
}

/// A repository that an installation covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledRepository {
    /// Id; it outlives renames.
    pub id: u64,
    /// Owner and name.
    pub name: RepoName,
    /// Nothing can be written to it, check runs included.
    pub archived: bool,
}

#[derive(Deserialize)]
struct InstallationBody {
    id: u64,
    account: Option<Account>,
    #[serde(default)]
    target_type: String,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
    suspended_at: Option<DateTime<Utc>>,
    #[serde(default)]
    repository_selection: RepositorySelection,
}

/// A user or an organisation has a login, an enterprise a slug.
#[derive(Deserialize)]
struct Account {
    login: Option<String>,
    slug: Option<String>,
}

#[derive(Deserialize)]
struct RepositoriesBody {
    repositories: Vec<RepositoryBody>,
}

#[derive(Deserialize)]
struct RepositoryBody {
    id: u64,
    full_name: String,
    #[serde(default)]
    archived: bool,
}

impl From<InstallationBody> for InstallationInfo {
    fn from(body: InstallationBody) -> Self {
        Self {
            id: body.id,
            account: body.account.and_then(|a| a.login.or(a.slug)).unwrap_or_default(),
            organization: body.target_type == "Organization",
            permissions: Permissions(body.permissions),
            events: body.events,
            suspended_at: body.suspended_at,
            repository_selection: body.repository_selection,
        }
    }
}

impl From<RepositoryBody> for Option<InstalledRepository> {
    fn from(body: RepositoryBody) -> Self {
        let name = RepoName::parse(&body.full_name)?;
        Some(InstalledRepository { id: body.id, name, archived: body.archived })
    }
}

impl GitHub {
    /// Every installation of the App: one request for each hundred.
    pub async fn installations(&self) -> Result<Vec<InstallationInfo>, Error> {
        let app = self.app_client();
        let mut pages = Pages::from(app.transport.url(["app", "installations"], &[("per_page", PER_PAGE)]));
        let mut all = Vec::new();
        while let Some(url) = pages.next()? {
            let page = app.get(url).await?;
            all.extend(page.json::<Vec<InstallationBody>>()?.into_iter().map(InstallationInfo::from));
            pages.turn(&app.transport, &page)?;
        }
        Ok(all)
    }
}

impl GitHub {
    /// One installation; [`Error::NotFound`] once the App was removed.
    pub async fn installation_info(&self, id: u64) -> Result<InstallationInfo, Error> {
        let app = self.app_client();
        let url = app.transport.url(["app", "installations", &id.to_string()], &[]);
        Ok(app.get(url).await?.json::<InstallationBody>()?.into())
    }
}

impl Permissions {
    /// What the App asks for and is not granted, or not to the extent that it asks.
    pub fn lacking(&self) -> Vec<&'static Permission> {
        let granted = |asked: &&Permission| match asked.access {
            "write" => self.can_write(asked.name),
            _ => self.can_read(asked.name),
        };
        PERMISSIONS.iter().filter(|asked| !granted(asked)).collect()
    }
}

/// Names of the events that the App subscribes to and that are not among `subscribed`.
pub fn events_lacking(subscribed: &[String]) -> Vec<&'static str> {
    let wanted = EVENTS.iter().filter(|row| row.subscribed).map(|row| row.name);
    wanted.filter(|name| !subscribed.iter().any(|each| each == name)).collect()
}

impl Installation {
    /// Every repository that this installation covers: one request for each hundred. One whose name could not stand in
    /// an address is left out.
    pub async fn repositories(&self) -> Result<Vec<InstalledRepository>, Error> {
        let first = self.transport().url(["installation", "repositories"], &[("per_page", PER_PAGE)]);
        let (mut pages, mut all) = (Pages::from(first), Vec::new());
        while let Some(url) = pages.next()? {
            let page = self.get(url).await?;
            let bodies = page.json::<RepositoriesBody>()?.repositories;
            all.extend(bodies.into_iter().filter_map(Option::<InstalledRepository>::from));
            pages.turn(self.transport(), &page)?;
        }
        Ok(all)
    }
}

/// The way through a list, page after page.
struct Pages {
    next: Option<Url>,
    left: usize,
}

impl Pages {
    fn from(first: Url) -> Self {
        Self { next: Some(first), left: PAGES_MAX }
    }

    /// Where the next page is; `None` after the last one.
    fn next(&mut self) -> Result<Option<Url>, Error> {
        let Some(url) = self.next.take() else { return Ok(None) };
        self.left = self.left.checked_sub(1).ok_or_else(|| Error::contract("a list without end"))?;
        Ok(Some(url))
    }

    fn turn(&mut self, transport: &Transport, page: &Answer) -> Result<(), Error> {
        self.next = page.next_link().map(|link| transport.on_base(link)).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::scripted::{Reply, Scripted, json, with};
    use super::*;

    fn page(target: &str, last: u64, body: impl Fn(u64) -> Value) -> Reply {
        let at: u64 = target.split("page=").last().and_then(|n| n.parse().ok()).filter(|n| *n < 100).unwrap_or(1);
        let path = target.split('?').next().unwrap_or_default();
        // Another host in the link: only path and query count.
        let link = format!("<https://elsewhere.test{path}?per_page=100&page={}>; rel=\"next\"", at + 1);
        if at < last { with(200, &[("link", &link)], &body(at)) } else { json(200, &body(at)) }
    }

    #[tokio::test]
    async fn installations_are_read_to_the_last_page() {
        let s = Scripted::start(|a| {
            let body = |at| match at {
                1 => json!([{
                    "id": 1, "account": {"login": "acme"}, "target_type": "Organization", "events": ["push"],
                    "permissions": {"checks": "write"}, "suspended_at": null, "repository_selection": "selected",
                }]),
                2 => json!([{"id": 2, "account": null, "suspended_at": "2026-03-03T10:00:00Z"}]),
                _ => json!([{"id": 3, "account": {"slug": "big"}, "target_type": "Enterprise"}]),
            };
            a.target.starts_with("/app/installations?").then(|| page(&a.target, 3, body))
        })
        .await;
        let all = s.github.installations().await.unwrap();
        let plain = InstallationInfo {
            id: 3,
            account: "big".to_owned(),
            organization: false,
            permissions: Permissions::default(),
            events: Vec::new(),
            suspended_at: None,
            repository_selection: RepositorySelection::All,
        };
        let suspended_at = DateTime::parse_from_rfc3339("2026-03-03T10:00:00Z").unwrap().to_utc();
        let expected = [
            InstallationInfo {
                id: 1,
                account: "acme".to_owned(),
                organization: true,
                permissions: Permissions([("checks".to_owned(), "write".to_owned())].into()),
                events: vec!["push".to_owned()],
                repository_selection: RepositorySelection::Selected,
                ..plain.clone()
            },
            InstallationInfo { id: 2, account: String::new(), suspended_at: Some(suspended_at), ..plain.clone() },
            plain,
        ];
        assert_eq!(all, expected);
        let asked = s.asked();
        assert!(asked.iter().all(|a| a.target.contains("per_page=100")), "{asked:?}");
        assert!(asked.iter().all(|a| a.headers["authorization"].starts_with("Bearer ey")), "as the App itself");
        assert_eq!(asked.len(), 3);
    }

    #[tokio::test]
    async fn repositories_are_the_installations_own() {
        let s = Scripted::start(|a| {
            let body = |at| match at {
                1 => json!({"total_count": 3, "repositories": [{"id": 9, "full_name": "acme/shop"}]}),
                _ => json!({"total_count": 3, "repositories": [
                    {"id": 10, "full_name": "acme/old", "archived": true}, {"id": 11, "full_name": "acme/../x"},
                ]}),
            };
            a.target.starts_with("/installation/repositories?").then(|| page(&a.target, 2, body))
        })
        .await;
        let all = s.installation().repositories().await.unwrap();
        let named = |id, name, archived| InstalledRepository { id, name: RepoName::parse(name).unwrap(), archived };
        assert_eq!(all, [named(9, "acme/shop", false), named(10, "acme/old", true)]);
        assert!(s.asked().iter().all(|a| a.headers["authorization"].contains("ghs_")), "with its own token");
    }

    #[test]
    fn what_is_granted_in_part_is_lacking() {
        let mut granted = Permissions(PERMISSIONS.iter().map(|p| (p.name.to_owned(), p.access.to_owned())).collect());
        assert_eq!(granted.lacking(), Vec::<&Permission>::new());
        granted.0.insert("checks".to_owned(), "read".to_owned());
        granted.0.insert("contents".to_owned(), "write".to_owned());
        granted.0.remove("members");
        let names: Vec<_> = granted.lacking().iter().map(|p| p.name).collect();
        assert_eq!(names, ["checks", "members"]);
        let subscribed: Vec<String> = EVENTS.iter().map(|e| e.name.to_owned()).filter(|n| n != "push").collect();
        assert_eq!(events_lacking(&subscribed), ["push"]);
    }

    #[tokio::test]
    async fn a_list_without_end_is_given_up() {
        let s = Scripted::start(|a| {
            let link = "</app/installations?per_page=100&page=2>; rel=\"next\"";
            a.target.starts_with("/app/installations?").then(|| with(200, &[("link", link)], &json!([])))
        })
        .await;
        assert_eq!(s.github.installations().await, Err(Error::contract("a list without end")));
        assert_eq!(s.asked().len(), PAGES_MAX);
    }
}
