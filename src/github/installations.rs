//! Where the App is installed and what each installation covers: GitHub's own lists, read whole, page after page.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::auth::Permissions;
use super::client::GitHub;
use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;
use super::transport::{Answer, Transport};

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
        let transport = &self.app_client().transport;
        let first = transport.url(["app", "installations"], &[("per_page", PER_PAGE)]);
        let bodies =
            whole(transport, first, async |url| self.app_client().get(url).await, |page: Vec<InstallationBody>| page);
        Ok(bodies.await?.into_iter().map(Into::into).collect())
    }
}

impl Installation {
    /// Every repository that this installation covers: one request for each hundred. One whose name could not stand in
    /// an address is left out.
    pub async fn repositories(&self) -> Result<Vec<InstalledRepository>, Error> {
        let first = self.transport().url(["installation", "repositories"], &[("per_page", PER_PAGE)]);
        let ask = async |url| self.get(url).await;
        let bodies = whole(self.transport(), first, ask, |page: RepositoriesBody| page.repositories).await?;
        Ok(bodies.into_iter().filter_map(Into::into).collect())
    }
}

/// All items of a list, from its first page on.
async fn whole<Page: DeserializeOwned, Item>(
    transport: &Transport,
    first: Url,
    ask: impl AsyncFn(Url) -> Result<Answer, Error>,
    items: impl Fn(Page) -> Vec<Item>,
) -> Result<Vec<Item>, Error> {
    let (mut all, mut next) = (Vec::new(), Some(first));
    for _ in 0..PAGES_MAX {
        let Some(url) = next else { return Ok(all) };
        let answer = ask(url).await?;
        all.extend(items(answer.json()?));
        next = answer.next_link().map(|link| transport.on_base(link)).transpose()?;
    }
    if next.is_some() { Err(Error::contract("a list without end")) } else { Ok(all) }
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
