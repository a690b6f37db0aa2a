//! The App where it is installed: every call passes the gate, waits its turn, carries a token, and is judged once.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

use super::auth::{Permissions, Token, TokenSlot};
use super::client::AppClient;
use super::error::Error;
use super::graphql::{self, Partial};
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
}

/// What all calls of an installation share.
pub(super) struct Shared {
    id: u64,
    gate: Gate,
    token: TokenSlot,
    /// One write at a time, in the order in which they came.
    writes: Mutex<()>,
    reads: Semaphore,
}

impl Shared {
    pub(super) fn new(id: u64) -> Self {
        let (gate, token, writes) = (Gate::default(), TokenSlot::default(), Mutex::new(()));
        Self { id, gate, token, writes, reads: Semaphore::new(READS_AT_ONCE) }
    }
}

/// The right to send now; given back when dropped.
enum Turn<'a> {
    Read { _permit: SemaphorePermit<'a> },
    Write { _guard: MutexGuard<'a, ()> },
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

impl Installation {
    pub(super) fn new(app: Arc<AppClient>, shared: Arc<Shared>) -> Self {
        Self { app, shared }
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// What it allows the App, as its token says.
    pub async fn permissions(&self) -> Result<Permissions, Error> {
        Ok(self.token().await?.permissions.clone())
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
            self.shared.gate.check_write(self.app.options.writes_per_minute, self.clock().now())?;
        }
        let mut answer = self.transport().exchange(call, &token.secret).await?;
        if answer.status == 401 {
            self.shared.token.drop_token(&token).await;
            let token = self.token().await?;
            answer = self.transport().exchange(call, &token.secret).await?;
        }
        judge(answer, call.write, bucket, &self.shared.gate, self.clock())
    }

    /// Waits until it is this call's turn, no longer than one exchange may take.
    async fn turn(&self, write: bool) -> Result<Turn<'_>, Error> {
        let wait = async {
            if write {
                return Turn::Write { _guard: self.shared.writes.lock().await };
            }
            let permit = self.shared.reads.acquire().await;
            Turn::Read { _permit: permit.expect("the semaphore is never closed") }
        };
        let late = |_| Error::unavailable("too many calls were waiting");
        timeout(self.transport().deadline(), wait).await.map_err(late)
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
        gate.passed(bucket, &rate, clock.now());
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
