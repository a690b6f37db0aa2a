-- The newest delivery that a job answers, for the log, and when the oldest one came, for the time it took.
ALTER TABLE jobs ADD COLUMN delivery_id TEXT;
ALTER TABLE jobs ADD COLUMN received_at BIGINT;

-- Serve forgetting what is old, which must not hold up the writer by looking through all that is young.
CREATE INDEX jobs_at_rest ON jobs (run_at) WHERE state = 'idle';
CREATE INDEX assessments_with_facts ON assessments (at, id) WHERE LENGTH(facts) > 0;
