-- Model versions, never overwritten.
CREATE TABLE models (
    version TEXT NOT NULL PRIMARY KEY,
    stored_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
