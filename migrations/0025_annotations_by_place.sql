-- GitHub adds the annotations of a later score to those of an earlier one: which ones it was sent, in that order, each a digest
-- and a comma. Of rows from before it is known only how many there were.
ALTER TABLE check_runs ADD COLUMN annotations TEXT NOT NULL DEFAULT '';
