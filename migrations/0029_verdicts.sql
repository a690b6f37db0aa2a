-- A look may also find that the model in force has learned not long ago, or that the way back is advised.
CREATE TABLE model_judgements_with_all_verdicts (
    made_at BIGINT NOT NULL PRIMARY KEY,
    champion TEXT NOT NULL,
    changes BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    verdict TEXT NOT NULL CHECK (
        verdict IN ('', 'too_few', 'not_better', 'ranks_worse', 'too_soon', 'back', 'proposed')
    ),
    proposed TEXT NOT NULL,
    drifts BIGINT CHECK (drifts IN (0, 1)),
    level_z100 BIGINT NOT NULL,
    spread_z100 BIGINT NOT NULL
);

INSERT INTO model_judgements_with_all_verdicts SELECT * FROM model_judgements;
DROP TABLE model_judgements;
ALTER TABLE model_judgements_with_all_verdicts RENAME TO model_judgements;
