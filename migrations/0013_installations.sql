-- Where the App is installed, as GitHub said last. Permissions and events are JSON.
CREATE TABLE installations (
    installation_id BIGINT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    organization BIGINT NOT NULL,
    permissions TEXT NOT NULL,
    events TEXT NOT NULL,
    suspended_at BIGINT,
    deleted_at BIGINT,
    listed_at BIGINT
);

-- The repositories that installations cover, or did until removed_at. A repository is in one installation at a time.
-- listing is the reading of GitHub's list that saw the row last; sweep_cursor is where the sweep of its heads stopped.
CREATE TABLE installation_repositories (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    installation_id BIGINT NOT NULL,
    repository TEXT NOT NULL,
    archived BIGINT NOT NULL,
    listing TEXT NOT NULL,
    removed_at BIGINT,
    swept_at BIGINT,
    sweep_cursor TEXT
);

CREATE INDEX installation_repositories_by_installation ON installation_repositories (installation_id, swept_at);
CREATE INDEX installation_repositories_by_name ON installation_repositories (LOWER(repository));

-- One row: up to when no delivery is missing, and where a long reading of GitHub's log stopped.
CREATE TABLE recovery (
    id BIGINT NOT NULL PRIMARY KEY,
    good_until BIGINT,
    looked_at BIGINT NOT NULL,
    walk_started BIGINT,
    walk_cursor TEXT
);

-- Deliveries that GitHub could not hand over, until they have come.
CREATE TABLE missed_deliveries (
    delivery_id TEXT NOT NULL PRIMARY KEY,
    attempt_id BIGINT NOT NULL,
    event TEXT NOT NULL,
    action TEXT,
    delivered_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    asked BIGINT NOT NULL DEFAULT 0,
    ask_at BIGINT NOT NULL
);

CREATE INDEX missed_deliveries_by_time ON missed_deliveries (ask_at);

-- Serves erasing what came from an installation that is gone.
CREATE INDEX inbox_by_installation ON inbox (installation_id);
