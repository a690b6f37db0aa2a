-- Services that open pull requests are for, so that a change in a service's health finds the scores that rest on it.
CREATE TABLE pull_services (
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    service TEXT NOT NULL,
    PRIMARY KEY (repository_id, pull_request, service)
);

-- The incident that a pull request mends, as somebody with write permission has said; the newest word counts.
CREATE TABLE remediations (
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    incident TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, pull_request)
);
