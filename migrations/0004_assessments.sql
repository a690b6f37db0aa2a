-- Every assessment with the facts and the policy it was made of, so that it can be made again.
CREATE TABLE assessments (
    id TEXT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    repository TEXT NOT NULL,
    pull_request BIGINT,
    title TEXT NOT NULL,
    head_sha TEXT NOT NULL,
    base_sha TEXT NOT NULL,
    at BIGINT NOT NULL,
    score BIGINT NOT NULL,
    level TEXT NOT NULL,
    conclusion TEXT NOT NULL,
    unknowns BIGINT NOT NULL,
    model_version TEXT NOT NULL,
    facts_digest TEXT NOT NULL,
    document_digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    facts BYTEA NOT NULL
);

CREATE INDEX assessments_by_time ON assessments (at, id);
CREATE INDEX assessments_by_name ON assessments (LOWER(repository), at);
CREATE INDEX assessments_by_head ON assessments (repository_id, head_sha, at, id);
CREATE INDEX assessments_by_pull_request ON assessments (repository_id, pull_request, at, id);
-- Holds all that the recent scores need: the rows themselves are large.
CREATE INDEX assessments_scores ON assessments (repository_id, at, id, pull_request, score);
