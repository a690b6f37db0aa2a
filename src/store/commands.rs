//! Slash-commands: each once by its key, within limits, with its reply stored before GitHub is asked to show it.

use super::{
    JobRequest, Result, Store, StoreError,
    db::{Row, Statement, Val, limit},
    jobs, overrides,
    overrides::Ended,
    services,
};
use crate::risk::{facts::Remediation, overrides::Made};

/// A command as it came in. Texts are from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommand {
    /// What makes it one: `comment:{number}` or `button:{delivery}`.
    pub key: String,
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The pull request.
    pub pull_request: i64,
    /// The comment, if it came in one.
    pub comment_id: Option<i64>,
    /// Account of who gave it.
    pub actor_id: i64,
    /// Login of who gave it.
    pub actor: String,
    /// What is to be done, as JSON.
    pub command: String,
    /// The commit that a button was pressed on.
    pub asked_on: Option<String>,
    /// When it was given, by GitHub's clock where that is known, in milliseconds since 1970.
    pub asked_at: i64,
    /// When it came in, in milliseconds since 1970.
    pub received_at: i64,
}

/// How many commands are taken. They are counted by when they were given, whatever the order in which they come in.
#[derive(Clone, Copy, Debug)]
pub struct CommandLimits {
    /// Those given less than so many milliseconds before or after count.
    pub window: i64,
    /// Of one person in one repository.
    pub actor: i64,
    /// In one repository, of people who are not known to have had write permission there. It bounds the work.
    pub unknown: i64,
}

/// How many commands of people without write permission are listened to.
#[derive(Clone, Copy, Debug)]
pub struct ReaderLimits {
    /// As in [`CommandLimits`].
    pub window: i64,
    /// On one pull request.
    pub pull_request: i64,
    /// In one repository.
    pub repository: i64,
}

/// A command that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRow {
    /// As it came in.
    pub given: NewCommand,
    /// How far it is.
    pub state: CommandState,
    /// Whether it was followed; `None` until that is known.
    pub accepted: Option<bool>,
    /// What is to be answered.
    pub reply: Option<String>,
    /// GitHub's number of the answer, once it is known to be there.
    pub reply_id: Option<i64>,
    /// Whether GitHub shows the reply as it is.
    pub shown: bool,
    /// Since when the creation of the answer is under way, in milliseconds since 1970.
    pub unanswered_since: Option<i64>,
    /// Whether what it waits for has happened since it began to wait.
    pub outcome_known: bool,
    /// Whether it was found that it is to be listened to.
    pub heard: bool,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// Nothing was done.
    Received,
    /// It was followed, and its outcome is awaited.
    Waiting,
    /// Its last answer is known.
    Answered,
    /// Nothing is left to do.
    Done,
}

impl CommandState {
    const ALL: [Self; 4] = [Self::Received, Self::Waiting, Self::Answered, Self::Done];

    fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Done => "done",
        }
    }
}

/// What is made of a command, all at once or not at all.
#[derive(Clone, Debug, Default)]
pub struct Decision<'a> {
    /// What is answered; `None` for nothing.
    pub reply: Option<String>,
    /// Whether it was followed.
    pub accepted: bool,
    /// More will be answered later.
    pub waits: bool,
    /// An override to make, with the assessment that it was made on.
    pub made: Option<(Made, String)>,
    /// An override that ends.
    pub ended: Option<Ended<'a>>,
    /// The incident that the pull request mends.
    pub mends: Option<Remediation>,
    /// Whether a score was right: the assessment, the opinion and why.
    pub feedback: Option<Feedback>,
    /// What is to be done.
    pub requests: Vec<JobRequest>,
}

/// Whether a score was right. Who says so is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Its identifier, which does not lead back to the comment.
    pub id: String,
    /// The assessment.
    pub assessment_id: String,
    /// `right` or `wrong`.
    pub opinion: &'static str,
    /// Why. Untrusted.
    pub why: String,
}

impl Store {
    /// Takes a command unless a limit is reached; `false` if one is. One that was taken before stays as it is.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn admit_command(&self, given: &NewCommand, limits: CommandLimits) -> Result<bool> {
        let args = vec![
            Val::from(&given.key),
            given.repository_id.into(),
            given.pull_request.into(),
            given.comment_id.into(),
            given.actor_id.into(),
            Val::from(&given.actor),
            Val::from(&given.command),
            given.asked_on.as_ref().into(),
            given.asked_at.into(),
            given.received_at.into(),
            (given.asked_at - limits.window).into(),
            (given.asked_at + limits.window).into(),
            limits.actor.into(),
            limits.unknown.into(),
        ];
        if self.db.exec(ADMIT, args).await?.changed == 1 {
            return Ok(true);
        }
        Ok(self.db.query_one(KNOWN, vec![Val::from(&given.key)]).await?.is_some())
    }

    /// Notes that a command is listened to although who gave it may not write, unless a limit is reached; `false` if one is.
    /// One that was listened to before stays so.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn hear_reader(&self, given: &NewCommand, limits: ReaderLimits) -> Result<bool> {
        let args = vec![
            Val::from(&given.key),
            given.repository_id.into(),
            given.pull_request.into(),
            (given.asked_at - limits.window).into(),
            (given.asked_at + limits.window).into(),
            limits.pull_request.into(),
            limits.repository.into(),
        ];
        Ok(self.db.exec(HEAR_READER, args).await?.changed == 1)
    }

    /// Notes that who gave a command may write.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn hear_writer(&self, key: &str) -> Result<()> {
        self.db.exec(HEAR_WRITER, vec![key.into()]).await.map(drop)
    }

    /// The commands of a pull request with which something is left to do, in the order in which they were given.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn open_commands(&self, repository_id: i64, pull_request: i64) -> Result<Vec<CommandRow>> {
        let rows = self.db.query(OPEN, vec![repository_id.into(), pull_request.into()]).await?;
        rows.into_iter().map(command).collect()
    }

    /// Stores what is made of a command, with all that follows from it. A command that is answered already stays so.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is stored.
    pub async fn decide_command(&self, row: &CommandRow, decision: &Decision<'_>, now: i64) -> Result<()> {
        let given = &row.given;
        let state = if decision.waits { CommandState::Waiting } else { CommandState::Answered };
        let mut statements: Vec<Statement> = Vec::new();
        statements.extend(decision.ended.as_ref().map(overrides::ended));
        if let Some((made, assessment)) = &decision.made {
            statements.push(overrides::made(made, given.repository_id, given.pull_request, assessment));
        }
        let mends = |told| services::mends(told, given.repository_id, given.pull_request);
        statements.extend(decision.mends.as_ref().map(mends));
        if let Some(Feedback { id, assessment_id, opinion, why }) = &decision.feedback {
            let args = vec![
                Val::from(id),
                given.repository_id.into(),
                given.pull_request.into(),
                Val::from(assessment_id),
                Val::from(*opinion),
                Val::from(why),
                now.into(),
            ];
            statements.push((FEEDBACK, args));
        }
        statements.extend(decision.requests.iter().map(|request| jobs::request(request, now)));
        let accepted = i64::from(decision.accepted);
        let args = vec![Val::from(&given.key), state.word().into(), accepted.into(), decision.reply.as_ref().into()];
        statements.push((DECIDE, args));
        self.db.tx(statements).await.map(drop)
    }

    /// Notes that the creation of the answer is under way since `since`, or that it was certainly not done.
    ///
    /// # Errors
    /// Whatever the database fails with; then GitHub is not to be asked.
    pub async fn command_reply_unanswered(&self, key: &str, since: Option<i64>) -> Result<()> {
        self.db.exec(UNANSWERED, vec![key.into(), since.into()]).await.map(drop)
    }

    /// Notes that GitHub has the answer under this number, and whether it shows `reply`.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn command_replied(&self, key: &str, reply_id: i64, reply: &str, shown: bool) -> Result<()> {
        let args = vec![key.into(), reply_id.into(), reply.into(), i64::from(shown).into()];
        self.db.exec(REPLIED, args).await.map(drop)
    }

    /// Notes that what a command waits for has happened.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn command_outcome_known(&self, key: &str) -> Result<()> {
        self.db.exec(OUTCOME_KNOWN, vec![key.into()]).await.map(drop)
    }

    /// Notes that nothing is left to do with a command.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn close_command(&self, key: &str) -> Result<()> {
        self.db.exec(CLOSE, vec![key.into()]).await.map(drop)
    }

    /// Forgets commands from before `before` with which nothing is left to do, at most so many; how many they were.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_commands(&self, before: i64, most: usize) -> Result<u64> {
        self.db.exec(FORGET, vec![before.into(), limit(most)]).await.map(|done| done.changed)
    }
}

fn command(mut row: Row) -> Result<CommandRow> {
    let given = NewCommand {
        key: row.take(0)?,
        repository_id: row.take(1)?,
        pull_request: row.take(2)?,
        comment_id: row.take(3)?,
        actor_id: row.take(4)?,
        actor: row.take(5)?,
        command: row.take(6)?,
        asked_on: row.take(7)?,
        asked_at: row.take(8)?,
        received_at: row.take(9)?,
    };
    let state: String = row.take(10)?;
    let state = CommandState::ALL.into_iter().find(|known| known.word() == state);
    Ok(CommandRow {
        given,
        state: state.ok_or(StoreError::Unreadable("the state of a command"))?,
        accepted: row.take::<Option<i64>>(11)?.map(|accepted| accepted == 1),
        reply: row.take(12)?,
        reply_id: row.take(13)?,
        shown: row.take::<i64>(14)? == 1,
        unanswered_since: row.take(15)?,
        outcome_known: row.take::<i64>(16)? == 1,
        heard: row.take::<Option<i64>>(17)?.is_some(),
    })
}

pub(super) const STATEMENTS: &[&str] = &[
    ADMIT,
    KNOWN,
    HEAR_READER,
    HEAR_WRITER,
    OPEN,
    DECIDE,
    FEEDBACK,
    UNANSWERED,
    REPLIED,
    OUTCOME_KNOWN,
    CLOSE,
    FORGET,
];

const ADMIT: &str = "\
INSERT INTO commands (command_key, repository_id, pull_request, comment_id, actor_id, actor, command, asked_on, \
  asked_at, received_at, state) \
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'received' \
WHERE (SELECT COUNT(*) FROM commands WHERE repository_id = $2 AND actor_id = $5 AND asked_at > $11 AND asked_at < $12) < $13 \
  AND (EXISTS (SELECT 1 FROM commands WHERE repository_id = $2 AND actor_id = $5 AND may_write = 1) \
    OR (SELECT COUNT(*) FROM commands WHERE repository_id = $2 AND asked_at > $11 AND asked_at < $12 \
      AND (may_write IS NULL OR may_write = 0)) < $14) \
ON CONFLICT (command_key) DO NOTHING";

const KNOWN: &str = "\
SELECT command_key FROM commands WHERE command_key = $1";

const HEAR_READER: &str = "\
UPDATE commands SET may_write = 0 WHERE command_key = $1 AND (may_write = 0 OR ( \
  (SELECT COUNT(*) FROM commands c WHERE c.repository_id = $2 AND c.pull_request = $3 AND c.may_write = 0 \
    AND c.asked_at > $4 AND c.asked_at < $5) < $6 \
  AND (SELECT COUNT(*) FROM commands c WHERE c.repository_id = $2 AND c.may_write = 0 \
    AND c.asked_at > $4 AND c.asked_at < $5) < $7))";

const HEAR_WRITER: &str = "\
UPDATE commands SET may_write = 1 WHERE command_key = $1";

const OPEN: &str = "\
SELECT command_key, repository_id, pull_request, comment_id, actor_id, actor, command, asked_on, asked_at, \
  received_at, state, accepted, reply, reply_id, shown, unanswered_since, outcome_known, may_write \
FROM commands WHERE repository_id = $1 AND pull_request = $2 AND state <> 'done' ORDER BY asked_at, command_key";

const DECIDE: &str = "\
UPDATE commands SET state = $2, accepted = $3, reply = $4, shown = 0 \
WHERE command_key = $1 AND state IN ('received', 'waiting')";

const FEEDBACK: &str = "\
INSERT INTO feedback (feedback_id, repository_id, pull_request, assessment_id, opinion, why, at) \
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (feedback_id) DO NOTHING";

const UNANSWERED: &str = "\
UPDATE commands SET unanswered_since = $2 WHERE command_key = $1";

const REPLIED: &str = "\
UPDATE commands SET reply_id = $2, unanswered_since = NULL, shown = CASE WHEN reply = $3 THEN $4 ELSE 0 END \
WHERE command_key = $1";

const OUTCOME_KNOWN: &str = "\
UPDATE commands SET outcome_known = 1 WHERE command_key = $1";

const CLOSE: &str = "\
UPDATE commands SET state = 'done' WHERE command_key = $1";

const FORGET: &str = "\
DELETE FROM commands WHERE command_key IN ( \
  SELECT command_key FROM commands WHERE state = 'done' AND received_at < $1 LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn given(n: i64, pull_request: i64, actor_id: i64) -> NewCommand {
        NewCommand {
            key: format!("comment:{n}"),
            repository_id: 1,
            pull_request,
            comment_id: Some(n),
            actor_id,
            actor: "nora".to_owned(),
            command: "{}".to_owned(),
            asked_on: None,
            asked_at: n,
            received_at: n,
        }
    }

    #[tokio::test]
    async fn a_person_and_the_unknown_together_have_a_limit_and_a_known_writer_only_their_own() {
        let place = Place::new();
        let store = place.open().await;
        let limits = CommandLimits { window: 100, actor: 2, unknown: 3 };
        let check = async |n, asked_at, actor, expected| {
            let command = NewCommand { asked_at, received_at: 9_000, ..given(n, 7, actor) };
            let taken = store.admit_command(&command, limits).await.unwrap();
            assert_eq!(taken, expected, "{n} at {asked_at} by {actor}");
        };
        check(1, 1_000, 70, true).await;
        check(2, 1_000, 70, true).await;
        check(3, 1_000, 70, false).await;
        check(1, 1_000, 70, true).await;
        // However late they come, and in whatever order.
        check(4, 1_100, 70, true).await;
        check(5, 901, 70, false).await;
        check(6, 900, 70, true).await;
        check(7, 1_000, 71, true).await;
        check(8, 1_000, 72, false).await;
        store.hear_writer("comment:7").await.unwrap();
        check(8, 1_000, 72, true).await;
        check(9, 1_000, 73, false).await;
        check(10, 1_000, 71, true).await;
        check(11, 1_000, 71, false).await;
        let other = NewCommand { repository_id: 2, asked_at: 1_000, ..given(12, 7, 75) };
        assert_eq!(store.admit_command(&other, limits).await, Ok(true));
    }

    #[tokio::test]
    async fn readers_are_listened_to_within_limits_and_writers_do_not_count() {
        let place = Place::new();
        let store = place.open().await;
        let admitted = CommandLimits { window: 100, actor: 9, unknown: 99 };
        let limits = ReaderLimits { window: 100, pull_request: 2, repository: 3 };
        let check = async |n, pull_request, asked_at, expected| {
            let command = NewCommand { asked_at, ..given(n, pull_request, n) };
            assert_eq!(store.admit_command(&command, admitted).await, Ok(true));
            assert_eq!(store.hear_reader(&command, limits).await, Ok(expected), "{n} on {pull_request} at {asked_at}");
        };
        store.admit_command(&NewCommand { asked_at: 1_000, ..given(90, 7, 90) }, admitted).await.unwrap();
        store.hear_writer("comment:90").await.unwrap();
        check(1, 7, 1_000, true).await;
        check(2, 7, 1_000, true).await;
        check(3, 7, 1_000, false).await;
        check(2, 7, 1_000, true).await;
        check(4, 8, 1_000, true).await;
        check(5, 8, 1_000, false).await;
        check(6, 7, 1_100, true).await;
    }

    #[tokio::test]
    async fn a_thousand_at_once_are_as_many_as_the_limit() {
        let place = Place::new();
        let store = place.open().await;
        let limits = CommandLimits { window: 2_000, actor: 10, unknown: 40 };
        let taken = at_once(1_000, |n| {
            let (store, given) = (store.clone(), given(n + 1, 7, 70));
            async move { store.admit_command(&given, limits).await.unwrap() }
        });
        assert_eq!(taken.await.into_iter().filter(|taken| *taken).count(), 10);
    }

    #[tokio::test]
    async fn a_reply_is_known_before_it_is_shown_and_decided_once() {
        let place = Place::new();
        let store = place.open().await;
        let limits = CommandLimits { window: 9, actor: 9, unknown: 9 };
        store.admit_command(&given(1, 7, 70), limits).await.unwrap();
        let row = || async { store.open_commands(1, 7).await.unwrap().pop() };
        let received = row().await.unwrap();
        assert_eq!((received.state, received.accepted, received.shown), (CommandState::Received, None, false));
        let waits = Decision { reply: Some("a".to_owned()), accepted: true, waits: true, ..Decision::default() };
        store.decide_command(&received, &waits, 5).await.unwrap();
        store.command_reply_unanswered("comment:1", Some(6)).await.unwrap();
        assert_eq!(row().await.unwrap().unanswered_since, Some(6));
        store.command_replied("comment:1", 99, "a", true).await.unwrap();
        let waiting = row().await.unwrap();
        let shown = (waiting.state, waiting.reply_id, waiting.shown, waiting.unanswered_since);
        assert_eq!(shown, (CommandState::Waiting, Some(99), true, None));
        let feedback =
            Feedback { id: "f".to_owned(), assessment_id: "a1".to_owned(), opinion: "wrong", why: "No".to_owned() };
        let last = Decision { reply: Some("b".to_owned()), feedback: Some(feedback), ..Decision::default() };
        store.decide_command(&waiting, &last, 7).await.unwrap();
        let again = Decision { reply: Some("c".to_owned()), accepted: true, ..Decision::default() };
        store.decide_command(&waiting, &again, 8).await.unwrap();
        // What was sent before is not what is to be shown now.
        store.command_replied("comment:1", 99, "a", true).await.unwrap();
        let answered = row().await.unwrap();
        let shown = (answered.state, answered.accepted, answered.reply.as_deref(), answered.shown);
        assert_eq!(shown, (CommandState::Answered, Some(false), Some("b"), false));
        store.close_command("comment:1").await.unwrap();
        assert_eq!(row().await, None);
        assert_eq!(store.forget_commands(1, 10).await, Ok(0));
        assert_eq!(store.forget_commands(2, 10).await, Ok(1));
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        let kept: i64 = connection.query_row("SELECT COUNT(*) FROM feedback", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1);
    }
}
