//! Answers to be revalidated by their ETag, by installation and route. A cache: it may lose entries, never mix them up.

use super::{Result, Store, compress, db::limit, decompress};

/// Most answers that are kept: some forty pages for each of a hundred pull requests.
pub const CACHE_ROWS_LIMIT: usize = 4_096;

/// Most bytes of one answer, deflated; with the rows' limit this bounds the cache at 4 GB, and usual answers stay below a
/// hundredth of it.
pub const CACHE_ENTRY_LIMIT: usize = 1 << 20;

impl Store {
    /// ETag and body that were kept of a route. An entry that cannot be read is none.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn cached(&self, installation_id: i64, route: &str) -> Result<Option<(String, Vec<u8>)>> {
        let row = self.db.query_one(BY_ROUTE, vec![installation_id.into(), route.into()]).await?;
        let Some(mut row) = row else { return Ok(None) };
        let body = decompress(&row.take::<Vec<u8>>(1)?);
        Ok(body.ok().zip(row.take(0).ok()).map(|(body, etag)| (etag, body)))
    }

    /// The body that was kept of a route since an instant (unix ms).
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn cached_since(&self, installation_id: i64, route: &str, since: i64) -> Result<Option<Vec<u8>>> {
        let row = self.db.query_one(SINCE, vec![installation_id.into(), route.into(), since.into()]).await?;
        let Some(mut row) = row else { return Ok(None) };
        Ok(decompress(&row.take::<Vec<u8>>(0)?).ok())
    }

    /// Keeps a body under its ETag in place of the route's earlier one, and drops the oldest past the limit; `false` if
    /// the body is too large to be kept.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_cached(
        &self,
        installation_id: i64,
        route: &str,
        etag: &str,
        body: &[u8],
        now: i64,
    ) -> Result<bool> {
        self.save_cached_within(CACHE_ROWS_LIMIT, (installation_id, route), etag, body, now).await
    }

    /// Forgets up to `most` answers that were last told before `before`; says how many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_cached(&self, before: i64, most: usize) -> Result<u64> {
        self.db.exec(FORGET, vec![before.into(), limit(most)]).await.map(|done| done.changed)
    }

    async fn save_cached_within(
        &self,
        rows: usize,
        (installation_id, route): (i64, &str),
        etag: &str,
        body: &[u8],
        now: i64,
    ) -> Result<bool> {
        let deflated = compress(body);
        if deflated.len() > CACHE_ENTRY_LIMIT || body.len() > super::INFLATED_LIMIT {
            return Ok(false);
        }
        let save = vec![installation_id.into(), route.into(), etag.into(), deflated.into(), now.into()];
        self.db.tx(vec![(SAVE, save), (DROP_OLDEST, vec![limit(rows)])]).await?;
        Ok(true)
    }
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, DROP_OLDEST, BY_ROUTE, SINCE, FORGET];

const SAVE: &str = "\
INSERT INTO http_cache (installation_id, route, etag, body, stored_at) VALUES ($1, $2, $3, $4, $5) \
ON CONFLICT (installation_id, route) DO UPDATE SET \
  etag = excluded.etag, body = excluded.body, stored_at = excluded.stored_at";

const DROP_OLDEST: &str = "\
DELETE FROM http_cache WHERE (stored_at, installation_id, route) <= ( \
  SELECT stored_at, installation_id, route FROM http_cache \
  ORDER BY stored_at DESC, installation_id DESC, route DESC LIMIT 1 OFFSET $1)";

const BY_ROUTE: &str = "\
SELECT etag, body FROM http_cache WHERE installation_id = $1 AND route = $2";

const SINCE: &str = "\
SELECT body FROM http_cache WHERE installation_id = $1 AND route = $2 AND stored_at >= $3";

const FORGET: &str = "\
DELETE FROM http_cache WHERE (installation_id, route) IN ( \
  SELECT installation_id, route FROM http_cache WHERE stored_at < $1 ORDER BY stored_at LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn keeps_the_newest_answers_of_each_installation() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.cached(1, "/a").await, Ok(None));
        for (installation, route, etag, now) in
            [(1, "/a", "e1", 1), (2, "/a", "e2", 2), (1, "/a", "e3", 3), (1, "/b", "e4", 3), (1, "/c", "e5", 3)]
        {
            let body = format!("body of {etag}");
            let kept = store.save_cached_within(3, (installation, route), etag, body.as_bytes(), now).await;
            assert_eq!(kept, Ok(true));
        }
        let kept = |etag: &str| Ok(Some((etag.to_owned(), format!("body of {etag}").into_bytes())));
        assert_eq!(store.cached(1, "/a").await, kept("e3"));
        assert_eq!(store.cached(1, "/b").await, kept("e4"));
        assert_eq!(store.cached(1, "/c").await, kept("e5"));
        assert_eq!(store.cached(2, "/a").await, Ok(None), "the oldest went");
    }

    #[tokio::test]
    async fn a_large_answer_is_not_kept_and_a_damaged_one_is_none() {
        let place = Place::new();
        let store = place.open().await;
        let mut lots = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = std::iter::repeat_with(|| lots.u8(..)).take(CACHE_ENTRY_LIMIT + 1).collect();
        assert_eq!(store.save_cached(1, "/a", "e1", &noise, 1).await, Ok(false));
        assert_eq!(store.save_cached(1, "/a", "e1", &[b' '; 2 * CACHE_ENTRY_LIMIT], 1).await, Ok(true));
        assert_eq!(store.cached(1, "/a").await.unwrap().unwrap().1.len(), 2 * CACHE_ENTRY_LIMIT);
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        connection.execute("UPDATE http_cache SET body = X'00'", []).unwrap();
        assert_eq!(store.cached(1, "/a").await, Ok(None));
    }
}
