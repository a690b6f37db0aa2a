-- Groups of pull requests that a merge queue asked about, by the commit on which it waits for the check.
-- destroyed holds GitHub's reason; doubted says that the checks were asked for after that, which events out of order do.
CREATE TABLE merge_groups (
    repository_id BIGINT NOT NULL,
    head_sha TEXT NOT NULL,
    head_ref TEXT NOT NULL,
    base_sha TEXT NOT NULL,
    base_ref TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    begun_at BIGINT,
    destroyed TEXT,
    doubted BIGINT NOT NULL DEFAULT 0,
    members TEXT,
    assessment TEXT,
    PRIMARY KEY (repository_id, head_sha)
);

CREATE INDEX merge_groups_by_time ON merge_groups (seen_at);
-- A queue waits for these: they are claimed ahead of all other jobs.
CREATE INDEX jobs_merge_groups ON jobs (queued_at, job_key) WHERE kind = 'merge_group' AND state = 'queued';
