//! What is made of each command: what follows from it and what is answered. Who may give it was asked of GitHub just now.

use super::{Spoken, Stop, Work, instant, spoken};
use crate::{
    command::{Command, LINE_MAX, Mistake, Needs, Opinion, PREFIX, Wanted, commands},
    config::nearest,
    report::{check_run::NAME, comment, when},
    risk::{
        assessment::Because,
        facts::{ChangeState, Facts, Remediation},
        overrides::{Ask, Current, End, Grant, Refusal, Role, Shown, ended_by, permit, standing},
        runtime::{is_high, is_named},
        signal::SIGNALS,
    },
    service::{Stored, assess::Outcome, gather, metrics, number, overrides, route},
    store::{CheckRunState, CommandRow, CommandState, Decision, Ended, Feedback},
};

impl Work<'_> {
    /// Decides on a command and stores what follows.
    pub(super) async fn decide(&self, row: &mut CommandRow, role: Role) -> Result<(), Stop> {
        let spoken = spoken(row)?;
        // Who ends an override must outlive the decision that says so.
        let (ledger_id, actor) = (self.standing_id().await?, row.given.actor.clone());
        let decision = match &spoken {
            Err(mistake) => told(told_mistake(mistake)),
            Ok(command) if command.needs() == Needs::Write && role < Role::Write => told(comment::needs_write()),
            Ok(Command::Override(args)) => match args.wanted() {
                Some(wanted) => self.overrides(row, role, &wanted, ledger_id.as_deref()).await?,
                None => self.cancels(ledger_id.as_deref(), &actor).await?,
            },
            Ok(command) => self.answers(row, command).await?,
        };
        self.store(row, decision, &spoken).await
    }

    async fn answers(&self, row: &CommandRow, command: &Command) -> Result<Decision<'static>, Stop> {
        Ok(match command {
            Command::Help | Command::Override(_) => followed(comment::help(&help_rows())),
            Command::Explain { signal } => self.explains(signal).await?,
            Command::Owners => match self.stored().await? {
                Some(stored) => followed(comment::owners(&stored.subject())),
                None => told(comment::not_scored()),
            },
            Command::Rescore => self.rescores().await?,
            Command::Feedback { opinion, why } => self.keeps(row, *opinion, why.join(" ")).await?,
            Command::When => match self.stored().await? {
                Some(stored) => followed(when::render(&self.now(stored).await?.subject())),
                None => told(comment::not_scored()),
            },
            Command::Hotfix { incident } => self.mends(row, incident).await?,
            Command::Attribute { .. } | Command::Unattribute { .. } => told(comment::needs_outcomes()),
        })
    }

    async fn store(&self, row: &mut CommandRow, decision: Decision<'_>, spoken: &Spoken) -> Result<(), Stop> {
        self.app.store.decide_command(row, &decision, self.app.clock.now_ms()).await?;
        if !decision.requests.is_empty() {
            self.app.jobs.notify_waiters();
        }
        if decision.made.is_some() {
            metrics::overridden("made");
        }
        if let Some(ended) = &decision.ended {
            metrics::overridden(ended.end.word());
        }
        tracing::info!(
            command.key = %row.given.key, repository = %self.job.repository, pr.number = self.job.number,
            command = kind(spoken), followed = decision.accepted, "a command was decided"
        );
        row.state = if decision.waits { CommandState::Waiting } else { CommandState::Answered };
        (row.accepted, row.reply, row.shown) = (Some(decision.accepted), decision.reply, false);
        Ok(())
    }

    /// The newest assessment, computed again.
    async fn stored(&self) -> Result<Option<Stored>, Stop> {
        let row = self.app.store.latest_assessment(self.job.repository_id, number(self.job.number)).await?;
        let Some(row) = row else { return Ok(None) };
        let stored = Stored::load(&self.app.store, row, self.app.links.clone()).await;
        let broken = |error| Stop::Outcome(Outcome::Broken(format!("a stored assessment cannot be read: {error:#}")));
        stored.map(Some).map_err(broken)
    }

    /// An assessment with the health of its services as it is now.
    async fn now(&self, stored: Stored) -> Result<Stored, Stop> {
        let facts = gather::as_of_now(self.app, self.job.repository_id, stored.subject().facts).await?;
        Ok(stored.with(Facts { at: self.app.clock.now(), ..facts }))
    }

    async fn explains(&self, signal: &[String]) -> Result<Decision<'static>, Stop> {
        let Some(stored) = self.stored().await? else { return Ok(told(comment::not_scored())) };
        if signal.is_empty() {
            return Ok(followed(comment::explain(&stored.subject())));
        }
        let wanted = signal.join("_").to_lowercase().replace('-', "_");
        let named = |one: &&&crate::risk::signal::Signal| {
            one.id == wanted || one.label.to_lowercase().replace([' ', '-'], "_") == wanted
        };
        match SIGNALS.iter().find(named) {
            Some(one) => Ok(followed(comment::explain_signal(&stored.subject(), stored.model(), one.id))),
            None => Ok(told(comment::no_such_signal(nearest(&wanted, SIGNALS.iter().map(|one| one.id))))),
        }
    }

    /// Links the change to an incident that is open on its services.
    async fn mends(&self, row: &CommandRow, incident: &str) -> Result<Decision<'static>, Stop> {
        let Some(stored) = self.stored().await? else { return Ok(told(comment::not_scored())) };
        let open = match gather::open_incidents(self.app, stored.subject().facts).await {
            Ok(open) => open,
            Err(missing) => return Ok(told(when::incidents_unknown(&missing))),
        };
        let Some(found) = open.iter().find(|one| is_named(one, incident)) else {
            let titles: Vec<String> = open.iter().map(|one| one.title.clone()).collect();
            return Ok(told(when::no_such_incident(&titles)));
        };
        if !is_high(found) {
            return Ok(told(when::holds_nothing_back(&found.title)));
        }
        let (now, by) = (self.app.clock.now(), row.given.actor.clone());
        let requests = vec![route::request(self.job, now.timestamp_millis())];
        let mends = Some(Remediation { incident: found.id.clone(), by, at: now });
        Ok(Decision { mends, requests, ..followed(when::linked(&found.title)) })
    }

    /// The job that scores sets the check run back to work: only it knows which commit is the head by then.
    async fn rescores(&self) -> Result<Decision<'static>, Stop> {
        let pull = self.installation.pull_request(&self.repo, self.job.number, &self.app.look(), None).await?;
        if pull.state != ChangeState::Open {
            return Ok(told(comment::not_open()));
        }
        let requests = vec![route::request(self.job, self.app.clock.now_ms())];
        Ok(Decision { waits: true, requests, ..followed(comment::scoring()) })
    }

    /// What came of scoring again, once the check run says it.
    pub(super) async fn conclude(&self, row: &mut CommandRow) -> Result<(), Stop> {
        if !row.outcome_known {
            return Ok(());
        }
        let repository_id = self.job.repository_id;
        let Some(stored) = self.stored().await? else { return Ok(()) };
        let latest = stored.row();
        let run = self.app.store.check_run(repository_id, &latest.head_sha, NAME).await?;
        let Some(run) = run.filter(|run| run.state == CheckRunState::Completed) else { return Ok(()) };
        let reply = match run.external_id.as_deref() == Some(latest.id.as_str()) {
            true => comment::scored(&stored.subject()),
            false => comment::scoring_failed(),
        };
        self.store(row, followed(reply), &Ok(Command::Rescore)).await
    }

    async fn keeps(&self, row: &CommandRow, opinion: Opinion, why: String) -> Result<Decision<'static>, Stop> {
        let latest = self.app.store.latest_assessment(row.given.repository_id, row.given.pull_request).await?;
        let Some(latest) = latest else { return Ok(told(comment::not_scored())) };
        let (id, opinion) = (self.app.clock.new_id(), opinion.word());
        let reply = comment::thanks(&latest.id);
        let feedback = Feedback { id, assessment_id: latest.id, opinion, why };
        Ok(Decision { feedback: Some(feedback), ..followed(reply) })
    }

    async fn standing_id(&self) -> Result<Option<String>, Stop> {
        let ledger = self.app.store.override_ledger(self.job.repository_id, number(self.job.number)).await?;
        Ok(standing(&ledger).map(|made| made.terms.id.clone()))
    }

    /// Whether the override may be made is asked of GitHub's pull request, policy and permission of this moment.
    async fn overrides<'r>(
        &self,
        row: &CommandRow,
        role: Role,
        wanted: &Wanted,
        standing: Option<&'r str>,
    ) -> Result<Decision<'r>, Stop> {
        let pull = self.installation.pull_request(&self.repo, self.job.number, &self.app.look(), None).await?;
        let (repository_id, base_ref) = (self.job.repository_id, &pull.base_ref);
        let policy = gather::policy(self.app, repository_id, &pull.repository, base_ref, &pull.policy).await?.overrides;
        let stored = self.stored().await?;
        let first_at = match &stored {
            Some(stored) => {
                let head = &stored.row().head_sha;
                self.app.store.first_assessed(row.given.repository_id, row.given.pull_request, head).await?
            }
            None => None,
        };
        let shown = stored.as_ref().map(|stored| Shown {
            head_sha: &stored.row().head_sha,
            base_ref: &stored.subject().facts.change.base_ref,
            first_at: instant(first_at.unwrap_or(stored.row().at)),
            score: stored.row().score,
            held: stored.assessment().verdict.because == Because::AtOrAboveThreshold,
        });
        let ask = Ask {
            id: &row.given.key,
            by: &row.given.actor,
            role,
            is_author: pull.author.login.eq_ignore_ascii_case(&row.given.actor),
            reason: &wanted.reason,
            span_s: wanted.span_s,
            asked_at: instant(row.given.asked_at),
            asked_on: row.given.asked_on.as_deref(),
        };
        let open = pull.state == ChangeState::Open;
        let current = Current { head_sha: &pull.head_sha, base_ref: &pull.base_ref, open };
        let now = self.app.clock.now();
        let assessment = stored.as_ref().map(Stored::assessment);
        let granted = self.unmoved(permit(&ask, policy, current, shown, now)).await?;
        match (granted, assessment) {
            (Ok(grant), Some(assessment)) => {
                let terms = &grant.made.terms;
                let reply = comment::overridden(terms, grant.cut, assessment);
                let now = now.timestamp_millis();
                let mut requests =
                    vec![route::request(self.job, now), overrides::due(self.job, &terms.id, terms.until)];
                requests.extend(standing.map(|id| overrides::due(self.job, id, self.app.clock.now())));
                let ended = standing.map(|id| self.ended(id, End::Replaced, None));
                // The check run says it to whoever pressed its button.
                let reply = row.given.comment_id.map(|_| reply);
                let assessment = stored.as_ref().map(|stored| stored.row().id.clone()).unwrap_or_default();
                Ok(Decision {
                    reply,
                    accepted: true,
                    made: Some((grant.made, assessment)),
                    ended,
                    requests,
                    ..Decision::default()
                })
            }
            (Err(refusal), assessment) => {
                metrics::overridden("refused");
                Ok(told(comment::refused(refusal, assessment)))
            }
            (Ok(_), None) => Ok(told(comment::refused(Refusal::NotScored, None))),
        }
    }

    /// What would have ended an override had it been made at once refuses it: it was asked for on something else.
    async fn unmoved(&self, granted: Result<Grant, Refusal>) -> Result<Result<Grant, Refusal>, Stop> {
        let Ok(grant) = granted else { return Ok(granted) };
        let moved = self.app.store.latest_move(self.job.repository_id, number(self.job.number)).await?;
        let end = moved.and_then(|moved| ended_by(&grant.made, overrides::happening(&moved)));
        Ok(if end.is_some() { Err(Refusal::Moved) } else { Ok(grant) })
    }

    async fn cancels<'r>(&self, standing_id: Option<&'r str>, actor: &'r str) -> Result<Decision<'r>, Stop> {
        let ledger = self.app.store.override_ledger(self.job.repository_id, number(self.job.number)).await?;
        let (Some(id), Some(made)) = (standing_id, standing(&ledger)) else {
            return Ok(told(comment::nothing_to_cancel()));
        };
        let now = self.app.clock.now();
        let requests = vec![route::request(self.job, now.timestamp_millis()), overrides::due(self.job, id, now)];
        let ended = Some(self.ended(id, End::Cancelled, Some(actor)));
        Ok(Decision { ended, requests, ..followed(comment::cancelled(&made.terms)) })
    }

    fn ended<'r>(&self, id: &'r str, end: End, by: Option<&'r str>) -> Ended<'r> {
        let (repository_id, pull_request) = (self.job.repository_id, number(self.job.number));
        Ended { id, repository_id, pull_request, at: self.app.clock.now(), end, by }
    }
}

/// The command was followed.
fn followed(reply: String) -> Decision<'static> {
    Decision { reply: Some(reply), accepted: true, ..Decision::default() }
}

/// The command was not followed, and why.
fn told(reply: String) -> Decision<'static> {
    Decision { reply: Some(reply), ..Decision::default() }
}

fn told_mistake(mistake: &Mistake) -> String {
    match mistake {
        Mistake::Unknown { nearest } => comment::no_such_command(nearest.as_deref(), &help_rows()),
        Mistake::Usage { usage } => comment::misused(usage),
        Mistake::TooLong => comment::too_long(PREFIX.len() + LINE_MAX),
    }
}

fn help_rows() -> Vec<comment::HelpRow> {
    let row = |one: crate::command::Described| comment::HelpRow {
        usage: one.usage,
        about: one.about,
        needs: one.needs.words(),
    };
    commands().into_iter().map(row).collect()
}

/// A word for the log.
fn kind(spoken: &Spoken) -> &'static str {
    match spoken {
        Err(_) => "mistake",
        Ok(Command::Help) => "help",
        Ok(Command::Explain { .. }) => "explain",
        Ok(Command::Rescore) => "rescore",
        Ok(Command::Override(args)) if args.wanted().is_none() => "override cancel",
        Ok(Command::Override(_)) => "override",
        Ok(Command::Owners) => "owners",
        Ok(Command::Feedback { .. }) => "feedback",
        Ok(Command::When) => "when",
        Ok(Command::Hotfix { .. }) => "hotfix",
        Ok(Command::Attribute { .. }) => "attribute",
        Ok(Command::Unattribute { .. }) => "unattribute",
    }
}
