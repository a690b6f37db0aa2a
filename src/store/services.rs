//! Which services open pull requests are for, and which incidents they mend.

use chrono::DateTime;

use super::{
    Result, Store, StoreError,
    db::{Row, Statement, Val, limit},
};
use crate::risk::facts::Remediation;

/// In place of a service: the pull request is watched, and for none that is known.
pub const NO_SERVICE: &str = "";

impl Store {
    /// Keeps which services a pull request is for, in place of what was kept before; none once it is not open.
    ///
    /// # Errors
    /// Whatever the database fails with; then what was kept before stays.
    pub async fn save_services(&self, repository_id: i64, pull_request: i64, services: &[&str]) -> Result<()> {
        let own = || vec![Val::from(repository_id), pull_request.into()];
        let known = self.db.query(OF_PULL, own()).await?.into_iter().map(name).collect::<Result<Vec<_>>>()?;
        let mut wanted = services.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        if known == wanted {
            return Ok(());
        }
        let mut statements: Vec<Statement> = vec![(FORGET, own())];
        statements.extend(wanted.iter().map(|service| {
            let mut args = own();
            args.push(Val::from(*service));
            (SAVE, args)
        }));
        self.db.tx(statements).await.map(drop)
    }

    /// Open pull requests that are watched, as repository and number, in that order, those after `after`, at most
    /// so many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn pulls_with_services(&self, after: (i64, i64), most: usize) -> Result<Vec<(i64, i64)>> {
        let rows = self.db.query(PULLS, vec![after.0.into(), after.1.into(), limit(most)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
    }

    /// The incident that a pull request mends, if somebody has said so.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn remediation(&self, repository_id: i64, pull_request: i64) -> Result<Option<Remediation>> {
        let row = self.db.query_one(REMEDIATION, vec![repository_id.into(), pull_request.into()]).await?;
        row.map(remediation).transpose()
    }
}

/// The statement by which somebody's word is kept.
pub(super) fn mends(told: &Remediation, repository_id: i64, pull_request: i64) -> Statement {
    let at = told.at.timestamp_millis();
    let args =
        vec![repository_id.into(), pull_request.into(), Val::from(&told.incident), Val::from(&told.by), at.into()];
    (MENDS, args)
}

fn name(mut row: Row) -> Result<String> {
    row.take(0)
}

fn remediation(mut row: Row) -> Result<Remediation> {
    let (incident, by) = (row.take(0)?, row.take(1)?);
    let at = DateTime::from_timestamp_millis(row.take(2)?).ok_or(StoreError::Unreadable("a time"))?;
    Ok(Remediation { incident, by, at })
}

pub(super) const STATEMENTS: &[&str] = &[OF_PULL, FORGET, SAVE, PULLS, REMEDIATION, MENDS];

const OF_PULL: &str = "\
SELECT service FROM pull_services WHERE repository_id = $1 AND pull_request = $2 ORDER BY service";

const FORGET: &str = "\
DELETE FROM pull_services WHERE repository_id = $1 AND pull_request = $2";

const SAVE: &str = "\
INSERT INTO pull_services (repository_id, pull_request, service) VALUES ($1, $2, $3) \
ON CONFLICT (repository_id, pull_request, service) DO NOTHING";

const PULLS: &str = "\
SELECT DISTINCT repository_id, pull_request FROM pull_services \
WHERE (repository_id, pull_request) > ($1, $2) ORDER BY repository_id, pull_request LIMIT $3";

const REMEDIATION: &str = "\
SELECT incident, made_by, made_at FROM remediations WHERE repository_id = $1 AND pull_request = $2";

const MENDS: &str = "\
INSERT INTO remediations (repository_id, pull_request, incident, made_by, made_at) VALUES ($1, $2, $3, $4, $5) \
ON CONFLICT (repository_id, pull_request) DO UPDATE SET incident = excluded.incident, made_by = excluded.made_by, \
  made_at = excluded.made_at";

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[tokio::test]
    async fn open_pull_requests_with_services_are_found_in_order() {
        let place = Place::new();
        let store = place.open().await;
        store.save_services(1, 7, &["web", "pay", "web"]).await.unwrap();
        store.save_services(1, 8, &["pay"]).await.unwrap();
        store.save_services(2, 7, &["pay"]).await.unwrap();
        let after = async |after, most| store.pulls_with_services(after, most).await.unwrap();
        assert_eq!(after((0, 0), 9).await, [(1, 7), (1, 8), (2, 7)]);
        assert_eq!(after((0, 0), 2).await, [(1, 7), (1, 8)]);
        assert_eq!(after((1, 8), 9).await, [(2, 7)]);
        store.save_services(1, 7, &["web"]).await.unwrap();
        store.save_services(1, 8, &[]).await.unwrap();
        assert_eq!(after((0, 0), 9).await, [(1, 7), (2, 7)]);
        assert_eq!(store.remediation(1, 7).await, Ok(None));
    }
}
