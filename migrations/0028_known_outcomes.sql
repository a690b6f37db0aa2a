-- Rates are read off the latest changes of a repository whose outcome is known.
CREATE INDEX change_outcomes_by_known ON change_outcomes (repository_id, known_at);
