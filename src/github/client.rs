//! The client: one [`GitHub`] for the App, one [`Installation`] for each place where it is installed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::SharedString;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::auth::{AppCredentials, Permissions, Signer, Token, TokenAnswer};
use super::error::Error;
use super::installation::{Installation, Shared, judge};
use super::introduction;
use super::measure;
use super::name::RepoName;
use super::rate::{Bucket, Gate};
use super::transport::{Answer, Call, Transport};
use crate::clock::Clock;

/// Installations that metrics tell apart; those beyond are one, so that what is kept of metrics stays bounded.
const LABELLED: usize = 500;

/// Addresses of the two APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// Base of the REST API.
    pub api: Url,
    /// The GraphQL endpoint.
    pub graphql: Url,
}

impl Urls {
    /// Derives the GraphQL endpoint: beside `/api/v3` on GitHub Enterprise Server, below any other base.
    /// [`Error::Invalid`] if `api` is no plain `http(s)` address.
    pub fn new(mut api: Url) -> Result<Self, Error> {
        let plain = matches!(api.scheme(), "http" | "https")
            && api.has_host()
            && api.username().is_empty()
            && api.password().is_none()
            && api.query().is_none()
            && api.fragment().is_none();
        if !plain {
            let message = "the address of GitHub's API must be http or https, without user, query or fragment";
            return Err(Error::Invalid { message: message.into() });
        }
        let base = api.path().trim_end_matches('/').to_owned();
        api.set_path(&base);
        let mut graphql = api.clone();
        graphql.set_path(&format!(
            "{}/graphql",
            base.strip_suffix("/v3").filter(|b| b.ends_with("/api")).unwrap_or(&base)
        ));
        Ok(Self { api, graphql })
    }
}

/// How the client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest time for one exchange, from connecting to the last byte of the answer. A call may take twice that:
    /// once for its turn, once for itself.
    pub deadline: Duration,
    /// `User-Agent`.
    pub user_agent: String,
    /// Writes per installation and minute before the client itself makes them wait; `None` leaves that to GitHub.
    pub writes_per_minute: Option<u32>,
    /// Writes per installation under way at once. GitHub wants them one after the other; an Enterprise Server without
    /// rate limits does not mind.
    pub writes_at_once: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(20),
            user_agent: concat!("mergecast/", env!("CARGO_PKG_VERSION")).to_owned(),
            // GitHub's published bound on creating content.
            writes_per_minute: Some(80),
            writes_at_once: 1,
        }
    }
}

/// The App at one GitHub. Cheap to clone; clones share tokens, limits and connections.
#[derive(Clone)]
pub struct GitHub {
    app: Arc<AppClient>,
    installations: Arc<Mutex<HashMap<u64, Arc<Shared>>>>,
}

/// What the App itself needs, without any installation.
pub(super) struct AppClient {
    pub(super) transport: Transport,
    pub(super) graphql: Url,
    pub(super) clock: Clock,
    pub(super) options: Options,
    /// Replaced when the key is.
    signer: RwLock<Arc<Signer>>,
    gate: Gate,
}

/// The App as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Number.
    pub id: u64,
    /// Name in URLs; its bot's login is `{slug}[bot]`.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Events that it is subscribed to.
    pub events: Vec<String>,
    /// Permissions that it asks for.
    pub permissions: Permissions,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").field("graphql", &self.app.graphql.as_str()).finish_non_exhaustive()
    }
}

impl GitHub {
    /// Checks the key and the addresses; sends nothing. [`Error::Invalid`] says what does not fit.
    pub fn new(app: AppCredentials, urls: Urls, clock: Clock, options: Options) -> Result<Self, Error> {
        let signer = RwLock::new(Arc::new(Signer::new(&app)?));
        let transport = Transport::new(urls.api, &options)?;
        let app = AppClient { transport, graphql: urls.graphql, clock, options, signer, gate: Gate::default() };
        Ok(Self { app: Arc::new(app), installations: Arc::default() })
    }

    pub(super) fn app_client(&self) -> &AppClient {
        &self.app
    }

    /// Signs with another key from now on. Tokens that were made with the one before stay good until they end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if that is no key; then the one before stays.
    pub fn replace_key(&self, app: &AppCredentials) -> Result<(), Error> {
        let signer = Arc::new(Signer::new(app)?);
        *self.app.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
        Ok(())
    }

    /// The App in installation `id`; sends nothing.
    pub fn installation(&self, id: u64) -> Installation {
        let mut installations = self.installations.lock().expect("nothing panics while it holds the map");
        let writes = self.app.options.writes_at_once.max(1);
        let label = if installations.len() < LABELLED { id.to_string().into() } else { "other".into() };
        let shared = installations.entry(id).or_insert_with(|| Arc::new(Shared::new(id, label, writes)));
        Installation::new(Arc::clone(&self.app), Arc::clone(shared))
    }

    /// Forgets the token of installation `id`: it was deleted or suspended, or has new permissions. GitHub's limits on it
    /// stand as they are.
    pub async fn forget(&self, id: u64) {
        let shared = self.installations.lock().expect("nothing panics while it holds the map").get(&id).cloned();
        if let Some(shared) = shared {
            shared.forget_token().await;
        }
    }

    /// The App itself: whether the credentials are good.
    pub async fn app(&self) -> Result<App, Error> {
        #[derive(Deserialize)]
        struct Body {
            id: u64,
            #[serde(default)]
            slug: String,
            #[serde(default)]
            name: String,
            #[serde(default)]
            events: Vec<String>,
            #[serde(default)]
            permissions: BTreeMap<String, String>,
        }
        let answer = self.app.get(self.app.transport.url(["app"], &[])).await?;
        let Body { id, slug, name, events, permissions } = answer.json()?;
        Ok(App { id, slug, name, events, permissions: Permissions(permissions) })
    }

    /// Which installation covers a repository.
    pub async fn installation_of(&self, repo: &RepoName) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Body {
            id: u64,
        }
        let url = self.app.transport.url(["repos", repo.owner(), repo.name(), "installation"], &[]);
        Ok(self.app.get(url).await?.json::<Body>()?.id)
    }
}

impl AppClient {
    /// Reads `url` as the App itself.
    pub(super) async fn get(&self, url: Url) -> Result<Answer, Error> {
        self.call(&Call::get(url)).await
    }

    /// Reads `url` as the App itself; beside it the date of whatever answer came, a refusal included.
    pub(super) async fn get_dated(&self, url: Url) -> (Option<DateTime<Utc>>, Result<Answer, Error>) {
        let answer = match self.send(&Call::get(url)).await {
            Ok(answer) => answer,
            Err(error) => return (None, Err(error)),
        };
        (introduction::date(&answer), judge(answer, false, Bucket::Core, &self.gate, &self.clock))
    }

    /// Sends `call` as the App itself.
    pub(super) async fn call(&self, call: &Call) -> Result<Answer, Error> {
        let answer = self.send(call).await?;
        judge(answer, call.write, Bucket::Core, &self.gate, &self.clock)
    }

    async fn send(&self, call: &Call) -> Result<Answer, Error> {
        self.gate.check(Bucket::Core, self.clock.now())?;
        let signer = Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner));
        let jwt = signer.jwt(self.clock.now())?;
        let answer = self.transport.exchange(call, &jwt).await?;
        measure::remaining(&answer, &SharedString::const_str("app"));
        Ok(answer)
    }

    /// A new token of installation `id`.
    pub(super) async fn mint(&self, id: u64) -> Result<Token, Error> {
        self.mint_narrowed(id, &json!({})).await
    }

    /// A new token of installation `id` that allows no more than `asked` says.
    pub(super) async fn mint_narrowed(&self, id: u64, asked: &Value) -> Result<Token, Error> {
        let url = self.transport.url(["app", "installations", &id.to_string(), "access_tokens"], &[]);
        let answer: TokenAnswer = self.call(&Call::query(url, asked.to_string().into_bytes())).await?.json()?;
        Ok(Token::new(answer, self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Scripted, json, repo};
    use super::*;

    #[test]
    fn graphql_stands_where_github_has_it() {
        let check = |api: &str, expected: &str| {
            let urls = Urls::new(Url::parse(api).unwrap()).unwrap();
            assert_eq!(urls.graphql.as_str(), expected);
        };
        check("https://api.github.com", "https://api.github.com/graphql");
        check("https://api.github.com/", "https://api.github.com/graphql");
        check("https://ghe.test/api/v3", "https://ghe.test/api/graphql");
        check("https://ghe.test/api/v3/", "https://ghe.test/api/graphql");
        check("http://127.0.0.1:4020/gh", "http://127.0.0.1:4020/gh/graphql");
        for bad in ["ftp://h", "https://u:p@h", "https://h/?q", "https://h/#f", "data:x"] {
            assert!(Urls::new(Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_app_tells_what_it_may() {
        let s = Scripted::start(|a| match a.target.as_str() {
            "/app" => Some(json(200, &json!({"id": 7, "slug": "mergecast", "permissions": {"checks": "write"}}))),
            "/repos/acme/shop/installation" => Some(json(200, &json!({"id": 11}))),
            _ => None,
        })
        .await;
        let app = s.github.app().await.unwrap();
        assert_eq!((app.id, app.slug.as_str()), (7, "mergecast"));
        assert!(app.permissions.can_write("checks") && !app.permissions.can_read("issues"));
        assert_eq!(s.github.installation_of(&repo()).await, Ok(11));
        assert!(s.asked().iter().all(|a| a.headers["authorization"].starts_with("Bearer ey")));
    }
}
