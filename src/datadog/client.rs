//! The client: one [`Datadog`] for an organisation, its keys and its limits.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Request,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{
    breaker::Breakers,
    cache::{Age, Cache, Cached},
    endpoint::Endpoint,
    error::Error,
    measure,
    rate::{Limits, RateHeaders},
    site::Site,
    wire::{self, Refusal},
};
use crate::{
    clock::{Clock, Stopwatch},
    remote::{self, RemoteError},
};

/// Largest answer; a thousand SLOs with all that Datadog tells of them stay far below.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// First pause after an answer that says that Datadog has trouble; it doubles.
const TROUBLE_WAIT: Duration = Duration::from_secs(1);

/// The two keys. Shown by no formatter.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Says which organisation.
    pub api: SecretString,
    /// Says on whose behalf, and so what may be read.
    pub app: SecretString,
}

/// How the client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest time for one exchange, from connecting to the last byte.
    pub deadline: Duration,
    /// Longest time for a question with all its calls, tries and waits, in real time.
    pub patience: Duration,
    /// How often a call is tried at most, when Datadog does not answer, has trouble or wants to be asked later.
    pub tries: u32,
}

impl Default for Options {
    fn default() -> Self {
        // The longest of the short limits lasts a minute.
        Self { deadline: Duration::from_secs(10), patience: Duration::from_secs(60), tries: 3 }
    }
}

/// One organisation at Datadog. Cheap to clone; clones share limits, connections and what was answered.
#[derive(Clone)]
pub struct Datadog {
    organisation: Arc<Organisation>,
    patience: Duration,
}

struct Organisation {
    http: reqwest::Client,
    base: Url,
    site: Site,
    /// Replaced when they are rotated.
    keys: RwLock<Arc<Keys>>,
    clock: Clock,
    options: Options,
    limits: Limits,
    breakers: Breakers,
    cache: Cache,
    /// How often the keys were replaced by others. What was asked with those before answers nobody who asks later.
    rotations: AtomicU64,
}

impl fmt::Debug for Datadog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datadog").field("base", &self.organisation.base.as_str()).finish_non_exhaustive()
    }
}

/// What is to be asked.
#[derive(Clone, Debug)]
pub(super) struct Call {
    endpoint: Endpoint,
    /// In place of each `{}` of the path, percent-encoded.
    names: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Call {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, names: Vec::new(), query: Vec::new(), body: None }
    }

    pub(super) fn name(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        let mut names = self.names.iter();
        let segments = self.endpoint.template().split('/').skip(1);
        let segments =
            segments.map(|segment| if segment == "{}" { names.next().map_or("", String::as_str) } else { segment });
        url.path_segments_mut().expect("the base was checked to be an http address").pop_if_empty().extend(segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// A good answer.
struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// An exchange that gave nothing usable.
struct Failure {
    error: Error,
    /// When Datadog wants to be asked again, if it says so.
    again_in: Option<Duration>,
    /// Nothing came back, or not all of it.
    unanswered: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again_in: None, unanswered: false }
    }
}

/// A place at a limit. Who gives up before the call is sent gives it back.
struct Place<'a> {
    limits: &'a Limits,
    endpoint: Endpoint,
    taken: bool,
}

impl Place<'_> {
    fn take(mut self) {
        self.taken = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.limits.give_back(self.endpoint);
        }
    }
}

impl Datadog {
    /// The organisation that the keys belong to, at `base`; sends nothing.
    ///
    /// # Errors
    /// [`Error::Settings`] if the address is no plain http address or a key fits no header.
    pub fn new(base: &Url, site: Site, keys: Keys, clock: Clock, options: Options) -> Result<Self, Error> {
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(Error::Settings { what: "the address of Datadog's API cannot be used" });
        }
        let http = remote::client(base, options.deadline)
            .map_err(|_| Error::Settings { what: "the HTTP client cannot be set up, certificates included" })?;
        fit(&keys)?;
        let organisation = Organisation {
            http,
            base: base.clone(),
            site,
            keys: RwLock::new(Arc::new(keys)),
            clock,
            options,
            limits: Limits::default(),
            breakers: Breakers::default(),
            cache: Cache::default(),
            rotations: AtomicU64::new(0),
        };
        Ok(Self { organisation: Arc::new(organisation), patience: options.patience })
    }

    /// The same with another patience: long for many calls that a limit spreads, short where somebody waits.
    pub fn patient(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// Asks with other keys from now on. They may be another organisation's, so what was answered before is forgotten.
    ///
    /// # Errors
    /// [`Error::Settings`] if one of them fits no header; then those before stay.
    pub fn replace_keys(&self, keys: Keys) -> Result<(), Error> {
        fit(&keys)?;
        let mut held = self.organisation.keys.write().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        if !(same(&held.api, &keys.api) && same(&held.app, &keys.app)) {
            *held = Arc::new(keys);
            self.organisation.rotations.fetch_add(1, Ordering::SeqCst);
            self.organisation.cache.clear();
        }
        Ok(())
    }

    /// Where the organisation is, for links.
    pub fn site(&self) -> &Site {
        &self.organisation.site
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.organisation.clock
    }

    /// The answer under `key`, as old as `age` allows; `ask` is given a client of its own. What takes longer than this
    /// client's patience is no answer, so that an older one can stand in for it.
    pub(super) async fn cached<T, F>(
        &self,
        key: String,
        age: Age,
        ask: impl FnOnce(Self) -> F,
    ) -> Result<Cached<T>, Error>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let key = format!("{} {key}", self.organisation.rotations.load(Ordering::SeqCst));
        let patience = self.patience;
        let ask = || {
            let asking = ask(self.clone());
            async move {
                let late = |_| Err(Error::unavailable("it did not answer in time"));
                tokio::time::timeout(patience, asking).await.unwrap_or_else(late)
            }
        };
        self.organisation.cache.get(key, age, &self.organisation.clock, ask).await
    }

    /// Makes a call and reads what comes back. All calls read, so any may be made again.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let (watch, mut tries) = (Stopwatch::start(), 0);
        loop {
            let left = |watch: &Stopwatch| self.patience.saturating_sub(watch.elapsed());
            let place = self.turn(call.endpoint, left(&watch)).await?;
            self.organisation.breakers.check(call.endpoint, self.organisation.clock.now())?;
            place.take();
            tries += 1;
            let Failure { error, again_in, .. } = match self.exchange(call).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if tries >= self.organisation.options.tries || !error.may_pass() {
                return Err(error);
            }
            if let Error::RateLimited { .. } = error {
                // Its turn comes when the limit opens.
                continue;
            }
            let pause =
                again_in.unwrap_or_else(|| self.organisation.clock.jitter(TROUBLE_WAIT * 2_u32.pow(tries.min(8) - 1)));
            if pause > left(&watch) {
                return Err(error);
            }
            self.wait(self.organisation.clock.now() + pause, left(&watch)).await.map_err(|()| error)?;
        }
    }

    /// Waits until the organisation's limit has room for the call. A limit that closes meanwhile has room once it opens.
    async fn turn(&self, endpoint: Endpoint, patience: Duration) -> Result<Place<'_>, Error> {
        let Organisation { clock, limits, .. } = &*self.organisation;
        let watch = Stopwatch::start();
        loop {
            let (now, left) = (clock.now(), patience.saturating_sub(watch.elapsed()));
            let start = limits.place(endpoint, now, left)?;
            let place = Place { limits, endpoint, taken: false };
            if start > now {
                self.wait(start, left).await.map_err(|()| Error::RateLimited { until: start })?;
            }
            if !limits.is_closed(endpoint, clock.now()) {
                return Ok(place);
            }
        }
    }

    /// Waits on the clock, but no longer than `patience` of real time.
    async fn wait(&self, until: chrono::DateTime<chrono::Utc>, patience: Duration) -> Result<(), ()> {
        tokio::time::timeout(patience, self.organisation.clock.wait_until(until)).await.map_err(|_| ())
    }

    async fn exchange<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        let watch = Stopwatch::start();
        let value = match self.send(call).await {
            Ok(answer) => read(&answer).map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        let Organisation { clock, breakers, .. } = &*self.organisation;
        match &value {
            Err(failure) if failure.unanswered => breakers.unanswered(call.endpoint, &failure.error, clock.now()),
            _ => breakers.answered(call.endpoint),
        }
        measure::exchanged(
            call.endpoint,
            value.as_ref().map(|_| ()).map_err(|failure| &failure.error),
            watch.elapsed(),
        );
        value
    }

    async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        let lost =
            |error: RemoteError| Failure { unanswered: true, ..Failure::from(Error::unavailable(error.to_string())) };
        let response = self.organisation.http.execute(self.request(call)?).await;
        let mut response = response.map_err(|error| lost(remote::lost(&error)))?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let said = RateHeaders::read(&headers);
        measure::remaining(call.endpoint, said);
        self.organisation.limits.learn(call.endpoint, &headers);
        let now = self.organisation.clock.now();
        if status == 429 {
            // Whatever its body may say, or break off at.
            return Err(self.organisation.limits.refused(call.endpoint, said, now).into());
        }
        self.organisation.limits.passed(call.endpoint, said, now);
        let body = remote::body(&mut response, BODY_BYTES_MAX).await.map_err(lost)?;
        match status {
            200..=299 => Ok(Answer { headers, body }),
            _ => Err(Failure { again_in: said.reset, ..Failure::from(judge(call.endpoint, status, &body)) }),
        }
    }

    fn request(&self, call: &Call) -> Result<Request, Error> {
        if call.names.iter().any(|name| matches!(name.as_str(), "" | "." | "..")) {
            // It would be another address.
            return Err(Error::NotFound);
        }
        let mut request = Request::new(call.endpoint.method(), call.url(&self.organisation.base));
        let keys = Arc::clone(&self.organisation.keys.read().unwrap_or_else(PoisonError::into_inner));
        let headers = request.headers_mut();
        headers.insert(HeaderName::from_static("dd-api-key"), header(&keys.api)?);
        headers.insert(HeaderName::from_static("dd-application-key"), header(&keys.app)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/vnd.api+json"));
        if let Some(body) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        Ok(request)
    }
}

fn fit(keys: &Keys) -> Result<(), Error> {
    header(&keys.api).and(header(&keys.app)).map(|_| ())
}

fn header(key: &SecretString) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(key.expose_secret().trim())
        .map_err(|_| Error::Settings { what: "a key that fits no header" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body, whatever it is called: much comes as `application/vnd.api+json` though documented otherwise.
fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.contains("json") && error.is_syntax() {
            return Error::unavailable("something else than the API answered");
        }
        wire::not_understood(&error)
    })
}

/// What a refusal means: by its shape first, then by its status.
fn judge(endpoint: Endpoint, status: u16, body: &[u8]) -> Error {
    let Refusal { message, keys } = Refusal::read(body);
    match status {
        401 => Error::Unauthorized,
        403 if keys => Error::Unauthorized,
        403 => Error::Forbidden { needs: endpoint.permission() },
        404 | 410 => Error::NotFound,
        408 | 500.. => Error::unavailable(format!("it answered with status {status}")),
        400..=499 => Error::Invalid { message },
        _ => Error::contract(format!("a status {status}, where the API has none")),
    }
}
