-- What access_log.schema:ddl("postgresql", "requests") gives, and an index for questions about a span of time. A table
-- is the database's: make it with your migrations. Until it is there, rows wait.
CREATE TABLE IF NOT EXISTS "requests" (
    "id" uuid NOT NULL PRIMARY KEY,
    "at" timestamptz NOT NULL,
    "remote_addr" text NOT NULL,
    "method" text,
    "uri" text,
    "status" int2 NOT NULL,
    "bytes_sent" int8 NOT NULL,
    "request_time" float8 NOT NULL,
    "referer" text,
    "user_agent" text
);
CREATE INDEX IF NOT EXISTS requests_at ON requests USING brin (at); -- small, as rows come in the order of time
