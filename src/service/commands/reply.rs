//! The answer to a command: a reaction at once, one comment that is edited, a reaction at the end.
//!
//! The comment begins with a hidden marker that names the command. That it is about to be written is stored first; where
//! the answer to that was lost, GitHub is looked at before another is written. Everything else may be repeated.

use super::{LATE, Stop, Work, instant};
use crate::{
    github::{CommentLook, Reaction, Retry},
    service::{assess::Outcome, number},
    store::{CommandRow, StoreError},
};

impl Work<'_> {
    /// Shows that the command was seen.
    pub(super) async fn receipt(&self, row: &CommandRow) -> Result<(), Stop> {
        self.react(row, Reaction::Eyes).await
    }

    /// Shows whether the command was followed.
    pub(super) async fn mark(&self, row: &CommandRow) -> Result<(), Stop> {
        let followed = row.accepted.unwrap_or_default();
        self.react(row, if followed { Reaction::PlusOne } else { Reaction::MinusOne }).await
    }

    /// A button has nothing to react to.
    async fn react(&self, row: &CommandRow, reaction: Reaction) -> Result<(), Stop> {
        let Some(comment) = row.given.comment_id else { return Ok(()) };
        Ok(self.installation.react(&self.repo, comment.unsigned_abs(), reaction).await?)
    }

    /// Has the reply stand below the pull request, once.
    pub(super) async fn answer(&self, row: &mut CommandRow) -> Result<(), Stop> {
        let Some(reply) = row.reply.clone().filter(|_| !row.shown) else { return Ok(()) };
        let body = format!("{}\n{reply}", marker(row));
        let known = match row.reply_id {
            Some(id) => Some(id),
            None => self.find(row).await?,
        };
        let id = match known {
            Some(id) => {
                self.installation.update_comment(&self.repo, id.unsigned_abs(), &body).await?;
                id
            }
            None => self.create(row, &body).await?,
        };
        self.app.store.command_replied(&row.given.key, id, &reply, true).await?;
        (row.reply_id, row.shown, row.unanswered_since) = (Some(id), true, None);
        Ok(())
    }

    /// The comment that an earlier try may have written; GitHub is asked only where there was one.
    async fn find(&self, row: &CommandRow) -> Result<Option<i64>, Stop> {
        let Some(since) = row.unanswered_since else { return self.find_of_old(row).await };
        // It may still be under way; until it has certainly ended, looking proves nothing.
        let until = instant(since).max(self.app.started_at) + self.app.timing.answer_lost;
        if self.app.clock.now() < until {
            let why = "an earlier comment may still be under way at GitHub".to_owned();
            return Err(Stop::Outcome(Outcome::Wait { until, why }));
        }
        self.look(row).await
    }

    async fn look(&self, row: &CommandRow) -> Result<Option<i64>, Stop> {
        let marker = marker(row);
        // Clocks differ; what came before the command cannot be its answer.
        let since = instant(row.given.asked_at.min(row.given.received_at)) - chrono::TimeDelta::minutes(5);
        let look = CommentLook { app_id: self.app.app_id, marker: &marker, since };
        let found = self.installation.find_comment(&self.repo, self.job.number, &look).await?;
        Ok(found.map(number))
    }

    /// A command that is told of long after it was given may have been answered already, and the database put back from a copy
    /// since.
    async fn find_of_old(&self, row: &CommandRow) -> Result<Option<i64>, Stop> {
        let late = row.given.received_at - row.given.asked_at > LATE.num_milliseconds();
        if late { self.look(row).await } else { Ok(None) }
    }

    async fn create(&self, row: &CommandRow, body: &str) -> Result<i64, Stop> {
        self.note(row, Some(self.app.clock.now_ms())).await?;
        match self.installation.create_comment(&self.repo, self.job.number, body).await {
            Ok(id) => Ok(number(id)),
            Err(error) => {
                let since = (error.retry() == Retry::LookFirst).then(|| self.app.clock.now_ms());
                self.note(row, since).await?;
                Err(error.into())
            }
        }
    }

    async fn note(&self, row: &CommandRow, since: Option<i64>) -> Result<(), StoreError> {
        self.app.store.command_reply_unanswered(&row.given.key, since).await
    }
}

/// What the answer to a command begins with. Nobody sees it.
fn marker(row: &CommandRow) -> String {
    // A delivery's id comes from a header.
    let key: String = row.given.key.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-')).collect();
    format!("<!-- mergecast:{} -->", key.replace("--", "-"))
}
