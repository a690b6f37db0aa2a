//! One HTTP exchange: deadlines, a bound on the answer, redirects and pages that never leave the host, and the
//! difference between "nothing was sent" and "nobody knows whether it was done".

use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LINK, LOCATION,
};
use reqwest::{Client, Method, Request, Response, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::client::Options;
use super::error::Error;
use super::measure;
use crate::clock::Stopwatch;

/// Version of the REST API whose answers are read here.
const API_VERSION: &str = "2022-11-28";
const MEDIA_TYPE: &str = "application/vnd.github+json";
/// A page of 100 files with their patches stays far below this.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Longest time for the connection alone.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A renamed repository takes one.
const MAX_REDIRECTS: usize = 3;
/// Longest part of GitHub's own words that an error keeps, in characters.
const MAX_MESSAGE: usize = 300;

/// What is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Vec<u8>>,
    pub(super) etag: Option<String>,
    /// It changes something at GitHub, so it must not be repeated blindly.
    pub(super) write: bool,
}

impl Call {
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, body: None, etag: None, write: false }
    }

    /// A POST that changes nothing: a query, or a token, of which there may be many.
    pub(super) fn query(url: Url, body: Vec<u8>) -> Self {
        Self { method: Method::POST, url, body: Some(body), etag: None, write: false }
    }

    pub(super) fn write(method: Method, url: Url, body: Vec<u8>) -> Self {
        Self { method, url, body: Some(body), etag: None, write: true }
    }
}

/// What came back, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// GitHub's own words in an error, bounded and without control characters; untrusted.
    pub(super) fn message(&self) -> String {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            message: String,
        }
        let body = serde_json::from_slice::<Body>(&self.body);
        body.map_or_else(|_| String::new(), |b| clip(&b.message))
    }

    /// The body as `T`, which may borrow from it.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        // serde's message would quote the answer.
        let at = |e: serde_json::Error| format!("JSON, {:?} at line {} column {}", e.classify(), e.line(), e.column());
        serde_json::from_slice(&self.body).map_err(|e| Error::contract(at(e)))
    }

    /// Where the next page of a list is.
    pub(super) fn next_link(&self) -> Option<&str> {
        let links = self.headers.get_all(LINK).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        links.filter_map(|link| link.split_once(';')).find_map(|(target, attributes)| {
            let next = attributes.split(';').any(|a| matches!(a.trim(), "rel=\"next\"" | "rel=next"));
            next.then(|| target.trim().strip_prefix('<')?.strip_suffix('>')).flatten()
        })
    }
}

/// Cuts a foreign text to what an error keeps.
pub(super) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect()
}

/// Sends calls to one GitHub.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client,
    api: Url,
    deadline: Duration,
}

impl Transport {
    pub(super) fn new(api: Url, options: &Options) -> Result<Self, Error> {
        let invalid = |_| Error::Invalid { message: "the HTTP client cannot be set up, certificates included".into() };
        let mut client = Client::builder()
            .user_agent(options.user_agent.as_str())
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_DEADLINE.min(options.deadline))
            .timeout(options.deadline);
        if is_loopback(&api) {
            client = client.no_proxy();
        }
        if api.scheme() == "http" {
            // The machine may have no certificates at all, and none are needed.
            client = client.tls_certs_only([]);
        }
        Ok(Self { client: client.build().map_err(invalid)?, api, deadline: options.deadline })
    }

    /// Longest time of one exchange.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// An address below the API's base; every segment is percent-encoded.
    pub(super) fn url<I>(&self, segments: I, query: &[(&str, &str)]) -> Url
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut url = self.api.clone();
        url.path_segments_mut().expect("the base was checked to be an http address").pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The address of a `Link`, as path and query on our own base: a token never goes to another host.
    pub(super) fn on_base(&self, link: &str) -> Result<Url, Error> {
        let target = self.api.join(link).map_err(|_| Error::contract("a link that is no address"))?;
        let mut url = self.api.clone();
        let prefix = self.api.path().trim_end_matches('/');
        let below = target.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        url.set_path(&if below { target.path().to_owned() } else { format!("{prefix}{}", target.path()) });
        url.set_query(target.query());
        Ok(url)
    }

    /// Sends `call` with `token`. A read is repeated once when the connection breaks; a write never is.
    pub(super) async fn exchange(&self, call: &Call, token: &SecretString) -> Result<Answer, Error> {
        self.follow(call, Some(token)).await
    }

    /// Sends `call` as nobody in particular.
    pub(super) async fn exchange_openly(&self, call: &Call) -> Result<Answer, Error> {
        self.follow(call, None).await
    }

    async fn follow(&self, call: &Call, token: Option<&SecretString>) -> Result<Answer, Error> {
        let mut url = call.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.attempt(call, &url, token).await?;
            let location = answer.header(LOCATION.as_str());
            url = match (answer.status, location) {
                (301 | 302, Some(to)) if call.method == Method::GET => self.same_host(&url, to)?,
                // GitHub's way to move a write: nothing was done yet, and the method stays.
                (307 | 308, Some(to)) => self.same_host(&url, to)?,
                _ => return Ok(answer),
            };
        }
        Err(Error::contract("too many redirects"))
    }

    async fn attempt(&self, call: &Call, url: &Url, token: Option<&SecretString>) -> Result<Answer, Error> {
        match self.once(call, url, token).await {
            Err(Broken { timeout: false, error: Error::Unavailable { .. }, .. }) if !call.write => {
                self.once(call, url, token).await.map_err(|b| b.error)
            }
            other => other.map_err(|b| b.error),
        }
    }

    async fn once(&self, call: &Call, url: &Url, token: Option<&SecretString>) -> Result<Answer, Broken> {
        let watch = Stopwatch::start();
        let answer = self.send(call, url, token).await;
        let result = answer.as_ref().map_err(|broken| &broken.error);
        measure::exchanged(call, &self.api, result, watch.elapsed());
        answer
    }

    async fn send(&self, call: &Call, url: &Url, token: Option<&SecretString>) -> Result<Answer, Broken> {
        let request = self.request(call, url, token).map_err(Broken::before)?;
        let mut response = self.client.execute(request).await.map_err(|e| Broken::during(call, &e))?;
        let body = read_body(&mut response, call).await?;
        Ok(Answer { status: response.status().as_u16(), headers: std::mem::take(response.headers_mut()), body })
    }

    fn request(&self, call: &Call, url: &Url, token: Option<&SecretString>) -> Result<Request, Error> {
        let mut request = Request::new(call.method.clone(), url.clone());
        let headers = request.headers_mut();
        if let Some(token) = token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| Error::contract("a token that fits no header"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        headers.insert(ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION));
        if let Some(etag) = call.etag.as_deref().and_then(|e| HeaderValue::from_str(e).ok()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        if let Some(body) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        Ok(request)
    }

    fn same_host(&self, from: &Url, to: &str) -> Result<Url, Error> {
        let url = from.join(to).map_err(|_| Error::contract("a redirect to no address"))?;
        let ours = url.origin() == self.api.origin() && url.username().is_empty() && url.password().is_none();
        ours.then_some(url).ok_or_else(|| Error::contract("a redirect to another host"))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn read_body(response: &mut Response, call: &Call) -> Result<Vec<u8>, Broken> {
    let too_large = || {
        let error = Error::contract("an answer of more than 32 MB");
        Broken::before(if call.write { Error::AnswerLost { status: None } } else { error })
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(|e| Broken::during(call, &e))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An exchange without an answer.
struct Broken {
    error: Error,
    timeout: bool,
}

impl Broken {
    fn before(error: Error) -> Self {
        Self { error, timeout: false }
    }

    /// Words of our own: reqwest's error would name the address.
    fn during(call: &Call, error: &reqwest::Error) -> Self {
        let timeout = error.is_timeout();
        let error = if error.is_connect() {
            Error::unavailable(if timeout { "no connection in time" } else { "no connection" })
        } else if call.write {
            Error::AnswerLost { status: None }
        } else if timeout {
            Error::unavailable("no answer in time")
        } else {
            Error::unavailable("the connection broke")
        };
        Self { error, timeout }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scripted::{self, Reply, SHA, Scripted, json, repo, token, with};
    use super::super::{CheckRunDraft, Retry};
    use super::*;

    fn draft() -> CheckRunDraft {
        CheckRunDraft { name: "mergecast/risk".to_owned(), head_sha: SHA.to_owned(), ..CheckRunDraft::default() }
    }

    #[tokio::test]
    async fn every_call_says_who_and_which_version() {
        let s = Scripted::start(|a| a.is("GET", "/repos/acme/shop/check-runs/5").then(|| json(200, &json!({"id": 5}))))
            .await;
        assert_eq!(s.installation().check_run(&repo(), 5).await.map(|r| r.id), Ok(5));
        let asked = s.asked().remove(0);
        assert_eq!(asked.headers["authorization"], format!("Bearer {}", token(1)));
        assert_eq!(asked.headers["accept"], "application/vnd.github+json");
        assert_eq!(asked.headers["x-github-api-version"], "2022-11-28");
        assert_eq!(asked.headers["user-agent"], concat!("mergecast/", env!("CARGO_PKG_VERSION")));
    }

    #[tokio::test]
    async fn a_renamed_repository_is_followed_but_no_other_host() {
        let s = Scripted::start(|a| match a.target.as_str() {
            "/repos/acme/shop/check-runs/5" => {
                Some(with(301, &[("location", "/repositories/9/check-runs/5")], &json!({})))
            }
            "/repositories/9/check-runs/5" => Some(json(200, &json!({"id": 5}))),
            "/repos/acme/shop/check-runs/6" => Some(with(302, &[("location", "http://127.0.0.1:9/x")], &json!({}))),
            "/repos/acme/shop/check-runs/7" => {
                Some(with(302, &[("location", "/repos/acme/shop/check-runs/7")], &json!({})))
            }
            "/repos/acme/shop/check-runs" => Some(with(307, &[("location", "/repositories/9/check-runs")], &json!({}))),
            "/repositories/9/check-runs" => Some(json(201, &json!({"id": 8}))),
            _ => None,
        })
        .await;
        let i = s.installation();
        assert_eq!(i.check_run(&repo(), 5).await.map(|r| r.id), Ok(5));
        let elsewhere = i.check_run(&repo(), 6).await.unwrap_err();
        assert_eq!(elsewhere, Error::contract("a redirect to another host"));
        assert_eq!(i.check_run(&repo(), 7).await.unwrap_err(), Error::contract("too many redirects"));
        s.asked();
        assert_eq!(i.create_check_run(&repo(), &draft()).await.map(|r| r.id), Ok(8));
        assert_eq!(s.asked().iter().filter(|a| a.method == "POST").count(), 2);
    }

    /// What becomes of a write and of a read when the answer is `reply`, and how often each was sent.
    async fn fates(reply: Reply) -> (Error, usize, Error, usize) {
        let s = Scripted::start(move |a| a.target.contains("/check-runs").then(|| reply.clone())).await;
        let i = s.installation();
        let write = i.create_check_run(&repo(), &draft()).await.unwrap_err();
        let writes = s.asked().len();
        let read = i.check_run(&repo(), 5).await.unwrap_err();
        (write, writes, read, s.asked().len())
    }

    #[tokio::test]
    async fn a_lost_answer_repeats_a_read_once_and_a_write_never() {
        let lost = Error::AnswerLost { status: None };
        assert_eq!(lost.retry(), Retry::LookFirst);
        let broke = Error::unavailable("the connection broke");
        assert_eq!(fates(Reply::Reset).await, (lost.clone(), 1, broke, 2));
        let late = Error::unavailable("no answer in time");
        assert_eq!(fates(Reply::Silence).await, (lost, 1, late, 1));
        let status = Some(502);
        let down = Error::Unavailable { status, what: "it answered with status 502".to_owned() };
        assert_eq!(fates(json(502, &json!({}))).await, (Error::AnswerLost { status }, 1, down, 1));
        let garbage = fates(Reply::Answer(200, Vec::new(), b"<html>".to_vec())).await;
        assert_eq!(garbage.0, Error::AnswerLost { status: Some(200) });
        assert!(matches!(garbage.2, Error::Contract { .. }), "{:?}", garbage.2);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read() {
        let (write, _, read, sent) = fates(Reply::Flood(MAX_BODY_BYTES + 1)).await;
        assert_eq!((write, sent), (Error::AnswerLost { status: None }, 1));
        assert_eq!(read, Error::contract("an answer of more than 32 MB"));
    }

    #[tokio::test]
    async fn what_was_never_sent_is_not_lost() {
        let s = Scripted::start(|_| None).await;
        s.installation().permissions().await.unwrap();
        // A port that was just given back: nobody listens.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let transport = Transport::new(Url::parse(&format!("http://{free}")).unwrap(), &Options::default()).unwrap();
        let call = Call::write(Method::POST, transport.url(["x"], &[]), Vec::new());
        let error = transport.exchange(&call, &SecretString::from("t")).await.err();
        assert_eq!(error, Some(Error::unavailable("no connection")));
    }

    #[test]
    fn links_become_paths_on_our_own_base() {
        let check = |base: &str, link: &str, expected: &str| {
            let transport = Transport::new(Url::parse(base).unwrap(), &Options::default()).unwrap();
            assert_eq!(transport.on_base(link).unwrap().as_str(), expected, "{base} {link}");
        };
        let ghes = "http://ghe.test/api/v3";
        check(ghes, "http://ghe.test/api/v3/repos/a/b?page=2", "http://ghe.test/api/v3/repos/a/b?page=2");
        check(ghes, "https://evil.test/api/v3/repos/a/b?page=2", "http://ghe.test/api/v3/repos/a/b?page=2");
        check(ghes, "https://evil.test/repositories/1?page=2", "http://ghe.test/api/v3/repositories/1?page=2");
        check("http://api.test", "http://api.test/x?page=2", "http://api.test/x?page=2");
        check("http://api.test", "//evil.test/x", "http://api.test/x");
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        let transport = Transport::new(Url::parse("http://h/api/v3").unwrap(), &Options::default()).unwrap();
        let url = transport.url(["repos", "a/../../b", "?x=1#y", "%2e"], &[("q", "a&b=c")]);
        assert_eq!(url.as_str(), "http://h/api/v3/repos/a%2F..%2F..%2Fb/%3Fx=1%23y/%252e?q=a%26b%3Dc");
    }

    #[test]
    fn next_is_found_among_links() {
        let check = |link: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, link.parse().unwrap());
            let answer = Answer { status: 200, headers, body: Vec::new() };
            assert_eq!(answer.next_link(), expected, "{link}");
        };
        check("<http://h/x?page=1>; rel=\"prev\", <http://h/x?page=3>; rel=\"next\"", Some("http://h/x?page=3"));
        check("<http://h/x?page=3>; rel=\"last\"", None);
        check("<http://h/x>; title=\"a\"; rel=next", Some("http://h/x"));
        check("garbage", None);
    }

    #[test]
    fn foreign_words_are_cut() {
        assert_eq!(clip("a\nb\u{1b}[31mc"), "ab[31mc");
        assert_eq!(clip(&"é".repeat(400)).chars().count(), MAX_MESSAGE);
        assert_eq!(scripted::repo().to_string(), "acme/shop");
    }
}
