//! What is told to others of deployments and failures, each once: to send something its row is claimed first.

use chrono::{DateTime, Utc};

use super::{Result, Store, StoreError, db::Val};

/// What is known of something that was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// How often it was tried.
    pub attempts: i64,
    /// When it was sent last; `None` if it never was, as far as is known.
    pub sent_at: Option<DateTime<Utc>>,
    /// Digest of what was sent last.
    pub sent_digest: Option<String>,
    /// What it is called where it was sent to.
    pub remote_id: Option<String>,
}

impl Store {
    /// Claims what is to be sent to `place` about `subject`, until `until`; `false` if it was sent already, or somebody
    /// else is about to send it. `digest` is of what is sent: another one is sent as well, in place of the one before. Whoever
    /// claims it ends with [`Store::sent`] or [`Store::unsent`]; a claim that lapses without is one of which nobody knows
    /// whether it was sent.
    ///
    /// # Errors
    /// Whatever the database fails with; then it is not claimed.
    pub async fn claim_sending(
        &self,
        place: &str,
        subject: &str,
        digest: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool> {
        let (now, until) = (now.timestamp_millis(), until.timestamp_millis());
        let args = vec![Val::from(place), Val::from(subject), Val::from(digest), until.into(), now.into()];
        Ok(self.db.exec(CLAIM, args).await?.changed == 1)
    }

    /// What was claimed was sent, and is called `remote_id` there.
    ///
    /// # Errors
    /// Whatever the database fails with; then the claim lapses in time.
    pub async fn sent(
        &self,
        place: &str,
        subject: &str,
        digest: &str,
        remote_id: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let args = vec![
            Val::from(place),
            Val::from(subject),
            Val::from(digest),
            now.timestamp_millis().into(),
            Val::from(remote_id),
        ];
        self.db.exec(SENT, args).await.map(drop)
    }

    /// What was claimed was not sent, for sure: it may be claimed again from `again_at` on.
    ///
    /// # Errors
    /// Whatever the database fails with; then the claim lapses in time.
    pub async fn unsent(&self, place: &str, subject: &str, digest: &str, again_at: DateTime<Utc>) -> Result<()> {
        let args = vec![Val::from(place), Val::from(subject), Val::from(digest), again_at.timestamp_millis().into()];
        self.db.exec(UNSENT, args).await.map(drop)
    }

    /// What is known of something that was to be sent.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn sending(&self, place: &str, subject: &str) -> Result<Option<Sending>> {
        let Some(mut row) = self.db.query_one(SENDING, vec![Val::from(place), Val::from(subject)]).await? else {
            return Ok(None);
        };
        let sent_at = row.take::<Option<i64>>(1)?.map(DateTime::from_timestamp_millis);
        let sent_at = sent_at.map(|at| at.ok_or(StoreError::Unreadable("a time"))).transpose()?;
        Ok(Some(Sending { attempts: row.take(0)?, sent_at, sent_digest: row.take(2)?, remote_id: row.take(3)? }))
    }

    /// What was sent to `place` at `since` or later, by its subjects, in their order.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn sent_subjects(&self, place: &str, since: DateTime<Utc>) -> Result<Vec<String>> {
        let rows = self.db.query(SUBJECTS, vec![Val::from(place), since.timestamp_millis().into()]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }
}

pub(super) const STATEMENTS: &[&str] = &[CLAIM, SENT, UNSENT, SENDING, SUBJECTS];

const SUBJECTS: &str = "\
SELECT subject FROM sendings WHERE place = $1 AND sent_at >= $2 ORDER BY subject";

const CLAIM: &str = "\
INSERT INTO sendings (place, subject, digest, claimed_until, attempts) VALUES ($1, $2, $3, $4, 1) \
ON CONFLICT (place, subject) DO UPDATE SET digest = excluded.digest, claimed_until = excluded.claimed_until, \
  attempts = sendings.attempts + 1 \
WHERE (sendings.claimed_until IS NULL OR sendings.claimed_until <= $5) \
  AND (sendings.sent_digest IS NULL OR sendings.sent_digest <> excluded.digest)";

const SENT: &str = "\
UPDATE sendings SET claimed_until = NULL, sent_at = $4, sent_digest = $3, remote_id = $5 \
WHERE place = $1 AND subject = $2 AND digest = $3";

const UNSENT: &str = "\
UPDATE sendings SET claimed_until = $4 WHERE place = $1 AND subject = $2 AND digest = $3";

const SENDING: &str = "\
SELECT attempts, sent_at, sent_digest, remote_id FROM sendings WHERE place = $1 AND subject = $2";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000 + second, 0).unwrap()
    }

    #[tokio::test]
    async fn each_thing_is_sent_once_to_each_place() {
        let place = Place::new();
        let store = place.open().await;
        let claim = async |to: &str, digest: &str, now: i64| {
            store.claim_sending(to, "api:1", digest, at(now), at(now + 60)).await.unwrap()
        };
        let claims = at_once(8, |_| {
            let store = store.clone();
            async move { store.claim_sending("datadog", "api:1", "d1", at(0), at(60)).await.unwrap() }
        });
        assert_eq!(claims.await.into_iter().filter(|claimed| *claimed).count(), 1);
        assert!(!claim("datadog", "d1", 59).await && claim("github", "d1", 59).await);
        // Its claim lapsed: nobody knows whether it was sent.
        assert!(claim("datadog", "d1", 60).await);
        store.unsent("datadog", "api:1", "d1", at(90)).await.unwrap();
        assert!(!claim("datadog", "d1", 89).await && claim("datadog", "d1", 90).await);
        store.sent("datadog", "api:1", "d1", "x7", at(91)).await.unwrap();
        assert!(!claim("datadog", "d1", 9_999).await);
        let sent = |attempts, second, digest: &str, id: &str| {
            Some(Sending {
                attempts,
                sent_at: Some(at(second)),
                sent_digest: Some(digest.to_owned()),
                remote_id: Some(id.to_owned()),
            })
        };
        assert_eq!(store.sending("datadog", "api:1").await, Ok(sent(3, 91, "d1", "x7")));
        // Something else is to be said there by now.
        assert!(claim("datadog", "d2", 9_999).await && !claim("datadog", "d2", 9_999).await);
        store.sent("datadog", "api:1", "d2", "x7", at(10_000)).await.unwrap();
        assert_eq!(store.sending("datadog", "api:1").await, Ok(sent(4, 10_000, "d2", "x7")));
        assert_eq!(store.sending("elsewhere", "api:1").await, Ok(None));
    }
}
