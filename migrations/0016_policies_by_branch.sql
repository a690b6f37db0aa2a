-- A policy counts for the branch whose file it is: one read on another branch must not stand in for it. Of the rows kept
-- until now nobody knows the branch, so they go; the next score reads the file anew.
DROP TABLE policies;

CREATE TABLE policies (
    repository_id BIGINT NOT NULL,
    base_ref TEXT NOT NULL,
    repository TEXT NOT NULL,
    blob_sha TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (repository_id, base_ref)
);
