-- Each nginx worker counts by itself, in one row of a key and minute, and adds that to the table's every 5 seconds.
CREATE TABLE IF NOT EXISTS api_usage (
    api_key text,
    minute timestamptz,
    requests int8 NOT NULL,
    bytes int8 NOT NULL,
    PRIMARY KEY (api_key, minute)
);
