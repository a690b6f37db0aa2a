-- Branches whose CODEOWNERS file was pushed to: their open pull requests are looked at again.
CREATE TABLE owners_changed (
    repository_id BIGINT NOT NULL,
    base_ref TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, base_ref)
);
