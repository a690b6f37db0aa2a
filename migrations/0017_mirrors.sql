-- Mirrors of repositories: which are wanted, and how the last fetch went. The mirrors themselves are a cache on disk.
-- asked counts the requests; run_at is when the next fetch is due, NULL while none is wanted; attempts counts the failures
-- since the last fetch that went well; tried_as is the name that the last fetch used.
CREATE TABLE mirrors (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    asked BIGINT NOT NULL,
    run_at BIGINT,
    urgent BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    tried_as TEXT,
    fetched_at BIGINT,
    bytes BIGINT NOT NULL DEFAULT 0,
    failure TEXT
);

CREATE INDEX mirrors_by_time ON mirrors (run_at);

-- The branches that a mirror holds or is to hold. tip and changes are those of the history that was read last.
CREATE TABLE mirror_branches (
    repository_id BIGINT NOT NULL,
    branch TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    tip TEXT,
    changes BIGINT,
    PRIMARY KEY (repository_id, branch)
);

-- Pull requests that were scored without their history, or with one that had not seen their base commit. told: a fetch
-- has ended since, and a score is asked for.
CREATE TABLE history_waits (
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    base_sha TEXT NOT NULL,
    since BIGINT NOT NULL,
    told BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (repository_id, pull_request)
);
