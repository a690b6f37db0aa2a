-- A branch may stand there for its policy alone: then only what was scored under another one is looked at again.
ALTER TABLE owners_changed ADD COLUMN owners BIGINT NOT NULL DEFAULT 1 CHECK (owners IN (0, 1));
