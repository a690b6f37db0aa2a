//! Routes of the app itself: installations, tokens, budgets, webhook deliveries.

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::answer::{Answer, Outcome, Paging};
use super::super::auth::{Caller, Token};
use super::super::delivery::{Attempt, DeliveryOutcome};
use super::super::shapes::time;
use super::super::state::{InstallationRecord, Permissions, key};
use super::Call;

/// How long deliveries can be listed and asked for again.
const DELIVERIES_KEPT: TimeDelta = TimeDelta::days(3);

impl Call<'_> {
    pub(super) fn app(&self) -> Outcome {
        self.app_only()?;
        let mut shape = self.state.app_shape(&self.state.app);
        shape["events"] = json!(self.state.app.events);
        shape["installations_count"] = json!(self.state.installations.len());
        Ok(Answer::ok(shape))
    }

    pub(super) fn installations(&self) -> Outcome {
        self.app_only()?;
        let all: Vec<&InstallationRecord> = self.state.installations.values().collect();
        self.page(&all, |i| self.state.installation_shape(i))
    }

    fn find_installation(&self, id: &str) -> Result<&InstallationRecord, Answer> {
        self.app_only()?;
        let id: Option<u64> = id.parse().ok();
        id.and_then(|id| self.state.installations.get(&id)).ok_or_else(Answer::not_found)
    }

    pub(super) fn installation(&self, id: &str) -> Outcome {
        Ok(Answer::ok(self.state.installation_shape(self.find_installation(id)?)))
    }

    pub(super) fn installation_of(&self, repo: &str) -> Outcome {
        self.app_only()?;
        let owner = &self.state.known(repo).owner;
        let found = self.state.installation_of(owner).ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(self.state.installation_shape(found)))
    }

    pub(super) fn access_token(&mut self, id: &str) -> Outcome {
        let installation = self.find_installation(id)?;
        if installation.suspended_at.is_some() {
            return Err(Answer::error(403, "This installation has been suspended"));
        }
        let (id, account) = (installation.id, installation.account.clone());
        let selection = installation.selection();
        let permissions = narrowed_permissions(&installation.permissions, &self.request.body["permissions"])?;
        let repositories = self.narrowed_repositories(&account)?;
        let expires_at = self.state.token_end();
        let token = Token { installation: id, expires_at, permissions: permissions.clone(), repositories };
        let old_form = self.request.header("x-github-stateless-s2s-token") == Some("disabled");
        let mut body = json!({
            "expires_at": time(expires_at),
            "permissions": permissions,
            "repository_selection": if token.repositories.is_some() { "selected" } else { selection },
        });
        if let Some(names) = &token.repositories {
            body["repositories"] = names.iter().map(|n| self.state.repo_shape(self.state.known(n))).collect();
        }
        body["token"] = json!(self.state.issue_token(token, old_form));
        Ok(Answer::new(201, body))
    }

    /// The repositories that the request names, by name or id; all must belong to the account.
    fn narrowed_repositories(&self, account: &str) -> Result<Option<Vec<String>>, Answer> {
        let body = &self.request.body;
        if body.get("repositories").is_none() && body.get("repository_ids").is_none() {
            return Ok(None);
        }
        let names = body["repositories"].as_array().into_iter().flatten();
        let by_name = names.map(|n| n.as_str().and_then(|n| self.state.repo(&format!("{account}/{n}"))));
        let ids = body["repository_ids"].as_array().into_iter().flatten();
        let by_id = ids.map(|id| id.as_u64().and_then(|id| self.state.repo_by_id(id)));
        let found: Option<Vec<String>> = by_name
            .chain(by_id)
            .map(|r| r.filter(|r| r.owner.eq_ignore_ascii_case(account)).map(|r| key(&r.full_name())))
            .collect();
        let refusal =
            "There is at least one repository that does not exist or is not accessible to the parent installation.";
        found.map(Some).ok_or_else(|| Answer::error(422, refusal))
    }

    pub(super) fn revoke_token(&mut self) -> Outcome {
        let header = self.request.header("authorization").unwrap_or_default();
        let token = header.split_once(' ').map(|(_, t)| t).unwrap_or_default();
        if self.state.tokens.remove(token).is_none() {
            return Err(Answer::error(401, "Bad credentials"));
        }
        Ok(Answer::new(204, Value::Null))
    }

    pub(super) fn repositories(&self) -> Outcome {
        let Caller::Installation(token) = self.caller else {
            return Err(Answer::error(403, "Resource not accessible by integration"));
        };
        let mine = |owner: &str, name: &str| self.state.visible(self.caller, owner, name).is_some();
        let all: Vec<_> = self.state.repos.values().filter(|r| mine(&r.owner, &r.name)).collect();
        let paging = Paging::of(self.request)?;
        let shapes: Vec<Value> = paging.slice(&all).iter().map(|r| self.state.repo_shape(r)).collect();
        let all_of_it = self.state.installations.get(&token.installation).map_or("all", |i| i.selection());
        let selection = if token.repositories.is_some() { "selected" } else { all_of_it };
        let body = json!({"total_count": all.len(), "repository_selection": selection, "repositories": shapes});
        Ok(self.linked(Answer::ok(body), &paging, all.len()))
    }

    pub(super) fn rate_limit(&mut self) -> Outcome {
        let options = &self.shared.options;
        let core = self.state.budget(options, Some(self.caller), "core").shape();
        let graphql = self.state.budget(options, Some(self.caller), "graphql").shape();
        let unused = json!({"limit": 30, "used": 0, "remaining": 30, "reset": core["reset"]});
        let resources = json!({"core": core, "graphql": graphql, "search": unused});
        Ok(Answer::ok(json!({"resources": resources, "rate": core})))
    }

    pub(super) fn hook_config(&self) -> Outcome {
        self.app_only()?;
        let kind = match self.shared.options.content_type {
            super::super::HookContentType::Json => "json",
            super::super::HookContentType::Form => "form",
        };
        let insecure = if self.state.hook_verified { "0" } else { "1" };
        let url = self.state.hook_url.clone().unwrap_or_default();
        let mut config = json!({"content_type": kind, "insecure_ssl": insecure, "url": url});
        // GitHub shows that there is a secret, never which.
        if !self.state.login.app.webhook_secret.expose_secret().is_empty() {
            config["secret"] = json!("********");
        }
        Ok(Answer::ok(config))
    }

    /// Newest first; `cursor` is the id after which the page starts.
    pub(super) fn deliveries(&self) -> Outcome {
        self.app_only()?;
        let paging = Paging::of(self.request)?;
        let cursor = self.request.param("cursor").and_then(|c| c.parse::<u64>().ok());
        let wanted = |a: &&Attempt| match self.request.param("status") {
            Some("success") => matches!(a.outcome, DeliveryOutcome::Answered(200..=399)),
            Some("failure") => matches!(a.outcome, DeliveryOutcome::Answered(400..=599)),
            _ => true,
        };
        let older = self.kept().rev().filter(|a| cursor.is_none_or(|c| a.id < c)).filter(wanted);
        let mut page: Vec<&Attempt> = older.take(paging.per_page + 1).collect();
        let more = page.len() > paging.per_page;
        page.truncate(paging.per_page);
        let answer = Answer::ok(page.iter().map(|a| self.attempt_shape(a)).collect());
        Ok(match page.last().filter(|_| more) {
            None => answer,
            Some(last) => {
                let (base, path) = (&self.state.base, &self.request.path);
                let next = format!("<{base}{path}?per_page={}&cursor={}>; rel=\"next\"", paging.per_page, last.id);
                answer.with("link", next)
            }
        })
    }

    /// What the log still has.
    fn kept(&self) -> impl DoubleEndedIterator<Item = &Attempt> {
        let since = self.state.now() - DELIVERIES_KEPT;
        self.state.attempts.iter().filter(move |a| a.at >= since)
    }

    fn find_attempt(&self, id: &str) -> Result<&Attempt, Answer> {
        self.app_only()?;
        let id: u64 = id.parse().map_err(|_| Answer::not_found())?;
        self.kept().find(|a| a.id == id).ok_or_else(Answer::not_found)
    }

    pub(super) fn delivery(&self, id: &str) -> Outcome {
        let attempt = self.find_attempt(id)?;
        let mut shape = self.attempt_shape(attempt);
        shape["url"] = json!(self.state.hook_url.clone().unwrap_or_default());
        shape["request"] =
            json!({"headers": {"X-GitHub-Event": attempt.sent.event}, "payload": attempt.sent.payload()});
        shape["response"] = json!({"headers": {}, "payload": ""});
        Ok(Answer::ok(shape))
    }

    pub(super) fn redeliver(&mut self, id: &str) -> Outcome {
        let id = self.find_attempt(id)?.id;
        self.state.redeliver(|a| a.id == id);
        Ok(Answer::new(202, json!({})))
    }

    fn attempt_shape(&self, attempt: &Attempt) -> Value {
        let (status, code) = match &attempt.outcome {
            DeliveryOutcome::Answered(code @ 200..=299) => ("OK".to_owned(), *code),
            DeliveryOutcome::Answered(code) => (format!("Invalid HTTP Response: {code}"), *code),
            DeliveryOutcome::Failed(why) => (why.clone(), 0),
            DeliveryOutcome::NotSent => ("failed to connect to host".to_owned(), 0),
        };
        json!({
            "id": attempt.id,
            "guid": attempt.sent.guid,
            "delivered_at": time(attempt.at),
            "redelivery": attempt.sent.redelivery,
            "duration": 0.1,
            "status": status,
            "status_code": code,
            "event": attempt.sent.event,
            "action": attempt.sent.action,
            "installation_id": attempt.sent.installation,
            "repository_id": attempt.sent.repository,
            "throttled_at": null,
        })
    }
}

/// What a token request asks for, which may only be less than what the installation grants.
fn narrowed_permissions(granted: &Permissions, asked: &Value) -> Result<Permissions, Answer> {
    let Some(asked) = asked.as_object() else { return Ok(granted.clone()) };
    let mut narrowed: Permissions =
        granted.iter().filter(|(n, _)| *n == "metadata").map(|(n, l)| (n.clone(), l.clone())).collect();
    for (name, level) in asked {
        let level = level.as_str().unwrap_or_default();
        let fits = matches!(
            (granted.get(name).map(String::as_str), level),
            (Some("read" | "write"), "read") | (Some("write"), "write")
        );
        if !fits {
            return Err(Answer::error(422, "The permissions requested are not granted to this installation."));
        }
        narrowed.insert(name.clone(), level.to_owned());
    }
    Ok(narrowed)
}
