//! Merge groups: what a merge queue asked about, whether it still does, and what was found out. Kept apart from the job,
//! so that events in any order end in the same state.

use super::{
    Result, Store,
    db::{Row, Val, limit},
};

/// A merge group, known by the commit on which its queue waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeGroupRow {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The commit on which the check is wanted.
    pub head_sha: String,
    /// Full name of the group's branch; from outside.
    pub head_ref: String,
    /// The commit that the group was built on.
    pub base_sha: String,
    /// Full name of the branch that it would be merged into; from outside.
    pub base_ref: String,
    /// When it was first heard of, in milliseconds since 1970.
    pub seen_at: i64,
    /// When work on the answer that is wanted now began, in milliseconds since 1970.
    pub begun_at: Option<i64>,
    /// Why GitHub took it away, in its word.
    pub destroyed: Option<String>,
    /// Its checks were asked for after it was said to be gone.
    pub doubted: bool,
    /// Pull requests in it with their heads as the queue named them last, as JSON.
    pub members: Option<String>,
    /// The assessment that was made for the answer that is wanted now.
    pub assessment: Option<String>,
}

impl MergeGroupRow {
    /// Why it is gone, if that is certain.
    pub fn gone(&self) -> Option<&str> {
        self.destroyed.as_deref().filter(|_| !self.doubted)
    }
}

/// A merge group as an event tells of it.
#[derive(Clone, Copy, Debug)]
pub struct MergeGroupSeen<'a> {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The commit on which the check is wanted.
    pub head_sha: &'a str,
    /// Full name of the group's branch.
    pub head_ref: &'a str,
    /// The commit that the group was built on.
    pub base_sha: &'a str,
    /// Full name of the branch that it would be merged into.
    pub base_ref: &'a str,
}

impl Store {
    /// The merge group of a commit.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group(&self, repository_id: i64, head_sha: &str) -> Result<Option<MergeGroupRow>> {
        self.db.query_one(BY_KEY, key(repository_id, head_sha)).await?.map(merge_group).transpose()
    }

    /// Notes that a group's checks are wanted.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_requested(&self, seen: &MergeGroupSeen<'_>, now: i64) -> Result<()> {
        let mut args = seen_args(seen);
        args.push(now.into());
        self.db.exec(REQUESTED, args).await.map(drop)
    }

    /// Notes that a group is gone, and why.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_destroyed(&self, seen: &MergeGroupSeen<'_>, reason: &str, now: i64) -> Result<()> {
        let mut args = seen_args(seen);
        args.extend([now.into(), reason.into()]);
        self.db.exec(DESTROYED, args).await.map(drop)
    }

    /// Notes whether a group that was doubted is in its queue after all.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_settled(&self, repository_id: i64, head_sha: &str, lives: bool) -> Result<()> {
        let mut args = key(repository_id, head_sha);
        args.push(i64::from(lives).into());
        self.db.exec(SETTLED, args).await.map(drop)
    }

    /// Notes that work on the answer begins, unless it has begun.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_begun(&self, repository_id: i64, head_sha: &str, now: i64) -> Result<()> {
        let mut args = key(repository_id, head_sha);
        args.push(now.into());
        self.db.exec(BEGUN, args).await.map(drop)
    }

    /// Notes that another answer is wanted: what was made for the last one does not count.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_again(&self, repository_id: i64, head_sha: &str) -> Result<()> {
        self.db.exec(AGAIN, key(repository_id, head_sha)).await.map(drop)
    }

    /// Keeps the pull requests of a group, as JSON.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_members(&self, repository_id: i64, head_sha: &str, members: &str) -> Result<()> {
        let mut args = key(repository_id, head_sha);
        args.push(members.into());
        self.db.exec(MEMBERS, args).await.map(drop)
    }

    /// Keeps which assessment is the answer.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn merge_group_assessed(&self, repository_id: i64, head_sha: &str, assessment: &str) -> Result<()> {
        let mut args = key(repository_id, head_sha);
        args.push(assessment.into());
        self.db.exec(ASSESSED, args).await.map(drop)
    }

    /// Forgets some of the groups first heard of before `before` (milliseconds since 1970); gives how many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_merge_groups(&self, before: i64, most: usize) -> Result<u64> {
        self.db.exec(FORGET, vec![before.into(), limit(most)]).await.map(|done| done.changed)
    }
}

fn key(repository_id: i64, head_sha: &str) -> Vec<Val> {
    vec![repository_id.into(), head_sha.into()]
}

fn seen_args(seen: &MergeGroupSeen<'_>) -> Vec<Val> {
    let MergeGroupSeen { repository_id, head_sha, head_ref, base_sha, base_ref } = *seen;
    vec![repository_id.into(), head_sha.into(), head_ref.into(), base_sha.into(), base_ref.into()]
}

fn merge_group(mut row: Row) -> Result<MergeGroupRow> {
    Ok(MergeGroupRow {
        repository_id: row.take(0)?,
        head_sha: row.take(1)?,
        head_ref: row.take(2)?,
        base_sha: row.take(3)?,
        base_ref: row.take(4)?,
        seen_at: row.take(5)?,
        begun_at: row.take(6)?,
        destroyed: row.take(7)?,
        doubted: row.take::<i64>(8)? != 0,
        members: row.take(9)?,
        assessment: row.take(10)?,
    })
}

pub(super) const STATEMENTS: &[&str] =
    &[BY_KEY, REQUESTED, DESTROYED, SETTLED, BEGUN, AGAIN, MEMBERS, ASSESSED, FORGET];

const BY_KEY: &str = "\
SELECT repository_id, head_sha, head_ref, base_sha, base_ref, seen_at, begun_at, destroyed, doubted, members, assessment \
FROM merge_groups WHERE repository_id = $1 AND head_sha = $2";

const REQUESTED: &str = "\
INSERT INTO merge_groups (repository_id, head_sha, head_ref, base_sha, base_ref, seen_at) \
VALUES ($1, $2, $3, $4, $5, $6) \
ON CONFLICT (repository_id, head_sha) DO UPDATE SET \
  doubted = CASE WHEN merge_groups.destroyed IS NULL THEN 0 ELSE 1 END";

const DESTROYED: &str = "\
INSERT INTO merge_groups (repository_id, head_sha, head_ref, base_sha, base_ref, seen_at, destroyed) \
VALUES ($1, $2, $3, $4, $5, $6, $7) \
ON CONFLICT (repository_id, head_sha) DO UPDATE SET destroyed = excluded.destroyed, doubted = 0";

const SETTLED: &str = "\
UPDATE merge_groups SET doubted = 0, destroyed = CASE WHEN $3 = 1 THEN NULL ELSE destroyed END \
WHERE repository_id = $1 AND head_sha = $2";

const BEGUN: &str = "\
UPDATE merge_groups SET begun_at = COALESCE(begun_at, $3) WHERE repository_id = $1 AND head_sha = $2";

const AGAIN: &str = "\
UPDATE merge_groups SET begun_at = NULL, assessment = NULL WHERE repository_id = $1 AND head_sha = $2";

const MEMBERS: &str = "\
UPDATE merge_groups SET members = $3 WHERE repository_id = $1 AND head_sha = $2";

const ASSESSED: &str = "\
UPDATE merge_groups SET assessment = $3 WHERE repository_id = $1 AND head_sha = $2";

const FORGET: &str = "\
DELETE FROM merge_groups WHERE (repository_id, head_sha) IN ( \
  SELECT repository_id, head_sha FROM merge_groups WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    const GROUP: MergeGroupSeen<'static> = MergeGroupSeen {
        repository_id: 1,
        head_sha: "head",
        head_ref: "refs/heads/gh-readonly-queue/main/pr-7-base",
        base_sha: "base",
        base_ref: "refs/heads/main",
    };

    /// Reason and doubt after events in this order: `r` for requested, `d` for destroyed.
    async fn after(events: &str) -> (Option<String>, bool) {
        let place = Place::new();
        let store = place.open().await;
        for (now, event) in (100..).zip(events.chars()) {
            match event {
                'r' => store.merge_group_requested(&GROUP, now).await.unwrap(),
                _ => store.merge_group_destroyed(&GROUP, "dequeued", now).await.unwrap(),
            }
        }
        let row = store.merge_group(1, "head").await.unwrap().unwrap();
        (row.destroyed, row.doubted)
    }

    #[tokio::test]
    async fn events_in_any_order_leave_no_doubt_unseen() {
        let gone = Some("dequeued".to_owned());
        assert_eq!(after("r").await, (None, false));
        assert_eq!(after("rr").await, (None, false));
        assert_eq!(after("rd").await, (gone.clone(), false));
        assert_eq!(after("d").await, (gone.clone(), false));
        assert_eq!(after("dr").await, (gone.clone(), true));
        assert_eq!(after("rdr").await, (gone.clone(), true));
        assert_eq!(after("drd").await, (gone, false));
    }

    #[tokio::test]
    async fn what_is_found_out_is_kept_until_another_answer_is_wanted() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.merge_group(1, "head").await, Ok(None));
        store.merge_group_requested(&GROUP, 100).await.unwrap();
        store.merge_group_begun(1, "head", 110).await.unwrap();
        store.merge_group_begun(1, "head", 120).await.unwrap();
        store.merge_group_members(1, "head", "[]").await.unwrap();
        store.merge_group_assessed(1, "head", "a1").await.unwrap();
        let known = store.merge_group(1, "head").await.unwrap().unwrap();
        assert_eq!((known.seen_at, known.begun_at), (100, Some(110)));
        assert_eq!((known.members.as_deref(), known.assessment.as_deref()), (Some("[]"), Some("a1")));
        store.merge_group_again(1, "head").await.unwrap();
        let again = store.merge_group(1, "head").await.unwrap().unwrap();
        assert_eq!(again, MergeGroupRow { begun_at: None, assessment: None, ..known });
    }

    #[tokio::test]
    async fn a_doubt_ends_either_way() {
        let place = Place::new();
        let store = place.open().await;
        for (lives, destroyed) in [(false, Some("merged")), (true, None)] {
            store.merge_group_destroyed(&GROUP, "merged", 100).await.unwrap();
            store.merge_group_requested(&GROUP, 101).await.unwrap();
            store.merge_group_settled(1, "head", lives).await.unwrap();
            let row = store.merge_group(1, "head").await.unwrap().unwrap();
            assert_eq!((row.destroyed.as_deref(), row.doubted), (destroyed, false));
        }
    }

    #[tokio::test]
    async fn old_ones_are_forgotten_a_few_at_a_time() {
        let place = Place::new();
        let store = place.open().await;
        for (at, head_sha) in [(10, "a"), (20, "b"), (30, "c"), (40, "d")] {
            store.merge_group_requested(&MergeGroupSeen { head_sha, ..GROUP }, at).await.unwrap();
        }
        assert_eq!(store.forget_merge_groups(40, 2).await, Ok(2));
        assert_eq!(store.forget_merge_groups(40, 2).await, Ok(1));
        assert!(store.merge_group(1, "c").await.unwrap().is_none());
        assert!(store.merge_group(1, "d").await.unwrap().is_some());
    }
}
