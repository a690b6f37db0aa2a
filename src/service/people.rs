//! Whom one could ask about a change: names from git become logins of people who may write. What GitHub does not tell
//! within what a score may cost, or refuses, names nobody and is no fault; the next score asks on.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::{
    github::{Installation, PullRequest, RepoName},
    risk::{facts::Knower, overrides::Role},
};

/// Requests that a score costs at most where it makes a check run, and where it writes one anew.
const COLD_REQUESTS: usize = 6;
const WARM_REQUESTS: usize = 3;
/// After this time GitHub is asked again, if a score may.
const FRESH: TimeDelta = TimeDelta::hours(6);
/// After this time an answer counts no more.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// So many commits are asked about in one request.
const BATCH: usize = 5;
/// So many people are found at most: more than are named, since who approved need not be the first.
const FOUND_MAX: usize = 5;
/// Answers that are held at most; beyond that all are asked for again.
const HELD_MAX: usize = 10_000;

/// What GitHub said of people, in memory only: it is asked again after a start.
#[derive(Default)]
pub(super) struct People(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    /// Logins by repository and name in git; `None` where there is no account.
    logins: HashMap<(i64, String), Answer<Option<String>>>,
    /// Who may write, by repository and login in lower case.
    writers: HashMap<(i64, String), Answer<bool>>,
}

#[derive(Clone)]
struct Answer<T> {
    told: T,
    at: DateTime<Utc>,
}

impl<T> Answer<T> {
    fn is_younger(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        now - self.at < age
    }
}

impl People {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be asked while one change is scored.
pub(super) struct Asking<'a> {
    pub(super) app: &'a App,
    pub(super) installation: &'a Installation,
    pub(super) repo: &'a RepoName,
    pub(super) repository_id: i64,
    /// Requests that are left for it.
    pub(super) left: usize,
}

/// How many requests are left of what a score of `pull` may cost, its last write apart.
pub(super) fn left(installation: &Installation, pull: &PullRequest, cold: bool) -> usize {
    let most = if cold { COLD_REQUESTS } else { WARM_REQUESTS };
    most.saturating_sub(installation.sent() + usize::from(pull.token_fetched) + 1)
}

impl Asking<'_> {
    /// Those of `candidates` who may write and are not `author`, by their logins.
    pub(super) async fn who(mut self, candidates: Vec<Knower>, author: &str) -> Vec<Knower> {
        let mut found: Vec<Knower> = Vec::new();
        // Those who know most come first, and may have left or never been let write: then the next are asked about.
        for some in candidates.chunks(BATCH) {
            let logins = self.logins(some).await;
            for (candidate, login) in some.iter().zip(logins) {
                if found.len() == FOUND_MAX {
                    return found;
                }
                let Some(login) = login.filter(|login| !login.eq_ignore_ascii_case(author)) else { continue };
                let name = format!("@{login}");
                // One person may go by two names in git.
                if found.iter().all(|each| !each.name.eq_ignore_ascii_case(&name)) && self.may_write(&login).await {
                    found.push(Knower { name, commit: None, ..candidate.clone() });
                }
            }
        }
        found
    }

    /// The login of each candidate, as far as it is known or may be asked for.
    async fn logins(&mut self, candidates: &[Knower]) -> Vec<Option<String>> {
        let now = self.app.clock.now();
        let key = |knower: &Knower| (self.repository_id, knower.name.to_lowercase());
        let unknown: Vec<&Knower> = {
            let answers = self.app.people.answers();
            let fresh = |each: &&Knower| answers.logins.get(&key(each)).is_some_and(|told| told.is_younger(FRESH, now));
            candidates
                .iter()
                .filter(|each| own_login(each).is_none() && each.commit.is_some())
                .filter(|each| !fresh(each))
                .collect()
        };
        if !unknown.is_empty() && self.left > 0 {
            self.left -= 1;
            let commits: Vec<&str> = unknown.iter().filter_map(|each| each.commit.as_deref()).collect();
            match self.installation.commit_authors(self.repo, &commits).await {
                Ok(found) => {
                    let mut answers = self.app.people.answers();
                    answers.make_room(now);
                    for (knower, told) in unknown.iter().zip(found) {
                        answers.logins.insert(key(knower), Answer { told, at: now });
                    }
                }
                Err(error) => tracing::debug!(%error, "GitHub did not tell who wrote commits"),
            }
        }
        let answers = self.app.people.answers();
        let told = |each: &Knower| {
            let answer = answers.logins.get(&key(each)).filter(|answer| answer.is_younger(KEPT, now));
            own_login(each).or_else(|| answer?.told.clone())
        };
        candidates.iter().map(told).collect()
    }

    async fn may_write(&mut self, login: &str) -> bool {
        let (now, key) = (self.app.clock.now(), (self.repository_id, login.to_lowercase()));
        let known = self.app.people.answers().writers.get(&key).cloned();
        let fresh = known.as_ref().is_some_and(|known| known.is_younger(FRESH, now));
        if !fresh && self.left > 0 {
            self.left -= 1;
            match self.installation.collaborator(self.repo, login).await {
                Ok(found) => {
                    let told = found.role >= Role::Write;
                    let mut answers = self.app.people.answers();
                    answers.make_room(now);
                    answers.writers.insert(key, Answer { told, at: now });
                    return told;
                }
                Err(error) => tracing::debug!(%error, "GitHub did not tell what somebody may do"),
            }
        }
        known.is_some_and(|known| known.told && known.is_younger(KEPT, now))
    }
}

impl Answers {
    fn make_room(&mut self, now: DateTime<Utc>) {
        if self.logins.len() + self.writers.len() < HELD_MAX {
            return;
        }
        self.logins.retain(|_, answer| answer.is_younger(FRESH, now));
        self.writers.retain(|_, answer| answer.is_younger(FRESH, now));
        if self.logins.len() + self.writers.len() >= HELD_MAX {
            *self = Self::default();
        }
    }
}

/// The login that a no-reply address tells.
fn own_login(knower: &Knower) -> Option<String> {
    knower.name.strip_prefix('@').map(str::to_owned)
}
