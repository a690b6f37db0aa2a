//! How far sources were read back, so that a backfill that ended early goes on where it was.

use chrono::{DateTime, Utc};

use super::{Result, Store, StoreError, db::Val};

/// How far a source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// What lies before was not asked for.
    pub began: DateTime<Utc>,
    /// All before this is kept.
    pub reached: DateTime<Utc>,
    /// Records that came so far; those that came twice are counted twice.
    pub records: u64,
}

impl Store {
    /// How far a source was read; `None` if it never was.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn backfill(&self, source: &str) -> Result<Option<Backfill>> {
        let Some(mut row) = self.db.query_one(REACHED, vec![Val::from(source)]).await? else { return Ok(None) };
        let at = |ms| DateTime::from_timestamp_millis(ms).ok_or(StoreError::Unreadable("a time"));
        let (began, reached, records) = (at(row.take(0)?)?, at(row.take(1)?)?, row.take::<i64>(2)?);
        Ok(Some(Backfill { began, reached, records: records.unsigned_abs() }))
    }

    /// A source was read as far as that. It never goes back.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn backfilled(&self, source: &str, backfill: Backfill) -> Result<()> {
        let args = vec![
            Val::from(source),
            backfill.began.timestamp_millis().into(),
            backfill.reached.timestamp_millis().into(),
            i64::try_from(backfill.records).unwrap_or(i64::MAX).into(),
        ];
        self.db.exec(REACH, args).await.map(drop)
    }
}

pub(super) const STATEMENTS: &[&str] = &[REACHED, REACH];

const REACHED: &str = "\
SELECT began, reached, records FROM backfills WHERE source = $1";

const REACH: &str = "\
INSERT INTO backfills (source, began, reached, records) VALUES ($1, $2, $3, $4) \
ON CONFLICT (source) DO UPDATE SET reached = excluded.reached, records = excluded.records \
WHERE excluded.reached >= backfills.reached";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000 + second, 0).unwrap()
    }

    #[tokio::test]
    async fn a_backfill_goes_on_and_never_back() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.backfill("dora").await, Ok(None));
        let reached = |second, records| Backfill { began: at(-100), reached: at(second), records };
        store.backfilled("dora", reached(10, 1_000)).await.unwrap();
        store.backfilled("dora", reached(20, 2_000)).await.unwrap();
        store.backfilled("dora", reached(15, 9)).await.unwrap();
        assert_eq!(store.backfill("dora").await, Ok(Some(reached(20, 2_000))));
        assert_eq!(store.backfill("events").await, Ok(None));
    }
}
