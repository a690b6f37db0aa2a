-- The last policy of each repository that could be read without a mistake.
CREATE TABLE policies (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    repository TEXT NOT NULL,
    blob_sha TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
