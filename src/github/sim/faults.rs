//! Faults: what the simulated GitHub can be told to do wrong, to requests and to webhooks.

use std::time::Duration;

use super::Sim;

/// Which requests a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultOn {
    /// HTTP method; `None` for any.
    pub method: Option<String>,
    /// Glob over the path, such as `/repos/*/*/check-runs`, where `*` matches no slash and `**` does; `None` for any.
    pub path: Option<String>,
}

impl FaultOn {
    /// Every request.
    pub fn any() -> Self {
        Self { method: None, path: None }
    }

    /// Requests with this method and a path that the glob matches; `graphql` stands for `/graphql`.
    pub fn new(method: &str, path: &str) -> Self {
        let path = if path == "graphql" { "/graphql" } else { path };
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()) }
    }

    /// GraphQL queries.
    pub fn graphql() -> Self {
        Self::new("POST", "/graphql")
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method));
        method_fits && self.path.as_ref().is_none_or(|glob| path_fits(glob, path))
    }
}

fn path_fits(glob: &str, path: &str) -> bool {
    let built = globset::GlobBuilder::new(glob).literal_separator(true).build();
    built.map(|g| g.compile_matcher().is_match(path)).unwrap_or(glob == path)
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An answer with this status, without the request being done.
    Status(u16),
    /// 403 for going too fast, with or without a `retry-after` in seconds; on GraphQL a 200 with an error.
    SecondaryLimit {
        /// Seconds in `retry-after`, if the answer has one.
        retry_after: Option<u64>,
    },
    /// The hourly budget is spent: 403, on GraphQL a 200 with an error.
    PrimaryLimit {
        /// Seconds until the budget comes back.
        reset_in: u64,
    },
    /// No answer until the client gives up; the connection is cut after a minute.
    Timeout,
    /// The connection is reset without the request being done.
    Reset,
    /// The request is done, then the connection is reset.
    AnswerLostAfterWrite,
    /// The connection is reset, and the request is done only after that: a gateway that gave up on a slow server.
    DoneAfterReset(Duration),
    /// The right answer, later.
    Slow(Duration),
    /// 200 with something that is not JSON.
    Garbage,
    /// A GraphQL answer of null data and an error; 502 on REST.
    GraphqlErrors,
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Times {
    /// The next so many times.
    Next(u32),
    /// Until cleared.
    Always,
    /// With this probability, 0 to 1, until cleared.
    Probability(f64),
}

/// A fault to arm with [`Sim::fault`].
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Which requests it hits.
    pub on: FaultOn,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How often.
    pub times: Times,
}

/// What goes wrong with a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFaultKind {
    /// It never arrives; the delivery log has it as failed.
    Lost,
    /// It arrives twice, with one delivery id.
    Duplicated,
    /// It arrives after the one that follows it.
    Reordered,
    /// It arrives later.
    Delayed(Duration),
}

/// A webhook fault to arm with [`Sim::webhook_fault`].
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookFault {
    /// Event name as in `X-GitHub-Event`; `None` for any.
    pub event: Option<String>,
    /// What goes wrong.
    pub kind: WebhookFaultKind,
    /// How often.
    pub times: Times,
}

#[derive(Clone, Debug)]
pub(super) struct Armed<T> {
    fault: T,
    left: u32,
}

pub(super) type ArmedFault = Armed<Fault>;
pub(super) type ArmedWebhookFault = Armed<WebhookFault>;

impl Sim {
    /// Arms a fault. The first armed fault that fits a request wins.
    pub fn fault(&self, fault: Fault) {
        let left = count(fault.times);
        self.shared.state().faults.push(Armed { fault, left });
    }

    /// Arms a webhook fault.
    pub fn webhook_fault(&self, fault: WebhookFault) {
        let left = count(fault.times);
        self.shared.state().webhook_faults.push(Armed { fault, left });
    }

    /// Disarms every fault.
    pub fn heal(&self) {
        let mut state = self.shared.state();
        state.faults.clear();
        state.webhook_faults.clear();
    }
}

fn count(times: Times) -> u32 {
    if let Times::Next(n) = times { n } else { 1 }
}

pub(super) fn strike(
    faults: &mut Vec<ArmedFault>,
    rng: &mut fastrand::Rng,
    method: &str,
    path: &str,
) -> Option<FaultKind> {
    let hit = first(faults, rng, |f| f.on.matches(method, path), |f| f.times)?;
    Some(hit.kind)
}

pub(super) fn strike_webhook(
    faults: &mut Vec<ArmedWebhookFault>,
    rng: &mut fastrand::Rng,
    event: &str,
) -> Option<WebhookFaultKind> {
    let hit = first(faults, rng, |f| f.event.as_ref().is_none_or(|e| e == event), |f| f.times)?;
    Some(hit.kind)
}

fn first<T: Clone>(
    armed: &mut Vec<Armed<T>>,
    rng: &mut fastrand::Rng,
    fits: impl Fn(&T) -> bool,
    times: impl Fn(&T) -> Times,
) -> Option<T> {
    for candidate in armed.iter_mut().filter(|a| a.left > 0 && fits(&a.fault)) {
        match times(&candidate.fault) {
            Times::Next(_) => candidate.left -= 1,
            Times::Probability(p) if rng.f64() >= p => continue,
            Times::Probability(_) | Times::Always => {}
        }
        let hit = candidate.fault.clone();
        armed.retain(|a| a.left > 0);
        return Some(hit);
    }
    None
}
