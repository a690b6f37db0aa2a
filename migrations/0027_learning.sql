-- What became of changes: for each assessment that a pull request was merged or closed with, what its label is read off.
-- effective_at is when the change first took effect in production, NULL if it never did; known_at is when its window has
-- passed, observed_until until when a failure would have been noticed. effective_by says what effective_at was read off:
-- the merge, until a deployment is reported. The failure is the surest one that is known; certainty is in percent.
CREATE TABLE change_outcomes (
    assessment_id TEXT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    effective_at BIGINT,
    effective_by TEXT NOT NULL DEFAULT 'merge' CHECK (effective_by IN ('merge', 'deployment')),
    known_at BIGINT,
    observed_until BIGINT,
    held_ms BIGINT,
    overridden BIGINT NOT NULL CHECK (overridden IN (0, 1)),
    evidence TEXT CHECK (evidence IN ('incident', 'rolled_back', 'slo_burn', 'fixed')),
    certainty BIGINT,
    failed_at BIGINT
);

CREATE INDEX change_outcomes_by_pull_request ON change_outcomes (repository_id, pull_request, assessment_id);

-- Challengers that did better beyond noise, and what was said of them; their weights are in models. prior is the model
-- that no outcome had moved, champion the one that was in force.
CREATE TABLE model_proposals (
    version TEXT NOT NULL PRIMARY KEY,
    prior TEXT NOT NULL,
    champion TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    said TEXT NOT NULL
);

-- The ledger of which model is in force. Rows are added, never changed; the last one says it. The empty text is the model
-- that the program ships.
CREATE TABLE model_moves (
    move_id TEXT NOT NULL PRIMARY KEY,
    what TEXT NOT NULL CHECK (what IN ('activated', 'rolled_back')),
    at BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    version_before TEXT NOT NULL,
    version_after TEXT NOT NULL
);

-- What each look at the outcomes came to. verdict is empty where no challenger was fitted, proposed where none was proposed;
-- drifts is NULL while it cannot be told; z are in hundredths of a standard deviation.
CREATE TABLE model_judgements (
    made_at BIGINT NOT NULL PRIMARY KEY,
    champion TEXT NOT NULL,
    changes BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('', 'too_few', 'not_better', 'ranks_worse', 'proposed')),
    proposed TEXT NOT NULL,
    drifts BIGINT CHECK (drifts IN (0, 1)),
    level_z100 BIGINT NOT NULL,
    spread_z100 BIGINT NOT NULL
);

-- What a proposed model would have scored, beside the assessment that was made by the model in force.
CREATE TABLE shadow_scores (
    assessment_id TEXT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    version TEXT NOT NULL,
    score BIGINT NOT NULL
);

CREATE INDEX shadow_scores_by_version ON shadow_scores (version, assessment_id);
CREATE INDEX shadow_scores_by_repository ON shadow_scores (repository_id, assessment_id);
