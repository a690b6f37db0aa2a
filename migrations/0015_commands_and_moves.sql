-- Whether who gave a command could write when it was listened to; NULL until then, and for ever where it was not.
ALTER TABLE commands ADD COLUMN may_write BIGINT CHECK (may_write IN (0, 1));
-- Whether what a command waits for has happened since it began to wait.
ALTER TABLE commands ADD COLUMN outcome_known BIGINT NOT NULL DEFAULT 0;

-- Limits go by when a command was given, not by when it came in.
DROP INDEX commands_by_pull_request;
DROP INDEX commands_by_repository;
DROP INDEX commands_by_actor;
CREATE INDEX commands_by_pull_request ON commands (repository_id, pull_request, asked_at);
CREATE INDEX commands_by_repository ON commands (repository_id, asked_at);
CREATE INDEX commands_by_actor ON commands (actor_id, asked_at);

-- When the head or the base branch of a pull request was moved last, as webhooks told: what was asked for before that
-- was asked about something else, even if it is moved back.
CREATE TABLE pull_request_moves (
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    head_sha TEXT,
    at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, pull_request)
);
