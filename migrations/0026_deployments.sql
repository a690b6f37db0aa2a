-- What sources said of deployments and incidents, and people of causes, as JSON. A digest of the words is the key, so that
-- said twice is said once. Rows are only added; what is made of them is computed. received_at is when it was received first,
-- NULL where it was asked for afterwards; repository_id and installation_id are those by whom it came, where it was one.
CREATE TABLE deployments_said (
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    said_at BIGINT NOT NULL,
    received_at BIGINT,
    repository_id BIGINT,
    installation_id BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, digest)
);

CREATE INDEX deployments_said_by_time ON deployments_said (kind, said_at, digest);
CREATE INDEX deployments_said_by_repository ON deployments_said (repository_id) WHERE repository_id IS NOT NULL;
CREATE INDEX deployments_said_by_installation ON deployments_said (installation_id) WHERE installation_id IS NOT NULL;

-- How SLOs burned around deployments: asked for once each, and again while it is not known.
CREATE TABLE slo_windows (
    deployment TEXT NOT NULL,
    slo TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    burn_before DOUBLE PRECISION,
    burn_after DOUBLE PRECISION,
    PRIMARY KEY (deployment, slo)
);

-- What was told to others: which place, and of what. Whoever takes a row sends what digest is of, until claimed_until;
-- sent_digest is what was sent last, remote_id what it is called there.
CREATE TABLE sendings (
    place TEXT NOT NULL,
    subject TEXT NOT NULL,
    digest TEXT NOT NULL,
    claimed_until BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    sent_at BIGINT,
    sent_digest TEXT,
    remote_id TEXT,
    PRIMARY KEY (place, subject)
);

-- Up to when a source was read back: all before reached is kept.
CREATE TABLE backfills (
    source TEXT NOT NULL PRIMARY KEY,
    began BIGINT NOT NULL,
    reached BIGINT NOT NULL,
    records BIGINT NOT NULL
);

-- Commits from one deployed commit of a service to the next, as JSON: the graph does not change.
CREATE TABLE commits_between (
    repository_id BIGINT NOT NULL,
    service TEXT NOT NULL,
    before_sha TEXT NOT NULL,
    sha TEXT NOT NULL,
    read_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (repository_id, service, before_sha, sha)
);

-- Pull requests as they were merged, as JSON, of commits that were deployed; null for a number that is none's.
CREATE TABLE landed_pulls (
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (repository_id, pull_request)
);

-- Which services are deployed from which repositories, and whose they are, as JSON, as it was known last: one row.
CREATE TABLE deployment_names (
    name TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);
