//! The App where it is installed: every call passes the gate, waits its turn, carries a token, and is judged once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use metrics::SharedString;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

use super::auth::{Permissions, Token, TokenSlot};
use super::client::AppClient;
use super::error::Error;
use super::graphql::{self, Partial};
use super::measure;
use super::rate::{Bucket, Gate, RateHeaders};
use super::transport::{Answer, Call, Transport};
use crate::clock::Clock;

/// Reads under way at once in one installation. GitHub asks for one after the other; a few keep a score short.
const READS_AT_ONCE: usize = 4;

/// The App where it is installed. Cheap to clone; clones share the token and the limits.
#[derive(Clone)]
pub struct Installation {
    app: Arc<AppClient>,
    shared: Arc<Shared>,
    places: Option<Arc<Places>>,
}

/// A token that leaves this process.
#[derive(Debug)]
pub struct HandedToken {
    /// The token.
    pub secret: SecretString,
    /// When GitHub takes it no longer.
    pub expires_at: DateTime<Utc>,
}

/// Places of a minute's writes that are reserved; what is left of them is given back with the last clone.
struct Places {
    shared: Arc<Shared>,
    left: AtomicUsize,
    /// Requests sent since they were reserved.
    sent: AtomicUsize,
}

impl Places {
    /// Takes one, if one is left.
    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.shared.gate.release(*self.left.get_mut());
    }
}

/// What all calls of an installation share.
pub(super) struct Shared {
    id: u64,
    /// What it is called in metrics.
    label: SharedString,
    gate: Gate,
    token: TokenSlot,
    /// One write at a time unless told otherwise, in the order in which they came.
    writes: Semaphore,
    reads: Semaphore,
}

impl Shared {
    /// `label`: what it is called in metrics, of which there may not be too many.
    pub(super) fn new(id: u64, label: SharedString, writes_at_once: usize) -> Self {
        let (gate, token, writes) = (Gate::default(), TokenSlot::default(), Semaphore::new(writes_at_once));
        Self { id, label, gate, token, writes, reads: Semaphore::new(READS_AT_ONCE) }
    }

    pub(super) async fn forget_token(&self) {
        self.token.clear().await;
    }
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

impl Installation {
    pub(super) fn new(app: Arc<AppClient>, shared: Arc<Shared>) -> Self {
        Self { app, shared, places: None }
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// What it allows the App, as its token says.
    pub async fn permissions(&self) -> Result<Permissions, Error> {
        Ok(self.token().await?.permissions.clone())
    }

    /// A token to hand out to git: it reads the contents of one repository and nothing else. GitHub takes it for an hour.
    pub async fn contents_token(&self, repository_id: u64) -> Result<HandedToken, Error> {
        let asked = json!({ "repository_ids": [repository_id], "permissions": { "contents": "read" } });
        let token = self.app.mint_narrowed(self.shared.id, &asked).await?;
        Ok(HandedToken { expires_at: token.expires_at, secret: token.secret })
    }

    /// Until when work that nobody waits for is to leave this installation's rate limit alone: more than half of it is
    /// spent, as far as GitHub's answers said, or of this minute's writes, or it is closed.
    pub fn kept_until(&self) -> Option<DateTime<Utc>> {
        self.shared.gate.kept_until(self.app.options.writes_per_minute, self.clock().now())
    }

    /// This installation with places reserved for so many writes, so that what `who` reads first is not read in vain.
    /// What is written beyond them takes its chance.
    ///
    /// # Errors
    /// [`Error::RateLimited`] says when there will be places: each who asks is told an instant of its own.
    pub fn reserving(&self, who: &str, writes: usize) -> Result<Self, Error> {
        let (shared, now) = (Arc::clone(&self.shared), self.clock().now());
        let left = AtomicUsize::new(shared.gate.reserve(who, writes, self.app.options.writes_per_minute, now)?);
        let places = Places { shared, left, sent: AtomicUsize::new(0) };
        Ok(Self { places: Some(Arc::new(places)), ..self.clone() })
    }

    /// How many requests were sent since places were reserved, those for tokens apart.
    pub fn sent(&self) -> usize {
        self.places.as_ref().map_or(0, |places| places.sent.load(Ordering::Relaxed))
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.app.transport
    }

    /// Reads `url`.
    pub(super) async fn get(&self, url: Url) -> Result<Answer, Error> {
        self.call(Bucket::Core, &Call::get(url)).await
    }

    /// Sends `query` and reads data and refusals.
    pub(super) async fn graphql<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: &Value,
    ) -> Result<Partial<T>, Error> {
        let body = json!({ "query": query, "variables": variables }).to_string().into_bytes();
        let answer = self.call(Bucket::GraphQl, &Call::query(self.app.graphql.clone(), body)).await?;
        graphql::read(&answer, &self.shared.gate, self.clock())
    }

    /// Sends `call`, with a new token if GitHub no longer takes the one at hand. Gives answers of status 2xx and 304.
    pub(super) async fn call(&self, bucket: Bucket, call: &Call) -> Result<Answer, Error> {
        self.shared.gate.check(bucket, self.clock().now())?;
        let token = self.token().await?;
        let _turn = self.turn(call.write).await?;
        // It may have closed while this call waited.
        self.shared.gate.check(bucket, self.clock().now())?;
        if call.write {
            self.count_write()?;
        }
        if let Some(places) = &self.places {
            places.sent.fetch_add(1, Ordering::Relaxed);
        }
        let mut answer = self.transport().exchange(call, &token.secret).await?;
        if answer.status == 401 {
            self.shared.token.drop_token(&token).await;
            let token = self.token().await?;
            answer = self.transport().exchange(call, &token.secret).await?;
        }
        measure::remaining(&answer, &self.shared.label);
        judge(answer, call.write, bucket, &self.shared.gate, self.clock())
    }

    /// Counts a write that is sent now, if one may be.
    fn count_write(&self) -> Result<(), Error> {
        let (gate, now) = (&self.shared.gate, self.clock().now());
        if self.places.as_ref().is_some_and(|places| places.take()) {
            gate.reserved_write(now);
            return Ok(());
        }
        gate.check_write(self.app.options.writes_per_minute, now)
    }

    /// Waits until it is this call's turn, no longer than one exchange may take.
    async fn turn(&self, write: bool) -> Result<SemaphorePermit<'_>, Error> {
        let places = if write { &self.shared.writes } else { &self.shared.reads };
        let late = |_| Error::unavailable("too many calls were waiting");
        let place = timeout(self.transport().deadline(), places.acquire()).await.map_err(late)?;
        Ok(place.expect("the semaphore is never closed"))
    }

    /// Whether a token is at hand; else the next call costs one request more.
    pub(super) async fn has_token(&self) -> bool {
        self.shared.token.is_filled(self.clock().now()).await
    }

    async fn token(&self) -> Result<Arc<Token>, Error> {
        self.shared.token.get(self.clock().now(), || self.app.mint(self.shared.id)).await
    }

    fn clock(&self) -> &Clock {
        &self.app.clock
    }
}

/// An answer or the error that it stands for. The gate learns from both.
pub(super) fn judge(answer: Answer, write: bool, bucket: Bucket, gate: &Gate, clock: &Clock) -> Result<Answer, Error> {
    let rate = RateHeaders::read(&answer.headers, clock.now());
    let status = answer.status;
    if matches!(status, 200..=299 | 304) {
        // GraphQL's may still be a refusal; whoever reads it tells the gate.
        if bucket != Bucket::GraphQl {
            gate.passed(bucket, &rate, clock.now());
        }
        return Ok(answer);
    }
    let message = answer.message();
    if rate.is_limit(status, &message) {
        return Err(gate.refused(bucket, &rate, clock));
    }
    gate.passed(bucket, &rate, clock.now());
    let needs = || answer.header("x-accepted-github-permissions").map(super::transport::clip);
    Err(match status {
        401 => Error::Unauthorized,
        403 if message.to_ascii_lowercase().contains("suspended") => Error::Suspended,
        403 => Error::Forbidden { needs: needs() },
        404 => Error::NotFound,
        410 => Error::Gone,
        // A gateway's answer does not say what happened behind it.
        408 | 500.. if write => Error::AnswerLost { status: Some(status) },
        408 | 500.. => Error::Unavailable { status: Some(status), what: format!("it answered with status {status}") },
        400..=499 => Error::Invalid { message },
        _ => Error::contract(format!("status {status}")),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;
    use tracing_subscriber::fmt::MakeWriter;

    use super::super::scripted::{KEY, Reply, SHA, Scripted, json, look, repo, token, with};
    use super::super::{CheckRunDraft, Retry};
    use super::*;

    fn draft() -> CheckRunDraft {
        CheckRunDraft { name: "mergecast/risk".to_owned(), head_sha: SHA.to_owned(), ..CheckRunDraft::default() }
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_once() {
        let s = Scripted::start(|a| {
            let old = a.headers["authorization"].ends_with(&token(1));
            let run = || json(200, &json!({"id": 5}));
            let reply = if old { json(401, &json!({"message": "Bad credentials"})) } else { run() };
            a.target.contains("check-runs").then_some(reply)
        })
        .await;
        let i = s.installation();
        assert_eq!(i.check_run(&repo(), 5).await.map(|r| r.id), Ok(5));
        assert_eq!(i.create_check_run(&repo(), &draft()).await.map(|r| r.id), Ok(5));
        assert_eq!((s.mints(), s.asked().len()), (2, 3));
    }

    #[tokio::test]
    async fn always_refused_is_unauthorized() {
        let s = Scripted::start(|a| a.target.contains("check-runs").then(|| json(401, &json!({})))).await;
        let error = s.installation().check_run(&repo(), 5).await.unwrap_err();
        assert_eq!((error, s.mints(), s.asked().len()), (Error::Unauthorized, 2, 2));
    }

    #[tokio::test]
    async fn a_closed_gate_sends_nothing_until_it_opens() {
        let s = Scripted::start(|a| {
            let limited = || with(403, &[("retry-after", "30")], &json!({"message": "secondary rate limit"}));
            match a.target.as_str() {
                "/repos/acme/shop/check-runs/1" => Some(limited()),
                "/repos/acme/shop/check-runs/2" => Some(json(200, &json!({"id": 2}))),
                _ => None,
            }
        })
        .await;
        let i = s.installation();
        let Error::RateLimited { until, secondary: true } = i.check_run(&repo(), 1).await.unwrap_err() else {
            panic!()
        };
        s.asked();
        let held = i.check_run(&repo(), 2).await.unwrap_err();
        assert_eq!(held.retry(), Retry::At(until));
        assert!(i.pull_request(&repo(), 1, &look(), None).await.is_err_and(|e| e == held));
        assert!(i.create_check_run(&repo(), &draft()).await.is_err_and(|e| e == held));
        assert_eq!(s.asked().len(), 0);
        // Another installation has limits of its own.
        assert_eq!(s.github.installation(2).check_run(&repo(), 2).await.map(|r| r.id), Ok(2));
        s.clock.advance((until - s.clock.now()).to_std().unwrap());
        assert_eq!(i.check_run(&repo(), 2).await.map(|r| r.id), Ok(2));
    }

    #[tokio::test]
    async fn a_limit_hides_in_a_good_status_of_graphql() {
        let s = Scripted::start(|a| {
            let spent = json!({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]});
            let reset = (super::super::scripted::start_time().timestamp() + 900).to_string();
            let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset.as_str())];
            a.is("POST", "/graphql").then(|| with(200, &headers, &spent))
        })
        .await;
        let error = s.installation().pull_request(&repo(), 1, &look(), None).await.unwrap_err();
        assert!(matches!(error, Error::RateLimited { secondary: false, .. }), "{error:?}");
        let again = s.installation().pull_request(&repo(), 1, &look(), None).await.unwrap_err();
        assert_eq!((again, s.asked().len()), (error, 1));
        // REST has another budget.
        assert_eq!(s.installation().check_run(&repo(), 1).await, Err(Error::NotFound));
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        let s = Scripted::start(|a| {
            let id: u16 = a.target.rsplit('/').next()?.parse().ok()?;
            let message = json!({"message": "Resource not accessible by integration"});
            Some(match id {
                403 => with(403, &[("x-accepted-github-permissions", "checks=write")], &message),
                422 => json(422, &json!({"message": "No commit found for SHA"})),
                other => json(other, &json!({})),
            })
        })
        .await;
        let i = s.installation();
        for (status, expected, retry) in [
            (403, Error::Forbidden { needs: Some("checks=write".to_owned()) }, Retry::Never),
            (404, Error::NotFound, Retry::Never),
            (410, Error::Gone, Retry::Never),
            (422, Error::Invalid { message: "No commit found for SHA".to_owned() }, Retry::Never),
            (503, Error::Unavailable { status: Some(503), what: "it answered with status 503".into() }, Retry::Backoff),
        ] {
            let error = i.check_run(&repo(), status).await.unwrap_err();
            assert_eq!((&error, error.retry()), (&expected, retry));
        }
    }

    #[tokio::test]
    async fn writes_go_one_by_one_and_reads_a_few_at_once() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let s = Scripted::start(|a| {
            let kind = usize::from(a.method == "POST");
            a.target.contains("check-runs").then(|| {
                let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
                MOST[kind].fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(2));
                NOW.fetch_sub(1, Ordering::SeqCst);
                json(200, &json!({"id": 1}))
            })
        })
        .await;
        let (i, repo) = (s.installation(), repo());
        let draft = draft();
        let writes = join_all((0..20).map(|_| i.create_check_run(&repo, &draft))).await;
        assert!(writes.iter().all(Result::is_ok));
        let reads = join_all((0..20).map(|n| i.check_run(&repo, n))).await;
        assert!(reads.iter().all(Result::is_ok));
        assert_eq!(MOST[1].load(Ordering::SeqCst), 1);
        assert!(MOST[0].load(Ordering::SeqCst) <= READS_AT_ONCE);
    }

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn no_secret_is_logged_or_shown_whatever_fails() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        tracing::trace!("the log is kept");
        let s = Scripted::start(|a| {
            // A server that throws what it was given back at the client.
            let echo = json!({"message": a.headers["authorization"].split('.').next_back(), "errors": "x"});
            match a.target.rsplit('/').next()? {
                "1" => Some(Reply::Reset),
                "2" => Some(Reply::Silence),
                "3" => Some(json(500, &echo)),
                "4" => Some(json(403, &json!({}))),
                "5" => Some(with(302, &[("location", "http://127.0.0.1:9/")], &json!({}))),
                "6" => Some(json(401, &json!({}))),
                "graphql" => Some(Reply::Answer(200, Vec::new(), b"{".to_vec())),
                "check-runs" => Some(Reply::Reset),
                _ => None,
            }
        })
        .await;
        let i = s.installation();
        let mut shown = format!("{:?} {:?} {:?}", s.github, i, i.permissions().await);
        for id in 1..8 {
            shown.push_str(&match i.check_run(&repo(), id).await {
                Ok(run) => format!("{run:?}"),
                Err(error) => format!("{error} {error:?}"),
            });
        }
        shown.push_str(&format!("{:?}", i.pull_request(&repo(), 1, &look(), None).await.map_err(|e| e.to_string())));
        shown.push_str(&format!("{:?}", i.create_check_run(&repo(), &draft()).await));
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("the log is kept"));
        let key_line = KEY.lines().nth(1).unwrap();
        for (place, text) in [("log", &log), ("output", &shown)] {
            for secret in ["SECRETTOKEN", "Bearer", "eyJ", &key_line[..40]] {
                assert!(!text.contains(secret), "{secret} in the {place}: {text}");
            }
        }
    }
}
