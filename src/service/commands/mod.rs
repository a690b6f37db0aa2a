//! Slash-commands, from a comment or a button to the answer. They are taken within limits, worked on one after the other
//! for each pull request, and answered once; what is done and what is answered is stored before GitHub is asked.

mod answers;
mod reply;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    App,
    assess::{LAG_LOOKS, Outcome, PullRequestJob},
    number,
    route::Routed,
};
use crate::{
    command::{self, Command, Mistake, OverrideArgs},
    github::{
        self, Installation, Permissions, RepoName,
        webhook::{Account, CheckRunEvent, IssueCommentEvent, Origin},
    },
    risk::overrides::Role,
    store::{
        CommandLimits, CommandRow, CommandState, Delivery, DeliveryOutcome, Job, JobRequest, NewCommand, ReaderLimits,
        StoreError,
    },
};

/// Kind of the jobs that follow the commands of a pull request.
pub(super) const COMMANDS: &str = "commands";

/// Kind of the jobs that show that commands were received while those before them are put off.
pub(super) const RECEIPTS: &str = "receipts";

/// Receipts that one try shows ahead of their turn: as many commands as one person may give.
const RECEIPTS_MAX: usize = 10;

/// A command that is told of so long after it was given may have been answered before.
const LATE: TimeDelta = TimeDelta::minutes(10);
/// The limits count the commands of so long; what is over them is dropped without a word.
const WINDOW: TimeDelta = TimeDelta::minutes(10);
const LIMITS: CommandLimits = CommandLimits { window: WINDOW.num_milliseconds(), actor: 10, unknown: 100 };
/// GitHub lets an App write some 500 times an hour, and a command takes up to four writes. Those who may write share
/// these with nobody: no crowd of others is to silence them.
const READERS: ReaderLimits = ReaderLimits { window: WINDOW.num_milliseconds(), pull_request: 10, repository: 20 };

/// The reason that a press of Acknowledge stands for.
const ACKNOWLEDGED: &str = "Acknowledged in the check run";

/// What somebody wants: a command, or a mistake that is to be told.
type Spoken = Result<Command, Mistake>;

/// A command in a comment below a pull request; `None` if there is none that is to be followed.
pub(super) async fn commented(
    app: &App,
    delivery: &Delivery,
    event: &IssueCommentEvent,
) -> Result<Option<Routed>, StoreError> {
    let Some(author) = event.author.as_ref().filter(|author| is_person(author, &event.origin)) else {
        return Ok(None);
    };
    // Whatever an App says on somebody's behalf was not typed by them.
    if event.app_id.is_some() {
        return Ok(None);
    }
    let Some(spoken) = command::read(&event.body) else { return Ok(None) };
    let asked_at = event.created_at.map_or(delivery.received_at, |at| at.timestamp_millis());
    let given = NewCommand {
        key: format!("comment:{}", event.comment_id),
        comment_id: Some(number(event.comment_id)),
        asked_on: None,
        ..new(delivery, &event.origin, event.number, author, asked_at, &spoken)
    };
    admit(app, &event.origin, event.number, given, event.insider).await
}

/// A press of Acknowledge on our check run: the same as an override, with a reason of its own.
pub(super) async fn acknowledged(
    app: &App,
    delivery: &Delivery,
    event: &CheckRunEvent,
) -> Result<Option<Routed>, StoreError> {
    let origin = &event.origin;
    let Some(sender) = origin.sender.as_ref().filter(|sender| is_person(sender, origin)) else { return Ok(None) };
    // Several pull requests may share the commit: what is acknowledged is what was shown. A fork's payload lists none.
    let shown = match &event.external_id {
        Some(id) => app.store.assessment(id).await?.and_then(|row| row.pull_request),
        None => None,
    };
    let known = match shown {
        Some(pull) => Some(pull),
        None => app.store.pull_request_of_head(number(origin.repository.id), &event.head_sha).await?,
    };
    let Some(pull) = known.map(i64::unsigned_abs).or(event.pulls.first().copied()) else { return Ok(None) };
    // A press that GitHub could not hand over at once is as old as its first try.
    let pressed_at = app.store.first_delivered_at(&delivery.delivery_id).await?.unwrap_or(delivery.received_at);
    let spoken = Ok(Command::Override(OverrideArgs::because(ACKNOWLEDGED)));
    let given = NewCommand {
        key: format!("button:{}", delivery.delivery_id),
        asked_on: Some(event.head_sha.clone()),
        ..new(delivery, origin, pull, sender, pressed_at.min(delivery.received_at), &spoken)
    };
    // GitHub shows the button to those only who may write.
    admit(app, origin, pull, given, true).await
}

fn is_person(account: &Account, origin: &Origin) -> bool {
    !account.bot && origin.sender.as_ref().is_none_or(|sender| sender.id == account.id)
}

fn new(delivery: &Delivery, origin: &Origin, pull: u64, actor: &Account, asked_at: i64, spoken: &Spoken) -> NewCommand {
    NewCommand {
        key: String::new(),
        repository_id: number(origin.repository.id),
        pull_request: number(pull),
        comment_id: None,
        actor_id: number(actor.id),
        actor: actor.login.clone(),
        command: serde_json::to_string(spoken).expect("a command is plain data"),
        asked_on: None,
        asked_at,
        received_at: delivery.received_at,
    }
}

/// An `insider` does not count among those of whom nothing is known: no crowd keeps them from being asked about.
async fn admit(
    app: &App,
    origin: &Origin,
    pull: u64,
    given: NewCommand,
    insider: bool,
) -> Result<Option<Routed>, StoreError> {
    let Some(installation_id) = origin.installation_id else { return Ok(None) };
    let unknown = if insider { i64::MAX } else { LIMITS.unknown };
    if !app.store.admit_command(&given, CommandLimits { unknown, ..LIMITS }).await? {
        tracing::debug!(command.key = %given.key, pr.number = pull, "too many commands: one more is dropped");
        return Ok(None);
    }
    let job = PullRequestJob {
        installation_id,
        repository_id: given.repository_id,
        repository: origin.repository.name.to_string(),
        number: pull,
        head_sha: None,
        updated_at: None,
        undoes: None,
    };
    let now = app.clock.now_ms();
    let mut jobs = vec![request(&job, now)];
    if app.store.is_job_put_back(&jobs[0].key, now).await? {
        let key = format!("receipts:{}:{pull}", job.repository_id);
        jobs.push(JobRequest { key, kind: RECEIPTS.to_owned(), ..request(&job, now) });
    }
    Ok(Some(Routed { outcome: DeliveryOutcome::Done, jobs }))
}

/// Whether the installation lets the App answer commands.
pub(super) fn answered(granted: &Permissions) -> bool {
    granted.can_write("pull_requests") || granted.can_write("issues")
}

fn key(repository_id: i64, pull_request: i64) -> String {
    format!("commands:{repository_id}:{pull_request}")
}

fn request(job: &PullRequestJob, run_at: i64) -> JobRequest {
    JobRequest {
        key: key(job.repository_id, number(job.number)),
        kind: COMMANDS.to_owned(),
        payload: serde_json::to_string(job).expect("a job is plain data"),
        run_at,
        replaces: true,
    }
}

/// Keys of the commands that wait for a pull request to be scored again.
pub(super) async fn waiting(app: &App, repository_id: i64, pull_request: i64) -> Result<Vec<String>, StoreError> {
    let mut open = app.store.open_commands(repository_id, pull_request).await?;
    open.retain(|row| row.state == CommandState::Waiting);
    Ok(open.into_iter().map(|row| row.given.key).collect())
}

/// A pull request was scored, or could not be: the commands that waited for it when that began are gone on with.
pub(super) async fn wake(
    app: &App,
    repository_id: i64,
    pull_request: i64,
    waited: &[String],
) -> Result<(), StoreError> {
    for command in waited {
        app.store.command_outcome_known(command).await?;
    }
    if !waited.is_empty() {
        app.store.request_job_again(&key(repository_id, pull_request), app.clock.now_ms()).await?;
        app.jobs.notify_waiters();
    }
    Ok(())
}

/// The work on the commands of one pull request.
struct Work<'a> {
    app: &'a App,
    installation: Installation,
    repo: RepoName,
    job: &'a PullRequestJob,
}

/// Why work on a command stops.
enum Stop {
    /// For now.
    Outcome(Outcome),
    /// For good: it cannot be answered, and that was said in the log.
    Close,
    /// What it is about is gone, or not yet known to all of GitHub.
    Missing,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Outcome(error.into())
    }
}

impl From<github::Error> for Stop {
    fn from(error: github::Error) -> Self {
        match error {
            github::Error::Forbidden { needs } => {
                let needs = needs.as_deref().unwrap_or("pull_requests=write");
                tracing::warn!(
                    needs,
                    "a command cannot be answered: the installation does not grant it, or the conversation is locked"
                );
                Self::Close
            }
            github::Error::NotFound | github::Error::Gone => Self::Missing,
            other => Self::Outcome(other.into()),
        }
    }
}

/// Follows and answers the commands of a pull request, in the order in which they were given.
pub(super) async fn run(app: &App, job: &PullRequestJob, attempts: i64) -> Result<(), Outcome> {
    let work = Work::new(app, job)?;
    for row in work.open().await? {
        match work.follow(row.clone()).await {
            Ok(()) => {}
            Err(Stop::Close) => app.store.close_command(&row.given.key).await?,
            Err(Stop::Missing) if attempts < LAG_LOOKS => {
                return Err(Outcome::Retry(
                    "GitHub does not know the comment or pull request yet, or no longer".to_owned(),
                ));
            }
            Err(Stop::Missing) => {
                tracing::info!("a command is not answered: its comment or its pull request is gone");
                app.store.close_command(&row.given.key).await?;
            }
            Err(Stop::Outcome(outcome)) => {
                work.receive().await?;
                return Err(outcome);
            }
        }
    }
    Ok(())
}

/// Shows that commands were received which wait until an earlier one is done with.
pub(super) async fn receive(app: &App, job: &PullRequestJob) -> Result<(), Outcome> {
    Ok(Work::new(app, job)?.receive().await?)
}

/// Gives the oldest unanswered command up, so that those after it are followed; gives its key, for the log. The effects of
/// a command come before its answer; what it did stays done.
pub(super) async fn give_up(app: &App, job: &Job) -> Result<Option<String>, StoreError> {
    let Ok(wanted) = serde_json::from_str::<PullRequestJob>(&job.payload) else { return Ok(None) };
    let open = app.store.open_commands(wanted.repository_id, number(wanted.number)).await?;
    let gone_on = |row: &&CommandRow| !(row.state == CommandState::Waiting && row.shown);
    let Some(row) = open.iter().find(gone_on) else { return Ok(None) };
    app.store.close_command(&row.given.key).await?;
    if open.len() > 1 {
        app.store.request_job_again(&job.key, app.clock.now_ms()).await?;
    }
    Ok(Some(row.given.key.clone()))
}

impl<'a> Work<'a> {
    fn new(app: &'a App, job: &'a PullRequestJob) -> Result<Self, Outcome> {
        let repo = RepoName::parse(&job.repository);
        let repo = repo.ok_or_else(|| Outcome::Broken("the job names no repository".to_owned()))?;
        Ok(Self { app, installation: app.github.installation(job.installation_id), repo, job })
    }

    async fn open(&self) -> Result<Vec<CommandRow>, StoreError> {
        self.app.store.open_commands(self.job.repository_id, number(self.job.number)).await
    }

    /// Shows once that commands were received. What fails here is done again in its turn.
    async fn receive(&self) -> Result<(), StoreError> {
        let mut rows = self.open().await?;
        rows.retain(|row| !row.heard && row.state == CommandState::Received);
        for row in rows.iter().take(RECEIPTS_MAX) {
            let heard = async {
                let role = self.role(row).await?;
                if role < Role::Read {
                    return Err(Stop::Close);
                }
                self.hear(row, role).await?;
                self.receipt(row).await
            };
            match heard.await {
                Ok(()) => {}
                Err(Stop::Close) => self.app.store.close_command(&row.given.key).await?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Brings one command as far as it can be brought now.
    async fn follow(&self, mut row: CommandRow) -> Result<(), Stop> {
        match row.state {
            CommandState::Received => {
                let role = self.role(&row).await?;
                if role < Role::Read {
                    // An answer would let strangers make the App write.
                    return Err(Stop::Close);
                }
                self.hear(&row, role).await?;
                self.receipt(&row).await?;
                self.decide(&mut row, role).await?;
            }
            CommandState::Waiting => self.conclude(&mut row).await?,
            CommandState::Answered | CommandState::Done => {}
        }
        self.answer(&mut row).await?;
        if row.state == CommandState::Answered {
            self.mark(&row).await?;
            self.app.store.close_command(&row.given.key).await?;
        }
        Ok(())
    }

    /// Listens to a command, unless people without write permission have given too many.
    async fn hear(&self, row: &CommandRow, role: Role) -> Result<(), Stop> {
        if role >= Role::Write {
            return Ok(self.app.store.hear_writer(&row.given.key).await?);
        }
        if !self.app.store.hear_reader(&row.given, READERS).await? {
            tracing::debug!(command.key = %row.given.key, "too many commands of readers: one more is dropped");
            return Err(Stop::Close);
        }
        Ok(())
    }

    /// What the person may do now. A login can change hands: the account must be the one that spoke.
    async fn role(&self, row: &CommandRow) -> Result<Role, Stop> {
        let known = self.installation.collaborator(&self.repo, &row.given.actor).await?;
        let same = known.id.is_none_or(|id| number(id) == row.given.actor_id);
        Ok(if same { known.role } else { Role::None })
    }
}

fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// What a stored command says.
fn spoken(row: &CommandRow) -> Result<Spoken, Stop> {
    let broken = |error| Outcome::Broken(format!("the command cannot be read: {error}"));
    serde_json::from_str(&row.given.command).map_err(|error| Stop::Outcome(broken(error)))
}
