-- One row that is written to find out whether the database can be written.
CREATE TABLE readiness (
    id BIGINT NOT NULL PRIMARY KEY,
    writes BIGINT NOT NULL
);
