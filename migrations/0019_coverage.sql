-- Tokens that may upload: for one repository, or for all that an installation covers. Only a digest of each is here, which
-- is what it is found by. scope is the name that it was made for.
CREATE TABLE tokens (
    token_id TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    repository_id BIGINT,
    installation_id BIGINT NOT NULL,
    scope TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT
);

CREATE UNIQUE INDEX tokens_by_digest ON tokens (digest);

-- Coverage reports as they were uploaded, read and packed. digest is of the packed report: one that comes twice is one.
CREATE TABLE coverage_reports (
    repository_id BIGINT NOT NULL,
    head_sha TEXT NOT NULL,
    flag TEXT NOT NULL,
    digest TEXT NOT NULL,
    format TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (repository_id, head_sha, flag, digest)
);

CREATE INDEX coverage_reports_by_time ON coverage_reports (received_at);
