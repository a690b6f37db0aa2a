-- One row per thing to work on, so that a lease on the row is what keeps its runs from overlapping.
-- wanted counts the requests, done the requests that a finished run has answered.
CREATE TABLE jobs (
    job_key TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    wanted BIGINT NOT NULL,
    done BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('queued', 'idle', 'buried')),
    attempts BIGINT NOT NULL DEFAULT 0,
    run_at BIGINT NOT NULL,
    queued_at BIGINT,
    lease_until BIGINT,
    lease_token TEXT,
    last_error TEXT
);

-- Serves claims, oldest first, and the counts.
CREATE INDEX jobs_by_state ON jobs (state, queued_at, job_key);
