//! Reading from another system's JSON API: one host, a token, a deadline, and a bound on what comes back.
//!
//! What a repository says goes into path segments and query values only, percent-encoded; no setting of a repository names a
//! host, and redirects are not followed.

pub mod sim;

use std::time::Duration;

use reqwest::{
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
    redirect, retry,
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

/// Longest time of one exchange.
const DEADLINE: Duration = Duration::from_secs(8);
/// Largest answer; a report of some 10,000 files with their lines.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Another system, as one token sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remote {
    client: reqwest::Client,
    base: Url,
    token: SecretString,
}

/// Why nothing usable came back. Holds no text of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The address of the API cannot be used.
    #[error("its address cannot be used")]
    Address,
    /// The token is not good.
    #[error("it refuses the token")]
    Unauthorized,
    /// The token is good and does not reach so far.
    #[error("the token may not read this")]
    Forbidden,
    /// It has had enough requests for now.
    #[error("its rate limit is spent")]
    RateLimited,
    /// No answer, or one that says that it has trouble.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is not what it documents.
    #[error("its answer is not understood")]
    Contract,
}

impl Remote {
    /// The system at `base`.
    ///
    /// # Errors
    /// [`RemoteError::Address`] if that is no plain http address.
    pub fn new(base: &Url, token: SecretString) -> Result<Self, RemoteError> {
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(RemoteError::Address);
        }
        Ok(Self { client: client(base, DEADLINE)?, base: base.clone(), token })
    }

    /// Reads what is at these path segments; `None` if there is nothing.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>, RemoteError> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| RemoteError::Address)?.pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.token.expose_secret()))
            .map_err(|_| RemoteError::Unauthorized)?;
        bearer.set_sensitive(true);
        let request = self.client.get(url).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| lost(&error))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            401 => return Err(RemoteError::Unauthorized),
            403 => return Err(RemoteError::Forbidden),
            429 => return Err(RemoteError::RateLimited),
            status => return Err(RemoteError::Unavailable(format!("it answered with status {status}"))),
        }
        let body = body(&mut response, BODY_BYTES_MAX).await?;
        serde_json::from_slice(&body).map(Some).map_err(|_| RemoteError::Contract)
    }
}

/// An HTTP client for the system at `base`: bounded in time, follows no redirect, repeats nothing by itself.
///
/// # Errors
/// [`RemoteError::Address`] if it cannot be set up.
pub(crate) fn client(base: &Url, deadline: Duration) -> Result<reqwest::Client, RemoteError> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("mergecast/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(deadline)
        .timeout(deadline);
    if base.scheme() == "http" {
        // A machine of one's own: neither certificates nor a proxy are needed.
        client = client.tls_certs_only([]).no_proxy();
    }
    client.build().map_err(|_| RemoteError::Address)
}

/// The whole body of an answer, of at most `most` bytes.
///
/// # Errors
/// [`RemoteError::Unavailable`] if it breaks off or is longer.
pub(crate) async fn body(response: &mut reqwest::Response, most: usize) -> Result<Vec<u8>, RemoteError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| lost(&error))? {
        if body.len() + part.len() > most {
            return Err(RemoteError::Unavailable("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Why there is no answer, in words that hold no address.
pub(crate) fn lost(error: &reqwest::Error) -> RemoteError {
    let what = if error.is_timeout() { "it did not answer in time" } else { "it cannot be reached" };
    RemoteError::Unavailable(what.to_owned())
}
