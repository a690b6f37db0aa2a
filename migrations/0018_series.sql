-- Pull requests that were pushed of late, so that a change which is made in several pieces is seen as one.
-- places is a JSON list of services or directories; merged says that the piece is on the base branch by now.
CREATE TABLE recent_pulls (
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    base_ref TEXT NOT NULL,
    author TEXT NOT NULL,
    head_sha TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    added BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    places TEXT NOT NULL,
    merged BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (repository_id, pull_request)
);

CREATE INDEX recent_pulls_by_author ON recent_pulls (repository_id, author, base_ref, pushed_at);
