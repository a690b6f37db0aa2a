-- Since when a write to a check run is under way whose answer is not known. Older rows knew of the first write only.
ALTER TABLE check_runs ADD COLUMN unanswered_since BIGINT;

UPDATE check_runs SET unanswered_since = attempted_at WHERE state <> 'completed';
