-- What is old is forgotten without a look at what is not.
CREATE INDEX pull_request_moves_by_age ON pull_request_moves (at, repository_id, pull_request);
