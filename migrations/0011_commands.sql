-- Slash-commands and presses of Acknowledge by what they are: the comment's number or the delivery's. A reply is stored
-- before GitHub is asked to show it.
CREATE TABLE commands (
    command_key TEXT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    comment_id BIGINT,
    actor_id BIGINT NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    asked_on TEXT,
    asked_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'waiting', 'answered', 'done')),
    accepted BIGINT,
    reply TEXT,
    reply_id BIGINT,
    shown BIGINT NOT NULL DEFAULT 0,
    unanswered_since BIGINT
);

CREATE INDEX commands_by_pull_request ON commands (repository_id, pull_request, received_at);
CREATE INDEX commands_by_repository ON commands (repository_id, received_at);
CREATE INDEX commands_by_actor ON commands (actor_id, received_at);
CREATE INDEX commands_open ON commands (repository_id, pull_request) WHERE state <> 'done';

-- Whether a score was right, as somebody saw it. Who it was is not kept.
CREATE TABLE feedback (
    feedback_id TEXT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    pull_request BIGINT NOT NULL,
    assessment_id TEXT NOT NULL,
    opinion TEXT NOT NULL CHECK (opinion IN ('right', 'wrong')),
    why TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX feedback_by_assessment ON feedback (assessment_id);
