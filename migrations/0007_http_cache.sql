-- Answers that can be revalidated with their ETag; deflated, bounded in rows and size.
CREATE TABLE http_cache (
    installation_id BIGINT NOT NULL,
    route TEXT NOT NULL,
    etag TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (installation_id, route)
);

CREATE INDEX http_cache_by_age ON http_cache (stored_at, installation_id, route);
