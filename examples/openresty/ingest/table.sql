-- What ingest.schema:ddl("postgresql", "measurements") gives. A table is the database's: make it with your migrations.
CREATE TABLE IF NOT EXISTS "measurements" (
    "id" uuid NOT NULL PRIMARY KEY,
    "at" timestamptz NOT NULL,
    "device" varchar(64) NOT NULL,
    "celsius" float8 NOT NULL,
    "labels" jsonb
);
