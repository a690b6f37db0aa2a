-- Our check runs by what they are about, written before GitHub is asked to create one.
CREATE TABLE check_runs (
    repository_id BIGINT NOT NULL,
    head_sha TEXT NOT NULL,
    name TEXT NOT NULL,
    pull_request BIGINT,
    run_id BIGINT,
    state TEXT NOT NULL CHECK (state IN ('creating', 'open', 'completed')),
    attempted_at BIGINT NOT NULL,
    external_id TEXT,
    output_digest TEXT,
    annotations_planned BIGINT NOT NULL DEFAULT 0,
    annotations_sent BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (repository_id, head_sha, name)
);

CREATE INDEX check_runs_by_external_id ON check_runs (external_id);
CREATE INDEX check_runs_unfinished ON check_runs (attempted_at) WHERE state <> 'completed';
