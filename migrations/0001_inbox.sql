-- Deliveries as they came in. The primary key is what makes a duplicate one delivery.
-- BYTEA is PostgreSQL's word; SQLite keeps bytes as bytes whatever the column is called.
CREATE TABLE inbox (
    delivery_id TEXT NOT NULL PRIMARY KEY,
    event TEXT NOT NULL,
    action TEXT,
    installation_id BIGINT,
    received_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'done', 'ignored', 'buried')),
    attempts BIGINT NOT NULL DEFAULT 0,
    run_at BIGINT NOT NULL,
    lease_until BIGINT,
    done_at BIGINT,
    last_error TEXT,
    body BYTEA NOT NULL
);

-- Serves claims in arrival order, the counts, and forgetting what is old.
CREATE INDEX inbox_by_state ON inbox (state, received_at, delivery_id);
