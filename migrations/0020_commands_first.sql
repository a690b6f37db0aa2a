-- Whoever gives a command waits for its receipt: its job goes ahead of scores.
CREATE INDEX jobs_commands ON jobs (queued_at, job_key) WHERE kind = 'commands' AND state = 'queued';
