-- The ledger of overrides: one row when an override is made, one when it ends. Rows are added, never changed.
CREATE TABLE override_events (
    override_id TEXT NOT NULL,
    ends BIGINT NOT NULL CHECK (ends IN (0, 1)),
    what TEXT NOT NULL CHECK (what IN ('made', 'cancelled', 'pushed', 'retargeted', 'expired', 'replaced')),
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    at BIGINT NOT NULL,
    login TEXT,
    reason TEXT,
    asked_at BIGINT,
    until_at BIGINT,
    head_sha TEXT,
    base_ref TEXT,
    score BIGINT,
    assessment_id TEXT,
    PRIMARY KEY (override_id, ends)
);

CREATE INDEX override_events_by_pull_request ON override_events (repository_id, pull_request, at);
