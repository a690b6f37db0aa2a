//! Faults: what the simulated Datadog can be told to do wrong.

use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An answer with this status and Datadog's usual words, without the request being looked at.
    Status(u16),
    /// An answer with this status and no body.
    Empty(u16),
    /// 429 with nothing in it; the headers say when to come back, if that is said at all.
    RateLimited {
        /// Seconds in `X-RateLimit-Reset`.
        reset: Option<u64>,
    },
    /// No answer until the client gives up; the connection is cut after a minute.
    Timeout,
    /// The connection is cut without an answer.
    Cut,
    /// The right answer up to its middle, then the connection is cut.
    Half,
    /// The right answer, later.
    Slow(Duration),
    /// 200 with something that is not JSON.
    Garbage,
    /// 200 with JSON of another shape than anything that Datadog sends.
    Nonsense,
    /// A redirect to another place.
    Redirect,
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Times {
    /// The next so many times.
    Next(u32),
    /// Until healed.
    Always,
    /// With this probability, 0 to 1, until healed.
    Probability(f64),
}

/// A fault to arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Beginning of the paths that it hits; empty hits all.
    pub path: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How often.
    pub times: Times,
}

#[derive(Debug)]
pub(super) struct Faults {
    armed: Vec<(Fault, u32)>,
    lots: fastrand::Rng,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { armed: Vec::new(), lots: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn arm(&mut self, fault: Fault) {
        let left = if let Times::Next(times) = fault.times { times } else { 1 };
        self.armed.push((fault, left));
    }

    pub(super) fn heal(&mut self) {
        self.armed.clear();
    }

    /// What goes wrong with a request now: the first fault that fits it.
    pub(super) fn strike(&mut self, path: &str) -> Option<FaultKind> {
        let lots = &mut self.lots;
        let mut happens = |times| match times {
            Times::Probability(share) => lots.f64() < share,
            Times::Next(_) | Times::Always => true,
        };
        let fits = |(fault, left): &&mut (Fault, u32)| *left > 0 && path.starts_with(&fault.path);
        let hit = self.armed.iter_mut().filter(fits).find(|(fault, _)| happens(fault.times))?;
        if let Times::Next(_) = hit.0.times {
            hit.1 -= 1;
        }
        let kind = hit.0.kind.clone();
        self.armed.retain(|(_, left)| *left > 0);
        Some(kind)
    }
}
